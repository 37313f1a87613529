"""The demo's report: one HTML file with all pictures inside, that needs no script and no network, and prints."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lfsynth import __version__, pictures
from lfsynth.lfdof import Dataset
from lfsynth.pictures import write_bytes_atomic
from lfsynth.readers import find_light_fields
from psf.plot import Curve, chart
from psf.report.pictures import picture

PAGE = "report.html"
RAW_PART, RAW_ZOOM = (72, 144), 6
"""(H, W) px of the sensor that the report shows, and how much they are enlarged."""
CHART, HEADROOM = (620, 300), 2.0
"""Size of the training's chart, px, and dB above its curves."""
SMOOTHED = 20
"""Steps of the training that are averaged in its chart."""
MOST_ROWS = 3
"""Deblurred pictures that are shown."""
_VERDICTS = ("aligned", "misaligned", "cannot tell")


@dataclass(frozen=True)
class Step:
    """A step that was done.

    Attributes
    ----------
    title : its name, of which the report has one section each
    commands : as typed
    seconds : it took, also where most of it was done earlier
    """

    title: str
    commands: tuple[str, ...]
    seconds: float


def write_report(
    out: Path,
    steps: Sequence[Step],
    light_fields: Path,
    sources: Sequence[Path],
    *,
    simulated: bool,
    seen: bool,
) -> Path:
    """Write the report of a demo's folder.

    Parameters
    ----------
    out : the folder, see `pipelines.demo`
    steps : in order, by the titles that the sections have
    light_fields : what the pairs were made from
    sources : pictures that were deblurred
    simulated : whether the captures are
    seen : whether the network was trained with the pictures that it is scored on

    Returns
    -------
    the file
    """
    style = (files("psf.report") / "report.css").read_text(encoding="utf-8")
    bodies = {
        "Captures": lambda: _captures(light_fields, simulated),
        "Pairs": lambda: _pairs(out),
        "Alignment": lambda: _alignment(out),
        "Point spread functions": lambda: _kernels(out),
        "Training": lambda: _training(out),
        "Scores": lambda: _scores(out, seen),
        "Deblurred pictures": lambda: _deblurred(out, sources),
    }
    parts = [_head(steps, simulated)]
    for number, step in enumerate(steps, 1):
        commands = "\n".join(f"$ {line}" for line in step.commands)
        parts.append(
            f'<h2 id="step-{number}">{number}. {escape(step.title)}</h2><div class="card">{bodies[step.title]()}'
            f"<details><summary>{_duration(step.seconds)}, by {_count(len(step.commands), 'command')}</summary>"
            f"<pre>{escape(commands)}</pre></details></div>"
        )
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>From light fields to deblurred pictures</title><style>{style}{_STYLE}</style></head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )
    path = out / PAGE
    write_bytes_atomic(path, page.encode())
    return path


_STYLE = """
pre { background: var(--paper); border-radius: 6px; padding: 10px 12px; overflow-x: auto; font-size: .82rem;
  margin: .6em 0 0; }
details { margin-top: 12px; }
summary { color: var(--soft); font-size: .9rem; }
.wide { display: block; max-width: 100%; height: auto; }
.strip { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 8px 10px; }
.strip img { display: block; width: 100%; height: auto; }
.steps { display: flex; flex-wrap: wrap; gap: 6px 18px; margin: .8em 0 0; padding: 0; list-style: none; }
table.narrow { width: auto; min-width: 26em; }
"""


def _head(steps: Sequence[Step], simulated: bool) -> str:
    total = _duration(sum(step.seconds for step in steps))
    links = "".join(
        f'<li><a href="#step-{number}">{number}. {escape(step.title)}</a> '
        f'<span class="soft">{_duration(step.seconds)}</span></li>'
        for number, step in enumerate(steps, 1)
    )
    origin = (
        "The captures are <b>simulated</b>; with your own, say <code>make demo DATA=folder</code>."
        if simulated
        else "The captures are your own; the targets of disks are simulated."
    )
    return (
        "<h1>From light fields to deblurred pictures</h1>"
        f'<p class="soft">lfsynth {escape(__version__)}, {total} in this run. {origin}</p>'
        f'<ul class="steps">{links}</ul>'
    )


