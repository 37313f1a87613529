"""Cat's eye: an opening that the barrel of the lens narrows towards the picture's corners (mechanical vignetting).

From a point of the picture off its middle, the front and the rear rim of the barrel are seen displaced against each
other, and only light within both comes through: a lens-shaped opening, narrow along the line to the picture's middle.
At the part ``q`` of the way to a corner the rims are disks of the barrel's radius whose middles lie ``fraction * q``
radii apart, half of that on either side of the iris, whose opening is cut by both. The barrel is as wide as the widest
opening: that has in the corners the area ``2 acos(f / 2) - f / 2 sqrt(4 - f^2)`` over pi of that in the middle, and
smaller openings lose less, or nothing. Cut evenly from both sides, blur stays centred on what is blurred: pairs remain
aligned. The light that is lost does not darken the picture: cameras make up for it, and `refocus` divides by it.

A picture is made in cells of its area. A cell is made through the openings of its four corners, and these pictures are
blended bilinearly, as if each view's weight were bilinear between the corners. From corner to corner a rim moves by
half a view step at most: that puts about 1 % of the light (4 % at worst) into a view beside the one it belongs in.

S. Ray, "Applied Photographic Optics", 3rd ed., 2002, on mechanical vignetting.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from lfsynth.aperture import PARTS, circular
from lfsynth.frame import Frame

FINE = 8
"""Parts of a view's cell along each axis in which openings are cut."""

_MOST_MOVED = 0.5
"""View steps by which a rim moves across a cell of the picture, at most."""

_LEAST_CELL = 4
"""px, least side of a cell of the picture."""

Make = Callable[[NDArray[np.float64], Frame], NDArray[np.float32]]
"""Pictures (S, M, H', W', C) through openings (M, PARTS U, PARTS V) on a frame."""


def cut(
    pupils: NDArray[np.float64],
    barrel: float,
    displacement: tuple[float, float],
    *,
    centre: tuple[float, float],
) -> NDArray[np.float64]:
    """Openings that the two rims of a barrel leave of pupils.

    Parameters
    ----------
    pupils : (M, FINE U, FINE V) open part of each part of the views' cells
    barrel : radius in view steps
    displacement : (u, v) of one rim against the other, view steps
    centre : (u, v) of the views, about which both rims lie

    Returns
    -------
    (M, PARTS U, PARTS V) in [0, 1]
    """
    grid = pupils.shape[1] // FINE, pupils.shape[2] // FINE
    open_ = pupils
    for side in (-0.5, 0.5):
        middle = centre[0] + side * displacement[0], centre[1] + side * displacement[1]
        # Parts that two rims cut are few and small: there the smaller area stands for the intersection's.
        open_ = np.minimum(open_, circular(grid, barrel, centre=middle, parts=FINE))
    return in_parts(open_, grid)


def in_parts(pupils: NDArray[np.float64], grid: tuple[int, int]) -> NDArray[np.float64]:
    """Openings in finer parts of the views' cells put together into (M, PARTS U, PARTS V)."""
    block = pupils.shape[1] // (PARTS * grid[0])
    blocks = pupils.reshape(len(pupils), PARTS * grid[0], block, PARTS * grid[1], block)
    return np.asarray(blocks.mean(axis=(2, 4)))


def over_field(
    make: Make,
    pupils: NDArray[np.float64],
    *,
    barrel: float,
    fraction: float,
    centre: tuple[float, float],
    frame: Frame,
) -> NDArray[np.float32]:
    """Pictures through openings that narrow towards the corners.

    Parameters
    ----------
    make : makes pictures through given openings, anywhere
    pupils : (M, FINE U, FINE V), the openings in the picture's middle
    barrel : its radius in view steps
    fraction : of that radius by which the rims are displaced in the corners, in (0, 1]
    centre : (u, v) of the views
    frame : where the pictures are sampled; its corners are meant

    Returns
    -------
    (S, M, H', W', C) float32, as ``make`` does
    """
    height, width = frame.size
    corner = math.hypot(height - 1, width - 1) / 2
    edges = [_edges(side, fraction * barrel * (side - 1) / (2 * corner)) for side in frame.size]
    openings = [
        [
            cut(pupils, barrel, (fraction * barrel * y, fraction * barrel * x), centre=centre)
            for x in (edges[1] - (width - 1) / 2) / corner
        ]
        for y in (edges[0] - (height - 1) / 2) / corner
    ]
    out = np.empty((0,), np.float32)
    for i, j in itertools.product(range(len(edges[0]) - 1), range(len(edges[1]) - 1)):
        rows, down = _cell(edges[0], i)
        columns, across = _cell(edges[1], j)
        corners = np.concatenate([openings[i + a][j + b] for a in (0, 1) for b in (0, 1)])
        # A small opening is the same in all of them.
        distinct, which = np.unique(corners, axis=0, return_inverse=True)
        made = make(distinct, Frame(frame.rows[rows], frame.columns[columns]))
        pictures = made[:, which.reshape(4, len(pupils))]
        if not out.size:
            out = np.empty((len(made), len(pupils), height, width, made.shape[-1]), np.float32)
        shares = [np.outer(y, x) for y in (1 - down, down) for x in (1 - across, across)]
        blend = np.einsum("kyx,skmyxc->smyxc", np.array(shares, np.float32), pictures, optimize=True)
        out[:, :, rows, columns] = blend
    return out


def _edges(side: int, moved: float) -> NDArray[np.float64]:
    """Corners of cells along a side of so many pixels, along which a rim moves by so many view steps.

    Four cells meet in the middle, so that the opening is whole there.
    """
    halves = min(math.ceil(moved / _MOST_MOVED / 2), (side - 1) // (2 * _LEAST_CELL))
    return np.linspace(0, side - 1, 2 * max(halves, 1) + 1)


def _cell(edges: NDArray[np.float64], index: int) -> tuple[slice, NDArray[np.float64]]:
    """Pixels of a cell along one axis, and how far from its first edge to its second they lie, from 0 to 1."""
    low, high = edges[index], edges[index + 1]
    end = math.ceil(high) if index + 2 < len(edges) else math.ceil(high) + 1
    pixels = np.arange(math.ceil(low), end)
    return slice(math.ceil(low), end), (pixels - low) / max(high - low, 1.0)
