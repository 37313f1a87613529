"""A network over a picture of any size: tile by tile, the picture itself staying in the host's memory.

Pictures are [y, x, c], RGB codes of 8 or 16 bits as stored. Tiles begin at multiples of 8 (of DRBNet; others have
their own, see `drbnet.models.architecture`), where the network's own grids do, and end where the picture ends or at
such a multiple: at the picture's edges the network sees what it sees of the whole. Everywhere else a tile's outermost
`MARGIN` pixels are computed and thrown away. That is the network's reach (what lies farther off is in no way looked
at), so tiled and whole results differ by the rounding of sums alone, whatever the weights. Inside the margins
neighbours overlap by a taper over which one is blended into the other, which hides the coarser rounding of half
precision.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from drbnet.choices import Autocast
from drbnet.models.drbnet import MULTIPLE, Architecture
from lfsynth.errors import InputError

MARGIN = Architecture.margin
"""px: how far DRBNet looks."""
TAPER = 16
"""px over which neighbouring tiles are blended."""
SMALLEST, LARGEST = 64, 4096
"""Sides in px, without margins and taper, of tiles that are chosen from memory."""

Codes = NDArray[np.uint8] | NDArray[np.uint16]
Progress = Callable[[int, int], None]
"""Called with the number of pixels that are done, and of all."""

_DTYPES = {Autocast.BF16: torch.bfloat16, Autocast.FP16: torch.float16}


@dataclass(frozen=True)
class Tiling:
    """How a picture is cut.

    Attributes
    ----------
    tile : side of a tile with its margins, px; a picture that is no larger is one tile
    margin : px that are computed and thrown away; less than the network's reach is quicker and not exact
    taper : px over which neighbours are blended
    multiple : px, of which all of these are multiples, as the places are where tiles begin
    """

    tile: int
    margin: int = MARGIN
    taper: int = TAPER
    multiple: int = MULTIPLE

    def __post_init__(self) -> None:
        sides = (self.tile, self.margin, self.taper)
        if any(side < 0 or side % self.multiple for side in sides):
            raise ValueError(f"tile, margin and taper must be multiples of {self.multiple}, not {sides}")
        # No more than two tiles may meet: a taper begins after the one before it has ended.
        if self.tile < 2 * (self.margin + self.taper) + self.multiple:
            raise ValueError(f"tiles of {self.tile} px have no middle within a margin of {self.margin} px")

    @property
    def overlap(self) -> int:
        """Pixels that two neighbours share."""
        return 2 * self.margin + self.taper

    @classmethod
    def of_memory(
        cls, free: int, bytes_a_pixel: float, *, margin: int = MARGIN, multiple: int = MULTIPLE
    ) -> Tiling:
        """The largest tiles that so many bytes are enough for, within `SMALLEST` and `LARGEST`."""
        taper = max(TAPER, multiple)
        around = 2 * margin + 2 * taper
        side = int((free / bytes_a_pixel) ** 0.5) - around if free > 0 else 0
        side = min(max(side, SMALLEST), LARGEST) // multiple * multiple
        return cls(side + around, margin, taper, multiple)


@dataclass(frozen=True)
class Span:
    """A tile along one axis.

    Attributes
    ----------
    start, stop : what the network sees
    first, last : what is used of it
    weights : (last - first,) float32 in the blend; where neighbours overlap, the two sum to 1
    """

    start: int
    stop: int
    first: int
    last: int
    weights: NDArray[np.float32]


def spans(length: int, tiling: Tiling) -> list[Span]:
    """Tiles along an axis of `length` px, as few as there can be, and as small as so few can be."""
    if length <= tiling.tile:
        return [Span(0, length, 0, length, np.ones(length, np.float32))]
    shared = tiling.overlap
    count = -(-(length - shared) // (tiling.tile - shared))
    side = -(-(length + (count - 1) * shared) // count)
    side += -side % tiling.multiple
    starts = [k * (side - shared) for k in range(count)]
    ramp = (np.arange(tiling.taper, dtype=np.float32) + np.float32(0.5)) / np.float32(max(tiling.taper, 1))
    found = []
    for k, start in enumerate(starts):
        stop = length if k == count - 1 else start + side
        first = 0 if k == 0 else start + tiling.margin
        last = length if k == count - 1 else stop - tiling.margin
        weights = np.ones(last - first, np.float32)
        if k > 0:
            weights[: tiling.taper] = ramp
        if k < count - 1:
            weights[len(weights) - tiling.taper :] = 1 - ramp
        found.append(Span(start, stop, first, last, weights))
    return found


def whole_or_tiled(
    network: nn.Module,
    views: Sequence[Codes],
    tiling: Tiling,
    *,
    device: torch.device | None = None,
    autocast: Autocast = Autocast.NONE,
    progress: Progress | None = None,
) -> Codes:
    """What a network makes of a picture.

    Where a device has too little memory for a tile, tiles of half the side are tried.

    Parameters
    ----------
    network : takes views (1, 3, H, W) in [-1, 1] and gives the like; in evaluation mode, on `device`
    views : (H, W, 3) uint8 or uint16, one, or the combined, right and left one of a dual-pixel sensor
    tiling : how the picture is cut
    device : where tiles go; None: the CPU
    autocast : precision of the network's arithmetic
    progress : told of each tile that is done

    Returns
    -------
    (H, W, 3), of the views' dtype

    Raises
    ------
    TypeError : for views of other shapes or dtypes
    InputError : where the network gives values that are no numbers, or no tile fits into the device's memory
    """
    first = views[0]
    for view in views:
        if view.ndim != 3 or view.shape[2] != 3 or view.dtype not in (np.uint8, np.uint16) or not view.size:
            raise TypeError(f"a view must be uint8 or uint16 [y, x, 3], not {view.dtype} {view.shape}")
        if view.shape != first.shape or view.dtype != first.dtype:
            raise TypeError(
                f"views differ: {first.dtype} {first.shape} and {view.dtype} {view.shape}, not alike"
            )
    device = device or torch.device("cpu")
    while True:
        try:
            return _tiled(network, views, tiling, device, autocast, progress)
        except torch.OutOfMemoryError as error:
            middle = (tiling.tile - 2 * (tiling.margin + tiling.taper)) // 2
            middle -= middle % tiling.multiple
            if middle < SMALLEST:
                fault = f"has too little free memory for tiles of {tiling.tile} px"
                raise InputError(str(device), fault, "take --device cpu") from error
            tiling = replace(tiling, tile=middle + 2 * (tiling.margin + tiling.taper))
            torch.cuda.empty_cache()


def _tiled(
    network: nn.Module,
    views: Sequence[Codes],
    tiling: Tiling,
    device: torch.device,
    autocast: Autocast,
    progress: Progress | None,
) -> Codes:
    height, width = views[0].shape[:2]
    white = np.float32(np.iinfo(views[0].dtype).max)
    rows, columns = spans(height, tiling), spans(width, tiling)
    result = np.empty_like(views[0])
    carried, made = np.zeros((0, width, 3), np.float32), 0
    for down, below in itertools.zip_longest(rows, rows[1:]):
        # What the next row of tiles adds to is carried over to it.
        band = np.zeros((down.last - down.first, width, 3), np.float32)
        band[: len(carried)] = carried
        for across in columns:
            part = _tile(network, views, down, across, device, autocast)
            part *= down.weights[:, None, None]
            part *= across.weights[:, None]
            band[:, across.first : across.last] += part
            if progress is not None:
                made += 1
                progress(width * height * made // (len(rows) * len(columns)), width * height)
        done = len(band) if below is None else below.first - down.first
        for y in range(done):  # a row at a time, for memory's sake
            result[down.first + y] = _codes(band[y], white)
        carried = band[done:].copy()
    return result


def _tile(
    network: nn.Module,
    views: Sequence[Codes],
    down: Span,
    across: Span,
    device: torch.device,
    autocast: Autocast,
) -> NDArray[np.float32]:
    """What is used of a tile, (rows, columns, 3) in [-1, 1]."""
    region = (slice(down.start, down.stop), slice(across.start, across.stop))
    half = autocast is not Autocast.NONE
    context = torch.autocast(device.type, _DTYPES[autocast]) if half else nullcontext()
    with torch.inference_mode(), context:
        output: Tensor = network(*(_tensor(view[region], device) for view in views))[0]
        used = output[
            :,
            down.first - down.start : down.last - down.start,
            across.first - across.start : across.last - across.start,
        ]
        if not bool(torch.isfinite(used).all()):
            cure = "take --autocast none" if half else "check the weights and how they were trained"
            raise InputError("--weights", "they give values that are no numbers", cure)
        part: NDArray[np.float32] = used.float().permute(1, 2, 0).contiguous().cpu().numpy()
        return part


def _tensor(codes: Codes, device: torch.device) -> Tensor:
    """Codes (H, W, 3) to (1, 3, H, W) in [-1, 1], scaled where the network is."""
    white = np.iinfo(codes.dtype).max
    # Not every device knows uint16.
    plain = codes.astype(np.float32) if codes.dtype == np.uint16 else np.ascontiguousarray(codes)
    tensor = torch.from_numpy(plain).to(device).permute(2, 0, 1)[None]
    return tensor.to(torch.float32, memory_format=torch.contiguous_format).mul_(2 / white).sub_(1)


def _codes(values: NDArray[np.float32], white: np.float32) -> NDArray[np.float32]:
    """Values in [-1, 1] as codes, rounded."""
    codes: NDArray[np.float32] = np.rint((np.clip(values, -1, 1) + np.float32(1)) * (white / np.float32(2)))
    return codes
