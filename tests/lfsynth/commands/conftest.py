"""The command line, run in this process."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lfsynth.cli import main
from lfsynth.lightfield import LightField
from lfsynth.pictures import write


@pytest.fixture
def run(running: Callable[..., Any]) -> Callable[..., Any]:
    """Run ``lfsynth`` with arguments."""
    return running(main)


@pytest.fixture
def views(tmp_path: Path, small: LightField) -> Path:
    """A folder of the views of `small`, one PNG a view."""
    folder = tmp_path / "views_of_small"
    folder.mkdir()
    for u in range(small.grid[0]):
        for v in range(small.grid[1]):
            write(folder / f"view_{u}_{v}.png", small.views[u, v])
    return folder
