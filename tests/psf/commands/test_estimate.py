"""The command ``psf estimate``: its files, its page, and what it refuses."""

import csv
import json
import re
from collections.abc import Callable
from dataclasses import fields
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from lfsynth.pictures import read, write
from lfsynth.transfer import LINEAR
from psf.coarse import Polarity
from psf.commands.estimate import CHANNELS, MOSAICS, POLARITIES, PRIORS, WEIGHTS
from psf.kernel_files import read_kernel
from psf.mannan_langer import Weights
from psf.models import Gaussian, kernel
from psf.photograph import Bayer, Channel
from psf.simulate import Exposure, Pose, expose, simulate_coverage
from psf.solve import Prior

Run = Callable[..., Any]
POSE = Pose(
    shape=(230, 300), grid=(4, 3), pitch=68.0, radius=19.0, tilt=(0, 0), rotation=1.0, shift=(0.3, -0.7)
)
COVERAGE = simulate_coverage(kernel(Gaussian(5.0), 41), POSE)


def photograph(path: Path, *, seed: int = 0, ink: float = 0.1, paper: float = 0.8) -> Path:
    light = expose(COVERAGE, Exposure(ink=ink, paper=paper, noise=0.004), np.random.default_rng(seed))
    write(path, np.clip(light, 0, 1)[:, :, None], bits=16, transfer=LINEAR)
    return path


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the command runs, with one photograph."""
    monkeypatch.chdir(tmp_path)
    photograph(tmp_path / "shot.png")
    return tmp_path


class Page(HTMLParser):
    """Tags that are open at the end, sources of pictures, identifiers and links."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sources: list[str] = []
        self.ids: set[str] = set()
        self.links: set[str] = set()
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.tags.add(tag)
        if tag not in ("meta", "img"):
            self.open.append(tag)
        if tag == "img":
            self.sources.append(values["src"])
            assert values["alt"]
        self.ids |= {values["id"]} if "id" in values else set()
        self.links |= {values["href"]} if "href" in values else set()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_choices_are_those_of_the_library() -> None:
    assert tuple(one.value for one in Channel) == CHANNELS
    assert tuple(one.value for one in Bayer) == MOSAICS
    assert tuple(one.value for one in Prior) == PRIORS
    assert tuple(one.value.replace(" ", "-") for one in Polarity) == POLARITIES
    assert set(WEIGHTS) == {field.name for field in fields(Weights)}


def test_models(run: Run, here: Path) -> None:
    ended = run(
        "estimate", "--images", "shot.png", "--transfer", "linear", "--size", 11, "--models", "--out", "psf"
    )
    assert ended.code == 0
    models = json.loads((here / "psf" / "estimate.json").read_text())["kernels"][0]["models"]
    assert models[0]["bic"] == min(one["bic"] for one in models)
    gaussian = next(one for one in models if one["family"] == "gaussian")
    assert gaussian["parameters"]["sigma"] == pytest.approx(1.25, rel=0.05)
    assert "BIC over the best" in (here / "psf" / "report.html").read_text()


def test_the_folder(run: Run, here: Path) -> None:
    ended = run("estimate", "--images", "shot.png", "--transfer", "linear", "--size", 15, "--out", "psf")
    assert ended.code == 0
    assert ended.out.startswith("light: 15 px, FWHM ")
    out = here / "psf"
    names = {path.name for path in out.iterdir()}
    parts = (
        "light.npy",
        "light.tiff",
        "light.png",
        "light_optical.npy",
        "light_sigma.npy",
        "light_profile.csv",
    )
    assert names == {*parts, "estimate.json", "report.html"}
    record = json.loads((out / "estimate.json").read_text())
    assert set(record["files"]) == names - {"estimate.json"}
    assert record["command"]["size"] == "15"
    assert record["inputs"][0]["bytes"] == (here / "shot.png").stat().st_size
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", record["inputs"][0]["modified"])
    (found,) = record["kernels"]
    assert set(found["files"].values()) == set(parts)
    assert found["size"] == 15
    assert found["quality"]["disks"] == 12
    # a Gaussian of 1.25 px averaged over pixels, whose variance is 1 / 12 px
    sigma = np.sqrt(1.25**2 + 1 / 12)
    assert found["merit"]["fwhm"] == pytest.approx(2 * sigma * np.sqrt(2 * np.log(2)), rel=0.04)
    assert found["parameters"]["prior"] in PRIORS
    assert found["photographs"][0]["whole"] == 12
    assert np.shape(found["photographs"][0]["homography"]) == (3, 3)
    assert {check["name"]: check["passed"] for check in found["checks"]}["saturated"]
    system = np.load(out / "light.npy")
    assert system.dtype == np.float64
    assert system.sum() == pytest.approx(1)
    np.testing.assert_array_equal(read(out / "light.tiff")[:, :, 0], system.astype(np.float32))
    np.testing.assert_array_equal(read_kernel(out).kernel, system)
    assert np.load(out / "light_sigma.npy").shape == (15, 15)
    assert read(out / "light.png").shape[2] == 3


