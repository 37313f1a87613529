"""The command ``psf``: one file a command in `psf.commands`."""

from __future__ import annotations

from typing import NoReturn

import click

from lfsynth import __version__
from lfsynth.command_line import CommandsByName, run

COMMANDS = ("target", "estimate", "relative", "model", "compare", "simulate")


@click.group(
    cls=CommandsByName,
    package="psf.commands",
    names=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="psf")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def cli(ctx: click.Context, debug: bool) -> None:
    """Point spread functions from photographs of disks: estimated, modelled, compared."""
    ctx.obj = debug


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line, see `lfsynth.command_line`."""
    run(cli, "psf", arguments)
