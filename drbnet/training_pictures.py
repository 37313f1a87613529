"""Pictures of a validation: input, output and target side by side, and what each scale of the network does.

The latter is Fig. 4 of the paper: a row a scale from 1/8 to 1, with the scale's input, its kernels at two pixels, the
filtered residual, the direct residual and the output.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from drbnet.run_folder import make_folder
from lfsynth.pictures import write
from lfsynth.transfer import LINEAR

Picture = NDArray[np.uint8]
"""(H, W, 3), codes as shown."""

CELL = 256
"""px, side of a picture in the figure of the scales."""
GAP, TITLE, LEAST_WIDTH = 6, 22, 64
"""px, between pictures, of the line above them, and of a column, for its title."""
RESIDUAL_GAIN = 2.0
"""Residuals in [-1, 1] are shown about grey, so much stronger."""
AT = ((0.35, 0.35), (0.65, 0.65))
"""Where the kernels are shown: (y, x) as shares of height and width."""
_MARK = (255, 50, 25)
_WHITE = 255


def write_comparison(path: Path, rows: Sequence[tuple[Tensor, Tensor, Tensor]]) -> None:
    """Write input, output and target, a row a pair.

    rows : each three (3, H, W) in [-1, 1], the pairs of any sizes

    Raises
    ------
    InputError : where the file cannot be written
    """
    titles = ("input", "output", "target")
    _write(path, _table([[_shown(picture) for picture in row] for row in rows], titles))


def write_scales(path: Path, steps: Sequence[Any]) -> None:
    """Write what each scale does.

    Parameters
    ----------
    steps : from coarse to fine, each with image, filtered, residual and output (1, 3, h, w) in about [-1, 1], and
        kernels (1, k * k, h, w), as `drbnet.models.drbnet.Step`; what a network has not is None

    Raises
    ------
    InputError : where the file cannot be written
    """
    titles = ("input", "kernel A", "kernel B", "filtered", "residual", "output")
    rows = []
    for step in steps:
        kernels = [_kernel(step.kernels, at) for at in AT]
        residuals = [_residual(one) for one in (step.filtered, step.residual)]
        rows.append(
            [
                _marked(_cell(_shown(step.image[0])), step.image.shape[-2:]),
                *kernels,
                *residuals,
                _cell(_shown(step.output[0])),
            ]
        )
    _write(path, _table(rows, titles))


def _write(path: Path, picture: Picture) -> None:
    make_folder(path.parent)
    # As it is: a linear curve leaves codes what they are.
    write(path, picture.astype(np.float32) / np.float32(_WHITE), transfer=LINEAR)


def _shown(picture: Tensor) -> Picture:
    unit = (picture.detach().float().cpu().clamp(-1, 1) + 1) / 2
    shown: Picture = (unit * _WHITE).round().byte().permute(1, 2, 0).numpy()
    return shown


def _residual(residual: Tensor | None) -> Picture:
    if residual is None:
        return _empty()
    return _cell(_shown(residual[0] * RESIDUAL_GAIN))


def _kernel(kernels: Tensor | None, at: tuple[float, float]) -> Picture:
    """The kernel at a pixel: grey is 0, white and black are its largest weight, positive and negative."""
    if kernels is None:
        return _empty()
    height, width = kernels.shape[-2:]
    weights = kernels[0, :, int(at[0] * height), int(at[1] * width)].detach().float().cpu().numpy()
    side = round(len(weights) ** 0.5)
    largest = max(float(np.abs(weights).max()), 1e-12)
    grey = np.rint((0.5 + 0.5 * weights.reshape(side, side) / largest) * _WHITE).astype(np.uint8)
    return _cell(np.repeat(grey[:, :, None], 3, axis=2))


def _empty() -> Picture:
    return np.full((CELL, CELL, 3), _WHITE, np.uint8)


def _cell(picture: Picture) -> Picture:
    """A picture brought to a cell's size, its shape kept; pixels of small ones are shown as squares."""
    height, width = picture.shape[:2]
    factor = CELL / max(height, width)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    way = cv2.INTER_NEAREST if factor >= 1 else cv2.INTER_AREA
    found = _empty()
    found[: size[1], : size[0]] = cv2.resize(np.ascontiguousarray(picture), size, interpolation=way)
    return found


def _marked(cell: Picture, size: Sequence[int]) -> Picture:
    """With the pixels of the kernels marked, the cell being that of a picture of this size (h, w)."""
    height, width = (side * CELL / max(size) for side in size)
    for name, (y, x) in zip("AB", AT, strict=True):
        at = (int(x * width), int(y * height))
        cv2.circle(cell, at, 4, _MARK, 1, cv2.LINE_AA)
        cv2.putText(cell, name, (at[0] + 6, at[1] + 4), cv2.FONT_HERSHEY_SIMPLEX, 0.4, _MARK, 1, cv2.LINE_AA)
    return cell


def _table(rows: Sequence[Sequence[Picture]], titles: Sequence[str]) -> Picture:
    heights = [max(picture.shape[0] for picture in row) for row in rows]
    widths = [max(LEAST_WIDTH, *(row[column].shape[1] for row in rows)) for column in range(len(titles))]
    size = (TITLE + sum(heights) + GAP * len(rows), sum(widths) + GAP * (len(titles) - 1), 3)
    table = np.full(size, _WHITE, np.uint8)
    left = 0
    for column, (title, width) in enumerate(zip(titles, widths, strict=True)):
        cv2.putText(
            table, title, (left + 2, TITLE - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA
        )
        top = TITLE
        for row, height in zip(rows, heights, strict=True):
            picture = row[column]
            table[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
            top += height + GAP
        left += width + GAP
    return table
