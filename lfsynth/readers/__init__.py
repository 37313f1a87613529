"""Light fields from files: a module per format, and one function that picks by what the file is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lfsynth.lightfield import LightField
from lfsynth.readers.folder import read_folder, read_hci
from lfsynth.readers.hci_hdf5 import read_hci_hdf5
from lfsynth.readers.hdf5 import read_hdf5, write_hdf5
from lfsynth.readers.identity import identity
from lfsynth.readers.lytro import read_lytro
from lfsynth.readers.mat import read_mat
from lfsynth.readers.mosaic import read_eslf, read_tiled
from lfsynth.readers.options import Format, Order, ReadOptions
from lfsynth.readers.recognise import find_light_fields, light_field_name, recognise

__all__ = [
    "READERS",
    "Format",
    "Order",
    "ReadOptions",
    "find_light_fields",
    "identity",
    "light_field_name",
    "read_light_field",
    "recognise",
    "write_hdf5",
]

READERS: dict[Format, Callable[[Path, ReadOptions], LightField]] = {
    Format.FOLDER: read_folder,
    Format.HCI: read_hci,
    Format.ESLF: read_eslf,
    Format.TILED: read_tiled,
    Format.MAT: read_mat,
    Format.HDF5: read_hdf5,
    Format.HCI_HDF5: read_hci_hdf5,
    Format.LYTRO: read_lytro,
}


def read_light_field(path: Path, options: ReadOptions | None = None) -> LightField:
    """Read a light field, whatever it is stored as.

    Parameters
    ----------
    path : a file or folder
    options : what the file cannot tell; None: nothing has to be told

    Raises
    ------
    InputError : where it is no light field, or damaged, or an option has to say how to read it
    """
    options = options or ReadOptions()
    return READERS[recognise(path, options)](path, options)
