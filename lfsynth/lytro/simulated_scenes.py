"""Scenes for the simulated camera: continuous light fields, evaluated wherever a ray of the sensor leads.

A scene is a function ``L(s, a)`` of a point ``s = (y, x)`` in a view, in px of the true lattice's square grid, and of a
direction ``a = (vertical, horizontal)`` in view steps from the centre view. A layer with texture T at disparity d is
``L(s, a) = T(s + d a)``, so that near things have positive disparity as in `lfsynth.lightfield`. Colours are linear
sRGB, 1 is white. Textures stand for what a microlens sees, already integrated over its aperture, so that a capture
and its true views are one function, evaluated at other points.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lfsynth import textures
from lfsynth.lytro.simulation_kernels import see_layers
from lfsynth.scene import Layers, Tilt, make_layers
from lfsynth.transfer import SRGB, linearise

BRIGHTEST = 0.85
"""Of white: the brightest colour of a texture."""

DISPARITIES: tuple[Tilt, ...] = ((-0.7, -0.3), -0.15, 0.25, (0.45, 0.7))
"""Default layers, back to front, in px a view step."""

_UPRIGHT = (-0.7, -0.2, 0.25, 0.7)

DOT_SPACING = 12
"""Distance of neighbouring dots of the scene `dots` in px of a view; the first lies half as far from its rims."""

DOT_DISPARITY = 0.4
"""Disparity of the scene `dots` in px a view step."""

CHART: tuple[tuple[int, int, int], ...] = (
    *((112, 78, 64), (198, 152, 134), (92, 120, 158), (86, 110, 62), (130, 126, 176), (98, 188, 168)),
    *((222, 128, 44), (66, 88, 170), (196, 84, 96), (90, 58, 108), (158, 190, 66), (228, 164, 48)),
    *((44, 60, 148), (68, 150, 74), (178, 50, 58), (234, 200, 40), (188, 84, 150), (24, 134, 166)),
    *((236, 236, 236), (200, 200, 200), (160, 160, 160), (120, 120, 120), (84, 84, 84), (50, 50, 50)),
)
"""Colours of the chart, 8-bit sRGB, row by row: nature, primaries and secondaries, and greys."""

_CHART_GREY = 0.2  # of white, linear
_NOTHING = 1e-5  # of opacity
_DOT_SIGMA = 1.2  # px of a view
_STEEPEST = 0.03  # px a view step and row of a slanted layer
_MARGIN = 16  # px: more than what layers move by between views of the disparities here


class Scene(Protocol):
    """A light field that rays can be sent into."""

    def seen(
        self,
        where: NDArray[np.float32],
        angle: NDArray[np.float32],
        weights: NDArray[np.float32],
        step: float,
    ) -> NDArray[np.float32]:
        """Light that pixels see.

        Parameters
        ----------
        where : (N, 2) points s
        angle : (N, 2) directions a of the pixels' middles
        weights : (N, 4) how much each of the pixel's four points of quadrature counts
        step : distance of these points from the middle along each axis, in view steps

        Returns
        -------
        (N, 3) float32 linear sRGB, the weighted sum over the four points
        """
        ...


@dataclass(frozen=True, eq=False)
class LayeredScene:
    """Layers that hide each other.

    Attributes
    ----------
    planes : (layers, H, W, 4) float32, back to front: cubic spline coefficients of R, G, B and opacity
    empty : (layers, H, W) bool, where opacity is nothing from here to the next row and column
    tilts : (layers, 2) disparity at row 0 of a view and its increase a row
    margin : rows and columns by which the planes exceed a view on each side
    """

    planes: NDArray[np.float32]
    empty: NDArray[np.bool_]
    tilts: NDArray[np.float64]
    margin: int

    def seen(
        self,
        where: NDArray[np.float32],
        angle: NDArray[np.float32],
        weights: NDArray[np.float32],
        step: float,
    ) -> NDArray[np.float32]:
        """Light that pixels see, see `Scene.seen`."""
        colour = np.empty((len(where), 3), np.float32)
        see_layers(colour, self.planes, self.empty, self.tilts, self.margin, where, angle, weights, step)
        return colour


def layers(rng: np.random.Generator, size: tuple[int, int]) -> LayeredScene:
    """Four textured layers with holes and strands, the backmost and the foremost slanted, disparities -0.7 to 0.7."""
    return _of_layers(
        make_layers(rng, size, disparities=_gentle(DISPARITIES, size), textures=_textures(rng, 4))
    )


def planes(rng: np.random.Generator, size: tuple[int, int]) -> LayeredScene:
    """A slanted plane behind pieces of another one, the one from disparity -0.7 to 0.3, the other from 0.1 to 0.7."""
    disparities = _gentle(((-0.7, 0.3), (0.1, 0.7)), size)
    return _of_layers(make_layers(rng, size, disparities=disparities, textures=_textures(rng, 2)))


def photographs(rng: np.random.Generator, size: tuple[int, int]) -> LayeredScene:
    """Four layers textured by photographs that come with scikit-image, upright, disparities -0.7 to 0.7."""
    pictures = textures.photographs()
    chosen = [np.float32(BRIGHTEST) * pictures[k] for k in rng.permutation(len(pictures))[:4]]
    return _of_layers(make_layers(rng, size, disparities=_UPRIGHT, textures=chosen))


def chart(rng: np.random.Generator, size: tuple[int, int]) -> LayeredScene:
    """The colours of `CHART` in four rows of six patches, `chart_patches`, on grey, all in focus. Needs no chance."""
    picture = np.full((*size, 3), _CHART_GREY, np.float32)
    for (rows, columns), colour in zip(chart_patches(size), linear_chart(), strict=True):
        picture[rows, columns] = colour
    return _flat(picture, 0.0)


def dots(rng: np.random.Generator, size: tuple[int, int]) -> LayeredScene:
    """White round dots on a dark ground, `DOT_SPACING` px apart, at disparity `DOT_DISPARITY`. Needs no chance."""
    y, x = np.indices(size)
    half = DOT_SPACING // 2
    square = ((y % DOT_SPACING) - half) ** 2 + ((x % DOT_SPACING) - half) ** 2
    grey = 0.05 + (BRIGHTEST - 0.05) * np.exp(-square / (2 * _DOT_SIGMA**2))
    return _flat(np.repeat(grey[..., None], 3, axis=2).astype(np.float32), DOT_DISPARITY)


def chart_patches(size: tuple[int, int]) -> list[tuple[slice, slice]]:
    """Rows and columns in a view of size (H, W) of the chart's 24 patches, in the order of `CHART`."""
    found = []
    for row, column in np.ndindex(4, 6):
        cell = size[0] / 4, size[1] / 6
        rows = slice(round((row + 0.15) * cell[0]), round((row + 0.85) * cell[0]))
        found.append((rows, slice(round((column + 0.15) * cell[1]), round((column + 0.85) * cell[1]))))
    return found


