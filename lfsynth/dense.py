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
since no view looks there, is filled by the layers behind others.

The disparity of a view is the centre view's, moved there; gaps belong to what lies behind. A wrong disparity spreads
light by a wrong amount, no more. At an edge that is in focus even that would show: there the rays beside the edge
count as captured, with nothing spread. What is in focus is taken from `refocus`, to the last bit.

The layers' sums are as those of Levoy and Hanrahan's synthetic aperture (doi:10.1145/237170.237199); one spread layer
before another is the layered depth of field of Scofield, "2 1/2-D depth-of-field simulation for computer animation",
Graphics Gems III, 1992.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lfsynth import dense_kernels as native
from lfsynth.aperture import PARTS, view_weights
from lfsynth.frame import Frame, resample
from lfsynth.lightfield import LightField
from lfsynth.refocus import refocus

SPACING = 0.7
"""px between neighbouring spots that a picture may have: tiles with wider ones are made densely."""

_LAYERS_APART = 0.5
"""Disparities of neighbouring layers differ by that at most; what lies between has its share in both."""

_ONE_LAYER = 0.25
"""A tile whose disparities differ by less is one layer."""

_FINE_RIM = 1.2
"""Distance from focus, px a view step, from which on the rim's quarters are told apart."""

_SHARP = (0.5, 1.5)
"""Distance from focus, px a view step, up to which a layer is taken from the sum of the captured views as it is, and
from which on it is not: between views it has no detail that the cubic kernel of this module would lose."""

_GUARD = 4
"""px beside something in focus within which rays count as captured: errors of an estimated edge are mostly less."""

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
    rays = _Rays.of(lightfield, cells[order], disparity, threads)
    for made, slope in zip(pictures, slope_array, strict=True):
        spread, kept = _spread(rays, float(slope), threads)
        for m, light, share in zip(order, spread, kept[..., None], strict=True):
            if frame is not None:
                light, share = resample(light, frame), resample(share, frame)
            made[m] *= share
            made[m] += light
    return pictures


def memory(lightfield: LightField, apertures: int) -> int:
    """Bytes that `refocus_dense` needs beside the light field and the pictures."""
    height, width = lightfield.size
    views, channels = int(np.count_nonzero(lightfield.weights)), lightfield.views.shape[4]
    return int(4 * height * width * (2 * views + apertures * (channels + 1)))


@dataclass(frozen=True, eq=False)
class _Plan:
    """Which view is added to which sum; see `dense_kernels.add_layer`.

    Of M openings the sums 0 to M - 1 are of cells that are spread whole, each to be added to the one before; M to
    2 M - 1 of the views at the rim as they are, 2 M to 3 M - 1 of the rim's quarters, where those are told apart.
    """

    starts: NDArray[np.int64]
    downs: NDArray[np.float32]
    weights: NDArray[np.float32]
    sheets: NDArray[np.int64]
    rights: NDArray[np.float32]
    targets: NDArray[np.int64]

    @staticmethod
    def of(
        cells: NDArray[np.float64], live: NDArray[np.float32], used: NDArray[np.int64], *, fine: bool
    ) -> _Plan:
        number = len(cells)
        places = (np.arange(PARTS) + 0.5) / PARTS - 0.5
        starts, entries = [0], []
        for u, v in used:
            before = 0.0
            for m, opening in enumerate(cells):
                part = opening[PARTS * u : PARTS * (u + 1), PARTS * v : PARTS * (v + 1)] * live[u, v]
                weight = float(part.mean())
                if fine and np.ptp(part) > 1e-9:
                    entries.append((0.0, weight, number + m))
                    for a, b in np.argwhere(part > 0):
                        entries.append((places[a], part[a, b] / PARTS**2, (2 + b) * number + m))
                    weight = 0.0
                if abs(weight - before) > 1e-9:
                    entries.append((0.0, weight - before, m))
                before = weight
            starts.append(len(entries))
        table = np.array(entries)
        sums = np.arange(number)
        return _Plan(
            np.array(starts, np.int64),
            table[:, 0].astype(np.float32),
            table[:, 1].astype(np.float32),
            table[:, 2].astype(np.int64),
            np.repeat(np.concatenate([[0.0, 0.0], places]), number).astype(np.float32),
            np.concatenate([sums, number + sums, *[2 * number + sums] * PARTS]),
        )


