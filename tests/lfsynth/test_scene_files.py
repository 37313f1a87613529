import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from lfsynth import pictures, scene_files
from lfsynth.dataset_writing import locked
from lfsynth.errors import InputError
from lfsynth.generate import Recipe, make_scene
from lfsynth.lfdof import Dataset, split_of, verify
from lfsynth.output_folder import OutputError
from lfsynth.readers import Order, ReadOptions, identity, read_light_field
from lfsynth.scene_files import finished, key_of, write_scene

OPTIONS = ReadOptions()
RECIPE = Recipe(apertures=2, focus=3)
Contents = Callable[[Path], dict[str, str]]


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    found = Dataset(tmp_path / "out")
    with locked(found):
        pass
    return found


def write(dataset: Dataset, path: Path, recipe: Recipe = RECIPE) -> list[dict]:
    return write_scene(dataset, path.stem, path, recipe, OPTIONS)


def test_pictures_of_the_default_recipe(dataset: Dataset, raw: Path, contents: Contents) -> None:
    rows = write(dataset, raw / "a.h5", Recipe())
    root = f"{split_of('a', 0.06)}_data"
    expected = {f"{root}/input/a/a_ap{a}_{f:02d}.png" for a in (1, 2, 3) for f in range(5)}
    expected.add(f"{root}/ground_truth/a.png")
    assert {name for name in contents(dataset.root) if not name.startswith(".lfsynth")} == expected
    assert {row["path"] for row in rows} == expected
    assert len(rows) == 16


@pytest.mark.parametrize(("bits", "dtype"), [(8, np.uint8), (16, np.uint16)])
def test_pictures_hold_the_scene(dataset: Dataset, raw: Path, bits: int, dtype: type) -> None:
    recipe = replace(RECIPE, bits=bits)
    rows = write(dataset, raw / "a.h5", recipe)
    made = make_scene(read_light_field(raw / "a.h5"), recipe)
    # sRGB (IEC 61966-2-1) is at most 12.92 times as steep as light, and half a code is lost by rounding.
    for row in rows:
        stored = cv2.imread(str(dataset.root / row["path"]), cv2.IMREAD_UNCHANGED)
        assert stored.dtype == dtype
        assert stored.shape == (row["height"], row["width"], 3) == (34, 50, 3)
        light = made.ground_truth
        if row["kind"] == "input":
            light = made.defocused[row["focus"], row["aperture"] - 1]
        light = light.clip(0, 1).astype(np.float64)
        codes = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
        difference = stored[:, :, ::-1] - codes * (2**bits - 1)
        assert np.abs(difference).max() <= 0.51


def test_rows_tell_how_each_picture_was_made(dataset: Dataset, raw: Path) -> None:
    rows = write(dataset, raw / "a.h5")
    made = make_scene(read_light_field(raw / "a.h5"), RECIPE)
    inputs = [row for row in rows if row["kind"] == "input"]
    for row in inputs:
        assert row["scene"] == "a"
        assert row["split"] == "train"
        assert row["light_field"] == "a.h5"
        assert row["version"]
        assert row["bits"] == 8
        assert row["step"] == 1.0
        assert row["path"] == f"train_data/input/a/a_ap{row['aperture']}_{row['focus']:02d}.png"
        assert row["slope"] == made.slopes[row["focus"]]
        assert row["radius"] == made.radii[row["aperture"] - 1]
        weights = np.array(row["view_weights"])
        assert weights.shape == (5, 5)
        # rounded to six digits, each of 25
        assert abs(weights.sum() - made.weights[row["aperture"] - 1].sum()) < 25 * 0.5e-6
        # A whole disk, integrated to 1e-3.
        assert abs(row["filled"] - 1) < 2e-3
    assert [(row["aperture"], row["focus"]) for row in inputs] == [(a, f) for a in (1, 2) for f in (0, 1, 2)]
    truth = [row for row in rows if row["kind"] == "ground_truth"]
    assert [row["path"] for row in truth] == ["train_data/ground_truth/a.png"]
    assert list(verify(dataset.root, rows)) == []


def test_an_aperture_beyond_the_views_is_told(dataset: Dataset, raw: Path) -> None:
    rows = write(dataset, raw / "a.h5", Recipe(radii=(4.0,), focus=1, size=(10, 16)))
    # All 25 views lie inside a disk of radius 4.
    assert rows[0]["filled"] == pytest.approx(25 / (16 * np.pi), abs=1e-4)


def test_defocus_maps(dataset: Dataset, raw: Path) -> None:
    rows = write(dataset, raw / "a.h5", replace(RECIPE, defocus_maps=True))
    lightfield = read_light_field(raw / "a.h5")
    assert lightfield.disparity is not None
    maps = [row for row in rows if row["kind"] == "defocus"]
    assert len(maps) == 6
    for row in maps:
        assert row["path"].startswith("train_data/defocus/a/a_ap")
        stored = cv2.imread(str(dataset.root / row["path"]), cv2.IMREAD_UNCHANGED)
        assert stored.dtype == np.uint16
        true = lightfield.disparity[3:-3, 3:-3].astype(np.float64)
        radius = np.abs(true - row["slope"]) * row["radius"]
        # Half a code of rounding, and float32.
        assert np.abs(stored / 256 - radius).max() < 0.505 / 256


def test_a_scene_that_is_there_is_not_made_again(dataset: Dataset, raw: Path) -> None:
    rows = write(dataset, raw / "a.h5")
    assert finished(dataset, "a", raw / "a.h5", RECIPE, OPTIONS) == rows
    assert finished(dataset, "b", raw / "b.h5", RECIPE, OPTIONS) is None


