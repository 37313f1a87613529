"""What an estimate's figures of quality are, and which of them refuse it.

The residual is no proof: light that is clipped, shading that is left and a support that is too short all give kernels
that are wrong and fit. Each has its own check; clipping is refused where the disks are found (`psf.detect`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lfsynth.errors import InputError
from psf.detect import Detection
from psf.tiles import Tiles

MOST_RESIDUAL = 1.3
"""Of the noise."""

MOST_OUTER_RING = 0.01
"""Of the kernel's light."""

MOST_SHADING = 0.01
"""Of the disks' contrast, root of the mean square."""

MOST_MISPLACED = 10.0
"""Times what the noise moves the disks by."""

LEAST_MISPLACED_PX = 0.1
"""Below, it costs no kernel anything that the residual would not show."""


@dataclass(frozen=True)
class Quality:
    """Figures of an estimate.

    Attributes
    ----------
    residual_over_noise : root of the mean square of the residual over that of noise and aliasing; 1 is perfect;
        noise is taken to be `psf.tiles.LEAST_NOISE` of the contrast at least
    aliasing : root of the mean square of what sampling folds back over the noise's, see `psf.aliasing`
    outer_ring : part of the kernel's light in its outermost pixels
    shading : root mean square over the disks of the light about them that the ground does not explain, of the contrast
    contrast : of the disks, see `psf.detect.Detection`
    noise : standard deviation, of the contrast
    disk_radius_px : of the sharp disks, mean
    radius_change_px : by which the search changed the detection's
    homography_residual_px : root mean square of the disks' places less the projection's, one coordinate
    expected_residual_px : what noise alone would make it
    disks : used; cut : by the picture's border
    shots : photographs
    centre : (y, x) px of the kernel's centre of mass from its middle pixel; the kernel is not recentred
    """

    residual_over_noise: float
    aliasing: float
    outer_ring: float
    shading: float
    contrast: float
    noise: float
    disk_radius_px: float
    radius_change_px: float
    homography_residual_px: float
    expected_residual_px: float
    disks: int
    cut: int
    shots: int
    centre: tuple[float, float]


def outer_ring(kernel: NDArray[np.float64]) -> float:
    """Part of a kernel's sum in its outermost pixels."""
    return float(1 - kernel[1:-1, 1:-1].sum() / kernel.sum())


def shading_of(tiles: Tiles) -> float:
    """Root mean square over tiles of the mean light in their corners, which no kernel reaches, less the noise's.

    In units of the disks' contrast.
    """
    axis = np.arange(tiles.side) - (tiles.side - 1) / 2
    corners = np.hypot(axis[:, None], axis) > tiles.side / 2
    seen = tiles.seen[:, corners]
    counts = np.count_nonzero(seen, axis=1)
    known = counts > 0
    if not known.any():
        return 0.0
    means = seen[known].sum(axis=1, dtype=np.float64) / counts[known]
    noise = tiles.detection.sigma**2 / counts[known]
    return float(np.sqrt(max(np.mean(means**2 - noise), 0.0))) / tiles.detection.plateau


def expected_residual(detection: Detection, size: int) -> float:
    """What white noise moves the centroid of a disk of which all blur is counted by, px, one coordinate."""
    target = detection.grid_index[detection.usable].astype(np.float64)
    area = float(np.mean(detection.projection.areas(target, detection.radius)))
    reach = math.sqrt(area / math.pi) + size / 2
    # Second moment of a round window of that reach, times the noise, over the disk's light.
    moment = math.sqrt(math.pi / 4) * reach**2
    return detection.sigma * moment / (area * detection.plateau)


def refuse(quality: Quality, size: int, name: str) -> None:
    """Raise InputError where a figure says that the kernel is wrong."""
    if quality.outer_ring > MOST_OUTER_RING:
        raise InputError(
            name,
            f"{quality.outer_ring:.1%} of the kernel's light is in the outermost of its {size} x {size} pixels",
            "increase --size",
        )
    if quality.shading > MOST_SHADING:
        raise InputError(
            name,
            f"the light about the disks is uneven by {quality.shading:.1%} of their contrast",
            "light the target evenly, give --dark frames, or photograph a smaller part of the field",
        )
    limit = max(MOST_MISPLACED * quality.expected_residual_px, LEAST_MISPLACED_PX)
    if quality.homography_residual_px > limit:
        raise InputError(
            name,
            f"the disks are {quality.homography_residual_px:.2f} px from a flat grid's places, where noise makes it "
            f"{quality.expected_residual_px:.3f} px",
            "flatten the target, or check that its pitch is the same everywhere",
        )
    if quality.residual_over_noise > MOST_RESIDUAL:
        raise InputError(
            name,
            f"what the kernel leaves of the photograph is {quality.residual_over_noise:.2f} times its noise",
            "check --transfer, the disks' radius, and the lens's distortion",
        )
