"""The container of Lytro files (LFR, LFP, data.C.n): named sections of bytes and a table of contents.

A file is a header of 16 bytes, then sections: ``89 'L' 'F' ('C' | 'M') 0D 0A 1A 0A``, u32 0, u32 big-endian length,
45 bytes of ASCII ``sha1-<40 hex digits>``, 35 NUL, the data, NUL up to a multiple of 16. A section of length 0 ends
after its length. Section M is the table of contents, JSON; C sections are found by their names, whatever their order
and number. A name is the digest of the section's data: it is verified where a section is read.

Nothing in a file is believed: positions are checked against the file's size before anything is read or allocated.
Whatever the file, reading its structure takes a few MB at the most.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from lfsynth.errors import InputError
from lfsynth.lytro.byte_range import ByteRange, open_regular
from lfsynth.lytro.json_fields import EXPORT_AGAIN, JSON_LIMIT, is_reference, parse_json
from lfsynth.pictures import write_bytes_atomic

FILE_MAGIC = b"\x89LFP\r\n\x1a\n\0\0\0\1"
CONTENTS_MAGIC = b"\x89LFM\r\n\x1a\n"
SECTION_MAGIC = b"\x89LFC\r\n\x1a\n"
ALIGNMENT = 16
NAME_LENGTH = 45
NAME_FIELD = 80
"""Bytes of the name and the NUL after it."""
SECTION_LIMIT = 4096
"""Greatest number of sections; a capture has about twelve, a volume of the desktop program's some hundred."""
_PADDING_BLOCK = 1 << 16


@dataclass(frozen=True)
class Container:
    """Where the parts of a file are.

    Attributes
    ----------
    path : the file
    contents : its table of contents
    sections : offset and length in bytes of each section by its name ``sha1-...`` in lower case
    """

    path: Path
    contents: dict[str, Any]
    sections: dict[str, tuple[int, int]]

    def __contains__(self, reference: object) -> bool:
        """Whether a section of this name is in the file."""
        return isinstance(reference, str) and reference.lower() in self.sections

    def part(self, reference: str) -> ByteRange:
        """Where a section is; InputError where there is none of this name. Its bytes are verified when read."""
        name = reference.lower()
        if name not in self.sections:
            raise InputError(self.path, f"it has no section {reference[:60]}", EXPORT_AGAIN)
        return ByteRange(self.path, *self.sections[name], name)

    def section(self, reference: str) -> bytes:
        """A section's data, verified; InputError where there is none of this name or it is damaged."""
        return self.part(reference).read()

    def json(self, reference: str, what: str) -> dict[str, Any]:
        """A section that holds a JSON object, called ``what`` in messages; InputError where there is none."""
        part = self.part(reference)
        if part.length > JSON_LIMIT:
            raise InputError(self.path, f"its {what} is too large to be a camera's", EXPORT_AGAIN)
        return parse_json(part.read(), self.path, what)


def read_container(path: Path) -> Container:
    """Find the sections of a file and read its table of contents.

    Raises
    ------
    InputError : where it is no such file, cut short, damaged, or has no table of contents
    """
    sections: dict[str, tuple[int, int]] = {}
    contents: ByteRange | None = None
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if file.read(len(FILE_MAGIC)) != FILE_MAGIC:
            raise InputError(
                path, "it is no Lytro file, whatever its name says", "remove it, or name another"
            )
        position = ALIGNMENT
        for _ in range(SECTION_LIMIT):
            position = _after_padding(file, position)
            if position >= size:
                break
            magic, part = _section_at(file, position, size, path)
            position = part.offset + part.length
            if magic == CONTENTS_MAGIC:
                if contents is not None:
                    raise InputError(path, "it has two tables of contents", EXPORT_AGAIN)
                contents = part
            elif part.name is not None:
                sections.setdefault(part.name, (part.offset, part.length))
        else:
            raise InputError(path, f"it has more than {SECTION_LIMIT} sections", EXPORT_AGAIN)
    if contents is None:
        raise InputError(path, "it has no table of contents: it is cut short", EXPORT_AGAIN)
    if contents.length > JSON_LIMIT:
        raise InputError(path, "its table of contents is too large to be a camera's", EXPORT_AGAIN)
    return Container(path, parse_json(contents.read(), path, "table of contents"), sections)


def digest_of(data: bytes | memoryview) -> str:
    """The name of a section, ``sha1-`` and 40 hexadecimal digits of its data."""
    return f"sha1-{hashlib.sha1(data, usedforsecurity=False).hexdigest()}"


def write_container(path: Path, contents: dict[str, Any], sections: Sequence[bytes]) -> None:
    """Write a container atomically: the sections in their order, then the table of contents.

    Parameters
    ----------
    path : .LFR or .LFP
    contents : the table of contents, JSON values; it refers to sections by `digest_of`
    sections : none empty

    Raises
    ------
    ValueError : for an empty section
    InputError : where the file cannot be written
    """
    if not all(sections):
        raise ValueError("a section must hold at least a byte")
    table = json.dumps(contents, indent=1).encode("ascii")
    parts = [FILE_MAGIC.ljust(ALIGNMENT, b"\0")]
    for magic, data in [*((SECTION_MAGIC, data) for data in sections), (CONTENTS_MAGIC, table)]:
        name = digest_of(data).encode("ascii").ljust(NAME_FIELD, b"\0")
        parts += [magic, struct.pack(">II", 0, len(data)), name, data, bytes(-len(data) % ALIGNMENT)]
    write_bytes_atomic(path, b"".join(parts))


def _section_at(file: BinaryIO, position: int, size: int, path: Path) -> tuple[bytes, ByteRange]:
    file.seek(position)
    header = file.read(ALIGNMENT)
    magic = header[: len(SECTION_MAGIC)]
    if not (SECTION_MAGIC.startswith(magic) or CONTENTS_MAGIC.startswith(magic)):
        raise InputError(path, f"byte {position} does not begin a section", EXPORT_AGAIN)
    if len(header) < ALIGNMENT:
        raise InputError(path, f"it is cut short at byte {size}", EXPORT_AGAIN)
    length = int.from_bytes(header[12:], "big")
    if length == 0:
        return magic, ByteRange(path, position + ALIGNMENT, 0)
    start = position + ALIGNMENT + NAME_FIELD
    if start + length > size:
        raise InputError(
            path,
            f"it is cut short: the section at byte {position} ends at {start + length} of {size}",
            EXPORT_AGAIN,
        )
    name = file.read(NAME_LENGTH).decode("ascii", "replace")
    if not is_reference(name):
        raise InputError(path, f"the section at byte {position} has no proper name", EXPORT_AGAIN)
    return magic, ByteRange(path, start, length, name.lower())


def _after_padding(file: BinaryIO, position: int) -> int:
    """Position of the first byte from there on that is not NUL, or the file's end."""
    file.seek(position)
    while block := file.read(_PADDING_BLOCK):
        rest = block.lstrip(b"\0")
        position += len(block) - len(rest)
        if rest:
            break
    return position
