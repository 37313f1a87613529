"""Compiled kernels that turn what lies under a microlens into colours at the views' columns.

`LANES` lenses are worked at together, and the lens is the last axis of all scratch arrays, so that whatever is done
to a pixel is done to `LANES` floats in a row. A lens has a window of the sensor that begins on an even row and
column, `NEAREST` to `NEAREST` + 2 px before the disk's centre: so the Bayer pattern lies alike in all windows. A
row of a window is kept as its even and its odd columns, each one run of ``columns * LANES`` floats: so all pixels
of a run have one colour, and the pixel beside it but one is `LANES` floats further. Offsets are constants and few
arrays meet in a loop, so that the compiler finds out cheaply that they do not overlap.

1. `load`: windows of the mosaic and the white picture; black level, white balance, division by the white picture; a
   pixel's confidence is its light under the white picture, and 0 where it belongs to another lens or is defective. What
   is saturated becomes white, 1 in each colour.
2. `fill`: where confidence is low, the mean of the neighbours of the same colour under the same lens, weighted by the
   square of their confidence, takes the pixel's place.
3. `interpolate`: three colours at each pixel by the filters of `lfsynth.lytro.demosaic`, and from these, by a cubic, at
   the views' columns.
"""

from __future__ import annotations

import numpy as np
from numba import njit

LANES = 16
"""Lenses worked at together: two vectors of AVX2, one of AVX-512."""
WINDOW = 16
"""Rows and columns of a window that have colours."""
NEAREST = 7
"""Least distance of a disk's centre from its window's first row and column."""
HALO = 2
"""Pixels beyond the window on each side that the filters read."""
INPUT = WINDOW + 2 * HALO
"""Rows and columns of a window that are read."""
RUN = INPUT // 2 * LANES
"""Floats of every second column of a window's row."""
WIDE = RUN + 2 * LANES
"""With a zero column on either side."""
COLOURS = WINDOW // 2 * LANES
"""Floats of every second pixel's colour in a row."""
TAPS = 6
"""Pixels among which a view's four taps lie, wherever in its window the disk's centre is."""
VIEWS_MOST = 13
"""Views in a direction that a window has room for."""
PIXEL = 3 * LANES
"""Floats of a place in three colours."""
LINE = VIEWS_MOST * PIXEL
"""Floats of a row of places at the views' columns."""

DEFECT = 65535
"""Level that marks a defective pixel."""

_FULL = 0.6
"""Response from which on a pixel is fully trusted."""
_FLOOR = 0.04
"""Least response that is divided by."""
_STIFF = 0.3
"""How soon a pixel of little confidence gives way to its neighbours."""
_LONELY = 0.01
"""Weight of the mean of the whole disk against that of the neighbours, which have up to 12."""
_OWN_INNER = 0.462
_OWN_OUTER = 0.532
"""Distance from the disk's centre in pitches within which pixels are the lens's own, and beyond which they are not."""


