"""A batch on the workers of a Dask cluster, through joblib's own backend for it.

Paths and settings travel to the workers, rows of the manifest travel back; light fields and pictures stay on a file
system that all see. Dask gives the work of a worker that dies to another one. Needs the extra ``cluster``.
"""

from __future__ import annotations

import functools
import logging
import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import Any

from joblib import parallel_config
from joblib._dask import DaskDistributedBackend

from lfsynth.errors import InputError

try:
    import distributed
except ModuleNotFoundError as error:
    if error.name not in ("dask", "distributed"):
        raise
    raise InputError("--cluster", f"{error.name} is missing", 'pip install "lfsynth[cluster]"') from None

PATIENCE = 5.0
"""Seconds to wait for a scheduler."""
FIRST_WORKER = 15.0
"""Seconds to wait for its first worker."""
ADDRESS = re.compile(r"((tcp|tls)://)?[^\s/]+:[0-9]{1,5}")
WATCH = 2.0
"""Seconds between two looks at which workers there are."""


@contextmanager
def connected(address: str, notice: Callable[[str], None]) -> Iterator[None]:
    """Have what joblib does in this context done by the workers of a Dask scheduler.

    Leaving it takes back what no worker has begun.

    Parameters
    ----------
    address : as ``tcp://scheduler:8786``
    notice : called with a line, perhaps in another thread, where workers are lost

    Raises
    ------
    InputError
        If there is no scheduler, or it has no workers.
    """
    if ADDRESS.fullmatch(address) is None:
        raise InputError("--cluster", f"{address!r} is no address", "give one as tcp://scheduler:8786")
    # What it logs of workers that come and go, the user is told in one line.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        client = distributed.Client(address, timeout=PATIENCE, set_as_default=False)
    except OSError as error:
        cure = "start dask scheduler there, or correct --cluster"
        raise InputError(address, f"no Dask scheduler answers ({error})", cure) from error
    ended = threading.Event()
    try:
        _wait_for_worker(client, address)
        workers = set(client.nthreads())
        watch = threading.Thread(target=_watch, args=(client, workers, notice, ended), daemon=True)
        watch.start()
        with parallel_config(backend=_Backend(client=client)):
            yield
        ended.set()
        watch.join()
    finally:
        ended.set()
        client.close()


def _wait_for_worker(client: distributed.Client, address: str) -> None:
    try:
        client.wait_for_workers(1, timeout=FIRST_WORKER)
    except TimeoutError as error:
        cure = f"start some with dask worker {address} --nthreads 1"
        raise InputError(address, "the scheduler has no workers", cure) from error


def _watch(
    client: distributed.Client, before: set[str], notice: Callable[[str], None], ended: threading.Event
) -> None:
    """Tell of workers that are lost; what they had, others do.

    Parameters
    ----------
    before : the workers as the batch begins: one of them may be lost before the first look
    """
    last = False
    while not last:
        last = ended.wait(WATCH)
        try:
            now = set(client.nthreads())
        except Exception:  # whatever the connection died of, the batch is told by its results
            return
        for worker in sorted(before - now):
            then = "what it had goes to another" if now else "waiting for others, none is left"
            notice(f"the worker {worker} is gone; {then}")
        before = now


class _Lost:
    """The result of work will never come, but others' will."""


class _Backend(DaskDistributedBackend):  # type: ignore[misc]  # joblib has no types
    """joblib's backend, without what is no use to a batch: waiting for ever for work that Dask has given up."""

    def effective_n_jobs(self, n_jobs: int) -> int:
        """The workers' threads; at least 2, since joblib does the work of one in this process."""
        return max(2, int(super().effective_n_jobs(n_jobs)))

    def submit(self, func: Any, callback: Callable[[Any], None]) -> Future[Any]:
        """Give work out; the callback is also called where that has failed, which joblib's does not."""
        future: Future[Any] = super().submit(func, callback)
        future.add_done_callback(functools.partial(_tell, callback))
        return future

    def retrieve_result_callback(self, out: Any) -> Any:
        """The results of a piece of work: none where Dask has given it up."""
        if isinstance(out, _Lost):
            return []
        if isinstance(out, BaseException) and not isinstance(out, Exception):
            out = None  # cancelled
        if out is None or isinstance(out, distributed.client.FutureCancelledError):
            address = self.client.scheduler.address
            raise InputError(
                address, "the scheduler is gone", "start it and its workers and run the same command again"
            )
        return super().retrieve_result_callback(out)

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """Take back what no worker has begun."""
        super().abort_everything(ensure_ready)
        with suppress(OSError, TimeoutError):
            self.client.close()


def _tell(callback: Callable[[Any], None], future: Future[Any]) -> None:
    error = future.exception()
    if isinstance(error, distributed.KilledWorker):
        callback(_Lost())
    elif error is not None:
        cure = "install the same versions on all workers, then run the same command again"
        callback(InputError("a worker", f"cannot run this ({type(error).__name__}: {error})", cure))
