"""Figures of merit of one kernel: width, encircled energy, contrast transfer, roundness.

Everything about width comes from one curve, the *radial profile*: the mean of the kernel on circles around its centre
of mass, read between pixels by cubic splines. So all figures agree on the centre, which is reported, and on what lies
between the pixels. Lengths are px, frequencies cycles a pixel, axes (y, x).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates, spline_filter

Kernel = NDArray[np.float64]

RADIAL_STEP = 0.05
"""Distance of neighbouring circles of a radial profile, px."""
ROUND_PART = 0.85
"""Part of the equivalent disk's radius within which roundness is judged: its rim is left out."""
PADDING = 4
"""A kernel's spectrum is computed on a grid this many times its size."""


@dataclass(frozen=True, eq=False)
class RadialProfile:
    """The mean on circles around the centre of mass.

    Attributes
    ----------
    radius : (R,) from 0 to the farthest corner, px
    mean : (R,) light per px^2; outside the kernel there is none
    encircled : (R,) part of all light within the radius, ending at 1
    """

    radius: NDArray[np.float64]
    mean: NDArray[np.float64]
    encircled: NDArray[np.float64]


@dataclass(frozen=True)
class Merit:
    """Figures of one kernel.

    Attributes
    ----------
    centre : (y, x) centre of mass from the middle of the middle pixel, px; the point that radii count from
    peak : largest value between the pixels, light per px^2 (sum of the kernel is 1)
    fwhm : full width at half maximum: twice the largest radius at which the radial profile is half of its maximum
    ee50, ee80 : radii that hold 50 and 80 % of the light
    mtf50, mtf50_y, mtf50_x : lowest frequency at which the modulus of the transfer function is one half: of its mean on
        circles, along y and along x; None where it stays above up to 0.5
    equivalent_radius : of the uniform disk of the same ee50: sqrt(2) times that
    angular_spread : deviation from the mean on circles over that mean, both as root mean squares within 0.85 of the
        equivalent radius: 0 for a round kernel
    outer_ring : part of the light in the outermost ring of pixels
    """

    centre: tuple[float, float]
    peak: float
    fwhm: float
    ee50: float
    ee80: float
    mtf50: float | None
    mtf50_y: float | None
    mtf50_x: float | None
    equivalent_radius: float
    angular_spread: float
    outer_ring: float


def measure(kernel: Kernel) -> Merit:
    """All figures of one kernel.

    Parameters
    ----------
    kernel : (n, n), n odd, any positive sum: the figures are those of the kernel divided by it

    Raises
    ------
    ValueError
        If it is no kernel.
    """
    kernel = unit_sum(kernel)
    profile = radial_profile(kernel)
    middle, along_y, along_x = transfer_curves(kernel)
    half_light = encircling_radius(profile, 0.5)
    equivalent = math.sqrt(2) * half_light
    ring = kernel.sum() - kernel[1:-1, 1:-1].sum() if len(kernel) > 2 else kernel.sum()
    return Merit(
        centre=centre_of_mass(kernel),
        peak=peak(kernel),
        fwhm=full_width(profile),
        ee50=half_light,
        ee80=encircling_radius(profile, 0.8),
        mtf50=half_frequency(middle),
        mtf50_y=half_frequency(along_y),
        mtf50_x=half_frequency(along_x),
        equivalent_radius=equivalent,
        angular_spread=angular_spread(kernel, profile, ROUND_PART * equivalent),
        outer_ring=float(ring),
    )


def unit_sum(kernel: Kernel) -> Kernel:
    """A kernel divided by its sum, float64.

    Raises
    ------
    ValueError
        If it is not square, of odd size, finite, and of positive sum.
    """
    kernel = np.asarray(kernel, np.float64)
    if kernel.ndim != 2 or kernel.shape[0] != kernel.shape[1] or kernel.shape[0] % 2 == 0:
        raise ValueError(f"a kernel is square with an odd number of pixels on a side, not {kernel.shape}")
    if not np.isfinite(kernel).all():
        raise ValueError("a kernel's values must be finite")
    total = kernel.sum()
    if not total > 0:
        raise ValueError(f"a kernel's sum must be positive, not {total}")
    return np.asarray(kernel / total)


def centre_of_mass(kernel: Kernel) -> tuple[float, float]:
    """(y, x) from the middle of the middle pixel, px."""
    middles = np.arange(len(kernel)) - (len(kernel) - 1) / 2
    total = kernel.sum()
    return float(middles @ kernel.sum(axis=1) / total), float(middles @ kernel.sum(axis=0) / total)


def peak(kernel: Kernel) -> float:
    """Largest value between the pixels, by cubic splines around the largest pixel."""
    row, column = np.unravel_index(int(kernel.argmax()), kernel.shape)
    fine = np.linspace(-1, 1, 41)
    y, x = np.meshgrid(row + fine, column + fine, indexing="ij")
    around = map_coordinates(_coefficients(kernel), [y, x], order=3, mode="constant", prefilter=False)
    return float(max(around.max(), kernel[row, column]))


