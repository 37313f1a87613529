"""Checkpoints: full states to go on from, and plain weights to use.

``checkpoints/step-000000500.pth`` is a full state: a dict of numbers, text, lists and tensors, read with
``weights_only=True``. The last two and the best are kept. ``weights/last`` and ``weights/best``, as .safetensors and
.pth, are plain state dicts. Each file is whole or not there: it is written under another name and renamed.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from drbnet.run_folder import make_folder
from lfsynth.errors import InputError
from lfsynth.pictures import write_bytes_atomic

FORMAT = 1
"""Of full states; another one is refused."""
KEPT = 2
"""Full states that are kept beside the best."""
_NAME = re.compile(r"step-(\d{9,})\.pth")

State = dict[str, Any]


@dataclass(frozen=True)
class Checkpoints:
    """Files of a run's states and weights.

    Attributes
    ----------
    root : folder of the run
    """

    root: Path

    @property
    def states(self) -> Path:
        """Folder of the full states."""
        return self.root / "checkpoints"

    @property
    def weights(self) -> Path:
        """Folder of the plain weights."""
        return self.root / "weights"

    def path(self, step: int) -> Path:
        """The full state after so many steps."""
        return self.states / f"step-{step:09d}.pth"

    def steps(self) -> list[int]:
        """After how many steps there are full states, rising."""
        names = (_NAME.fullmatch(path.name) for path in self.states.glob("step-*.pth"))
        return sorted(int(name[1]) for name in names if name)

    def write(self, step: int, state: State, *, best: int | None) -> Path:
        """Write a full state, and then remove those that `remove_old` does.

        Raises
        ------
        InputError : where it cannot be written; what was there before is as it was
        """
        path = self.path(step)
        buffer = io.BytesIO()
        torch.save({"format": FORMAT, **state}, buffer)
        make_folder(self.states)
        write_bytes_atomic(path, buffer.getvalue())
        self.remove_old(step, best=best)
        return path

    def remove_old(self, newest: int, *, best: int | None) -> None:
        """Remove full states that are neither among the last ones up to the newest nor the best."""
        steps = self.steps()
        # What is later than the newest is damaged, or its step would not have been done again.
        kept = {*[step for step in steps if step <= newest][-KEPT:], best}
        for step in steps:
            if step not in kept:
                self.path(step).unlink(missing_ok=True)

    def newest(self, notice: Callable[[str], None]) -> tuple[int, State] | None:
        """The newest full state that is whole, and its step; None where there is none at all.

        notice : called with a line for each damaged one that is passed over

        Raises
        ------
        InputError : where there are states, and none is whole
        """
        steps = self.steps()
        for step in reversed(steps):
            try:
                return step, read_state(self.path(step))
            except InputError as error:
                notice(f"{error.path}: {error.fault}; going back to the checkpoint before it")
        if steps:
            raise InputError(self.states, "no checkpoint in it is whole", "start anew with another --out")
        return None

    def write_weights(self, name: str, weights: Mapping[str, Tensor], notes: Mapping[str, Any]) -> None:
        """Write plain weights as ``weights/<name>.safetensors``, with notes in its metadata, and as .pth.

        Raises
        ------
        InputError : where they cannot be written
        """
        plain = {key: value.detach().cpu().contiguous() for key, value in weights.items()}
        make_folder(self.weights)
        # One entry: safetensors writes several in no order, and the same weights shall be the same file.
        metadata = {"notes": json.dumps(notes)}
        write_bytes_atomic(self.weights / f"{name}.safetensors", safetensors.torch.save(plain, metadata))
        buffer = io.BytesIO()
        torch.save(plain, buffer)
        write_bytes_atomic(self.weights / f"{name}.pth", buffer.getvalue())

    def clear_partial(self) -> None:
        """Remove what a process that was killed left half written; nobody else may be writing."""
        for folder in (self.states, self.weights):
            for path in folder.glob(".*.partial"):
                path.unlink(missing_ok=True)


def read_state(path: Path) -> State:
    """A full state; every byte of its tensors is checked against the file's CRC-32.

    Raises
    ------
    InputError : where it cannot be read, is damaged, or is no such state
    """
    state = _read_pth(path, "start anew with another --out")
    if state.get("format") != FORMAT:
        raise InputError(path, "it is no checkpoint of this program", "give plain weights by --weights")
    return state


def read_weights(path: Path) -> dict[str, Tensor]:
    """Plain weights of a .safetensors or .pth file; of a full state, its (averaged) weights.

    Names that begin with ``module.``, as DataParallel writes them, lose that.

    Raises
    ------
    InputError : where it cannot be read, is damaged, or holds no weights
    """
    weights = _read_safetensors(path) if path.suffix == ".safetensors" else _read_plain(path)
    return {key.removeprefix("module."): value for key, value in weights.items()}


def load_weights(network: nn.Module, weights: Mapping[str, Tensor], path: Path) -> None:
    """Give a network its weights.

    Raises
    ------
    InputError : where they are another network's, with the first tensor that differs
    """
    own = network.state_dict()
    first = next((fault for name in own if (fault := _mismatch(name, own[name], weights.get(name)))), None)
    if first is None:
        first = next(
            (f"it has {name}, which the network has not" for name in weights if name not in own), None
        )
    if first is not None:
        raise InputError(
            path, f"it is of another network: {first}", "choose the network by --model and its options"
        )
    network.load_state_dict(weights)


def weights_of(state: State) -> dict[str, Tensor]:
    """The weights of a full state, the averaged ones where there are such."""
    learner = state["learner"]
    if learner["average"] is None:
        return dict(learner["weights"])
    prefix = "module."
    return {
        key.removeprefix(prefix): one for key, one in learner["average"].items() if key.startswith(prefix)
    }


def _mismatch(name: str, own: Tensor, given: Tensor | None) -> str:
    if given is None:
        return f"it lacks {name}"
    if own.shape != given.shape:
        return f"{name} is {tuple(given.shape)} in it, {tuple(own.shape)} in the network"
    return ""


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load(path.read_bytes())
    except OSError as error:
        raise InputError(path, f"it cannot be read ({error.strerror})", "check the path") from None
    except SafetensorError as error:
        raise InputError(path, f"it is damaged or no safetensors file ({error})", "copy it again") from None


def _read_plain(path: Path) -> dict[str, Tensor]:
    content = _read_pth(path, "copy it again")
    if content.get("format") == FORMAT:
        content = weights_of(content)
    elif isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not content or not all(isinstance(value, Tensor) for value in content.values()):
        raise InputError(path, "it holds no plain weights", "give a state dict: tensors by name")
    return content


def _read_pth(path: Path, cure: str) -> State:
    try:
        data = io.BytesIO(path.read_bytes())
    except OSError as error:
        raise InputError(path, f"it cannot be read ({error.strerror})", "check the path") from None
    try:
        if zipfile.is_zipfile(data):
            with zipfile.ZipFile(data) as archive:
                # torch itself does not look at the check sums.
                damaged = archive.testzip()
            if damaged is not None:
                raise InputError(path, f"it is damaged in {damaged}", cure)
        data.seek(0)
        content = torch.load(data, map_location="cpu", weights_only=True)
    except InputError:
        raise
    except Exception as error:
        # Bytes that are no pickle, or a damaged one, can end the unpickler in any way.
        what = " ".join(str(error).split())[:100]
        raise InputError(
            path, f"it is damaged or no file of torch's ({type(error).__name__}: {what})", cure
        ) from None
    if not isinstance(content, dict):
        raise InputError(path, f"it holds a {type(content).__name__}, not tensors by name", cure)
    return content
