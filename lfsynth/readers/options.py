"""What a reader may be told where the file cannot tell."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from lfsynth.transfer import Transfer


class Format(Enum):
    """What a path holds."""

    FOLDER = "folder"
    """A folder of sub-aperture pictures."""
    HCI = "hci"
    """The HCI 4D light field benchmark: ``input_Cam*.png`` and ``parameters.cfg``."""
    ESLF = "eslf"
    """One picture whose neighbouring pixels are the views of a lenslet."""
    TILED = "tiled"
    """One picture with the views side by side."""
    MAT = "mat"
    """MATLAB file of the LFToolbox."""
    HDF5 = "hdf5"
    """This package's own HDF5 layout."""
    HCI_HDF5 = "hci-hdf5"
    """HDF5 of the old HCI benchmark (Wanner et al.)."""
    LYTRO = "lytro"
    """Raw capture of a Lytro Illum (LFR, LFP), decoded with the camera's white pictures."""


class Order(Enum):
    """How views are counted: with one number, how it runs; with two, which comes first in the name."""

    ROWS = "rows"
    """Row by row, each from left to right; the row's number first."""
    COLUMNS = "columns"
    """Column by column, each from top to bottom; the column's number first."""
    SERPENTINE = "serpentine"
    """Row by row, every second one from right to left."""


@dataclass(frozen=True)
class ReadOptions:
    """Options of all readers; None leaves it to the file, its name and its format's convention.

    Attributes
    ----------
    transfer : transfer curve of the stored values; None: what the file says of itself, else sRGB for
        integers and linear light for floats (LFToolbox files: sRGB for both)
    views : number of views (U, V), vertical and horizontal
    order : how views are counted in file names; None: row by row, the row's number first unless letters
        beside the numbers say otherwise
    format : what the path holds; None: found out
    judge : find dead, dim and spoilt views (`lfsynth.vignetting`) where the file brings no weights of its own
    calibration : where a raw capture's white pictures are: files and folders; none: in its own folder and below
    threads : how many may be used to read; the views are the same with any number
    """

    transfer: Transfer | None = None
    views: tuple[int, int] | None = None
    order: Order | None = None
    format: Format | None = None
    judge: bool = True
    calibration: tuple[Path, ...] = ()
    threads: int = 1

    def __post_init__(self) -> None:
        """Refuse view counts that are none."""
        if self.views is not None and (min(self.views) < 1 or self.views == (1, 1)):
            raise ValueError(f"views must be at least 1 x 2 or 2 x 1, not {self.views[0]} x {self.views[1]}")
