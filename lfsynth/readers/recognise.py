"""What a path holds, by its content and name, and the light fields of a folder."""

from __future__ import annotations

from pathlib import Path

import h5py

from lfsynth.errors import InputError
from lfsynth.lytro.camera_file import is_camera_file
from lfsynth.pictures import is_picture
from lfsynth.readers.folder import hci_parts
from lfsynth.readers.hdf5 import NAME, opened
from lfsynth.readers.names import grid_of_names
from lfsynth.readers.options import Format, ReadOptions

_MAT = {".mat"}
_HDF5 = {".h5", ".hdf5", ".lf"}
_RAW = {".lfr", ".lfp"}
_ESLF_SUFFIX = "_eslf"
_RAW_MAGIC = b"\x89LFP\r\n\x1a\n"


def recognise(path: Path, options: ReadOptions) -> Format:
    """Find out what a path holds.

    Parameters
    ----------
    path : a file or folder
    options : its `format` goes before everything; `views` tells that a single picture is tiled

    Raises
    ------
    InputError : where there is no such path, or it is no light field, or an option has to say which
    """
    try:
        return _recognise(path, options)
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", "check its permissions") from error


def _recognise(path: Path, options: ReadOptions) -> Format:
    """`recognise`, whose path may turn out to be unreadable."""
    if not path.exists():
        raise InputError(path, "there is no such file or folder", "check the path")
    if options.format is not None:
        if path.is_dir() != (options.format in (Format.FOLDER, Format.HCI)):
            raise InputError(
                path,
                f"is a {'folder' if path.is_dir() else 'file'}, which --format {options.format.value} is not",
                "correct --format or leave it out",
            )
        return options.format
    if path.is_dir():
        return Format.HCI if hci_parts(path) else Format.FOLDER
    if is_raw(path):
        return Format.LYTRO
    suffix = path.suffix.lower()
    if suffix in _MAT:
        return Format.MAT
    if suffix in _HDF5 or h5py.is_hdf5(path):
        if is_camera_file(path):
            raise InputError(path, "is a camera's calibration, no light field", "give it by --calibration")
        with opened(path) as file:
            return Format.HCI_HDF5 if file.attrs.get("format") != NAME and "LF" in file else Format.HDF5
    if is_picture(path):
        if path.stem.lower().endswith(_ESLF_SUFFIX):
            return Format.ESLF
        if options.views is not None:
            return Format.TILED
        raise InputError(
            path,
            "is one picture, which may hold views interleaved or side by side",
            "give --format eslf, or --views UxV where they lie side by side",
        )
    raise InputError(
        path,
        "is no light field that is known",
        "give a folder of pictures, or an ESLF or tiled picture, MAT, HDF5 or LFR file",
    )


def is_raw(path: Path) -> bool:
    """Whether a file is, or ought to be, a raw Lytro capture: by its name or its first bytes."""
    return path.suffix.lower() in _RAW or _begins_with(path, _RAW_MAGIC)


def find_light_fields(folder: Path, options: ReadOptions | None = None) -> list[Path]:
    """The light fields below a folder, sorted by path.

    MAT, HDF5 and raw Lytro files and ESLF pictures are one light field each, and so is a folder of views,
    into which the search does not go further; calibrations of cameras are none. A sub-folder that cannot be
    read is listed too, so that reading it tells why. Hidden files and folders are passed over.

    Parameters
    ----------
    folder : the folder, itself a light field or not; a file stands for itself
    options : where its `format` is a picture's, every picture is a light field

    Raises
    ------
    InputError : where there is no such folder, or nothing in it
    """
    options = options or ReadOptions()
    if not folder.exists():
        raise InputError(folder, "there is no such file or folder", "check the path")
    if not folder.is_dir():
        return [folder]
    found = _search(folder, options, frozenset())
    if not found:
        raise InputError(
            folder,
            "holds no light fields",
            "give a folder of light fields: folders of views, ESLF pictures, MAT, HDF5 or LFR files",
        )
    return found


def light_field_name(path: Path) -> str:
    """A short name for a light field: its folder's or file's, without what only names the format."""
    path = path.resolve()
    try:
        parts = hci_parts(path)
    except OSError:  # reading it tells why
        return path.name
    if path.is_dir():
        return parts[0].parent.name if parts else path.name
    stem = path.stem
    for ending in (_ESLF_SUFFIX, "__Decoded"):
        if stem.lower().endswith(ending.lower()) and len(stem) > len(ending):
            return stem[: -len(ending)]
    return stem


def _search(folder: Path, options: ReadOptions, above: frozenset[Path]) -> list[Path]:
    """`find_light_fields` below one folder; `above` are those that lead to it, against circular links."""
    try:
        entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
        is_scene = hci_parts(folder) is not None
    except OSError:
        return [folder]
    if is_scene:
        return [folder]
    here = folder.resolve()
    if here in above:
        return []
    files = [entry for entry in entries if entry.is_file()]
    pictures = [file for file in files if is_picture(file)]
    single = [file for file in pictures if _is_single(file, options)]
    views = [file for file in pictures if file not in single]
    if len(views) > 1 and _are_views(folder, views, options):
        return [folder]
    found = [file for file in files if file.suffix.lower() in _MAT | _RAW] + single
    found += [file for file in files if file.suffix.lower() in _HDF5 and not is_camera_file(file)]
    for entry in entries:
        if entry.is_dir():
            found += _search(entry, options, above | {here})
    if not found and len(views) > 1:
        return [folder]  # its pictures cannot be understood as views: reading it tells why
    return sorted(found or views)


def _is_single(picture: Path, options: ReadOptions) -> bool:
    """Whether a picture is a light field by itself."""
    return picture.stem.lower().endswith(_ESLF_SUFFIX) or options.format in (Format.ESLF, Format.TILED)


def _are_views(folder: Path, views: list[Path], options: ReadOptions) -> bool:
    try:
        grid_of_names(folder, views, views=options.views, order=options.order)
    except InputError:
        return False
    return True


def _begins_with(path: Path, magic: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(magic)) == magic
