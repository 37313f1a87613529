"""Which column and row of the target a disk is, from where the disks are alone.

Picture points are (y, x) px. Columns count rightward and rows downward in the picture, as near as its axes are.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

_NEIGHBOURS = 6
"""Nearest points among which a point's neighbours along the axes are sought."""

_OFF = 0.3
"""Of a step, how far a disk may be from where its neighbours' steps put it."""

_OPPOSITE = 0.25
"""Of a step, how far the steps to either side of a disk may differ."""


def order_grid(points: NDArray[np.float64]) -> NDArray[np.int64]:
    """Number points that lie on a lattice in perspective.

    From a point that lies in the middle of four others, neighbours are looked for one step on, each step taken as
    the last one that led there; so the steps may change over the picture, and points may lack.

    Parameters
    ----------
    points : (K, 2) float64, (y, x) px

    Returns
    -------
    (K, 2) int64, (column, row) from 0; (-1, -1) for points that belong to no lattice
    """
    index = np.full((len(points), 2), -1, np.int64)
    if len(points) < 4:
        return index
    tree = cKDTree(points)
    best: dict[int, tuple[int, int]] = {}
    for seed, right, down in _seeds(points, tree):
        found = _grow(points, tree, seed, right, down)
        if len(found) > len(best):
            best = found
        if len(best) > len(points) // 2:
            break
    if len(best) < 4:
        return index
    members = np.array(list(best))
    places = np.array(list(best.values()))
    index[members] = places - places.min(axis=0)
    return index


def turn_grid(index: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number a grid anew as seen by a viewer who leans to the right: rows become columns, (-1, -1) stays."""
    known = index[:, 0] >= 0
    turned = np.full_like(index, -1)
    turned[known] = np.stack([index[known, 1], index[known, 0].max() - index[known, 0]], axis=1)
    return turned


def _seeds(
    points: NDArray[np.float64], tree: cKDTree
) -> list[tuple[int, NDArray[np.float64], NDArray[np.float64]]]:
    """Points to start from, those amid four neighbours first, with the steps to the right and down."""
    seeds: list[tuple[float, int, NDArray[np.float64], NDArray[np.float64]]] = []
    reach = min(_NEIGHBOURS, len(points) - 1)
    near = np.atleast_2d(tree.query(points, k=reach + 1)[1])
    for point in range(len(points)):
        steps = points[near[point, 1:]] - points[point]
        lengths = np.hypot(steps[:, 0], steps[:, 1])
        first = steps[0]
        sine = np.abs(first[0] * steps[:, 1] - first[1] * steps[:, 0]) / np.maximum(
            lengths[0] * lengths, 1e-12
        )
        across = np.flatnonzero(sine > 0.5)
        if not len(across):
            continue
        second = steps[across[0]]
        lacking = 0.0
        for step in (first, second):
            miss = np.hypot(*(steps + step).T).min() / np.hypot(*step)
            lacking += miss if miss < _OPPOSITE else 1.0
        right, down = (first, second) if abs(first[1]) >= abs(second[1]) else (second, first)
        seeds.append((lacking, point, right if right[1] > 0 else -right, down if down[0] > 0 else -down))
    middle = points.mean(axis=0)
    seeds.sort(key=lambda seed: (round(seed[0]), float(np.hypot(*(points[seed[1]] - middle)))))
    return [(point, right, down) for _, point, right, down in seeds[:8]]


def _grow(
    points: NDArray[np.float64],
    tree: cKDTree,
    seed: int,
    right: NDArray[np.float64],
    down: NDArray[np.float64],
) -> dict[int, tuple[int, int]]:
    """(column, row) of the points that are reached from a seed, which is (0, 0)."""
    places = {seed: (0, 0)}
    taken = {(0, 0)}
    steps = {seed: (right, down)}
    waiting = deque([seed])
    while waiting:
        here = waiting.popleft()
        column, row = places[here]
        right, down = steps[here]
        for axis, sign in ((0, 1), (0, -1), (1, 1), (1, -1)):
            step = (right, down)[axis] * sign
            place = (column + sign, row) if axis == 0 else (column, row + sign)
            if place in taken:
                continue
            off, there = tree.query(points[here] + step)
            if off > _OFF * np.hypot(*step) or there in places:
                continue
            made = (points[there] - points[here]) * sign
            places[int(there)] = place
            taken.add(place)
            steps[int(there)] = (made, down) if axis == 0 else (right, made)
            waiting.append(int(there))
    return places
