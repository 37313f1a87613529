import re
from dataclasses import replace
from pathlib import Path

import cv2
import imageio.v3 as iio
import numpy as np
import pytest

from lfsynth.aperture import circular, largest_radius, polygonal, ring
from lfsynth.lightfield import LightField
from lfsynth.readers import read_light_field, write_hdf5
from lfsynth.refocus import refocus
from lfsynth.transfer import SRGB, encode

CENTRE = {"grid": (5, 5), "centre": (2, 2)}


def stored(path: Path) -> np.ndarray:
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert picture is not None
    return picture[:, :, ::-1]


@pytest.mark.parametrize(
    ("options", "weights"),
    [
        ([], circular(radius=2.5, **CENTRE)),
        (["--radius", "1.5"], circular(radius=1.5, **CENTRE)),
        (["--radius", "2", "--blades", "5"], polygonal(radius=2, blades=5, **CENTRE)),
        (["--radius", "2", "--inner-radius", "1"], ring(radius=2, inner_radius=1, **CENTRE)),
    ],
)
def test_one_picture(run, tmp_path: Path, raw: Path, options: list[str], weights: np.ndarray) -> None:
    out = tmp_path / "x.png"
    ended = run("refocus", raw / "a.h5", "--slope=-0.5", "--bits", 16, *options, "--out", out)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == f"{out}: slope -0.500, 40 x 56\n"
    made = refocus(read_light_field(raw / "a.h5"), [-0.5], weights[None])[0, 0]
    np.testing.assert_array_equal(stored(out), encode(made, SRGB, bits=16))


def test_f_number(run, tmp_path: Path, raw: Path, small: LightField) -> None:
    ended = run("refocus", raw / "a.h5", "--slope", 0, "--f-number", 4, "--out", tmp_path / "x.png")
    assert ended.code == 2
    assert ended.err == (
        f"lfsynth: {raw}/a.h5: its metadata do not tell f-numbers; give the radius in views with --radius\n"
    )
    write_hdf5(tmp_path / "f.h5", replace(small, f_number_radius=8.0))
    assert (
        run("refocus", tmp_path / "f.h5", "--slope", 0, "--f-number", 4, "--out", tmp_path / "x.png").code
        == 0
    )
    assert (
        run("refocus", tmp_path / "f.h5", "--slope", 0, "--radius", 2, "--out", tmp_path / "y.png").code == 0
    )
    assert (tmp_path / "x.png").read_bytes() == (tmp_path / "y.png").read_bytes()


@pytest.mark.parametrize("suffix", [".gif", ".png"])
def test_sweep(run, tmp_path: Path, raw: Path, suffix: str) -> None:
    out = tmp_path / f"x{suffix}"
    ended = run("refocus", raw / "a.h5", "--sweep", "--size", "20x28", "--out", out)
    assert ended.code == 0
    assert re.fullmatch(rf"{out}: 24 slopes from -1\.\d+ to 1\.\d+ and back\n", ended.out)
    frames = iio.imread(out, extension=suffix, plugin="pillow", index=None)
    assert frames.shape == (46, 20, 28, 3)  # 24 there, 22 back without the two ends
    # The stack ends next to where it began, and the far end differs from the near one.
    assert np.abs(frames[1].astype(int) - frames[-1]).mean() < 3
    assert np.abs(frames[0].astype(int) - frames[23]).mean() > 3


def test_size(run, tmp_path: Path, raw: Path) -> None:
    run("refocus", raw / "a.h5", "--slope", 0, "--size", "50x70", "--out", tmp_path / "x.tif")
    assert stored(tmp_path / "x.tif").shape == (50, 70, 3)


def masks(folder: Path, mask: np.ndarray) -> list[Path]:
    np.save(folder / "mask.npy", mask)
    np.savetxt(folder / "mask.txt", mask)
    cv2.imwrite(str(folder / "mask.png"), (mask * 255).astype(np.uint8))
    return [folder / f"mask.{suffix}" for suffix in ("npy", "txt", "png")]


def test_masks_of_all_kinds(run, tmp_path: Path, raw: Path) -> None:
    mask = np.zeros((5, 5))
    mask[1, 2:] = 1
    made = refocus(read_light_field(raw / "a.h5"), [0.3], mask[None])[0, 0]
    for path in masks(tmp_path, mask):
        out = tmp_path / "x.png"
        assert run("refocus", raw / "a.h5", "--slope", 0.3, "--mask", path, "--out", out).code == 0
        np.testing.assert_array_equal(stored(out), encode(made, SRGB, bits=8))


