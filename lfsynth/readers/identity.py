"""What a light field's content hangs on, without reading it."""

from __future__ import annotations

import hashlib
from pathlib import Path

from lfsynth.readers.options import Format, ReadOptions
from lfsynth.readers.recognise import is_raw


def identity(path: Path, options: ReadOptions) -> str:
    """Hash of the names, sizes and times of a light field's files: changes when the light field does.

    The white picture of a raw capture is one of them.

    Raises
    ------
    OSError : where a file is gone or cannot be looked at
    """
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    lines = []
    for file in files:
        status = file.stat()
        lines.append(f"{file.relative_to(path.parent)} {status.st_size} {status.st_mtime_ns}")
    if path.is_file() and (options.format is Format.LYTRO or is_raw(path)):
        from lfsynth.readers.lytro import white_pictures_of  # costs 0.1 s, and most light fields are not raw

        for file in white_pictures_of(path, options):
            status = file.stat()
            lines.append(f"{file.name} {status.st_size} {status.st_mtime_ns}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
