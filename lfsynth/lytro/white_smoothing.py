"""The noise of a white picture averaged away: neighbouring microlenses throw nearly the same disk.

A capture is divided by its white picture, and a single white picture is about as noisy as the capture is: the light
field would be up to 1.4 times as noisy as it need be. But a white picture has some two hundred thousand disks that
change slowly over the sensor. Levels are averaged by place in the microlens's cell, to a quarter of a pixel, over the
lenses about, for each position of the Bayer pattern by itself; the picture is then made anew of these averages.

What is not noise stays: where a pixel is off by far more than noise is, as under a grain of dust, its own level
counts, and the more so the further off it is. Differences between pixels that are smaller than the noise of one
picture cannot be told from it and are lost.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from lfsynth.lytro.lattice import Lattice
from lfsynth.lytro.white_kernels import CELL, NODES_U, NODES_V, add_light, mean_cell, smooth_rows

_TILE = 320
"""Side of a tile in px, about: a node has some ten pixels of each Bayer position."""

_BLOCK = 64
"""Side in px of a square for which one mean of the cells about it is taken."""

_ROWS = 4 * _BLOCK
"""Rows that a thread takes at once."""

_OUTSIDE = 1024
"""Rows and lenses that are counted before the lattice's first one."""

_TRUST = 4.0
"""Standard deviations beyond which a pixel's own level counts: by chance, noise is that far off once in 16,000."""


def smoothed_white(
    mosaic: NDArray[np.uint16], black: NDArray[np.float32], lattice: Lattice, *, threads: int = 1
) -> NDArray[np.uint16]:
    """A white picture with less noise.

    Parameters
    ----------
    mosaic : (H, W) uint16 levels
    black : (2, 2) levels without light by Bayer position
    lattice : of its microlenses
    threads : how many work at it

    Returns
    -------
    (H, W) uint16 levels
    """
    inverse = np.linalg.inv(np.array([lattice.down, lattice.across]).T)
    # Counted from far enough outside the sensor, an even number of rows, that no row or lens is negative.
    rows, lenses = (np.append(line, _OUTSIDE - line @ np.array(lattice.origin)) for line in inverse)
    tops, lefts = (_edges(side) for side in mosaic.shape)
    sums = np.zeros((len(tops) - 1, len(lefts) - 1, 2, 2, NODES_V * NODES_U), np.int64)
    cells = np.empty((*sums.shape[:4], CELL), np.float32)
    out = np.empty_like(mosaic)

    def learn(k: int) -> None:
        for m in range(sums.shape[1]):
            add_light(sums[k, m], mosaic, tops[k], tops[k + 1], lefts[m], lefts[m + 1], rows, lenses)
            for i, j in np.ndindex(2, 2):
                mean_cell(cells[k, m, i, j], sums[k, m, i, j], black[i, j])

    def smooth(first: int, last: int, noise: NDArray[np.float32], trust: float) -> None:
        smooth_rows(
            out, mosaic, cells, means, first, last, rows, lenses, _BLOCK, black, noise, np.float32(trust)
        )

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(learn, range(sums.shape[0])))
        cells = _steepened(cells)
        means = cells.mean(axis=(2, 3, 4))
        middle = mosaic.shape[0] // 2 // _BLOCK * _BLOCK
        band = slice(middle, min(middle + 2 * _BLOCK, mosaic.shape[0]))
        smooth(band.start, band.stop, np.ones(2, np.float32), 1e6)
        noise = _noise(mosaic[band], out[band], float(black.mean()))
        starts = range(0, mosaic.shape[0], _ROWS)
        list(pool.map(lambda k: smooth(k, min(k + _ROWS, mosaic.shape[0]), noise, _TRUST), starts))
    return out


def _edges(side: int) -> list[int]:
    """Even edges of tiles that share a side evenly."""
    count = max(1, round(side / _TILE))
    return [side * k // count // 2 * 2 for k in range(count)] + [side]


def _steepened(cells: NDArray[np.float32]) -> NDArray[np.float32]:
    """Undo, to second order, the blur of averages over tiles (1/12 squared tile) and interpolation (1/6)."""
    result = np.empty_like(cells)
    last = cells.shape[0] - 1
    # A row of tiles at a time, which the cache holds.
    for k, row in enumerate(cells):
        inside = 0 < k < last
        steep = np.float32(1.25) * row - np.float32(0.125) * (cells[k - 1] + cells[k + 1]) if inside else row
        result[k] = steep
        result[k, 1:-1] *= np.float32(1.25)
        result[k, 1:-1] -= np.float32(0.125) * (steep[:-2] + steep[2:])
    return result


def _noise(mosaic: NDArray[np.uint16], model: NDArray[np.uint16], black: float) -> NDArray[np.float32]:
    """Variance without light and its rise a level of light, from a picture and what is expected of it.

    Medians of absolute deviations for ranges of light, on a line.
    """
    light = model.ravel() - black
    off = np.abs(mosaic.ravel().astype(np.float64) - model.ravel())
    edges = np.linspace(0, max(float(np.percentile(light, 99)), 1.0), 9)
    which = np.digitize(light, edges[1:-1])
    ranges = [k for k in range(8) if np.count_nonzero(which == k) > 50]
    middles = np.array([np.mean(light[which == k]) for k in ranges])
    # 1.4826 median absolute deviations are a normal distribution's standard deviation.
    variances = np.array([(1.4826 * max(float(np.median(off[which == k])), 0.5)) ** 2 for k in ranges])
    terms = np.column_stack([np.ones(len(ranges)), middles])
    # Relative to the variance, so that the dark ranges count as much as the bright ones.
    floor, rise = np.linalg.lstsq(terms / variances[:, None], np.ones(len(ranges)), rcond=None)[0]
    return np.array([max(floor, 0.5), max(rise, 0.0)], np.float32)
