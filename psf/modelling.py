"""A model's kernel as numbers, text and files: what ``psf model`` prints and writes."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lfsynth.errors import InputError
from lfsynth.pictures import write as write_picture
from lfsynth.pictures import write_bytes_atomic
from lfsynth.png import encode_png
from psf.figures import profile_figure
from psf.merit import Kernel, Merit, measure
from psf.models import Model, kernel
from psf.named_models import light_inside, model_text, size_holding
from psf.optics import Optics, in_physical_units

KERNEL_SUFFIXES = (".npy", ".tif", ".tiff")
_UM = 1e6
_NAMES = {
    "f_number": ("working f-number", 1.0, ""),
    "radius_m": ("blur circle's radius", _UM, "um"),
    "waves": ("defocus W20", 1.0, "waves"),
    "image_defocus_m": ("defocus at the sensor", _UM, "um"),
    "sigma_m": ("sigma", _UM, "um"),
}
"""Of what `psf.optics.in_physical_units` gives: name, factor and unit for people."""


@dataclass(frozen=True)
class Rendering:
    """How a model becomes a kernel.

    Attributes
    ----------
    size : odd, px; None: chosen
    centre : (y, x) of the model from the middle of the middle pixel, px
    pixel : side of the pixel, 1 for the system's kernel, 0 for the optical one
    """

    size: int | None = None
    centre: tuple[float, float] = (0.0, 0.0)
    pixel: float = 1.0


@dataclass(frozen=True, eq=False)
class Rendered:
    """A model, its kernel (n, n) of sum 1, the part of the light that this holds, and its figures."""

    model: Model
    kernel: Kernel
    light: float
    merit: Merit


def render(model: Model, rendering: Rendering) -> Rendered:
    """Make a model's kernel.

    Raises
    ------
    ValueError
        If no light falls inside.
    """
    size = rendering.size or size_holding(model, centre=rendering.centre)
    pixels = kernel(model, size, centre=rendering.centre, pixel=rendering.pixel)
    return Rendered(model, pixels, light_inside(model, size, centre=rendering.centre), measure(pixels))


def text_of(
    rendered: Rendered,
    family: str | None,
    values: Mapping[str, float],
    *,
    optics: Optics | None = None,
    pitch: float | None = None,
) -> list[str]:
    """Lines that tell of a model.

    Parameters
    ----------
    rendered : the model
    family, values : of its parameters, px; no family where `psf.named_models` has no text for it
    optics : of the camera, where known
    pitch : of the pixels, um, where known
    """
    merit, size = rendered.merit, len(rendered.kernel)
    lines = [_line("kernel", f"{size} x {size} px, holds {100 * rendered.light:.1f} % of the light")]
    lines += [_line(name, _length(value, pitch)) for name, value in values.items() if name != "aperture"]
    if "aperture" in values:
        lines.append(_line("aperture", f"{values['aperture']:.3f} view steps"))
    if optics is not None:
        for name, value in in_physical_units(rendered.model, optics).items():
            if name not in ("radius_m", "sigma_m"):  # said above
                lines.append(_line(*physical(name, value)))
    if "scale" in values:
        lines.append(_line("first dark ring in focus", _length(1.21967 * values["scale"], pitch)))
    for name in ("fwhm", "ee50", "ee80"):
        lines.append(_line(name.upper(), _length(getattr(merit, name), pitch)))
    mtf = "above 0.5 c/px" if merit.mtf50 is None else f"{merit.mtf50:.4f} c/px"
    lines.append(_line("MTF50", mtf))
    lines.append(_line("peak", f"{merit.peak:.4g} a pixel"))
    if family is not None:
        lines.append(_line("as text", f"--model {model_text(family, values)}"))
    return lines


def physical(name: str, value: float, error: float | None = None) -> tuple[str, str]:
    """Name and value, with its error, of an entry of `psf.optics.in_physical_units`, for people."""
    title, factor, unit = _NAMES[name]
    spread = "" if error is None else f" ± {error * factor:.2g}"
    return title, f"{value * factor:.4g}{spread} {unit}".strip()


def write(out: Path, rendered: Rendered) -> list[Path]:
    """Write the kernel, and its figure beside it; the files.

    Raises
    ------
    InputError : for another suffix than `KERNEL_SUFFIXES`, or where they cannot be written
    """
    write_kernel(out, rendered.kernel)
    figure = out.with_suffix(".png")
    write_bytes_atomic(figure, encode_png(profile_figure({out.stem: rendered.kernel})))
    return [out, figure]


def write_kernel(path: Path, pixels: Kernel) -> None:
    """Write a kernel as float64 .npy or float32 TIFF, atomically.

    Raises
    ------
    InputError : for another suffix than `KERNEL_SUFFIXES`, or where it cannot be written
    """
    if path.suffix.lower() not in KERNEL_SUFFIXES:
        raise InputError(path, "kernels are written as .npy or TIFF", "name it .npy or .tif")
    if path.suffix.lower() == ".npy":
        buffer = io.BytesIO()
        np.save(buffer, pixels, allow_pickle=False)
        write_bytes_atomic(path, buffer.getvalue())
    else:
        write_picture(path, pixels[:, :, None].astype(np.float32), bits=32)


def _line(name: str, value: str) -> str:
    return f"{name:24} {value}"


def _length(value: float, pitch: float | None) -> str:
    """A length in px, and in um where the pixels' pitch is known."""
    return f"{value:.3f} px" + ("" if pitch is None else f", {value * pitch:.4g} um")
