"""The lattice of microlenses from one white picture.

The middle of the picture gives pitch and angle by its Fourier transform, whatever the metadata say. The phases of the
lattice's two base frequencies in square tiles of the sensor then give how far the disks of each tile are from where
the lattice so far has them; the lattice is fitted to tiles about the middle first and to all in the end, so that it
is never half a pitch off. These phases, as centroids do, follow the light in a disk: off axis the cat's eye takes
light away on one side, more so the further from the axis, and the lattice comes out too small or too large by up to
half a pixel at the corners. The last step is therefore the disks' edges: `lfsynth.lytro.disk_edges`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lfsynth.lytro.disk_edges import edges_of_tile, fit_disks
from lfsynth.lytro.lattice import Lattice

_CROP = 1024
"""Side of the part in the sensor's middle in px whose Fourier transform gives the first lattice."""

_PITCHES = (9.0, 24.0)
"""Smallest and largest pitch in px that is looked for."""

_TILT = 0.09
"""Largest rotation of the rows that is looked for, radians."""

_TILE_SIDES = (64, 128)
"""Smallest and largest side of a tile in px, even: some nine lenses on a whole sensor, fewer on a small window."""

_LEAST_SIDE = 160
"""Height and width in px below which no lattice is looked for."""

_TILES = (9, 13)
"""Tiles downwards and across; fewer where the picture has no room for them."""

_FIRST_REACH = 500.0
"""Distance in px from the sensor's middle of the tiles that the first lattice is corrected by. The Fourier transform
leaves an error of some 5e-4 of the pitch: a quarter of a pixel at this distance."""

_REACH_GROWTH = 2.5
"""Ratio of the distances of successive corrections."""

_LEAST_CONTRAST = 0.02
"""Amplitude of the base frequencies over the mean, that is 0.1-0.25 in white pictures and below 0.005 in noise."""

_MOST_RESIDUAL = 0.3
"""Standard deviation in px of the edges from the fitted disks above which the picture is not a white one."""


_EDGE_ROUNDS = 2
"""Corrections by the edges: the second one starts within a tenth of a pixel, where the disks lie on each other."""

_MOST_MISSING = 0.3
"""Share of the rays without an edge above which the picture is not a white one."""

_RADII = (0.2, 0.52)
"""Range of a disk's radius in pitches: more would overlap."""


class LatticeNotFoundError(ValueError):
    """The picture shows no lattice of disks; the text says why."""


@dataclass(frozen=True)
class LatticeFit:
    """A lattice and how well it fits.

    Attributes
    ----------
    lattice : covering the sensor
    residual : standard deviation of the disks' edges from the model in px
    radius : of a disk that is not vignetted, in px, at half its height
    """

    lattice: Lattice
    residual: float
    radius: float


@dataclass(frozen=True)
class _Tiles:
    """Square parts of the sensor: upper left corners (N, 2) in px, even, and their side."""

    corners: NDArray[np.int64]
    side: int

    @property
    def middles(self) -> NDArray[np.float64]:
        """(N, 2) (y, x) in px."""
        middles: NDArray[np.float64] = self.corners.astype(np.float64) + (self.side - 1) / 2
        return middles


@dataclass(frozen=True)
class _Estimate:
    """A lattice without end: point (2,), vectors (2, 2) with the rows down and across."""

    point: NDArray[np.float64]
    vectors: NDArray[np.float64]

    @property
    def frequencies(self) -> NDArray[np.float64]:
        """The two base frequencies in cycles a pixel, (2, 2) as rows (y, x): right, and left, of straight down."""
        down, across = self.vectors
        inverse: NDArray[np.float64] = np.linalg.inv(np.stack([down + across / 2, down - across / 2]).T)
        return inverse

    def moved(
        self, shift: NDArray[np.float64], slope: NDArray[np.float64], about: NDArray[np.float64]
    ) -> _Estimate:
        """Each point x moved by ``shift + slope (x - about)``."""
        point = self.point + shift + slope @ (self.point - about)
        return _Estimate(point, self.vectors + self.vectors @ slope.T)


