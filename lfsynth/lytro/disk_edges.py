"""The edges of the disks that microlenses throw, and the disks' centres from them, free of the cat's eye's bias.

A disk is the picture of the exit pupil. Off the optical axis the rims of the main lens cut into it: what is left is
the intersection of the pupil's disk with another one, which moves away from it in proportion to the distance from the
axis (the cat's eye). The pupil's disk is what the microlens's centre is the centre of, and all of them have one
radius; so the centre follows from whatever part of its edge is left.

The pixels of all disks of a tile, laid over each other, sample one mean disk far more finely than the sensor. Its
edge along a ray is where the light falls to half of what it is on the same ray further inside: a disk that is brighter
on one side keeps its edges. Only green pixels are looked at, so that colours need no balance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RAYS = 24
"""Rays from the middle of a disk; ray i points at the angle ``2 pi i / RAYS`` from right to down."""

_BIN = 0.25
"""Width of a bin along a ray in px."""

_PLATEAU = (0.05, 0.17)
"""Part of a ray whose light is the whole, in pitches."""

_EDGE_SEARCH = (0.2, 0.56)
"""Part of a ray where its edge is looked for, in pitches; the upper end is beyond the middle between two lenses."""

_LEAST_COUNT = 0.5
"""Pixels below which a bin's light is taken from its neighbours on the ray."""

_NOISE = 0.02
"""Error of an edge in px beyond which it counts as an outlier."""

_START = np.array([0, 0, 0, 0, 0, 0, 6.0, 0, 0, 3.0, -3.0, 1.0, 1.0, 0.3])
"""First guess of the parameters of `_model`, and the priors' means."""

_DEVIATIONS = np.array([9, 9, 9, 9, 9, 9, 9, 0.1, 0.1, 3.0, 3.0, 0.7, 0.7, 0.2])
"""Standard deviations of the priors: they say next to nothing of where the disks are."""

_PRIOR_WEIGHT = 1.0
"""A prior counts as one edge among some thousand."""

_MOST_STEPS = 40
_LEAST_GAIN = 1e-5
"""Relative fall of the cost below which the fit has ended."""

_LEAST_SOFTNESS = 0.05
"""Softness in px below which edges are as sharp as pixels allow."""

_NEWTON_STEPS = 4
"""Three disks that fall together need four steps for 1e-6 px, others fewer."""


@dataclass(frozen=True)
class Disks:
    """Disks fitted to edges in several places of the sensor.

    Attributes
    ----------
    shift : (2,) px, displacement (y, x) of the disks from where they were looked for, in the field's middle
    slope : (2, 2) px, its change a unit of the field: displacement = shift + slope @ where
    radius : of the pupil's disk at half its height in px
    residual : standard deviation of the edges' distances from the model in px, as their median tells
    """

    shift: NDArray[np.float64]
    slope: NDArray[np.float64]
    radius: float
    residual: float


