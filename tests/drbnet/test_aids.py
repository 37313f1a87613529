"""What a network is trained with beside its output: its terms, its own weights, and that these are kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from drbnet.checkpoints import read_weights

AIDED = ("--model", "tiny-aided", "--patch", 32, "--batch", 2, "--threads", 1, "--workers", 0, "--epochs", 2)


def state(root: Path) -> dict[str, Any]:
    path = max((root / "checkpoints").glob("step-*.pth"))
    found: dict[str, Any] = torch.load(path, weights_only=True)["learner"]
    return found


@pytest.fixture(scope="module")
def whole(train: Any, lfdof: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of six steps."""
    root = tmp_path_factory.mktemp("whole")
    ended = train("--data", lfdof, "--out", root, *AIDED)
    assert ended.code == 0, ended.text
    return root


def test_terms_are_part_of_the_loss(whole: Path) -> None:
    lines = [json.loads(line) for line in (whole / "log.jsonl").read_text().splitlines()]
    steps = [line for line in lines if line["kind"] == "step"]
    assert len(steps) == 6
    for step in steps:
        terms = [step[f"loss_{name}"] for name in ("8", "4", "2", "1", "grey", "own")]
        assert step["loss"] == pytest.approx(sum(terms), rel=1e-6)
        assert min(terms) > 0
    assert steps[-1]["loss_own"] < steps[0]["loss_own"]


def test_its_weights_are_trained_and_not_the_network_s(whole: Path) -> None:
    assert float(state(whole)["aid"]["grey"]) > 0
    names = {"first.weight", "first.bias", "middle.weight", "middle.bias", "last.weight", "last.bias"}
    assert set(read_weights(whole / "weights/last.safetensors")) == names


def test_a_run_goes_on_with_them(whole: Path, train: Any, lfdof: Path, tmp_path: Path) -> None:
    for stop in (2, 5, 0):
        ended = train("--data", lfdof, "--out", tmp_path, *AIDED, "--stop-after", stop)
        assert ended.code == 0, ended.text
    found, expected = state(tmp_path), state(whole)
    assert torch.equal(found["aid"]["grey"], expected["aid"]["grey"])
    for name, value in expected["weights"].items():
        assert torch.equal(found["weights"][name], value)


def test_parts_of_a_step_give_the_same_terms(whole: Path, train: Any, lfdof: Path, tmp_path: Path) -> None:
    ended = train("--data", lfdof, "--out", tmp_path, *AIDED, "--accumulate", 2, "--stop-after", 1)
    assert ended.code == 0, ended.text
    first, one = (json.loads((root / "log.jsonl").read_text().splitlines()[0]) for root in (whole, tmp_path))
    assert one["loss_own"] == pytest.approx(first["loss_own"], rel=1e-6)
    # the network draws its dropout for each part
    assert one["loss_grey"] == pytest.approx(first["loss_grey"], rel=0.1)


def test_stage_2_goes_on_with_them(whole: Path, train: Any, lfdof: Path, tmp_path: Path) -> None:
    stage_2 = ("--finetune", lfdof, "--finetune-vgg", 0, "--finetune-l1", 1, "--finetune-epochs", 1)
    ended = train("--data", lfdof, "--out", tmp_path / "at once", *AIDED, *stage_2)
    assert ended.code == 0, ended.text
    assert train("--data", lfdof, "--out", tmp_path / "later", *AIDED).code == 0
    ended = train("--out", tmp_path / "later", *AIDED, *stage_2)
    assert ended.code == 0, ended.text
    found, expected = state(tmp_path / "later"), state(tmp_path / "at once")
    assert torch.equal(found["aid"]["grey"], expected["aid"]["grey"])
    assert not torch.equal(found["aid"]["grey"], state(whole)["aid"]["grey"])