def _captures(light_fields: Path, simulated: bool) -> str:
    paths = find_light_fields(light_fields)
    text = (
        f"<p>{_count(len(paths), 'capture')}{' of a simulated Lytro Illum' if simulated else ''}. A plenoptic camera "
        "has a lens array before its sensor: each small disk holds the directions of the light that falls on one "
        "place. All pixels at one place of the disks make a view of the scene from one point of the main lens.</p>"
    )
    raw = next((path for path in paths if path.suffix.lower() == ".lfr"), None)
    if raw is None:
        return text
    return text + _figure(
        _raw_part(raw), f"The middle of {raw.name} as the sensor has it, {RAW_ZOOM} times enlarged"
    )


def _raw_part(path: Path) -> NDArray[np.uint8]:
    """The middle of a capture's mosaic, grey, enlarged."""
    from lfsynth.lytro.capture import read_capture

    mosaic = read_capture(path).mosaic
    top, left = ((side - part) // 2 for side, part in zip(mosaic.shape, RAW_PART, strict=True))
    levels = mosaic[top : top + RAW_PART[0], left : left + RAW_PART[1]].astype(np.float64)
    low, high = np.percentile(levels, (0.5, 99.5))
    grey = np.rint(np.clip((levels - low) / max(high - low, 1), 0, 1) ** (1 / 2.2) * 255).astype(np.uint8)
    large = np.kron(grey, np.ones((RAW_ZOOM, RAW_ZOOM), np.uint8))
    return np.repeat(large[:, :, None], 3, axis=2)


def _pairs(out: Path) -> str:
    dataset = Dataset(out / "lfdof")
    counts = {
        split: sum(1 for _ in (dataset.split_folder(split) / "input").rglob("*.png"))
        for split in ("train", "test")
    }
    sheet = pictures.read(out / "contact_sheet.png")
    return (
        f"<p>{counts['train']} pairs to train with and {counts['test']} to test with. The views are shifted so that "
        "one disparity falls into focus, and summed over a synthetic aperture; each defocused picture has the same "
        "all-in-focus picture as its partner, pixel on pixel.</p>"
        + _figure(
            np.asarray(sheet, np.uint8), "Rows: apertures one stop apart; columns: focus from far to near"
        )
    )


def _alignment(out: Path) -> str:
    report = _json(out / "alignment" / "alignment.json")
    found = report["pairs"]
    counts = Counter(one["verdict"] for one in found)
    shifts = [
        float(np.hypot(one["shift_y"], one["shift_x"])) for one in found if one.get("shift_y") is not None
    ]
    rows = "".join(f"<tr><td>{verdict}</td><td>{counts[verdict]}</td></tr>" for verdict in _VERDICTS)
    moved = (
        f" The median shift is {np.median(shifts):.3f} px, the largest {max(shifts):.3f} px."
        if shifts
        else ""
    )
    return (
        "<p>A pair that is not aligned teaches a network to move edges. Where the input is in focus, windows of both "
        f"pictures are laid on each other by cross-correlation.{moved}</p>"
        f'<table class="narrow"><tr><th>verdict</th><th>pairs</th></tr>{rows}</table>'
        '<p><a href="alignment/report.html">Every pair, with its map of shifts</a></p>'
    )


def _kernels(out: Path) -> str:
    compared = _json(out / "psf" / "comparison" / "compare.json")["kernels"]
    by_name = {one["name"]: one for one in compared}
    lens, light_field = by_name["lens"], by_name["light field"]
    rows = "".join(
        f"<tr><td>{heading}</td>"
        + "".join(
            "<td>-</td>" if one[key] is None else f"<td>{one[key]:.2f}</td>" for one in (lens, light_field)
        )
        + "</tr>"
        for heading, key in (
            ("half of the light within, px", "ee50"),
            ("FWHM, px", "fwhm"),
            ("lattice score", "lattice_score"),
            ("spots apart, px", "spot_period"),
        )
    )
    figure = pictures.read(out / "psf" / "comparison" / "compare.png")
    return (
        "<p>Why a network that learns from light fields needs a second training on photographs: a lens spreads a point "
        "over one disk, a light field over a lattice of spots, one for each view. Both kernels are measured here from "
        "simulated pictures of a target of disks, as they would be from photographs of a printed one.</p>"
        + _figure(np.asarray(figure, np.uint8), "The two kernels and their profiles")
        + f'<table class="narrow"><tr><th></th><th>lens</th><th>light field</th></tr>{rows}</table>'
        '<p><a href="psf/lens/report.html">The lens, with its photograph</a>, '
        '<a href="psf/light_field/report.html">the light field</a></p>'
    )


def _training(out: Path) -> str:
    steps = _table(out / "training" / "steps.csv")
    scores = _table(out / "training" / "validation.csv")
    psnr = np.array([float(row["psnr"]) for row in steps])
    width = min(SMOOTHED, len(psnr))
    smooth = np.convolve(psnr, np.ones(width) / width, "valid").astype(np.float64)
    ends = np.arange(width, len(psnr) + 1, dtype=np.float64)
    curves = [Curve("patches of the training", ends - width / 2, smooth)]
    text = ""
    if scores:
        at = np.array([float(row["step"]) for row in scores])
        validated = np.array([float(row["psnr"]) for row in scores])
        before = np.array([float(row["input_psnr"]) for row in scores])
        curves += [Curve("validation, output", at, validated), Curve("validation, input", at, before)]
        gain = validated[-1] - before[-1]
        text = f" On {scores[-1]['pairs']} whole pictures its output is {gain:+.2f} dB from the input after them."
    values = np.concatenate([curve.y for curve in curves])
    drawn = chart(
        curves,
        size=CHART,
        title="PSNR, dB",
        x_label="step",
        x_range=(0.0, float(len(psnr))),
        y_range=(float(np.floor(values.min())), float(np.ceil(values.max())) + HEADROOM),
        scale=2,
    )
    return (
        f"<p>DRBNet with one dynamic block, {len(psnr)} steps from random weights.{text} This is a taste: the paper "
        "trains the network with four blocks for 281,600 steps of larger batches and patches. So short a training "
        "changes little that the eye can see.</p>"
        + _figure(
            np.asarray(drawn),
            "Patches of the training are other pictures than those of the validation",
            CHART[0],
        )
    )


def _scores(out: Path, seen: bool) -> str:
    document = _json(out / "scores" / "scores.json")
    scores = document["scores"]
    rows = "".join(
        f"<tr><td>{heading}</td>"
        + "".join(
            _score(scores[kind].get(key), digits, signed=kind == "gain")
            for kind in ("input", "output", "gain")
        )
        + "</tr>"
        for key, heading, digits in (("psnr", "PSNR, dB", 2), ("ssim", "SSIM", 4), ("mae", "MAE", 4))
    )
    whose = (
        "that it was trained with: these scores say nothing of other scenes"
        if seen
        else "that it has not seen"
    )
    return (
        f"<p>The network on {document['pictures']} pictures of {_count(document['targets'], 'scene')} {whose}; "
        f"protocol {escape(document['protocol']['text'])}.</p>"
        f'<table class="narrow"><tr><th></th><th>input</th><th>output</th><th>gain</th></tr>{rows}</table>'
    )


def _score(value: dict[str, Any] | None, digits: int, *, signed: bool) -> str:
    if value is None or value["mean"] is None:
        return "<td>n/a</td>"
    return f"<td>{value['mean']:{'+' if signed else ''}.{digits}f}</td>"


def _deblurred(out: Path, sources: Sequence[Path]) -> str:
    scores = {Path(row["name"]).name: row for row in _table(out / "scores" / "scores.csv")}
    chosen = [sources[index] for index in sorted({0, len(sources) // 2, len(sources) - 1})][:MOST_ROWS]
    cells = []
    for source in chosen:
        target = source.parents[2] / "ground_truth" / f"{source.parent.name}.png"
        row = scores.get(source.name)
        before, after = (
            (f", {float(row['input_psnr']):.2f} dB", f", {float(row['psnr']):.2f} dB") if row else ("", "")
        )
        for path, caption in (
            (source, f"{source.stem}{before}"),
            (out / "deblurred" / source.name, f"deblurred{after}"),
            (target, "all in focus"),
        ):
            shown = np.asarray(pictures.read(path), np.uint8)
            cells.append(_figure(shown, caption))
    return (
        "<p>Defocused, deblurred by the network, and the truth. The folder <code>deblurred</code> holds more, each "
        f'also beside its source.</p><div class="strip">{"".join(cells)}</div>'
    )


def _figure(values: NDArray[np.uint8], caption: str, width: int | None = None) -> str:
    size = "" if width is None else f' width="{width}"'
    return (
        f'<figure><img class="wide" src="{picture(values)}" alt="{escape(caption)}"{size}>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _json(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document


def _table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        return list(csv.DictReader(file))


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.1f} min"
