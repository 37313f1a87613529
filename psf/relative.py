"""Relative kernels: what blurs one setting's picture into another's.

A kernel r with a * r = b, from the absolute kernels a and b, in Mannan and Langer's way [1]_: their estimator without
weights, with the two kernels in the pictures' place and a support of 2 n + 1, tried in both directions; the direction
of the smaller residual is kept.

References
----------
.. [1] F. Mannan, M. S. Langer, "Blur calibration for depth from defocus", 13th Conference on Computer and Robot Vision
   (2016), doi:10.1109/CRV.2016.62.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from psf.mannan_langer import mannan_langer, pair_of_pictures
from psf.merit import unit_sum

_STEPS = 400
"""Of the solver: the residual is then within 1e-4 of what it ends at; a kernel's spectrum spans more decades than a
disk's."""


class Direction(Enum):
    """Which kernel is blurred into the other."""

    FIRST_TO_SECOND = "first to second"
    SECOND_TO_FIRST = "second to first"


@dataclass(frozen=True, eq=False)
class RelativeKernel:
    """A kernel (2 n + 1, 2 n + 1) of sum 1, its direction, and |a * r - b| / |b| there and in the other direction."""

    kernel: NDArray[np.float64]
    direction: Direction
    residual: float
    other_residual: float


def relative_kernel(first: NDArray[np.float64], second: NDArray[np.float64]) -> RelativeKernel:
    """The relative kernel of two absolute ones.

    Parameters
    ----------
    first, second : (n, n) and (m, m), odd, of positive sum; the smaller one is framed with zeros

    Raises
    ------
    ValueError
        If they are no kernels.
    """
    size = max(len(first), len(second))
    a, b = (_framed(unit_sum(kernel), size) for kernel in (first, second))
    forward, backward = _blur_between(a, b), _blur_between(b, a)
    if forward[1] <= backward[1]:
        return RelativeKernel(forward[0], Direction.FIRST_TO_SECOND, forward[1], backward[1])
    return RelativeKernel(backward[0], Direction.SECOND_TO_FIRST, backward[1], forward[1])


def _framed(kernel: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """A kernel in the middle of a larger one."""
    return np.pad(kernel, (size - len(kernel)) // 2)


def _blur_between(a: NDArray[np.float64], b: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """The kernel that blurs a into b, and the relative residual."""
    size = 2 * len(a) + 1
    # Room for all that a kernel of that size makes of a.
    wide_a, wide_b = (np.pad(kernel, size // 2 + 1) for kernel in (a, b))
    kernel = mannan_langer(pair_of_pictures(wide_a, wide_b, size), size, steps=_STEPS)
    shape = tuple(np.add(a.shape, kernel.shape) - 1)
    blurred = scipy.fft.irfft2(scipy.fft.rfft2(a, shape) * scipy.fft.rfft2(kernel, shape), shape)
    target = np.pad(b, (shape[0] - len(b)) // 2)
    return kernel, float(np.linalg.norm(blurred - target) / np.linalg.norm(b))
