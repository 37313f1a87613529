"""Two datasets in one stage, and VGG-19's features in stage 1."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from drbnet import configuration
from drbnet.datasets import find, mixed
from lfsynth.errors import InputError

TINY = ("--model", "tiny", "--patch", 32, "--batch", 2, "--threads", 1, "--workers", 0, "--epochs", 1)


@pytest.fixture(scope="module")
def other(lfdof: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One scene, which the first dataset has under the same name."""
    root = tmp_path_factory.mktemp("other")
    for name in ("input/IMG_0001", "ground_truth"):
        shutil.copytree(lfdof / "train_data" / name, root / "train_data" / name)
    for path in (root / "train_data" / "ground_truth").glob("*.png"):
        if path.stem != "IMG_0001":
            path.unlink()
    return root


def test_pairs_of_both(lfdof: Path, other: Path) -> None:
    first, second = find(lfdof / "train_data"), find(other / "train_data")
    both = mixed(first, second, repeats=3)
    assert len(both) == len(first) + 3 * len(second) == 6 + 3 * 2
    assert [pair.inputs for pair in both.pairs] == [
        *(pair.inputs for pair in first.pairs),
        *([pair.inputs for pair in second.pairs] * 3),
    ]
    # IMG_0001 is in both datasets, and is no one picture
    assert len({pair.name for pair in both.pairs}) == len(first) + len(second)
    assert all((both.root / pair.name).resolve() == pair.inputs[0].resolve() for pair in both.pairs)


def test_a_run_takes_both(train: Any, lfdof: Path, other: Path, tmp_path: Path) -> None:
    ended = train("--data", lfdof, "--mix", other, "--mix-repeats", 3, "--out", tmp_path, *TINY)
    assert ended.code == 0, ended.text
    assert "stage 1, mixed into it 3 times" in ended.text
    # (6 + 3 x 2) / 2
    assert "done after 6 steps" in ended.text
    record = json.loads((tmp_path / "run.json").read_text())
    assert set(record["data"]) == {"stage 1", "stage 1, mixed"}
    again = train("--data", lfdof, "--mix", lfdof, "--mix-repeats", 3, "--out", tmp_path, *TINY)
    assert again.code == 2
    assert "the dataset of stage 1, mixed has other files" in again.text


def test_vgg19_in_stage_1_needs_its_file(train: Any, lfdof: Path, tmp_path: Path) -> None:
    ended = train("--data", lfdof, "--vgg", 1e-5, "--out", tmp_path / "run", *TINY)
    assert ended.code == 2
    assert "needs the weights of VGG-19" in ended.text
    assert not (tmp_path / "run" / "steps.csv").exists()


def test_a_mixture_needs_stage_1() -> None:
    with pytest.raises(InputError, match=r"--mix: there is no stage 1"):
        configuration.load(None, {"finetune": "x", "mix": "y", "out": "z"})


def test_layers_of_vgg19_may_not_change_once_stage_1_takes_them() -> None:
    then = configuration.load(None, {"data": "x", "out": "z", "vgg": 1e-5})
    now = configuration.load(None, {"data": "x", "out": "z", "vgg": 1e-5, "vgg_input": "imagenet"})
    assert configuration.differences(then, now, finetuning=False)
    plain = configuration.load(None, {"data": "x", "out": "z"})
    else_ = configuration.load(None, {"data": "x", "out": "z", "vgg_input": "imagenet"})
    assert not configuration.differences(plain, else_, finetuning=False)
