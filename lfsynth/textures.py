"""Textures for simulated scenes, in linear light."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft

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
    """Textures that need no picture: clouds that are as smooth as a photograph, and stripes.

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
    falloff = (1 / np.maximum(frequency, 4 / side) ** 1.7).astype(np.float32)
    y, x = np.mgrid[:side, :side].astype(np.float32)

    def cloud() -> NDArray[np.float32]:
        spectrum = rng.standard_normal((2, *falloff.shape), np.float32) * falloff
        plane = fft.irfft2(spectrum[0] + 1j * spectrum[1], (side, side))
        return np.asarray(plane / plane.std(), np.float32)

    textures = []
    for i in range(number):
        grey = cloud()
        for _ in range(6):
            angle, period = rng.uniform(0, np.pi), rng.uniform(12, 60)
            across, along = np.float32(np.cos(angle) / period), np.float32(np.sin(angle) / period)
            phase = across * x + along * y + np.float32(0.3) * cloud()
            grey += np.float32(rng.uniform(0.2, 0.6)) * (phase % 1 < 0.5)
        picture = np.stack([grey + np.float32(0.3) * cloud() for _ in range(3)], axis=-1)
        low, high = np.percentile(picture, (0.5, 99.5))
        hue = 2 * np.pi * (i * 0.382 + np.arange(3) / 3)
        tint = 0.6 + 0.4 * np.cos(hue)
        textures.append((tint * np.clip((picture - low) / (high - low), 0, 1)).astype(np.float32))
    return textures
