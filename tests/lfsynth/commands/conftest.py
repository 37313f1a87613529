"""The command line, run in this process."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from lfsynth.cli import main
from lfsynth.lightfield import LightField
from lfsynth.pictures import write


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Ended]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run ``lfsynth`` with arguments."""

    def run(*arguments: object) -> Ended:
        with pytest.raises(SystemExit) as raised:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert isinstance(raised.value.code, int)
        return Ended(raised.value.code, captured.out, captured.err)

    return run


@pytest.fixture
def views(tmp_path: Path, small: LightField) -> Path:
    """A folder of the views of `small`, one PNG a view."""
    folder = tmp_path / "views_of_small"
    folder.mkdir()
    for u in range(small.grid[0]):
        for v in range(small.grid[1]):
            write(folder / f"view_{u}_{v}.png", small.views[u, v])
    return folder
