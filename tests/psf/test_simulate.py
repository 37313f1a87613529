"""The simulator against closed forms and scipy."""

import numpy as np
import pytest
from scipy.signal import fftconvolve

from psf.simulate import Exposure, Pose, expose, mosaic, simulate_coverage, system_kernel

SMALL = Pose(shape=(90, 100), grid=(2, 2), pitch=40.0, radius=12.0, distance=900.0)


def gaussian(sigma: float, size: int) -> np.ndarray:
    y = np.arange(size) - size // 2
    line = np.exp(-(y**2) / (2 * sigma**2))
    return np.outer(line, line) / line.sum() ** 2


def test_area_of_disks() -> None:
    pose = Pose(shape=(90, 100), grid=(2, 2), pitch=40.0, radius=12.0, tilt=(0, 0), rotation=0)
    # 16 points across a pixel.
    assert simulate_coverage(np.ones((1, 1)), pose).sum() == pytest.approx(4 * np.pi * 144, rel=2e-3)


def test_blur_is_a_convolution_on_the_fine_grid() -> None:
    kernel = gaussian(5.0, 41)
    large = Pose(
        shape=(360, 400), grid=(2, 2), pitch=160.0, radius=48.0, distance=3600.0, shift=(13.2, -22.8)
    )
    fine = simulate_coverage(np.ones((1, 1)), large, oversampling=1)
    expected = fftconvolve(fine, kernel, mode="same").reshape(90, 4, 100, 4).mean(axis=(1, 3))
    # What points say of the area of cells on the edge is the same; the rest is float32.
    np.testing.assert_allclose(simulate_coverage(kernel, SMALL, oversampling=4), expected, atol=1e-5)


def test_system_kernel_keeps_light_and_place() -> None:
    assert system_kernel(gaussian(5.0, 41), 13).sum() == pytest.approx(1, abs=1e-5)
    line = system_kernel(np.ones((1, 1)), 3)[1]
    np.testing.assert_allclose(line, [0, 1, 0], atol=1e-12)


@pytest.mark.parametrize("oversampling", [1, 3, 4, 5])
def test_a_kernel_off_centre_shifts_the_picture(oversampling: int) -> None:
    kernel = np.zeros((4 * oversampling + 1, 4 * oversampling + 1))
    kernel[3 * oversampling, oversampling] = 1
    plain = simulate_coverage(np.ones((1, 1)), SMALL, oversampling=oversampling)
    moved = simulate_coverage(kernel, SMALL, oversampling=oversampling)
    np.testing.assert_allclose(moved, np.roll(plain, (1, -1), (0, 1)), atol=1e-5)
    expected = np.zeros((5, 5))
    expected[3, 1] = 1
    if oversampling % 2:
        np.testing.assert_allclose(system_kernel(kernel, 5, oversampling=oversampling), expected, atol=1e-12)


def test_centres_are_where_the_disks_are() -> None:
    pose = Pose(shape=(90, 100), grid=(2, 2), pitch=40.0, radius=2.0, distance=900.0, distortion=-0.1)
    picture = simulate_coverage(np.ones((1, 1)), pose)
    y, x = pose.centres()[1, 0]
    box = np.s_[round(y) - 6 : round(y) + 7, round(x) - 6 : round(x) + 7]
    rows, columns = np.mgrid[box]
    light = picture[box]
    centroid = (rows * light).sum() / light.sum(), (columns * light).sum() / light.sum()
    # The distortion's curvature moves the centroid of so small a disk by less than the points of the samples.
    assert centroid == pytest.approx((y, x), abs=0.02)


def test_a_faced_target_is_centred() -> None:
    pose = Pose(shape=(91, 101), grid=(3, 3), pitch=20.0, radius=5.0, tilt=(0, 0), rotation=0, shift=(0, 0))
    np.testing.assert_allclose(pose.centres()[1, 1], (45.0, 50.0), atol=1e-9)
    np.testing.assert_allclose(pose.centres()[0, 2], (25.0, 70.0), atol=1e-9)


def test_exposure() -> None:
    cover = np.zeros((200, 300), np.float32)
    light = expose(cover, Exposure(vignetting=0.2), np.random.default_rng(0))
    assert light[100, 150] == pytest.approx(0.85, abs=1e-4)
    assert light[0, 0] == pytest.approx(0.85 * 0.8, abs=1e-4)
    noisy = expose(cover, Exposure(vignetting=0, noise=0.02), np.random.default_rng(0))
    assert noisy.std() == pytest.approx(0.02, rel=0.01)
    shot = expose(cover, Exposure(vignetting=0, full_well=1000), np.random.default_rng(0))
    assert shot.std() == pytest.approx(np.sqrt(0.85 / 1000), rel=0.01)


def test_mosaic() -> None:
    light = np.stack([np.full((4, 4), value, np.float32) for value in (0.1, 0.2, 0.3)], axis=-1)
    np.testing.assert_allclose(mosaic(light, "gbrg")[:2, :2], [[0.2, 0.3], [0.1, 0.2]])
    with pytest.raises(ValueError, match="no Bayer mosaic"):
        mosaic(light, "rgbb")
    with pytest.raises(ValueError, match="light must be"):
        mosaic(light[..., 0], "rggb")


def test_refuses_even_kernels() -> None:
    with pytest.raises(ValueError, match="square and odd"):
        simulate_coverage(np.ones((4, 4)), SMALL)
