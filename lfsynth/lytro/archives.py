r"""Where a camera's white pictures come from: tar archives, the desktop program's volumes, loose files.

``caldata-<serial>.tar`` is written by the camera ("Transfer pairing data to SD card"). Tar headers are read here rather
than by the standard library, whose memory and time a made-up header can blow up: the old form and POSIX ustar, with
GNU's and pax's long names, which is what any program writes for plain files below 8 GB. Nothing is unpacked.

The desktop program keeps ``data.C.0``, ``data.C.1``, ... in ``cameras/sn-<serial>``: containers whose table of contents
lists ``files: [{name: 'C:\T1CALIB\MOD_0000.RAW', dataRef: 'sha1-...'}, ...]``, each volume its own files (as the
LFToolbox reads them, https://dgd.vision/Tools/LFToolbox; not verified on files of an Illum).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import BinaryIO

from lfsynth.errors import InputError
from lfsynth.lytro.byte_range import ByteRange, open_regular, whole_file
from lfsynth.lytro.container import Container
from lfsynth.lytro.json_fields import EXPORT_AGAIN, is_reference

MEMBER_LIMIT = 4096
"""Greatest number of members of a tar archive; a camera's has some hundred."""
NAME_LIMIT = 1 << 16
"""Greatest length of a long name or a pax header in bytes."""

_TAR_BLOCK = 512
_POSIX_MAGIC = b"ustar\0"
_TAR_CURE = "unpack it if it is compressed, or copy it from the camera again"


@dataclass(frozen=True)
class Member:
    """A file inside an archive, or a loose one.

    Attributes
    ----------
    source : the archive, or the loose file itself
    name : path inside the archive, None of a loose file
    folder : where it lies, inside the archive if there is one
    filename : last part of its path
    part : where its bytes are
    """

    source: Path
    name: str | None
    folder: str
    filename: str
    part: ByteRange


def loose_member(path: Path) -> Member:
    """A file by itself; InputError where there is none."""
    return Member(path, None, str(path.parent), path.name, whole_file(path))


def tar_members(path: Path) -> Iterator[Member]:
    """Regular files in a tar archive, in its order.

    Raises
    ------
    InputError : where it is no tar archive, is compressed or cut short, or has a member that no camera's has: with an
        absolute path or ``..``, a link, a device
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        position = 0
        long_name: str | None = None
        for _ in range(MEMBER_LIMIT):
            file.seek(position)
            header = file.read(_TAR_BLOCK)
            if position and header.strip(b"\0") == b"" and header:
                return
            if position and len(header) < _TAR_BLOCK:
                raise InputError(path, f"it is cut short at byte {size}", EXPORT_AGAIN)
            length, kind = _tar_header(header, path)
            start = position + _TAR_BLOCK
            if start + length > size:
                raise InputError(path, f"it is cut short in the member at byte {position}", EXPORT_AGAIN)
            position = start + length + -length % _TAR_BLOCK
            if kind in (b"L", b"x"):
                long_name = _long_name(file, kind, length, path) or long_name
                continue
            if kind == b"g":
                continue
            name = long_name or _short_name(header)
            long_name = None
            inside = _checked_path(path, name)
            if kind in (b"0", b"\0") and not name.endswith("/"):
                yield Member(path, name, str(inside.parent), inside.name, ByteRange(path, start, length))
            elif kind not in (b"0", b"\0", b"5"):
                raise InputError(path, f"its member {name[:80]!r} is a link or a device", _TAR_CURE)
    raise InputError(path, f"it has more than {MEMBER_LIMIT} members", "name the camera's caldata-*.tar")


def volume_members(container: Container) -> Iterator[Member]:
    """Files in a volume of the desktop program; none where its table of contents lists no files.

    Raises
    ------
    InputError : where the list is malformed, or a file in it is not in the volume
    """
    listed = container.contents.get("files", [])
    if not isinstance(listed, list):
        raise InputError(container.path, "its table of contents is wrong: files is no list", EXPORT_AGAIN)
    for entry in listed:
        name, reference = (
            (entry.get("name"), entry.get("dataRef")) if isinstance(entry, dict) else (None, None)
        )
        if not isinstance(name, str) or not is_reference(reference):
            raise InputError(
                container.path, "its table of contents lists a file without a name", EXPORT_AGAIN
            )
        inside = PureWindowsPath(name)
        part = container.part(str(reference))
        # A camera's files may be spread over volumes: they belong together by the folder of the volumes
        folder = f"{container.path.parent}/{inside.parent.as_posix()}"
        yield Member(container.path, name, folder, inside.name, part)


def _tar_header(header: bytes, path: Path) -> tuple[int, bytes]:
    """Length of the member's data and its kind; InputError where the block is no header."""
    checksum = sum(header[:148]) + 8 * ord(" ") + sum(header[156:])
    try:
        stated = int(header[148:156].strip(b"\0 "), 8)
        length = int(header[124:136].strip(b"\0 ") or b"0", 8)
    except ValueError:
        stated = length = -1
    if len(header) < _TAR_BLOCK or stated != checksum or length < 0:
        raise InputError(path, "it is no tar archive, or it is compressed or damaged", _TAR_CURE)
    return length, header[156:157]


def _short_name(header: bytes) -> str:
    name, prefix = (
        field.split(b"\0")[0].decode(errors="replace") for field in (header[:100], header[345:500])
    )
    # GNU's own form has other things where POSIX has the prefix
    return f"{prefix}/{name}" if prefix and header[257:263] == _POSIX_MAGIC else name


def _long_name(file: BinaryIO, kind: bytes, length: int, path: Path) -> str | None:
    """The path in GNU's or pax's extra header, which lies where the file stands; None where that has none."""
    if length > NAME_LIMIT:
        raise InputError(path, "a header of the tar archive is too long to be a camera's", _TAR_CURE)
    data = file.read(length)
    if kind == b"L":
        return data.split(b"\0")[0].decode(errors="replace")
    while data:
        digits, _, _ = data.partition(b" ")
        if not digits.isdigit() or not 0 < int(digits[:6]) <= len(data):
            raise InputError(path, "a header of the tar archive is damaged", _TAR_CURE)
        record, data = data[len(digits) + 1 : int(digits[:6])], data[int(digits[:6]) :]
        key, _, value = record.rstrip(b"\n").partition(b"=")
        if key == b"path":
            return value.decode(errors="replace")
        if key == b"size" or key.startswith(b"GNU.sparse"):
            raise InputError(path, "it has a member that is no plain file", _TAR_CURE)
    return None


def _checked_path(path: Path, name: str) -> PurePosixPath:
    inside = PurePosixPath(name.replace("\\", "/"))
    if inside.is_absolute() or ".." in inside.parts or PureWindowsPath(name).drive:
        raise InputError(path, f"its member {name[:80]!r} points outside of it", _TAR_CURE)
    return inside