def radial_profile(kernel: Kernel) -> RadialProfile:
    """The mean on circles around the centre of mass, of a kernel of sum 1."""
    n = len(kernel)
    y0, x0 = centre_of_mass(kernel)
    centre = (n - 1) / 2 + y0, (n - 1) / 2 + x0
    farthest = math.hypot(*(n / 2 + abs(offset) for offset in (y0, x0)))
    radius = RADIAL_STEP * np.arange(math.ceil(farthest / RADIAL_STEP) + 1, dtype=np.float64)
    coefficients = _coefficients(kernel)
    mean = np.zeros_like(radius)
    # circles in groups of one number of points, two a pixel of circumference
    points = np.maximum(24, 2 ** np.ceil(np.log2(4 * math.pi * radius + 1)).astype(int))
    for count in np.unique(points):
        group = np.flatnonzero(points == count)
        angle = 2 * math.pi * (np.arange(count) + 0.5) / count
        y = centre[0] + radius[group, None] * np.sin(angle)
        x = centre[1] + radius[group, None] * np.cos(angle)
        values = map_coordinates(coefficients, [y, x], order=3, mode="constant", prefilter=False)
        mean[group] = values.mean(axis=1)
    rings = np.diff(radius**2) * math.pi * (mean[1:] + mean[:-1]) / 2
    within = np.concatenate([[0.0], np.cumsum(rings)])
    return RadialProfile(radius, mean, within / within[-1])


def full_width(profile: RadialProfile) -> float:
    """Twice the largest radius at which the radial profile is half of its maximum, px."""
    half = profile.mean.max() / 2
    last = int(np.flatnonzero(profile.mean >= half)[-1])
    if last + 1 == len(profile.radius):
        return float(2 * profile.radius[-1])
    inside, outside = profile.mean[last], profile.mean[last + 1]
    return float(2 * (profile.radius[last] + RADIAL_STEP * (inside - half) / (inside - outside)))


def encircling_radius(profile: RadialProfile, part: float) -> float:
    """Smallest radius in px that holds ``part`` of all light."""
    first = max(int(np.argmax(profile.encircled >= part)), 1)
    low, high = profile.encircled[first - 1], profile.encircled[first]
    return float(profile.radius[first - 1] + RADIAL_STEP * (part - low) / (high - low))


def angular_spread(kernel: Kernel, profile: RadialProfile, radius: float) -> float:
    """Deviation from the mean on circles over that mean, root mean squares within ``radius`` px of the centre."""
    y0, x0 = centre_of_mass(kernel)
    middles = np.arange(len(kernel)) - (len(kernel) - 1) / 2
    distance = np.hypot((middles - y0)[:, None], middles - x0)
    inside = distance <= max(radius, 1.0)
    mean = np.interp(distance[inside], profile.radius, profile.mean)
    return float(np.sqrt(((kernel[inside] - mean) ** 2).sum() / (mean**2).sum()))


def transfer_curves(kernel: Kernel) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Modulus of the transfer function of a kernel of sum 1: mean on circles, along y, along x.

    Returns
    -------
    three curves (F,) at frequencies 0 ... 0.5 cycles a pixel, both ends included; each begins with 1
    """
    modulus = transfer_modulus(kernel)
    half = len(modulus) // 2
    frequencies = np.arange(half + 1)
    angle = math.pi * (np.arange(2 * half) + 0.5) / (2 * half)
    y = half + frequencies[:, None] * np.sin(angle)
    x = half + frequencies[:, None] * np.cos(angle)
    middle = map_coordinates(modulus, [y, x], order=1, mode="grid-wrap").mean(axis=1)
    wrapped = np.concatenate([modulus, modulus[:1]])
    return middle, wrapped[half:, half], np.append(modulus[half, half:], modulus[half, 0])


def transfer_modulus(kernel: Kernel) -> NDArray[np.float64]:
    """|K(f)| on a grid of frequencies (m, m), m = 4 times the size rounded up to even, frequency 0 at (m/2, m/2)."""
    m = PADDING * (len(kernel) + 1)
    return np.fft.fftshift(np.abs(np.fft.fft2(kernel, (m, m))))


def centre_line(kernel: Kernel, axis: int) -> NDArray[np.float64]:
    """Values (n,) at the pixels' positions on the line through the centre of mass along ``axis`` (0: y, 1: x)."""
    n = len(kernel)
    across = (n - 1) / 2 + centre_of_mass(kernel)[1 - axis]
    along = np.arange(n, dtype=np.float64)
    points = [along, np.full(n, across)] if axis == 0 else [np.full(n, across), along]
    return np.asarray(
        map_coordinates(_coefficients(kernel), points, order=3, mode="constant", prefilter=False)
    )


def _coefficients(kernel: Kernel) -> NDArray[np.float64]:
    """Cubic spline coefficients; beyond the border the kernel is 0."""
    return np.asarray(spline_filter(kernel, order=3, output=np.float64, mode="mirror"))


def half_frequency(curve: NDArray[np.float64]) -> float | None:
    """First frequency at which a curve over [0, 0.5] falls to one half of its beginning."""
    relative = curve / curve[0]
    below = np.flatnonzero(relative < 0.5)
    if not below.size:
        return None
    last = int(below[0]) - 1
    part = (relative[last] - 0.5) / (relative[last] - relative[last + 1])
    return float(0.5 * (last + part) / (len(curve) - 1))
