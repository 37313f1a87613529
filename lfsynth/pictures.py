"""The one way to read and write a picture.

Pictures are ``[y, x, c]``, channels in the order R, G, B, alpha. What a file stores (code values, uint8,
uint16 or float32) and linear light (float32, 1.0 is white) are kept apart: `read` gives the former,
`read_linear` the latter, `write` takes the latter. The curves between them are in `transfer`. Files are
recognised by what they hold, not by their names; a damaged one is refused, never read in part.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import cv2
import imageio.v3 as iio
import numpy as np
from numpy.typing import NDArray

from lfsynth import png
from lfsynth.errors import InputError
from lfsynth.opencv import decode_by_opencv
from lfsynth.png import Choose as Choose
from lfsynth.transfer import LINEAR, SRGB, Transfer, encode, linearise

PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".pfm"})

Picture = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.float32]


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes
    ----------
    size : of the file, bytes
    sha256 : of the file's bytes, hexadecimal
    """

    size: int
    sha256: str


def is_picture(path: Path) -> bool:
    """Whether the name says that this is a picture that `read` knows."""
    return path.suffix.lower() in PICTURE_SUFFIXES


def read(path: Path, choose: Choose | None = None) -> Picture:
    """Read a picture, or a region of it, as it is stored.

    JPEG pictures are turned upright as their EXIF orientation says. Of a TIFF file the first page is read.
    Palettes and pictures of fewer than 8 bits come as uint8 of full range, float64 comes as float32. Colour
    profiles are ignored, and so is the magnitude of a PFM file's scale.

    Parameters
    ----------
    path : a PNG, JPEG, TIFF or PFM file
    choose : given height and width, the region to return, which of a PNG spares time; None: all

    Returns ------- (H, W, C) uint8, uint16 or float32, finite, C-contiguous; C is 1 (grey), 2 (grey, alpha),
    3 (RGB) or 4 (RGBA)

    Raises
    ------
    InputError : where the file cannot be read, is no picture, is cut short or damaged, or holds NaN or
        infinity
    """
    data = _read_bytes(path)
    try:
        if data.startswith(png.SIGNATURE):
            return png.decode_png(data, choose)
        if data.startswith(b"\xff\xd8"):
            _check_jpeg(data)
            picture = decode_by_opencv(data, cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH)
        elif data.startswith((b"II*\0", b"MM\0*")):
            _check_tiff(data)
            picture = decode_by_opencv(data, cv2.IMREAD_UNCHANGED)
        elif data.startswith((b"Pf", b"PF")):
            picture = _decode_pfm(data)
        else:
            raise InputError(
                path,
                "it is not a PNG, JPEG, TIFF or PFM picture, whatever its name says",
                "convert or remove it",
            )
    except ValueError as error:
        raise InputError(path, str(error), "copy or export it again") from None
    if picture.dtype == np.float32 and not np.isfinite(picture).all():
        bad = int(np.count_nonzero(~np.isfinite(picture)))
        raise InputError(
            path, f"{bad} of its values are NaN or infinite", "export it again with finite values"
        )
    if choose is None:
        return picture
    return cast(Picture, np.ascontiguousarray(picture[choose(*picture.shape[:2])]))


def size_of(path: Path) -> tuple[int, int] | None:
    """Height and width of a PNG, from its header alone; None for other formats.

    Raises
    ------
    InputError : where the file cannot be read
    """
    try:
        with path.open("rb") as file:
            return png.png_size(file.read(png.HEADER_SIZE))
    except OSError as error:
        raise InputError(path, f"it cannot be read ({error.strerror})", "check the path") from error
    except ValueError:
        return None


def read_linear(path: Path, transfer: Transfer | None = None) -> NDArray[np.float32]:
    """Read a picture as linear light.

    Alpha is dropped and the colours are taken as they are, whatever the alpha.

    Parameters
    ----------
    path : a PNG, JPEG, TIFF or PFM file
    transfer : the curve that the stored values follow; None: sRGB for integers, linear for floats, as such
        files are
        commonly made

    Returns
    -------
    (H, W, C) float32 linear light, C is 1 or 3; white is 1.0, and only float files hold values outside [0, 1]

    Raises
    ------
    InputError : as `read` does
    """
    stored = read(path)
    if transfer is None:
        transfer = LINEAR if stored.dtype == np.float32 else SRGB
    return linearise(stored[:, :, : 1 if stored.shape[2] < 3 else 3], transfer)


def write(path: Path, linear: NDArray[np.float32], *, bits: int = 8, transfer: Transfer = SRGB) -> Written:
    """Write linear light as a picture, atomically.

    Parameters
    ----------
    path : its suffix is the format: .png, .tif or .tiff
    linear : (H, W, C) float32, C is 1 or 3; with 8 or 16 bits, what lies outside [0, 1] is clipped
    bits : 8 or 16 bits a sample along `transfer`, or, in TIFF alone, 32 for float32 linear light as it is
    transfer : the curve of the codes of 8 or 16 bits

    Raises
    ------
    TypeError, ValueError : for another shape, dtype or number of bits
    InputError : for another suffix, or where the file cannot be written
    """
    suffix = path.suffix.lower()
    if suffix not in (".png", ".tif", ".tiff"):
        raise InputError(
            path, f"pictures are not written as {suffix or 'files without suffix'}", "name it .png or .tif"
        )
    if linear.ndim != 3 or linear.shape[2] not in (1, 3) or linear.dtype != np.float32:
        raise TypeError(f"linear must be float32 [y, x, 1|3], not {linear.dtype} {linear.shape}")
    if suffix == ".png":
        return write_bytes_atomic(
            path, png.encode_png(encode(linear, transfer, bits=bits), gamma=transfer.gamma)
        )
    stored = linear if bits == 32 else encode(linear, transfer, bits=bits)
    data = cv2.imencode(".tif", np.ascontiguousarray(stored[:, :, ::-1]))[1].tobytes()
    return write_bytes_atomic(path, data)


