"""Changing a dataset on disk so that a run may be killed at any instant and none disturbs another.

One run at a time holds the lock; its workers mark the time in which they write. A scene's record is written
last and removed first: a scene without one is not there.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from lfsynth.errors import InputError
from lfsynth.lfdof import SPLITS, STATE, Dataset
from lfsynth.output_folder import held, writing


@contextmanager
def locked(dataset: Dataset, *, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold the dataset for this process alone; before and after, sweep what was left half-written.

    The lock goes with the process, however it ends. Workers that a killed run has left are waited for.

    Parameters
    ----------
    waiting : called where there are such workers

    Raises
    ------
    InputError
        If another process holds it, or the folder holds a dataset that was not made by this package.
    OutputError
        If the folder cannot be written to.
    """
    foreign = [dataset.split_folder(split) for split in SPLITS if dataset.split_folder(split).exists()]
    if foreign and not dataset.state.exists():
        raise InputError(
            dataset.root,
            f"holds {foreign[0].name} that lfsynth did not make",
            "choose another folder with --out",
        )
    with held(dataset.root):
        with writing(dataset.root):
            _sweep(dataset, waiting)
        try:
            yield
        finally:
            with writing(dataset.root):
                _sweep(dataset, waiting)


@contextmanager
def working(dataset: Dataset, run: int) -> Iterator[bool]:
    """Tell runs that start meanwhile that a scene is being written.

    Parameters
    ----------
    run : process id of the run that this process or its parent is

    Yields
    ------
    whether to go on: False where that run is dead, and another one may have the dataset
    """
    with writing(dataset.root):
        workers = (dataset.state / "workers").open("a")
    with workers:
        fcntl.flock(workers, fcntl.LOCK_SH)
        yield run in (os.getpid(), os.getppid())


@contextmanager
def alone(dataset: Dataset, scene: str) -> Iterator[int]:
    """Hold a scene for this process, whichever machine the others run on, which wait meanwhile.

    Where a worker is given up for lost and another one takes over, the first may be at it still.

    Yields
    ------
    how many processes have held it before, in this run, and were killed
    """
    path = dataset.state / f"{scene}.tries"
    with writing(dataset.root):
        tries = _held_for_good(path)
    with tries:
        with writing(dataset.root):
            earlier = os.fstat(tries.fileno()).st_size
            os.write(tries.fileno(), b".")
        yield earlier
        with writing(dataset.root):
            path.unlink(missing_ok=True)


def _held_for_good(path: Path) -> BinaryIO:
    """The file, made where there is none, locked; not one that whoever held it before has removed."""
    while True:
        file = path.open("ab", buffering=0)
        fcntl.flock(file, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):
            if os.path.samestat(path.stat(), os.fstat(file.fileno())):
                return file
        file.close()


@contextmanager
def replacing(dataset: Dataset, scene: str) -> Iterator[None]:
    """Take a scene out and have it written anew; what is half-written when that fails is removed.

    A process that is killed meanwhile leaves a note by which `locked` finds the scene.
    """
    note = dataset.state / f"{scene}.begun"
    note.touch()
    remove(dataset, scene)
    try:
        yield
    except BaseException:
        remove(dataset, scene)
        note.unlink(missing_ok=True)
        raise
    note.unlink(missing_ok=True)


def remove(dataset: Dataset, scene: str) -> None:
    """Remove a scene's record, then its pictures, in either split."""
    dataset.record(scene).unlink(missing_ok=True)
    for split in SPLITS:
        for folder in (dataset.inputs(split, scene), dataset.defocus_maps(split, scene)):
            if folder.exists():
                shutil.rmtree(folder)
        dataset.ground_truth(split, scene).unlink(missing_ok=True)


def _sweep(dataset: Dataset, waiting: Callable[[], None] | None) -> None:
    """Wait for workers, then remove what a process that was killed has left half-written."""
    with (dataset.state / "workers").open("a") as workers:
        try:
            fcntl.flock(workers, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting is not None:
                waiting()
            fcntl.flock(workers, fcntl.LOCK_EX)
    for note in list(dataset.state.glob("*.begun")):
        remove(dataset, note.stem)
        note.unlink()
    for note in list(dataset.state.glob("*.tries")):
        note.unlink()
    for pattern in (".*.partial", f"{STATE}/.*.partial", "*_data/*/.*.partial"):
        for partial in list(dataset.root.glob(pattern)):
            if partial.is_dir():
                shutil.rmtree(partial)
            else:
                partial.unlink()
