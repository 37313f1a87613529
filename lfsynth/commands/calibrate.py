"""``lfsynth calibrate``: a camera's white pictures to one file that decoding needs and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lfsynth.errors import InputError

if TYPE_CHECKING:
    from lfsynth.lytro.white_pictures import WhitePicture

SHOT_SUFFIXES = (".lfr", ".lfp")


@click.command(
    "calibrate",
    epilog="\b\nExamples:\n"
    "  lfsynth calibrate --white caldata-B5144000123.tar --shots raw/ --out camera.h5\n"
    "  lfsynth calibrate --white MOD_0015.RAW --white MOD_0016.RAW --out camera.h5",
)
@click.option(
    "--white",
    "whites",
    required=True,
    multiple=True,
    type=click.Path(path_type=Path),
    help="White pictures: caldata-*.tar, MOD_xxxx.RAW, a camera.h5, or a folder of these. Several times.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="File to make or to add to.")
@click.option(
    "--shots",
    type=click.Path(path_type=Path),
    help="Folder of captures, or one: only the white pictures that they need. Default: all white pictures.",
)
def command(whites: tuple[Path, ...], out: Path, shots: Path | None) -> int:
    """Measure white pictures and keep them in a file for `lfsynth decode`.

    What the file holds already is kept, and not measured again.
    """
    from lfsynth.commands.progress import watched
    from lfsynth.lytro.calibration_cache import index
    from lfsynth.lytro.camera_file import write_camera_file

    found = index(whites)
    if not found:
        raise InputError(
            whites[0], "there is no white picture in it", "give the camera's caldata-*.tar by --white"
        )
    faults: list[str] = []
    if shots is None:
        needed = found
    else:
        needed, faults = _needed(shots, found)
    with watched(len(needed), "white pictures") as progress:
        for fault in faults:
            progress.line(f"set aside: {fault}")
        entries = write_camera_file(out, needed, report=progress.report)
    faults += [entry.fault for entry in entries if entry.fault]
    made = sum(entry.made for entry in entries)
    kept = sum(not entry.made and not entry.fault for entry in entries)
    click.echo(f"{out}: {made + kept} white pictures, {made} measured now")
    if faults:
        click.echo(f"{len(faults)} set aside:")
        for fault in faults:
            click.echo(f"  {fault}")
    return 1 if faults else 0


def _needed(shots: Path, found: list[WhitePicture]) -> tuple[list[WhitePicture], list[str]]:
    """White pictures that captures need, with the choice said for each; and what is wrong with captures."""
    from lfsynth.lytro.capture import read_capture_metadata
    from lfsynth.lytro.white_pictures import choose

    if shots.is_dir():
        paths = sorted(path for path in shots.rglob("*") if path.suffix.lower() in SHOT_SUFFIXES)
        if not paths:
            raise InputError(shots, "there is no capture in it", "name a folder of .LFR files by --shots")
    else:
        paths = [shots]
    needed: list[WhitePicture] = []
    faults: list[str] = []
    for path in paths:
        try:
            choice = choose(read_capture_metadata(path), found)
        except InputError as error:
            faults.append(str(error))
            continue
        click.echo(f"{path.name}: {choice.said}")
        needed.append(choice.white)
    return needed, faults
