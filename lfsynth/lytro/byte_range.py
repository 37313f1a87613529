"""A run of bytes inside a file, read in blocks, and verified where it has a name.

Sections of containers and members of archives are such runs. Nothing is read until it is asked for, and no more memory
is taken than a block, or than what was asked for.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from lfsynth.errors import InputError
from lfsynth.lytro.json_fields import EXPORT_AGAIN

BLOCK = 5 << 18
"""Bytes read at once: whole groups of packed pixels, and less than the second-level cache."""


@dataclass(frozen=True)
class ByteRange:
    """Bytes ``offset`` to ``offset + length`` of a file.

    Attributes
    ----------
    path : the file
    offset, length : bytes
    name : ``sha1-<40 hex digits>`` of the bytes in lower case, verified when they are read; None: nothing to verify
    """

    path: Path
    offset: int
    length: int
    name: str | None = None

    def blocks(self) -> Iterator[bytes]:
        """The bytes, `BLOCK` at a time; the last block comes only if the digest is right.

        Raises
        ------
        InputError : where the file cannot be read, has become shorter, or the digest is another
        """
        digest = hashlib.sha1(usedforsecurity=False)
        with open_regular(self.path) as file:
            file.seek(self.offset)
            left = self.length
            while left:
                block = file.read(min(BLOCK, left))
                if not block:
                    raise InputError(self.path, "it became shorter while it was read", EXPORT_AGAIN)
                left -= len(block)
                if self.name is not None:
                    digest.update(block)
                    if not left and f"sha1-{digest.hexdigest()}" != self.name:
                        raise InputError(
                            self.path, f"its section {self.name} is damaged (other digest)", EXPORT_AGAIN
                        )
                yield block

    def read(self) -> bytes:
        """All the bytes; see `blocks` for what it raises."""
        return b"".join(self.blocks())

    def digest(self) -> str:
        """``sha1-<40 hex digits>`` of the bytes as they are now, for which they are read where they have no name."""
        if self.name is not None:
            return self.name
        digest = hashlib.sha1(usedforsecurity=False)
        for block in self.blocks():
            digest.update(block)
        return f"sha1-{digest.hexdigest()}"


def whole_file(path: Path) -> ByteRange:
    """All of a regular file; InputError where there is none."""
    with open_regular(path) as file:
        return ByteRange(path, 0, os.fstat(file.fileno()).st_size)


@contextmanager
def open_regular(path: Path) -> Iterator[BinaryIO]:
    """A file opened for reading; InputError for what cannot be read, then or later, or is no regular file."""
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise InputError(path, "it is a folder, not a file", "name a file in it")
        # A pipe would wait for ever
        if not stat.S_ISREG(mode):
            raise InputError(path, "it is no regular file", "name a file")
        with path.open("rb") as file:
            yield file
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(path, "there is no such file", "check the path") from None
    except PermissionError:
        raise InputError(path, "it may not be read", "change its permissions") from None
    except OSError as error:
        raise InputError(
            path, f"it cannot be read ({error.strerror})", "check the disk and the path"
        ) from error
