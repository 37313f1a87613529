"""The Illum's packed pixels: ten bits each, four pixels in five bytes, rows from the top without padding.

Bytes 0-3 of a group hold ``pixel >> 2``; byte 4 holds the low bits, pixel 0 in bits 0-1 to pixel 3 in bits 6-7.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from lfsynth.lytro.packing_kernels import pack_ten_bits, unpack_ten_bits

PACKED_MAXIMUM = 1023
"""Greatest value of ten bits."""


def packed_size(shape: tuple[int, int]) -> int:
    """Bytes that a mosaic of ``shape`` (H, W) takes; ValueError unless W is divisible by 4 and both are positive."""
    height, width = shape
    if height < 1 or width < 1 or width % 4:
        raise ValueError(f"packed rows must be of 4, 8, 12, ... pixels, not {height} x {width}")
    return height * width // 4 * 5


def unpack(data: bytes | memoryview, shape: tuple[int, int]) -> NDArray[np.uint16]:
    """Pixels from their packed form.

    Parameters
    ----------
    data : exactly `packed_size` bytes
    shape : (H, W), W divisible by 4

    Returns
    -------
    (H, W) uint16 in [0, 1023]

    Raises
    ------
    ValueError : where the number of bytes is another, or W is not divisible by 4
    """
    return unpack_blocks([data], shape)


def unpack_blocks(blocks: Iterable[bytes | memoryview], shape: tuple[int, int]) -> NDArray[np.uint16]:
    """`unpack` for data that come in blocks, each of a number of bytes divisible by 5."""
    expected = packed_size(shape)
    pixels = np.empty(shape[0] * shape[1], np.uint16)
    done = 0
    for block in blocks:
        packed = np.frombuffer(block, np.uint8)
        if packed.size % 5:
            raise ValueError(f"{packed.size} bytes are not made of whole groups of packed pixels")
        if done + packed.size <= expected:
            unpack_ten_bits(packed, pixels[done // 5 * 4 : (done + packed.size) // 5 * 4])
        done += packed.size
    if done != expected:
        raise ValueError(f"{shape[0]} x {shape[1]} pixels of 10 bits take {expected} bytes, not {done}")
    return pixels.reshape(shape)


def pack(mosaic: NDArray[np.uint16]) -> bytes:
    """Pixels in their packed form, the inverse of `unpack`.

    Parameters
    ----------
    mosaic : (H, W) uint16 in [0, 1023], W divisible by 4

    Raises
    ------
    TypeError : where it is not of two axes and uint16
    ValueError : where a value takes more than ten bits, or W is not divisible by 4
    """
    if mosaic.ndim != 2 or mosaic.dtype != np.uint16:
        raise TypeError(f"a mosaic must be (H, W) uint16, not {mosaic.dtype} {mosaic.shape}")
    packed = np.empty(packed_size((mosaic.shape[0], mosaic.shape[1])), np.uint8)
    if mosaic.max() > PACKED_MAXIMUM:
        raise ValueError(f"values up to {mosaic.max()} do not fit into 10 bits")
    pack_ten_bits(np.ascontiguousarray(mosaic).reshape(-1), packed)
    return packed.tobytes()