@pytest.mark.parametrize(
    "recipe",
    [
        replace(RECIPE, bits=16),
        replace(RECIPE, focus=4),
        replace(RECIPE, size=(20, 20)),
        replace(RECIPE, defocus_maps=True),
        replace(RECIPE, test_fraction=0.5),
    ],
)
def test_another_recipe_makes_it_again(dataset: Dataset, raw: Path, recipe: Recipe) -> None:
    write(dataset, raw / "a.h5")
    assert finished(dataset, "a", raw / "a.h5", recipe, OPTIONS) is None


def test_other_reading_or_version_makes_it_again(
    dataset: Dataset, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(dataset, raw / "a.h5")
    assert finished(dataset, "a", raw / "a.h5", RECIPE, ReadOptions(order=Order.COLUMNS)) is None
    monkeypatch.setattr(scene_files, "__version__", "99")
    assert finished(dataset, "a", raw / "a.h5", RECIPE, OPTIONS) is None


def test_a_touched_light_field_makes_it_again(dataset: Dataset, raw: Path) -> None:
    write(dataset, raw / "a.h5")
    os.utime(raw / "a.h5", (1, 1))
    assert finished(dataset, "a", raw / "a.h5", RECIPE, OPTIONS) is None


def test_a_moved_light_field_does_not(dataset: Dataset, raw: Path) -> None:
    rows = write(dataset, raw / "a.h5")
    moved = raw.rename(raw.with_name("elsewhere")) / "a.h5"
    assert finished(dataset, "a", moved, RECIPE, OPTIONS) == rows


@pytest.mark.parametrize("how", [Path.unlink, lambda path: path.write_bytes(b"x")])
def test_a_missing_or_cut_picture_makes_it_again(
    dataset: Dataset, raw: Path, how: Callable[[Path], object]
) -> None:
    rows = write(dataset, raw / "a.h5")
    how(dataset.root / rows[2]["path"])
    assert finished(dataset, "a", raw / "a.h5", RECIPE, OPTIONS) is None


def test_another_light_field_of_the_same_name_is_refused(dataset: Dataset, raw: Path) -> None:
    write(dataset, raw / "a.h5")
    other = raw.parent / "other" / "a.h5"
    other.parent.mkdir()
    shutil.copy(raw / "a.h5", other)
    with pytest.raises(
        InputError, match=rf"{other}: the dataset has a scene a already, made from {raw}/a\.h5;"
    ):
        finished(dataset, "a", other, RECIPE, OPTIONS)


def test_what_an_older_recipe_made_goes(dataset: Dataset, raw: Path, contents: Contents) -> None:
    write(dataset, raw / "a.h5", Recipe(apertures=3, focus=2, defocus_maps=True, test_fraction=1))
    assert dataset.ground_truth("test", "a").exists()
    rows = write(dataset, raw / "a.h5", RECIPE)
    names = {name for name in contents(dataset.root) if not name.startswith(".lfsynth")}
    assert names == {row["path"] for row in rows}
    assert all(name.startswith("train_data/") for name in names)


def test_a_folder_is_known_by_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "lf"
    folder.mkdir()
    (folder / "0.png").write_bytes(b"x")
    first = identity(folder, ReadOptions())
    assert identity(folder, ReadOptions()) == first
    (folder / "1.png").write_bytes(b"x")
    second = identity(folder, ReadOptions())
    assert second != first
    (folder / "1.png").rename(folder / "2.png")
    assert identity(folder, ReadOptions()) not in (first, second)
    assert key_of("x", RECIPE, OPTIONS) != key_of("y", RECIPE, OPTIONS)


def test_a_full_disk_leaves_the_old_scene_or_none(
    dataset: Dataset, raw: Path, monkeypatch: pytest.MonkeyPatch, contents: Contents
) -> None:
    """Each write in turn fails; until all pictures are written the old scene stays, then there is none."""
    write(dataset, raw / "a.h5")
    before = contents(dataset.root)
    real = pictures.write_bytes_atomic
    outcomes = []
    for last in range(8):
        left = last

        def fail(path: Path, data: bytes) -> pictures.Written:
            nonlocal left
            left -= 1
            if left < 0:
                raise InputError(path, "the disk is full", "free some") from OSError(28, "No space left")
            return real(path, data)

        for module in (pictures, scene_files.pictures):
            monkeypatch.setattr(module, "write_bytes_atomic", fail)
        with pytest.raises(OutputError, match=r"out: the disk is full; free some space and run the same"):
            write_with_failing_record(dataset, raw / "a.h5", left, monkeypatch)
        after = contents(dataset.root)
        outcomes.append(after == before)
        assert after == before or not [
            name for name in after if name not in (".lfsynth/lock", ".lfsynth/workers")
        ]
        monkeypatch.undo()
        write(dataset, raw / "a.h5")
        assert contents(dataset.root) == before
    # six inputs, then the ground truth and the record
    assert outcomes == [True] * 6 + [False] * 2


def write_with_failing_record(
    dataset: Dataset, path: Path, left: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if left == 7:

        def fail(path: Path, value: object) -> pictures.Written:
            raise InputError(path, "the disk is full", "free some") from OSError(28, "No space left")

        monkeypatch.setattr(scene_files, "write_json", fail)
    write_scene(dataset, "a", path, RECIPE, OPTIONS)
