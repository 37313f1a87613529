"""The grid of pixels on which a picture is sampled."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lfsynth.interpolation import OMOMS, REACH, Interpolation, sampling_matrix


@dataclass(frozen=True, eq=False)
class Frame:
    """The grid on which pictures are sampled, in pixels of the centre view (pixel centres at whole numbers).

    Attributes
    ----------
    rows, columns : (H',) and (W',) float64, evenly spaced positions of the picture's rows and columns
    """

    rows: NDArray[np.float64]
    columns: NDArray[np.float64]

    @staticmethod
    def native(size: tuple[int, int], *, margin: tuple[int, int] = (0, 0)) -> Frame:
        """The views' own pixels, without ``margin`` (vertical, horizontal) pixels on either side."""
        (height, width), (my, mx) = size, margin
        if 2 * my >= height or 2 * mx >= width:
            raise ValueError(f"a margin of {my} and {mx} pixels leaves nothing of {height} x {width}")
        return Frame(
            np.arange(my, height - my, dtype=np.float64), np.arange(mx, width - mx, dtype=np.float64)
        )

    @staticmethod
    def resized(size: tuple[int, int], target: tuple[int, int], *, margin: tuple[int, int] = (0, 0)) -> Frame:
        """The largest window of ``target``'s shape inside the views less ``margin``, in the middle, in target pixels.

        The scale is the same in both directions: a disk stays a disk.
        """
        (height, width), (my, mx) = size, margin
        if 2 * my >= height or 2 * mx >= width:
            raise ValueError(f"a margin of {my} and {mx} pixels leaves nothing of {height} x {width}")
        step = min((height - 2 * my) / target[0], (width - 2 * mx) / target[1])
        rows, columns = (
            (np.arange(wanted, dtype=np.float64) - (wanted - 1) / 2) * step + (there - 1) / 2
            for wanted, there in zip(target, size, strict=True)
        )
        return Frame(rows.astype(np.float64), columns.astype(np.float64))

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of a picture on this grid."""
        return self.rows.size, self.columns.size

    @property
    def step(self) -> float:
        """Centre view pixels a target pixel."""
        return float((self.rows[-1] - self.rows[0]) / (self.rows.size - 1)) if self.rows.size > 1 else 1.0

    @property
    def is_native(self) -> bool:
        """Whether the grid is made of the views' own pixels."""
        return all(
            np.array_equal(p, np.arange(p[0], p[0] + p.size)) and p[0] == round(p[0])
            for p in (self.rows, self.columns)
        )

    @property
    def fold(self) -> int:
        """How many times finer a grid has to be sampled, each way, lest pixels of the views be passed over."""
        return max(1, math.ceil(self.step - 1e-6))

    def refined(self) -> Frame:
        """The grid `fold` times finer, whose cells tile those of this one."""
        if self.fold == 1:
            return self
        offsets = ((np.arange(self.fold) - (self.fold - 1) / 2) / self.fold) * self.step
        rows = (self.rows[:, None] + offsets).ravel()
        columns = (self.columns[:, None] + offsets).ravel()
        return Frame(rows, columns)


def resample(
    picture: NDArray[np.float32], frame: Frame, *, interpolation: Interpolation = OMOMS
) -> NDArray[np.float32]:
    """A picture (H, W, C) of the centre view, sampled on a frame, (H', W', C) float32.

    On the views' own pixels it is a crop; otherwise it is interpolated as `refocus` interpolates views.
    """
    if frame.is_native:
        top, left = int(frame.rows[0]), int(frame.columns[0])
        return picture[top : top + frame.size[0], left : left + frame.size[1]]
    fine, fold = frame.refined(), frame.fold
    # Mirrored rather than 0 outside: there is but one picture, nothing else could stand in for it.
    pad = REACH + 2
    padded = np.pad(picture, ((pad, pad), (pad, pad), (0, 0)), mode="symmetric")
    across = sampling_matrix(fine.rows + pad, padded.shape[0], interpolation).astype(np.float32)
    along = sampling_matrix(fine.columns + pad, padded.shape[1], interpolation).astype(np.float32)
    sampled = np.tensordot(along, np.tensordot(across, padded, axes=(1, 0)), axes=(1, 1)).transpose(1, 0, 2)
    height, width = frame.size
    blocks = sampled.reshape(height, fold, width, fold, picture.shape[2])
    return np.ascontiguousarray(blocks.mean(axis=(1, 3), dtype=np.float32))
