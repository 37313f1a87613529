"""The order in which a training takes its pairs, and the random numbers of each of its patches.

All come from counters, not from a state that is carried along, so that any patch of any epoch can be made again
by whichever process, at any time.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum

import numpy as np


class Draws(IntEnum):
    """What random numbers are for: each purpose has its own."""

    ORDER = 0
    PATCH = 1
    SUBSTITUTE = 2


def generator(purpose: Draws, *counters: int) -> np.random.Generator:
    """The random numbers of these counters, none negative; J. K. Salmon et al., doi:10.1145/2063384.2063405."""
    return np.random.Generator(np.random.Philox(np.random.SeedSequence((int(purpose), *counters))))


class PatchSampler:
    """Which pairs each step of each epoch takes: every pair once an epoch, in an order drawn anew for each.

    The order depends on seed and epoch alone. A step takes `batch` pairs a rank, `world` times as many in all, the
    same ones for any number of ranks that gives the same product. All steps are whole: the last one of an epoch is
    filled up by further patches of the first pairs.

    Iterating yields (epoch, index) for this rank, from the place that `go_to` has set to the epoch's end. An index
    beyond the number of pairs stands for another patch of the pair ``index % pairs``.

    Parameters
    ----------
    pairs : how many there are
    batch : pairs a step and rank, over all of its accumulated parts
    seed : of the run
    rank, world : this process, and how many there are
    repeats : how often an epoch takes each pair
    """

    def __init__(
        self, pairs: int, *, batch: int, seed: int = 0, rank: int = 0, world: int = 1, repeats: int = 1
    ) -> None:
        if min(pairs, batch, world, repeats) < 1 or not 0 <= rank < world:
            raise ValueError(
                f"pairs, batch, world and repeats must be at least 1 and rank below world, not {pairs}, {batch}, "
                f"{world}, {repeats} and {rank}"
            )
        self._pairs = pairs * repeats
        self._batch = batch
        self._seed = seed
        self._rank = rank
        self._world = world
        self._epoch = 0
        self._step = 0

    @property
    def steps(self) -> int:
        """Steps an epoch."""
        return -(-self._pairs // (self._batch * self._world))

    def __len__(self) -> int:
        """How many pairs are left of the epoch, for this rank."""
        return (self.steps - self._step) * self._batch

    def go_to(self, epoch: int, step: int = 0) -> None:
        """Set where the next iteration begins: at this step of this epoch, both counted from 0."""
        if epoch < 0 or not 0 <= step <= self.steps:
            raise ValueError(
                f"an epoch has the steps 0 to {self.steps}: there is no epoch {epoch}, step {step}"
            )
        self._epoch, self._step = epoch, step

    def __iter__(self) -> Iterator[tuple[int, int]]:
        order = generator(Draws.ORDER, self._seed, self._epoch).permutation(self._pairs)
        total = self.steps * self._batch * self._world
        laps = np.arange(total) // self._pairs
        order = np.resize(order, total) + laps * self._pairs
        mine = order.reshape(self.steps, self._world, self._batch)[self._step :, self._rank]
        epoch = self._epoch
        for index in mine.ravel().tolist():
            yield epoch, index