@njit(cache=True, nogil=True, error_model="numpy")
def _read(levels, mosaic, y0, x0, i):
    """Row i of the windows, even columns, then odd ones; what is off the sensor is a defect."""
    height, width = mosaic.shape
    for n in range(LANES):
        y, x = y0[n] + i, x0[n]
        if 0 <= y < height and x >= 0 and x + INPUT <= width:
            source = mosaic[y, x : x + INPUT]
            for j in range(INPUT // 2):
                for p in range(2):
                    levels[p, j * LANES + n] = source[2 * j + p]
        else:
            for j in range(INPUT):
                inside = 0 <= y < height and 0 <= x + j < width
                levels[j & 1, (j >> 1) * LANES + n] = mosaic[y, x + j] if inside else DEFECT


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def load(light, trust, moments, raw, white, y0, x0, levels, down, right, pitch):
    """Read windows of the mosaic and the white picture; get light and confidence.

    Parameters
    ----------
    light, trust : (INPUT, 2, RUN), written
    moments : (INPUT + 4, 2, 2 WIDE), gets light times the square of confidence, and that square; two rows of zeros
        above and below
    raw, white : (H, W) uint16
    y0, x0 : (LANES,) int64, the windows' first rows and columns, even; what is off the sensor has no confidence
    levels : (2, 2, 5) of `lfsynth.lytro.colour.level_table`
    down, right : (LANES,) distance of the disks' centres from the windows' first pixels
    pitch : of the lenses in px
    """
    outer = np.float32((_OWN_OUTER * pitch) ** 2)
    slope = np.float32(1 / ((_OWN_OUTER * pitch) ** 2 - (_OWN_INNER * pitch) ** 2))
    zero, one, steep = np.float32(0), np.float32(1), np.float32(1 / _FULL)
    floor, defect = np.float32(_FLOOR), np.float32(DEFECT)
    offset = np.empty((2, 2 * RUN), np.float32)
    for p in range(2):
        for j in range(INPUT // 2):
            for n in range(LANES):
                offset[p, j * LANES + n] = (outer - (np.float32(2 * j + p) - right[n]) ** 2) * slope
                offset[p, j * LANES + n + RUN] = down[n]
    for i in range(INPUT):
        _read(light[i], raw, y0, x0, i)
        _read(trust[i], white, y0, x0, i)
        for p in range(2):
            value, confidence, room, moment = light[i, p], trust[i, p], offset[p], moments[i + 2, p]
            black, gain, full, dark, response = levels[i & 1, p]
            for k in range(RUN):
                dy = np.float32(i) - room[k + RUN]
                level = value[k]
                even = (confidence[k] - dark) * response
                own = min(max(room[k] - dy * dy * slope, zero), one)
                c = own * min(max(even * steep, zero), one)
                c = c if level < defect else zero
                v = min((level - black) * gain / max(even, floor), one)
                v = one if level >= full else v
                value[k] = v
                confidence[k] = c
                moment[k + LANES] = c * c * v
                moment[k + LANES + WIDE] = c * c


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def fill(light, trust, moments, sums):
    """Replace pixels of little confidence by the mean of the eight neighbours of their colour, in place.

    Where these have none either, the mean of the whole disk in that colour does.

    Parameters
    ----------
    light, trust, moments : of `load`
    sums : (INPUT + 4, 2, 2 RUN) scratch, two rows of zeros above and below
    """
    two, four = np.float32(2), np.float32(4)
    one, stiff, lonely = np.float32(1), np.float32(_STIFF), np.float32(_LONELY)
    disk = np.zeros((2, 2, 2 * RUN), np.float32)
    for i in range(INPUT):
        for p in range(2):
            m, s, t = moments[i + 2, p], sums[i + 2, p], disk[i & 1, p]
            for k in range(RUN):
                s[k] = m[k] + two * m[k + LANES] + m[k + 2 * LANES]
                s[k + RUN] = m[k + WIDE] + two * m[k + WIDE + LANES] + m[k + WIDE + 2 * LANES]
                t[k] += m[k + LANES]
                t[k + RUN] += m[k + WIDE + LANES]
    mean = np.empty((2, 2, RUN), np.float32)
    for i in range(2):
        for p in range(2):
            for n in range(LANES):
                total = count = np.float32(0)
                for j in range(INPUT // 2):
                    total += disk[i, p, j * LANES + n]
                    count += disk[i, p, j * LANES + n + RUN]
                for j in range(INPUT // 2):
                    mean[i, p, j * LANES + n] = lonely * total / max(count, lonely)
    for i in range(INPUT):
        for p in range(2):
            value, own, t, m = light[i, p], trust[i, p], mean[i & 1, p], moments[i + 2, p]
            above, s, below = sums[i, p], sums[i + 2, p], sums[i + 4, p]
            for k in range(RUN):
                total = above[k] + two * s[k] + below[k] - four * m[k + LANES] + t[k]
                count = above[k + RUN] + two * s[k + RUN] + below[k + RUN] - four * m[k + LANES + WIDE]
                around = total / (count + lonely)
                share = own[k] / (own[k] + stiff * (one - own[k]))
                value[k] = around + share * (value[k] - around)


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def place(taps, start, at, step):
    """Weights of Keys's cubic interpolation [1]_ at the views' places.

    Parameters
    ----------
    taps : (views, TAPS * LANES), written: weights of the pixels from start[view] on; their sum is 1
    start : (views,) first pixel, counted in the window
    at : (LANES,) distance of the disks' centres from the window's first pixel that is read
    step : between views in px

    References
    ----------
    .. [1] R. Keys, "Cubic convolution interpolation for digital image processing", IEEE TASSP 29(6), 1981,
       doi:10.1109/TASSP.1981.1163711.
    """
    views = taps.shape[0]
    zero = np.float32(0)
    for v in range(views):
        shift = np.float32((v - views // 2) * step - start[v] - HALO)
        t = taps[v]
        for n in range(LANES):
            total = zero
            for m in range(TAPS - 1):
                x = abs(at[n] + shift - np.float32(m))
                near = (np.float32(1.5) * x - np.float32(2.5)) * x * x + np.float32(1)
                far = ((np.float32(-0.5) * x + np.float32(2.5)) * x - np.float32(4)) * x + np.float32(2)
                weight = near if x < 1 else (far if x < 2 else zero)
                t[m * LANES + n] = weight
                total += weight
            # Where the window ends before the taps do, its last pixel stands for what is cut off.
            t[(TAPS - 1) * LANES + n] = np.float32(1) - total


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _filter_pixels(out, own, other, f):
    """Colours of every second pixel of a row.

    Parameters
    ----------
    out : written: COLOURS floats for each of R, G, B
    own : columns of the pixels' parity, from the pixel before on: RUN floats of their row, of the sum of those above
        and below, and of the sum of the next ones
    other : columns of the other parity, likewise, from the one before the first pixel on
    f : (3, 9) filters
    """
    r0, r1, r2, r3, r4, r5, r6, r7, r8 = f[0]
    g0, g1, g2, g3, g4, g5, g6, g7, g8 = f[1]
    b0, b1, b2, b3, b4, b5, b6, b7, b8 = f[2]
    for k in range(COLOURS):
        s0, s1, s2 = own[k + LANES], own[k + LANES + RUN], own[k + LANES + 2 * RUN]
        s3 = other[k] + other[k + LANES]
        s4 = other[k + RUN] + other[k + LANES + RUN]
        s5 = other[k + 2 * RUN] + other[k + LANES + 2 * RUN]
        s6 = own[k] + own[k + 2 * LANES]
        s7 = own[k + RUN] + own[k + 2 * LANES + RUN]
        s8 = own[k + 2 * RUN] + own[k + 2 * LANES + 2 * RUN]
        red = r0 * s0 + r1 * s1 + r2 * s2 + r3 * s3 + r4 * s4 + r5 * s5 + r6 * s6 + r7 * s7 + r8 * s8
        green = g0 * s0 + g1 * s1 + g2 * s2 + g3 * s3 + g4 * s4 + g5 * s5 + g6 * s6 + g7 * s7 + g8 * s8
        blue = b0 * s0 + b1 * s1 + b2 * s2 + b3 * s3 + b4 * s4 + b5 * s5 + b6 * s6 + b7 * s7 + b8 * s8
        out[k], out[k + COLOURS], out[k + 2 * COLOURS] = red, green, blue


@njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def interpolate(columns, light, filters, taps, start):
    """Colours at the views' columns, on all rows of the windows.

    Parameters
    ----------
    columns : (WINDOW, VIEWS_MOST, PIXEL), written up to the number of views
    light : (INPUT, 2, RUN)
    filters : (2, 2, 3, 9) by parity of row and column, colour, and distance of the pixels: 3 across times 3 down
    taps, start : of `place`, for the columns
    """
    rows = np.empty((2, 3 * RUN), np.float32)
    colours = np.empty((2, 3 * COLOURS), np.float32)
    for i in range(WINDOW):
        for p in range(2):
            row = rows[p]
            a0, a1, a2, a3, a4 = (
                light[i, p],
                light[i + 1, p],
                light[i + 2, p],
                light[i + 3, p],
                light[i + 4, p],
            )
            for k in range(RUN):
                row[k] = a2[k]
                row[k + RUN] = a1[k] + a3[k]
                row[k + 2 * RUN] = a0[k] + a4[k]
        for p in range(2):
            _filter_pixels(colours[p], rows[p], rows[1 - p, p * LANES :], filters[i & 1, p])
        for v in range(taps.shape[0]):
            t, out, first = taps[v], columns[i, v], start[v]
            even = colours[first & 1, (first >> 1) * LANES :]
            odd = colours[(first + 1) & 1, ((first + 1) >> 1) * LANES :]
            for n in range(LANES):
                t0, t1, t2 = t[n], t[n + LANES], t[n + 2 * LANES]
                t3, t4, t5 = t[n + 3 * LANES], t[n + 4 * LANES], t[n + 5 * LANES]
                out[n] = (
                    t0 * even[n]
                    + t1 * odd[n]
                    + t2 * even[n + LANES]
                    + t3 * odd[n + LANES]
                    + t4 * even[n + 2 * LANES]
                    + t5 * odd[n + 2 * LANES]
                )
                out[n + LANES] = (
                    t0 * even[n + COLOURS]
                    + t1 * odd[n + COLOURS]
                    + t2 * even[n + LANES + COLOURS]
                    + t3 * odd[n + LANES + COLOURS]
                    + t4 * even[n + 2 * LANES + COLOURS]
                    + t5 * odd[n + 2 * LANES + COLOURS]
                )
                out[n + 2 * LANES] = (
                    t0 * even[n + 2 * COLOURS]
                    + t1 * odd[n + 2 * COLOURS]
                    + t2 * even[n + LANES + 2 * COLOURS]
                    + t3 * odd[n + LANES + 2 * COLOURS]
                    + t4 * even[n + 2 * LANES + 2 * COLOURS]
                    + t5 * odd[n + 2 * LANES + 2 * COLOURS]
                )
