"""Kernels that fit normal equations best, none of their pixels below 0, under one of four priors.

    minimise over k >= 0 on its support  1/2 <k, P k> - <C, k> + weight * prior(k)

with P and C of `psf.normal_equations`. The sum of k is free: it takes up the disks' contrast. The priors are half the
sum of the squared gradient; the total variation [1]_, which pillboxes obey; the same of rows and columns on their own,
which masks of squares obey; and the sum of the lengths of the second differences, which smooth rings and spots obey.
All but the first can be weighted pixel by pixel from an earlier solution [2]_, which spares its edges. Solved by the
alternating direction method of multipliers [3]_ with over-relaxation and adaptive penalties; a step costs one Fourier
transform there and back.

References
----------
.. [1] L. Rudin, S. Osher, E. Fatemi, "Nonlinear total variation based noise removal algorithms", Physica D 60 (1992),
   doi:10.1016/0167-2789(92)90242-F.
.. [2] E. Candes, M. Wakin, S. Boyd, "Enhancing sparsity by reweighted l1 minimization", J. Fourier Anal. Appl. 14
   (2008), doi:10.1007/s00041-008-9045-x.
.. [3] S. Boyd et al., "Distributed optimization and statistical learning via the alternating direction method of
   multipliers", Foundations and Trends in Machine Learning 3 (2011), doi:10.1561/2200000016.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from psf.normal_equations import NormalEquations
from psf.solve_kernels import (
    add_curvature_adjoint,
    add_gradient_adjoint,
    clamp,
    curvature,
    gradient,
    shrink,
)

Field = NDArray[np.float32]
"""The solver's steps are in float32: its error is 1e-4 of the kernel, a hundredth of what noise leaves."""

_RELAXATION = 1.7
"""Of the splitting, between 1 and 2."""

_BALANCE_EVERY = 15
"""Steps between two changes of the penalties; changes stop at half of the steps, from where convergence is proven."""

_MOST_CHANGE = 5.0
"""Factor of one change."""


_LEAST_INFORMED = 1e-5
"""Of the largest value of the equations' spectrum: below, they say nothing of a frequency."""


_FIELD_PENALTY = 10.0
"""First penalty of the differences, over that of the picture."""


class Prior(Enum):
    """What kernels are taken to be like."""

    QUADRATIC = "quadratic"
    VARIATION = "tv"
    SQUARES = "squares"
    CURVATURE = "curvature"


@dataclass(frozen=True, eq=False)
class _Differences:
    """Fields of differences, and into how many groups they are parted whose lengths are counted on their own."""

    count: int
    groups: int
    apply: Callable[[Field, Field], None]
    add_adjoint: Callable[[Field, float, Field], None]
    order: int

    def lengths(self, fields: Field) -> Field:
        """Lengths (G, m, m) of the groups of fields (F, m, m)."""
        side = fields.shape[-1]
        return np.asarray(np.sqrt(np.sum(fields.reshape(self.groups, -1, side, side) ** 2, axis=1)))


_DIFFERENCES = {
    Prior.VARIATION: _Differences(2, 1, gradient, add_gradient_adjoint, 1),
    Prior.SQUARES: _Differences(2, 2, gradient, add_gradient_adjoint, 1),
    Prior.CURVATURE: _Differences(3, 1, curvature, add_curvature_adjoint, 2),
}


@dataclass(frozen=True, eq=False)
class Solution:
    """Where a solver stands; it can be taken up again from there.

    Attributes
    ----------
    kernel : (n, n) float64, at least 0, of free sum
    prior : that it was solved with
    weight : of the prior
    split : (m, m), the kernel on the grid; dual : (m, m), its multipliers over the penalty
    fields, tensions : the same of the differences, (F, m, m); F = 0 for the quadratic prior
    penalty, field_penalty : of the two splits
    """

    kernel: NDArray[np.float64]
    prior: Prior
    weight: float
    split: Field
    dual: Field
    fields: Field
    tensions: Field
    penalty: float
    field_penalty: float


