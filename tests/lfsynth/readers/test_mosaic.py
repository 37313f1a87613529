import numpy as np
import pytest

from lfsynth.errors import InputError
from lfsynth.readers import Format, ReadOptions, read_light_field


def test_eslf_by_its_name(tmp_path, save, linear_of):
    views = np.random.default_rng(1).integers(0, 256, (14, 14, 3, 4, 3), dtype=np.uint8)
    path = tmp_path / "flower_eslf.png"
    save(path, views.transpose(2, 0, 3, 1, 4).reshape(14 * 3, 14 * 4, 3))
    lf = read_light_field(path, ReadOptions(judge=False))
    np.testing.assert_allclose(lf.views, linear_of(views), atol=1e-7)
    assert lf.metadata["format"] == "eslf"
    assert lf.metadata["understood"]["lenslet"] == [14, 14]


def test_eslf_by_option_with_other_lenslets(tmp_path, codes, save, linear_of):
    path = tmp_path / "flower.png"
    save(path, codes[:2].transpose(2, 0, 3, 1, 4).reshape(2 * 6, 3 * 8, 3))
    lf = read_light_field(path, ReadOptions(format=Format.ESLF, views=(2, 3), judge=False))
    np.testing.assert_allclose(lf.views, linear_of(codes[:2]), atol=1e-7)


def test_tiles(tmp_path, codes, save, linear_of):
    path = tmp_path / "flower.png"
    save(path, codes[:2].transpose(0, 2, 1, 3, 4).reshape(2 * 6, 3 * 8, 3))
    lf = read_light_field(path, ReadOptions(views=(2, 3), judge=False))
    np.testing.assert_allclose(lf.views, linear_of(codes[:2]), atol=1e-7)
    assert lf.metadata["format"] == "tiled"
    assert lf.metadata["understood"]["tile"] == [6, 8]


def test_one_picture_of_unknown_kind(tmp_path, codes, save):
    save(tmp_path / "flower.png", codes[0, 0])
    message = (
        "is one picture, which may hold views interleaved or side by side; give --format eslf, or --views UxV"
    )
    with pytest.raises(InputError, match=message):
        read_light_field(tmp_path / "flower.png")
    with pytest.raises(InputError, match="is one picture of an unknown number of views; give --views UxV"):
        read_light_field(tmp_path / "flower.png", ReadOptions(format=Format.TILED))


@pytest.mark.parametrize("name", ["flower_eslf.png", "flower.png"])
def test_a_size_that_cannot_be_divided(tmp_path, codes, save, name):
    save(tmp_path / name, codes[0, 0])
    message = "its 6 x 8 pixels cannot be divided among 3 x 3 views; give the right --views UxV"
    with pytest.raises(InputError, match=message):
        read_light_field(tmp_path / name, ReadOptions(views=(3, 3)))


def test_a_damaged_picture(tmp_path):
    (tmp_path / "flower_eslf.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(InputError, match=r"flower_eslf\.png"):
        read_light_field(tmp_path / "flower_eslf.png")


def test_options_refuse_a_single_view():
    with pytest.raises(ValueError, match="views must be at least 1 x 2 or 2 x 1, not 1 x 1"):
        ReadOptions(views=(1, 1))
