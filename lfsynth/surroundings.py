"""What a worker on another machine must have in common with the run: the file system, and what decides bytes."""

from __future__ import annotations

import functools
import os
import platform
import socket
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from lfsynth import __version__
from lfsynth.errors import InputError
from lfsynth.lfdof import Dataset
from lfsynth.output_folder import lock_of

DECISIVE = ("numpy", "scipy", "numba", "opencv-python-headless", "isal", "h5py", "imageio")
"""Packages whose versions may change the bytes of a picture."""


class UnfitWorkerError(InputError):
    """A worker that cannot do any of the work: a batch stops, lest it take and spoil piece after piece."""


@dataclass(frozen=True)
class Surroundings:
    """What the run finds where it is, for its workers to compare.

    Attributes
    ----------
    dataset : the dataset that the run holds
    lock : text of the file by which it does: read by a worker, it proves that this is the same folder
    calibration : files and folders of the white pictures
    versions : of this package and those that decide bytes, by name
    """

    dataset: Dataset
    lock: str
    calibration: tuple[Path, ...]
    versions: tuple[tuple[str, str], ...]

    @classmethod
    def here(cls, dataset: Dataset, calibration: tuple[Path, ...]) -> Surroundings:
        """Those of this process, which holds the dataset."""
        return cls(dataset, lock_of(dataset.root).read_text(), calibration, _versions())

    def check(self, light_field: Path) -> None:
        """Compare them with those of this process, which is to read a light field.

        Raises
        ------
        UnfitWorkerError
            If they differ, or the run has ended.
        """
        for (name, wanted), (_, found) in zip(self.versions, _versions(), strict=True):
            if wanted != found:
                raise UnfitWorkerError(
                    f"the worker on {worker_name()}",
                    f"has {name} {found}, this run {wanted}",
                    "install the same versions everywhere, then run the same command again",
                )
        cure = "let all workers see it under this path, then run the same command again"
        for path in (light_field.parent, *self.calibration):
            if not path.exists():
                raise UnfitWorkerError(path, f"is not there for the worker on {worker_name()}", cure)
        lock = lock_of(self.dataset.root)
        try:
            same = lock.read_text() == self.lock
        except OSError as error:
            fault = f"cannot be read by the worker on {worker_name()} ({error.strerror})"
            raise UnfitWorkerError(lock, fault, cure) from error
        if not same:
            raise UnfitWorkerError(lock, f"is another file for the worker on {worker_name()}", cure)


def worker_name() -> str:
    """What to call this process."""
    return f"{socket.gethostname()} (process {os.getpid()})"


@functools.cache  # each takes a search in many folders
def _versions() -> tuple[tuple[str, str], ...]:
    return (
        ("lfsynth", __version__),
        ("Python", ".".join(platform.python_version_tuple()[:2])),
        *((name, _version(name)) for name in DECISIVE),
    )


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"
