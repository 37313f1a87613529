"""Patches of pairs for training, read and augmented by worker processes.

A patch is the same whichever process makes it, and whenever: its random numbers come from the run's seed, the epoch
and the pair's index. Pictures that are damaged are replaced by patches of other pairs, chosen in the same way, and
reported with the batch that lacks them.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset, default_collate

from drbnet.augment import Augmentation, Draw, apply, apply_to_lengths, draw
from drbnet.datasets import Pair, Pairs, files_of
from drbnet.defocus import read_map
from drbnet.reading import Bits, read_encoded
from drbnet.sampling import Draws, PatchSampler, generator
from lfsynth.errors import InputError
from lfsynth.pictures import Choose, size_of

SKIP_LIMIT = 10
"""Damaged pairs that a training puts up with."""

_SUBSTITUTES = 20
"""Pairs that are tried in place of a damaged one."""


class Batch(TypedDict):
    """Some patches.

    inputs : (N, V, 3, p, p) float32 in [-1, 1]
    target : (N, 3, p, p) float32 in [-1, 1]
    defocus : (N, 1, p, p) float32 in [0, 1], see `drbnet.defocus`; None where the pairs have no maps
    index : (N,) int64, of the pairs that were asked for
    skipped : of damaged pairs that are met for the first time, a line each
    """

    inputs: torch.Tensor
    target: torch.Tensor
    defocus: torch.Tensor | None
    index: torch.Tensor
    skipped: list[str]


@dataclass(frozen=True)
class _Made:
    """What a worker has made of one place of the order.

    inputs : (V, 3, p, p) float32 in [-1, 1]
    target : (3, p, p) float32 in [-1, 1]
    defocus : (1, p, p) float32 in [0, 1]; None where the pair has no map
    index : of the pair that was asked for
    damaged : names of the pairs that could not be read, and why
    fault : what ends the training, in place of a patch; an exception would lose its kind on the way
    """

    inputs: NDArray[np.float32] | None
    target: NDArray[np.float32] | None
    defocus: NDArray[np.float32] | None
    index: int
    damaged: dict[str, str]
    fault: InputError | None


class PatchDataset(Dataset[Any]):
    """Patches of pairs, by (epoch, index).

    Parameters
    ----------
    pairs : with targets
    patch : side of the patches, px
    seed : of the run
    augmentation : None: that of the paper
    bits : how many bits of a sample of 16 are used

    Raises
    ------
    InputError
        If there is a pair without target.
    """

    def __init__(
        self,
        pairs: Pairs,
        *,
        patch: int = 320,
        seed: int = 0,
        augmentation: Augmentation | None = None,
        bits: Bits = Bits.TRUNCATED,
    ) -> None:
        without = next((pair for pair in pairs.pairs if pair.target is None), None)
        if without is not None:
            fault = f"has no targets ({pairs.layout.value}), so that nothing can be learned from it"
            raise InputError(pairs.root, fault, "train on another dataset; this one is for evaluation")
        self._pairs = pairs.pairs
        self._patch = patch
        self._seed = seed
        self._augmentation = Augmentation() if augmentation is None else augmentation
        self._bits = bits

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, place: tuple[int, int]) -> _Made:
        """The patch of this epoch and index; an index beyond the pairs is another patch of ``index % pairs``."""
        epoch, index = place
        chosen = index % len(self._pairs)
        damaged: dict[str, str] = {}
        others = generator(Draws.SUBSTITUTE, self._seed, epoch, index)
        for _ in range(_SUBSTITUTES):
            pair = self._pairs[chosen]
            try:
                return _Made(*self._patches(epoch, index, pair), index, damaged, None)
            except _UnfitError as unfit:
                fault = InputError(unfit.path, unfit.fault, unfit.cure)
                return _Made(None, None, None, index, damaged, fault)
            except InputError as error:
                damaged[pair.name] = str(error)
                chosen = int(others.integers(len(self._pairs)))
        return _Made(None, None, None, index, damaged, _too_many(damaged))

    def _patches(
        self, epoch: int, index: int, pair: Pair
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32] | None]:
        """Patches of inputs, target and defocus map for the network; only what they need is decoded."""
        rng = generator(Draws.PATCH, self._seed, epoch, index)
        regions = _Regions(rng, self._augmentation, self._patch)
        views = [read_encoded(path, bits=self._bits, choose=regions.of(path)) for path in files_of(pair)]
        lengths = None if pair.defocus is None else read_map(pair.defocus, regions.of(pair.defocus))
        assert regions.drawn is not None
        inputs, target = apply(rng, regions.drawn, views[:-1], views[-1])
        if lengths is not None:
            lengths = np.minimum(apply_to_lengths(regions.drawn, lengths), np.float32(1))
            lengths = np.ascontiguousarray(lengths.transpose(2, 0, 1))
        return np.stack([_for_network(view) for view in inputs]), _for_network(target), lengths


class _UnfitError(InputError):
    """A pair that cannot be used as it is, though it is not damaged."""


class _Regions:
    """The same region of the pictures of a pair; the first one's size decides where a patch can lie."""

    def __init__(self, rng: np.random.Generator, augmentation: Augmentation, patch: int) -> None:
        self._rng = rng
        self._augmentation = augmentation
        self._patch = patch
        self._first: tuple[Path, tuple[int, int]] | None = None
        self.drawn: Draw | None = None

    def of(self, path: Path) -> Choose:
        """Chooses the region of a picture, given its size."""

        def choose(height: int, width: int) -> tuple[slice, slice]:
            size = height, width
            self._first = self._first or (path, size)
            _check_size(path, size, *self._first, self._patch)
            self.drawn = self.drawn or draw(self._rng, self._augmentation, size, self._patch)
            return self.drawn.region

        return choose


