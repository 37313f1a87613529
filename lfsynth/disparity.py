"""Disparity of the centre view: a map with its confidence, and the range of the scene.

Disparity is in pixels a view step, positive nearer than the captured focal plane, as in `lfsynth.lightfield`.

The search compares the centre view with views on its row and column, in grey at half resolution, under every
hypothesis of a disparity. The views of one arm (left, right, up, down) share a cost, and of two opposite arms
the one that agrees better counts more, since a point hidden from one side is seen from the other [1]_. A
first search at a quarter of the resolution, wide open, finds the range; a second one in that range is
smoothed by semi-global matching [2]_, refined by a parabola and brought to full resolution along the
picture's edges [3]_.

References
----------
.. [1] Kang, Szeliski, Chai: Handling occlusions in dense multi-view stereo, CVPR 2001,
doi:10.1109/CVPR.2001.990462
.. [2] Hirschmuller: Stereo processing by semiglobal matching and mutual information, IEEE TPAMI 30 (2008),
   doi:10.1109/TPAMI.2007.1166
.. [3] Kopf, Cohen, Lischinski, Uyttendaele: Joint bilateral upsampling, ACM TOG 26 (2007),
   doi:10.1145/1276377.1276497
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lfsynth.disparity_kernels import cost_volume, grey, grey_half, semi_global, upsample, winner
from lfsynth.errors import InputError
from lfsynth.lightfield import LightField

_SEARCH = 5.0
"""First search: disparities of up to this many px a view step, doubled as long as the scene reaches its
ends."""

_VIEWS_AN_ARM = 4
"""So many views of each arm are compared, spread from the innermost to the outermost."""

_COARSE_STEP, _FINE_STEP = 0.7, 0.4
"""Between two hypotheses the outermost view moves by so many pixels of the resolution searched."""

_MOST_HYPOTHESES = 64
"""Bounds time and memory where the range is wide."""

_TRUSTED_VIEW = 0.2
"""Views of less weight than this are not compared."""

_CONFIDENT, _LIKELY = 0.4, 0.3
"""A pixel of more confidence counts for the range of the scene; for that of the second search."""

_FEWEST_CONFIDENT = 0.002
"""Fraction of the pixels that must be confident for a range to be told."""

_TAIL = 0.005
"""Fraction of the confident pixels beyond either end of the range: outliers."""


@dataclass(frozen=True)
class _Search:
    """Cost volume of one search: what a hypothesis costs at a pixel, in units of the truncation (0:
    agrees).
    """

    cost: NDArray[np.float32]  # [y, x, hypothesis]
    disparities: NDArray[np.float64]


def check_centre(lf: LightField) -> None:
    """Refuse a light field whose centre view is dead: disparity and ground truth are seen from there.

    Raises
    ------
    InputError
    """
    u0, v0 = lf.centre
    if not lf.weights[u0, v0] > 0:
        cure = "leave it out, or give a better picture of that view"
        raise InputError(lf.source, f"its centre view (row {u0}, column {v0}) is dead", cure)


def disparity_range(lf: LightField) -> tuple[float, float]:
    """Nearest and farthest disparity of a scene, without its outliers.

    Parameters
    ----------
    lf : light field

    Returns
    -------
    (nearest, farthest) in px a view step, nearest >= farthest; (0, 0), the captured focal plane, where the
    scene has too little texture to tell, or the light field too few views

    Raises
    ------
    InputError
        if the centre view is dead
    """
    return range_of(*disparity_map(lf))


def range_of(disparity: NDArray[np.float32], confidence: NDArray[np.float32]) -> tuple[float, float]:
    """Nearest and farthest disparity of a map that `disparity_map` returned; see `disparity_range`."""
    if disparity.shape != confidence.shape:
        raise ValueError(f"map and confidence differ in shape: {disparity.shape} and {confidence.shape}")
    return _range(disparity, confidence, _CONFIDENT)


def _range(
    disparity: NDArray[np.float32], confidence: NDArray[np.float32], least: float
) -> tuple[float, float]:
    """Nearest and farthest disparity among the pixels of more than the least confidence."""
    confident = disparity[confidence > least]
    if confident.size < max(1, _FEWEST_CONFIDENT * disparity.size):
        return 0.0, 0.0
    farthest, nearest = np.quantile(confident, (_TAIL, 1 - _TAIL))
    return float(nearest), float(farthest)


def disparity_map(lf: LightField) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Disparity of every pixel of the centre view.

    Parameters
    ----------
    lf : light field, grey or colour; views of weight below 0.2 are left out

    Returns
    -------
    disparity : (H, W) float32, px a view step, positive nearer
    confidence : (H, W) float32 in [0, 1]: how much better the disparity explains the views than the others
        do, near 0 where the picture has no texture. Without any other view to compare with, or less than 8
        pixels a side, both are 0 everywhere

    Raises
    ------
    InputError
        if the centre view is dead
    """
    check_centre(lf)
    size = lf.size
    arms = _arms(lf)
    if len(arms) == 0 or min(size) < 8:
        return np.zeros(size, np.float32), np.zeros(size, np.float32)
    factor = 2 if min(size) >= 128 else 1
    views = [lf.centre] + [(u, v) for _, u, v in arms]
    fine = _reduced(lf, views, factor)
    limits = _coarse_range(fine, arms, lf.centre, factor)
    search = _search(fine, arms, lf.centre, factor, _hypotheses(limits, arms, lf.centre, factor, _FINE_STEP))
    disparity, confidence = _best(search, fine[0])
    # A lone pixel that differs from its neighbours is an error more often than not.
    disparity = np.asarray(cv2.medianBlur(disparity, 5), np.float32)
    if factor == 1:
        return disparity, confidence
    guide = _reduced(lf, [lf.centre], 1)[0]
    upsampled: tuple[NDArray[np.float32], NDArray[np.float32]]
    upsampled = upsample(disparity, confidence, fine[0], guide, np.float32(1 / _tolerance(fine[0])))
    return upsampled


