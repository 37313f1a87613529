"""Simulated light fields whose truth is known exactly: for tests, benchmarks and the demo.

A scene is a stack of textured layers, composited back to front. Colour and opacity of a layer are cubic
spline functions of the centre view's coordinates, so that every view, every point between views and every
sub-pixel shift samples one and the same continuous scene: nothing is interpolated from pixels that were
rendered before. The backmost layer covers the picture; those before it have soft-edged shapes with holes and
strands a few pixels wide. A layer's disparity is constant or varies linearly from the top row to the bottom
row (a plane tilted about a horizontal axis).

Signs and axis order are those of `lfsynth.lightfield`; colours are linear light in [0, 1].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy import ndimage

from lfsynth.lightfield import LightField
from lfsynth.textures import procedural_textures

Tilt: TypeAlias = float | tuple[float, float]
"""Disparity of a layer in pixels a view step: one number, or that of the top and of the bottom row."""

DISPARITIES: tuple[Tilt, ...] = ((-1.4, -0.5), -0.4, 0.3, (0.8, 1.2))
"""Default layers, back to front: a tilted ground, two upright planes about the focal plane, a tilted
foreground."""

_PIXEL_SIGMA = 0.5
"""Blur of a texture, in px: a pixel's own area, so that what lies above the sampling limit is weak."""

_EDGE_SIGMA = 0.7
"""Blur of a matte, in px: the edge of a shape is a ramp of about two pixels."""

_TONES = (0.04, 0.96)
"""Darkest and lightest value of a texture, so that moderate noise is not clipped."""


@dataclass(frozen=True, eq=False)
class SimulatedScene:
    """A simulated light field and the truth about it.

    Attributes
    ----------
    lightfield : the views, with noise where it was asked for; its `disparity` is the map below
    disparity : (H, W) float32, true disparity of the centre view: of the layer nearest to the camera that is
        at least half opaque there
    all_in_focus : (H, W, C) float32, the centre view without noise
    planes : per layer, back to front, (C + 1, Hl, Wl) float32 spline coefficients of the colours and the
        opacity
    tilts : (layers, 2) float64, disparity at row 0 of the picture and its increase a row
    margin : rows and columns by which the planes exceed the picture on each side
    """

    lightfield: LightField
    disparity: NDArray[np.float32]
    all_in_focus: NDArray[np.float32]
    planes: tuple[NDArray[np.float32], ...]
    tilts: NDArray[np.float64]
    margin: int

    def view(self, du: float, dv: float, *, slope: float = 0.0) -> NDArray[np.float32]:
        """Render one view without noise.

        Parameters
        ----------
        du, dv : vertical and horizontal position in view steps from the centre view; may lie between views
        slope : disparity in px a view step that is brought to rest: the picture is moved by ``slope * (du,
            dv)``

        Returns
        -------
        (H, W, C) float32, linear light in [0, 1]
        """
        height, width, channels = self.all_in_focus.shape
        picture = np.zeros((height, width, channels), np.float32)
        _render(picture, self.planes, self.tilts, self.margin, du, dv, slope)
        return picture

    def thin_lens(self, slope: float, radius: float, *, spacing: float | None = None) -> NDArray[np.float32]:
        """Picture through a round aperture by dense sampling of it: what refocusing is to approach.

        Parameters
        ----------
        slope : disparity in focus, px a view step
        radius : of the aperture, in view steps; 0 is the all-in-focus picture
        spacing : between the sampled points of the aperture, in view steps; None: so fine that neighbouring
            samples differ by at most half a pixel anywhere in the scene

        Returns
        -------
        (H, W, C) float32, linear light in [0, 1]
        """
        if radius < 0 or (spacing is not None and spacing <= 0):
            raise ValueError(f"radius must be >= 0 and spacing > 0, not {radius} and {spacing}")
        if spacing is None:
            rows = np.array([0, self.disparity.shape[0] - 1])
            defocus = float(np.abs(self.tilts[:, :1] + self.tilts[:, 1:] * rows - slope).max())
            spacing = 0.5 / max(defocus, 0.25)
        across = max(1, round(2 * radius / spacing))
        at = (np.arange(across) - (across - 1) / 2) * (2 * radius / across)
        points = [(du, dv) for du in at for dv in at if du * du + dv * dv <= radius * radius]
        total = np.zeros(self.all_in_focus.shape, np.float64)
        for du, dv in points:
            total += self.view(du, dv, slope=slope)
        return (total / len(points)).astype(np.float32)


