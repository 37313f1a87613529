"""The command ``psf compare``."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lfsynth.lightfield import LightField
from lfsynth.pictures import read, write
from lfsynth.readers import write_hdf5
from psf.compare import compare
from psf.comparing import as_markdown
from psf.families import FAMILIES
from psf.focus_panels import middle_disk, read_setting
from psf.models import Airy, Pillbox, kernel
from psf.simulate import Exposure, Pose, expose, simulate_coverage

Run = Callable[..., Any]
SPOTS = FAMILIES["synthetic aperture"].build({"spacing": 4.0, "sigma": 0.6, "aperture": 3.5})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the command runs: three kernels, and a photograph of disks blurred by one of them."""
    monkeypatch.chdir(tmp_path)
    np.save("camera.npy", kernel(Pillbox(4.0), 15))
    np.save("moved.npy", kernel(Pillbox(4.0), 15, centre=(0.4, -0.7)))
    np.save("spots.npy", kernel(SPOTS, 41))
    pose = Pose(shape=(150, 200), grid=(4, 3), pitch=45.0, radius=14.0, tilt=(0, 0), rotation=0, shift=(0, 0))
    light = expose(simulate_coverage(np.ones((1, 1)), pose), Exposure(), np.random.default_rng(0))
    write(Path("photo.tif"), light[:, :, None], bits=32)
    return tmp_path


def estimated(folder: Path, photograph: str = "photo.tif", **command: object) -> Path:
    """A folder like those of ``psf estimate``."""
    folder.mkdir()
    kernels = []
    for name, blur in (("near_light", Pillbox(3.0)), ("far_light", Airy(2.0))):
        np.save(folder / f"{name}.npy", kernel(blur, 21))
        seen = {"path": photograph, "plane": "light"}
        kernels.append({"name": name, "files": {"system": f"{name}.npy"}, "photographs": [seen]})
    (folder / "estimate.json").write_text(json.dumps({"command": command, "kernels": kernels}))
    return folder


def test_a_table_of_kernels(run: Run, folder: Path) -> None:
    ended = run("compare", "camera.npy", "moved.npy", "light field=spots.npy")
    assert ended.code == 0
    lines = ended.out.splitlines()
    assert lines[0].split() == ["kernel", "camera", "moved", "light", "field"]
    assert lines[1].split()[1:] == ["camera-like", "camera-like", "light-field-like"]
    assert lines[2].split()[:2] == ["correlation", "1.0000"]
    assert lines[12].split() == ["spot", "period", "px", "-", "-", "4.00"]
    assert lines[14].startswith("moved was moved by (-0.4")
    assert sorted(path.name for path in folder.iterdir()) == [
        "camera.npy",
        "moved.npy",
        "photo.tif",
        "spots.npy",
    ]


