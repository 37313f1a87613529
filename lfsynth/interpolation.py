"""Cubic interpolation kernels of four taps with a recursive prefilter.

A sampled signal ``f[i]`` is first turned into coefficients ``c = f * (p)^-1`` (the prefilter), then read at any
position as ``sum_k c[floor(x) + k] phi(x - floor(x) - k)``, k = -1..2. The prefilter commutes with every shift and
sum on the sample grid, so it may be applied to a sum of shifted signals instead of each of them.

References
----------
.. [1] M. Unser, "Splines: a perfect fit for signal and image processing", IEEE SPM 16(6), 1999,
   doi:10.1109/79.799930 (cubic B-spline).
.. [2] T. Blu, P. Thevenaz, M. Unser, "MOMS: maximal-order interpolation of minimal support", IEEE TIP 10(7), 2001,
   doi:10.1109/83.931101 (o-MOMS of degree 3, the cubic of least interpolation error for its support).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve1d

REACH = 14
"""Taps of the truncated prefilter on either side of its middle: what is cut off is below 1e-6."""


@dataclass(frozen=True)
class Interpolation:
    """A cubic kernel ``phi(x) = beta3(x) + curvature * beta3''(x)`` and its prefilter.

    Attributes
    ----------
    curvature : weight of the B-spline's second derivative: 0 for the B-spline, 1/42 for o-MOMS
    pole : the root inside the unit circle of the kernel sampled at the integers
    """

    curvature: float
    pole: float

    def taps(self, fraction: NDArray[np.float64]) -> NDArray[np.float64]:
        """Weights of the samples at -1, 0, 1, 2 for positions ``fraction`` in [0, 1) past sample 0: [..., 4], sum 1."""
        t = np.asarray(fraction, dtype=np.float64)
        s = 1.0 - t
        spline = np.stack([s**3, 4 - 6 * t**2 + 3 * t**3, 4 - 6 * s**2 + 3 * s**3, t**3], axis=-1) / 6
        second = np.stack([s, -2 + 3 * t, -2 + 3 * s, t], axis=-1)
        return np.asarray(spline + self.curvature * second)

    def prefilter(self) -> NDArray[np.float64]:
        """The prefilter's impulse response at 0, 1, ... REACH (it is symmetric); its sum over both sides is 1."""
        half = (1 - self.pole) / (1 + self.pole) * self.pole ** np.arange(REACH + 1)
        return np.asarray(half / (2 * half.sum() - half[0]))


CUBIC_BSPLINE = Interpolation(curvature=0.0, pole=math.sqrt(3) - 2)
OMOMS = Interpolation(curvature=1 / 42, pole=(math.sqrt(105) - 13) / 8)


def sampling_matrix(
    positions: NDArray[np.float64], samples: int, interpolation: Interpolation
) -> NDArray[np.float64]:
    """Matrix that interpolates a signal of so many samples, 0 outside, at the positions: (positions, samples)."""
    prefiltered = _prefiltered_identity(samples, interpolation)
    floor = np.floor(positions).astype(np.int64)
    taps = interpolation.taps(positions - floor)
    matrix = np.zeros((positions.size, prefiltered.shape[0]))
    for k in range(4):
        index = floor - 1 + k + 2 * REACH
        inside = (index >= 0) & (index < prefiltered.shape[0])
        matrix[np.nonzero(inside)[0], index[inside]] += taps[inside, k]
    return np.asarray(matrix @ prefiltered)


def _prefiltered_identity(samples: int, interpolation: Interpolation) -> NDArray[np.float64]:
    """Coefficients of unit impulses, with a border of 2 REACH: (samples + 4 REACH, samples)."""
    padded = np.zeros((samples + 4 * REACH, samples))
    padded[2 * REACH : 2 * REACH + samples] = np.eye(samples)
    half = interpolation.prefilter()
    return np.asarray(convolve1d(padded, np.concatenate([half[:0:-1], half]), axis=0, mode="constant"))


def cover(positions: NDArray[np.float64], samples: int, interpolation: Interpolation) -> NDArray[np.float32]:
    """Interpolation at the positions of a signal that is 1 on its samples and 0 outside."""
    ones = np.zeros(samples + 4 * REACH)
    ones[2 * REACH : -2 * REACH] = 1.0
    half = interpolation.prefilter()
    coefficients = convolve1d(ones, np.concatenate([half[:0:-1], half]), mode="constant")
    floor = np.floor(positions).astype(np.int64)
    index = np.clip(floor[..., None] + np.arange(-1, 3) + 2 * REACH, 0, coefficients.size - 1)
    return np.asarray((coefficients[index] * interpolation.taps(positions - floor)).sum(axis=-1), np.float32)
