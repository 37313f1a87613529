"""Small light fields with known truth, and folders compared byte by byte."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lfsynth.lightfield import LightField
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
