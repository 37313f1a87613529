"""Models of point spread functions: disk, Gaussian, Airy pattern, defocus, a band of wavelengths, many views.

A model is a density of light over the plane, of total 1. Lengths are pixels, axes (y, x), the origin is the middle of
the kernel's middle pixel. `kernel` turns a model into an (n, n) float64 array of sum 1: integrated over square pixels
(``pixel=1``, what a sensor records: the system's kernel) or sampled at their middles (``pixel=0``: the optical one).

Diffraction enters by one length, the *Airy scale* ``lambda N`` in pixels; `optics` derives it, and the defocus, from
f-number, wavelength, pixel pitch and distances. The first dark ring of an Airy pattern has the radius 1.22 scale.

References
----------
.. [1] M. Born, E. Wolf, "Principles of Optics", 7th ed., 1999, sections 8.5.2 (Airy) and 8.8 (defocus, Lommel),
   doi:10.1017/CBO9781139644181.
.. [2] J. W. Goodman, "Introduction to Fourier Optics", 3rd ed., 2005, section 6.4 (focusing errors).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from psf.pupil import Part, airy_profile, pupil_profile

Kernel = NDArray[np.float64]


class Model(Protocol):
    """A density of light over the plane, of total 1."""

    def light(self, size: int, *, centre: tuple[float, float], pixel: float) -> Kernel:
        """Light on each pixel: mean density over squares of side ``pixel`` times the area of 1 px^2.

        Parameters
        ----------
        size : pixels n on a side, odd
        centre : (y, x) of the model's centre, from the middle of the middle pixel
        pixel : side of the light-sensitive square, in [0, 1] px; 0 samples the density

        Returns
        -------
        (n, n) float64; for ``pixel=1`` the sum is the part of the light that falls inside the n x n pixels
        """
        ...


def kernel(
    model: Model, size: int, *, centre: tuple[float, float] = (0.0, 0.0), pixel: float = 1.0
) -> Kernel:
    """A model as a kernel of sum 1.

    Parameters
    ----------
    model : any of this module
    size : pixels n on a side, odd; light that falls outside is left out before the sum is made 1
    centre : (y, x) of the model's centre, from the middle of the middle pixel
    pixel : side of the light-sensitive square, in [0, 1] px; 0 samples the density

    Returns
    -------
    (n, n) float64 of sum 1

    Raises
    ------
    ValueError
        If the size is not odd and positive, the pixel not in [0, 1], or no light falls inside.
    """
    if size < 1 or size % 2 == 0:
        raise ValueError(f"a kernel's size must be odd and positive, not {size}")
    if not 0 <= pixel <= 1:
        raise ValueError(f"a pixel's side must be in [0, 1], not {pixel}")
    light = model.light(size, centre=centre, pixel=pixel)
    total = light.sum()
    if not total > 0:
        raise ValueError(f"no light falls inside a kernel of {size} x {size} pixels")
    return np.asarray(light / total)


@dataclass(frozen=True)
class Pillbox:
    """A uniform disk of ``radius`` px: defocus by geometry. Coverage of pixels is exact."""

    radius: float

    def __post_init__(self) -> None:
        _check_positive("a disk's radius", self.radius)

    def light(self, size: int, *, centre: tuple[float, float], pixel: float) -> Kernel:
        """See `Model.light`."""
        y, x = _offsets(size, centre)
        area = math.pi * self.radius**2
        if pixel == 0:
            return np.asarray((np.hypot(y[:, None], x) <= self.radius) / area)
        low, high = -pixel / 2, pixel / 2
        covered = (
            _disk_in_corner(y + high, x + high, self.radius)
            - _disk_in_corner(y + low, x + high, self.radius)
            - _disk_in_corner(y + high, x + low, self.radius)
            + _disk_in_corner(y + low, x + low, self.radius)
        )
        return np.asarray(np.maximum(covered, 0.0) / (area * pixel**2))


@dataclass(frozen=True)
class Gaussian:
    """A round Gaussian of standard deviation ``sigma`` px."""

    sigma: float

    def __post_init__(self) -> None:
        _check_positive("a Gaussian's sigma", self.sigma)

    def light(self, size: int, *, centre: tuple[float, float], pixel: float) -> Kernel:
        """See `Model.light`."""
        rows, columns = (self.line(offsets, pixel) for offsets in _offsets(size, centre))
        return np.asarray(rows[:, None] * columns)

    def line(self, offsets: NDArray[np.float64], pixel: float) -> NDArray[np.float64]:
        """Mean density over intervals of length ``pixel`` around ``offsets`` along one axis, per px."""
        if pixel == 0:
            return np.asarray(
                np.exp(-0.5 * (offsets / self.sigma) ** 2) / (self.sigma * math.sqrt(2 * math.pi))
            )
        # the lower tail is the accurate one: ndtr(large) is 1 less something lost
        far = -np.abs(offsets)
        part = ndtr((far + pixel / 2) / self.sigma) - ndtr((far - pixel / 2) / self.sigma)
        return np.asarray(part / pixel)


@dataclass(frozen=True)
class Airy:
    """The pattern of a round pupil in focus; ``scale`` is lambda N in px."""

    scale: float

    def __post_init__(self) -> None:
        _check_positive("an Airy scale", self.scale)

    def light(self, size: int, *, centre: tuple[float, float], pixel: float) -> Kernel:
        """See `Model.light`."""
        return airy_profile(self.scale).light(*_offsets(size, centre), pixel=pixel)


@dataclass(frozen=True)
class DefocusedAiry:
    """The pattern of a round pupil out of focus, by the pupil integral |FT{P exp(2 pi i W20 rho^2)}|^2.

    Attributes
    ----------
    scale : lambda N in px
    waves : W20 at the pupil's rim in wavelengths; its sign does not show in the pattern
    """

    scale: float
    waves: float

    def __post_init__(self) -> None:
        _check_positive("an Airy scale", self.scale)
        if not math.isfinite(self.waves):
            raise ValueError(f"a defocus must be finite, not {self.waves} waves")

    @classmethod
    def of_radius(cls, scale: float, radius: float) -> Self:
        """The model whose geometric circle of confusion has ``radius`` px."""
        _check_positive("an Airy scale", scale)
        return cls(scale, radius / (4 * scale))

    @property
    def radius(self) -> float:
        """Radius of the geometric circle of confusion, 4 |W20| lambda N, in px."""
        return 4 * abs(self.waves) * self.scale

    def light(self, size: int, *, centre: tuple[float, float], pixel: float) -> Kernel:
        """See `Model.light`."""
        profile = pupil_profile([Part(self.scale, self.waves)], reach=_reach(size, centre))
        return profile.light(*_offsets(size, centre), pixel=pixel)


@dataclass(frozen=True)
class Polychromatic:
    """A sum of patterns of several wavelengths.

    Attributes
    ----------
    parts : a pattern for each wavelength
    weights : light of each; they need not sum to 1
    """

    parts: tuple[DefocusedAiry, ...]
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        weights = np.array(self.weights)
        if len(self.parts) != len(self.weights) or not self.parts:
            raise ValueError(f"{len(self.parts)} wavelengths have {len(self.weights)} weights")
        if not np.isfinite(weights).all() or (weights < 0).any() or not weights.any():
            raise ValueError("weights of wavelengths must be finite and not negative, and one above 0")

    @classmethod
    def of_band(
        cls, scale: float, radius: float, relative: Sequence[float], weights: Sequence[float] | None = None
    ) -> Self:
        """A band seen through a lens without longitudinal colour: all wavelengths share the blur circle.

        Parameters
        ----------
        scale : lambda N in px at the reference wavelength
        radius : of the geometric circle of confusion in px
        relative : wavelengths over the reference wavelength
        weights : light at each, all equal by default
        """
        return cls(
            tuple(DefocusedAiry.of_radius(scale * part, radius) for part in relative),
            tuple(weights) if weights is not None else (1.0,) * len(relative),
        )

    def light(self, size: int, *, centre: tuple[float, float], pixel: float) -> Kernel:
        """See `Model.light`."""
        parts = [
            Part(part.scale, part.waves, weight)
            for part, weight in zip(self.parts, self.weights, strict=True)
            if weight > 0
        ]
        profile = pupil_profile(parts, reach=_reach(size, centre))
        return profile.light(*_offsets(size, centre), pixel=pixel)


@dataclass(frozen=True, eq=False)
class SyntheticAperture:
    """What refocusing a light field makes of a point out of focus: a spot for each view.

    A point of disparity d in a picture focused at slope s has the spot of view (u, v) at (s - d) (u - u0, v - v0).

    Attributes
    ----------
    spot : pattern of a point in one view
    spacing : s - d, px a view step: distance of neighbouring spots, and the direction of their order
    weights : (U, V) float64, the aperture's; normalised here, none negative
    middle : (u0, v0), the grid's middle by default
    """

    spot: Model
    spacing: float
    weights: NDArray[np.float64]
    middle: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        weights = np.asarray(self.weights)
        if weights.ndim != 2:
            raise ValueError(f"weights of views have 2 axes, not {weights.ndim}")
        if not np.isfinite(weights).all() or (weights < 0).any() or not weights.any():
            raise ValueError("weights of views must be finite and not negative, and one above 0")
        if not math.isfinite(self.spacing):
            raise ValueError(f"a spacing of spots must be finite, not {self.spacing}")

    def light(self, size: int, *, centre: tuple[float, float], pixel: float) -> Kernel:
        """See `Model.light`."""
        weights = np.asarray(self.weights, np.float64) / np.sum(self.weights)
        middle = self.middle or ((weights.shape[0] - 1) / 2, (weights.shape[1] - 1) / 2)
        down, across = (
            centre[axis] + self.spacing * (np.arange(weights.shape[axis]) - middle[axis]) for axis in (0, 1)
        )
        if isinstance(self.spot, Gaussian):
            # separable: a matrix product instead of a picture for each view
            y, x = _offsets(size, (0.0, 0.0))
            rows = self.spot.line(y[:, None] - down, pixel)
            columns = self.spot.line(x[:, None] - across, pixel)
            return np.asarray(rows @ weights @ columns.T)
        total = np.zeros((size, size))
        for u, v in zip(*np.nonzero(weights), strict=True):
            here = float(down[u]), float(across[v])
            total += weights[u, v] * self.spot.light(size, centre=here, pixel=pixel)
        return total


def _offsets(size: int, centre: tuple[float, float]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Pixel middles from the model's centre, along y and x."""
    middles = np.arange(size, dtype=np.float64) - (size - 1) / 2
    return middles - centre[0], middles - centre[1]


