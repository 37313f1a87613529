"""Fixtures that more than one test module needs."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data, named by LFSYNTH_DATA or lying beside the checkout; tests skip where there is none."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("LFSYNTH_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no real data: {folder} is not there (set LFSYNTH_DATA)")
    return folder
