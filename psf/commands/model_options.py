"""Options of ``psf model``: the camera, the lens, the blur, and what to write."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lfsynth.errors import InputError

if TYPE_CHECKING:
    from psf.models import Model
    from psf.optics import Optics, ThinLens

Command = Callable[..., Any]
LENS = ("focal_length", "focus", "distance")
"""Options that only a lens has."""
WAVELENGTH = 550.0
"""nm, where none is asked for."""

positive = click.FloatRange(0, min_open=True)


def _options(*options: Command) -> Callable[[Command], Command]:
    """Several options as one decorator, shown in this order."""

    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


camera_options = _options(
    click.option("--f-number", type=positive, metavar="N", help="Working f-number."),
    click.option("--pixel-pitch", type=positive, metavar="UM", help="Micrometres from pixel to pixel."),
    click.option(
        "--wavelength", default=WAVELENGTH, show_default=True, type=positive, metavar="NM", help="Nanometres."
    ),
)
scale_option = click.option(
    "--scale",
    type=positive,
    metavar="PX",
    help="Wavelength times f-number in pixels, instead of --f-number and --pixel-pitch.",
)
lens_options = _options(
    click.option("--focal-length", type=positive, metavar="MM", help="Of the lens."),
    click.option("--focus", type=positive, metavar="M", help="Distance of the plane in focus from the lens."),
    click.option("--distance", type=positive, metavar="M", help="Distance of the object from the lens."),
)
radius_option = click.option("--radius", type=positive, metavar="PX", help="Of the blur circle.")
defocus_option = click.option(
    "--defocus",
    type=click.FloatRange(0),
    metavar="WAVES",
    help="W20 at the pupil's rim: radius = 4 W20 x wavelength x f-number.",
)
output_options = _options(
    click.option(
        "--out",
        type=click.Path(path_type=Path),
        help="File to write, .npy or .tif (float32); the figure goes beside it. Default: none.",
    ),
    click.option(
        "--size", type=click.IntRange(3, 2001), metavar="PX", help="Odd. Default: holds 98 % of the light."
    ),
    click.option(
        "--centre",
        nargs=2,
        type=float,
        default=(0.0, 0.0),
        metavar="Y X",
        help="Of the model, px from the middle pixel's middle. Default: 0 0.",
    ),
    click.option(
        "--optical",
        is_flag=True,
        help="The light at the pixels' middles. Default: integrated over the pixels.",
    ),
)


def optics_of(f_number: float, pixel_pitch: float, wavelength: float) -> Optics:
    """Optics of a working f-number, micrometres and nanometres."""
    from psf.optics import Optics

    return Optics(f_number, pixel_pitch * 1e-6, wavelength * 1e-9)


def lens_of(options: Mapping[str, Any]) -> ThinLens | None:
    """The lens; None where no option of it is given.

    Raises
    ------
    InputError : where one is missing, or they contradict each other
    """
    from psf.optics import ThinLens

    if all(options.get(name) is None for name in LENS):
        return None
    missing = [name for name in (*LENS, "f_number", "pixel_pitch") if options.get(name) is None]
    if missing:
        flags = " and ".join("--" + name.replace("_", "-") for name in missing)
        raise InputError("psf model", f"a lens needs {flags}, too", "give them, or the blur's --radius")
    try:
        return ThinLens(options["focal_length"] * 1e-3, options["f_number"], options["focus"])
    except ValueError as error:
        raise InputError("psf model", str(error), "correct --focal-length or --focus") from None


def optics_given(options: Mapping[str, Any]) -> Optics | None:
    """Optics of the options, at the lens's working f-number where there is a lens; None where not known."""
    f_number, pitch, wavelength = (options.get(name) for name in ("f_number", "pixel_pitch", "wavelength"))
    if f_number is None or pitch is None:
        return None
    wavelength = wavelength or WAVELENGTH
    lens = lens_of(options)
    if lens is not None:
        return lens.optics(pitch * 1e-6, wavelength * 1e-9)
    return optics_of(f_number, pitch, wavelength)


def blur(
    radius: float | None, defocus: float | None, scale: float | None, options: Mapping[str, Any]
) -> float:
    """Radius of the blur circle, px.

    Parameters
    ----------
    radius, defocus : the options
    scale : the Airy pattern's, px, for what is given as --defocus; None where geometry alone counts
    options : the camera's and the lens's
    """
    lens = lens_of(options)
    given = (lens is not None) + (radius is not None) + (defocus is not None)
    ways = "--radius" if scale is None else "--radius, --defocus"
    if given == 0:
        cure = f"give {ways}, or --focal-length, --f-number, --focus, --distance and --pixel-pitch"
        raise InputError("psf model", "the blur is not known", cure)
    if given > 1:
        raise InputError(
            "psf model", "the blur is given twice", f"give {ways}, or the lens and its distances"
        )
    if lens is not None:
        return abs(lens.blur_radius(options["distance"], options["pixel_pitch"] * 1e-6))
    if radius is not None:
        return radius
    assert defocus is not None
    assert scale is not None
    return 4 * defocus * scale


def airy_scale(scale: float | None, options: Mapping[str, Any]) -> float:
    """Wavelength times f-number, px."""
    if scale is not None:
        if options["f_number"] is not None:
            raise InputError("--scale", "given together with --f-number", "give one or the other")
        return scale
    optics = optics_given(options)
    if optics is None:
        raise InputError(
            "psf model",
            "the Airy pattern's scale is not known",
            "give --f-number and --pixel-pitch, or --scale",
        )
    return optics.scale


def show(
    family: str | None,
    model: Model,
    values: Mapping[str, float],
    out: Path | None,
    options: Mapping[str, Any],
) -> None:
    """Print a model's figures and write its kernel.

    Parameters
    ----------
    family : of `psf.families`; None where the model is not in one
    values : its parameters, px
    out : None: nothing is written
    options : of `output_options`, and the camera's where there are any
    """
    from psf.modelling import Rendering, render, text_of, write

    size = options["size"]
    if size is not None and size % 2 == 0:
        raise InputError("--size", f"{size} is not odd", "use an odd number of pixels, such as 77")
    rendering = Rendering(size, options["centre"], 0.0 if options["optical"] else 1.0)
    try:
        rendered = render(model, rendering)
    except ValueError as error:
        raise InputError("psf model", str(error), "use a larger --size or another --centre") from None
    pitch = options.get("pixel_pitch")
    for line in text_of(rendered, family, values, optics=optics_given(options), pitch=pitch):
        click.echo(line)
    if out is not None:
        for path in write(out, rendered):
            click.echo(path)
