"""A real light field as the scene of a simulated camera: its views, sent through the microlenses once more.

The views are samples of the scene in space and direction. Between them a ray takes the four views around its
direction, each at the point where the thing that the ray meets is seen there (by the centre view's disparity), and
averages bilinearly over directions; in space the views are cubic splines. A view of weight 0 is stood in for by the
nearest living one in the same way.

Pixels of the views and of the simulated views are equally large and their middles coincide; beyond its rim a view goes
on as its outermost row or column. Views are as far apart as the simulated ones, unless they are too few to reach the
rim of the pupil: then they are spread over it.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lfsynth.disparity import disparity_map
from lfsynth.lightfield import LightField
from lfsynth.lytro.lattice import VIEWS
from lfsynth.lytro.simulated_scenes import BRIGHTEST
from lfsynth.lytro.simulation_kernels import see_views

_ALIVE = 0.5  # weight of a view that is taken for what it shows


@dataclass(frozen=True, eq=False)
class ReprojectedScene:
    """Views of a light field, continued to all points and directions.

    Attributes
    ----------
    views : (K, H, W, 3) float32 cubic spline coefficients of the living views
    stand_in : (U, V) int32, which of these a view is, or is stood in for by
    places : (K, 2) float64, vertical and horizontal index of the living views
    disparity : (H, W) float32 of the centre view, px a view
    centre : (u0, v0) of the centre view
    offset : (rows, columns) by which the views exceed the simulated views above and to the left
    scale : views a simulated view step, 1 or less
    """

    views: NDArray[np.float32]
    stand_in: NDArray[np.int32]
    places: NDArray[np.float64]
    disparity: NDArray[np.float32]
    centre: tuple[float, float]
    offset: tuple[float, float]
    scale: float

    def seen(
        self,
        where: NDArray[np.float32],
        angle: NDArray[np.float32],
        weights: NDArray[np.float32],
        step: float,
    ) -> NDArray[np.float32]:
        """Light that pixels see, see `Scene.seen`; ``step`` is not used.

        A view of a real camera is already integrated over its pixels' area: a single ray a pixel.
        """
        colour = np.empty((len(where), 3), np.float32)
        see_views(
            colour,
            self.views,
            self.stand_in,
            self.places,
            self.disparity,
            (self.disparity.min(), self.disparity.max()),
            self.centre,
            self.offset,
            self.scale,
            where,
            angle,
            weights,
        )
        return colour


def reprojected(lightfield: LightField, size: tuple[int, int], *, threads: int = 1) -> ReprojectedScene:
    """Make a scene of a light field.

    Parameters
    ----------
    lightfield : grey or colour; its light is scaled by `BRIGHTEST`, so that its white does not saturate the sensor
    size : (H, W) of the simulated views
    threads : how many prepare views

    Raises
    ------
    InputError : where its centre view is dead
    """
    disparity = lightfield.disparity
    if disparity is None:
        disparity = disparity_map(lightfield)[0]
    alive = np.argwhere(lightfield.weights >= _ALIVE * lightfield.weights.max())
    indices = np.moveaxis(np.indices(lightfield.grid), 0, -1)
    distances = np.linalg.norm(indices[:, :, None] - alive, axis=-1)
    views = np.empty((len(alive), *lightfield.size, 3), np.float32)

    def prepare(k: int) -> None:
        view = lightfield.views[tuple(alive[k])]
        for channel in range(3):
            plane = np.float32(BRIGHTEST) * view[..., channel % view.shape[2]]
            views[k, :, :, channel] = ndimage.spline_filter(plane, 3, output=np.float32)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(prepare, range(len(alive))))
    u0, v0 = lightfield.centre
    reach = min(u0, v0, lightfield.grid[0] - 1 - u0, lightfield.grid[1] - 1 - v0)
    return ReprojectedScene(
        views=views,
        stand_in=distances.argmin(axis=2).astype(np.int32),
        places=alive.astype(np.float64),
        disparity=np.ascontiguousarray(disparity, np.float32),
        centre=(float(u0), float(v0)),
        offset=((lightfield.size[0] - size[0]) / 2, (lightfield.size[1] - size[1]) / 2),
        scale=min(1.0, reach / (VIEWS // 2)),
    )
