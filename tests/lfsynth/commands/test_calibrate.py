import dataclasses
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from lfsynth.commands.calibrate import command
from lfsynth.errors import InputError
from lfsynth.lytro.camera import simulated_camera
from lfsynth.lytro.camera_file import white_pictures_in
from lfsynth.lytro.lfr_layout import write_lfr, write_mod
from lfsynth.lytro.simulation import simulate_white


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Three white pictures, the last one black, and two shots: one near the second, one of another camera."""
    folder = tmp_path / "raw"
    folder.mkdir()
    camera = simulated_camera((384, 512))
    white = simulate_white(camera, np.random.default_rng(0))
    for number in range(3):
        metadata = dataclasses.replace(camera.metadata, zoom_step=100 * number, focus_step=0)
        pixels = np.full_like(white, 64) if number == 2 else np.roll(white, 2 * number, axis=1)
        write_mod(folder / f"MOD_000{number}.RAW", pixels, metadata)
    thumbnail = np.zeros((16, 24, 3), np.uint8)
    near = dataclasses.replace(camera.metadata, zoom_step=90, focus_step=5)
    other = dataclasses.replace(camera.metadata, serial="B5999")
    write_lfr(folder / "IMG_0001.LFR", white, near, thumbnail)
    write_lfr(folder / "IMG_0002.LFR", white, other, thumbnail)
    return folder


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command, [str(a) for a in arguments], standalone_mode=False)


def test_only_what_shots_need(raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "camera.h5"
    result = run("--white", raw, "--shots", raw, "--out", out)
    assert result.return_value == 1
    assert "MOD_0001.RAW, nearest zoom and focus (zoom 10 steps off, focus 5 steps off)" in result.stdout
    assert "1 white pictures, 1 measured now" in result.stdout
    assert "1 set aside:" in result.stdout
    assert "B5999" in result.stdout
    assert [white.metadata.zoom_step for white in white_pictures_in(out)] == [100]
    again = run("--white", raw, "--shots", raw / "IMG_0001.LFR", "--out", out)
    assert again.return_value == 0
    assert "1 white pictures, 0 measured now" in again.stdout


def test_all_without_shots(raw: Path, tmp_path: Path) -> None:
    out = tmp_path / "camera.h5"
    result = run("--white", raw / "MOD_0000.RAW", "--white", raw / "MOD_0001.RAW", "--out", out)
    assert result.return_value == 0
    assert "2 white pictures, 2 measured now" in result.stdout
    everything = run("--white", raw, "--out", out)
    assert everything.return_value == 1
    assert "MOD_0002.RAW: the white picture is black or too dark" in everything.stdout
    assert len(white_pictures_in(out)) == 2


def test_a_folder_without_shots(raw: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    result = run("--white", raw, "--shots", empty, "--out", tmp_path / "camera.h5")
    assert isinstance(result.exception, InputError)
    assert "there is no capture in it" in str(result.exception)


def test_no_white_pictures_at_all(tmp_path: Path) -> None:
    result = run("--white", tmp_path, "--out", tmp_path / "camera.h5")
    assert isinstance(result.exception, InputError)
    assert "no white picture" in str(result.exception)
    assert not (tmp_path / "camera.h5").exists()
