"""Bytes of pictures, held for a while in files without names: these are gone with the process that holds them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

CHUNK = 1 << 18
"""Bytes that are sent at a time."""


class Blob:
    """A file that has no name in any folder; to be closed."""

    def __init__(self, data: bytes = b"") -> None:
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 (closed by `close`)
        self.size = 0
        try:
            self.write(data)
        except BaseException:
            self.close()
            raise

    @property
    def path(self) -> Path:
        """By which this process can open it, as long as it is not closed."""
        return Path(f"/proc/self/fd/{self._file.fileno()}")

    def fileno(self) -> int:
        """Of the open file."""
        return self._file.fileno()

    def write(self, data: bytes) -> None:
        """Append."""
        view = memoryview(data)
        while view:
            written = self._file.write(view)
            self.size += written
            view = view[written:]

    def chunks(self) -> Iterator[bytes]:
        """All of it, from the beginning."""
        for at in range(0, self.size, CHUNK):
            yield os.pread(self._file.fileno(), min(CHUNK, self.size - at), at)

    def close(self) -> None:
        """Give its room back; more than once does no harm."""
        self._file.close()
