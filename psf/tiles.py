"""Tiles of a photograph of disks, one for each disk, with the sharp disk beside it; sums over them.

Conventions are those of `psf.projection` and `psf.normal_equations`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from psf.detect import Detection
from psf.normal_equations import Sums, accumulate, even_side, grid_side
from psf.render import render_disks

_RIM = 2
"""px that a tile has beyond the disk and its blur, for disks that turn out larger."""


LEAST_NOISE = 1e-3
"""Of the disks' contrast: what the drawn disks and the kernel's cells may be off by; a photograph without noise, or
of few codes, is taken to have as much."""


_QUARTERS = ((-0.25, -0.25), (-0.25, 0.25), (0.25, -0.25), (0.25, 0.25))
"""Grids of whole pixels that together are one of half pixels, px down and across."""


@dataclass(frozen=True, eq=False)
class Tiles:
    """Parts of a photograph about its disks.

    Attributes
    ----------
    detection : of the photograph
    disks : (K, 2) int64, (column, row)
    corners : (K, 2) int64, (y, x) of each tile's first pixel, which may be outside the picture
    seen : (K, T, T) float32, the normalised photograph, 0 where it is another disk's or outside the picture
    counts : (K,) pixels of each tile that hold the photograph
    size : n of the kernel, px
    aperture : side of the square in px from which a pixel gathers light
    """

    detection: Detection
    disks: NDArray[np.int64]
    corners: NDArray[np.int64]
    seen: NDArray[np.float32]
    counts: NDArray[np.int64]
    size: int
    aperture: float

    @property
    def side(self) -> int:
        """Side T of the tiles, px."""
        return int(self.seen.shape[1])

    @property
    def noise(self) -> float:
        """The photograph's noise in units of its `normal`, at least `LEAST_NOISE`."""
        return max(self.detection.sigma, LEAST_NOISE * self.detection.plateau)

    def sums(self, radius: float, which: Sequence[int] | NDArray[np.integer]) -> Sums:
        """Sums over some of the tiles with disks of ``radius`` pitches, in units of the noise."""
        which = np.asarray(which)

        def pairs() -> Iterator[tuple[NDArray[np.complex64], NDArray[np.float32], int]]:
            for index in which:
                yield self.latent(radius, int(index)), self.seen[index], int(self.counts[index])

        return accumulate(pairs(), self.noise, aperture=self.aperture)

    def latent(self, radius: float, index: int) -> NDArray[np.complex64]:
        """Spectrum of the sharp disk of a tile, (T, T // 2 + 1), as points of it see it: free of aliasing.

        The disk is drawn on four grids half a pixel apart, of half the pixel's side: together they hold the
        frequencies up to 1 cycle/px, of which those to 0.5 are kept, and the smaller pixel's response to them is
        undone. What the plain coverage of pixels folds back from beyond would be noise to a kernel that has no such
        frequencies: a twelfth of the noise's variance at 1 % noise.
        """
        total = np.zeros((self.side, self.side // 2 + 1), np.complex64)
        for down, across in _QUARTERS:
            drawn = self._drawn(radius, index, down, across)
            total += scipy.fft.rfft2(drawn) * _phase(self.side, down, across, self.aperture)
        return total

    def drawn_twice_as_fine(self, radius: float, index: int) -> NDArray[np.float32]:
        """The sharp disk of a tile on a grid of half pixels, (2 T, 2 T), each half a pixel's side wide; 0 to 1."""
        whole = np.empty((2 * self.side, 2 * self.side), np.float32)
        for down, across in _QUARTERS:
            whole[int(down > 0) :: 2, int(across > 0) :: 2] = self._drawn(radius, index, down, across)
        return whole

    def _drawn(self, radius: float, index: int, down: float, across: float) -> NDArray[np.float32]:
        """The sharp disk of a tile on a grid so many px from the tile's, in pixels of half the side."""
        top, left = self.corners[index]
        return render_disks(
            self.detection.projection,
            radius,
            self.disks[index : index + 1],
            top=float(top) + down,
            left=float(left) + across,
            shape=(self.side, self.side),
            aperture=0.5 * self.aperture,
        )


@lru_cache(maxsize=8)
def _phase(side: int, down: float, across: float, aperture: float) -> NDArray[np.complex64]:
    """What one of the four grids counts for, (T, T // 2 + 1); see `Tiles.latent`."""
    y, x = scipy.fft.fftfreq(side), scipy.fft.rfftfreq(side)
    lines = [
        np.exp(-2j * np.pi * f * shift) / (2 * np.sinc(aperture * f / 2))
        for f, shift in ((y, down), (x, across))
    ]
    # A lone frequency has no partner to be complex with.
    lines[0][side // 2] = 0
    lines[1][-1] = 0
    return np.asarray(lines[0][:, None] * lines[1][None, :], np.complex64)


def cut_tiles(detection: Detection, size: int, *, aperture: float = 1.0) -> Tiles:
    """Cut the tiles of all usable disks.

    Parameters
    ----------
    detection : of the photograph, with room of n px between the disks
    size : n of the kernel, odd
    aperture : see `psf.render.render_disks`

    Raises
    ------
    ValueError
        If no disk is usable.
    """
    disks = detection.grid_index[detection.usable]
    if not len(disks):
        raise ValueError("no disk is usable")
    outlines = detection.projection.outlines(disks.astype(np.float64), detection.radius)
    low, high = outlines.min(axis=1), outlines.max(axis=1)
    side = int(np.ceil((high - low).max())) + size + 2 * _RIM
    side = even_side(max(side, grid_side(size)))
    corners = np.round((low + high) / 2 - (side - 1) / 2).astype(np.int64)
    seen = np.zeros((len(disks), side, side), np.float32)
    counts = np.empty(len(disks), np.int64)
    for index, (disk, (top, left)) in enumerate(zip(disks, corners, strict=True)):
        counts[index] = _copy(detection, disk, int(top), int(left), seen[index])
    return Tiles(detection, disks, corners, seen, counts, size, aperture)


def _copy(
    detection: Detection, disk: NDArray[np.int64], top: int, left: int, tile: NDArray[np.float32]
) -> int:
    """Copy the photograph into a tile as far as it is nearer to this disk than to others; count the pixels."""
    height, width = detection.normal.shape
    y0, x0 = max(top, 0), max(left, 0)
    y1, x1 = min(top + tile.shape[0], height), min(left + tile.shape[1], width)
    inner = tile[y0 - top : y1 - top, x0 - left : x1 - left]
    inner[:] = detection.normal[y0:y1, x0:x1]
    # A tile is small: the projection is a plane map on it. Offsets in pitches of its pixels from its disk:
    here = disk.astype(np.float64)
    step = 0.5
    across = detection.projection.points(here + np.array([step, 0.0])) - detection.projection.points(
        here - [step, 0]
    )
    down = detection.projection.points(here + np.array([0.0, step])) - detection.projection.points(
        here - [0, step]
    )
    back = np.linalg.inv(np.column_stack([across, down]))
    middle = detection.projection.points(here)
    y = np.arange(y0, y1, dtype=np.float32) - np.float32(middle[0])
    x = np.arange(x0, x1, dtype=np.float32) - np.float32(middle[1])
    farthest = np.abs(back) @ [np.abs(y[[0, -1]]).max(), np.abs(x[[0, -1]]).max()]
    if (farthest <= 0.5).all():
        return int(inner.size)
    column, row = (np.float32(b[0]) * y[:, None] + np.float32(b[1]) * x for b in back)
    own = (np.abs(column) <= 0.5) & (np.abs(row) <= 0.5)
    inner[~own] = 0
    return int(np.count_nonzero(own))
