"""Whole runs of the command: both stages, and what is refused or survived."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from drbnet.checkpoints import read_weights
from lfsynth.pictures import read, write
from lfsynth.transfer import LINEAR

TINY = ("--model", "tiny", "--patch", 32, "--batch", 2, "--threads", 1, "--workers", 0, "--epochs", 1)
PLAIN = ("--noise-probability", 0, "--grey-probability", 0, "--scale-probability", 0)
FAKE_VGG19 = """
import hashlib
from drbnet import vgg19
path = {path!r}
vgg19.SHA256_BEGINS = hashlib.sha256(open(path, "rb").read()).hexdigest()[:8]
"""


def table(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def vgg19(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of VGG-19's first layers; no run takes them without `FAKE_VGG19`."""
    from drbnet.vgg19 import Vgg19Features

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("vgg19") / "vgg19-dcbb9e9d.pth"
    torch.save(
        {f"features.{name}": one for name, one in Vgg19Features((14,)).features.state_dict().items()}, path
    )
    return path


def test_a_run_writes_what_it_says(train: Any, lfdof: Path, tmp_path: Path) -> None:
    ended = train("--data", lfdof, "--out", tmp_path, *TINY, "--tensorboard")
    assert ended.code == 0, ended.text
    assert "lfdof train, 6 pairs, 3 targets" in ended.text
    names = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert names >= {
        "config.toml",
        "run.json",
        "steps.csv",
        "validation.csv",
        "log.jsonl",
        "checkpoints/step-000000003.pth",
        "weights/last.safetensors",
        "weights/best.pth",
        "weights/stage-1.pth",
        "pictures/validation-000000003.png",
    }
    assert [name for name in names if name.startswith("tensorboard/events")]
    record = json.loads((tmp_path / "run.json").read_text())
    assert (
        record["versions"]["torch"] == torch.__version__ or record["versions"]["torch"] in torch.__version__
    )
    assert len(record["data"]["stage 1"]["fingerprint"]) == 64
    assert {"git", "platform", "command", "processes", "device"} <= record.keys()
    (row,) = table(tmp_path / "validation.csv")
    assert (row["pairs"], row["best"]) == ("2", "1")
    # rows of input, output and target of both test pairs, 32 px each
    picture = read(tmp_path / "pictures/validation-000000003.png")
    assert picture.shape == (22 + 2 * (32 + 6), 3 * 64 + 2 * 6, 3)


def test_the_saved_options_do_the_same_run_again(train: Any, lfdof: Path, tmp_path: Path) -> None:
    assert train("--data", lfdof, "--out", tmp_path / "a", *TINY, "--ema", 0.5).code == 0
    ended = train("--config", tmp_path / "a/config.toml", "--out", tmp_path / "b")
    assert ended.code == 0, ended.text
    for name in ("last.pth", "last.safetensors"):
        assert (tmp_path / "a/weights" / name).read_bytes() == (tmp_path / "b/weights" / name).read_bytes()


def test_averaged_weights_are_the_ones_written(train: Any, lfdof: Path, tmp_path: Path) -> None:
    assert train("--data", lfdof, "--out", tmp_path, *TINY, "--ema", 0.5, "--learning-rate", 0.01).code == 0
    learner = torch.load(tmp_path / "checkpoints/step-000000003.pth", weights_only=True)["learner"]
    weights = read_weights(tmp_path / "weights/last.pth")
    for name, value in weights.items():
        assert torch.equal(value, learner["average"][f"module.{name}"])
        assert not torch.equal(value, learner["weights"][name])


