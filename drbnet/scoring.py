"""Scores of a network, or of the inputs alone, on the pairs of a dataset: one by one, on where a run stopped.

Beside the results ``.scores.jsonl`` keeps each picture's scores under a hash of what they depend on: files, weights,
protocol. Killed at any moment, the same run again takes what is there and does the rest. The scores of the input
itself stand beside the output's: what the network gains is the difference.

The network is float32 and sees a picture whole where memory allows, else in tiles, whose result differs from the
whole one's by the rounding of sums alone (see `drbnet.tiling`).
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drbnet.datasets import Pair, files_of
from drbnet.deblurring import SHARE, Deblurrer
from drbnet.lpips import SMALLEST, Lpips, heads_file
from drbnet.protocols import Protocol, Values, cropped, mae, psnr, ssim
from drbnet.reading import read_encoded
from drbnet.tiling import Span, spans
from lfsynth import __version__
from lfsynth.errors import InputError
from lfsynth.machine import free_memory
from lfsynth.pairing import name_below

RECORD = ".scores.jsonl"
VERSION = 1
"""Of the scores; those of another are computed anew."""
METRICS = ("psnr", "ssim", "lpips", "mae")


@dataclass(frozen=True)
class Score:
    """Of one picture against its target: dB, and figures without unit; LPIPS is None without its weights."""

    psnr: float
    ssim: float
    lpips: float | None
    mae: float


@dataclass(frozen=True)
class Row:
    """Scores of a pair.

    Attributes
    ----------
    name : of the input, below the dataset's folder
    target : of the sharp picture; pairs that share one are of one scene
    height, width : of what is scored, px
    output : of the network; None: the inputs alone are scored
    input : of the (combined) input itself
    """

    name: str
    target: str
    height: int
    width: int
    output: Score | None
    input: Score


@dataclass(frozen=True)
class Outcome:
    """What became of a pair.

    Attributes
    ----------
    name : of the pair
    row : None where it is set aside
    fault : the one line that says why it is
    taken : from an earlier run
    """

    name: str
    row: Row | None
    fault: str = ""
    taken: bool = False


@dataclass(frozen=True)
class Scorer:
    """How pairs are scored; call it with one.

    Attributes
    ----------
    protocol : what scores depend on
    deblurrer : the network and the memory that it may take; None: the inputs alone
    lpips : on `device`; None: no LPIPS
    device : where networks are run
    """

    protocol: Protocol
    deblurrer: Deblurrer | None
    lpips: Lpips | None
    device: torch.device

    def __call__(self, pair: Pair) -> tuple[Score | None, Score, tuple[int, int]]:
        """Scores of output and input, and the size of what is compared.

        Raises
        ------
        InputError : where a picture is damaged, of floats, or too small, where they differ in size, and where the
            network gives values that are no numbers
        """
        *views, target = self._read(pair)
        sharp = _exact(target)
        seen = None if self.lpips is None else self._seen(self.lpips, sharp)
        given = self._score(_exact(views[0]), sharp, seen)
        if self.deblurrer is None:
            return None, given, sharp.shape[:2]
        output = (deblurred(self.deblurrer, views).astype(np.float64) + 1) / 2
        return self._score(self.protocol.saved(output), sharp, seen), given, sharp.shape[:2]

    def key(self, pair: Pair) -> str:
        """Hash of all that the scores of a pair depend on."""
        files = [
            (str(path.resolve()), (stat := path.stat()).st_size, stat.st_mtime_ns) for path in files_of(pair)
        ]
        weights = None if self.deblurrer is None else self.deblurrer.digest
        rest = (VERSION, pair.name, str(self.protocol), weights, self.lpips is not None, self.device.type)
        return hashlib.sha256(repr((files, rest)).encode(errors="surrogateescape")).hexdigest()

    def _read(self, pair: Pair) -> list[NDArray[np.float32]]:
        """Views and target, cropped."""
        paths = files_of(pair)
        pictures = [read_encoded(path, bits=self.protocol.bits) for path in paths]
        for path, picture in zip(paths, pictures, strict=True):
            if picture.shape != pictures[-1].shape:
                sizes = [f"{one.shape[0]} x {one.shape[1]}" for one in (picture, pictures[-1])]
                raise InputError(
                    path, f"it is {sizes[0]} pixels, its target {sizes[1]}", "replace one of them"
                )
        parts = [cropped(picture) for picture in pictures]
        height, width = parts[0].shape[:2]
        if min(height, width) < SMALLEST:
            fault = f"its {pictures[0].shape[0]} x {pictures[0].shape[1]} pixels are too few to be scored"
            raise InputError(paths[0], fault, "leave it out, or give it with at least 32 x 32")
        return parts

    def _score(self, picture: Values, sharp: Values, seen: list[Tensor] | None) -> Score:
        distance = None
        if self.lpips is not None and seen is not None:
            distance = float(self.lpips.distance(self._seen(self.lpips, picture), seen))
        similarity = ssim(picture, sharp, self.protocol.window)
        return Score(psnr(picture, sharp), similarity, distance, mae(picture, sharp))

    def _seen(self, lpips: Lpips, picture: Values) -> list[Tensor]:
        with torch.inference_mode():
            return lpips.seen(_tensor((picture * 2 - 1).astype(np.float32)).to(self.device))


def deblurred(deblurrer: Deblurrer, views: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """What the network makes of a picture, not rounded.

    Parameters
    ----------
    deblurrer : its memory says what may be taken; None: half of what is free
    views : (H, W, 3) in [0, 1], one or three

    Returns
    -------
    (H, W, 3) in [-1, 1]

    Raises
    ------
    InputError : where the network gives values that are no numbers, or the device's memory is too small
    """
    height, width = views[0].shape[:2]
    rows, columns = _cut(deblurrer, height, width)
    result = np.zeros((height, width, 3), np.float32)
    tensors = [_tensor(view * 2 - 1) for view in views]
    for down in rows:
        for across in columns:
            region = (..., slice(down.start, down.stop), slice(across.start, across.stop))
            try:
                with torch.inference_mode():
                    output = deblurrer.network(*(one[region].to(deblurrer.device) for one in tensors))
            except torch.OutOfMemoryError as error:
                fault = f"has too little free memory for {height} x {width} pixels"
                raise InputError(str(deblurrer.device), fault, "give less by --memory") from error
            part = output[0].float().permute(1, 2, 0).cpu().numpy()
            used = part[
                down.first - down.start : down.last - down.start,
                across.first - across.start : across.last - across.start,
            ]
            weighted = used * down.weights[:, None, None] * across.weights[:, None]
            result[down.first : down.last, across.first : across.last] += weighted
    if not np.isfinite(result).all():
        raise InputError(
            "--weights", "they give values that are no numbers", "check them and how they were trained"
        )
    return result


def run(
    scorer: Scorer,
    pairs: Sequence[Pair],
    root: Path,
    folder: Path,
    *,
    again: bool = False,
    report: Callable[[Outcome], None] = lambda outcome: None,
) -> list[Outcome]:
    """Score pairs, but for those of which the scores are there; past those that cannot be.

    Parameters
    ----------
    scorer : how
    pairs : with targets
    root : the dataset's folder
    folder : of the results, which is there
    again : score those too
    report : called after each pair

    Raises
    ------
    InputError : where the folder cannot be written to
    """
    record = folder / RECORD
    known = {} if again else dict(_read_record(record))
    outcomes = []
    for pair in pairs:
        outcome = _scored(scorer, pair, root, known, record)
        outcomes.append(outcome)
        report(outcome)
    return outcomes


def versions() -> dict[str, str]:
    """Of what the scores are computed with."""
    names = ("numpy", "torch", "scikit-image", "torchmetrics")
    ours = {"python": platform.python_version(), "lfsynth": __version__}
    return ours | {name: version(name) for name in names}


def lpips_digests(path: Path) -> dict[str, str]:
    """SHA-256 of the files of LPIPS: AlexNet's, and the heads'."""
    files = {"alexnet": path, "heads": heads_file()}
    return {name: hashlib.sha256(one.read_bytes()).hexdigest() for name, one in files.items()}


def _scored(scorer: Scorer, pair: Pair, root: Path, known: dict[str, Row], record: Path) -> Outcome:
    try:
        key = scorer.key(pair)  # before the pixels are read: a file that changes meanwhile is scored again
        if key in known:
            return Outcome(pair.name, known[key], taken=True)
        output, given, (height, width) = scorer(pair)
    except InputError as error:
        return Outcome(pair.name, None, str(error))
    except OSError as error:
        fault = InputError(pair.inputs[0], f"cannot be read ({error.strerror})", "check the dataset")
        return Outcome(pair.name, None, str(fault))
    target = name_below(root, files_of(pair)[-1])
    row = Row(pair.name, target, height, width, output, given)
    line = json.dumps({"key": key, "row": asdict(row)})
    try:
        # One write at the end of the file, begun on a line of its own: other runs and cut lines do no harm.
        with record.open("ab", buffering=0) as file:
            file.write(f"\n{line}\n".encode())
    except OSError as error:
        raise InputError(
            record, f"it cannot be written ({error.strerror})", "choose another --out"
        ) from error
    return Outcome(pair.name, row)


def _read_record(path: Path) -> Iterator[tuple[str, Row]]:
    """By key; lines that a kill has cut do not count."""
    with suppress(OSError):
        for line in path.read_text(errors="replace").splitlines():
            with suppress(ValueError, KeyError, TypeError):
                entry = json.loads(line)
                yield entry["key"], _row(entry["row"])


def _row(values: dict[str, Any]) -> Row:
    output = values["output"]
    scores = {"output": output and Score(**output), "input": Score(**values["input"])}
    return Row(**(values | scores))


def _cut(deblurrer: Deblurrer, height: int, width: int) -> tuple[list[Span], list[Span]]:
    """Tiles downwards and across."""
    on_gpu = deblurrer.device.type == "cuda"
    free = torch.cuda.mem_get_info(deblurrer.device)[0] if on_gpu else free_memory()
    if height * width * deblurrer.bytes_a_pixel <= (deblurrer.memory or SHARE * free):
        down, across = ([Span(0, side, 0, side, np.ones(side, np.float32))] for side in (height, width))
        return down, across
    tiling = deblurrer.tiling()
    return spans(height, tiling), spans(width, tiling)


def _exact(picture: NDArray[np.float32]) -> Values:
    """Codes of 8 or 16 bits that have been divided by white in float32, divided in float64 instead.

    65535 is 257 times 255, so that it serves both. What float32 rounds off would show in PSNR at 1e-7 dB and above.
    """
    values: Values = np.rint(picture.astype(np.float64) * 65535) / 65535
    return values


def _tensor(picture: NDArray[np.float32]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None]
