"""Compiled kernels of the decoder: from the mosaic to rows of all views, a batch of rows of lenses at a time.

A batch is `LANES` rows of lenses, every second one, so that all are shifted alike. It runs along the rows, lens by
lens, through the kernels of `lfsynth.lytro.demosaic_kernels`, and keeps each lens's colours in all views; then each
view's rows are interpolated from the lenses' places to the square grid's columns, and written.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from lfsynth.lytro.demosaic_kernels import (
    DEFECT,
    HALO,
    INPUT,
    LANES,
    LINE,
    NEAREST,
    PIXEL,
    RUN,
    TAPS,
    VIEWS_MOST,
    WIDE,
    WINDOW,
    fill,
    interpolate,
    load,
    place,
)

EDGE = 2
"""Lenses beyond either end of a row that taps may read."""


@njit(cache=True, nogil=True, error_model="numpy")
def mark_defects(marked, mosaic, first_row, last_row, margin):
    """Copy rows of the mosaic, and mark pixels that no lens can have made.

    These are far above all eight neighbours of their colour: light under a lens is spread further.

    Parameters
    ----------
    marked, mosaic : (H, W) uint16
    margin : levels by which a pixel must exceed one and a half times the neighbours' maximum
    """
    height, width = mosaic.shape
    limit = np.int32(margin)
    for y in range(first_row, last_row):
        out, row = marked[y], mosaic[y]
        out[0], out[1], out[width - 2], out[width - 1] = row[0], row[1], row[width - 2], row[width - 1]
        above, below = mosaic[y - 2 if y >= 2 else y + 2], mosaic[y + 2 if y + 2 < height else y - 2]
        for x in range(width - 4):
            most = max(max(above[x], above[x + 2]), max(above[x + 4], row[x]))
            most = max(most, max(max(row[x + 4], below[x]), max(below[x + 2], below[x + 4])))
            level = row[x + 2]
            high = np.int32(level) > limit + np.int32(most) + np.int32(most >> np.uint16(1))
            out[x + 2] = np.uint16(DEFECT) if high else level


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _to_views(lenses, at, columns, taps, start, reach):
    """Colours of the lens ``at`` in all views from those at the views' columns; ``taps, start`` are of the rows."""
    views = reach.size
    flat = columns.reshape(columns.size)
    view = 0
    for u in range(views):
        t = taps[u]
        for v in range(views // 2 - reach[u], views // 2 + reach[u] + 1):
            p, out = flat[start[u] * LINE + v * PIXEL :], lenses[view, at]
            for c in range(3):
                for n in range(LANES):
                    k = c * LANES + n
                    out[k] = (
                        t[n] * p[k]
                        + t[n + LANES] * p[k + LINE]
                        + t[n + 2 * LANES] * p[k + 2 * LINE]
                        + t[n + 3 * LANES] * p[k + 3 * LINE]
                        + t[n + 4 * LANES] * p[k + 4 * LINE]
                        + t[n + 5 * LANES] * p[k + 5 * LINE]
                    )
            view += 1


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _prefilter(line, side, factor):
    """Turn a row of lenses (lenses + 2 EDGE, PIXEL) into coefficients of the cubic, in place.

    The row goes on beyond its ends as its mirror image through its last points, so that a ramp stays one. ``side`` is
    the cubic's value a lens away from its middle; ``factor`` (lenses,) are the inverse pivots of the elimination.
    """
    last = line.shape[0] - EDGE - 1
    for q in range(EDGE + 1, last):
        p, before = line[q], line[q - 1]
        f = factor[q - EDGE]
        for k in range(PIXEL):
            p[k] = (p[k] - side * before[k]) * f
    for q in range(last - 1, EDGE, -1):
        p, after = line[q], line[q + 1]
        f = side * factor[q - EDGE]
        for k in range(PIXEL):
            p[k] -= f * after[k]
    for m in range(1, EDGE + 1):
        for end, sign in ((EDGE, 1), (last, -1)):
            p, middle, other = line[end - sign * m], line[end], line[end + sign * m]
            for k in range(PIXEL):
                p[k] = np.float32(2) * middle[k] - other[k]


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _write_view(out, offset, row_stride, stride, rows, line, floor, taps, pixel):
    """Interpolate the rows of a view at the square grid's columns and write them."""
    zero, one = np.float32(0), np.float32(1)
    for x in range(floor.size):
        q = floor[x] + EDGE - 1
        t0, t1, t2, t3 = taps[x, 0], taps[x, 1], taps[x, 2], taps[x, 3]
        p0, p1, p2, p3 = line[q], line[q + 1], line[q + 2], line[q + 3]
        for k in range(PIXEL):
            pixel[k] = min(max(t0 * p0[k] + t1 * p1[k] + t2 * p2[k] + t3 * p3[k], zero), one)
        at = offset + x * stride
        for n in range(rows):
            out[at] = pixel[n]
            out[at + 1] = pixel[n + LANES]
            out[at + 2] = pixel[n + 2 * LANES]
            at += row_stride


@njit(cache=True, nogil=True, error_model="numpy")
def see_lenses(lenses, first_row, rows, mosaic, white, geometry, levels, filters, reach):
    """Colours of a batch's lenses in all views.

    Parameters
    ----------
    lenses : (number of views, lenses + 2 EDGE, PIXEL) float32, written: the views wanted, row by row
    first_row, rows : the batch is the rows ``first_row, first_row + 2, ...`` of lenses, so many; lanes beyond repeat it
    mosaic : (H, W) uint16, defective pixels marked
    white : (H, W) uint16
    geometry : (8,) float64: origin, across and down of the lattice as (y, x), pitch and distance of views in px
    levels : (2, 2, 5) float32 of `lfsynth.lytro.colour.level_table`
    filters : (2, 2, 3, 9) float32 of `interpolate`
    reach : (views,) how many views beside the middle one are wanted in each row of views
    """
    views = reach.size
    pitch, step = geometry[6], geometry[7]
    light, trust = np.empty((INPUT, 2, RUN), np.float32), np.empty((INPUT, 2, RUN), np.float32)
    moments = np.zeros((INPUT + 4, 2, 2 * WIDE), np.float32)
    sums = np.zeros((INPUT + 4, 2, 2 * RUN), np.float32)
    columns = np.empty((WINDOW, VIEWS_MOST, PIXEL), np.float32)
    down_taps, right_taps = np.empty((2, views, TAPS * LANES), np.float32)
    down, right = np.empty((2, LANES), np.float32)
    y0, x0 = np.empty((2, LANES), np.int64)
    start = np.empty(views, np.int64)
    for u in range(views):
        first = int(np.floor(NEAREST + (u - views // 2) * step)) - 1
        start[u] = min(max(first, 0), WINDOW - TAPS)
    for q in range(lenses.shape[1] - 2 * EDGE):
        along = q + (first_row & 1) * 0.5
        for n in range(LANES):
            r = first_row + 2 * min(n, rows - 1)
            y = geometry[0] + r * geometry[4] + along * geometry[2]
            x = geometry[1] + r * geometry[5] + along * geometry[3]
            y0[n], x0[n] = (
                2 * int(np.floor((y - NEAREST) / 2)) - HALO,
                2 * int(np.floor((x - NEAREST) / 2)) - HALO,
            )
            down[n], right[n] = y - y0[n], x - x0[n]
        place(down_taps, start, down, step)
        place(right_taps, start, right, step)
        load(light, trust, moments, mosaic, white, y0, x0, levels, down, right, pitch)
        fill(light, trust, moments, sums)
        interpolate(columns, light, filters, right_taps, start)
        _to_views(lenses, q + EDGE, columns, down_taps, start, reach)


@njit(cache=True, nogil=True, error_model="numpy")
def write_views(out, offset, strides, first_row, rows, lenses, reach, side, factor, floor, taps):
    """Interpolate a batch along its rows, and write it.

    Parameters
    ----------
    out : (N,) float32, all of the light field's floats
    offset, strides : of its first element, and of the axes u, v, y, x, in floats, any sign; colours are neighbours
    first_row, rows, lenses, reach : of `see_lenses`; the lenses are changed
    side, factor : of the cubic's prefilter, see `_prefilter`
    floor, taps : (W,) and (W, 4), for the square grid's columns: lens and weights of it and its neighbours, -1 .. 2
    """
    views = reach.size
    pixel = np.empty(PIXEL, np.float32)
    view = 0
    for u in range(views):
        for v in range(views // 2 - reach[u], views // 2 + reach[u] + 1):
            line = lenses[view]
            _prefilter(line, side, factor)
            at = offset + u * strides[0] + v * strides[1] + first_row * strides[2]
            _write_view(out, at, 2 * strides[2], strides[3], rows, line, floor, taps, pixel)
            view += 1
