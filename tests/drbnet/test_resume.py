"""A run that is killed, wherever, ends as one that was not."""

from __future__ import annotations

import csv
import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from drbnet.checkpoints import Checkpoints

OPTIONS = (
    "--model", "tiny", "--patch", 32, "--batch", 2, "--epochs", 3, "--save-every", 2, "--threads", 1,
    "--workers", 0, "--ema", 0.9, "--clip", 0.5, "--learning-rate", 0.001, "--noise-probability", 0.5,
)  # fmt: skip
STEPS = 9  # three epochs of six pairs

DIE = "os.kill(os.getpid(), 9)"

KILLS = {
    "between gradient and update": f"""
def killed(self, real=drbnet.learner.Learner.apply, steps=[]):
    steps.append(0)
    if len(steps) == 4: {DIE}
    real(self)
drbnet.learner.Learner.apply = killed
""",
    "within a line of the log": f"""
def killed(self, kind, row, real=drbnet.logs.Logs.write):
    if row["step"] >= 5 and kind == "step":
        self._files["step"].write("5,1,1,0.12")
        self._files["step"].flush()
        {DIE}
    real(self, kind, row)
drbnet.logs.Logs.write = killed
""",
    "within the writing of a checkpoint": f"""
def killed(path, data):
    path.with_name("." + path.name + ".1.partial").write_bytes(data[: len(data) // 2])
    {DIE}
drbnet.checkpoints.write_bytes_atomic = killed
""",
    "between checkpoint and weights": f"""
def killed(*arguments): {DIE}
drbnet.checkpoints.Checkpoints.write_weights = killed
""",
    "before old checkpoints go": f"""
import pathlib
def killed(path, real=pathlib.Path.unlink, **options):
    if path.name.startswith("step-"): {DIE}
    real(path, **options)
pathlib.Path.unlink = killed
""",
    "within a validation": f"""
def killed(*arguments, **options): {DIE}
drbnet.training.validate = killed
""",
}


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "steps.csv").open() as file:
        return [
            {name: value for name, value in row.items() if name not in ("images_per_second", "seconds")}
            for row in csv.DictReader(file)
        ]


def lines(out: Path) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [{k: v for k, v in one.items() if k not in ("images_per_second", "seconds")} for one in found]


def assert_same_run(out: Path, other: Path) -> None:
    assert rows(out) == rows(other)
    assert lines(out) == lines(other)
    assert (out / "validation.csv").read_bytes() == (other / "validation.csv").read_bytes()
    for name in ("last", "best", "stage-1"):
        for suffix in ("pth", "safetensors"):
            path = Path("weights") / f"{name}.{suffix}"
            assert (out / path).read_bytes() == (other / path).read_bytes(), path
    assert Checkpoints(out).steps() == Checkpoints(other).steps()
    states = [torch.load(Checkpoints(one).path(STEPS), weights_only=True) for one in (out, other)]
    for state in states:
        del state["position"]["seconds"]
    assert_equal(*states)
    assert not [path for path in out.rglob(".*.partial") if path.is_file()]


def assert_equal(one: Any, other: Any) -> None:
    """Bit by bit."""
    assert type(one) is type(other)
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_equal(one[key], other[key])
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other)
        for left, right in zip(one, other, strict=True):
            assert_equal(left, right)
    else:
        assert one == other


