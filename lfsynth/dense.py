"""Dense synthetic aperture: pictures as a lens makes them, out of views that lie far apart.

A sum of views samples the aperture at points: a thing out of focus becomes a lattice of spots ``|d - s|`` px apart, d
its disparity and s the slope in focus, where a lens makes one disk. Here each captured ray stands for all rays through
its cell of the aperture, one view step wide (a splatting integral). Between two views a point of disparity d moves by
``d - s`` px across the picture, so the light of its ray is spread evenly over ``|d - s|`` px each way. Cells that the
aperture's rim cuts count by quarters, each from its own place in the aperture.

In tiles of the picture in which something is out of focus, the views are cut into layers of disparity. A layer is
summed over the aperture, its light and its weight alike, and spread as a whole. Layers are then laid one behind the
other, the nearest first: each covers as much of the aperture as its weight says, at most what those before it leave
open. So an edge stays as sharp as its own focus makes it, and nothing behind shines over it. What no layer covers,
since no view looks there, is filled by the layers behind others. What is in focus is what the others do not have of
the captured views' sum, `refocus`, and as sharp as there.

The disparity of a view is the centre view's, moved there. A wrong one spreads light by a wrong amount, and puts layers
in the wrong order. So where views contradict it (`dense_disparity`), the picture is that of the captured views alone,
by the part of the light that doubted rays bring. At an edge that is in focus an error of a pixel would show: there the
rays beside the edge count as captured, with nothing spread.

The layers' sums are as those of Levoy and Hanrahan's synthetic aperture (doi:10.1145/237170.237199); one spread layer
before another is the layered depth of field of Scofield, "2 1/2-D depth-of-field simulation for computer animation",
Graphics Gems III, 1992.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lfsynth import dense_kernels as native
from lfsynth.aperture import PARTS, view_weights
from lfsynth.dense_disparity import doubted_shares, enlarged
from lfsynth.dense_rays import Rays
from lfsynth.frame import Frame, resample
from lfsynth.lightfield import LightField
from lfsynth.refocus import refocus

SPACING = 0.7
"""px between neighbouring spots that a picture may have: tiles with wider ones are made densely."""

_LAYERS = np.concatenate([[0.0], native.FIRST * 2.0 ** np.arange(0, 8, 0.5)])
"""Distances of layers from focus, px a view step; what lies between has its share in both. A layer's light is spread
by as much, but from where the views have it, so that layers far from focus may lie far apart."""

_ONE_LAYER = 0.25
"""A tile whose disparities differ by less is one layer."""

_FINE_RIM = 1.5
"""Distance from focus, px a view step, from which on the rim's quarters are told apart."""

_SHARP = (0.5, 1.5)
"""Distance from focus, px a view step, up to which a layer is taken from the sum of the captured views as it is, and
from which on it is not: between views it has no detail that the cubic kernel of this module would lose."""

_LEAST_REST = 0.01
"""Part of the aperture in focus below which it counts as nothing: its colour would be that of errors."""

_ROWS, _COLUMNS = 64, 128
"""Tile of a picture."""


def refocus_dense(
    lightfield: LightField,
    slopes: Sequence[float] | NDArray[np.float64],
    cells: NDArray[np.float64],
    disparity: NDArray[np.float32],
    *,
    frame: Frame | None = None,
    threads: int = 1,
) -> NDArray[np.float32]:
    """Pictures of a light field for every slope and aperture, blurred as by a lens.

    Parameters
    ----------
    lightfield : its ``weights`` are multiplied into the apertures
    slopes : (S,) disparities to focus at, px a view step, positive nearer than the captured focal plane
    cells : (M, PARTS U, PARTS V) open part of each quarter of the views' cells, as `aperture` makes them with
        ``parts=PARTS``; not normalised
    disparity : (H, W) of the centre view, px a view step, as `disparity.disparity_map` estimates it
    frame : where to sample; the views' own pixels if not given
    threads : how many to run; the result does not depend on them

    Returns
    -------
    (S, M, H', W', C) float32 linear light; not clipped

    Raises
    ------
    ValueError
        If a shape is wrong or a disparity not finite, and as `refocus` does.
    """
    if disparity.shape != lightfield.size or not np.isfinite(disparity).all():
        raise ValueError(f"disparity must be finite and {lightfield.size}, not {disparity.shape}")
    if cells.ndim != 3 or cells.shape[1:] != tuple(PARTS * side for side in lightfield.grid):
        raise ValueError(
            f"cells must be (M, {PARTS * lightfield.grid[0]}, {PARTS * lightfield.grid[1]}), not {cells.shape}"
        )
    slope_array = np.asarray(slopes, np.float64)
    weights = view_weights(cells)
    pictures = refocus(lightfield, slope_array, weights, frame=frame, threads=threads)
    # From the smallest opening to the largest: each is made of the one before and what is added.
    order = np.argsort(weights.sum(axis=(1, 2)), kind="stable")
    rays = Rays.of(lightfield, cells[order], disparity, threads)
    doubts = doubted_shares(rays.doubted, slope_array, weights[order], threads=threads)
    for made, slope, doubt in zip(pictures, slope_array, doubts, strict=True):
        plain = made if frame is None else refocus(lightfield, [slope], weights, threads=threads)[0]
        spread, kept = _spread(rays, float(slope), plain[order], threads)
        for m, light, share, blocks in zip(order, spread, kept[..., None], doubt, strict=True):
            trust = 1 - enlarged(blocks, lightfield.size)[..., None]
            light, share = trust * light, 1 - trust * (1 - share)
            if frame is not None:
                light, share = resample(light, frame), resample(share, frame)
            made[m] *= share
            made[m] += light
    return pictures


