"""Compiled passes over the whole picture, and over its disks."""

import math

import numba
import numpy as np


@numba.njit(cache=True, nogil=True, error_model="numpy")
def normalise(picture, ground, level, sign, middle_y, middle_x, scale):
    """(ground - picture) / level times the sign, float32, with two polynomials of second order in (y, x) / scale.

    `ground` and `level` are (6,): 1, y, x, y y, y x, x x. Where the level is at or below zero the result is 0.
    """
    height, width = picture.shape
    out = np.empty((height, width), np.float32)
    across = np.empty(width, np.float32)
    for j in range(width):
        across[j] = (j - middle_x) / scale
    zero = np.float32(0.0)
    for i in range(height):
        y = (i - middle_y) / scale
        g0 = np.float32(ground[0] + ground[1] * y + ground[3] * y * y)
        g1 = np.float32(ground[2] + ground[4] * y)
        g2 = np.float32(ground[5])
        l0 = np.float32(sign * (level[0] + level[1] * y + level[3] * y * y))
        l1 = np.float32(sign * (level[2] + level[4] * y))
        l2 = np.float32(sign * level[5])
        least = np.float32(sign)
        for j in range(width):
            x = across[j]
            below = l0 + (l1 + l2 * x) * x
            value = (g0 + (g1 + g2 * x) * x - picture[i, j]) / below
            out[i, j] = value if least * below > zero else zero
    return out


@numba.njit(cache=True, nogil=True, error_model="numpy")
def edge_profile(normal, boxes, middles, inverses, scales, radius, reach, step, sums, squares, counts):
    """Add up what pixels hold by their distance from the disks' edges, in bins `step` px wide from -reach to reach.

    Box k (top, left, bottom, right) holds a disk about middles[k] (y, x); inverses[k] (2, 2) takes (y, x) px from
    there to target units, of which one has scales[k] px. `sums`, `squares` and `counts` are (K, bins).
    """
    bins = sums.shape[1]
    for k in range(boxes.shape[0]):
        a, b, c, d = inverses[k, 0, 0], inverses[k, 0, 1], inverses[k, 1, 0], inverses[k, 1, 1]
        for i in range(boxes[k, 0], boxes[k, 2]):
            y = i - middles[k, 0]
            for j in range(boxes[k, 1], boxes[k, 3]):
                x = j - middles[k, 1]
                p = a * y + b * x
                q = c * y + d * x
                place = (math.sqrt(p * p + q * q) - radius) * scales[k] + reach
                if place < 0.0:
                    place = 0.0
                index = int(place / step)
                if index < bins:
                    value = float(normal[i, j])
                    sums[k, index] += value
                    squares[k, index] += value * value
                    counts[k, index] += 1


@numba.njit(cache=True, nogil=True, error_model="numpy")
def edge_moments(normal, boxes, middles, inverses, inner, outer, plateau, moments):
    """Zeroth and first moments of each disk about middles[k], into `moments` (K, 3): sum, sum y, sum x.

    Boxes, middles and inverses are those of `edge_profile`. Pixels nearer to the middle than inner[k] (target units)
    count plateau[k], those beyond outer[k] nothing, those between what they hold.
    """
    for k in range(boxes.shape[0]):
        a, b, c, d = inverses[k, 0, 0], inverses[k, 0, 1], inverses[k, 1, 0], inverses[k, 1, 1]
        inner2 = inner[k] * inner[k]
        outer2 = outer[k] * outer[k]
        total = 0.0
        total_y = 0.0
        total_x = 0.0
        for i in range(boxes[k, 0], boxes[k, 2]):
            y = i - middles[k, 0]
            row = 0.0
            for j in range(boxes[k, 1], boxes[k, 3]):
                x = j - middles[k, 1]
                p = a * y + b * x
                q = c * y + d * x
                away = p * p + q * q
                if away < outer2:
                    value = plateau[k] if away < inner2 else float(normal[i, j])
                    row += value
                    total_x += value * x
            total += row
            total_y += row * y
        moments[k, 0] = total
        moments[k, 1] = total_y
        moments[k, 2] = total_x
