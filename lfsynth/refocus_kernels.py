"""Compiled kernels of the refocus engine: shift-and-add on the views' own grid.

`refocus` prepares the tables and calls these from threads; they release the GIL and touch only arrays. Rows of a
picture are flat, ``x * C + c``, so that a shift by a pixel is a shift by C floats and channels need no loop of their
own.

The picture is cut into tiles of TILE_ROWS rows and TILE_STRIDE floats at the most. For a tile and a column v of
views, the views' rows are copied to a scratch once and read for every slope. Vertical taps come first, eight output
rows at a time held against eleven input rows in registers, summed over u into one sheet for each ring of the nested
apertures; then the horizontal taps add the sheet to the pictures. A view whose weight is split between two
neighbouring rings is shifted once. The strides are constants because the compiler must see at compile time that rows
do not overlap.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lfsynth.interpolation import REACH

TILE_ROWS = 16
TILE_STRIDE = 336
"""Floats in a scratch row: not a multiple of 1024, lest rows fall onto each other in the first-level cache."""
SCRATCH_ROWS = 40
"""Rows of a view in the scratch: TILE_ROWS, three more for the taps, the rest for the spread of shifts over slopes."""

F32 = NDArray[np.float32]
I64 = NDArray[np.int64]


@njit(fastmath=True, nogil=True, cache=True)
def fill(target: F32, value: float) -> None:
    """Set every float of ``target``."""
    for i in range(target.size):
        target[i] = value


@njit(fastmath=True, nogil=True, cache=True)
def _shift_rows(a: F32, s: F32, n: int, c0: float, c1: float, c2: float, c3: float) -> None:
    """Add eight rows, each four taps of eleven rows of ``s``, to ``a``."""
    for x in range(n):
        s0 = s[x]
        s1 = s[x + TILE_STRIDE]
        s2 = s[x + 2 * TILE_STRIDE]
        s3 = s[x + 3 * TILE_STRIDE]
        a[x] += c0 * s0 + c1 * s1 + c2 * s2 + c3 * s3
        s4 = s[x + 4 * TILE_STRIDE]
        a[x + TILE_STRIDE] += c0 * s1 + c1 * s2 + c2 * s3 + c3 * s4
        s5 = s[x + 5 * TILE_STRIDE]
        a[x + 2 * TILE_STRIDE] += c0 * s2 + c1 * s3 + c2 * s4 + c3 * s5
        s6 = s[x + 6 * TILE_STRIDE]
        a[x + 3 * TILE_STRIDE] += c0 * s3 + c1 * s4 + c2 * s5 + c3 * s6
        s7 = s[x + 7 * TILE_STRIDE]
        a[x + 4 * TILE_STRIDE] += c0 * s4 + c1 * s5 + c2 * s6 + c3 * s7
        s8 = s[x + 8 * TILE_STRIDE]
        a[x + 5 * TILE_STRIDE] += c0 * s5 + c1 * s6 + c2 * s7 + c3 * s8
        s9 = s[x + 9 * TILE_STRIDE]
        a[x + 6 * TILE_STRIDE] += c0 * s6 + c1 * s7 + c2 * s8 + c3 * s9
        s10 = s[x + 10 * TILE_STRIDE]
        a[x + 7 * TILE_STRIDE] += c0 * s7 + c1 * s8 + c2 * s9 + c3 * s10


@njit(fastmath=True, nogil=True, cache=True)
def _shift_rows_shared(
    a: F32, b: F32, s: F32, n: int, c0: float, c1: float, c2: float, c3: float, share: float
) -> None:
    """As `_shift_rows`, and ``share`` of the same rows to ``b``."""
    for x in range(n):
        s0 = s[x]
        s1 = s[x + TILE_STRIDE]
        s2 = s[x + 2 * TILE_STRIDE]
        s3 = s[x + 3 * TILE_STRIDE]
        t0 = c0 * s0 + c1 * s1 + c2 * s2 + c3 * s3
        a[x] += t0
        b[x] += share * t0
        s4 = s[x + 4 * TILE_STRIDE]
        t1 = c0 * s1 + c1 * s2 + c2 * s3 + c3 * s4
        a[x + TILE_STRIDE] += t1
        b[x + TILE_STRIDE] += share * t1
        s5 = s[x + 5 * TILE_STRIDE]
        t2 = c0 * s2 + c1 * s3 + c2 * s4 + c3 * s5
        a[x + 2 * TILE_STRIDE] += t2
        b[x + 2 * TILE_STRIDE] += share * t2
        s6 = s[x + 6 * TILE_STRIDE]
        t3 = c0 * s3 + c1 * s4 + c2 * s5 + c3 * s6
        a[x + 3 * TILE_STRIDE] += t3
        b[x + 3 * TILE_STRIDE] += share * t3
        s7 = s[x + 7 * TILE_STRIDE]
        t4 = c0 * s4 + c1 * s5 + c2 * s6 + c3 * s7
        a[x + 4 * TILE_STRIDE] += t4
        b[x + 4 * TILE_STRIDE] += share * t4
        s8 = s[x + 8 * TILE_STRIDE]
        t5 = c0 * s5 + c1 * s6 + c2 * s7 + c3 * s8
        a[x + 5 * TILE_STRIDE] += t5
        b[x + 5 * TILE_STRIDE] += share * t5
        s9 = s[x + 9 * TILE_STRIDE]
        t6 = c0 * s6 + c1 * s7 + c2 * s8 + c3 * s9
        a[x + 6 * TILE_STRIDE] += t6
        b[x + 6 * TILE_STRIDE] += share * t6
        s10 = s[x + 10 * TILE_STRIDE]
        t7 = c0 * s7 + c1 * s8 + c2 * s9 + c3 * s10
        a[x + 7 * TILE_STRIDE] += t7
        b[x + 7 * TILE_STRIDE] += share * t7


@njit(fastmath=True, nogil=True, cache=True)
def _add_columns(
    o: F32, a0: F32, a1: F32, a2: F32, a3: F32, n: int, c0: float, c1: float, c2: float, c3: float
) -> None:
    """Add the four horizontal taps of a sheet to ``o``, rows and what lies between them alike; a1..a3 start a pixel
    on.
    """
    for x in range(n):
        o[x] += c0 * a0[x] + c1 * a1[x] + c2 * a2[x] + c3 * a3[x]


@njit(fastmath=True, nogil=True, cache=True)
def copy_window(window: F32, view: F32, top: int, left: int) -> None:
    """Copy the part of a view that begins at (top, left); what lies outside the view is 0."""
    height, width = view.shape
    start = min(max(0, -left), window.shape[1])
    stop = max(start, min(window.shape[1], width - left))
    for r in range(window.shape[0]):
        line = window[r]
        if top + r < 0 or top + r >= height:
            fill(line, np.float32(0))
        else:
            fill(line[:start], np.float32(0))
            source = view[top + r, left + start : left + stop]
            inside = line[start:stop]
            for x in range(inside.size):
                inside[x] = source[x]
            fill(line[stop:], np.float32(0))


@njit(fastmath=True, nogil=True, cache=True)
def shift_and_add(
    views: F32,
    sums: F32,
    first_row: int,
    first_column: int,
    channels: int,
    row_floor: I64,
    row_taps: F32,
    column_floor: I64,
    column_taps: F32,
    start: I64,
    entry_u: I64,
    entry_ring: I64,
    entry_weight: F32,
    entry_share: F32,
) -> None:
    """Sum the shifted views of one tile after the other, downwards, into ``sums``, before the prefilter.

    Going downwards, a tile finds most of its rows in the cache, where the one above has left them.

    Parameters
    ----------
    views : (U, V, H, W * C) linear light
    sums : (S, M, rows, floats), written, aperture m the sum of the rings 0..m; rows is a multiple of 8, and TILE_STRIDE
        holds the floats, three pixels for the taps and the spread of horizontal shifts over the slopes
    first_row, first_column : the pixel of the views' grid at which ``sums`` begins (may be negative)
    row_floor, row_taps : (S, U) and (S, U, 4), integer part and taps of the vertical shift of each slope and view row
    column_floor, column_taps : (S, V) and (S, V, 4), the horizontal ones
    start : (V + 1,) where the entries of each column of views begin
    entry_u, entry_ring, entry_weight : view row, ring and weight of each entry
    entry_share : weight that the view has in the next ring, as a part of its weight in this one; 0 for none
    """
    n_slopes, n_rings, all_rows, n = sums.shape
    n_u, n_v = views.shape[:2]
    padded = (n + 3 * channels + 7) // 8 * 8
    size = TILE_ROWS * TILE_STRIDE
    scratch = np.empty((n_u, SCRATCH_ROWS, TILE_STRIDE), np.float32)
    scratch_floats = scratch.reshape(scratch.size)
    # The last row's taps read a few floats past its end.
    sheets = np.zeros(n_rings * size + 3 * channels, np.float32)
    tile = np.empty((n_slopes, n_rings, size), np.float32)
    used = np.empty(n_rings, np.bool_)
    row_least = np.empty(n_u, np.int64)
    row_spread = np.empty(n_u, np.int64)
    for u in range(n_u):
        row_least[u] = row_floor[:, u].min()
        row_spread[u] = row_floor[:, u].max() - row_least[u]
    for y0 in range(0, all_rows, TILE_ROWS):
        rows = min(TILE_ROWS, all_rows - y0)
        fill(tile.reshape(tile.size), np.float32(0))
        for v in range(n_v):
            if start[v] == start[v + 1]:
                continue
            column_least = column_floor[:, v].min()
            left = (first_column + column_least - 1) * channels
            used[:] = False
            for j in range(start[v], start[v + 1]):
                u = entry_u[j]
                used[entry_ring[j]] = True
                if entry_share[j] != 0:
                    used[entry_ring[j] + 1] = True
                if j == start[v] or entry_u[j - 1] != u:
                    top = first_row + y0 + row_least[u] - 1
                    window = scratch[u, : rows + 3 + row_spread[u]]
                    copy_window(window, views[u, v], top, left)
            for s in range(n_slopes):
                skip = (column_floor[s, v] - column_least) * channels
                for m in range(n_rings):
                    if used[m]:
                        fill(sheets[m * size : m * size + rows * TILE_STRIDE], np.float32(0))
                for j in range(start[v], start[v + 1]):
                    u = entry_u[j]
                    w = entry_weight[j]
                    c0 = w * row_taps[s, u, 0]
                    c1 = w * row_taps[s, u, 1]
                    c2 = w * row_taps[s, u, 2]
                    c3 = w * row_taps[s, u, 3]
                    first_line = u * SCRATCH_ROWS + row_floor[s, u] - row_least[u]
                    lines = scratch_floats[first_line * TILE_STRIDE + skip :]
                    sheet = entry_ring[j] * size
                    for r in range(0, rows * TILE_STRIDE, 8 * TILE_STRIDE):
                        block = sheets[sheet + r : sheet + r + 8 * TILE_STRIDE]
                        if entry_share[j] == 0:
                            _shift_rows(block, lines[r:], padded, c0, c1, c2, c3)
                        else:
                            other = sheets[sheet + size + r : sheet + size + r + 8 * TILE_STRIDE]
                            _shift_rows_shared(
                                block, other, lines[r:], padded, c0, c1, c2, c3, entry_share[j]
                            )
                for m in range(n_rings):
                    if used[m]:
                        a = sheets[m * size :]
                        _add_columns(
                            tile[s, m],
                            a,
                            a[channels:],
                            a[2 * channels :],
                            a[3 * channels :],
                            rows * TILE_STRIDE,
                            column_taps[s, v, 0],
                            column_taps[s, v, 1],
                            column_taps[s, v, 2],
                            column_taps[s, v, 3],
                        )
        for s in range(n_slopes):
            for m in range(n_rings):
                total = tile[s, m]
                if m > 0:
                    smaller = tile[s, m - 1]
                    for x in range(total.size):
                        total[x] += smaller[x]
                for r in range(rows):
                    line = sums[s, m, y0 + r]
                    for x in range(n):
                        line[x] = total[r * TILE_STRIDE + x]


@njit(fastmath=True, nogil=True, cache=True)
def _filter_along_columns(sums: F32, pole: float) -> None:
    """The prefilter from row to row, in place: a causal and an anticausal recursion."""
    height = sums.shape[0]
    z = np.float32(pole)
    gain = (1 - z) * (1 - z)
    for y in range(1, height):
        here = sums[y]
        before = sums[y - 1]
        for x in range(here.size):
            here[x] += z * before[x]
    last = sums[height - 1]
    for x in range(last.size):
        last[x] *= gain / (1 - z * z)
    for y in range(height - 2, -1, -1):
        here = sums[y]
        after = sums[y + 1]
        for x in range(here.size):
            here[x] = gain * here[x] + z * after[x]


@njit(fastmath=True, nogil=True, cache=True)
def _filter_grey_row(
    target: F32,
    s: F32,
    h0: float,
    h1: float,
    h2: float,
    h3: float,
    h4: float,
    h5: float,
    h6: float,
    h7: float,
    h8: float,
    h9: float,
    h10: float,
    h11: float,
    h12: float,
    h13: float,
    h14: float,
) -> None:
    """The prefilter along a row of one channel; ``s`` has REACH pixels more on either side."""
    for x in range(target.size):
        target[x] = (
            h0 * s[x + 14]
            + h1 * (s[x + 13] + s[x + 15])
            + h2 * (s[x + 12] + s[x + 16])
            + h3 * (s[x + 11] + s[x + 17])
            + h4 * (s[x + 10] + s[x + 18])
            + h5 * (s[x + 9] + s[x + 19])
            + h6 * (s[x + 8] + s[x + 20])
            + h7 * (s[x + 7] + s[x + 21])
            + h8 * (s[x + 6] + s[x + 22])
            + h9 * (s[x + 5] + s[x + 23])
            + h10 * (s[x + 4] + s[x + 24])
            + h11 * (s[x + 3] + s[x + 25])
            + h12 * (s[x + 2] + s[x + 26])
            + h13 * (s[x + 1] + s[x + 27])
            + h14 * (s[x] + s[x + 28])
        )


@njit(fastmath=True, nogil=True, cache=True)
def _filter_colour_row(
    target: F32,
    s: F32,
    h0: float,
    h1: float,
    h2: float,
    h3: float,
    h4: float,
    h5: float,
    h6: float,
    h7: float,
    h8: float,
    h9: float,
    h10: float,
    h11: float,
    h12: float,
    h13: float,
    h14: float,
) -> None:
    """As `_filter_grey_row` for three interleaved channels."""
    for x in range(target.size):
        target[x] = (
            h0 * s[x + 42]
            + h1 * (s[x + 39] + s[x + 45])
            + h2 * (s[x + 36] + s[x + 48])
            + h3 * (s[x + 33] + s[x + 51])
            + h4 * (s[x + 30] + s[x + 54])
            + h5 * (s[x + 27] + s[x + 57])
            + h6 * (s[x + 24] + s[x + 60])
            + h7 * (s[x + 21] + s[x + 63])
            + h8 * (s[x + 18] + s[x + 66])
            + h9 * (s[x + 15] + s[x + 69])
            + h10 * (s[x + 12] + s[x + 72])
            + h11 * (s[x + 9] + s[x + 75])
            + h12 * (s[x + 6] + s[x + 78])
            + h13 * (s[x + 3] + s[x + 81])
            + h14 * (s[x] + s[x + 84])
        )


@njit(fastmath=True, nogil=True, cache=True)
def prefilter(sums: F32, pole: float, half: tuple[float, ...], channels: int, out: F32) -> None:
    """Prefilter (H + 2 REACH, (W + 2 REACH) * C) sums, which are spoilt, into ``out`` (H, W * C)."""
    _filter_along_columns(sums, pole)
    for y in range(out.shape[0]):
        if channels == 1:
            _filter_grey_row(out[y], sums[y + REACH], *half)
        else:
            _filter_colour_row(out[y], sums[y + REACH], *half)


@njit(fastmath=True, nogil=True, cache=True)
def divide(
    picture: F32,
    channels: int,
    weights: F32,
    row_cover: F32,
    column_cover: F32,
    inside: tuple[int, int, int, int],
) -> None:
    """Divide a picture (H, W * C), in place, by the weight of the views that reach each pixel.

    That weight is ``sum_uv weights[u, v] row_cover[u, y] column_cover[v, x]``. ``inside`` is (top, bottom, left,
    right) of the part in which every cover is 1, which spares the sum there.
    """
    n_u, n_v = weights.shape
    top, bottom, left, right = inside
    across = np.empty(n_v, np.float32)
    scale = np.empty(picture.shape[1], np.float32)
    for y in range(picture.shape[0]):
        if y <= top or y >= bottom:
            total = np.float32(0)
            for v in range(n_v):
                across[v] = 0
                for u in range(n_u):
                    across[v] += weights[u, v] * row_cover[u, y]
                total += across[v]
            for x in range(picture.shape[1] // channels):
                weight = np.float32(0)
                if left <= x < right:
                    weight = total
                else:
                    for v in range(n_v):
                        weight += across[v] * column_cover[v, x]
                for c in range(channels):
                    scale[x * channels + c] = 1 / weight
        line = picture[y]
        for x in range(line.size):
            line[x] *= scale[x]
