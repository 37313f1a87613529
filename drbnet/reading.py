"""Pictures as the networks take them: sRGB-encoded values as stored, R, G, B, float32 in [0, 1]."""

from __future__ import annotations

from enum import IntEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lfsynth.errors import InputError
from lfsynth.pictures import Choose, read


class Bits(IntEnum):
    """How many bits of a sample of 16 are used.

    The published networks were trained, and are scored, on pictures that OpenCV or Pillow have read as 8 bits: these
    drop the lower 8 of 16, which gives other scores than all 16. Files of 8 bits are the same either way.
    """

    TRUNCATED = 8
    ALL = 16


def read_encoded(
    path: Path, *, bits: Bits = Bits.TRUNCATED, choose: Choose | None = None
) -> NDArray[np.float32]:
    """Read a picture, or a region of it.

    Alpha is dropped, grey becomes three equal channels.

    Parameters
    ----------
    path : of 8 or 16 bits a sample
    bits : how many of 16 are used
    choose : given height and width, the rows and columns to return; None: all

    Returns
    -------
    (H, W, 3) float32 in [0, 1]

    Raises
    ------
    InputError
        If it cannot be read, is damaged, or holds floats, whose curve is not known.
    """
    stored = read(path, choose)
    if stored.dtype == np.float32:
        raise InputError(path, "holds floats, not codes of 8 or 16 bits", "export it again as 16-bit PNG")
    white = 255
    if stored.dtype == np.uint16:
        white = 65535 if bits == Bits.ALL else 255
        stored = stored if bits == Bits.ALL else (stored.view(np.uint16) >> np.uint16(8))
    colours = stored[:, :, :3] if stored.shape[2] >= 3 else np.repeat(stored[:, :, :1], 3, axis=2)
    return colours.astype(np.float32) / np.float32(white)
