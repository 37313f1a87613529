"""Many independent pieces of work in processes: past dead workers, and no worker outlives its run."""

from __future__ import annotations

import functools
import os
import threading
import time
from collections.abc import Callable, Generator
from contextlib import closing
from typing import TypeVar

from joblib import Parallel, delayed
from joblib.externals.loky.process_executor import TerminatedWorkerError

from lfsynth.machine import cores, keep_memory

ORPHAN_CHECK = 0.5
"""Seconds after which a worker whose run was killed notices it."""

Item = TypeVar("Item")
Result = TypeVar("Result")
Work = Callable[[str, Item, int, int], Result]
"""What is done with an item, such as a path: called with its name, the item, the number of threads to run, and the
process id of the run, which is this process or its parent. It can be pickled, and so can items and results."""


def each(
    work: Work[Item, Result],
    items: dict[str, Item],
    *,
    jobs: int,
    notice: Callable[[str], None],
    done: Callable[[str, Item], Result | None],
    died: Callable[[str, Item], Result],
) -> Generator[tuple[str, Result], None, None]:
    """Do the work on each item, each as soon as a process is free for it.

    Parameters
    ----------
    work : see `Work`
    items : by name
    jobs : processes; 1 is this one
    notice : called with a line on what the user should know
    done : where a worker died, asked for each item it may have had, before that is tried again: what was made of it,
        if it was
    died : result for an item whose process died although it had the machine for itself

    Yields
    ------
    names and results in no particular order
    """
    if jobs == 1 or len(items) == 1:
        for name, item in items.items():
            yield name, work(name, item, cores(), os.getpid())
        return
    waiting = dict(items)
    while waiting:
        try:
            with closing(_parallel(work, waiting, jobs)) as results:
                for name, result in results:
                    del waiting[name]
                    yield name, result
        except TerminatedWorkerError:
            notice("a process was killed, perhaps for lack of memory; if that goes on, take fewer --jobs")
            # The other processes go with it, and which item it had is not known, but it was one of the first: each of
            # these gets the machine for itself.
            for name in list(waiting)[: 2 * jobs]:
                item = waiting.pop(name)
                earlier = done(name, item)
                yield name, _alone(work, name, item, died) if earlier is None else earlier


def _alone(work: Work[Item, Result], name: str, item: Item, died: Callable[[str, Item], Result]) -> Result:
    """Do the work on one item in a process that may die."""
    try:
        # To its end: joblib warns of a generator that is left before.
        [(_, result)] = list(_parallel(work, {name: item}, 2))
        return result
    except TerminatedWorkerError:
        return died(name, item)


def _parallel(
    work: Work[Item, Result], items: dict[str, Item], jobs: int
) -> Generator[tuple[str, Result], None, None]:
    """Do the work in processes.

    Raises
    ------
    TerminatedWorkerError
        If one of them dies.
    """
    threads = max(1, cores() // min(jobs, len(items)))
    # One at a time: batches of quick ones would hold back the news of them.
    pool = Parallel(jobs, return_as="generator_unordered", batch_size=1)
    calls = (delayed(_in_child)(work, name, item, threads, os.getpid()) for name, item in list(items.items()))
    results: Generator[tuple[str, Result], None, None] = pool(calls)
    return results


def _in_child(work: Work[Item, Result], name: str, item: Item, threads: int, run: int) -> tuple[str, Result]:
    """Do the work on one item in a process of the pool, or in the run's own where joblib does without one."""
    if os.getpid() != run:
        keep_memory()
        _end_with(run)
    return name, work(name, item, threads, run)


@functools.cache
def _end_with(run: int) -> None:
    """End this process soon after the run whose worker it is: whoever kills that means to stop it all."""

    def watch() -> None:
        while os.getppid() == run:
            time.sleep(ORPHAN_CHECK)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
