"""Photographs of disks with a known kernel, for tests, benchmarks and teaching.

A target in space is seen by a pinhole camera whose lens distorts; the disks are sampled point by point on a grid
finer than the pixels, convolved with the kernel on that grid, and averaged over the pixels. No code is shared with
what measures the kernel. Pictures are (y, x), the first pixel's centre is (0, 0); light is linear, 1 is the
sensor's full scale.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from psf.simulate_kernels import sample_disk

OVERSAMPLING = 4
"""Fine cells across a pixel."""

_POINTS = 4
"""Points across a fine cell on an edge: 16 across a pixel."""


@dataclass(frozen=True)
class Pose:
    """A target before a camera.

    Attributes
    ----------
    shape : (H, W) of the picture, px
    grid : (columns, rows) of disks
    pitch : of the disks in the target's middle when it faces the camera, px
    radius : of the disks there, px
    tilt : degrees about the vertical and about the horizontal axis of the picture
    rotation : degrees about the line of sight, clockwise in the picture
    shift : (y, x) px of the target's middle from the picture's
    distance : of the camera from the target's middle, px; the smaller, the stronger the perspective
    distortion : radial, a point at the radius r goes to r (1 + distortion (r / half diagonal)^2)
    """

    shape: tuple[int, int] = (3000, 4000)
    grid: tuple[int, int] = (7, 5)
    pitch: float = 480.0
    radius: float = 144.0
    tilt: tuple[float, float] = (3.0, -2.0)
    rotation: float = 1.5
    shift: tuple[float, float] = (3.3, -5.7)
    distance: float = 12000.0
    distortion: float = 0.0

    @property
    def middle(self) -> tuple[float, float]:
        """(y, x) px of the picture's middle, where the lens's axis is."""
        return (self.shape[0] - 1) / 2, (self.shape[1] - 1) / 2

    @property
    def half_diagonal(self) -> float:
        """Half the picture's diagonal, px."""
        return float(np.hypot(*self.shape)) / 2

    def homography(self) -> NDArray[np.float64]:
        """(3, 3), (column, row, 1) to (x, y, 1) px, without the distortion."""
        about_y, about_x = np.deg2rad(self.tilt)
        about_z = np.deg2rad(self.rotation)
        turn_y = np.array(
            [[np.cos(about_y), 0, np.sin(about_y)], [0, 1, 0], [-np.sin(about_y), 0, np.cos(about_y)]]
        )
        turn_x = np.array(
            [[1, 0, 0], [0, np.cos(about_x), -np.sin(about_x)], [0, np.sin(about_x), np.cos(about_x)]]
        )
        turn_z = np.array(
            [[np.cos(about_z), -np.sin(about_z), 0], [np.sin(about_z), np.cos(about_z), 0], [0, 0, 1]]
        )
        turn = turn_z @ turn_x @ turn_y
        columns, rows = self.grid
        plane = np.array([[1, 0, -(columns - 1) / 2], [0, 1, -(rows - 1) / 2], [0, 0, 0]]) * self.pitch
        place = turn @ plane
        place[2, 2] += self.distance
        middle_y, middle_x = self.middle
        camera = np.array(
            [
                [self.distance, 0, middle_x + self.shift[1]],
                [0, self.distance, middle_y + self.shift[0]],
                [0, 0, 1],
            ]
        )
        return np.asarray(camera @ place)

    def distort(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where the lens puts (..., 2) points (y, x) of a picture without distortion."""
        arm = points - np.asarray(self.middle)
        square = (arm**2).sum(axis=-1, keepdims=True) / self.half_diagonal**2
        return np.asarray(self.middle + arm * (1 + self.distortion * square))

    def centres(self) -> NDArray[np.float64]:
        """Where the disks' centres are seen, (rows, columns, 2) float64, (y, x) px."""
        columns, rows = self.grid
        target = np.stack(
            [*np.meshgrid(np.arange(columns), np.arange(rows)), np.ones((rows, columns))], axis=-1
        )
        mapped = np.asarray(target @ self.homography().T, np.float64)
        return self.distort(mapped[..., 1::-1] / mapped[..., 2:])


def simulate_coverage(
    kernel: NDArray[np.float64], pose: Pose, *, oversampling: int = OVERSAMPLING
) -> NDArray[np.float32]:
    """How much of each pixel the blurred disks cover, without noise.

    Parameters
    ----------
    kernel : (n, n) float64, odd n, sum 1: the optical kernel on the fine grid, its middle cell at no shift. What a
        pixel adds, the average over its area, is not in it.
    pose : where the disks are
    oversampling : fine cells across a pixel

    Returns
    -------
    (H, W) float32, 0 to 1
    """
    if kernel.ndim != 2 or kernel.shape[0] != kernel.shape[1] or kernel.shape[0] % 2 == 0:
        raise ValueError(f"kernel must be square and odd, not {kernel.shape}")
    picture = np.zeros(pose.shape, np.float32)
    columns, rows = pose.grid
    forward = pose.homography()
    back = np.linalg.inv(forward)
    margin = kernel.shape[0] // (2 * oversampling) + 3
    boxes = [
        (column, row, *_bounds(pose, forward, column, row, margin))
        for row in range(rows)
        for column in range(columns)
    ]
    side = scipy.fft.next_fast_len(
        max(max(bottom - top, right - left) for *_, top, left, bottom, right in boxes)
    )
    blur = _pixel_blur(kernel, side, oversampling)
    fine = np.empty((side * oversampling, side * oversampling), np.float32)
    middle_y, middle_x = pose.middle
    target_radius = pose.radius / pose.pitch
    ring = 4 * target_radius / pose.pitch  # all points within two pixels of an edge
    for column, row, top, left, _, _ in boxes:
        sample_disk(
            fine,
            top - 0.5,
            left - 0.5,
            1 / oversampling,
            _POINTS,
            back,
            middle_x,
            middle_y,
            pose.distortion / pose.half_diagonal**2,
            float(column),
            float(row),
            target_radius,
            ring,
        )
        _add(picture, _blur_and_bin(fine, blur, oversampling), top, left)
    return picture


def system_kernel(
    kernel: NDArray[np.float64], size: int, *, oversampling: int = OVERSAMPLING
) -> NDArray[np.float64]:
    """The system's point spread function of a fine kernel: averaged over pixels about whole pixel shifts.

    Parameters
    ----------
    kernel : (m, m) float64 on the fine grid, odd m
    size : odd, of the result, px

    Returns
    -------
    (size, size) float64, the light of a point in a pixel's middle that each pixel gathers
    """
    half = oversampling / 2
    reach = kernel.shape[0] // 2
    offset = (np.arange(-reach, reach + 1))[None, :] - oversampling * np.arange(-(size // 2), size // 2 + 1)[
        :, None
    ]
    # A fine cell lies on a pixel by the part of it that is within half a pixel of the pixel's middle.
    share = np.clip(half + 0.5 - np.abs(offset), 0.0, 1.0)
    return np.asarray(share @ kernel @ share.T)


def _bounds(
    pose: Pose, forward: NDArray[np.float64], column: int, row: int, margin: int
) -> tuple[int, int, int, int]:
    """First and last pixels + 1 (top, left, bottom, right) that a blurred disk may reach."""
    angle = np.linspace(0, 2 * np.pi, 64)
    radius = pose.radius / pose.pitch * 1.01
    edge = np.stack([column + radius * np.cos(angle), row + radius * np.sin(angle), np.ones(64)])
    mapped = forward @ edge
    seen = pose.distort((mapped[1::-1] / mapped[2]).T)
    top, left = np.floor(seen.min(axis=0)).astype(int) - margin
    bottom, right = np.ceil(seen.max(axis=0)).astype(int) + margin + 1
    return int(top), int(left), int(bottom), int(right)


def _pixel_blur(kernel: NDArray[np.float64], side: int, oversampling: int) -> NDArray[np.complex64]:
    """Spectrum on the fine grid of the kernel followed by the average over the pixel that starts at a cell."""
    length = side * oversampling
    reach = kernel.shape[0] // 2
    spread = np.zeros((length, length))
    spread[: kernel.shape[0], : kernel.shape[0]] = kernel
    spread = np.roll(spread, (-reach, -reach), axis=(0, 1))
    run = np.zeros(length)
    run[np.arange(1 - oversampling, 1)] = 1 / oversampling
    pixel = scipy.fft.fft(run)
    spectrum = scipy.fft.rfft2(spread) * pixel[:, None] * pixel[None, : length // 2 + 1]
    return np.asarray(spectrum, np.complex64)


def _blur_and_bin(
    fine: NDArray[np.float32], blur: NDArray[np.complex64], oversampling: int
) -> NDArray[np.float32]:
    """Convolve on the fine grid, keep the first cell of each pixel."""
    spectrum = scipy.fft.rfft2(fine) * blur
    side = fine.shape[0] // oversampling
    # Taking every oversampling-th row is adding up the spectrum's equal parts.
    folded = spectrum.reshape(oversampling, side, -1).mean(axis=0)
    rows = scipy.fft.ifft(folded, axis=0)
    return np.asarray(scipy.fft.irfft(rows, n=fine.shape[1], axis=1)[:, ::oversampling], np.float32)


def _add(picture: NDArray[np.float32], tile: NDArray[np.float32], top: int, left: int) -> None:
    """Add a tile to the part of the picture that it lies on."""
    height, width = picture.shape
    y0, x0 = max(top, 0), max(left, 0)
    y1, x1 = min(top + tile.shape[0], height), min(left + tile.shape[1], width)
    if y1 > y0 and x1 > x0:
        picture[y0:y1, x0:x1] += tile[y0 - top : y1 - top, x0 - left : x1 - left]


@dataclass(frozen=True)
class Exposure:
    """How the blurred disks become a photograph.

    Attributes
    ----------
    paper : linear light of the paper in the picture's middle
    ink : linear light of the disks there; above `paper` for white disks on black
    vignetting : share of the light that the picture's corners lack; falls with the radius's square
    noise : standard deviation of the read-out, of full scale
    full_well : electrons at full scale, whose shot noise is added; None for none
    """

    paper: float = 0.85
    ink: float = 0.10
    vignetting: float = 0.15
    noise: float = 0.0
    full_well: float | None = None


def expose(
    coverage: NDArray[np.float32], exposure: Exposure, rng: np.random.Generator
) -> NDArray[np.float32]:
    """The photograph in linear light, (H, W) float32; not clipped."""
    height, width = coverage.shape
    y = np.linspace(-height, height, height, dtype=np.float32)[:, None]
    x = np.linspace(-width, width, width, dtype=np.float32)[None, :]
    shading = 1 - exposure.vignetting * (y * y + x * x) / np.float32(height**2 + width**2)
    light = np.asarray((exposure.paper + (exposure.ink - exposure.paper) * coverage) * shading, np.float32)
    if exposure.full_well is not None:
        electrons = rng.poisson(np.maximum(light, 0) * exposure.full_well)
        light = np.asarray(electrons / exposure.full_well, np.float32)
    if exposure.noise > 0:
        light += np.float32(exposure.noise) * rng.standard_normal(light.shape, np.float32)
    return light


def mosaic(light: NDArray[np.float32], bayer: str) -> NDArray[np.float32]:
    """What a sensor under a Bayer mosaic records of (H, W, 3) light, R G B: (H, W) float32.

    `bayer` names the colours of the first two rows, such as rggb.
    """
    if light.ndim != 3 or light.shape[2] != 3:
        raise ValueError(f"light must be (H, W, 3), not {light.shape}")
    if sorted(bayer) != ["b", "g", "g", "r"]:
        raise ValueError(f"{bayer!r} is no Bayer mosaic")
    seen = np.empty(light.shape[:2], np.float32)
    for place, colour in enumerate(bayer):
        y, x = divmod(place, 2)
        seen[y::2, x::2] = light[y::2, x::2, "rgb".index(colour)]
    return seen
