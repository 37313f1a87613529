"""What commands that work on many pictures show: a bar on a terminal, and a line for each picture that is done.

Options that several commands take are here too, so that they mean the same in all.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import click

from drbnet.choices import Autocast, Device

if TYPE_CHECKING:
    from rich.progress import ProgressColumn

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 110}
"""Context settings of the commands."""

device_option = click.option(
    "--device", type=click.Choice([one.value for one in Device]), default="auto", help="[default: auto]"
)
autocast_option = click.option(
    "--autocast",
    type=click.Choice([one.value for one in Autocast]),
    default="none",
    help="Half precision, faster where the device has it.  [default: none]",
)
threads_option = click.option("--threads", type=click.IntRange(1), help="On the CPU.  [default: all cores]")
debug_option = click.option("--debug", is_flag=True, help="Show the traceback of an error.")


def weights_option(text: str, *, required: bool = True) -> Callable[[Any], Any]:
    """``--weights``, of which the help says this."""
    return click.option("--weights", type=click.Path(path_type=Path), required=required, help=text)


def memory_option(text: str) -> Callable[[Any], Any]:
    """``--memory``, of which the help says this; see `in_bytes`."""
    return click.option("--memory", type=click.FloatRange(0.05), metavar="GB", help=text)


def in_bytes(gigabytes: float | None) -> int | None:
    """The value of ``--memory``; None where it is not given."""
    return None if gigabytes is None else int(gigabytes * 1e9)


class Shown:
    """A bar, only where errors go to a terminal, and lines; a context.

    Parameters
    ----------
    columns : of the bar, as rich has them
    total : of what is counted, if it is known
    fields : further ones that columns show
    """

    def __init__(self, *columns: ProgressColumn, total: float | None = None, **fields: Any) -> None:
        from rich.console import Console
        from rich.progress import Progress

        console = Console(file=sys.stderr)
        self._bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._bar.add_task("", total=total, **fields)

    def __enter__(self) -> Self:
        """Show the bar."""
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Take it away."""
        self._bar.stop()

    def line(self, text: str) -> None:
        """Say something, above the bar where there is one."""
        if self._bar.disable:
            click.echo(text)
        else:
            self._print(text)

    def fault(self, text: str) -> None:
        """Say that something was set aside, where errors go."""
        self._print(f"set aside: {text}")

    def _print(self, text: str) -> None:
        self._bar.console.print(text, markup=False, highlight=False, soft_wrap=True)