def fit_lattice(mosaic: NDArray[np.uint16], black: NDArray[np.float32]) -> LatticeFit:
    """Fit the lattice of microlenses to a white picture.

    Parameters
    ----------
    mosaic : (H, W) uint16 Bayer mosaic, at least 160 px high and wide
    black : (2, 2) levels without light by Bayer position

    Returns
    -------
    LatticeFit
        On simulated pictures with cat's eye and noise, the lattice is within 0.1 px all over the sensor.

    Raises
    ------
    TypeError
        If the mosaic is not of this rank and type.
    LatticeNotFoundError
        If the picture shows no lattice of disks.
    """
    if mosaic.ndim != 2 or mosaic.dtype != np.uint16:
        raise TypeError(f"a mosaic is uint16 (H, W), not {mosaic.dtype} {mosaic.shape}")
    if min(mosaic.shape) < _LEAST_SIDE:
        raise LatticeNotFoundError(f"the picture has only {mosaic.shape[0]} x {mosaic.shape[1]} px")
    middle = (np.array(mosaic.shape) - 1) / 2
    tiles = _tiles(mosaic.shape)
    estimate = _from_spectrum(mosaic)
    reach, span = _FIRST_REACH, np.hypot(*(tiles.middles - middle).T)
    while True:
        near = _Tiles(tiles.corners[span <= max(reach, span.min())], tiles.side)
        estimate = _corrected(estimate, mosaic, black, near, middle)
        if reach >= span.max():
            break
        reach *= _REACH_GROWTH
    return _fit_edges(estimate, mosaic, black, tiles, middle)


