"""Fig. 1 of the paper: how well the pictures of a pair correspond, in two datasets.

The numbers are those of ``lfsynth check`` (see `lfsynth.alignment`), taken where the blurred picture is in focus, since
blur itself lowers correlation: the zero-mean normalised cross-correlation of blurred and sharp picture at rest, and the
shift between them in px. A pair of one exposure has a correlation near 1 and a shift near 0. Windows of a picture
overlap, so that their number says little; shares do.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from lfsynth.alignment import Alignment, check_pair
from lfsynth.errors import InputError
from lfsynth.pairs import Pair, find_pairs
from lfsynth.pictures import read_linear, write, write_bytes_atomic
from lfsynth.png import encode_png
from lfsynth.transfer import SRGB, encode
from pipelines.paper.plan import Plan
from pipelines.paper.recipes import Source
from pipelines.paper.workshop import Workshop
from psf.plot import COLOURS, FAINT, PAPER, Curve, chart, font

MOST_PAIRS = 24
"""Of each dataset, spread over its names."""
TILE, GAP, EDGE, TITLE, CHART = 300, 8, 16, 24, (454, 300)
"""Width of a picture, space between and around them, above a row, size of a chart, px."""
FARTHEST, LEAST = 2.0, 0.5
"""Ends of the charts' axes: px of shift, and correlation."""
MOVED_BY, TURNED_BY = 0.8, 0.2
"""Standard deviations, px along either axis and degrees, of what a smoke run moves sharp pictures by."""
COLUMNS = (
    *("dataset", "pair", "verdict", "in_focus", "correlation_at_rest", "best_correlation"),
    *("median_shift_px", "shift_95_percent_px"),
)


@dataclass(frozen=True, eq=False)
class Checked:
    """A pair, its pictures (H, W, C) float32 linear light, and what was found."""

    pair: Pair
    blurred: NDArray[np.float32]
    sharp: NDArray[np.float32]
    found: Alignment

    @property
    def correlation(self) -> NDArray[np.float32]:
        """(N,) at rest, of the windows in focus."""
        values = self.found.correlation[self.found.in_focus]
        return values[np.isfinite(values)]

    @property
    def best(self) -> NDArray[np.float32]:
        """(N,) at the best shift of each of these windows."""
        values = self.found.best[self.found.in_focus]
        return values[np.isfinite(values)]

    @property
    def shift(self) -> NDArray[np.float64]:
        """(N,) px, lengths of the shifts that are known."""
        known = self.found.field[self.found.valid].astype(np.float64)
        lengths: NDArray[np.float64] = np.linalg.norm(known, axis=-1)
        return lengths


def needs(plan: Plan) -> set[Source]:
    """Datasets that it takes."""
    if plan.fig1 is not None:
        return set()
    return {Source.LFDOF} if plan.tiny else {Source.LFDOF, Source.DPDD}


def check(plan: Plan) -> None:
    """Refuse datasets without pairs.

    Raises
    ------
    InputError : as `lfsynth.pairs.find_pairs` does
    """
    for root in plan.fig1 or ():
        find_pairs(root)


def make(workshop: Workshop, generated: Collection[Source], out: Path) -> list[Path]:
    """Write fig1.png and fig1.csv.

    Raises
    ------
    InputError : where a dataset has no pairs, cannot be read, or nothing of it is in focus
    """
    plan = workshop.plan
    if plan.fig1 is not None:
        roots = {str(root): root for root in plan.fig1}
    elif plan.tiny:
        lfdof = plan.data[Source.LFDOF]
        moved = misaligned(lfdof, workshop.out / "generated" / "misaligned")
        name = "LFDOF stand-in" if Source.LFDOF in generated else "LFDOF"
        roots = {name: lfdof, f"{name}, sharp pictures moved": moved}
    else:
        roots = {source.title: plan.data[source] for source in (Source.LFDOF, Source.DPDD)}
    checked = {name: list(judged(root)) for name, root in roots.items()}
    for name, pairs in checked.items():
        if not any(one.correlation.size for one in pairs):
            raise InputError(
                roots[name], f"nothing is in focus in {len(pairs)} pairs of it", "take other pairs"
            )
    paths = [out / "fig1.png", out / "fig1.csv"]
    write_bytes_atomic(paths[0], encode_png(figure(checked)))
    write_bytes_atomic(paths[1], table(checked).encode())
    print(f"Fig. 1. Correlation and shift of blurred and sharp pictures, where in focus: {', '.join(roots)}.")
    if plan.tiny:
        print("SMOKE RUN: the moved pictures stand for a dataset of two exposures.")
    return paths


