"""What a picture file holds beside its pixels: read from JPEG, PNG and TIFF files' bytes, and put into others.

EXIF is kept as the bytes that it has in the file (a TIFF structure, without JPEG's ``Exif`` prefix), so that makers'
notes survive; so are XMP and the ICC profile. What only one format has (comments, text, gamma) goes to the same
format alone.

References
----------
.. [1] CIPA DC-008, "Exchangeable image file format for digital still cameras: Exif Version 2.32", 2019.
.. [2] ICC.1:2022, annex B: embedding profiles.
.. [3] TIFF 6.0, Adobe, 1992.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

ORIENTATION = 274
XMP, IPTC, ICC, EXIF_IFD, GPS_IFD = 700, 33723, 34675, 34665, 34853  # TIFF's tags
EXTRA_SAMPLES = 338
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

_EXIF, _XMP, _ICC = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"ICC_PROFILE\0"
_LONGEST_SEGMENT = 65533  # bytes of a JPEG segment's body
# How the pixels lie in the file, and pictures beside the first: a new file has its own. TIFF 6.0, pages 117 and 118.
_STRUCTURE = frozenset(
    {
        254,
        255,
        256,
        257,
        258,
        259,
        262,
        263,
        264,
        265,
        266,
        273,
        277,
        278,
        279,
        280,
        281,
        284,
        288,
        289,
        290,
        291,
    }
    | {
        292,
        293,
        297,
        301,
        317,
        318,
        319,
        320,
        321,
        322,
        323,
        324,
        325,
        330,
        332,
        334,
        336,
        338,
        339,
        340,
        341,
        342,
    }
    | {347, *range(512, 522), 529, 530, 531, 532, 37724, ICC, XMP}
)
# Of a raw file: who made what when; the rest tells of the sensor's own pixels.
_RAW_KEPT = frozenset({270, 271, 272, 282, 283, 296, 305, 306, 315, 33432, EXIF_IFD, GPS_IFD})
_PNG_KEPT = frozenset(
    {b"cHRM", b"gAMA", b"sRGB", b"cICP", b"mDCV", b"cLLI", b"pHYs", b"tEXt", b"zTXt", b"iTXt", b"tIME"}
)

LARGEST_PROFILE = 16 << 20
"""Bytes of a colour profile; those of cameras and printers have some MiB at most."""


@dataclass(frozen=True)
class Metadata:
    """What a file holds beside its pixels.

    Attributes
    ----------
    exif : TIFF structure, or empty
    icc : profile, or empty
    xmp : packet, or empty
    own : what goes only to the same format, as that has it: JPEG segments, PNG chunks
    """

    exif: bytes = b""
    icc: bytes = b""
    xmp: bytes = b""
    own: tuple[tuple[bytes, bytes], ...] = ()

    @property
    def orientation(self) -> int:
        """EXIF's orientation, 1 to 8; 1 where there is none or it makes no sense."""
        at = _orientation_at(self.exif)
        value = struct.unpack_from(_order(self.exif) + "H", self.exif, at)[0] if at else 1
        return value if 1 <= value <= 8 else 1

    def upright(self) -> Metadata:
        """The same for pixels that have been turned upright."""
        at = _orientation_at(self.exif)
        if not at:
            return self
        exif = bytearray(self.exif)
        struct.pack_into(_order(self.exif) + "H", exif, at, 1)
        return replace(self, exif=bytes(exif))

    def without_profile(self) -> Metadata:
        """The same for pixels in other colours than the profile's."""
        return replace(self, icc=b"")


def of_jpeg(data: bytes) -> Metadata:
    """What a JPEG file holds."""
    exif, xmp, profile, own = b"", b"", {}, []
    for marker, body in jpeg_segments(data):
        if marker == 0xE1 and body.startswith(_EXIF):
            exif = exif or body[len(_EXIF) :]
        elif marker == 0xE1 and body.startswith(_XMP):
            xmp = xmp or body[len(_XMP) :]
        elif marker == 0xE2 and body.startswith(_ICC):
            profile[body[len(_ICC)]] = body[len(_ICC) + 2 :]
        elif marker in (0xE1, 0xED, 0xFE):  # more of XMP, Photoshop's and IPTC's, comments
            own.append((bytes([marker]), body))
    return Metadata(exif, b"".join(profile[k] for k in sorted(profile)), xmp, tuple(own))


def of_png(data: bytes) -> Metadata:
    """What a PNG file holds."""
    exif, icc, xmp, own = b"", b"", b"", []
    for kind, body in png_chunks(data):
        if kind == b"eXIf":
            exif = body.removeprefix(_EXIF)
        elif kind == b"iCCP":
            icc = png_profile(body)
        elif kind == b"iTXt" and body.startswith(b"XML:com.adobe.xmp\0\0\0"):
            xmp = body[len(b"XML:com.adobe.xmp\0\0\0") :].split(b"\0", 2)[2]
        elif kind in _PNG_KEPT:
            own.append((kind, body))
    return Metadata(exif, icc, xmp, tuple(own))


def png_profile(chunk: bytes) -> bytes:
    """The profile of an iCCP chunk.

    Raises
    ------
    ValueError : where it is longer than `LARGEST_PROFILE`, or cut short
    zlib.error : where it is damaged
    """
    stream = zlib.decompressobj()
    profile = stream.decompress(chunk[chunk.index(b"\0") + 2 :], LARGEST_PROFILE)
    if stream.unconsumed_tail:
        raise ValueError(f"a colour profile of more than {LARGEST_PROFILE >> 20} MiB")
    if not stream.eof:
        raise ValueError("a colour profile that is cut short")
    return profile


