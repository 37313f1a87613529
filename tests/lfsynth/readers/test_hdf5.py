import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from lfsynth.errors import InputError
from lfsynth.lightfield import LightField
from lfsynth.readers import ReadOptions, read_light_field, write_hdf5
from lfsynth.transfer import LINEAR


@pytest.fixture
def light_field():
    rng = np.random.default_rng(2)
    weights = rng.random((3, 2), np.float32)
    weights[0, 0] = 0
    return LightField(
        views=rng.random((3, 2, 6, 8, 3), np.float32),
        weights=weights,
        gains=1 + rng.random((3, 2), np.float32),
        source=Path("somewhere"),
        f_number_radius=12.5,
        disparity=rng.normal(size=(6, 8)).astype(np.float32),
        metadata={"camera": {"serial": "A1"}},
    )


@pytest.fixture
def written(tmp_path, light_field):
    path = tmp_path / "a.h5"
    write_hdf5(path, light_field)
    return path


# half a code in the steepest part of sRGB's curve, whose slope is 2.28 (1.055 of 2.4/1.055, at white)
@pytest.mark.parametrize(("bits", "tolerance"), [(8, 1.15 / 255), (16, 1.15 / 65535 + 1e-7), (32, 0)])
def test_round_trip(tmp_path, light_field, bits, tolerance):
    write_hdf5(tmp_path / "a.h5", light_field, bits=bits)
    back = read_light_field(tmp_path / "a.h5")
    np.testing.assert_allclose(back.views, light_field.views, rtol=0, atol=tolerance)
    np.testing.assert_array_equal(back.weights, light_field.weights)
    np.testing.assert_array_equal(back.gains, light_field.gains)
    np.testing.assert_array_equal(back.disparity, light_field.disparity)
    assert back.f_number_radius == 12.5
    assert back.metadata["capture"]["camera"] == {"serial": "A1"}
    assert back.metadata["bits"] == bits
    assert back.metadata["vignetting"] == {"from": "file"}
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.h5"]


def test_the_layout_is_as_documented(written, light_field, linear_of):
    with h5py.File(written) as file:
        assert dict(file.attrs) | {"metadata": ""} == {
            "format": "lfsynth light field",
            "version": 1,
            "transfer": "srgb",
            "metadata": "",
            "f_number_radius": 12.5,
        }
        assert json.loads(file.attrs["metadata"]) == {"camera": {"serial": "A1"}, "source": "somewhere"}
        assert set(file) == {"views", "weights", "gains", "disparity"}
        assert file["views"].attrs["white"] == 65535
        np.testing.assert_allclose(linear_of(file["views"][()]), light_field.views, atol=1.15 / 65535)


@pytest.mark.parametrize("kind", ["f2", "f4", "u1"])
def test_files_of_others_with_chunks_and_compression(tmp_path, codes, linear_of, kind):
    stored = codes if kind == "u1" else linear_of(codes).astype(kind)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs.update({"format": "lfsynth light field", "version": 1})
        file.attrs["transfer"] = "srgb" if kind == "u1" else "linear"
        file.create_dataset("views", data=stored, chunks=(1, 2, 3, 8, 1), compression="gzip")
    lf = read_light_field(tmp_path / "a.h5", ReadOptions(judge=False))
    np.testing.assert_allclose(lf.views, linear_of(codes), atol=2**-12 if kind == "f2" else 1e-7)
    if kind == "u1":
        lf = read_light_field(tmp_path / "a.h5", ReadOptions(judge=False, transfer=LINEAR))
        np.testing.assert_allclose(lf.views, codes / 255, atol=1e-7)


def test_views_without_weights_are_judged(tmp_path, light_field, written):
    with h5py.File(written, "r+") as file:
        del file["weights"], file["gains"]
        file["views"][...] = 20000
        file["views"][2, 1] = 0
    lf = read_light_field(written)
    np.testing.assert_array_equal(lf.weights, [[1, 1], [1, 1], [1, 0]])
    assert lf.metadata["vignetting"]["dropped"] == {"black": [[2, 1]]}