def judged(root: Path) -> Iterator[Checked]:
    """Some pairs of a dataset, spread over it.

    Raises
    ------
    InputError : where it has no pairs, or pictures are at fault
    """
    pairs = find_pairs(root).pairs
    count = min(MOST_PAIRS, len(pairs))
    for number in range(count):
        pair = pairs[number * len(pairs) // count]
        blurred, sharp = read_linear(pair.input), read_linear(pair.target)
        try:
            found = check_pair(blurred, sharp)
        except ValueError as error:
            raise InputError(pair.input, str(error), "take another dataset") from None
        yield Checked(pair, blurred, sharp, found)


def misaligned(root: Path, folder: Path) -> Path:
    """The dataset's pairs with the sharp pictures moved and turned a little, each in its own way, to be told apart.

    Returns
    -------
    folder, which has the folders ``input`` and ``target``; what is there is not made again
    """
    for number, pair in enumerate(find_pairs(root).pairs):
        name = pair.name.replace("/", "_")
        places = folder / "input" / name, folder / "target" / name
        if all(place.exists() for place in places):
            continue
        for place in places:
            place.parent.mkdir(parents=True, exist_ok=True)
        sharp = read_linear(pair.target)
        rng = np.random.default_rng(number)
        height, width = sharp.shape[:2]
        middle = (width - 1) / 2, (height - 1) / 2
        turn = np.asarray(cv2.getRotationMatrix2D(middle, rng.normal(0, TURNED_BY), 1), np.float64)
        turn[:, 2] += rng.normal(0, MOVED_BY, 2)
        moved = cv2.warpAffine(
            sharp, turn, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101
        )
        write(places[0], read_linear(pair.input))
        write(places[1], np.clip(moved.reshape(sharp.shape), 0, 1).astype(np.float32))
    return folder


def table(checked: dict[str, list[Checked]]) -> str:
    """CSV, a line a pair; what is not known is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for name, pairs in checked.items():
        for one in pairs:
            values = [
                *(_quantile(one.correlation, 0.5), _quantile(one.best, 0.5)),
                *(_quantile(one.shift, 0.5), _quantile(one.shift, 0.95)),
            ]
            shown = ["" if value is None else f"{value:.4f}" for value in values]
            verdict = one.found.verdict.value
            writer.writerow([name, one.pair.name, verdict, f"{one.found.focus_share:.4f}", *shown])
    return text.getvalue()


def figure(checked: dict[str, list[Checked]]) -> NDArray[np.uint8]:
    """A typical pair of each dataset with its map of correlations, and the distributions over all pairs.

    Returns
    -------
    (H, W, 3) uint8
    """
    rows = [
        _row(name, colour, _typical(pairs), len(pairs))
        for (name, pairs), colour in zip(checked.items(), COLOURS, strict=False)
    ]
    correlation = {
        name: np.concatenate([one.correlation for one in pairs]) for name, pairs in checked.items()
    }
    shift = {name: np.concatenate([one.shift for one in pairs]) for name, pairs in checked.items()}
    low = min(LEAST, *(float(_quantile(values, 0.05) or 0) for values in correlation.values()))
    charts = [
        _distribution(
            correlation, "share of windows in focus below a correlation", "correlation", (low, 1.0)
        ),
        _distribution(shift, "share of windows in focus moved by less", "shift, px", (0.0, FARTHEST)),
    ]
    width = max(rows[0].width, 2 * CHART[0] + GAP)
    height = sum(row.height + GAP for row in rows) + CHART[1]
    picture = Image.new("RGB", (width + 2 * EDGE, height + 2 * EDGE), PAPER)
    top = EDGE
    for row in rows:
        picture.paste(row, (EDGE, top))
        top += row.height + GAP
    for number, drawn in enumerate(charts):
        picture.paste(drawn, (EDGE + number * (CHART[0] + GAP), top))
    return np.asarray(picture)


def _typical(pairs: Sequence[Checked]) -> Checked:
    """The pair whose correlation in focus is the median of all."""
    some = sorted(
        (one for one in pairs if one.correlation.size), key=lambda one: float(np.median(one.correlation))
    )
    return some[len(some) // 2]


def _row(name: str, colour: tuple[int, int, int], one: Checked, count: int) -> Image.Image:
    tiles = [_shown(one.blurred), _shown(one.sharp), _map(one.found)]
    height = round(TILE * one.sharp.shape[0] / one.sharp.shape[1])
    row = Image.new("RGB", (3 * (TILE + GAP) - GAP, TITLE + height), PAPER)
    draw = ImageDraw.Draw(row)
    # In its curves' colour, so that the charts need no legend.
    draw.text((0, 0), name, colour, font(16))
    note = f"of {count} pairs the median: blurred, sharp, correlation (dark: {LEAST} or less, yellow: 1, grey: flat)"
    draw.text((font(16).getlength(name) + 12, 3), note, FAINT, font(13))
    for number, tile in enumerate(tiles):
        way = Image.Resampling.NEAREST if number == 2 else Image.Resampling.BICUBIC
        row.paste(tile.resize((TILE, height), way), (number * (TILE + GAP), TITLE))
    return row


def _shown(linear: NDArray[np.float32]) -> Image.Image:
    colour = np.ascontiguousarray(np.broadcast_to(linear, (*linear.shape[:2], 3)))
    return Image.fromarray(encode(colour, SRGB, bits=8))


def _map(found: Alignment) -> Image.Image:
    shown = np.clip((np.nan_to_num(found.correlation) - LEAST) / (1 - LEAST), 0, 1)
    codes = np.rint(shown * 255).astype(np.uint8)
    colours = cv2.cvtColor(cv2.applyColorMap(codes, cv2.COLORMAP_VIRIDIS), cv2.COLOR_BGR2RGB)
    colours[np.isnan(found.correlation)] = 160
    return Image.fromarray(colours)


def _distribution(
    values: dict[str, NDArray[np.float64]] | dict[str, NDArray[np.float32]],
    title: str,
    label: str,
    across: tuple[float, float],
) -> Image.Image:
    at = np.linspace(*across, 200)
    curves = [
        Curve("", at, np.searchsorted(np.sort(some), at, side="right") / max(len(some), 1))
        for some in values.values()
    ]
    return chart(curves, size=CHART, title=title, x_label=label, x_range=across, y_range=(0.0, 1.02))


def _quantile(values: NDArray[np.float64] | NDArray[np.float32], share: float) -> float | None:
    return float(np.quantile(values, share)) if values.size else None
