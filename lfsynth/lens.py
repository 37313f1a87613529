"""From a light field and openings to pictures as a given lens and sensor would have taken them.

In the order of the light's way: lights that clipping has cut off are raised (`highlights`); the openings, cut towards
the corners by the barrel (`cats_eye`), blur what is out of focus; the camera's own spread blurs all (`camera_psf`); the
sensor adds its noise (`sensor`) and clips at white. Each of these is left out unless asked for, and without any the
pictures are those of `refocus` or `refocus_dense`, to the last bit.

The ground truth has no spread and no noise: it shows the scene, and these are part of what there is to undo. Lights in
it end at white, as they do in pictures in focus.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lfsynth.aperture import PARTS, Sampling, view_weights
from lfsynth.camera_psf import CameraPsf, blur
from lfsynth.cats_eye import FINE, in_parts, over_field
from lfsynth.dense import refocus_dense
from lfsynth.frame import Frame, resample
from lfsynth.highlights import excess, excess_of
from lfsynth.interpolation import REACH
from lfsynth.lightfield import LightField
from lfsynth.noise import estimate_noise
from lfsynth.refocus import refocus
from lfsynth.sensor import SensorNoise, add_noise, generator_for

_BESIDE = REACH + 4
"""px about a part of the picture, besides how far views are shifted, that interpolation and edges may look at."""


@dataclass(frozen=True)
class Lens:
    """What of a real camera the pictures have beside the openings' blur; by default nothing.

    Attributes
    ----------
    cats_eye : displacement of the barrel's rims in the picture's corners, part of its radius, 0 to 1; see `cats_eye`
    highlights : stops by which clipped lights are brighter than white; see `highlights`
    noise : of the sensor
    psf : of the lens in focus
    """

    cats_eye: float = 0.0
    highlights: float = 0.0
    noise: SensorNoise | None = None
    psf: CameraPsf | None = None

    @property
    def parts(self) -> int:
        """Parts of a view's cell along each axis in which it wants openings."""
        return FINE if self.cats_eye else PARTS

    def as_json(self) -> dict[str, Any]:
        """What was asked for, as JSON values."""
        values: dict[str, Any] = {}
        if self.cats_eye:
            values["cats_eye"] = self.cats_eye
        if self.highlights:
            values["recover_highlights"] = self.highlights
        if self.noise is not None:
            values["noise_model"] = {"gain": self.noise.gain, "read": self.noise.read}
        if self.psf is not None:
            values["psf"] = {"sha256": self.psf.sha256}
        return values


PLAIN = Lens()
"""A lens with nothing but its openings."""


@dataclass(frozen=True, eq=False)
class Openings:
    """Openings of a lens.

    Attributes
    ----------
    pupils : (M, P U, P V) open part of each part of the views' cells in the picture's middle, P being `Lens.parts`
    barrel : radius in view steps of the disk that holds all of them
    sampling : how they are sampled
    """

    pupils: NDArray[np.float64]
    barrel: float
    sampling: Sampling = Sampling.VIEWS

    def weights(self, grid: tuple[int, int]) -> NDArray[np.float64]:
        """Weights of so many views in the picture's middle, (M, U, V)."""
        return view_weights(in_parts(self.pupils, grid))


