"""The command: what it writes and prints, and what it refuses."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.metrics import structural_similarity

from drbnet import evaluate, lpips, protocols
from drbnet.datasets import Split, find
from drbnet.layouts import Layout
from drbnet.lpips import Lpips
from drbnet.models.drbnet import DRBNet
from drbnet.score_files import line, means
from drbnet.scoring import Row, Score


@dataclass
class Ended:
    code: int
    out: str
    err: str


Command = Callable[..., Ended]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    def call(*arguments: object) -> Ended:
        with pytest.raises(SystemExit) as ended:
            evaluate.main([str(one) for one in arguments])
        code = ended.value.code
        assert code is None or isinstance(code, int)
        return Ended(code or 0, *capsys.readouterr())

    return call


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a DRBNet whose output is not its input."""
    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("weights") / "drbnet.pth"
    torch.save(DRBNet().state_dict(), path)
    return path


@pytest.fixture
def alexnet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    torch.manual_seed(2)
    state = {f"features.{name}": value for name, value in Lpips().features.state_dict().items()}
    path = tmp_path / lpips.FILE
    torch.save(state, path)
    monkeypatch.setattr(lpips, "SHA256_BEGINS", hashlib.sha256(path.read_bytes()).hexdigest()[:8])
    return path


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "scores.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_network_is_scored_beside_its_input(
    command: Command, lfdof: Path, weights: Path, alexnet: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    arguments = ("--data", lfdof, "--split", "train", "--weights", weights, "--lpips-weights", alexnet)
    ended = command(*arguments, "--out", out)
    assert ended.code == 0, ended.err
    document = json.loads((out / "scores.json").read_text())
    table = rows(out)
    assert [row["name"] for row in table] == [pair.name for pair in find(lfdof, split=Split.TRAIN).pairs]
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    assert {(row["protocol"], row["weights"], row["height"], row["width"]) for row in table} == {
        ("paper", digest, "32", "48")
    }
    for kind, prefix in (("output", ""), ("input", "input_")):
        for metric in ("psnr", "ssim", "lpips", "mae"):
            values = [float(row[prefix + metric]) for row in table]
            found = document["scores"][kind][metric]
            assert found["mean"] == pytest.approx(np.mean(values), abs=1e-7)
            assert found["low"] < found["mean"] < found["high"]
            assert f"{found['mean']:.{3 if metric == 'psnr' else 4}f}" in ended.out
    scores = document["scores"]
    for metric, gain in scores["gain"].items():
        wanted = scores["output"][metric]["mean"] - scores["input"][metric]["mean"]
        assert gain["mean"] == pytest.approx(wanted, abs=1e-9)
    assert document["weights"] == {
        "path": str(weights),
        "sha256": digest,
        "network": "DRBNet, single, 7 x 7",
    }
    assert document["protocol"] == {"name": "paper", "text": str(protocols.paper())}
    assert document["data"] == {
        "path": str(lfdof),
        "layout": "lfdof",
        "split": "train",
        "pairs": 6,
        "of": 6,
        "fingerprint": find(lfdof, split=Split.TRAIN).fingerprint(),
    }
    assert document["lpips"]["alexnet"] == hashlib.sha256(alexnet.read_bytes()).hexdigest()
    assert document["interval"] == {"level": 0.95, "resamples": 10000, "drawn": "targets"}
    assert (document["pictures"], document["targets"], document["set_aside"]) == (6, 3, [])
    assert document["versions"]["torch"] == torch.__version__
    assert "means of 6 pictures, 95 % bootstrap intervals over 3 targets" in ended.out
    before = {name: (out / name).read_bytes() for name in ("scores.csv", "scores.json", ".scores.jsonl")}
    assert command(*arguments, "--out", out).code == 0
    assert {name: (out / name).read_bytes() for name in before} == before