def memory(lightfield: LightField, apertures: int) -> int:
    """Bytes that `refocus_dense` needs beside the light field and the pictures."""
    height, width = lightfield.size
    views, channels = int(np.count_nonzero(lightfield.weights)), lightfield.views.shape[4]
    return int(4 * height * width * (2 * views + apertures * (3 * channels + 1)))


def _spread(
    rays: Rays, slope: float, plain: NDArray[np.float32], threads: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Light to be added to sums of the captured views, (M, H, W, C), and what of those is kept, (M, H, W).

    ``plain`` (M, H, W, C) is the sums at the views' pixels.
    """
    number, height, width, channels = plain.shape
    sums = plain.reshape(number, height, width * channels)
    out = np.zeros_like(sums)
    kept = np.ones((number, height, width), np.float32)

    def make(tile: tuple[int, int]) -> None:
        top, left = tile
        rows, columns = slice(top, top + _ROWS), slice(left, left + _COLUMNS)
        floats = slice(left * channels, (left + _COLUMNS) * channels)
        _tile(rays, slope, top, left, sums[:, rows, floats], out[:, rows, floats], kept[:, rows, columns])

    tiles = [(y, x) for y in range(0, height, _ROWS) for x in range(0, width, _COLUMNS)]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(make, tiles))
    return out.reshape(plain.shape), kept


def _tile(
    rays: Rays,
    slope: float,
    top: int,
    left: int,
    plain: NDArray[np.float32],
    picture: NDArray[np.float32],
    kept: NDArray[np.float32],
) -> None:
    """Make one tile of all openings' pictures, unless all of it is so nearly in focus that nothing is to be done."""
    number, rows, columns = kept.shape
    shifts = (-slope * rays.steps).astype(np.float32)
    low, high = native.extremes(rays.lows, rays.highs, shifts, top, left, rows, columns)
    if low > high or max(abs(low - slope), abs(high - slope)) <= SPACING:
        return
    # What is beside the tile is spread into it by half the width of its spots.
    halo = math.ceil(max(abs(low - slope), abs(high - slope)) / 2) + 2
    low, high = native.extremes(
        rays.lows, rays.highs, shifts, top - halo, left - halo, rows + 2 * halo, columns + 2 * halo
    )
    layers = _layers(low, high, slope)
    spread = _Spread.of(rays, slope, layers, shifts, (top, left, rows, columns), halo, plain)
    front, behind_shares = np.zeros((2, number, rows, columns), np.float32)
    passed = np.ones((number, rows, columns), np.float32)
    behind = np.zeros_like(spread.captured)
    for m, area in enumerate(rays.areas):
        for light, share in zip(spread.lights, spread.shares, strict=True):
            native.lay(
                light[m], share[m], 1 / area, passed[m], front[m], picture[m], behind[m], behind_shares[m]
            )
        native.finish(
            passed[m],
            behind[m],
            behind_shares[m],
            spread.captured[m],
            spread.captured_shares[m],
            spread.sharp[m],
            picture[m],
            kept[m],
        )


@dataclass(frozen=True, eq=False)
class _Spread:
    """Layers of a tile, K of them, the nearest first.

    Attributes
    ----------
    lights, shares : (K, M, rows, columns * C) and (K, M, rows, columns), sums of light and weight, spread
    captured, captured_shares : (M, ...), of all layers, as the views have them
    sharp : (M, rows, columns), of the latter the part that needs no spreading
    """

    lights: NDArray[np.float32]
    shares: NDArray[np.float32]
    captured: NDArray[np.float32]
    captured_shares: NDArray[np.float32]
    sharp: NDArray[np.float32]

    @staticmethod
    def of(
        rays: Rays,
        slope: float,
        layers: NDArray[np.float64],
        shifts: NDArray[np.float32],
        tile: tuple[int, int, int, int],
        halo: int,
        plain: NDArray[np.float32],
    ) -> _Spread:
        """Spread the layers in a tile (top, left, rows, columns) whose sum of the captured views is ``plain``."""
        top, left, rows, columns = tile
        number = len(rays.weights)
        channels = rays.views.shape[3] // rays.maps.shape[2]
        # From one to the next, and none beyond the outermost.
        inverses = np.concatenate([[0.0], 1 / -np.diff(layers), [0.0]]).astype(np.float32)
        colours = np.empty((3 * number, rows + 2 * halo, (columns + 2 * halo) * channels), np.float32)
        weights = np.empty((3 * number, rows + 2 * halo, columns + 2 * halo), np.float32)
        middle = slice(None), slice(halo, -halo), slice(halo * channels, -halo * channels)
        middle_shares = slice(None), slice(halo, -halo), slice(halo, -halo)
        lights = np.zeros((len(layers), number, rows, columns * channels), np.float32)
        shares = np.zeros((len(layers), number, rows, columns), np.float32)
        captured, captured_shares, sharp = (
            np.zeros_like(lights[0]),
            *np.zeros((2, *shares.shape[1:]), np.float32),
        )
        in_focus = None
        for k, layer in enumerate(layers):
            away = abs(float(layer) - slope)
            if away == 0:
                in_focus = k
                continue
            fine = away > _FINE_RIM
            plan = rays.plans[1 if fine else 0]
            colours.fill(0)
            weights.fill(0)
            native.add_layer(
                rays.views,
                rays.used,
                rays.maps,
                rays.nearby,
                plan.starts,
                plan.downs,
                plan.weights,
                plan.sheets,
                plan.rights,
                plan.targets,
                shifts,
                np.float32(slope),
                np.float32(layer),
                (inverses[k], inverses[k + 1]),
                top - halo,
                left - halo,
                colours,
                weights,
            )
            whole, quarter = box_taps(away), box_taps(away / PARTS)
            for m in range(number):
                if m:
                    colours[m] += colours[m - 1]
                    weights[m] += weights[m - 1]
                native.add_box(colours[m], channels, whole, lights[k, m])
                native.add_box(weights[m], 1, whole, shares[k, m])
                if fine:
                    native.add_box(colours[2 * number + m], channels, quarter, lights[k, m])
                    native.add_box(weights[2 * number + m], 1, quarter, shares[k, m])
            here = weights[:number][middle_shares]
            captured += colours[:number][middle]
            if fine:
                here = here + weights[number : 2 * number][middle_shares]
                captured += colours[number : 2 * number][middle]
            captured_shares += here
            sharp += np.float32(np.interp(away, _SHARP, (1, 0))) * here
        if in_focus is not None:
            # It is what the other layers do not have.
            covered = rays.coverage(shifts, tile)
            rest = covered - captured_shares
            rest[rest < _LEAST_REST * rays.areas[:, None, None]] = 0
            light = plain * covered.repeat(channels, axis=2) - captured
            light *= (rest > 0).repeat(channels, axis=2)
            lights[in_focus], shares[in_focus] = light, rest
            captured += light
            captured_shares += rest
            sharp += rest
        return _Spread(lights, shares, captured, captured_shares, sharp)


def _layers(low: float, high: float, slope: float) -> NDArray[np.float64]:
    """Disparities of layers that hold all from ``low`` to ``high``, the nearest first."""
    if high - low <= _ONE_LAYER:
        return np.array([(high + low) / 2])
    grid = slope + np.concatenate([_LAYERS[:0:-1], -_LAYERS])
    first = int(np.flatnonzero(grid >= high)[-1])
    last = int(np.flatnonzero(grid <= low)[0])
    return np.asarray(grid[first : last + 1])


def box_taps(width: float) -> NDArray[np.float32]:
    """Weights of the pixels under a box of a width in px, middle first, so that their variance is the box's.

    From 2 px on, as of the box itself, nothing is left of a wave as long as the box is wide: spots that far apart
    become one even surface. Weights may be as low as -0.03.
    """
    if width < 1:
        rim = width * width / 24
        return np.array([1 - 2 * rim, rim], np.float32)
    if width < 2:
        part = (width * width - 1) / 3
        wide = box_taps(2.0)
        wide *= np.float32(part)
        narrow = box_taps(np.nextafter(1.0, 0.0))
        wide[: narrow.size] += np.float32(1 - part) * narrow
        return wide
    whole = math.ceil((width - 1) / 2 - 1e-9)
    wave = np.cos(2 * np.pi / width * np.arange(whole + 1))
    rim = -(1 + 2 * wave[1:whole].sum()) / (2 * wave[whole])
    taps = np.array([1.0] * whole + [rim])
    taps /= 2 * taps.sum() - 1
    sharper = float((taps * np.arange(whole + 1) ** 2).sum()) - width * width / 24
    both = np.concatenate([taps[:0:-1], taps])
    return np.asarray(np.convolve(both, [-sharper, 1 + 2 * sharper, -sharper])[whole + 1 :], np.float32)
