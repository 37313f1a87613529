"""``psf target``: a grid of disks to print and to photograph."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lfsynth.errors import InputError

if TYPE_CHECKING:
    from psf.coarse import Polarity
    from psf.target import DiskGrid

DEFAULT_GRID = "23x17"
BLUR_SLACK = 4
"""px that a kernel is larger than the blur in it."""


@click.command(
    "target",
    epilog="\b\nExamples:\n"
    "  psf target --out target.pdf\n"
    "  psf target --grid 23x17 --paper a3 --out target.pdf\n"
    "  psf target --blur 60 --picture 4000x3000 --out target.pdf\n"
    "  psf target --grid 9x7 --pitch 20 --radius 6 --white-on-black --dpi 300 --out target.png",
)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="File to write: .pdf to print, or .png."
)
@click.option("--grid", metavar="CxR", help=f"Columns x rows of disks. Default: {DEFAULT_GRID}.")
@click.option(
    "--blur",
    type=click.FloatRange(0, min_open=True),
    metavar="PX",
    help="Width of the widest blur to be measured; instead of --grid, takes as many disks as leave room for it.",
)
@click.option(
    "--picture",
    default="6000x4000",
    show_default=True,
    metavar="WxH",
    help="Pixels of the camera's picture, which the target is to fill.",
)
@click.option(
    "--paper",
    default="a4",
    show_default=True,
    metavar="NAME|WxH",
    help="a5, a4, a3, a2, letter, tabloid, or width x height in mm.",
)
@click.option(
    "--pitch",
    type=click.FloatRange(0, min_open=True),
    metavar="MM",
    help="From centre to centre. Default: as large as the paper allows.",
)
@click.option(
    "--radius",
    type=click.FloatRange(0, min_open=True),
    metavar="MM",
    help="Of the disks. Default: 0.3 pitches.",
)
@click.option(
    "--white-on-black", is_flag=True, help="White disks on a black ground. Default: black on white."
)
@click.option(
    "--dpi",
    default=600.0,
    show_default=True,
    type=click.FloatRange(50, 4800),
    metavar="N",
    help="Of a PNG picture.",
)
def command(
    out: Path,
    grid: str | None,
    blur: float | None,
    picture: str,
    paper: str,
    pitch: float | None,
    radius: float | None,
    white_on_black: bool,
    dpi: float,
) -> None:
    """Make a grid of disks, and tell how large a blur it measures.

    More and smaller disks measure better, as long as the blur fits between them. Dimensions and a bar to check the
    print's scale are printed below the disks; the PDF's second page tells how to photograph them.
    """
    from lfsynth.pictures import write_bytes_atomic
    from psf.coarse import Polarity
    from psf.target import (
        filling_pitch,
        grid_for_blur,
        largest_kernel,
        parse_grid,
        parse_paper,
        parse_picture,
    )
    from psf.target_files import target_pdf, target_png

    suffix = out.suffix.lower()
    if suffix not in (".pdf", ".png"):
        raise InputError(out, "targets are written as PDF or PNG", "name it .pdf or .png")
    if grid is not None and blur is not None:
        raise InputError("--blur", "given together with --grid", "give one or the other")
    seen, sheet = parse_picture(picture), parse_paper(paper)
    counts = parse_grid(grid or DEFAULT_GRID) if blur is None else grid_for_blur(int(blur) + BLUR_SLACK, seen)
    polarity = Polarity.WHITE_ON_BLACK if white_on_black else Polarity.BLACK_ON_WHITE
    target = _target(counts, sheet, pitch, radius, polarity)
    data = target_pdf(target, sheet) if suffix == ".pdf" else target_png(target, sheet, dpi=dpi)
    write_bytes_atomic(out, data)
    height, width = seen
    click.echo(f"{out}: {target.caption}, on paper of {sheet[0]:g} x {sheet[1]:g} mm")
    click.echo(
        f"Filling a picture of {width} x {height} px, the pitch is {filling_pitch(counts, seen):.0f} px: kernels of up "
        f"to {largest_kernel(target, seen)} px can be measured"
    )


def _target(
    counts: tuple[int, int],
    paper: tuple[float, float],
    pitch: float | None,
    radius: float | None,
    polarity: Polarity,
) -> DiskGrid:
    from dataclasses import replace

    from psf.target import RADIUS, corner_mm, fit_to_paper

    target = fit_to_paper(counts, paper, polarity=polarity)
    pitch = pitch or target.pitch_mm
    try:
        target = replace(target, pitch_mm=pitch, radius_mm=radius or RADIUS * pitch)
    except ValueError as error:
        raise InputError(
            "--radius" if radius else "--pitch", str(error), "use smaller disks or a larger pitch"
        ) from None
    corner_mm(target, paper)  # whether it fits
    return target
