"""Mannan and Langer's estimate of a kernel from a sharp and a blurred picture.

    minimise over k >= 0, sum k = 1
        1/2 |s * k - b|^2 + image_gradient/2 |grad (s * k - b)|^2
        + kernel_gradient/2 |grad k|^2 + kernel/2 |k|^2 + tail <T, k>

with s the sharp and b the blurred picture [1]_, T = (x^2 + y^2) / max and 1e6 on the kernel's outermost pixels, all
weights 0 by default. Gradients of pictures are central differences after a Gaussian of sigma 1 px; that of the kernel
is of forward differences, the kernel being 0 outside its pixels. What surrounds the pictures is uniform, so that
repeating their borders changes nothing: it is taken off both. The problem is solved as it stands, not on dense
matrices but by the alternating direction method of multipliers with one Fourier transform there and back a step.

References
----------
.. [1] F. Mannan, M. S. Langer, "Blur calibration for depth from defocus", 13th Conference on Computer and Robot Vision
   (2016), doi:10.1109/CRV.2016.62.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from lfsynth.errors import InputError
from psf.normal_equations import Sums, even_side
from psf.solve import laplacian

_BLUR_PX = 1.0
"""Sigma of the Gaussian before the gradients of pictures, which is sampled at the pixels."""

_BLUR_REACH = 4
"""px, of the Gaussian's last sample."""

_FORBIDDEN = 1e6
"""Tail on the outermost pixels."""

_RELAXATION = 1.7
_BALANCE_EVERY = 20
_MOST_CHANGE = 5.0

_UNEVEN = 0.02
"""Of the sharp picture's range: how far its border may be from uniform."""


@dataclass(frozen=True)
class Weights:
    """Weights of the objective's terms, for pictures of range 1; none negative."""

    image_gradient: float = 0.0
    kernel_gradient: float = 0.0
    kernel: float = 0.0
    tail: float = 0.0

    def __post_init__(self) -> None:
        if min(self.image_gradient, self.kernel_gradient, self.kernel, self.tail) < 0:
            raise ValueError("weights must not be negative")


@dataclass(frozen=True, eq=False)
class Pair:
    """Spectra of pairs of a sharp and a blurred picture on a periodic grid of side T.

    Attributes
    ----------
    own : (T, T // 2 + 1) float64, sum of |S|^2
    cross : (T, T // 2 + 1) complex128, sum of conj(S) B
    energy : sum of b^2
    """

    own: NDArray[np.float64]
    cross: NDArray[np.complex128]
    energy: float


def pair_of_pictures(
    sharp: NDArray[np.floating], blurred: NDArray[np.floating], size: int, *, name: str = "the sharp picture"
) -> Pair:
    """The spectra of a pair of pictures (H, W) of the same size, for kernels of ``size`` px.

    Raises
    ------
    InputError : where the sharp picture is not uniform within half the size of its border
    ValueError : where the shapes differ, or are too small
    """
    if sharp.shape != blurred.shape or sharp.ndim != 2 or min(sharp.shape) <= size:
        raise ValueError(f"pictures of {sharp.shape} and {blurred.shape} px make no pair for {size} px")
    half = size // 2
    inner = np.zeros(sharp.shape, bool)
    inner[half:-half, half:-half] = True
    border = np.asarray(sharp[~inner], np.float64)
    level = float(np.median(border))
    if float(np.abs(border - level).max()) > _UNEVEN * float(sharp.max() - sharp.min()):
        raise InputError(
            name,
            f"it is not uniform within {half} px of its border",
            "crop it so that half the kernel's size of plain ground is about the disks, or use a smaller --size",
        )
    side = even_side(max(sharp.shape) + size)
    spectrum = scipy.fft.rfft2(sharp.astype(np.float64) - level, (side, side))
    seen = blurred.astype(np.float64) - level
    return Pair(
        np.abs(spectrum) ** 2,
        spectrum.conj() * scipy.fft.rfft2(seen, (side, side)),
        float(np.sum(seen**2)),
    )


def pair_of_sums(sums: Sums, sigma: float, plateau: float) -> Pair:
    """The spectra of photographed disks and their sharp pictures, each pixel covered as far as it is.

    Parameters
    ----------
    sums : of the tiles
    sigma : noise that they are in units of
    plateau : of the photograph inside wide disks
    """
    side = sums.own.shape[0]
    response = (
        plateau
        * np.sinc(sums.aperture * scipy.fft.fftfreq(side))[:, None]
        * np.sinc(sums.aperture * scipy.fft.rfftfreq(side))[None, :]
    )
    return Pair(
        sums.own * (response * sigma) ** 2, sums.cross * (response * sigma**2), sums.energy * sigma**2
    )


def tail_of(size: int) -> NDArray[np.float64]:
    """The tail T, (n, n)."""
    axis = np.arange(size) - size // 2
    tail = (axis[:, None] ** 2 + axis**2).astype(np.float64)
    tail /= tail.max()
    tail[[0, -1], :] = _FORBIDDEN
    tail[:, [0, -1]] = _FORBIDDEN
    return tail


