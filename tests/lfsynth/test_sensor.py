"""A sensor's noise by its statistics."""

import numpy as np
import pytest

from lfsynth.noise import Noise
from lfsynth.sensor import SensorNoise, add_noise, generator_for

SIDE = 400


def variances(picture: np.ndarray, noisy: np.ndarray) -> np.ndarray:
    assert noisy.dtype == np.float32
    return np.square(noisy.astype(np.float64) - picture).mean(axis=(0, 1))


def steps(*levels: float) -> np.ndarray:
    """A picture with a level in each channel."""
    return np.broadcast_to(np.array(levels, np.float32), (SIDE, SIDE, len(levels))).copy()


@pytest.mark.parametrize("sensor", [SensorNoise(2e-4, 1e-3), SensorNoise(0, 0.02), SensorNoise(1e-3, 0)])
def test_variance_is_that_of_the_model(sensor: SensorNoise) -> None:
    picture = steps(0.0, 0.2, 1.0, 3.0)
    noisy = add_noise(picture, sensor, np.random.default_rng(0))
    expected = sensor.gain * np.array([0, 0.2, 1, 3]) + sensor.read**2
    # A variance of 160,000 normal samples is known to 0.35 %; four deviations of that.
    np.testing.assert_allclose(variances(picture, noisy), expected, rtol=0.015, atol=1e-15)
    np.testing.assert_allclose(noisy.mean(axis=(0, 1)) - picture[0, 0], 0, atol=4 * np.sqrt(2e-3) / SIDE)


def test_below_black_there_is_no_signal() -> None:
    noisy = add_noise(steps(-0.1), SensorNoise(1e-3, 0), np.random.default_rng(0))
    np.testing.assert_array_equal(noisy, steps(-0.1))


def test_pixels_and_channels_are_independent() -> None:
    picture = steps(0.5, 0.5)
    noise = add_noise(picture, SensorNoise(1e-3, 0), np.random.default_rng(0)) - picture
    pairs = [(noise[..., 0], noise[..., 1]), (noise[1:], noise[:-1]), (noise[:, 1:], noise[:, :-1])]
    for a, b in pairs:
        # four deviations of the correlation of so many samples
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 4 / SIDE


def test_noise_that_is_left_counts() -> None:
    sensor = SensorNoise(1e-3, 1e-2)
    left = Noise((1e-4, 1e-4, 1.0), (2e-3, 2e-3, 0.0), (4e-3, 4e-3, 0.0))
    picture = steps(0.5, 2.0, 0.5)
    noisy = add_noise(picture, sensor, np.random.default_rng(0), left=left, share=0.1)
    # The views were clipped at white. Where more is left than there should be, nothing is added.
    expected = [5e-4 + 1e-4 - 0.1 * (1e-4 + 1e-3 + 1e-3), 2e-3 + 1e-4 - 0.1 * 6.1e-3, 0]
    np.testing.assert_allclose(variances(picture, noisy), expected, rtol=0.015)


def test_random_numbers_belong_to_a_picture() -> None:
    def numbers(scene: str, slope: int, aperture: int) -> list[float]:
        return generator_for(scene, slope, aperture).random(4).tolist()

    assert numbers("a", 0, 1) == numbers("a", 0, 1)
    different = [numbers(*at) for at in (("a", 0, 1), ("a", 1, 0), ("a", 1, 1), ("b", 0, 1), ("", 0, 1))]
    assert len({tuple(one) for one in different}) == len(different)
