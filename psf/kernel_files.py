"""Kernels on disk: what ``psf estimate`` writes into its folder, and how any command reads a kernel.

A kernel is named by a file (.npy, or a TIFF of floats), by a folder that ``psf estimate`` made or its estimate.json, or
by one of these with the name of one of its kernels behind a colon, as ``psf/:g``. Of a folder the *system's* kernels
are read: what the sensor records of a point. Values come as they are stored, float64.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lfsynth import pictures
from lfsynth.errors import InputError
from psf.merit import unit_sum

RECORD = "estimate.json"
"""Name of the file that tells all of a folder."""


@dataclass(frozen=True, eq=False)
class NamedKernel:
    """A kernel (n, n) float64, n odd, of positive sum, and what to call it."""

    name: str
    kernel: NDArray[np.float64]


def read_kernel(text: str | Path) -> NamedKernel:
    """Read one kernel.

    Parameters
    ----------
    text : path of a .npy or TIFF file, or of a folder or an estimate.json; of the latter two the only kernel is read,
        or the one that is named behind a colon

    Raises
    ------
    InputError : where there is none, it cannot be read or is no kernel, or there are several to choose from
    """
    path, wanted = _parted(str(text))
    if path.is_dir() or path.suffix.lower() == ".json":
        return _of_record(path / RECORD if path.is_dir() else path, wanted)
    return NamedKernel(path.stem, _checked(path, _array(path)))


def read_kernels(texts: Sequence[str | Path]) -> dict[str, NDArray[np.float64]]:
    """Read several, by name in their order; those of one name are called as they were asked for.

    Raises
    ------
    InputError : as `read_kernel`, and where one is given twice
    """
    read = [(str(text), read_kernel(text)) for text in texts]
    names = [named.name for _, named in read]
    kernels: dict[str, NDArray[np.float64]] = {}
    for text, named in read:
        name = named.name if names.count(named.name) == 1 else text
        if name in kernels:
            raise InputError(text, "it is given twice", "name each kernel once")
        kernels[name] = named.kernel
    return kernels


def _parted(text: str) -> tuple[Path, str | None]:
    """The path and the kernel's name behind the colon; names of files may hold colons."""
    path = Path(text)
    before, colon, after = text.rpartition(":")
    if path.exists() or not colon or not Path(before).exists():
        return path, None
    return Path(before), after


def _of_record(path: Path, wanted: str | None) -> NamedKernel:
    """A kernel of an estimate's folder."""
    files = {str(one["name"]): str(one["files"]["system"]) for one in read_record(path)["kernels"]}
    folder = path.parent.resolve().name
    if wanted is None:
        if len(files) != 1:
            raise InputError(
                path,
                f"it tells of {len(files)} kernels: {', '.join(files)}",
                f"name one, as {path.parent}:{next(iter(files))}",
            )
        wanted = next(iter(files))
        name = folder
    else:
        name = f"{folder}:{wanted}"
    if wanted not in files:
        raise InputError(path, f"it has no kernel {wanted!r}", f"choose of {', '.join(files)}")
    file = path.parent / files[wanted]
    return NamedKernel(name, _checked(file, _array(file)))


def read_record(path: Path) -> dict[str, Any]:
    """What an estimate.json holds.

    Raises
    ------
    InputError : where it is missing or not such a file
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if not record["kernels"] or not all(
            one["name"] and one["files"]["system"] for one in record["kernels"]
        ):
            raise ValueError
    except FileNotFoundError:
        raise InputError(
            path, "there is no such file", "name a kernel, or a folder of psf estimate"
        ) from None
    except OSError as error:
        raise InputError(path, f"it cannot be read ({error.strerror})", "check the path") from None
    except (ValueError, KeyError, TypeError):
        raise InputError(path, "psf estimate did not write it", "run psf estimate again") from None
    return dict(record)


def _array(path: Path) -> NDArray[Any]:
    """The array of a .npy file or the grey picture of a TIFF."""
    if path.suffix.lower() == ".npy":
        try:
            return np.asarray(np.load(path, allow_pickle=False))
        except FileNotFoundError:
            raise InputError(path, "there is no such file", "check the path") from None
        except (OSError, ValueError, EOFError) as error:
            raise InputError(path, f"it cannot be read ({error})", "save the array again") from None
    if path.suffix.lower() not in (".tif", ".tiff"):
        there = path.exists()
        raise InputError(
            path,
            "it is no file of a kernel" if there else "there is no such file",
            "name a .npy or float TIFF file, or a folder of psf estimate",
        )
    picture = pictures.read(path)
    if picture.shape[2] != 1:
        raise InputError(path, f"it has {picture.shape[2]} channels", "save the kernel as a grey picture")
    return picture[:, :, 0]


def _checked(path: Path, array: NDArray[Any]) -> NDArray[np.float64]:
    """The array, if it is a kernel."""
    if array.dtype.kind not in "fiu":
        raise InputError(path, f"its values are {array.dtype}, not numbers", "save the kernel as floats")
    kernel = array.astype(np.float64)
    try:
        unit_sum(kernel)
    except ValueError as error:
        raise InputError(path, str(error), "save a square kernel with an odd number of pixels") from None
    return kernel
