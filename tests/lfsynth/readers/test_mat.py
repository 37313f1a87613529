import h5py
import numpy as np
import pytest
from scipy.io import savemat

from lfsynth.errors import InputError
from lfsynth.readers import ReadOptions, read_light_field
from lfsynth.transfer import LINEAR

UNJUDGED = ReadOptions(judge=False)


def save_v5(path, light_field):
    savemat(path, {"LF": light_field, "GeneratedByInfo": {"mfilename": "LFLytroDecodeImage", "rows": 3}})


def save_v73(path, light_field):
    """As MATLAB does it: 512 bytes of its own before the HDF5 part, axes reversed, compressed."""
    with h5py.File(path, "w", userblock_size=512) as file:
        stored = np.asarray(light_field)
        if stored.shape[-1] == 1:
            stored = stored[..., 0]  # MATLAB drops a last axis of one
        file.create_dataset("LF", data=stored.transpose(), chunks=True, compression="gzip")
        text = np.frombuffer("LFLytroDecodeImage".encode("utf-16-le"), np.uint16).reshape(-1, 1)
        file.create_dataset("GeneratedByInfo/mfilename", data=text)
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(116))


@pytest.mark.parametrize("save_mat", [save_v5, save_v73])
@pytest.mark.parametrize(
    ("kind", "channels"), [("u1", 3), ("u1", 1), ("u2", 3), ("u2", 4), ("f4", 3), ("f8", 4)]
)
def test_both_generations(tmp_path, codes, linear_of, save_mat, kind, channels):
    stored = codes if kind == "u1" else codes.astype(np.uint16) * 250
    if channels == 4:
        stored = np.concatenate([stored, np.full_like(stored[..., :1], 1000)], axis=-1)
    light = linear_of(stored[:2, ..., : min(channels, 3)])
    stored = stored[:2, ..., :channels]
    save_mat(tmp_path / "a.mat", stored if kind[0] == "u" else (stored / 65535).astype(kind))
    lf = read_light_field(tmp_path / "a.mat", UNJUDGED)
    # float32 rounding of the stored value, steepened at most 2.3 times by the curve
    np.testing.assert_allclose(lf.views, light, atol=2e-7)
    assert lf.weights.min() == 1
    assert lf.metadata["understood"]["version"] == ("5 to 7" if save_mat is save_v5 else "7.3")
    assert lf.metadata["capture"]["mfilename"] == "LFLytroDecodeImage"
    assert lf.metadata["transfer"] == "srgb"


def test_linear_light_can_be_told(tmp_path, codes):
    save_v5(tmp_path / "a.mat", codes)
    lf = read_light_field(tmp_path / "a.mat", ReadOptions(transfer=LINEAR, judge=False))
    np.testing.assert_allclose(lf.views, codes / 255, atol=1e-7)


@pytest.mark.parametrize("save_mat", [save_v5, save_v73])
def test_the_weight_channel_gives_weights_of_views(tmp_path, codes, save_mat):
    weight = np.full_like(codes[..., :1], 200)
    weight[0, 1], weight[2, 0] = 100, 10
    save_mat(tmp_path / "a.mat", np.concatenate([codes, weight], axis=-1))
    expected = np.ones((3, 3))
    expected[0, 1], expected[2, 0] = 0.5, 0
    lf = read_light_field(tmp_path / "a.mat", UNJUDGED)
    np.testing.assert_allclose(lf.weights, expected, rtol=1e-6)
    assert lf.metadata["understood"]["weight channel"] is True


@pytest.mark.parametrize("save_mat", [save_v5, save_v73])
@pytest.mark.parametrize(
    ("light_field", "message"),
    [
        (np.zeros((3, 3, 6), np.uint8), "its LF is uint8 of 3 x 3 x 6; LF must be"),
        (np.zeros((3, 3, 6, 8, 3), np.int32), "its LF is int32 of 3 x 3 x 6 x 8 x 3; LF must be"),
        (
            np.full((3, 3, 6, 8, 3), 255.0),
            "its floating point values reach 255; divide LF by its white level",
        ),
        (np.full((3, 3, 6, 8, 3), np.nan), r"view \(0, 0\) has values that are not finite"),
        (np.ones((1, 1, 6, 8, 3), np.uint8), "holds a single view"),
        (np.ones((3, 3, 6, 8, 7), np.uint8), "has pictures of shape 6 x 8 x 7; a picture must have 1"),
    ],
    ids=["axes", "type", "scale", "nan", "single", "channels"],
)
def test_refused_variables(tmp_path, save_mat, light_field, message):
    save_mat(tmp_path / "a.mat", light_field)
    with pytest.raises(InputError, match=message):
        read_light_field(tmp_path / "a.mat")


def test_no_variable_lf(tmp_path):
    savemat(tmp_path / "a.mat", {"lightfield": np.ones(3), "calibration": np.ones(2)})
    with h5py.File(tmp_path / "b.mat", "w") as file:
        file["calibration"], file["lightfield"] = 1, 2
        file.create_group("#refs#")
    for name in ("a.mat", "b.mat"):
        message = "has no variable LF: it holds calibration, lightfield; save the light field as LF"
        with pytest.raises(InputError, match=message):
            read_light_field(tmp_path / name)


def test_lf_is_a_structure(tmp_path):
    savemat(tmp_path / "a.mat", {"LF": {"LF": np.ones(3)}})
    with pytest.raises(InputError, match=r"its LF is struct of 1 x 1; LF must be"):
        read_light_field(tmp_path / "a.mat")
    with h5py.File(tmp_path / "b.mat", "w") as file:
        file["LF/LF"] = 1
    with pytest.raises(InputError, match="its LF is no array; save the light field itself"):
        read_light_field(tmp_path / "b.mat")


@pytest.mark.parametrize("save_mat", [save_v5, save_v73])
def test_damaged_files(tmp_path, codes, save_mat):
    path = tmp_path / "a.mat"
    save_mat(path, codes)
    data = path.read_bytes()
    for damaged in (data[: len(data) // 2], b"no MATLAB file at all, whatever its name says" * 9, b""):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=r"a\.mat: is damaged or no (MATLAB file|HDF5 light field)"):
            read_light_field(path)


@pytest.mark.parametrize("save_mat", [save_v5, save_v73])
def test_more_than_the_memory(tmp_path, codes, monkeypatch, save_mat):
    save_mat(tmp_path / "a.mat", codes)
    monkeypatch.setattr("lfsynth.readers.assembly._free_memory", lambda: 1000)
    with pytest.raises(InputError, match="claims 3 x 3 x 6 x 8 x 3 values"):
        read_light_field(tmp_path / "a.mat")