@dataclass(frozen=True, eq=False)
class _Rays:
    """The views that apertures are made of, and how they are put together.

    Attributes
    ----------
    views : (U, V, H, W * C)
    used : (N, 2) indices (u, v) of those that any opening holds, column by column
    steps : (N, 2) their distances from the centre view
    maps : (N, H, W) their disparities
    nearby : (N, H, W) greatest disparity within _GUARD px
    lows, highs : extremes of the maps in blocks, see `dense_kernels.extremes`
    plans : with cells cut by the rim taken whole, and in quarters
    areas : (M,) of the openings
    """

    views: NDArray[np.float32]
    used: NDArray[np.int64]
    steps: NDArray[np.float64]
    maps: NDArray[np.float32]
    nearby: NDArray[np.float32]
    lows: NDArray[np.float32]
    highs: NDArray[np.float32]
    plans: tuple[_Plan, _Plan]
    areas: NDArray[np.float32]

    @staticmethod
    def of(
        lightfield: LightField, cells: NDArray[np.float64], disparity: NDArray[np.float32], threads: int
    ) -> _Rays:
        live = lightfield.weights
        weights = view_weights(cells) * live
        used = np.argwhere(weights.any(axis=0))
        used = used[np.lexsort((used[:, 0], used[:, 1]))]
        steps = used - np.array(lightfield.centre)
        maps = np.empty((len(used), *lightfield.size), np.float32)
        nearby = np.empty_like(maps)
        centre = np.ascontiguousarray(disparity, np.float32)
        window = np.ones((2 * _GUARD + 1, 2 * _GUARD + 1), np.uint8)

        def move(n: int) -> None:
            native.move_disparity(centre, float(steps[n, 0]), float(steps[n, 1]), maps[n])
            cv2.dilate(maps[n], window, dst=nearby[n])

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(move, range(len(used))))
        return _Rays(
            lightfield.views.reshape(*lightfield.views.shape[:3], -1),
            used,
            steps.astype(np.float64),
            maps,
            nearby,
            _in_blocks(maps, np.minimum),
            _in_blocks(maps, np.maximum),
            (_Plan.of(cells, live, used, fine=False), _Plan.of(cells, live, used, fine=True)),
            weights.sum(axis=(1, 2)).astype(np.float32),
        )


def _in_blocks(maps: NDArray[np.float32], extreme: np.ufunc) -> NDArray[np.float32]:
    """Extreme of each block of maps (N, H, W)."""
    starts = [np.arange(0, side, native.BLOCK) for side in maps.shape[1:]]
    rows = extreme.reduceat(maps, starts[0], axis=1)
    return np.asarray(extreme.reduceat(rows, starts[1], axis=2), np.float32)


