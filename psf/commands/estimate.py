"""``psf estimate``: kernels from photographs of disks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lfsynth.commands.options import sampling_option
from lfsynth.errors import InputError

if TYPE_CHECKING:
    from psf.estimate import Options
    from psf.light_field import Opening

CHANNELS = ("r", "g", "b", "luma", "each")
"""Values of `psf.photograph.Channel`."""
MOSAICS = ("rggb", "bggr", "grbg", "gbrg")
"""Values of `psf.photograph.Bayer`."""
PRIORS = ("quadratic", "tv", "squares", "curvature")
"""Values of `psf.solve.Prior`."""
METHODS = ("regularised", "mannan-langer")
WEIGHTS = {
    "image_gradient": "--smooth-gradient",
    "kernel_gradient": "--kernel-gradient",
    "kernel": "--kernel-norm",
    "tail": "--tail",
}
"""Fields of `psf.mannan_langer.Weights`, and their options."""
POLARITIES = ("black-on-white", "white-on-black")
"""Values of `psf.coarse.Polarity`, in one word."""


@click.command(
    "estimate",
    epilog="\b\nExamples:\n"
    "  psf estimate --images disks/ --transfer linear --channel g --out psf/\n"
    "  psf estimate --images 'shots/*.tif' --bayer rggb --channel each --dark dark/ --out psf/\n"
    "  psf estimate --images focus/*.png --transfer srgb --channel luma --each --out psf/\n"
    "  psf estimate --images shot.tif --transfer linear --channel g --field 3x3 --out psf/",
)
@click.option(
    "--images", multiple=True, help="Folder, file or quoted pattern; several times, or files after it."
)
@click.argument("more", nargs=-1, metavar="[FILE]...")
@click.option(
    "--each",
    is_flag=True,
    help="Every photograph is a setting of its own, with its own kernel. "
    "Default: all are shots of one setting, and go into one kernel.",
)
@click.option("--size", default="auto", show_default=True, metavar="N|auto", help="px, odd, of the kernels.")
@click.option(
    "--grid", default="auto", show_default=True, metavar="CxR|auto", help="Columns x rows of disks."
)
@click.option(
    "--transfer",
    metavar="CURVE",
    help="Curve of the codes: linear, srgb or gamma:2.2. "
    "Default: what a PNG says; linear for floats, mosaics and camera raw.",
)
@click.option(
    "--channel", type=click.Choice(CHANNELS), help="Light of a colour picture or mosaic to measure."
)
@click.option("--bayer", type=click.Choice(MOSAICS), help="Grey pictures are mosaics of these colours.")
@click.option("--dark", multiple=True, help="Dark frames to take off: folder, file or quoted pattern.")
@click.option("--field", metavar="RxC", help="A kernel for each of so many rows x columns of zones.")
@click.option("--polarity", type=click.Choice(POLARITIES), help="Of the target. Default: found out.")
@click.option("--prior", type=click.Choice(PRIORS), help="Default: the one of the smallest expected error.")
@click.option(
    "--share", type=float, help="Of the pixels that weight times prior is to be. Default: automatic."
)
@click.option(
    "--sharp",
    type=click.Path(path_type=Path),
    help="Photograph of the same target in focus: the kernels "
    "then are relative, they turn it into the others.",
)
@click.option(
    "--slope", type=float, help="The images are light fields, refocused to this disparity, px a view."
)
@click.option("--radius", type=float, help="Of the light fields' aperture, views. Default: all live views.")
@sampling_option
@click.option(
    "--method", type=click.Choice(METHODS), default=METHODS[0], show_default=True, help="Estimator."
)
@click.option(
    "--smooth-gradient",
    "image_gradient",
    type=click.FloatRange(0),
    help="Weights of Mannan and Langer's objective, for pictures of range 1: of the pictures' gradients,",
)
@click.option("--kernel-gradient", type=click.FloatRange(0), help="of the kernel's gradient,")
@click.option("--kernel-norm", "kernel", type=click.FloatRange(0), help="of the kernel's square,")
@click.option("--tail", type=click.FloatRange(0), help="and of what is far from its middle. Default: 0 each.")
@click.option("--models", is_flag=True, help="Fit models of optics, too; seconds for each kernel.")
@click.option("--no-radius-search", is_flag=True, help="Take the disks' radius as first found.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the kernels.")
def command(out: Path, images: tuple[str, ...], more: tuple[str, ...], **values: Any) -> int:
    """Estimate kernels from photographs of a target of disks.

    Writes into --out, for each colour and field zone, the kernel as .npy and float TIFF, its standard error, profiles
    and a figure, and for all of them estimate.json and report.html.

    Exits with 1 where some kernels were refused, each with its reason.
    """
    from lfsynth.commands.progress import watched
    from lfsynth.transfer import Transfer
    from psf.coarse import Polarity
    from psf.estimate_folder import check_out, write_folder
    from psf.estimating import Request, run
    from psf.photograph import Bayer, Channel, Reading

    images = (*images, *more)
    if not images:
        raise InputError("psf estimate", "is told no photographs", "name them by --images")
    optional = {key: value for key, value in values.items() if value is not None}
    transfer, channel, bayer = (values[key] for key in ("transfer", "channel", "bayer"))
    request = Request(
        images=images,
        reading=Reading(
            None if transfer is None else Transfer.parse(transfer),
            None if channel is None else Channel(channel),
            None if bayer is None else Bayer(bayer),
        ),
        dark=values["dark"],
        size=_size(values["size"]),
        grid=None if values["grid"] == "auto" else _two(values["grid"], "--grid", "23x17"),
        polarity=Polarity(optional["polarity"].replace("-", " ")) if "polarity" in optional else None,
        parts=_two(optional["field"], "--field", "3x3") if "field" in optional else None,
        each=values["each"],
        opening=_opening(values),
        sharp=values["sharp"],
        models=values["models"],
        options=_options(values),
    )
    check_out(out)
    zones = request.parts[0] * request.parts[1] if request.parts else 1
    with watched(zones, "kernels") as progress:
        results = run(request, report=progress.report)
        write_folder(out, results, _record(images, out, values))
    for one in results.kernels:
        quality = one.estimate.quality
        click.echo(
            f"{one.name}: {len(one.kernel)} px, FWHM {one.merit.fwhm:.2f} px, EE50 {one.merit.ee50:.2f} px, "
            f"residual {quality.residual_over_noise:.2f} of the noise, {quality.disks} disks, {quality.cut} cut"
        )
    return 1 if results.refused else 0


def _record(images: tuple[str, ...], out: Path, values: dict[str, Any]) -> dict[str, Any]:
    """Every option, as JSON values."""
    options = {"images": images, **values, "out": out}
    return {name: str(value) if isinstance(value, Path) else value for name, value in options.items()}


def _options(values: dict[str, Any]) -> Options:
    """The estimator's, of options that go together."""
    from psf.estimate import Options
    from psf.mannan_langer import Weights
    from psf.solve import Prior

    weights = {name: values[name] for name in WEIGHTS if values[name] is not None}
    prior, share, search = values["prior"], values["share"], not values["no_radius_search"]
    if values["method"] == METHODS[1]:
        if prior is not None or share is not None:
            raise InputError("--prior", f"--method {METHODS[1]} has none", "leave out --prior and --share")
        return Options(search_radius=search, mannan_langer=Weights(**weights))
    if weights:
        option = WEIGHTS[next(iter(weights))]
        raise InputError(option, f"--method {METHODS[0]} has no such weight", f"add --method {METHODS[1]}")
    if share is not None and prior is None:
        raise InputError("--share", "it is given without a prior", "name one by --prior")
    return Options(None if prior is None else Prior(prior), share, search)