def edges_of_tile(
    tile: NDArray[np.uint16],
    black: NDArray[np.float32],
    point: NDArray[np.float64],
    vectors: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Distances of the mean disk's edge from where the lattice has its centre.

    Parameters
    ----------
    tile : (H, W) part of a white picture that begins with an even row and column
    black : (2, 2) levels without light
    point : (y, x) in px of the tile, centre of a disk in an even row
    vectors : rows down and across, (y, x) px

    Returns
    -------
    (RAYS,) float64 px, NaN where there is no edge
    """
    pitch = float(np.hypot(*vectors[1]))
    y, x, light = [], [], []
    for parity in (0, 1):
        # The first pixel is green, and so is every second one diagonally on.
        green = tile[parity::2, parity::2].astype(np.float64) - float(black[parity, parity])
        rows = np.arange(parity, tile.shape[0], 2)
        columns = np.arange(parity, tile.shape[1], 2)
        from_centre = _from_nearest(rows[:, None] - point[0], columns - point[1], vectors)
        y.append(from_centre[0].ravel())
        x.append(from_centre[1].ravel())
        light.append(green.ravel())
    return _edges(np.concatenate(y), np.concatenate(x), np.concatenate(light), pitch)


def _from_nearest(
    y: NDArray[np.float64], x: NDArray[np.float64], vectors: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Offsets (y, x) of points from the nearest disk's centre; they are given relative to one in an even row."""
    inverse = np.linalg.inv(vectors.T)
    rows = inverse[0, 0] * y + inverse[0, 1] * x
    lenses = inverse[1, 0] * y + inverse[1, 1] * x
    # The nearest lens is in the row above or below: an even and an odd one.
    offsets = []
    for odd in (0, 1):
        row = 2 * np.rint((rows - odd) / 2) + odd
        lens = np.rint(lenses - odd / 2) + odd / 2
        offsets.append(
            (
                y - row * vectors[0, 0] - lens * vectors[1, 0],
                x - row * vectors[0, 1] - lens * vectors[1, 1],
            )
        )
    (y0, x0), (y1, x1) = offsets
    even = y0 * y0 + x0 * x0 < y1 * y1 + x1 * x1
    return np.where(even, y0, y1), np.where(even, x0, x1)


def _edges(
    y: NDArray[np.float64], x: NDArray[np.float64], light: NDArray[np.float64], pitch: float
) -> NDArray[np.float64]:
    """Where the mean light of pixels at offsets (y, x) falls to half on each ray."""
    bins = int(_EDGE_SEARCH[1] * pitch / _BIN) + 2
    along = np.hypot(y, x) / _BIN
    ray = np.rint(np.arctan2(y, x) * (RAYS / (2 * np.pi))).astype(np.int64) % RAYS
    # A pixel counts for the bins before and after it, the nearer one more: a ray's profile is not shifted.
    first = np.minimum(along.astype(np.int64), bins - 2)
    share = np.clip(along - first, 0, 1)
    index = ray * bins + first
    count, total = (
        np.bincount(index, (1 - share) * of, RAYS * bins) + np.bincount(index + 1, share * of, RAYS * bins)
        for of in (np.ones_like(light), light)
    )
    count, total = count.reshape(RAYS, bins), total.reshape(RAYS, bins)
    inside = slice(round(_PLATEAU[0] * pitch / _BIN), round(_PLATEAU[1] * pitch / _BIN))
    whole = total[:, inside].sum(axis=1) / np.maximum(count[:, inside].sum(axis=1), 1)
    profile = total / np.maximum(count, 1e-9) / np.maximum(whole, 1.0)[:, None]
    # Where the lattice is in step with the pixels, no pixel falls into some bins.
    for empty in np.flatnonzero((count < _LEAST_COUNT).any(axis=1) & (count > 0).any(axis=1)):
        full = np.flatnonzero(count[empty] >= _LEAST_COUNT)
        if full.size:
            profile[empty] = np.interp(np.arange(bins), full, profile[empty, full])
    start = round(_EDGE_SEARCH[0] * pitch / _BIN)
    dark = profile[:, start + 1 : -1] < 0.5
    at = start + 1 + dark.argmax(axis=1)
    rays = np.arange(RAYS)
    outer, inner = profile[rays, at], profile[rays, at - 1]
    found = dark.any(axis=1) & (inner >= 0.5)
    step = np.where(found, (inner - 0.5) / np.where(found, inner - outer, 1.0), np.nan)
    edges: NDArray[np.float64] = (at - 1 + step) * _BIN
    return edges


def fit_disks(edges: NDArray[np.float64], where: NDArray[np.float64]) -> Disks:
    """Fit the pupil's disks, cut by the lens's rims off axis, to edges.

    Parameters
    ----------
    edges : (N, RAYS) px, of `edges_of_tile`; NaN where there is none
    where : (N, 2) place (y, x) of each on the sensor, relative to its middle, in units of half its diagonal

    Notes
    -----
    Levenberg's and Marquardt's method with weights after each step (Cauchy's loss, so that edges that follow no disk
    lose their say), and priors of little weight for what a picture without vignetting does not tell. The displacement
    is linear in the field, as a lattice's is.
    """
    used = np.isfinite(edges)
    seen = np.where(used, edges, 0)
    state = _START.copy()
    state[6] = np.median(edges[used])
    damping, cost = 1e-3, np.inf
    trial = state
    for _ in range(_MOST_STEPS):
        modelled, trial_slopes = _model(trial, where)
        error = np.where(used, modelled - seen, 0)
        beyond = (trial - _START) / _DEVIATIONS
        new_cost = np.log1p((error / _NOISE) ** 2).sum() + _PRIOR_WEIGHT * (beyond**2).sum()
        if new_cost < cost:
            finished = cost - new_cost < _LEAST_GAIN * new_cost
            state, cost, off = trial, new_cost, error
            damping /= 5
            if finished:
                break
            weights = used / (_NOISE**2 + off**2)
            slopes = trial_slopes.reshape(state.size, -1)
            weighted = slopes * weights.ravel()
            # Not by matrix products: threads of a BLAS would cost more than they do.
            curvature = np.einsum("ki,li->kl", weighted, slopes) + np.diag(_PRIOR_WEIGHT / _DEVIATIONS**2)
            gradient = np.einsum("ki,i->k", weighted, off.ravel()) + _PRIOR_WEIGHT * beyond / _DEVIATIONS
        else:
            damping *= 10
        step = np.linalg.solve(curvature + damping * np.diag(np.diag(curvature)), gradient)
        trial = state - step
    # 1.4826 median absolute deviations are a normal distribution's standard deviation.
    residual = 1.4826 * float(np.median(np.abs(off[used])))
    return Disks(state[0:2], state[2:6].reshape(2, 2), float(state[6]), residual)


def _model(
    parameters: NDArray[np.float64], where: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Edges (N, RAYS) of the intersections of three disks, and their derivatives (parameters, N, RAYS).

    The disks are the pupil's and those of the front and the rear rim. Parameters: shift (2), slope (4), radius,
    optical axis (2), ways of the two rims in px a unit of field, roots of what their radii have more than the
    pupil's, softness of all edges. On the axis it is the pupil that limits the light, or it would not be the pupil.

    With falls 1 / (1 + exp((r - edge_i) / softness)) along a ray, their product is a half where the sum of
    log(1 + exp((r - edge_i) / softness)) is log 2. The derivative of that r by one of the edges is the share of its
    term in the sum's derivative; and r is homogeneous in edges and softness.
    """
    ways = np.array([0.0, parameters[9], parameters[10]])[:, None, None]
    roots = np.array([0.0, parameters[11], parameters[12]])[:, None, None]
    softness = max(float(parameters[13]), _LEAST_SOFTNESS)
    field = where - parameters[7:9]
    centre = parameters[0:2] + where @ parameters[2:6].reshape(2, 2).T + ways * field
    radius = parameters[6] + roots**2
    angle = 2 * np.pi / RAYS * np.arange(RAYS)
    sine, cosine = np.sin(angle), np.cos(angle)
    aside = centre[..., :1] * cosine - centre[..., 1:] * sine
    half_chord = np.sqrt(np.maximum(radius**2 - aside**2, 0.01))
    edges = centre[..., :1] * sine + centre[..., 1:] * cosine + half_chord
    by_centre = np.stack([sine - aside / half_chord * cosine, cosine + aside / half_chord * sine])
    by_radius = radius / half_chord

    nearest = edges.min(axis=0)
    steep = np.exp((nearest - edges) / softness)
    # Newton's method from the edge of a lone disk, on a convex and rising function.
    growth = np.ones_like(nearest)
    for _ in range(_NEWTON_STEPS):
        terms = steep * growth
        shares = terms / (1 + terms)
        total = shares.sum(axis=0)
        growth *= np.exp((np.log(2) - np.log1p(terms).sum(axis=0)) / total)
    edge = nearest + softness * np.log(growth)
    shares /= total

    moved = (shares * by_centre).sum(axis=1)
    derivatives = np.empty((parameters.size, *edge.shape))
    derivatives[0:2] = moved
    derivatives[2:6] = (moved[:, None] * where.T[None, :, :, None]).reshape(4, *edge.shape)
    derivatives[6] = (shares * by_radius).sum(axis=0)
    derivatives[7:9] = -(shares * ways * by_centre).sum(axis=1)
    derivatives[9:11] = shares[1:] * (by_centre[:, 1:] * field.T[:, None, :, None]).sum(axis=0)
    derivatives[11:13] = shares[1:] * by_radius[1:] * 2 * roots[1:]
    derivatives[13] = (edge - (shares * edges).sum(axis=0)) / softness
    return edge, derivatives
