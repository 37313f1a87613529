"""Options that several commands share.

What reads light fields is imported when a command runs, so that ``--help`` is quick.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lfsynth.errors import InputError

if TYPE_CHECKING:
    from lfsynth.frame import Frame
    from lfsynth.readers import ReadOptions
    from lfsynth.sensor import SensorNoise

Command = Callable[..., Any]

ORDERS = ("rows", "columns", "serpentine")
"""Values of `lfsynth.readers.Order`."""
FORMATS = ("folder", "hci", "eslf", "tiled", "mat", "hdf5", "hci-hdf5", "lytro")
"""Values of `lfsynth.readers.Format`."""
METHODS = ("robust-average", "centre-view")
"""Values of `lfsynth.allinfocus.Method`."""

SAMPLINGS = ("views", "dense")
"""Values of `lfsynth.aperture.Sampling`."""

_READING = (
    click.option(
        "--transfer",
        metavar="CURVE",
        help="Curve of the stored values: srgb, linear or gamma:2.2. Default: what the file says, else srgb "
        "for integers and linear for floats.",
    ),
    click.option(
        "--views",
        metavar="UxV",
        help="Number of views, rows x columns, where names cannot tell, and for one tiled picture.",
    ),
    click.option("--order", type=click.Choice(ORDERS), help="How views are counted in file names."),
    click.option(
        "--format", "format_", type=click.Choice(FORMATS), help="What the light field is stored as."
    ),
    click.option(
        "--calibration",
        multiple=True,
        type=click.Path(path_type=Path),
        help="White pictures for raw captures: camera.h5 of lfsynth calibrate, caldata-*.tar, or a folder of these. "
        "Several times. Default: the captures' folder and all below it.",
    ),
)

calibration_option = _READING[-1]
path_argument = click.argument("path", type=click.Path(path_type=Path))
bits_option = click.option(
    "--bits", default="8", show_default=True, type=click.Choice(["8", "16"]), help="Bits a channel."
)
size_option = click.option(
    "--size", default="native", show_default=True, metavar="HxW", help="Size of the pictures, as 688x1008."
)
blades_option = click.option(
    "--blades", default=0, type=click.IntRange(0, 99), help="Sides of a polygonal aperture; 0: a disk."
)

sampling_option = click.option(
    "--aperture-sampling",
    "sampling",
    default=SAMPLINGS[0],
    show_default=True,
    type=click.Choice(SAMPLINGS),
    help="At the captured views alone, which blurs by a spot for each; or densely, by disparity, as a lens does.",
)


_CAMERA = (
    click.option(
        "--cats-eye",
        type=click.FloatRange(0, 1),
        default=0.0,
        metavar="FRACTION",
        help="Cut the aperture towards the corners: there the rims of the barrel are displaced by that part of its "
        "radius, 0 to 1.",
    ),
    click.option(
        "--recover-highlights",
        "highlights",
        type=click.FloatRange(0, 16),
        default=0.0,
        metavar="STOPS",
        help="Take small, sharply bounded clipped lights for so much brighter than white. Their brightness is not "
        "in the data: it is your assumption.",
    ),
    click.option(
        "--noise-model",
        metavar="GAIN,READ",
        help="Add a sensor's noise to the blurred pictures: variance GAIN * signal + READ^2, linear light, white is 1.",
    ),
    click.option(
        "--psf",
        type=click.Path(path_type=Path),
        help="Convolve the blurred pictures with a camera's kernel in focus, .npy as psf estimate writes it.",
    ),
)


def camera(command: Command) -> Command:
    """Add options that say what else of a camera pictures have; the command takes them as ``lens: Lens``."""

    @functools.wraps(command)
    def with_options(
        *arguments: Any,
        cats_eye: float,
        highlights: float,
        noise_model: str | None,
        psf: Path | None,
        **others: Any,
    ) -> Any:
        from lfsynth.camera_psf import read_camera_psf
        from lfsynth.lens import Lens

        lens = Lens(
            cats_eye=cats_eye,
            highlights=highlights,
            noise=None if noise_model is None else _sensor_noise(noise_model),
            psf=None if psf is None else read_camera_psf(psf),
        )
        return command(*arguments, lens=lens, **others)

    for decorator in reversed(_CAMERA):
        with_options = decorator(with_options)
    return with_options


def _sensor_noise(text: str) -> SensorNoise:
    from lfsynth.sensor import SensorNoise

    try:
        gain, read = (float(part) for part in text.split(","))
    except ValueError:
        fault = f"{text!r} is not of the form GAIN,READ"
        raise InputError("--noise-model", fault, "give two numbers, as 2e-4,1e-3") from None
    if not (0 <= gain < 1 and 0 <= read < 1):
        cure = "give fractions of white, 0 to below 1"
        raise InputError("--noise-model", f"{text!r} holds a number out of range", cure)
    return SensorNoise(gain, read)


def reading(command: Command) -> Command:
    """Add options that say how to read a light field; the command takes them as ``options: ReadOptions``."""

    @functools.wraps(command)
    def with_options(
        *arguments: Any,
        transfer: str | None,
        views: str | None,
        order: str | None,
        format_: str | None,
        calibration: tuple[Path, ...],
        **others: Any,
    ) -> Any:
        options = _read_options(transfer, views, order, format_, calibration)
        return command(*arguments, options=options, **others)

    for decorator in reversed(_READING):
        with_options = decorator(with_options)
    return with_options


def _read_options(
    transfer: str | None,
    views: str | None,
    order: str | None,
    format_: str | None,
    calibration: tuple[Path, ...],
) -> ReadOptions:
    from lfsynth.readers import Format, Order, ReadOptions
    from lfsynth.transfer import Transfer

    grid = None if views is None else pair("--views", views)
    if grid == (1, 1):
        raise InputError("--views", f"{views!r} is a single view", "a light field has more than one")
    return ReadOptions(
        transfer=None if transfer is None else Transfer.parse(transfer),
        views=grid,
        order=None if order is None else Order(order),
        format=None if format_ is None else Format(format_),
        calibration=existing(calibration),
    )


def existing(calibration: tuple[Path, ...]) -> tuple[Path, ...]:
    """The values of ``--calibration``; an InputError names one that is not there."""
    for path in calibration:
        if not path.exists():
            raise InputError(path, "there is no such file or folder", "correct --calibration")
    return calibration


def size_of(text: str) -> tuple[int, int] | None:
    """Read the value of `size_option`: height and width, None for the views' own."""
    return None if text == "native" else pair("--size", text)


