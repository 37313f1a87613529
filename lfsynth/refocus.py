"""Synthetic aperture refocusing by shift-and-add.

A picture focused at slope ``s`` through an aperture of weights ``w`` is::

    out(y, x) = sum_uv w(u, v) L(u, v, y - s (u - u0), x - s (v - v0)) / sum_uv w(u, v) [view (u, v) reaches (y, x)]

so that points of disparity ``s`` are in focus (R. Ng, "Digital Light Field Photography", 2006; the LFDOF dataset of
Ruan et al., doi:10.1109/TCI.2021.3092891, is made of such pictures). Views are interpolated by a cubic kernel with
prefilter (`interpolation`); o-MOMS is the default.

Borders: a view is 0 outside its frame, interpolated there like everywhere, and the picture is divided by the sum of the
same operations on views that are 1 inside. Nothing is mirrored or repeated, and a border is neither dark nor smeared;
close to it the aperture consists of the views that reach the pixel. `full_aperture_margin` tells where all do.

All slopes and apertures are made in one pass: apertures that contain each other share their work as rings, and the
prefilter is applied to the sums rather than to the views, where the target grid allows it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from lfsynth import refocus_kernels as native
from lfsynth import resample_kernels as resampled
from lfsynth.frame import Frame
from lfsynth.interpolation import OMOMS, REACH, Interpolation, cover, sampling_matrix
from lfsynth.lightfield import LightField

T = TypeVar("T")

MOST_SUMS = 240 * 1024**2
"""Bytes of unfinished pictures held at once."""
LEAST_COVER = 0.02
"""Part of an aperture that must reach a pixel for it to have a value."""


def refocus(
    lightfield: LightField,
    slopes: Sequence[float] | NDArray[np.float64],
    apertures: NDArray[np.float64],
    *,
    frame: Frame | None = None,
    interpolation: Interpolation = OMOMS,
    threads: int = 1,
) -> NDArray[np.float32]:
    """Pictures of a light field for every slope and aperture.

    Parameters
    ----------
    lightfield : its ``weights`` are multiplied into the apertures, so that dead views count for nothing
    slopes : (S,) disparities to focus at, pixels a view step, positive nearer than the captured focal plane
    apertures : (M, U, V) non-negative weights of the views (see `aperture`), not normalised; those that contain each
        other share their work
    frame : where to sample; the views' own pixels if not given. A grid coarser than the views' is averaged from
        finer ones
    interpolation : kernel by which views are shifted
    threads : how many to run

    Returns
    -------
    (S, M, H', W', C) float32 linear light; not clipped (a cubic kernel overshoots at edges by a few per cent)

    Raises
    ------
    ValueError
        If a shape is wrong, a slope is not finite, an aperture holds no live view, or shifts are so large that less
        than LEAST_COVER of an aperture reaches some pixel.
    """
    slope_array = np.asarray(slopes, dtype=np.float64)
    weights = _checked_weights(lightfield, slope_array, apertures)
    if frame is None:
        frame = Frame.native(lightfield.size)
    fine, fold = frame.refined(), frame.fold
    make = _native if fine.is_native else _resampled
    channels = lightfield.views.shape[4]
    height, width = frame.size
    # Rings are thinnest, and lose least to rounding, between apertures in order of their openings.
    order = np.argsort((weights / weights.max(axis=(1, 2), keepdims=True)).sum(axis=(1, 2)), kind="stable")
    groups = list(_slope_groups(slope_array, lightfield, fine, len(weights)))
    out = np.empty((0,), np.float32)
    for group in groups:
        pictures = make(lightfield, slope_array[group], weights[order], fine, interpolation, threads)
        if fold > 1:
            blocks = pictures.reshape(len(group), len(weights), height, fold, width, fold, channels)
            pictures = blocks.mean(axis=(3, 5), dtype=np.float32)
        if len(groups) == 1 and (group[:-1] < group[1:]).all() and (order[:-1] < order[1:]).all():
            return pictures
        if not out.size:
            out = np.empty((slope_array.size, *pictures.shape[1:]), np.float32)
        out[np.ix_(group, order)] = pictures
    return out


def reference(
    lightfield: LightField,
    slopes: Sequence[float] | NDArray[np.float64],
    apertures: NDArray[np.float64],
    *,
    frame: Frame | None = None,
    interpolation: Interpolation = OMOMS,
) -> NDArray[np.float64]:
    """What `refocus` computes, written down plainly in float64: slow, and there to be compared with."""
    slope_array = np.asarray(slopes, dtype=np.float64)
    weights = _checked_weights(lightfield, slope_array, apertures)
    if frame is None:
        frame = Frame.native(lightfield.size)
    u0, v0 = lightfield.centre
    out = np.zeros((slope_array.size, len(weights), *frame.size, lightfield.views.shape[4]))
    total = np.zeros((*out.shape[:4], 1))
    for u, v in np.argwhere(weights.any(axis=0)):
        for s, slope in enumerate(slope_array):
            across = sampling_matrix(frame.rows - slope * (u - u0), lightfield.size[0], interpolation)
            along = sampling_matrix(frame.columns - slope * (v - v0), lightfield.size[1], interpolation)
            view = np.einsum("yi,xj,ijc->yxc", across, along, lightfield.views[u, v], optimize=True)
            cover = np.outer(across.sum(axis=1), along.sum(axis=1))[..., None]
            out[s] += weights[:, u, v, None, None, None] * view
            total[s] += weights[:, u, v, None, None, None] * cover
    return np.asarray(out / total)


def full_aperture_margin(
    lightfield: LightField, slopes: Sequence[float] | NDArray[np.float64], apertures: NDArray[np.float64]
) -> tuple[int, int]:
    """Pixels (vertical, horizontal) from the border inside which every view of every aperture reaches every slope."""
    u, v = np.nonzero((np.asarray(apertures) * lightfield.weights).any(axis=0))
    u0, v0 = lightfield.centre
    farthest = float(np.abs(np.asarray(slopes, dtype=np.float64)).max())
    return math.ceil(farthest * np.abs(u - u0).max()), math.ceil(farthest * np.abs(v - v0).max())


def _checked_weights(
    lightfield: LightField, slopes: NDArray[np.float64], apertures: NDArray[np.float64]
) -> NDArray[np.float64]:
    if slopes.ndim != 1 or slopes.size == 0 or not np.isfinite(slopes).all():
        raise ValueError("slopes must be finite numbers, at least one")
    weights = np.asarray(apertures, dtype=np.float64)
    if weights.ndim != 3 or weights.shape[1:] != lightfield.grid:
        raise ValueError(
            f"apertures must be (M, {lightfield.grid[0]}, {lightfield.grid[1]}), not {weights.shape}"
        )
    if not np.isfinite(weights).all() or (weights < 0).any():
        raise ValueError("an aperture's weights must be finite and not negative")
    weights = weights * lightfield.weights
    sums = weights.sum(axis=(1, 2), keepdims=True)
    if not sums.all():
        raise ValueError("an aperture has no live view inside")
    return np.asarray(weights / sums)


def _slope_groups(
    slopes: NDArray[np.float64], lightfield: LightField, frame: Frame, n_apertures: int
) -> Iterator[NDArray[np.int64]]:
    """Indices of slopes to be worked on together: near enough for the scratch, few enough for the memory."""
    channels = lightfield.views.shape[4]
    picture = (frame.size[0] + 2 * REACH) * (frame.size[1] + 2 * REACH) * channels * 4 * n_apertures
    most = max(1, MOST_SUMS // picture)
    u0, v0 = lightfield.centre
    tallest = max(u0, lightfield.grid[0] - 1 - u0, 1)
    widest = max(v0, lightfield.grid[1] - 1 - v0, 1)
    rows = native.SCRATCH_ROWS - native.TILE_ROWS - 4
    columns = (native.TILE_STRIDE // 3) // channels
    spread = min(rows / tallest, columns / widest)
    order = np.argsort(slopes, kind="stable")
    group: list[int] = []
    for index in order:
        if group and (len(group) == most or slopes[index] - slopes[group[0]] > spread):
            yield np.array(group)
            group = []
        group.append(int(index))
    yield np.array(group)


@dataclass(frozen=True, eq=False)
class _Plan:
    """Rings of nested apertures as lists of views by column, for the kernels (see `shift_and_add`)."""

    start: NDArray[np.int64]
    entry_u: NDArray[np.int64]
    entry_ring: NDArray[np.int64]
    entry_weight: NDArray[np.float32]
    entry_share: NDArray[np.float32]
    scale: NDArray[np.float64]
    """Weight sum of each aperture, which undoes the order-by-size of the rings."""

    @staticmethod
    def of(weights: NDArray[np.float64]) -> _Plan:
        # Scaled to a common peak, nested openings of equal transmission differ only in their rims.
        scale = 1 / weights.max(axis=(1, 2))
        openings = weights * scale[:, None, None]
        rings = np.diff(openings, axis=0, prepend=np.zeros_like(openings[:1]))
        rings[np.abs(rings) < 1e-9] = 0.0
        start, entries = [0], []
        for v in range(weights.shape[2]):
            for u in range(weights.shape[1]):
                left = list(np.nonzero(rings[:, u, v])[0])
                while left:
                    m = left.pop(0)
                    share = 0.0
                    if left and left[0] == m + 1:
                        share = rings[left.pop(0), u, v] / rings[m, u, v]
                    entries.append((u, m, rings[m, u, v], share))
            start.append(len(entries))
        u_, ring, weight, share_ = (np.array(column) for column in zip(*entries, strict=True))
        return _Plan(
            np.array(start),
            u_.astype(np.int64),
            ring.astype(np.int64),
            weight.astype(np.float32),
            share_.astype(np.float32),
            scale,
        )


def _taps(
    positions: NDArray[np.float64], interpolation: Interpolation
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    floor = np.floor(positions)
    return floor.astype(np.int64), interpolation.taps(positions - floor).astype(np.float32)


def _finish(
    pictures: NDArray[np.float32],
    s: int,
    m: int,
    weights: NDArray[np.float64],
    covers: tuple[NDArray[np.float32], NDArray[np.float32]],
    scale: float,
    channels: int,
) -> None:
    """Divide a sum of views by the weight that reached each pixel."""
    row_cover, column_cover = covers[0][s], covers[1][s]
    inside = (
        *_whole(row_cover[weights[m].any(axis=1)]),
        *_whole(column_cover[weights[m].any(axis=0)]),
    )
    native.divide(
        pictures[s, m], channels, (weights[m] * scale).astype(np.float32), row_cover, column_cover, inside
    )


def _whole(cover: NDArray[np.float32]) -> tuple[int, int]:
    """First and last + 1 of the positions that every view reaches wholly; (0, 0) if there are none."""
    whole = np.nonzero((np.abs(cover - 1) < 1e-6).all(axis=0))[0]
    return (int(whole[0]), int(whole[-1]) + 1) if whole.size and np.ptp(whole) == whole.size - 1 else (0, 0)


def _check_cover(
    weights: NDArray[np.float64], covers: tuple[NDArray[np.float32], NDArray[np.float32]]
) -> None:
    corners = (0, -1)
    for s in range(len(covers[0])):
        for y in corners:
            for x in corners:
                reach = np.einsum("muv,u,v->m", weights, covers[0][s][:, y], covers[1][s][:, x])
                if reach.min() < LEAST_COVER:
                    raise ValueError(
                        "views are shifted so far that a corner of the picture is seen through less than "
                        f"{LEAST_COVER:.0%} of the aperture: take a smaller slope or radius"
                    )


def _positions(
    lightfield: LightField, slopes: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shifts -slope (u - u0) and -slope (v - v0): (S, U) and (S, V)."""
    u0, v0 = lightfield.centre
    return (
        -slopes[:, None] * (np.arange(lightfield.grid[0]) - u0),
        -slopes[:, None] * (np.arange(lightfield.grid[1]) - v0),
    )


