"""Textures for simulated scenes, in linear light."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lfsynth.errors import InputError
from lfsynth.transfer import SRGB, linearise

PHOTOGRAPHS = ("coffee", "astronaut", "chelsea", "rocket", "hubble_deep_field")
"""Colour pictures that lie inside scikit-image's wheel, so that nothing is downloaded."""


def photographs() -> list[NDArray[np.float32]]:
    """Textures from the pictures that ship inside scikit-image.

    Returns
    -------
    list of (h, w, 3) float32, linear light in [0, 1]

    Raises
    ------
    InputError
        if scikit-image is not installed
    """
    try:
        from skimage import data
    except ImportError:
        cure = "install it (pip install scikit-image) or use the procedural textures"
        raise InputError("scikit-image", "is not installed, its pictures are the textures", cure) from None
    pictures = [np.asarray(getattr(data, name)()) for name in PHOTOGRAPHS]
    return [linearise(picture, SRGB) for picture in pictures]


def procedural_textures(rng: np.random.Generator, number: int) -> list[NDArray[np.float32]]:
    """Textures that need no picture: clouds whose amplitude falls with frequency as a photograph's, and stripes.

    Each has its own tint, so that one layer of a scene can be told from the next.

    Parameters
    ----------
    rng : source of the textures
    number : how many

    Returns
    -------
    list of (512, 512, 3) float32, linear light in [0, 1]
    """
    side = 512
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None, :])
    falloff = 1 / np.maximum(frequency, 4 / side) ** 1.7
    y, x = np.mgrid[:side, :side]

    def cloud() -> NDArray[np.float64]:
        plane = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((side, side))) * falloff, (side, side))
        return plane / plane.std()

    textures = []
    for i in range(number):
        grey = cloud()
        for _ in range(6):
            angle, period = rng.uniform(0, np.pi), rng.uniform(12, 60)
            phase = (x * np.cos(angle) + y * np.sin(angle)) / period + 0.3 * cloud()
            grey += rng.uniform(0.2, 0.6) * (np.sin(2 * np.pi * phase) > 0)
        picture = np.stack([grey + 0.3 * cloud() for _ in range(3)], axis=-1)
        low, high = np.percentile(picture, (0.5, 99.5))
        hue = 2 * np.pi * (i * 0.382 + np.arange(3) / 3)
        tint = 0.6 + 0.4 * np.cos(hue)
        textures.append((tint * np.clip((picture - low) / (high - low), 0, 1)).astype(np.float32))
    return textures
