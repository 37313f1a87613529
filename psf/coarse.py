"""The first look: blobs of a small copy of the picture, and the grid that they make."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import cv2
import numpy as np
from numpy.typing import NDArray

from psf.detect_kernels import normalise
from psf.grid_order import order_grid
from psf.radiometry import fit_level, frame, terms

_SMALL_SIDE = 1000
"""px, about, of the longer side of the small copy."""

_LEAST_AREA = 12
"""px of the small copy; a smaller blob is dirt."""

_BOX_FILL = (0.75, 1.25)
"""Area of a blob over that of the ellipse that its upright box holds: 1 for an upright ellipse, at least 0.94 for
one with axes of 0.7 at 45 degrees."""

_LEAST_ASPECT = 0.4
"""Of a blob's box: a disk seen at 66 degrees."""

_ENOUGH = 9
"""Disks on a grid, which are no accident: the other polarity is not looked for."""

_ENOUGH_AREA = 0.02
"""Of the picture, that they have then: print is less."""

_ROUNDS = 3
"""Of the paper's shading and the threshold that follows from it, each time anew."""

_SPARSE = 4
"""Every so many pixels of the small copy serve for the threshold and the shading."""

_LEAST_PAPER = 36
"""Such pixels on the paper: of paper and of ink; with fewer there is nothing to be told."""


class Polarity(Enum):
    """What the target looks like."""

    BLACK_ON_WHITE = "black on white"
    WHITE_ON_BLACK = "white on black"


@dataclass(frozen=True)
class Blobs:
    """Disks of the first look.

    Attributes
    ----------
    polarity : of the target
    index : (K, 2) int64, (column, row) of the disks that are on the grid
    points : (K, 2) float64, their centroids (y, x), px
    areas : (K,) float64, px
    cut : (M, 2) float64, centroids (y, x) of what the picture's border cuts, disk or not, px
    """

    polarity: Polarity
    index: NDArray[np.int64]
    points: NDArray[np.float64]
    areas: NDArray[np.float64]
    cut: NDArray[np.float64]


def find_blobs(picture: NDArray[np.float32], polarity: Polarity | None) -> Blobs:
    """Find what looks like disks, and number them.

    Parameters
    ----------
    picture : (H, W) float32, linear light
    polarity : of the target; None: the one of which more of the picture is disks

    Returns
    -------
    Blobs, fewer than four where there is no grid
    """
    reduce = max(1, round(max(picture.shape) / _SMALL_SIDE))
    found: Blobs | None = None
    for factor in dict.fromkeys((reduce, 1)):
        small = _reduced(picture, factor)
        for kind in Polarity if polarity is None else (polarity,):
            blobs = _blobs_of(small, kind, factor)
            if found is None or blobs.areas.sum() > found.areas.sum():
                found = blobs
            if len(blobs.index) >= _ENOUGH and blobs.areas.sum() > _ENOUGH_AREA * picture.size:
                return blobs
        if found is not None and len(found.index) >= 4:
            break
    assert found is not None
    return found


def _reduced(picture: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Averages of factor x factor px, and a little smoother."""
    height, width = (side // factor * factor for side in picture.shape)
    size = (width // factor, height // factor)
    small = cv2.resize(picture[:height, :width], size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(small, (0, 0), 1.0), np.float32)


def _blobs_of(small: NDArray[np.float32], polarity: Polarity, factor: int) -> Blobs:
    """Blobs of one polarity, in pixels of the picture."""
    count, _, stats, centroids = cv2.connectedComponentsWithStats(_mask(small, polarity), connectivity=8)
    height, width = small.shape
    left, top, wide, high, area = (stats[1:, column] for column in range(5))
    points = np.asarray(factor * (centroids[1:, ::-1] + 0.5) - 0.5, np.float64)
    big = area >= _LEAST_AREA
    cut = (left == 0) | (top == 0) | (left + wide == width) | (top + high == height)
    fill = area / (np.pi / 4 * wide * high)
    # A few pixels make no smooth ellipse.
    slack = 1 / np.sqrt(np.maximum(area, 1))
    round_enough = (fill > _BOX_FILL[0] - slack) & (fill < _BOX_FILL[1] + slack)
    round_enough &= np.minimum(wide, high) > (_LEAST_ASPECT - slack) * np.maximum(wide, high)
    whole = np.flatnonzero(big & ~cut & round_enough) if count > 1 else np.empty(0, np.int64)
    if len(whole):
        # Most of the area of what is round is the target's disks; print and dirt are of other sizes.
        sizes = np.sort(area[whole])
        size = sizes[np.searchsorted(np.cumsum(sizes), sizes.sum() / 2)]
        whole = whole[(area[whole] > size / 3) & (area[whole] < size * 3)]
    index = order_grid(points[whole])
    known = index[:, 0] >= 0
    return Blobs(
        polarity,
        index[known],
        points[whole][known],
        area[whole][known].astype(np.float64) * factor**2,
        points[big & cut] if count > 1 else np.empty((0, 2)),
    )


def _mask(small: NDArray[np.float32], polarity: Polarity) -> NDArray[np.uint8]:
    """Where the small picture is ink (black disks) or light (white disks)."""
    values = small if polarity is Polarity.BLACK_ON_WHITE else -small
    rows, columns = np.mgrid[: values.shape[0] : _SPARSE, : values.shape[1] : _SPARSE]
    points = np.column_stack([rows.ravel(), columns.ravel()]).astype(np.float64)
    some = values[::_SPARSE, ::_SPARSE].ravel().astype(np.float64)
    shading = np.zeros(6)
    basis = terms(points, values.shape)
    for _ in range(_ROUNDS):
        flat = some - basis @ shading
        low, high = np.percentile(flat, (0.5, 99.5))
        codes = np.clip((flat - low) * (255 / max(high - low, 1e-9)), 0, 255).astype(np.uint8)
        threshold, _ = cv2.threshold(codes, 0, 255, cv2.THRESH_OTSU)
        paper = codes > threshold
        if min(np.count_nonzero(paper), np.count_nonzero(~paper)) < _LEAST_PAPER:
            return np.zeros(values.shape, np.uint8)
        cut = (np.mean(flat[paper]) + np.mean(flat[~paper])) / 2
        before, shading = shading, fit_level(points[paper], some[paper], values.shape)
    middle_y, middle_x, half = frame(values.shape)
    fall = normalise(values, before, np.eye(6)[0], 1.0, middle_y, middle_x, half)
    return np.asarray(fall > -cut, np.uint8)