def test_files_of_a_comparison(run: Run, folder: Path) -> None:
    ended = run("compare", "camera.npy", "spots.npy", "--out", "a/b")
    assert ended.out.splitlines()[-4:] == [f"a/b/compare{end}" for end in (".csv", ".json", ".md", ".png")]
    with Path("a/b/compare.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    record = json.loads(Path("a/b/compare.json").read_text())
    rows = compare({"camera": np.load("camera.npy"), "spots": np.load("spots.npy")})
    for row, line, entry in zip(rows, table, record["kernels"], strict=True):
        for name, value in row.figures().items():
            assert entry[name] == value
            assert line[name] == ("" if value is None else str(value))
    assert record["reference"] == "camera"
    assert record["kernels"][1]["source"] == "spots.npy"
    assert Path("a/b/compare.md").read_text() == as_markdown(rows)
    assert read(Path("a/b/compare.png")).shape[2] == 3


def test_markdown_is_a_table(folder: Path) -> None:
    lines = as_markdown(compare({"a|b": np.load("camera.npy"), "c": np.load("moved.npy")})).splitlines()
    assert lines[:2] == [r"| kernel | a\|b | c |", "| --- | ---: | ---: |"]
    assert {line.replace(r"\|", "").count("|") for line in lines[:16] if line.startswith("|")} == {4}
    assert lines[-1].startswith("- c was moved by")


def test_kernels_of_one_name_are_called_by_their_path(run: Run, folder: Path) -> None:
    one, two = estimated(folder / "one"), estimated(folder / "two")
    (two / "camera.npy").write_bytes(Path("camera.npy").read_bytes())
    head = run("compare", "camera.npy", two / "camera.npy", f"{one}:far_light").out.splitlines()[0]
    assert head.split() == ["kernel", "camera.npy", str(two / "camera.npy"), "one:far_light"]


def test_the_figure_through_focus(run: Run, folder: Path) -> None:
    estimated(folder / "psf")
    camera = ("--focus", "camera", "psf:near_light", "psf:far_light", "psf:near_light")
    field = ("--focus", "light field", *["spots.npy@photo.tif"] * 3)
    ended = run("compare", *camera, *field, "--out", "figure")
    assert ended.code == 0
    assert "light field, back" in ended.out.splitlines()[0]
    assert ended.out.splitlines()[-1] == "figure/focus.png"
    height, width, _ = read(Path("figure/focus.png")).shape
    assert width > height
    assert "two kernels" not in ended.err


def test_a_setting_knows_its_photograph(folder: Path) -> None:
    estimated(folder / "psf")
    one = read_setting("in focus", "psf:far_light")
    other = read_setting("in focus", "psf/far_light.npy@photo.tif")
    np.testing.assert_array_equal(one.photograph, other.photograph)
    np.testing.assert_array_equal(one.kernel, other.kernel)


def test_the_photograph_of_a_light_field_is_its_refocused_picture(folder: Path) -> None:
    light = read(Path("photo.tif"))
    views = np.ascontiguousarray(np.broadcast_to(light, (3, 3, *light.shape)))
    even = np.ones((3, 3), np.float32)
    write_hdf5(Path("field.h5"), LightField(views, even, even, Path("field.h5")), bits=32)
    estimated(folder / "psf", "field.h5", slope=0.0, radius=1.5)
    found = read_setting("in focus", "psf:near_light")
    # views without disparity sum to themselves
    np.testing.assert_allclose(found.photograph, middle_disk(light[..., 0]), atol=1e-5)


def test_the_disk_next_to_the_middle_is_shown(folder: Path) -> None:
    part = middle_disk(read(Path("photo.tif"))[..., 0])
    # 1.4 pitches of 45 px, whole pixels on both sides of the middle
    assert part.shape == (63, 63)
    dark = np.argwhere(part[16:47, 16:47] < 0.45) + 16
    np.testing.assert_allclose(dark.mean(axis=0), [31, 31], atol=0.6)
    assert np.percentile(part, 99) == pytest.approx(0.9, abs=1e-3)
    flat = np.full((40, 50, 3), 0.25, np.float32)
    np.testing.assert_allclose(middle_disk(flat), 0.9, rtol=1e-5)


def test_more_kernels_than_a_figure_shows(run: Run, folder: Path) -> None:
    ended = run("compare", *(f"k{number}=camera.npy" for number in range(8)), "--out", "many")
    assert ended.code == 0
    assert ended.err == "many: the figure shows the first 7 of 8 kernels\n"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ((), "psf compare: is told no kernels; name two or more, or --focus"),
        (("camera.npy", "none.npy"), "none.npy: there is no such file"),
        (
            ("camera.npy", "camera.npy"),
            "camera.npy: two kernels are called 'camera.npy'; name each kernel once",
        ),
        (("a=camera.npy", "a=spots.npy"), "spots.npy: two kernels are called 'a'"),
        (("camera.npy", "photo.tif"), "photo.tif: a kernel is square with an odd number of pixels"),
        (("--focus", "c", "a", "b", "c"), "--focus: there is no place for its figure; give --out"),
        (
            ("--focus", "c", *["camera.npy"] * 3, "--out", "x"),
            "camera.npy: it does not tell its photographs; name one, as KERNEL@PHOTOGRAPH",
        ),
        (("--focus", "c", *["camera.npy@no.png"] * 3, "--out", "x"), "no.png: there is no such photograph"),
        (
            ("--focus", "c", *["lost:near_light"] * 3, "--out", "x"),
            "lost:near_light: its photograph photo.tif is",
        ),
        (
            ("--focus", "c", *["old:near_light"] * 3, "--out", "x"),
            "old:near_light: it does not tell its photographs",
        ),
        (("camera.npy", "--out", "photo.tif"), "photo.tif: the folder cannot be made"),
    ],
)
def test_refusals(run: Run, folder: Path, arguments: tuple[str, ...], line: str) -> None:
    old = estimated(folder / "old", channel="ultraviolet")
    if "lost:near_light" in arguments:
        estimated(folder / "lost")
        Path("photo.tif").unlink()
    assert old.exists()
    ended = run("compare", *arguments)
    assert ended.code == 2
    assert ended.err.startswith(f"psf: {line}")
    assert len(ended.err.splitlines()) == 1
    assert not Path("x").exists()


def test_help_has_examples(run: Run) -> None:
    assert 'psf compare --focus "DSLR, f/4" a/:front_g' in run("compare", "--help").out
