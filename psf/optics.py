"""From a lens to the lengths of its point spread function: f-number, wavelength, pixel pitch, distances.

Lengths are metres, those on the sensor pixels where the name says so. Distances to objects are measured from the
lens, which is thin. Defocus has a sign: positive for an object nearer than the plane in focus.

References
----------
.. [1] J. W. Goodman, "Introduction to Fourier Optics", 3rd ed., 2005, section 6.4 (W20 of a focusing error).
.. [2] S. J. Ray, "Applied Photographic Optics", 3rd ed., 2002, chapter 22 (circle of confusion, working f-number).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from psf.models import Airy, DefocusedAiry, Gaussian, Model, Pillbox, Polychromatic


@dataclass(frozen=True)
class Optics:
    """What the size of a blur on the sensor depends on.

    Attributes
    ----------
    f_number : working f-number N: image distance over the pupil's diameter
    pixel_pitch : m
    wavelength : m
    """

    f_number: float
    pixel_pitch: float
    wavelength: float = 550e-9

    def __post_init__(self) -> None:
        for name in ("f_number", "pixel_pitch", "wavelength"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} must be positive and finite, not {value}")

    @property
    def scale(self) -> float:
        """The Airy scale lambda N in px."""
        return self.wavelength * self.f_number / self.pixel_pitch

    def airy(self) -> Airy:
        """The pattern in focus."""
        return Airy(self.scale)

    def defocused(self, radius: float) -> DefocusedAiry:
        """The pattern of a circle of confusion of ``radius`` px."""
        return DefocusedAiry.of_radius(self.scale, abs(radius))

    def waves(self, radius: float) -> float:
        """W20 in wavelengths of a circle of confusion of ``radius`` px: radius = 4 W20 lambda N."""
        return radius / (4 * self.scale)

    def image_defocus(self, radius: float) -> float:
        """Distance in m of the sensor from the image of the point: 2 N radius."""
        return 2 * self.f_number * radius * self.pixel_pitch

    def band(
        self, radius: float, wavelengths: tuple[float, ...], weights: tuple[float, ...] | None = None
    ) -> Polychromatic:
        """The pattern of a circle of confusion of ``radius`` px over ``wavelengths`` in m; equal weights by default."""
        relative = [wavelength / self.wavelength for wavelength in wavelengths]
        return Polychromatic.of_band(self.scale, abs(radius), relative, weights)


@dataclass(frozen=True)
class ThinLens:
    """A thin lens focused at a distance.

    Attributes
    ----------
    focal_length : f in m
    f_number : as engraved: focal length over the pupil's diameter
    focus_distance : of the object plane in focus from the lens, m, above the focal length
    """

    focal_length: float
    f_number: float
    focus_distance: float

    def __post_init__(self) -> None:
        for name in ("focal_length", "f_number"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} must be positive and finite, not {value}")
        if not self.focus_distance > self.focal_length:
            raise ValueError(
                f"a lens of focal length {self.focal_length} m does not focus at {self.focus_distance} m"
            )

    @property
    def image_distance(self) -> float:
        """Of the sensor from the lens, m."""
        return 1 / (1 / self.focal_length - 1 / self.focus_distance)

    def optics(self, pixel_pitch: float, wavelength: float = 550e-9) -> Optics:
        """The optics at the working f-number, N times image distance over focal length."""
        return Optics(self.f_number * self.image_distance / self.focal_length, pixel_pitch, wavelength)

    def blur_radius(self, distance: float, pixel_pitch: float) -> float:
        """Radius of the circle of confusion of a point ``distance`` m from the lens, in px.

        Returns
        -------
        px, positive for a point nearer than the plane in focus, negative for one beyond

        Raises
        ------
        ValueError
            If the distance is not positive.
        """
        if not distance > 0:
            raise ValueError(f"a distance must be positive, not {distance} m")
        pupil = self.focal_length / self.f_number
        return pupil * self.image_distance * (1 / distance - 1 / self.focus_distance) / 2 / pixel_pitch


def in_physical_units(model: Model, optics: Optics) -> dict[str, float]:
    """What a fitted model says of the camera that made it.

    Parameters
    ----------
    model : with lengths in px
    optics : of the camera; its wavelength and pixel pitch are taken as known

    Returns
    -------
    by name with unit: ``f_number`` where the model knows diffraction; ``radius_m`` on the sensor, ``waves`` (W20) and
    ``image_defocus_m`` where it knows defocus; ``sigma_m`` of a Gaussian; nothing for other models
    """
    match model:
        case Pillbox(radius):
            return _defocus(radius, optics)
        case Gaussian(sigma):
            return {"sigma_m": sigma * optics.pixel_pitch}
        case Airy(scale):
            return {"f_number": scale * optics.pixel_pitch / optics.wavelength}
        case DefocusedAiry(scale):
            f_number = scale * optics.pixel_pitch / optics.wavelength
            found = Optics(f_number, optics.pixel_pitch, optics.wavelength)
            return {"f_number": f_number, **_defocus(model.radius, found)}
        case _:
            return {}


def _defocus(radius: float, optics: Optics) -> dict[str, float]:
    return {
        "radius_m": radius * optics.pixel_pitch,
        "waves": optics.waves(radius),
        "image_defocus_m": optics.image_defocus(radius),
    }
