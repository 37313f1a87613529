"""Figures for a paper: kernels with their profiles, and disk photographs with their kernels through focus.

Figures are (H, W, 3) uint8 arrays as shown. Profiles run through, or around, each kernel's own centre of mass; kernels
that are shown together share one frame, in whose middle their middle pixels are, so that their sizes compare; each is
drawn from 0 (dark) to its own maximum (bright).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
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
"""Least width, and height, of a chart, px."""
HEADROOM = 1.08
"""Top of a chart over its highest value."""
MOST_UNLIKE = 4.0
"""Ratio of maxima up to which profiles are shown on one scale; beyond it the lower ones would not be seen."""
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
    """Kernels above their radial profiles, encircled energies and centre lines, in the colours of their names.

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
    profiles = [radial_profile(kernel) for kernel in unit.values()]
    reach = max(_reach(kernel) for kernel in unit.values())
    lines = {axis: [_line(kernel, axis) for kernel in unit.values()] for axis in (0, 1)}
    radial = [Curve("", p.radius, p.mean) for p in profiles]
    peaks = [float(curve.y.max()) for curve in radial]
    height = "light a pixel"
    if max(peaks) > MOST_UNLIKE * min(peaks):
        height = "each over its maximum"
        radial = [_relative(curve) for curve in radial]
        lines = {axis: [_relative(curve) for curve in curves] for axis, curves in lines.items()}
    energy = [Curve("", p.radius, p.encircled) for p in profiles]
    side = _frame(unit.values())
    # names in the curves' colours are the legend: within a chart one would lie on the curves
    tiles = [
        _titled(_kernel_tile(_framed(kernel, side), kernel.max()), name, colour)
        for (name, kernel), colour in zip(unit.items(), COLOURS, strict=False)
    ]
    across = max(2 * CHART[0] + GAP, len(tiles) * (TILE + GAP) - GAP)
    wide = (across - GAP) // 2
    charts = [
        _chart(radial, f"mean on circles, {height}", "radius, px", (0.0, reach), wide),
        _chart(energy, "encircled energy", "radius, px", (0.0, reach), wide),
        _chart(lines[1], f"centre line along x, {height}", "x, px", (-reach, reach), wide),
        _chart(lines[0], f"centre line along y, {height}", "y, px", (-reach, reach), wide),
    ]
    top = EDGE + tiles[0].height + GAP
    figure = Image.new("RGB", (across + 2 * EDGE, top + 2 * CHART[1] + GAP + EDGE), PAPER)
    for number, tile in enumerate(tiles):
        figure.paste(tile, (EDGE + number * (TILE + GAP), EDGE))
    for number, drawn in enumerate(charts):
        column, row = number % 2, number // 2
        figure.paste(drawn, (EDGE + column * (wide + GAP), top + row * (CHART[1] + GAP)))
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
    side = _frame(kernels)
    rows = (HEADING, HEADING + TILE + CAPTION + GAP, HEADING + 2 * (TILE + CAPTION + GAP))
    block = Image.new("RGB", (count * (TILE + GAP) - GAP, rows[2] + TILE), PAPER)
    draw = ImageDraw.Draw(block)
    draw.text((0, 0), capture.name, INK, font(TEXT + 5))
    for number, (setting, kernel) in enumerate(zip(capture.settings, kernels, strict=True)):
        left = number * (TILE + GAP)
        block.paste(_photograph_tile(setting.photograph), (left, rows[0]))
        draw.text((left + TILE / 2, rows[0] + TILE + 3), setting.name, INK, font(TEXT), anchor="mt")
        block.paste(_kernel_tile(_framed(kernel, side), kernel.max()), (left, rows[1]))
        note = f"{side} px across, maximum {kernel.max():.2g}"
        draw.text((left + TILE / 2, rows[1] + TILE + 3), note, FAINT, font(TEXT), anchor="mt")
        line = chart(
            [_line(kernel, 1)],
            size=(TILE, TILE),
            title="centre line",
            x_label="x, px",
            x_range=(-reach, reach),
            y_range=_range([_line(kernel, 1)]),
        )
        block.paste(line, (left, rows[2]))
    return block


def _line(kernel: Kernel, axis: int) -> Curve:
    """The centre line along an axis, from the centre of mass."""
    middles = np.arange(len(kernel), dtype=np.float64) - (len(kernel) - 1) / 2
    return Curve("", middles - centre_of_mass(kernel)[axis], centre_line(kernel, axis))


def _reach(kernel: Kernel) -> float:
    """Radius in px up to which a kernel's profile is worth showing."""
    return math.ceil(max(MARGIN * encircling_radius(radial_profile(kernel), SHOWN_LIGHT), 3.0))


def _relative(curve: Curve) -> Curve:
    """The curve divided by its maximum."""
    return Curve("", curve.x, curve.y / curve.y.max())


def _frame(kernels: Iterable[Kernel]) -> int:
    """Odd side of the frame in which kernels are worth showing."""
    farthest = 0.0
    for kernel in kernels:
        offset = max(abs(part) for part in centre_of_mass(kernel))
        farthest = max(farthest, min(_reach(kernel) + offset, (len(kernel) - 1) / 2))
    return 2 * math.ceil(farthest) + 1


def _framed(kernel: Kernel, side: int) -> Kernel:
    """The kernel's middle, or the kernel with zeros around it, (side, side)."""
    margin = (side - len(kernel)) // 2
    if margin < 0:
        return kernel[-margin:margin, -margin:margin]
    return np.pad(kernel, margin)


def _chart(
    curves: Sequence[Curve], title: str, x_label: str, x_range: tuple[float, float], width: int
) -> Image.Image:
    return chart(
        curves, size=(width, CHART[1]), title=title, x_label=x_label, x_range=x_range, y_range=_range(curves)
    )


def _range(curves: Sequence[Curve]) -> tuple[float, float]:
    lowest = min(float(curve.y.min()) for curve in curves)
    highest = max(float(curve.y.max()) for curve in curves)
    # interpolation between spots dips a little below 0: not worth an axis of its own
    return (lowest if lowest < -0.05 * highest else 0.0), HEADROOM * highest


def _titled(tile: Image.Image, title: str, colour: tuple[int, int, int]) -> Image.Image:
    picture = Image.new("RGB", (tile.width, tile.height + CAPTION), PAPER)
    draw = ImageDraw.Draw(picture)
    shown = title
    while draw.textlength(shown, font(TEXT)) > tile.width and len(shown) > 4:
        shown = "..." + shown[4:]  # of a path the end tells most
    draw.text((tile.width / 2, 0), shown, colour, font(TEXT), anchor="mt")
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
