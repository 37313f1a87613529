"""Compiled kernels of the refocus engine: shift-and-add sampled on any grid.

`refocus_kernels` is for pictures on the views' own grid, where all pixels of a row share their taps. Here each target row
and column has taps of its own, and reads views that are prefiltered beforehand. Vertical taps are vectorised along x, two
target rows at a time, which mostly read the same source rows; then a sheet is transposed, so that the horizontal taps are
vectorised along y. Positions in flat arrays are unsigned, which spares the compiler Python's negative indices.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from lfsynth.refocus_kernels import F32, I64, _fill

STRIP_ROWS = 32
"""Target rows of a strip, and floats of a transposed column; even."""
TILE_COLUMNS = 192
"""Target columns of a tile."""


@njit(fastmath=True, nogil=True, cache=True)
def _two_rows(
    a: F32,
    b: F32,
    s: F32,
    i0: int,
    i1: int,
    i2: int,
    i3: int,
    i4: int,
    a0: float,
    a1: float,
    a2: float,
    a3: float,
    b0: float,
    b1: float,
    b2: float,
    b3: float,
    b4: float,
) -> None:
    """Add taps of five source rows, which begin at i0 .. i4 of ``s``, to two rows; the first needs four of them."""
    s0 = s[i0 : i0 + a.size]
    s1 = s[i1 : i1 + a.size]
    s2 = s[i2 : i2 + a.size]
    s3 = s[i3 : i3 + a.size]
    s4 = s[i4 : i4 + a.size]
    for x in range(a.size):
        a[x] += a0 * s0[x] + a1 * s1[x] + a2 * s2[x] + a3 * s3[x]
        b[x] += b0 * s0[x] + b1 * s1[x] + b2 * s2[x] + b3 * s3[x] + b4 * s4[x]


@njit(fastmath=True, nogil=True, cache=True)
def _add_four(a: F32, s: F32, i: int, step: int, c0: float, c1: float, c2: float, c3: float) -> None:
    """Add four taps, ``step`` floats apart from the i-th on, to ``a``."""
    s0 = s[i : i + step]
    s1 = s[i + step : i + 2 * step]
    s2 = s[i + 2 * step : i + 3 * step]
    s3 = s[i + 3 * step : i + 4 * step]
    for x in range(a.size):
        a[x] += c0 * s0[x] + c1 * s1[x] + c2 * s2[x] + c3 * s3[x]


@njit(fastmath=True, nogil=True, cache=True)
def _transpose(target: F32, source: F32) -> None:
    """target[x, r] = source[r, x] for a (STRIP_ROWS, n) sheet."""
    for x in range(source.shape[1]):
        column = target[x]
        for r in range(STRIP_ROWS):
            column[r] = source[r, x]


@njit(fastmath=True, nogil=True, cache=True)
def sample_and_add(
    coefficients: F32,
    out: F32,
    first_row: int,
    channels: int,
    row_floor: I64,
    row_taps: F32,
    column_floor: I64,
    column_taps: F32,
    start: I64,
    entry_u: I64,
    entry_ring: I64,
    entry_weight: F32,
    entry_share: F32,
) -> None:
    """Sum the views on STRIP_ROWS target rows from ``first_row``, for every slope and ring, into ``out``.

    Parameters
    ----------
    coefficients : (U, V, H, W * C) prefiltered views with a border that ends in zeros on all sides
    out : (S, M, H', W' * C), the strip's rows are written, aperture m the sum of the rings 0..m; target rows are at most
        one source row apart
    row_floor, row_taps : (S, U, H') and (S, U, H', 4): sample ``floor`` and its taps at floor - 1 .. floor + 2, in rows of
        ``coefficients``; samples outside count as 0
    column_floor, column_taps : (S, V, W') and (S, V, W', 4), likewise
    start, entry_u, entry_ring, entry_weight, entry_share : as in `refocus_kernels.shift_and_add`
    """
    n_slopes, n_rings, height, width = out.shape
    width //= channels
    n_v, source_height, source_floats = coefficients.shape[1:]
    rows = min(STRIP_ROWS, height - first_row)
    step = channels * STRIP_ROWS
    widest = (TILE_COLUMNS + 4) * channels
    sheets = np.empty((n_rings, STRIP_ROWS * widest), np.float32)
    transposed = np.empty(widest * STRIP_ROWS, np.float32)
    shared = np.empty((2, widest), np.float32)
    totals = np.empty((n_rings, TILE_COLUMNS, step), np.float32)
    used = np.empty(n_rings, np.bool_)
    for x0 in range(0, width, TILE_COLUMNS):
        columns = min(TILE_COLUMNS, width - x0)
        for s in range(n_slopes):
            _fill(totals.reshape(totals.size), np.float32(0))
            for v in range(n_v):
                if start[v] == start[v + 1]:
                    continue
                left = (column_floor[s, v, x0] - 1) * channels
                span = (column_floor[s, v, x0 + columns - 1] + 3) * channels - left
                begin = min(max(left, 0), source_floats)
                n = max(begin, min(left + span, source_floats)) - begin
                skip = begin - left
                _fill(sheets.reshape(sheets.size), np.float32(0))
                used[:] = False
                for j in range(start[v], start[v + 1]):
                    u = entry_u[j]
                    m = entry_ring[j]
                    share = entry_share[j]
                    used[m] = True
                    if share != 0:
                        used[m + 1] = True
                    view = coefficients[u, v].reshape(source_height * source_floats)
                    w = entry_weight[j]
                    for r in range(0, rows, 2):
                        y = row_floor[s, u, first_row + r]
                        i0 = min(max(y - 1, 0), source_height - 1) * source_floats + begin
                        i1 = min(max(y, 0), source_height - 1) * source_floats + begin
                        i2 = min(max(y + 1, 0), source_height - 1) * source_floats + begin
                        i3 = min(max(y + 2, 0), source_height - 1) * source_floats + begin
                        i4 = min(max(y + 3, 0), source_height - 1) * source_floats + begin
                        a = row_taps[s, u, first_row + r]
                        b0 = b1 = b2 = b3 = b4 = np.float32(0)
                        if r + 1 < rows:
                            b = row_taps[s, u, first_row + r + 1]
                            if row_floor[s, u, first_row + r + 1] == y:
                                b0, b1, b2, b3 = w * b[0], w * b[1], w * b[2], w * b[3]
                            else:
                                b1, b2, b3, b4 = w * b[0], w * b[1], w * b[2], w * b[3]
                        if share == 0:
                            line = sheets[m, r * span + skip :]
                            _two_rows(
                                line[:n],
                                line[span : span + n],
                                view,
                                i0,
                                i1,
                                i2,
                                i3,
                                i4,
                                w * a[0],
                                w * a[1],
                                w * a[2],
                                w * a[3],
                                b0,
                                b1,
                                b2,
                                b3,
                                b4,
                            )
                        else:
                            _fill(shared[0, :n], np.float32(0))
                            _fill(shared[1, :n], np.float32(0))
                            _two_rows(
                                shared[0, :n],
                                shared[1, :n],
                                view,
                                i0,
                                i1,
                                i2,
                                i3,
                                i4,
                                w * a[0],
                                w * a[1],
                                w * a[2],
                                w * a[3],
                                b0,
                                b1,
                                b2,
                                b3,
                                b4,
                            )
                            for k in range(2):
                                smaller = sheets[m, (r + k) * span + skip :]
                                larger = sheets[m + 1, (r + k) * span + skip :]
                                for x in range(n):
                                    smaller[x] += shared[k, x]
                                    larger[x] += share * shared[k, x]
                for m in range(n_rings):
                    if not used[m]:
                        continue
                    sheet = sheets[m, : STRIP_ROWS * span].reshape(STRIP_ROWS, span)
                    _transpose(transposed[: span * STRIP_ROWS].reshape(span, STRIP_ROWS), sheet)
                    for x in range(columns):
                        _add_four(
                            totals[m, x],
                            transposed,
                            (column_floor[s, v, x0 + x] - 1) * step - left * STRIP_ROWS,
                            step,
                            column_taps[s, v, x0 + x, 0],
                            column_taps[s, v, x0 + x, 1],
                            column_taps[s, v, x0 + x, 2],
                            column_taps[s, v, x0 + x, 3],
                        )
            for m in range(n_rings):
                if m > 0:
                    for x in range(columns):
                        larger = totals[m, x]
                        smaller = totals[m - 1, x]
                        for i in range(step):
                            larger[i] += smaller[i]
                for r in range(rows):
                    line = out[s, m, first_row + r, x0 * channels : (x0 + columns) * channels]
                    for x in range(columns):
                        for c in range(channels):
                            line[x * channels + c] = totals[m, x, c * STRIP_ROWS + r]
