"""Compiled loop that covers pixels by a projected disk."""

import math

import numba

_BAND = 2.0
"""px from the edge within which a pixel is looked at, more than half its diagonal."""

_STRIDE = 0.5
"""Of the distance to the edge, what a row is walked on by: the distance is of first order in the perspective."""

_NEWTON_STEPS = 4
"""To undo a distortion of up to 20 % to 1e-9 px."""


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _undistorted_radius(radius, bend):
    """The r of r (1 + bend r^2) = radius."""
    r = radius
    for _ in range(_NEWTON_STEPS):
        r -= (r * (1.0 + bend * r * r) - radius) / (1.0 + 3.0 * bend * r * r)
    return r


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _box_below(s, wide, narrow):
    """Share of a rectangle's projection on a line, the sum of two uniform variables, that is below s."""
    reach = 0.5 * (wide + narrow)
    if s <= -reach:
        return 0.0
    if s >= reach:
        return 1.0
    if narrow < 1e-9:
        return 0.5 + s / wide
    if s < -0.5 * (wide - narrow):
        return (s + reach) ** 2 / (2.0 * wide * narrow)
    if s > 0.5 * (wide - narrow):
        return 1.0 - (reach - s) ** 2 / (2.0 * wide * narrow)
    return 0.5 + s / wide


@numba.njit(cache=True, nogil=True, error_model="numpy")
def cover(tile, top, left, inverse, middle_y, middle_x, bend, column, row, radius, aperture):
    """Raise `tile` (float32) by the share of each pixel's aperture that the disk covers.

    `inverse` is the homography from (x, y, 1) to (column, row, 1), `bend` the distortion per px^2, `aperture` the
    side of the square in px that a pixel gathers light from.
    """
    height, width = tile.shape
    for i in range(height):
        j = 0
        while j < width:
            arm_y = top + i - middle_y
            arm_x = left + j - middle_x
            shrink = 1.0
            radial = 1.0
            arm = 1.0
            if bend != 0.0:
                arm = math.sqrt(arm_y * arm_y + arm_x * arm_x)
                if arm > 0.0:
                    r = _undistorted_radius(arm, bend)
                    shrink = r / arm
                    radial = 1.0 / (1.0 + 3.0 * bend * r * r)
                else:
                    arm = 1.0
            y = middle_y + arm_y * shrink
            x = middle_x + arm_x * shrink
            w = 1.0 / (inverse[2, 0] * x + inverse[2, 1] * y + inverse[2, 2])
            p = (inverse[0, 0] * x + inverse[0, 1] * y + inverse[0, 2]) * w
            q = (inverse[1, 0] * x + inverse[1, 1] * y + inverse[1, 2]) * w
            away_p = p - column
            away_q = q - row
            away = math.sqrt(away_p * away_p + away_q * away_q)
            if away > 0.0:
                unit_p = away_p / away
                unit_q = away_q / away
            else:
                unit_p = 1.0
                unit_q = 0.0
            slope_x = (
                unit_p * (inverse[0, 0] - p * inverse[2, 0]) + unit_q * (inverse[1, 0] - q * inverse[2, 0])
            ) * w
            slope_y = (
                unit_p * (inverse[0, 1] - p * inverse[2, 1]) + unit_q * (inverse[1, 1] - q * inverse[2, 1])
            ) * w
            if bend != 0.0:
                along = (slope_x * arm_x + slope_y * arm_y) * (radial - shrink) / (arm * arm)
                slope_x = shrink * slope_x + along * arm_x
                slope_y = shrink * slope_y + along * arm_y
            slope = math.sqrt(slope_x * slope_x + slope_y * slope_y)
            distance = (away - radius) / slope
            if abs(distance) > _BAND:
                run = max(1, int(_STRIDE * (abs(distance) - _BAND)))
                stop = min(width, j + run)
                if distance < 0.0:
                    for k in range(j, stop):
                        tile[i, k] += 1.0
                j = stop
                continue
            # The edge bends away from its tangent by t^2 / (2 radius), on average aperture^2 / (24 radius).
            distance += aperture * aperture * slope / (24.0 * radius)
            along_x = abs(slope_x) / slope * aperture
            along_y = abs(slope_y) / slope * aperture
            tile[i, j] += _box_below(-distance, max(along_x, along_y), min(along_x, along_y))
            j += 1
