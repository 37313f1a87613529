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
    """

    name: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]


def chart(
    curves: Sequence[Curve],
    *,
    size: tuple[int, int],
    title: str,
    x_label: str,
    x_range: tuple[float, float],
    y_range: tuple[float, float],
) -> Image.Image:
    """Draw curves over one pair of axes.

    Parameters
    ----------
    curves : at most as many as there are colours
    size : (width, height)
    title : above the axes, with the unit of y
    x_label : below them, with the unit of x
    x_range, y_range : first and last value on either axis; what lies outside is cut off

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
    lines = Image.new("RGB", (inner[0] * OVERSAMPLING, inner[1] * OVERSAMPLING), PAPER)
    pen = ImageDraw.Draw(lines)

    def to_x(value: float) -> float:
        return (value - x_range[0]) / (x_range[1] - x_range[0]) * inner[0]

    def to_y(value: float) -> float:
        return (y_range[1] - value) / (y_range[1] - y_range[0]) * inner[1]

    x_ticks, y_ticks = round_ticks(*x_range), round_ticks(*y_range)
    for tick in x_ticks:
        at = to_x(tick) * OVERSAMPLING
        pen.line((at, 0, at, lines.height), GRID, OVERSAMPLING)
    for tick in y_ticks:
        at = to_y(tick) * OVERSAMPLING
        pen.line((0, at, lines.width, at), GRID, OVERSAMPLING)
    for curve, colour in zip(curves, COLOURS, strict=False):
        points = [
            (to_x(x) * OVERSAMPLING, to_y(y) * OVERSAMPLING) for x, y in zip(curve.x, curve.y, strict=True)
        ]
        pen.line(points, colour, 2 * OVERSAMPLING, joint="curve")

    picture = Image.new("RGB", size, PAPER)
    picture.paste(lines.resize(inner, Image.Resampling.LANCZOS), (LEFT, TOP))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((LEFT, TOP, LEFT + inner[0], TOP + inner[1]), outline=FAINT)
    draw.text((LEFT, TOP - 6), title, INK, font(TEXT + 1), anchor="lb")
    draw.text((LEFT + inner[0] / 2, height - 4), x_label, INK, font(TEXT), anchor="mb")
    for tick in x_ticks:
        draw.text((LEFT + to_x(tick), TOP + inner[1] + 4), f"{tick:g}", FAINT, font(TEXT), anchor="mt")
    for tick in y_ticks:
        draw.text((LEFT - 5, TOP + to_y(tick)), f"{tick:g}", FAINT, font(TEXT), anchor="rm")
    for number, (curve, colour) in enumerate(zip(curves, COLOURS, strict=False)):
        if curve.name:
            y = TOP + 8 + number * (TEXT + 4)
            draw.text((LEFT + inner[0] - 8, y), curve.name, colour, font(TEXT), anchor="rt")
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
