"""The similarity (shift, rotation, scale) between two pictures, fitted to shifts measured in windows.

A shift (dy, dx) in px at a point p = (y, x) of the blurred picture says that the sharp picture shows at p +
(dy, dx) what the blurred one shows at p.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]

_TUKEY = 4.685
"""Tukey's biweight has 95 % of least squares' efficiency on normal errors at this many deviations."""

_PRIOR = 0.01
"""Deviation that rotation (rad) and scale - 1 are expected to have: it decides where the windows say nothing
about them, and is of no weight where they do."""


@dataclass(frozen=True)
class Similarity:
    """How the sharp picture lies over the blurred one.

    Attributes
    ----------
    shift : (dy, dx) px at `centre`
    rotation : degrees, positive where the sharp picture's content is turned counter-clockwise as seen
    scale : above 1 where the sharp picture's content is larger
    centre : (y, x) px, the point that `shift` is given for
    shift_error : standard error (y, x) of the shift where it is known best, px
    rotation_error, scale_error : standard errors of `rotation` (degrees) and `scale`
    residual : median distance of the measured shifts from the fitted ones, px
    """

    shift: tuple[float, float]
    rotation: float
    scale: float
    centre: tuple[float, float]
    shift_error: tuple[float, float]
    rotation_error: float
    scale_error: float
    residual: float

    @property
    def parameters(self) -> Points:
        """(4,) float64: dy, dx, scale cos(rotation) - 1, scale sin(rotation)."""
        angle = np.radians(self.rotation)
        return np.array([*self.shift, self.scale * np.cos(angle) - 1, self.scale * np.sin(angle)])

    def shifts(self, points: Points) -> Points:
        """Shifts (..., 2) px at points (..., 2) (y, x) px."""
        return np.asarray(_design(points, self.centre) @ self.parameters)

    def about(self, centre: tuple[float, float]) -> Similarity:
        """The same similarity, its shift given for another point (y, x) px."""
        dy, dx = self.shifts(np.array(centre))
        return replace(self, shift=(float(dy), float(dx)), centre=centre)

    def enlarged(self, factor: int) -> Similarity:
        """The same similarity between pictures this many times as large; pixel centres are whole numbers."""
        y, x = ((at + 0.5) * factor - 0.5 for at in self.centre)
        return replace(
            self,
            shift=(self.shift[0] * factor, self.shift[1] * factor),
            centre=(y, x),
            shift_error=(self.shift_error[0] * factor, self.shift_error[1] * factor),
            residual=self.residual * factor,
        )


def pure_shift(shift: tuple[float, float], centre: tuple[float, float]) -> Similarity:
    """A similarity that moves all points (dy, dx) px, of which no errors are known."""
    nan = float("nan")
    return Similarity(shift, 0.0, 1.0, centre, (nan, nan), nan, nan, nan)


def fit_similarity(
    points: Points,
    shifts: Points,
    covariances: Points,
    *,
    centre: tuple[float, float],
    overlap: float = 1.0,
    start: Points | None = None,
    spreads: Sequence[float] = (1.0,) * 8,
) -> tuple[Similarity, NDArray[np.float64]]:
    """Fit a similarity by least squares, made robust by Tukey's biweight.

    Parameters
    ----------
    points : (N, 2) px (y, x), N >= 1
    shifts : (N, 2) px (dy, dx) measured there
    covariances : (N, 2, 2) px^2 of the measured shifts; a window on a straight edge, which knows the shift
        across the edge alone, has a large variance along it and then counts across it alone
    centre : (y, x) px that the shift is given for
    overlap : how many measurements share the information of one; standard errors grow by its root
    start : (4,) float64, `Similarity.parameters` to begin with; None: the median shift
    spreads : per round, the factor by which the deviations are taken to be larger; falling ones let the fit
        come from far

    Returns
    -------
    similarity
    weights : (N,) float64 in [0, 1], Tukey's of the last round: 0 for what does not follow the fit

    Notes
    -----
    P. J. Huber, E. M. Ronchetti: Robust Statistics, 2nd ed., 2009, doi:10.1002/9780470434697.
    """
    if points.ndim != 2 or points.shape[1] != 2 or shifts.shape != points.shape or len(points) == 0:
        raise ValueError(f"points and shifts must be (N, 2), not {points.shape} and {shifts.shape}")
    design = _design(points, centre)
    information = np.linalg.inv(covariances)
    prior = np.diag([0.0, 0.0, 1 / _PRIOR**2, 1 / _PRIOR**2]) * overlap
    ridge = np.diag([1e-9, 1e-9, 0.0, 0.0])
    found = (
        np.array([*np.median(shifts, axis=0), 0.0, 0.0]) if start is None else np.asarray(start, np.float64)
    )
    # (4, 2) per point, so that a round is two small products
    weighted = design.transpose(0, 2, 1) @ information
    lhs = weighted @ design
    rhs = (weighted @ shifts[..., None])[..., 0]
    weights = np.ones(len(points))
    normal = prior + ridge
    for spread in spreads:
        off = shifts - design @ found
        distance = np.einsum("ni,nij,nj->n", off, information, off)
        limit = (spread * _TUKEY) ** 2
        if distance.min() >= limit:
            # all beyond reach: the nearer half leads the way
            limit = 2 * np.median(distance)
        weights = np.square(np.maximum(1 - distance / limit, 0))
        normal = np.tensordot(weights, lhs, 1) + prior + ridge
        found = np.linalg.solve(normal, weights @ rhs)
    covariance = np.linalg.inv(normal) * overlap
    off = np.linalg.norm(shifts - design @ found, axis=1)
    kept = weights > 0
    scale = float(np.hypot(1 + found[2], found[3]))
    # The shift is known best about the middle of the points: its error there is that of the block alone.
    known = np.linalg.inv(normal[:2, :2]) * overlap
    similarity = Similarity(
        shift=(float(found[0]), float(found[1])),
        rotation=float(np.degrees(np.arctan2(found[3], 1 + found[2]))),
        scale=scale,
        centre=centre,
        shift_error=(float(np.sqrt(known[0, 0])), float(np.sqrt(known[1, 1]))),
        rotation_error=float(np.degrees(np.sqrt(covariance[3, 3]))),
        scale_error=float(np.sqrt(covariance[2, 2])),
        residual=float(np.median(off[kept])) if kept.any() else float("nan"),
    )
    return similarity, weights


def _design(points: Points, centre: tuple[float, float]) -> Points:
    """(..., 2, 4): the shift at each point is this times the parameters."""
    away = np.asarray(points, np.float64) - np.array(centre)
    y, x = away[..., 0], away[..., 1]
    one, none = np.ones_like(y), np.zeros_like(y)
    return np.stack([np.stack([one, none, y, -x], -1), np.stack([none, one, x, y], -1)], axis=-2)
