"""Compiled loops of `lfsynth.dense_disparity`, which says what they are for. All arrays are float32."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

F32 = NDArray[np.float32]

BLOCK = 4
"""px, side of the blocks that are judged as a whole."""

_STRIDE = 2
"""Of a block's pixels so many are passed over along each axis for one that is looked at, and that one."""

_SAME = np.float32(0.5)
"""px a view step: a place of the centre view whose disparity differs more shows something else."""

_NOWHERE = np.float32(-1e9)
"""Disparity of a pixel that nothing was moved to."""


@njit(nogil=True, cache=True)
def move_disparity(centre: F32, du: float, dv: float, out: F32) -> None:
    """The centre view's disparity as seen from the view ``du, dv`` steps away, nearer points before farther ones.

    What no pixel of the centre view is moved to (it is hidden there, or outside) gets the lesser disparity of the
    nearest known pixels on both sides, along the row or the column, whichever are closer together: it belongs to what
    lies behind.
    """
    height, width = centre.shape
    far = height + width
    out[:] = _NOWHERE
    for y in range(height):
        for x in range(width):
            d = centre[y, x]
            ty = int(np.floor(y - d * du + 0.5))
            tx = int(np.floor(x - d * dv + 0.5))
            if 0 <= ty < height and 0 <= tx < width and d > out[ty, tx]:
                out[ty, tx] = d
    above = np.empty((height, width), np.int32)
    last = np.full(width, -far, np.int32)
    for y in range(height):
        for x in range(width):
            if out[y, x] > _NOWHERE:
                last[x] = y
            above[y, x] = last[x]
    # From the bottom up: rows above are still as they were moved, `below` holds the nearest known row below.
    last[:] = 2 * far
    below = np.empty(width, np.float32)
    row = np.empty(width, np.float32)
    for y in range(height - 1, -1, -1):
        row[:] = out[y]
        left = -far
        x = 0
        while x < width:
            if row[x] > _NOWHERE:
                last[x], below[x], left = y, row[x], x
                x += 1
                continue
            right = x
            while right < width and row[right] == _NOWHERE:
                right += 1
            reach = right if right < width else 2 * far
            for hole in range(x, right):
                up, down = above[y, hole], last[hole]
                wide, tall = reach - left, down - up
                if min(wide, tall) < far:
                    if wide <= tall:
                        out[y, hole] = min(row[left], row[right])
                    else:
                        out[y, hole] = min(out[up, hole], below[hole])
                    continue
                # Known on one side alone: the picture's rim.
                near = min(min(hole - left, reach - hole), min(y - up, down - y))
                if near >= far:
                    out[y, hole] = 0
                elif near == hole - left:
                    out[y, hole] = row[left]
                elif near == reach - hole:
                    out[y, hole] = row[right]
                elif near == y - up:
                    out[y, hole] = out[up, hole]
                else:
                    out[y, hole] = below[hole]
            x = right


@njit(nogil=True, fastmath=True, cache=True)
def misfit(
    view: F32, disparity: F32, low: F32, high: F32, centre: F32, du: float, dv: float, variance: F32, out: F32
) -> None:
    """How far blocks of a view lie beyond what the centre view shows at their place.

    Parameters
    ----------
    view, disparity : (H, W, C) and (H, W), the view ``du, dv`` steps away and its disparity
    low, high : (H, W, C), extremes of the centre view about each pixel
    centre : (H, W), its disparity
    variance : (3, C), coefficients of the noise's variance, see `noise.variance_coefficients`
    out : (H / BLOCK, W / BLOCK), mean square distance from those extremes, over the noise's variance; 0 where nothing
        in a block is seen by the centre view
    """
    height, width, channels = view.shape
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            total, number = np.float32(0), 0
            for y in range(i * BLOCK, min((i + 1) * BLOCK, height), _STRIDE):
                for x in range(j * BLOCK, min((j + 1) * BLOCK, width), _STRIDE):
                    d = disparity[y, x]
                    cy = int(np.floor(y + d * du + 0.5))
                    cx = int(np.floor(x + d * dv + 0.5))
                    number += channels
                    if not (0 <= cy < height and 0 <= cx < width) or abs(centre[cy, cx] - d) > _SAME:
                        continue
                    for c in range(channels):
                        light = view[y, x, c]
                        beyond = max(max(light - high[cy, cx, c], low[cy, cx, c] - light), np.float32(0))
                        if beyond > 0:
                            here = max(light, np.float32(0))
                            spread = variance[0, c] + here * (variance[1, c] + here * variance[2, c])
                            total += beyond * beyond / spread
            out[i, j] = total / max(number, 1)
