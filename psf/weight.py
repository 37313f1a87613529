"""Which prior, and how much of it: fixed points of the weight, compared by their expected error.

For each candidate the weight is the one at which weight times prior is a given share of the count of the kernel's
pixels, as it is on average for a kernel drawn from the prior. Candidates are compared by Stein's estimate of the
squared error [1]_: the squared distance to the raw kernel (the photograph's spectrum over the latent's), plus twice
what the solution follows of the noise, which is seen from a second solution with a little more noise [2]_. All disks
serve both; halves of them would favour too much smoothing.

References
----------
.. [1] C. Stein, "Estimation of the mean of a multivariate normal distribution", Annals of Statistics 9 (1981),
   doi:10.1214/aos/1176345632.
.. [2] S. Ramani, T. Blu, M. Unser, "Monte-Carlo SURE", IEEE Trans. Image Processing 17 (2008),
   doi:10.1109/TIP.2008.2001404.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from psf.normal_equations import NormalEquations, tempering
from psf.solve import Prior, Solution, roughness, solve, sparing_weights

_STEPS = 20
"""Of the solver between two changes of the weight, and twice as many after the last."""

_FIRST_CHANGES = 4
"""Changes of the weight for the first candidate of a prior."""

_NEXT_CHANGES = 2
"""The same for the next ones, which start from the one before."""

_SHAKE = 0.5
"""Standard deviation of the noise that is added to see what a solution follows, of the noise's own."""

_LEAST_ROUGHNESS = 1e-9
"""Of an empty kernel, so that its weight is finite."""

_SEED = 20160601
"""Of the added noise: the same photograph gives the same kernel."""


@dataclass(frozen=True)
class Candidate:
    """A prior and the share of the pixels' count that weight times prior is to be."""

    prior: Prior
    share: float


CANDIDATES = (
    Candidate(Prior.VARIATION, 0.2),
    Candidate(Prior.VARIATION, 0.4),
    Candidate(Prior.SQUARES, 0.2),
    Candidate(Prior.CURVATURE, 0.05),
    Candidate(Prior.CURVATURE, 0.1),
    Candidate(Prior.CURVATURE, 0.2),
)
"""Those of one prior follow one another, the weakest first."""

QUADRATIC = Candidate(Prior.QUADRATIC, 0.15)
"""The share for half the squared gradient alone."""


@dataclass(frozen=True, eq=False)
class Weighed:
    """A candidate's kernel and what is to be thought of it.

    Attributes
    ----------
    candidate : prior and share
    solution : the system's kernel, a cell a pixel
    follows : what it follows of the noise, twice its covariance with the raw kernel
    risk : expected squared error, less what all candidates share
    """

    candidate: Candidate
    solution: Solution
    follows: float
    risk: float


@dataclass(frozen=True, eq=False)
class Judge:
    """The raw kernel, and how far each of its frequencies is to be trusted; (m, m // 2 + 1) both."""

    raw: NDArray[np.complex128]
    trust: NDArray[np.float64]

    def distance(self, spectrum: NDArray[np.complexfloating]) -> float:
        """Squared distance of a system's kernel, given by its spectrum, less what all kernels share."""
        power = spectrum.real**2 + spectrum.imag**2
        return float((self.trust * (power - 2 * (spectrum.conj() * self.raw).real)).sum())


def judge(equations: NormalEquations, kernel: NDArray[np.float64]) -> Judge:
    """The judge of the kernels of some disks, given one of them of about the right power."""
    side = equations.side
    spectrum = scipy.fft.rfft2(kernel, (side, side))
    twice = np.full(spectrum.shape[1], 2.0)
    twice[[0, -1]] = 1.0
    mean_power = float((np.abs(spectrum) ** 2 * twice).sum()) / side**2
    # Noise of the raw kernel at a frequency is side^2 / gram; where it is the mean power, half counts.
    trust = twice * equations.gram / (equations.gram + side**2 / mean_power) / side**2
    # The raw kernel's middle is at (m // 2, m // 2) there; that of a kernel put at the first pixels at n // 2.
    shift = side // 2 - equations.size // 2
    down = np.exp(2j * np.pi * scipy.fft.fftfreq(side) * shift)
    across = np.exp(2j * np.pi * scipy.fft.rfftfreq(side) * shift)
    return Judge(equations.cross / equations.gram * down[:, None] * across[None, :], trust)


def first_solution(equations: NormalEquations) -> Solution:
    """A smooth kernel to start from."""
    typical = float(np.exp(np.mean(np.log(equations.gram))))
    return solve(equations, Prior.QUADRATIC, typical, steps=2 * _STEPS)


def weigh(
    equations: NormalEquations, candidates: Sequence[Candidate] = CANDIDATES
) -> tuple[list[Weighed], Judge]:
    """Solve with each candidate and estimate its error.

    Parameters
    ----------
    equations : of all disks, a cell a pixel, in units of the noise's variance
    candidates : those of one prior follow one another, the weakest first; one alone is not judged

    Returns
    -------
    (the candidates, the best one first; their judge)
    """
    first = first_solution(equations)
    rng = np.random.default_rng(_SEED)
    side = equations.side
    # The cross-correlation's noise has the latent's spectrum, tempered twice.
    noise = scipy.fft.rfft2(rng.standard_normal((side, side)))
    noise *= np.sqrt(equations.gram * tempering(equations))
    shaken = replace(equations, cross=equations.cross + _SHAKE * noise)
    opinion = judge(equations, first.kernel)
    weighed = []
    settled = first
    for candidate in candidates:
        again = settled.prior is candidate.prior and settled is not first
        settled = _settle(equations, candidate, settled, _NEXT_CHANGES if again else _FIRST_CHANGES)
        end = finish(equations, settled)
        if len(candidates) == 1:
            return [Weighed(candidate, end, 0.0, 0.0)], opinion
        moved = scipy.fft.rfft2(finish(shaken, settled).split - end.split)
        follows = float((opinion.trust * (moved * (noise / equations.gram).conj()).real).sum()) / _SHAKE
        apart = opinion.distance(scipy.fft.rfft2(end.kernel, (side, side)))
        weighed.append(Weighed(candidate, end, 2 * follows, apart + 2 * follows))
    return sorted(weighed, key=lambda one: one.risk), opinion


def finish(equations: NormalEquations, settled: Solution) -> Solution:
    """The solution at a settled weight, its edges spared."""
    end = solve(equations, settled.prior, settled.weight, steps=_STEPS, start=settled)
    if settled.prior is Prior.QUADRATIC:
        return solve(equations, settled.prior, settled.weight, steps=2 * _STEPS, start=end)
    return solve(
        equations,
        settled.prior,
        settled.weight,
        steps=2 * _STEPS,
        start=end,
        pixel_weights=sparing_weights(end),
    )


def _settle(equations: NormalEquations, candidate: Candidate, start: Solution, changes: int) -> Solution:
    """The fixed point of a candidate's weight."""
    state = start
    for _ in range(changes):
        rough = max(roughness(state.kernel, candidate.prior), _LEAST_ROUGHNESS)
        weight = candidate.share * equations.size**2 / rough
        state = solve(equations, candidate.prior, weight, steps=_STEPS, start=state)
    return state
