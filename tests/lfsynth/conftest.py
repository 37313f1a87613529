"""Small light fields with known truth, and folders compared byte by byte."""

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from lfsynth.lightfield import LightField
from lfsynth.lytro.camera import simulated_camera, windowed
from lfsynth.lytro.simulated_files import Job, run
from lfsynth.lytro.simulated_scenes import SCENES
from lfsynth.pictures import write
from lfsynth.readers import write_hdf5
from lfsynth.scene import simulate


@pytest.fixture(scope="session")
def small() -> LightField:
    """5 x 5 views of 40 x 56 pixels with four layers of disparities -1.4 to 1.2, and the true disparity."""
    return simulate(np.random.default_rng(1), grid=(5, 5), size=(40, 56)).lightfield


@pytest.fixture
def raw(tmp_path: Path, small: LightField) -> Path:
    """A folder of four light fields, all of them `small`, with times that are the same in every test."""
    folder = tmp_path / "raw"
    folder.mkdir()
    for name in ("a", "b", "c", "d"):
        write_hdf5(folder / f"{name}.h5", small, bits=8)
        os.utime(folder / f"{name}.h5", (10**9, 10**9))
    return folder


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two simulated captures of 288 x 384 pixels with their true light fields, and two white pictures in a tar."""
    out = tmp_path_factory.mktemp("camera") / "raw"
    camera = windowed(simulated_camera(), (288, 384))
    job = Job(out, camera, "layers", SCENES["layers"], shots=2, truth=True, whites=2)
    run(job, threads=1, report=lambda *_: None)
    return out


@pytest.fixture
def captures(tmp_path: Path, simulated: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of `simulated` without the truth, and a cache for calibrations of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "raw"
    shutil.copytree(simulated, folder, ignore=shutil.ignore_patterns(".*", "simulation.json"))
    return folder


@pytest.fixture
def contents() -> Callable[[Path], dict[str, str]]:
    """SHA-256 of every file below a folder, by its name there."""

    def read(folder: Path) -> dict[str, str]:
        files = (path for path in folder.rglob("*") if path.is_file())
        return {
            path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in files
        }

    return read


@pytest.fixture(scope="session")
def textured_pair() -> Callable[..., tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Make a blurred picture, in focus on its left half by default, and its sharp partner, moved by whole px."""

    def make(
        seed: int = 0,
        *,
        size: tuple[int, int] = (128, 160),
        shift: tuple[int, int] = (0, 0),
        in_focus: float = 0.5,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        height, width = size
        noise = np.random.default_rng(seed).standard_normal((height + 16, width + 16, 3)).astype(np.float32)
        texture = np.clip(0.4 + 0.6 * cv2.GaussianBlur(noise, (0, 0), 1.5), 0, 1)
        defocused = cv2.GaussianBlur(texture, (0, 0), 5)
        defocused[:, : 8 + round(in_focus * width)] = texture[:, : 8 + round(in_focus * width)]
        y, x = 8 - shift[0], 8 - shift[1]
        return defocused[8:-8, 8:-8].copy(), texture[y : y + height, x : x + width].copy()

    return make


@pytest.fixture
def pairs_on_disk(tmp_path: Path, textured_pair: Callable[..., Any]) -> Path:
    """A dataset in LFDOF's layout: two aligned pairs of IMG_1, IMG_2 moved, IMG_3 out of focus all over."""
    root = tmp_path / "lfdof"
    data = root / "train_data"
    (data / "ground_truth").mkdir(parents=True)
    for scene, shift, in_focus, inputs in (
        ("IMG_1", (0, 0), 0.5, ("ap1_00", "ap2_01")),
        ("IMG_2", (2, -1), 0.5, ("ap1_00",)),
        ("IMG_3", (0, 0), -1.0, ("ap3_04",)),
    ):
        blurred, sharp = textured_pair(shift=shift, in_focus=in_focus)
        (data / "input" / scene).mkdir(parents=True)
        for setting in inputs:
            write(data / "input" / scene / f"{scene}_{setting}.png", blurred)
        write(data / "ground_truth" / f"{scene}.png", sharp)
    return root
