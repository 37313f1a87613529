"""Logs of a run: CSV tables and JSON lines, and TensorBoard's files where they are asked for.

``steps.csv`` has a row a step, ``validation.csv`` one a validation, ``log.jsonl`` the same as JSON, each with its
``kind``, and what is no column: the further terms of the loss of networks that have such. After a kill,
`Logs.back_to` cuts them to the step that the run goes on from: none is there twice, none is missing. Numbers are
written so that they read back to the same float.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from lfsynth.errors import InputError
from lfsynth.pictures import write_bytes_atomic

STEP_COLUMNS = (
    "step",
    "stage",
    "epoch",
    "loss",
    "loss_8",
    "loss_4",
    "loss_2",
    "loss_1",
    "psnr",
    "gradient_norm",
    "learning_rate",
    "skipped",
    "images_per_second",
    "seconds",
)
"""Of ``steps.csv``: the loss and what each scale (1/8 to 1) adds to it; PSNR in dB of the patches; 1 where the step
was skipped; the time from the run's begin, which alone is not the same again after a kill."""

VALIDATION_COLUMNS = (
    "step",
    "stage",
    "epoch",
    "psnr",
    "ssim",
    "input_psnr",
    "input_ssim",
    "pairs",
    "best",
)
"""Of ``validation.csv``: means over pairs; 1 where the PSNR is the best so far of the stage."""

_TABLES = {"step": ("steps.csv", STEP_COLUMNS), "validation": ("validation.csv", VALIDATION_COLUMNS)}
_LINES = "log.jsonl"

Row = Mapping[str, Any]


class Logs:
    """Open logs of a run in its folder.

    Parameters
    ----------
    root : folder of the run
    step : the step that the run goes on from: rows of later ones go
    tensorboard : write TensorBoard's files too

    Raises
    ------
    InputError : where TensorBoard is asked for and not installed, or the files cannot be written
    """

    def __init__(self, root: Path, *, step: int, tensorboard: bool = False) -> None:
        self._writer = _tensorboard(root / "tensorboard", step) if tensorboard else None
        self._root = root
        self._files: dict[str, IO[str]] = {}
        for kind, (name, columns) in _TABLES.items():
            _cut_table(root / name, columns, step)
            self._files[kind] = (root / name).open("a", encoding="utf-8", newline="")
        _cut_lines(root / _LINES, step)
        self._files["lines"] = (root / _LINES).open("a", encoding="utf-8")

    def write(self, kind: str, row: Row) -> None:
        """Add a row; kind is ``step`` or ``validation``; what of it is no column goes to all but the table."""
        _, columns = _TABLES[kind]
        with _told(self._root):
            for file, line in (
                (self._files[kind], _csv_line([_cell(row.get(column)) for column in columns])),
                (self._files["lines"], json.dumps({"kind": kind, **_finite(row)}) + "\n"),
            ):
                file.write(line)
                file.flush()  # for who looks on
        if self._writer is not None:
            for name, value in row.items():
                if name != "step" and isinstance(value, (int, float)) and math.isfinite(value):
                    self._writer.add_scalar(f"{kind}/{name}", value, row["step"])

    def to_disk(self) -> None:
        """Force all rows to the disk, before a checkpoint says that they are there."""
        with _told(self._root):
            for file in self._files.values():
                os.fsync(file.fileno())
        if self._writer is not None:
            self._writer.flush()

    def close(self) -> None:
        """Write what is left and close."""
        for file in self._files.values():
            with suppress(
                OSError
            ):  # what was lost is told by `flush`, and the checkpoint knows nothing of it
                file.close()
        if self._writer is not None:
            self._writer.close()


class _told:
    """A write that fails becomes an error that the user understands."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise InputError(
                self.root,
                f"its logs cannot be written ({error.strerror})",
                "cure that and run the same command again",
            ) from error


def _cut_table(path: Path, columns: tuple[str, ...], step: int) -> None:
    """Leave the header and the whole rows up to a step."""
    header = ",".join(columns)

    def kept(line: str) -> bool:
        cells = line.split(",")
        return len(cells) == len(columns) and cells[0].isdigit() and int(cells[0]) <= step

    _cut(path, header + "\n", kept)


def _cut_lines(path: Path, step: int) -> None:
    def kept(line: str) -> bool:
        try:
            return int(json.loads(line)["step"]) <= step
        except (ValueError, KeyError, TypeError):
            return False

    _cut(path, "", kept)


def _cut(path: Path, head: str, kept: Callable[[str], bool]) -> None:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        text = ""
    # What a kill left of a line has no end.
    lines = text[: text.rfind("\n") + 1].splitlines(keepends=True)
    write_bytes_atomic(path, (head + "".join(line for line in lines if kept(line))).encode())


def _csv_line(cells: list[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(cells)
    return buffer.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return repr(value) if isinstance(value, float) else str(int(value) if isinstance(value, bool) else value)


def _finite(row: Row) -> dict[str, Any]:
    """JSON knows no NaN and no infinity: they are written as text."""
    return {
        name: repr(value) if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in row.items()
    }


def _tensorboard(folder: Path, step: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise InputError(
            "--tensorboard", "tensorboard is not installed", "install lfsynth[tensorboard], or leave it out"
        ) from None
    return SummaryWriter(str(folder), purge_step=step + 1 if step else None)
