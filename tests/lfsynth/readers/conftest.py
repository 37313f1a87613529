"""Light fields of a few pixels, as codes, and the formula that they are linearised with."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest


def srgb_to_linear(code: Any) -> Any:
    """IEC 61966-2-1 in float64, written out here so that the readers are not tested against themselves."""
    return np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)


@pytest.fixture
def linear_of() -> Callable[[Any], Any]:
    """The light of 8- or 16-bit codes along sRGB, float64."""
    return lambda codes: srgb_to_linear(codes / np.iinfo(codes.dtype).max)


@pytest.fixture
def codes() -> np.ndarray:
    """A light field [u, v, y, x, c] of 3 x 3 views of 6 x 8 pixels; no view is like another."""
    return np.random.default_rng(0).integers(30, 226, (3, 3, 6, 8, 3), dtype=np.uint8)


@pytest.fixture
def save() -> Callable[[Path, np.ndarray], None]:
    """Write a picture [y, x, c] with OpenCV, which wants B, G, R, alpha."""

    def write(path: Path, picture: np.ndarray) -> None:
        order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[picture.shape[2]]
        assert cv2.imwrite(str(path), picture[..., order])

    return write
