"""How far each pixel of a picture is out of focus, as ``lfsynth generate --defocus-maps`` writes it.

A map is a grey picture of 16 bits, at ``defocus/`` where the input is at ``input/``. It holds the radius of the circle
of confusion in 1/256 of the picture's pixels: disparity times aperture, from the light field itself. Networks take it
as (N, 1, H, W) from 0, in focus, to 1, a circle of 28 px diameter and more: the 29 steps of AIFNet's slices are whole
pixels then. Its paper does not say what its maps were scaled by.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drbnet.datasets import Pair, Pairs
from lfsynth.errors import InputError
from lfsynth.lfdof import DEFOCUS_SCALE
from lfsynth.pictures import Choose, read

WIDEST = 28
"""px, diameter of the circle of confusion whose value is 1."""


def with_maps(pairs: Pairs) -> Pairs:
    """The pairs with their defocus maps.

    Raises
    ------
    InputError : where a pair has none
    """
    return replace(pairs, pairs=tuple(replace(pair, defocus=_map_of(pair)) for pair in pairs.pairs))


def _map_of(pair: Pair) -> Path:
    path = pair.inputs[0]
    folder = next((parent for parent in path.parents if parent.name == "input"), None)
    if folder is not None:
        found = folder.with_name("defocus") / path.relative_to(folder)
        if found.is_file():
            return found
    raise InputError(
        path,
        "has no defocus map, which this network is trained with",
        "generate the pairs by lfsynth generate --defocus-maps, or train another network",
    )


def read_map(path: Path, choose: Choose | None = None) -> NDArray[np.float32]:
    """Read a map, or a region of it.

    Parameters
    ----------
    path : grey, of 16 bits
    choose : given height and width, the rows and columns to return; None: all

    Returns
    -------
    (H, W, 1) float32: diameter of the circle of confusion in `WIDEST` px, not limited to 1

    Raises
    ------
    InputError : where it cannot be read, is damaged, or is no such map
    """
    stored = read(path, choose)
    if stored.dtype != np.uint16 or stored.shape[2] != 1:
        raise InputError(path, "is no grey picture of 16 bits", "generate the defocus maps again")
    return stored.astype(np.float32) * np.float32(2 / (DEFOCUS_SCALE * WIDEST))
