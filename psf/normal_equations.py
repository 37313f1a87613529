"""What photographs of disks say about a kernel, as sums that no longer depend on their size.

A tile y of the normalised photograph is the latent tile L (coverage of pixels by one sharp disk) convolved with the
kernel k, plus white noise. For a kernel of n x n pixels all that the least squares need are correlations: of L with
itself at shifts up to n - 1 px, of L with y up to n // 2 px. They are summed over the tiles, in units of the noise's
variance, on an (m, m) periodic grid just large enough that no shift wraps into another.

Two sets are kept. The *plain* one gives the exact residual. The *tempered* one is filtered first, the same filter for
latent and photograph, which takes weight from low frequencies: there a disk's spectrum is so far above the noise that
the weight decides nothing, but it makes the correlations short (so that a small grid holds them and their spectrum is
positive) and the equations well-conditioned (a hundred steps instead of thousands).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

_KNEE = 0.08
"""cycles/px, below which frequencies lose weight."""

_LOSS = 3.0
"""Power of the frequency with which the weight falls there: a disk's power spectrum rises as fast."""

_LEAST_GRAM = 1e-7
"""Of the spectrum's largest value: what is below, or below 0 since the correlation is cut off beyond the kernel's
shifts, is raised to it. The raise changes the least squares, so the cut must not be made wider than it has to be: a
taper to 0 within a few shifts takes ten times as much below 0, and halved what light fields hold at 0.3 cycles/px."""


def even_side(least: int) -> int:
    """The next side of at least so many pixels that is even, and fast to transform."""
    side = int(scipy.fft.next_fast_len(least, real=True))
    while side % 2:
        side = int(scipy.fft.next_fast_len(side + 1, real=True))
    return side


def grid_side(size: int) -> int:
    """Side m of the periodic grid for kernels of n = ``size`` px: even, fast, at least 2 n + 4."""
    return even_side(2 * size + 4)


@dataclass(frozen=True, eq=False)
class Sums:
    """Sums over tiles of one side, before they are brought down to a kernel's size; sets add up with ``+``.

    Attributes
    ----------
    own : (T, T // 2 + 1) float64, sum of |L|^2 of the sharp disks' spectra, in units of the noise's variance
    cross : (T, T // 2 + 1) complex128, sum of conj(L) y
    energy : sum of y^2
    pixels : count of pixels of the tiles
    tiles : count of tiles
    aperture : side of the square in px from which a pixel gathers light
    """

    own: NDArray[np.float64]
    cross: NDArray[np.complex128]
    energy: float
    pixels: int
    tiles: int
    aperture: float

    def __add__(self, other: Sums) -> Sums:
        """The sums over both sets of tiles."""
        if other.own.shape != self.own.shape or other.aperture != self.aperture:
            raise ValueError("sums over tiles of different sides or pixels do not add")
        return Sums(
            self.own + other.own,
            self.cross + other.cross,
            self.energy + other.energy,
            self.pixels + other.pixels,
            self.tiles + other.tiles,
            self.aperture,
        )


@dataclass(frozen=True, eq=False)
class NormalEquations:
    """What the sums say about the cells of one kernel; sets of tiles add up with ``+``.

    Attributes
    ----------
    size : n of the kernel, cells
    gram : (m, m // 2 + 1) float64, spectrum of the tempered correlation of the latent tiles, positive
    cross : (m, m // 2 + 1) complex128, that with the photograph; shifted so that the kernel's middle cell is at
        (m // 2, m // 2)
    gram_plain : (m, m) float64, plain correlation of the latent tiles, no shift at (0, 0)
    cross_plain : (n, n) float64, that with the photograph, no shift in the middle
    energy : sum of y^2
    pixels : count of pixels of the tiles
    """

    size: int
    gram: NDArray[np.float64]
    cross: NDArray[np.complex128]
    gram_plain: NDArray[np.float64]
    cross_plain: NDArray[np.float64]
    energy: float
    pixels: int

    @property
    def side(self) -> int:
        """Side m of the grid."""
        return int(self.gram.shape[0])

    def __add__(self, other: NormalEquations) -> NormalEquations:
        """The sums over both sets of tiles."""
        if other.size != self.size:
            raise ValueError(f"kernels of {self.size} and {other.size} px do not add")
        return NormalEquations(
            self.size,
            self.gram + other.gram,
            self.cross + other.cross,
            self.gram_plain + other.gram_plain,
            self.cross_plain + other.cross_plain,
            self.energy + other.energy,
            self.pixels + other.pixels,
        )

    def residual(self, kernel: NDArray[np.float64]) -> float:
        """Sum over the tiles of (y - L * k)^2 for an (n, n) kernel, in units of the noise's variance."""
        if kernel.shape != (self.size, self.size):
            raise ValueError(f"kernel must be {self.size} x {self.size}, not {kernel.shape}")
        spectrum = scipy.fft.rfft2(kernel, (self.side, self.side))
        own = scipy.fft.irfft2(np.abs(spectrum) ** 2, (self.side, self.side))
        return float(self.energy - 2 * np.sum(self.cross_plain * kernel) + np.sum(own * self.gram_plain))


