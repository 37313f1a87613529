"""Compiled kernels of `packing`: five bytes hold four pixels of ten bits."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

U8 = NDArray[np.uint8]
U16 = NDArray[np.uint16]


@njit(nogil=True, cache=True)
def unpack_ten_bits(packed: U8, pixels: U16) -> None:
    """Fill ``pixels`` (4 n) from ``packed`` (5 n bytes): high bits in bytes 0-3, low bits in byte 4."""
    for group in range(pixels.size // 4):
        low = np.uint16(packed[5 * group + 4])
        for i in range(4):
            pixels[4 * group + i] = (np.uint16(packed[5 * group + i]) << 2) | ((low >> (2 * i)) & 3)


@njit(nogil=True, cache=True)
def pack_ten_bits(pixels: U16, packed: U8) -> None:
    """Fill ``packed`` (5 n bytes) from ``pixels`` (4 n values up to 1023)."""
    for group in range(pixels.size // 4):
        low = 0
        for i in range(4):
            value = pixels[4 * group + i]
            packed[5 * group + i] = value >> 2
            low |= (value & 3) << (2 * i)
        packed[5 * group + 4] = low
