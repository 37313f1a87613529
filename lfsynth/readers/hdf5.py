"""The package's own HDF5 layout: written here, read here, and readable by plain h5py.

========================  ==================================================================================
``/`` attributes          ``format`` = "lfsynth light field", ``version`` = 1, ``transfer`` ("srgb", "linear"
                          or "gamma:2.2"), ``metadata`` (JSON text), ``f_number_radius`` (float64, optional)
``/views``                [u, v, y, x, c] uint8, uint16, float16 or float32, c is 1 (grey) or 3 (RGB);
                          attribute ``white``: the value that is white (255, 65535 or 1.0)
``/weights``, ``/gains``  [u, v] float32, as in `LightField`; optional
``/disparity``            [y, x] float32, true disparity of the centre view, optional
========================  ==================================================================================

A view is a chunk, shuffled (all high bytes, then all low bytes) and deflated: any HDF5 library reads it, and so does
``h5py.File(path)["views"][u, v]``. Noise in the low bits does not compress, so that this saves 3 % of a lit view, but
all of a dead one. Chunks of that kind are coded and decoded by isa-l, several at a time; whatever other chunks and
compression h5py knows are read through it.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from lfsynth.errors import InputError
from lfsynth.lightfield import LightField
from lfsynth.pictures import Picture
from lfsynth.readers.assembly import Brought, assemble, check_memory
from lfsynth.readers.options import Format, ReadOptions
from lfsynth.transfer import LINEAR, SRGB, Transfer, encode

NAME = "lfsynth light field"
VERSION = 1

_LEVEL = 1  # of isa-l's deflate: the higher ones save less than 0.1 % of a noisy view


def write_hdf5(path: Path, lightfield: LightField, *, bits: int = 16, threads: int = 1) -> None:
    """Write a light field, atomically: at any instant there is the old file, or none, or the new one, whole.

    Parameters
    ----------
    path : the file
    lightfield : what to write; its `weights` and `gains` are kept, so that reading does not judge the views
        again
    bits : 8 or 16: codes along the sRGB curve, which clips what lies outside [0, 1]; 32: the values as they
        are
    threads : how many code views

    Raises
    ------
    ValueError : for another number of bits
    InputError : where the file cannot be written
    """
    if bits not in (8, 16, 32):
        raise ValueError(f"bits must be 8, 16 or 32, not {bits}")
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        try:
            with h5py.File(partial, "w") as file:
                _fill(file, lightfield, bits, threads)
            with partial.open("rb+") as written:
                os.fsync(written.fileno())
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(
            path, f"cannot be written ({reason})", "check the folder and the space on the disk"
        ) from error


def _fill(file: Any, lightfield: LightField, bits: int, threads: int) -> None:
    transfer = LINEAR if bits == 32 else SRGB
    file.attrs.update(
        {
            "format": NAME,
            "version": VERSION,
            "transfer": str(transfer),
            "metadata": json.dumps({**lightfield.metadata, "source": str(lightfield.source)}),
        }
    )
    if lightfield.f_number_radius is not None:
        file.attrs["f_number_radius"] = lightfield.f_number_radius
    shape = lightfield.views.shape
    kind = np.dtype({8: "u1", 16: "<u2", 32: "<f4"}[bits])
    stored = file.create_dataset(
        "views", shape, kind, chunks=(1, 1, *shape[2:]), shuffle=True, compression="gzip"
    )
    stored.attrs["white"] = {8: 255, 16: 65535, 32: 1.0}[bits]

    def chunk(at: tuple[int, int]) -> tuple[tuple[int, int], bytes]:
        view = lightfield.views[at]
        codes = view if bits == 32 else encode(view, transfer, bits=bits)
        return at, _deflated(codes.astype(kind, copy=False))

    with ThreadPoolExecutor(threads) as pool:
        for (u, v), data in pool.map(chunk, np.ndindex(lightfield.grid)):
            stored.id.write_direct_chunk((u, v, 0, 0, 0), data)
    file["weights"], file["gains"] = lightfield.weights, lightfield.gains
    if lightfield.disparity is not None:
        file["disparity"] = lightfield.disparity


def read_hdf5(path: Path, options: ReadOptions) -> LightField:
    """Read a light field from this package's own layout.

    Parameters
    ----------
    path : the file
    options : `transfer` goes before the file's attribute

    Raises
    ------
    InputError : where the file is damaged or does not follow the layout
    """
    with opened(path) as file:
        if file.attrs.get("format") != NAME or "views" not in file:
            raise InputError(
                path,
                f"is no HDF5 light field that is known: it holds {', '.join(file) or 'nothing'}",
                "convert it to the layout that lfsynth.readers.hdf5 describes",
            )
        if int(file.attrs.get("version", 0)) != VERSION:
            raise InputError(
                path,
                f"has version {file.attrs.get('version')} of the layout",
                f"this program reads version {VERSION}",
            )
        stored = file["views"]
        if not isinstance(stored, h5py.Dataset):
            raise InputError(path, "its views are no array", "write the file again")
        if stored.ndim != 5 or stored.dtype not in (np.uint8, np.uint16, np.float16, np.float32):
            raise InputError(
                path,
                f"its views are {stored.dtype} with {stored.ndim} axes",
                "views must be [u, v, y, x, c] of uint8, uint16, float16 or float32",
            )
        check_memory(path, stored.shape)
        transfer = options.transfer or Transfer.parse(str(file.attrs.get("transfer", "srgb")))
        metadata = json.loads(str(file.attrs.get("metadata", "{}")))
        grid, size = stored.shape[:2], stored.shape[2:4]
        brought = Brought(
            weights=_plane(path, file, "weights", grid),
            gains=_plane(path, file, "gains", grid),
            disparity=_plane(path, file, "disparity", size),
            f_number_radius=_number(file.attrs.get("f_number_radius")),
            capture=metadata,
        )
        return assemble(
            path,
            lambda u, v: as_picture(_view(stored, u, v)),
            grid=grid,
            format=Format.HDF5,
            options=replace(options, transfer=transfer),
            understood={"layout": f"{NAME}, version {VERSION}"},
            brought=brought,
        )


def _deflated(codes: NDArray[Any]) -> bytes:
    """A chunk as HDF5's filters shuffle and deflate store it."""
    planes = codes.reshape(-1).view(np.uint8).reshape(-1, codes.itemsize).T
    return bytes(isal_zlib.compress(np.ascontiguousarray(planes), _LEVEL))