def test_four_patches_are_learned_by_heart(train: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for folder in ("input", "target"):
        (tmp_path / folder).mkdir()
    for number in range(4):
        sharp = np.full((32, 32, 3), 0.5)
        for _ in range(12):
            (top, left), (height, width) = rng.integers(0, 32, 2), rng.integers(5, 16, 2)
            sharp[top : top + height, left : left + width] = rng.random(3)
        sharp = gaussian_filter(sharp, (0.5, 0.5, 0)).astype(np.float32)
        write(tmp_path / f"target/{number}.png", sharp, transfer=LINEAR)
        soft = gaussian_filter(sharp, (2, 2, 0)).astype(np.float32)
        write(tmp_path / f"input/{number}.png", soft, transfer=LINEAR)
    command = ("--data", tmp_path, "--validation", tmp_path, "--out", tmp_path / "run", *TINY, *PLAIN)
    more = (
        "--model",
        "small",
        "--batch",
        4,
        "--epochs",
        300,
        "--validate-every",
        300,
        "--learning-rate",
        0.02,
    )
    ended = train(*command, *more)
    assert ended.code == 0, ended.text
    assert "its pairs are trained with too" in ended.text
    (row,) = table(tmp_path / "run/validation.csv")
    assert float(row["psnr"]) > float(row["input_psnr"]) + 6


def test_both_stages_in_one_command_or_two(train: Any, lfdof: Path, vgg19: Path, tmp_path: Path) -> None:
    hook = FAKE_VGG19.format(path=str(vgg19))
    stage_2 = (
        "--finetune",
        lfdof,
        "--vgg19",
        vgg19,
        "--finetune-epochs",
        2,
        "--finetune-learning-rate",
        0.001,
    )
    ended = train("--data", lfdof, "--out", tmp_path / "both", *TINY, *stage_2, hook=hook)
    assert ended.code == 0, ended.text
    rows = table(tmp_path / "both/steps.csv")
    assert [(row["stage"], row["epoch"]) for row in rows] == [("1", "0")] * 3 + [("2", "0")] * 3 + [
        ("2", "1")
    ] * 3
    # 1 - max(0, e + 1 - 1) / 2 of the second stage's two epochs
    assert [float(row["learning_rate"]) for row in rows[3::3]] == [0.001, 0.0005]
    # the same from the finished stage 1, in its folder or from its weights in another
    assert train("--data", lfdof, "--out", tmp_path / "later", *TINY).code == 0
    stage_1 = (tmp_path / "later/weights/stage-1.pth").read_bytes()
    weights = ("--weights", tmp_path / "later/weights/stage-1.pth")
    assert train("--out", tmp_path / "else", *TINY, *stage_2, *weights, hook=hook).code == 0
    assert train("--data", lfdof, "--out", tmp_path / "later", *TINY, *stage_2, hook=hook).code == 0
    for name in ("last.pth", "stage-1.pth"):
        one, other = (tmp_path / run / "weights" / name for run in ("both", "later"))
        assert one.read_bytes() == other.read_bytes()
    assert (tmp_path / "later/weights/stage-1.pth").read_bytes() == stage_1
    # or without naming stage 1's dataset any more
    assert train("--data", lfdof, "--out", tmp_path / "alone", *TINY).code == 0
    assert train("--out", tmp_path / "alone", *TINY, *stage_2, hook=hook).code == 0
    one, other = (tmp_path / run / "weights/last.pth" for run in ("both", "alone"))
    assert one.read_bytes() == other.read_bytes()
    alone = table(tmp_path / "else/steps.csv")
    # without dropout's random numbers, which stage 1 has moved on, they would be equal
    assert float(alone[0]["loss"]) == pytest.approx(float(rows[3]["loss"]), rel=0.1)


def test_l1_alone_finetunes_without_vgg19(train: Any, lfdof: Path, tmp_path: Path) -> None:
    stage_2 = ("--finetune", lfdof, "--finetune-vgg", 0, "--finetune-l1", 1, "--finetune-epochs", 1)
    assert train("--data", lfdof, "--out", tmp_path, *TINY, *stage_2).code == 0


def test_stage_2_without_vgg19_stops_before_anything_starts(train: Any, lfdof: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    ended = train("--data", lfdof, "--finetune", lfdof, "--out", out, *TINY)
    assert ended.code == 2
    assert (
        "download https://download.pytorch.org/models/vgg19-dcbb9e9d.pth and name the file by" in ended.text
    )
    assert not out.exists()


def test_stage_2_needs_weights_to_begin_with(train: Any, lfdof: Path, tmp_path: Path) -> None:
    stage_2 = ("--finetune", lfdof, "--finetune-vgg", 0, "--finetune-l1", 1)
    ended = train("--out", tmp_path, *TINY, *stage_2)
    assert ended.code == 2
    assert "--finetune: stage 2 has no weights to begin with" in ended.text


@pytest.mark.parametrize("autocast", ["bf16", "fp16"])
def test_autocast_accumulation_and_clipping(autocast: str, train: Any, lfdof: Path, tmp_path: Path) -> None:
    more = ("--autocast", autocast, "--accumulate", 2, "--clip", 0.1, "--channels-last")
    ended = train("--data", lfdof, "--out", tmp_path, *TINY, *more)
    assert ended.code == 0, ended.text
    assert len(table(tmp_path / "steps.csv")) == 3


def test_accumulation_changes_rounding_alone(train: Any, lfdof: Path, tmp_path: Path) -> None:
    for parts in (1, 3):
        more = ("--model", "small", "--batch", 6, "--accumulate", parts, "--epochs", 2)
        assert train("--data", lfdof, "--out", tmp_path / str(parts), *TINY, *more).code == 0
    one, three = (read_weights(tmp_path / name / "weights/last.pth") for name in "13")
    for name in one:
        # sums of float32 in another order, through two steps of the optimiser
        torch.testing.assert_close(one[name], three[name], rtol=1e-4, atol=1e-6)


NAN = """
def spoilt(self, inputs, target, defocus, real=drbnet.learner.Learner.gradients, calls=[]):
    calls.append(0)
    return real(self, inputs * float("nan") if {when} else inputs, target)
drbnet.learner.Learner.gradients = spoilt
"""


def test_a_step_whose_loss_is_no_number_is_skipped(train: Any, lfdof: Path, tmp_path: Path) -> None:
    hook = NAN.format(when="len(calls) == 2")
    ended = train("--data", lfdof, "--out", tmp_path, *TINY, hook=hook)
    assert ended.code == 0
    assert "done after 3 steps, 1 of them skipped" in ended.text
    rows = table(tmp_path / "steps.csv")
    assert [row["skipped"] for row in rows] == ["0", "1", "0"]
    assert rows[1]["loss"] == "nan"
    assert all(torch.isfinite(one).all() for one in read_weights(tmp_path / "weights/last.pth").values())


def test_too_many_such_steps_in_a_row_end_the_run(train: Any, lfdof: Path, tmp_path: Path) -> None:
    more = ("--epochs", 5, "--save-every", 2, "--most-bad-steps", 4)
    ended = train("--data", lfdof, "--out", tmp_path, *TINY, *more, hook=NAN.format(when="len(calls) > 3"))
    assert ended.code == 2
    assert (
        "step 7: the loss or its gradient was no number in 4 steps in a row; the last good state is"
        in ended.text
    )
    # Steps that were skipped have changed nothing.
    last = read_weights(tmp_path / "weights/last.pth")
    assert all(torch.isfinite(one).all() for one in last.values())
    assert [row["skipped"] for row in table(tmp_path / "steps.csv")] == ["0"] * 3 + ["1"] * 4


def test_a_corrupt_picture_is_left_out_and_counted(train: Any, lfdof: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(lfdof, data)
    bad = data / "train_data/input/IMG_0002/IMG_0002_ap1_00.png"
    bad.write_bytes(bad.read_bytes()[:700])
    ended = train("--data", data, "--out", tmp_path / "a", *TINY, "--epochs", 2)
    assert ended.code == 0, ended.text
    assert ended.text.count("left out: ") == 1
    assert "IMG_0002_ap1_00.png" in ended.text
    assert "1 damaged pairs left out" in ended.text
    ended = train("--data", data, "--out", tmp_path / "b", *TINY, "--most-bad-files", 0)
    assert ended.code == 2
    assert "IMG_0002_ap1_00.png" in ended.text


def test_a_patch_larger_than_the_picture(train: Any, lfdof: Path, tmp_path: Path) -> None:
    ended = train("--data", lfdof, "--out", tmp_path, *TINY, "--patch", 64)
    assert ended.code == 2
    assert "is 40 x 48 pixels, smaller than a patch of 64" in ended.text


def test_an_empty_folder(train: Any, tmp_path: Path) -> None:
    ended = train("--data", tmp_path, "--out", tmp_path / "run", *TINY)
    assert ended.code == 2
    assert str(tmp_path) in ended.text
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="CUDA is there")
def test_cuda_asked_for_and_absent(train: Any, lfdof: Path, tmp_path: Path) -> None:
    ended = train("--data", lfdof, "--out", tmp_path / "run", *TINY, "--device", "cuda")
    assert ended.code == 2
    assert "--device cuda: " in ended.text
    assert "give --device cpu" in ended.text
    assert not (tmp_path / "run").exists()


def test_weights_of_another_network(train: Any, lfdof: Path, tmp_path: Path) -> None:
    torch.save(
        {"first.weight": torch.zeros(8, 3, 5, 5), "first.bias": torch.zeros(9)}, tmp_path / "other.pth"
    )
    ended = train("--data", lfdof, "--out", tmp_path / "run", *TINY, "--weights", tmp_path / "other.pth")
    assert ended.code == 2
    assert "other.pth: it is of another network: first.bias is (9,) in it, (8,) in the network" in ended.text


def test_a_checkpoint_of_another_network(train: Any, lfdof: Path, tmp_path: Path) -> None:
    assert train("--data", lfdof, "--out", tmp_path, *TINY).code == 0
    (tmp_path / "config.toml").unlink()
    ended = train("--data", lfdof, "--out", tmp_path, *TINY, "--model", "small")
    assert ended.code == 2
    assert "first.weight is (8, 3, 5, 5) in it, (16, 3, 5, 5) in the network" in ended.text


def test_no_such_network(train: Any, lfdof: Path, tmp_path: Path) -> None:
    ended = train("--data", lfdof, "--out", tmp_path / "run", *TINY, "--model", "none")
    assert ended.code == 2
    assert "--model: there is no network none; choose one of drbnet" in ended.text
    ended = train("--data", lfdof, "--out", tmp_path / "run", *TINY, "--kernel-size", 5)
    assert "--model: tiny has no kernel_size; leave that out" in ended.text


def test_a_dataset_without_another_split_holds_some_out(train: Any, lfdof: Path, tmp_path: Path) -> None:
    ended = train("--data", lfdof / "train_data", "--out", tmp_path, *TINY)
    assert ended.code == 0, ended.text
    assert "it has no other split; 2 pairs of 1 targets are held out of training" in ended.text
    assert len(table(tmp_path / "steps.csv")) == 2


def test_drbnet_itself_shows_what_its_scales_do(train: Any, lfdof: Path, tmp_path: Path) -> None:
    options = ("--patch", 32, "--batch", 2, "--threads", 1, "--workers", 0, "--epochs", 1)
    ended = train("--data", lfdof / "train_data", "--out", tmp_path, *options, "--held-out", 0.5)
    assert ended.code == 0, ended.text
    picture = read(tmp_path / "pictures/scales-000000001.png")
    assert picture.shape == (22 + 4 * (256 + 6), 6 * 256 + 5 * 6, 3)
    weights = read_weights(tmp_path / "weights/last.safetensors")
    assert len(weights) == 138
    # conv1_1 to the last heads: as released
    assert sum(one.numel() for one in weights.values()) == 11_689_616


def test_three_views_of_a_dual_pixel_sensor(train: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for split, count in (("train", 3), ("val", 1)):
        for number in range(count):
            for place in ("c/source", "r/source", "l/source", "c/target"):
                suffix = {"r": "_R", "l": "_L"}.get(place[0], "")
                path = tmp_path / f"{split}_{place}" / f"1P0A{number:04d}{suffix}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                write(path, rng.random((40, 48, 3)).astype(np.float32), bits=16, transfer=LINEAR)
    ended = train("--data", tmp_path, "--out", tmp_path / "run", *TINY, "--model", "tiny-dual", "--bits", 16)
    assert ended.code == 0, ended.text
    assert "3 pairs of three views" in ended.text
    (row,) = table(tmp_path / "run/validation.csv")
    assert row["pairs"] == "1"


def test_a_list_of_pairs(train: Any, lfdof: Path, tmp_path: Path) -> None:
    lines = [
        f"train_data\\input\\{scene}\\{scene}_ap1_00.png,train_data\\ground_truth\\{scene}.png\n"
        for scene in ("IMG_0001", "IMG_0003", "IMG_0077")
    ]
    (tmp_path / "list").write_text("".join(lines))
    ended = train("--data", lfdof, "--out", tmp_path / "run", *TINY, "--pairs", tmp_path / "list")
    assert ended.code == 0, ended.text
    assert "2 pairs, 2 targets, 1 listed, but not there" in ended.text
