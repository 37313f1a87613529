"""Diffraction by a round pupil: radial profiles of its point spread function, and their light on pixels.

A profile is a density per px^2 of total 1 over the plane, a function of the distance r from its centre alone::

    h(r) = pi / (4 s^2) |2 int_0^1 exp(2 pi i W20 rho^2) J0(pi r rho / s) rho d rho|^2,   s = lambda N in px

(Born and Wolf, "Principles of Optics", sections 8.5.2 and 8.8, doi:10.1017/CBO9781139644181). It is computed by
Gauss-Legendre quadrature over the pupil for a table; light on pixels is found by Gauss-Legendre quadrature over each
pixel.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.special import j0, j1

STEPS_PER_SCALE = 16
"""Table entries per Airy scale: splines between them are within 1e-5 of the peak."""
FINER = 32
"""Entries that splines put between two of these, so that straight lines between them are as good."""


@dataclass(frozen=True)
class Part:
    """A pattern in a sum of patterns.

    Attributes
    ----------
    scale : lambda N in px
    waves : W20 at the rim in wavelengths
    weight : of the pattern in the sum
    """

    scale: float
    waves: float
    weight: float = 1.0


@dataclass(frozen=True)
class RadialProfile:
    """A round pattern.

    Attributes
    ----------
    density : of the distance from the centre in px, any shape, to light per px^2
    finest : Airy scale in px: the pattern holds no frequency above 1 / finest cycles a pixel
    """

    density: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    finest: float

    def light(self, y: NDArray[np.float64], x: NDArray[np.float64], *, pixel: float) -> NDArray[np.float64]:
        """Mean density over squares of side ``pixel`` around the points (y, x), (len(y), len(x))."""
        if pixel == 0:
            return np.asarray(self.density(np.hypot(y[:, None], x)))
        # nodes for the finest fringes: what is left is below 1e-4 of the peak
        nodes, weights = np.polynomial.legendre.leggauss(2 + math.ceil(2 * pixel / self.finest))
        offsets, weights = nodes * pixel / 2, weights / 2
        rows = (y[:, None] + offsets).ravel()
        columns = (x[:, None] + offsets).ravel()
        fine = self.density(np.hypot(rows[:, None], columns))
        fine = fine.reshape(len(y), len(offsets), len(x), len(offsets))
        return np.asarray(np.einsum("iajb,a,b->ij", fine, weights, weights))


def airy_profile(scale: float) -> RadialProfile:
    """The pattern in focus, pi / (4 s^2) (2 J1(v) / v)^2 with v = pi r / s, for ``scale`` s in px."""

    def density(r: NDArray[np.float64]) -> NDArray[np.float64]:
        v = np.maximum(math.pi * r / scale, 1e-8)
        return np.asarray(math.pi / (4 * scale**2) * (2 * j1(v) / v) ** 2)

    return RadialProfile(density, scale)


def pupil_profile(parts: Sequence[Part], *, reach: float) -> RadialProfile:
    """A pattern out of focus, or the sum of several, by the pupil integral.

    Parameters
    ----------
    parts : at least one; their weights are normalised
    reach : largest distance in px that will be asked for
    """
    finest = min(part.scale for part in parts)
    # steps of 32 let neighbouring models, as a fit tries them, share one table of Bessel functions
    farthest = 32.0 * math.ceil((reach / finest + 1) / 32)
    phase = 2 * math.pi * max(abs(part.waves) for part in parts) + math.pi * farthest
    distances, rho, weights, bessel = _pupil_table(farthest, 32 * math.ceil((24 + 0.6 * phase) / 32))
    total = sum(part.weight for part in parts)
    values = np.zeros_like(distances)
    for part in parts:
        angle = 2 * math.pi * part.waves * rho**2
        real, imaginary = bessel @ (weights * np.cos(angle)), bessel @ (weights * np.sin(angle))
        own = math.pi / (4 * part.scale**2) * (real**2 + imaginary**2)
        if part.scale != finest:
            own = _spline(distances * part.scale, own)(distances * finest)
        values += part.weight / total * own
    steps = STEPS_PER_SCALE * FINER / finest
    fine = _spline(distances * finest, values)(np.arange((len(distances) - 1) * FINER + 1) / steps)
    rise = np.append(np.diff(fine), 0.0)

    def density(r: NDArray[np.float64]) -> NDArray[np.float64]:
        place = r * steps
        below = place.astype(np.int32)
        return np.asarray(fine[below] + (place - below) * rise[below])

    return RadialProfile(density, finest)


def _spline(r: NDArray[np.float64], values: NDArray[np.float64]) -> CubicSpline:
    """Cubic spline of an even function."""
    # flat at the outer end too, which is not so but is felt by the last few entries alone, beyond the reach
    return CubicSpline(r, values, bc_type="clamped")


@lru_cache(maxsize=4)
def _pupil_table(
    farthest: float, nodes: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Distances in Airy scales (R,), nodes and weights of the pupil's radius (P,), and J0(pi r rho) (R, P).

    The weights hold the 2 rho of the integral, so that they sum to 1.
    """
    distances = np.arange(math.ceil(farthest * STEPS_PER_SCALE) + 2) / STEPS_PER_SCALE
    points, weights = np.polynomial.legendre.leggauss(nodes)
    rho = (points + 1) / 2
    return distances, rho, weights * rho, j0(math.pi * distances[:, None] * rho)
