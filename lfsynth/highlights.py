"""Light above white, which clipping has taken from the views: without it lights out of focus are grey disks.

How bright a clipped light was is not in the data. What is done here is an assumption, with the user's number in it: a
*light* is so many stops brighter than white. What counts as one is told by its shape in each view:

- It is clipped in all channels. Where one channel is not, and everywhere else, values stay as they were captured.
- It is small: full effect up to 1/400 of the view's area, none from 1/100 on. A sky, a window, a white wall are none.
- It ends sharply: two pixels beside its rim, at three quarters of the places, the view is a stop below white or more;
  no effect where that is a quarter of a stop. What fades into white, as the gloss of a ball, is hardly above it.

From its rim a light rises, since that covers pixels in part or is blurred: by a quarter of the stops at once, and on to
all of them a pixel and a half inside. Where in the outermost pixel the rim lies is told by how bright the pixels are
that touch it from outside, so that a light of a few pixels is nearly the same in all views. A light has no colour: it
is as white as it was captured.

The excess is summed apart from the views and what is then below 0, the ringing of the interpolation beside a light many
times brighter than white, is left out. A picture in focus shows what the captured views show: white.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from lfsynth.lightfield import LightField

CLIPPED = 0.98
"""Linear light from which on a channel counts as clipped: that of the code 253 of 255, for the sake of compression."""

_AREAS = (1 / 400, 1 / 100)
"""Area of a light, of the view's, up to which it has full effect, and from which on none."""

_DROPS = (0.25, 1.0)
"""Stops lost beside a light's rim, up to which it has no effect, and from which on full."""

_BESIDE = (1.9, 2.5)
"""px, between these distances from a light is beside it."""

_QUANTILE = 0.75
"""Part of the pixels beside a light that must not be brighter."""

_RISE = 2.0
"""px across which a light rises by all its stops."""

_RIM = 0.5
"""px of these that lie outside what is clipped, where the rim's pixels are captured as they are."""


def excess(lightfield: LightField, stops: float, *, threads: int = 1) -> LightField | None:
    """The light above white of all views, where there are lights in any; None where there are none.

    Parameters
    ----------
    lightfield : views in linear light, clipped at 1
    stops : brightness of lights above white
    threads : how many to run

    Returns
    -------
    the light field with what is to be added to its views in their place, 0 and above, or None
    """
    rows, columns = lightfield.grid
    live = [(u, v) for u in range(rows) for v in range(columns) if lightfield.weights[u, v] > 0]
    with ThreadPoolExecutor(threads) as pool:
        found = list(pool.map(lambda at: excess_of(lightfield.views[at], stops), live))
    if not any(view.any() for view in found):
        return None
    views = np.zeros_like(lightfield.views)
    for at, view in zip(live, found, strict=True):
        views[at] = view
    return replace(lightfield, views=views)


def excess_of(view: NDArray[np.float32], stops: float) -> NDArray[np.float32]:
    """The light above white of one view (H, W, C), of the same shape."""
    clipped = np.logical_and.reduce([view[..., c] >= CLIPPED for c in range(view.shape[2])])
    out = np.zeros_like(view)
    if not clipped.any() or clipped.all():
        return out
    # Distances are to the nearest 0, and labels those of the connected zeros there.
    inside = np.asarray(clipped, np.uint8)
    distance, nearest = cv2.distanceTransformWithLabels(
        np.asarray(1 - inside), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_CCOMP
    )
    labels = np.asarray(nearest, np.int32)
    depth = cv2.distanceTransform(inside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    number = int(labels.max()) + 1
    area = np.bincount(labels[clipped], minlength=number) / clipped.size
    beside = (distance > _BESIDE[0]) & (distance < _BESIDE[1])
    drop = _least_drop(labels[beside], view[beside].mean(axis=1), number)
    with np.errstate(divide="ignore"):
        small = np.interp(np.log(area), np.log(_AREAS), (1.0, 0.0))
    share = small * np.interp(drop, _DROPS, (0.0, 1.0))
    inward = depth - _outside(view, inside, stops)
    rise = np.clip((inward[clipped] + _RIM) / _RISE, 0, 1)
    raised = np.exp2(stops * share[labels[clipped]] * rise) - 1
    out[clipped] = view[clipped] * raised[:, None].astype(np.float32)
    return out


def _outside(view: NDArray[np.float32], inside: NDArray[np.uint8], stops: float) -> NDArray[np.float32]:
    """Part of a pixel, (H, W), that lies outside the rim of a light, of pixels that are clipped.

    Those touching it that are not clipped are 1 px farther out. If light falls evenly by all the stops in _RISE px, the
    stops that they lack tell how far out of the rim they are.
    """
    outer = np.asarray(1 - inside, np.float32)
    number, light = (
        np.asarray(cv2.boxFilter(plane, -1, (3, 3), normalize=False, borderType=cv2.BORDER_CONSTANT))
        for plane in (outer, outer * view.mean(axis=2))
    )
    lacking = -np.log2(np.clip(light / np.maximum(number, 1), 2.0**-20, 1)) * _RISE / stops
    return np.asarray(np.where(number > 0, np.minimum(lacking, 1), 0), np.float32)


def _least_drop(
    labels: NDArray[np.int32], brightness: NDArray[np.float32], number: int
) -> NDArray[np.float64]:
    """Stops below white, by label, of all pixels but the brightest quarter; 0 where a label has none."""
    order = np.lexsort((brightness, labels))
    ends = np.searchsorted(labels[order], np.arange(number + 1))
    drops = np.zeros(number)
    there = np.flatnonzero(np.diff(ends))
    count = np.diff(ends)[there]
    at = ends[there] + np.ceil(_QUANTILE * count).astype(np.int64) - 1
    drops[there] = -np.log2(np.clip(brightness[order][at], 2.0**-20, 1.0))
    return drops