def check_sizes(pairs: Pairs, patch: int) -> None:
    """Whether the pictures of each pair have one size, and no patch is larger, as far as headers of PNG tell.

    Raises
    ------
    InputError
        If not; it names the files.
    """
    for pair in pairs.pairs:
        first = None
        for path in (*files_of(pair), *([pair.defocus] if pair.defocus else [])):
            size = size_of(path)
            if size is not None:
                first = first or (path, size)
                _check_size(path, size, *first, patch)


def _check_size(
    path: Path, size: tuple[int, int], first: Path, first_size: tuple[int, int], patch: int
) -> None:
    height, width = size
    if size != first_size:
        fault = f"is {height} x {width} pixels, its partner {first} {first_size[0]} x {first_size[1]}"
        raise _UnfitError(path, fault, "replace one, or name the pair in an exclude list")
    if min(size) < patch:
        fault = f"is {height} x {width} pixels, smaller than a patch of {patch}"
        cure = f"train with patches of at most {min(size)}, or name it in an exclude list"
        raise _UnfitError(path, fault, cure)


def _for_network(patch: NDArray[np.float32]) -> NDArray[np.float32]:
    """(H, W, 3) in [0, 1] to (3, H, W) in [-1, 1]."""
    planes = np.ascontiguousarray(patch.transpose(2, 0, 1))
    planes *= 2
    planes -= 1
    return planes


def _too_many(damaged: dict[str, str]) -> InputError:
    *_, name = damaged
    what = f"{damaged[name]}; it is the last of {len(damaged)} damaged pairs"
    return InputError(name, what, "check the disk, or name them in an exclude list")


def _collated(
    made: Sequence[_Made],
) -> tuple[dict[str, torch.Tensor], dict[str, str], InputError | None]:
    """A batch's tensors, the damaged pairs, and what ends the training."""
    damaged = {name: line for sample in made for name, line in sample.damaged.items()}
    fault = next((sample.fault for sample in made if sample.fault is not None), None)
    if fault is not None:
        return {}, damaged, fault
    rows = [
        {
            "inputs": torch.from_numpy(sample.inputs),
            "target": torch.from_numpy(sample.target),
            **({} if sample.defocus is None else {"defocus": torch.from_numpy(sample.defocus)}),
            "index": sample.index,
        }
        for sample in made
    ]
    return default_collate(rows), damaged, None


