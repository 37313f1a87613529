"""The figure of one kernel: its pixels with axes and a colour bar, its profiles and transfer function with errors.

It is drawn at twice the size of a screen's pixels, for print. Profiles are about the kernel's own centre of mass; its
pixels are shown where they lie in the frame.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.interpolate import CubicSpline

from psf.compare import enlarged
from psf.half_samples import HalfSamples
from psf.merit import (
    RADIAL_STEP,
    ROUND_PART,
    Kernel,
    RadialProfile,
    angular_spread,
    centre_line,
    centre_of_mass,
    encircling_radius,
    full_width,
    half_frequency,
    peak,
    radial_profile,
    transfer_curves,
    unit_sum,
)
from psf.plot import FAINT, INK, PAPER, TEXT, Curve, chart, font, round_ticks

SCALE = 2
"""px of the figure for one of a screen."""
SIDE, CHART = 290, (400, 356)
"""Of the kernel, and a chart's width and height, screen px."""
BAR, GAP = 14, 16
SHOWN_LIGHT, MARGIN = 0.995, 1.25
"""What is shown reaches to the radius that holds this part of the light, times this."""
HEADROOM = 1.25
"""Top of a chart over its highest value: there is the legend."""
LEAST_FRAME = 63
"""px, side of the frame in which a kernel's transfer function is computed."""

ERRORS = ("peak", "fwhm", "ee50", "ee80", "mtf50", "mtf50_y", "mtf50_x", "angular_spread")
"""Figures of merit of which errors are given."""


@dataclass(frozen=True, eq=False)
class Profiles:
    """Curves of one kernel with their standard errors (None where these are not known).

    Attributes
    ----------
    radius, radial, encircled : (R,) px, light per px^2, part of all light
    along, line_y, line_x : (n,) px from the kernel's middle, values on the lines through the centre of mass
    frequency, mtf, mtf_y, mtf_x : (F,) cycles a pixel, mean on circles, along y, along x
    errors : of all of them by name
    merit_errors : of `ERRORS`
    """

    radius: NDArray[np.float64]
    radial: NDArray[np.float64]
    encircled: NDArray[np.float64]
    along: NDArray[np.float64]
    line_y: NDArray[np.float64]
    line_x: NDArray[np.float64]
    frequency: NDArray[np.float64]
    mtf: NDArray[np.float64]
    mtf_y: NDArray[np.float64]
    mtf_x: NDArray[np.float64]
    errors: dict[str, NDArray[np.float64]]
    merit_errors: dict[str, float | None]


def profiles(kernel: Kernel, halves: HalfSamples | None) -> Profiles:
    """The curves of a kernel (n, n), and their errors from halves of the disks."""
    kernel = unit_sum(kernel)
    curves = _curves(kernel)
    errors: dict[str, NDArray[np.float64]] = {}
    merit_errors: dict[str, float | None] = dict.fromkeys(ERRORS)
    if halves is not None:
        ends = np.cumsum([len(curve) for curve in curves.values()])[:-1]
        radii = len(curves["radial"])

        def all_figures(half: Kernel) -> NDArray[np.float64]:
            half = unit_sum(half)
            found = _curves(half)
            figures = _figures(half, found)
            for name in ("radial", "encircled"):
                # the farthest corner depends on the centre
                found[name] = np.pad(found[name], (0, radii), "edge")[:radii]
            return np.concatenate([*found.values(), figures])

        spread = halves.error(all_figures)
        parts = np.split(spread, [*ends, len(spread) - len(ERRORS)])
        errors = dict(zip(curves, parts, strict=False))
        known = spread[len(spread) - len(ERRORS) :]
        merit_errors = {
            name: float(value) if math.isfinite(value) else None
            for name, value in zip(ERRORS, known, strict=True)
        }
    n = len(kernel)
    return Profiles(
        radius=RADIAL_STEP * np.arange(len(curves["radial"]), dtype=np.float64),
        along=np.arange(n, dtype=np.float64) - (n - 1) / 2,
        frequency=np.linspace(0, 0.5, len(curves["mtf"])),
        errors=errors,
        merit_errors=merit_errors,
        **curves,
    )


