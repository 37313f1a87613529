"""``python -m drbnet.deblur``: take the defocus blur out of photographs and videos."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from drbnet.choices import Autocast, Device
from drbnet.terminal import (
    SETTINGS,
    Shown,
    autocast_option,
    debug_option,
    device_option,
    in_bytes,
    memory_option,
    threads_option,
    weights_option,
)
from lfsynth.command_line import run as run_command
from lfsynth.errors import InputError

if TYPE_CHECKING:
    from drbnet.deblur_job import Outcome, Task
    from drbnet.tiling import Progress

EXAMPLES = """\b
Examples:
  python -m drbnet.deblur photo.jpg --weights drbnet.pth
  python -m drbnet.deblur photo.jpg --weights drbnet.pth --out sharp.png --compare
  python -m drbnet.deblur holiday/ "more/**/*.tif" clip.mp4 --weights drbnet.pth --out sharp/
  python -m drbnet.deblur c.png --right r.png --left l.png --weights dual.safetensors
"""


class _Shown(Shown):
    """A bar of the picture that is being made."""

    def __init__(self, count: int) -> None:
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn

        super().__init__(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[megapixels]}"),
            TimeRemainingColumn(),
            megapixels="",
        )
        self._count, self._done, self._began = count, 0, time.monotonic()

    def begun(self, task: Task) -> Progress:
        """A task begins."""
        self._began = time.monotonic()
        number = f"{self._done + 1}/{self._count} " if self._count > 1 else ""
        name = f"{number}{task.sources[0].name}"
        self._bar.reset(self._task, description=name, total=None, megapixels="")

        def progress(done: int, total: int) -> None:
            words = f"{done / 1e6:.1f}/{total / 1e6:.1f} megapixels"
            self._bar.update(self._task, completed=done, total=total, megapixels=words)

        return progress

    def ended(self, outcome: Outcome) -> None:
        """A task has ended."""
        self._done += 1
        source, target = outcome.task.sources[0], outcome.task.target
        if outcome.fault:
            self.fault(outcome.fault)
        elif not outcome.made:
            self.line(f"{source}: {target} is there already")
        else:
            seconds, megapixels = time.monotonic() - self._began, outcome.pixels / 1e6
            pace = f"{megapixels:.1f} megapixels in {seconds:.0f} s, {seconds / max(megapixels, 1e-6):.1f} s each"
            self.line(f"{source}: {target} ({pace})")


@click.command(
    "drbnet.deblur",
    epilog=EXAMPLES,
    context_settings=SETTINGS,
)
@click.argument("inputs", nargs=-1, required=True, metavar="FILE|FOLDER|PATTERN...")
@weights_option("Trained weights: .safetensors, .pth, or a checkpoint. Which network it is, they tell.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for the results, or for a single file the result.  [default: photo_deblurred.jpg beside photo.jpg, "
    "holiday_deblurred/ beside holiday/]",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["same", "jpeg", "png", "tiff"]),
    default="same",
    help="Of the pictures that are written; camera raw becomes TIFF of 16 bits.  [default: same]",
)
@click.option(
    "--quality", type=click.IntRange(1, 100), help="Of JPEG.  [default: the source's own tables, else 95]"
)
@click.option("--compare", is_flag=True, help="Also write each picture beside its result, as *_compare.*.")
@click.option(
    "--right", type=click.Path(path_type=Path), help="Dual networks: right view, or folder of them."
)
@click.option("--left", type=click.Path(path_type=Path), help="Dual networks: left view, or folder of them.")
@click.option("--again", is_flag=True, help="Make results anew that are there already.")
@device_option
@autocast_option
@threads_option
@memory_option(
    "For a tile of the picture; larger tiles waste less.  [default: half of what is free, on the CPU at most 1.5]"
)
@click.option("--tile", type=click.IntRange(1), metavar="PX", help="Side of tiles.  [default: by memory]")
@click.option(
    "--margin",
    type=click.IntRange(0),
    metavar="PX",
    help="That tiles lose at their edges; less is faster, and seams may show.  [default: as far as the network "
    "looks, 144 for DRBNet]",
)
@debug_option
def cli(
    inputs: tuple[str, ...],
    weights: Path,
    out: Path | None,
    form: str,
    quality: int | None,
    compare: bool,
    right: Path | None,
    left: Path | None,
    again: bool,
    device: str,
    autocast: str,
    threads: int | None,
    memory: float | None,
    tile: int | None,
    margin: int | None,
    debug: bool,
) -> int:
    """Take the defocus blur out of photographs and videos.

    JPEG, PNG, TIFF, camera raw and videos of any size. Bits, alpha, EXIF and colour profile stay; a video keeps its
    frames' times and its sound. Files that cannot be used are set aside; stopped or killed, the same command goes on
    with what is missing.
    """
    if (right is None) != (left is None):
        raise InputError("--right" if right is None else "--left", "is missing", "give both views, or none")

    import torch

    from drbnet.deblur_job import Job, Views, plan, run
    from drbnet.deblurring import Deblurrer, Output
    from drbnet.photographs import Format

    if threads is not None:
        torch.set_num_threads(threads)
    views = None if right is None or left is None else Views(right, left)
    chosen = None if form == "same" else Format[form.upper()]
    tasks = plan(inputs, out=out, form=chosen, views=views)
    deblurrer = Deblurrer.load(
        weights,
        device=Device(device),
        autocast=Autocast(autocast),
        memory=in_bytes(memory),
        tile=tile,
        margin=margin,
    )
    if deblurrer.architecture.dual and views is None:
        raise InputError(
            weights, "is of a network that needs a dual-pixel sensor's views", "give --right and --left"
        )
    if views is not None and not deblurrer.architecture.dual:
        raise InputError(weights, "is of a network for single pictures", "leave out --right and --left")
    job = Job(deblurrer, Output(quality, compare), again=again, debug=debug)
    with _Shown(len(tasks)) as shown:
        outcomes = run(job, tasks, report=shown.ended, begun=shown.begun)
    bad = [one for one in outcomes if one.fault]
    if len(tasks) > 1:
        made = sum(one.made and not one.fault for one in outcomes)
        there = len(outcomes) - made - len(bad)
        click.echo(f"{made} made, {there} there already, {len(bad)} set aside")
    return (2 if len(tasks) == 1 else 1) if bad else 0


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line, see `lfsynth.command_line`."""
    run_command(cli, "drbnet.deblur", arguments)


if __name__ == "__main__":
    main()
