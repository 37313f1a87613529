"""MATLAB files of the LFToolbox [1]_, of both generations: 5 to 7 (scipy) and 7.3 (HDF5, axes reversed).

The variable ``LF`` is [t, s, v, u, c] in MATLAB's order, which is this package's [u, v, y, x, c]: t and v
are vertical, s and u horizontal. Integers or floats, grey, RGB, or with a last channel that says how far a
pixel may be trusted (the toolbox's weight, from the white picture); the means of that channel over each
view, relative to the largest, become weights of the views, 0 below a tenth.

The toolbox writes linear light unless colours were corrected, and gamma-encoded light when they were. The
file does not tell reliably which it was. As corrected ones are what is passed around, sRGB is assumed for
integers and floats alike; say so where it is linear.

References
----------
.. [1] D. G. Dansereau, O. Pizarro, S. B. Williams, Decoding, calibration and rectification for lenselet-based
   plenoptic cameras, CVPR 2013, doi:10.1109/CVPR.2013.137.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat, whosmat
from scipy.io.matlab import MatReadError

from lfsynth.errors import InputError
from lfsynth.lightfield import LightField
from lfsynth.readers.assembly import Brought, assemble, check_memory
from lfsynth.readers.hdf5 import as_picture, opened
from lfsynth.readers.options import Format, ReadOptions
from lfsynth.transfer import SRGB

_INFO = "GeneratedByInfo"
_TRUST = 0.1  # of the most trusted view: the toolbox's views below it are those between the lenslets
_LARGEST_FLOAT = 2.0  # white is 1; more than twice that means another scale, not a highlight
_V5_ERRORS = (OSError, ValueError, TypeError, KeyError, IndexError, EOFError, zlib.error, MatReadError)


def read_mat(path: Path, options: ReadOptions) -> LightField:
    """Read the variable ``LF`` of a MATLAB file.

    Parameters
    ----------
    path : the file
    options : `transfer` and `judge` are heeded

    Raises
    ------
    InputError : where the file is damaged or has no such variable, or one of another shape, type or scale
    """
    if h5py.is_hdf5(path):
        views, capture, version = _read_hdf5(path)
    else:
        views, capture, version = _read_v5(path)
    grid, channels = (views.shape[0], views.shape[1]), views.shape[4]
    largest = float(views.max()) if views.dtype.kind == "f" else 0.0
    if largest > _LARGEST_FLOAT:
        raise InputError(
            path,
            f"its floating point values reach {largest:g}",
            "divide LF by its white level, so that white is 1",
        )
    trust = _trust(views) if channels in (2, 4) else None
    return assemble(
        path,
        lambda u, v: as_picture(views[u, v]),
        grid=grid,
        format=Format.MAT,
        options=options,
        understood={"version": version, "order": "LF[t, s, v, u, c]", "weight channel": trust is not None},
        brought=Brought(confidence=trust, capture=capture),
        float_transfer=SRGB,
    )


def _trust(views: NDArray[Any]) -> NDArray[np.float32] | None:
    """How far views may be trusted, (U, V) float32, from their weight channel; None where that is empty."""
    means = np.array([[view[..., -1].mean(dtype=np.float64) for view in row] for row in views])
    if not np.isfinite(means).all() or means.max() <= 0:
        return None
    relative = means / means.max()
    return np.where(relative < _TRUST, 0, relative).astype(np.float32)


def _checked_shape(path: Path, shape: tuple[int, ...], kind: str) -> tuple[int, ...]:
    """The shape [t, s, v, u, c] of LF; MATLAB drops the last axis of grey ones."""
    if len(shape) not in (4, 5) or kind not in ("uint8", "uint16", "single", "double", "float32", "float64"):
        raise InputError(
            path,
            f"its LF is {kind} of {' x '.join(map(str, shape))}",
            "LF must be [t, s, v, u, colour] of uint8, uint16, single or double",
        )
    check_memory(path, shape)
    return shape if len(shape) == 5 else (*shape, 1)


def _lacking(path: Path, there: list[str]) -> InputError:
    return InputError(
        path,
        f"has no variable LF: it holds {', '.join(sorted(there)) or 'nothing'}",
        "save the light field as LF, as LFToolbox does",
    )


def _read_v5(path: Path) -> tuple[NDArray[Any], dict[str, Any], str]:
    """LF, what the file says of its making, and the generation of the format."""
    try:
        there = {name: (shape, kind) for name, shape, kind in whosmat(path)}
        if "LF" not in there:
            raise _lacking(path, list(there))
        shape = _checked_shape(path, *there["LF"])
        loaded = loadmat(path, variable_names=["LF", _INFO], simplify_cells=True)
    except _V5_ERRORS as error:
        raise InputError(path, f"is damaged or no MATLAB file ({error})", "copy or save it again") from error
    found = loaded.get(_INFO)
    info = found.items() if isinstance(found, dict) else ()
    capture = {name: value for name, value in info if isinstance(value, str | int | float)}
    return np.ascontiguousarray(loaded["LF"]).reshape(shape), capture, "5 to 7"


def _read_hdf5(path: Path) -> tuple[NDArray[Any], dict[str, Any], str]:
    """The same from a file of version 7.3, whose axes are stored in reverse."""
    with opened(path) as file:
        there = [name for name in file if not name.startswith("#")]
        stored = file.get("LF")
        if stored is None:
            raise _lacking(path, there)
        if not isinstance(stored, h5py.Dataset):
            raise InputError(path, "its LF is no array", "save the light field itself as LF")
        shape = _checked_shape(path, stored.shape[::-1], str(stored.dtype))
        # the views are the two fastest axes: one transposition brings each view's pixels together
        planes = np.ascontiguousarray(stored[()].reshape(-1, shape[0] * shape[1]).T)
        views = planes.reshape(shape[1], shape[0], shape[4], shape[3], shape[2]).transpose(1, 0, 4, 3, 2)
        info = file.get(_INFO)
        texts = {name: _text(info[name]) for name in info} if isinstance(info, h5py.Group) else {}
    return views, {name: text for name, text in texts.items() if text}, "7.3"


def _text(stored: Any) -> str:
    """A MATLAB character array; empty for anything else."""
    if not isinstance(stored, h5py.Dataset) or stored.dtype != np.uint16:
        return ""
    return "".join(map(chr, np.asarray(stored[()]).ravel()))
