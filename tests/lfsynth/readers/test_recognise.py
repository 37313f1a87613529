import errno
from pathlib import Path

import h5py
import numpy as np
import pytest

from lfsynth.errors import InputError
from lfsynth.readers import (
    Format,
    ReadOptions,
    find_light_fields,
    light_field_name,
    read_light_field,
    recognise,
)


@pytest.fixture
def batch(tmp_path, codes, save):
    """A folder with one light field of every kind, and what is none."""
    for name in ("b_views", "z/deeper/views_of_it", ".hidden", "hci/views"):
        (tmp_path / name).mkdir(parents=True)
        for i in range(9):
            save(tmp_path / name / f"input_Cam{i:03d}.png", codes[i // 3, i % 3])
    (tmp_path / "hci" / "parameters.cfg").write_text("[meta]\n")
    (tmp_path / "hci" / "focal_stack").mkdir()
    save(tmp_path / "hci" / "focal_stack" / "0.png", codes[0, 0])
    for name in ("flower_eslf.png", "z/tree_ESLF.png"):
        save(tmp_path / name, codes[0, 0])
    for name in ("IMG_1.LFR", "c.mat", "a.h5", "notes.txt", "z/readme.md"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "nothing").mkdir()
    return tmp_path


def test_light_fields_of_a_folder(batch):
    expected = [
        "IMG_1.LFR",
        "a.h5",
        "b_views",
        "c.mat",
        "flower_eslf.png",
        "hci",
        "z/deeper/views_of_it",
        "z/tree_ESLF.png",
    ]
    assert find_light_fields(batch) == [batch / name for name in expected]


def test_a_light_field_stands_for_itself(batch):
    for path in (batch / "b_views", batch / "hci", batch / "hci" / "views", batch / "a.h5"):
        assert find_light_fields(path) == [path]


def test_a_folder_with_a_hole_is_found_so_that_it_can_be_told(batch):
    (batch / "b_views" / "input_Cam004.png").unlink()
    assert batch / "b_views" in find_light_fields(batch)
    with pytest.raises(InputError, match=r"1 of 9 views is missing: input_Cam004\.png"):
        read_light_field(batch / "b_views")


def test_pictures_beside_light_fields_are_no_light_field(batch, codes, save):
    for name in ("preview.png", "overview.png"):
        save(batch / name, codes[0, 0])
    found = find_light_fields(batch)
    assert len(found) == 8
    assert batch not in found


def test_every_picture_is_a_light_field_where_the_format_says_so(tmp_path, codes, save):
    for i in range(9):
        save(tmp_path / f"{i}.png", codes[0, 0])
    assert find_light_fields(tmp_path) == [tmp_path]
    options = ReadOptions(format=Format.TILED, views=(2, 2))
    assert find_light_fields(tmp_path, options) == [tmp_path / f"{i}.png" for i in range(9)]


def test_a_single_picture_is_found_so_that_it_can_be_told(tmp_path, codes, save):
    save(tmp_path / "flower.png", codes[0, 0])
    assert find_light_fields(tmp_path) == [tmp_path / "flower.png"]


def test_a_folder_that_may_not_be_read_is_listed_and_the_rest_goes_on(batch, monkeypatch):
    listing = Path.iterdir

    def refuse(self):
        if self.name == "deeper":
            raise PermissionError(errno.EACCES, "Permission denied")
        return listing(self)

    monkeypatch.setattr(Path, "iterdir", refuse)
    found = find_light_fields(batch)
    assert batch / "z" / "deeper" in found
    assert len(found) == 8
    with pytest.raises(InputError, match=r"deeper: cannot be read \(Permission denied\)"):
        read_light_field(batch / "z" / "deeper")


def test_a_path_that_may_not_be_looked_at(batch, monkeypatch):
    def refuse(self):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "is_file", refuse)
    with pytest.raises(
        InputError, match=r"b_views: cannot be read \(Permission denied\); check its permissions"
    ):
        read_light_field(batch / "b_views")
    assert light_field_name(batch / "b_views") == "b_views"


def test_links_in_a_circle_end(batch):
    (batch / "z" / "again").symlink_to(batch, target_is_directory=True)
    assert batch / "z" / "tree_ESLF.png" in find_light_fields(batch)


def test_an_empty_folder(tmp_path):
    with pytest.raises(InputError, match="holds no light fields; give a folder of light fields"):
        find_light_fields(tmp_path)


def test_no_such_path(tmp_path):
    for function in (find_light_fields, read_light_field):
        with pytest.raises(InputError, match="there is no such file or folder; check the path"):
            function(tmp_path / "missing")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("b_views", "b_views"),
        ("hci/views", "hci"),
        ("hci", "hci"),
        ("flower_eslf.png", "flower"),
        ("z/tree_ESLF.png", "tree"),
        ("IMG_7__Decoded.mat", "IMG_7"),
        ("IMG_1.LFR", "IMG_1"),
        ("_eslf.png", "_eslf"),
    ],
)
def test_names(batch, path, name):
    assert light_field_name(batch / path) == name


def test_the_name_of_the_current_folder(batch, monkeypatch):
    monkeypatch.chdir(batch / "b_views")
    assert light_field_name(Path()) == "b_views"


def test_raw_captures_are_known_by_name_or_content(tmp_path):
    (tmp_path / "a.lfr").write_bytes(b"")
    (tmp_path / "b.bin").write_bytes(b"\x89LFP\r\n\x1a\n\0\0\0\1")
    for name in ("a.lfr", "b.bin"):
        assert recognise(tmp_path / name, ReadOptions()) is Format.LYTRO


def test_calibrations_are_no_light_fields(tmp_path):
    with h5py.File(tmp_path / "camera.h5", "w") as file:
        file.attrs["format"] = "lfsynth camera"
    with pytest.raises(InputError) as raised:
        read_light_field(tmp_path / "camera.h5")
    assert str(raised.value) == (
        f"{tmp_path}/camera.h5: is a camera's calibration, no light field; give it by --calibration"
    )
    (tmp_path / "a.lfr").touch()
    assert find_light_fields(tmp_path) == [tmp_path / "a.lfr"]


def test_unknown_files_are_refused(tmp_path):
    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(InputError, match="is no light field that is known; give a folder of pictures"):
        read_light_field(tmp_path / "a.txt")


def test_an_hdf5_file_is_known_by_its_content(tmp_path):
    with h5py.File(tmp_path / "a.data", "w") as file:
        file["LF"] = np.zeros((2, 2, 4, 4, 3), np.uint8)
    assert recognise(tmp_path / "a.data", ReadOptions()) is Format.HCI_HDF5


def test_a_format_that_the_path_cannot_be(batch):
    with pytest.raises(
        InputError, match="is a folder, which --format mat is not; correct --format or leave it out"
    ):
        read_light_field(batch / "b_views", ReadOptions(format=Format.MAT))
    with pytest.raises(InputError, match="is a file, which --format hci is not"):
        read_light_field(batch / "c.mat", ReadOptions(format=Format.HCI))
