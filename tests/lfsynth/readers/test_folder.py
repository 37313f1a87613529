import errno
from pathlib import Path

import cv2
import numpy as np
import pytest

from lfsynth.errors import InputError
from lfsynth.readers import Format, ReadOptions, read_light_field
from lfsynth.transfer import LINEAR, Transfer

UNJUDGED = ReadOptions(judge=False)


@pytest.fixture
def folder(tmp_path, codes, save):
    for u, v in np.ndindex(3, 3):
        save(tmp_path / f"view_{u}_{v}.png", codes[u, v])
    return tmp_path


def test_views_are_linear_light_in_their_places(folder, codes, linear_of):
    lf = read_light_field(folder, UNJUDGED)
    # float32 rounding of values below 1
    np.testing.assert_allclose(lf.views, linear_of(codes), atol=1e-7)
    assert lf.source == folder
    assert lf.weights.min() == lf.gains.min() == lf.gains.max() == 1
    assert lf.metadata["format"] == "folder"
    assert lf.metadata["understood"]["pattern"] == "view_{ROW}_{COLUMN}.png"
    assert (lf.metadata["bits"], lf.metadata["transfer"]) == (8, "srgb")
    assert lf.metadata["vignetting"] == {"from": "not judged"}


@pytest.mark.parametrize(("transfer", "gamma"), [(LINEAR, 1.0), (Transfer(2.2), 2.2)])
def test_another_transfer_curve_can_be_told(folder, codes, transfer, gamma):
    lf = read_light_field(folder, ReadOptions(transfer=transfer, judge=False))
    np.testing.assert_allclose(lf.views, (codes / 255) ** gamma, atol=1e-7)


def test_16_bits_are_read_whole(tmp_path, codes, linear_of, save):
    deep = codes.astype(np.uint16) * 257 + 100
    for u, v in np.ndindex(3, 3):
        save(tmp_path / f"{u}_{v}.png", deep[u, v])
    lf = read_light_field(tmp_path, UNJUDGED)
    np.testing.assert_allclose(lf.views, linear_of(deep), atol=1e-7)
    assert lf.metadata["bits"] == 16


def test_floats_are_linear_already(tmp_path, codes, save):
    light = (codes / 255).astype(np.float32)
    for u, v in np.ndindex(3, 3):
        save(tmp_path / f"{u}_{v}.tif", light[u, v])
    lf = read_light_field(tmp_path, UNJUDGED)
    np.testing.assert_array_equal(lf.views, light)
    assert (lf.metadata["bits"], lf.metadata["transfer"]) == (32, "linear")


@pytest.mark.parametrize("channels", [1, 4])
def test_grey_stays_one_channel_and_alpha_is_dropped(tmp_path, codes, linear_of, save, channels):
    alpha = np.concatenate([codes, np.full_like(codes[..., :1], 7)], axis=-1)
    for u, v in np.ndindex(3, 3):
        save(tmp_path / f"{u}_{v}.png", alpha[u, v, :, :, :channels])
    lf = read_light_field(tmp_path, UNJUDGED)
    np.testing.assert_allclose(lf.views, linear_of(codes[..., : 1 if channels == 1 else 3]), atol=1e-7)


def test_one_row_of_views(tmp_path, codes, save, linear_of):
    for v in range(3):
        save(tmp_path / f"cam{v}.png", codes[0, v])
    lf = read_light_field(tmp_path, ReadOptions(views=(1, 3), judge=False))
    np.testing.assert_allclose(lf.views, linear_of(codes[:1]), atol=1e-7)


def test_a_view_is_missing(folder):
    (folder / "view_1_2.png").unlink()
    with pytest.raises(
        InputError, match=r"1 of 9 views is missing: view_1_2\.png; put the missing pictures back"
    ):
        read_light_field(folder)


def test_a_view_has_another_size(folder, codes, save):
    save(folder / "view_1_0.png", codes[1, 0, :5])
    message = r"view_1_0\.png is 5 x 8 with 3 channels, but view_0_0\.png is 6 x 8 with 3 channels; all views"
    with pytest.raises(InputError, match=message):
        read_light_field(folder)


def test_a_view_is_cut_short(folder):
    view = folder / "view_2_2.png"
    view.write_bytes(view.read_bytes()[:-30])
    with pytest.raises(InputError, match=r"view_2_2\.png"):
        read_light_field(folder)


def test_a_view_is_a_text_file(folder):
    (folder / "view_0_1.png").write_text("not a picture")
    with pytest.raises(InputError, match=r"view_0_1\.png: it is not a PNG"):
        read_light_field(folder)


def test_a_view_holds_nan(tmp_path, codes, save):
    light = (codes / 255).astype(np.float32)
    light[1, 1, 2, 3] = np.nan
    for u, v in np.ndindex(3, 3):
        save(tmp_path / f"{u}_{v}.tif", light[u, v])
    with pytest.raises(InputError, match=r"1_1\.tif: .*NaN"):
        read_light_field(tmp_path)


def test_views_of_one_pixel(tmp_path, codes, save):
    for i in range(4):
        save(tmp_path / f"{i}.png", codes[0, 0, :1, :1])
    with pytest.raises(InputError, match=r"its views are 1 x 1 pixels; .* a view must be a picture"):
        read_light_field(tmp_path)


