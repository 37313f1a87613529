"""What a user sees of a training: a bar on a terminal, else a line now and then."""

from __future__ import annotations

import sys
import time
from typing import Protocol

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

LOG_INTERVAL = 30.0
"""Seconds between lines in a log file."""
SMOOTHING = 0.95
"""Of the loss and the PSNR shown, a step: they are means over some 20 steps."""


class View(Protocol):
    """Shows a training."""

    def stage(self, name: str, steps: int, done: int) -> None:
        """A stage of so many steps begins, or goes on after some."""

    def step(self, loss: float, psnr: float, images: int) -> None:
        """One more step is done."""

    def line(self, text: str) -> None:
        """Say something beside the bar."""

    def close(self) -> None:
        """The end."""


class Pace:
    """Smoothed loss and PSNR, images a second, time left."""

    def __init__(self, steps: int, done: int) -> None:
        self.steps, self.done = steps, done
        self._began, self._made, self._images = time.monotonic(), 0, 0
        self._loss = self._psnr = 0.0

    def count(self, loss: float, psnr: float, images: int) -> None:
        """Take note of a step; means leave out what is no number."""
        keep = SMOOTHING if self._made else 0.0
        if loss == loss and psnr == psnr:
            self._loss = keep * self._loss + (1 - keep) * loss
            self._psnr = keep * self._psnr + (1 - keep) * psnr
        self.done, self._made, self._images = self.done + 1, self._made + 1, self._images + images

    def __str__(self) -> str:
        """Empty before the first step."""
        if not self._made:
            return ""
        seconds = max(time.monotonic() - self._began, 1e-9)
        left = duration((self.steps - self.done) * seconds / self._made)
        return (
            f"loss {self._loss:.4f}, {self._psnr:.2f} dB, {self._images / seconds:.1f} images/s, {left} left"
        )


class Bar:
    """A bar on a terminal; lines go above it."""

    def __init__(self, console: Console) -> None:
        columns = (
            TextColumn("{task.fields[stage]}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.description}"),
        )
        self._progress = Progress(*columns, console=console)
        self._progress.start()
        self._task = self._progress.add_task("", total=None, stage="")
        self._pace = Pace(0, 0)

    def stage(self, name: str, steps: int, done: int) -> None:
        """See `View`."""
        self._pace = Pace(steps, done)
        self._progress.reset(self._task, total=steps, completed=done, description="", stage=name)

    def step(self, loss: float, psnr: float, images: int) -> None:
        """See `View`."""
        self._pace.count(loss, psnr, images)
        self._progress.update(self._task, completed=self._pace.done, description=str(self._pace))

    def line(self, text: str) -> None:
        """See `View`."""
        self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        """See `View`."""
        self._progress.stop()


class Lines:
    """A line now and then, in a file or a pipe."""

    def __init__(self) -> None:
        self._name, self._pace, self._last = "", Pace(0, 0), time.monotonic()

    def stage(self, name: str, steps: int, done: int) -> None:
        """See `View`."""
        self._name, self._pace = name, Pace(steps, done)

    def step(self, loss: float, psnr: float, images: int) -> None:
        """See `View`."""
        self._pace.count(loss, psnr, images)
        if time.monotonic() - self._last >= LOG_INTERVAL:
            self._last = time.monotonic()
            self.line(f"{self._name}: {self._pace.done} of {self._pace.steps} steps, {self._pace}")

    def line(self, text: str) -> None:
        """See `View`."""
        click.echo(text, err=True)

    def close(self) -> None:
        """See `View`."""
        sys.stderr.flush()


class Silent:
    """Of the processes that train together, one shows what goes on; this is for the others."""

    def stage(self, name: str, steps: int, done: int) -> None:
        """See `View`."""

    def step(self, loss: float, psnr: float, images: int) -> None:
        """See `View`."""

    def line(self, text: str) -> None:
        """See `View`."""

    def close(self) -> None:
        """See `View`."""


def view(*, leads: bool) -> View:
    """The view that fits."""
    console = Console(stderr=True)
    if not leads:
        return Silent()
    return Bar(console) if console.is_terminal else Lines()


def duration(seconds: float) -> str:
    """A time as a person would say it: 8 s, 5 min, 3 h 20 min."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60} min"
