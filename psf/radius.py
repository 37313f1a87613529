"""The radius of the sharp disks: the one with which some kernel fits the photograph best.

A radius that is off by half a percent costs more than all noise. The sum of squares of the residual is all but a
parabola of the radius; it is taken from normal equations at three radii, on a share of the disks.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from psf.normal_equations import system_equations, tempered_misfit
from psf.solve import Prior, Solution, solve
from psf.tiles import Tiles
from psf.weight import first_solution

_STEP_PX = 0.4
"""Between the radii of the parabola, px."""

_MOST_MOVES = 6
"""Of the parabola, towards a minimum that is outside."""

_DISKS = 9
"""That take part, at most; they fix the radius to some thousandths of a pixel."""

_STEPS = 40
"""Of the solver at each radius."""


def search_radius(tiles: Tiles) -> float:
    """Radius of the disks, pitches, that fits best; the search starts from the detection's.

    The kernel's size has to hold the blur: where it does not, a smaller disk fits better.
    """
    detection = tiles.detection
    scale = float(np.mean(detection.projection.pixels_per_pitch(tiles.disks.astype(np.float64))))
    step = _STEP_PX / scale
    which = np.unique(np.linspace(0, len(tiles.disks) - 1, _DISKS).round().astype(int))
    state: Solution | None = None
    found: dict[int, float] = {}

    def misfit(place: int) -> float:
        nonlocal state
        if place not in found:
            equations = system_equations(tiles.sums(detection.radius + place * step, which), tiles.size)
            if state is None:
                state = first_solution(equations)
            state = solve(equations, Prior.QUADRATIC, state.weight, steps=_STEPS, start=state)
            found[place] = tempered_misfit(equations, state.split)
        return found[place]

    place = 0
    for _ in range(_MOST_MOVES):
        misfits = [misfit(place + side) for side in (-1, 0, 1)]
        best = int(np.argmin(misfits)) - 1
        if best == 0:
            break
        place += best
    offset = _vertex(np.array([misfit(place + side) for side in (-1, 0, 1)]))
    return float(detection.radius + (place + offset) * step)


def _vertex(misfits: NDArray[np.float64]) -> float:
    """Place of the minimum of the parabola through values at -1, 0 and 1; within them."""
    bend = misfits[0] - 2 * misfits[1] + misfits[2]
    if not bend > 0:
        return 0.0
    return float(np.clip((misfits[0] - misfits[2]) / (2 * bend), -1, 1))
