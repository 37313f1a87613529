"""Weights from files of all kinds, and which network they are told to be of."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from drbnet.checkpoints import Checkpoints
from drbnet.choices import Device
from drbnet.models import architecture_of
from drbnet.models.drbnet import Architecture, DRBNet, Scales, Terms
from drbnet.weights import chosen_device, load_network
from lfsynth.errors import InputError


@pytest.fixture(scope="module")
def weights() -> dict[str, Tensor]:
    torch.manual_seed(5)
    return dict(DRBNet().state_dict())


def same(network: DRBNet, weights: dict[str, Tensor]) -> bool:
    own = network.state_dict()
    return own.keys() == weights.keys() and all(torch.equal(own[key], weights[key]) for key in own)


@pytest.mark.parametrize("kind", ["plain", "data-parallel", "state_dict", "checkpoint", "safetensors"])
def test_weights_of_any_file(kind: str, weights: dict[str, Tensor], tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    prefixed = {f"module.{key}": value for key, value in weights.items()}
    if kind == "plain":
        torch.save(weights, path)
    elif kind == "data-parallel":
        torch.save(prefixed, path)
    elif kind == "state_dict":
        torch.save({"state_dict": weights, "epoch": 3}, path)
    elif kind == "checkpoint":
        state = {"learner": {"weights": weights, "average": None}, "step": 7}
        path = Checkpoints(tmp_path / "run").write(7, state, best=None)
    else:
        path = tmp_path / "weights.safetensors"
        safetensors.torch.save_file(prefixed, path)
    network, architecture = load_network(path)
    assert same(network, weights)
    assert not network.training
    assert architecture == Architecture(False, 7, Terms(), Scales.FOUR)
    assert str(architecture) == "DRBNet, single, 7 x 7"


@pytest.mark.parametrize(
    "architecture",
    [
        Architecture(True, 7, Terms(), Scales.FOUR),
        Architecture(False, 5, Terms(), Scales.FOUR),
        Architecture(False, 11, Terms(), Scales.ONE),
        Architecture(False, 7, Terms(filtered=False), Scales.FOUR),
        Architecture(False, 7, Terms(image=False), Scales.ONE),
        Architecture(False, 9, Terms(residual=False), Scales.FOUR),
        Architecture(True, 7, Terms(), Scales.NONE),
    ],
    ids=str,
)
def test_architecture_is_told_from_the_shapes(architecture: Architecture) -> None:
    assert architecture_of(architecture.build().state_dict()) == architecture


class Harmful:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("form", ["torch", "plain pickle"])
def test_a_pickle_with_code_is_refused_and_not_run(form: str, tmp_path: Path) -> None:
    path, mark = tmp_path / "weights.pth", tmp_path / "run"
    if form == "torch":
        torch.save({"conv1_1.0.weight": Harmful(mark)}, path)
    else:
        path.write_bytes(pickle.dumps(Harmful(mark), protocol=2))
    with pytest.raises(InputError, match="damaged or no file of torch's"):
        load_network(path)
    assert not mark.exists()


def test_the_first_tensor_that_differs_is_named(weights: dict[str, Tensor], tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({**weights, "conv2_2.0.weight": torch.zeros(9, 9, 3, 3)}, path)
    with pytest.raises(InputError, match=r"conv2_2\.0\.weight is \(9, 9, 3, 3\) in it, \(64, 64, 3, 3\) in"):
        load_network(path)


def test_weights_of_something_else(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"features.0.weight": torch.zeros(3)}, path)
    with pytest.raises(InputError, match=r"another network: it lacks conv1_1\.0\.weight"):
        load_network(path)


def test_weights_that_are_no_numbers(weights: dict[str, Tensor], tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({**weights, "conv2_2.0.bias": torch.full((64,), torch.nan)}, path)
    with pytest.raises(InputError, match=r"its conv2_2\.0\.bias holds values that are no numbers"):
        load_network(path)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="it cannot be read"):
        load_network(tmp_path / "weights.pth")


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert chosen_device(Device.AUTO).type == chosen_device(Device.CPU).type == "cpu"
    with pytest.raises(InputError, match="there is no CUDA device here"):
        chosen_device(Device.CUDA)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert [chosen_device(one).type for one in (Device.AUTO, Device.CPU, Device.CUDA)] == [
        "cuda",
        "cpu",
        "cuda",
    ]