def _other_version(file):
    file.attrs["version"] = 2


def _no_views(file):
    del file["views"]


def _group_as_views(file):
    del file["views"]
    file["views/a"] = 1


def _flat_views(file):
    del file["views"]
    file["views"] = np.zeros((3, 2, 6, 8), np.uint8)


def _short_weights(file):
    del file["weights"]
    file["weights"] = np.ones((2, 2))


def _negative_weights(file):
    file["weights"][0, 0] = -1


def _nan_disparity(file):
    file["disparity"][0, 0] = np.nan


def _strange_transfer(file):
    file.attrs["transfer"] = "log"


def _broken_metadata(file):
    file.attrs["metadata"] = "{"


def _dead_weights(file):
    file["weights"][...] = 0


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_other_version, "has version 2 of the layout; this program reads version 1"),
        (_no_views, "is no HDF5 light field that is known: it holds disparity, gains, weights; convert it"),
        (_group_as_views, "its views are no array; write the file again"),
        (_flat_views, "its views are uint8 with 4 axes; views must be"),
        (_short_weights, "its weights are not 3 x 2 finite numbers, or negative; write the file again"),
        (_negative_weights, "its weights are not 3 x 2 finite numbers, or negative; write the file again"),
        (_nan_disparity, "its disparity are not 6 x 8 finite numbers, or negative; write the file again"),
        (_strange_transfer, "'log' is no transfer curve"),
        (_broken_metadata, "is damaged or no HDF5 light field"),
        (_dead_weights, "no view has any light"),
    ],
)
def test_refused_contents(written, spoil, message):
    with h5py.File(written, "r+") as file:
        spoil(file)
    with pytest.raises(InputError, match=message):
        read_light_field(written)


def test_not_finite_views(tmp_path, light_field):
    write_hdf5(tmp_path / "a.h5", light_field, bits=32)
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file["views"][1, 0, 2, 3, 1] = np.inf
    with pytest.raises(InputError, match=r"view \(1, 0\) has values that are not finite \(NaN or infinity\)"):
        read_light_field(tmp_path / "a.h5")


def test_a_header_that_claims_too_much(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.attrs.update({"format": "lfsynth light field", "version": 1})
        file.create_dataset("views", (1000, 1000, 4000, 4000, 3), "u2", chunks=(1, 1, 100, 100, 3))
    message = r"claims 1000 x 1000 x 4000 x 4000 x 3 values, 192000\.0 GB as float32, of .* free; check"
    with pytest.raises(InputError, match=message):
        read_light_field(tmp_path / "a.h5")


def test_damaged_files(written):
    data = written.read_bytes()
    for damaged in (data[: len(data) // 2], b"no HDF5 file"):
        written.write_bytes(damaged)
        with pytest.raises(
            InputError, match=r"is damaged or no HDF5 light field .*; copy or export it again"
        ):
            read_light_field(written)


def test_a_failed_write_leaves_the_old_file_alone(written, light_field, monkeypatch):
    before = written.read_bytes()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lfsynth.readers.hdf5.encode", full)
    with pytest.raises(
        InputError, match=r"a\.h5: cannot be written \(No space left on device\); check the folder"
    ):
        write_hdf5(written, light_field)
    assert written.read_bytes() == before
    assert [entry.name for entry in written.parent.iterdir()] == ["a.h5"]


def test_the_folder_to_write_into_is_missing(tmp_path, light_field):
    with pytest.raises(InputError, match=r"cannot be written .*; check the folder"):
        write_hdf5(tmp_path / "missing" / "a.h5", light_field)


def test_another_number_of_views_than_told(written):
    with pytest.raises(InputError, match="holds 3 x 2 views, not 3 x 3; correct --views or leave it out"):
        read_light_field(written, ReadOptions(views=(3, 3)))


def test_other_bits_are_refused(tmp_path, light_field):
    with pytest.raises(ValueError, match="bits must be 8, 16 or 32, not 12"):
        write_hdf5(tmp_path / "a.h5", light_field, bits=12)
