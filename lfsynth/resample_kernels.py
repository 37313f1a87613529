"""Compiled kernels of the refocus engine: shift-and-add sampled on any grid.

`refocus_kernels` is for pictures on the views' own grid, where all pixels of a row share their taps. Here each
target row and column has taps of its own, and reads views that are prefiltered beforehand. Vertical taps are
vectorised along x, two target rows at a time, which mostly read the same source rows; then a sheet is transposed, so
that the horizontal taps are vectorised along y.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from lfsynth.refocus_kernels import F32, I64, copy_window, fill

STRIP_ROWS = 64
"""Target rows of a strip, and floats of a transposed column; even."""
TILE_COLUMNS = 96
"""Target columns of a tile."""
SHEET_STRIDE = 304
"""Floats in a row of a sheet: three channels of TILE_COLUMNS source pixels and the taps beside them."""
LINE_STRIDE = 424
"""Floats in a scratch row: those of a sheet, and the spread of horizontal shifts over the slopes."""
SCRATCH_ROWS = 96
"""Rows of a view in the scratch: STRIP_ROWS and the taps, the rest for the spread of vertical shifts."""


@njit(fastmath=True, nogil=True, cache=True)
def _two_rows(
    sheet: F32,
    s: F32,
    n: int,
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
    """Add taps of five source rows of ``s`` to two rows of a sheet; the first needs but four of them."""
    for x in range(n):
        s0 = s[x]
        s1 = s[x + LINE_STRIDE]
        s2 = s[x + 2 * LINE_STRIDE]
        s3 = s[x + 3 * LINE_STRIDE]
        s4 = s[x + 4 * LINE_STRIDE]
        sheet[x] += a0 * s0 + a1 * s1 + a2 * s2 + a3 * s3
        sheet[x + SHEET_STRIDE] += b0 * s0 + b1 * s1 + b2 * s2 + b3 * s3 + b4 * s4


@njit(fastmath=True, nogil=True, cache=True)
def _two_rows_shared(
    sheet: F32,
    s: F32,
    n: int,
    a0: float,
    a1: float,
    a2: float,
    a3: float,
    b0: float,
    b1: float,
    b2: float,
    b3: float,
    b4: float,
    share: float,
) -> None:
    """As `_two_rows`, and ``share`` of the same rows to the next ring's sheet."""
    for x in range(n):
        s0 = s[x]
        s1 = s[x + LINE_STRIDE]
        s2 = s[x + 2 * LINE_STRIDE]
        s3 = s[x + 3 * LINE_STRIDE]
        s4 = s[x + 4 * LINE_STRIDE]
        one = a0 * s0 + a1 * s1 + a2 * s2 + a3 * s3
        two = b0 * s0 + b1 * s1 + b2 * s2 + b3 * s3 + b4 * s4
        sheet[x] += one
        sheet[x + SHEET_STRIDE] += two
        sheet[x + STRIP_ROWS * SHEET_STRIDE] += share * one
        sheet[x + STRIP_ROWS * SHEET_STRIDE + SHEET_STRIDE] += share * two


@njit(fastmath=True, nogil=True, cache=True)
def _add_four(a: F32, s: F32, i: int, step: int, c0: float, c1: float, c2: float, c3: float) -> None:
    """Add four taps, ``step`` floats apart from the i-th on, to ``a``."""
    s0 = s[i : i + a.size]
    s1 = s[i + step : i + step + a.size]
    s2 = s[i + 2 * step : i + 2 * step + a.size]
    s3 = s[i + 3 * step : i + 3 * step + a.size]
    for x in range(a.size):
        a[x] += c0 * s0[x] + c1 * s1[x] + c2 * s2[x] + c3 * s3[x]


@njit(fastmath=True, nogil=True, cache=True)
def _transpose(target: F32, source: F32) -> None:
    """target[x, c, r] = source[r, x * C + c] for a (STRIP_ROWS, n * C) sheet."""
    for x in range(target.shape[0]):
        for c in range(target.shape[1]):
            column = target[x, c]
            for r in range(STRIP_ROWS):
                column[r] = source[r, x * target.shape[1] + c]