class PatchLoader:
    """Batches of patches, in the sampler's order, from where it stands to the epoch's end.

    Worker processes start at the first iteration and are kept until the loader is closed or an error ends it. Nothing
    is drawn from torch's own random numbers.

    Parameters
    ----------
    dataset : of patches
    sampler : whose steps are of `batch` pairs, or of several times as many, in as many batches
    batch : patches a batch
    workers : processes; 0: in this one
    skip_limit : damaged pairs that are replaced; one more ends the training
    pin_memory : whether batches lie in pinned memory, for a GPU

    Attributes
    ----------
    sampler : the sampler
    damaged : names of the damaged pairs met so far, and what is wrong with them; a training that goes on from a
        checkpoint can set it to what it was
    """

    def __init__(
        self,
        dataset: PatchDataset,
        sampler: PatchSampler,
        *,
        batch: int,
        workers: int = 2,
        skip_limit: int = SKIP_LIMIT,
        pin_memory: bool = False,
    ) -> None:
        self.sampler = sampler
        self.damaged: dict[str, str] = {}
        self._skip_limit = skip_limit
        self._loader: DataLoader[Any] | None = DataLoader(
            dataset,
            batch_size=batch,
            sampler=sampler,  # any iterable of a length will do
            num_workers=workers,
            collate_fn=_collated,
            pin_memory=pin_memory,
            worker_init_fn=_start_worker if workers else None,
            multiprocessing_context=_context() if workers else None,
            generator=torch.Generator(),  # else each epoch would draw from the global one
            persistent_workers=workers > 0,
        )

    def close(self) -> None:
        """End the workers, and all use of this loader."""
        self._loader = None

    def __len__(self) -> int:
        """Batches that are left of the epoch."""
        return len(self._opened())

    def __iter__(self) -> Iterator[Batch]:
        """Batches to the epoch's end.

        Raises
        ------
        InputError
            If more than `skip_limit` pairs are damaged, pictures of a pair differ in size, one is smaller than a
            patch, or a worker has been ended from outside.
        """
        failure = None
        for tensors, damaged, fault in self._collated():
            new = {name: line for name, line in damaged.items() if name not in self.damaged}
            self.damaged |= new
            failure = _too_many(self.damaged) if len(self.damaged) > self._skip_limit else fault
            if failure is not None:
                break
            yield Batch(
                inputs=tensors["inputs"],
                target=tensors["target"],
                defocus=tensors.get("defocus"),
                index=tensors["index"],
                skipped=list(new.values()),
            )
        if failure is not None:
            self.close()
            raise failure

    def _collated(self) -> Iterator[tuple[dict[str, torch.Tensor], dict[str, str], InputError | None]]:
        try:
            with _without_sigterm():
                batches = iter(self._opened())
            yield from batches
        except (RuntimeError, EOFError, ConnectionError) as error:
            if type(error) is RuntimeError and not str(error).startswith("DataLoader worker"):
                raise
            fault = f"a process that reads the pictures has ended ({error or 'no reason is known'})"
            cure = "take fewer workers, or give them more memory, or more shared memory (/dev/shm)"
            raise InputError("workers", fault, cure) from error

    def _opened(self) -> DataLoader[Any]:
        if self._loader is None:
            raise ValueError("the loader is closed")
        return self._loader


def _context() -> str:
    """How workers start: where it can be, as copies of this process, which costs neither time nor memory."""
    return "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"


@contextmanager
def _without_sigterm() -> Iterator[None]:
    """Hold SIGTERM back while workers start, who inherit that for all their threads.

    A library's own threads, which it starts anew in a copied process before any code of ours, would else take the
    signal and end the worker.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_worker(_: int) -> None:
    """One thread each; the loop alone decides what a signal means, and gets to its next step with our patches."""
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()


def _end_with_parent(parent: int) -> None:
    """Wait for SIGTERM from the parent, which has no more use for this worker.

    From anyone else it is meant for all processes of the training.
    """
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != parent:
        pass
    os._exit(0)
