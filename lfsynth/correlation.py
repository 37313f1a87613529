"""Local zero-mean normalised cross-correlation (ZNCC) of two pictures, at rest and over a search radius.

Pictures are (H, W) float32, `b` the blurred and `s` the sharp one. A shift (dy, dx) in px says that s(y + dy,
x + dx) shows what b(y, x) shows. Maps are (rows, columns) of overlapping windows: window (i, j) is centred on
the pixel coordinates ``stride * (i, j) + (stride - 1) / 2``, and what lies beyond the picture has no weight.

A window's weights fall linearly from its centre to zero at a distance of `width`, along y and x (a Bartlett
window, that is a box of this width smoothed by itself): content at the rim of a window then comes and goes
without a jump. Sums over windows are taken in two steps, over blocks of `stride` x `stride` pixels and then
over blocks, so that they cost little whatever the width.

The correlation is that of J. P. Lewis, "Fast template matching", Vision Interface 1995.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]

_FINE, _COARSE = 1.0, 3.0
"""Deviations in px of the two Gaussians whose difference is the pass band. The finer one takes the noise of
single pixels and leaves derivatives that three pixels tell well; the coarser one takes brightness, shading
and the light that leaks in from defocused neighbours, so that the correlation falls where there is blur."""

_TINY = np.float32(1e-12)
"""Least variance that is divided by."""


def band_pass(picture: Plane) -> Plane:
    """Difference of Gaussians of 1 and 3 px deviation; the picture goes on beyond its border mirrored.

    Parameters
    ----------
    picture : (H, W) float32

    Returns
    -------
    (H, W) float32
    """
    fine = cv2.GaussianBlur(picture, (0, 0), _FINE)
    return np.asarray(cv2.subtract(fine, cv2.GaussianBlur(picture, (0, 0), _COARSE)), np.float32)


def product(left: Plane, right: Plane) -> Plane:
    """Pixel by pixel; OpenCV is twice as fast as numpy here."""
    return np.asarray(cv2.multiply(left, right), np.float32)


@dataclass(frozen=True)
class Windows:
    """The windows of a picture.

    Attributes
    ----------
    size : (H, W) of the picture, px
    width : distance in px from a window's centre at which its weight is zero; a multiple of `stride`
    stride : px from window to window
    """

    size: tuple[int, int]
    width: int
    stride: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of windows."""
        return self.size[0] // self.stride, self.size[1] // self.stride

    @property
    def centres(self) -> NDArray[np.float64]:
        """(rows, columns, 2) float64 pixel coordinates (y, x) of the windows' centres."""
        y, x = (self.stride * np.arange(n) + (self.stride - 1) / 2 for n in self.shape)
        return np.stack(np.meshgrid(y, x, indexing="ij"), axis=-1)

    @property
    def overlap(self) -> float:
        """How many windows share the information of one: (sum of weights)^2 / sum of squared weights."""
        taps = _taps(2 * self.width // self.stride).astype(np.float64)
        return float((taps.sum() ** 2 / np.square(taps).sum()) ** 2)

    def blocks(self, picture: Plane) -> Plane:
        """Mean of each block of stride x stride pixels: (H, W) to (rows, columns)."""
        rows, columns = self.shape
        whole = picture[: rows * self.stride, : columns * self.stride]
        return np.asarray(cv2.resize(whole, (columns, rows), interpolation=cv2.INTER_AREA), np.float32)

    def gather(self, blocks: Plane) -> Plane:
        """Weighted sum of blocks over each window, what lies beyond the picture taken as 0."""
        taps = _taps(2 * self.width // self.stride)
        summed = cv2.sepFilter2D(blocks, -1, taps, taps, borderType=cv2.BORDER_CONSTANT)
        return np.asarray(summed, np.float32)

    def mean(self, picture: Plane) -> Plane:
        """Weighted sum of the pixels over each window; a picture of ones gives less than 1 at the border."""
        return self.gather(self.blocks(picture))


@lru_cache
def _taps(blocks: int) -> Plane:
    """Weights of the blocks along one axis, summing to 1, from zero to zero over so many blocks."""
    taps = np.bartlett(blocks + 1)[1:-1]
    return np.asarray(taps / taps.sum(), np.float32)


def search(b: Plane, s: Plane, windows: Windows, radius: int) -> NDArray[np.float32]:
    """ZNCC of all windows at all whole shifts of up to so many pixels along y and x.

    Parameters
    ----------
    b, s : (H, W) float32, band-passed
    windows : their windows
    radius : px, at least 1

    Returns
    -------
    (2 radius + 1, 2 radius + 1, rows, columns) float32 in [-1, 1] by shift (dy + radius, dx + radius); 0
    where either picture is flat. Beyond its border `s` goes on mirrored
    """
    (rows, columns), stride = windows.shape, windows.stride
    span = 2 * radius + 1
    height, width = b.shape
    moved = cv2.copyMakeBorder(s, radius, radius, radius, radius, cv2.BORDER_REFLECT_101)
    # Means of s over blocks at any shift are those of a running box, looked up at its blocks' corners.
    box, corner, border = (stride, stride), (0, 0), cv2.BORDER_REFLECT_101
    s_boxes = np.asarray(cv2.boxFilter(moved, -1, box, anchor=corner, borderType=border), np.float32)
    squares = cv2.sqrBoxFilter(moved, cv2.CV_32F, box, anchor=corner, borderType=border)
    ss_boxes = np.asarray(squares, np.float32)
    full = windows.gather(np.ones((rows, columns), np.float32))
    b_mean = windows.mean(b) / full
    b_variance = np.maximum(windows.mean(product(b, b)) / full - b_mean * b_mean, 0)
    out = np.empty((span, span, rows, columns), np.float32)
    buffer = np.empty_like(b)
    for dy in range(span):
        for dx in range(span):
            cv2.multiply(b, moved[dy : dy + height, dx : dx + width], dst=buffer)
            at = (slice(dy, dy + rows * stride, stride), slice(dx, dx + columns * stride, stride))
            s_mean = windows.gather(s_boxes[at]) / full
            s_variance = windows.gather(ss_boxes[at]) / full - s_mean * s_mean
            covariance = windows.mean(buffer) / full - b_mean * s_mean
            power = b_variance * np.maximum(s_variance, 0)
            out[dy, dx] = np.where(
                power > _TINY * _TINY, covariance / np.sqrt(np.maximum(power, _TINY**2)), 0
            )
    return np.clip(out, -1, 1, out=out)


def peaks(volume: NDArray[np.float32]) -> tuple[Plane, NDArray[np.float32]]:
    """Best value and sub-pixel place of it, by parabolas through the neighbours along y and x.

    Parameters
    ----------
    volume : (2 radius + 1, 2 radius + 1, rows, columns) float32, as `search` gives

    Returns
    -------
    best : (rows, columns) float32, the greatest value
    shift : (rows, columns, 2) float32 px (dy, dx); NaN where the greatest value lies at the search's rim
    """
    span = volume.shape[0]
    radius = span // 2
    rows, columns = volume.shape[2:]
    flat = volume.reshape(span * span, -1)
    at = flat.argmax(axis=0)
    y, x = np.divmod(at, span)
    window = np.arange(rows * columns)
    best = flat[at, window]
    inside = (y > 0) & (y < span - 1) & (x > 0) & (x < span - 1)
    shift = np.full((2, rows * columns), np.nan, np.float32)
    for axis, step in ((0, span), (1, 1)):
        before, after = flat[(at - step)[inside], window[inside]], flat[(at + step)[inside], window[inside]]
        bend = np.maximum(2 * best[inside] - before - after, np.float32(1e-6))
        whole = (y if axis == 0 else x)[inside] - radius
        shift[axis, inside] = whole + np.clip((after - before) / (2 * bend), -0.5, 0.5)
    return best.reshape(rows, columns), np.moveaxis(shift.reshape(2, rows, columns), 0, -1)