def of_tiff(data: bytes) -> Metadata:
    """What a TIFF file's first page holds."""
    tags = tiff_tags(data)
    return Metadata(
        _exif_of(tags, lambda tag: tag not in _STRUCTURE), tags.get(ICC, b""), _bytes(tags.get(XMP, b""))
    )


def of_raw(data: bytes) -> Metadata:
    """What a camera's raw file holds, where it is built as a TIFF file is; its orientation is left out."""
    try:
        return Metadata(_exif_of(tiff_tags(data), lambda tag: tag in _RAW_KEPT))
    except (SyntaxError, OSError, struct.error, ValueError, KeyError, TypeError, IndexError):
        return Metadata()


def tiff_tags(data: bytes) -> Image.Exif:
    """Tags of a TIFF file's first page, those of EXIF's own directories below them."""
    tags = Image.Exif()
    tags.load(data)
    return tags


def _exif_of(tags: Image.Exif, kept: Any) -> bytes:
    """A TIFF structure of some tags alone."""
    found = _directory(tags, kept)
    return b"II*\0\x08\0\0\0" + found.tobytes(8) if len(found) else b""


def _directory(tags: Image.Exif, kept: Any) -> ImageFileDirectory_v2:
    found = ImageFileDirectory_v2(b"II*\0\0\0\0\0")
    for tag, value in tags.items():
        below = tags.get_ifd(tag) if tag in (EXIF_IFD, GPS_IFD) else None
        if kept(tag) and (below is None or below):
            found[tag] = value if below is None else dict(below)
    return found


def tiff_directory(metadata: Metadata) -> ImageFileDirectory_v2:
    """A TIFF page's tags, but for those that tell of the pixels."""
    tags = Image.Exif()
    if metadata.exif:
        tags.load(metadata.exif)
    directory = _directory(tags, lambda tag: tag not in _STRUCTURE)
    for tag, value in ((ICC, metadata.icc), (XMP, metadata.xmp)):
        if value:
            directory[tag] = value
            directory.tagtype[tag] = 7 if tag == ICC else 1
    return directory


def into_jpeg(data: bytes, metadata: Metadata) -> bytes:
    """A JPEG file with the metadata after its JFIF segment; EXIF and XMP that are too long for it are left out."""
    segments = []
    for marker, prefix, body in ((0xE1, _EXIF, metadata.exif), (0xE1, _XMP, metadata.xmp)):
        if body and len(prefix) + len(body) <= _LONGEST_SEGMENT:
            segments.append((marker, prefix + body))
    segments += [(marker[0], body) for marker, body in metadata.own]
    length = _LONGEST_SEGMENT - len(_ICC) - 2
    parts = [metadata.icc[at : at + length] for at in range(0, len(metadata.icc), length)]
    segments += [
        (0xE2, _ICC + bytes([number, len(parts)]) + part) for number, part in enumerate(parts, start=1)
    ]
    at = 2
    if data[2:4] == b"\xff\xe0":
        at += 2 + int.from_bytes(data[4:6], "big")
    added = b"".join(struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body for marker, body in segments)
    return data[:at] + added + data[at:]


def into_png(data: bytes, metadata: Metadata) -> bytes:
    """A PNG file of header, pixels and the metadata alone."""
    chunks = []
    own = metadata.own
    if metadata.icc:
        chunks.append((b"iCCP", b"ICC profile\0\0" + zlib.compress(metadata.icc, 9)))
        own = tuple((kind, body) for kind, body in own if kind != b"sRGB")  # one of the two is allowed
    if metadata.exif:
        chunks.append((b"eXIf", metadata.exif))
    if metadata.xmp:
        chunks.append((b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + metadata.xmp))
    parts = list(png_chunks(data))
    pixels = [part for part in parts if part[0] in (b"IDAT", b"IEND")]
    return PNG_SIGNATURE + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(body, zlib.crc32(kind)))
        for kind, body in (parts[0], *own, *chunks, *pixels)
    )


def jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Markers and bodies up to the coded pixels."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        if data[at + 1] == 0xFF:  # fill
            at += 1
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        yield data[at + 1], data[at + 4 : at + 2 + length]
        at += 2 + length


def png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kinds and bodies of all chunks."""
    at = len(PNG_SIGNATURE)
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        yield data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        at += 12 + length


def _order(exif: bytes) -> str:
    return ">" if exif[:2] == b"MM" else "<"


def _orientation_at(exif: bytes) -> int:
    """Where the orientation's value lies; 0 where there is none."""
    order = _order(exif)
    try:
        [start] = struct.unpack_from(order + "I", exif, 4)
        [count] = struct.unpack_from(order + "H", exif, start)
        for at in range(start + 2, start + 2 + 12 * count, 12):
            if struct.unpack_from(order + "HHI", exif, at) == (ORIENTATION, 3, 1):
                return at + 8 if at + 10 <= len(exif) else 0
    except struct.error:
        pass
    return 0


def _bytes(value: Any) -> bytes:
    """A tag's bytes, which some libraries give as text or numbers."""
    return value if isinstance(value, bytes) else io.BytesIO(bytes(value)).getvalue() if value else b""
