"""Light fields of a disk target at one distance, simulated: views of a plane, for tests and benchmarks.

The target lies in a plane of disparity d: in the view (u, v) it is shifted by ``-d (u - u0, v - v0)`` px, axes and
signs as in `lfsynth.lightfield`. Light is averaged over the pixels after the shift, so views hold what a camera there
would record, aliases included; nothing is interpolated between pixels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from lfsynth.lightfield import LightField
from lfsynth.noise import Noise
from psf.simulate import OVERSAMPLING, Exposure, Pose, expose, simulate_coverage

_POINT = np.ones((1, 1))
"""Kernel of a lens that blurs nothing."""


@dataclass(frozen=True)
class ViewNoise:
    """Noise of decoded views.

    Attributes
    ----------
    level : of the middle view as a function of brightness
    view_correlation : of the noise of a point in neighbouring views, below 0.7; those farther apart share less than
        a quarter of it
    pixel_correlation : the same of pixels one below the other, and side by side
    """

    level: Noise
    view_correlation: float = 0.0
    pixel_correlation: tuple[float, float] = (0.0, 0.0)


def project_target(
    pose: Pose,
    disparity: float,
    rng: np.random.Generator,
    *,
    weights: NDArray[np.float32],
    gains: NDArray[np.float32] | None = None,
    view_sigma: float = 0.5,
    exposure: Exposure | None = None,
    noise: ViewNoise | None = None,
) -> LightField:
    """Simulate a light field of a target.

    Parameters
    ----------
    pose : of the target before the middle view; without distortion, which would differ between views
    disparity : of the target's plane, px a view step, positive nearer than the captured focal plane
    rng : of the noise
    weights : (U, V) float32, of the views; those of weight 0 are black
    gains : (U, V) float32, what the views were multiplied by to undo their dimness, and their noise with them
    view_sigma : px, standard deviation of the Gaussian blur of a view's optics
    exposure : light of paper and disks; its own noise is added too
    noise : of the views, grey; None for none beside the exposure's

    Returns
    -------
    LightField of (U, V, H, W, 1), values in [0, 1]
    """
    if pose.distortion != 0:
        raise ValueError("a target before an array of views is seen without distortion")
    exposure = exposure or Exposure()
    grid = weights.shape
    gains = np.ones(grid, np.float32) if gains is None else gains
    middle = grid[0] // 2, grid[1] // 2
    live = weights > 0
    views = np.zeros((*grid, *pose.shape, 1), np.float32)
    for (u, v), coverage in _coverages(pose, disparity, live, middle, view_sigma):
        views[u, v, :, :, 0] = expose(coverage, exposure, rng)
    if noise is not None:
        _add_noise(views[..., 0], noise, gains, rng)
    views[~live] = 0
    np.clip(views, 0, 1, out=views)
    told = {"format": "simulated", "simulated": True, "disparity": disparity, "view_sigma": view_sigma}
    flat = np.full(pose.shape, disparity, np.float32)
    return LightField(views, weights, gains, Path("simulated disk target"), disparity=flat, metadata=told)


def _coverages(
    pose: Pose, disparity: float, live: NDArray[np.bool_], middle: tuple[int, int], view_sigma: float
) -> Iterator[tuple[tuple[int, int], NDArray[np.float32]]]:
    """Each live view (u, v), and how much of its pixels the disks cover, (H, W) float32.

    The target is rendered once, on a finer grid; its spectrum is shifted, and folded to the pixels.
    """
    fine = OVERSAMPLING
    farthest = max(abs(disparity) * max(np.ptp(np.argwhere(live), axis=0)), 1.0)
    # what leaves the picture on one side must not come back on the other
    rim = math.ceil(farthest + 4 * view_sigma) + 2
    sides = [scipy.fft.next_fast_len(side + 2 * rim) for side in pose.shape]
    dense = replace(
        pose,
        shape=(sides[0] * fine, sides[1] * fine),
        pitch=pose.pitch * fine,
        radius=pose.radius * fine,
        distance=pose.distance * fine,
        shift=tuple(
            # both pictures' middles, and the first pixel `rim` pixels inside the larger
            fine * (own + (side - 1) / 2 + rim - (large - 1) / 2)
            for own, side, large in zip(pose.shift, pose.shape, sides, strict=True)
        ),
    )
    spectrum = scipy.fft.fft2(simulate_coverage(_POINT, dense))
    blurs, frequencies = [], []
    for axis, side in enumerate(sides):
        f = scipy.fft.fftfreq(side * fine, 1 / fine)
        frequencies.append(f)
        # the mean over the fine cells from a pixel's one edge to its other
        cells = np.zeros(side * fine)
        cells[(np.arange(fine) - (fine - 1)) % (side * fine)] = 1 / fine
        blurs.append(scipy.fft.fft(cells) * np.exp(-2 * (np.pi * view_sigma * f) ** 2))
        spectrum *= blurs[axis][:, None] if axis == 0 else blurs[axis]
    for u in np.flatnonzero(live.any(axis=1)):
        # a pixel's middle is 1.5 fine cells after its first cell, which the folding keeps
        down = np.exp(2j * np.pi * frequencies[0] * disparity * (u - middle[0]))
        rows = (spectrum * down[:, None]).reshape(fine, sides[0], -1).mean(axis=0)
        rows = scipy.fft.ifft(rows, axis=0)[rim : rim + pose.shape[0]]
        for v in np.flatnonzero(live[u]):
            across = np.exp(2j * np.pi * frequencies[1] * disparity * (v - middle[1]))
            folded = (rows * across).reshape(len(rows), fine, sides[1]).mean(axis=1)
            picture = scipy.fft.ifft(folded, axis=1)[:, rim : rim + pose.shape[1]].real
            yield (int(u), int(v)), np.asarray(picture, np.float32)


def _add_noise(
    views: NDArray[np.float32], noise: ViewNoise, gains: NDArray[np.float32], rng: np.random.Generator
) -> None:
    """Add noise to views (U, V, H, W), in place."""
    field = rng.standard_normal(views.shape, np.float32)
    for axis, correlation in enumerate([noise.view_correlation] * 2 + list(noise.pixel_correlation)):
        if correlation > 0:
            _smooth(field, _side_tap(correlation), axis)
    constant, shot, uneven = (
        float(part[0]) for part in (noise.level.constant, noise.level.shot, noise.level.gain)
    )
    for at in np.ndindex(gains.shape):
        gain = float(gains[at])
        dim = np.maximum(views[at], 0) / gain
        views[at] += gain * np.sqrt(constant + shot * dim + uneven * dim * dim) * field[at]


def _side_tap(correlation: float) -> float:
    """The a of the filter (a, 1, a) that gives white noise a correlation 2 a / (1 + 2 a^2) of neighbours."""
    if not correlation < math.sqrt(0.5):
        raise ValueError(f"a correlation of neighbours must be below 0.7, not {correlation}")
    return (1 - math.sqrt(1 - 2 * correlation**2)) / (2 * correlation)


def _smooth(field: NDArray[np.float32], side: float, axis: int) -> None:
    """Filter by (side, 1, side) along an axis, cyclically, in place; the variance is kept."""
    norm = np.float32(1 / math.sqrt(1 + 2 * side**2))
    lines = np.moveaxis(field, axis, 0)
    first, before = lines[0].copy(), lines[-1].copy()
    for index in range(len(lines)):
        here = lines[index].copy()
        after = lines[index + 1] if index + 1 < len(lines) else first
        lines[index] = norm * (here + np.float32(side) * (before + after))
        before = here
