"""Families of models that can be fitted to a kernel: their parameters, limits, and where to begin."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lfsynth.aperture import circular
from psf.lattice import find_lattice
from psf.merit import Kernel, Merit
from psf.models import Airy, DefocusedAiry, Gaussian, Model, Pillbox, Polychromatic, SyntheticAperture

Limits = tuple[float, float]
Guesses = dict[str, list[float]]

SMALLEST, LARGEST = 0.05, 500.0
"""Limits of every length, px."""
SMALLEST_SCALE = 0.4
"""Limit of an Airy scale, px: below it pixels see no diffraction, and its rings are costly to compute."""
LARGEST_SPOT = 20.0
"""Limit of a spot's sigma, px."""
MOST_VIEWS = 15.5
"""Limit of a synthetic aperture's radius, view steps."""
VISIBLE = 400e-9, 450e-9, 500e-9, 550e-9, 600e-9, 650e-9, 700e-9
"""Wavelengths of the visible band in m; the middle one is the reference."""
RADIUS_STEPS = np.array([0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.35, 1.5])
DEFOCUS_STEPS = np.arange(0.85, 1.45, 0.05)
"""Radii, over that of the data's equivalent disk, from which a search begins: roughly, and where rings matter."""
SCALE_STEP, WIDEST_SCALE = math.log(1.3), 8.0
"""Step in logarithm of the Airy scales from which a search begins, and the widest but that in focus, px."""
AIRY_EE50, GAUSSIAN_EE50 = 0.535, math.sqrt(2 * math.log(2))
"""Radius that holds half of the light, over an Airy scale and over a Gaussian's sigma."""


@dataclass(frozen=True)
class Family:
    """Models of one kind.

    Attributes
    ----------
    parameters : limits by name, px unless the name says otherwise
    build : a model from values by name
    guess : values to try by name, from the data and their figures; None where the data are not of this kind
    """

    parameters: dict[str, Limits]
    build: Callable[[dict[str, float]], Model]
    guess: Callable[[Kernel, Merit], Guesses | None]


def polychromatic(
    wavelengths: Sequence[float], reference: float, weights: Sequence[float] | None = None
) -> Family:
    """Patterns over a band through a lens without longitudinal colour.

    Parameters
    ----------
    wavelengths : of the band, m
    reference : wavelength that the parameter ``scale`` = lambda N is of, m
    weights : light at each wavelength, all equal by default

    Returns
    -------
    family with the parameters ``scale`` and ``radius``, px
    """
    relative = [wavelength / reference for wavelength in wavelengths]

    def build(values: dict[str, float]) -> Model:
        return Polychromatic.of_band(values["scale"], values["radius"], relative, weights)

    return Family(_DIFFRACTION, build, _guess_defocus)


def synthetic_aperture(weights: NDArray[np.float64]) -> Family:
    """Spots of the views of a light field whose aperture is known.

    Parameters
    ----------
    weights : (U, V) of the views

    Returns
    -------
    family with the parameters ``spacing`` (px a view step) and ``sigma`` (of a spot, px)
    """

    def build(values: dict[str, float]) -> Model:
        return SyntheticAperture(Gaussian(values["sigma"]), values["spacing"], weights)

    def guess(data: Kernel, merit: Merit) -> Guesses | None:
        begin = _guess_lattice(data, merit)
        return begin and {name: begin[name] for name in ("spacing", "sigma")}

    return Family({"spacing": (SMALLEST, LARGEST), "sigma": (SMALLEST, LARGEST_SPOT)}, build, guess)


def _round_aperture(values: dict[str, float]) -> Model:
    """Views of a round aperture on an odd grid that just holds it."""
    half = math.ceil(values["aperture"])
    weights = circular((2 * half + 1, 2 * half + 1), values["aperture"], centre=(half, half))
    return SyntheticAperture(Gaussian(values["sigma"]), values["spacing"], weights)


def _guess_defocus(data: Kernel, merit: Merit) -> Guesses:
    # rings come and go with each wave of defocus, so a fit that begins half a wave off may stay there
    radii = [0.05, *(merit.equivalent_radius * DEFOCUS_STEPS)]
    # a scale above that in focus would make the pattern wider than the data are
    in_focus = max(merit.ee50 / AIRY_EE50, SMALLEST_SCALE)
    scales = np.geomspace(SMALLEST_SCALE, in_focus, 2 + int(math.log(in_focus / SMALLEST_SCALE) / SCALE_STEP))
    return {
        "scale": [float(scale) for scale in scales if scale <= WIDEST_SCALE or scale == in_focus],
        "radius": radii,
    }


def _guess_lattice(data: Kernel, merit: Merit) -> Guesses | None:
    lattice = find_lattice(data)
    if lattice.period is None:
        return None
    aperture = merit.equivalent_radius / lattice.period
    return {
        "spacing": [lattice.period],
        "sigma": [0.4, 0.7, 1.1, 1.6],
        "aperture": [float(np.clip(aperture * f, 0.6, MOST_VIEWS - 0.1)) for f in (0.85, 0.95, 1.05)],
    }


_DIFFRACTION: dict[str, Limits] = {"scale": (SMALLEST_SCALE, LARGEST), "radius": (0.0, LARGEST)}

FAMILIES: dict[str, Family] = {
    "pillbox": Family(
        {"radius": (SMALLEST, LARGEST)},
        lambda values: Pillbox(values["radius"]),
        lambda data, merit: {"radius": list(merit.equivalent_radius * RADIUS_STEPS)},
    ),
    "gaussian": Family(
        {"sigma": (SMALLEST, LARGEST)},
        lambda values: Gaussian(values["sigma"]),
        lambda data, merit: {"sigma": list(merit.ee50 / GAUSSIAN_EE50 * RADIUS_STEPS)},
    ),
    "airy": Family(
        {"scale": (SMALLEST_SCALE, LARGEST)},
        lambda values: Airy(values["scale"]),
        lambda data, merit: {"scale": list(merit.ee50 / AIRY_EE50 * RADIUS_STEPS)},
    ),
    "defocused airy": Family(
        _DIFFRACTION,
        lambda values: DefocusedAiry.of_radius(values["scale"], values["radius"]),
        _guess_defocus,
    ),
    "polychromatic": polychromatic(VISIBLE, VISIBLE[3]),
    "synthetic aperture": Family(
        {"spacing": (SMALLEST, LARGEST), "sigma": (SMALLEST, LARGEST_SPOT), "aperture": (0.55, MOST_VIEWS)},
        _round_aperture,
        _guess_lattice,
    ),
}
"""By name. ``scale`` is lambda N (for the polychromatic one at 550 nm over the visible band), ``radius`` that of the
geometric disk, ``spacing`` the distance of spots, ``sigma`` their width, ``aperture`` the radius in view steps."""
