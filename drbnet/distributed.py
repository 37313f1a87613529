"""Training by several processes, started by ``torchrun``; with one process all of this does nothing.

Each process is told its number and its peers by the environment variables that torchrun sets.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

import torch
from torch import Tensor, distributed
from torch.distributed.elastic.multiprocessing.errors import get_error_handler

from drbnet.choices import Device
from lfsynth.errors import InputError

TIMEOUT = timedelta(minutes=30)
"""A process waits as long for the others, which may be validating, saving or loading."""


@dataclass(frozen=True)
class Processes:
    """One process among those that train together.

    Attributes
    ----------
    rank : number of this one, from 0, over all hosts
    world : how many there are
    device : where this one's network is
    """

    rank: int
    world: int
    device: torch.device

    @property
    def leads(self) -> bool:
        """Whether this one writes files and shows what goes on."""
        return self.rank == 0

    def largest(self, values: list[float]) -> list[float]:
        """The largest of each value over all processes."""
        return self._reduced(values, distributed.ReduceOp.MAX)

    def mean(self, values: list[float]) -> list[float]:
        """The mean of each value over all processes."""
        if self.world == 1:
            return values
        return [value / self.world for value in self._reduced(values, distributed.ReduceOp.SUM)]

    def gathered(self, value: Any) -> list[Any]:
        """What each process gives, in the order of their numbers."""
        if self.world == 1:
            return [value]
        found: list[Any] = [None] * self.world
        distributed.all_gather_object(found, value)
        return found

    def from_leader(self, value: Any) -> Any:
        """What the process 0 gives, whatever the others give."""
        if self.world == 1:
            return value
        found = [value if self.leads else None]
        distributed.broadcast_object_list(found, device=self.device)
        return found[0]

    def _reduced(self, values: list[float], how: Any) -> list[float]:
        if self.world == 1:
            return values
        tensor: Tensor = torch.tensor(values, dtype=torch.float64, device=self.device)
        distributed.all_reduce(tensor, how)
        return cast("list[float]", tensor.tolist())


@contextmanager
def processes(device: Device) -> Iterator[Processes]:
    """Join the processes that train together, while the context lasts.

    Raises
    ------
    InputError : where CUDA is asked for and there is none; and where another process has failed
    """
    rank, world = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Processes(0, 1, _chosen(device, 0))
        return
    try:
        chosen = _chosen(device, int(os.environ.get("LOCAL_RANK", "0")))
        distributed.init_process_group("nccl" if chosen.type == "cuda" else "gloo", timeout=TIMEOUT)
        yield Processes(rank, world, chosen)
    except Exception as error:
        if isinstance(error, RuntimeError) and _peer_is_gone(error):
            fault = "another process has ended"
            raise InputError(f"process {rank}", fault, "see what that one says") from error
        # For the summary that torchrun gives at its end.
        get_error_handler().record_exception(error)
        raise
    distributed.destroy_process_group()


def _chosen(device: Device, local_rank: int) -> torch.device:
    available = torch.cuda.is_available()
    if device is Device.CPU or (device is Device.AUTO and not available):
        return torch.device("cpu")
    if not available:
        why = (
            "this torch is built without CUDA" if torch.version.cuda is None else "torch finds no CUDA device"
        )
        raise InputError("--device cuda", why, "give --device cpu, or install torch for CUDA and its driver")
    if local_rank >= torch.cuda.device_count():
        fault = f"process {local_rank} of this host finds {torch.cuda.device_count()} CUDA devices"
        raise InputError("--device cuda", fault, "start as many processes as there are, by --nproc-per-node")
    chosen = torch.device("cuda", local_rank)
    torch.cuda.set_device(chosen)
    return chosen


def _peer_is_gone(error: RuntimeError) -> bool:
    """Whether an exchange failed since another process ended, as gloo and NCCL tell it."""
    text = str(error).lower()
    return isinstance(error, distributed.DistError) or "gloo" in text or "connection" in text
