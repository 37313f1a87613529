"""Find the disks of a target in a photograph, to hundredths of a pixel, and the light that they lie in.

Pictures are (H, W) float32 in linear light. Points of the picture are (y, x) px, the first pixel's centre is (0, 0);
those of the target are (column, row) in pitches. The disks' gauge: the mean shift of the light by the blur is 0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from lfsynth.errors import InputError
from psf.clipping import Clip
from psf.coarse import Blobs, Polarity, find_blobs
from psf.detect_kernels import normalise
from psf.grid_order import turn_grid
from psf.projection import Projection
from psf.radiometry import clean_blocks, difference_noise, fit_level, frame, target_area, terms
from psf.refine import refine

LEAST_CONTRAST = 0.05
"""Of the light: with less, there is no telling disks from stains."""

MOST_CLIPPED = 0.005
"""Of the target's pixels; the residual of an estimated kernel does not show even many times more."""

_CLIPPING_SIDE = 1000
"""Samples, about, along the longer side, in which clipping is looked for."""

_FIRST_MARGIN = 0.25
"""Of the gap between the disks, what is taken for blurred if nothing is known of it."""

_LAST_MARGIN = 0.45
"""The same, where the blur turned out to be wider."""

_CLEAN_RIM = 2.0
"""px that the blur has to leave of it."""

_LARGEST_BLOCK = 8
"""px, side of the squares whose averages the ground is fitted to."""

_LEAST_GROUND = 50
"""Such squares."""

_NOISE_SAMPLES = 50_000
"""Pixels from which the noise is estimated, about."""

_NOISE_APART = (1, 4, 7)
"""px between the pixels whose difference tells the noise. Neighbours share theirs where a picture was demosaiced,
denoised or summed up from shifted views, and differ by less than the noise; what is white is the same for all."""

_LEAST_NOISE_SAMPLES = 500
"""Pairs of pixels farther apart, for them to count: they tell the noise to some percent."""


@dataclass(frozen=True)
class Detection:
    """Disks found in a photograph.

    Attributes
    ----------
    polarity : of the target
    grid : (columns, rows) of whole disks found, as the smallest box
    projection : from the target to the picture
    radius : of the disks, pitches
    grid_index : (K, 2) int64, (column, row) of each whole disk
    centres : (K, 2) float64, (y, x) px, each disk's centre as measured on its own
    residuals : (K, 2) float64, px, centres less their places by the projection
    usable : (K,) bool, whether the disk and its blur are inside the picture
    ground : (6,) light about the disks, see `psf.radiometry`
    level : (6,) light that the disks take away (black ones; that of the ground) or add (white ones)
    normal : (H, W) float32, (ground - picture) / level: 0 about the disks, `plateau` inside them
    plateau : median over the disks of what is deep inside; 0.9 for ink that returns a tenth of the paper's light
    contrast : light that the disks lack of what is about them, or have beyond it of their own, 0 to 1
    sigma : noise of `normal`, about the disks
    blur_reach : px from the edge where the blur ends
    cut : disks that the picture's border cuts
    """

    polarity: Polarity
    grid: tuple[int, int]
    projection: Projection
    radius: float
    grid_index: NDArray[np.int64]
    centres: NDArray[np.float64]
    residuals: NDArray[np.float64]
    usable: NDArray[np.bool_]
    ground: NDArray[np.float64]
    level: NDArray[np.float64]
    normal: NDArray[np.float32]
    plateau: float
    contrast: float
    sigma: float
    blur_reach: float
    cut: int

    @property
    def homography(self) -> NDArray[np.float64]:
        """(3, 3) float64, (column, row, 1) to (x, y, 1) px, before the lens's distortion."""
        return self.projection.homography

    @property
    def whole(self) -> int:
        """Count of disks that are wholly in the picture."""
        return len(self.grid_index)

    @property
    def expected_rms(self) -> float:
        """What `residual_rms` would be by the noise alone, white and spread evenly over the picture, px.

        The centroid of a disk of radius R whose edge's light is summed from R - b to R + b has the noise
        ``sigma sqrt(pi / 4 ((R + b)^4 - (R - b)^4)) / (plateau pi R^2)`` in each coordinate.
        """
        target = self.grid_index[self.usable].astype(np.float64)
        radius = self.radius * self.projection.pixels_per_pitch(target)
        outer, inner = radius + self.blur_reach, np.maximum(radius - self.blur_reach, 0)
        spread = self.sigma * np.sqrt(np.pi / 4 * (outer**4 - inner**4)) / (self.plateau * np.pi * radius**2)
        return float(np.sqrt(np.mean(spread**2)))

    @property
    def residual_rms(self) -> float:
        """Root of the mean square of the residuals of the usable disks, of one coordinate, px."""
        return float(np.sqrt(np.mean(self.residuals[self.usable] ** 2)))