def add_up(parts: Sequence[NormalEquations]) -> NormalEquations:
    """The sum of one set or more."""
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def tempered_misfit(equations: NormalEquations, picture: NDArray[np.floating]) -> float:
    """Sum of the squares of the tempered residual of a kernel on the grid (m, m), less the photograph's own."""
    spectrum = scipy.fft.rfft2(picture).astype(np.complex128)
    twice = np.full(spectrum.shape[1], 2.0)
    twice[[0, -1]] = 1.0
    power = spectrum.real**2 + spectrum.imag**2
    terms = equations.gram * power - 2 * (equations.cross.conj() * spectrum).real
    return float((twice * terms).sum()) / equations.side**2


def accumulate(
    pairs: Iterable[tuple[NDArray[np.complexfloating], NDArray[np.float32], int]],
    sigma: float,
    *,
    aperture: float = 1.0,
) -> Sums:
    """Sum over tiles.

    Parameters
    ----------
    pairs : (latent, photograph, pixels) of each tile: the spectrum (T, T // 2 + 1) of the sharp disk, not averaged
        over pixels, and (T, T) float32, 0 beyond what the photograph holds, which is `pixels` pixels
    sigma : the photograph's noise
    aperture : side of the square in px from which a pixel gathers light

    Raises
    ------
    ValueError
        If there is no tile, or the noise is not above 0.
    """
    if not sigma > 0:
        raise ValueError(f"the noise must be above 0, not {sigma}")
    total: Sums | None = None
    for latent, seen, count in pairs:
        if total is None:
            total = Sums(np.zeros(latent.shape), np.zeros(latent.shape, complex), 0.0, 0, 0, aperture)
        own, cross = total.own, total.cross
        own += (latent.real**2 + latent.imag**2) / sigma**2
        cross += (latent.conj() * scipy.fft.rfft2(seen)) / np.float32(sigma**2)
        energy = float(np.sum(np.square(seen), dtype=np.float64)) / sigma**2
        total = Sums(own, cross, total.energy + energy, total.pixels + count, total.tiles + 1, aperture)
    if total is None:
        raise ValueError("there are no tiles")
    return total


def system_equations(sums: Sums, size: int) -> NormalEquations:
    """Equations of the system's kernel, a cell a pixel; ``size`` n is odd.

    Its cells stand for its frequencies up to 0.5 cycles/px.

    Raises
    ------
    ValueError
        If the size is even or the tiles too small for it.
    """
    return _condensed(sums, size, sums.own, sums.cross)


def fine_equations(sums: Sums, size: int) -> NormalEquations:
    """Equations of the optical kernel in cells of half a pixel, 2 n - 1 for n = ``size`` px.

    The photograph says nothing of its frequencies above 0.5 cycles/px; a prior has to. See `system_equations`.
    """
    side = sums.own.shape[0]
    down, across = (
        pixel_response(f, sums.aperture) for f in (scipy.fft.fftfreq(side), scipy.fft.rfftfreq(side))
    )
    response = down[:, None] * across[None, :]
    half = side // 2
    own = np.zeros((2 * side, side + 1))
    cross = np.zeros((2 * side, side + 1), np.complex128)
    # Fields of half the cell's side have four cells a pixel: the inverse transform's sum is shared by as many.
    for target, source in ((own, sums.own * response**2), (cross, sums.cross * response)):
        target[:half, :half] = 4 * source[:half, :half]
        target[-half + 1 :, :half] = 4 * source[-half + 1 :, :half]
    return _condensed(sums, 2 * size - 1, own, cross)


