"""What ``psf estimate`` finds: photographs with their disks, kernels, lateral colour, the field."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from psf.checks import Check
from psf.detect import Detection
from psf.estimate import Estimate
from psf.field import Field
from psf.fit import Candidate
from psf.kernel_figure import Profiles, figure_of, kernel_figure
from psf.lateral import LateralColour
from psf.lattice import Lattice
from psf.merit import Merit
from psf.photograph import Plane


@dataclass(frozen=True, eq=False)
class Seen:
    """One colour of one photograph, and the disks in it.

    Attributes
    ----------
    path : of the photograph
    plane : its colour; without the light
    detection : of the disks
    saturated, black : parts of the target's pixels that are clipped
    preview : (h, w) float32 linear light, small
    reduction : px of the plane for one of the preview
    """

    path: Path
    plane: Plane
    detection: Detection
    saturated: float
    black: float
    preview: NDArray[np.float32]
    reduction: float


@dataclass(frozen=True, eq=False)
class Measured:
    """A kernel and what is known of it.

    Attributes
    ----------
    name : setting (where there are several), channel and zone, as ``g_1-3``
    setting : name of the photograph where each is one, else empty
    channel : r, g, b, luma or light
    zone : (row, column) from (1, 1); None: the whole picture
    estimate : the kernel
    relative : whether it turns the sharp photograph into the blurred one; else disks into the photograph
    merit, lattice, profiles : of `kernel`
    checks : what was checked
    models : fitted to it, the best one first; none where they were not asked for
    seen : the photographs; of their disks those of the zone are usable
    """

    name: str
    setting: str
    channel: str
    zone: tuple[int, int] | None
    estimate: Estimate
    relative: bool
    merit: Merit
    lattice: Lattice
    profiles: Profiles
    checks: tuple[Check, ...]
    models: tuple[Candidate, ...]
    seen: tuple[Seen, ...]

    @property
    def kernel(self) -> NDArray[np.float64]:
        """The kernel that is meant: the system's, or the relative one, which pixels are not counted in twice."""
        return self.estimate.kernel if self.relative else self.estimate.system

    @cached_property
    def figure(self) -> NDArray[np.uint8]:
        """Its figure, (H, W, 3) uint8."""
        errors = self.profiles.merit_errors
        figures = {"FWHM": "fwhm", "EE50": "ee50", "EE80": "ee80"}
        notes = [
            f"{text} {figure_of(getattr(self.merit, key), errors[key])} px" for text, key in figures.items()
        ]
        if self.merit.mtf50 is not None:
            notes.append(f"MTF50 {figure_of(self.merit.mtf50, errors['mtf50'], 4)} c/px")
        return kernel_figure(self.name, self.kernel, self.profiles, "    ".join(notes))


@dataclass(frozen=True)
class Refused:
    """A kernel that was not to be had, and why."""

    name: str
    fault: str


@dataclass(frozen=True)
class MeanLateral:
    """Means over the photographs, px of the sensor; ``largest`` is the longest shift that magnification and shift make.

    The error of the magnification is that of one photograph, or the standard error over several.
    """

    photographs: int
    shift: tuple[float, float]
    magnification: float
    magnification_error: float
    largest: float


@dataclass(frozen=True, eq=False)
class Lateral:
    """Lateral colour of one setting: shifts of ``second``'s disks from ``first``'s.

    ``shots`` holds the measurements of each photograph: two where one of the colours is a mosaic's green. ``shape`` is
    the sensor's, px.
    """

    setting: str
    first: str
    second: str
    shots: tuple[tuple[LateralColour, ...], ...]
    shape: tuple[int, int]

    @property
    def mean(self) -> MeanLateral:
        """Means over the photographs."""
        shifts = np.array([np.mean([one.shift for one in shot], axis=0) for shot in self.shots])
        magnifications = np.array([np.mean([one.magnification for one in shot]) for shot in self.shots])
        count = len(self.shots)
        # The second colour's noise is in both of a photograph's measurements.
        error = (
            float(np.std(magnifications, ddof=1)) / math.sqrt(count)
            if count > 1
            else max(one.magnification_error for one in self.shots[0])
        )
        shift, magnification = shifts.mean(axis=0), float(magnifications.mean())
        points = self.shots[0][0].points
        fitted = shift + magnification * (points - points.mean(axis=0))
        largest = float(np.hypot(*fitted.T).max())
        return MeanLateral(count, (float(shift[0]), float(shift[1])), magnification, error, largest)


@dataclass(frozen=True, eq=False)
class FieldOf:
    """The field of one channel of one setting, ``parts`` (rows, columns) of zones."""

    setting: str
    channel: str
    parts: tuple[int, int]
    field: Field


@dataclass(frozen=True, eq=False)
class Results:
    """All that a job found, ``parts`` (rows, columns) being the zones: (1, 1) for the whole picture."""

    paths: tuple[Path, ...]
    kernels: tuple[Measured, ...]
    refused: tuple[Refused, ...]
    lateral: tuple[Lateral, ...]
    fields: tuple[FieldOf, ...]
    parts: tuple[int, int]
