"""``lfsynth decode``: raw captures to light fields in files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lfsynth.commands.options import calibration_option, existing, path_argument

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lfsynth.lytro.decoding import Decoded, Job

OUTPUTS = ("hdf5", "png", "eslf")
"""Values of `lfsynth.writers.Output`."""
DECODERS = ("lfsynth", "plenpy")
"""Values of `lfsynth.lytro.decoding.Decoder`."""


@click.command(
    "decode",
    epilog="\b\nExamples:\n"
    "  lfsynth decode raw/ --out lf/\n"
    "  lfsynth decode raw/IMG_0001.LFR --calibration caldata-B5144000123.tar --out lf/ --as png",
)
@path_argument
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the light fields.")
@click.option(
    "--as",
    "output",
    default=OUTPUTS[0],
    show_default=True,
    type=click.Choice(OUTPUTS),
    help="One HDF5 file each, a folder of 16-bit PNG views each, or one 16-bit ESLF picture each.",
)
@calibration_option
@click.option(
    "--decoder",
    default=DECODERS[0],
    show_default=True,
    type=click.Choice(DECODERS),
    help="Whose decoder; plenpy takes a minute a capture and is there to compare with.",
)
@click.option("--limit", type=click.IntRange(1), help="Only so many captures, the first by name.")
@click.option("--jobs", "-j", type=click.IntRange(1), help="Processes. Default: as cores and memory allow.")
@click.pass_obj
def command(
    debug: bool,
    path: Path,
    out: Path,
    output: str,
    calibration: tuple[Path, ...],
    decoder: str,
    limit: int | None,
    jobs: int | None,
) -> int:
    """Decode raw Lytro Illum captures: a file, or all below a folder.

    A run that was stopped goes on when started again; what is done is not made anew.
    """
    from lfsynth.commands.captures import find_captures
    from lfsynth.commands.progress import default_jobs, watched
    from lfsynth.lytro.decoding import Decoder, Job, run
    from lfsynth.readers import ReadOptions
    from lfsynth.writers import Output

    captures = find_captures(path, out)
    captures = dict(list(captures.items())[:limit])
    where = existing(calibration) or ((path,) if path.is_dir() else ())
    job = Job(out, Output(output), Decoder(decoder), ReadOptions(calibration=where), debug=debug)
    with watched(len(captures), "captures") as progress:

        def report(result: Decoded) -> None:
            if result.made and not result.fault:
                progress.line(f"{result.name}: white picture {result.white_picture}")
            progress.report(result)

        results = run(job, captures, jobs=jobs or default_jobs(), report=report, notice=progress.line)
    for line in _summary(job, results, progress.seconds):
        click.echo(line)
    return 1 if any(result.fault for result in results) else 0


def _summary(job: Job, results: Sequence[Decoded], seconds: float) -> list[str]:
    from lfsynth.commands.progress import duration

    whole = [result for result in results if not result.fault]
    failed = [result for result in results if result.fault]
    earlier = sum(not result.made for result in whole)
    size = sum(result.bytes for result in whole)
    lines = [
        f"{job.out}: {len(whole)} light fields as {job.output.value} ({earlier} made earlier), "
        f"{size / 1e6:.0f} MB, in {duration(seconds)}"
    ]
    if failed:
        lines.append(f"{len(failed)} set aside:")
        lines += [f"  {result.fault}" for result in failed]
    return lines
