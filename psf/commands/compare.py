"""``psf compare``: kernels beside each other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lfsynth.errors import InputError

if TYPE_CHECKING:
    from psf.figures import Capture
    from psf.kernel_files import NamedKernel
    from psf.merit import Kernel

FOCI = ("front", "in", "back")
"""Order of the kernels of --focus."""


@click.command(
    "compare",
    epilog="\b\nExamples:\n"
    "  psf compare camera.npy light_field.npy\n"
    '  psf compare "camera=psf_a/:g" "light field=psf_b/:g" theory.npy --out comparison/\n'
    '  psf compare --focus "DSLR, f/4" a/:front_g a/:in_g a/:back_g \\\n'
    '      --focus "light field" f.npy@f.png i.npy@i.png b.npy@b.png --out figure/',
)
@click.argument("kernels", nargs=-1, metavar="[NAME=]KERNEL...")
@click.option(
    "--focus",
    nargs=4,
    multiple=True,
    metavar="CAPTURE FRONT IN BACK",
    help="A capture's name and its kernels in front, in and back focus: draws focus.png, photograph, kernel and "
    "profile of each. Several times.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for compare.csv, .json, .md and .png, and focus.png. Default: none.",
)
def command(kernels: tuple[str, ...], focus: tuple[tuple[str, str, str, str], ...], out: Path | None) -> None:
    """Compare kernels with the first one, and tell each one's figures.

    A KERNEL is a .npy or float TIFF file, or a folder of psf estimate, or one of its kernels: FOLDER:NAME. For --focus
    it is one of psf estimate, which knows its photograph, or KERNEL@PHOTOGRAPH.

    Agreement, as normalised cross-correlation and relative L2, is that after sub-pixel alignment; shifts are told.
    """
    from lfsynth.pictures import write_bytes_atomic
    from lfsynth.png import encode_png
    from psf.compare import compare, shift_notes
    from psf.comparing import MOST_SHOWN, as_text, write
    from psf.figures import focus_figure

    if focus and out is None:
        raise InputError("--focus", "there is no place for its figure", "give --out")
    pixels, sources = _read(kernels)
    captures = [_capture(one) for one in focus]
    for (name, *texts), capture in zip(focus, captures, strict=True):
        for where, text, setting in zip(FOCI, texts, capture.settings, strict=True):
            _add(pixels, sources, f"{name}, {where}", text, setting.kernel)
    if not pixels:
        raise InputError("psf compare", "is told no kernels", "name two or more, or --focus")
    rows = compare(pixels)
    for line in (*as_text(rows), *shift_notes(rows)):
        click.echo(line)
    if out is None:
        return
    paths = write(out, rows, pixels, sources)
    if captures:
        paths.append(out / "focus.png")
        write_bytes_atomic(paths[-1], encode_png(focus_figure(captures)))
    for path in paths:
        click.echo(path)
    if len(pixels) > MOST_SHOWN:
        click.echo(f"{out}: the figure shows the first {MOST_SHOWN} of {len(pixels)} kernels", err=True)


def _read(texts: tuple[str, ...]) -> tuple[dict[str, Kernel], dict[str, str]]:
    """Kernels and where they are, by name; of one name, they are called by their text."""
    from psf.kernel_files import read_kernel

    read: list[tuple[str | None, str, NamedKernel]] = []
    for text in texts:
        given, equals, rest = text.partition("=")
        if equals and given and not Path(text).exists():
            read.append((given.strip(), rest, read_kernel(rest)))
        else:
            read.append((None, text, read_kernel(text)))
    names = [one.name for given_name, _, one in read if given_name is None]
    pixels: dict[str, Kernel] = {}
    sources: dict[str, str] = {}
    for given_name, text, one in read:
        own = one.name if names.count(one.name) == 1 else text
        _add(pixels, sources, given_name or own, text, one.kernel)
    return pixels, sources


def _add(pixels: dict[str, Kernel], sources: dict[str, str], name: str, text: str, kernel: Kernel) -> None:
    if name in pixels:
        raise InputError(text, f"two kernels are called {name!r}", "name each kernel once, or NAME=KERNEL")
    pixels[name], sources[name] = kernel, text


def _capture(texts: tuple[str, str, str, str]) -> Capture:
    from psf.figures import Capture
    from psf.focus_panels import read_setting

    name, *kernels = texts
    return Capture(
        name,
        tuple(read_setting(f"{where} focus", text) for where, text in zip(FOCI, kernels, strict=True)),
    )
