"""Where a picture's codes hold less or more light than they say."""

from __future__ import annotations

from enum import Enum

import numpy as np
from numpy.typing import NDArray

from lfsynth.pictures import Picture

_PILE = 1e-3
"""Of the pixels: fewer at the highest code are glints."""

_PILE_STEP = 2.0
"""Times as many pixels at the highest code as at the one before it: they are not the tail of a distribution."""

_SPARSE = 7
"""Every so many pixels show what codes there are."""

_LEAST_CODES = 8
"""Different codes: with fewer there is no noise by which to tell."""


class Clip(Enum):
    """Values of a clipping map."""

    NONE = 0
    BLACK = 1
    WHITE = 2


def clipping(codes: Picture, black: float, white: float) -> NDArray[np.uint8]:
    """Where codes are clipped.

    White is clipped at the highest code that there is, where more pixels have it than can be by chance: cameras
    and converters clip below the format's highest code, too.

    Parameters
    ----------
    codes : (H, W) uint8, uint16 or float32
    black, white : codes that stand for no light and for the most

    Returns
    -------
    (H, W) uint8, values of `Clip`
    """
    highest = codes.max()
    top = int(np.count_nonzero(codes == highest))
    clipped = (codes <= black).view(np.uint8) * np.uint8(Clip.BLACK.value)
    if top > _PILE * codes.size and (highest >= white or _is_pile(codes, top)):
        clipped[codes == highest] = Clip.WHITE.value
    return clipped


def _is_pile(codes: Picture, top: int) -> bool:
    """Whether the `top` pixels of the highest code, which is not the format's, are too many to be the tail of noise."""
    if len(np.unique(codes[::_SPARSE, ::_SPARSE])) < _LEAST_CODES:
        return False
    below = codes[codes < codes.max()]
    return top > _PILE_STEP * int(np.count_nonzero(below == below.max()))
