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
    """Textures that need no picture: coloured noise with detail at every scale, and straight edges.

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
    falloff = 1 / np.maximum(frequency, 2 / side) ** 1.2
    y, x = np.mgrid[:side, :side]
    textures = []
    for _ in range(number):
        planes = []
        for _ in range(3):
            plane = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((side, side))) * falloff, (side, side))
            planes.append(plane / plane.std())
        picture = np.stack(planes, axis=-1) + 1.5 * np.mean(planes, axis=0)[..., None]
        for _ in range(6):
            angle, period = rng.uniform(0, np.pi), rng.uniform(20, 90)
            wave = np.sin(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / period)
            picture += 0.4 * rng.standard_normal(3) * (wave > 0)[..., None]
        low, high = np.percentile(picture, (1, 99))
        textures.append(np.clip((picture - low) / (high - low), 0, 1).astype(np.float32))
    return textures
