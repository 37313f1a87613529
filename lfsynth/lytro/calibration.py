"""What a white picture says of the camera: where the disks lie, and how bright each pixel is under even light.

A mosaic of levels is divided by the response of its white picture: pixel ``(y, x)`` of Bayer position
``(y % 2, x % 2)`` has the response ``(white - black) / level``, where ``level`` is what the middles of the disks in the
middle of the sensor have above black. So the response is 1 there in each Bayer colour, raw colours stay what they
are, and it falls off towards the rims of the disks and the corners of the sensor as the light does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lfsynth.errors import InputError
from lfsynth.lytro.lattice import Lattice
from lfsynth.lytro.lattice_fit import LatticeNotFoundError, fit_lattice
from lfsynth.lytro.metadata import CaptureMetadata
from lfsynth.lytro.white_smoothing import smoothed_white

CALIBRATION_VERSION = 1
"""Counted up whenever the same white picture gives another result, so that stored calibrations are made again."""

_DISK_MIDDLE = 0.12
"""Radius in pitches of what counts as the middle of a disk."""

_LENSES = 60
"""Rows of lenses, and lenses a row, in the sensor's middle that the level is measured on."""

_LEAST_LEVEL = 0.03
"""Part of the range from black to white below which a white picture is too dark to divide by."""

_MOST_SATURATED = 0.02
"""Share of saturated pixels in the disks' middles above which a white picture is refused."""

_MOST_NOISE = 0.15
"""Noise of a pixel in the disks' middles, relative to their level, above which a white picture is refused."""

_OTHER_PICTURE = (
    "choose another white picture of this camera, or copy its caldata-*.tar from the camera again"
)


@dataclass(frozen=True, eq=False)
class Calibration:
    """One white picture, understood.

    Attributes
    ----------
    lattice : centres of the disks
    white : (H, W) uint16, the white picture with its noise averaged away (`lfsynth.lytro.white_smoothing`)
    black : (2, 2) float32 by Bayer position, level without light
    level : (2, 2) float32 by Bayer position, levels above black in the disks' middles in the sensor's middle
    digest : ``sha1-`` and 40 hexadecimal digits, of the packed pixels
    source : file that the white picture came from, and its member, for people
    radius : of a disk in px, at half its height
    residual : standard deviation in px of the disks' edges from the fitted ones
    version : `CALIBRATION_VERSION` of the program that made it
    """

    lattice: Lattice
    white: NDArray[np.uint16]
    black: NDArray[np.float32]
    level: NDArray[np.float32]
    digest: str
    source: str
    radius: float
    residual: float
    version: int = CALIBRATION_VERSION

    def response(self) -> NDArray[np.float32]:
        """(H, W) float32, how bright each pixel is under even light; about 0 between disks."""
        result = np.empty(self.white.shape, np.float32)
        for i, j in np.ndindex(2, 2):
            result[i::2, j::2] = (self.white[i::2, j::2] - self.black[i, j]) / self.level[i, j]
        return result


def calibrate(
    mosaic: NDArray[np.uint16], metadata: CaptureMetadata, *, source: str, digest: str, threads: int = 1
) -> Calibration:
    """Measure a camera on one of its white pictures.

    Parameters
    ----------
    mosaic : (H, W) uint16, levels of the white picture
    metadata : of the white picture; its levels are used, its optics are not: pitch and angle come from the picture
    source : the file, for messages
    digest : of the packed pixels
    threads : how many work at it

    Raises
    ------
    TypeError
        For a mosaic of another rank or type.
    InputError
        If the picture is black, too dark, saturated or too noisy to divide by, or shows no lattice of disks.
    """
    if mosaic.ndim != 2 or mosaic.dtype != np.uint16:
        raise TypeError(f"a mosaic is uint16 (H, W), not {mosaic.dtype} {mosaic.shape}")
    span = metadata.white - metadata.black
    # Odd steps, so that all positions of the Bayer pattern are looked at.
    sparse = mosaic[::7, ::7]
    darkness = float(np.percentile(sparse, 99)) - float(metadata.black.max())
    if darkness < _LEAST_LEVEL * float(span.min()):
        raise InputError(source, "the white picture is black or too dark", _OTHER_PICTURE)
    if np.mean(sparse >= metadata.white.min()) > 0.5:
        raise InputError(source, "the white picture is saturated", _OTHER_PICTURE)
    try:
        fit = fit_lattice(mosaic, metadata.black)
    except LatticeNotFoundError as error:
        raise InputError(
            source, f"this is no white picture taken through microlenses: {error}", _OTHER_PICTURE
        ) from None
    level = np.empty((2, 2), np.float32)
    for (i, j), values in _disk_middles(mosaic, fit.lattice).items():
        level[i, j] = np.median(values) - metadata.black[i, j]
        if level[i, j] < _LEAST_LEVEL * span[i, j]:
            raise InputError(source, "the white picture is too dark", _OTHER_PICTURE)
        saturated = float(np.mean(values >= metadata.white[i, j]))
        if saturated > _MOST_SATURATED:
            raise InputError(
                source,
                f"the white picture is saturated ({saturated:.0%} of the disks' middles)",
                _OTHER_PICTURE,
            )
        # 1.4826 median absolute deviations are a normal distribution's standard deviation.
        noise = 1.4826 * float(np.median(np.abs(values - np.median(values)))) / float(level[i, j])
        if noise > _MOST_NOISE:
            raise InputError(source, f"the white picture is too noisy ({noise:.0%} a pixel)", _OTHER_PICTURE)
    white = smoothed_white(mosaic, metadata.black, fit.lattice, threads=threads)
    return Calibration(fit.lattice, white, metadata.black, level, digest, source, fit.radius, fit.residual)


def _disk_middles(mosaic: NDArray[np.uint16], lattice: Lattice) -> dict[tuple[int, int], NDArray[np.uint16]]:
    """Levels in the middles of the disks in the sensor's middle, by Bayer position."""
    parts = [
        slice(max(0, (count - _LENSES) // 2), max(0, (count - _LENSES) // 2) + _LENSES)
        for count in lattice.shape
    ]
    centres = lattice.centres()[parts[0], parts[1]].reshape(-1, 1, 2)
    reach = int(np.ceil(_DISK_MIDDLE * lattice.pitch))
    around = np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * 2, indexing="ij"), axis=-1).reshape(
        1, -1, 2
    )
    pixels = np.rint(centres).astype(np.int64) + around
    near = np.hypot(*np.moveaxis(pixels - centres, -1, 0)) < _DISK_MIDDLE * lattice.pitch
    y, x = pixels[near].T
    levels = mosaic[y, x]
    return {(i, j): levels[(y % 2 == i) & (x % 2 == j)] for i, j in np.ndindex(2, 2)}
