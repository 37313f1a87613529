"""Noise of a sensor, added to a picture in linear light.

The variance at the signal L, a fraction of white, is ``gain * L + read^2``: photons, whose number is Poisson's, and
what reading out adds. A sensor that is full at N electrons and read with a deviation of r electrons has the gain 1 / N
and the read noise r / N. The model is that of EMVA 1288 (release 4.0, 2021) without quantisation.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lfsynth.noise import Noise


@dataclass(frozen=True)
class SensorNoise:
    """Noise of a sensor: the variance at the signal L is ``gain * L + read^2``.

    Attributes
    ----------
    gain : fraction of white, 0 or more
    read : standard deviation in the dark, fraction of white, 0 or more
    """

    gain: float
    read: float


def add_noise(
    picture: NDArray[np.float32],
    sensor: SensorNoise,
    rng: np.random.Generator,
    *,
    left: Noise | None = None,
    share: float = 0.0,
) -> NDArray[np.float32]:
    """A picture as a sensor records it, before clipping.

    Parameters
    ----------
    picture : (H, W, C) linear light, 1 is white; below 0 there is no signal
    sensor : noise that the result is to have
    rng : source of the noise, independent between pixels and channels
    left : noise of the views that the picture was averaged from, None: there is none
    share : part of its variance that averaging has left: that much less is added, where there is so much to add

    Returns
    -------
    (H, W, C) float32; what exceeds white keeps exceeding it
    """
    signal = np.maximum(picture, 0)
    variance = np.float32(sensor.gain) * signal + np.float32(sensor.read**2)
    if left is not None:
        constant, shot, gain = np.array([left.constant, left.shot, left.gain], np.float32)
        seen = np.minimum(signal, 1)
        variance -= np.float32(share) * (constant + shot * seen + gain * seen * seen)
        np.maximum(variance, 0, out=variance)
    return np.asarray(picture + np.sqrt(variance) * rng.standard_normal(picture.shape, np.float32))


def generator_for(scene: str, slope: int, aperture: int) -> np.random.Generator:
    """Random numbers of one picture, by its scene's name and its indices: the same in any run, by any process."""
    number = int.from_bytes(hashlib.sha256(scene.encode()).digest()[:8], "big")
    return np.random.default_rng([number, slope, aperture])
