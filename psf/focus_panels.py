"""Photographs beside the kernels that were estimated from them, for the figure through focus."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lfsynth.aperture import Sampling
from lfsynth.errors import InputError
from lfsynth.pictures import read_linear
from lfsynth.transfer import Transfer
from psf.coarse import Blobs, find_blobs
from psf.figures import Setting
from psf.kernel_files import RECORD, read_kernel, read_record
from psf.light_field import Opening, read_refocused
from psf.photograph import Bayer, Channel, Plane, Reading, read_photographs
from psf.photograph_formats import FLOAT_SUFFIXES, declared_transfer, read_array

SHOWN_PITCHES = 1.4
"""Side of the part of the photograph that is shown: a disk, and its neighbours' rims."""
_BRIGHT, _BRIGHT_PERCENTILE = 0.9, 99.0
"""What the paper's light is shown as."""


def read_setting(name: str, text: str) -> Setting:
    """A kernel and a photograph that it was estimated from.

    Parameters
    ----------
    name : of the setting, as "front focus"
    text : a kernel out of a folder of `psf estimate`, which knows its photographs, or ``KERNEL@PHOTOGRAPH``

    Raises
    ------
    InputError : where one of them is missing
    """
    kernel_text, at, photograph = text.rpartition("@")
    if not at or Path(text).exists():
        named = read_kernel(text)
        light = _photograph_of(text)
    else:
        named = read_kernel(kernel_text)
        light = _light(Path(photograph))
    return Setting(name, middle_disk(light), named.kernel)


def middle_disk(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """The disk next to a photograph's middle, its surroundings, and a brightness to look at.

    Parameters
    ----------
    light : (H, W) or (H, W, 3) float32, linear

    Returns
    -------
    (S, S) or (S, S, 3) float32, the paper's light near 0.9; all of a photograph without a grid of disks
    """
    grey = light if light.ndim == 2 else light.mean(axis=2, dtype=np.float32)
    blobs = find_blobs(np.ascontiguousarray(grey), None)
    pitch = _pitch(blobs)
    part = light
    if pitch is not None:
        middle = (np.array(grey.shape) - 1) / 2
        y, x = blobs.points[np.hypot(*(blobs.points - middle).T).argmin()]
        half = max(4, round(SHOWN_PITCHES * pitch / 2))
        part = light[
            max(0, round(y) - half) : round(y) + half + 1, max(0, round(x) - half) : round(x) + half + 1
        ]
    bright = float(np.percentile(part, _BRIGHT_PERCENTILE))
    return np.asarray(part * np.float32(_BRIGHT / bright if bright > 0 else 1.0), np.float32)


def _pitch(blobs: Blobs) -> float | None:
    """Distance of neighbours in a row or a column, px."""
    if len(blobs.index) < 2:
        return None
    step = np.abs(blobs.index[:, None] - blobs.index).sum(axis=2)
    first, second = np.nonzero(np.triu(step == 1))
    if not first.size:
        return None
    return float(np.median(np.hypot(*(blobs.points[first] - blobs.points[second]).T)))


def _photograph_of(text: str) -> NDArray[np.float32]:
    """The first photograph of a kernel of `psf estimate`, in the colour that the kernel is of."""
    record, entry = _entry(text)
    command = record.get("command", {})
    try:
        seen = entry["photographs"][0]
        path, plane = Path(seen["path"]), str(seen["plane"])
        channel = None if command.get("channel") is None else Channel(command["channel"])
        bayer = None if command.get("bayer") is None else Bayer(command["bayer"])
    except (KeyError, IndexError, TypeError, ValueError):
        raise InputError(text, "it does not tell its photographs", "name one, as KERNEL@PHOTOGRAPH") from None
    if not path.exists():
        raise InputError(
            text,
            f"its photograph {path} is not there",
            "run psf compare in the folder where it was estimated, or name it, as KERNEL@PHOTOGRAPH",
        )
    planes: list[Plane]
    if command.get("slope") is not None:
        opening = Opening(command["slope"], command.get("radius"), Sampling(command.get("sampling", "views")))
        planes = read_refocused(path, opening, channel=channel).planes
    else:
        transfer = None if command.get("transfer") is None else Transfer.parse(command["transfer"])
        _, planes = next(iter(read_photographs([path], Reading(transfer, channel, bayer))))
    return next((one.light for one in planes if one.name == plane), planes[0].light)


def _entry(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What an estimate.json says, and what it says of the one kernel that is asked for."""
    path, wanted = Path(text), None
    if not path.exists():
        before, _, wanted = text.rpartition(":")
        path = Path(before)
    file = path / RECORD if path.is_dir() else path
    if file.suffix.lower() != ".json":
        raise InputError(text, "it does not tell its photographs", "name one, as KERNEL@PHOTOGRAPH")
    record = read_record(file)
    chosen = [one for one in record["kernels"] if wanted is None or one["name"] == wanted]
    return record, chosen[0]


def _light(path: Path) -> NDArray[np.float32]:
    """A photograph to look at, (H, W) or (H, W, 3)."""
    if not path.exists():
        raise InputError(path, "there is no such photograph", "check the path")
    floats = path.suffix.lower() in FLOAT_SUFFIXES
    light = read_array(path) if floats else read_linear(path, declared_transfer(path))
    return light[:, :, 0] if light.shape[2] == 1 else light
