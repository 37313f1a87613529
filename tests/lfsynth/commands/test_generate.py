import os
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from lfsynth.lfdof import read_manifest
from lfsynth.lightfield import LightField
from lfsynth.pictures import write
from lfsynth.readers import write_hdf5

SMALL = ("--apertures", "2", "--focus", "2", "--jobs", "1")


def test_pairs_of_a_folder(run, tmp_path: Path, raw: Path, contents) -> None:
    ended = run("generate", "--lf-dir", raw, "--out", tmp_path / "out", "--jobs", 1)
    assert ended.code == 0
    assert re.fullmatch(
        rf"{tmp_path}/out: 60 training and 0 test pairs of 4 light fields \(0 made earlier\) in \d+ s\n"
        r"alignment of 20 pairs checked: 20 cannot tell\n",
        ended.out,
    )
    assert ended.err == ""
    assert sum(name.endswith(".png") for name in contents(tmp_path / "out")) == 4 * 16
    again = run("generate", "--lf-dir", raw, "--out", tmp_path / "out", "--jobs", 1)
    assert again.code == 0
    assert "(4 made earlier)" in again.out


def test_a_folder_of_views_and_a_file_are_light_fields_too(
    run, tmp_path: Path, raw: Path, views: Path
) -> None:
    for path, name in ((views, "views_of_small"), (raw / "a.h5", "a")):
        assert run("generate", "--lf-dir", path, "--out", tmp_path / "out", *SMALL).code == 0
        assert (tmp_path / "out" / "train_data" / "ground_truth" / f"{name}.png").is_file()


def test_options_reach_the_pictures(run, tmp_path: Path, raw: Path) -> None:
    options = ["--radii", "2,1", "--slopes=1,-0.5,0", "--size", "20x30", "--bits", "16", "--defocus-maps"]
    options += ["--blades", 6, "--ground-truth", "centre-view", "--test-fraction", 1, "--limit", 2]
    ended = run("generate", "--lf-dir", raw, "--out", tmp_path / "out", "--jobs", 1, *options)
    assert ended.code == 0
    assert "0 training and 12 test pairs of 2 light fields" in ended.out
    rows = read_manifest(tmp_path / "out")
    assert {row["scene"] for row in rows} == {"a", "b"}
    assert {(row["height"], row["width"], row["bits"], row["split"]) for row in rows} == {
        (20, 30, 16, "test")
    }
    inputs = [row for row in rows if row["kind"] == "input" and row["scene"] == "a"]
    assert [(row["radius"], row["slope"]) for row in inputs] == [(r, s) for r in (1, 2) for s in (-0.5, 0, 1)]
    assert sum(row["kind"] == "defocus" for row in rows) == 12


def test_a_dry_run_writes_nothing(run, tmp_path: Path, raw: Path, contents) -> None:
    before = contents(tmp_path)
    arguments = ["generate", "--lf-dir", raw, "--out", tmp_path / "new" / "out", *SMALL]
    ended = run(*arguments, "--dry-run")
    assert ended.code == 0
    assert ended.err == ""
    lines = ended.out.splitlines()
    assert lines[0] == "4 light fields: 4 for training, 0 for test"
    assert lines[1] == "4 pairs a light field, 16 pairs, 20 pictures"
    assert re.fullmatch(
        r"pictures of 34 x 50, 8 bits; slopes -1\.\d+, 1\.\d+; radii 1\.77, 2\.5 \(a\)", lines[2]
    )
    told = re.fullmatch(
        r"about \d+ s with 1 process and ([0-9.]+) MB, reckoned from a \(.* s, .* MB\)", lines[3]
    )
    assert told is not None
    assert contents(tmp_path) == before
    assert not (tmp_path / "new").exists()
    # and what it tells comes true: four light fields of the same size
    assert run(*arguments).code == 0
    size = sum(row["bytes"] for row in read_manifest(tmp_path / "new" / "out"))
    assert float(told[1]) == pytest.approx(size / 1e6, abs=0.051)
    ended = run(*arguments, "--dry-run")
    assert ended.out.splitlines()[2:] == ["4 light fields are made already"]


