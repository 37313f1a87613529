"""Charts of a few curves, drawn with Pillow: axes, round ticks, a legend.

Sizes are pixels of the finished picture; a chart is drawn several times larger and reduced, which smooths its lines.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

PAPER, INK, FAINT, GRID = (255, 255, 255), (24, 26, 30), (105, 110, 118), (226, 228, 232)
COLOURS = (
    (0, 114, 178),
    (213, 94, 0),
    (0, 158, 115),
    (204, 121, 167),
    (86, 180, 233),
    (230, 159, 0),
    (90, 90, 90),
)
"""Colours that people who do not see red or green tell apart (Okabe and Ito, 2008)."""
BAND_PALENESS = 0.75
"""Of a band of errors: how far it is from its curve's colour towards white."""
OVERSAMPLING = 3
"""Pixels drawn for each pixel of the finished chart, on either axis."""
LEFT, RIGHT, TOP, BOTTOM = 58, 12, 26, 40
"""Space around the axes, px."""
TEXT = 13
"""Size of labels, px."""


@dataclass(frozen=True, eq=False)
class Curve:
    """A line of a chart.

    Attributes
    ----------
    name : for the legend; none is shown where it is empty
    x, y : (N,) points
    error : (N,) of y, shown as a band on both sides of the line; None for none
    """

    name: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    error: NDArray[np.float64] | None = None


def chart(
    curves: Sequence[Curve],
    *,
    size: tuple[int, int],
    title: str,
    x_label: str,
    x_range: tuple[float, float],
    y_range: tuple[float, float],
    scale: int = 1,
) -> Image.Image:
    """Draw curves over one pair of axes.

    Parameters
    ----------
    curves : at most as many as there are colours
    size : (width, height)
    title : above the axes, with the unit of y
    x_label : below them, with the unit of x
    x_range, y_range : first and last value on either axis; what lies outside is cut off
    scale : px of the picture for one of all sizes, for print

    Returns
    -------
    RGB picture

    Raises
    ------
    ValueError
        If there are more curves than colours, or a range is empty.
    """
    if len(curves) > len(COLOURS):
        raise ValueError(f"a chart shows at most {len(COLOURS)} curves, not {len(curves)}")
    if not (x_range[0] < x_range[1] and y_range[0] < y_range[1]):
        raise ValueError(f"a chart's ranges must rise, not {x_range} and {y_range}")
    width, height = size
    inner = width - LEFT - RIGHT, height - TOP - BOTTOM
    fine = OVERSAMPLING * scale
    lines = Image.new("RGB", (inner[0] * fine, inner[1] * fine), PAPER)
    pen = ImageDraw.Draw(lines)

    def to_x(value: float) -> float:
        return (value - x_range[0]) / (x_range[1] - x_range[0]) * inner[0]

    def to_y(value: float) -> float:
        return (y_range[1] - value) / (y_range[1] - y_range[0]) * inner[1]

    def points(curve: Curve, offset: NDArray[np.float64] | float = 0.0) -> list[tuple[float, float]]:
        return [(to_x(x) * fine, to_y(y) * fine) for x, y in zip(curve.x, curve.y + offset, strict=True)]

    for curve, colour in zip(curves, COLOURS, strict=False):
        if curve.error is not None:
            pale = tuple(round(part + (255 - part) * BAND_PALENESS) for part in colour)
            pen.polygon(points(curve, -curve.error) + points(curve, curve.error)[::-1], pale)
    x_ticks, y_ticks = round_ticks(*x_range), round_ticks(*y_range)
    for tick in x_ticks:
        at = to_x(tick) * fine
        pen.line((at, 0, at, lines.height), GRID, fine)
    for tick in y_ticks:
        at = to_y(tick) * fine
        pen.line((0, at, lines.width, at), GRID, fine)
    for curve, colour in zip(curves, COLOURS, strict=False):
        pen.line(points(curve), colour, 2 * fine, joint="curve")

    picture = Image.new("RGB", (width * scale, height * scale), PAPER)
    left, top, right, bottom = (side * scale for side in (LEFT, TOP, LEFT + inner[0], TOP + inner[1]))
    picture.paste(lines.resize((right - left, bottom - top), Image.Resampling.LANCZOS), (left, top))
    draw = ImageDraw.Draw(picture)
    small, large = font(TEXT * scale), font((TEXT + 1) * scale)
    draw.rectangle((left, top, right, bottom), outline=FAINT, width=scale)
    draw.text((left, top - 6 * scale), title, INK, large, anchor="lb")
    draw.text(((left + right) / 2, (height - 4) * scale), x_label, INK, small, anchor="mb")
    for tick in x_ticks:
        draw.text((left + to_x(tick) * scale, bottom + 4 * scale), f"{tick:g}", FAINT, small, anchor="mt")
    for tick in y_ticks:
        draw.text((left - 5 * scale, top + to_y(tick) * scale), f"{tick:g}", FAINT, small, anchor="rm")
    for number, (curve, colour) in enumerate(zip(curves, COLOURS, strict=False)):
        if curve.name:
            y = top + (8 + number * (TEXT + 4)) * scale
            corner = right - 8 * scale, y
            # the halo keeps it legible on a curve
            draw.text(corner, curve.name, colour, small, "rt", stroke_width=3 * scale, stroke_fill=PAPER)
    return picture


def round_ticks(low: float, high: float) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten from ``low`` to ``high``: three to seven of them."""
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * part for part in (1, 2, 5, 10) if power * part >= rough)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    # twelve digits hide what binary fractions add
    return [float(f"{number * step:.12g}") for number in range(first, last + 1)]


def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """The face of all labels."""
    return ImageFont.load_default(size)