def test_no_view_has_light(tmp_path, codes, save):
    for i in range(4):
        save(tmp_path / f"{i}.png", codes[0, 0] * 0)
    with pytest.raises(InputError, match="no view has any light"):
        read_light_field(tmp_path)


def test_more_than_the_memory(folder, monkeypatch):
    monkeypatch.setattr("lfsynth.readers.assembly._free_memory", lambda: 1000)
    message = r"claims 3 x 3 x 6 x 8 x 3 values, 0\.0 GB as float32, of 0\.0 GB free; .*more memory"
    with pytest.raises(InputError, match=message):
        read_light_field(folder)


def test_an_empty_folder(tmp_path):
    with pytest.raises(InputError, match="holds no pictures; give a folder of sub-aperture pictures"):
        read_light_field(tmp_path)


def test_a_folder_that_may_not_be_read(tmp_path, monkeypatch):
    def refuse(self):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(InputError, match=r"cannot be read \(Permission denied\); .* may be read"):
        read_light_field(tmp_path)


PARAMETERS = """[intrinsics]
focal_length_mm = 100.0
[extrinsics]
num_cams_x = 3
num_cams_y = 3
baseline_mm = 20.0
[meta]
scene = 100% wood
"""


@pytest.fixture
def hci(tmp_path, codes, save):
    scene = tmp_path / "wood"
    scene.mkdir()
    for i in range(9):
        save(scene / f"input_Cam{i:03d}.png", codes[i // 3, i % 3])
    (scene / "parameters.cfg").write_text(PARAMETERS)
    # stored from the bottom row up
    disparity = np.arange(48, dtype="<f4").reshape(6, 8)
    (scene / "gt_disp_lowres.pfm").write_bytes(b"Pf\n8 6\n-1\n" + disparity[::-1].tobytes())
    return scene


def test_hci_scene(hci, codes, linear_of):
    lf = read_light_field(hci, UNJUDGED)
    np.testing.assert_allclose(lf.views, linear_of(codes), atol=1e-7)
    assert lf.metadata["format"] == "hci"
    assert lf.metadata["capture"]["meta"]["scene"] == "100% wood"
    # an aperture of radius 1 view is 2 x 20 mm wide: f/2.5
    assert lf.f_number_radius == pytest.approx(100 / 40)
    np.testing.assert_array_equal(lf.disparity, np.arange(48).reshape(6, 8))


def test_hci_scene_with_its_views_in_a_sub_folder(hci):
    whole = read_light_field(hci, UNJUDGED)
    (hci / "views").mkdir()
    for view in sorted(hci.glob("input_Cam*")):
        view.rename(hci / "views" / view.name)
    for path in (hci, hci / "views"):
        lf = read_light_field(path, UNJUDGED)
        np.testing.assert_array_equal(lf.views, whole.views)
        assert lf.f_number_radius == whole.f_number_radius


def test_hci_names_without_parameters_are_a_plain_folder(hci):
    (hci / "parameters.cfg").unlink()
    lf = read_light_field(hci, UNJUDGED)
    assert lf.metadata["format"] == "folder"
    assert lf.f_number_radius is None
    with pytest.raises(
        InputError, match=r"has no parameters\.cfg beside input_Cam\*\.png; give the scene's folder"
    ):
        read_light_field(hci, ReadOptions(format=Format.HCI))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("baseline_mm = 20.0", "", r"lacks a parameter or holds a wrong one \('baseline_mm'\)"),
        ("baseline_mm = 20.0", "baseline_mm = wide", "could not convert string to float: 'wide'"),
        ("baseline_mm = 20.0", "baseline_mm = 0", "has cameras without a distance"),
        ("num_cams_x = 3", "num_cams_x = 4", "holds 9 views numbered 0 to 8, not 3 x 4"),
        ("[intrinsics]", "intrinsics", r"cannot be read as parameters \(MissingSectionHeaderError\)"),
    ],
)
def test_hci_parameters_that_are_wrong(hci, old, new, message):
    (hci / "parameters.cfg").write_text(PARAMETERS.replace(old, new))
    with pytest.raises(InputError, match=message):
        read_light_field(hci)


def test_hci_disparity_of_another_size(hci):
    (hci / "gt_disp_lowres.pfm").write_bytes(b"Pf\n4 6\n-1\n" + bytes(4 * 24))
    with pytest.raises(InputError, match="its true disparity is 6 x 4, but its views are 6 x 8; put"):
        read_light_field(hci)


def test_disparity_of_a_benchmark_scene_has_our_sign(shared_data):
    lf = read_light_field(shared_data / "rendered_wood")
    assert lf.weights.all()
    assert (lf.gains == 1).all()
    centre, y, x = lf.centre_view, *np.indices(lf.size, np.float32)

    def misfit(disparity):
        """Mean difference between the centre view and the views around it, each moved by the disparity."""
        moved = [
            cv2.remap(lf.views[4 + du, 4 + dv], x - disparity * dv, y - disparity * du, cv2.INTER_LINEAR)
            for du, dv in ((2, 0), (0, 2), (-2, 1))
        ]
        return np.mean([np.abs(m - centre)[20:-20, 20:-20].mean() for m in moved])

    right = misfit(lf.disparity)
    assert right < 0.75 * misfit(lf.disparity[::-1].copy())
    assert right < 0.5 * misfit(-lf.disparity)
