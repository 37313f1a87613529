"""Kernels of `lfsynth.lytro.white_smoothing`: light by place in a microlens's cell, and the way back to the sensor.

A cell is what lies nearest to a lens along the lattice's own axes: a row high and a pitch wide, with the lens in the
middle. Places in it are counted in nodes ``(v, u)`` from its upper left corner. The cells below and above are shifted
by half a cell. The lattice comes as ``rows`` and ``lenses``, (3,) float64 each: a pixel lies in the row of lenses
``rows[0] y + rows[1] x + rows[2]``, and likewise along the row, where odd rows have half a lens more. Both are to be
positive all over the sensor.
"""

from __future__ import annotations

import numpy as np
from numba import njit

NODES_V = 48
NODES_U = 56
"""Nodes of a cell down and across, about a quarter of a pixel apart."""

COUNT = 1 << 52
"""What a pixel counts in a packed sum: below it lie 16 bits each of its offsets down and across, and 20 of levels."""

_MOST = 1000
"""Pixels of a node that are added up at most, so that no part of a packed sum overflows."""

_OFFSETS = 64
"""Steps in which a pixel's offset from its node is counted."""

_STRIDE = NODES_U + 1
CELL = (NODES_V + 1) * _STRIDE
"""Nodes of a cell with its first row and column repeated at its end, so that a pixel always has four about it."""


@njit(cache=True, nogil=True)
def add_light(sums, mosaic, top, bottom, left, right, rows, lenses):
    """Add up the levels of a tile by place in the cell, each pixel at the nearest node.

    Parameters
    ----------
    sums : (2, 2, NODES_V * NODES_U) int64 zeros by Bayer position: packed sums
    mosaic : (H, W) uint16, at most ten bits
    top, bottom, left, right : first rows and columns, even, of the tile and of what lies beyond it
    """
    for y in range(top, bottom):
        row_start = rows[0] * y + rows[2] + 0.5
        lens_start = lenses[0] * y + lenses[2] + 0.5
        for side in range(2):
            here = sums[y & 1, side]
            for x in range(left + side, right, 2):
                row = row_start + rows[1] * x
                whole = int(row)
                lens = lens_start + lenses[1] * x - 0.5 * (whole & 1)
                v = (row - whole) * NODES_V + 0.5
                u = (lens - int(lens)) * NODES_U + 0.5
                v0, u0 = int(v), int(u)
                offsets = (int((v - v0) * _OFFSETS) << 36) + (int((u - u0) * _OFFSETS) << 20)
                if v0 == NODES_V:
                    v0 = 0
                    u0 += NODES_U // 2
                if u0 >= NODES_U:
                    u0 -= NODES_U
                node = v0 * NODES_U + u0
                if here[node] < _MOST * COUNT:
                    here[node] += COUNT + offsets + mosaic[y, x]


@njit(cache=True, nogil=True)
def mean_cell(cell, sums, black):
    """Mean light at the nodes of one tile and Bayer position.

    Parameters
    ----------
    cell : (CELL,) float32, filled with levels above black
    sums : (NODES_V * NODES_U,) int64 of `add_light`
    black : level without light
    """
    size = sums.size
    levels, counts = np.empty(size, np.float32), np.empty(size, np.float32)
    for n in range(size):
        counts[n] = sums[n] // COUNT
        levels[n] = sums[n] & 0xFFFFF
    _fill_gaps(levels, counts)
    for n in range(size):
        levels[n] = levels[n] / counts[n] - black
    # A node's pixels lie on one side of it by chance; the slope says by how much too bright they are for that.
    centred = levels.copy()
    for n in range(size):
        number = sums[n] // COUNT
        if number > 0:
            v, u = n // NODES_U, n % NODES_U
            down = ((sums[n] >> 36) & 0xFFFF) / number / _OFFSETS - 0.5 * (_OFFSETS - 1) / _OFFSETS
            across = ((sums[n] >> 20) & 0xFFFF) / number / _OFFSETS - 0.5 * (_OFFSETS - 1) / _OFFSETS
            slope_down = 0.5 * (levels[_node(v + 1, u)] - levels[_node(v - 1, u)])
            slope_across = 0.5 * (levels[_node(v, u + 1)] - levels[_node(v, u - 1)])
            centred[n] -= np.float32(down * slope_down + across * slope_across)
    # The blur of the nearest node (1/12 squared node) and of linear interpolation (1/6) is undone to second order.
    for v in range(NODES_V + 1):
        for u in range(_STRIDE):
            here = centred[_node(v, u)]
            about = centred[_node(v - 1, u)] + centred[_node(v + 1, u)]
            about += centred[_node(v, u - 1)] + centred[_node(v, u + 1)]
            cell[v * _STRIDE + u] = here - np.float32(0.125) * (about - 4 * here)


@njit(cache=True, nogil=True)
def _node(v, u):
    """Number of a node that may lie one cell off."""
    if v < 0:
        v += NODES_V
        u += NODES_U // 2
    elif v >= NODES_V:
        v -= NODES_V
        u += NODES_U // 2
    return v * NODES_U + u % NODES_U


