"""What a user sees of a running batch, and the summary at its end."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from lfsynth.lfdof import read_record
from lfsynth.machine import cores, free_memory

if TYPE_CHECKING:
    from lfsynth.batch import Job, Outcome

BYTES_A_JOB = 3 * 1024**3
"""Memory that a process is reckoned to need for a large Illum light field and pictures of LFDOF's size."""
LOG_INTERVAL = 30.0
"""Seconds between lines of progress in a log file."""
SPARSELY_FILLED = 0.9
"""Part of an aperture that its views must fill lest the user be told."""
MOST_MISALIGNED = 10
"""Misaligned pairs that are named; the manifest has all."""


def default_jobs() -> int:
    """As many processes as there are cores and memory for."""
    return max(1, min(cores(), free_memory() // BYTES_A_JOB))


class Result(Protocol):
    """What became of a file: whether this run made it, and the line that says why it failed, if it did."""

    @property
    def made(self) -> bool:
        """Whether this run made it, not an earlier one."""
        ...

    @property
    def fault(self) -> str:
        """Empty unless it failed."""
        ...


@dataclass
class Pace:
    """Counts files and foretells the end, from those that this run has made.

    Attributes
    ----------
    total : files to be reported
    what : what they are, in the plural
    done, made : reported so far; of these, made by this run
    began : when it began, as `time.monotonic` tells
    """

    total: int
    what: str = "light fields"
    done: int = 0
    made: int = 0
    began: float = field(default_factory=time.monotonic)

    def count(self, outcome: Result) -> None:
        """Take note of one file."""
        self.done += 1
        self.made += outcome.made and not outcome.fault

    def __str__(self) -> str:
        """Files a second and time left, once there is something to tell."""
        if not self.made:
            return ""
        rate = self.made / max(time.monotonic() - self.began, 1e-9)
        return f"{rate:.2f} {self.what}/s, {duration((self.total - self.done) / rate)} left"


def duration(seconds: float) -> str:
    """A time as a person would say it: 8 s, 5 min, 3 h 20 min."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"


class _View(Protocol):
    """Shows a running batch."""

    def show(self, pace: Pace) -> None: ...

    def line(self, text: str) -> None: ...

    def close(self) -> None: ...


class _Bar:
    """A bar on a terminal; lines go above it."""

    def __init__(self, console: Console, pace: Pace) -> None:
        columns = (
            TextColumn(pace.what),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.description}"),
        )
        self._progress = Progress(*columns, console=console)
        self._task: TaskID = self._progress.add_task("", total=pace.total)
        self._progress.start()

    def show(self, pace: Pace) -> None:
        self._progress.update(self._task, completed=pace.done, description=str(pace))

    def line(self, text: str) -> None:
        self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        self._progress.stop()


class _Log:
    """A line now and then, in a file or a pipe."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def show(self, pace: Pace) -> None:
        if time.monotonic() - self._last >= LOG_INTERVAL:
            self._last = time.monotonic()
            self.line(f"{pace.done} of {pace.total} {pace.what}" + (f", {pace}" if pace.made else ""))

    def line(self, text: str) -> None:
        click.echo(text, err=True)

    def close(self) -> None:
        pass


class Watched:
    """A run that is being watched: its results are counted, what is set aside is said at once.

    Attributes
    ----------
    pace : how far it is
    """

    def __init__(self, pace: Pace, view: _View) -> None:
        self.pace = pace
        self._view = view

    def report(self, result: Result) -> None:
        """Take note of what became of one file."""
        self.pace.count(result)
        if result.fault:
            self._view.line(f"set aside: {result.fault}")
        self._view.show(self.pace)

    def line(self, text: str) -> None:
        """Say something beside the bar."""
        self._view.line(text)

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self.pace.began


@contextmanager
def watched(total: int, what: str = "light fields") -> Iterator[Watched]:
    """Show how a run goes while the context lasts: a bar on a terminal, else a line now and then."""
    pace = Pace(total, what)
    console = Console(stderr=True)
    view: _View = _Bar(console, pace) if console.is_terminal else _Log()
    try:
        yield Watched(pace, view)
    finally:
        view.close()
        sys.stderr.flush()


def run_with_progress(job: Job, scenes: dict[str, Path], jobs: int | None) -> int:
    """Run a batch and show how it goes; returns the exit code, 1 if a light field was set aside."""
    from lfsynth.batch import run  # what makes light fields; other commands need it not

    with watched(len(scenes)) as progress:
        jobs = jobs or default_jobs()
        outcomes = run(job, scenes, jobs=jobs, report=progress.report, notice=progress.line)
    for line in _summary(outcomes, job, progress.seconds):
        click.echo(line)
    return 1 if any(outcome.fault for outcome in outcomes) else 0


def _summary(outcomes: Sequence[Outcome], job: Job, seconds: float) -> list[str]:
    failed = [outcome for outcome in outcomes if outcome.fault]
    rows = [row for outcome in outcomes for row in outcome.rows if row["kind"] == "input"]
    tests = sum(row["split"] == "test" for row in rows)
    earlier = sum(not outcome.made and not outcome.fault for outcome in outcomes)
    lines = [
        f"{job.dataset.root}: {len(rows) - tests} training and {tests} test pairs of "
        f"{len(outcomes) - len(failed)} light fields ({earlier} made earlier) in {duration(seconds)}"
    ]
    sparse = {row["scene"] for row in rows if row["filled"] < SPARSELY_FILLED}
    if sparse:
        lines.append(
            f"{len(sparse)} light fields, {min(sparse)} first, have an aperture that reaches beyond "
            "their live views"
        )
    lines += _others(job, {outcome.scene for outcome in outcomes})
    if failed:
        lines.append(f"{len(failed)} set aside:")
        lines += [f"  {outcome.fault}" for outcome in failed]
    return lines + _alignment(rows)


def _alignment(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Verdicts of the pairs that were checked, and the first that is misaligned."""
    checked = [row for row in rows if "alignment" in row]
    if not checked:
        return []
    verdicts = Counter(row["alignment"]["verdict"] for row in checked)
    numbers = ", ".join(f"{number} {verdict}" for verdict, number in sorted(verdicts.items()))
    lines = [f"alignment of {len(checked)} pairs checked: {numbers}"]
    lines += [
        f"  misaligned: {row['path']}: {'; '.join(row['alignment']['reasons'])}"
        for row in checked
        if row["alignment"]["verdict"] == "misaligned"
    ][:MOST_MISALIGNED]
    return lines


def _others(job: Job, ours: set[str]) -> list[str]:
    """What the dataset holds beside this run's scenes."""
    records = [read_record(job.dataset, scene) for scene in job.dataset.scenes() if scene not in ours]
    others = [record for record in records if record is not None]
    if not others:
        return []
    otherwise = sum(record.get("recipe") != job.recipe.as_json() for record in others)
    return [f"beside them, {len(others)} light fields of earlier runs, {otherwise} made with other options"]
