"""The paper's tables end to end, with a tiny network on tiny data: made, shared, resumed and refused."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from drbnet.run import run as run_training
from pipelines.paper import workshop
from pipelines.paper.command import main

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def paper(running: Callable[..., Any], tiny_networks: None) -> Callable[..., Any]:
    """The command, with tiny networks."""
    return running(main)


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Folders of the trainings that a test starts, as they are started."""
    started: list[str] = []

    def counted(config: Any, processes: Any, view: Any) -> Any:
        started.append(config.out.name)
        return run_training(config, processes, view)

    monkeypatch.setattr(workshop, "run_training", counted)
    return started


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def stems(started: list[str]) -> list[str]:
    return [name.rpartition("-seed")[0] for name in started]


def test_a_whole_table(paper: Any, tiny_plan: Path, tmp_path: Path, trainings: list[str]) -> None:
    out = tmp_path / "out"
    ended = paper("table2", "--config", tiny_plan, "--budget", "tiny", "--out", out)
    assert ended.code == 0, ended.err
    assert stems(trainings) == [
        *("dpdnet-dpdd", "aifnet-lfdof", "ifan-dpdd", "kpac-dpdd", "drbnet-lfdof", "drbnet-lfdof-dpdd-l1")
    ]
    text = (out / "table2.md").read_text()
    assert text in ended.out
    assert "SMOKE RUN" in text
    assert "Ours: 6 trainings of 1 steps of 2 patches of 32 px" in text
    assert "one seed, 0; protocol paper of drbnet.evaluate" in text
    assert "LPIPS is n/a" in text
    assert "† Trained with L1" in text
    rows = rows_of(out / "table2.csv")
    assert len(rows) == 6 * 2 * 3
    # no cell is missing but LPIPS, whose weights are not there
    assert all(bool(row["ours"]) == (row["metric"] != "lpips") for row in rows)
    assert {row["row"] for row in rows if row["as_paper"] == "0"} == {"DRBNet"}
    given = next(
        row for row in rows if (row["row"], row["column"], row["metric"]) == ("Input", "DPDD", "psnr")
    )
    (folder,) = (out / "evaluations").glob("input-on-dpdd-*")
    score = json.loads((folder / "scores.json").read_text())["scores"]["input"]["psnr"]["mean"]
    assert float(given["ours"]) == pytest.approx(score, abs=1e-6)  # six digits are written
    assert (out / "table2.tex").read_text().count(r"\\") == 2 + 6

    kept = {path.name for path in (out / "trainings" / trainings[0]).iterdir()}
    assert {"training.json", "weights", "steps.csv"} <= kept
    assert "checkpoints" not in kept

    trainings.clear()
    # The other tables take what is there.
    ended = paper("table3", "table4", "--config", tiny_plan, "--budget", "tiny", "--out", out)
    assert ended.code == 0, ended.err
    assert stems(trainings) == [
        *("drbnet-dpdd", "dpdnet-lfdof", "dpdnet-lfdof-dpdd-l1", "kpac-lfdof", "kpac-lfdof-dpdd-l1")
    ]
    assert "table3, table4: 5 trainings to do, 4 done" in ended.out


def test_mixtures_and_seeds(paper: Any, tiny_plan: Path, tmp_path: Path, trainings: list[str]) -> None:
    tiny_plan.write_text("seeds = [5, 7]\n" + tiny_plan.read_text())
    out = tmp_path / "out"
    ended = paper("table5", "--config", tiny_plan, "--budget", "tiny", "--out", out)
    assert ended.code == 0, ended.err
    # without VGG-19 both mixtures are one, and both ways of fine-tuning
    assert stems(trainings) == ["drbnet-mixed"] * 2 + ["drbnet-lfdof", "drbnet-lfdof-dpdd-l1"] * 2
    record = json.loads((out / "trainings" / trainings[0] / "run.json").read_text())
    assert set(record["data"]) == {"stage 1", "stage 1, mixed"}
    done = json.loads((out / "trainings" / trainings[0] / "training.json").read_text())
    # 2 pairs of LFDOF, 2 of DPDD 32 times; batches of 2
    assert (done["pairs"], done["steps"]) == (66, 33)
    text = (out / "table5.md").read_text()
    assert "mean and standard deviation over the seeds 5, 7" in text
    assert " ± " in text