def frame_of(text: str, size: tuple[int, int]) -> Frame:
    """Where to sample a picture for the value of `size_option`; ``size`` is the views'."""
    from lfsynth.frame import Frame

    wanted = size_of(text)
    return Frame.native(size) if wanted is None else Frame.resized(size, wanted)


def pair(option: str, text: str) -> tuple[int, int]:
    """Read ``13x13``; an InputError names the option."""
    match = re.fullmatch(r"\s*([0-9]{1,6})\s*[xX×]\s*([0-9]{1,6})\s*", text)
    if match is None or not int(match[1]) or not int(match[2]):
        raise InputError(option, f"{text!r} is not of the form 13x13", "give two whole numbers above 0")
    return int(match[1]), int(match[2])


def numbers(option: str, text: str | None, *, positive: bool = False) -> tuple[float, ...]:
    """Read ``-1,0,0.5``, ascending; None is empty; an InputError names the option."""
    if text is None:
        return ()
    try:
        values = tuple(sorted(float(part) for part in text.split(",")))
    except ValueError:
        raise InputError(
            option, f"{text!r} is not a list of numbers", "separate numbers by commas: 1,2.5,4"
        ) from None
    if not all(abs(v) < 1e6 and (v > 0 or not positive) for v in values):
        cure = "give numbers above 0" if positive else "give finite numbers"
        raise InputError(option, f"{text!r} holds a number out of range", cure)
    if len(set(values)) != len(values):
        raise InputError(option, f"{text!r} holds a number twice", "name each once")
    return values


def check_output(out: Path, light_field: Path, suffixes: tuple[str, ...]) -> None:
    """Refuse, before the work is done, a file name that nothing can be written under.

    Raises
    ------
    InputError
        For another suffix, a folder that is not there, or the light field itself.
    """
    if out.suffix.lower() not in suffixes:
        raise InputError(
            out, "is no name for what is to be written", f"let it end in {' or '.join(suffixes)}"
        )
    if not out.absolute().parent.is_dir():
        raise InputError(out, "its folder does not exist", "make the folder or choose another --out")
    if out.resolve() == light_field.resolve():
        raise InputError(out, "is the light field itself", "choose another --out")
