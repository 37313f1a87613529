"""Models as text, such as ``pillbox:radius=10``, and as arrays that hold them.

A model's text is its family's name of `psf.families` (a hyphen for a space) and its parameters, px unless the family
says otherwise, so that what one command prints another one takes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from lfsynth.errors import InputError
from psf.families import FAMILIES
from psf.models import Model

LEAST_LIGHT = 0.98
"""Part of a model's light that a size chosen for it holds."""
SMALLEST, LARGEST = 9, 401
"""px, of sizes that are chosen."""
_GROWTH = 1.15
_MARGIN = 2
"""px of darkness left around what is bounded."""


def parse_model(text: str) -> Model:
    """Read a model from its text.

    Raises
    ------
    InputError : for an unknown family or parameter, one that is missing, and a value out of its limits
    """
    name, _, rest = text.strip().lower().partition(":")
    name = name.strip().replace("-", " ")
    if name not in FAMILIES:
        known = ", ".join(family.replace(" ", "-") for family in FAMILIES)
        raise InputError("--model", f"there is no model {name!r}", f"choose of {known}")
    family = FAMILIES[name]
    example = model_text(name, dict.fromkeys(family.parameters, 5.0))
    values: dict[str, float] = {}
    for part in rest.split(",") if rest.strip() else []:
        key, _, value = (piece.strip() for piece in part.partition("="))
        if key not in family.parameters:
            raise InputError("--model", f"{name} has no parameter {key!r}", f"write it as {example}")
        low, high = family.parameters[key]
        try:
            values[key] = float(value)
        except ValueError:
            values[key] = math.nan
        if not low <= values[key] <= high:
            raise InputError(
                "--model", f"{key} is {value!r}", f"give {key} a number from {low:g} to {high:g}"
            )
    missing = [key for key in family.parameters if key not in values]
    if missing:
        raise InputError("--model", f"{name} lacks {' and '.join(missing)}", f"write it as {example}")
    return family.build(values)


def model_text(family: str, values: Mapping[str, float]) -> str:
    """The text that `parse_model` reads, to six digits."""
    parameters = ",".join(f"{key}={value:.6g}" for key, value in values.items())
    return f"{family.replace(' ', '-')}:{parameters}"


def size_holding(model: Model, part: float = LEAST_LIGHT, *, centre: tuple[float, float] = (0, 0)) -> int:
    """The smallest odd size, of a series of sizes, that holds a part of a model's light; at most `LARGEST`."""
    size = SMALLEST
    while size < LARGEST and light_inside(model, size, centre=centre) < part:
        size = min(LARGEST, 2 * int(size * _GROWTH / 2 + 1) + 1)
    return min(LARGEST, size + 2 * _MARGIN)


def light_inside(model: Model, size: int, *, centre: tuple[float, float] = (0, 0)) -> float:
    """Part of a model's light that falls on (size, size) pixels."""
    return float(model.light(size, centre=centre, pixel=1.0).sum())


def fine_kernel(model: Model, size: int, cells: int) -> NDArray[np.float64]:
    """A model's optical kernel on a grid finer than the pixels.

    Parameters
    ----------
    model : any of `psf.models`
    size : odd, px
    cells : across a pixel

    Returns
    -------
    (m, m) float64 of sum 1, m = (size - 1) cells + 1, light on each cell; the model's centre is the middle cell's
    """
    length = size * cells
    fine = np.empty((length, length))
    for down in range(cells):
        for across in range(cells):
            # cells that lie so many cells below and right of the pixels' middles
            here = -down / cells, -across / cells
            fine[down::cells, across::cells] = model.light(size, centre=here, pixel=1 / cells)
    fine = fine[: length - cells + 1, : length - cells + 1]
    return np.asarray(fine / fine.sum())
