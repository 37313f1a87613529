"""``psf model``: kernels from optics, and what optics explain a kernel best."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lfsynth.errors import InputError
from psf.commands.model_options import (
    airy_scale,
    blur,
    camera_options,
    defocus_option,
    lens_options,
    optics_of,
    output_options,
    positive,
    radius_option,
    scale_option,
    show,
)


@click.group(
    "model",
    epilog="\b\nExamples:\n"
    "  psf model airy --f-number 8 --pixel-pitch 2 --out airy.npy\n"
    "  psf model pillbox --focal-length 50 --f-number 4 --focus 1 --distance 0.9 --pixel-pitch 4\n"
    "  psf model fit psf/:g --out fit/",
)
def command() -> None:
    """Kernels from optics, and what optics explain a kernel best.

    A blur is given by its circle's --radius in pixels, by the wave aberration --defocus, or by the lens and distances.
    """


@command.command(
    "pillbox",
    short_help="Out of focus, by geometry: a disk.",
    epilog="\b\nExample:\n  psf model pillbox --radius 10 --out pillbox.npy",
)
@radius_option
@lens_options
@click.option("--f-number", type=positive, metavar="N", help="As engraved on the lens.")
@click.option("--pixel-pitch", type=positive, metavar="UM", help="Micrometres from pixel to pixel.")
@output_options
def pillbox(radius: float | None, out: Path | None, **options: Any) -> None:
    """A uniform disk: defocus by geometry."""
    from psf.models import Pillbox

    size = blur(radius, None, None, options)
    if not size > 0:
        raise InputError("psf model", "an object in focus has no blur circle", "use psf model airy")
    show("pillbox", Pillbox(size), {"radius": size}, out, options)


@command.command(
    "gaussian",
    short_help="A round Gaussian.",
    epilog="\b\nExample:\n  psf model gaussian --sigma 2.5 --out gaussian.npy",
)
@click.option("--sigma", required=True, type=positive, metavar="PX", help="Standard deviation.")
@output_options
def gaussian(sigma: float, out: Path | None, **options: Any) -> None:
    """A round Gaussian."""
    from psf.models import Gaussian

    show("gaussian", Gaussian(sigma), {"sigma": sigma}, out, options)


@command.command(
    "airy",
    short_help="In focus: a round pupil's pattern.",
    epilog="\b\nExample:\n  psf model airy --f-number 8 --wavelength 530 --pixel-pitch 2 --out airy.npy",
)
@camera_options
@scale_option
@output_options
def airy(scale: float | None, out: Path | None, **options: Any) -> None:
    """The pattern of a round pupil in focus."""
    from psf.models import Airy

    scale = airy_scale(scale, options)
    show("airy", Airy(scale), {"scale": scale}, out, options)


@command.command(
    "defocused-airy",
    short_help="Out of focus: by the pupil integral.",
    epilog="\b\nExamples:\n"
    "  psf model defocused-airy --f-number 8 --pixel-pitch 2 --defocus 1.5 --out defocused.npy\n"
    "  psf model defocused-airy --scale 2 --radius 15 --out defocused.npy",
)
@camera_options
@scale_option
@radius_option
@defocus_option
@lens_options
@output_options
def defocused_airy(
    scale: float | None, radius: float | None, defocus: float | None, out: Path | None, **options: Any
) -> None:
    """The pattern of a round pupil out of focus, by the pupil integral."""
    from psf.models import DefocusedAiry

    scale = airy_scale(scale, options)
    size = blur(radius, defocus, scale, options)
    model = DefocusedAiry.of_radius(scale, size)
    show("defocused airy", model, {"scale": scale, "radius": size}, out, options)


@command.command(
    "polychromatic",
    short_help="A band of wavelengths.",
    epilog="\b\nExample:\n"
    "  psf model polychromatic --f-number 8 --pixel-pitch 2 --radius 10 --band 420 680 --out white.npy",
)
@camera_options
@scale_option
@radius_option
@defocus_option
@lens_options
@click.option(
    "--band",
    nargs=2,
    type=positive,
    default=(400.0, 700.0),
    metavar="NM NM",
    help="First and last wavelength, of equal light. Default: 400 700.",
)
@click.option(
    "--steps", default=7, show_default=True, type=click.IntRange(1, 101), help="Wavelengths in the band."
)
@output_options
def polychromatic(
    scale: float | None,
    radius: float | None,
    defocus: float | None,
    band: tuple[float, float],
    steps: int,
    out: Path | None,
    **options: Any,
) -> None:
    """Patterns of a band of wavelengths, through a lens without longitudinal colour.

    --scale and --defocus are those at --wavelength.
    """
    import numpy as np

    from psf.models import Polychromatic

    if not band[0] < band[1]:
        raise InputError("--band", f"{band[0]:g} is not below {band[1]:g}", "give the shorter one first")
    reference = options["wavelength"]
    scale = airy_scale(scale, options)
    size = blur(radius, defocus, scale, options)
    relative = [float(one) / reference for one in np.linspace(*band, steps)]
    model = Polychromatic.of_band(scale, size, relative)
    # The family that has this name is the visible band's at 550 nm.
    visible = band == (400.0, 700.0) and steps == 7 and reference == 550.0
    values = {"scale": scale, "radius": size}
    show("polychromatic" if visible else None, model, values, out, options)


@command.command(
    "synthetic-aperture",
    short_help="A refocused light field: a spot for each view.",
    epilog="\b\nExample:\n"
    "  psf model synthetic-aperture --spacing 5 --sigma 0.8 --aperture 6.5 --out light_field.npy",
)
@click.option(
    "--spacing",
    required=True,
    type=positive,
    metavar="PX",
    help="From spot to spot: the refocusing's slope less the point's disparity, px a view step.",
)
@click.option("--sigma", required=True, type=positive, metavar="PX", help="Of a spot, a Gaussian.")
@click.option(
    "--aperture",
    default=6.5,
    show_default=True,
    type=click.FloatRange(0.55, 15.5),
    metavar="STEPS",
    help="Radius of the round aperture in view steps.",
)
@output_options
def synthetic_aperture(
    spacing: float, sigma: float, aperture: float, out: Path | None, **options: Any
) -> None:
    """What refocusing a light field makes of a point: a spot for each view."""
    from psf.families import FAMILIES

    values = {"spacing": spacing, "sigma": sigma, "aperture": aperture}
    show("synthetic aperture", FAMILIES["synthetic aperture"].build(values), values, out, options)


@command.command(
    "fit",
    short_help="Fit models to a kernel and rank them.",
    epilog="\b\nExamples:\n"
    "  psf model fit psf/:g\n"
    "  psf model fit g.npy --sigma g_sigma.npy --family pillbox --family defocused-airy --out fit/\n"
    "  psf model fit g.npy --f-number 8 --pixel-pitch 2 --fixed scale=2.2",
)
@click.argument("kernel")
@click.option(
    "--family",
    "families",
    multiple=True,
    type=click.Choice(
        ["pillbox", "gaussian", "airy", "defocused-airy", "polychromatic", "synthetic-aperture"]
    ),
    help="Fit this one; several times. Default: all that apply.",
)
@click.option(
    "--fixed", multiple=True, metavar="NAME=VALUE", help="A parameter that is known, such as scale=2.2."
)
@click.option("--sigma", metavar="FILE", help="Standard errors of the kernel, as psf estimate writes them.")
@click.option(
    "--optical",
    is_flag=True,
    help="The kernel is the light at the pixels' middles. Default: integrated over the pixels.",
)
@camera_options
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for fit.json, fit.png and the best model's kernel. Default: none.",
)
def fit(
    kernel: str,
    families: tuple[str, ...],
    fixed: tuple[str, ...],
    sigma: str | None,
    optical: bool,
    f_number: float | None,
    pixel_pitch: float | None,
    wavelength: float,
    out: Path | None,
) -> None:
    """Fit the models to a kernel and rank them by an information criterion.

    KERNEL is a .npy or TIFF file, or an output of psf estimate. The lower the criterion (BIC), the better; 0 is the
    best model's, and 10 more is strong evidence against. With --f-number and --pixel-pitch what is found is said in
    physical units, too.
    """
    from psf.fitting import Job, run, text_of, write
    from psf.kernel_files import read_kernel

    optics = optics_of(f_number, pixel_pitch, wavelength) if f_number and pixel_pitch else None
    if optics is None and (f_number or pixel_pitch):
        raise InputError(
            "--f-number and --pixel-pitch", "one is missing", "give both, for results in physical units"
        )
    named = read_kernel(kernel)
    job = Job(
        kernel=named.kernel,
        name=named.name,
        families=tuple(name.replace("-", " ") for name in families),
        fixed=_fixed(fixed),
        sigma=None if sigma is None else _errors(sigma),
        pixel=0.0 if optical else 1.0,
        optics=optics,
    )
    found = run(job)
    for line in text_of(found, job):
        click.echo(line)
    if out is not None:
        for path in write(out, found, job):
            click.echo(path)


def _errors(path: str) -> Any:
    """An array of standard errors."""
    import numpy as np

    try:
        return np.asarray(np.load(path, allow_pickle=False), np.float64)
    except FileNotFoundError:
        raise InputError(path, "there is no such file", "check --sigma") from None
    except (OSError, ValueError, EOFError) as error:
        raise InputError(path, f"it cannot be read ({error})", "name a .npy file of errors") from None


def _fixed(texts: tuple[str, ...]) -> dict[str, float]:
    values = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            values[name.strip()] = float(value)
        except ValueError:
            raise InputError("--fixed", f"{text!r} is no value", "write it as scale=2.2") from None
    return values
