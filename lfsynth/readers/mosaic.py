"""One picture that holds all views: ESLF, where they interleave, and tiled, where they lie side by side.

In an ESLF picture (the Stanford and Kalantari Lytro archives) the pixels of each lenslet stand together:
pixel ``(y U + u, x V + v)`` is pixel (y, x) of view (u, v), with 14 x 14 views by convention. In a tiled
picture view (u, v) is the block at rows ``u h`` and columns ``v w``. The two cannot be told apart by what
they hold, so that a name ending in ``_eslf`` or an option has to say.
"""

from __future__ import annotations

from pathlib import Path

from lfsynth import pictures
from lfsynth.errors import InputError
from lfsynth.lightfield import LightField
from lfsynth.readers.assembly import assemble
from lfsynth.readers.options import Format, ReadOptions

ESLF_VIEWS = (14, 14)


def read_eslf(path: Path, options: ReadOptions) -> LightField:
    """Read a picture whose neighbouring pixels are the views of a lenslet.

    Parameters
    ----------
    path : the picture
    options : its `views` are the pixels (U, V) of a lenslet; None: 14 x 14

    Raises
    ------
    InputError : where the picture is unreadable or its size is no multiple of the views
    """
    picture = pictures.read(path)
    grid = options.views or ESLF_VIEWS
    _check_divisible(path, picture.shape[:2], grid)
    return assemble(
        path,
        lambda u, v: picture[u :: grid[0], v :: grid[1]],
        grid=grid,
        format=Format.ESLF,
        options=options,
        understood={"lenslet": list(grid), "order": "views interleaved"},
    )


def read_tiled(path: Path, options: ReadOptions) -> LightField:
    """Read a picture with the views side by side.

    Parameters
    ----------
    path : the picture
    options : its `views` are needed

    Raises
    ------
    InputError : where `views` is not given, the picture is unreadable, or its size is no multiple of the
        views
    """
    if options.views is None:
        raise InputError(path, "is one picture of an unknown number of views", "give --views UxV")
    picture = pictures.read(path)
    grid = options.views
    _check_divisible(path, picture.shape[:2], grid)
    height, width = picture.shape[0] // grid[0], picture.shape[1] // grid[1]
    return assemble(
        path,
        lambda u, v: picture[u * height : (u + 1) * height, v * width : (v + 1) * width],
        grid=grid,
        format=Format.TILED,
        options=options,
        understood={"tile": [height, width], "order": "views side by side"},
    )


def _check_divisible(path: Path, size: tuple[int, ...], grid: tuple[int, int]) -> None:
    if size[0] % grid[0] or size[1] % grid[1]:
        raise InputError(
            path,
            f"its {size[0]} x {size[1]} pixels cannot be divided among {grid[0]} x {grid[1]} views",
            "give the right --views UxV",
        )