def test_the_profiles(run: Run, here: Path) -> None:
    run("estimate", "--images", "shot.png", "--transfer", "linear", "--size", 15, "--out", "psf")
    with (here / "psf" / "light_profile.csv").open() as file:
        rows = list(csv.DictReader(file))
    curves = {name: [row for row in rows if row["curve"] == name] for name in {row["curve"] for row in rows}}
    assert set(curves) == {"radial", "encircled", "line_x", "line_y", "mtf", "mtf_x", "mtf_y"}
    assert [float(row["at"]) for row in curves["line_x"]] == list(range(-7, 8))
    assert float(curves["encircled"][-1]["value"]) == 1
    assert float(curves["mtf"][0]["value"]) == pytest.approx(1)
    assert float(curves["mtf"][-1]["at"]) == 0.5
    assert 0 < float(curves["radial"][20]["sigma"]) < float(curves["radial"][20]["value"])


def test_the_page(run: Run, here: Path) -> None:
    photograph(here / "<b>.png", seed=1)
    run("estimate", "--images", ".", "--each", "--transfer", "linear", "--field", "1x2", "--out", "psf")
    text = (here / "psf" / "report.html").read_text()
    page = Page(text)
    assert page.open == []
    assert not page.tags & {"script", "link", "b"}
    assert "http" not in text.replace("http-equiv", "")
    assert {f"#{name}" for name in page.ids} >= page.links
    assert {"<b>_light_1-2", "shot_light_1-1"} <= page.ids
    # of each photograph: itself, two zones, their mean and spread, two figures
    assert len(page.sources) == 2 * 7
    assert all(source.startswith("data:image/") for source in page.sources)


def test_several_files_and_a_refused_one(run: Run, here: Path) -> None:
    photograph(here / "flat.png", ink=0.8)
    ended = run(
        "estimate", "--images", "shot.png", "flat.png", "--each", "--transfer", "linear", "--out", "psf"
    )
    assert ended.code == 1
    assert "set aside: flat.png: some disks do not stand out from the noise" in ended.err
    record = json.loads((here / "psf" / "estimate.json").read_text())
    assert [one["name"] for one in record["kernels"]] == ["shot_light"]
    assert [one["name"] for one in record["refused"]] == ["flat_light"]
    assert "flat.png: some disks" in (here / "psf" / "report.html").read_text()


def test_colours_and_their_shifts(run: Run, here: Path) -> None:
    light = expose(COVERAGE, Exposure(noise=0.004), np.random.default_rng(0))
    moved = cv2.warpAffine(
        light, np.array([[1, 0, 0.5], [0, 1, 0.25]]), light.shape[::-1], borderMode=cv2.BORDER_REPLICATE
    )
    colours = np.clip(np.stack([moved, light, light], axis=-1), 0, 1).astype(np.float32)
    write(here / "colour.tif", colours, bits=32)
    ended = run("estimate", "--images", "colour.tif", "--channel", "each", "--out", "psf")
    assert ended.code == 0
    record = json.loads((here / "psf" / "estimate.json").read_text())
    assert [one["name"] for one in record["kernels"]] == ["r", "g", "b"]
    red, blue = record["lateral_colour"]
    assert (red["first"], red["second"], blue["second"]) == ("g", "r", "b")
    # bilinear interpolation moves the light by that much, of which each disk's centre is known to 0.02 px
    np.testing.assert_allclose(red["shift"], (0.25, 0.5), atol=0.02)
    np.testing.assert_allclose(blue["shift"], (0, 0), atol=1e-9)
    assert len(red["measurements"][0]["points"]) == red["measurements"][0]["disks"] == 12
    assert "Lateral colour" in (here / "psf" / "report.html").read_text()