@pytest.mark.parametrize(
    ("mask", "fault"),
    [
        (
            np.ones((4, 5)),
            r"the mask is \(4, 5\), the light field has \(5, 5\) views; give one weight a view",
        ),
        (np.zeros((5, 5)), "a weight is negative or not finite, or all are 0; .*"),
    ],
)
def test_masks_that_do_not_fit(run, tmp_path: Path, raw: Path, mask: np.ndarray, fault: str) -> None:
    for path in masks(tmp_path, mask):
        ended = run("refocus", raw / "a.h5", "--slope", 0, "--mask", path, "--out", tmp_path / "x.png")
        assert ended.code == 2
        assert re.fullmatch(f"lfsynth: {path}: {fault}\n", ended.err)
    assert not (tmp_path / "x.png").exists()


def test_a_slope_at_which_nothing_is_seen(run, tmp_path: Path, raw: Path) -> None:
    mask = np.zeros((5, 5))
    mask[0, 0] = 1
    path = masks(tmp_path, mask)[0]
    ended = run("refocus", raw / "a.h5", "--slope", 900, "--mask", path, "--out", tmp_path / "x.png")
    assert ended.code == 2
    assert re.fullmatch(rf"lfsynth: {raw}/a\.h5: .*; change --slope or the aperture\n", ended.err)
    assert not (tmp_path / "x.png").exists()


@pytest.mark.parametrize("name", ["mask.txt", "mask.npy"])
def test_files_that_are_no_mask(run, tmp_path: Path, raw: Path, name: str) -> None:
    arguments = [
        "refocus",
        raw / "a.h5",
        "--slope",
        0,
        "--mask",
        tmp_path / name,
        "--out",
        tmp_path / "x.png",
    ]
    ended = run(*arguments)
    assert ended.code == 2
    assert f"{name}: cannot be read (" in ended.err
    for content in ("a b\nc d\n", "1 2\n3\n", ""):
        (tmp_path / name).write_text(content)
        ended = run(*arguments)
        assert ended.code == 2
        assert ended.err.startswith(f"lfsynth: {tmp_path}/{name}: ")
        assert len(ended.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ([], "--slope: is needed, or --sweep, not both; give one of them, as --slope=-0.5"),
        (["--slope", "1", "--sweep"], "--slope: is needed, or --sweep, not both; give one of them, .*"),
        (["--slope", "x"], "--slope: 'x' is not a list of numbers; .*"),
        (["--slope", "inf"], "--slope: 'inf' holds a number out of range; give finite numbers"),
        (["--slope", "1,2"], "--slope: '1,2' is more than one number; give one, or --sweep"),
        (
            ["--slope", "0", "--radius", "1", "--f-number", "2"],
            "--radius: given together with --f-number; .*",
        ),
        (
            ["--slope", "0", "--blades", "5", "--inner-radius", "1"],
            "--inner-radius: given together with --blades; .*",
        ),
        (["--slope", "0", "--blades", "5", "--mask", "x"], "--blades: given together with --mask; .*"),
        (
            ["--slope", "0", "--radius", "-1"],
            "aperture: an aperture's radius must be positive, not -1.0; correct .*",
        ),
        (
            ["--slope", "0", "--inner-radius", "3"],
            "aperture: a ring needs .*; correct --radius, --inner-radius .*",
        ),
        (
            ["--slope", "0", "--blades", "2"],
            "aperture: a polygonal aperture has at least 3 blades, not 2; .*",
        ),
        (["--slope", "0", "--size", "big"], "--size: 'big' is not of the form 13x13; .*"),
        (["--sweep", "--bits", "16"], "--bits: animations have 8 bits a channel; leave it out"),
        (
            ["--slope", "0", "--out", "x.gif"],
            "x.gif: is no name for what is to be written; .* .png or .tif or .tiff",
        ),
        (
            ["--sweep", "--out", "x.tif"],
            "x.tif: is no name for what is to be written; .* .gif or .png or .apng",
        ),
        (
            ["--slope", "0", "--out", "none/x.png"],
            "none/x.png: its folder does not exist; make the folder or .*",
        ),
    ],
)
def test_what_is_refused(
    run, tmp_path: Path, raw: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], line: str
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = run("refocus", raw / "a.h5", "--out", "x.png", *options)
    assert ended.code == 2
    assert re.fullmatch(f"lfsynth: {line}\n", ended.err), ended.err
    assert not list(tmp_path.glob("x.*"))


def test_the_light_field_is_not_overwritten(run, tmp_path: Path, small: LightField) -> None:
    picture = tmp_path / "x.png"
    picture.write_text("x")
    ended = run("refocus", picture, "--slope", 0, "--out", picture)
    assert ended.code == 2
    assert "is the light field itself; choose another --out" in ended.err
    assert picture.read_text() == "x"


def test_largest_radius_is_the_default(raw: Path) -> None:
    assert largest_radius(read_light_field(raw / "a.h5")) == 2.5
