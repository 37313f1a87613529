"""The folder of a relative kernel: the kernel, its figure, relative.json. It comes into being whole."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lfsynth import __version__, png
from lfsynth.pictures import write
from psf.estimate_folder import check_folder, replacing
from psf.figures import profile_figure
from psf.merit import measure
from psf.relative import Direction, RelativeKernel

RECORD = "relative.json"
KERNEL, TIFF, FIGURE = "relative.npy", "relative.tiff", "relative.png"


def write_relative(
    out: Path,
    found: RelativeKernel,
    names: tuple[str, str],
    kernels: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> None:
    """Write the folder.

    Parameters
    ----------
    out : the folder; one of an earlier run is replaced
    found : the relative kernel
    names, kernels : of the two, in the order in which they were given

    Raises
    ------
    InputError : where the folder holds other files, or cannot be written to
    """
    check_folder(out, {RECORD, KERNEL, TIFF, FIGURE}, RECORD, "psf relative")
    with replacing(out) as folder:
        np.save(folder / KERNEL, found.kernel)
        write(folder / TIFF, found.kernel[:, :, None].astype(np.float32), bits=32)
        shown = {"A": kernels[0], "B": kernels[1], _title(found.direction): found.kernel}
        (folder / FIGURE).write_bytes(png.encode_png(profile_figure(shown)))
        record: dict[str, Any] = {
            "program": "psf relative",
            "version": __version__,
            "first": names[0],
            "second": names[1],
            "direction": found.direction.value,
            "residual": found.residual,
            "other_residual": found.other_residual,
            "size": len(found.kernel),
            "merit": asdict(measure(found.kernel)),
            "files": [KERNEL, TIFF, FIGURE],
        }
        text = json.dumps(record, indent=1, allow_nan=False)
        (folder / RECORD).write_text(text + "\n", encoding="utf-8")


def _title(direction: Direction) -> str:
    return "A to B" if direction is Direction.FIRST_TO_SECOND else "B to A"
