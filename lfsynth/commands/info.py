"""``lfsynth info``: what a light field is."""

from __future__ import annotations

import json
from pathlib import Path

import click

from lfsynth.commands.options import path_argument, read_options, reading


@click.command("info")
@path_argument
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@reading
def command(
    path: Path,
    as_json: bool,
    transfer: str | None,
    views: str | None,
    order: str | None,
    format_: str | None,
) -> None:
    """Say what was read: views, disparity range, dead views, metadata.

    \b
    Example:
      lfsynth info raw/IMG_0001
    """
    import numpy as np

    from lfsynth.aperture import largest_radius
    from lfsynth.disparity import disparity_map, range_of
    from lfsynth.readers import read_light_field

    lightfield = read_light_field(path, read_options(transfer, views, order, format_))
    disparity, confidence = disparity_map(lightfield)
    nearest, farthest = range_of(disparity, confidence)
    facts = {
        "path": str(path),
        "views": list(lightfield.grid),
        "size": list(lightfield.size),
        "channels": lightfield.views.shape[4],
        "centre_view": list(lightfield.centre),
        "disparity_nearest": nearest,
        "disparity_farthest": farthest,
        "disparity_confident": float((confidence > 0.5).mean()),
        "dead_views": [[int(u), int(v)] for u, v in np.argwhere(lightfield.weights == 0)],
        "dimmed_views": [[int(u), int(v)] for u, v in np.argwhere(lightfield.gains != 1)],
        "largest_radius": largest_radius(lightfield),
        "f_number_of_largest_radius": lightfield.f_number_radius and lightfield.f_number_radius / largest_radius(lightfield),
        "metadata": lightfield.metadata,
    }
    if as_json:
        click.echo(json.dumps(facts, default=str))
        return
    rows, columns = lightfield.grid
    height, width = lightfield.size
    click.echo(f"{path}: {rows} x {columns} views of {height} x {width}, {lightfield.views.shape[4]} channels")
    click.echo(f"disparity {farthest:.3f} (farthest) to {nearest:.3f} (nearest) pixels a view step")
    dead = len(facts["dead_views"])
    click.echo(
        f"views of weight 0: {dead} of {rows * columns}; corrected by a gain: {len(facts['dimmed_views'])}; "
        f"largest aperture: radius {facts['largest_radius']:.2f} views"
    )
    if dead:
        click.echo("weights, a view each (. whole, + part, x none):")
        for row in lightfield.weights:
            click.echo("  " + "".join("." if w == 1 else "x" if w == 0 else "+" for w in row))
    for key, value in lightfield.metadata.items():
        text = json.dumps(value, default=str)
        click.echo(f"{key}: {text if len(text) < 200 else text[:197] + '...'}")