def simulate(
    rng: np.random.Generator,
    *,
    grid: tuple[int, int] = (9, 9),
    size: tuple[int, int] = (256, 384),
    noise: float = 0.0,
    disparities: Sequence[Tilt] = DISPARITIES,
    textures: Sequence[NDArray[np.float32]] | None = None,
) -> SimulatedScene:
    """Simulate a light field with occlusions.

    Parameters
    ----------
    rng : source of shapes, texture positions and noise
    grid : number of views (U, V)
    size : (H, W) in pixels, at least 8 x 8
    noise : standard deviation of independent Gaussian noise, a fraction of white in linear light; the noisy
        views are clipped to [0, 1]
    disparities : per layer, back to front, in px a view step
    textures : (h, w) or (h, w, 3) float32 in linear light in [0, 1], taken in turn, mirrored where they are
        too small; None: `procedural_textures`. The light field is grey if all are grey

    Returns
    -------
    SimulatedScene

    Raises
    ------
    ValueError
        for a grid, size, noise or disparity that makes no picture
    """
    if min(grid) < 1 or noise < 0:
        raise ValueError(f"cannot simulate grid {grid}, noise {noise}")
    layers = make_layers(rng, size, disparities=disparities, textures=textures, grid=grid)
    planes, tilts, margin = layers.planes, layers.tilts, layers.margin
    height, width = size
    channels = planes[0].shape[0] - 1
    centre = grid[0] // 2, grid[1] // 2

    views = np.zeros((*grid, height, width, channels), np.float32)
    for u in range(grid[0]):
        for v in range(grid[1]):
            _render(views[u, v], planes, tilts, margin, u - centre[0], v - centre[1], 0.0)
    truth = views[centre].copy()
    if noise:
        for view in views.reshape(-1, *views.shape[2:]):
            view += np.float32(noise) * rng.standard_normal(view.shape, np.float32)
            np.clip(view, 0, 1, out=view)
    disparity = _true_disparity(planes, tilts, margin, size)
    ones = np.ones(grid, np.float32)
    lightfield = LightField(
        views=views,
        weights=ones,
        gains=ones.copy(),
        source=Path("simulated"),
        disparity=disparity,
        metadata={"format": "simulated", "simulated": True, "noise": noise, "layers": len(tilts)},
    )
    return SimulatedScene(lightfield, disparity, truth, planes, tilts, margin)


@dataclass(frozen=True, eq=False)
class Layers:
    """What a scene is made of: the last three attributes of `SimulatedScene`."""

    planes: tuple[NDArray[np.float32], ...]
    tilts: NDArray[np.float64]
    margin: int