def detect(
    picture: NDArray[np.float32],
    grid: tuple[int, int] | None = None,
    *,
    size: int | None = None,
    polarity: Polarity | None = None,
    clipped: NDArray[np.uint8] | None = None,
    name: str = "the picture",
) -> Detection:
    """Find the disks.

    Parameters
    ----------
    picture : (H, W) float32, linear light
    grid : (columns, rows) of the target; None: as many as there are
    size : odd, px, of the kernel that is to be measured: how far from the disks the ground is free of their blur is
        half of it; None: a quarter of the gap between the disks
    polarity : of the target; None: found out
    clipped : (H, W) uint8, above 0 where the picture is clipped, as `psf.photograph` says it; None: not looked at
    name : of the picture, for messages

    Returns
    -------
    Detection, refined

    Raises
    ------
    InputError : where there is no grid of disks, not the one that was asked for, too little room between them or
        contrast, or clipped light; where `size` is even
    """
    if picture.ndim != 2 or picture.dtype != np.float32:
        raise TypeError(f"picture must be (H, W) float32, not {picture.shape} {picture.dtype}")
    if size is not None and (size < 3 or size % 2 == 0):
        raise InputError("--size", f"{size} is not odd", "use an odd number of pixels, such as 77")
    if not np.isfinite(picture).all():
        raise InputError(name, "some of its values are NaN or infinite", "export it again with finite values")
    blobs = _numbered(find_blobs(picture, polarity), grid, name)
    start = _first_projection(blobs, picture.shape)
    target = blobs.index.astype(np.float64)
    scale = start.pixels_per_pitch(target)
    radius = float(np.median(np.sqrt(blobs.areas / np.pi) / scale))
    cut = _count_cut(blobs, start, radius)
    if clipped is not None:
        _refuse_clipping(clipped, start, blobs, name)
    gap = float(scale.min()) * (1 - 2 * radius)
    if size is None:
        found = _within(picture, blobs, start, radius, gap * _FIRST_MARGIN, cut, name)
        if found.blur_reach < gap * _FIRST_MARGIN - _CLEAN_RIM:
            return found
        margin = gap * _LAST_MARGIN
    else:
        margin = size / 2
    if size is not None and gap < size:
        raise InputError(
            name,
            f"the gap between the disks is {gap:.0f} px, less than the kernel's {size} px",
            "use a smaller --size, or a target with a wider pitch",
        )
    found = _within(picture, blobs, start, radius, margin, cut, name)
    if size is None and found.blur_reach > margin - _CLEAN_RIM:
        raise InputError(
            name,
            f"the blur reaches over the gap of {gap:.0f} px between the disks",
            "use a target with a wider pitch",
        )
    return found


def _within(
    picture: NDArray[np.float32],
    blobs: Blobs,
    start: Projection,
    radius: float,
    margin: float,
    cut: int,
    name: str,
) -> Detection:
    """The detection with the ground taken `margin` px from the disks and farther."""
    target = blobs.index.astype(np.float64)
    columns, rows = (int(side) + 1 for side in blobs.index.max(axis=0))
    black = blobs.polarity is Polarity.BLACK_ON_WHITE
    ground, clean = _ground(picture, start, (columns, rows), radius, margin, name)
    middles = start.points(target)
    around = terms(middles, picture.shape) @ ground
    if black:
        level = ground
    else:
        reach = radius * float(np.median(start.pixels_per_pitch(target)))
        level = _disk_level(picture, middles, ground, reach)
    middle_y, middle_x, half = frame(picture.shape)
    normal = normalise(picture, ground, level, 1.0 if black else -1.0, middle_y, middle_x, half)
    refined = refine(normal, start, radius, target, margin, name=name)
    lost = refined.plateau * terms(middles, picture.shape) @ level
    contrast = float(np.median(lost / (around if black else around + lost)))
    if contrast < LEAST_CONTRAST:
        raise InputError(
            name,
            f"the disks' contrast is {contrast:.3f}, less than {LEAST_CONTRAST}",
            "print the target in black, and shade it from stray light",
        )
    return Detection(
        polarity=blobs.polarity,
        grid=(columns, rows),
        projection=refined.projection,
        radius=refined.radius,
        grid_index=blobs.index,
        centres=refined.centres,
        residuals=refined.centres - refined.projection.points(target),
        usable=refined.usable,
        ground=ground,
        level=level,
        normal=normal,
        plateau=refined.plateau,
        contrast=contrast,
        sigma=_noise(normal, clean, _block(margin)),
        blur_reach=refined.blur_reach,
        cut=cut,
    )


def _refuse_clipping(clipped: NDArray[np.uint8], projection: Projection, blobs: Blobs, name: str) -> None:
    """Refuse a target of which too many pixels hold less or more light than the picture says."""
    columns, rows = (int(side) + 1 for side in blobs.index.max(axis=0))
    block = max(1, round(max(clipped.shape) / _CLIPPING_SIDE))
    area = target_area(projection, (columns, rows), clipped.shape, block=block).astype(bool)
    height, width = area.shape
    seen = clipped[: height * block : block, : width * block : block][area]
    black, white = (float(np.mean(seen == kind.value)) for kind in (Clip.BLACK, Clip.WHITE))
    if white > MOST_CLIPPED:
        raise InputError(name, f"{white:.1%} of the target is saturated", "expose shorter")
    if black > MOST_CLIPPED:
        raise InputError(
            name, f"{black:.1%} of the target is clipped to black", "expose longer, or raise the black level"
        )