def laplacian(side: int) -> NDArray[np.float64]:
    """Squared length of the gradient's transfer function, (m, m // 2 + 1)."""
    down = 4 * np.sin(np.pi * scipy.fft.fftfreq(side)) ** 2
    across = 4 * np.sin(np.pi * scipy.fft.rfftfreq(side)) ** 2
    return np.asarray(down[:, None] + across[None, :])


def roughness(kernel: NDArray[np.float64], prior: Prior) -> float:
    """The prior's value for a kernel that is 0 outside its pixels."""
    padded = np.pad(kernel, 2)
    if prior is Prior.QUADRATIC:
        return 0.5 * float(np.sum(np.diff(padded, axis=0) ** 2) + np.sum(np.diff(padded, axis=1) ** 2))
    return float(np.sum(lengths(padded, prior)))  # type: ignore[arg-type]  # float64 as well


def lengths(picture: Field, prior: Prior) -> Field:
    """Lengths (G, m, m) of the differences at each pixel of a periodic (m, m) picture."""
    differences = _DIFFERENCES[prior]
    fields = np.empty((differences.count, *picture.shape), np.float32)
    differences.apply(np.ascontiguousarray(picture, np.float32), fields)
    return differences.lengths(fields)


def solve(
    equations: NormalEquations,
    prior: Prior,
    weight: float,
    *,
    steps: int = 120,
    start: Solution | None = None,
    pixel_weights: Field | None = None,
) -> Solution:
    """Find the kernel.

    Parameters
    ----------
    equations : in units of the noise's variance
    prior, weight : of the objective
    steps : of the solver; 100 come within 1e-3 of the minimum for kernels of 77 px
    start : to begin from; one of another prior lends its kernel alone
    pixel_weights : (G, m, m), factors on ``weight`` at each pixel, as `sparing_weights` gives them

    Raises
    ------
    ValueError
        If the weight is negative or there are pixel weights for the quadratic prior.
    """
    if not weight >= 0:
        raise ValueError(f"a prior's weight must not be negative, not {weight}")
    side, size = equations.side, equations.size
    first = side // 2 - size // 2
    differences = _DIFFERENCES.get(prior)
    if differences is None and pixel_weights is not None:
        raise ValueError("the quadratic prior has no pixel weights")
    state = _begin(equations, prior, weight, start)
    split, dual = state.split.copy(), state.dual.copy()
    fields, tensions = state.fields.copy(), state.tensions.copy()
    penalty, field_penalty = state.penalty, state.field_penalty
    power = laplacian(side)
    data = equations.gram
    if differences is None:
        data = data + weight * power
    else:
        power = power**differences.order
    new_fields = np.empty_like(fields)
    groups = 1 if differences is None else differences.groups
    weights = np.ones((groups, side, side), np.float32) if pixel_weights is None else pixel_weights
    cross = equations.cross.astype(np.complex64)
    denominator = _denominator(data, power, penalty, field_penalty, differences)
    right = np.empty((side, side), np.float32)
    for step in range(1, steps + 1):
        np.subtract(split, dual, out=right)
        right *= np.float32(penalty)
        if differences is not None:
            differences.add_adjoint(fields, float(np.float32(field_penalty)), right)
            differences.add_adjoint(tensions, float(np.float32(-field_penalty)), right)
        spectrum = scipy.fft.rfft2(right, overwrite_x=True)
        spectrum += cross
        spectrum /= denominator
        picture = scipy.fft.irfft2(spectrum, (side, side), overwrite_x=True)
        balance = step % _BALANCE_EVERY == 0 and step <= steps // 2
        before = (split.copy(), fields.copy()) if balance else None
        clamp(picture, split, dual, first, size, np.float32(_RELAXATION))
        if differences is not None:
            differences.apply(picture, new_fields)
            threshold = np.float32(weight / field_penalty)
            for group, part in zip(weights, np.split(np.arange(differences.count), groups), strict=True):
                own = slice(int(part[0]), int(part[-1]) + 1)
                shrink(new_fields[own], fields[own], tensions[own], threshold, group, np.float32(_RELAXATION))
        if before is not None:
            change = _change(picture, split, before[0], dual)
            penalty *= change
            dual /= np.float32(change)
            if differences is not None:
                change = _change(new_fields, fields, before[1], tensions)
                field_penalty *= change
                tensions /= np.float32(change)
            denominator = _denominator(data, power, penalty, field_penalty, differences)
    kernel = split[first : first + size, first : first + size].astype(np.float64)
    return Solution(kernel, prior, weight, split, dual, fields, tensions, penalty, field_penalty)


