"""The command line, run in this process."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from psf.cli import main


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Ended]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run ``psf`` with arguments."""

    def run(*arguments: object) -> Ended:
        with pytest.raises(SystemExit) as raised:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert isinstance(raised.value.code, int)
        return Ended(raised.value.code, captured.out, captured.err)

    return run
