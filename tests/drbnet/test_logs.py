"""Logs, and how they are cut back."""

from __future__ import annotations

import csv
import errno
import json
import math
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from drbnet.logs import STEP_COLUMNS, Logs
from lfsynth.errors import InputError


def row(step: int, **more: Any) -> dict[str, Any]:
    return {"step": step, "stage": 1, "epoch": 0, "loss": 1 / (step + 2), "skipped": 0, **more}


def write(root: Path, steps: range, *, begin: int = 0) -> None:
    logs = Logs(root, step=begin)
    for step in steps:
        logs.write("step", row(step))
        if step % 2 == 0:
            logs.write("validation", {**row(step), "psnr": 20.0 + step, "best": 1})
    logs.to_disk()
    logs.close()


def table(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_rows_are_in_all_logs(tmp_path: Path) -> None:
    write(tmp_path, range(1, 4))
    rows = table(tmp_path / "steps.csv")
    assert tuple(rows[0]) == STEP_COLUMNS
    assert [int(one["step"]) for one in rows] == [1, 2, 3]
    assert [float(one["loss"]) for one in rows] == [1 / 3, 1 / 4, 1 / 5]
    assert rows[0]["gradient_norm"] == ""
    assert [one["step"] for one in table(tmp_path / "validation.csv")] == ["2"]
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [(one["kind"], one["step"]) for one in lines] == [
        ("step", 1),
        ("step", 2),
        ("validation", 2),
        ("step", 3),
    ]
    assert lines[1]["loss"] == 1 / 4


@pytest.mark.parametrize("tail", ["", "7,1,0,0.1", "8", "\x00\x00", "7,1\n"])
def test_a_run_that_goes_on_writes_no_step_twice(tail: str, tmp_path: Path) -> None:
    write(tmp_path, range(1, 7))
    for name in ("steps.csv", "validation.csv", "log.jsonl"):
        with (tmp_path / name).open("a") as file:
            file.write(tail)
    write(tmp_path, range(4, 9), begin=3)
    whole = tmp_path / "whole"
    whole.mkdir()
    write(whole, range(1, 9))
    for name in ("steps.csv", "validation.csv", "log.jsonl"):
        assert (tmp_path / name).read_bytes() == (whole / name).read_bytes()


def test_what_is_no_number_can_be_written_and_read(tmp_path: Path) -> None:
    logs = Logs(tmp_path, step=0)
    logs.write("step", row(1, loss=math.nan, psnr=math.inf))
    logs.close()
    (found,) = table(tmp_path / "steps.csv")
    assert math.isnan(float(found["loss"]))
    line = json.loads((tmp_path / "log.jsonl").read_text(), parse_constant=pytest.fail)
    assert (line["loss"], line["psnr"]) == ("nan", "inf")


def test_logs_on_a_full_disk_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    logs = Logs(tmp_path, step=0)
    logs.write("step", row(1))

    def full(number: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(
            InputError, match=r"its logs cannot be written \(No space left on device\); cure that"
        ):
            logs.to_disk()
    logs.close()


def test_tensorboard_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(InputError, match=r"--tensorboard: tensorboard is not installed; install lfsynth"):
        Logs(tmp_path, step=0, tensorboard=True)