def test_a_dry_run_tells_what_cannot_be_read_and_what_does_not_fit(
    run, tmp_path: Path, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (raw / "a.h5").write_text("x")
    real = shutil.disk_usage
    monkeypatch.setattr(shutil, "disk_usage", lambda path: real(path)._replace(free=1000))
    arguments = ["generate", "--lf-dir", raw, "--out", tmp_path / "out", *SMALL, "--dry-run"]
    ended = run(*arguments)
    assert ended.code == 0
    assert f"would be set aside: {raw}/a.h5: is damaged" in ended.out
    assert ended.out.splitlines()[-1] == f"more than there is: 0.0 MB are free for {tmp_path}/out"
    for name in "bcd":
        (raw / f"{name}.h5").write_text("x")
    assert run(*arguments).code == 1


def missing_view(folder: Path, small: LightField) -> None:
    (folder / "view_1_3.png").unlink()


def other_size(folder: Path, small: LightField) -> None:
    write(folder / "view_4_4.png", small.views[4, 4, 1:])


def truncated(folder: Path, small: LightField) -> None:
    data = (folder / "view_0_1.png").read_bytes()
    (folder / "view_0_1.png").write_bytes(data[: len(data) // 2])


def text(folder: Path, small: LightField) -> None:
    (folder / "view_2_2.png").write_text("not a picture")


def single_pixels(folder: Path, small: LightField) -> None:
    for path in folder.iterdir():
        write(path, small.views[0, 0, :1, :1])


def single_view(folder: Path, small: LightField) -> None:
    for path in folder.iterdir():
        if path.name != "view_0_0.png":
            path.unlink()


def black(folder: Path, small: LightField) -> None:
    for path in folder.iterdir():
        write(path, np.zeros_like(small.views[0, 0]))


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (missing_view, r"{bad}: 1 of 25 views is missing: view_1_3\.png; put the missing pictures back"),
        (
            other_size,
            r"{bad}: view_4_4\.png is 39 x 56 with 3 channels, but view_0_0\.png is 40 x 56 .*; all views .*",
        ),
        (truncated, r"{bad}/view_0_1\.png: it is cut short; copy or export it again"),
        (text, r"{bad}/view_2_2\.png: it is not a PNG, JPEG, TIFF or PFM picture, .*; convert or remove it"),
        (single_pixels, r"{bad}: its views are 1 x 1 pixels; check the number of views: .*"),
        (single_view, r"{bad}/view_0_0\.png: is one picture, .*; give --format eslf, or --views UxV .*"),
        (black, r"{bad}: .*"),
    ],
)
def test_a_bad_folder_is_set_aside_and_the_rest_made(
    run, tmp_path: Path, raw: Path, views: Path, small: LightField, spoil: Callable, line: str
) -> None:
    bad = raw / "bad"
    views.rename(bad)
    spoil(bad, small)
    check_set_aside(run, raw, tmp_path / "out", line.format(bad=bad))


def check_set_aside(run, raw: Path, out: Path, line: str) -> None:
    ended = run("generate", "--lf-dir", raw, "--out", out, *SMALL)
    assert ended.code == 1
    assert re.fullmatch(f"set aside: {line}", ended.err.removesuffix("\n")), ended.err
    *told, alignment = ended.out.splitlines()
    assert alignment == "alignment of 8 pairs checked: 8 cannot tell"
    assert "16 training and 0 test pairs of 4 light fields" in told[0]
    assert told[1] == "1 set aside:"
    assert re.fullmatch(f"  {line}", told[2])
    assert len(told) == 3
    rows = read_manifest(out)
    assert {row["scene"] for row in rows if row["kind"] == "input"} == set("abcd")
    assert sum(row["kind"] == "failed" for row in rows) == 1


def test_nan_in_hdf5(run, tmp_path: Path, raw: Path, small: LightField) -> None:
    spoilt = small.views.copy()
    spoilt[1, 2, 3, 4] = np.nan
    write_hdf5(raw / "bad.h5", replace(small, views=spoilt), bits=32)
    line = (
        rf"{raw}/bad\.h5: view \(1, 2\) has values that are not finite .*; write the file again without them"
    )
    check_set_aside(run, raw, tmp_path / "out", line)


def test_mat_without_the_variable(run, tmp_path: Path, raw: Path) -> None:
    scipy.io.savemat(raw / "bad.mat", {"other": np.zeros(3)})
    line = rf"{raw}/bad\.mat: has no variable LF: it holds other; save the light field as LF, .*"
    check_set_aside(run, raw, tmp_path / "out", line)


def test_unreadable_folder(
    run, tmp_path: Path, raw: Path, views: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder's mode does not bind root, so the call that lists it is made to fail."""
    views.rename(raw / "bad")
    real = Path.iterdir

    def refuse(path: Path):
        if path == raw / "bad":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(Path, "iterdir", refuse)
    line = rf"{raw}/bad: cannot be read \(Permission denied\); check .*"
    check_set_aside(run, raw, tmp_path / "out", line)


def test_two_light_fields_of_one_name(run, tmp_path: Path, raw: Path) -> None:
    for name in ("x", "y"):
        (raw / name).mkdir()
        shutil.copy(raw / "a.h5", raw / name / "e.h5")
    assert run("generate", "--lf-dir", raw, "--out", tmp_path / "out", *SMALL).code == 0
    scenes = {path.stem for path in (tmp_path / "out" / "train_data" / "ground_truth").iterdir()}
    assert scenes == {"a", "b", "c", "d", "x_e", "y_e"}


def test_what_is_told_of_other_runs(run, tmp_path: Path, raw: Path) -> None:
    run("generate", "--lf-dir", raw / "a.h5", "--out", tmp_path / "out", *SMALL)
    run("generate", "--lf-dir", raw / "b.h5", "--out", tmp_path / "out", *SMALL, "--bits", 16)
    ended = run("generate", "--lf-dir", raw / "c.h5", "--out", tmp_path / "out", *SMALL)
    assert ended.out.splitlines()[1:-1] == [
        "beside them, 2 light fields of earlier runs, 1 made with other options"
    ]


def test_an_aperture_beyond_the_views_is_told(run, tmp_path: Path, raw: Path) -> None:
    options = ["--radii", "1,4", "--slopes", "0.1", "--jobs", 1, "--limit", 2]
    ended = run("generate", "--lf-dir", raw, "--out", tmp_path / "out", *options)
    assert ended.code == 0
    assert ended.out.splitlines()[1:-1] == [
        "2 light fields, a first, have an aperture that reaches beyond their live views"
    ]


def test_out_inside_the_light_fields_is_passed_over(run, tmp_path: Path, raw: Path) -> None:
    for _ in range(2):
        ended = run("generate", "--lf-dir", raw, "--out", raw / "lfdof", *SMALL)
        assert ended.code == 0
        assert "of 4 light fields" in ended.out


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--lf-dir", "{raw}/none"], "{raw}/none: there is no such file or folder; check the path"),
        (
            ["--lf-dir", "{raw}/empty"],
            "{raw}/empty: holds no light fields; give a folder of light fields: .*",
        ),
        (["--out", "{raw}"], "{raw}: holds the light fields themselves; choose another folder with --out"),
        (["--out", "{raw}/.."], ".*: holds the light fields themselves; choose another folder with --out"),
        (["--out", "{raw}/a.h5"], "{raw}/a.h5: lies in the light field {raw}/a.h5; choose another folder .*"),
        (["--lf-dir", "{views}", "--out", "{views}/out"], "{views}/out: lies in the light field {views}; .*"),
        (
            ["--out", "/proc/lfdof"],
            "/proc/lfdof: cannot be written to .*; cure that and run the same command.*",
        ),
        (["--radii", "1,x"], "--radii: '1,x' is not a list of numbers; separate numbers by commas: 1,2.5,4"),
        (["--radii", "0,1"], "--radii: '0,1' holds a number out of range; give numbers above 0"),
        (["--radii", "1,1"], "--radii: '1,1' holds a number twice; name each once"),
        (["--slopes", "nan"], "--slopes: 'nan' holds a number out of range; give finite numbers"),
        (["--radii", "1", "--f-numbers", "2"], "--radii: given together with --f-numbers; give one of them"),
        (["--blades", "2"], "--blades: an aperture of 2 blades has no opening; give at least 3, or 0 .*"),
        (["--size", "20"], "--size: '20' is not of the form 13x13; give two whole numbers above 0"),
        (["--size", "0x20"], "--size: '0x20' is not of the form 13x13; give two whole numbers above 0"),
        (["--views", "1x1"], "--views: '1x1' is a single view; a light field has more than one"),
        (["--transfer", "log"], ".*log.*"),
    ],
)
def test_what_is_refused(
    run, tmp_path: Path, raw: Path, views: Path, contents, arguments: list[str], line: str
) -> None:
    (raw / "empty").mkdir()
    before = contents(tmp_path)
    fill = {"raw": raw, "views": views}
    given = {"--lf-dir": str(raw), "--out": str(tmp_path / "out")}
    given |= dict(zip(arguments[::2], (a.format(**fill) for a in arguments[1::2]), strict=True))
    ended = run("generate", *(part for option in given.items() for part in option))
    assert ended.code == 2
    assert ended.out == ""
    assert re.fullmatch(f"lfsynth: {line.format(**fill)}\n", ended.err), ended.err
    assert contents(tmp_path) == before


def test_a_foreign_dataset_is_left_alone(run, tmp_path: Path, raw: Path) -> None:
    picture = tmp_path / "out" / "train_data" / "ground_truth" / "a.png"
    picture.parent.mkdir(parents=True)
    picture.write_text("somebody's own")
    ended = run("generate", "--lf-dir", raw, "--out", tmp_path / "out", *SMALL)
    assert ended.code == 2
    assert "holds train_data that lfsynth did not make" in ended.err
    assert picture.read_text() == "somebody's own"


def test_a_full_disk_is_one_line(run, tmp_path: Path, raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    ended = run("generate", "--lf-dir", raw, "--out", tmp_path / "out", *SMALL)
    assert ended.code == 2
    assert ended.out == ""
    assert ended.err == (
        f"lfsynth: {tmp_path}/out: the disk is full; free some space and run the same command again, "
        "which goes on where this one stopped, or choose another folder with --out\n"
    )
