"""``camera.h5``: the white pictures of one or more cameras, with what was measured on them; nothing else is needed.

==================  ====================================================================================
``/`` attributes    ``format`` = "lfsynth camera", ``version`` = 1
``/sha1-<digest>``  a group for each white picture, named by the digest of its packed pixels
  ``/pixels``       uint8, the packed pixels as the camera wrote them, in one piece
  ``/white``        uint8, packed like them, the calibration's picture
  attributes        ``metadata`` and ``calibration``, JSON texts, the latter with the digest of ``/white``;
                    ``metadata_sha1`` and ``calibration_sha1``, the digests of the texts
==================  ====================================================================================

The same layout without pixels and metadata keeps a calibration alone (`lfsynth.lytro.calibration_cache`).

The pixels lie in one piece so that a white picture in such a file is read as one in a tar is, and verified by its
digest. A calibration that is damaged, or was made by another version of the program, is made again from them.
"""

from __future__ import annotations

import fcntl
import glob
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from lfsynth.errors import InputError
from lfsynth.lytro.byte_range import ByteRange
from lfsynth.lytro.calibration import CALIBRATION_VERSION, Calibration, calibrate
from lfsynth.lytro.lattice import Lattice
from lfsynth.lytro.metadata import CaptureMetadata
from lfsynth.lytro.packing import pack, packed_size, unpack
from lfsynth.lytro.white_pictures import WhitePicture

FORMAT = "lfsynth camera"
VERSION = 1

_MAKE_AGAIN = "make it again by lfsynth calibrate"
# What h5py raises on a damaged file, and what reading values that are not as written here does.
HDF5_ERRORS = (OSError, KeyError, ValueError, TypeError, RuntimeError, AttributeError)
_NOT_KEPT = ("document", "notes", "source")
"""Metadata that nothing needs in a calibration."""


@dataclass(frozen=True)
class Entry:
    """What became of one white picture in `write_camera_file`.

    Attributes
    ----------
    label : where it came from
    made : whether it was calibrated now, not in an earlier run
    fault : the line that says why it was left out, else empty
    """

    label: str
    made: bool
    fault: str = ""


def is_camera_file(path: Path) -> bool:
    """Whether a file is one of this layout, of any version."""
    try:
        with h5py.File(path, "r") as file:
            return bool(file.attrs.get("format") == FORMAT)
    except HDF5_ERRORS:
        return False


def white_pictures_in(path: Path) -> list[WhitePicture]:
    """The white pictures of a camera file, ordered by digest; their pixels are not read.

    Raises
    ------
    InputError
        If the file is missing, damaged or of another kind or version.
    """
    if not path.exists():
        raise InputError(path, "there is no such file", "check the path")
    if not is_camera_file(path):
        raise InputError(path, "it is no camera file of lfsynth, or it is damaged", _MAKE_AGAIN)
    try:
        with h5py.File(path, "r") as file:
            version = int(file.attrs["version"])
            found = (
                [_white_picture(path, name, file[name]) for name in sorted(file)]
                if version == VERSION
                else []
            )
    except InputError:
        raise
    except HDF5_ERRORS as error:
        raise InputError(path, f"it is damaged ({error})", _MAKE_AGAIN) from error
    if version != VERSION:
        raise InputError(path, f"it is of version {version}, this program reads {VERSION}", _MAKE_AGAIN)
    return found


def load_calibration(path: Path, white: WhitePicture) -> Calibration | None:
    """The calibration that a file holds of a white picture.

    None where there is none, where it is damaged, was made by another version of the program, or with other levels
    than the white picture's metadata give: then it is to be made again.
    """
    try:
        with h5py.File(path, "r") as file:
            if file.attrs["format"] != FORMAT or int(file.attrs["version"]) != VERSION:
                return None
            group = file[white.digest]
            values = _text(group, "calibration")
            packed = group["white"]
            if (
                values["version"] != CALIBRATION_VERSION
                or values["black"] != white.metadata.black.tolist()
                or packed.shape != (packed_size(white.metadata.shape),)
            ):
                return None
            data = packed[()].tobytes()
    except HDF5_ERRORS:
        return None
    if _sha1(data) != values["white"]:
        return None
    return _calibration(values, unpack(data, white.metadata.shape))


def save_calibration(path: Path, calibration: Calibration) -> None:
    """Keep one calibration, without the white picture's own pixels, in a file that is then whole or not there."""
    with _replacing(path) as file:
        _put(file.create_group(calibration.digest), calibration)


def write_camera_file(
    path: Path, whites: Sequence[WhitePicture], *, report: Callable[[Entry], None] = lambda entry: None
) -> list[Entry]:
    """Calibrate white pictures and keep them in a camera file, beside those that it holds already.

    The new file takes the place of the old one at the end: at any instant there is one that is whole. Of two
    processes, the second waits for the first and adds to what that has made.

    Parameters
    ----------
    path : the file, made where there is none
    whites : the pictures; one that is there already is not calibrated again
    report : called after each of them

    Returns
    -------
    An entry for each white picture, of those that were in the file too

    Raises
    ------
    InputError
        If the path is a file of another kind, or cannot be written.
    """
    with _errors_of_writing(path), locked(path):
        known = {white.digest: white for white in white_pictures_in(path)} if path.exists() else {}
        given = {white.digest: white for white in whites}
        entries = []
        with _replacing(path) as file:
            for digest in sorted(known | given):
                sources = [source[digest] for source in (known, given) if digest in source]
                entries.append(_add(file, sources))
                if digest in given:
                    report(entries[-1])
    return entries


