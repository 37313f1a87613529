"""``lfsynth generate --dry-run``: what would be made, measured on the first light field that can be read."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import click

from lfsynth.commands.progress import default_jobs
from lfsynth.errors import InputError
from lfsynth.generate import Recipe, write_scene
from lfsynth.lfdof import Dataset, split_of
from lfsynth.readers import ReadOptions


def forecast(scenes: dict[str, Path], recipe: Recipe, options: ReadOptions, jobs: int | None) -> int:
    """Print number, time and disk; returns the exit code, 1 if no light field could be read."""
    tests = sum(split_of(scene, recipe.test_fraction) == "test" for scene in scenes)
    click.echo(f"{len(scenes)} light fields: {len(scenes) - tests} for training, {tests} for test")
    click.echo(f"{recipe.pairs} pairs a light field, {recipe.pairs * len(scenes)} pairs, {recipe.pictures * len(scenes)} pictures")
    for scene, path in scenes.items():
        with tempfile.TemporaryDirectory() as folder:
            dataset = Dataset(Path(folder))
            with dataset.locked():
                try:
                    write_scene(dataset, scene, path, recipe, options)
                    began = time.perf_counter()
                    rows = write_scene(dataset, scene, path, recipe, options)
                except InputError as error:
                    click.echo(f"would be set aside: {error}", err=True)
                    continue
            seconds = time.perf_counter() - began
        workers = min(jobs or default_jobs(), len(scenes))
        size = sum(row["bytes"] for row in rows)
        first = rows[0]
        click.echo(f"pictures of {first['height']} x {first['width']}, {recipe.bits} bits ({scene})")
        slopes = sorted({row["slope"] for row in rows if row["kind"] == "input"})
        radii = sorted({row["radius"] for row in rows if row["kind"] == "input"})
        click.echo("slopes " + ", ".join(f"{s:.3g}" for s in slopes) + "; radii " + ", ".join(f"{r:.3g}" for r in radii))
        click.echo(
            f"about {seconds * len(scenes) / workers:.0f} s with {workers} processes "
            f"and {size * len(scenes) / 1e9:.2f} GB, reckoned from {scene} ({seconds:.2f} s, {size / 1e6:.1f} MB)"
        )
        return 0
    return 1
