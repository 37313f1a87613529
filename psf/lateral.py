"""Lateral colour: where the same disks are in photographs of two colours.

Points are (y, x) px of the sensor, the first pixel's centre is (0, 0).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lfsynth.errors import InputError
from psf.detect import Detection
from psf.photograph import Plane

_NEAR = 0.25
"""Pitches within which disks of two detections are the same."""


@dataclass(frozen=True, eq=False)
class LateralColour:
    """Shifts of disks from one colour to another.

    Attributes
    ----------
    points : (K, 2) float64, of the first colour
    shifts : (K, 2) float64, of the second colour from there
    shift : (y, x) in the middle of the points
    magnification : by which the second picture is larger than the first, in parts of 1
    magnification_error : its standard error
    """

    points: NDArray[np.float64]
    shifts: NDArray[np.float64]
    shift: tuple[float, float]
    magnification: float
    magnification_error: float


def lateral_colour(
    first: Detection,
    second: Detection,
    planes: tuple[Plane, Plane] | None = None,
    *,
    name: str = "the photographs",
) -> LateralColour:
    """Compare two detections of one target.

    Parameters
    ----------
    first, second : of the same target, in the same place
    planes : of a mosaic that they are of; None: every pixel of the sensor is a sample
    name : of the photographs, for messages

    Raises
    ------
    InputError : where fewer than three disks are in both
    """
    places = []
    for index, detection in enumerate((first, second)):
        step, origin = (1, (0, 0)) if planes is None else (planes[index].step, planes[index].origin)
        places.append(detection.centres[detection.usable] * step + np.asarray(origin))
    a, b = places
    scale = float(np.median(first.projection.pixels_per_pitch(first.grid_index.astype(np.float64))))
    scale *= 1 if planes is None else planes[0].step
    apart = np.linalg.norm(a[:, None] - b[None], axis=-1)
    partner = apart.argmin(axis=1)
    near = apart[np.arange(len(a)), partner] < _NEAR * scale
    if np.count_nonzero(near) < 3:
        raise InputError(
            name, "fewer than three disks are in both pictures", "take both without moving the camera"
        )
    points = a[near]
    shifts = b[partner[near]] - points
    arms = points - points.mean(axis=0)
    mean = shifts.mean(axis=0)
    total = float(np.sum(arms**2))
    magnification = float(np.sum(arms * shifts)) / total
    left = shifts - mean - magnification * arms
    error = float(np.sqrt(np.sum(left**2) / max(2 * len(points) - 3, 1) / total))
    return LateralColour(points, shifts, (float(mean[0]), float(mean[1])), magnification, error)