def _add(file: Any, sources: Sequence[WhitePicture]) -> Entry:
    """Add a white picture, from the first of its sources that is whole."""
    fault = ""
    for white in sources:
        try:
            calibration = load_calibration(white.source, white) if is_camera_file(white.source) else None
            made = calibration is None
            if calibration is None:
                calibration = calibrate(white.read(), white.metadata, source=white.label, digest=white.digest)
            pixels = np.frombuffer(white.part.read(), np.uint8)
        except InputError as error:
            fault = str(error)
            continue
        group = file.create_group(white.digest)
        group.create_dataset("pixels", data=pixels)
        _put_text(group, "metadata", _metadata_text(white.metadata))
        _put(group, calibration)
        return Entry(calibration.source, made)
    return Entry(sources[0].label, False, fault)


def _put(group: Any, calibration: Calibration) -> None:
    data = pack(calibration.white)
    text = _calibration_text(calibration, _sha1(data))
    group.create_dataset("white", data=np.frombuffer(data, np.uint8))
    _put_text(group, "calibration", text)


def _put_text(group: Any, name: str, text: str) -> None:
    group.attrs[name] = text
    group.attrs[f"{name}_sha1"] = _sha1(text.encode())


def _text(group: Any, name: str) -> dict[str, Any]:
    """The values of a JSON text; ValueError where it is not as it was written."""
    text = str(group.attrs[name])
    if _sha1(text.encode()) != group.attrs[f"{name}_sha1"]:
        raise ValueError(f"{name} of {group.name} is not as it was written")
    values: dict[str, Any] = json.loads(text)
    return values


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the right to write a file, waiting for whoever has it; it goes with the process, however that ends."""
    with path.with_name(f".{path.name}.lock").open("a") as lock:
        # A file system without locks still has the renaming of whole files.
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _replacing(path: Path) -> Iterator[Any]:
    """A new HDF5 file that takes the place of the old one when it is whole; for who holds the lock.

    What a killed process left half-written is removed.
    """
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.partial"):
        left.unlink(missing_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with h5py.File(partial, "w") as file:
            file.attrs.update({"format": FORMAT, "version": VERSION})
            yield file
        with partial.open("rb+") as written:
            os.fsync(written.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


@contextmanager
def _errors_of_writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(
            path, f"cannot be written ({reason})", "check the folder and the space on the disk"
        ) from error


def _sha1(data: bytes) -> str:
    return f"sha1-{hashlib.sha1(data, usedforsecurity=False).hexdigest()}"


def _white_picture(path: Path, name: str, group: Any) -> WhitePicture:
    pixels = group["pixels"]
    metadata = _metadata(_text(group, "metadata"), path)
    offset, length = pixels.id.get_offset(), pixels.size
    if pixels.dtype != np.uint8 or offset is None or offset + length > path.stat().st_size:
        raise ValueError(f"the pixels of {name} are not in one piece")
    return WhitePicture(path, name, metadata, ByteRange(path, offset, length, name))


def _metadata_text(metadata: CaptureMetadata) -> str:
    values = {field.name: getattr(metadata, field.name) for field in fields(metadata)}
    for name in _NOT_KEPT:
        del values[name]
    return json.dumps(values, default=np.ndarray.tolist)


def _metadata(values: dict[str, Any], path: Path) -> CaptureMetadata:
    for name in ("black", "white"):
        values[name] = np.array(values[name], np.float32).reshape(2, 2)
    values["ccm"] = np.array(values["ccm"], np.float64).reshape(3, 3)
    values["white_balance"] = np.array(values["white_balance"], np.float64).reshape(3)
    for name in ("shape", "scale", "sensor_offset", "white_refs"):
        values[name] = tuple(values[name])
    return CaptureMetadata(**values, document={}, source=path)


def _calibration_text(calibration: Calibration, white: str) -> str:
    lattice = calibration.lattice
    return json.dumps(
        {
            "version": calibration.version,
            "digest": calibration.digest,
            "source": calibration.source,
            "origin": lattice.origin,
            "across": lattice.across,
            "down": lattice.down,
            "lenses": lattice.shape,
            "black": calibration.black.tolist(),
            "level": calibration.level.tolist(),
            "radius": calibration.radius,
            "residual": calibration.residual,
            "white": white,
        }
    )


def _calibration(values: dict[str, Any], white: NDArray[np.uint16]) -> Calibration:
    origin, across, down, lenses = (
        (pair[0], pair[1]) for pair in (values[name] for name in ("origin", "across", "down", "lenses"))
    )
    return Calibration(
        Lattice(origin, across, down, lenses),
        white,
        np.array(values["black"], np.float32),
        np.array(values["level"], np.float32),
        values["digest"],
        values["source"],
        values["radius"],
        values["residual"],
    )
