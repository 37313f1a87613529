"""Light fields to files, in each layout that other programs read: HDF5, a folder of views, or one ESLF picture."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from enum import Enum
from pathlib import Path

import numpy as np

from lfsynth import pictures
from lfsynth.errors import InputError
from lfsynth.lightfield import LightField
from lfsynth.readers.folder import FACTS
from lfsynth.readers.hdf5 import write_hdf5
from lfsynth.readers.mosaic import ESLF_VIEWS

BITS = 16
"""Bits a sample, along the sRGB curve, in all of them."""


class Output(Enum):
    """What a light field is written as."""

    HDF5 = "hdf5"
    """One file in the layout of `lfsynth.readers.hdf5`: everything is kept."""
    PNG = "png"
    """A folder of 16-bit PNG, ``view_u00_v00.png`` ..., and ``lightfield.json`` with weights, gains and metadata."""
    ESLF = "eslf"
    """One 16-bit PNG ``<name>_eslf.png`` of 14 x 14 pixels a lenslet, the centre view at (7, 7), others black."""


def output_path(folder: Path, name: str, output: Output) -> Path:
    """Where a light field of this name is written."""
    return folder / {Output.HDF5: f"{name}.h5", Output.PNG: name, Output.ESLF: f"{name}_eslf.png"}[output]


def write_light_field(path: Path, lightfield: LightField, output: Output, *, threads: int = 1) -> None:
    """Write a light field, atomically: at any instant there is the old one, or none, or the new one, whole.

    Parameters
    ----------
    path : as `output_path` names it
    lightfield : what to write; values are clipped to [0, 1]
    output : the layout
    threads : how many code views

    Raises
    ------
    InputError : where it cannot be written, or has too many views for ESLF
    """
    _WRITERS[output](path, lightfield, threads)


def _write_hdf5(path: Path, lightfield: LightField, threads: int) -> None:
    write_hdf5(path, lightfield, bits=BITS, threads=threads)


def _write_views(folder: Path, lightfield: LightField, threads: int) -> None:
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    try:
        partial.mkdir(parents=True)

        def write(at: tuple[int, int]) -> None:
            name = f"view_u{at[0]:02}_v{at[1]:02}.png"
            pictures.write(partial / name, lightfield.views[at], bits=BITS)

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(write, np.ndindex(lightfield.grid)))
        facts = {
            "weights": lightfield.weights.round(6).tolist(),
            "gains": lightfield.gains.round(6).tolist(),
            "f_number_radius": lightfield.f_number_radius,
            "transfer": "srgb",
            "source": str(lightfield.source),
            "metadata": lightfield.metadata,
        }
        text = json.dumps(facts, indent=1, default=str) + "\n"
        pictures.write_bytes_atomic(partial / FACTS, text.encode())
        if folder.exists():
            shutil.rmtree(folder)
        partial.replace(folder)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(
            folder, f"cannot be written ({reason})", "check the folder and the space on the disk"
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write_eslf(path: Path, lightfield: LightField, threads: int) -> None:
    grid, (height, width), channels = lightfield.grid, lightfield.size, lightfield.views.shape[4]
    begin = [ESLF_VIEWS[i] // 2 - lightfield.centre[i] for i in (0, 1)]
    if any(begin[i] < 0 or begin[i] + grid[i] > ESLF_VIEWS[i] for i in (0, 1)):
        raise InputError(
            path,
            f"{grid[0]} x {grid[1]} views do not fit into ESLF's {ESLF_VIEWS[0]} x {ESLF_VIEWS[1]}",
            "write it as hdf5 or png",
        )
    picture = np.zeros((height, ESLF_VIEWS[0], width, ESLF_VIEWS[1], channels), np.float32)
    rows, columns = (slice(begin[i], begin[i] + grid[i]) for i in (0, 1))
    picture[:, rows, :, columns] = lightfield.views.transpose(2, 0, 3, 1, 4)
    flat = picture.reshape(height * ESLF_VIEWS[0], width * ESLF_VIEWS[1], channels)
    pictures.write(path, flat, bits=BITS)


_WRITERS: dict[Output, Callable[[Path, LightField, int], None]] = {
    Output.HDF5: _write_hdf5,
    Output.PNG: _write_views,
    Output.ESLF: _write_eslf,
}
