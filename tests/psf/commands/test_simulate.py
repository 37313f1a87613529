"""The command ``psf simulate``."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lfsynth.pictures import read
from lfsynth.transfer import LINEAR, SRGB, Transfer
from psf.detect import detect
from psf.merit import unit_sum
from psf.models import Gaussian, Pillbox, kernel
from psf.named_models import fine_kernel, model_text, parse_model, size_holding
from psf.photograph_formats import declared_transfer
from psf.simulate import system_kernel

Run = Callable[..., Any]
SMALL = ("--picture", "240x200", "--grid", "4x3")


def test_a_photograph_and_its_truth(run: Run, tmp_path: Path) -> None:
    out, truth = tmp_path / "photo.png", tmp_path / "truth"
    asked = ("--tilt", 2, -3, "--rotation", -1, "--shift", 1.5, -2, "--shading", 0.1, "--distortion", -0.01)
    ended = run("simulate", "--model", "pillbox:radius=2", *SMALL, *asked, "--out", out, "--truth", truth)
    assert ended.code == 0
    assert ended.out.startswith(f"{out}\n240 x 200 px, 4 x 3 disks, pitch 51.8 px, radius 15.5 px")
    codes = read(out)
    assert codes.shape == (200, 240, 1)
    assert codes.dtype == np.uint16
    record = json.loads((truth / "truth.json").read_text())
    found = detect((codes[:, :, 0] / 65535).astype(np.float32))
    centres = np.asarray(record["centres"]).reshape(-1, 2)
    distance = np.hypot(*(found.centres[:, None] - centres).transpose(2, 0, 1))
    # detection finds centres to hundredths of a pixel
    assert len(found.centres) == len(centres)
    assert distance.min(axis=0).max() < 0.05
    size = record["kernel"]["size"]
    true = np.load(truth / "kernel.npy")
    assert true.shape == (size, size)
    np.testing.assert_allclose(true, kernel(Pillbox(2), size), atol=1e-12)
    assert record["pose"]["tilt"] == [2, -3]


def test_the_file_says_its_transfer_curve(run: Run, tmp_path: Path) -> None:
    for curve, expected in (("linear", LINEAR), ("srgb", SRGB), ("gamma:2", Transfer(2.0))):
        out = tmp_path / "photo.png"
        run("simulate", "--model", "gaussian:sigma=1", *SMALL, "--transfer", curve, "--out", out)
        assert declared_transfer(out) == expected
        paper = expected.to_linear(np.array(float(read(out)[0, 0, 0]) / 65535))
        assert paper == pytest.approx(0.85, abs=1e-4)


def test_shots_differ_by_their_noise_alone(run: Run, tmp_path: Path) -> None:
    for seed in (1, 1, 2):
        asked = ("--noise", 0.01, "--shots", 2, "--seed", seed, "--out", tmp_path / f"{seed}.tif")
        assert run("simulate", "--model", "pillbox:radius=2", *SMALL, "--bits", 32, *asked).code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1_1.tif", "1_2.tif", "2_1.tif", "2_2.tif"]
    one, two, other = (read(tmp_path / f"{name}.tif") for name in ("1_1", "1_2", "2_1"))
    assert one.dtype == np.float32
    for different in (two, other):
        assert (one - different).std() == pytest.approx(0.01 * np.sqrt(2), rel=0.02)


def test_colours_and_mosaic(run: Run, tmp_path: Path) -> None:
    asked = ("--model", "pillbox:radius=2", *SMALL, "--colour", 0.5, 1, 0.25, "--dark", 0, "--bits", 32)
    run("simulate", *asked, "--out", tmp_path / "colour.tif")
    run("simulate", *asked, "--bayer", "grbg", "--out", tmp_path / "mosaic.tif")
    colour, mosaic = read(tmp_path / "colour.tif"), read(tmp_path / "mosaic.tif")
    np.testing.assert_allclose(colour[0, 0], np.array([0.5, 1, 0.25]) * 0.85, rtol=1e-5)
    np.testing.assert_allclose(mosaic[:2, :2, 0], np.array([[1, 0.5], [0.25, 1]]) * 0.85, rtol=1e-5)


def test_white_disks_on_black(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "photo.tif"
    run("simulate", "--model", "pillbox:radius=2", *SMALL, "--white-on-black", "--bits", 32, "--out", out)
    picture = read(out)
    assert picture[0, 0, 0] == pytest.approx(0.10)
    assert picture.max() == pytest.approx(0.85, abs=1e-4)


def test_a_kernel_of_a_file(run: Run, tmp_path: Path) -> None:
    pixels = np.zeros((7, 7))
    pixels[1, 2], pixels[5, 5] = 0.25, 0.75
    np.save(tmp_path / "two.npy", pixels)
    asked = (*SMALL, "--bits", 32, "--dark", 0, "--bright", 1)
    sharp = np.zeros((3, 3))
    sharp[1, 1] = 1
    np.save(tmp_path / "sharp.npy", sharp)
    run("simulate", "--kernel", tmp_path / "sharp.npy", *asked, "--out", tmp_path / "sharp.tif")
    truth = tmp_path / "truth"
    run("simulate", "--kernel", tmp_path / "two.npy", *asked, "--out", tmp_path / "two.tif", "--truth", truth)
    plain, blurred = read(tmp_path / "sharp.tif")[..., 0], read(tmp_path / "two.tif")[..., 0]
    expected = 0.25 * np.roll(plain, (-2, -1), (0, 1)) + 0.75 * np.roll(plain, (2, 2), (0, 1))
    np.testing.assert_allclose(blurred, expected, atol=1e-5)  # float32
    np.testing.assert_allclose(np.load(truth / "kernel.npy"), pixels, atol=1e-12)


def test_fine_cells_add_up_to_pixels() -> None:
    size = size_holding(Gaussian(2.0))
    fine = fine_kernel(Gaussian(2.0), size, 4)
    np.testing.assert_allclose(fine, fine[::-1, ::-1], atol=1e-12)
    np.testing.assert_allclose(fine, fine.T, atol=1e-12)
    # light even in cells h wide, gathered by whole and half cells, is wider by three times their variance h^2 / 12
    made = unit_sum(system_kernel(fine, 11))
    np.testing.assert_allclose(made, kernel(Gaussian(np.hypot(2.0, 0.25 / 2)), 11), atol=2e-6)


def test_texts_of_models() -> None:
    text = model_text("defocused airy", {"scale": 2.0, "radius": 7.25})
    assert text == "defocused-airy:scale=2,radius=7.25"
    assert parse_model(text) == parse_model(" Defocused Airy: radius=7.25, scale=2 ")
    assert parse_model("pillbox:radius=3") == Pillbox(3.0)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ((), "psf simulate: is told no blur; give --model or --kernel"),
        (("--model", "airy:scale=1", "--kernel", "k.npy"), "psf simulate: is told two blurs"),
        (("--kernel", "k.npy"), "k.npy: there is no such file"),
        (
            ("--model", "box:radius=1"),
            "--model: there is no model 'box'; choose of pillbox, gaussian, airy, ",
        ),
        (("--model", "pillbox"), "--model: pillbox lacks radius; write it as pillbox:radius=5"),
        (("--model", "pillbox:sigma=1"), "--model: pillbox has no parameter 'sigma'"),
        (("--model", "pillbox:radius=x"), "--model: radius is 'x'; give radius a number from 0.05 to 500"),
        (("--model", "pillbox:radius=nan"), "--model: radius is 'nan'"),
        (
            ("--model", "pillbox:radius=2", "--out", "photo.jpg"),
            "photo.jpg: photographs are written as PNG or TIFF",
        ),
        (("--model", "pillbox:radius=2", "--bits", "32"), "--bits: a PNG file holds no floats"),
        (("--model", "pillbox:radius=2", "--pitch", "100"), "--pitch: not all disks are in the picture"),
        (
            ("--model", "pillbox:radius=2", "--disk-radius", "60"),
            "--disk-radius: disks of 60 px touch at a pitch of",
        ),
        (("--model", "pillbox:radius=2", "--dark", "0.9"), "--dark: 0.9 is not below --bright 0.85"),
        (("--model", "pillbox:radius=2", "--transfer", "log"), "--transfer: 'log' is no transfer curve"),
        (("--model", "pillbox:radius=2", "--out", "no/photo.png"), "no/photo.png: its folder does not exist"),
    ],
)
def test_refusals(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], line: str
) -> None:
    monkeypatch.chdir(tmp_path)
    out = () if "--out" in arguments else ("--out", "photo.png")
    ended = run("simulate", *SMALL, *arguments, *out)
    assert ended.code == 2
    assert ended.err.startswith(f"psf: {line}")
    assert len(ended.err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_says_where_disks_are_too_close_for_the_kernel(run: Run, tmp_path: Path) -> None:
    ended = run("simulate", *SMALL, "--model", "pillbox:radius=12", "--out", tmp_path / "photo.png")
    assert ended.code == 0
    assert "The gap between the disks is 21 px: too narrow to measure that kernel" in ended.err