def write_bytes_atomic(path: Path, data: bytes) -> Written:
    """Write a file so that at any instant there is the old one, or none, or the new one, whole.

    The bytes go to ``.<name>.<process id>.partial`` beside it, are forced to the disk, and the file is
    renamed. A process that is killed can leave that file; any other failure removes it.

    Raises
    ------
    InputError : where the disk is full or the folder is missing or cannot be written to
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        try:
            with partial.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise _write_error(path, error) from error
    return Written(len(data), hashlib.sha256(data).hexdigest())


def write_animation(path: Path, frames: Sequence[NDArray[np.uint8]], *, fps: float) -> Written:
    """Write pictures as an endless animation, atomically.

    Parameters
    ----------
    path : .gif (256 colours a frame) or .png or .apng (all colours, as animated PNG)
    frames : at least one, each (H, W, 1 or 3) uint8 as shown, all of one size
    fps : frames a second

    Raises
    ------
    ValueError : where there is no frame or the frames differ in size
    InputError : for another suffix, or where the file cannot be written
    """
    extension = {".gif": ".gif", ".png": ".png", ".apng": ".png"}.get(path.suffix.lower())
    if extension is None:
        raise InputError(path, "animations are written as GIF or animated PNG", "name it .gif, .png or .apng")
    if len({frame.shape for frame in frames}) != 1:
        raise ValueError("frames must be one or more pictures of one shape")
    stack = [np.broadcast_to(frame, (*frame.shape[:2], 3)) for frame in frames]
    data = iio.imwrite("<bytes>", stack, extension=extension, plugin="pillow", duration=1000 / fps, loop=0)
    return write_bytes_atomic(path, bytes(data))


def _read_bytes(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except IsADirectoryError:
        raise InputError(path, "it is a folder, not a picture", "name a picture in it") from None
    except FileNotFoundError:
        raise InputError(path, "there is no such file", "check the path") from None
    except PermissionError:
        raise InputError(path, "it may not be read", "change its permissions") from None
    except OSError as error:
        raise InputError(
            path, f"it cannot be read ({error.strerror})", "check the disk and the path"
        ) from error
    if not data:
        raise InputError(path, "it is empty", "copy or export it again")
    return data


def _write_error(path: Path, error: OSError) -> InputError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return InputError(path, "the disk is full", "free some space or choose another --out")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return InputError(
            path, "it may not be written", "change the folder's permissions or choose another --out"
        )
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return InputError(path, "its folder does not exist", "make the folder or choose another --out")
    return InputError(path, f"it cannot be written ({error.strerror})", "choose another --out")


# a marker in JPEG's coded data: not a stuffed zero, a restart marker or fill (ITU-T T.81, B.1.1)
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")


def _check_jpeg(data: bytes) -> None:
    """Follow the segments to the image's end; a thumbnail's own end, inside a segment, does not count."""
    position = 2
    while True:
        found = _JPEG_MARKER.search(data, position)
        if found is None:
            raise ValueError("it is cut short")
        if data[found.end() - 1] == 0xD9:  # end of image
            return
        position = found.end() + int.from_bytes(data[found.end() : found.end() + 2], "big")


def _check_tiff(data: bytes) -> None:
    """Whether the first page's strips or tiles lie within the file (TIFF 6.0, sections 2, 8 and 15).

    libtiff fills what is missing by guessing the strips' sizes.
    """
    order: Literal["little", "big"] = "little" if data[:2] == b"II" else "big"

    def number(position: int, size: int) -> int:
        if position + size > len(data):
            raise ValueError("it is cut short")
        return int.from_bytes(data[position : position + size], order)

    directory = number(4, 4)
    values: dict[int, list[int]] = {}
    for entry in range(directory + 2, directory + 2 + 12 * number(directory, 2), 12):
        tag, kind, count = number(entry, 2), number(entry + 2, 2), number(entry + 4, 4)
        if tag in (273, 279, 324, 325) and kind in (3, 4):
            size = 2 if kind == 3 else 4
            start = entry + 8 if count * size <= 4 else number(entry + 8, 4)
            values[tag] = [number(start + k * size, size) for k in range(count)]
    for offsets, sizes in ((273, 279), (324, 325)):
        for offset, size in zip(values.get(offsets, []), values.get(sizes, []), strict=False):
            if offset + size > len(data):
                raise ValueError("it is cut short")


_PFM_HEADER = re.compile(rb"P([fF])\s+(\d+)\s+(\d+)\s+([+-]?[0-9.eE+-]+)\s")


def _decode_pfm(data: bytes) -> NDArray[np.float32]:
    """Portable float map (https://www.pauldebevec.com/Research/HDR/PFM/): rows from bottom to top."""
    header = _PFM_HEADER.match(data)
    if header is None:
        raise ValueError("its PFM header is damaged")
    channels = 3 if header[1] == b"F" else 1
    width, height = int(header[2]), int(header[3])
    if len(data) - header.end() < 4 * width * height * channels:
        raise ValueError("it is cut short")
    order = "<f4" if header[4].startswith(b"-") else ">f4"
    samples = np.frombuffer(data, order, width * height * channels, header.end())
    return np.ascontiguousarray(samples.reshape(height, width, channels)[::-1], dtype=np.float32)
