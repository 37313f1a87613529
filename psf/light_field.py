"""Photographs of disks out of a light field: refocused through a synthetic aperture, as planes to be measured.

The planes are in linear light, (y, x) px of a view. What is nearer to the border than the aperture's outermost views
are shifted by is cut off: there a pixel is seen through a part of the aperture alone, and would have another kernel.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lfsynth.aperture import PARTS, Sampling, circular, largest_radius, view_weights
from lfsynth.dense import refocus_dense
from lfsynth.disparity import disparity_map
from lfsynth.errors import InputError
from lfsynth.lightfield import LightField
from lfsynth.readers import ReadOptions, read_light_field
from lfsynth.refocus import full_aperture_margin, refocus
from psf.clipping import Clip, clipping
from psf.photograph import LUMA, Channel, Plane

MOST_CLIPPED_SHARE = 0.02
"""Of a pixel's light: a sum over views in which more than that comes from clipped samples counts as clipped."""

_LEAST_SIDE = 16
"""px that have to be left of a picture whose border is cut off."""


@dataclass(frozen=True)
class Opening:
    """What a light field is photographed through.

    Attributes
    ----------
    slope : disparity in focus, px a view step, positive nearer than the captured focal plane
    radius : of the aperture in view steps; None: the largest that meets no dead view
    sampling : how it is sampled
    """

    slope: float
    radius: float | None = None
    sampling: Sampling = Sampling.VIEWS


@dataclass(frozen=True, eq=False)
class Refocused:
    """Photographs of one light field through one opening.

    Attributes
    ----------
    planes : one for each colour that was asked for; their ``origin`` is what the border lost
    slope : of the opening
    radius : of the opening, view steps
    weights : (U, V) float64, of the views, sum 1
    simulated : whether the light field says that it is no photograph
    """

    planes: list[Plane]
    slope: float
    radius: float
    weights: NDArray[np.float64]
    simulated: bool


def read_refocused(
    path: Path,
    opening: Opening,
    *,
    channel: Channel | None = None,
    options: ReadOptions | None = None,
    threads: int = 1,
) -> Refocused:
    """Read a light field of any format that `lfsynth.readers` knows, and refocus it.

    Parameters
    ----------
    path : file or folder
    opening : slope and aperture
    channel : of a colour light field; None for grey ones
    options : how to read it
    threads : how many to run

    Raises
    ------
    InputError : where it is no light field, the opening has no view or no room, or the channel is not known
    """
    return photograph(read_light_field(path, options), opening, channel=channel, threads=threads)


def photograph(
    lightfield: LightField, opening: Opening, *, channel: Channel | None = None, threads: int = 1
) -> Refocused:
    """Refocus a light field; parameters and errors are those of `read_refocused`."""
    source, channels = lightfield.source, lightfield.views.shape[4]
    if channel is None and channels == 3:
        raise InputError(source, "it is a light field in colour", "choose --channel r, g, b, luma or each")
    radius = largest_radius(lightfield) if opening.radius is None else opening.radius
    if not radius > 0:
        raise InputError(
            "--radius", f"an aperture of {radius:g} views lets no light through", "give a radius above 0"
        )
    cells = circular(lightfield.grid, radius, centre=lightfield.centre, parts=PARTS)[None]
    aperture = view_weights(cells)
    weights = aperture[0] * lightfield.weights
    margins = full_aperture_margin(lightfield, [opening.slope], aperture)
    left = [side - 2 * margin for side, margin in zip(lightfield.size, margins, strict=True)]
    if min(left) < _LEAST_SIDE:
        raise InputError(
            source,
            f"slope {opening.slope:g} moves the outermost views of the aperture by {max(margins)} px, "
            f"of {lightfield.size[0]} x {lightfield.size[1]}",
            "use a slope nearer to 0, or a smaller --radius",
        )
    try:
        if opening.sampling is Sampling.DENSE:
            known = lightfield.disparity
            disparity = disparity_map(lightfield)[0] if known is None else known
            light = refocus_dense(lightfield, [opening.slope], cells, disparity, threads=threads)[0, 0]
        else:
            light = refocus(lightfield, [opening.slope], aperture, threads=threads)[0, 0]
    except ValueError as error:
        raise InputError(source, str(error), "change --slope or --radius") from error
    clipped = _clipped(lightfield, opening.slope, weights)
    inside = tuple(slice(margin, margin + side) for margin, side in zip(margins, left, strict=True))
    planes = _planes(light[inside], clipped[inside], margins, channel)
    return Refocused(planes, opening.slope, radius, weights / weights.sum(), lightfield.simulated)


def _clipped(lightfield: LightField, slope: float, weights: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Where samples that are clipped have a share in the refocused picture, (H, W, C) uint8, values of `Clip`."""
    u0, v0 = lightfield.centre
    height, width = lightfield.size
    channels = lightfield.views.shape[4]
    shares = {kind: np.zeros((height, width, channels), np.float32) for kind in (Clip.BLACK, Clip.WHITE)}
    total = float(weights.sum())
    for u, v in np.argwhere(weights > 0):
        view = lightfield.views[u, v]
        kinds = np.stack([clipping(view[..., index], 0.0, 1.0) for index in range(channels)], axis=-1)
        if not kinds.any():
            continue
        # half a pixel is nothing beside what a disk's blur spreads
        down, across = (-round(slope * int(step)) for step in (u - u0, v - v0))
        here, there = _overlap(down, height), _overlap(across, width)
        back = _overlap(-down, height), _overlap(-across, width)
        for kind, share in shares.items():
            share[back] += (kinds[here, there] == kind.value) * np.float32(weights[u, v] / total)
    clipped = np.zeros((height, width, channels), np.uint8)
    for kind, share in shares.items():
        clipped[share > MOST_CLIPPED_SHARE] = kind.value
    return clipped


def _overlap(shift: int, length: int) -> slice:
    """Places of a row that are inside it after a shift as well, taken where they are then."""
    return slice(max(shift, 0), length + min(shift, 0))


def _planes(
    light: NDArray[np.float32],
    clipped: NDArray[np.uint8],
    origin: tuple[int, int],
    channel: Channel | None,
) -> list[Plane]:
    """The colours asked for, of (H, W, C) light."""

    def plane(name: str, values: NDArray[np.float32], kinds: NDArray[np.uint8]) -> Plane:
        return Plane(name, np.ascontiguousarray(values), np.ascontiguousarray(kinds), origin=origin)

    if light.shape[2] == 1:
        return [plane("light", light[..., 0], clipped[..., 0])]
    if channel is Channel.LUMA:
        luma = np.asarray(light @ np.array(LUMA, np.float32), np.float32)
        return [plane("luma", luma, clipped.max(axis=2))]
    return [
        plane(name, light[..., index], clipped[..., index])
        for index, name in enumerate("rgb")
        if channel in (Channel.EACH, Channel(name))
    ]
