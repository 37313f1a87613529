"""What sampling folds back, against photographs without noise."""

import numpy as np
import pytest
import scipy.fft

from psf.aliasing import aliased_light
from psf.detect import detect
from psf.estimate import Options, estimate
from psf.models import Gaussian, kernel
from psf.simulate import OVERSAMPLING, Exposure, Pose, expose, simulate_coverage
from psf.tiles import cut_tiles

POSE = Pose(shape=(600, 800), grid=(5, 4), pitch=140.0, radius=42.0, tilt=(3.0, 2.0), rotation=1.0)
SIZE = 15


def photograph(sigma: float, noise: float) -> np.ndarray:
    """Disks blurred by a Gaussian of ``sigma`` px."""
    fine = kernel(Gaussian(sigma * OVERSAMPLING), SIZE * OVERSAMPLING + 1)
    return expose(simulate_coverage(fine, POSE), Exposure(noise=noise), np.random.default_rng(0))


def test_a_sharp_photograph_of_little_noise_is_not_refused() -> None:
    """By its noise alone, the residual of an in-focus kernel would be too large."""
    found = estimate(
        [detect(photograph(0.5, 0.0015), POSE.grid, size=SIZE)], SIZE, options=Options(error_bar=False)
    )
    of_noise = found.quality.residual_over_noise * np.hypot(1, found.quality.aliasing)
    assert of_noise > 1.2
    assert 0.9 < found.quality.residual_over_noise < 1.15


def test_the_share_is_that_of_the_frequencies_beyond_the_pixels() -> None:
    """Against the disks drawn four times as fine, blurred and averaged there."""
    sigma, steps = 0.5, 8
    detection = detect(photograph(sigma, 0.002), POSE.grid, size=SIZE)
    tiles = cut_tiles(detection, SIZE)
    fine = kernel(Gaussian(2 * sigma), 2 * SIZE - 1)
    index = int(np.argmin(np.hypot(*(tiles.corners - tiles.corners.mean(axis=0)).T)))
    scale = float(detection.projection.pixels_per_pitch(tiles.disks[index : index + 1].astype(float))[0])
    axis = (np.arange(tiles.side * steps) + 0.5) / steps - tiles.side / 2
    disk = (np.hypot(axis[:, None], axis) <= detection.radius * scale).astype(float)
    frequency = scipy.fft.fftfreq(len(axis), 1 / steps)
    through = np.exp(-2 * (np.pi * sigma * frequency) ** 2) * np.sinc(frequency) * np.sinc(frequency / 2) ** 2
    spectrum = scipy.fft.fft2(disk) * through[:, None] * through
    beyond = ~((np.abs(frequency) < 0.5)[:, None] & (np.abs(frequency) < 0.5))
    energy = float((np.abs(spectrum[beyond]) ** 2).sum()) / len(axis) ** 2 / steps**2
    expected = energy * (detection.plateau / tiles.noise) ** 2 / tiles.counts[index]
    # Cells hold the Gaussian's light on half a pixel, and are as wide again. The disk is round here and an ellipse
    # there.
    assert aliased_light(tiles, detection.radius, fine) == pytest.approx(expected, rel=0.1)
    smooth = kernel(Gaussian(2 * 2.0), 2 * SIZE - 1)
    assert aliased_light(tiles, detection.radius, smooth) < 1e-3 * expected
