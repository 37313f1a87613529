"""What an upload says that it is, read from its first bytes before any decoder sees it.

A few kilobytes can decode to gigabytes: pixels, samples, a profile's compressed bytes and a JPEG's scans are counted
here, and what is out of bounds goes no farther. That the rest is sound is for the decoders to say.

References
----------
.. [1] ITU-T T.81 (JPEG), annex B.
.. [2] W3C, "Portable Network Graphics (PNG) Specification (Third Edition)", 2025, 11.2.1 and 11.3.2.3.
.. [3] TIFF 6.0, Adobe, 1992, section 2.
"""

from __future__ import annotations

import mmap
import struct
import zlib
from dataclasses import dataclass

from drbnet.photographs import Format
from drbnet.picture_metadata import LARGEST_PROFILE, PNG_SIGNATURE
from drbnet.server.blobs import Blob
from drbnet.server.refusals import Refused

MOST_SCANS = 200
"""Of a progressive JPEG; encoders write about ten, and each costs a pass over all pixels."""
MOST_SAMPLES = 4
"""A pixel: three colours and alpha."""

_UNKNOWN = "is no JPEG, PNG or TIFF picture, whatever its name says"
_EXPORT = "export it as JPEG, PNG or TIFF"
_AGAIN = "copy or export it again"


@dataclass(frozen=True)
class Header:
    """Format, and width and height in px as they lie in the file."""

    format: Format
    width: int
    height: int


def read_header(blob: Blob, *, megapixels: float) -> Header:
    """The header of an uploaded picture, within bounds.

    Raises
    ------
    Refused : where it is no JPEG, PNG or TIFF picture, ends within its header, or is out of bounds
    """
    if not blob.size:
        raise Refused(422, "is empty", _AGAIN)
    with mmap.mmap(blob.fileno(), blob.size, access=mmap.ACCESS_READ) as data:
        try:
            header = _header(data)
        except (struct.error, IndexError):
            raise Refused(422, "ends within its header", _AGAIN) from None
    width, height = header.width, header.height
    if width < 1 or height < 1:
        raise Refused(422, f"is {width} x {height} pixels by its header", _AGAIN)
    if width * height > megapixels * 1e6:
        size = f"has {width * height / 1e6:.1f} megapixels ({width} x {height})"
        raise Refused(413, f"{size}, and at most {megapixels:g} are taken here", "make it smaller, or cut it")
    return header


def _header(data: mmap.mmap) -> Header:
    if data[:2] == b"\xff\xd8":
        return _jpeg(data)
    if data[:8] == PNG_SIGNATURE:
        return _png(data)
    if data[:4] in (b"II*\0", b"MM\0*"):
        return _tiff(data)
    raise Refused(415, _UNKNOWN, _EXPORT)


def _jpeg(data: mmap.mmap) -> Header:
    at, found = 2, None
    while data[at : at + 2] != b"\xff\xda":
        if data[at] != 0xFF:
            raise Refused(422, "has damaged JPEG segments", _AGAIN)
        marker = data[at + 1]
        if marker == 0xFF:  # fill
            at += 1
            continue
        # Frame headers, but for the three markers of other use among them.
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width, components = struct.unpack_from(">xHHB", data, at + 4)
            _check_samples(components)
            found = Header(Format.JPEG, width, height)
        at += 2 + struct.unpack_from(">H", data, at + 2)[0]
    if found is None:
        raise Refused(422, "has no JPEG frame", _AGAIN)
    scans, at = 0, data.find(b"\xff\xda", at)
    while at >= 0 and scans <= MOST_SCANS:
        scans, at = scans + 1, data.find(b"\xff\xda", at + 2)
    if scans > MOST_SCANS:
        raise Refused(422, f"has more than {MOST_SCANS} scans", "export it again as a plain JPEG")
    return found


def _png(data: mmap.mmap) -> Header:
    kind, width, height = struct.unpack_from(">4sII", data, 12)
    if kind != b"IHDR":
        raise Refused(422, "has no PNG header", _AGAIN)
    at = len(PNG_SIGNATURE)
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"iCCP":
            _check_profile(data[at + 8 : at + 8 + length])
        at += 12 + length
    return Header(Format.PNG, width, height)


def _check_profile(chunk: bytes) -> None:
    stream = zlib.decompressobj()
    try:
        stream.decompress(chunk[chunk.index(b"\0") + 2 :], LARGEST_PROFILE)
    except (zlib.error, ValueError):
        return  # damaged, which the reader says
    if stream.unconsumed_tail:
        raise Refused(
            413, f"has a colour profile of more than {LARGEST_PROFILE >> 20} MiB", "export it with sRGB"
        )


def _tiff(data: mmap.mmap) -> Header:
    """Of the first page; tags of more than one value point to where they lie."""
    order = "<" if data[:2] == b"II" else ">"
    [start] = struct.unpack_from(order + "I", data, 4)
    [count] = struct.unpack_from(order + "H", data, start)
    tags = {}
    for at in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind, number = struct.unpack_from(order + "HHI", data, at)
        if kind in (3, 4) and number == 1:
            [tags[tag]] = struct.unpack_from(order + ("H" if kind == 3 else "I"), data, at + 8)
    _check_samples(tags.get(277, 1))
    width, height = tags.get(256, 0), tags.get(257, 0)
    tile = tags.get(322, 0) * tags.get(323, 0)
    if tile > 4 * max(width * height, 1 << 20):
        raise Refused(422, "has tiles larger than itself", _AGAIN)
    return Header(Format.TIFF, width, height)


def _check_samples(samples: int) -> None:
    if not 1 <= samples <= MOST_SAMPLES:
        raise Refused(415, f"has {samples} samples a pixel", _EXPORT)