def curvature_of(pair: Pair, weights: Weights) -> NDArray[np.float64]:
    """Spectrum of the objective's second derivative, (T, T // 2 + 1)."""
    side = pair.own.shape[0]
    penalties = weights.kernel_gradient * laplacian(side) + weights.kernel
    return np.asarray(pair.own * _seen_weights(side, weights) + penalties)


def slope_of(pair: Pair, weights: Weights) -> NDArray[np.complex128]:
    """Spectrum of the objective's linear term but the tail, with the sign turned, (T, T // 2 + 1)."""
    return np.asarray(pair.cross * _seen_weights(pair.own.shape[0], weights))


def _seen_weights(side: int, weights: Weights) -> NDArray[np.float64]:
    """What a frequency of the pictures' difference counts for, (T, T // 2 + 1)."""
    places = np.arange(-_BLUR_REACH, _BLUR_REACH + 1)
    taps = np.exp(-((places / _BLUR_PX) ** 2) / 2)
    taps /= taps.sum()
    frequencies = scipy.fft.fftfreq(side)[:, None], scipy.fft.rfftfreq(side)[None, :]
    smooth, steep = [], []
    for frequency in frequencies:
        waves = np.cos(2 * np.pi * frequency[..., None] * places)
        smooth.append((waves @ taps) ** 2)
        steep.append(np.sin(2 * np.pi * frequency) ** 2)
    return np.asarray(1 + weights.image_gradient * (steep[0] + steep[1]) * smooth[0] * smooth[1])


def objective(pair: Pair, kernel: NDArray[np.float64], weights: Weights) -> float:
    """The objective's value for a kernel (n, n), less what no kernel changes."""
    side = int(pair.own.shape[0])
    half = len(kernel) // 2
    padded = np.zeros((side, side))
    padded[: len(kernel), : len(kernel)] = kernel
    spectrum = scipy.fft.rfft2(np.roll(padded, (-half, -half), (0, 1)))
    twice = np.full(spectrum.shape[1], 2.0)
    twice[[0, -1]] = 1.0
    terms = np.asarray(0.5 * curvature_of(pair, weights) * np.abs(spectrum) ** 2)
    terms -= (slope_of(pair, weights).conj() * spectrum).real
    tail = weights.tail * float(np.sum(tail_of(len(kernel)) * kernel))
    return float(np.sum(twice * terms)) / side**2 + tail


def mannan_langer(
    pair: Pair, size: int, weights: Weights | None = None, *, steps: int = 200
) -> NDArray[np.float64]:
    """The kernel that minimises the objective.

    Parameters
    ----------
    pair : the pictures
    size : n, odd, px; at most a third of the grid's side
    weights : None for the plain least squares
    steps : of the solver

    Returns
    -------
    (n, n) float64, at least 0, sum 1

    Raises
    ------
    ValueError
        If the size is even or too large for the grid.
    """
    side = int(pair.own.shape[0])
    if size < 3 or size % 2 == 0 or 2 * size > side:
        raise ValueError(f"no kernel of {size} px on a grid of {side}")
    weights = weights or Weights()
    second = curvature_of(pair, weights).astype(np.float32)
    first = slope_of(pair, weights).astype(np.complex64)
    tail = weights.tail * tail_of(size)
    index = np.r_[side - size // 2 : side, 0 : size // 2 + 1]
    box = np.ix_(index, index)
    split = np.zeros((side, side), np.float32)
    split[box] = 1 / size**2
    dual = np.zeros((side, side), np.float32)
    penalty = float(np.exp(np.mean(np.log(np.maximum(second, 1e-9 * second.max())))))
    for step in range(1, steps + 1):
        spectrum = scipy.fft.rfft2(split - dual, overwrite_x=True)
        spectrum *= np.float32(penalty)
        spectrum += first
        spectrum /= second + np.float32(penalty)
        picture = scipy.fft.irfft2(spectrum, (side, side), overwrite_x=True)
        before = split[box]
        dual += np.float32(_RELAXATION) * picture
        dual[box] += np.float32(1 - _RELAXATION) * before
        split[box] = onto_simplex(dual[box] - tail / penalty)
        dual[box] -= split[box]
        if step % _BALANCE_EVERY == 0 and step <= steps // 2:
            picture[box] -= split[box]
            apart, moved, long, tense = (
                float(np.linalg.norm(array)) for array in (picture, split[box] - before, split[box], dual)
            )
            if min(apart, moved, tense) > 0:
                ratio = np.sqrt((apart / long) / (moved / tense))
                change = float(np.clip(ratio, 1 / _MOST_CHANGE, _MOST_CHANGE))
                penalty *= change
                dual /= np.float32(change)
    kernel = split[box].astype(np.float64)
    return np.asarray(kernel / kernel.sum())


def onto_simplex(point: NDArray[np.float64]) -> NDArray[np.float64]:
    """The nearest array that is at least 0 and of sum 1.

    References
    ----------
    .. [1] J. Duchi et al., "Efficient projections onto the l1-ball", ICML 2008, doi:10.1145/1390156.1390191.
    """
    falling = np.sort(point, axis=None)[::-1]
    over = np.asarray((np.cumsum(falling) - 1) / np.arange(1, falling.size + 1))
    last = int(np.nonzero(falling > over)[0][-1])
    return np.asarray(np.maximum(point - over[last], 0.0))