def test_without_weights_the_input_alone_is_scored(
    command: Command, lfdof: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = command("--data", lfdof)
    assert ended.code == 0
    folder = tmp_path / "scores" / f"{lfdof.name}-paper-input"
    table = rows(folder)
    assert len(table) == 2
    for row in table:
        pictures = [
            np.asarray(Image.open(lfdof / row[name]).convert("RGB"))[:32, :48] / 255
            for name in ("name", "target")
        ]
        psnr = -10 * np.log10(np.mean((pictures[0] - pictures[1]) ** 2))
        assert float(row["input_psnr"]) == pytest.approx(psnr, abs=1e-6)
        wanted = structural_similarity(*pictures, data_range=1, channel_axis=2)
        assert float(row["input_ssim"]) == pytest.approx(wanted, abs=1e-6)
        assert {row[name] for name in ("psnr", "ssim", "lpips", "mae", "input_lpips", "weights")} == {"n/a"}
    document = json.loads((folder / "scores.json").read_text())
    assert document["weights"] is None
    assert document["scores"]["output"]["psnr"] is None
    assert document["scores"]["input"]["lpips"] is None
    # Both inputs have one target.
    assert document["scores"]["input"]["psnr"]["low"] is None
    assert "LPIPS    n/a" in ended.out
    assert "LPIPS is n/a: name torchvision's alexnet-owt-7be5be79.pth by --lpips-weights" in ended.out


def test_a_bad_pair_is_set_aside_and_said(command: Command, tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    for folder in ("input", "target"):
        (data / folder).mkdir(parents=True)
        for name, shade in (("a", 50), ("b", 60)):
            Image.new("RGB", (48, 48), (shade, 70, 80 if folder == "input" else 90)).save(
                data / folder / f"{name}.png"
            )
    (data / "input" / "a.png").write_bytes(b"no picture")
    ended = command("--data", data, "--out", out)
    assert ended.code == 1
    assert f"set aside: {data / 'input/a.png'}: it is not a PNG" in ended.err
    assert "1 set aside, the means are without them" in ended.err
    document = json.loads((out / "scores.json").read_text())
    assert [one["name"] for one in document["set_aside"]] == ["input/a.png"]
    assert [row["name"] for row in rows(out)] == ["input/b.png"]
    (data / "input" / "b.png").write_bytes(b"no picture")
    ended = command("--data", data, "--out", out)
    assert ended.code == 2
    assert "not one of its 2 pairs can be scored" in ended.err


def test_a_limit_takes_some_of_all(command: Command, lfdof: Path, tmp_path: Path) -> None:
    assert command("--data", lfdof, "--split", "train", "--limit", 3, "--out", tmp_path).code == 0
    names = [pair.name for pair in find(lfdof, split=Split.TRAIN).pairs]
    assert [row["name"] for row in rows(tmp_path)] == names[::2]
    data = json.loads((tmp_path / "scores.json").read_text())["data"]
    assert (data["pairs"], data["of"]) == (3, 6)


@pytest.mark.parametrize("layout", ["cuhk", "pixeldp"])
def test_pictures_without_targets_are_for_deblurring(layout: str, command: Command, tmp_path: Path) -> None:
    folder = tmp_path if layout == "cuhk" else tmp_path / "test_c" / "source"
    folder.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (48, 48)).save(folder / "a.png")
    ended = command("--data", tmp_path)
    assert ended.code == 2
    assert ended.err == (
        f"drbnet.evaluate: {tmp_path}: of the layout {layout}, it has no sharp pictures to compare with; "
        "deblur it by python -m drbnet.deblur, or name another dataset\n"
    )


def test_a_split_that_is_not_there(command: Command, lfdof: Path) -> None:
    ended = command("--data", lfdof, "--split", "val")
    assert ended.code == 2
    assert "has no val_data/input; check the folder and the split" in ended.err


def test_another_file_of_alexnet_is_refused(command: Command, lfdof: Path, weights: Path) -> None:
    ended = command("--data", lfdof, "--lpips-weights", weights)
    assert ended.code == 2
    assert "it is not AlexNet's alexnet-owt-7be5be79.pth: its SHA-256 begins with" in ended.err


def test_a_folder_that_cannot_be_made(command: Command, lfdof: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    ended = command("--data", lfdof, "--out", tmp_path / "file")
    assert ended.code == 2
    assert "it cannot be made (File exists); choose another --out" in ended.err


def test_choices_are_those_of_the_library() -> None:
    assert list(evaluate.PROTOCOLS) == list(protocols.PROTOCOLS)
    assert {one.value for one in Layout} - set(evaluate.LAYOUTS) == {"pixeldp", "cuhk"}
    assert all(f"\n  {name} " in evaluate.EXAMPLES for name in evaluate.PROTOCOLS)


def test_equal_pictures_have_no_finite_psnr() -> None:
    equal, other = Score(float("inf"), 1.0, None, 0.0), Score(20.0, 0.5, None, 0.1)
    found = means([Row("a", "t", 32, 32, equal, other), Row("b", "u", 32, 32, other, other)], seed=0)
    psnr, gain = found["output"]["psnr"], found["gain"]["psnr"]
    assert psnr is not None
    assert gain is not None
    assert (psnr.mean, psnr.count) == (20, 1)
    assert (gain.mean, gain.count) == (0, 1)
    assert line(Row("a", "t", 32, 32, equal, other)) == (
        "a: PSNR inf (+inf), SSIM 1.0000 (+0.5000), MAE 0.0000 (-0.1000)"
    )
