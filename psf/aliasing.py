"""What sampling folds back: light of a blurred disk above 0.5 cycles/px, which no kernel of the estimate can explain.

A lens in focus passes more than pixels can hold. The photograph then differs from any disk convolved with a kernel, at
each disk in another way, and by more than the noise where there is little of it. How much that is follows from the
kernel found, whose cells of half a pixel hold frequencies up to 1 cycle/px (those above 0.5 by the prior alone).
"""

from __future__ import annotations

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from psf.tiles import Tiles


def aliased_light(tiles: Tiles, radius: float, fine: NDArray[np.float64]) -> float:
    """Mean square per pixel of what is folded back, in units of the noise's variance.

    Parameters
    ----------
    tiles : of a photograph; the one nearest the middle of all stands for them
    radius : of the disks, pitches
    fine : (2 n - 1, 2 n - 1) optical kernel in cells of half a pixel, of any sum
    """
    corners = tiles.corners.astype(np.float64)
    index = int(np.argmin(np.hypot(*(corners - corners.mean(axis=0)).T)))
    drawn = tiles.drawn_twice_as_fine(radius, index)
    side = len(drawn)
    spectrum = scipy.fft.rfft2(drawn) * scipy.fft.rfft2(fine, (side, side))
    axes = 2 * scipy.fft.fftfreq(side), 2 * scipy.fft.rfftfreq(side)
    # The drawing has gathered light over half of what a pixel does, in whose place the whole pixel comes.
    down, across = (
        np.sinc(tiles.aperture * f) * np.sinc(f / 2) / np.sinc(tiles.aperture * f / 2) for f in axes
    )
    power = np.abs(spectrum * down[:, None] * across[None, :]) ** 2
    held = (np.abs(axes[0]) < 0.5)[:, None] & (np.abs(axes[1]) < 0.5)[None, :]
    power[held] = 0
    twice = np.full(power.shape[1], 2.0)
    twice[[0, -1]] = 1.0
    square = float((power * twice).sum()) / side**2 / 4
    scale = tiles.detection.plateau / float(fine.sum())
    return square * scale**2 / int(tiles.counts[index]) / tiles.noise**2