def _tiles(shape: tuple[int, ...]) -> _Tiles:
    """Tiles spread evenly over the sensor."""
    side = min(max(min(shape) // 6 * 2, _TILE_SIDES[0]), _TILE_SIDES[1])
    starts = []
    for size, most in zip(shape, _TILES, strict=True):
        count = min(most, size // side)
        starts.append(np.linspace(0, (size - side) // 2, count).astype(np.int64) * 2)
    return _Tiles(np.stack(np.meshgrid(*starts, indexing="ij"), axis=-1).reshape(-1, 2), side)


def _quads(mosaic: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Sums of Bayer quads: each has every colour once, so that colours need no balance."""
    height, width = mosaic.shape[0] // 2, mosaic.shape[1] // 2
    quads = mosaic[: 2 * height, : 2 * width].reshape(height, 2, width, 2)
    sums: NDArray[np.float32] = quads.sum(axis=(1, 3), dtype=np.float32)
    return sums


def _from_spectrum(mosaic: NDArray[np.uint16]) -> _Estimate:
    """Pitch and angle of the lattice from the Fourier transform of the sensor's middle; its point is any."""
    sides = [min(_CROP, size) // 2 * 2 for size in mosaic.shape]
    top, left = ((size - side) // 4 * 2 for size, side in zip(mosaic.shape, sides, strict=True))
    crop = _quads(mosaic[top : top + sides[0], left : left + sides[1]])
    crop -= crop.mean()
    crop *= np.hanning(crop.shape[0])[:, None] * np.hanning(crop.shape[1])
    spectrum = np.abs(np.fft.fft2(crop))
    y = np.fft.fftfreq(crop.shape[0], 2.0)[:, None]
    x = np.fft.fftfreq(crop.shape[1], 2.0)
    # The rows of lenses make a frequency straight down of one over their distance.
    lowest, highest = (2 / math.sqrt(3) / pitch for pitch in reversed(_PITCHES))
    wedge = (y > lowest) & (y < highest) & (np.abs(x) < _TILT * y + 1 / sides[1])
    row_frequency = _peak(spectrum, np.where(wedge, spectrum, 0), sides)
    expected = math.sqrt(3) / 2 * row_frequency[0]
    radius = 3 / min(sides) + 2 * _TILT * expected
    found = []
    for sign in (1, -1):
        # The two base frequencies make an angle of 60 degrees with it.
        near = np.hypot(y - row_frequency[0] / 2, x - sign * expected) < radius
        found.append(_peak(spectrum, np.where(near, spectrum, 0), sides))
    # Two unit vectors 60 degrees apart have a determinant of 0.87.
    if abs(np.linalg.det(found)) < 0.6 * np.hypot(*found[0]) * np.hypot(*found[1]) or not np.all(found[0]):
        raise LatticeNotFoundError("it shows no regular pattern of microlenses")
    vectors = np.linalg.inv(np.stack(found)).T
    return _Estimate(
        (np.array(mosaic.shape) - 1) / 2, np.stack([(vectors[0] + vectors[1]) / 2, vectors[0] - vectors[1]])
    )


def _peak(spectrum: NDArray[np.float64], part: NDArray[np.float64], sides: list[int]) -> NDArray[np.float64]:
    """Frequency (y, x) in cycles a pixel of the part's highest point, between bins by a parabola in the logarithm."""
    at = np.array(np.unravel_index(int(np.argmax(part)), part.shape))
    size = np.array(spectrum.shape)
    position = at.astype(np.float64)
    for axis in (0, 1):
        step = np.eye(2, dtype=np.int64)[axis]
        before, here, after = (math.log(spectrum[tuple((at + k * step) % size)] + 1e-9) for k in (-1, 0, 1))
        bend = before - 2 * here + after
        if bend < 0:
            position[axis] += min(max((before - after) / (2 * bend), -0.5), 0.5)
    frequency: NDArray[np.float64] = ((position + size / 2) % size - size / 2) / sides
    return frequency


def _corrected(
    estimate: _Estimate,
    mosaic: NDArray[np.uint16],
    black: NDArray[np.float32],
    tiles: _Tiles,
    about: NDArray[np.float64],
) -> _Estimate:
    """The estimate moved, stretched and turned to fit the phases of the base frequencies in the tiles."""
    number = len(tiles.corners)
    shifts, contrasts = np.empty((number, 2)), np.empty(number)
    for i, (y, x) in enumerate(tiles.corners):
        tile = _quads(mosaic[y : y + tiles.side, x : x + tiles.side]) - 4 * float(black.mean())
        shifts[i], contrasts[i] = _phase_shift(tile, estimate, y, x)
    if np.median(contrasts) < _LEAST_CONTRAST:
        raise LatticeNotFoundError("it shows no regular pattern of microlenses")
    if number < 4:
        return estimate.moved(np.median(shifts, axis=0), np.zeros((2, 2)), about)
    terms = np.column_stack([np.ones(number), tiles.middles - about])
    weights = np.where(contrasts > _LEAST_CONTRAST, 1.0, 0.0)
    for _ in range(4):
        # Iteratively reweighted: a tile far from the others (dust, a bright spot) loses its say.
        solution = np.linalg.lstsq(terms * weights[:, None], shifts * weights[:, None], rcond=None)[0]
        error = np.hypot(*(shifts - terms @ solution).T)
        weights = 1 / (1 + (error / max(2 * float(np.median(error)), 1e-3)) ** 2)
    return estimate.moved(solution[0], solution[1:].T, about)


def _phase_shift(
    tile: NDArray[np.float32], estimate: _Estimate, top: int, left: int
) -> tuple[NDArray[np.float64], float]:
    """How far the disks of a tile of quads are from the estimate in px, (y, x), and the pattern's contrast."""
    frequencies = estimate.frequencies
    windows = [np.hanning(side + 2)[1:-1] for side in tile.shape]
    # A quad's middle lies half a pixel after its first one.
    y = top + 0.5 + 2 * np.arange(tile.shape[0]) - estimate.point[0]
    x = left + 0.5 + 2 * np.arange(tile.shape[1]) - estimate.point[1]
    down = windows[0] * np.exp(-2j * np.pi * frequencies[:, :1] * y)
    right = windows[1] * np.exp(-2j * np.pi * frequencies[:, 1:] * x)
    mean = float(windows[0] @ tile @ windows[1] / (windows[0].sum() * windows[1].sum()))
    waves = np.einsum("iy,yx,ix->i", down, tile - mean, right, optimize=True)
    shift = np.linalg.solve(frequencies, -np.angle(waves) / (2 * np.pi))
    contrast = float(np.abs(waves).min()) / (windows[0].sum() * windows[1].sum() * max(mean, 1.0))
    return shift, contrast


def _fit_edges(
    estimate: _Estimate,
    mosaic: NDArray[np.uint16],
    black: NDArray[np.float32],
    tiles: _Tiles,
    middle: NDArray[np.float64],
) -> LatticeFit:
    """The estimate corrected by the disks' edges, which the cat's eye does not move where it leaves them."""
    where = (tiles.middles - middle) / np.hypot(*middle)
    for _ in range(_EDGE_ROUNDS):
        edges = np.stack(
            [
                edges_of_tile(
                    mosaic[y : y + tiles.side, x : x + tiles.side],
                    black,
                    estimate.point - (y, x),
                    estimate.vectors,
                )
                for y, x in tiles.corners
            ]
        )
        if np.isnan(edges).mean() > _MOST_MISSING:
            raise LatticeNotFoundError("its microlenses throw no disks with a clear edge")
        disks = fit_disks(edges, where)
        estimate = estimate.moved(disks.shift, disks.slope / np.hypot(*middle), middle)
    pitch = float(np.hypot(*estimate.vectors[1]))
    if disks.residual > _MOST_RESIDUAL or not _RADII[0] < disks.radius / pitch < _RADII[1]:
        raise LatticeNotFoundError(
            f"what its microlenses throw are no even disks (radius {disks.radius:.1f} px, off by "
            f"{disks.residual:.2f} px)"
        )
    try:
        lattice = Lattice.covering(
            (float(estimate.point[0]), float(estimate.point[1])),
            (float(estimate.vectors[1, 0]), float(estimate.vectors[1, 1])),
            (float(estimate.vectors[0, 0]), float(estimate.vectors[0, 1])),
            (mosaic.shape[0], mosaic.shape[1]),
        )
    except ValueError as error:
        raise LatticeNotFoundError(f"its lattice is implausible: {error}") from None
    return LatticeFit(lattice, disks.residual, disks.radius)
