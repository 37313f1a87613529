"""Error bars from balanced half-samples of the disks.

A kernel from half of the disks is off that from all by as much as that one is off the truth [1]_. Smaller changes, as a
jackknife makes, would not move what a prior holds in place.

References
----------
.. [1] P. J. McCarthy, "Pseudo-replication: half samples", Review of the International Statistical Institute 37 (1969),
   doi:10.2307/1402116.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.ndimage
from numpy.typing import NDArray

Kernel = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class HalfSamples:
    """Kernels from halves of the disks.

    Attributes
    ----------
    whole : (n, n) float64, from all disks
    kernels : (K, n, n) float64, from halves, solved in the same way
    excess : (K,) variance of a half over that of all, less 1
    """

    whole: Kernel
    kernels: NDArray[np.float64]
    excess: NDArray[np.float64]

    def error(self, figure: Callable[[Kernel], NDArray[np.float64]]) -> NDArray[np.float64]:
        """Standard errors of figures of a kernel, an array of any shape; NaN figures have NaN errors."""
        middle = figure(self.whole)
        squares = [
            (figure(kernel) - middle) ** 2 / excess
            for kernel, excess in zip(self.kernels, self.excess, strict=True)
        ]
        return np.asarray(np.sqrt(np.mean(squares, axis=0)))

    def sigma(self) -> NDArray[np.float64]:
        """Standard error of each pixel, (n, n); as neighbours share their noise, over 3 x 3 pixels."""
        variance = scipy.ndimage.uniform_filter(self.error(lambda kernel: kernel) ** 2, 3)
        return np.asarray(np.sqrt(np.maximum(variance, 0.0)))

    def scaled(self, factor: float) -> HalfSamples:
        """The same of kernels times a factor."""
        return HalfSamples(self.whole * factor, self.kernels * factor, self.excess)


def half_samples(pixels: Sequence[int], solve: Callable[[Sequence[int]], Kernel]) -> HalfSamples | None:
    """Solve for halves of the groups; None where there is one group alone.

    Parameters
    ----------
    pixels : of each group of disks
    solve : the kernel from groups of these indices, with as much weight as all have
    """
    count = len(pixels)
    if count < 2:
        return None
    order = 1 << (count - 1).bit_length()
    signs = scipy.linalg.hadamard(2 * order)[1 : order + 1, :count] if count > 2 else np.array([[1, -1]])
    kernels, excess = [], []
    for row in signs:
        half = np.flatnonzero(row == 1)
        if not 0 < len(half) < count:
            half = np.flatnonzero(row == -1)
        if not 0 < len(half) < count:
            continue
        kernels.append(solve(half.tolist()))
        excess.append(sum(pixels) / sum(pixels[int(index)] for index in half) - 1)
    return HalfSamples(solve(range(count)), np.array(kernels), np.array(excess))
