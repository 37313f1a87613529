"""What all readers share: room for the views, their checks, and the finished light field."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lfsynth.errors import InputError
from lfsynth.lightfield import LightField
from lfsynth.pictures import Picture
from lfsynth.readers.options import Format, ReadOptions
from lfsynth.transfer import LINEAR, SRGB, Transfer, linearise
from lfsynth.vignetting import apply_gains, judge_views

_RESERVE = 0.9  # share of the free memory that the views may take


@dataclass(frozen=True)
class Brought:
    """What a file brings beside its views; None: nothing.

    Attributes
    ----------
    weights, gains : (U, V) float32, taken as they are instead of a judgement of the views
    confidence : (U, V) float32 in [0, 1], multiplied into the weights that the judgement finds
    f_number_radius, disparity : as in `LightField`
    capture : what the file says of the capture, JSON values
    """

    weights: NDArray[np.float32] | None = None
    gains: NDArray[np.float32] | None = None
    confidence: NDArray[np.float32] | None = None
    f_number_radius: float | None = None
    disparity: NDArray[np.float32] | None = None
    capture: dict[str, Any] | None = None


_NOTHING = Brought()


def assemble(
    path: Path,
    view: Callable[[int, int], Picture],
    *,
    grid: tuple[int, int],
    format: Format,
    options: ReadOptions,
    understood: dict[str, Any],
    brought: Brought = _NOTHING,
    float_transfer: Transfer = LINEAR,
    view_name: Callable[[int, int], str] | None = None,
) -> LightField:
    """Read the views one by one into one array of linear light, and judge them.

    Parameters
    ----------
    path : named in errors and as the light field's source
    view : gives view (u, v) as stored, [y, x, c] with 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGB, alpha)
        channels; alpha is dropped
    grid : number of views (U, V)
    format : said in the metadata
    options : its `transfer` goes before the default, its `judge` is heeded
    understood : JSON values for the metadata: how the file was read
    brought : what else the file holds
    float_transfer : the curve of floating point values where `options` names none
    view_name : what errors call view (u, v)

    Raises
    ------
    InputError : for a single view, views of a single pixel, views of different size, values that are not
        finite, and where there is not enough memory
    """
    if options.views not in (None, grid):
        raise InputError(
            path,
            f"holds {grid[0]} x {grid[1]} views, not {options.views[0]} x {options.views[1]}",
            "correct --views or leave it out",
        )
    for what, plane in (("weights", brought.weights), ("gains", brought.gains)):
        if plane is not None and plane.shape != grid:
            raise InputError(
                path,
                f"tells {what} of {' x '.join(map(str, plane.shape))} views, but has {grid[0]} x {grid[1]}",
                "write it again",
            )
    name = view_name or (lambda u, v: f"view ({u}, {v})")
    first = colours(path, view(0, 0))
    default = float_transfer if first.dtype == np.float32 else SRGB
    transfer = options.transfer or default
    if brought.disparity is not None and brought.disparity.shape != first.shape[:2]:
        raise InputError(
            path,
            f"its true disparity is {' x '.join(map(str, brought.disparity.shape))}, "
            f"but its views are {first.shape[0]} x {first.shape[1]}",
            "put the right file there or remove it",
        )
    views = allocate(path, grid, first.shape[:2], first.shape[2])
    for u, v in np.ndindex(grid):
        codes = colours(path, view(u, v)) if (u, v) != (0, 0) else first
        if codes.shape != first.shape:
            raise InputError(
                path,
                f"{name(u, v)} is {_described(codes)}, but {name(0, 0)} is {_described(first)}",
                "all views of a light field must have one size and one number of channels",
            )
        if codes.dtype == np.float32 and not np.isfinite(codes).all():
            raise InputError(
                path,
                f"{name(u, v)} has values that are not finite (NaN or infinity)",
                "write the file again without them",
            )
        views[u, v] = linearise(codes, transfer)
    weights, gains, vignetting = _judged(views, options, brought)
    return LightField(
        views=views,
        weights=weights,
        gains=gains,
        source=path,
        f_number_radius=brought.f_number_radius,
        disparity=brought.disparity,
        metadata={
            "format": format.value,
            "understood": understood,
            "bits": 8 * first.dtype.itemsize,
            "transfer": str(transfer),
            "vignetting": vignetting,
            "capture": brought.capture or {},
        },
    )


def allocate(path: Path, grid: tuple[int, int], size: tuple[int, int], channels: int) -> NDArray[np.float32]:
    """Room for the views, (U, V, H, W, C) float32, not initialised.

    Raises
    ------
    InputError : where the numbers make no light field, or one that does not fit into the free memory
    """
    if math.prod(grid) < 2:
        raise InputError(
            path, "holds a single view", "a light field needs several views of one scene; give all of them"
        )
    if min(size) < 2:
        raise InputError(
            path,
            f"its views are {size[0]} x {size[1]} pixels",
            "check the number of views: a view must be a picture",
        )
    shape = (*grid, *size, channels)
    check_memory(path, shape)
    return np.empty(shape, np.float32)


def check_memory(path: Path, shape: tuple[int, ...]) -> None:
    """Refuse what claims more memory, as float32, than is free.

    Raises
    ------
    InputError : naming the size claimed and the memory there is
    """
    claimed, free = 4 * math.prod(shape), _free_memory()
    if claimed > _RESERVE * free:
        raise InputError(
            path,
            f"claims {' x '.join(map(str, shape))} values, {claimed / 1e9:.1f} GB as float32, "
            f"of {free / 1e9:.1f} GB free",
            "check that the file is whole, or read it on a machine with more memory",
        )


def _free_memory() -> int:
    """Bytes that a program can still get without swapping."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def colours(path: Path, codes: Picture) -> Picture:
    """The picture [y, x, 1|3] without its alpha channel."""
    channels = codes.shape[2] if codes.ndim == 3 else 0
    if channels not in (1, 2, 3, 4):
        raise InputError(
            path,
            f"has pictures of shape {' x '.join(map(str, codes.shape))}",
            "a picture must have 1 (grey), 2, 3 (RGB) or 4 channels",
        )
    return codes[..., : 1 if channels < 3 else 3]


def _described(codes: Picture) -> str:
    height, width, channels = codes.shape
    return f"{height} x {width} with {channels} channel{'s' if channels > 1 else ''}"


def _judged(
    views: NDArray[np.float32], options: ReadOptions, brought: Brought
) -> tuple[NDArray[np.float32], NDArray[np.float32], dict[str, Any]]:
    """Weights and gains of the file, else of `judge_views`, whose gains are applied to `views`."""
    ones = np.ones(views.shape[:2], np.float32)
    if brought.weights is not None or brought.gains is not None:
        weights = ones if brought.weights is None else brought.weights
        gains = ones if brought.gains is None else brought.gains
        return weights, gains, {"from": "file"}
    confidence = ones if brought.confidence is None else brought.confidence
    if not options.judge:
        return confidence, ones.copy(), {"from": "not judged"}
    weights, gains, report = judge_views(views)
    apply_gains(views, gains)
    return weights * confidence, gains, {"from": "views", **report}
