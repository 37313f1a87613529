"""Transfer curves: between the code values that a picture file stores and linear light.

Codes are integers 0..2^bits - 1, or floats where 1.0 is white; linear light is float32 where 1.0 is white.
Any array shape is taken and kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numba
import numpy as np
from numpy.typing import NDArray

from lfsynth.errors import InputError

_MANTISSA_BITS = 23  # of an IEEE 754 float32
_SEGMENT_BITS = 14  # 512 segments between powers of two
_ONE = int(np.float32(1).view(np.int32))


@dataclass(frozen=True)
class Transfer:
    """A transfer curve: `SRGB`, `LINEAR`, or a plain power.

    Attributes
    ----------
    gamma : exponent from code value to linear light, 1 to 4; None for the piecewise curve of sRGB

    Notes
    -----
    sRGB follows IEC 61966-2-1:1999, 5.2: ``linear = code / 12.92`` up to the code value 0.04045, above it
    ``((code + 0.055) / 1.055)^2.4``. The curves go on beyond white, and below black with odd symmetry
    (IEC 61966-2-2, scRGB), so that float pictures keep what exceeds [0, 1].
    """

    gamma: float | None

    def __post_init__(self) -> None:
        """Refuse exponents for which no picture is made."""
        if self.gamma is not None and not 1 <= self.gamma <= 4:
            raise ValueError(f"gamma must be 1 to 4, not {self.gamma}")

    @classmethod
    def parse(cls, text: str) -> Transfer:
        """Read ``srgb``, ``linear`` or ``gamma:2.2``.

        Raises
        ------
        InputError : for any other text
        """
        name, _, exponent = text.strip().lower().partition(":")
        try:
            if name == "gamma":
                return cls(float(exponent))
            return {"srgb": SRGB, "linear": LINEAR}[text.strip().lower()]
        except (KeyError, ValueError):
            raise InputError(
                "--transfer",
                f"{text!r} is no transfer curve",
                "use srgb, linear or gamma:G with G from 1 to 4",
            ) from None

    def __str__(self) -> str:
        """The text that `parse` reads."""
        if self.gamma is None:
            return "srgb"
        return "linear" if self.gamma == 1 else f"gamma:{self.gamma:g}"

    def to_linear(self, code: NDArray[np.float64]) -> NDArray[np.float64]:
        """Linear light of code values (1.0 is white), float64."""
        size = np.abs(code)
        if self.gamma is None:
            linear = np.where(size <= 0.04045, size / 12.92, ((size + 0.055) / 1.055) ** 2.4)
        else:
            linear = size**self.gamma
        return np.copysign(linear, code)

    def from_linear(self, linear: NDArray[np.float64]) -> NDArray[np.float64]:
        """Code values (1.0 is white) of linear light, float64."""
        size = np.abs(linear)
        if self.gamma is None:
            code = np.where(size <= 0.0031308, 12.92 * size, 1.055 * size ** (1 / 2.4) - 0.055)
        else:
            code = size ** (1 / self.gamma)
        return np.copysign(code, linear)


SRGB = Transfer(None)
LINEAR = Transfer(1.0)


def linearise(
    codes: NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.float32], transfer: Transfer
) -> NDArray[np.float32]:
    """Turn a picture's code values into linear light.

    Parameters
    ----------
    codes : any shape, uint8 or uint16 (white is 255 or 65535) or float32 (white is 1.0)
    transfer : the curve that the codes follow

    Returns
    -------
    float32, the shape of `codes`, C-contiguous; white is 1.0

    Raises
    ------
    TypeError : for any other dtype
    """
    if codes.dtype == np.float32:
        if transfer == LINEAR:
            return np.ascontiguousarray(codes, dtype=np.float32)
        return transfer.to_linear(codes.astype(np.float64)).astype(np.float32)
    if codes.dtype not in (np.uint8, np.uint16):
        raise TypeError(f"codes must be uint8, uint16 or float32, not {codes.dtype}")
    flat = np.ascontiguousarray(codes).reshape(-1)
    linear = np.empty(flat.shape, np.float32)
    _look_up(flat, _linear_of_code(transfer, 8 * codes.itemsize), linear)
    return linear.reshape(codes.shape)


def encode(
    linear: NDArray[np.float32], transfer: Transfer, *, bits: int
) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Turn linear light into the nearest code values; what lies outside [0, 1] is clipped.

    The curve is followed in float32 in straight pieces, 512 between powers of two, to 2e-7 of white. So at 8
    bits a code is the exact rounding of the float64 curve but for values within 5e-5 codes of the middle
    between two codes, where either is as good; at 16 bits within 0.0131 codes of it. The same bytes come out
    on each run.

    Parameters
    ----------
    linear : any shape, float32, finite
    transfer : the curve to follow
    bits : 8 or 16

    Returns
    -------
    uint8 or uint16, the shape of `linear`, C-contiguous

    Raises
    ------
    TypeError : where `linear` is not float32
    ValueError : where `bits` is neither 8 nor 16
    """
    if linear.dtype != np.float32:
        raise TypeError(f"linear must be float32, not {linear.dtype}")
    if bits not in (8, 16):
        raise ValueError(f"bits must be 8 or 16, not {bits}")
    flat = np.ascontiguousarray(linear).reshape(-1)
    codes = np.empty(flat.shape, np.uint8 if bits == 8 else np.uint16)
    _look_up_segment(flat, flat.view(np.int32), *_segments(transfer, bits), codes)
    return codes.reshape(linear.shape)