def test_other_options_are_other_trainings(
    paper: Any, tiny_plan: Path, tmp_path: Path, trainings: list[str]
) -> None:
    arguments = ("table3", "--config", tiny_plan, "--budget", "tiny", "--out", tmp_path / "out")
    assert paper(*arguments).code == 0
    assert len(trainings) == 3
    tiny_plan.write_text(tiny_plan.read_text().replace("finetune_epochs = 1", "finetune_epochs = 2"))
    trainings.clear()
    assert paper(*arguments).code == 0
    assert stems(trainings) == ["drbnet-lfdof-dpdd-l1"]


def test_a_training_by_other_usual_values_is_none(
    paper: Any, tiny_plan: Path, tmp_path: Path, trainings: list[str]
) -> None:
    arguments = ("table8", "--config", tiny_plan, "--budget", "tiny", "--out", tmp_path / "out")
    assert paper(*arguments).code == 0
    (folder,) = (tmp_path / "out" / "trainings").glob("drbnet-lfdof-*")
    file = folder / "config.toml"
    text = file.read_text()
    # as an earlier version would have left it: it did not know one option, and another one's default was not today's
    file.write_text("".join(line for line in text.splitlines(True) if not line.startswith("mix_repeats")))
    trainings.clear()
    assert paper(*arguments).code == 0
    assert trainings == []
    file.write_text(text.replace("beta2 = 0.99", "beta2 = 0.999"))
    assert paper(*arguments).code == 0
    assert stems(trainings) == ["drbnet-lfdof"]


def test_a_folder_that_was_moved_is_taken_as_it_is(
    paper: Any, tiny_plan: Path, tmp_path: Path, trainings: list[str]
) -> None:
    arguments = ("table3", "--config", tiny_plan, "--budget", "tiny", "--out")
    assert paper(*arguments, tmp_path / "out").code == 0
    (tmp_path / "out").rename(tmp_path / "moved")
    trainings.clear()
    assert paper(*arguments, tmp_path / "moved").code == 0
    assert trainings == []


def test_stopped_between_trainings_it_goes_on(
    paper: Any, tiny_plan: Path, tmp_path: Path, trainings: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ("table3", "--config", tiny_plan, "--budget", "tiny", "--out", tmp_path / "out")
    real = workshop._evaluate
    calls = []

    def stopped(given: list[str]) -> None:
        calls.append(given)
        if len(calls) == 2:
            raise KeyboardInterrupt
        real(given)

    monkeypatch.setattr(workshop, "_evaluate", stopped)
    ended = paper(*arguments)
    assert ended.code == 130
    assert ended.err.endswith("pipelines.paper: stopped; the same command goes on where it was\n")
    assert stems(trainings) == ["drbnet-lfdof", "drbnet-dpdd"]
    assert paper(*arguments).code == 0
    assert stems(trainings) == ["drbnet-lfdof", "drbnet-dpdd", "drbnet-lfdof-dpdd-l1"]
    assert len(calls) == 4


KILLED = """
import os, signal, sys
import pytest
sys.path.insert(0, {root!r})
from tests.pipelines.conftest import know_tiny_networks
from drbnet import training
from pipelines.paper.command import main

know_tiny_networks(pytest.MonkeyPatch())
step, done = training._step, []

def killed(*arguments):
    stops = step(*arguments)
    done.append(stops)
    if len(done) == {steps}:
        os.kill(os.getpid(), signal.SIGKILL)
    return stops

training._step = killed
main(sys.argv[1:])
"""


def test_killed_in_a_training_it_goes_on_to_the_same_numbers(
    paper: Any, tiny_plan: Path, tmp_path: Path
) -> None:
    tiny_plan.write_text(
        tiny_plan.read_text()
        .replace("\nepochs = 1", "\nepochs = 4")
        .replace("batch = 2", "batch = 2\nsave_every = 1")
    )
    arguments = ["table3", "--config", str(tiny_plan), "--budget", "tiny", "--out"]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED.format(root=str(ROOT), steps=3), *arguments, str(tmp_path / "killed")],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    ended = paper(*arguments, tmp_path / "killed")
    assert ended.code == 0, ended.err
    assert "going on after step" in ended.out + ended.err
    assert paper(*arguments, tmp_path / "whole").code == 0
    one, other = (rows_of(tmp_path / name / "table3.csv") for name in ("killed", "whole"))
    assert [row["ours"] for row in one] == [row["ours"] for row in other]
    assert [row["steps_of_all_stages"] for row in one if row["metric"] == "psnr"] == ["4", "4", "5"]