def system_of(fine: NDArray[np.float64], *, aperture: float = 1.0) -> NDArray[np.float64]:
    """The system's kernel (n, n) of an optical one in cells of half a pixel (2 n - 1, 2 n - 1), not below 0.

    The cells stand for frequencies up to 1 cycle/px: summing the parts of them that lie on a pixel, ``aperture`` px
    wide, would add the steps between them, which widen the kernel by 1/24 px² in variance.
    """
    count = len(fine)
    side = even_side(2 * count)
    spectrum = scipy.fft.rfft2(fine, (side, side))
    down, across = (
        pixel_response(2 * f, aperture) for f in (scipy.fft.fftfreq(side), scipy.fft.rfftfreq(side))
    )
    gathered = scipy.fft.irfft2(spectrum * down[:, None] * across[None, :], (side, side))
    return np.asarray(np.maximum(4 * gathered[:count:2, :count:2], 0.0))


def pixel_response(frequency: NDArray[np.float64], aperture: float) -> NDArray[np.float64]:
    """What a pixel ``aperture`` px wide and a cell of half a pixel let through, on one axis, at cycles/px."""
    return np.asarray(np.sinc(aperture * frequency) * np.sinc(frequency / 2))


def _condensed(
    sums: Sums, size: int, own: NDArray[np.float64], cross: NDArray[np.complex128]
) -> NormalEquations:
    """Bring spectra over tiles down to the grid of a kernel of ``size`` cells."""
    if size < 3 or size % 2 == 0:
        raise ValueError(f"a kernel's size must be odd and at least 3, not {size}")
    tile = own.shape[0]
    side = grid_side(size)
    if tile < side or tile % 2:
        raise ValueError(f"tiles of {tile} cells are odd, or too small for a kernel of {size}")
    oversampling = tile // sums.own.shape[0]
    temper = _tempering(tile, oversampling)
    shape = (tile, tile)
    own_plain = _shifts(scipy.fft.irfft2(own, shape), side)
    own_tempered = _shifts(scipy.fft.irfft2(own * temper, shape), side)
    cross_plain = _shifts(scipy.fft.irfft2(cross, shape), side)
    cross_tempered = _shifts(scipy.fft.irfft2(cross * temper, shape), side)
    gram = scipy.fft.rfft2(own_tempered).real
    middle = side // 2
    half = size // 2
    centred = np.roll(cross_plain, (half, half), (0, 1))[:size, :size]
    return NormalEquations(
        size,
        np.maximum(gram, _LEAST_GRAM * gram.max()),
        scipy.fft.rfft2(np.roll(cross_tempered, (middle, middle), (0, 1))),
        own_plain,
        np.ascontiguousarray(centred),
        sums.energy,
        sums.pixels,
    )


def tempering(equations: NormalEquations) -> NDArray[np.float64]:
    """Weight of each frequency of equations with a cell a pixel, (m, m // 2 + 1) float64 in (0, 1]."""
    return _tempering(equations.side, 1)


def _tempering(side: int, oversampling: int) -> NDArray[np.float64]:
    """The weights for a grid of ``side`` cells, so many of them a pixel."""
    down, across = scipy.fft.fftfreq(side), scipy.fft.rfftfreq(side)
    frequency = oversampling * np.hypot(down[:, None], across[None, :])
    frequency[0, 0] = 0.5 * oversampling / side
    return np.asarray(1 / (1 + (_KNEE / frequency) ** _LOSS))


def _shifts(correlation: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    """The shifts from -side / 2 to side / 2 - 1 of a periodic correlation, as a smaller periodic array."""
    tile = correlation.shape[0]
    index = np.r_[0 : side // 2, tile - side // 2 : tile]
    return np.asarray(correlation[np.ix_(index, index)])
