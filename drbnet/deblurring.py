"""Photographs deblurred: a network ready for pictures of any size, and one file made of another."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import nn

from drbnet.choices import Autocast, Device
from drbnet.models.architecture import Architecture
from drbnet.photographs import Format, Photograph, encode_photograph, read_photograph
from drbnet.tiling import TAPER, Codes, Progress, Tiling, whole_or_tiled
from drbnet.weights import chosen_device, load_network
from lfsynth.errors import InputError
from lfsynth.machine import free_memory
from lfsynth.pictures import write_bytes_atomic

CUDA_ROOM = 1000 / 720
"""What cuDNN takes to work with, as a factor to the CPU's memory; where it is too little, smaller tiles are tried."""
USUAL_MEMORY = 1400 << 20
"""Bytes for a tile on the CPU where nothing else is asked for: a picture of 24 megapixels then takes less than 2.5 GB
in all, and much larger tiles are little faster."""
SHARE = 0.5
"""Of the memory that is free."""
GAP = 16
"""px of white between the two sides of a comparison."""


@dataclass(frozen=True)
class Deblurrer:
    """A network, and how it goes over pictures; call it with a picture's views.

    Attributes
    ----------
    network : in evaluation mode, on the device
    architecture : what it is
    digest : SHA-256 of the weights' file, hexadecimal
    device, autocast : where the arithmetic is done, and how precisely
    memory : bytes that a tile may take; None: chosen from what is free
    tile : side of tiles with their margins, px; None: by memory
    margin : px of tiles that are thrown away, see `Tiling`; None: as far as the network looks
    """

    network: nn.Module
    architecture: Architecture
    digest: str
    device: torch.device
    autocast: Autocast = Autocast.NONE
    memory: int | None = None
    tile: int | None = None
    margin: int | None = None

    @classmethod
    def load(
        cls,
        weights: Path,
        *,
        device: Device = Device.AUTO,
        autocast: Autocast = Autocast.NONE,
        memory: int | None = None,
        tile: int | None = None,
        margin: int | None = None,
    ) -> Deblurrer:
        """The network of a file of weights, see `drbnet.weights.load_network`.

        Raises
        ------
        InputError : where the weights cannot be used, there is no such device, or tile and margin make no tiling
        """
        place = chosen_device(device)
        network, architecture = load_network(weights, place)
        digest = hashlib.sha256(weights.read_bytes()).hexdigest()
        made = cls(network, architecture, digest, place, autocast, memory, tile, margin)
        try:
            made.tiling()
        except ValueError as error:
            raise InputError("--tile", str(error), "choose another") from None
        return made

    @property
    def used_margin(self) -> int:
        """How many px of tiles are thrown away."""
        return self.architecture.margin if self.margin is None else self.margin

    @property
    def bytes_a_pixel(self) -> float:
        """That the network takes on its device, beyond its weights."""
        each = self.architecture.bytes_a_pixel
        return each * CUDA_ROOM if self.device.type == "cuda" else each

    def tiling(self) -> Tiling:
        """How a picture is cut, with the memory that is free now."""
        margin, multiple = self.used_margin, self.architecture.multiple
        if self.tile is not None:
            return Tiling(self.tile, margin, max(TAPER, multiple), multiple)
        if self.memory is not None:
            free = self.memory
        elif self.device.type == "cuda":
            free = int(SHARE * torch.cuda.mem_get_info(self.device)[0])
        else:
            free = min(USUAL_MEMORY, int(SHARE * free_memory()))
        return Tiling.of_memory(free, self.bytes_a_pixel, margin=margin, multiple=multiple)

    def __call__(self, views: Sequence[Codes], progress: Progress | None = None) -> Codes:
        """Deblurred picture (H, W, 3) of views (H, W, 3) uint8 or uint16, see `whole_or_tiled`."""
        return whole_or_tiled(
            self.network,
            views,
            self.tiling(),
            device=self.device,
            autocast=self.autocast,
            progress=progress,
        )


@dataclass(frozen=True)
class Output:
    """What is written.

    Attributes
    ----------
    quality : of JPEG, 1 to 100; None: as the source
    compare : also write the input beside the output, under the name of `comparison_path`
    """

    quality: int | None = None
    compare: bool = False


FORMATS = {
    ".jpg": Format.JPEG,
    ".jpeg": Format.JPEG,
    ".png": Format.PNG,
    ".tif": Format.TIFF,
    ".tiff": Format.TIFF,
}
"""By the suffixes of files that are written."""


def deblur_picture(
    deblurrer: Deblurrer,
    sources: Sequence[Path],
    target: Path,
    output: Output,
    progress: Progress | None = None,
) -> tuple[int, int]:
    """Deblur a file into another, whose suffix is its format.

    Parameters
    ----------
    deblurrer : the network
    sources : the picture, for a dual network followed by the right and the left view
    target : written last, so that where it is there, all is
    output : what is written
    progress : told of each tile

    Returns
    -------
    height and width, upright

    Raises
    ------
    InputError : where a file cannot be read or written, or views do not go together
    """
    form = FORMATS.get(target.suffix.lower())
    if form is None:
        raise InputError(target, "a picture of this suffix cannot be written", "take .jpg, .png or .tif")
    photographs = [read_photograph(source) for source in sources]
    photograph, views = photographs[0], [one.rgb() for one in photographs]
    if form is Format.JPEG and photograph.alpha is not None:
        raise InputError(photograph.path, "JPEG cannot hold its alpha", "take --format png or tiff")
    for other, view in zip(photographs, views, strict=True):
        if view.shape != views[0].shape or view.dtype != views[0].dtype:
            fault = f"is {_kind(other)}, but {photograph.path.name} is {_kind(photograph)}"
            raise InputError(other.path, fault, "take views of one capture")
    colours = deblurrer(views, progress)
    if output.compare:
        compared = encode_photograph(*_compared(photograph, views[0], colours), form, quality=output.quality)
        write_bytes_atomic(comparison_path(target), compared)
        del compared
    write_bytes_atomic(target, encode_photograph(photograph, colours, form, quality=output.quality))
    return colours.shape[0], colours.shape[1]


def comparison_path(target: Path) -> Path:
    """Where the comparison of a result goes."""
    return target.with_name(f"{target.stem}_compare{target.suffix}")


def _compared(photograph: Photograph, before: Codes, after: Codes) -> tuple[Photograph, Codes]:
    """Input and output side by side, upright, as a photograph."""
    white = np.full((len(before), GAP, 3), np.iinfo(before.dtype).max, before.dtype)
    both = cast(Codes, np.concatenate((before, white, after), axis=1))
    metadata = photograph.metadata.upright()
    return replace(photograph, colours=both, alpha=None, metadata=metadata), both


def _kind(photograph: Photograph) -> str:
    height, width = photograph.colours.shape[:2]
    return f"{width} x {height} of {photograph.bits} bits"
