"""Light of the target without disks, and what is left of it under them.

Levels are polynomials of second order over the picture, (6,) float64: 1, y, x, y y, y x, x x, with y and x counted
from the picture's middle in units of half its diagonal.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from psf.projection import Projection

_ROUNDS = 3
"""Of the fit: what is off is left out of the next."""

_CLIP = 4.0
"""Deviations from the polynomial, in robust standard deviations, beyond which a pixel is dirt."""

_PAPER = 0.6
"""Pitches beyond the outermost disks' centres in which there is paper."""

_NORMAL = 1.4826
"""Standard deviation of a normal variable over the median of its absolute value."""


def frame(shape: tuple[int, ...]) -> tuple[float, float, float]:
    """Middle (y, x) and half the diagonal of a picture (H, W), px."""
    return (shape[0] - 1) / 2, (shape[1] - 1) / 2, float(np.hypot(shape[0], shape[1])) / 2


def terms(points: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """The polynomial's terms (K, 6) at (K, 2) points (y, x) px of a picture of the shape."""
    middle_y, middle_x, scale = frame(shape)
    y = (points[:, 0] - middle_y) / scale
    x = (points[:, 1] - middle_x) / scale
    return np.stack([np.ones_like(y), y, x, y * y, y * x, x * x], axis=1)


def fit_level(
    points: NDArray[np.float64], values: NDArray[np.float64], shape: tuple[int, ...]
) -> NDArray[np.float64]:
    """The polynomial through values at points, without those that are off.

    Parameters
    ----------
    points : (K, 2) float64, (y, x) px
    values : (K,) float64
    shape : (H, W) of the picture

    Returns
    -------
    (6,) float64; with few points, the lower terms alone, the others 0
    """
    matrix = terms(points, shape)
    order = 6 if len(points) >= 12 else 3 if len(points) >= 6 else 1
    keep = np.ones(len(values), bool)
    level = np.zeros(6)
    for _ in range(_ROUNDS):
        # The terms are of size 1 and far from parallel: the normal equations lose no digits that count.
        some = matrix[keep, :order]
        level[:order] = np.linalg.lstsq(some.T @ some, some.T @ values[keep], rcond=None)[0]
        off = np.abs(values - matrix @ level)
        usual = float(np.median(off[keep]))
        if usual == 0:
            break  # values of few codes: most of them are met, and the others are no dirt
        keep = off <= _CLIP * _NORMAL * usual
        if np.count_nonzero(keep) < order:
            break
    return level


def difference_noise(
    picture: NDArray[np.float32], rows: NDArray[np.int64], columns: NDArray[np.int64], apart: int = 1
) -> float:
    """Standard deviation of the noise at pixels, from what they differ from others to their right by.

    Parameters
    ----------
    picture : (H, W) float32
    rows, columns : (K,) of pixels that are of the same true light as those to their right
    apart : px from one to the other

    Returns
    -------
    standard deviation of one pixel; that of quantised values is right where they differ by several steps
    """
    if len(rows) == 0:
        return 0.0
    step = picture[rows, columns + apart].astype(np.float64) - picture[rows, columns]
    # Dirt is left out; what a normal variable loses beyond four deviations is nothing.
    spread = _NORMAL * float(np.median(np.abs(step)))
    kept = step[np.abs(step) <= max(_CLIP * spread, 1e-12)] if spread > 0 else step
    return float(np.sqrt(np.mean(kept**2) / 2))


def target_area(
    projection: Projection, grid: tuple[int, int], shape: tuple[int, ...], *, block: int = 1
) -> NDArray[np.uint8]:
    """Where the target is: 1 up to `_PAPER` pitches beyond its outermost disks' centres, else 0.

    Parameters
    ----------
    projection : of the target
    grid : (columns, rows) of disks
    shape : (H, W) of the picture
    block : px, side of the squares that the result's pixels stand for

    Returns
    -------
    (H // block, W // block) uint8
    """
    columns, rows = grid
    mask = np.zeros((shape[0] // block, shape[1] // block), np.uint8)
    sides = np.linspace(-0.5, 0.5, 9)
    ends = np.full(9, 0.5)
    edge = [
        np.stack(side, axis=1) for side in ((sides, -ends), (ends, sides), (-sides, ends), (-ends, -sides))
    ]
    middle = np.array([(columns - 1) / 2, (rows - 1) / 2])
    target = middle + np.concatenate(edge) * np.array([columns - 1 + 2 * _PAPER, rows - 1 + 2 * _PAPER])
    cv2.fillPoly(mask, [_corners(projection.points(target), block)], 1)
    return mask


def clean_blocks(
    projection: Projection,
    grid: tuple[int, int],
    radius: float,
    margin: float,
    shape: tuple[int, ...],
    block: int,
) -> NDArray[np.bool_]:
    """Blocks of block x block px that are paper of the target, farther than `margin` px from each disk."""
    mask = target_area(projection, grid, shape, block=block)
    columns, rows = grid
    nodes = np.stack(np.meshgrid(np.arange(-1.0, columns + 1), np.arange(-1.0, rows + 1)), axis=-1).reshape(
        -1, 2
    )
    scales = projection.pixels_per_pitch(nodes)
    for node, scale in zip(nodes, scales, strict=True):
        reach = radius + (margin + block) / scale
        cv2.fillPoly(mask, [_corners(projection.outlines(node[None], reach)[0], block)], 0)
    return mask.astype(bool)


def _corners(points: NDArray[np.float64], block: int) -> NDArray[np.int32]:
    """(y, x) px of the picture to whole (x, y) of a picture of blocks."""
    return np.asarray(np.round((points[:, ::-1] + 0.5) / block - 0.5), np.int32)