@lru_cache(maxsize=8)
def _linear_of_code(transfer: Transfer, bits: int) -> NDArray[np.float32]:
    """Linear light of each code, (2^bits,) float32."""
    white = 2**bits - 1
    return transfer.to_linear(np.arange(white + 1) / white).astype(np.float32)


@lru_cache(maxsize=4)
def _segments(transfer: Transfer, bits: int) -> tuple[NDArray[np.float32], NDArray[np.float32], int]:
    """Straight pieces of the curve from linear light to codes, over the bit patterns of positive float32.

    The patterns of positive floats grow with their value, and evenly between powers of two. From the pattern
    `low`, which is a power of two that rounds to the code 0, to that of 1.0 they are cut into segments of
    ``2^_SEGMENT_BITS``.

    Returns
    -------
    base, slope : (N,) float32; a value x in a segment has the code ``floor(base + slope x)``
    low : int
    """
    white = 2**bits - 1
    least = transfer.to_linear(np.array([0.5 / white])).astype(np.float32).view(np.int32)[0]
    low = ((int(least) >> _MANTISSA_BITS) - 1) << _MANTISSA_BITS
    patterns = np.arange(low, _ONE + (1 << _SEGMENT_BITS), 1 << _SEGMENT_BITS, dtype=np.int32)
    edges = patterns.view(np.float32).astype(np.float64)
    codes = white * transfer.from_linear(edges)
    slope = np.diff(codes) / np.diff(edges)
    # chords lie below these concave curves: raised by half their largest distance they are off as much either
    # way
    middle = white * transfer.from_linear((edges[1:] + edges[:-1]) / 2)
    sag = middle - (codes[1:] + codes[:-1]) / 2
    base = codes[:-1] - slope * edges[:-1] + sag / 2 + 0.5
    # 1.0 alone is the last segment
    return np.append(base, white + 0.5).astype(np.float32), np.append(slope, 0).astype(np.float32), low


@numba.njit(cache=True, nogil=True)
def _look_up(codes, table, out):  # type: ignore[no-untyped-def]
    for i in range(codes.size):
        out[i] = table[codes[i]]


@numba.njit(cache=True, nogil=True)
def _look_up_segment(linear, patterns, base, slope, low, out):  # type: ignore[no-untyped-def]
    # unsigned indices spare a check of their sign
    first, one, width = np.int32(low), np.int32(_ONE), np.uint32(_SEGMENT_BITS)
    black, white = np.float32(0), np.float32(1)
    for i in range(linear.size):
        # a negative float's pattern is a negative integer, so one clip serves both ends
        segment = np.uint32(min(max(patterns[i], first), one) - first) >> width
        value = min(max(linear[i], black), white)
        out[i] = np.int32(base[segment] + slope[segment] * value)
