"""Simulated captures, white pictures and the true light field.

A pixel's expected level is ``black + (white - black) * light``, where light is the scene's, in the sensor's colours,
through the pixel's microlens and pupil. Electrons are counted (Poisson), the amplifier's noise is added (Gaussian), and
the sum is rounded and clipped to the packed pixel's range. True views are what pixels of the same area see of the same
scene without vignetting, at the points of a square grid.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from lfsynth.lytro.camera import Camera
from lfsynth.lytro.lattice import VIEWS, SquareGrid
from lfsynth.lytro.simulated_scenes import Scene
from lfsynth.lytro.simulation_kernels import NODE, NODES, trace

ROWS = 64
"""Sensor rows in a block; each block has its own generator, so that threads do not change the noise."""

_COLOURS = {
    "gr": ((1, 0), (2, 1)),
    "r": ((0, 1), (1, 2)),
    "b": ((2, 1), (1, 0)),
    "gb": ((1, 2), (0, 1)),
}
"""Channel by Bayer position, by the colour of the first pixel."""


def simulate_capture(
    camera: Camera,
    scene: Scene,
    rng: np.random.Generator,
    *,
    noise: bool = True,
    threads: int = 1,
    report: Callable[[float], None] | None = None,
) -> NDArray[np.uint16]:
    """Levels of a capture of a scene, (H, W) uint16.

    Parameters
    ----------
    camera, scene : what takes what
    rng : source of the noise
    noise : False: expected levels and no hot pixels, rounded and clipped
    threads : how many work at it; the result is the same
    report : called now and then with the part of the work that is done
    """
    lattice = camera.true_lattice
    mix = camera.sensor_from_scene[np.array(_COLOURS[camera.metadata.upper_left])].astype(np.float32)
    step = NODE / lattice.view_step

    def light(
        where: NDArray[np.float32], angle: NDArray[np.float32], weights: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        rows, width = weights.shape[:2]
        seen = scene.seen(where.reshape(-1, 2), angle.reshape(-1, 2), weights.reshape(-1, NODES), step)
        return _mosaic(seen.reshape(rows, width, 3), mix)

    return _exposed(camera, light, rng, noise, threads, report)


def simulate_white(
    camera: Camera,
    rng: np.random.Generator,
    *,
    noise: bool = True,
    threads: int = 1,
    report: Callable[[float], None] | None = None,
) -> NDArray[np.uint16]:
    """Levels of a white picture, (H, W) uint16, of an even surface of the lamp's colour.

    Parameters are those of `simulate_capture`.
    """
    lamp = np.array(camera.white_lamp, np.float32)[np.array(_COLOURS[camera.metadata.upper_left])]

    def light(
        where: NDArray[np.float32], angle: NDArray[np.float32], weights: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        total: NDArray[np.float32] = weights.sum(axis=2)
        for i, j in np.ndindex(2, 2):
            total[i::2, j::2] *= lamp[i, j]
        return total

    return _exposed(camera, light, rng, noise, threads, report)


def true_views(
    camera: Camera,
    scene: Scene,
    grid: SquareGrid,
    *,
    views: int = VIEWS,
    threads: int = 1,
    report: Callable[[float], None] | None = None,
) -> NDArray[np.float32]:
    """The light field that a decoder is to find, without vignetting, exposure, noise or clipping.

    Parameters
    ----------
    camera, scene : as of the capture
    grid : points of a view on the sensor, of the true or of a measured lattice
    views : in each direction, an odd number
    threads, report : as of `simulate_capture`

    Returns
    -------
    (views, views, H, W, 3) float32 linear sRGB
    """
    if views < 1 or views % 2 == 0:
        raise ValueError(f"the number of views must be odd, not {views}")
    lattice = camera.true_lattice
    truth = lattice.square_grid()
    step = NODE / lattice.view_step
    at = np.moveaxis(np.indices(grid.shape, np.float64), 0, -1)
    sensor = at @ np.array([grid.down, grid.across]) + np.array(grid.origin) - np.array(truth.origin)
    where = (sensor @ np.linalg.inv(np.array([truth.down, truth.across]))).astype(np.float32)
    where = np.ascontiguousarray(where.reshape(-1, 2))
    weights = np.full((len(where), NODES), 1 / NODES, np.float32)
    result = np.empty((views, views, *grid.shape, 3), np.float32)

    def render(k: int) -> None:
        u, v = divmod(k, views)
        angle = np.empty_like(where)
        angle[:, 0], angle[:, 1] = u - views // 2, v - views // 2
        result[u, v] = scene.seen(where, angle, weights, step).reshape(*grid.shape, 3)

    _in_threads(render, views * views, threads, report)
    return result


def _mosaic(seen: NDArray[np.float32], mix: NDArray[np.float32]) -> NDArray[np.float32]:
    """The sensor's colours of a scene's, (rows, W, 3), by the matrix mix[i, j] of each Bayer position."""
    result = np.empty(seen.shape[:2], np.float32)
    for i, j in np.ndindex(2, 2):
        result[i::2, j::2] = seen[i::2, j::2] @ mix[i, j]
    return result


def _exposed(
    camera: Camera,
    light: Callable[[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]], NDArray[np.float32]],
    rng: np.random.Generator,
    noise: bool,
    threads: int,
    report: Callable[[float], None] | None,
) -> NDArray[np.uint16]:
    """Levels of the sensor under a light, given as a function of what `trace` finds."""
    height, width = camera.shape
    lattice = camera.true_lattice
    columns_a_row = lattice.pitch / np.hypot(*lattice.down)
    field = (*camera.axis, camera.field_radius)
    optics = (
        camera.disk_radius,
        camera.stop_radius,
        camera.stop_shift,
        camera.corner_tangent,
        camera.edge_softness,
    )
    starts = range(0, height, ROWS)
    generators = rng.spawn(len(starts))
    mosaic = np.empty((height, width), np.uint16)

    def expose(k: int) -> None:
        rows = slice(starts[k], min(starts[k] + ROWS, height))
        number = rows.stop - rows.start
        where, angle = np.empty((2, number, width, 2), np.float32)
        weights = np.empty((number, width, NODES), np.float32)
        trace(
            where,
            angle,
            weights,
            rows.start,
            lattice.origin,
            lattice.across,
            lattice.down,
            columns_a_row,
            lattice.view_step,
            field,
            optics,
        )
        mosaic[rows] = _levels(camera, light(where, angle, weights), generators[k], noise, rows.start)

    _in_threads(expose, len(starts), threads, report)
    return mosaic


def _levels(
    camera: Camera, light: NDArray[np.float32], rng: np.random.Generator, noise: bool, first_row: int
) -> NDArray[np.uint16]:
    """Levels of some rows from the light on them, 1 is white level."""
    if noise:
        # A sensor's matrix of colours has negative entries: a saturated colour may ask for less than no light.
        electrons = rng.poisson(camera.full_well * np.maximum(light, 0))
        light = (electrons / camera.full_well).astype(np.float32)
        own = camera.hot_pixels[
            (camera.hot_pixels[:, 0] >= first_row) & (camera.hot_pixels[:, 0] < first_row + len(light))
        ]
        light[own[:, 0] - first_row, own[:, 1]] += np.float32(camera.hot_level)
    levels = np.empty_like(light)
    for i, j in np.ndindex(2, 2):
        black, white = camera.metadata.black[i, j], camera.metadata.white[i, j]
        levels[i::2, j::2] = black + (white - black) * light[i::2, j::2]
    if noise:
        levels += np.float32(camera.read_noise) * rng.standard_normal(levels.shape, np.float32)
    return np.clip(np.rint(levels), 0, (1 << camera.metadata.bits) - 1).astype(np.uint16)


def _in_threads(
    work: Callable[[int], None], number: int, threads: int, report: Callable[[float], None] | None
) -> None:
    """Do numbered pieces of work, and tell how far it is."""
    with ThreadPoolExecutor(threads) as pool:
        for done, _ in enumerate(pool.map(work, range(number)), 1):
            if report is not None:
                report(done / number)
