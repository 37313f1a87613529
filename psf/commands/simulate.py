"""``psf simulate``: photographs of disks with a known kernel."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lfsynth.errors import InputError

if TYPE_CHECKING:
    from psf.simulating import Blur

DISK_RADIUS = 0.3
"""Pitches, where none is asked for."""
PERSPECTIVE = 3.0
"""Distance of the camera from the target, widths of the picture."""


@click.command(
    "simulate",
    epilog="\b\nExamples:\n"
    "  psf simulate --model pillbox:radius=8 --out photo.png --truth truth/\n"
    "  psf simulate --kernel psf/:g --picture 4000x3000 --grid 7x5 --noise 0.01 --out photo.png\n"
    "  psf simulate --model airy:scale=2 --bayer rggb --colour 0.6 1 0.7 --shots 4 --out raw.png\n"
    "\b\nModels, lengths in pixels (psf model prints these texts):\n"
    "  pillbox:radius=8, gaussian:sigma=2, airy:scale=2, defocused-airy:scale=2,radius=10,\n"
    "  polychromatic:scale=2,radius=10, synthetic-aperture:spacing=5,sigma=0.8,aperture=4",
)
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="Picture to write: .png, .tif. Several shots are numbered.",
)
@click.option("--model", metavar="TEXT", help="What blurs, such as pillbox:radius=8; see below.")
@click.option(
    "--kernel", metavar="FILE", help="What blurs: a system's kernel, .npy or TIFF, or one of psf estimate."
)
@click.option("--picture", default="2000x1500", show_default=True, metavar="WxH", help="Size in pixels.")
@click.option("--grid", default="9x7", show_default=True, metavar="CxR", help="Columns x rows of disks.")
@click.option(
    "--pitch",
    type=click.FloatRange(0, min_open=True),
    metavar="PX",
    help="From disk to disk. Default: fills the picture.",
)
@click.option(
    "--disk-radius", type=click.FloatRange(0, min_open=True), metavar="PX", help="Default: 0.3 pitches."
)
@click.option(
    "--tilt",
    nargs=2,
    type=click.FloatRange(-60, 60),
    default=(0.0, 0.0),
    metavar="DEG DEG",
    help="Of the target about the picture's vertical and horizontal axis. Default: 0 0.",
)
@click.option(
    "--rotation", default=0.0, show_default=True, metavar="DEG", help="About the line of sight, clockwise."
)
@click.option(
    "--shift",
    nargs=2,
    type=float,
    default=(0.0, 0.0),
    metavar="Y X",
    help="Of the target from the picture's middle, px. Default: 0 0.",
)
@click.option(
    "--distortion",
    default=0.0,
    show_default=True,
    type=click.FloatRange(-0.3, 0.3),
    metavar="SHARE",
    help="Radial: the corners move out by this share of the half diagonal.",
)
@click.option(
    "--shading",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0, 0.95),
    metavar="SHARE",
    help="Share of the light that the corners lack.",
)
@click.option(
    "--noise",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0, 1),
    metavar="SHARE",
    help="Standard deviation, share of full scale.",
)
@click.option(
    "--full-well",
    type=click.FloatRange(10),
    metavar="ELECTRONS",
    help="At full scale, for shot noise. Default: none.",
)
@click.option("--white-on-black", is_flag=True, help="White disks on a black ground.")
@click.option(
    "--bright",
    default=0.85,
    show_default=True,
    type=click.FloatRange(0, 2),
    metavar="LIGHT",
    help="Light of the white.",
)
@click.option(
    "--dark",
    default=0.10,
    show_default=True,
    type=click.FloatRange(0, 2),
    metavar="LIGHT",
    help="Light of the black.",
)
@click.option(
    "--colour",
    nargs=3,
    type=click.FloatRange(0, 2),
    metavar="R G B",
    help="Light of red, green and blue, times --bright and --dark. Default: a grey picture.",
)
@click.option(
    "--bayer",
    type=click.Choice(["rggb", "bggr", "grbg", "gbrg"]),
    help="A mosaic of these colours, as raw files hold it.",
)
@click.option(
    "--transfer",
    default="linear",
    show_default=True,
    metavar="CURVE",
    help="Of the codes: linear, srgb or gamma:2.2.",
)
@click.option(
    "--bits",
    default="16",
    show_default=True,
    type=click.Choice(["8", "16", "32"]),
    help="A channel; 32 are floats, in TIFF alone.",
)
@click.option(
    "--shots",
    default=1,
    show_default=True,
    type=click.IntRange(1, 999),
    metavar="N",
    help="Each with its own noise.",
)
@click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(0), metavar="N", help="Of the noise."
)
@click.option(
    "--truth", type=click.Path(path_type=Path), help="Folder for the kernel, kernel.npy, and truth.json."
)
def command(
    out: Path,
    model: str | None,
    kernel: str | None,
    picture: str,
    grid: str,
    pitch: float | None,
    disk_radius: float | None,
    tilt: tuple[float, float],
    rotation: float,
    shift: tuple[float, float],
    distortion: float,
    shading: float,
    noise: float,
    full_well: float | None,
    white_on_black: bool,
    bright: float,
    dark: float,
    colour: tuple[float, float, float] | None,
    bayer: str | None,
    transfer: str,
    bits: str,
    shots: int,
    seed: int,
    truth: Path | None,
) -> None:
    """Simulate photographs of disks whose kernel is known, for tests and for teaching."""
    from lfsynth.transfer import Transfer
    from psf.simulate import Exposure, Pose
    from psf.simulating import Job, run
    from psf.target import filling_pitch, parse_grid, parse_picture

    counts, shape = parse_grid(grid), parse_picture(picture)
    pitch = pitch or filling_pitch(counts, shape)
    radius = disk_radius or DISK_RADIUS * pitch
    if not 2 * radius < pitch:
        raise InputError(
            "--disk-radius", f"disks of {radius:g} px touch at a pitch of {pitch:g} px", "use less"
        )
    if not dark < bright:
        raise InputError("--dark", f"{dark:g} is not below --bright {bright:g}", "use less")
    pose = Pose(
        shape=shape,
        grid=counts,
        pitch=pitch,
        radius=radius,
        tilt=tilt,
        rotation=rotation,
        shift=shift,
        distance=PERSPECTIVE * max(shape),
        distortion=distortion,
    )
    exposure = Exposure(
        paper=dark if white_on_black else bright,
        ink=bright if white_on_black else dark,
        vignetting=shading,
        noise=noise,
        full_well=full_well,
    )
    if bayer is not None and colour is None:
        colour = (1.0, 1.0, 1.0)
    blur = _blur(model, kernel)
    job = Job(
        out=out,
        blur=blur,
        pose=pose,
        exposure=exposure,
        colour=colour,
        bayer=bayer,
        transfer=Transfer.parse(transfer),
        bits=int(bits),
        shots=shots,
        seed=seed,
        truth=truth,
    )
    run(job, lambda path: click.echo(path))
    height, width = shape
    click.echo(
        f"{width} x {height} px, {counts[0]} x {counts[1]} disks, pitch {pitch:.1f} px, radius {radius:.1f} px, "
        f"blurred by {blur.name}: a kernel of {len(blur.system)} px"
    )
    gap = pitch - 2 * radius
    if gap < len(blur.system):
        click.echo(
            f"The gap between the disks is {gap:.0f} px: too narrow to measure that kernel; use fewer disks",
            err=True,
        )
    if truth is not None:
        click.echo(f"{truth}: the true kernel and where the disks are")


def _blur(model: str | None, kernel: str | None) -> Blur:
    from psf.kernel_files import read_kernel
    from psf.named_models import parse_model
    from psf.simulating import blur_of_kernel, blur_of_model

    if (model is None) == (kernel is None):
        fault = "is told no blur" if model is None else "is told two blurs"
        raise InputError("psf simulate", fault, "give --model or --kernel, one of them")
    if model is not None:
        return blur_of_model(parse_model(model), model.strip().lower())
    assert kernel is not None
    named = read_kernel(kernel)
    return blur_of_kernel(named.kernel, named.name)
