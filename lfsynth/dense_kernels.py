"""Compiled loops of the dense synthetic aperture; `lfsynth.dense` says what they are for. All arrays are float32.

Rows of a picture are flat, ``x * C + c``, as in `refocus_kernels`; sums of colours and of weights lie in arrays of
their own.

What `add_layer` calls is exact about the order of operations, without ``fastmath``: with it, a run that compiles these
loops and one that loads them from numba's cache gave results that differ in their last bits.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

F32 = NDArray[np.float32]
I64 = NDArray[np.int64]

BLOCK = 16
"""px, side of the blocks in which the range of disparities is known."""

_SHOWN = np.float32(1e-4)
"""Part of the aperture below which a layer does not count at a pixel: its colour would be rounding."""

_UNHIDDEN = np.float32(1e-3)
"""Share in what fills a gap of a layer that nothing lies before, beside 1 of one behind a whole aperture of others."""

_IN_FOCUS = np.float32(1.0)
"""Distance from focus, px a view step, within which something counts as in focus beside its edge."""

FIRST = np.float32(1.2)
"""Distance from focus, px a view step, of the first layer that is spread."""

_KEYS = np.float32(-0.6)
"""The parameter of cubic convolution; see `lfsynth.warp`."""


@njit(nogil=True, cache=True)
def _keys(t: np.float32) -> tuple[np.float32, np.float32, np.float32, np.float32]:
    """Weights of the samples at -1, 0, 1, 2 for a point t in [0, 1) behind sample 0."""
    a, s = _KEYS, np.float32(1) - t
    w0 = a * t * s * s
    w3 = a * s * t * t
    w1 = ((a + np.float32(2)) * t - (a + np.float32(3))) * t * t + np.float32(1)
    return w0, w1, np.float32(1) - w0 - w1 - w3, w3


@njit(nogil=True, cache=True)
def block_extremes(disparity: F32, lows: F32, highs: F32) -> None:
    """Least and greatest disparity of each block of a map (H, W), to (H / BLOCK, W / BLOCK), rounded up."""
    height, width = disparity.shape
    low, high = np.empty(width, np.float32), np.empty(width, np.float32)
    for i in range(lows.shape[0]):
        low[:] = np.inf
        high[:] = -np.inf
        for y in range(i * BLOCK, min((i + 1) * BLOCK, height)):
            row = disparity[y]
            for x in range(width):
                low[x] = low[x] if low[x] < row[x] else row[x]
                high[x] = high[x] if high[x] > row[x] else row[x]
        for j in range(lows.shape[1]):
            lows[i, j] = low[j * BLOCK : (j + 1) * BLOCK].min()
            highs[i, j] = high[j * BLOCK : (j + 1) * BLOCK].max()


@njit(nogil=True, cache=True)
def extremes(
    lows: F32, highs: F32, shifts: F32, top: int, left: int, rows: int, columns: int
) -> tuple[np.float32, np.float32]:
    """Least and greatest disparity in a window of pixels, which is moved by (N, 2) px from map to map.

    ``lows`` and ``highs`` (N, H / BLOCK, W / BLOCK) are the maps' extremes in blocks; blocks count as a whole.
    """
    _, height, width = lows.shape
    low, high = np.float32(1e9), np.float32(-1e9)
    for i in range(len(lows)):
        y0, x0 = top + int(np.rint(shifts[i, 0])), left + int(np.rint(shifts[i, 1]))
        y1, x1 = (y0 + rows - 1) // BLOCK + 1, (x0 + columns - 1) // BLOCK + 1
        for y in range(max(y0 // BLOCK, 0), min(y1, height)):
            for x in range(max(x0 // BLOCK, 0), min(x1, width)):
                low = min(low, lows[i, y, x])
                high = max(high, highs[i, y, x])
    return low, high


@njit(nogil=True, cache=True)
def _cut_layer(
    view: F32,
    disparity: F32,
    nearby: F32,
    slope: float,
    top: int,
    left: int,
    channels: int,
    layer: float,
    inverses: tuple[float, float],
    colour: F32,
    share: F32,
) -> tuple[int, int]:
    """A window of a view times the share of each pixel in a layer; the first row that has any, and the last, plus 1.

    Of the other rows so many are set to 0 as the kernel reaches.
    """
    height, width = disparity.shape
    rows, columns = share.shape
    x0, x1 = max(left, 0), min(left + columns, width)
    y0, y1 = max(top, 0), min(top + rows, height)
    if x0 >= x1 or y0 >= y1:
        return 0, 0
    two, one, zero = np.float32(2), np.float32(1), np.float32(0)
    nearer, farther = inverses
    spread = layer - slope
    first, last = rows, 0
    for y in range(rows):
        if y + top < y0 or y + top >= y1:
            share[y] = zero
            continue
        share[y, : x0 - left] = zero
        share[y, x1 - left :] = zero
        line = share[y, x0 - left : x1 - left]
        source = disparity[y + top, x0:x1]
        near = nearby[y + top, x0:x1]
        # Comparisons one by one rather than min and max, which are slower for what they do with NaN.
        for x in range(line.size):
            beside, own = near[x] - slope, source[x] - slope
            d = beside if abs(beside) < _IN_FOCUS else own
            # Up to half the first layer's distance all is in focus.
            above, below = two * d + FIRST, two * d - FIRST
            above = above if above < zero else zero
            below = below if below > zero else zero
            away = (above if above > d else d) + (below if below < d else d) - d - spread
            over, under = away * nearer, -away * farther
            part = one - (over if over > under else under)
            line[x] = part if part > zero else zero
        some = False
        for x in range(line.size):
            if line[x] > zero:
                some = True
                break
        if some:
            first, last = min(first, y), y + 1
    if first >= last:
        return 0, 0
    three = np.uint64(3)
    for y in range(max(first - 3, 0), min(last + 3, rows)):
        if y < first or y >= last:
            colour[y] = zero
            continue
        colour[y, : (x0 - left) * channels] = zero
        colour[y, (x1 - left) * channels :] = zero
        target = colour[y, (x0 - left) * channels : (x1 - left) * channels]
        source = view[y + top, x0 * channels : x1 * channels]
        line = share[y, x0 - left : x1 - left]
        if channels == 3:
            for x in range(np.uint64(line.size)):
                red = three * np.uint64(x)
                target[red] = line[x]
                target[red + np.uint64(1)] = line[x]
                target[red + np.uint64(2)] = line[x]
            for i in range(target.size):
                target[i] *= source[i]
        else:
            for x in range(line.size):
                target[x] = source[x] * line[x]
    return first, last


@njit(nogil=True, cache=True)
def _add_rows(
    source: F32, filled: tuple[int, int], first: int, at: np.float32, weight: float, sheet: F32
) -> None:
    """Add rows of a window, from row ``first`` + ``at`` on, at in [0, 1), to a sheet of the same row length.

    Only the rows from ``filled[0]`` to before ``filled[1]`` are not 0.
    """
    a0, a1, a2, a3 = _keys(at)
    a0, a1, a2, a3 = a0 * weight, a1 * weight, a2 * weight, a3 * weight
    for r in range(max(filled[0] - first - 2, 0), min(filled[1] - first + 1, sheet.shape[0])):
        s0, s1, s2, s3 = (
            source[r + first - 1],
            source[r + first],
            source[r + first + 1],
            source[r + first + 2],
        )
        line = sheet[r]
        for i in range(line.size):
            line[i] += a0 * s0[i] + a1 * s1[i] + a2 * s2[i] + a3 * s3[i]


@njit(nogil=True, cache=True)
def _add_columns(sheet: F32, step: int, first: int, at: np.float32, target: F32) -> None:
    """Add a sheet, from pixel ``first`` + ``at`` of ``step`` floats on, to a sum."""
    b0, b1, b2, b3 = _keys(at)
    for r in range(target.shape[0]):
        s0, s1 = sheet[r, (first - 1) * step :], sheet[r, first * step :]
        s2, s3 = sheet[r, (first + 1) * step :], sheet[r, (first + 2) * step :]
        line = target[r]
        for i in range(line.size):
            line[i] += b0 * s0[i] + b1 * s1[i] + b2 * s2[i] + b3 * s3[i]


@njit(nogil=True, cache=True)
def add_layer(
    views: F32,
    used: I64,
    maps: F32,
    nearby: F32,
    starts: I64,
    downs: F32,
    weights: F32,
    sheets: I64,
    rights: F32,
    targets: I64,
    shifts: F32,
    slope: float,
    layer: float,
    inverses: tuple[float, float],
    top: int,
    left: int,
    colours: F32,
    shares: F32,
) -> None:
    """Sum one layer of the views over the aperture, on a tile.

    Rows come first: all views of one column of the aperture are added to sheets, which are then moved along the rows.

    Parameters
    ----------
    views : (U, V, H, W * C)
    used : (N, 2), which of them, those of one column of the aperture one after the other
    maps, nearby : (N, H, W), disparity of their pixels, and greatest disparity about these
    starts : (N + 1,), where each view's entries begin: the points of the aperture that it stands for
    downs, weights, sheets : (E,), of each entry: how many view steps it lies below the view, weight, and its sheet
    rights, targets : (S,), of each sheet: how many view steps its points lie to the right of the views, and the sum
        that it is added to
    shifts : (N, 2) px, where the picture's pixel (0, 0) lies in each view
    slope : in focus
    layer, inverses : disparity of the layer, and 1 over the distances, nearer and farther, from which on a pixel has
        no share in it; 0 where none is too far
    top, left : of the tile in the picture
    colours, shares : (T, rows, columns * C) and (T, rows, columns), sums of light and of weight, which are added to
    """
    _, rows, columns = shares.shape
    channels = colours.shape[2] // columns
    spread = layer - slope
    extra = int(np.ceil(abs(spread))) + 5
    colour = np.empty((rows + extra, (columns + extra) * channels), np.float32)
    share = np.empty((rows + extra, columns + extra), np.float32)
    number = len(rights)
    colour_sheets = np.empty((number, rows, (columns + extra) * channels), np.float32)
    share_sheets = np.empty((number, rows, columns + extra), np.float32)
    filled = np.zeros(number, np.bool_)
    least_right, least_down = np.float32(0), np.float32(0)
    for s in range(number):
        least_right = min(least_right, spread * rights[s])
    for e in range(len(downs)):
        least_down = min(least_down, spread * downs[e])
    for i in range(len(used)):
        u, v = used[i]
        y0 = int(np.floor(shifts[i, 0] + least_down)) - 1
        x0 = int(np.floor(shifts[i, 1] + least_right)) - 1
        with_share = _cut_layer(
            views[u, v],
            maps[i],
            nearby[i],
            slope,
            top + y0,
            left + x0,
            channels,
            layer,
            inverses,
            colour,
            share,
        )
        if with_share[0] < with_share[1]:
            for e in range(starts[i], starts[i + 1]):
                s = sheets[e]
                if not filled[s]:
                    colour_sheets[s] = 0
                    share_sheets[s] = 0
                    filled[s] = True
                at = shifts[i, 0] + spread * downs[e]
                whole = int(np.floor(at))
                part = np.float32(at - whole)
                _add_rows(colour, with_share, whole - y0, part, weights[e], colour_sheets[s])
                _add_rows(share, with_share, whole - y0, part, weights[e], share_sheets[s])
        if i + 1 < len(used) and used[i + 1, 1] == v:
            continue
        for s in range(number):
            if filled[s]:
                at = shifts[i, 1] + spread * rights[s]
                whole = int(np.floor(at))
                part = np.float32(at - whole)
                _add_columns(colour_sheets[s], channels, whole - x0, part, colours[targets[s]])
                _add_columns(share_sheets[s], 1, whole - x0, part, shares[targets[s]])
                filled[s] = False


@njit(nogil=True, fastmath=True, cache=True)
def add_box(picture: F32, step: int, taps: F32, out: F32) -> None:
    """Filter along both axes by symmetric taps, middle first, and add to ``out``.

    ``out`` is the middle of ``picture`` and has at least taps.size - 1 pixels of ``step`` floats less on each side.
    """
    reach = taps.size - 1
    rows, n = out.shape
    top = (picture.shape[0] - rows) // 2
    left = (picture.shape[1] - n) // 2 - reach * step
    line = np.empty(n + 2 * reach * step, np.float32)
    for r in range(rows):
        here = picture[top + r, left:]
        for i in range(line.size):
            line[i] = taps[0] * here[i]
        for k in range(1, taps.size):
            over, under = picture[top + r - k, left:], picture[top + r + k, left:]
            for i in range(line.size):
                line[i] += taps[k] * (over[i] + under[i])
        target = out[r]
        for i in range(n):
            target[i] += taps[0] * line[i + reach * step]
        for k in range(1, taps.size):
            before, after = line[(reach - k) * step :], line[(reach + k) * step :]
            for i in range(n):
                target[i] += taps[k] * (before[i] + after[i])


@njit(nogil=True, cache=True)
def lay(
    light: F32,
    share: F32,
    inverse_area: float,
    passed: F32,
    front: F32,
    picture: F32,
    behind: F32,
    behind_share: F32,
) -> None:
    """Lay a layer behind those before it, at each pixel.

    Parameters
    ----------
    light, share : (rows, columns * C) and (rows, columns), sums of the layer's light and weight
    inverse_area : 1 over the weight of the whole aperture
    passed : part of the aperture that no layer has covered yet
    front : part of the aperture that layers before this one cover
    picture : light of the layers so far
    behind, behind_share : light and weight of what is to fill the part that no layer covers
    """
    rows, columns = share.shape
    channels = light.shape[1] // columns
    for y in range(rows):
        for x in range(columns):
            w = share[y, x] * inverse_area
            if w <= _SHOWN:
                continue
            use = min(w, passed[y, x])
            hidden = front[y, x] + _UNHIDDEN
            passed[y, x] -= use
            front[y, x] += w
            behind_share[y, x] += hidden * w
            for c in range(channels):
                i = x * channels + c
                own = light[y, i] * inverse_area
                picture[y, i] += use / w * own
                behind[y, i] += hidden * own


@njit(nogil=True, cache=True)
def finish(
    passed: F32,
    behind: F32,
    behind_share: F32,
    plain: F32,
    plain_share: F32,
    sharp: F32,
    picture: F32,
    kept: F32,
) -> None:
    """Fill what no layer covers, and tell what of the captured views' sum is to be kept.

    Parameters
    ----------
    passed, behind, behind_share, picture : see `lay`; ``picture`` is completed
    plain, plain_share : light and weight of the captured views' sum, made as the layers are
    sharp : weight of the layers in focus in it
    kept : the part of the captured views' sum that is to be added, in [0, 1]
    """
    rows, columns = passed.shape
    channels = picture.shape[1] // columns
    for y in range(rows):
        for x in range(columns):
            if plain_share[y, x] <= _SHOWN or behind_share[y, x] <= 0:
                kept[y, x] = 1
                for c in range(channels):
                    picture[y, x * channels + c] = 0
                continue
            fill = passed[y, x] / behind_share[y, x]
            kept[y, x] = min(sharp[y, x] / plain_share[y, x], np.float32(1))
            own = kept[y, x] / plain_share[y, x]
            for c in range(channels):
                i = x * channels + c
                picture[y, i] += fill * behind[y, i] - own * plain[y, i]