def _native(
    lightfield: LightField,
    slopes: NDArray[np.float64],
    weights: NDArray[np.float64],
    frame: Frame,
    interpolation: Interpolation,
    threads: int,
) -> NDArray[np.float32]:
    """Pictures on the views' own pixels: sum first, then prefilter the sums."""
    channels = lightfield.views.shape[4]
    height, width = frame.size
    first_row, first_column = int(frame.rows[0]), int(frame.columns[0])
    row_shift, column_shift = _positions(lightfield, slopes)
    covers = (
        cover(row_shift[..., None] + frame.rows, lightfield.size[0], interpolation),
        cover(column_shift[..., None] + frame.columns, lightfield.size[1], interpolation),
    )
    _check_cover(weights, covers)
    plan = _Plan.of(weights)
    row_floor, row_taps = _taps(row_shift, interpolation)
    column_floor, column_taps = _taps(column_shift, interpolation)
    spread = int((column_floor.max(axis=0) - column_floor.min(axis=0)).max())
    width_in = width + 2 * REACH
    widest = (native.TILE_STRIDE - (3 + spread) * channels - 7) // 8 * 8 // channels
    columns = math.ceil(width_in / math.ceil(width_in / widest))
    padded_rows = -(-(height + 2 * REACH) // 8) * 8
    sums = np.empty((slopes.size, len(weights), padded_rows, width_in * channels), np.float32)
    views = lightfield.views.reshape(*lightfield.views.shape[:3], -1)
    out = np.empty((slopes.size, len(weights), height, width * channels), np.float32)
    half = tuple(interpolation.prefilter().astype(np.float32))

    def add(tile: tuple[int, int]) -> None:
        top, left = tile
        native.shift_and_add(
            views,
            sums[:, :, top : top + rows, left * channels : (left + columns) * channels],
            first_row - REACH + top,
            first_column - REACH + left,
            channels,
            row_floor,
            row_taps,
            column_floor,
            column_taps,
            plan.start,
            plan.entry_u,
            plan.entry_ring,
            plan.entry_weight,
            plan.entry_share,
        )

    def finish(s: int) -> None:
        for m in range(len(weights)):
            native.prefilter(sums[s, m], interpolation.pole, half, channels, out[s, m])
            _finish(out, s, m, weights, covers, plan.scale[m], channels)

    rows = _part(padded_rows, width_in, columns, native.TILE_ROWS, threads)
    _run(add, _tiles(padded_rows, width_in, rows, columns), threads)
    _run(finish, range(slopes.size), threads)
    return out.reshape(slopes.size, len(weights), height, width, channels)


def _resampled(
    lightfield: LightField,
    slopes: NDArray[np.float64],
    weights: NDArray[np.float64],
    frame: Frame,
    interpolation: Interpolation,
    threads: int,
) -> NDArray[np.float32]:
    """Pictures on any grid: prefilter the views, then sample them at each target pixel."""
    channels = lightfield.views.shape[4]
    height, width = frame.size
    row_shift, column_shift = _positions(lightfield, slopes)
    rows = row_shift[..., None] + frame.rows
    columns = column_shift[..., None] + frame.columns
    covers = (
        cover(rows, lightfield.size[0], interpolation),
        cover(columns, lightfield.size[1], interpolation),
    )
    _check_cover(weights, covers)
    plan = _Plan.of(weights)
    row_floor, row_taps = _taps(rows + REACH, interpolation)
    column_floor, column_taps = _taps(columns + REACH, interpolation)
    coefficients = _coefficients(lightfield, weights.sum(axis=0) > 0, interpolation, threads)
    out = np.empty((slopes.size, len(weights), height, width * channels), np.float32)

    def add(tile: tuple[int, int]) -> None:
        top, left = tile
        resampled.sample_and_add(
            coefficients,
            out,
            top,
            min(top + part, height),
            left,
            channels,
            row_floor,
            row_taps,
            column_floor,
            column_taps,
            plan.start,
            plan.entry_u,
            plan.entry_ring,
            plan.entry_weight,
            plan.entry_share,
        )

    def finish(s: int) -> None:
        for m in range(len(weights)):
            _finish(out, s, m, weights, covers, plan.scale[m], channels)

    part = _part(height, width, resampled.TILE_COLUMNS, resampled.STRIP_ROWS, threads)
    _run(add, _tiles(height, width, part, resampled.TILE_COLUMNS), threads)
    _run(finish, range(slopes.size), threads)
    return out.reshape(slopes.size, len(weights), height, width, channels)


def _coefficients(
    lightfield: LightField, wanted: NDArray[np.bool_], interpolation: Interpolation, threads: int
) -> NDArray[np.float32]:
    """Prefiltered views with a border, (U, V, H + 2 REACH, (W + 2 REACH) * C); unwanted ones are 0."""
    channels = lightfield.views.shape[4]
    height, width = lightfield.size
    shape = (*lightfield.grid, height + 2 * REACH, (width + 2 * REACH) * channels)
    coefficients = np.zeros(shape, np.float32)
    half = tuple(interpolation.prefilter().astype(np.float32))
    flat = lightfield.views.reshape(*lightfield.grid, height, width * channels)
    pad = 2 * REACH

    def fill(view: tuple[int, int]) -> None:
        padded = np.zeros((height + 2 * pad, (width + 2 * pad) * channels), np.float32)
        padded[pad:-pad, pad * channels : -pad * channels] = flat[view]
        native.prefilter(padded, interpolation.pole, half, channels, coefficients[view])

    _run(fill, [(int(u), int(v)) for u, v in np.argwhere(wanted)], threads)
    return coefficients


def _part(height: int, width: int, columns: int, strip: int, threads: int) -> int:
    """Rows that a thread takes at once: as many as can be, but so that all threads end together."""
    parts = 1 if threads == 1 else math.ceil(4 * threads * columns / width)
    return math.ceil(height / parts / strip) * strip


def _tiles(height: int, width: int, rows: int, columns: int) -> list[tuple[int, int]]:
    return [(top, left) for left in range(0, width, columns) for top in range(0, height, rows)]


def _run(work: Callable[[T], None], items: Iterable[T], threads: int) -> None:
    if threads == 1:
        for item in items:
            work(item)
        return
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(work, items):
            pass
