"""The command ``lfsynth simulate``."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lfsynth.commands import simulate
from lfsynth.lightfield import LightField
from lfsynth.lytro.camera import simulated_camera
from lfsynth.lytro.capture import read_capture, read_capture_metadata
from lfsynth.lytro.lfr_layout import white_document
from lfsynth.readers import read_light_field, write_hdf5

Run = Callable[..., Any]
WINDOW = ("--window", "128x160", "--whites", 1)


def test_captures_white_pictures_and_truth(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "raw"
    ended = run("simulate", "--out", out, *WINDOW, "--shots", 2, "--views-truth", "--loose-whites")
    assert ended.code == 0
    first, second = ended.out.splitlines()
    assert first.startswith(f"{out}: 2 simulated captures of 128 x 160 pixels, and the white pictures, in ")
    assert second == f"{out / '.truth'}: the true light fields"
    assert read_capture(out / "IMG_0002.LFR").mosaic.shape == (128, 160)
    assert (out / "MOD_0000.RAW").stat().st_size == 128 * 160 * 5 // 4
    assert read_light_field(out / ".truth" / "IMG_0002.h5").grid == (13, 13)


def test_the_same_command_makes_the_same(run: Run, tmp_path: Path, contents: Any) -> None:
    one, two, other = (tmp_path / name for name in ("one", "two", "other"))
    for out, seed in ((one, 3), (two, 3), (other, 4)):
        assert run("simulate", "--out", out, *WINDOW, "--seed", seed).code == 0
    assert contents(one) == contents(two)
    assert contents(one)["IMG_0001.LFR"] != contents(other)["IMG_0001.LFR"]


def test_a_light_field_as_the_scene(run: Run, tmp_path: Path, small: LightField) -> None:
    path = tmp_path / "field.h5"
    write_hdf5(path, small)
    out = tmp_path / "raw"
    assert run("simulate", "--out", out, *WINDOW, "--scene", path, "--shots", 2, "--no-noise").code == 0
    one, two = (read_capture(out / f"IMG_000{k}.LFR").mosaic for k in (1, 2))
    np.testing.assert_array_equal(one, two)
    assert one.max() > 200
    assert json.loads((out / "simulation.json").read_text())["scene"] == str(path)


def test_a_camera_like_a_real_one(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "MOD_0042.TXT"
    path.write_text(json.dumps(white_document(simulated_camera((132, 160)).metadata)))
    out = tmp_path / "raw"
    assert run("simulate", "--out", out, "--camera", path, "--whites", 1).code == 0
    known = read_capture_metadata(out / "IMG_0001.LFR")
    assert (known.serial, known.shape) == ("B5SIMULATED-MOD0042", (132, 160))
    assert (out / "caldata-B5SIMULATED-MOD0042.tar").exists()


def test_exposure_and_colour(run: Run, tmp_path: Path) -> None:
    levels = []
    for exposure in (1, 0.5):
        out = tmp_path / f"raw{exposure}"
        options = ("--exposure", exposure, "--neutral", "--no-noise", "--scene", "chart")
        assert run("simulate", "--out", out, *WINDOW, *options).code == 0
        capture = read_capture(out / "IMG_0001.LFR")
        np.testing.assert_array_equal(capture.metadata.ccm, np.eye(3))
        assert capture.metadata.exposure_time == pytest.approx(exposure / 125)
        levels.append(capture.mosaic.astype(float) - 64)
    np.testing.assert_allclose(levels[1], levels[0] / 2, atol=0.76)


def test_progress_is_written_now_and_then(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulate, "LOG_INTERVAL", 0.0)
    ended = run("simulate", "--out", tmp_path / "raw", *WINDOW)
    assert ended.err.splitlines() == [
        "caldata-B5SIMULATED.tar: 50 %",
        "caldata-B5SIMULATED.tar: 100 %",
        "IMG_0001.LFR: 50 %",
        "IMG_0001.LFR: 100 %",
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--window", "96"), "--window: '96' is not of the form 13x13"),
        (("--window", "129x128"), "--window: 129 x 128 is no sensor: its height must be even"),
        (("--window", "128x130"), "its width a multiple of 4, both at least 128; give another size"),
        (("--scene", "nowhere"), "--scene: 'nowhere' is neither a scene nor a path; give layers, planes"),
        (("--camera", "nowhere.json"), "nowhere.json: cannot be read"),
        (("--shots", "0"), "Invalid value for '--shots'"),
        (("--exposure", "0"), "Invalid value for '--exposure'"),
    ],
)
def test_bad_options(run: Run, tmp_path: Path, options: tuple[str, str], message: str) -> None:
    ended = run("simulate", "--out", tmp_path / "raw", *options)
    assert ended.code == 2
    assert message in " ".join(ended.err.split())
    assert not (tmp_path / "raw").exists()


def test_a_scene_that_is_no_light_field(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("not a light field")
    ended = run("simulate", "--out", tmp_path / "raw", *WINDOW, "--scene", path)
    assert ended.code == 2
    assert f"{path}: is no light field that is known" in ended.err


def test_another_simulation_in_the_folder(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "raw"
    assert run("simulate", "--out", out, *WINDOW).code == 0
    ended = run("simulate", "--out", out, *WINDOW, "--seed", 1)
    assert (ended.code, ended.out) == (2, "")
    assert "it holds a simulation with other options" in ended.err
