"""``lfsynth allinfocus``: the ground truth of a light field."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lfsynth.commands.options import METHODS, bits_option, check_output, path_argument, reading

if TYPE_CHECKING:
    from lfsynth.readers import ReadOptions


@click.command("allinfocus", epilog="\b\nExample:\n  lfsynth allinfocus raw/IMG_0001 --out sharp.png")
@path_argument
@click.option(
    "--method", default=METHODS[0], show_default=True, type=click.Choice(METHODS), help="How it is made."
)
@bits_option
@click.option("--out", required=True, type=click.Path(path_type=Path), help="File to write, .png or .tif.")
@reading
def command(path: Path, method: str, bits: str, out: Path, options: ReadOptions) -> None:
    """Make the all-in-focus picture, seen from the centre view."""
    from lfsynth import pictures
    from lfsynth.allinfocus import Method, all_in_focus
    from lfsynth.machine import cores
    from lfsynth.readers import read_light_field

    check_output(out, path, (".png", ".tif", ".tiff"))
    lightfield = read_light_field(path, options)
    picture = all_in_focus(lightfield, method=Method(method), threads=cores())
    pictures.write(out, picture, bits=int(bits))
    click.echo(f"{out}: {picture.shape[0]} x {picture.shape[1]}, {method}")