def linear_chart() -> NDArray[np.float32]:
    """The colours of `CHART`, (24, 3) float32 linear sRGB."""
    colours: NDArray[np.float32] = linearise(np.array(CHART, np.uint8)[None], SRGB)[0]
    return colours


def _gentle(disparities: tuple[Tilt, ...], size: tuple[int, int]) -> tuple[Tilt, ...]:
    """Disparities as they are, but for layers that would be too steep in so small a view."""
    most = _STEEPEST * (size[0] - 1)
    gentle: list[Tilt] = []
    for ends in disparities:
        top, bottom = (ends, ends) if isinstance(ends, int | float) else ends
        middle, half = (top + bottom) / 2, (bottom - top) / 2
        half = min(max(half, -most / 2), most / 2)
        gentle.append((middle - half, middle + half))
    return tuple(gentle)


def _flat(picture: NDArray[np.float32], disparity: float) -> LayeredScene:
    """A single opaque layer whose colours, (H, W, 3), are those that a pixel sees."""
    smooth = ndimage.gaussian_filter(picture, (0.5, 0.5, 0))  # a pixel's own area
    margin = _MARGIN
    wide = np.pad(smooth, ((margin, margin), (margin, margin), (0, 0)), mode="edge")
    stack = [ndimage.spline_filter(wide[..., c], 3, output=np.float32) for c in range(3)]
    stack.append(np.ones(wide.shape[:2], np.float32))
    return _of_layers(Layers((np.stack(stack),), np.array([[disparity, 0.0]]), margin))


def _of_layers(made: Layers) -> LayeredScene:
    stacked = np.ascontiguousarray(np.stack([np.moveaxis(plane, 0, -1) for plane in made.planes]))
    # A spline through zeros has small waves beside an edge: what is below `_NOTHING` is taken for nothing. A point
    # depends on the coefficients from one row and column before it to two after it.
    near = ndimage.maximum_filter(np.abs(stacked[..., 3]), (1, 4, 4), origin=(0, -1, -1))
    return LayeredScene(stacked, near < _NOTHING, made.tilts, made.margin)


def _textures(rng: np.random.Generator, number: int) -> list[NDArray[np.float32]]:
    """Procedural textures whose brightest colour is `BRIGHTEST`."""
    made = textures.procedural_textures(rng, number)
    return [np.float32(BRIGHTEST / texture.max()) * texture for texture in made]


SCENES: dict[str, Callable[[np.random.Generator, tuple[int, int]], LayeredScene]] = {
    "layers": layers,
    "planes": planes,
    "photographs": photographs,
    "chart": chart,
    "dots": dots,
}
"""Scenes by name, each made from a generator and the size (H, W) of a view."""
