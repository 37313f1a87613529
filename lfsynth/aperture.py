"""Synthetic apertures: weights over the views of a light field.

A view stands for the 1 x 1 cell of the pupil around it, so an aperture's weight of a view is the part of that cell
which the opening covers: weights are fractional at the rim, vary smoothly with the radius, and sum to the opening's
area. With ``parts`` a cell is cut into so many along each axis, and each part has a weight of its own. Lengths are view
steps, arrays are ``[u, v]`` (vertical, horizontal) float64; angles are in degrees, counted from the ``v`` axis towards
``u``. Weights are not normalised: `refocus` divides by their sum.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lfsynth.errors import InputError
from lfsynth.lightfield import LightField


class Sampling(enum.Enum):
    """How an aperture is sampled: at the captured views alone, or all over, as a lens does (see `dense`)."""

    VIEWS = "views"
    DENSE = "dense"


_Chords = Callable[[NDArray[np.float64]], tuple[NDArray[np.float64], NDArray[np.float64]]]

LINES_PER_CELL = 64
"""Chords by which a cell's covered area is integrated; along a chord the integral is exact."""

PARTS = 2
"""Parts of a view's cell along each axis in which `dense` wants an opening: quarters of the cell."""


def circular(
    grid: tuple[int, int], radius: float, *, centre: tuple[float, float], parts: int = 1
) -> NDArray[np.float64]:
    """Weights of a disk of ``radius`` view steps around ``centre`` (u, v), [parts U, parts V] in [0, 1].

    Raises
    ------
    ValueError
        If the radius is not positive.
    """
    if not radius > 0:
        raise ValueError(f"an aperture's radius must be positive, not {radius}")

    def chords(height: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        half = np.sqrt(np.maximum(radius**2 - height**2, 0.0))
        return -half, half

    return _coverage(grid, centre, chords, parts)


def ring(
    grid: tuple[int, int], radius: float, inner_radius: float, *, centre: tuple[float, float], parts: int = 1
) -> NDArray[np.float64]:
    """Weights of the ring between ``inner_radius`` and ``radius`` (a mirror lens), [parts U, parts V] in [0, 1]."""
    if not 0 < inner_radius < radius:
        raise ValueError(f"a ring needs 0 < inner radius < radius, not {inner_radius} and {radius}")
    opening = circular(grid, radius, centre=centre, parts=parts)
    return np.maximum(opening - circular(grid, inner_radius, centre=centre, parts=parts), 0.0)


def polygonal(
    grid: tuple[int, int],
    radius: float,
    blades: int,
    *,
    centre: tuple[float, float],
    rotation: float = 0.0,
    parts: int = 1,
) -> NDArray[np.float64]:
    """Weights of a regular polygon of ``blades`` straight sides, as an iris with that many blades leaves open.

    Parameters
    ----------
    grid : number of views (U, V)
    radius : of the disk of equal area, in view steps, so that the light is that of `circular`
    blades : number of sides, at least 3
    centre : the aperture's middle (u, v)
    rotation : degrees by which a corner is turned from the ``v`` axis
    parts : of a view's cell along each axis

    Returns
    -------
    (parts U, parts V) float64 in [0, 1]
    """
    if blades < 3:
        raise ValueError(f"a polygonal aperture has at least 3 blades, not {blades}")
    if not radius > 0:
        raise ValueError(f"an aperture's radius must be positive, not {radius}")
    circumradius = radius * math.sqrt(2 * math.pi / (blades * math.sin(2 * math.pi / blades)))
    apothem = circumradius * math.cos(math.pi / blades)
    normals = math.radians(rotation) + math.pi * (2 * np.arange(blades) + 1) / blades

    def chords(height: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        left = np.full_like(height, -np.inf)
        right = np.full_like(height, np.inf)
        for angle in normals:
            along, across = math.cos(angle), math.sin(angle)
            room = apothem - across * height
            if abs(along) < 1e-12:
                left = np.where(room < 0, np.inf, left)
            elif along > 0:
                right = np.minimum(right, room / along)
            else:
                left = np.maximum(left, room / along)
        empty = left > right
        return np.where(empty, 0.0, left), np.where(empty, 0.0, right)

    return _coverage(grid, centre, chords, parts)


def custom(mask: NDArray[np.float64], *, grid: tuple[int, int], source: Path) -> NDArray[np.float64]:
    """Check a mask of the user's own, [U, V] with one non-negative weight a view, and return it as float64.

    Raises
    ------
    InputError
        If its shape is not the grid's, a weight is negative or not finite, or all are 0.
    """
    weights = np.asarray(mask, dtype=np.float64)
    if weights.shape != grid:
        raise InputError(
            source, f"the mask is {weights.shape}, the light field has {grid} views", "give one weight a view"
        )
    if not np.isfinite(weights).all() or (weights < 0).any() or not weights.any():
        raise InputError(
            source,
            "a weight is negative or not finite, or all are 0",
            "give weights of 0 and above, one above 0",
        )
    return weights


def radius_from_f_number(lightfield: LightField, f_number: float) -> float:
    """Radius in view steps of the aperture that has this f-number.

    Raises
    ------
    InputError
        If the light field's metadata do not relate views to f-numbers, or the f-number is not positive.
    """
    if lightfield.f_number_radius is None:
        raise InputError(
            lightfield.source, "its metadata do not tell f-numbers", "give the radius in views with --radius"
        )
    if not f_number > 0:
        raise InputError("--f-number", f"{f_number} is not an f-number", "give a number above 0")
    return lightfield.f_number_radius / f_number


def largest_radius(lightfield: LightField) -> float:
    """Radius in view steps of the largest disk around the centre view that meets no cell of a dead view.

    The disk may touch the grid's edge and cells of dead views (weight below one half), never cover half of one.
    """
    u, v = np.indices(lightfield.grid, dtype=np.float64)
    u0, v0 = lightfield.centre
    distance = np.hypot(u - u0, v - v0)
    rows, columns = lightfield.grid
    to_edge = min(u0, rows - 1 - u0, v0, columns - 1 - v0) + 0.5
    dead = distance[lightfield.weights < 0.5]
    return float(min(to_edge, dead.min() if dead.size else np.inf))


def reach(radius: float, blades: int = 0) -> float:
    """Radius in view steps of the smallest disk about the centre that holds a `circular` or `polygonal` opening."""
    return radius * math.sqrt(2 * math.pi / (blades * math.sin(2 * math.pi / blades))) if blades else radius


def view_weights(cells: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weights of the views, (M, U, V), of openings in PARTS x PARTS parts of a cell, (M, PARTS U, PARTS V)."""
    number, rows, columns = cells.shape
    return np.asarray(cells.reshape(number, rows // PARTS, PARTS, columns // PARTS, PARTS).mean(axis=(2, 4)))


def _coverage(
    grid: tuple[int, int], centre: tuple[float, float], chords: _Chords, parts: int
) -> NDArray[np.float64]:
    """Part of each cell, or part of one, inside a convex opening whose chord at height h (along u) is ``chords(h)``."""
    rows, columns = grid
    lines = LINES_PER_CELL // parts
    heights = (np.arange(rows * parts * lines) + 0.5) / (parts * lines) - 0.5 - centre[0]
    left, right = chords(heights)
    cell = np.arange(columns * parts) / parts - 0.5 - centre[1]
    low = np.maximum(left[:, None], cell)
    high = np.minimum(right[:, None], cell + 1 / parts)
    covered = np.maximum(high - low, 0.0) * parts
    area: NDArray[np.float64] = covered.reshape(rows * parts, lines, columns * parts).mean(axis=1)
    area[area < 1e-9] = 0.0
    return area
