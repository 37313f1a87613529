"""Kernels compared, as text and files: what ``psf compare`` prints and writes.

The table has a line for each figure and a column for each kernel; agreement is with the first one.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from lfsynth import __version__
from lfsynth.pictures import write_bytes_atomic
from lfsynth.png import encode_png
from psf.compare import Row, shift_notes, table
from psf.figures import profile_figure
from psf.fitting import make_folder
from psf.merit import Kernel
from psf.plot import COLOURS

MOST_SHOWN = len(COLOURS)
"""Kernels in the figure."""
STEM = "compare"


def as_text(rows: list[Row]) -> list[str]:
    """The table in columns of one width each."""
    cells = _turned(rows)
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    return [
        "  ".join(
            [
                line[0].ljust(widths[0]),
                *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)),
            ]
        )
        for line in cells
    ]


def as_markdown(rows: list[Row]) -> str:
    """The table in GitHub's Markdown, the notes below it."""
    head, *lines = ([cell.replace("|", r"\|") for cell in line] for line in _turned(rows))
    bar = ["---"] + ["---:"] * (len(head) - 1)
    text = "".join(f"| {' | '.join(line)} |\n" for line in (head, bar, *lines))
    notes = shift_notes(rows)
    return text + ("\n" + "\n".join(f"- {note}" for note in notes) + "\n" if notes else "")


def as_csv(rows: list[Row]) -> str:
    """A line for each kernel, every figure in full; what does not exist is empty."""
    figures = [row.figures() for row in rows]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(figures[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(figures)
    return text.getvalue()


def as_json(rows: list[Row], sources: Mapping[str, str]) -> str:
    """Every figure in full, with where each kernel came from."""
    record = {
        "program": "psf compare",
        "version": __version__,
        "reference": rows[0].name,
        "kernels": [{**row.figures(), "source": sources[row.name]} for row in rows],
        "notes": shift_notes(rows),
    }
    return json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write(
    out: Path, rows: list[Row], kernels: Mapping[str, Kernel], sources: Mapping[str, str]
) -> list[Path]:
    """Write compare.csv, .json, .md and .png to a folder; the files.

    Parameters
    ----------
    out : the folder
    rows : of `psf.compare.compare`
    kernels : by name; the figure shows the first `MOST_SHOWN`
    sources : where they came from, by name

    Raises
    ------
    InputError : where they cannot be written
    """
    make_folder(out)
    shown = dict(list(kernels.items())[:MOST_SHOWN])
    contents = {
        ".csv": as_csv(rows).encode(),
        ".json": as_json(rows, sources).encode(),
        ".md": as_markdown(rows).encode(),
        ".png": encode_png(profile_figure(shown)),
    }
    paths = []
    for suffix, data in contents.items():
        paths.append(out / f"{STEM}{suffix}")
        write_bytes_atomic(paths[-1], data)
    return paths


def _turned(rows: list[Row]) -> Sequence[Sequence[str]]:
    """A line for each figure, its name first."""
    return [list(line) for line in zip(*table(rows), strict=True)]
