"""PSNR and SSIM of a network on pairs that it is not trained with.

Whole pictures, the network in float32, values in [0, 1] as stored (sRGB-encoded), the output clipped but not rounded;
PSNR and SSIM of each picture, then the mean.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from drbnet.datasets import Layout, Pair, Pairs, Split, find
from drbnet.distributed import Processes
from drbnet.metrics import mean, psnr, ssim, to_unit
from drbnet.reading import Bits, read_encoded
from lfsynth.errors import InputError

MULTIPLE = 8
"""Sides of cropped pictures are multiples of this, which all networks take."""


@dataclass(frozen=True)
class Scores:
    """Means over the pairs: dB of the output and of the input, SSIM of both."""

    psnr: float
    ssim: float
    input_psnr: float
    input_ssim: float
    pairs: int

    def __str__(self) -> str:
        """As the user sees it."""
        gain = self.psnr - self.input_psnr
        return (
            f"PSNR {self.psnr:.3f} dB ({gain:+.3f} over the input), SSIM {self.ssim:.4f} "
            f"({self.ssim - self.input_ssim:+.4f}), {self.pairs} pairs"
        )


@dataclass(frozen=True)
class Data:
    """Pairs to train with, others to validate with, and those of another dataset that are trained with as well."""

    training: Pairs
    validation: Pairs
    mixed: Pairs | None = None


def training_data(
    root: Path,
    *,
    layout: Layout | None,
    dual: bool,
    listed: Path | None,
    exclude: Path | None,
    validation: Path | None,
    held_out: float,
    notice: Callable[[str], None],
) -> Data:
    """Pairs of a dataset's train split, and those to validate with.

    These are, of what is there: the split val, then test, of the dataset of `validation`; those of the dataset itself;
    a share of the training's own targets, which it then is not trained with.

    Parameters
    ----------
    listed, exclude : lists of pairs to train with alone, and of pictures to leave out
    held_out : share of the targets that are held out where there is no other split
    notice : called with a line on what the user should know

    Raises
    ------
    InputError : as `drbnet.datasets.find` does
    """
    training = find(root, layout=layout, split=Split.TRAIN, dual=dual, listed=listed, exclude=exclude)
    if validation is not None:
        found = _other_split(validation, None, dual, None, notice)
        if isinstance(found, InputError):
            raise found
        if _share(training, found):
            notice(f"{validation}: its pairs are trained with too; their scores say little about others")
        return Data(training, found)
    found = _other_split(root, layout, dual, exclude, notice)
    if isinstance(found, Pairs) and not _share(training, found):
        return Data(training, found)
    return _held_out(training, held_out, notice)


def spread(pairs: Pairs, most: int) -> tuple[Pair, ...]:
    """At most so many of the pairs, evenly spread over their order."""
    if len(pairs) <= most:
        return pairs.pairs
    return tuple(pairs.pairs[number * len(pairs) // most] for number in range(most))


def read_pair(pair: Pair, *, bits: Bits, crop: int = 0) -> tuple[Tensor, Tensor]:
    """Views (1, V, 3, H, W) and target (1, 3, H, W), float32 in [-1, 1].

    crop : px, side of their middle, made smaller where the picture is; 0 for all of it

    Raises
    ------
    InputError : where a picture is damaged, or they differ in size
    """
    if pair.target is None:
        raise InputError(
            pair.inputs[0], "it has no target to be compared with", "validate with another dataset"
        )
    pictures = [read_encoded(path, bits=bits) for path in (*pair.inputs, pair.target)]
    for path, picture in zip((*pair.inputs, pair.target), pictures, strict=True):
        if picture.shape != pictures[-1].shape:
            sizes = [f"{one.shape[0]} x {one.shape[1]}" for one in (picture, pictures[-1])]
            raise InputError(path, f"it is {sizes[0]} pixels, its target {sizes[1]}", "replace one of them")
    tensors = [torch.from_numpy(_for_network(_middle(picture, crop))) for picture in pictures]
    return torch.stack(tensors[:-1])[None], tensors[-1][None]


def validate(
    network: nn.Module,
    pairs: Sequence[Pair],
    processes: Processes,
    *,
    bits: Bits,
    crop: int,
    stopping: Callable[[], bool],
) -> Scores | None:
    """Scores of a network, the pairs shared among the processes; None where one of them is stopping.

    Parameters
    ----------
    network : from views to the clipped output; it is left in the mode that it was in
    crop : as of `read_pair`
    stopping : asked between pictures
    """
    was_training = network.training
    network.eval()
    found: dict[int, tuple[float, ...]] = {}
    stops = False
    try:
        for number in range(processes.rank, len(pairs), processes.world):
            stops = stopping()
            if stops:
                break
            views, target = (
                one.to(processes.device) for one in read_pair(pairs[number], bits=bits, crop=crop)
            )
            with torch.no_grad():
                output = to_unit(network(*views.unbind(1)))
            wanted, given = to_unit(target), to_unit(views[:, 0])
            found[number] = tuple(
                float(score) for one in (output, given) for score in (psnr(one, wanted), ssim(one, wanted))
            )
    finally:
        network.train(was_training)
    if processes.largest([float(stops)])[0]:
        return None
    scores = {number: one for part in processes.gathered(found) for number, one in part.items()}
    # In the order of the pairs, so that the sums do not depend on the number of processes.
    columns = zip(*(scores[number] for number in sorted(scores)), strict=True)
    decibels, similarity, input_decibels, input_similarity = (mean(list(column)) for column in columns)
    return Scores(decibels, similarity, input_decibels, input_similarity, len(scores))


def _other_split(
    place: Path, layout: Layout | None, dual: bool, exclude: Path | None, notice: Callable[[str], None]
) -> Pairs | InputError:
    """The split val, else test, or why there is none; why it is not val is told, as that may be a hole in it."""
    try:
        return find(place, layout=layout, split=Split.VAL, dual=dual, exclude=exclude)
    except InputError as error:
        notice(f"no split to validate with: {error.path}: {error.fault}")
    try:
        return find(place, layout=layout, split=Split.TEST, dual=dual, exclude=exclude)
    except InputError as error:
        notice(f"nor one to test with: {error.path}: {error.fault}")
        return error


def _share(some: Pairs, others: Pairs) -> bool:
    """Whether they share a picture."""
    paths = {pair.inputs[0].resolve() for pair in some.pairs}
    return any(pair.inputs[0].resolve() in paths for pair in others.pairs)


def _held_out(training: Pairs, share: float, notice: Callable[[str], None]) -> Data:
    targets = sorted({pair.target for pair in training.pairs if pair.target is not None})
    count = min(max(1, round(share * len(targets))), len(targets) - 1)
    if count == 0:
        notice(f"{training.root}: it has one target alone, which is trained and validated with")
        return Data(training, training)
    chosen = {targets[number * len(targets) // count] for number in range(count)}
    kept = tuple(pair for pair in training.pairs if pair.target not in chosen)
    held = tuple(pair for pair in training.pairs if pair.target in chosen)
    notice(
        f"{training.root}: it has no other split; {len(held)} pairs of {count} targets are held out of training"
    )
    return Data(replace(training, pairs=kept), replace(training, pairs=held))


def _middle(picture: NDArray[np.float32], crop: int) -> NDArray[np.float32]:
    if not crop:
        return picture
    height, width = (min(crop, side - side % MULTIPLE) for side in picture.shape[:2])
    top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
    return picture[top : top + height, left : left + width]


def _for_network(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.ascontiguousarray(picture.transpose(2, 0, 1)) * 2 - 1
