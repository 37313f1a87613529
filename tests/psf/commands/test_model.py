"""The command ``psf model``."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lfsynth.pictures import read
from psf.fit import fit
from psf.fitting import physical_of
from psf.models import Airy, DefocusedAiry, Gaussian, Pillbox, Polychromatic, kernel
from psf.named_models import LARGEST, light_inside, parse_model, size_holding
from psf.optics import Optics, ThinLens

Run = Callable[..., Any]
CAMERA = ("--f-number", 8, "--pixel-pitch", 2)
LENS = ("--focal-length", 50, "--focus", 1, "--distance", 0.95, "--f-number", 4, "--pixel-pitch", 4)


def said(out: str) -> dict[str, str]:
    """What is printed, by name."""
    return {line[:24].strip(): line[25:] for line in out.splitlines() if len(line) > 25}


def test_an_airy_pattern_from_its_optics(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "airy.npy"
    ended = run("model", "airy", *CAMERA, "--wavelength", 500, "--out", out)
    assert ended.code == 0
    figures = said(ended.out)
    assert figures["scale"] == "2.000 px, 4 um"
    assert figures["first dark ring in focus"] == "2.439 px, 4.879 um"
    assert figures["working f-number"] == "8"
    assert parse_model(figures["as text"].removeprefix("--model ")) == Airy(2.0)
    pixels = np.load(out)
    assert f"kernel                   {len(pixels)} x {len(pixels)} px" in ended.out
    np.testing.assert_allclose(pixels, kernel(Airy(2.0), len(pixels)), atol=1e-15)
    assert read(tmp_path / "airy.png").shape[2] == 3
    assert ended.out.splitlines()[-2:] == [str(out), str(tmp_path / "airy.png")]


def test_a_disk_from_a_lens_and_distances(run: Run) -> None:
    lens = ThinLens(0.05, 4, 1)
    radius = lens.blur_radius(0.95, 4e-6)
    figures = said(run("model", "pillbox", *LENS).out)
    assert figures["radius"] == f"{radius:.3f} px, {4 * radius:.4g} um"
    # behind a lens that is focused near, the working f-number is larger than the engraved one
    waves = lens.optics(4e-6).waves(radius)
    assert figures["defocus W20"] == f"{waves:.4g} waves"
    both = said(run("model", "defocused-airy", *LENS).out)
    assert both["working f-number"] == f"{4 / 0.95:.4g}"
    assert both["radius"] == figures["radius"]


def test_defocus_in_waves(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "defocused.tif"
    asked = ("--scale", 1.5, "--defocus", 1.25, "--size", 41, "--centre", 1, -0.5, "--optical")
    assert run("model", "defocused-airy", *asked, "--out", out).code == 0
    pixels = read(out)
    assert pixels.dtype == np.float32
    expected = kernel(DefocusedAiry(1.5, 1.25), 41, centre=(1, -0.5), pixel=0)
    np.testing.assert_allclose(pixels[..., 0], expected, atol=1e-8)


def test_a_band_of_wavelengths(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "band.npy"
    asked = (
        "--scale",
        1.5,
        "--radius",
        4,
        "--wavelength",
        500,
        "--band",
        450,
        550,
        "--steps",
        3,
        "--size",
        21,
    )
    ended = run("model", "polychromatic", *asked, "--out", out)
    expected = kernel(Polychromatic.of_band(1.5, 4, [0.9, 1, 1.1]), 21)
    np.testing.assert_allclose(np.load(out), expected, atol=1e-12)
    assert "as text" not in ended.out
    visible = said(run("model", "polychromatic", "--scale", 1.5, "--radius", 4, "--size", 21).out)
    assert visible["as text"] == "--model polychromatic:scale=1.5,radius=4"


def test_gaussians_and_synthetic_apertures(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "gaussian.npy"
    assert run("model", "gaussian", "--sigma", 1.5, "--size", 15, "--out", out).code == 0
    np.testing.assert_allclose(np.load(out), kernel(Gaussian(1.5), 15), atol=1e-15)
    ended = run(
        "model", "synthetic-aperture", "--spacing", 4, "--sigma", 0.7, "--aperture", 2.5, "--out", out
    )
    text = said(ended.out)["as text"].removeprefix("--model ")
    assert text == "synthetic-aperture:spacing=4,sigma=0.7,aperture=2.5"
    found = np.load(out)
    np.testing.assert_allclose(found, kernel(parse_model(text), len(found)), atol=1e-15)


def test_sizes_hold_the_light() -> None:
    for model in (Pillbox(10), Airy(2), Gaussian(3)):
        size = size_holding(model)
        assert size % 2 == 1
        assert light_inside(model, size) >= 0.98
    assert size_holding(Airy(100)) == LARGEST


def test_a_fit_finds_what_made_the_kernel(run: Run, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    true = kernel(Pillbox(5.0), 19)
    np.save(tmp_path / "k.npy", true + 1e-5 * rng.standard_normal(true.shape))
    out = tmp_path / "fit"
    chosen = ("--family", "pillbox", "--family", "gaussian", "--family", "synthetic-aperture")
    ended = run("model", "fit", tmp_path / "k.npy", *chosen, *CAMERA, "--out", out)
    assert ended.code == 0
    lines = ended.out.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["model", "pillbox", "gaussian"]
    record = json.loads((out / "fit.json").read_text())
    best, other = record["models"]
    assert best["parameters"]["radius"] == pytest.approx(5, abs=0.005)
    assert 0 < best["errors"]["radius"] < 0.01
    assert other["bic"] > best["bic"]
    # radius times the pixel's pitch of 2 um
    assert best["physical"]["radius_m"]["value"] == pytest.approx(10e-6, rel=1e-3)
    assert best["physical"]["radius_m"]["error"] == pytest.approx(best["errors"]["radius"] * 2e-6, rel=1e-3)
    assert lines[-6].startswith("blur circle's radius: 10 ± 0.00")
    np.testing.assert_allclose(np.load(out / "model.npy"), true, atol=1e-4)
    assert read(out / "fit.png").shape[2] == 3


def test_known_parameters_stay(run: Run, tmp_path: Path) -> None:
    np.save(tmp_path / "k.npy", kernel(Gaussian(2.0), 15))
    np.save(tmp_path / "sigma.npy", np.full((15, 15), 1e-4))
    asked = ("--family", "gaussian", "--fixed", "sigma=2.1", "--sigma", tmp_path / "sigma.npy")
    ended = run("model", "fit", tmp_path / "k.npy", *asked)
    assert "sigma 2.1 px" in ended.out
    assert "sigma 2.1 ±" not in ended.out


def test_errors_in_physical_units_add_as_squares() -> None:
    optics = Optics(8, 2e-6)
    found = fit(kernel(DefocusedAiry.of_radius(1.5, 5), 25), "defocused airy")
    assert found is not None
    object.__setattr__(found, "errors", {"scale": 0.015, "radius": 0.1})
    value, error = physical_of(found, optics)["waves"]
    # waves = radius / (4 scale): relative errors of 1 and 2 %
    assert value == pytest.approx(5 / 6, rel=1e-3)
    assert error / value == pytest.approx(np.hypot(0.01, 0.02), rel=0.02)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ("airy",),
            "psf model: the Airy pattern's scale is not known; give --f-number and --pixel-pitch, or --scale",
        ),
        (("airy", "--scale", "2", "--f-number", "8"), "--scale: given together with --f-number"),
        (("pillbox",), "psf model: the blur is not known; give --radius, or --focal-length"),
        (
            ("defocused-airy", "--scale", "2"),
            "psf model: the blur is not known; give --radius, --defocus, or",
        ),
        (
            ("defocused-airy", "--scale", "2", "--radius", "3", "--defocus", "1"),
            "psf model: the blur is given twice",
        ),
        (("pillbox", *LENS, "--radius", "3"), "psf model: the blur is given twice"),
        (
            ("pillbox", "--focus", "1"),
            "psf model: a lens needs --focal-length and --distance and --f-number and",
        ),
        (
            ("pillbox", *LENS, "--focus", "0.01"),
            "psf model: a lens of focal length 0.05 m does not focus at 0.01 m",
        ),
        (("pillbox", *LENS, "--distance", "1"), "psf model: an object in focus has no blur circle"),
        (("pillbox", "--radius", "3", "--size", "10"), "--size: 10 is not odd"),
        (
            ("pillbox", "--radius", "3", "--centre", "99", "0", "--size", "11"),
            "psf model: no light falls inside",
        ),
        (("pillbox", "--radius", "3", "--out", "k.png"), "k.png: kernels are written as .npy or TIFF"),
        (("pillbox", "--radius", "3", "--out", "no/k.npy"), "no/k.npy: its folder does not exist"),
        (
            ("polychromatic", "--scale", "2", "--radius", "3", "--band", "700", "400"),
            "--band: 700 is not below 400",
        ),
        (("fit", "no.npy"), "no.npy: there is no such file"),
        (("fit", "k.npy", "--f-number", "8"), "--f-number and --pixel-pitch: one is missing"),
        (("fit", "k.npy", "--fixed", "scale"), "--fixed: 'scale' is no value; write it as scale=2.2"),
        (("fit", "k.npy", "--family", "airy", "--fixed", "x=1"), "--fixed: no model has a parameter x"),
        (("fit", "k.npy", "--sigma", "no.npy"), "no.npy: there is no such file; check --sigma"),
        (("fit", "k.npy", "--sigma", "text.npy"), "text.npy: it cannot be read"),
        (("fit", "k.npy", "--sigma", "zeros.npy"), "k: errors of the data must be positive"),
        (
            ("fit", "k.npy", "--family", "synthetic-aperture"),
            "k: no family of models applies to this kernel; name another --family",
        ),
        (
            ("fit", "k.npy", "--family", "gaussian", "--out", "text.npy"),
            "text.npy: the folder cannot be made",
        ),
    ],
)
def test_refusals(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], line: str
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("k.npy", kernel(Gaussian(1.0), 7))
    np.save("zeros.npy", np.zeros((7, 7)))
    Path("text.npy").write_text("none")
    before = sorted(tmp_path.iterdir())
    ended = run("model", *arguments)
    assert ended.code == 2
    assert ended.err.startswith(f"psf: {line}")
    assert len(ended.err.splitlines()) == 1
    assert sorted(tmp_path.iterdir()) == before


def test_help_names_the_models(run: Run) -> None:
    ended = run("model", "--help")
    assert ended.code == 0
    for name in (
        "pillbox",
        "gaussian",
        "airy",
        "defocused-airy",
        "polychromatic",
        "synthetic-aperture",
        "fit",
    ):
        assert f"\n  {name} " in ended.out