@pytest.fixture(scope="module")
def whole(train: Any, lfdof: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody interrupted."""
    out = tmp_path_factory.mktemp("whole")
    ended = train("--data", lfdof, "--out", out, *OPTIONS)
    assert ended.code == 0, ended.text
    assert [int(row["step"]) for row in rows(out)] == list(range(1, STEPS + 1))
    return out


@pytest.mark.parametrize("where", KILLS)
def test_a_killed_run_goes_on_to_the_same_bits(
    where: str, train: Any, lfdof: Path, whole: Path, tmp_path: Path
) -> None:
    command = ("--data", lfdof, "--out", tmp_path, *OPTIONS)
    kills = 0
    # Killed again and again, as far as it gets with this hook.
    for _ in range(2):
        ended = train(*command, hook=KILLS[where])
        kills += ended.code == -signal.SIGKILL
        assert ended.code in (0, -signal.SIGKILL), ended.text
    assert kills > 0
    ended = train(*command)
    assert ended.code == 0, ended.text
    assert_same_run(tmp_path, whole)


def test_killed_from_outside_with_workers(train: Any, lfdof: Path, whole: Path, tmp_path: Path) -> None:
    command = ("--data", lfdof, "--out", tmp_path, *OPTIONS, "--workers", 2)
    for after in (2, 6):
        # Steps take long enough for the kill to come among them.
        pid = train.start(*command, hook=slowly(0.1))
        deadline(lambda after=after: max(Checkpoints(tmp_path).steps(), default=0) >= after)
        os.kill(pid, signal.SIGKILL)
        assert train.wait(pid).code == -signal.SIGKILL
    ended = train(*command)
    assert ended.code == 0, ended.text
    assert_same_run(tmp_path, whole)


def slowly(seconds: float) -> str:
    """A hook that makes each step last so long."""
    return f"""
import time
real = drbnet.training._step
drbnet.training._step = lambda *arguments: (time.sleep({seconds}), real(*arguments))[1]
"""


def deadline(what: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not what():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_sigterm_saves_and_ends_at_the_next_step(
    train: Any, lfdof: Path, whole: Path, tmp_path: Path
) -> None:
    command = ("--data", lfdof, "--out", tmp_path, *OPTIONS, "--save-every", 100)
    stop = """
import signal
def told(self, real=drbnet.learner.Learner.apply, steps=[]):
    steps.append(0)
    if len(steps) == 4: os.kill(os.getpid(), signal.SIGTERM)
    real(self)
drbnet.learner.Learner.apply = told
"""
    ended = train(*command, hook=stop)
    assert ended.code == 0
    assert "stopped after 5 steps" in ended.text
    assert Checkpoints(tmp_path).steps()[-1] == 5
    assert len(rows(tmp_path)) == 5
    assert train(*command).code == 0
    assert rows(tmp_path) == rows(whole)
    assert (tmp_path / "weights/last.pth").read_bytes() == (whole / "weights/last.pth").read_bytes()


def test_sigterm_within_a_validation_leaves_it_to_the_next_start(
    train: Any, lfdof: Path, whole: Path, tmp_path: Path
) -> None:
    stop = """
import signal
def told(*arguments, real=drbnet.validation.read_pair, **options):
    os.kill(os.getpid(), signal.SIGTERM)
    return real(*arguments, **options)
drbnet.validation.read_pair = told
"""
    command = ("--data", lfdof, "--out", tmp_path, *OPTIONS)
    ended = train(*command, hook=stop)
    assert ended.code == 0
    assert "stopped after 3 steps" in ended.text
    assert len((tmp_path / "validation.csv").read_text().splitlines()) == 1
    assert train(*command).code == 0
    assert_same_run(tmp_path, whole)


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(
    damage: str, train: Any, lfdof: Path, whole: Path, tmp_path: Path
) -> None:
    command = ("--data", lfdof, "--out", tmp_path, *OPTIONS)
    assert train(*command, "--stop-after", 5).code == 0
    checkpoints = Checkpoints(tmp_path)
    newest, before = checkpoints.path(5), checkpoints.path(checkpoints.steps()[-2])
    content = bytearray(newest.read_bytes())
    if damage == "cut":
        del content[len(content) // 2 :]
    else:
        content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    ended = train(*command)
    assert ended.code == 0, ended.text
    assert f"{newest}: it is damaged" in ended.text
    assert "going back to the checkpoint before it" in ended.text
    assert f"{before}: going on after step" in ended.text
    assert_same_run(tmp_path, whole)


def test_no_whole_checkpoint_is_an_error(train: Any, lfdof: Path, tmp_path: Path) -> None:
    command = ("--data", lfdof, "--out", tmp_path, *OPTIONS)
    assert train(*command, "--stop-after", 2).code == 0
    for step in Checkpoints(tmp_path).steps():
        Checkpoints(tmp_path).path(step).write_bytes(b"")
    ended = train(*command)
    assert ended.code == 2
    assert "no checkpoint in it is whole; start anew with another --out" in ended.text


def test_a_full_disk_leaves_the_checkpoint_before(
    train: Any, lfdof: Path, whole: Path, tmp_path: Path
) -> None:
    full = """
import errno
def full(number, real=os.fsync, calls=[]):
    name = os.readlink(f"/proc/self/fd/{number}")
    if "step-000000004" in name: raise OSError(errno.ENOSPC, "No space left on device")
    real(number)
os.fsync = full
"""
    command = ("--data", lfdof, "--out", tmp_path, *OPTIONS)
    ended = train(*command, hook=full)
    assert ended.code == 2
    assert "step-000000004.pth: the disk is full" in ended.text
    assert Checkpoints(tmp_path).steps() == [2, 3]
    assert train(*command).code == 0
    assert_same_run(tmp_path, whole)


def test_a_finished_run_says_so(train: Any, lfdof: Path, whole: Path) -> None:
    before = (whole / "steps.csv").read_bytes()
    ended = train("--data", lfdof, "--out", whole, *OPTIONS)
    assert ended.code == 0
    assert f"done after {STEPS} steps" in ended.text
    assert (whole / "steps.csv").read_bytes() == before


def test_other_options_are_refused(train: Any, lfdof: Path, whole: Path) -> None:
    ended = train("--data", lfdof, "--out", whole, *OPTIONS, "--batch", 3, "--seed", 5)
    assert ended.code == 2
    assert f"{whole}: it was begun with --batch 2 (now 3), --seed 0 (now 5)" in ended.text


def test_other_data_are_refused(train: Any, lfdof: Path, whole: Path, tmp_path: Path) -> None:
    names = [path.relative_to(lfdof) for path in lfdof.rglob("*") if path.is_file()]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        content = (lfdof / name).read_bytes()
        (tmp_path / name).write_bytes(content + b"\0" * ("IMG_0002_ap1" in name.name))
    ended = train("--data", tmp_path, "--out", whole, *OPTIONS)
    assert ended.code == 2
    assert "the dataset of stage 1 has other files than the run was begun with" in ended.text


def test_two_runs_do_not_write_into_one_folder(train: Any, lfdof: Path, tmp_path: Path) -> None:
    command = ("--data", lfdof, "--out", tmp_path, *OPTIONS)
    pid = train.start(*command, hook=slowly(60))
    deadline(lambda: (tmp_path / "steps.csv").exists())
    second = train(*command)
    os.kill(pid, signal.SIGKILL)
    train.wait(pid)
    assert second.code == 2
    assert f"another run (process {pid}) is writing here" in second.text
