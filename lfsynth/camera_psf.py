"""A camera's own point spread function: what its lens does to a point that is in focus.

It is read from a ``.npy`` file of a kernel, as ``psf estimate`` writes it, in pixels of the pictures that are made. Of
the two that it writes, ``*_optical.npy`` is what the lens does; the other has the pixel's area in it as well, which
the views' own pixels have already.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lfsynth.errors import InputError

FARTHEST = 0.5
"""px, distance of a kernel's centre of mass from its middle that is taken for an error of measurement."""


@dataclass(frozen=True, eq=False)
class CameraPsf:
    """A kernel of a camera.

    Attributes
    ----------
    kernel : (n, n) float64, n odd, not negative, sum 1, centre of mass in the middle
    sha256 : of the file that it was read from
    """

    kernel: NDArray[np.float64]
    sha256: str


def read_camera_psf(path: Path) -> CameraPsf:
    """Read a kernel, divide it by its sum and move its centre of mass to the middle.

    Raises
    ------
    InputError
        If there is none, it is no kernel, or its centre of mass is more than FARTHEST from the middle: such a kernel
        would move the pictures against their ground truth.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", "correct --psf") from error
    cure = "give a .npy file of psf estimate"
    try:
        array = np.asarray(np.load(io.BytesIO(data), allow_pickle=False))
    except (OSError, ValueError, EOFError) as error:
        raise InputError(path, f"is no .npy file ({error})", cure) from error
    if array.dtype.kind not in "fiu" or array.ndim != 2 or array.shape[0] != array.shape[1]:
        raise InputError(path, f"holds {array.dtype} {array.shape}, no square of numbers", cure)
    if array.shape[0] % 2 == 0:
        raise InputError(path, f"is {array.shape[0]} px wide and has no middle pixel", cure)
    kernel = array.astype(np.float64)
    if not np.isfinite(kernel).all() or (kernel < 0).any() or not kernel.any():
        raise InputError(path, "a value is negative or not finite, or all are 0", cure)
    kernel /= kernel.sum()
    off = _centre_of_mass(kernel)
    if np.hypot(*off) > FARTHEST:
        fault = f"its centre of mass is {off[0]:.2f} px below and {off[1]:.2f} px right of its middle"
        raise InputError(path, fault, "measure it again, or move it to the middle")
    moved = ndimage.shift(kernel, -off, order=3, mode="constant")
    moved = np.maximum(moved, 0)
    return CameraPsf(moved / moved.sum(), hashlib.sha256(data).hexdigest())


def _centre_of_mass(kernel: NDArray[np.float64]) -> NDArray[np.float64]:
    """(y, x) from the middle, px, of a kernel of sum 1."""
    from_middle = np.arange(len(kernel)) - (len(kernel) - 1) / 2
    return np.array([from_middle @ kernel.sum(axis=1), from_middle @ kernel.sum(axis=0)])


def blur(picture: NDArray[np.float32], psf: CameraPsf) -> NDArray[np.float32]:
    """A picture (H, W, C) convolved with a kernel, mirrored at its border; float32 linear light."""
    # OpenCV correlates.
    turned = psf.kernel[::-1, ::-1].copy()
    blurred = cv2.filter2D(picture, -1, turned, borderType=cv2.BORDER_REFLECT)
    return np.asarray(blurred, np.float32).reshape(picture.shape)
