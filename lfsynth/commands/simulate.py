"""``lfsynth simulate``: captures of a camera that exists in numbers only, with their white pictures and the truth."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lfsynth.commands.options import pair
from lfsynth.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from rich.progress import TaskID

    from lfsynth.lytro.camera import Camera
    from lfsynth.lytro.simulated_scenes import Scene

LOG_INTERVAL = 10.0
"""Seconds between lines of progress in a log file."""


@click.command(
    "simulate",
    epilog="\b\nExamples:\n"
    "  lfsynth simulate --out raw/ --shots 3\n"
    "  lfsynth simulate --out raw/ --scene planes --window 384x512 --views-truth\n"
    "  lfsynth simulate --out raw/ --scene views/IMG_0001 --camera MOD_0015.TXT",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to write to.")
@click.option(
    "--scene",
    default="layers",
    show_default=True,
    metavar="NAME|PATH",
    help="layers, planes, photographs, chart, dots, or a light field whose views are sent through the microlenses.",
)
@click.option(
    "--shots",
    default=1,
    show_default=True,
    type=click.IntRange(1, 9999),
    help="Captures, each of another scene.",
)
@click.option("--window", metavar="HxW", help="Size of the sensor in pixels. Default: 5368x7728.")
@click.option("--camera", "camera_file", type=click.Path(path_type=Path), help="Metadata of a real camera.")
@click.option("--neutral", is_flag=True, help="The sensor's colours are linear sRGB.")
@click.option(
    "--exposure",
    default=1.0,
    show_default=True,
    type=click.FloatRange(1e-3, 1e3),
    help="Factor of the light.",
)
@click.option("--noise/--no-noise", default=True, help="Shot and read noise, and hot pixels. Default: yes.")
@click.option(
    "--whites", default=3, show_default=True, type=click.IntRange(1, 5), help="White pictures of the camera."
)
@click.option("--loose-whites", is_flag=True, help="Write the white pictures as loose files, too.")
@click.option("--views-truth", is_flag=True, help="Write the true light fields, too, to OUT/.truth.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Of all random numbers.")
def command(
    out: Path,
    scene: str,
    shots: int,
    window: str | None,
    camera_file: Path | None,
    neutral: bool,
    exposure: float,
    noise: bool,
    whites: int,
    loose_whites: bool,
    views_truth: bool,
    seed: int,
) -> None:
    """Simulate raw captures of a Lytro Illum: LFR files with white pictures, and the true light fields.

    The same command goes on where a stopped one was.
    """
    from lfsynth.lytro.simulated_files import TRUTH, Job, run
    from lfsynth.machine import cores

    camera = _camera(camera_file, window, neutral, exposure)
    job = Job(
        out=out,
        camera=camera,
        scene=_name(scene),
        make_scene=_scene(scene),
        shots=shots,
        seed=seed,
        noise=noise,
        truth=views_truth,
        whites=whites,
        loose=loose_whites,
    )
    began = time.monotonic()
    with _Progress() as progress:
        captures = run(job, threads=cores(), report=progress.show)
    height, width = camera.shape
    click.echo(
        f"{out}: {len(captures)} simulated captures of {height} x {width} pixels, and the white pictures, "
        f"in {time.monotonic() - began:.0f} s"
    )
    if views_truth:
        click.echo(f"{out / TRUTH}: the true light fields")


def _camera(file: Path | None, window: str | None, neutral: bool, exposure: float) -> Camera:
    from dataclasses import replace

    from lfsynth.lytro import camera as cameras

    camera = cameras.simulated_camera() if file is None else cameras.camera_like(file)
    if window is not None:
        try:
            camera = cameras.windowed(camera, pair("--window", window))
        except ValueError as error:
            raise InputError("--window", str(error), "give another size, such as 384x512") from error
    if neutral:
        camera = cameras.neutral(camera)
    time = camera.metadata.exposure_time
    metadata = replace(camera.metadata, exposure_time=None if time is None else time * exposure)
    return replace(camera, exposure=exposure, metadata=metadata)


def _name(scene: str) -> str:
    """What the folder's facts call the scene."""
    from lfsynth.lytro.simulated_scenes import SCENES

    return scene if scene in SCENES else str(Path(scene).resolve())


def _scene(name: str) -> Callable[[np.random.Generator, tuple[int, int]], Scene]:
    from lfsynth.lytro.reprojection import reprojected
    from lfsynth.lytro.simulated_scenes import SCENES
    from lfsynth.machine import cores
    from lfsynth.readers import read_light_field

    if name in SCENES:
        return SCENES[name]
    path = Path(name)
    if not path.exists():
        raise InputError(
            "--scene", f"{name!r} is neither a scene nor a path", f"give {', '.join(SCENES)}, or a path"
        )
    made: dict[tuple[int, int], Scene] = {}

    def make(rng: np.random.Generator, size: tuple[int, int]) -> Scene:
        if size not in made:
            made[size] = reprojected(read_light_field(path), size, threads=cores())
        return made[size]

    return make


class _Progress:
    """A bar on a terminal, a line now and then in a file or a pipe."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import Progress

        console = Console(stderr=True)
        self._bar = Progress(console=console) if console.is_terminal else None
        self._task: TaskID | None = None
        self._what = ""
        self._last = time.monotonic()

    def __enter__(self) -> _Progress:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, what: str, done: float) -> None:
        """Show that a part of something is done."""
        if self._bar is not None:
            if what != self._what:
                self._task = self._bar.add_task(what, total=1.0)
            assert self._task is not None
            self._bar.update(self._task, completed=done)
        elif time.monotonic() - self._last >= LOG_INTERVAL:
            self._last = time.monotonic()
            click.echo(f"{what}: {100 * done:.0f} %", err=True)
        self._what = what
