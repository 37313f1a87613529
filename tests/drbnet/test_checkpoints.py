"""Full states and plain weights in files."""

from __future__ import annotations

import errno
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import nn

from drbnet.checkpoints import Checkpoints, load_weights, read_state, read_weights
from lfsynth.errors import InputError


def state(value: float) -> dict[str, Any]:
    return {"learner": {"weights": {"w": torch.full((100,), value)}, "average": None}}


def written(root: Path, *steps: int, best: int | None = None) -> Checkpoints:
    checkpoints = Checkpoints(root)
    for step in steps:
        checkpoints.write(step, state(float(step)), best=best)
    return checkpoints


def test_the_last_two_and_the_best_are_kept(tmp_path: Path) -> None:
    assert written(tmp_path, 1, 2, 3, 4, 5, best=2).steps() == [2, 4, 5]
    assert written(tmp_path, 6, best=6).steps() == [5, 6]


def test_the_newest_comes_back(tmp_path: Path) -> None:
    found = written(tmp_path, 3, 1_000_000_007).newest(pytest.fail)
    assert found is not None
    step, content = found
    assert step == 1_000_000_007
    assert torch.equal(content["learner"]["weights"]["w"], torch.full((100,), 1_000_000_007.0))


def test_there_may_be_none(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path / "none").newest(pytest.fail) is None


def test_every_damaged_byte_of_a_tensor_is_noticed(tmp_path: Path) -> None:
    checkpoints = written(tmp_path, 1, 2)
    path = checkpoints.path(2)
    content = path.read_bytes()
    at = content.index(torch.full((100,), 2.0).numpy().tobytes())
    for offset in (0, 199, 399):
        damaged = bytearray(content)
        damaged[at + offset] ^= 0x10
        path.write_bytes(damaged)
        lines: list[str] = []
        found = checkpoints.newest(lines.append)
        assert found is not None
        assert found[0] == 1
        assert "step-000000002.pth: it is damaged" in lines[0]


@pytest.mark.parametrize("kept", [0, 0.001, 0.5, 0.99])
def test_a_file_cut_short_is_noticed(kept: float, tmp_path: Path) -> None:
    path = written(tmp_path, 2).path(2)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(InputError, match="it is damaged or no file of torch's"):
        read_state(path)


def test_none_whole_is_an_error(tmp_path: Path) -> None:
    checkpoints = written(tmp_path, 1)
    checkpoints.path(1).write_bytes(b"")
    with pytest.raises(InputError, match="no checkpoint in it is whole"):
        checkpoints.newest(lambda line: None)


def test_code_in_a_file_is_not_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "done"),)

    path = tmp_path / "evil.pth"
    torch.save({"format": 1, "evil": Evil()}, path)
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Evil()))
    for name in ("evil.pth", "plain.pth"):
        with pytest.raises(InputError, match="damaged or no file of torch's"):
            read_weights(tmp_path / name)
    assert not (tmp_path / "done").exists()


def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoints = written(tmp_path, 1, 2)
    before = {path: path.read_bytes() for path in checkpoints.states.iterdir()}

    def full(number: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    for step in (2, 3):
        with pytest.raises(InputError, match="disk is full"):
            checkpoints.write(step, state(9), best=None)
    assert {path: path.read_bytes() for path in checkpoints.states.iterdir()} == before


def test_half_written_files_are_removed(tmp_path: Path) -> None:
    checkpoints = written(tmp_path, 1)
    checkpoints.write_weights("last", {"w": torch.zeros(2)}, {})
    for folder in (checkpoints.states, checkpoints.weights):
        (folder / ".step-000000002.pth.77.partial").write_bytes(b"half")
    checkpoints.clear_partial()
    assert not list(tmp_path.rglob("*.partial"))
    assert checkpoints.steps() == [1]


def test_plain_weights_are_read_from_all_they_are_written_to(tmp_path: Path) -> None:
    network = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    weights = network.state_dict()
    Checkpoints(tmp_path).write_weights("last", weights, {"step": 4, "model": "x"})
    for suffix in ("pth", "safetensors"):
        found = read_weights(tmp_path / f"weights/last.{suffix}")
        assert found.keys() == weights.keys()
        assert all(torch.equal(found[name], weights[name]) for name in weights)
    # as anyone reads them
    assert torch.load(tmp_path / "weights/last.pth", weights_only=True).keys() == weights.keys()
    assert safetensors.torch.load_file(tmp_path / "weights/last.safetensors").keys() == weights.keys()


def test_the_same_weights_are_the_same_files(tmp_path: Path) -> None:
    notes = {name: number for number, name in enumerate("abcdefgh")}
    for name in ("one", "two"):
        Checkpoints(tmp_path).write_weights(name, {"b": torch.ones(3), "a": torch.zeros(2)}, notes)
    for suffix in ("pth", "safetensors"):
        one, two = ((tmp_path / f"weights/{name}.{suffix}").read_bytes() for name in ("one", "two"))
        assert one == two


def test_weights_of_full_states_and_of_wrapped_networks(tmp_path: Path) -> None:
    path = written(tmp_path, 5).path(5)
    assert torch.equal(read_weights(path)["w"], torch.full((100,), 5.0))
    averaged = state(1)
    averaged["learner"]["average"] = {"n_averaged": torch.tensor(3), "module.w": torch.full((100,), 7.0)}
    path = Checkpoints(tmp_path).write(6, averaged, best=None)
    assert read_weights(path).keys() == {"w"}
    assert torch.equal(read_weights(path)["w"], torch.full((100,), 7.0))
    torch.save({"state_dict": {"module.w": torch.ones(1)}}, tmp_path / "wrapped.pth")
    assert read_weights(tmp_path / "wrapped.pth").keys() == {"w"}


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("list.pth", [1, 2], "it holds a list, not tensors by name"),
        ("numbers.pth", {"a": 1}, "it holds no plain weights"),
        ("empty.pth", {}, "it holds no plain weights"),
        ("not.safetensors", None, "it is damaged or no safetensors file"),
        ("not.pth", None, "it is damaged or no file of torch's"),
    ],
)
def test_what_holds_no_weights_is_refused(name: str, content: object, fault: str, tmp_path: Path) -> None:
    if content is None:
        (tmp_path / name).write_bytes(b"something else")
    else:
        torch.save(content, tmp_path / name)
    with pytest.raises(InputError, match=fault):
        read_weights(tmp_path / name)


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_a_file_that_is_not_there(suffix: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file or directory"):
        read_weights(tmp_path / f"none.{suffix}")


def test_a_state_of_another_program_is_refused(tmp_path: Path) -> None:
    torch.save({"format": 99}, tmp_path / "other.pth")
    with pytest.raises(InputError, match="it is no checkpoint of this program"):
        read_state(tmp_path / "other.pth")


def test_the_first_mismatch_is_named() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1))
    right = network.state_dict()
    path = Path("some.pth")
    load_weights(network, right, path)
    with pytest.raises(InputError, match=r"some.pth: it is of another network: it lacks 0.bias; choose"):
        load_weights(network, {name: one for name, one in right.items() if name != "0.bias"}, path)
    with pytest.raises(InputError, match=r"1.weight is \(4, 9, 1, 1\) in it, \(4, 4, 1, 1\) in the network"):
        load_weights(network, {**right, "1.weight": torch.zeros(4, 9, 1, 1)}, path)
    with pytest.raises(InputError, match=r"it has 2.weight, which the network has not"):
        load_weights(network, {**right, "2.weight": torch.zeros(1)}, path)