def _view(stored: Any, u: int, v: int) -> NDArray[Any]:
    """One view, [y, x, c] as stored: a chunk as `_fill` makes it is decoded here, which is quicker."""
    shape = stored.shape[2:]
    codes: NDArray[Any]
    ours = stored.chunks == (1, 1, *shape) and stored.shuffle and stored.compression == "gzip"
    if ours and not stored.fletcher32 and stored.scaleoffset is None and stored.id.get_num_chunks():
        mask, data = stored.id.read_direct_chunk((u, v, 0, 0, 0))
        size = stored.dtype.itemsize * math.prod(shape)
        # HDF5 leaves a filter out, and marks it so, where it would not have made the chunk smaller.
        planes = isal_zlib.decompressobj().decompress(data, size) if mask == 0 else b""
        if len(planes) == size:
            shuffled = np.frombuffer(planes, np.uint8).reshape(stored.dtype.itemsize, -1)
            codes = np.ascontiguousarray(shuffled.T).reshape(-1).view(stored.dtype).reshape(shape)
            return codes
    codes = stored[u, v]
    return codes


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """Open an HDF5 file to read; what h5py raises on a damaged one becomes an `InputError`."""
    try:
        with h5py.File(path, "r") as file:
            yield file
    except InputError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError, isal_zlib.IsalError) as error:  # type: ignore[misc]  # stubs call it an instance
        reason = " ".join(str(error).split())
        raise InputError(
            path, f"is damaged or no HDF5 light field ({reason})", "copy or export it again"
        ) from error


def as_picture(values: NDArray[Any]) -> Picture:
    """Float values of any precision as float32; integers as they are."""
    return values.astype(np.float32, copy=False) if values.dtype.kind == "f" else values


def _plane(path: Path, file: Any, name: str, shape: tuple[int, int]) -> NDArray[np.float32] | None:
    """An optional dataset as finite float32."""
    if name not in file:
        return None
    plane = np.asarray(file[name][()], np.float32)
    if plane.shape != shape or not np.isfinite(plane).all() or (name != "disparity" and plane.min() < 0):
        raise InputError(
            path,
            f"its {name} are not {shape[0]} x {shape[1]} finite numbers, or negative",
            "write the file again",
        )
    return plane


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