def _opening(values: dict[str, Any]) -> Opening | None:
    """How light fields are refocused; None for photographs."""
    from lfsynth.aperture import Sampling
    from psf.light_field import Opening

    sampling = Sampling(values["sampling"])
    if values["slope"] is None:
        if values["radius"] is not None:
            raise InputError("--radius", "it is given without --slope", "say by --slope where the focus is")
        if sampling is not Sampling.VIEWS:
            fault, cure = "it is given without --slope", "say by --slope where the focus is"
            raise InputError("--aperture-sampling", fault, cure)
        return None
    wrong = [f"--{name}" for name in ("transfer", "bayer", "dark", "sharp") if values[name]]
    if wrong:
        raise InputError(wrong[0], "light fields are read without it", "leave it out")
    return Opening(values["slope"], values["radius"], sampling)


def _size(text: str) -> int | None:
    if text == "auto":
        return None
    if not text.isdecimal() or int(text) < 3 or int(text) % 2 == 0:
        raise InputError("--size", f"{text} is not odd", "use an odd number of pixels, such as 77, or auto")
    return int(text)


def _two(text: str, option: str, example: str) -> tuple[int, int]:
    match = re.fullmatch(r"([1-9]\d{0,3})[x×]([1-9]\d{0,3})", text.strip().lower())
    if match is None:
        raise InputError(option, f"{text!r} is no pair of numbers", f"write it as {example}")
    return int(match[1]), int(match[2])
