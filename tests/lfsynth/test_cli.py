import os
import subprocess
import sys

import click
import pytest

from lfsynth import __version__, cli
from lfsynth.command_line import CommandsByName
from lfsynth.errors import InputError


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as raised:
        cli.main(list(arguments))
    assert isinstance(raised.value.code, int)
    return raised.value.code


def raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Put a command in the place of all that raises."""

    @click.command()
    def command() -> None:
        raise error

    monkeypatch.setattr(CommandsByName, "get_command", lambda *_: command)


def test_help_names_all_commands_and_loads_no_library() -> None:
    """Loading numpy alone takes longer than the help may; numba and scipy take seconds."""
    code = (
        "import sys; from lfsynth.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'numpy', 'numba', 'scipy', 'cv2', 'h5py', 'joblib', 'rich'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    for arguments in (["--help"], ["--version"], *([name, "--help"] for name in cli.COMMANDS)):
        done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        if arguments == ["--help"]:
            for name in cli.COMMANDS:
                assert f"\n  {name} " in done.stdout


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--version") == 0
    assert capsys.readouterr().out == f"lfsynth, version {__version__}\n"


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["info"], ["info", "--bogus", "x"], ["generate", "--focus", "0"]]
)
def test_usage_errors(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert run(*arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Error: " in captured.err


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (InputError("x.png", "is\nbad", "mend it"), 2, "lfsynth: x.png: is bad; mend it\n"),
        (
            MemoryError("Unable to allocate 9 GiB"),
            2,
            "out of memory (Unable to allocate 9 GiB); free some, or take",
        ),
        (KeyError("k"), 2, "lfsynth: unexpected KeyError: 'k'; run again with --debug and report it\n"),
        (KeyboardInterrupt(), 130, "lfsynth: stopped; the same command goes on where it was\n"),
    ],
)
def test_errors_are_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    line: str,
) -> None:
    raising(monkeypatch, error)
    assert run("info") == code
    captured = capsys.readouterr()
    assert line in captured.err
    assert len(captured.err.strip().splitlines()) == 1


@pytest.mark.parametrize("arguments", [["--debug", "info"], ["info", "--debug"]])
def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    raising(monkeypatch, InputError("x", "y", "z"))
    with pytest.raises(InputError):
        cli.main(arguments)


def test_the_code_is_what_the_command_returns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CommandsByName, "get_command", lambda *_: click.Command("x", callback=lambda: 1))
    assert run("info") == 1


def test_a_reader_that_has_enough_is_no_error() -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "lfsynth", "--help"], stdout=write, stderr=subprocess.PIPE, text=True
    )
    os.close(write)
    assert done.returncode == 1
    assert done.stderr == ""
