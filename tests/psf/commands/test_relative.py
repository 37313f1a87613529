"""The command ``psf relative``."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lfsynth.pictures import read
from psf.compare import agreement
from psf.models import Gaussian, kernel

Run = Callable[..., Any]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the command runs, with a narrow and a wide kernel."""
    monkeypatch.chdir(tmp_path)
    np.save("narrow.npy", kernel(Gaussian(1.5), 13))
    np.save("wide.npy", kernel(Gaussian(2.5), 21))
    return tmp_path


def test_the_kernel_between_two(run: Run, here: Path) -> None:
    ended = run("relative", "wide.npy", "narrow.npy", "--out", "between")
    assert ended.code == 0
    assert ended.out.startswith("from narrow.npy to wide.npy: 43 px, residual 0.0")
    found = np.load(here / "between" / "relative.npy")
    # variances of Gaussians add up; the narrow one is cut off at 4 sigma
    assert agreement(kernel(Gaussian(2.0), 43), found).relative_l2 < 0.1
    np.testing.assert_array_equal(read(here / "between" / "relative.tiff")[:, :, 0], found.astype(np.float32))
    record = json.loads((here / "between" / "relative.json").read_text())
    assert record["direction"] == "second to first"
    assert record["residual"] < record["other_residual"]
    assert (record["first"], record["second"], record["size"]) == ("wide.npy", "narrow.npy", 43)
    assert {path.name for path in (here / "between").iterdir()} == {"relative.json", *record["files"]}


def test_an_earlier_one_is_replaced_and_other_folders_are_not(run: Run, here: Path) -> None:
    for _ in range(2):
        assert run("relative", "narrow.npy", "wide.npy", "--out", "between").code == 0
    ended = run("relative", "narrow.npy", "wide.npy", "--out", ".")
    assert ended.code == 2
    assert "which no psf relative made" in ended.err


def test_a_missing_kernel_is_refused(run: Run, here: Path) -> None:
    ended = run("relative", "narrow.npy", "none.npy", "--out", "between")
    assert ended.code == 2
    assert ended.err == "psf: none.npy: there is no such file; check the path\n"
