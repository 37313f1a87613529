import errno
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from lfsynth import pictures
from lfsynth.errors import InputError
from lfsynth.lightfield import LightField
from lfsynth.readers import read_light_field
from lfsynth.writers import Output, output_path, write_light_field

HALF_A_CODE = 1.15 / 65535
"""Half a code of 16 bits in the steepest part of sRGB's curve."""


def light_field(grid=(3, 5), size=(4, 6)):
    rng = np.random.default_rng(3)
    views = rng.random((*grid, *size, 3), np.float32)
    weights = rng.random(grid, np.float32).round(3)
    weights[0, 0] = 0
    views[0, 0] = 0
    return LightField(
        views=views,
        weights=weights,
        gains=1 + rng.random(grid, np.float32).round(3),
        source=Path("raw/IMG_0001.LFR"),
        f_number_radius=12.5,
        metadata={"camera": {"serial": "A1"}},
    )


@pytest.mark.parametrize("output", [Output.HDF5, Output.PNG])
def test_what_is_written_is_read_without_options(tmp_path, output):
    wrote = light_field()
    path = output_path(tmp_path, "IMG_0001", output)
    write_light_field(path, wrote, output, threads=2)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    read = read_light_field(path)
    np.testing.assert_allclose(read.views, wrote.views, rtol=0, atol=HALF_A_CODE)
    np.testing.assert_allclose(read.weights, wrote.weights, atol=1e-6)
    np.testing.assert_allclose(read.gains, wrote.gains, atol=1e-6)
    assert read.f_number_radius == 12.5
    assert read.metadata["capture"]["camera"] == {"serial": "A1"}


def test_views_are_read_anew_where_the_folder_was_there(tmp_path):
    path = output_path(tmp_path, "a", Output.PNG)
    write_light_field(path, light_field(grid=(3, 5)), Output.PNG)
    write_light_field(path, light_field(grid=(3, 3)), Output.PNG)
    assert read_light_field(path).grid == (3, 3)


def test_the_centre_view_of_eslf_stays_the_centre_view(tmp_path):
    wrote = light_field(grid=(3, 5))
    path = output_path(tmp_path, "a", Output.ESLF)
    assert path.name == "a_eslf.png"
    write_light_field(path, wrote, Output.ESLF)
    read = read_light_field(path)
    assert read.grid == (14, 14)
    np.testing.assert_allclose(read.centre_view, wrote.centre_view, rtol=0, atol=HALF_A_CODE)
    code = pictures.read(path)
    inside = code.reshape(4, 14, 6, 14, 3)[:, 6:9, :, 5:10]
    assert inside.any(axis=(0, 2, 4)).sum() == 14  # all but the dead one
    assert code.astype(bool).sum() == inside.astype(bool).sum()


def test_more_views_than_eslf_holds(tmp_path):
    with pytest.raises(InputError) as raised:
        write_light_field(tmp_path / "a_eslf.png", light_field(grid=(15, 15)), Output.ESLF)
    assert str(raised.value) == (
        f"{tmp_path}/a_eslf.png: 15 x 15 views do not fit into ESLF's 14 x 14; write it as hdf5 or png"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("output", list(Output))
def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch, output):
    path = output_path(tmp_path, "a", output)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(InputError, match=r"No space left on device|the disk is full"):
        write_light_field(path, light_field(), output)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda facts: facts.pop("weights"), "no 'weights'"),
        (lambda facts: facts.update(gains="many"), "could not convert string to float: 'many'"),
        (lambda facts: facts["weights"][0].__setitem__(0, -1), "weights or gains are negative or not finite"),
    ],
)
def test_damaged_facts_beside_views(tmp_path, change, fault):
    path = output_path(tmp_path, "a", Output.PNG)
    write_light_field(path, light_field(), Output.PNG)
    file = path / "lightfield.json"
    facts = json.loads(file.read_text())
    change(facts)
    file.write_text(json.dumps(facts))
    with pytest.raises(InputError) as raised:
        read_light_field(path)
    assert str(raised.value) == (
        f"{file}: does not tell of a light field ({fault}); write the views again, or remove this file"
    )


def test_facts_of_other_views(tmp_path):
    for name, grid in (("a", (3, 5)), ("b", (3, 3))):
        write_light_field(tmp_path / name, light_field(grid=grid), Output.PNG)
    shutil.copy(tmp_path / "b/lightfield.json", tmp_path / "a")
    with pytest.raises(InputError, match="tells weights of 3 x 3 views, but has 3 x 5; write it again"):
        read_light_field(tmp_path / "a")
