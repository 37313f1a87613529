"""``lfsynth generate --dry-run``: what would be made, measured on the first light field that can be read."""

from __future__ import annotations

import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from lfsynth.batch import Job
from lfsynth.commands.progress import default_jobs, duration
from lfsynth.dataset_writing import locked
from lfsynth.errors import InputError
from lfsynth.lfdof import Dataset, split_of
from lfsynth.machine import cores
from lfsynth.scene_files import finished, write_scene


def forecast(job: Job, scenes: dict[str, Path], jobs: int | None) -> int:
    """Print number, time and disk; returns the exit code, 1 if no light field could be read."""
    recipe = job.recipe
    tests = sum(split_of(scene, recipe.test_fraction) == "test" for scene in scenes)
    click.echo(f"{len(scenes)} light fields: {len(scenes) - tests} for training, {tests} for test")
    click.echo(
        f"{recipe.pairs} pairs a light field, {recipe.pairs * len(scenes)} pairs, "
        f"{recipe.pictures * len(scenes)} pictures"
    )
    left = [scene for scene, path in scenes.items() if not _is_there(job, scene, path)]
    if len(left) < len(scenes):
        click.echo(f"{len(scenes) - len(left)} light fields are made already")
    if not left:
        return 0
    workers = min(jobs or default_jobs(), len(left))
    for scene in left:
        try:
            rows, seconds = _measured(job, scene, scenes[scene], max(1, cores() // workers))
        except InputError as error:
            click.echo(f"would be set aside: {error}")
            continue
        for line in _lines(job, scene, rows, seconds, len(left), workers):
            click.echo(line)
        return 0
    return 1


def _is_there(job: Job, scene: str, path: Path) -> bool:
    try:
        return finished(job.dataset, scene, path, job.recipe, job.options) is not None
    except InputError as error:
        click.echo(f"would be set aside: {error}")
        return True


def _measured(job: Job, scene: str, path: Path, threads: int) -> tuple[list[dict[str, Any]], float]:
    """Rows of a scene that is made in a temporary folder, and the seconds that it takes."""
    with tempfile.TemporaryDirectory() as folder:
        elsewhere = replace(job, dataset=Dataset(Path(folder)))
        with locked(elsewhere.dataset):
            for _ in range(2):  # the first time, libraries are loaded
                began = time.perf_counter()
                rows = write_scene(elsewhere.dataset, scene, path, job.recipe, job.options, threads=threads)
                seconds = time.perf_counter() - began
    return rows, seconds


def _lines(
    job: Job, scene: str, rows: list[dict[str, Any]], seconds: float, number: int, workers: int
) -> list[str]:
    size = sum(row["bytes"] for row in rows)
    slopes = sorted({row["slope"] for row in rows if row["kind"] == "input"})
    radii = sorted({row["radius"] for row in rows if row["kind"] == "input"})
    lines = [
        f"pictures of {rows[0]['height']} x {rows[0]['width']}, {job.recipe.bits} bits; slopes "
        f"{', '.join(f'{s:.3g}' for s in slopes)}; radii {', '.join(f'{r:.3g}' for r in radii)} ({scene})",
        f"about {duration(seconds * number / workers)} with {workers} process{'es' * (workers > 1)} and "
        f"{_amount(size * number)}, reckoned from {scene} ({seconds:.2f} s, {_amount(size)})",
    ]
    there = next(
        folder for folder in (job.dataset.root, *job.dataset.root.absolute().parents) if folder.exists()
    )
    free = shutil.disk_usage(there).free
    if size * number > free:
        lines.append(f"more than there is: {_amount(free)} are free for {job.dataset.root}")
    return lines


def _amount(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