def photographs(
    lightfield: LightField,
    slopes: NDArray[np.float64],
    openings: Openings,
    lens: Lens,
    *,
    disparity: NDArray[np.float32] | None,
    frame: Frame,
    scene: str = "",
    threads: int = 1,
) -> NDArray[np.float32]:
    """Pictures through all openings, focused at all slopes.

    Parameters
    ----------
    lightfield : views in linear light
    slopes : (S,) disparities in focus, px a view step
    openings : of the lens
    lens : what else of a camera the pictures have
    disparity : (H, W) of the centre view; only dense sampling needs it, noise takes an estimate else
    frame : where to sample
    scene : name that the noise is drawn by
    threads : how many to run; the result does not depend on them

    Returns
    -------
    (S, M, H', W', C) float32 linear light, clipped to [0, 1] if the lens has anything at all

    Raises
    ------
    ValueError
        If dense sampling is given no disparity, and as `refocus` and `refocus_dense` do.
    """
    if openings.sampling is Sampling.DENSE and disparity is None:
        raise ValueError("dense sampling needs a disparity")
    known = disparity if openings.sampling is Sampling.DENSE else None

    def refocused(light: LightField) -> NDArray[np.float32]:
        if not lens.cats_eye:
            return _through(light, slopes, openings.pupils, known, frame, threads)

        def cell(cells: NDArray[np.float64], where: Frame) -> NDArray[np.float32]:
            return _through(*_window(light, slopes, cells, known, where), threads)

        return over_field(
            cell,
            openings.pupils,
            barrel=openings.barrel,
            fraction=lens.cats_eye,
            centre=light.centre,
            frame=frame,
        )

    pictures = refocused(lightfield)
    if lens == PLAIN:
        return pictures
    lights = excess(lightfield, lens.highlights, threads=threads) if lens.highlights else None
    if lights is not None:
        pictures += np.maximum(refocused(lights), 0)
    if lens.psf is not None:
        for picture in pictures.reshape(-1, *pictures.shape[2:]):
            picture[:] = blur(picture, lens.psf)
    if lens.noise is not None:
        left = estimate_noise(lightfield, disparity=disparity)
        shares = _left_by_averaging(lightfield, openings, lens)
        for s, m in np.ndindex(pictures.shape[:2]):
            rng = generator_for(scene, s, m)
            pictures[s, m] = add_noise(pictures[s, m], lens.noise, rng, left=left, share=float(shares[m]))
    return np.clip(pictures, 0, 1, out=pictures)


def truth_of(
    truth: NDArray[np.float32], lightfield: LightField, lens: Lens, frame: Frame
) -> NDArray[np.float32]:
    """The ground truth beside pictures by a lens, (H', W', C), from that of the views sampled on the frame."""
    if not lens.highlights:
        return truth
    lights = resample(excess_of(lightfield.centre_view, lens.highlights), frame)
    return np.asarray(np.clip(truth + np.maximum(lights, 0), 0, 1), np.float32)


def _through(
    light: LightField,
    slopes: NDArray[np.float64],
    cells: NDArray[np.float64],
    disparity: NDArray[np.float32] | None,
    frame: Frame,
    threads: int,
) -> NDArray[np.float32]:
    """Pictures through openings that are the same all over; densely sampled where there is a disparity."""
    if disparity is None:
        return refocus(light, slopes, view_weights(cells), frame=frame, threads=threads)
    return refocus_dense(light, slopes, cells, disparity, frame=frame, threads=threads)


def _window(
    light: LightField,
    slopes: NDArray[np.float64],
    cells: NDArray[np.float64],
    disparity: NDArray[np.float32] | None,
    frame: Frame,
) -> tuple[LightField, NDArray[np.float64], NDArray[np.float64], NDArray[np.float32] | None, Frame]:
    """What `_through` takes, for a part of the picture: only what is seen there of the views."""
    steps = np.argwhere(view_weights(cells).any(axis=0)) - np.array(light.centre)
    farthest = int(np.abs(steps).max())
    moved = float(np.abs(slopes).max())
    if disparity is not None:
        # What is out of focus is looked for in the centre view's disparity too, and spread from beside.
        away = float(max(disparity.max() - slopes.min(), slopes.max() - disparity.min()))
        moved += away * (1 + 1 / max(farthest, 1))
    halo = math.ceil(moved * farthest) + _BESIDE
    first, last = [], []
    for places, side in zip((frame.rows, frame.columns), light.size, strict=True):
        first.append(max(0, math.floor(places[0]) - halo))
        last.append(min(side, math.ceil(places[-1]) + halo + 1))
    part = slice(first[0], last[0]), slice(first[1], last[1])
    seen = replace(light, views=np.ascontiguousarray(light.views[:, :, part[0], part[1]]), disparity=None)
    known = None if disparity is None else np.ascontiguousarray(disparity[part])
    return seen, slopes, cells, known, Frame(frame.rows - first[0], frame.columns - first[1])


def _left_by_averaging(lightfield: LightField, openings: Openings, lens: Lens) -> NDArray[np.float64]:
    """Part of the variance of a view's noise that is left in pictures through each opening."""
    weights = openings.weights(lightfield.grid) * lightfield.weights
    share = np.square(weights).sum(axis=(1, 2)) / np.square(weights.sum(axis=(1, 2)))
    if lens.psf is not None:
        share *= np.square(lens.psf.kernel).sum()
    return np.asarray(share)