def _reach(size: int, centre: tuple[float, float]) -> float:
    """Distance from the model's centre to the farthest corner of the pixels."""
    return math.hypot(*(size / 2 + abs(offset) for offset in centre))


def _disk_in_corner(y: NDArray[np.float64], x: NDArray[np.float64], radius: float) -> Kernel:
    """Signed area of a disk around the origin within [0, y] x [0, x], (len(y), len(x)); odd in y and in x."""
    tall = np.minimum(np.abs(y), radius)[:, None]
    wide = np.minimum(np.abs(x), radius)[None, :]
    # to the left of `bend` the rectangle's top is the limit, to the right of it the circle
    bend = np.minimum(np.sqrt(np.maximum(radius**2 - tall**2, 0.0)), wide)
    area = tall * bend + _under_circle(wide, radius) - _under_circle(bend, radius)
    return np.asarray(np.sign(y)[:, None] * np.sign(x) * area)


def _under_circle(t: NDArray[np.float64], radius: float) -> NDArray[np.float64]:
    """Integral of sqrt(radius^2 - t^2) from 0 to t."""
    inside = np.sqrt(np.maximum(radius**2 - t**2, 0.0))
    return np.asarray(0.5 * (t * inside + radius**2 * np.arcsin(np.minimum(t / radius, 1.0))))


def _check_positive(what: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{what} must be positive and finite, not {value}")