def _arms(lf: LightField) -> list[tuple[int, int, int]]:
    """Views to compare as (arm, u, v); arms 0 and 1 lie opposite each other, so do 2 and 3."""
    u0, v0 = lf.centre
    chosen = []
    for arm, (step_u, step_v) in enumerate(((0, -1), (0, 1), (-1, 0), (1, 0))):
        line = []
        u, v = u0 + step_u, v0 + step_v
        while 0 <= u < lf.grid[0] and 0 <= v < lf.grid[1]:
            if lf.weights[u, v] >= _TRUSTED_VIEW:
                line.append((arm, u, v))
            u, v = u + step_u, v + step_v
        if line:
            spread = np.unique(np.linspace(0, len(line) - 1, _VIEWS_AN_ARM).round().astype(int))
            chosen += [line[i] for i in spread]
    return chosen


def _reach(arms: list[tuple[int, int, int]], centre: tuple[int, int]) -> int:
    """Distance of the outermost view that is compared, in view steps."""
    return max(abs(u - centre[0]) + abs(v - centre[1]) for _, u, v in arms)


def _reduced(lf: LightField, views: list[tuple[int, int]], factor: int) -> NDArray[np.float32]:
    """Square root of the grey of some views, [view, y, x], averaged over blocks of 1 x 1 or 2 x 2 pixels.

    The root makes shot noise alike in dark and light, and a dark edge count as it does to the eye.
    """
    height, width = lf.size
    out = np.empty((len(views), height // factor, width // factor), np.float32)
    for picture, (u, v) in zip(out, views, strict=True):
        if factor == 1:
            grey(lf.views[u, v], picture)
        else:
            grey_half(lf.views[u, v], picture)
    return out


def _hypotheses(
    limits: tuple[float, float],
    arms: list[tuple[int, int, int]],
    centre: tuple[int, int],
    factor: int,
    pixels: float,
) -> NDArray[np.float64]:
    """Disparities between (and at) the limits, so dense that the outermost view moves by `pixels` at most."""
    step = pixels * factor / _reach(arms, centre)
    number = int(np.ceil((limits[1] - limits[0]) / step)) + 1
    return np.linspace(*limits, min(max(number, 5), _MOST_HYPOTHESES))


def _coarse_range(
    fine: NDArray[np.float32], arms: list[tuple[int, int, int]], centre: tuple[int, int], factor: int
) -> tuple[float, float]:
    """Farthest and nearest disparity that the second search is to cover."""
    coarse = np.stack([cv2.resize(view, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for view in fine])
    factor *= 2
    widest = 0.25 * max(coarse.shape[1:]) * factor / _reach(arms, centre)
    search = min(_SEARCH, widest)
    while True:
        at = _hypotheses((-search, search), arms, centre, factor, _COARSE_STEP)
        disparity, confidence = _best(_search(coarse, arms, centre, factor, at), coarse[0])
        nearest, farthest = _range(disparity, confidence, _LIKELY)
        if max(nearest, -farthest) < 0.9 * search or search >= widest:
            break
        search = min(2 * search, widest)
    # Two steps more: the coarse search is off by up to one, and a parabola wants neighbours on both sides.
    margin = 2 * (at[1] - at[0])
    return farthest - margin, nearest + margin


def _tolerance(grey: NDArray[np.float32]) -> float:
    """Difference of grey beyond which two views do not show the same point: 4 sigma of the noise, or 0.02."""
    # Second differences of white noise have a deviation of 6 sigma; the median passes by what edges there
    # are.
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)
    laplacian = cv2.filter2D(grey, -1, kernel)
    return max(4 * float(np.median(np.abs(laplacian))) / (0.6745 * 6), 0.02)


def _search(
    pictures: NDArray[np.float32],
    arms: list[tuple[int, int, int]],
    centre: tuple[int, int],
    factor: int,
    disparities: NDArray[np.float64],
) -> _Search:
    """Cost of each hypothesis at each pixel of the centre view."""
    table = np.array([(arm, u - centre[0], v - centre[1]) for arm, u, v in arms], np.int64)
    inverse = np.float32(1 / _tolerance(pictures[0]))
    cost = np.empty((*pictures.shape[1:], len(disparities)), np.float32)
    cost_volume(pictures, table, disparities / factor, inverse, cost)
    return _Search(cost, disparities)


def _best(search: _Search, guide: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Disparity and confidence of each pixel: the cheapest hypothesis after semi-global smoothing."""
    height, width, _ = search.cost.shape
    total = np.zeros_like(search.cost)
    semi_global(search.cost, guide, np.float32(1 / _tolerance(guide)), total)
    disparity = np.empty((height, width), np.float32)
    confidence = np.empty((height, width), np.float32)
    step = search.disparities[1] - search.disparities[0]
    winner(search.cost, total, search.disparities[0], step, disparity, confidence)
    return disparity, confidence
