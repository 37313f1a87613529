"""A camera's kernel: reading and refusing it, and convolving against scipy."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from lfsynth.camera_psf import CameraPsf, blur, read_camera_psf
from lfsynth.errors import InputError


def gaussian(side: int, centre: tuple[float, float], sigma: float = 1.2) -> np.ndarray:
    at = np.arange(side) - side // 2
    rows, columns = (np.exp(-0.5 * ((at - c) / sigma) ** 2) for c in centre)
    return np.outer(rows, columns)


def saved(path: Path, array: np.ndarray) -> Path:
    np.save(path, array)
    return path


@pytest.mark.parametrize("side", [1, 5, 33])
def test_a_point_changes_nothing(tmp_path: Path, side: int) -> None:
    point = np.zeros((side, side))
    point[side // 2, side // 2] = 7
    path = saved(tmp_path / "point.npy", point)
    psf = read_camera_psf(path)
    assert psf.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    picture = np.random.default_rng(0).random((40, 50, 3), np.float32)
    # From 11 px on OpenCV convolves by Fourier transforms in float32.
    np.testing.assert_allclose(blur(picture, psf), picture, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", [3, 7, 21])
def test_convolution_is_that_of_scipy(side: int, channels: int) -> None:
    rng = np.random.default_rng(1)
    kernel = rng.random((side, side))
    psf = CameraPsf(kernel / kernel.sum(), "")
    picture = rng.random((48, 64, channels), np.float32) * 16
    expected = ndimage.convolve(picture.astype(np.float64), psf.kernel[:, :, None], mode="reflect")
    assert blur(picture, psf).shape == picture.shape
    # float32 at 16, and the rounding of its Fourier transform
    np.testing.assert_allclose(blur(picture, psf), expected, atol=2e-5)


@pytest.mark.parametrize("off", [(0.0, 0.0), (0.2, -0.1), (-0.3, 0.35)])
def test_kernels_are_divided_by_their_sum_and_centred(tmp_path: Path, off: tuple[float, float]) -> None:
    psf = read_camera_psf(saved(tmp_path / "k.npy", 3 * gaussian(21, off)))
    assert psf.kernel.sum() == pytest.approx(1)
    assert (psf.kernel >= 0).all()
    at = np.arange(21) - 10
    np.testing.assert_allclose([psf.kernel.sum(axis=1) @ at, psf.kernel.sum(axis=0) @ at], 0, atol=1e-3)
    # It is the same kernel in the middle: a Gaussian of 1.2 px is moved by a cubic spline to 2 % of its peak.
    true = gaussian(21, (0, 0))
    np.testing.assert_allclose(psf.kernel, true / true.sum(), atol=0.02 * true.max() / true.sum())


@pytest.mark.parametrize(
    ("array", "fault"),
    [
        (
            gaussian(21, (0.5, -0.4)),
            r"its centre of mass is 0\.50 px below and -0\.40 px right of its middle; .*",
        ),
        (np.ones((4, 4)), "is 4 px wide and has no middle pixel; give .*"),
        (np.ones((5, 7)), r"holds float64 \(5, 7\), no square of numbers; give .*"),
        (np.ones((3, 5, 5)), r"holds float64 \(3, 5, 5\), no square of numbers; give .*"),
        (np.ones((3, 3), complex), r"holds complex128 \(3, 3\), no square of numbers; give .*"),
        (np.zeros((3, 3)), "a value is negative or not finite, or all are 0; give .*"),
        (np.diag([1.0, 2.0, -0.1]), "a value is negative or not finite, or all are 0; give .*"),
        (np.diag([1.0, np.nan, 1.0]), "a value is negative or not finite, or all are 0; give .*"),
    ],
)
def test_what_is_no_kernel_is_refused(tmp_path: Path, array: np.ndarray, fault: str) -> None:
    path = saved(tmp_path / "k.npy", array)
    with pytest.raises(InputError, match=f"{path}: {fault}"):
        read_camera_psf(path)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (None, r"cannot be read \(No such file or directory\); correct --psf"),
        (b"", r"is no \.npy file \(.*\); give a \.npy file of psf estimate"),
        (b"\x89PNG\r\n", r"is no \.npy file \(.*\); give a \.npy file of psf estimate"),
        (b"\x93NUMPY\x01\x00v\x00{'descr'", r"is no \.npy file \(.*\); give a \.npy file of psf estimate"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes | None, fault: str) -> None:
    path = tmp_path / "k.npy"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=fault):
        read_camera_psf(path)


def test_pickles_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "k.npy"
    np.save(path, np.array([[{}]], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match=r"is no \.npy file"):
        read_camera_psf(path)