def _curves(kernel: Kernel) -> dict[str, NDArray[np.float64]]:
    radial = radial_profile(kernel)
    # zeros about a small kernel make its transfer function's steps finer
    mtf, mtf_y, mtf_x = transfer_curves(enlarged(kernel, max(len(kernel), LEAST_FRAME)))
    return {
        "radial": radial.mean,
        "encircled": radial.encircled,
        "line_y": centre_line(kernel, 0),
        "line_x": centre_line(kernel, 1),
        "mtf": mtf,
        "mtf_y": mtf_y,
        "mtf_x": mtf_x,
    }


def _figures(kernel: Kernel, curves: dict[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """`ERRORS` of a kernel of sum 1, as `psf.merit.measure` has them, from its curves; NaN where there is none."""
    radius = RADIAL_STEP * np.arange(len(curves["radial"]), dtype=np.float64)
    profile = RadialProfile(radius, curves["radial"], curves["encircled"])
    half_light = encircling_radius(profile, 0.5)
    spread = angular_spread(kernel, profile, ROUND_PART * math.sqrt(2) * half_light)
    values = [peak(kernel), full_width(profile), half_light, encircling_radius(profile, 0.8)]
    values += [half_frequency(curves[name]) or math.nan for name in ("mtf", "mtf_y", "mtf_x")]
    return np.array([*values, spread])


def reach_of(kernel: Kernel) -> int:
    """Radius in px up to which a kernel is worth showing."""
    profile = radial_profile(unit_sum(kernel))
    return max(3, math.ceil(MARGIN * encircling_radius(profile, SHOWN_LIGHT)))


def kernel_figure(title: str, kernel: Kernel, found: Profiles, notes: str) -> NDArray[np.uint8]:
    """The figure.

    Parameters
    ----------
    title : above the kernel
    kernel : (n, n)
    found : its curves
    notes : a line below

    Returns
    -------
    (H, W, 3) uint8
    """
    kernel = unit_sum(kernel)
    reach = reach_of(kernel)
    centre = max(abs(offset) for offset in centre_of_mass(kernel))
    left = kernel_picture(title, kernel, reach + math.ceil(centre))
    inside = found.radius <= reach
    radial = Curve(
        "mean on circles",
        found.radius[inside],
        found.radial[inside],
        found.errors["radial"][inside] if found.errors else None,
    )
    y0, x0 = centre_of_mass(kernel)
    lines = [
        _smooth("along x", found.along - x0, found.line_x),
        _smooth("along y", found.along - y0, found.line_y),
    ]
    middle = _chart(
        [radial, *lines], "light per pixel", "distance from the centre of mass, px", (-reach, reach)
    )
    transfer = [
        Curve("mean on circles", found.frequency, found.mtf, found.errors.get("mtf")),
        Curve("along x", found.frequency, found.mtf_x),
        Curve("along y", found.frequency, found.mtf_y),
    ]
    right = _chart(transfer, "modulation transfer", "frequency, cycles/px", (0.0, 0.5), highest=1.0)
    width = left.width + middle.width + right.width + 2 * GAP * SCALE
    figure = Image.new("RGB", (width, left.height + 2 * (TEXT + GAP) * SCALE), PAPER)
    at = 0
    for part in (left, middle, right):
        figure.paste(part, (at, GAP * SCALE // 2))
        at += part.width + GAP * SCALE
    draw = ImageDraw.Draw(figure)
    draw.text(
        (figure.width / 2, figure.height - GAP * SCALE / 2), notes, INK, font(TEXT * SCALE), anchor="mb"
    )
    return np.asarray(figure)


def kernel_picture(title: str, kernel: Kernel, reach: int) -> Image.Image:
    """The kernel's pixels within ``reach`` px of its middle, with axes and a colour bar."""
    n = len(kernel)
    half = min(reach, n // 2)
    shown = kernel[n // 2 - half : n // 2 + half + 1, n // 2 - half : n // 2 + half + 1]
    brightest = float(shown.max())
    left, top, side = 48 * SCALE, 26 * SCALE, SIDE * SCALE
    picture = Image.new("RGB", (left + side + (GAP + BAR + 56) * SCALE, CHART[1] * SCALE), PAPER)
    picture.paste(_coloured(shown / brightest, (side, side)), (left, top))
    draw = ImageDraw.Draw(picture)
    small = font(TEXT * SCALE)
    draw.rectangle((left, top, left + side, top + side), outline=FAINT, width=SCALE)
    draw.text((left, top - 6 * SCALE), title, INK, font((TEXT + 1) * SCALE), anchor="lb")
    for tick in round_ticks(-half, half):
        if tick != int(tick):
            continue
        at = (tick + half + 0.5) / (2 * half + 1) * side
        draw.line((left + at, top + side, left + at, top + side + 4 * SCALE), FAINT, SCALE)
        draw.line((left - 4 * SCALE, top + at, left, top + at), FAINT, SCALE)
        draw.text((left + at, top + side + 6 * SCALE), f"{tick:g}", FAINT, small, anchor="mt")
        draw.text((left - 6 * SCALE, top + at), f"{tick:g}", FAINT, small, anchor="rm")
    draw.text(
        (left + side / 2, top + side + 23 * SCALE), "x, y from the middle pixel, px", INK, small, anchor="mt"
    )
    bar = np.linspace(1, 0, 256)[:, None]
    bar_left = left + side + GAP * SCALE
    picture.paste(_coloured(bar, (BAR * SCALE, side)), (bar_left, top))
    draw.rectangle((bar_left, top, bar_left + BAR * SCALE, top + side), outline=FAINT, width=SCALE)
    for tick in round_ticks(0.0, brightest):
        at = top + (1 - tick / brightest) * side
        draw.text((bar_left + (BAR + 4) * SCALE, at), f"{tick:g}", FAINT, small, anchor="lm")
    draw.text((bar_left + BAR * SCALE, top - 6 * SCALE), "light", INK, small, anchor="rb")
    return picture


def _smooth(name: str, at: NDArray[np.float64], values: NDArray[np.float64]) -> Curve:
    """A line through pixels, read between them by cubic splines as all profiles are."""
    fine = np.linspace(at[0], at[-1], 10 * len(at) - 9)
    return Curve(name, fine, np.asarray(CubicSpline(at, values)(fine)))


def _coloured(values: NDArray[np.float64], size: tuple[int, int]) -> Image.Image:
    """Values 0 to 1 as squares of colour, (width, height) px in all."""
    grey = np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
    large = cv2.resize(grey, size, interpolation=cv2.INTER_NEAREST_EXACT)
    return Image.fromarray(cv2.cvtColor(cv2.applyColorMap(large, cv2.COLORMAP_VIRIDIS), cv2.COLOR_BGR2RGB))


def _chart(
    curves: list[Curve], title: str, x_label: str, x_range: tuple[float, float], highest: float | None = None
) -> Image.Image:
    low = min(float(curve.y.min()) for curve in curves)
    high = highest or max(float(curve.y.max()) for curve in curves)
    return chart(
        curves,
        size=CHART,
        title=title,
        x_label=x_label,
        x_range=x_range,
        y_range=(low if low < -0.05 * high else 0.0, HEADROOM * high),
        scale=SCALE,
    )


def figure_of(value: float | None, error: float | None, digits: int = 2) -> str:
    """A figure with its error, as 3.21 ± 0.04; a dash where there is none."""
    if value is None:
        return "-"
    if error is None:
        return f"{value:.{digits}f}"
    if error > 0:
        # one digit of the error, two where it begins with 1
        digits = int(np.clip(-math.floor(math.log10(error / 2)), 0, 5))
    return f"{value:.{digits}f} ± {error:.{digits}f}"
