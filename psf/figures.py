"""Figures for a paper: kernels with their profiles, and disk photographs with their kernels through focus.

Figures are (H, W, 3) uint8 arrays as shown. Profiles run through, or around, each kernel's own centre of mass; kernels
are drawn where they lie in their frame, each from 0 (dark) to its own maximum (bright), whose value is written below.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from lfsynth.transfer import SRGB, encode
from psf.merit import Kernel, centre_line, centre_of_mass, encircling_radius, radial_profile, unit_sum
from psf.plot import COLOURS, FAINT, INK, PAPER, TEXT, Curve, chart, font

TILE = 220
"""Side of a photograph or a kernel in a figure, px."""
GAP, EDGE, HEADING, CAPTION = 12, 18, 26, 20
"""Between tiles, around a figure, above a capture and below a kernel, px."""
CHART = 420, 300
"""Width and height of a chart, px."""
HEADROOM = 1.08
"""Top of a chart over its highest value."""
SHOWN_LIGHT, MARGIN = 0.98, 1.3
"""Profiles are drawn up to the radius that holds this part of the light, times this."""


@dataclass(frozen=True, eq=False)
class Setting:
    """One focus setting of a capture.

    Attributes
    ----------
    name : as "front focus"
    photograph : (H, W) or (H, W, 3) float32 linear light in [0, 1], of disks; its middle is shown
    kernel : (n, n) estimated from it
    """

    name: str
    photograph: NDArray[np.float32]
    kernel: Kernel


@dataclass(frozen=True, eq=False)
class Capture:
    """What one camera gave.

    Attributes
    ----------
    name : as "DSLR, f/4" or "light field, refocused"
    settings : left to right, as front, in and back focus
    """

    name: str
    settings: tuple[Setting, ...]


def profile_figure(kernels: Mapping[str, Kernel]) -> NDArray[np.uint8]:
    """Kernels above their radial profiles, encircled energies and centre lines.

    Parameters
    ----------
    kernels : by name, 1 to 7, (n, n) each, n odd

    Returns
    -------
    (H, W, 3) uint8

    Raises
    ------
    ValueError
        If there is none, there are too many, or one is no kernel.
    """
    if not 0 < len(kernels) <= len(COLOURS):
        raise ValueError(f"a figure shows 1 to {len(COLOURS)} kernels, not {len(kernels)}")
    unit = {name: unit_sum(kernel) for name, kernel in kernels.items()}
    profiles = {name: radial_profile(kernel) for name, kernel in unit.items()}
    reach = max(_reach(kernel) for kernel in unit.values())
    lines = {axis: [_line(name, kernel, axis) for name, kernel in unit.items()] for axis in (0, 1)}
    radial = [Curve(name, p.radius, p.mean) for name, p in profiles.items()]
    energy = [Curve(name, p.radius, p.encircled) for name, p in profiles.items()]
    charts = [
        _chart(radial, "mean on circles, light per px²", "radius, px", (0.0, reach)),
        _chart(energy, "encircled energy", "radius, px", (0.0, reach)),
        _chart(lines[1], "centre line along x, light per px²", "x, px", (-reach, reach)),
        _chart(lines[0], "centre line along y, light per px²", "y, px", (-reach, reach)),
    ]
    tiles = [_titled(_kernel_tile(kernel, kernel.max()), name) for name, kernel in unit.items()]
    across = max(2 * CHART[0] + GAP, len(tiles) * (TILE + GAP) - GAP)
    top = EDGE + tiles[0].height + GAP
    figure = Image.new("RGB", (across + 2 * EDGE, top + 2 * CHART[1] + GAP + EDGE), PAPER)
    for number, tile in enumerate(tiles):
        figure.paste(tile, (EDGE + number * (TILE + GAP), EDGE))
    for number, drawn in enumerate(charts):
        column, row = number % 2, number // 2
        figure.paste(drawn, (EDGE + column * (CHART[0] + GAP), top + row * (CHART[1] + GAP)))
    return np.asarray(figure)


def focus_figure(captures: Sequence[Capture]) -> NDArray[np.uint8]:
    """Disk photograph, kernel and centre line for each focus setting of each capture.

    A capture is a block of three rows: photographs, kernels, centre lines along x. Within it the centre lines share
    their horizontal axis and all have an own vertical one.

    Parameters
    ----------
    captures : at least one, each with at least one setting; they stand side by side

    Returns
    -------
    (H, W, 3) uint8

    Raises
    ------
    ValueError
        If there is no capture, one has no setting, or a photograph or a kernel has another shape than said.
    """
    if not captures or not all(capture.settings for capture in captures):
        raise ValueError("a figure needs at least one capture, and each of them at least one setting")
    blocks = [_block(capture) for capture in captures]
    width = sum(block.width for block in blocks) + 2 * GAP * (len(blocks) - 1)
    figure = Image.new("RGB", (width + 2 * EDGE, blocks[0].height + 2 * EDGE), PAPER)
    left = EDGE
    for block in blocks:
        figure.paste(block, (left, EDGE))
        left += block.width + 2 * GAP
    return np.asarray(figure)


def _block(capture: Capture) -> Image.Image:
    """One capture: a column for each setting."""
    count = len(capture.settings)
    kernels = [unit_sum(setting.kernel) for setting in capture.settings]
    reach = max(_reach(kernel) for kernel in kernels)
    rows = (HEADING, HEADING + TILE + CAPTION + GAP, HEADING + 2 * (TILE + CAPTION + GAP))
    block = Image.new("RGB", (count * (TILE + GAP) - GAP, rows[2] + TILE), PAPER)
    draw = ImageDraw.Draw(block)
    draw.text((0, 0), capture.name, INK, font(TEXT + 5))
    for number, (setting, kernel) in enumerate(zip(capture.settings, kernels, strict=True)):
        left = number * (TILE + GAP)
        block.paste(_photograph_tile(setting.photograph), (left, rows[0]))
        draw.text((left + TILE / 2, rows[0] + TILE + 3), setting.name, INK, font(TEXT), anchor="mt")
        block.paste(_kernel_tile(kernel, kernel.max()), (left, rows[1]))
        note = f"{len(kernel)} px, maximum {kernel.max():.2g}"
        draw.text((left + TILE / 2, rows[1] + TILE + 3), note, FAINT, font(TEXT), anchor="mt")
        line = chart(
            [_line("", kernel, 1)],
            size=(TILE, TILE),
            title="centre line",
            x_label="x, px",
            x_range=(-reach, reach),
            y_range=_range([_line("", kernel, 1)]),
        )
        block.paste(line, (left, rows[2]))
    return block


def _line(name: str, kernel: Kernel, axis: int) -> Curve:
    """The centre line along an axis, from the centre of mass."""
    middles = np.arange(len(kernel), dtype=np.float64) - (len(kernel) - 1) / 2
    return Curve(name, middles - centre_of_mass(kernel)[axis], centre_line(kernel, axis))


def _reach(kernel: Kernel) -> float:
    """Radius in px up to which a kernel's profile is worth showing."""
    return math.ceil(max(MARGIN * encircling_radius(radial_profile(kernel), SHOWN_LIGHT), 3.0))


