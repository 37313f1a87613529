import h5py
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from lfsynth.errors import InputError
from lfsynth.readers import ReadOptions, read_light_field

UNJUDGED = ReadOptions(judge=False)
DEPTH, D_H, FOCAL_LENGTH, SHIFT = 8.0, 0.02, 600.0, -0.5  # disparity 0.02 x 600 / 8 + 0.5 = 2


@pytest.fixture
def views():
    """A wall at disparity 2, [u, v, y, x, c] uint8, in this package's order."""
    texture = gaussian_filter(np.random.default_rng(3).random((60, 70, 3)), (1, 1, 0))
    texture = np.rint(255 * (texture - texture.min()) / np.ptp(texture)).astype(np.uint8)
    window = np.empty((5, 5, 32, 40, 3), np.uint8)
    for u, v in np.ndindex(5, 5):
        # what lies at y in the centre view lies at y - 2 (u - 2) in view u: it begins further down
        y, x = 10 + 2 * (u - 2), 10 + 2 * (v - 2)
        window[u, v] = texture[y : y + 32, x : x + 40]
    return window


def save_hci(path, views, depth=True):
    with h5py.File(path, "w") as file:
        file["LF"] = views
        file.attrs.update({"dH": [D_H], "focalLength": [FOCAL_LENGTH], "shift": [SHIFT], "camDistance": 5.0})
        if depth:
            file["GT_DEPTH"] = np.full(views.shape[:4], DEPTH, np.float32)


@pytest.mark.parametrize("rows", [1, -1])
@pytest.mark.parametrize("columns", [1, -1])
def test_the_depth_map_tells_the_directions(tmp_path, views, linear_of, rows, columns):
    save_hci(tmp_path / "a.h5", views[::rows, ::columns])
    lf = read_light_field(tmp_path / "a.h5", UNJUDGED)
    np.testing.assert_allclose(lf.views, linear_of(views), atol=1e-7)
    np.testing.assert_allclose(lf.disparity, 2, rtol=1e-6)
    assert lf.metadata["understood"] == {
        "rows": "from the top" if rows == 1 else "from the bottom",
        "columns": "from the left" if columns == 1 else "from the right",
        "directions": "by agreement with the depth map",
    }
    assert lf.metadata["capture"]["focalLength"] == FOCAL_LENGTH


def test_without_depth_columns_run_from_the_right(tmp_path, views, linear_of):
    save_hci(tmp_path / "a.lf", views[:, ::-1], depth=False)
    lf = read_light_field(tmp_path / "a.lf", UNJUDGED)
    np.testing.assert_allclose(lf.views, linear_of(views), atol=1e-7)
    assert lf.disparity is None
    assert lf.metadata["understood"]["directions"] == "assumed"


def test_a_dataset_of_other_axes(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["LF"], file["labels"] = np.zeros((3, 3, 8)), 1
    with pytest.raises(
        InputError, match="has no dataset LF of five axes: it holds LF, labels; give a file of the HCI"
    ):
        read_light_field(tmp_path / "a.h5")


def test_a_damaged_file(tmp_path, views):
    save_hci(tmp_path / "a.h5", views)
    data = (tmp_path / "a.h5").read_bytes()
    (tmp_path / "a.h5").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match="is damaged or no HDF5 light field"):
        read_light_field(tmp_path / "a.h5")