def _ground(
    picture: NDArray[np.float32],
    projection: Projection,
    grid: tuple[int, int],
    radius: float,
    margin: float,
    name: str,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The light about the disks, and the square blocks that are there and clean of disks."""
    block = _block(margin)
    clean = clean_blocks(projection, grid, radius, margin, picture.shape, block)
    at = np.argwhere(clean)
    if len(at) < _LEAST_GROUND:
        raise InputError(
            name,
            "there is no clean ground between the disks",
            "use a smaller --size, or a target with a wider pitch",
        )
    averages = cv2.resize(
        picture[: clean.shape[0] * block, : clean.shape[1] * block],
        clean.shape[::-1],
        interpolation=cv2.INTER_AREA,
    )
    ground = fit_level(
        np.asarray(block * (at + 0.5) - 0.5, np.float64), averages[clean].astype(np.float64), picture.shape
    )
    return ground, clean


def _block(margin: float) -> int:
    """Side of the squares whose averages the ground is fitted to, px."""
    return int(np.clip(margin / 4, 1, _LARGEST_BLOCK))


def _noise(normal: NDArray[np.float32], clean: NDArray[np.bool_], block: int) -> float:
    """Standard deviation of the noise on blocks of clean ground."""
    at = block * np.argwhere(clean)
    at = at[:: max(1, len(at) // _NOISE_SAMPLES)]
    # Where there are few blocks, more of each one's rows.
    lines = min(block, max(1, _NOISE_SAMPLES // max(1, len(at))))
    below = np.array([[line * block // lines, 0] for line in range(lines)])
    at = (at[None] + below[:, None]).reshape(-1, 2)
    found = 0.0
    for apart in _NOISE_APART:
        there = (at[:, 1] + apart) // block
        pairs = at[there < clean.shape[1]]
        pairs = pairs[clean[pairs[:, 0] // block, (pairs[:, 1] + apart) // block]]
        if apart == 1 or len(pairs) >= _LEAST_NOISE_SAMPLES:
            found = max(found, difference_noise(normal, pairs[:, 0], pairs[:, 1], apart))
    return found


def _disk_level(
    picture: NDArray[np.float32], centres: NDArray[np.float64], ground: NDArray[np.float64], radius: float
) -> NDArray[np.float64]:
    """The light that white disks add to the ground, from their middles."""
    side = max(1, int(radius / 2))
    tops, lefts = (np.clip(np.round(at).astype(int) - side // 2, 0, None) for at in centres.T)
    seen = [
        float(picture[top : top + side, left : left + side].mean())
        for top, left in zip(tops, lefts, strict=True)
    ]
    return fit_level(centres, np.array(seen) - terms(centres, picture.shape) @ ground, picture.shape)


def _numbered(blobs: Blobs, grid: tuple[int, int] | None, name: str) -> Blobs:
    """The blobs with columns and rows as the target's, or a refusal."""
    whole = len(blobs.index)
    columns, rows = (blobs.index.max(axis=0) + 1) if whole else (0, 0)
    wanted = f"expected {grid[0] * grid[1]} ({grid[0]} x {grid[1]})" if grid else "expected a grid of them"
    found = f"found {whole} whole disks, {len(blobs.cut)} touch the border, {wanted}"
    if whole < 4 or min(columns, rows) < 2:
        raise InputError(
            name, found, "photograph the target so that its disks are sharp enough to part, and light"
        )
    if grid is None:
        return blobs
    if (columns, rows) != grid and (rows, columns) == grid:
        blobs = replace(blobs, index=turn_grid(blobs.index))
        columns, rows = rows, columns
    if whole != grid[0] * grid[1] or (columns, rows) != grid:
        raise InputError(name, found, "get all of the target into the picture, or use --grid auto")
    return blobs


def _first_projection(blobs: Blobs, shape: tuple[int, ...]) -> Projection:
    """The homography of the blobs' centroids."""
    homography, _ = cv2.findHomography(blobs.index.astype(np.float64), blobs.points[:, ::-1].copy(), 0)
    middle_y, middle_x, scale = frame(shape)
    columns, rows = (int(side) + 1 for side in blobs.index.max(axis=0))
    return Projection(np.asarray(homography, np.float64), (middle_y, middle_x), scale, extent=(columns, rows))


def _count_cut(blobs: Blobs, projection: Projection, radius: float) -> int:
    """How many of the blobs at the border are where the grid goes on."""
    if not len(blobs.cut):
        return 0
    back = np.linalg.inv(projection.homography)
    mapped = np.column_stack([blobs.cut[:, ::-1], np.ones(len(blobs.cut))]) @ back.T
    place = mapped[:, :2] / mapped[:, 2:]
    return int(np.count_nonzero(np.hypot(*(place - np.round(place)).T) < radius))