def make_layers(
    rng: np.random.Generator,
    size: tuple[int, int],
    *,
    disparities: Sequence[Tilt] = DISPARITIES,
    textures: Sequence[NDArray[np.float32]] | None = None,
    grid: tuple[int, int] = (13, 13),
) -> Layers:
    """Make the layers of a scene; parameters and errors are those of `simulate`."""
    if min(size) < 8 or len(disparities) == 0:
        raise ValueError(f"cannot simulate size {size}, {len(disparities)} layers")
    if textures is None:
        textures = procedural_textures(rng, len(disparities))
    height, width = size
    channels = 3 if any(texture.ndim == 3 for texture in textures) else 1
    ends = np.array([(d, d) if isinstance(d, int | float) else d for d in disparities], np.float64)
    tilts = np.stack([ends[:, 0], (ends[:, 1] - ends[:, 0]) / (height - 1)], axis=1)
    if np.abs(tilts[:, 1]).max() * max(grid) > 0.5:
        raise ValueError("a layer is tilted so much that the outer views see it edge-on")
    # Twice the largest shift in the light field leaves room for refocusing to the far end of the scene.
    margin = 8 + int(np.ceil(2 * np.abs(ends).max() * (max(grid) // 2)))
    planes = []
    for layer in range(len(tilts)):
        shape = (height + 2 * margin, width + 2 * margin)
        colours = _fit(textures[layer % len(textures)], shape, channels, rng)
        matte = np.ones(shape, np.float32) if layer == 0 else _matte(rng, shape, strands=layer % 2 == 0)
        stack = [ndimage.spline_filter(plane, 3, output=np.float32) for plane in (*colours, matte)]
        planes.append(np.stack(stack))
    return Layers(tuple(planes), tilts, margin)


def _fit(
    texture: NDArray[np.float32], shape: tuple[int, int], channels: int, rng: np.random.Generator
) -> list[NDArray[np.float32]]:
    """Cut a texture to a layer, as colour planes, from a random place, mirrored where it is too small."""
    if texture.ndim not in (2, 3) or (texture.ndim == 3 and texture.shape[2] != 3):
        raise ValueError(f"a texture must be (h, w) or (h, w, 3), not {texture.shape}")
    planes = np.broadcast_to(np.atleast_3d(texture), (*texture.shape[:2], channels))
    missing = [max(0, want - have) for want, have in zip(shape, texture.shape[:2], strict=True)]
    planes = np.pad(planes, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="symmetric")
    top, left = (int(rng.integers(0, planes.shape[i] - shape[i] + 1)) for i in (0, 1))
    low, high = _TONES
    cut = low + (high - low) * planes[top : top + shape[0], left : left + shape[1]]
    return [ndimage.gaussian_filter(cut[..., c], _PIXEL_SIGMA).astype(np.float32) for c in range(channels)]


def _matte(rng: np.random.Generator, shape: tuple[int, int], *, strands: bool) -> NDArray[np.float32]:
    """Opacity of a layer: discs with holes and jagged rims or, with `strands`, crossing bars 1.5 to 5 px
    wide.
    """
    height, width = shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    inside = np.zeros(shape, bool)
    unit = min(shape)
    for _ in range(4):
        cy, cx, angle = rng.uniform(0, height), rng.uniform(0, width), rng.uniform(0, np.pi)
        along = (x - cx) * np.cos(angle) + (y - cy) * np.sin(angle)
        across = (y - cy) * np.cos(angle) - (x - cx) * np.sin(angle)
        if strands:
            bar = np.abs(across) < rng.uniform(0.75, 2.5)
            inside |= bar & (np.abs(along) < rng.uniform(0.2, 0.5) * unit)
            inside |= np.hypot(along / 1.5, across) < rng.uniform(0.03, 0.08) * unit
        else:
            jag = 1 + 0.1 * np.sin(rng.integers(5, 30) * np.arctan2(across, along))
            distance, radius = np.hypot(along, across), rng.uniform(0.08, 0.2) * unit
            inside |= (distance < radius * jag) & (distance > rng.uniform(0, 0.5) * radius)
    soft: NDArray[np.float32] = ndimage.gaussian_filter(inside.astype(np.float32), _EDGE_SIGMA)
    return soft


def _true_disparity(
    planes: tuple[NDArray[np.float32], ...], tilts: NDArray[np.float64], margin: int, size: tuple[int, int]
) -> NDArray[np.float32]:
    """Disparity of the nearest layer that hides at least half of what is behind it."""
    rows = np.arange(size[0])
    disparity = np.zeros(size, np.float32)
    for plane, (top, increase) in zip(planes, tilts, strict=True):
        alpha = np.zeros((*size, 1), np.float32)
        opacity = np.stack([plane[-1], plane[-1]])
        opacity[1] = 1
        _render(alpha, (opacity,), np.zeros((1, 2)), margin, 0.0, 0.0, 0.0)
        disparity = np.where(alpha[..., 0] >= 0.5, (top + increase * rows)[:, None], disparity)
    return disparity.astype(np.float32)


def _render(
    picture: NDArray[np.float32],
    planes: tuple[NDArray[np.float32], ...],
    tilts: NDArray[np.float64],
    margin: int,
    du: float,
    dv: float,
    slope: float,
) -> None:
    """Composite the layers, back to front, into a picture (H, W, C)."""
    rows = np.arange(picture.shape[0])
    for plane, (top, increase) in zip(planes, tilts, strict=True):
        # A view's row y sees the layer's row r where y = r - (d(r) - slope) du, with d linear in r.
        seen = (rows + (top - slope) * du) / (1 - increase * du)
        shift = (top + increase * seen - slope) * dv
        _composite(picture, plane, seen + margin, shift + margin)


@njit(cache=True, nogil=True, inline="always")
def _bspline(t):  # type: ignore[no-untyped-def]
    """Weights of the four cubic B-splines about a point that lies t in [0, 1) behind the second."""
    s = 1 - t
    w0 = s * s * s / 6
    w1 = 2 / 3 - 0.5 * t * t * (2 - t)
    w2 = 2 / 3 - 0.5 * s * s * (2 - s)
    return np.float32(w0), np.float32(w1), np.float32(w2), np.float32(t * t * t / 6)


@njit(cache=True, nogil=True, fastmath=True)
def _composite(picture, plane, at_row, at_column):  # type: ignore[no-untyped-def]
    """Lay one layer over a picture; row y shows the layer's row at_row[y] from its column at_column[y] on."""
    height, width, channels = picture.shape
    _, layer_height, layer_width = plane.shape
    column = np.empty(width + 3, np.float32)
    sampled = np.empty((channels + 1, width), np.float32)
    for y in range(height):
        iy, ix = int(np.floor(at_row[y])), int(np.floor(at_column[y]))
        a0, a1, a2, a3 = _bspline(at_row[y] - iy)
        b0, b1, b2, b3 = _bspline(at_column[y] - ix)
        # Beyond its rim a layer goes on as its outermost row or column.
        r0, r1 = min(max(iy - 1, 0), layer_height - 1), min(max(iy, 0), layer_height - 1)
        r2, r3 = min(max(iy + 1, 0), layer_height - 1), min(max(iy + 2, 0), layer_height - 1)
        within = ix >= 1 and ix + width + 2 <= layer_width
        for p in range(channels, -1, -1):
            q0, q1, q2, q3 = plane[p, r0], plane[p, r1], plane[p, r2], plane[p, r3]
            if within:
                for x in range(width + 3):
                    k = x + ix - 1
                    column[x] = a0 * q0[k] + a1 * q1[k] + a2 * q2[k] + a3 * q3[k]
            else:
                for x in range(width + 3):
                    k = min(max(x + ix - 1, 0), layer_width - 1)
                    column[x] = a0 * q0[k] + a1 * q1[k] + a2 * q2[k] + a3 * q3[k]
            for x in range(width):
                sampled[p, x] = b0 * column[x] + b1 * column[x + 1] + b2 * column[x + 2] + b3 * column[x + 3]
            # Opacity comes first: without any, colours are not wanted.
            if p == channels and sampled[p].max() <= 0:
                break
        else:
            for x in range(width):
                alpha = min(max(sampled[channels, x], np.float32(0)), np.float32(1))
                for c in range(channels):
                    colour = min(max(sampled[c, x], np.float32(0)), np.float32(1))
                    picture[y, x, c] += alpha * (colour - picture[y, x, c])