@njit(cache=True, nogil=True)
def _fill_gaps(levels, counts):
    """Give nodes without a pixel those of the nearest nodes that have some."""
    for n in range(levels.size):
        reach = 1
        while counts[n] == 0 and reach < NODES_V:
            v, u = n // NODES_U, n % NODES_U
            for a in range(-reach, reach + 1):
                for b in range(-reach, reach + 1):
                    m = _node(v + a, u + b)
                    # What was measured outweighs what was filled in.
                    levels[n] += np.float32(1e-6) * levels[m]
                    counts[n] += np.float32(1e-6) * counts[m]
            reach += 1
        if counts[n] == 0:
            counts[n] = 1


@njit(cache=True, nogil=True, error_model="numpy")
def smooth_rows(out, mosaic, cells, means, first, last, rows, lenses, block, black, noise, trust):
    """Levels that the cells foretell, and the picture's own where these are off by more than noise.

    Parameters
    ----------
    out : (H, W) uint16, filled from row ``first`` to ``last``
    mosaic : (H, W) uint16
    cells : (tiles down, tiles across, 2, 2, CELL) float32 of tiles that share the picture evenly
    means : (tiles down, tiles across) float32, each tile's mean light, by which light is graded within a block
    block : side in px, even, of a square for which one mean of the cells about it is taken
    black : (2, 2) float32
    noise : (2,) float32, variance in squared levels without light, and its rise a level of light
    trust : standard deviations below which a level is replaced
    """
    height, width = mosaic.shape
    tiles_down, tiles_across = cells.shape[:2]
    local = np.empty((2, 2, CELL), np.float32)
    node, dv, du = np.empty(block, np.int32), np.empty(block, np.float32), np.empty(block, np.float32)
    floor = trust * trust * noise[0]
    rise = trust * trust * noise[1]
    for top in range(first, last, block):
        # Beyond the middles of the outermost tiles, what lies between two of them goes on in a straight line.
        t = (top + 0.5 * block) * tiles_down / height - 0.5
        a = min(int(max(t, 0.0)), max(tiles_down - 2, 0))
        a1 = min(a + 1, tiles_down - 1)
        for left in range(0, width, block):
            s = (left + 0.5 * block) * tiles_across / width - 0.5
            b = min(int(max(s, 0.0)), max(tiles_across - 2, 0))
            b1 = min(b + 1, tiles_across - 1)
            w00, w01 = np.float32((1 - t + a) * (1 - s + b)), np.float32((1 - t + a) * (s - b))
            w10, w11 = np.float32((t - a) * (1 - s + b)), np.float32((t - a) * (s - b))
            mean = w00 * means[a, b] + w01 * means[a, b1] + w10 * means[a1, b] + w11 * means[a1, b1]
            rise_down = (1 - s + b) * (means[a1, b] - means[a, b]) + (s - b) * (means[a1, b1] - means[a, b1])
            rise_across = (1 - t + a) * (means[a, b1] - means[a, b]) + (t - a) * (
                means[a1, b1] - means[a1, b]
            )
            grade_down = np.float32(rise_down * tiles_down / height / max(mean, np.float32(1)))
            grade_across = np.float32(rise_across * tiles_across / width / max(mean, np.float32(1)))
            for i in range(2):
                for j in range(2):
                    c00, c01 = cells[a, b, i, j], cells[a, b1, i, j]
                    c10, c11 = cells[a1, b, i, j], cells[a1, b1, i, j]
                    blend = local[i, j]
                    for n in range(CELL):
                        blend[n] = w00 * c00[n] + w01 * c01[n] + w10 * c10[n] + w11 * c11[n]
            for y in range(top, min(top + block, last)):
                row_start = rows[0] * y + rows[2] + 0.5
                lens_start = lenses[0] * y + lenses[2] + 0.5
                for side in range(2):
                    cell = local[y & 1, side]
                    dark = black[y & 1, side]
                    grade = np.float32(1) + grade_down * np.float32(y - top - 0.5 * block)
                    grade_step = np.float32(2) * grade_across
                    grade += grade_across * np.float32(side - 0.5 * block)
                    number = (min(left + block, width) - left - side + 1) // 2
                    seen = mosaic[y, left + side :: 2]
                    made = out[y, left + side :: 2]
                    # Two loops: the first one is made of arithmetic alone, which the compiler does in vectors. Indices
                    # are unsigned, or else each would be looked at for being negative.
                    for k in range(np.uint64(number)):
                        x = np.float64(left + side + 2 * np.int32(k))
                        row = row_start + rows[1] * x
                        whole = np.int32(row)
                        lens = lens_start + lenses[1] * x - 0.5 * np.float64(whole & np.int32(1))
                        v = np.float32((row - whole) * NODES_V)
                        u = np.float32((lens - np.int32(lens)) * NODES_U)
                        node[k] = np.int32(v) * np.int32(_STRIDE) + np.int32(u)
                        dv[k] = v - np.float32(np.int32(v))
                        du[k] = u - np.float32(np.int32(u))
                    for k in range(np.uint64(number)):
                        above = np.uint64(node[k])
                        below = above + np.uint64(_STRIDE)
                        upper = cell[above] + du[k] * (cell[above + np.uint64(1)] - cell[above])
                        lower = cell[below] + du[k] * (cell[below + np.uint64(1)] - cell[below])
                        light = (upper + dv[k] * (lower - upper)) * (grade + grade_step * np.float32(k))
                        off = np.float32(seen[k]) - dark - light
                        expected = floor + rise * max(light, np.float32(0))
                        if off * off > expected:
                            light += off - expected / off
                        made[k] = np.uint16(np.int32(max(light + dark, np.float32(0)) + np.float32(0.5)))