@njit(fastmath=True, nogil=True, cache=True)
def sample_and_add(
    coefficients: F32,
    out: F32,
    first_row: int,
    last_row: int,
    x0: int,
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
    """Sum the views on TILE_COLUMNS target columns from ``x0``, strip by strip downwards, for every slope and ring.

    Parameters
    ----------
    coefficients : (U, V, H, W * C) prefiltered views with a border for what the prefilter leaves outside
    out : (S, M, H', W' * C); the rows from first_row up to last_row are written, aperture m the sum of the rings 0..m;
        target rows are at most one source row apart
    row_floor, row_taps : (S, U, H') and (S, U, H', 4): sample ``floor`` and its taps at floor - 1 .. floor + 2, in
        rows of ``coefficients``; samples outside count as 0
    column_floor, column_taps : (S, V, W') and (S, V, W', 4), likewise
    start, entry_u, entry_ring, entry_weight, entry_share : as in `refocus_kernels.shift_and_add`
    """
    n_slopes, n_rings = out.shape[:2]
    n_u, n_v = coefficients.shape[:2]
    columns = min(TILE_COLUMNS, out.shape[3] // channels - x0)
    pixel = n_rings * channels * STRIP_ROWS
    sheets = np.empty((n_rings, STRIP_ROWS, SHEET_STRIDE), np.float32)
    sheet_floats = sheets.reshape(sheets.size)
    transposed = np.zeros((TILE_COLUMNS + 4, n_rings, channels, STRIP_ROWS), np.float32)
    flat = transposed.reshape(transposed.size)
    totals = np.empty((n_slopes, TILE_COLUMNS, n_rings, channels, STRIP_ROWS), np.float32)
    row_least = np.empty(n_u, np.int64)
    row_count = np.empty(n_u, np.int64)
    scratch = np.zeros((n_u, SCRATCH_ROWS, LINE_STRIDE), np.float32)
    scratch_floats = scratch.reshape(scratch.size)
    for y0 in range(first_row, last_row, STRIP_ROWS):
        rows = min(STRIP_ROWS, last_row - y0)
        for u in range(n_u):
            row_least[u] = row_floor[:, u, y0].min() - 1
            row_count[u] = row_floor[:, u, y0 + rows - 1].max() + 4 - row_least[u]
        fill(totals.reshape(totals.size), np.float32(0))
        for v in range(n_v):
            if start[v] == start[v + 1]:
                continue
            leftmost = column_floor[:, v, x0].min() - 1
            line_floats = (column_floor[:, v, x0 + columns - 1].max() + 3 - leftmost) * channels
            first_ring = n_rings
            last_ring = 0
            for j in range(start[v], start[v + 1]):
                u = entry_u[j]
                first_ring = min(first_ring, entry_ring[j])
                last_ring = max(last_ring, entry_ring[j] + (entry_share[j] != 0))
                if j == start[v] or entry_u[j - 1] != u:
                    window = scratch[u, : row_count[u], :line_floats]
                    copy_window(window, coefficients[u, v], row_least[u], leftmost * channels)
            for s in range(n_slopes):
                left = column_floor[s, v, x0] - 1
                n = (column_floor[s, v, x0 + columns - 1] + 3 - left) * channels
                skip = (left - leftmost) * channels
                fill(
                    sheets[first_ring : last_ring + 1].reshape(
                        (last_ring + 1 - first_ring) * STRIP_ROWS * SHEET_STRIDE
                    ),
                    np.float32(0),
                )
                for j in range(start[v], start[v + 1]):
                    u = entry_u[j]
                    m = entry_ring[j]
                    share = entry_share[j]
                    w = entry_weight[j]
                    for r in range(0, rows, 2):
                        y = row_floor[s, u, y0 + r]
                        i = (u * SCRATCH_ROWS + y - 1 - row_least[u]) * LINE_STRIDE + skip
                        a0 = w * row_taps[s, u, y0 + r, 0]
                        a1 = w * row_taps[s, u, y0 + r, 1]
                        a2 = w * row_taps[s, u, y0 + r, 2]
                        a3 = w * row_taps[s, u, y0 + r, 3]
                        b0 = b1 = b2 = b3 = b4 = np.float32(0)
                        if r + 1 < rows:
                            t0 = w * row_taps[s, u, y0 + r + 1, 0]
                            t1 = w * row_taps[s, u, y0 + r + 1, 1]
                            t2 = w * row_taps[s, u, y0 + r + 1, 2]
                            t3 = w * row_taps[s, u, y0 + r + 1, 3]
                            if row_floor[s, u, y0 + r + 1] == y:
                                b0, b1, b2, b3 = t0, t1, t2, t3
                            else:
                                b1, b2, b3, b4 = t0, t1, t2, t3
                        sheet = sheet_floats[(m * STRIP_ROWS + r) * SHEET_STRIDE :]
                        lines = scratch_floats[i:]
                        if share == 0:
                            _two_rows(sheet, lines, n, a0, a1, a2, a3, b0, b1, b2, b3, b4)
                        else:
                            _two_rows_shared(sheet, lines, n, a0, a1, a2, a3, b0, b1, b2, b3, b4, share)
                for m in range(first_ring, last_ring + 1):
                    _transpose(transposed[: n // channels, m], sheets[m])
                inner = first_ring * channels * STRIP_ROWS
                outer = (last_ring + 1) * channels * STRIP_ROWS
                for x in range(columns):
                    _add_four(
                        totals[s, x].reshape(pixel)[inner:outer],
                        flat,
                        (column_floor[s, v, x0 + x] - 1 - left) * pixel + inner,
                        pixel,
                        column_taps[s, v, x0 + x, 0],
                        column_taps[s, v, x0 + x, 1],
                        column_taps[s, v, x0 + x, 2],
                        column_taps[s, v, x0 + x, 3],
                    )
        for s in range(n_slopes):
            for x in range(columns):
                for m in range(1, n_rings):
                    smaller = totals[s, x, m - 1].reshape(channels * STRIP_ROWS)
                    larger = totals[s, x, m].reshape(channels * STRIP_ROWS)
                    for k in range(larger.size):
                        larger[k] += smaller[k]
            for m in range(n_rings):
                for r in range(rows):
                    line = out[s, m, y0 + r, x0 * channels : (x0 + columns) * channels]
                    for x in range(columns):
                        for c in range(channels):
                            line[x * channels + c] = totals[s, x, m, c, r]
