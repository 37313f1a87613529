"""Pictures of the page, inside it: photographs with the disks that were found, kernels as small squares."""

from __future__ import annotations

import base64

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from lfsynth import png
from lfsynth.transfer import SRGB, encode
from psf.findings import Seen
from psf.merit import Kernel

USED, LEFT_OUT = (0, 190, 90), (240, 140, 0)
"""Colours of disks' outlines: measured, and left out because their blur reaches the border."""

LINES = (150, 150, 160)
"""Colour of the borders between zones."""

_WHITE = 99.5
"""Percentile of a photograph's light that is shown as white."""

_QUALITY = 80

_FINER = 4
"""Outlines are drawn on a picture so many times larger, in steps of a part of a pixel."""

_TILE = 132
"""Side of a small kernel, px."""


def photograph(seen: Seen, used: NDArray[np.bool_], parts: tuple[int, int]) -> str:
    """A small photograph with the outlines of its disks and of (rows, columns) of zones, as a data URL.

    ``used`` says of which disks kernels were estimated.
    """
    light = seen.preview / max(float(np.percentile(seen.preview, _WHITE)), 1e-9)
    grey = encode(np.ascontiguousarray(light[:, :, None], np.float32), SRGB, bits=8)[:, :, 0]
    picture = cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)
    detection = seen.detection
    disks = detection.grid_index.astype(np.float64)
    height, width = grey.shape
    for row in range(1, parts[0]):
        cv2.line(picture, (0, row * height // parts[0]), (width, row * height // parts[0]), LINES)
    for column in range(1, parts[1]):
        cv2.line(picture, (column * width // parts[1], 0), (column * width // parts[1], height), LINES)
    for outline, measured in zip(detection.projection.outlines(disks, detection.radius), used, strict=True):
        at = (outline[:, ::-1] + 0.5) / seen.reduction - 0.5
        points = np.rint(at * 2**_FINER).astype(np.int32)
        cv2.polylines(picture, [points], True, USED if measured else LEFT_OUT, 1, cv2.LINE_AA, _FINER)
    written, data = cv2.imencode(
        ".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
    )
    assert written
    return _url("image/jpeg", data.tobytes())


def kernel(values: Kernel, brightest: float, reach: int) -> str:
    """The pixels of a kernel within ``reach`` px of its middle, ``brightest`` as the brightest colour; a data URL."""
    middle = len(values) // 2
    reach = min(reach, middle)
    shown = values[middle - reach : middle + reach + 1, middle - reach : middle + reach + 1]
    grey = np.rint(np.clip(shown / brightest, 0, 1) * 255).astype(np.uint8)
    large = cv2.resize(grey, (_TILE, _TILE), interpolation=cv2.INTER_NEAREST_EXACT)
    coloured = cv2.cvtColor(cv2.applyColorMap(large, cv2.COLORMAP_VIRIDIS), cv2.COLOR_BGR2RGB)
    return picture(np.asarray(coloured, np.uint8))


def picture(values: NDArray[np.uint8]) -> str:
    """An (H, W, 3) uint8 picture as a data URL."""
    return _url("image/png", png.encode_png(values))


def arrows(points: NDArray[np.float64], shifts: NDArray[np.float64], shape: tuple[int, int]) -> str:
    """Shifts (y, x) at points, of a sensor of a shape, enlarged so that the longest is seen well; a data URL."""
    scale = 460 / max(shape)
    height, width = (round(side * scale) for side in shape)
    finer = 3
    drawn = Image.new("RGB", (width * finer, height * finer), (255, 255, 255))
    pen = ImageDraw.Draw(drawn)
    pen.rectangle((0, 0, drawn.width - 1, drawn.height - 1), outline=(150, 150, 150), width=finer)
    longest = max(float(np.hypot(*shifts.T).max()), 1e-9)
    for (y, x), (down, across) in zip(points, shifts, strict=True):
        start = np.array([x, y]) * scale * finer
        end = start + np.array([across, down]) / longest * 36 * finer
        pen.line([*start, *end], (0, 114, 178), 2 * finer)
        pen.ellipse([*(start - 2.5 * finer), *(start + 2.5 * finer)], (0, 114, 178))
    return picture(np.asarray(drawn.resize((width, height), Image.Resampling.LANCZOS)))


def _url(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
