"""Bootstrap intervals against scipy's, a closed form, and what must not matter."""

import math

import numpy as np
import pytest
from scipy.stats import bootstrap, norm

from drbnet.bootstrap import RESAMPLES, Estimate, estimate

RNG = np.random.default_rng(8)


def test_groups_of_one_are_the_plain_bootstrap() -> None:
    values = RNG.gamma(2, 1, 30)
    got = estimate(values.tolist(), range(30), seed=1)
    wanted = bootstrap((values,), np.mean, n_resamples=RESAMPLES, method="percentile", rng=2)
    assert got.mean == pytest.approx(values.mean(), abs=1e-12)
    # Of 10,000 resamples a quantile at 2.5 % has an error of about 0.03 of the mean's standard error, 0.26.
    low, high = wanted.confidence_interval
    assert got.low == pytest.approx(low, abs=0.04)
    assert got.high == pytest.approx(high, abs=0.04)


def test_many_values_have_the_normal_interval() -> None:
    values = RNG.normal(25, 3, 2000)
    got = estimate(values.tolist(), range(2000), seed=0)
    half = norm.ppf(0.975) * values.std() / math.sqrt(2000)
    assert got.low == pytest.approx(values.mean() - half, abs=0.05 * half)
    assert got.high == pytest.approx(values.mean() + half, abs=0.05 * half)


def test_pictures_of_one_target_are_drawn_together() -> None:
    """Fifteen copies of each value tell no more than one of each."""
    values = RNG.normal(25, 3, 20)
    once = estimate(values.tolist(), range(20), seed=3)
    often = estimate(np.repeat(values, 15).tolist(), np.repeat(np.arange(20), 15).tolist(), seed=3)
    assert (often.low, often.high) == pytest.approx((once.low, once.high), abs=1e-10)
    assert often.count == 300


def test_the_same_groups_are_drawn_for_other_values() -> None:
    values = RNG.normal(25, 3, 12)
    groups = [0, 0, 1, 2, 2, 2, 3, 4, 5, 5, 6, 7]
    one, other = (estimate(list(v), groups, seed=5) for v in (values, 2 * values + 1))
    assert one.low is not None
    assert one.high is not None
    assert (other.low, other.high) == pytest.approx((2 * one.low + 1, 2 * one.high + 1), abs=1e-10)
    assert estimate(list(values), groups, seed=5) == one
    assert estimate(list(values), groups, seed=6) != one


def test_infinite_values_are_left_out() -> None:
    assert estimate([1.0, math.inf, 3.0], "aab", seed=0).mean == 2
    assert estimate([math.inf], "a", seed=0) == Estimate(math.inf, None, None, 0)


def test_one_group_has_no_interval() -> None:
    assert estimate([1.0, 2.0], "aa", seed=0) == Estimate(1.5, None, None, 2)


def test_each_value_needs_its_group() -> None:
    with pytest.raises(ValueError, match="shorter"):
        estimate([1.0, 2.0], "a", seed=0)
