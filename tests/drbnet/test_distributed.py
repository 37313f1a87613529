"""Two processes on this host, by gloo."""

from __future__ import annotations

import csv
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from drbnet.checkpoints import Checkpoints, read_weights
from drbnet.choices import Device
from drbnet.distributed import processes

OPTIONS = (
    "--model", "small", "--patch", 32, "--threads", 1, "--workers", 0, "--epochs", 2, "--ema", 0.9,
    "--device", "cpu",
)  # fmt: skip


def environments() -> list[dict[str, str]]:
    """What torchrun would set for two processes."""
    with socket.socket() as some:
        some.bind(("127.0.0.1", 0))
        port = some.getsockname()[1]
    return [
        {
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": "2",
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
        }
        for rank in range(2)
    ]


def together(
    train: Any, *arguments: object, hooks: tuple[str, str] = ("", ""), more: dict[str, str] | None = None
) -> list[Any]:
    pids = [
        train.start(*arguments, hook=hook, environment=environment | (more or {}))
        for hook, environment in zip(hooks, environments(), strict=True)
    ]
    return [train.wait(pid) for pid in pids]


def losses(out: Path) -> list[float]:
    with (out / "steps.csv").open() as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


def test_torchrun_does_what_one_process_does(train: Any, lfdof: Path, tmp_path: Path) -> None:
    command = ("--data", lfdof, *OPTIONS, "--batch", 6)
    server = Path(__file__).with_name("training_server.py")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    arguments = [str(one) for one in (*command, "--out", tmp_path / "two")]
    run = subprocess.run(
        [*torchrun, str(server), *arguments],
        capture_output=True,
        text=True,
        cwd=server.parents[2],
        timeout=300,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.count("done after 2 steps") == 1
    assert train(*command, "--out", tmp_path / "one").code == 0
    # The same patches in the same steps; their mean is summed in another order, in float32.
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-5)
    one, two = (read_weights(tmp_path / name / "weights/last.pth") for name in ("one", "two"))
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=1e-4, atol=1e-6)


def test_two_processes_go_on_exactly(train: Any, lfdof: Path, tmp_path: Path) -> None:
    command = ("--data", lfdof, *OPTIONS, "--batch", 2, "--accumulate", 1, "--save-every", 2)
    for out, stops in ((tmp_path / "whole", ()), (tmp_path / "parts", ("--stop-after", 3))):
        for ended in together(train, *command, "--out", out, *stops):
            assert ended.code == 0, ended.text
    for ended in together(train, *command, "--out", tmp_path / "parts"):
        assert ended.code == 0, ended.text
    assert losses(tmp_path / "parts") == losses(tmp_path / "whole")
    for name in ("last.pth", "best.safetensors"):
        one, other = (tmp_path / run / "weights" / name for run in ("parts", "whole"))
        assert one.read_bytes() == other.read_bytes()


def test_the_failure_of_one_ends_all_with_its_message(train: Any, lfdof: Path, tmp_path: Path) -> None:
    fails = """
def failing(self, real=drbnet.learner.Learner.apply, calls=[]):
    calls.append(0)
    if len(calls) == 2: raise drbnet.run.InputError("somewhere", "something is wrong", "cure it")
    real(self)
drbnet.learner.Learner.apply = failing
"""
    began = time.monotonic()
    first, second = together(
        train,
        "--data",
        lfdof,
        *OPTIONS,
        "--batch",
        2,
        "--out",
        tmp_path,
        hooks=("", fails),
        more={"TORCHELASTIC_ERROR_FILE": str(tmp_path / "error.json")},
    )
    assert time.monotonic() - began < 60  # it does not wait for the exchange's time to run out
    assert (first.code, second.code) == (2, 2)
    assert "somewhere: something is wrong; cure it" in second.text
    assert "process 0: another process has ended; see what that one says" in first.text
    # what torchrun shows at its end
    assert "something is wrong" in (tmp_path / "error.json").read_text()


def test_sigterm_to_one_stops_both_at_the_same_step(train: Any, lfdof: Path, tmp_path: Path) -> None:
    told = f"""
def told(self, real=drbnet.learner.Learner.apply, calls=[]):
    calls.append(0)
    if len(calls) == 2: os.kill(os.getpid(), {int(signal.SIGTERM)})
    real(self)
drbnet.learner.Learner.apply = told
"""
    for ended in together(
        train, "--data", lfdof, *OPTIONS, "--batch", 2, "--out", tmp_path, hooks=("", told)
    ):
        assert ended.code == 0, ended.text
    assert Checkpoints(tmp_path).steps()[-1] == 3
    assert len(losses(tmp_path)) == 3


def test_a_batch_that_cannot_be_shared(train: Any, lfdof: Path, tmp_path: Path) -> None:
    for ended in together(train, "--data", lfdof, *OPTIONS, "--batch", 3, "--out", tmp_path):
        assert ended.code == 2
        assert "--batch: 3 patches are not shared evenly by 2 processes" in ended.text


def test_one_process_needs_no_others() -> None:
    with processes(Device.CPU) as alone:
        assert alone.leads
        assert alone.largest([1.0, -2.0]) == [1.0, -2.0]
        assert alone.mean([3.0]) == [3.0]
        assert alone.gathered("x") == ["x"]
        assert alone.from_leader("y") == "y"
