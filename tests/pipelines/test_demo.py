"""The demo leaves a dataset that verifies and a picture of it, from simulated light fields and own ones."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lfsynth import cli, pictures
from lfsynth.lfdof import Dataset, read_manifest
from lfsynth.readers import read_light_field, write_hdf5
from lfsynth.scene import simulate
from pipelines import demo
from pipelines.contact_sheet import GAP, TILE, contact_sheet, place_of_interest, read_scene

SMALL = (96, 128)


@pytest.fixture(scope="module")
def light_fields(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one small light field."""
    folder = tmp_path_factory.mktemp("own")
    made = simulate(np.random.default_rng(49), size=SMALL, noise=0.01, disparities=(-0.8, -0.25, 0.3, 0.8))
    write_hdf5(folder / "cat.h5", made.lightfield)
    return folder


def generate(light_fields: Path, out: Path, *options: str) -> int:
    return demo.run("lfsynth", "generate", "--lf-dir", str(light_fields), "--out", str(out), *options)


@pytest.fixture
def brief(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Smaller captures and a shorter training; the rest is as the user has it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    window = demo.SIMULATION.index("--window") + 1
    smaller = (*demo.SIMULATION[:window], "1500x2100", *demo.SIMULATION[window + 1 :])
    monkeypatch.setattr(demo, "SIMULATION", smaller)
    patch = demo.TRAINING.index("--patch") + 1
    monkeypatch.setattr(demo, "TRAINING", (*demo.TRAINING[:patch], "16", *demo.TRAINING[patch + 1 :]))
    monkeypatch.setattr(demo, "STEPS", 8)
    monkeypatch.setattr(demo, "MOST_SCORED", 2)
    monkeypatch.setattr(demo, "MOST_DEBLURRED", 2)


@pytest.mark.usefixtures("brief")
def test_without_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "demo"
    assert demo.command.main(["--out", str(out)], standalone_mode=False) == 0
    rows = read_manifest(out / "lfdof")
    # 3 apertures x 5 focus settings, as LFDOF has, one scene for training and one for test
    assert Counter((row["split"], row["kind"]) for row in rows) == {
        ("train", "input"): 15,
        ("train", "ground_truth"): 1,
        ("test", "input"): 15,
        ("test", "ground_truth"): 1,
    }
    sheet = pictures.read(out / "contact_sheet.png")
    assert sheet.shape[2] == 3
    assert sheet.shape[1] > 7 * TILE
    printed = capsys.readouterr().out
    assert "$ lfsynth simulate --scene photographs --shots 2 --window 1500x2100" in printed
    assert "2 of 2 captures can be decoded" in printed
    assert f"--lf-dir {out}/raw --out {out}/lfdof" in printed
    assert re.search(r"training: done after [68] steps", printed)
    with pytest.raises(SystemExit, match="0"):
        cli.main(["verify", str(out / "lfdof")])
    report = (out / "report.html").read_text()
    for title in ("Captures", "Pairs", "Alignment", "Point spread functions", "Training", "Scores"):
        assert f". {title}</h2>" in report
    assert "The captures are <b>simulated</b>" in report
    assert "that it has not seen" in report
    # the lens has no lattice, the light field one of the spacing that it was made with
    comparison = json.loads((out / "psf" / "comparison" / "compare.json").read_text())
    lens, light_field = comparison["kernels"]
    assert lens["spot_period"] is None
    assert light_field["spot_period"] == pytest.approx(demo.TARGET_SPACING, abs=0.05)
    assert len(list((out / "deblurred").glob("*_compare.png"))) == 2
    assert_shown_whole(out)


def assert_shown_whole(out: Path) -> None:
    """Links lead to files, and pictures are inside."""
    report = (out / "report.html").read_text()
    for link in re.findall(r'href="([^"#]+)"', report):
        assert (out / link).is_file(), link
    sources = re.findall(r'src="([^"]+)"', report)
    assert len(sources) >= 6
    assert all(source.startswith("data:image/png;base64,") for source in sources)


@pytest.mark.usefixtures("brief")
def test_own_data_with_a_bad_file_among_it(
    tmp_path: Path, light_fields: Path, browser: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = tmp_path / "own", tmp_path / "out"
    folder.mkdir()
    (folder / "cat.h5").symlink_to(light_fields / "cat.h5")
    (folder / "torn.h5").write_bytes(b"torn")
    arguments = ["--data", str(folder), "--out", str(out)]
    assert demo.command.main(arguments, standalone_mode=False) == 1
    assert (out / "contact_sheet.png").exists()
    assert "torn.h5" in capsys.readouterr().out
    assert not (out / "raw").exists()
    report = (out / "report.html").read_text()
    assert "these scores say nothing of other scenes" in report
    assert_shown_whole(out)

    # the same command again finds all that is done
    assert demo.command.main(arguments, standalone_mode=False) == 1
    again = "".join(capsys.readouterr())
    assert re.search(r"step-0+(\d+)\.pth: going on after step \1\n", again)
    assert "0 made, 2 there already" in again

    browser.open(out / "report.html")
    loaded = "return [...document.images].every(i => i.complete && i.naturalWidth > 0)"
    assert browser.driver.execute_script(loaded)
    assert browser.driver.execute_script("return document.documentElement.scrollWidth") <= 1280
    assert browser.errors() == []


def test_a_step_that_fails_ends_the_demo_with_its_line(
    tmp_path: Path, light_fields: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "lfdof").write_text("in the way")
    code = demo.command.main(["--data", str(light_fields), "--out", str(tmp_path)], standalone_mode=False)
    assert code == 2
    assert "lfdof" in capsys.readouterr().err
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize(("pairs", "epochs", "repeats"), [(15, 16, 4), (1, 16, 60), (300, 3, 1), (960, 1, 1)])
def test_the_training_is_as_long_whatever_the_data(pairs: int, epochs: int, repeats: int) -> None:
    words = demo._length(pairs)
    told = dict(zip(words[::2], words[1::2], strict=True))
    assert (told["--epochs"], told["--repeats"]) == (str(epochs), str(repeats))
    steps = epochs * -(-pairs * repeats // demo.BATCH)
    assert steps == pytest.approx(demo.STEPS, rel=0.1)


def test_of_many_pairs_the_training_takes_some() -> None:
    assert demo._length(100_000) == ("--epochs", "1", "--stop-after", str(demo.STEPS))


def test_nothing_to_work_on_is_said_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = tmp_path / "missing"
    monkeypatch.setattr("sys.argv", ["demo", "--data", str(missing), "--out", str(tmp_path / "out")])
    with pytest.raises(SystemExit, match="2"):
        demo.main()
    assert capsys.readouterr().err == f"lfsynth: {missing}: there is no such file or folder; check the path\n"


@pytest.mark.parametrize("size", ["native", "60x90"])
def test_the_centre_view_lies_on_the_ground_truth(tmp_path: Path, light_fields: Path, size: str) -> None:
    assert generate(light_fields, tmp_path, "--size", size) == 0
    scene = read_scene(Dataset(tmp_path), "cat", light_fields / "cat.h5")
    assert scene.defocused.shape == (5, 3, *scene.ground_truth.shape)
    assert scene.centre_view.shape == scene.ground_truth.shape

    def difference(move: int, axis: int) -> float:
        return float(np.square(np.roll(scene.centre_view, move, axis) - scene.ground_truth).mean())

    there = difference(0, 0)
    # off by a pixel, edges alone differ by far more than the centre view's noise
    assert all(difference(move, axis) > 2 * there for move in (-1, 1) for axis in (0, 1))


def test_simulated_is_said_where_it_is(tmp_path: Path, light_fields: Path) -> None:
    own = tmp_path / "cat"
    own.mkdir()
    views = read_light_field(light_fields / "cat.h5").views
    for u, v in np.ndindex(*views.shape[:2]):
        pictures.write(own / f"{u}_{v}.png", views[u, v])
    assert generate(own, tmp_path / "own") == 0
    assert read_scene(Dataset(tmp_path / "own"), "cat", own).origin == "light field, 9 x 9 views of 96 x 128"

    assert generate(light_fields, tmp_path / "simulated") == 0
    scene = read_scene(Dataset(tmp_path / "simulated"), "cat", light_fields / "cat.h5")
    assert scene.origin == "SIMULATED light field, 9 x 9 views of 96 x 128"
    sheet = contact_sheet([scene])
    rows = 3 * (round(TILE * scene.ground_truth.shape[0] / scene.ground_truth.shape[1]) + GAP)
    assert rows < sheet.shape[0] < rows + 150
    assert sheet.dtype == np.uint8


def test_place_of_interest_is_where_focus_matters() -> None:
    rng = np.random.default_rng(3)
    defocused = np.full((3, 60, 80, 3), 0.5, np.float32)
    defocused[:, 30:, :40] += rng.uniform(-0.4, 0.4, (30, 40, 1)).astype(np.float32)  # sharp at every setting
    defocused[1, 12:24, 50:68] += rng.uniform(-0.2, 0.2, (12, 18, 1)).astype(np.float32)
    defocused[2, 12:24, 50:68] += rng.uniform(-0.05, 0.05, (12, 18, 1)).astype(np.float32)
    top, left, sharpest, softest = place_of_interest(defocused, (12, 18))
    # the Laplacian reaches one pixel beyond what changes
    assert abs(top - 12) <= 1
    assert abs(left - 50) <= 1
    assert (sharpest, softest) == (1, 0)


def test_a_sheet_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one scene"):
        contact_sheet([])
