import numpy as np
import pytest

from psf.detect import detect
from psf.estimate import Options, estimate
from psf.models import Gaussian, Pillbox, kernel
from psf.simulate import Exposure, Pose, expose, simulate_coverage, system_kernel

POSE = Pose(shape=(600, 800), grid=(5, 4), pitch=140.0, radius=36.0, distance=4000.0)
OVERSAMPLING = 4
SIZE = 31


def fine_kernel(model):
    """A kernel on the simulator's grid, four times as fine as the pixels."""
    return kernel(model, SIZE * OVERSAMPLING + 1)


def relative_error(found, truth):
    return np.linalg.norm(found - truth) / np.linalg.norm(truth)


@pytest.fixture(scope="module")
def coverage():
    return simulate_coverage(fine_kernel(Pillbox(5.0 * OVERSAMPLING)), POSE)


def detection(coverage, *, noise, seed):
    picture = expose(coverage, Exposure(noise=noise), np.random.default_rng(seed))
    return detect(picture, POSE.grid, size=SIZE)


@pytest.mark.parametrize(("noise", "most"), [(0.002, 0.05), (0.01, 0.1)])
def test_a_disk_of_blur_is_recovered(coverage, noise, most):
    """The limits are about twice what 20 small disks give; 35 large ones give a third of it."""
    found = estimate([detection(coverage, noise=noise, seed=1)], SIZE)
    truth = system_kernel(fine_kernel(Pillbox(5.0 * OVERSAMPLING)), SIZE)
    assert relative_error(found.system, truth) < most
    assert found.kernel.shape == found.system.shape == (SIZE, SIZE)
    assert found.kernel.sum() == pytest.approx(1)
    assert found.system.sum() == pytest.approx(1)
    assert found.kernel.min() >= 0
    assert found.quality.disk_radius_px == pytest.approx(POSE.radius, abs=0.1)
    # noise is all that is left
    assert 0.9 < found.quality.residual_over_noise < 1.1
    assert found.quality.disks == 20


def test_kernels_are_told_apart(coverage):
    found = estimate([detection(coverage, noise=0.005, seed=2)], SIZE, options=Options(error_bar=False))
    gaussian = system_kernel(fine_kernel(Gaussian(2.5 * OVERSAMPLING)), SIZE)
    pillbox = system_kernel(fine_kernel(Pillbox(5.0 * OVERSAMPLING)), SIZE)
    assert relative_error(found.system, gaussian) > 3 * relative_error(found.system, pillbox)
    assert found.sigma is None


def test_two_shots_agree_within_their_error_bars(coverage):
    one, other = (estimate([detection(coverage, noise=0.01, seed=seed)], SIZE) for seed in (3, 4))
    assert one.sigma is not None
    assert other.sigma is not None
    expected = np.sqrt((one.sigma**2 + other.sigma**2).sum())
    difference = np.linalg.norm(one.system - other.system)
    # error bars from a few groups of disks are themselves uncertain by some ten percent
    assert 0.4 * expected < difference < 1.6 * expected
