"""HDF5 files of the old HCI light field benchmark (Wanner, Meister, Goldluecke [1]_).

Dataset ``LF`` is [row of cameras, column of cameras, y, x, 3] uint8, ``GT_DEPTH`` [row, column, y, x] the
depth of every view (or [y, x] of the centre view). Disparity in pixels a view step is ``dH focalLength /
depth - shift``, positive nearer than the plane in focus, with the attributes ``dH`` (spacing of the
cameras), ``focalLength`` (pixels) and ``shift`` (pixels).

Cameras are usually numbered from right to left, but not in all files. Where there is a depth map, both
directions of both axes are tried, and the one in which the views agree best with it is taken. Without it
columns are taken from right to left and rows from top to bottom; the metadata tell which it was.

References
----------
.. [1] S. Wanner, S. Meister, B. Goldluecke, Datasets and benchmarks for densely sampled 4D light fields,
   VMV 2013, doi:10.2312/PE.VMV.VMV13.225-226.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np
from numpy.typing import NDArray

from lfsynth.errors import InputError
from lfsynth.lightfield import LightField
from lfsynth.readers.assembly import Brought, assemble, check_memory
from lfsynth.readers.hdf5 import as_picture, opened
from lfsynth.readers.options import Format, ReadOptions

_ATTRIBUTES = ("dH", "dV", "focalLength", "shift", "camDistance", "hRes", "vRes", "xRes", "yRes", "channels")


def read_hci_hdf5(path: Path, options: ReadOptions) -> LightField:
    """Read a file of the old HCI benchmark.

    Parameters
    ----------
    path : the file
    options : `transfer` and `judge` are heeded

    Raises
    ------
    InputError : where the file is damaged or has no dataset LF of five axes
    """
    with opened(path) as file:
        stored = file.get("LF")
        if stored is None or not isinstance(stored, h5py.Dataset) or stored.ndim != 5:
            raise InputError(
                path,
                f"has no dataset LF of five axes: it holds {', '.join(file) or 'nothing'}",
                "give a file of the HCI benchmark",
            )
        check_memory(path, stored.shape)
        grid = stored.shape[:2]
        attributes = {name: _number(file.attrs[name]) for name in _ATTRIBUTES if name in file.attrs}
        disparity = _disparity(file, attributes, grid, stored.shape[2:4])
        backward, why = (False, True), "assumed"
        if disparity is not None:
            backward, why = _directions(stored, disparity), "by agreement with the depth map"

        def view(u: int, v: int) -> NDArray[Any]:
            row = grid[0] - 1 - u if backward[0] else u
            column = grid[1] - 1 - v if backward[1] else v
            return as_picture(stored[row, column])

        return assemble(
            path,
            view,
            grid=grid,
            format=Format.HCI_HDF5,
            options=options,
            understood={
                "rows": "from the bottom" if backward[0] else "from the top",
                "columns": "from the right" if backward[1] else "from the left",
                "directions": why,
            },
            brought=Brought(disparity=disparity, capture=attributes),
        )


def _disparity(
    file: Any, attributes: dict[str, float], grid: tuple[int, int], size: tuple[int, int]
) -> NDArray[np.float32] | None:
    """Disparity (H, W) float32 of the centre view, where depth and cameras are given."""
    if "GT_DEPTH" not in file or not {"dH", "focalLength", "shift"} <= attributes.keys():
        return None
    depth = file["GT_DEPTH"]
    centre = depth[()] if depth.ndim == 2 else depth[grid[0] // 2, grid[1] // 2]
    centre = np.asarray(centre, np.float64)
    if centre.shape != tuple(size) or not (np.isfinite(centre) & (centre > 0)).all():
        return None
    nearness = attributes["dH"] * attributes["focalLength"] / centre
    return np.asarray(nearness - attributes["shift"], np.float32)


def _directions(stored: Any, disparity: NDArray[np.float32]) -> tuple[bool, bool]:
    """Whether the rows and the columns of cameras are stored backward, by which fits the disparity."""
    u0, v0 = stored.shape[0] // 2, stored.shape[1] // 2
    return (
        _is_backward(stored[u0, v0], stored[u0 - 1, v0], stored.shape[0] > 1, disparity, (1, 0)),
        _is_backward(stored[u0, v0], stored[u0, v0 - 1], stored.shape[1] > 1, disparity, (0, 1)),
    )


def _is_backward(
    centre: NDArray[Any],
    before: NDArray[Any],
    has_neighbour: bool,
    disparity: NDArray[np.float32],
    axis: tuple[int, int],
) -> bool:
    """Whether the view stored before the centre view looks like the one that comes after it.

    A point at (y, x) of the centre view lies at (y, x) - d step in the view that is one step further on.
    """
    if not has_neighbour:
        return False
    y, x = np.indices(disparity.shape, np.float32)
    misfit = []
    for step in (-1, 1):
        at = x - disparity * step * axis[1], y - disparity * step * axis[0]
        seen = cv2.remap(before.astype(np.float32), *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        misfit.append(float(np.mean(np.abs(seen - centre.astype(np.float32).reshape(seen.shape)))))
    return misfit[1] < misfit[0]


def _number(value: Any) -> float:
    """An attribute, which some files store as an array of one."""
    return float(np.asarray(value).reshape(-1)[0])
