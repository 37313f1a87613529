"""Options from a file and the command line."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from drbnet.choices import Autocast, TargetScaling, VggLayers
from drbnet.configuration import as_toml, differences, load
from drbnet.options import GROUPS, Config
from drbnet.train import cli
from lfsynth.errors import InputError

ENOUGH = {"data": "lfdof", "out": "runs/a"}


def test_defaults_are_the_papers() -> None:
    config = load(None, ENOUGH)
    assert (config.batch, config.patch, config.epochs, config.learning_rate) == (8, 320, 200, 1e-4)
    assert (config.beta1, config.beta2) == (0.9, 0.99)
    assert (config.finetune_epochs, config.finetune_learning_rate) == (100, 1e-5)
    assert config.vgg_layers is VggLayers.COUNTED_FROM_0
    assert config.target_scaling is TargetScaling.MEAN
    assert (config.weight_decay, config.clip, config.ema) == (0, 0, 0)


def test_the_command_line_goes_before_the_file(tmp_path: Path) -> None:
    file = tmp_path / "some.toml"
    file.write_text('batch = 4\nautocast = "bf16"\nscale_weights = [1, 2, 3, 4]\nlearning_rate = 1\n')
    config = load(file, {**ENOUGH, "batch": "2", "vgg_weights": "1, 0.2,0.04"})
    assert config.batch == 2
    assert config.autocast is Autocast.BF16
    assert config.scale_weights == (1.0, 2.0, 3.0, 4.0)
    assert config.vgg_weights == (1.0, 0.2, 0.04)
    assert isinstance(config.learning_rate, float)


def test_a_saved_file_gives_the_same_options(tmp_path: Path) -> None:
    odd = {**ENOUGH, "out": 'a "b"\\c ü', "noise_most": "0.1", "tensorboard": True, "terms": "image,residual"}
    for given in (ENOUGH, odd):
        config = load(None, given)
        (tmp_path / "saved.toml").write_text(as_toml(config), encoding="utf-8")
        assert load(tmp_path / "saved.toml", {}) == config


def test_every_option_has_a_group_and_a_help() -> None:
    for one in fields(Config):
        assert one.metadata["group"] in GROUPS
        assert one.metadata["help"]


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"batch": "0"}, "--batch: 0 is less than 1"),
        ({"batch": "2.5"}, "--batch: '2.5' is not a whole number"),
        ({"beta2": "1.5"}, "--beta2: 1.5 is more than 1"),
        ({"learning_rate": "nan"}, "--learning-rate: 'nan' is no finite number"),
        ({"learning_rate": "fast"}, "--learning-rate: 'fast' is not a number"),
        ({"autocast": "fp8"}, "--autocast: 'fp8' is not one of none, bf16, fp16"),
        ({"scales": "two"}, "--scales: 'two' is none of four, one, none"),
        ({"scale_weights": "1,x"}, "--scale-weights: '1,x' is not a list of numbers"),
        ({"patch": "100"}, "--patch: 100 is no multiple of 8"),
        ({"bits": "12"}, "--bits: 12 is neither 8 nor 16"),
        ({"finetune": "dpdd", "patch": "24"}, "--patch: 24 px is too small for VGG-19's features at 1/8"),
        ({"accumulate": "3"}, "--accumulate: 3 parts of 8 patches differ"),
        ({"scale_least": "0.9", "scale_most": "0.8"}, "--scale-least: it is more than --scale-most"),
        ({"finetune": "dpdd", "finetune_vgg": "0"}, "--finetune-vgg: it and --finetune-l1 are both 0"),
    ],
)
def test_wrong_values_are_refused(given: dict[str, Any], line: str) -> None:
    with pytest.raises(InputError) as told:
        load(None, {**ENOUGH, **given})
    assert str(told.value).startswith(line)


@pytest.mark.parametrize(("lacks", "line"), [("data", "--data: no dataset"), ("out", "--out: no folder")])
def test_what_a_run_needs(lacks: str, line: str) -> None:
    with pytest.raises(InputError, match=line):
        load(None, {name: value for name, value in ENOUGH.items() if name != lacks})


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("bach = 3", "there is no option bach"),
        ("batch = ", "it is no TOML"),
        ("batch = true", "batch: True is not a whole number"),
        ("batch = 1.0", "batch: 1.0 is not a whole number"),
        ("compile = 1", "compile: 1 is not true or false"),
        ("data = 3", "data: 3 is not a path"),
        ("[training]\nbatch = 3", "there is no option training"),
    ],
)
def test_wrong_files_are_refused(text: str, line: str, tmp_path: Path) -> None:
    file = tmp_path / "some.toml"
    file.write_text(text)
    with pytest.raises(InputError) as told:
        load(file, ENOUGH)
    assert str(told.value).startswith(f"{file}: {line}")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="it cannot be read"):
        load(tmp_path / "none.toml", ENOUGH)


def test_what_a_run_cannot_go_on_with() -> None:
    config = load(None, ENOUGH)
    free = replace(config, workers=7, data=Path("elsewhere"), finetune=Path("dpdd"), stop_after=3)
    assert differences(config, free, finetuning=True) == []
    other = replace(config, batch=4, finetune_epochs=10, autocast=Autocast.BF16, terms=("image", "residual"))
    assert differences(config, other, finetuning=False) == [
        "--terms image,filtered,residual (now image,residual)",
        "--batch 8 (now 4)",
        "--autocast none (now bf16)",
    ]
    assert "--finetune-epochs 100 (now 10)" in differences(config, other, finetuning=True)


def test_help_shows_every_option_in_its_group_without_torch() -> None:
    shown = CliRunner().invoke(cli, ["--help"]).output
    for one in fields(Config):
        assert f"--{one.name.replace('_', '-')}" in shown
    for group in GROUPS:
        assert f"{group}:" in shown
    show = "import sys\nfrom drbnet.train import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    show += "print('loaded', *sorted({'torch', 'numba', 'cv2', 'numpy'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1].split() == ["loaded"]
