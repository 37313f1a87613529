"""A kernel from sums over tiles: by the regularised estimator, or as Mannan and Langer do it.

Groups of sums are of each photograph, in the photographs' order; conventions are those of `psf.normal_equations`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy.fft
import scipy.ndimage
from numpy.typing import NDArray

from psf.detect import Detection
from psf.fine import refine
from psf.half_samples import HalfSamples, half_samples
from psf.mannan_langer import Pair, Weights, mannan_langer, pair_of_sums
from psf.normal_equations import NormalEquations, Sums, add_up, fine_equations, system_equations
from psf.solve import Prior
from psf.weight import Candidate, Weighed, finish, weigh


@dataclass(frozen=True, eq=False)
class Solved:
    """Kernels of one solution, their sums being the disks' contrast.

    Attributes
    ----------
    optical : (n, n) float64, at the pixels' middles
    system : (n, n) float64, averaged over pixels
    fine : (2 n - 1, 2 n - 1) float64, the optical kernel in cells of half a pixel
    halves : system's kernels from halves of the disks; None where they were not asked for, or cannot be had
    prior, share, weight : of the regularised estimator; else None
    residual : sum of its squares per pixel, in units of the noise's variance
    """

    optical: NDArray[np.float64]
    system: NDArray[np.float64]
    fine: NDArray[np.float64]
    halves: HalfSamples | None
    prior: Prior | None
    share: float | None
    weight: float | None
    residual: float


@dataclass(frozen=True, eq=False)
class Sharp:
    """A kernel through which the disks are seen when they count as sharp.

    Attributes
    ----------
    fine : (2 m - 1, 2 m - 1) float64, optical, in cells of half a pixel, sum 1
    scale : px of the blurred photograph for one of the sharp one
    """

    fine: NDArray[np.float64]
    scale: float = 1.0

    def spectrum(self, side: int) -> NDArray[np.complex128]:
        """Its transfer function on a grid of T = ``side`` px, (T, T // 2 + 1)."""
        places = (np.arange(len(self.fine)) - len(self.fine) // 2) / 2 * self.scale
        down, across = (
            np.exp(-2j * np.pi * frequency[:, None] * places) * np.sinc(frequency * self.scale / 2)[:, None]
            for frequency in (scipy.fft.fftfreq(side), scipy.fft.rfftfreq(side))
        )
        return np.asarray(down @ self.fine @ across.T)


def seen_through(sums: Sums, sharp: Sharp) -> Sums:
    """The sums with the disks as a kernel shows them in the place of sharp ones."""
    through = sharp.spectrum(sums.own.shape[0])
    return replace(sums, own=sums.own * np.abs(through) ** 2, cross=sums.cross * through.conj())


def total_of(groups: Sequence[Sums]) -> Sums:
    """The sum of one set or more."""
    total = groups[0]
    for group in groups[1:]:
        total = total + group
    return total


def regularised(
    shots: Sequence[Sequence[Sums]],
    size: int,
    candidates: Sequence[Candidate],
    *,
    aperture: float,
    error_bar: bool,
) -> Solved:
    """The kernel of the candidate of the least expected error, see `psf.weight`."""
    totals = [total_of(groups) for groups in shots]
    weighed, judge = weigh(add_up([system_equations(total, size) for total in totals]), candidates)
    fine = add_up([fine_equations(total, size) for total in totals])
    kept = refine(fine, weighed, judge, aperture=aperture)
    halves = None
    if error_bar:
        halves = _halves([system_equations(part, size) for groups in shots for part in groups], kept.weighed)
    return Solved(
        kept.optical[::2, ::2],
        kept.system,
        kept.optical,
        halves,
        kept.weighed.candidate.prior,
        kept.weighed.candidate.share,
        kept.weighed.solution.weight,
        fine.residual(kept.optical) / fine.pixels,
    )


def by_mannan_langer(
    shots: Sequence[Sequence[Sums]],
    detections: Sequence[Detection],
    size: int,
    weights: Weights,
    *,
    aperture: float,
) -> Solved:
    """The kernel of Mannan and Langer's objective; it comes without error bars."""
    totals = [total_of(groups) for groups in shots]
    pairs = [
        pair_of_sums(total, detection.sigma, detection.plateau)
        for total, detection in zip(totals, detections, strict=True)
    ]
    pair = Pair(
        np.sum([one.own for one in pairs], axis=0),
        np.sum([one.cross for one in pairs], axis=0),
        sum(one.energy for one in pairs),
    )
    optical = mannan_langer(pair, size, weights)
    system = _over_pixels(optical, aperture)
    residual = pixels = 0.0
    for total, detection in zip(totals, detections, strict=True):
        equations = system_equations(total, size)
        residual += equations.residual(system * detection.plateau)
        pixels += equations.pixels
    fine = scipy.ndimage.zoom(optical, (2 * size - 1) / size, order=1)
    return Solved(optical, system, fine, None, None, None, None, residual / pixels)


def _over_pixels(kernel: NDArray[np.float64], aperture: float) -> NDArray[np.float64]:
    """A kernel averaged over squares, of the same size and sum; what dips below 0 is cut off."""
    side = scipy.fft.next_fast_len(2 * len(kernel), real=True)
    down, across = (np.sinc(aperture * f) for f in (scipy.fft.fftfreq(side), scipy.fft.rfftfreq(side)))
    spectrum = scipy.fft.rfft2(kernel, (side, side)) * down[:, None] * across
    averaged = np.maximum(scipy.fft.irfft2(spectrum, (side, side))[: len(kernel), : len(kernel)], 0.0)
    return np.asarray(averaged * (kernel.sum() / averaged.sum()))


def _halves(groups: Sequence[NormalEquations], kept: Weighed) -> HalfSamples | None:
    """System's kernels from halves of the groups; None for one group."""
    whole = add_up(groups)

    def solved(half: Sequence[int]) -> NDArray[np.float64]:
        part = add_up([groups[index] for index in half])
        factor = whole.pixels / part.pixels
        weighted = replace(part, gram=part.gram * factor, cross=part.cross * factor)
        return finish(weighted, kept.solution).kernel

    return half_samples([group.pixels for group in groups], solved)
