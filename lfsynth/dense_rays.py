"""Which views a dense synthetic aperture is made of, their disparities, and to what sums they are added.

For `lfsynth.dense`, which says what for. Of ``cells`` each view has PARTS x PARTS.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lfsynth import dense_kernels as native
from lfsynth.aperture import PARTS, view_weights
from lfsynth.dense_disparity import seen_by_views
from lfsynth.lightfield import LightField

_GUARD = 4
"""px beside something in focus within which rays count as captured: errors of an estimated edge are mostly less."""


@dataclass(frozen=True, eq=False)
class Plan:
    """Which view is added to which sum; see `dense_kernels.add_layer`.

    Of M openings the sums 0 to M - 1 are of cells that are spread whole, each to be added to the one before; M to
    2 M - 1 of the views at the rim as they are, 2 M to 3 M - 1 of the rim's quarters, where those are told apart.
    """

    starts: NDArray[np.int64]
    downs: NDArray[np.float32]
    weights: NDArray[np.float32]
    sheets: NDArray[np.int64]
    rights: NDArray[np.float32]
    targets: NDArray[np.int64]

    @staticmethod
    def of(
        cells: NDArray[np.float64], live: NDArray[np.float32], used: NDArray[np.int64], *, fine: bool
    ) -> Plan:
        """Plan for openings (M, PARTS U, PARTS V), live views (U, V) and those that are used, (N, 2)."""
        number = len(cells)
        places = (np.arange(PARTS) + 0.5) / PARTS - 0.5
        starts, entries = [0], []
        for u, v in used:
            before = 0.0
            for m, opening in enumerate(cells):
                part = opening[PARTS * u : PARTS * (u + 1), PARTS * v : PARTS * (v + 1)] * live[u, v]
                weight = float(part.mean())
                if fine and np.ptp(part) > 1e-9:
                    entries.append((0.0, weight, number + m))
                    for a, b in np.argwhere(part > 0):
                        entries.append((places[a], part[a, b] / PARTS**2, (2 + b) * number + m))
                    weight = 0.0
                if abs(weight - before) > 1e-9:
                    entries.append((0.0, weight - before, m))
                before = weight
            starts.append(len(entries))
        table = np.array(entries)
        sums = np.arange(number)
        return Plan(
            np.array(starts, np.int64),
            table[:, 0].astype(np.float32),
            table[:, 1].astype(np.float32),
            table[:, 2].astype(np.int64),
            np.repeat(np.concatenate([[0.0, 0.0], places]), number).astype(np.float32),
            np.concatenate([sums, number + sums, *[2 * number + sums] * PARTS]),
        )


@dataclass(frozen=True, eq=False)
class Rays:
    """The views that apertures are made of, and how they are put together.

    Attributes
    ----------
    views : (U, V, H, W * C)
    used : (N, 2) indices (u, v) of those that any opening holds, column by column
    steps : (N, 2) their distances from the centre view
    maps : (N, H, W) their disparities
    nearby : (N, H, W) greatest disparity within _GUARD px
    lows, highs : extremes of the maps in blocks, see `dense_kernels.extremes`
    doubted : see `dense_disparity.seen_by_views`
    plans : with cells cut by the rim taken whole, and in quarters
    weights : (M, N) of the views
    """

    views: NDArray[np.float32]
    used: NDArray[np.int64]
    steps: NDArray[np.float64]
    maps: NDArray[np.float32]
    nearby: NDArray[np.float32]
    lows: NDArray[np.float32]
    highs: NDArray[np.float32]
    doubted: LightField
    plans: tuple[Plan, Plan]
    weights: NDArray[np.float32]

    @staticmethod
    def of(
        lightfield: LightField, cells: NDArray[np.float64], disparity: NDArray[np.float32], threads: int
    ) -> Rays:
        """All that pictures through openings (M, PARTS U, PARTS V), from the smallest on, are made of."""
        live = lightfield.weights
        weights = view_weights(cells) * live
        used = np.argwhere(weights.any(axis=0))
        used = used[np.lexsort((used[:, 0], used[:, 1]))]
        steps = used - np.array(lightfield.centre)
        maps, doubted = seen_by_views(lightfield, disparity, used, threads=threads)
        nearby = np.empty_like(maps)
        window = np.ones((2 * _GUARD + 1, 2 * _GUARD + 1), np.uint8)
        blocks = [-(-side // native.BLOCK) for side in lightfield.size]
        lows, highs = np.empty((2, len(used), *blocks), np.float32)

        def survey(n: int) -> None:
            cv2.dilate(maps[n], window, dst=nearby[n])
            native.block_extremes(maps[n], lows[n], highs[n])

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(survey, range(len(used))))
        return Rays(
            lightfield.views.reshape(*lightfield.views.shape[:3], -1),
            used,
            steps.astype(np.float64),
            maps,
            nearby,
            lows,
            highs,
            doubted,
            (Plan.of(cells, live, used, fine=False), Plan.of(cells, live, used, fine=True)),
            weights[:, used[:, 0], used[:, 1]].astype(np.float32),
        )

    @property
    def areas(self) -> NDArray[np.float32]:
        """(M,) of the openings."""
        return np.asarray(self.weights.sum(axis=1))

    def coverage(self, shifts: NDArray[np.float32], window: tuple[int, int, int, int]) -> NDArray[np.float32]:
        """Weight of the views that reach each pixel of a window (top, left, rows, columns), (M, rows, columns)."""
        number, rows, columns = len(self.weights), *window[2:]
        least = np.clip(np.ceil(-shifts - window[:2]).astype(int), 0, window[2:])
        ends = np.floor(np.array(self.maps.shape[1:]) - 1 - shifts - window[:2]).astype(int) + 1
        ends = np.clip(ends, 0, window[2:])
        if not least.any() and (ends == window[2:]).all():
            return np.broadcast_to(self.areas[:, None, None], (number, rows, columns))
        reached = np.zeros((number, rows, columns), np.float32)
        for weights, (top, left), (bottom, right) in zip(self.weights.T, least, ends, strict=True):
            reached[:, top:bottom, left:right] += weights[:, None, None]
        return reached
