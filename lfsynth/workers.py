"""Many independent pieces of work in processes: past dead workers, and no worker outlives its run.

By default the processes are joblib's own, on this machine. Within `joblib.parallel_config` another backend does the
work, also one of processes on other machines.
"""

from __future__ import annotations

import functools
import os
import pickle
import threading
import time
import traceback
from collections.abc import Callable, Generator
from contextlib import closing
from typing import Any, TypeVar

from joblib import Parallel, delayed
from joblib.externals.loky.process_executor import TerminatedWorkerError
from joblib.parallel import (
    LokyBackend,
    MultiprocessingBackend,
    SequentialBackend,
    ThreadingBackend,
    get_active_backend,
)

from lfsynth.errors import InputError
from lfsynth.machine import cores, keep_memory

ORPHAN_CHECK = 0.5
"""Seconds after which a worker whose run was killed notices it."""

LOSSES = 3
"""So often an item is given out anew whose result a backend on other machines has lost, each time for several deaths
of workers, perhaps by others' fault."""

Item = TypeVar("Item")
Result = TypeVar("Result")
Work = Callable[[str, Item, int, int], Result]
"""What is done with an item, such as a path: called with its name, the item, the number of threads to run, and the
process id of the run, which is this process or its parent. It can be pickled, and so can items and results."""


def elsewhere() -> bool:
    """Whether `joblib.parallel_config` names a backend whose workers are not this process nor its children."""
    backend, _ = get_active_backend()
    return not isinstance(backend, (LokyBackend, MultiprocessingBackend, SequentialBackend, ThreadingBackend))


def each_elsewhere(
    work: Callable[[str, Item], Result], items: dict[str, Item], *, died: Callable[[str, Item], Result]
) -> Generator[tuple[str, Result], None, None]:
    """Do the work on each item by the backend that `joblib.parallel_config` names.

    Parameters
    ----------
    work : called with an item's name and the item; runs one thread, since such workers are counted by cores; it can
        be pickled, and so can items and results
    items : by name
    died : result for an item whose result the backend has lost again and again

    Yields
    ------
    names and results in no particular order
    """
    waiting = dict(items)
    for _ in range(LOSSES):
        if waiting:
            # All at once: the queue is the backend's, and workers that join later find work in it.
            pool = Parallel(-1, return_as="generator_unordered", batch_size=1, pre_dispatch="all")
            # As bytes, so that what distributes them need not load what the work needs.
            packed = [pickle.dumps((work, name, item)) for name, item in waiting.items()]
            with closing(pool(delayed(_unpacked)(piece) for piece in packed)) as results:
                for name, result in results:
                    del waiting[name]
                    yield name, result
    for name, item in waiting.items():
        yield name, died(name, item)


def _unpacked(packed: bytes) -> tuple[str, Any]:
    """Do the work on one item."""
    work, name, item = pickle.loads(packed)
    try:
        return name, work(name, item)
    except InputError:
        raise
    except Exception as error:
        # As text: an error that cannot be unpickled would never be told.
        raise RuntimeError("".join(traceback.format_exception(error))) from None


def each(
    work: Work[Item, Result],
    items: dict[str, Item],
    *,
    jobs: int,
    notice: Callable[[str], None],
    done: Callable[[str, Item], Result | None],
    died: Callable[[str, Item], Result],
) -> Generator[tuple[str, Result], None, None]:
    """Do the work on each item on this machine, each as soon as a process is free for it.

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
    backend = "loky" if elsewhere() else None
    pool = Parallel(jobs, backend=backend, return_as="generator_unordered", batch_size=1)
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
