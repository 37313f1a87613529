"""From the target to the picture: a homography, the lens's radial distortion, and what a bulging paper adds.

Points of the target are (column, row) in pitches: the disk of column 0 and row 0 is at (0, 0). Points of the
picture are (y, x) in pixels, the first pixel's centre is (0, 0). Homographies are 3 x 3 and take (column, row, 1)
to (x, y, 1), as OpenCV's do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_OUTLINE_POINTS = 128
"""Of a projected disk: the centroid of the polygon is off by less than 1e-3 of what perspective moves it by."""


@dataclass(frozen=True)
class Projection:
    """How a flat target lies in a picture.

    Attributes
    ----------
    homography : (3, 3) float64, (column, row, 1) to (x, y, 1) px of a picture without distortion
    centre : (y, x) px about which the lens distorts
    scale : px, half the picture's diagonal
    distortion : a point at the radius r leaves for r (1 + distortion (r / scale)^2), barrel is negative [1]_
    bulge : (10, 2) float64, (y, x) px: polynomial of third order in the place on the target by which paper that is
        not flat shifts points; see `bulge_terms`. None: flat
    extent : (columns, rows) of the target, to which the polynomial's variables are relative

    References
    ----------
    .. [1] D. C. Brown, "Close-range camera calibration", Photogrammetric Engineering 37 (1971), the first radial term.
    """

    homography: NDArray[np.float64]
    centre: tuple[float, float] = (0.0, 0.0)
    scale: float = 1.0
    distortion: float = 0.0
    bulge: NDArray[np.float64] | None = None
    extent: tuple[int, int] = (2, 2)

    def points(self, target: NDArray[np.float64]) -> NDArray[np.float64]:
        """Picture points of target points.

        Parameters
        ----------
        target : (..., 2) float64, (column, row) in pitches

        Returns
        -------
        (..., 2) float64, (y, x) px
        """
        flat = self.flat_points(target)
        if self.bulge is None:
            return flat
        return np.asarray(flat + bulge_terms(target, self.extent) @ self.bulge)

    def flat_points(self, target: NDArray[np.float64]) -> NDArray[np.float64]:
        """Picture points of target points, were the paper flat; parameters are those of `points`."""
        mapped = target @ self.homography[:, :2].T + self.homography[:, 2]
        yx = mapped[..., 1::-1] / mapped[..., 2:]
        if self.distortion == 0:
            return np.asarray(yx)
        arm = yx - np.asarray(self.centre)
        square = np.sum(arm * arm, axis=-1, keepdims=True) / self.scale**2
        return np.asarray(self.centre + arm * (1 + self.distortion * square))

    def outlines(self, target: NDArray[np.float64], radius: float) -> NDArray[np.float64]:
        """Picture points of the edges of disks.

        Parameters
        ----------
        target : (K, 2) float64, centres (column, row) in pitches
        radius : of the disks, pitches

        Returns
        -------
        (K, 128, 2) float64, (y, x) px, evenly spaced on the target
        """
        angle = 2 * np.pi * np.arange(_OUTLINE_POINTS) / _OUTLINE_POINTS
        ring = radius * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        return self.points(target[:, None, :] + ring)

    def centroids(self, target: NDArray[np.float64], radius: float) -> NDArray[np.float64]:
        """Centroids of the projected disks, which are not the projections of their centres.

        Parameters
        ----------
        target : (K, 2) float64, centres (column, row) in pitches
        radius : of the disks, pitches

        Returns
        -------
        (K, 2) float64, (y, x) px
        """
        outline = self.outlines(target, radius)
        middle = outline.mean(axis=1)
        arm = outline - middle[:, None, :]
        following = np.roll(arm, -1, axis=1)
        area = arm[..., 1] * following[..., 0] - following[..., 1] * arm[..., 0]
        moment = np.sum((arm + following) * area[..., None], axis=1) / 3
        return np.asarray(middle + moment / np.sum(area, axis=1)[:, None])

    def areas(self, target: NDArray[np.float64], radius: float) -> NDArray[np.float64]:
        """Areas of the projected disks, (K,) float64, px^2; parameters are those of `centroids`."""
        outline = self.outlines(target, radius)
        following = np.roll(outline, -1, axis=1)
        twice = np.sum(outline[..., 1] * following[..., 0] - following[..., 1] * outline[..., 0], axis=1)
        polygon = np.sin(2 * np.pi / _OUTLINE_POINTS) / (2 * np.pi / _OUTLINE_POINTS)
        return np.asarray(np.abs(twice) / (2 * polygon))

    def pixels_per_pitch(self, target: NDArray[np.float64]) -> NDArray[np.float64]:
        """Local scale, (K,) float64: the root of the area in px^2 of a unit square at (K, 2) target points."""
        step = 1e-3
        right, below = np.array([step, 0.0]), np.array([0.0, step])
        across = self.points(target + right) - self.points(target - right)
        down = self.points(target + below) - self.points(target - below)
        area = np.abs(across[:, 0] * down[:, 1] - across[:, 1] * down[:, 0])
        return np.asarray(np.sqrt(area) / (2 * step))


def bulge_terms(target: NDArray[np.float64], extent: tuple[int, int]) -> NDArray[np.float64]:
    """Terms of a polynomial of third order, (..., 10), at (..., 2) target points.

    They are 1, c, r, cc, cr, rr, ccc, ccr, crr, rrr, with the column c and row r from -1 to 1 over the target.
    """
    half = (np.asarray(extent, np.float64) - 1) / 2
    c, r = np.moveaxis(target / half - 1, -1, 0)
    return np.stack([np.ones_like(c), c, r, c * c, c * r, r * r, c**3, c * c * r, c * r * r, r**3], axis=-1)
