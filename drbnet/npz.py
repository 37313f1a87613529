"""NumPy's ``.npz`` files of arrays of numbers, without running what may be pickled in them.

An array of Python objects, such as a list of arrays of several shapes, is a pickle in such a file, and NumPy reads it
by running it. Here it is read by an unpickler that knows the pieces of arrays of numbers alone and puts these together
itself: no function that a file names is called, NumPy's own included.
"""

from __future__ import annotations

import io
import pickle
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lfsynth.errors import InputError

Array = NDArray[Any]
_NUMBERS = ("f2", "f4", "f8")
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
_DAMAGED = "copy it again"
_ELSE = "take the file as its authors published it"


def read_npz(path: Path) -> dict[str, Array | list[Array]]:
    """Arrays of a ``.npz`` file by name, float16 to float64; where one is an array of arrays, the list of these.

    Raises
    ------
    InputError : where it cannot be read, is damaged, or holds other things than real numbers
    """
    try:
        data = io.BytesIO(path.read_bytes())
    except OSError as error:
        raise InputError(path, f"it cannot be read ({error.strerror})", "check the path") from None
    try:
        with zipfile.ZipFile(data) as archive:
            # Reading a member to its end compares its check sum.
            members = {name.removesuffix(".npy"): archive.read(name) for name in archive.namelist()}
    except (zipfile.BadZipFile, NotImplementedError, OSError, EOFError, RuntimeError, zlib.error) as error:
        raise InputError(path, f"it is damaged or no .npz file ({error})", _DAMAGED) from None
    return {name: _content(path, name, member) for name, member in members.items()}


def _content(path: Path, name: str, data: bytes) -> Array | list[Array]:
    file = io.BytesIO(data)
    try:
        _, _, dtype = _HEADERS[np.lib.format.read_magic(file)](file)
        if dtype.hasobject:
            return _listed(_Numbers(file, encoding="latin1").load())
        file.seek(0)
        return _real(np.lib.format.read_array(file, allow_pickle=False))
    except _CodeFound as error:
        raise InputError(path, f"its {name} would run {error}", "do not trust it; " + _ELSE) from None
    except Exception as error:
        # Bytes that are no pickle, or a damaged one, can end the unpickler in any way.
        what = " ".join(str(error).split())[:100]
        fault = f"its {name} is damaged, or no array of numbers ({type(error).__name__}: {what})"
        raise InputError(path, fault, _ELSE) from None


def _real(array: Array) -> Array:
    if array.dtype.str[1:] not in _NUMBERS:
        raise ValueError(f"values of {array.dtype}")
    return array


class _CodeFound(pickle.UnpicklingError):
    """A pickle wants something that no array of numbers is made of."""


class _Dtype:
    """What a pickled `numpy.dtype` says of itself."""

    def __init__(self, code: str = "", *_: Any) -> None:
        self.code, self.order = code, "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = state[1]


class _Array:
    """What a pickled `numpy.ndarray` says of itself."""

    def __init__(self, *_: Any) -> None:
        self.shape: tuple[int, ...] = ()
        self.dtype = _Dtype()
        self.fortran = False
        self.data: Any = b""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, self.shape, self.dtype, self.fortran, self.data = state

    def numbers(self) -> Array:
        """The array, where it is one of numbers."""
        if self.dtype.code not in _NUMBERS:
            raise ValueError(f"values of {self.dtype.code}")
        data = self.data.encode("latin1") if isinstance(self.data, str) else self.data
        order = self.dtype.order if self.dtype.order in ("<", ">") else "="
        flat: Array = np.frombuffer(data, np.dtype(order + self.dtype.code))
        return flat.reshape(self.shape, order="F" if self.fortran else "C")


def _listed(read: Any) -> list[Array]:
    """What an array of objects consists of, each an array of numbers."""
    if not isinstance(read, _Array) or not isinstance(read.data, list):
        raise ValueError("no list of arrays")
    if not all(isinstance(one, _Array) for one in read.data):
        raise ValueError("a list of other things than arrays")
    return [one.numbers() for one in read.data]


def _reconstruct(*_: Any) -> _Array:
    return _Array()


def _encode(text: str, encoding: str) -> bytes:
    """How the older protocols say bytes."""
    return text.encode("latin1") if encoding == "latin1" else b""


_KNOWN: Mapping[tuple[str, str], Callable[..., Any]] = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encode,
}


class _Numbers(pickle.Unpickler):
    """Knows arrays, what they are made of, and nothing else."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        """One of these; all else is refused before it is called."""
        if (module_name, global_name) not in _KNOWN:
            raise _CodeFound(f"{module_name}.{global_name}")
        return _KNOWN[module_name, global_name]
