"""The optical kernel in cells of half a pixel: what is sharper than pixels, without ringing.

A pillbox or a mask has frequencies above 0.5 cycles/px; without them it rings, below 0 too, which no kernel may. So
the last solution is on cells of half a pixel: the photograph fits it up to 0.5 cycles/px, and the prior goes on from
there. The pixel is then applied to it as the sensor does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.fft
import scipy.ndimage
from numpy.typing import NDArray

from psf.normal_equations import NormalEquations, pixel_response, system_of
from psf.solve import Prior, Solution, solution_of, solve, sparing_weights
from psf.weight import Judge, Weighed

_STEPS = 45
"""Of the solver, and as many again with edges spared."""

_FINER = {Prior.QUADRATIC: 16.0, Prior.VARIATION: 2.0, Prior.SQUARES: 2.0, Prior.CURVATURE: 3.0}
"""How many times smaller a prior's value of the same kernel is in cells of half the side.

A cell holds a quarter of the light; first differences are halved again, or stay where there is an edge, which fewer
cells have; second ones are quartered, less so at spots.
"""

_HANDICAP = 1e-4
"""Of the kernel's squared length, on the risk of `Prior.CURVATURE`: what follows the noise is taken from whole pixels,
where that prior's share is larger."""


@dataclass(frozen=True, eq=False)
class Fine:
    """The kernel that is kept.

    Attributes
    ----------
    optical : (2 n - 1, 2 n - 1) float64, cells of half a pixel
    system : (n, n) float64, what the sensor records of it
    weighed : the candidate that it is from
    """

    optical: NDArray[np.float64]
    system: NDArray[np.float64]
    weighed: Weighed


def best_of_each_prior(weighed: Sequence[Weighed]) -> list[Weighed]:
    """Of candidates in the order of their risk, the first one of each prior."""
    first: dict[Prior, Weighed] = {}
    for one in weighed:
        first.setdefault(one.candidate.prior, one)
    return list(first.values())


def refine(
    equations: NormalEquations, weighed: Sequence[Weighed], judge: Judge, *, aperture: float = 1.0
) -> Fine:
    """Solve on half pixels with the best candidate of each prior, and keep the best of them.

    Parameters
    ----------
    equations : of the optical kernel in cells of half a pixel
    weighed : candidates with their kernels of whole pixels, the best one first
    judge : of kernels of whole pixels
    aperture : side of the square in px from which a pixel gathers light
    """
    found: list[tuple[float, Fine]] = []
    for one in best_of_each_prior(weighed):
        optical = solve_fine(equations, one.solution, one.solution.kernel).kernel
        system = system_of(optical, aperture=aperture)
        risk = judge.distance(_seen_spectrum(optical, len(judge.trust), aperture)) + one.follows
        if one.candidate.prior is Prior.CURVATURE:
            risk += _HANDICAP * float(np.sum(system**2))
        found.append((risk, Fine(optical, system, one)))
    return min(found, key=lambda pair: pair[0])[1]


def _seen_spectrum(optical: NDArray[np.float64], side: int, aperture: float) -> NDArray[np.complex128]:
    """Spectrum of the system's kernel up to 0.5 cycles/px, (m, m // 2 + 1), nothing folded back into it."""
    half = side // 2
    spectrum = scipy.fft.rfft2(optical, (2 * side, 2 * side))
    low = np.concatenate([spectrum[:half, : half + 1], spectrum[-half:, : half + 1]])
    down, across = (pixel_response(f, aperture) for f in (scipy.fft.fftfreq(side), scipy.fft.rfftfreq(side)))
    return np.asarray(low * down[:, None] * across[None, :])


def solve_fine(equations: NormalEquations, coarse: Solution, kernel: NDArray[np.float64]) -> Solution:
    """The optical kernel with the prior and weight of one of whole pixels, from a kernel of whole pixels on."""
    size = equations.size
    start = scipy.ndimage.zoom(kernel, size / len(kernel), order=1) / 4
    weight = coarse.weight * _FINER[coarse.prior]
    state = solve(equations, coarse.prior, weight, steps=_STEPS, start=solution_of(start, equations.side))
    if coarse.prior is Prior.QUADRATIC:
        return solve(equations, coarse.prior, weight, steps=_STEPS, start=state)
    return solve(
        equations, coarse.prior, weight, steps=_STEPS, start=state, pixel_weights=sparing_weights(state)
    )
