"""The raw captures that a command is given."""

from __future__ import annotations

from pathlib import Path

from lfsynth.errors import InputError


def find_captures(path: Path, out: Path | None = None) -> dict[str, Path]:
    """Captures by name: the file, or all below the folder but for what lies in ``out``.

    Raises
    ------
    InputError
        If there is no such path, or no capture.
    """
    from lfsynth.lfdof import scene_names
    from lfsynth.readers import light_field_name
    from lfsynth.readers.recognise import is_raw

    if not path.exists():
        raise InputError(path, "there is no such file or folder", "check the path")
    paths = [path]
    if path.is_dir():
        below = sorted(file for file in path.rglob("*") if file.suffix.lower() in (".lfr", ".lfp"))
        hidden = [file for file in below if any(p.startswith(".") for p in file.relative_to(path).parts)]
        paths = [file for file in below if file.is_file() and file not in hidden]
    elif not is_raw(path):
        raise InputError(path, "is no raw Lytro capture", "give an .LFR file or a folder of them")
    if out is not None:
        paths = [file for file in paths if out.resolve() not in file.resolve().parents]
    if not paths:
        raise InputError(path, "holds no raw Lytro captures", "give a folder of .LFR files")
    return scene_names(paths, (light_field_name(file) for file in paths))
