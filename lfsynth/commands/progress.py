"""What a user sees of a running batch, and the summary at its end."""

from __future__ import annotations

import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from lfsynth.batch import Outcome, run
from lfsynth.generate import Recipe
from lfsynth.lfdof import Dataset
from lfsynth.machine import cores, free_memory
from lfsynth.readers import ReadOptions

BYTES_A_JOB = 3 * 1024**3
"""Memory that a process is reckoned to need: a large Illum light field, its pictures at LFDOF's size, the interpreter."""


def default_jobs() -> int:
    """As many processes as there are cores and memory for."""
    return max(1, min(cores(), free_memory() // BYTES_A_JOB))


def run_with_progress(
    scenes: dict[str, Path],
    dataset: Dataset,
    recipe: Recipe,
    options: ReadOptions,
    jobs: int | None,
    *,
    debug: bool,
) -> int:
    """Run a batch with a progress bar; returns the exit code, 1 if a light field was set aside."""
    console = Console(stderr=True)
    began = time.perf_counter()
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
    ) as progress:
        task = progress.add_task("light fields", total=len(scenes), rate="")
        made = 0

        def report(outcome: Outcome) -> None:
            nonlocal made
            made += outcome.made and not outcome.fault
            if outcome.fault:
                console.print(f"set aside: {outcome.fault}", markup=False, highlight=False, soft_wrap=True)
            rate = made / (time.perf_counter() - began)
            progress.update(task, advance=1, rate=f"{rate:.2f}/s" if made else "")

        outcomes = run(
            scenes, dataset, recipe, options, jobs=jobs or default_jobs(), report=report, debug=debug
        )
    failed = [outcome for outcome in outcomes if outcome.fault]
    pairs = {"train": 0, "test": 0}
    for outcome in outcomes:
        for row in outcome.rows:
            pairs[row["split"]] += row["kind"] == "input"
    earlier = sum(not outcome.made for outcome in outcomes)
    print(
        f"{dataset.root}: {pairs['train']} training and {pairs['test']} test pairs of {len(outcomes) - len(failed)} "
        f"light fields ({earlier} made earlier) in {time.perf_counter() - began:.1f} s"
    )
    for outcome in outcomes:
        notes = {note for row in outcome.rows for note in row.get("notes", ())}
        for note in sorted(notes):
            print(f"{outcome.scene}: {note}")
    if failed:
        print(f"{len(failed)} set aside:")
        for outcome in failed:
            print(f"  {outcome.fault}")
    return 1 if failed else 0
