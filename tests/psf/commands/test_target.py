"""The command ``psf target``."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from lfsynth.errors import InputError
from psf.target import DiskGrid, filling_pitch, grid_for_blur, largest_kernel, parse_picture

Run = Callable[..., Any]


def test_a_page_to_print(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "target.pdf"
    ended = run("target", "--grid", "7x5", "--paper", "a5", "--out", out)
    assert ended.code == 0
    first, second = ended.out.splitlines()
    assert first.startswith(f"{out}: 7 x 5 disks, black on white, pitch ")
    assert first.endswith("on paper of 210 x 148 mm")
    # 0.95 of 4000 px for 4 + 1.4 pitches; 0.4 of it for the kernel, with a slack of 6 %
    assert "the pitch is 704 px: kernels of up to 265 px" in second
    assert out.read_bytes().startswith(b"%PDF-1.4")


def test_a_picture_as_asked(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "target.png"
    asked = (
        "--grid",
        "3x3",
        "--pitch",
        20,
        "--radius",
        5,
        "--white-on-black",
        "--dpi",
        100,
        "--paper",
        "150x100",
    )
    ended = run("target", *asked, "--out", out)
    assert "3 x 3 disks, white on black, pitch 20.000 mm, diameter 10.000 mm" in ended.out
    with Image.open(out) as picture:
        assert picture.size == (591, 394)
        assert picture.info["dpi"][0] == pytest.approx(100, abs=0.1)
        # between the middle disk and its neighbour, and in it, but for the footer's half
        middle = picture.height / 2 - 4.5 / 25.4 * 100
        assert picture.getpixel((picture.width // 2, round(middle))) == 255
        assert picture.getpixel((picture.width // 2 + round(10 / 25.4 * 100), round(middle))) == 0


def test_as_many_disks_as_leave_room_for_the_blur(run: Run, tmp_path: Path) -> None:
    ended = run("target", "--blur", 60, "--picture", "4000x3000", "--out", tmp_path / "target.pdf")
    columns, rows = grid_for_blur(64, (3000, 4000))
    assert f"{columns} x {rows} disks" in ended.out
    assert int(ended.out.split("up to ")[1].split()[0]) >= 60


def test_the_largest_kernel_has_room_in_the_gap() -> None:
    for grid in (DiskGrid(23, 17, 10.0, 3.0), DiskGrid(5, 4, 10.0, 4.5)):
        size = largest_kernel(grid, (3000, 4000))
        gap = filling_pitch(grid.counts, (3000, 4000)) * (1 - 2 * grid.radius_mm / grid.pitch_mm)
        assert size % 2 == 1
        assert size <= gap / 1.06 < size + 2


@pytest.mark.parametrize("text", ["4000", "4x4", "x", "4000x-1", "9999999x20"])
def test_refuses_other_pictures(text: str) -> None:
    with pytest.raises(InputError, match="is no picture's size; use width x height"):
        parse_picture(text)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--out", "target.svg"), "target.svg: targets are written as PDF or PNG; name it .pdf or .png"),
        (("--grid", "9x7", "--blur", "9"), "--blur: given together with --grid; give one or the other"),
        (
            ("--blur", "2000"),
            "--blur: between disks in a picture of 6000 x 4000 px there is no room for a kernel of 2004 px",
        ),
        (
            ("--grid", "9x7", "--pitch", "80"),
            "--paper: a grid of 752 x 592 mm does not fit paper of 297 x 210 mm",
        ),
        (("--grid", "9x7", "--radius", "40"), "--radius: disks of 40.0 mm do not fit a pitch of "),
        (
            ("--grid", "9x7", "--pitch", "4", "--radius", "2"),
            "--radius: disks of 2.0 mm do not fit a pitch of 4.0",
        ),
        (("--grid", "9"), "--grid: '9' is no grid"),
        (("--paper", "a9"), "--paper: 'a9' is no paper"),
        (("--picture", "12"), "--picture: '12' is no picture's size"),
        (("--out", "missing/target.pdf"), "missing/target.pdf: its folder does not exist"),
    ],
)
def test_refusals(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], line: str
) -> None:
    monkeypatch.chdir(tmp_path)
    out = () if "--out" in arguments else ("--out", "target.pdf")
    ended = run("target", *arguments, *out)
    assert ended.code == 2
    assert ended.err.startswith(f"psf: {line}")
    assert len(ended.err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_help_has_examples(run: Run) -> None:
    ended = run("target", "--help")
    assert ended.code == 0
    assert "psf target --blur 60 --picture 4000x3000 --out target.pdf" in ended.out
