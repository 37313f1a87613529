"""Many independent pieces of work in processes: past dead workers, and no worker outlives its run."""

from __future__ import annotations

import functools
import os
import threading
import time
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from joblib import Parallel, delayed
from joblib.externals.loky.process_executor import TerminatedWorkerError

from lfsynth.machine import cores, keep_memory

ORPHAN_CHECK = 0.5
"""Seconds after which a worker whose run was killed notices it."""

Result = TypeVar("Result")
Work = Callable[[str, Path, int, int], Result]
"""What is done with a file: called with its name, its path, the number of threads to run, and the process id of the
run, which is this process or its parent. It can be pickled."""


def each(
    work: Work[Result],
    paths: dict[str, Path],
    *,
    jobs: int,
    notice: Callable[[str], None],
    done: Callable[[str, Path], Result | None],
    died: Callable[[str, Path], Result],
) -> Generator[tuple[str, Result], None, None]:
    """Do the work on each path, each as soon as a process is free for it.

    Parameters
    ----------
    work : see `Work`
    paths : by name
    jobs : processes; 1 is this one
    notice : called with a line on what the user should know
    done : where a worker died, asked for each path it may have had, before that is tried again: what was made of it,
        if it was
    died : result for a path whose process died although it had the machine for itself

    Yields
    ------
    names and results in no particular order
    """
    if jobs == 1 or len(paths) == 1:
        for name, path in paths.items():
            yield name, work(name, path, cores(), os.getpid())
        return
    waiting = dict(paths)
    while waiting:
        try:
            with closing(_parallel(work, waiting, jobs)) as results:
                for name, result in results:
                    del waiting[name]
                    yield name, result
        except TerminatedWorkerError:
            notice("a process was killed, perhaps for lack of memory; if that goes on, take fewer --jobs")
            # The other processes go with it, and which path it had is not known, but it was one of the first: each of
            # these gets the machine for itself.
            for name in list(waiting)[: 2 * jobs]:
                path = waiting.pop(name)
                earlier = done(name, path)
                yield name, _alone(work, name, path, died) if earlier is None else earlier


def _alone(work: Work[Result], name: str, path: Path, died: Callable[[str, Path], Result]) -> Result:
    """Do the work on one path in a process that may die."""
    try:
        return next(_parallel(work, {name: path}, 2))[1]
    except TerminatedWorkerError:
        return died(name, path)


def _parallel(
    work: Work[Result], paths: dict[str, Path], jobs: int
) -> Generator[tuple[str, Result], None, None]:
    """Do the work in processes.

    Raises
    ------
    TerminatedWorkerError
        If one of them dies.
    """
    threads = max(1, cores() // min(jobs, len(paths)))
    # One at a time: batches of quick ones would hold back the news of them.
    pool = Parallel(jobs, return_as="generator_unordered", batch_size=1)
    calls = (delayed(_in_child)(work, name, path, threads, os.getpid()) for name, path in list(paths.items()))
    results: Generator[tuple[str, Result], None, None] = pool(calls)
    return results


def _in_child(work: Work[Result], name: str, path: Path, threads: int, run: int) -> tuple[str, Result]:
    """Do the work on one path in a process of the pool, or in the run's own where joblib does without one."""
    if os.getpid() != run:
        keep_memory()
        _end_with(run)
    return name, work(name, path, threads, run)


@functools.cache
def _end_with(run: int) -> None:
    """End this process soon after the run whose worker it is: whoever kills that means to stop it all."""

    def watch() -> None:
        while os.getppid() == run:
            time.sleep(ORPHAN_CHECK)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