def _spread(rays: _Rays, slope: float, threads: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Light to be added to sums of the captured views, (M, H, W, C), and what of those is kept, (M, H, W)."""
    number, (height, width) = len(rays.areas), rays.maps.shape[1:]
    channels = rays.views.shape[3] // width
    out = np.zeros((number, height, width * channels), np.float32)
    kept = np.ones((number, height, width), np.float32)

    def make(tile: tuple[int, int]) -> None:
        top, left = tile
        rows, columns = slice(top, top + _ROWS), slice(left, left + _COLUMNS)
        floats = slice(left * channels, (left + _COLUMNS) * channels)
        _tile(rays, slope, top, left, out[:, rows, floats], kept[:, rows, columns])

    tiles = [(y, x) for y in range(0, height, _ROWS) for x in range(0, width, _COLUMNS)]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(make, tiles))
    return out.reshape(*kept.shape, channels), kept


def _tile(
    rays: _Rays, slope: float, top: int, left: int, picture: NDArray[np.float32], kept: NDArray[np.float32]
) -> None:
    """Make one tile of all openings' pictures, unless all of it is so nearly in focus that nothing is to be done."""
    number, rows, columns = kept.shape
    shifts = (-slope * rays.steps).astype(np.float32)
    low, high = native.extremes(rays.lows, rays.highs, shifts, top, left, rows, columns)
    if low > high or max(abs(low - slope), abs(high - slope)) <= SPACING:
        return
    # What is beside the tile is spread into it by half the width of its spots.
    halo = math.ceil(max(abs(low - slope), abs(high - slope)) / 2) + 2
    window = (top - halo, left - halo, rows + 2 * halo, columns + 2 * halo)
    low, high = native.extremes(rays.lows, rays.highs, shifts, *window)
    if high - low <= _ONE_LAYER:
        layers, inverse = np.array([(high + low) / 2]), 0.0
    else:
        layers = np.linspace(high, low, math.ceil((high - low) / _LAYERS_APART) + 1)
        inverse = 1 / (layers[0] - layers[1])
    floats = picture.shape[2]
    channels = floats // columns
    colours = np.empty((3 * number, window[2], window[3] * channels), np.float32)
    shares = np.empty((3 * number, window[2], window[3]), np.float32)
    light, behind, plain = (
        np.empty((rows, floats), np.float32),
        *np.zeros((2, number, rows, floats), np.float32),
    )
    share = np.empty((rows, columns), np.float32)
    front, behind_share, plain_share, sharp = np.zeros((4, number, rows, columns), np.float32)
    passed = np.ones((number, rows, columns), np.float32)
    inside = slice(halo, -halo), slice(halo, -halo)
    inside_floats = slice(halo, -halo), slice(halo * channels, -halo * channels)
    for layer in layers:
        away = abs(float(layer) - slope)
        fine = away > _FINE_RIM
        plan = rays.plans[1 if fine else 0]
        colours.fill(0)
        shares.fill(0)
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
            np.float32(inverse),
            window[0],
            window[1],
            colours,
            shares,
        )
        whole, quarter = box_taps(away), box_taps(away / PARTS)
        as_it_is = np.float32(np.interp(away, _SHARP, (1, 0)))
        for m in range(number):
            if m:
                colours[m] += colours[m - 1]
                shares[m] += shares[m - 1]
            light.fill(0)
            share.fill(0)
            native.add_box(colours[m], channels, whole, light)
            native.add_box(shares[m], 1, whole, share)
            plain[m] += colours[m][inside_floats]
            captured = shares[m][inside]
            if fine:
                native.add_box(colours[2 * number + m], channels, quarter, light)
                native.add_box(shares[2 * number + m], 1, quarter, share)
                plain[m] += colours[number + m][inside_floats]
                captured = captured + shares[number + m][inside]
            plain_share[m] += captured
            sharp[m] += as_it_is * captured
            native.lay(
                light, share, 1 / rays.areas[m], passed[m], front[m], picture[m], behind[m], behind_share[m]
            )
    for m in range(number):
        native.finish(
            passed[m], behind[m], behind_share[m], plain[m], plain_share[m], sharp[m], picture[m], kept[m]
        )


def box_taps(width: float) -> NDArray[np.float32]:
    """Weights of the pixels under a box of a width in px, middle first, so that their variance is the box's."""
    variance = width * width / 12
    whole = 0
    while 2 * sum(k * k for k in range(1, whole + 2)) / (2 * whole + 3) <= variance:
        whole += 1
    squares = 2 * sum(k * k for k in range(1, whole + 1))
    part = (variance * (2 * whole + 1) - squares) / (2 * (whole + 1) ** 2 - 2 * variance)
    taps = np.array([1.0] * (whole + 1) + [part])
    return np.asarray(taps / (2 * taps.sum() - 1), np.float32)
