"""Centres, projection and disk radius from a picture in which the light about the disks is 0.

A disk's light is centred where its mean is. The mean is taken over the blurred edge alone: what is deeper inside than
the blur reaches counts as the disk's plateau, what is farther outside as nothing, so that their noise is left out.
Conventions are those of `psf.projection`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from lfsynth.errors import InputError
from psf.detect_kernels import edge_moments, edge_profile
from psf.projection import Projection, bulge_terms

_ROUNDS = (2, 6)
"""Least and most refinements."""

_SETTLED = 0.002
"""px: with the disks moved by less than this, a refinement was the last."""

_PROFILE_STEP = 0.5
"""px, bins of the profile across an edge."""

_DEEPEST = 0.75
"""Of the radius, how deep inside a disk the blur of its edge is followed; what is deeper has its mean."""

_RUN = 3
"""Bins."""

_TAIL = 0.005
"""Of the plateau: where less than this of an edge is left, it is over."""

_TAIL_SLACK = 2.0
"""px, about: the profile is taken with circles of a local affine map, and the first one of approximate centres."""

_LEAST_PLATEAU = 0.1
"""Of the radius: a smaller plateau is not used."""

_LEAST_DISKS_FOR_DISTORTION = 12

_LEAST_DISKS_FOR_BULGE = 20

_BULGE_SHOWS = 5.0
"""The F statistic from which the polynomial of `psf.projection.bulge_terms` is taken for real: with 20 parameters, by
chance once in 10^4 pictures of 35 disks."""

_DISTORTION_SHOWS = 25.0
"""Squared deviations from 0 from which a distortion is taken for real (the F statistic of one parameter)."""


@dataclass(frozen=True)
class Refined:
    """What `refine` finds; the attributes are those of `psf.detect.Detection`."""

    projection: Projection
    radius: float
    centres: NDArray[np.float64]
    usable: NDArray[np.bool_]
    plateau: float
    blur_reach: float


def refine(
    normal: NDArray[np.float32],
    projection: Projection,
    radius: float,
    target: NDArray[np.float64],
    margin: float,
    *,
    name: str,
) -> Refined:
    """Measure the disks, fit the projection to them, and again from there.

    Parameters
    ----------
    normal : (H, W) float32, 0 about the disks
    projection : from the target to the picture, to a pixel or so
    radius : of the disks, pitches, to some percent
    target : (K, 2) float64, (column, row) of the disks
    margin : px about a disk that are free of other disks, and of which the picture's border leaves it usable
    name : of the picture, for messages

    Raises
    ------
    InputError : where fewer than four disks are far enough from the border
    """
    for turn in range(1, _ROUNDS[1] + 1):
        places = _places(projection, target, radius, margin, normal.shape)
        count = np.count_nonzero(places.usable)
        if count < 4:
            raise InputError(
                name,
                f"only {count} disks are {margin:.0f} px or more inside the picture",
                "use a smaller --size, or leave more room about the target",
            )
        profile = _profile(normal, places, radius, margin)
        if not profile.plateau > 0:
            raise InputError(
                name, "the disks do not stand out from the noise", "expose longer, or drop this picture"
            )
        depth = (profile.reach + _TAIL_SLACK) / places.scales
        inner = radius - depth
        inner[inner < _LEAST_PLATEAU * radius] = 0.0
        moments = np.zeros((len(target), 3))
        edge_moments(
            normal,
            places.boxes,
            places.middles,
            places.inverses,
            inner,
            radius + depth,
            profile.plateaus,
            moments,
        )
        if not np.all(moments[places.usable, 0] > 0):
            raise InputError(
                name, "some disks do not stand out from the noise", "expose longer, or drop this picture"
            )
        measured = places.middles + moments[:, 1:] / moments[:, :1]
        mapped = projection.points(target)
        # A projected disk's centroid is not its projected centre.
        centres = np.where(places.usable[:, None], measured - (places.middles - mapped), mapped)
        if np.all(inner > 0):
            light = moments[places.usable, 0] / profile.plateaus[places.usable]
            radius *= float(np.sqrt(np.median(light / projection.areas(target, radius)[places.usable])))
        before, projection = (
            mapped,
            _fit_projection(projection, target[places.usable], centres[places.usable]),
        )
        if turn >= _ROUNDS[0] and np.abs(projection.points(target) - before).max() < _SETTLED:
            break
    return Refined(projection, radius, centres, places.usable, profile.plateau, profile.reach)


@dataclass(frozen=True)
class _Places:
    """Where each disk is looked at, for the compiled loops: see `psf.detect_kernels.edge_profile`."""

    boxes: NDArray[np.int64]
    middles: NDArray[np.float64]
    inverses: NDArray[np.float64]
    scales: NDArray[np.float64]
    usable: NDArray[np.bool_]


def _places(
    projection: Projection, target: NDArray[np.float64], radius: float, margin: float, shape: tuple[int, ...]
) -> _Places:
    """Boxes that hold each disk and `margin` px more, cut at the border, and the map about each centroid."""
    outlines = projection.outlines(target, radius)
    low = np.floor(outlines.min(axis=1) - margin).astype(np.int64)
    high = np.ceil(outlines.max(axis=1) + margin).astype(np.int64) + 1
    usable = np.all((low >= 0) & (high <= np.array(shape)), axis=1)
    boxes = np.hstack([np.maximum(low, 0), np.minimum(high, np.array(shape))])
    step = 1e-3
    jacobian = np.stack(
        [
            (projection.points(target + shift) - projection.points(target - shift)) / (2 * step)
            for shift in (np.array([step, 0.0]), np.array([0.0, step]))
        ],
        axis=-1,
    )
    scales = np.asarray(np.sqrt(np.abs(np.linalg.det(jacobian))), np.float64)
    return _Places(
        boxes,
        projection.centroids(target, radius),
        np.asarray(np.linalg.inv(jacobian), np.float64),
        scales,
        usable,
    )


@dataclass(frozen=True)
class _Profile:
    """How the light falls across the disks' edges.

    Attributes
    ----------
    plateaus : (K,) what is left deep inside each disk
    plateau : their mean
    reach : px from the edge, inward or outward, where the blur ends
    """

    plateaus: NDArray[np.float64]
    plateau: float
    reach: float


def _profile(normal: NDArray[np.float32], places: _Places, radius: float, margin: float) -> _Profile:
    """Average over edges, and how far they reach."""
    reach = min(margin, _DEEPEST * radius * float(places.scales.min()))
    count = int(2 * reach / _PROFILE_STEP)
    sums, squares, counts = (np.zeros((len(places.boxes), count)) for _ in range(3))
    edge_profile(
        normal,
        places.boxes,
        places.middles,
        places.inverses,
        places.scales,
        radius,
        reach,
        _PROFILE_STEP,
        sums,
        squares,
        counts,
    )
    use = places.usable
    total = np.maximum(counts[use].sum(axis=0), 1)
    mean = sums[use].sum(axis=0) / total
    variance = np.maximum(squares[use].sum(axis=0) / total - mean**2, 0) / total
    place = (np.arange(count) + 0.5) * _PROFILE_STEP - reach
    # All that is deeper than the first bin's end is in it.
    plateau = float(mean[0])
    off = np.where(place < 0, np.abs(mean - plateau), np.abs(mean))
    over = off <= np.maximum(_TAIL * abs(plateau), 3 * np.sqrt(variance))
    # Light of a kernel without negative parts falls steadily across an edge: where it has once ended, it is over.
    outward = _first_run(over[place >= 0])
    inward = _first_run(over[place < 0][::-1])
    found = max(outward, inward) * _PROFILE_STEP
    deep = max(1, int((reach - found - _TAIL_SLACK) / _PROFILE_STEP))
    plateaus = sums[:, :deep].sum(axis=1) / np.maximum(counts[:, :deep].sum(axis=1), 1)
    return _Profile(plateaus, plateau, found)


def _first_run(over: NDArray[np.bool_]) -> int:
    """Where the first run of true values begins that is long enough not to be chance; the length if there is none."""
    runs = np.lib.stride_tricks.sliding_window_view(over, min(_RUN, len(over))).all(axis=1)
    return int(np.argmax(runs)) if runs.any() else len(over)


def _fit_projection(
    start: Projection, target: NDArray[np.float64], centres: NDArray[np.float64]
) -> Projection:
    """The projection that takes target points nearest to the centres; with distortion where it shows."""

    def made(parameters: NDArray[np.float64]) -> Projection:
        homography = np.append(parameters[:8], 1.0).reshape(3, 3)
        return replace(
            start,
            homography=homography,
            bulge=None,
            distortion=float(parameters[8]) if parameters.size > 8 else 0.0,
        )

    def off(parameters: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray((made(parameters).points(target) - centres).ravel())

    first = (start.homography / start.homography[2, 2]).ravel()[:8]
    flat = least_squares(off, first, x_scale="jac", method="lm")
    if len(target) < _LEAST_DISKS_FOR_DISTORTION:
        return made(flat.x)
    bent = least_squares(off, np.append(flat.x, start.distortion), x_scale="jac", method="lm")
    freedom = 2 * len(target) - 9
    lens = made(bent.x if (flat.cost - bent.cost) * freedom > _DISTORTION_SHOWS * bent.cost else flat.x)
    return _with_bulge(lens, target, centres)


def _with_bulge(flat: Projection, target: NDArray[np.float64], centres: NDArray[np.float64]) -> Projection:
    """The projection with the bulge of the paper, where it shows."""
    if len(target) < _LEAST_DISKS_FOR_BULGE:
        return flat
    basis = bulge_terms(target, flat.extent)
    off = centres - flat.points(target)
    bulge = np.asarray(np.linalg.lstsq(basis, off, rcond=None)[0], np.float64)
    before, after = float(np.sum(off**2)), float(np.sum((off - basis @ bulge) ** 2))
    freedom = 2 * (len(target) - basis.shape[1])
    if (before - after) / bulge.size * freedom < _BULGE_SHOWS * after:
        return flat
    return replace(flat, bulge=bulge)
