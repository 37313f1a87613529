"""``lfsynth check``: whether the pairs of a dataset are aligned."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lfsynth.errors import InputError

if TYPE_CHECKING:
    from lfsynth.checking import Checked, Job, Results
    from lfsynth.pairs import Found

LAYOUTS = ("lfdof", "dpdd", "realdof", "folders")
"""Values of `lfsynth.pairs.Layout`."""

BYTES_A_PROCESS, BYTES_A_PIXEL = 200 * 1024**2, 160
"""Memory that a process is reckoned to need, and that for each pixel of a pair: measured, and a third more."""

MISALIGNED_EXIT = 3


@click.command(
    "check",
    epilog="\b\nExamples:\n"
    "  lfsynth check --data lfdof/\n"
    "  lfsynth check --data DPDD/ --layout dpdd --out dpdd_alignment/ --exclude-list bad.txt\n"
    "  lfsynth check --input blurred.png --target sharp.png --fail-on misaligned",
)
@click.option("--data", type=click.Path(path_type=Path), help="Folder of a dataset.")
@click.option(
    "--layout", type=click.Choice(LAYOUTS), help="How it is laid out. Default: told from its folders' names."
)
@click.option("--input", "input_", type=click.Path(path_type=Path), help="One input, or a folder of them.")
@click.option("--target", type=click.Path(path_type=Path), help="Its partner, or a folder of them.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder of alignment.csv, alignment.json and report.html. Default: DATA/alignment, without --data alignment.",
)
@click.option(
    "--threshold", default=0.3, show_default=True, type=float, help="px; a larger shift is misaligned."
)
@click.option("--window", default=32, show_default=True, type=int, help="px, half the size of a window.")
@click.option("--stride", default=8, show_default=True, type=int, help="px from window to window.")
@click.option("--radius", default=6, show_default=True, type=int, help="px, the search's largest shift.")
@click.option(
    "--focus",
    default=0.5,
    show_default=True,
    type=float,
    help="Blur up to which a window counts as in focus.",
)
@click.option(
    "--precision", default=0.1, show_default=True, type=float, help="px, largest error of a window's shift."
)
@click.option(
    "--least-area",
    default=0.01,
    show_default=True,
    type=float,
    help="Share of the picture that must be in focus for a verdict.",
)
@click.option(
    "--transfer",
    metavar="CURVE",
    help="Curve of the stored values: srgb, linear or gamma:2.2. Default: srgb for integers, linear for floats.",
)
@click.option("--fail-on", type=click.Choice(["misaligned"]), help="Exit with 3 where a pair is misaligned.")
@click.option(
    "--exclude-list",
    type=click.Path(path_type=Path),
    help="Write what a training must leave out: the inputs of misaligned pairs and what was set aside, a path a line, "
    "relative to --data.",
)
@click.option("--limit", type=click.IntRange(1), help="Only so many pairs, the first by name.")
@click.option("--jobs", "-j", type=click.IntRange(1), help="Processes. Default: as cores and memory allow.")
@click.pass_obj
def command(
    debug: bool,
    data: Path | None,
    layout: str | None,
    input_: Path | None,
    target: Path | None,
    out: Path | None,
    threshold: float,
    window: int,
    stride: int,
    radius: int,
    focus: float,
    precision: float,
    least_area: float,
    transfer: str | None,
    fail_on: str | None,
    exclude_list: Path | None,
    limit: int | None,
    jobs: int | None,
) -> int:
    """Check whether defocused pictures and their all-in-focus partners are aligned.

    Defocus moves nothing, so that is judged where the input is in focus. Verdicts are aligned, misaligned, or cannot
    tell. A run that was stopped goes on when started again.

    Exits with 1 where pictures were set aside, and see --fail-on.
    """
    from dataclasses import replace

    from lfsynth.alignment import Options, Verdict
    from lfsynth.alignment_findings import write_exclude_list
    from lfsynth.checking import Job, run
    from lfsynth.commands.progress import watched
    from lfsynth.transfer import Transfer

    try:
        options = Options(window, stride, radius, threshold, focus, precision, least_area)
    except ValueError as error:
        raise InputError("lfsynth check", str(error), "correct the options") from error
    found = _found(data, layout, input_, target)
    found = replace(found, pairs=found.pairs[:limit])
    if exclude_list is not None and not exclude_list.absolute().parent.is_dir():
        raise InputError(
            exclude_list, "its folder does not exist", "make it or choose another --exclude-list"
        )
    job = Job(
        out=out or (Path("alignment") if data is None else data / "alignment"),
        root=found.root,
        options=options,
        transfer=None if transfer is None else Transfer.parse(transfer),
        debug=debug,
    )
    with watched(len(found.pairs), "pairs") as progress:
        for one in found.unpaired:
            progress.line(f"set aside: {one.fault}")

        def report(checked: Checked) -> None:
            if checked.finding is not None and checked.made:
                progress.line(
                    f"{checked.name}: {checked.finding.verdict}: {'; '.join(checked.finding.reasons)}"
                )
            progress.report(checked)

        results = run(job, found, jobs=jobs or _default_jobs(found), report=report, notice=progress.line)
    if exclude_list is not None:
        write_exclude_list(exclude_list, results.findings, results.set_aside)
    for line in _summary(job, results, progress.seconds):
        click.echo(line)
    misaligned = any(one.verdict == Verdict.MISALIGNED.value for one in results.findings)
    if misaligned and fail_on is not None:
        return MISALIGNED_EXIT
    return 1 if results.set_aside else 0


def _default_jobs(found: Found) -> int:
    """As many processes as there are cores and memory for, by the size of the first picture."""
    from lfsynth.machine import cores, free_memory
    from lfsynth.pictures import read

    pixels = 0
    with suppress(InputError):  # which the run will tell
        height, width = read(found.pairs[0].input).shape[:2]
        pixels = height * width
    return max(1, min(cores(), free_memory() // (BYTES_A_PROCESS + BYTES_A_PIXEL * pixels)))


def _found(data: Path | None, layout: str | None, input_: Path | None, target: Path | None) -> Found:
    from lfsynth.pairs import Layout, find_pairs, pairs_of

    if data is not None:
        if input_ is not None or target is not None:
            raise InputError("--data", "given together with --input or --target", "give one or the other")
        return find_pairs(data, None if layout is None else Layout(layout))
    if layout is not None:
        raise InputError("--layout", "given without --data", "name the dataset's folder by --data")
    if input_ is None or target is None:
        raise InputError("lfsynth check", "is told no pictures", "give --data, or --input and --target")
    return pairs_of(input_, target)


def _summary(job: Job, results: Results, seconds: float) -> list[str]:
    from lfsynth.alignment import Verdict
    from lfsynth.commands.progress import duration

    verdicts = [finding.verdict for finding in results.findings]
    counts = ", ".join(f"{verdicts.count(verdict.value)} {verdict.value}" for verdict in Verdict)
    lines = [
        f"{job.root}: {len(verdicts)} pairs, {counts} ({results.earlier} judged earlier) in {duration(seconds)}"
    ]
    if results.set_aside:
        lines.append(f"{len(results.set_aside)} set aside:")
        lines += [f"  {one.fault}" for one in results.set_aside]
    lines.append(f"{job.out / 'report.html'}: to look at; alignment.csv and alignment.json: the numbers")
    return lines
