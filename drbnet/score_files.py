"""What an evaluation writes and prints: a line a picture, means with intervals, and what they are scores of."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from drbnet.bootstrap import LEVEL, RESAMPLES, Estimate, estimate
from drbnet.scoring import METRICS, Outcome, Row, Score
from lfsynth.pictures import write_bytes_atomic

CSV, JSON = "scores.csv", "scores.json"
ABSENT = "n/a"
LABELS = {"psnr": "PSNR dB", "ssim": "SSIM", "lpips": "LPIPS", "mae": "MAE"}
_DIGITS = {"psnr": 3, "ssim": 4, "lpips": 4, "mae": 4}

Means = dict[str, dict[str, Estimate | None]]
"""By ``output``, ``input`` and ``gain`` (output less input), then by metric; None where there is none."""


@dataclass(frozen=True)
class Origin:
    """What scores are scores of, as JSON has it.

    Attributes
    ----------
    protocol : its name and what it is
    weights : the file, its SHA-256 and the network; None: the inputs alone
    data : folder, layout, split, pairs, fingerprint
    lpips : the files of weights with their SHA-256; None: without
    device : where it was computed
    seed : of the intervals
    versions : of the libraries
    """

    protocol: dict[str, Any]
    weights: dict[str, str] | None
    data: dict[str, Any]
    lpips: dict[str, str] | None
    device: str
    seed: int
    versions: dict[str, str]


def means(rows: Sequence[Row], *, seed: int) -> Means:
    """Means over pictures, with intervals over targets; the same targets are drawn for all of them."""
    groups = [row.target for row in rows]

    def over(values: list[float | None]) -> Estimate | None:
        there = [one for one in values if one is not None]
        return estimate(there, groups, seed=seed) if there and len(there) == len(rows) else None

    return {
        "output": {metric: over([_value(row.output, metric) for row in rows]) for metric in METRICS},
        "input": {metric: over([_value(row.input, metric) for row in rows]) for metric in METRICS},
        "gain": {metric: over([_gain(row, metric) for row in rows]) for metric in METRICS},
    }


def write(folder: Path, origin: Origin, outcomes: Sequence[Outcome], found: Means) -> None:
    """Write ``scores.csv``, then ``scores.json``, each atomically.

    Raises
    ------
    InputError : where the disk is full or the folder cannot be written to
    """
    rows = [one.row for one in outcomes if one.row is not None]
    write_bytes_atomic(folder / CSV, _table(origin, rows).encode(errors="surrogateescape"))
    document = {
        **asdict(origin),
        "interval": {"level": LEVEL, "resamples": RESAMPLES, "drawn": "targets"},
        "pictures": len(rows),
        "targets": len({row.target for row in rows}),
        "scores": {
            kind: {metric: _estimate(one) for metric, one in of.items()} for kind, of in found.items()
        },
        "set_aside": [{"name": one.name, "fault": one.fault} for one in outcomes if one.row is None],
    }
    write_bytes_atomic(folder / JSON, (json.dumps(document, indent=2, allow_nan=False) + "\n").encode())


def table(found: Means) -> list[str]:
    """Lines for the user: a metric each, of output, input and gain; of the input alone where that is all."""
    kinds = ["output", "input", "gain"] if any(found["output"].values()) else ["input"]
    cells = [["", *kinds]] + [
        [LABELS[metric], *(_shown(found[kind][metric], metric, kind) for kind in kinds)] for metric in METRICS
    ]
    widths = [max(len(row[column]) for row in cells) for column in range(len(kinds) + 1)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]


def line(row: Row) -> str:
    """Scores of one picture for the user."""
    words = []
    for metric in METRICS:
        value, digits = _value(row.output or row.input, metric), _DIGITS[metric]
        if value is not None:
            gain = _gain(row, metric)
            over = "" if gain is None else f" ({gain:+.{digits}f})"
            words.append(f"{LABELS[metric].split()[0]} {value:.{digits}f}{over}")
    return f"{row.name}: {', '.join(words)}"


def _value(score: Score | None, metric: str) -> float | None:
    return None if score is None else getattr(score, metric)


def _gain(row: Row, metric: str) -> float | None:
    after, before = _value(row.output, metric), _value(row.input, metric)
    if after is None or before is None:
        return None
    # Of a picture that equals its target nothing can be said.
    return after - before if math.isfinite(after) and math.isfinite(before) else math.inf


def _table(origin: Origin, rows: Sequence[Row]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = [*METRICS, *(f"input_{metric}" for metric in METRICS)]
    writer.writerow(["name", "target", "height", "width", *columns, "protocol", "weights"])
    weights = ABSENT if origin.weights is None else origin.weights["sha256"]
    for row in rows:
        values = [_value(score, metric) for score in (row.output, row.input) for metric in METRICS]
        shown = [ABSENT if value is None else f"{value:.8f}" for value in values]
        place = [row.name, row.target, row.height, row.width]
        writer.writerow([*place, *shown, origin.protocol["name"], weights])
    return text.getvalue()


def _estimate(one: Estimate | None) -> dict[str, Any] | None:
    if one is None:
        return None
    return asdict(one) | {"mean": one.mean if math.isfinite(one.mean) else None}


def _shown(one: Estimate | None, metric: str, kind: str) -> str:
    if one is None:
        return ABSENT
    digits, sign = _DIGITS[metric], "+" if kind == "gain" else ""
    text = f"{one.mean:{sign}.{digits}f}"
    if one.low is None or one.high is None:
        return text
    return f"{text} [{one.low:{sign}.{digits}f}, {one.high:{sign}.{digits}f}]"
