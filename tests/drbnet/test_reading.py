import cv2
import numpy as np
import pytest

from drbnet.reading import Bits, read_encoded
from lfsynth.errors import InputError


def written(path, picture: np.ndarray):
    if picture.ndim == 3:
        picture = picture[:, :, [2, 1, 0, 3][: picture.shape[2]]]
    cv2.imwrite(str(path), picture)
    return path


@pytest.mark.parametrize("channels", [3, 4])
def test_colours_as_stored_without_alpha(tmp_path, channels):
    codes = np.random.default_rng(0).integers(0, 256, (9, 7, channels), np.uint8)
    path = written(tmp_path / "a.png", codes)
    expected = (codes[:, :, :3] / 255).astype(np.float32)
    for bits in Bits:
        np.testing.assert_array_equal(read_encoded(path, bits=bits), expected)
    region = read_encoded(path, choose=lambda height, width: (slice(2, height - 1), slice(1, width - 2)))
    np.testing.assert_array_equal(region, expected[2:8, 1:5])


def test_grey_is_three_equal_channels(tmp_path):
    codes = np.random.default_rng(0).integers(0, 256, (9, 7), np.uint8)
    picture = read_encoded(written(tmp_path / "a.png", codes))
    np.testing.assert_array_equal(picture, np.repeat((codes / 255).astype(np.float32)[:, :, None], 3, 2))


def test_sixteen_bits_are_truncated_unless_all_are_wanted(tmp_path):
    codes = np.random.default_rng(0).integers(0, 65536, (9, 7, 3), np.uint16)
    path = written(tmp_path / "a.png", codes)
    np.testing.assert_array_equal(read_encoded(path, bits=Bits.ALL), (codes / 65535).astype(np.float32))
    np.testing.assert_array_equal(read_encoded(path), (codes // 256 / 255).astype(np.float32))
    # What is meant is how OpenCV reads as 8 bits.
    by_opencv = cv2.imread(str(path), cv2.IMREAD_COLOR)[:, :, ::-1]
    np.testing.assert_array_equal(read_encoded(path), (by_opencv / 255).astype(np.float32))


def test_floats_are_refused(tmp_path):
    path = written(tmp_path / "a.tif", np.zeros((3, 4, 3), np.float32))
    with pytest.raises(InputError) as caught:
        read_encoded(path)
    assert (
        str(caught.value) == f"{path}: holds floats, not codes of 8 or 16 bits; export it again as 16-bit PNG"
    )