def _chart(curves: Sequence[Curve], title: str, x_label: str, x_range: tuple[float, float]) -> Image.Image:
    return chart(curves, size=CHART, title=title, x_label=x_label, x_range=x_range, y_range=_range(curves))


def _range(curves: Sequence[Curve]) -> tuple[float, float]:
    lowest = min(float(curve.y.min()) for curve in curves)
    highest = max(float(curve.y.max()) for curve in curves)
    # interpolation between spots dips a little below 0: not worth an axis of its own
    return (lowest if lowest < -0.05 * highest else 0.0), HEADROOM * highest


def _titled(tile: Image.Image, title: str) -> Image.Image:
    picture = Image.new("RGB", (tile.width, tile.height + CAPTION), PAPER)
    ImageDraw.Draw(picture).text((tile.width / 2, 0), title, INK, font(TEXT), anchor="mt")
    picture.paste(tile, (0, CAPTION))
    return picture


def _kernel_tile(kernel: Kernel, brightest: float) -> Image.Image:
    """A kernel's pixels as squares, negative ones as 0, from dark to bright."""
    grey = np.rint(np.clip(kernel / brightest, 0, 1) * 255).astype(np.uint8)
    large = cv2.resize(grey, (TILE, TILE), interpolation=cv2.INTER_NEAREST_EXACT)
    return Image.fromarray(cv2.cvtColor(cv2.applyColorMap(large, cv2.COLORMAP_VIRIDIS), cv2.COLOR_BGR2RGB))


def _photograph_tile(photograph: NDArray[np.float32]) -> Image.Image:
    """The largest middle square of a photograph, reduced or enlarged in linear light."""
    if photograph.ndim not in (2, 3) or (photograph.ndim == 3 and photograph.shape[2] != 3):
        raise ValueError(f"a photograph is (H, W) or (H, W, 3), not {photograph.shape}")
    height, width = photograph.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = np.asarray(photograph[top : top + side, left : left + side], np.float32)
    method = cv2.INTER_AREA if side > TILE else cv2.INTER_LINEAR
    scaled = np.asarray(cv2.resize(square, (TILE, TILE), interpolation=method), np.float32)
    colour = np.broadcast_to(scaled.reshape(TILE, TILE, -1), (TILE, TILE, 3))
    return Image.fromarray(encode(np.ascontiguousarray(colour), SRGB, bits=8))
