"""What a pixel of a simulated sensor sees: inner loops of `camera`, `simulated_scenes` and `simulation`.

A pixel is divided into `NODES` (four) points, those of Gauss's quadrature: a weighted mean over them is exact for cubic
functions over the pixel's area.
"""

import math

import numpy as np
from numba import njit

NODE = 0.5 / math.sqrt(3)
"""Distance in px of the quadrature's points from the middle of a pixel, along each axis."""

NODES = 4
"""Points a pixel, from the upper left to the lower right."""

_EDGE = 4.0  # deviations of the blur from an edge beyond which there is all light or none
_STRIDE = 0.5  # px of the centre view in which what a ray meets is looked for
_DARK = 2e-5  # light of a ray that is not worth following: a tenth of a level has four times as much


@njit(cache=True, nogil=True, inline="always")
def _edge(square, radius, softness):
    """Light at a squared distance from the centre of a disk whose edge a Gaussian of deviation softness blurs."""
    inner, outer = radius - _EDGE * softness, radius + _EDGE * softness
    if square <= inner * inner:
        return 1.0
    if square >= outer * outer:
        return 0.0
    return 0.5 * math.erfc((math.sqrt(square) - radius) / (softness * math.sqrt(2)))


@njit(cache=True, nogil=True)
def trace(where, angle, weights, first_row, origin, across, down, columns_a_row, view_step, field, optics):
    """Follow the middles of all pixels of some rows of the sensor out through their lenses.

    Parameters
    ----------
    where : (rows, W, 2) float32, to be filled: (y, x) in a view, of the pixel's lens
    angle : (rows, W, 2) float32, to be filled: (vertical, horizontal) distance from the disk's centre in view steps
    weights : (rows, W, `NODES`) float32, to be filled: part of the pixel's light that its quarters get, sum 1 or less
    first_row : of the sensor
    origin, across, down : of the lattice
    columns_a_row : view columns from a lens to the next
    view_step : px
    field : (y, x, radius) px, centre of the field and the distance at which the next four hold
    optics : (radius px, radius of the second stop px, its shift px, tangent of the field angle, softness px)
    """
    rows, width = weights.shape[:2]
    determinant = down[0] * across[1] - down[1] * across[0]
    radius, stop, shift, tangent, softness = optics
    # A point of a pixel lies at most this far from the pixel's middle.
    corner = math.sqrt(2) * NODE
    lit, dark = max(radius - _EDGE * softness - corner, 0.0), radius + _EDGE * softness + corner
    cut_lit, cut_dark = max(stop - _EDGE * softness - corner, 0.0), stop + _EDGE * softness + corner
    for i in range(rows):
        for x in range(width):
            py, px = first_row + i - origin[0], x - origin[1]
            row = math.floor((py * across[1] - px * across[0]) / determinant)
            nearest = np.inf
            oy, ox, lens_row, along = 0.0, 0.0, 0, 0.0
            for r in range(row, row + 2):
                half = (r % 2) / 2
                ahead = (px * down[0] - py * down[1]) / determinant - half
                q = math.floor(ahead + 0.5) + half
                dy = py - r * down[0] - q * across[0]
                dx = px - r * down[1] - q * across[1]
                if dy * dy + dx * dx < nearest:
                    nearest = dy * dy + dx * dx
                    oy, ox, lens_row, along = dy, dx, r, q
            where[i, x, 0], where[i, x, 1] = lens_row, along * columns_a_row
            angle[i, x, 0], angle[i, x, 1] = oy / view_step, ox / view_step
            fy = (first_row + i - oy - field[0]) / field[2]
            fx = (x - ox - field[1]) / field[2]
            falloff = 1 / (1 + (fy * fy + fx * fx) * tangent * tangent) ** 2
            cut_y, cut_x = shift * fy, shift * fx
            # Most pixels lie well inside both stops or outside one of them.
            square = oy * oy + ox * ox
            cut_square = (oy + cut_y) ** 2 + (ox + cut_x) ** 2
            if square > dark * dark or cut_square > cut_dark * cut_dark:
                for n in range(NODES):
                    weights[i, x, n] = 0.0
                continue
            lit_wholly = square < lit * lit and cut_square < cut_lit * cut_lit
            for n in range(NODES):
                light = falloff / NODES
                if not lit_wholly:
                    ny, nx = oy + (2 * (n // 2) - 1) * NODE, ox + (2 * (n % 2) - 1) * NODE
                    light *= _edge(ny * ny + nx * nx, radius, softness)
                    light *= _edge((ny + cut_y) ** 2 + (nx + cut_x) ** 2, stop, softness)
                weights[i, x, n] = light


@njit(cache=True, nogil=True, inline="always")
def _spline(t):
    """Weights of the four cubic B-splines about a point that lies t in [0, 1) behind the second."""
    s = np.float32(1) - t
    sixth = np.float32(1 / 6)
    two, half, most = np.float32(2), np.float32(0.5), np.float32(2 / 3)
    return (
        s * s * s * sixth,
        most - half * t * t * (two - t),
        most - half * s * s * (two - s),
        t * t * t * sixth,
    )


@njit(cache=True, nogil=True, fastmath=True)
def see_layers(colour, planes, empty, tilts, margin, where, angle, weights, step):
    """Light of a stack of layers that pixels see.

    Parameters
    ----------
    colour : (N, 3) float32, to be filled
    planes : (layers, H, W, 4) float32, back to front: spline coefficients of R, G, B and opacity
    empty : (layers, H, W) bool, where the layer's opacity is nothing up to the next row and column
    tilts : (layers, 2) disparity at row 0 of a view and its increase a row
    margin : rows and columns by which the planes exceed a view on each side
    where, angle, weights : (N, 2), (N, 2), (N, `NODES`) float32, as `trace` gives them
    step : distance of the pixel's points from its middle, in view steps
    """
    layers, height, width, _ = planes.shape
    zero, one = np.float32(0), np.float32(1)
    for k in range(len(colour)):
        red, green, blue = zero, zero, zero
        for n in range(NODES):
            light = weights[k, n]
            av = angle[k, 0] + (2 * (n // 2) - 1) * step
            ah = angle[k, 1] + (2 * (n % 2) - 1) * step
            for layer in range(layers - 1, -1, -1):
                if light <= _DARK:
                    break
                top, increase = tilts[layer, 0], tilts[layer, 1]
                # A view's row y sees the layer's row r where y = r - d(r) av, with d linear in r.
                r = (where[k, 0] + top * av) / (1 - increase * av)
                # Beyond its rim a layer goes on as its outermost row or column.
                y = min(max(r + margin, 1.0), height - 2.001)
                x = min(max(where[k, 1] + (top + increase * r) * ah + margin, 1.0), width - 2.001)
                iy, ix = int(y), int(x)
                if empty[layer, iy, ix]:
                    continue
                taps_y = _spline(np.float32(y - iy))
                x0, x1, x2, x3 = _spline(np.float32(x - ix))
                s0, s1, s2, s3 = zero, zero, zero, zero
                for i in range(4):
                    p = planes[layer, iy - 1 + i, ix - 1 : ix + 3]
                    t0, t1, t2, t3 = taps_y[i] * x0, taps_y[i] * x1, taps_y[i] * x2, taps_y[i] * x3
                    s0 += t0 * p[0, 0] + t1 * p[1, 0] + t2 * p[2, 0] + t3 * p[3, 0]
                    s1 += t0 * p[0, 1] + t1 * p[1, 1] + t2 * p[2, 1] + t3 * p[3, 1]
                    s2 += t0 * p[0, 2] + t1 * p[1, 2] + t2 * p[2, 2] + t3 * p[3, 2]
                    s3 += t0 * p[0, 3] + t1 * p[1, 3] + t2 * p[2, 3] + t3 * p[3, 3]
                stopped = min(max(s3, zero), one) * light
                red += stopped * s0
                green += stopped * s1
                blue += stopped * s2
                light -= stopped
        colour[k, 0], colour[k, 1], colour[k, 2] = red, green, blue


@njit(cache=True, nogil=True, fastmath=True)
def see_views(
    colour, views, stand_in, places, disparity, limits, centre, offset, scale, where, angle, weights
):
    """Light of views that pixels see, each pixel by a single ray through its middle.

    Parameters
    ----------
    colour : (N, 3) float32, to be filled
    views : (K, H, W, 3) float32 spline coefficients of the views that are alive
    stand_in : (U, V) int, which of these a view is, or is stood in for by
    places : (K, 2) float, vertical and horizontal index of these
    disparity : (H, W) float32 of the centre view, px a view
    limits : (farthest, nearest) of these
    centre : (u0, v0) index of the centre view
    offset : (rows, columns) by which the views exceed the field of view above and to the left
    scale : views a view step
    where, angle, weights : (N, 2), (N, 2), (N, `NODES`) float32, as `trace` gives them
    """
    _, height, width, _ = views.shape
    last_u, last_v = stand_in.shape[0] - 1, stand_in.shape[1] - 1
    zero = np.float32(0)
    for k in range(len(colour)):
        red, green, blue = zero, zero, zero
        light = weights[k, 0] + weights[k, 1] + weights[k, 2] + weights[k, 3]
        if light > _DARK:
            du, dv = scale * angle[k, 0], scale * angle[k, 1]
            y, x = where[k, 0] + offset[0], where[k, 1] + offset[1]
            near = _met(disparity, limits, y, x, du, dv)
            u = min(max(centre[0] + du, 0.0), last_u - 1e-3)
            v = min(max(centre[1] + dv, 0.0), last_v - 1e-3)
            iu, iv = int(u), int(v)
            for i in range(2):
                for j in range(2):
                    n = stand_in[iu + i, iv + j]
                    share = light * (abs(1 - i - u + iu) * abs(1 - j - v + iv))
                    yn = y + near * (centre[0] + du - places[n, 0])
                    xn = x + near * (centre[1] + dv - places[n, 1])
                    yn, xn = min(max(yn, 1.0), height - 2.001), min(max(xn, 1.0), width - 2.001)
                    iy, ix = int(yn), int(xn)
                    taps_y, taps_x = _spline(np.float32(yn - iy)), _spline(np.float32(xn - ix))
                    for a in range(4):
                        p = views[n, iy - 1 + a, ix - 1 : ix + 3]
                        for b in range(4):
                            tap = np.float32(share) * taps_y[a] * taps_x[b]
                            red += tap * p[b, 0]
                            green += tap * p[b, 1]
                            blue += tap * p[b, 2]
        colour[k, 0], colour[k, 1], colour[k, 2] = red, green, blue


@njit(cache=True, nogil=True)
def _met(disparity, limits, y, x, du, dv):
    """Disparity of the nearest thing that a ray meets: through (y, x) of the view (du, dv) from the centre."""
    height, width = disparity.shape
    far, near = limits
    # Things of disparity d that the ray meets lie at (y + d du, x + d dv) in the centre view: look there, near to far.
    steps = math.ceil((near - far) * max(abs(du), abs(dv)) / _STRIDE)
    met = far
    for k in range(steps + 1):
        at = near - (near - far) * k / max(steps, 1)
        met = disparity[_within(y + at * du, height), _within(x + at * dv, width)]
        if met >= at:
            break
    return met


@njit(cache=True, nogil=True, inline="always")
def _within(position, size):
    """Index of the pixel that holds a position, or of the outermost one."""
    return min(max(int(position + 0.5), 0), size - 1)
