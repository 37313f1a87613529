"""Folders of sub-aperture pictures, one file a view, and the HCI 4D light field benchmark's.

The benchmark [1]_ names its views ``input_Cam000.png`` ... in row order and describes the cameras in
``parameters.cfg``. Its disparity (``gt_disp_lowres.pfm``, of the centre view, in pixels a view step) has this
package's sign: positive is nearer than the plane in focus.

References
----------
.. [1] K. Honauer, O. Johannsen, D. Kondermann, B. Goldluecke, A dataset and evaluation methodology for depth
   estimation on 4D light fields, ACCV 2016, doi:10.1007/978-3-319-54187-7_2.
"""

from __future__ import annotations

import configparser
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lfsynth import pictures
from lfsynth.errors import InputError
from lfsynth.lightfield import LightField
from lfsynth.readers.assembly import Brought, assemble
from lfsynth.readers.names import grid_of_names
from lfsynth.readers.options import Format, ReadOptions

PARAMETERS = "parameters.cfg"
DISPARITY = "gt_disp_lowres.pfm"
HCI_VIEWS = "input_Cam*.png"
FACTS = "lightfield.json"
"""File beside the views by which `lfsynth.writers` tells what pictures cannot hold: ``weights`` and ``gains`` (lists of
rows, as in `LightField`), ``f_number_radius``, ``transfer`` and ``metadata``."""


def pictures_in(folder: Path) -> list[Path]:
    """Pictures that lie in a folder, sorted by name, without hidden ones.

    Raises
    ------
    InputError : where the folder cannot be read
    """
    try:
        return sorted(
            entry
            for entry in folder.iterdir()
            if pictures.is_picture(entry) and not entry.name.startswith(".") and entry.is_file()
        )
    except OSError as error:
        raise unreadable_folder(folder, error) from error


def unreadable_folder(folder: Path, error: OSError) -> InputError:
    """The error for a folder that cannot be listed."""
    return InputError(folder, f"cannot be read ({error.strerror})", "check that it is there and may be read")


def read_folder(path: Path, options: ReadOptions) -> LightField:
    """Read a folder of sub-aperture pictures.

    Parameters
    ----------
    path : the folder
    options : `views` and `order` where the names cannot tell; see `lfsynth.readers.names`

    Raises
    ------
    InputError : where a view is missing, unreadable or of another size, the names cannot be understood, or the file
        that tells more is damaged
    """
    brought = _facts(path / FACTS) if (path / FACTS).is_file() else Brought()
    return _read(path, pictures_in(path), Format.FOLDER, options, brought, options.views)


def _facts(file: Path) -> Brought:
    """What `FACTS` tells; that its arrays fit the views is checked where these are read."""
    try:
        facts = json.loads(file.read_text(encoding="utf-8"))
        weights, gains = (np.array(facts[name], np.float32) for name in ("weights", "gains"))
        radius = facts["f_number_radius"]
        if not all(np.isfinite(a).all() and a.min() >= 0 for a in (weights, gains)):
            raise ValueError("weights or gains are negative or not finite")
        return Brought(
            weights=weights,
            gains=gains,
            f_number_radius=None if radius is None else float(radius),
            capture=dict(facts["metadata"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = f"no {error}" if isinstance(error, KeyError) else " ".join(str(error).split())
        raise InputError(
            file, f"does not tell of a light field ({reason})", "write the views again, or remove this file"
        ) from error


def hci_parts(folder: Path) -> tuple[Path, Path] | None:
    """The parameter file and the folder of views of an HCI benchmark scene; None where it is none.

    Both may lie in `folder`; or the views in its sub-folder ``views``, or `folder` is that sub-folder.
    """
    folder = folder.resolve()
    for parameters, views in (
        (folder / PARAMETERS, folder),
        (folder / PARAMETERS, folder / "views"),
        (folder.parent / PARAMETERS, folder),
    ):
        beside = parameters.parent != views
        if (not beside or views.name == "views") and parameters.is_file() and any(views.glob(HCI_VIEWS)):
            return parameters, views
    return None


def read_hci(path: Path, options: ReadOptions) -> LightField:
    """Read a scene of the HCI 4D light field benchmark.

    The `f_number_radius` follows from the cameras: an aperture of radius r views has the diameter 2 r
    baseline_mm, hence the f-number focal_length_mm / (2 r baseline_mm).

    Parameters
    ----------
    path : the scene's folder, or the folder ``views`` in it
    options : `views` goes before the number of cameras in the parameter file

    Raises
    ------
    InputError : where a view is missing, unreadable or of another size, the parameter file is damaged, or the
        disparity does not fit the views
    """
    parts = hci_parts(path)
    if parts is None:
        raise InputError(
            path,
            f"has no {PARAMETERS} beside {HCI_VIEWS}",
            "give the scene's folder, or read it as a plain folder of pictures",
        )
    parameters_file, folder = parts
    parameters = _parameters(parameters_file)
    try:
        grid = int(parameters["extrinsics"]["num_cams_y"]), int(parameters["extrinsics"]["num_cams_x"])
        focal_length = float(parameters["intrinsics"]["focal_length_mm"])
        baseline = float(parameters["extrinsics"]["baseline_mm"])
    except (KeyError, ValueError) as error:
        raise InputError(
            parameters_file, f"lacks a parameter or holds a wrong one ({error})", "copy the dataset again"
        ) from None
    if min(focal_length, baseline) <= 0 or min(grid) < 1:
        raise InputError(parameters_file, "has cameras without a distance", "copy the dataset again")
    views = options.views or grid
    brought = Brought(
        f_number_radius=focal_length / (2 * baseline),
        disparity=_disparity(parameters_file.parent / DISPARITY),
        capture=parameters,
    )
    files = sorted(folder.glob(HCI_VIEWS))
    return _read(path, files, Format.HCI, options, brought, views)


def _read(
    path: Path,
    files: list[Path],
    format: Format,
    options: ReadOptions,
    brought: Brought,
    views: tuple[int, int] | None,
) -> LightField:
    """Read views whose names tell their places; `views` is their number (U, V) where it is known."""
    named = grid_of_names(path, files, views=views, order=options.order)
    return assemble(
        path,
        lambda u, v: pictures.read(named.files[u][v]),
        grid=named.shape,
        format=format,
        options=options,
        understood=named.understood,
        brought=brought,
        view_name=lambda u, v: named.files[u][v].name,
    )


def _parameters(path: Path) -> dict[str, Any]:
    """The sections of a parameter file."""
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(path.read_text(encoding="utf-8", errors="replace"), str(path))
    except (OSError, configparser.Error) as error:
        raise InputError(
            path, f"cannot be read as parameters ({type(error).__name__})", "copy the dataset again"
        ) from error
    return {section: dict(parser[section]) for section in parser.sections()}


def _disparity(path: Path) -> NDArray[np.float32] | None:
    """True disparity (H, W) float32 of the centre view, where there is such a file."""
    if not path.is_file():
        return None
    return np.ascontiguousarray(pictures.read(path)[..., 0], np.float32)