def test_an_earlier_estimate_is_replaced_and_other_folders_are_not(run: Run, here: Path) -> None:
    options = ("--images", "shot.png", "--transfer", "linear", "--size", 15, "--out", "psf")
    assert run("estimate", *options).code == 0
    first = (here / "psf" / "estimate.json").read_bytes()
    assert run("estimate", *options).code == 0
    assert (here / "psf" / "estimate.json").read_bytes() == first
    (here / "psf" / "notes.txt").write_text("mine")
    ended = run("estimate", *options)
    assert ended.code == 2
    assert ended.err == "psf: psf: it holds notes.txt, which no psf estimate made; choose another --out\n"
    assert (here / "psf" / "notes.txt").read_text() == "mine"


def test_a_failure_leaves_what_was_there(run: Run, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = ("--images", "shot.png", "--transfer", "linear", "--size", 15, "--out", "psf")
    run("estimate", *options)
    before = {path: path.read_bytes() for path in (here / "psf").iterdir()}

    def fail(*_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("psf.estimate_folder.page", fail)
    ended = run("estimate", *options)
    assert ended.code == 2
    assert "the disk is full" in ended.err
    assert {path: path.read_bytes() for path in (here / "psf").iterdir()} == before
    assert sorted(path.name for path in here.iterdir()) == ["psf", "shot.png"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "psf estimate: is told no photographs; name them by --images"),
        (("--images", "none"), "--images: there is no none"),
        (("--images", "shot.tif"), "nothing says which transfer curve its 16-bit codes follow"),
        (("--images", "shot.png", "--transfer", "log"), "'log' is no transfer curve"),
        (("--images", "shot.png", "--size", "12"), "--size: 12 is not odd"),
        (("--images", "shot.png", "--size", "many"), "--size: many is not odd"),
        (("--images", "shot.png", "--grid", "7"), "--grid: '7' is no pair of numbers; write it as 23x17"),
        (("--images", "shot.png", "--field", "0x3"), "--field: '0x3' is no pair of numbers; write it as 3x3"),
        (("--images", "shot.png", "--grid", "5x5", "--transfer", "linear"), "found 12 whole disks"),
        (
            ("--images", "shot.png", "--field", "9x9", "--transfer", "linear"),
            "no whole disk is in row 1, column 1",
        ),
        (("--images", "shot.png", "--share", "0.1"), "--share: it is given without a prior"),
        (("--images", "shot.png", "--tail", "1"), "--tail: --method regularised has no such weight"),
        (
            ("--images", "shot.png", "--prior", "tv", "--method", "mannan-langer"),
            "--method mannan-langer has none",
        ),
        (("--images", "shot.png", "--radius", "3"), "--radius: it is given without --slope"),
        (
            ("--images", "shot.png", "--aperture-sampling", "dense"),
            "--aperture-sampling: it is given without --slope",
        ),
        (
            ("--images", "shot.png", "--slope", "1", "--bayer", "rggb"),
            "--bayer: light fields are read without it",
        ),
        (("--images", "none.h5", "--slope", "1"), "--images: there is no none.h5; name a light field"),
        (
            ("--images", "shot.png", "--transfer", "linear", "--sharp", "none.png"),
            "none.png: there is no such file",
        ),
    ],
)
def test_what_is_refused(run: Run, here: Path, options: tuple[str, ...], message: str) -> None:
    photograph(here / "shot.tif")
    ended = run("estimate", *options, "--out", "psf")
    assert ended.code == 2
    assert message in ended.err
    assert ended.err.count("\n") <= 2
    assert not (here / "psf").exists()


@pytest.mark.parametrize(
    ("out", "message"), [("no/psf", "its folder does not exist"), ("shot.png", "it is a file")]
)
def test_an_out_that_cannot_be_is_refused_first(run: Run, here: Path, out: str, message: str) -> None:
    ended = run("estimate", "--images", "shot.png", "--transfer", "linear", "--out", out)
    assert ended.code == 2
    assert message in ended.err
