"""``lfsynth refocus``: one picture, or a focal stack."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lfsynth.commands.options import (
    bits_option,
    blades_option,
    camera,
    check_output,
    frame_of,
    numbers,
    path_argument,
    reading,
    sampling_option,
    size_option,
)
from lfsynth.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lfsynth.lens import Lens
    from lfsynth.lightfield import LightField
    from lfsynth.readers import ReadOptions

SWEEP_FRAMES = 24
"""Slopes of a sweep, from far to near."""
SWEEP_FPS = 12.0


@click.command(
    "refocus",
    epilog="\b\nExamples:\n"
    "  lfsynth refocus raw/IMG_0001 --slope=-0.5 --radius 4 --out far.png\n"
    "  lfsynth refocus raw/IMG_0001 --sweep --radius 6 --out stack.gif",
)
@path_argument
@click.option("--slope", metavar="S", help="Disparity in focus, pixels a view step; positive is nearer.")
@click.option("--sweep", is_flag=True, help="An animated focal stack, far to near and back (.gif or .png).")
@click.option("--radius", type=float, help="Radius of the aperture in views. Default: the largest there is.")
@click.option("--f-number", type=float, help="F-number of the aperture instead.")
@click.option("--inner-radius", type=float, help="Radius of a central stop, as of a mirror lens.")
@blades_option
@sampling_option
@camera
@click.option(
    "--mask",
    type=click.Path(path_type=Path),
    help="Weights of the views: .npy, .txt or a grey picture, U x V.",
)
@size_option
@bits_option
@click.option("--out", required=True, type=click.Path(path_type=Path), help="File to write.")
@reading
def command(
    path: Path,
    slope: str | None,
    sweep: bool,
    radius: float | None,
    f_number: float | None,
    inner_radius: float | None,
    blades: int,
    sampling: str,
    mask: Path | None,
    size: str,
    bits: str,
    out: Path,
    lens: Lens,
    options: ReadOptions,
) -> None:
    """Refocus a light field through a synthetic aperture."""
    import numpy as np

    from lfsynth import pictures
    from lfsynth.aperture import Sampling
    from lfsynth.disparity import disparity_map, range_of
    from lfsynth.lens import Openings, photographs
    from lfsynth.machine import cores
    from lfsynth.readers import light_field_name, read_light_field
    from lfsynth.transfer import SRGB, encode

    if sweep == (slope is not None):
        raise InputError("--slope", "is needed, or --sweep, not both", "give one of them, as --slope=-0.5")
    slopes = np.array(numbers("--slope", slope))
    if slopes.size > 1:
        raise InputError("--slope", f"{slope!r} is more than one number", "give one, or --sweep")
    if sweep and bits != "8":
        raise InputError("--bits", "animations have 8 bits a channel", "leave it out")
    _refuse_together({"--radius": radius, "--f-number": f_number, "--mask": mask})
    _refuse_together({"--inner-radius": inner_radius, "--blades": blades or None, "--mask": mask})
    # Where the barrel of a mask's lens is, no number tells.
    _refuse_together({"--cats-eye": lens.cats_eye or None, "--mask": mask})
    check_output(out, path, (".gif", ".png", ".apng") if sweep else (".png", ".tif", ".tiff"))
    lightfield = read_light_field(path, options)
    if mask is not None:
        pupil, barrel = _custom(mask, lightfield), 0.0
    else:
        pupil, barrel = _opening(lightfield, radius, f_number, inner_radius, blades, lens.parts)
    openings = Openings(pupil[None], barrel, Sampling(sampling))
    disparity = None
    if sweep or openings.sampling is Sampling.DENSE:
        disparity, confidence = disparity_map(lightfield)
        if sweep:
            nearest, farthest = range_of(disparity, confidence)
            ramp = (1 - np.cos(np.linspace(0, np.pi, SWEEP_FRAMES))) / 2
            slopes = farthest + (nearest - farthest) * ramp
    frame = frame_of(size, lightfield.size)
    try:
        made = photographs(
            lightfield,
            slopes,
            openings,
            lens,
            disparity=disparity,
            frame=frame,
            scene=light_field_name(path),
            threads=cores(),
        )[:, 0]
    except ValueError as error:
        raise InputError(path, str(error), "change --slope or the aperture") from error
    if sweep:
        frames = [encode(picture, SRGB, bits=8).astype(np.uint8, copy=False) for picture in made]
        pictures.write_animation(out, frames + frames[-2:0:-1], fps=SWEEP_FPS)
        click.echo(f"{out}: {len(frames)} slopes from {slopes[0]:.3f} to {slopes[-1]:.3f} and back")
    else:
        pictures.write(out, made[0], bits=int(bits))
        click.echo(f"{out}: slope {slopes[0]:.3f}, {made[0].shape[0]} x {made[0].shape[1]}")


def _refuse_together(options: dict[str, object]) -> None:
    given = [name for name, value in options.items() if value is not None]
    if len(given) > 1:
        raise InputError(given[0], f"given together with {given[1]}", "give one of them")


def _opening(
    lightfield: LightField,
    radius: float | None,
    f_number: float | None,
    inner_radius: float | None,
    blades: int,
    parts: int,
) -> tuple[NDArray[np.float64], float]:
    """Parts of the views' cells that an aperture given by numbers leaves open, and the radius that holds it."""
    from lfsynth import aperture

    if f_number is not None:
        radius = aperture.radius_from_f_number(lightfield, f_number)
    elif radius is None:
        radius = aperture.largest_radius(lightfield)
    grid, centre = lightfield.grid, lightfield.centre
    try:
        if blades:
            opening = aperture.polygonal(grid, radius, blades, centre=centre, parts=parts)
        elif inner_radius is not None:
            opening = aperture.ring(grid, radius, inner_radius, centre=centre, parts=parts)
        else:
            opening = aperture.circular(grid, radius, centre=centre, parts=parts)
    except ValueError as error:
        raise InputError("aperture", str(error), "correct --radius, --inner-radius or --blades") from error
    return opening, aperture.reach(radius, blades)


def _custom(path: Path, lightfield: LightField) -> NDArray[np.float64]:
    """Parts of the views' cells, (PARTS U, PARTS V), from a file of weights: all of a cell have the same."""
    import numpy as np

    from lfsynth import aperture
    from lfsynth.pictures import is_picture, read_linear
    from lfsynth.transfer import LINEAR

    if is_picture(path):
        mask = read_linear(path, LINEAR).mean(axis=2, dtype=np.float64)
    else:
        try:
            if path.suffix == ".npy":
                mask = np.asarray(np.load(path), dtype=np.float64)
            else:
                lines = path.read_text().split("\n")
                mask = np.array(
                    [[float(number) for number in line.split()] for line in lines if line.strip()]
                )
        except OSError as error:
            raise InputError(path, f"cannot be read ({error.strerror})", "check the path") from error
        except (ValueError, EOFError) as error:
            raise InputError(
                path, f"is no mask ({error})", "give U lines of V numbers, a .npy array or a picture"
            ) from error
    weights = aperture.custom(mask, grid=lightfield.grid, source=path)
    return weights.repeat(aperture.PARTS, axis=0).repeat(aperture.PARTS, axis=1)
