"""OpenCV's picture decoder, made to fit: RGB order, three axes, errors instead of log lines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray


def decode_by_opencv(data: bytes, flags: int) -> NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.float32]:
    """Decode a picture file's bytes.

    Parameters
    ----------
    data : the file's bytes
    flags : OpenCV's ``IMREAD_*``

    Returns
    -------
    (H, W, C) uint8, uint16 or float32, C-contiguous; C is 1 (grey), 3 (RGB) or 4 (RGBA); float64
    comes as float32

    Raises
    ------
    ValueError : saying what is wrong, where OpenCV cannot decode it or it is of another kind
    """
    with _quiet():
        try:
            decoded = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        except cv2.error:
            decoded = None
    if decoded is None:
        raise ValueError("it is damaged or of a kind that cannot be read")
    pixels = np.asarray(decoded)
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if pixels.shape[2] not in (1, 3, 4):
        raise ValueError(f"it has {pixels.shape[2]} channels, not 1, 3 or 4")
    if pixels.dtype == np.float64:
        pixels = pixels.astype(np.float32)
    if pixels.dtype not in (np.uint8, np.uint16, np.float32):
        raise ValueError(f"its samples are {pixels.dtype}, not unsigned of 8 or 16 bits or float")
    order = [0] if pixels.shape[2] == 1 else [2, 1, 0, 3][: pixels.shape[2]]
    return cast(NDArray[np.uint8], np.ascontiguousarray(pixels[:, :, order]))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep OpenCV's log, which goes to the error output, from doubling our one line."""
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)
