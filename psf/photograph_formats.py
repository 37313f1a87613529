"""Formats beside those of `lfsynth.pictures`: camera raw, arrays; and what a file says of its transfer curve."""

from __future__ import annotations

import importlib
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.io
from numpy.typing import NDArray
from scipy.io.matlab import MatReadError

from lfsynth.errors import InputError
from lfsynth.transfer import SRGB, Transfer

RAW_SUFFIXES = frozenset({".cr2", ".cr3", ".nef", ".arw", ".dng", ".raf", ".orf", ".rw2", ".pef", ".srw"})
FLOAT_SUFFIXES = frozenset({".npy", ".mat"})

_PNG = b"\x89PNG\r\n\x1a\n"

_HEAD = 4096
"""Bytes of a PNG file in which the chunks before the pixels are looked for."""

_GAMMA_UNIT = 100_000
"""Of a PNG file's gAMA chunk."""

_LINEAR_SLACK = 0.01
"""Of an exponent that is 1 but for rounding."""


@dataclass(frozen=True)
class Raw:
    """A camera's raw picture.

    Attributes
    ----------
    codes : (H, W) uint16
    pattern : colours of the first two rows, such as rggb
    black, white : codes of no light and of the most
    """

    codes: NDArray[np.uint16]
    pattern: str
    black: float
    white: float


def declared_transfer(path: Path) -> Transfer | None:
    """The curve that a PNG file declares in its sRGB or gAMA chunk; None where it does not, or is no PNG.

    A camera's JPEG is not asked: that it is meant for an sRGB display does not say which curve made it.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if not head.startswith(_PNG):
        return None
    at = len(_PNG)
    gamma: Transfer | None = None
    while at + 12 <= len(head):
        length, kind = struct.unpack(">I4s", head[at : at + 8])
        if kind == b"sRGB":
            return SRGB
        if kind == b"gAMA" and length == 4:
            value = struct.unpack(">I", head[at + 8 : at + 12])[0]
            exponent = _GAMMA_UNIT / value if value else 0.0
            if 1 - _LINEAR_SLACK <= exponent <= 4:
                gamma = Transfer(max(1.0, exponent))
        if kind == b"IDAT":
            break
        at += 12 + length
    return gamma


def read_array(path: Path) -> NDArray[np.float32]:
    """Read a float picture from a NumPy file, or from a MATLAB file (to version 7.2) with one array in it.

    Returns
    -------
    (H, W, 1 or 3) float32, finite

    Raises
    ------
    InputError : where there is no such array in it
    """
    try:
        if path.suffix.lower() == ".npy":
            arrays = [np.load(path, allow_pickle=False)]
        else:
            content = scipy.io.loadmat(path)
            arrays = [value for name, value in content.items() if not name.startswith("__")]
    except (OSError, ValueError, NotImplementedError, TypeError, EOFError, MatReadError) as error:
        raise InputError(path, f"it cannot be read ({error})", "save the array again, as .npy") from None
    numeric = [array for array in arrays if isinstance(array, np.ndarray) and array.dtype.kind == "f"]
    if len(numeric) != 1 or numeric[0].ndim not in (2, 3) or numeric[0].size == 0:
        raise InputError(
            path, "it does not hold one array of floats, (H, W) or (H, W, 3)", "save the picture alone in it"
        )
    array = np.atleast_3d(numeric[0]).astype(np.float32)
    if array.shape[2] not in (1, 3):
        raise InputError(path, f"it has {array.shape[2]} channels", "save one or three")
    if not np.isfinite(array).all():
        bad = int(np.count_nonzero(~np.isfinite(array)))
        raise InputError(
            path, f"{bad} of its values are NaN or infinite", "export it again with finite values"
        )
    return np.ascontiguousarray(array)


def read_raw(path: Path) -> Raw:
    """Read the mosaic of a camera's raw file, by rawpy.

    Raises
    ------
    InputError : where rawpy is not installed, or the file is not a Bayer mosaic that it can read
    """
    try:
        rawpy = importlib.import_module("rawpy")
    except ImportError:
        raise InputError(
            path,
            "camera raw files need the package rawpy",
            "run pip install rawpy, or convert the file to a TIFF",
        ) from None
    try:
        with rawpy.imread(str(path)) as raw:
            codes = np.array(raw.raw_image_visible, np.uint16)
            letters = raw.color_desc.decode("ascii").lower()
            sites = np.asarray(raw.raw_pattern)
            black = float(np.mean(raw.black_level_per_channel))
            white = float(raw.white_level)
    except (rawpy.LibRawError, AttributeError, UnicodeDecodeError) as error:
        raise InputError(path, f"it cannot be read ({error})", "convert it to DNG or TIFF") from None
    pattern = "".join(letters[site] for site in sites.ravel()) if sites.shape == (2, 2) else ""
    if sorted(pattern) != ["b", "g", "g", "r"] or codes.ndim != 2 or not black < white:
        raise InputError(path, "its sensor has no Bayer mosaic", "convert it to a linear TIFF")
    return Raw(codes, pattern, black, white)
