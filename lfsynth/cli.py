"""The command ``lfsynth``: one file a command in `lfsynth.commands`, loaded when it is called."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any, NoReturn

import click

from lfsynth import __version__
from lfsynth.errors import InputError

COMMANDS = (
    "generate",
    "info",
    "refocus",
    "allinfocus",
    "verify",
    "check",
    "decode",
    "calibrate",
    "doctor",
    "simulate",
)


class _Commands(click.Group):
    """Commands found by name, so that one command does not load the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order of use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"lfsynth.commands.{cmd_name}").command
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="lfsynth")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def cli(ctx: click.Context, debug: bool) -> None:
    """Light fields in, defocused / all-in-focus pairs out."""
    ctx.obj = debug


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line: exit code 0, 1 where part of a batch failed, 2 where the input is at fault."""
    arguments = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in arguments
    # --debug is understood wherever it stands.
    arguments = (["--debug"] if debug else []) + [a for a in arguments if a != "--debug"]
    try:
        code: Any = cli.main(arguments, prog_name="lfsynth", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        _fail("stopped; the same command goes on where it was", 130)
    except BrokenPipeError:
        # Whoever reads our output, as head does, has enough; Python must not try to flush it once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if debug:
            raise
        if isinstance(error, InputError):
            _fail(str(error), 2)
        if isinstance(error, MemoryError):
            _fail(f"out of memory ({error}); free some, or take fewer --jobs", 2)
        _fail(f"unexpected {type(error).__name__}: {error}; run again with --debug and report it", 2)
    sys.exit(code if isinstance(code, int) else 0)


def _fail(line: str, code: int) -> NoReturn:
    click.echo(f"lfsynth: {line}", err=True)
    sys.exit(code)
