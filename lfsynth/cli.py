"""The command ``lfsynth``: one file a command in `lfsynth.commands`."""

from __future__ import annotations

from typing import NoReturn

import click

from lfsynth import __version__
from lfsynth.command_line import CommandsByName, run

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


@click.group(
    cls=CommandsByName,
    package="lfsynth.commands",
    names=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="lfsynth")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def cli(ctx: click.Context, debug: bool) -> None:
    """Light fields in, defocused / all-in-focus pairs out."""
    ctx.obj = debug


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line, see `lfsynth.command_line`."""
    run(cli, "lfsynth", arguments)
