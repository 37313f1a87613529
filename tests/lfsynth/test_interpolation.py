"""Kernels of interpolation: against scipy, and the properties that make them interpolate."""

import numpy as np
import pytest
from scipy import ndimage

from lfsynth.interpolation import CUBIC_BSPLINE, OMOMS, Interpolation

KERNELS = pytest.mark.parametrize("kernel", [CUBIC_BSPLINE, OMOMS], ids=["b-spline", "o-moms"])


def interpolate(kernel: Interpolation, signal: np.ndarray, positions: np.ndarray) -> np.ndarray:
    half = kernel.prefilter()
    coefficients = np.convolve(np.pad(signal, 20, mode="wrap"), np.concatenate([half[:0:-1], half]), "same")
    floor = np.floor(positions).astype(int)
    taps = kernel.taps(positions - floor)
    return sum(taps[:, k] * coefficients[floor - 1 + k + 20] for k in range(4))


@KERNELS
def test_taps_sum_to_one_and_are_continuous(kernel: Interpolation) -> None:
    fractions = np.linspace(0, 1, 101)
    taps = kernel.taps(fractions)
    np.testing.assert_allclose(taps.sum(axis=-1), 1, atol=1e-14)
    np.testing.assert_allclose(taps[-1, 1:], taps[0, :-1], atol=1e-14)


@KERNELS
def test_prefilter_inverts_the_sampled_kernel(kernel: Interpolation) -> None:
    half = kernel.prefilter()
    response = np.convolve(np.concatenate([half[:0:-1], half]), kernel.taps(np.array(0.0))[:3])
    impulse = np.zeros_like(response)
    impulse[impulse.size // 2] = 1
    # What the truncation cuts off is pole^15, 1e-7 for the slower of the two.
    np.testing.assert_allclose(response, impulse, atol=1e-6)


@KERNELS
def test_passes_through_the_samples(kernel: Interpolation) -> None:
    signal = np.random.default_rng(0).random(64)
    np.testing.assert_allclose(interpolate(kernel, signal, np.arange(16, 48.0)), signal[16:48], atol=1e-6)


def test_bspline_is_scipys() -> None:
    signal = np.random.default_rng(1).random(64)
    positions = np.random.default_rng(2).uniform(16, 48, 100)
    expected = ndimage.map_coordinates(signal, [positions], order=3, mode="grid-wrap")
    np.testing.assert_allclose(interpolate(CUBIC_BSPLINE, signal, positions), expected, atol=1e-6)


def test_omoms_is_closer_to_a_fine_sine_than_the_bspline() -> None:
    frequency = 2 * np.pi * 20 / 64
    positions = np.linspace(16, 48, 999)
    signal = np.sin(frequency * np.arange(64))
    error = {
        kernel: np.abs(interpolate(kernel, signal, positions) - np.sin(frequency * positions)).mean()
        for kernel in (CUBIC_BSPLINE, OMOMS)
    }
    assert error[OMOMS] < 0.8 * error[CUBIC_BSPLINE]
