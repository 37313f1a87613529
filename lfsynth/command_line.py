"""What the commands of all packages have in common: found by name, errors in one line, exit codes.

Exit code 0, 1 where part of a batch failed, 2 where the input is at fault, 130 where the user stopped it.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from lfsynth.errors import InputError


class CommandsByName(click.Group):
    """Commands that are modules of a package, each loaded when it is called, so that none loads the others.

    Each module's ``command`` is the click command of the module's name.
    """

    def __init__(self, *arguments: Any, package: str = "", names: Sequence[str] = (), **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.package = package
        self.names = tuple(names)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order of use."""
        return list(self.names)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of this name."""
        if cmd_name not in self.names:
            return None
        command: click.Command = importlib.import_module(f"{self.package}.{cmd_name}").command
        return command


def run(cli: click.Command, program: str, arguments: list[str] | None = None) -> NoReturn:
    """Run a command line, and end the process with its exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in arguments
    # --debug is understood wherever it stands.
    arguments = (["--debug"] if debug else []) + [a for a in arguments if a != "--debug"]
    try:
        code: Any = cli.main(arguments, prog_name=program, standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        _fail(program, "stopped; the same command goes on where it was", 130)
    except BrokenPipeError:
        # Whoever reads our output, as head does, has enough; Python must not try to flush it once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if debug:
            raise
        if isinstance(error, InputError):
            _fail(program, str(error), 2)
        if isinstance(error, MemoryError):
            _fail(program, f"out of memory ({error}); free some, or take fewer --jobs", 2)
        _fail(program, f"unexpected {type(error).__name__}: {error}; run again with --debug and report it", 2)
    sys.exit(code if isinstance(code, int) else 0)


def _fail(program: str, line: str, code: int) -> NoReturn:
    click.echo(f"{program}: {line}", err=True)
    sys.exit(code)