def solution_of(kernel: NDArray[np.float64], side: int) -> Solution:
    """A kernel found otherwise, to start from on a grid of ``side`` cells; it has no penalties yet."""
    first = side // 2 - len(kernel) // 2
    flat = np.zeros((side, side), np.float32)
    split = flat.copy()
    split[first : first + len(kernel), first : first + len(kernel)] = kernel
    empty = np.zeros((0, side, side), np.float32)
    return Solution(kernel, Prior.QUADRATIC, 0.0, split, flat, empty, empty, 0.0, 0.0)


def sparing_weights(solution: Solution, *, strength: float = 1.0) -> Field:
    """Pixel weights that spare the edges of an earlier solution.

    The weight at a pixel is 1 / (length + mean length / strength) of the differences there, scaled so that the
    prior's value of that solution stays what it was.

    Returns
    -------
    (G, m, m) float32 for `solve`

    Raises
    ------
    ValueError
        If the prior is the quadratic one.
    """
    differences = _DIFFERENCES.get(solution.prior)
    if differences is None:
        raise ValueError("the quadratic prior has no pixel weights")
    length = differences.lengths(solution.fields)
    total = float(length.sum())
    if total <= 0:
        return np.ones(length.shape, np.float32)
    mean = total / (solution.kernel.size * differences.groups) / strength
    weights = 1 / (length + mean)
    return np.asarray(weights * (total / float(np.sum(weights * length))), np.float32)


def _begin(equations: NormalEquations, prior: Prior, weight: float, start: Solution | None) -> Solution:
    """The state before the first step."""
    side = equations.side
    differences = _DIFFERENCES.get(prior)
    count = 0 if differences is None else differences.count
    if start is not None and start.prior is prior and start.penalty > 0:
        return start
    informed = equations.gram[equations.gram > _LEAST_INFORMED * equations.gram.max()]
    typical = float(np.exp(np.mean(np.log(informed))))
    empty = np.zeros((count, side, side), np.float32)
    flat = np.zeros((side, side), np.float32)
    fresh = Solution(
        np.zeros((equations.size, equations.size)),
        prior,
        weight,
        flat,
        flat,
        empty,
        empty,
        typical,
        _FIELD_PENALTY * typical,
    )
    if start is None:
        return fresh
    fields = np.zeros((count, side, side), np.float32)
    if differences is not None:
        differences.apply(start.split, fields)
    return replace(fresh, split=start.split, fields=fields)


def _denominator(
    data: NDArray[np.float64],
    power: NDArray[np.float64],
    penalty: float,
    field_penalty: float,
    differences: _Differences | None,
) -> Field:
    """Of the Fourier step."""
    total = data + penalty if differences is None else data + penalty + field_penalty * power
    return np.asarray(total, np.float32)


def _change(whole: Field, split: Field, before: Field, dual: Field) -> float:
    """Factor on a penalty that brings the relative primal and dual residuals together."""
    apart, moved, long, tense = (
        float(np.linalg.norm(array.ravel())) for array in (whole - split, split - before, split, dual)
    )
    if min(apart, moved, long, tense) <= 0:
        return 1.0
    return float(np.clip(np.sqrt((apart / long) / (moved / tense)), 1 / _MOST_CHANGE, _MOST_CHANGE))
