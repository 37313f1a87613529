"""The lattice in a kernel: what tells a refocused light field, a sum of spots in rows, from one opening of a camera.

Spots at distance d in rows and columns make peaks of the transfer function's modulus |K(f)| at multiples of 1/d along
both axes. A disk, a ring or a polygon makes none: on circles around frequency 0 its modulus is even, and along the
spikes that straight edges make it is even in the radial direction. So a frequency's score is |K| over the larger of
the medians along both, the lesser of it and of the frequency a quarter turn from it, since a square lattice has both.
A kernel's *lattice score* is the highest of all frequencies: about 1 for round kernels, up to 4 with noise, sharp
corners or a coded opening, above 6 for 21 views or more whose spots stand apart. Spots that run into one another, as
they do when a view is blurred by more than half their distance, are one opening in every respect and score as such.

Frequencies are (fy, fx) in cycles a pixel, lengths px. Rows closer than 2 px are beyond what pixels resolve: they
appear, if at all, as a wider lattice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from scipy.optimize import minimize

from psf.merit import Kernel, transfer_modulus, unit_sum

LOWEST_FREQUENCY, HIGHEST_FREQUENCY = 0.06, 0.5
"""Between these lattices are looked for: periods from 2 to 16 px."""
LEAST_MODULUS = 0.005
"""|K| that no median is taken to be below: estimated kernels hold errors of this size at every frequency."""
NEIGHBOURS = (0.25, 0.55)
"""Frequencies that a peak is compared with along the radius: they differ by 25 to 55 % from it."""
SAME_RANK = 0.3
"""Part of the best score from which on a frequency belongs to the lattice: the lowest such is its first order."""
LIGHT_FIELD_SCORE = 6.0
"""Lattice score from which on a kernel is a light field's."""


class Origin(Enum):
    """What made a kernel, as its lattice score tells."""

    CAMERA = "camera-like"
    LIGHT_FIELD = "light-field-like"


@dataclass(frozen=True)
class Lattice:
    """What was found of a lattice.

    Attributes
    ----------
    score : |K| at the best frequency over its surroundings
    origin : by the score
    period : distance of neighbouring spots, px; None for a camera
    frequency : (fy, fx) of the first order on the half-plane fy >= 0; None for a camera
    """

    score: float
    origin: Origin
    period: float | None
    frequency: tuple[float, float] | None


def find_lattice(kernel: Kernel) -> Lattice:
    """Look for rows of spots in a kernel.

    Parameters
    ----------
    kernel : (n, n), n odd, of positive sum

    Raises
    ------
    ValueError
        If it is no kernel.
    """
    kernel = unit_sum(kernel)
    frequencies, angles, scores = _scores(transfer_modulus(kernel))
    best = float(scores.max())
    if best < LIGHT_FIELD_SCORE:
        return Lattice(best, Origin.CAMERA, None, None)
    lowest = int(np.flatnonzero(scores.max(axis=1) >= max(SAME_RANK * best, LIGHT_FIELD_SCORE))[0])
    # the highest score within the lobe that begins there
    lobe = scores[lowest : max(lowest + 1, int(np.searchsorted(frequencies, 1.2 * frequencies[lowest])))]
    row, column = np.unravel_index(int(lobe.argmax()), lobe.shape)
    first, second = _refine(kernel, frequencies[lowest + row], angles[column])
    f = (math.hypot(*first) + math.hypot(*second)) / 2
    if first[0] < 0:
        first = -first
    return Lattice(best, Origin.LIGHT_FIELD, 1 / f, (float(first[0]), float(first[1])))


def _scores(
    modulus: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Frequencies (F,), angles (A,) over a half turn from the x axis, and scores (F, A)."""
    nearest, farthest = 1 - NEIGHBOURS[1], 1 + NEIGHBOURS[1]
    # |K| is periodic: frequencies above 0.5 along a diagonal exist, the others are aliases of lower ones
    highest_neighbour = min(HIGHEST_FREQUENCY * farthest, math.sqrt(0.5))
    m = len(modulus)
    radius = np.arange(int(LOWEST_FREQUENCY * nearest * m), int(highest_neighbour * m) + 1)
    count = 2 * m
    angles = math.pi * (np.arange(count) + 0.5) / count
    y, x = m // 2 + radius[:, None] * np.sin(angles), m // 2 + radius[:, None] * np.cos(angles)
    polar = map_coordinates(modulus, [y, x], order=1, mode="grid-wrap")

    frequencies = radius / m
    chosen = np.flatnonzero((frequencies >= LOWEST_FREQUENCY) & (frequencies <= HIGHEST_FREQUENCY))
    floor = max(float(np.median(polar[chosen])), LEAST_MODULUS)
    around = np.maximum(np.median(polar[chosen], axis=1), floor)
    scores = np.empty((len(chosen), count))
    for index, row in enumerate(chosen):
        away = np.abs(frequencies / frequencies[row] - 1)
        along = np.median(polar[(away >= NEIGHBOURS[0]) & (away <= NEIGHBOURS[1])], axis=0)
        scores[index] = polar[row] / np.maximum(along, around[index])
    return frequencies[chosen], angles, np.minimum(scores, np.roll(scores, count // 2, axis=1))


def _refine(
    kernel: Kernel, frequency: float, angle: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The peaks of |K| close to a frequency and a quarter turn from it, without the slope that the spots give them.

    At the lattice's frequencies |K| is the spot's transfer function. It is taken for a Gaussian, whose width the first
    order and the diagonal one tell; frequency 0 does not, where an estimated kernel has a background.
    """
    middles = np.arange(len(kernel)) - (len(kernel) - 1) / 2

    def modulus(f: NDArray[np.float64]) -> float:
        down, across = np.exp(-2j * math.pi * f[0] * middles), np.exp(-2j * math.pi * f[1] * middles)
        return max(float(abs(down @ kernel @ across)), 1e-6)

    def climb(start: NDArray[np.float64], decay: float) -> NDArray[np.float64]:
        simplex = start + np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]) / (4 * len(kernel))

        def below(f: NDArray[np.float64]) -> float:
            return -modulus(f) * math.exp(decay * float(f @ f))

        options: Any = {"initial_simplex": simplex, "xatol": 1e-6, "fatol": 1e-9}
        found = minimize(below, start, method="Nelder-Mead", options=options)
        # beyond half a cycle a pixel |K| repeats
        return np.asarray(found.x - np.round(found.x))

    first = climb(frequency * np.array([math.sin(angle), math.cos(angle)]), 0.0)
    second = climb(np.array([first[1], -first[0]]), 0.0)
    square = float(first @ first)
    from_diagonal = math.log(modulus(first) / modulus(first + second)) / square
    from_zero = -math.log(modulus(first)) / square
    decay = min(max(from_diagonal, 0.0), from_zero)
    return climb(first, decay), climb(second, decay)
