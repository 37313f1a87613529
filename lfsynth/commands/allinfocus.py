"""``lfsynth allinfocus``: the ground truth of a light field."""

from __future__ import annotations

from pathlib import Path

import click

from lfsynth.commands.options import path_argument, read_options, reading


@click.command("allinfocus")
@path_argument
@click.option(
    "--method",
    default="robust-average",
    show_default=True,
    type=click.Choice(["robust-average", "centre-view"]),
    help="How it is made.",
)
@click.option("--bits", default="8", show_default=True, type=click.Choice(["8", "16"]), help="Bits a channel.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="File to write, .png or .tif.")
@reading
def command(
    path: Path,
    method: str,
    bits: str,
    out: Path,
    transfer: str | None,
    views: str | None,
    order: str | None,
    format_: str | None,
) -> None:
    """Make the all-in-focus picture, seen from the centre view.

    \b
    Example:
      lfsynth allinfocus raw/IMG_0001 --out sharp.png
    """
    from lfsynth import pictures
    from lfsynth.allinfocus import Method, all_in_focus
    from lfsynth.machine import cores
    from lfsynth.readers import read_light_field

    lightfield = read_light_field(path, read_options(transfer, views, order, format_))
    picture = all_in_focus(lightfield, method=Method(method), threads=cores())
    pictures.write(out, picture, bits=int(bits))
    click.echo(f"{out}: {picture.shape[0]} x {picture.shape[1]}, {method}")
