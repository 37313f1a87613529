"""Levels of the sensor to light, and the sensor's colours to linear sRGB.

A level becomes ``(level - black) / (white - black)`` times the white balance's gain of its colour: light that the
camera takes for white is alike in all three colours, and green is at white level where light is 1. The white
picture's response is 1 in the middle of the disks in the middle of the sensor, in each colour by itself, so that
dividing by it changes no colour. Where a pixel is saturated its colours cannot be told: after white balance it
counts as white, 1 in all colours, and what the others have above 1 is cut, so that highlights stay neutral.

Then the camera's matrix is applied, whose rows' sums are 1 (white stays white), and ``modulationExposureBias``, in
stops: the light is multiplied by two to that power. Both are as the files name them; that the bias is to be applied
this way is not verified on a raw capture.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lfsynth.lytro.calibration import Calibration
from lfsynth.lytro.demosaic import BAYER
from lfsynth.lytro.metadata import CaptureMetadata


def level_table(metadata: CaptureMetadata, calibration: Calibration) -> NDArray[np.float32]:
    """What turns levels into white-balanced light.

    Parameters
    ----------
    metadata : of the capture
    calibration : for the white picture's levels

    Returns
    -------
    (2, 2, 5) float32 by Bayer position: black level, factor from levels to light, level of saturation, black level
    of the white picture, factor from its levels to response
    """
    balance = metadata.white_balance[BAYER]
    columns = (
        metadata.black,
        balance / (metadata.white - metadata.black),
        metadata.white,
        calibration.black,
        1 / calibration.level,
    )
    return np.stack(columns, axis=-1).astype(np.float32)


def colour_matrix(metadata: CaptureMetadata) -> NDArray[np.float64]:
    """(3, 3) from white-balanced R, G, B of the sensor to linear sRGB, with the exposure bias."""
    return np.asarray(2.0**metadata.modulation_exposure_bias * metadata.ccm)