def test_missing_data_is_said_before_anything_starts(paper: Any, tiny_plan: Path, tmp_path: Path) -> None:
    lines = [line for line in tiny_plan.read_text().splitlines() if not line.startswith("realdof")]
    text = "\n".join(lines).replace("/dpdd", "/nowhere")
    tiny_plan.write_text(text)
    ended = paper("table8", "table2", "table4", "--config", tiny_plan, "--out", tmp_path / "out")
    assert ended.code == 2
    (line,) = ended.err.splitlines()
    assert line.startswith(f"pipelines.paper: {tiny_plan}: data.dpdd, ")
    assert "/nowhere, is not there, which table2, table4 must have" in line
    assert "data.realdof is not given, which table2 must have" in line
    assert "lfdof" not in line
    assert not (tmp_path / "out").exists()


def test_without_a_file_a_full_run_is_refused(paper: Any, tmp_path: Path) -> None:
    ended = paper("table8", "--out", tmp_path / "out")
    assert ended.code == 2
    assert ended.err == (
        "pipelines.paper: --config: data.lfdof is not given, which table8 must have; name the folders in a TOML file, "
        "or add --budget tiny for a smoke run\n"
    )


def test_a_full_run_needs_vgg19(paper: Any, tiny_plan: Path, tmp_path: Path, trainings: list[str]) -> None:
    ended = paper("table3", "--config", tiny_plan, "--out", tmp_path / "out")
    assert ended.code == 2
    assert "stage 2 needs the weights of VGG-19" in ended.err
    assert trainings == []
    # Table 8 does not.
    assert paper("table8", "--config", tiny_plan, "--out", tmp_path / "out").code == 0
    assert "SMOKE" not in (tmp_path / "out" / "table8.md").read_text()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("[training]\nlearning_rate = -1", "--learning-rate: -1"),
        ('lpips = "nowhere.pth"\n[training]', "nowhere.pth: "),
    ],
)
def test_a_bad_plan_is_refused_before_anything_starts(
    change: str, said: str, paper: Any, tiny_plan: Path, tmp_path: Path, trainings: list[str]
) -> None:
    text = tiny_plan.read_text()
    text = change.partition("[training]")[0] + text.replace(
        "[training]", "[training]" + change.partition("[training]")[2]
    )
    tiny_plan.write_text(text)
    ended = paper("table8", "--config", tiny_plan, "--out", tmp_path / "out")
    assert ended.code == 2
    assert said in ended.err
    assert trainings == []


def test_pictures_that_cannot_be_scored_are_told(
    paper: Any, tiny_plan: Path, tiny_data: Path, tmp_path: Path
) -> None:
    data = tmp_path / "realdof"
    shutil.copytree(tiny_data / "realdof", data)
    damaged = data / "source" / "1.png"
    damaged.write_bytes(damaged.read_bytes()[:200])
    tiny_plan.write_text(tiny_plan.read_text().replace(str(tiny_data / "realdof"), str(data)))
    ended = paper("table3", "--config", tiny_plan, "--budget", "tiny", "--out", tmp_path / "out")
    assert ended.code == 0, ended.err
    # one in each of three cells
    assert "3 pictures could not be scored" in (tmp_path / "out" / "table3.md").read_text()
