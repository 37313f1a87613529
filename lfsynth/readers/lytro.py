"""Raw captures of the Lytro Illum (LFR, LFP), decoded with the camera's white pictures.

White pictures are looked for where the options say, else in the capture's folder and all below it: a file made by
``lfsynth calibrate``, the camera's ``caldata-<serial>.tar``, loose ``MOD_xxxx.RAW`` and ``.TXT``. What is measured in
them is kept in the user's cache folder, so that it is measured once.
"""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path

from lfsynth.errors import InputError
from lfsynth.lightfield import LightField
from lfsynth.lytro.calibration import Calibration
from lfsynth.lytro.calibration_cache import Calibrations, user_cache
from lfsynth.lytro.capture import Capture, read_capture, read_capture_metadata
from lfsynth.lytro.decode import decode
from lfsynth.lytro.lfr_layout import is_simulated
from lfsynth.lytro.white_pictures import Choice, choose
from lfsynth.readers.options import Format, ReadOptions


def read_lytro(path: Path, options: ReadOptions) -> LightField:
    """Decode a raw capture; its views have the weights that the decoder gives them.

    Parameters
    ----------
    path : the file
    options : `calibration` says where white pictures are, `threads` how many to run; the others have no bearing

    Raises
    ------
    InputError : where the file is damaged, of another camera, or no white picture can be used for it
    """
    capture, calibration, choice = _prepared(path, options)
    return _told(decode(capture, calibration, threads=options.threads), capture, choice)


def read_with_plenpy(path: Path, options: ReadOptions) -> LightField:
    """`read_lytro` by the library plenpy, on the lattice of our calibration: slow, for comparison.

    Raises
    ------
    InputError : as `read_lytro` does, and where plenpy is not installed
    """
    from lfsynth.lytro.plenpy_decoder import decode_with_plenpy  # which looks for a library that few have

    capture, calibration, choice = _prepared(path, options)
    # Our calibration has the white picture's noise averaged away, which is not plenpy's doing.
    calibration = replace(calibration, white=choice.white.read())
    return _told(decode_with_plenpy(capture, calibration), capture, choice)


def calibrations_for(path: Path, options: ReadOptions) -> Calibrations:
    """Where the white pictures of a capture are looked for."""
    return _calibrations(options.calibration or (path.parent,))


def white_pictures_of(path: Path, options: ReadOptions) -> list[Path]:
    """The file that holds the white picture of a capture; none where there is none, which reading it tells."""
    try:
        whites = calibrations_for(path, options).whites
        return [choose(read_capture_metadata(path), whites).white.source]
    except InputError:
        return []


def _prepared(path: Path, options: ReadOptions) -> tuple[Capture, Calibration, Choice]:
    capture = read_capture(path)
    calibration, choice = calibrations_for(path, options).find(capture.metadata)
    return capture, calibration, choice


def _told(lightfield: LightField, capture: Capture, choice: Choice) -> LightField:
    """The light field with what there is to know of its capture and its white picture."""
    told = {
        **lightfield.metadata,
        "format": Format.LYTRO.value,
        "simulated": is_simulated(capture.metadata),
        "white_picture": choice.said,
        "capture": capture.metadata.settings(),
    }
    return replace(lightfield, metadata=told)


@functools.lru_cache(maxsize=2)
def _calibrations(where: tuple[Path, ...]) -> Calibrations:
    """One for all captures of a run, so that white pictures are found and read once."""
    return Calibrations(where, user_cache())
