"""``lfsynth refocus``: one picture, or a focal stack."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lfsynth.commands.options import numbers, pair, path_argument, read_options, reading
from lfsynth.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SWEEP_FRAMES = 24
SWEEP_FPS = 12.0


@click.command("refocus")
@path_argument
@click.option("--slope", type=float, help="Disparity in focus, pixels a view step; positive is nearer.")
@click.option("--sweep", is_flag=True, help="An animated focal stack from far to near and back (.gif or .png).")
@click.option("--radius", type=float, help="Radius of the aperture in view steps. Default: the largest there is.")
@click.option("--f-number", type=float, help="F-number of the aperture instead.")
@click.option("--inner-radius", type=float, help="Radius of a central stop, as of a mirror lens.")
@click.option("--blades", default=0, type=click.IntRange(0, 99), help="Sides of a polygonal aperture; 0: a disk.")
@click.option("--mask", type=click.Path(path_type=Path), help="Weights of the views: .npy, .txt or a grey picture, U x V.")
@click.option("--size", default="native", show_default=True, metavar="HxW", help="Size of the picture, as 688x1008.")
@click.option("--bits", default="8", show_default=True, type=click.Choice(["8", "16"]), help="Bits a channel.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="File to write.")
@reading
def command(
    path: Path,
    slope: float | None,
    sweep: bool,
    radius: float | None,
    f_number: float | None,
    inner_radius: float | None,
    blades: int,
    mask: Path | None,
    size: str,
    bits: str,
    out: Path,
    transfer: str | None,
    views: str | None,
    order: str | None,
    format_: str | None,
) -> None:
    """Refocus a light field by shift-and-add through a synthetic aperture.

    \b
    Examples:
      lfsynth refocus raw/IMG_0001 --slope=-0.5 --radius 4 --out far.png
      lfsynth refocus raw/IMG_0001 --sweep --radius 6 --out stack.gif
    """
    import numpy as np

    from lfsynth import aperture, pictures
    from lfsynth.disparity import disparity_range
    from lfsynth.machine import cores
    from lfsynth.readers import read_light_field
    from lfsynth.refocus import Frame, refocus
    from lfsynth.transfer import SRGB, encode

    if sweep == (slope is not None):
        raise InputError("--slope", "is needed, or --sweep, not both", "give one of them, as --slope=-0.5")
    openings = [name for name, value in (("--radius", radius), ("--f-number", f_number), ("--mask", mask)) if value is not None]
    if len(openings) > 1:
        raise InputError(openings[0], f"given together with {openings[1]}", "give one of them")
    suffixes = (".gif", ".png", ".apng") if sweep else (".png", ".tif", ".tiff")
    if out.suffix.lower() not in suffixes:
        raise InputError(out, "is no name for what is to be written", f"let it end in {' or '.join(suffixes)}")
    lightfield = read_light_field(path, read_options(transfer, views, order, format_))
    grid, centre = lightfield.grid, lightfield.centre
    try:
        if mask is not None:
            weights = aperture.custom(_read_mask(mask), grid=grid, source=mask)
        else:
            if f_number is not None:
                radius = aperture.radius_from_f_number(lightfield, f_number)
            elif radius is None:
                radius = aperture.largest_radius(lightfield)
            if blades:
                weights = aperture.polygonal(grid, radius, blades, centre=centre)
            elif inner_radius:
                weights = aperture.ring(grid, radius, inner_radius, centre=centre)
            else:
                weights = aperture.circular(grid, radius, centre=centre)
    except ValueError as error:
        raise InputError("aperture", str(error), "correct --radius, --inner-radius or --blades") from error
    if sweep:
        nearest, farthest = disparity_range(lightfield)
        slopes = farthest + (nearest - farthest) * (1 - np.cos(np.linspace(0, np.pi, SWEEP_FRAMES))) / 2
    else:
        assert slope is not None
        slopes = np.array(numbers("--slope", str(slope)))
    frame = Frame.native(lightfield.size) if size == "native" else Frame.resized(lightfield.size, pair("--size", size))
    try:
        made = refocus(lightfield, slopes, weights[None], frame=frame, threads=cores())[:, 0]
    except ValueError as error:
        raise InputError(path, str(error), "change --slope or the aperture") from error
    if sweep:
        frames = [encode(picture, SRGB, bits=8) for picture in made]
        pictures.write_animation(out, frames + frames[-2:0:-1], fps=SWEEP_FPS)
        click.echo(f"{out}: {len(frames)} slopes from {slopes[0]:.3f} to {slopes[-1]:.3f} and back")
    else:
        pictures.write(out, made[0], bits=int(bits))
        click.echo(f"{out}: slope {slopes[0]:.3f}, {made[0].shape[0]} x {made[0].shape[1]}")


def _read_mask(path: Path) -> NDArray[np.float64]:
    import numpy as np

    from lfsynth.pictures import is_picture, read_linear
    from lfsynth.transfer import LINEAR

    if is_picture(path):
        return read_linear(path, LINEAR).mean(axis=2, dtype=np.float64)
    try:
        return np.load(path) if path.suffix == ".npy" else np.loadtxt(path, ndmin=2)
    except (OSError, ValueError) as error:
        raise InputError(path, f"is no mask ({error})", "give U lines of V numbers, a .npy array or a picture") from error
