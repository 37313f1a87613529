"""Means with bootstrap intervals: how far a mean would move with other pictures of the kind.

Pictures of one scene are alike, as LFDOF's up to 15 inputs of one target: not pictures are drawn with replacement but
groups of them, each with all that it holds (a cluster bootstrap [1]_). Where each is its own group, that is the plain
bootstrap. The interval is the percentile one.

References
----------
.. [1] A. C. Davison, D. V. Hinkley: Bootstrap Methods and their Application, Cambridge 1997, sections 3.8 and 5.3,
   doi:10.1017/CBO9780511802843
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

RESAMPLES = 10_000
LEVEL = 0.95
_DRAWS_AT_ONCE = 1 << 21


@dataclass(frozen=True)
class Estimate:
    """A mean.

    Attributes
    ----------
    mean : of the finite values; infinite where none is
    low, high : the interval; None where there are fewer than two groups
    count : of finite values
    """

    mean: float
    low: float | None
    high: float | None
    count: int


def estimate(values: Sequence[float], groups: Sequence[Hashable], *, seed: int) -> Estimate:
    """Mean of the finite values (PSNR is infinite for equal pictures) with its interval at `LEVEL`.

    Parameters
    ----------
    values : one a picture
    groups : the group of each
    seed : of the draws; the same groups are drawn for other values of the same pictures

    Raises
    ------
    ValueError : where they differ in number
    """
    numbers: dict[Hashable, int] = {}
    kept = [
        (value, numbers.setdefault(group, len(numbers)))
        for value, group in zip(values, groups, strict=True)
        if math.isfinite(value)
    ]
    if not kept:
        return Estimate(math.inf, None, None, 0)
    mean = math.fsum(value for value, _ in kept) / len(kept)
    count = len(numbers)
    if count < 2:
        return Estimate(mean, None, None, len(kept))
    finite, group_of = (np.asarray(column) for column in zip(*kept, strict=True))
    # Sums of deviations from the mean, so that nothing is lost to rounding.
    sums = np.bincount(group_of, finite - mean, count)
    sizes = np.bincount(group_of, minlength=count).astype(np.float64)
    rng = np.random.default_rng(seed)
    drawn = []
    step = max(1, _DRAWS_AT_ONCE // count)
    for begin in range(0, RESAMPLES, step):
        chosen = rng.integers(count, size=(min(step, RESAMPLES - begin), count))
        drawn.append(sums[chosen].sum(axis=1) / sizes[chosen].sum(axis=1))
    low, high = mean + np.quantile(np.concatenate(drawn), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(mean, float(low), float(high), len(kept))
