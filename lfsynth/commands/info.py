"""``lfsynth info``: what a light field is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lfsynth.commands.options import path_argument, reading

if TYPE_CHECKING:
    from lfsynth.lightfield import LightField
    from lfsynth.readers import ReadOptions

LONGEST = 200
"""Characters of a metadata value that are shown without --json."""


@click.command(
    "info", epilog="\b\nExamples:\n  lfsynth info raw/IMG_0001\n  lfsynth info raw/IMG_0001 --json"
)
@path_argument
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@reading
def command(path: Path, as_json: bool, options: ReadOptions) -> None:
    """Say what was read: views, disparity range, dead views, metadata."""
    from lfsynth.readers import read_light_field

    lightfield = read_light_field(path, options)
    facts = _facts(path, lightfield)
    if as_json:
        click.echo(json.dumps(facts, default=str))
    else:
        for line in _lines(facts, lightfield):
            click.echo(line)


def _facts(path: Path, lightfield: LightField) -> dict[str, Any]:
    import numpy as np

    from lfsynth.aperture import largest_radius
    from lfsynth.disparity import disparity_range
    from lfsynth.errors import InputError

    try:
        nearest, farthest = disparity_range(lightfield)
        known, why = nearest > farthest, "too little texture, or too few views"
    except InputError as error:
        known, why = False, error.fault
    radius = largest_radius(lightfield)
    product = lightfield.f_number_radius
    return {
        "path": str(path),
        "views": list(lightfield.grid),
        "size": list(lightfield.size),
        "channels": lightfield.views.shape[4],
        "simulated": lightfield.simulated,
        "centre_view": list(lightfield.centre),
        "disparity_nearest": nearest if known else None,
        "disparity_farthest": farthest if known else None,
        "disparity_unknown": None if known else why,
        "dead_views": [[int(u), int(v)] for u, v in np.argwhere(lightfield.weights == 0)],
        "gain_views": [[int(u), int(v)] for u, v in np.argwhere(lightfield.gains != 1)],
        "largest_radius": radius,
        "smallest_f_number": product / radius if product is not None and radius > 0 else None,
        "metadata": lightfield.metadata,
    }


def _lines(facts: dict[str, Any], lightfield: LightField) -> list[str]:
    (rows, columns), (height, width) = facts["views"], facts["size"]
    lines = [
        f"{facts['path']}: {rows} x {columns} views of {height} x {width}, {facts['channels']} channels"
        + (", SIMULATED" if lightfield.simulated else ""),
        f"disparity unknown: {facts['disparity_unknown']}"
        if facts["disparity_unknown"]
        else f"disparity {facts['disparity_farthest']:.3f} (farthest) to {facts['disparity_nearest']:.3f} "
        "(nearest) pixels a view step",
        f"views of weight 0: {len(facts['dead_views'])} of {rows * columns}; corrected by a gain: "
        f"{len(facts['gain_views'])}; largest aperture: radius {facts['largest_radius']:.2f} views"
        + (f" (f/{facts['smallest_f_number']:.2f})" if facts["smallest_f_number"] else ""),
    ]
    if (lightfield.weights != 1).any():
        lines.append("weights, a view each (. whole, + part, x none):")
        lines += [
            "  " + "".join("." if w == 1 else "x" if w == 0 else "+" for w in row)
            for row in lightfield.weights
        ]
    for key, value in facts["metadata"].items():
        text = json.dumps(value, default=str)
        lines.append(f"{key}: {text if len(text) <= LONGEST else text[: LONGEST - 3] + '...'}")
    return lines
