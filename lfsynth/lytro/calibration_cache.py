"""The calibration for a shot: found in camera files, or made from white pictures and kept for the next time.

White pictures are looked for where the user says: in camera files (`lfsynth.lytro.camera_file`), in the camera's own
archives and files (`lfsynth.lytro.white_pictures`), and in folders of all these. Only the one that a shot needs is
read. What is calibrated on the way is kept in a folder of the user's, named by the digest of the pixels and the
version of the program, so that no change of either can bring back an old result.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from functools import cached_property
from pathlib import Path

from lfsynth.lytro.calibration import CALIBRATION_VERSION, Calibration, calibrate
from lfsynth.lytro.camera_file import (
    is_camera_file,
    load_calibration,
    locked,
    save_calibration,
    white_pictures_in,
)
from lfsynth.lytro.metadata import CaptureMetadata
from lfsynth.lytro.white_pictures import Choice, WhitePicture, choose, find_white_pictures

CAMERA_SUFFIXES = (".h5", ".hdf5")


def user_cache() -> Path:
    """The user's folder of calibrations: ``lfsynth/calibration`` in XDG_CACHE_HOME or ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The specification has relative paths ignored: https://specifications.freedesktop.org/basedir-spec
    folder = Path(base) if Path(base).is_absolute() else Path.home() / ".cache"
    return folder / "lfsynth" / "calibration"


def index(where: Sequence[Path]) -> list[WhitePicture]:
    """All white pictures in camera files, archives, loose files and folders of these; no pixels are read.

    Raises
    ------
    InputError
        If a path is missing, or a file that is named is damaged or holds no white picture.
    """
    whites: list[WhitePicture] = []
    for path in where:
        if path.is_dir():
            for suffix in CAMERA_SUFFIXES:
                for file in sorted(path.rglob(f"*{suffix}")):
                    whites += white_pictures_in(file) if is_camera_file(file) else []
            whites += find_white_pictures([path])
        elif path.suffix.lower() in CAMERA_SUFFIXES:
            whites += white_pictures_in(path)
        else:
            whites += find_white_pictures([path])
    return whites


class Calibrations:
    """Calibrations for shots, for as many shots as there are: what was found and the last one used are remembered.

    Parameters
    ----------
    where : camera files, archives, loose white pictures, folders of these
    cache : folder where calibrations are kept, None to keep none; one that cannot be written to is done without
    """

    def __init__(self, where: Sequence[Path], cache: Path | None) -> None:
        self._where = tuple(where)
        self._cache = cache
        self._last: Calibration | None = None

    @cached_property
    def whites(self) -> list[WhitePicture]:
        """The white pictures, in the order of the paths; InputError as of `index`."""
        return index(self._where)

    def find(self, shot: CaptureMetadata) -> tuple[Calibration, Choice]:
        """The calibration for a shot, and how its white picture was chosen.

        Raises
        ------
        InputError
            If there is no white picture for the shot, or it cannot be read or used.
        """
        choice = choose(shot, self.whites)
        if self._last is None or self._last.digest != choice.white.digest:
            # The old one's memory is given back first.
            self._last = None
            self._last = calibrated(choice.white, self._cache)
        return self._last, choice


def find(shot: CaptureMetadata, where: Sequence[Path], cache: Path | None) -> tuple[Calibration, Choice]:
    """The calibration for one shot; see `Calibrations` for several."""
    return Calibrations(where, cache).find(shot)


def calibrated(white: WhitePicture, cache: Path | None) -> Calibration:
    """The calibration of a white picture: from its camera file, from the cache, or made now and kept there.

    Of two processes that need it at once, one makes it and the other waits.
    """
    if is_camera_file(white.source):
        stored = load_calibration(white.source, white)
        if stored is not None:
            return stored
    if cache is None:
        return _made(white)
    kept = cache / f"{white.digest}-v{CALIBRATION_VERSION}.h5"
    with ExitStack() as stack:
        with suppress(OSError):
            cache.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locked(kept))
        stored = load_calibration(kept, white)
        if stored is not None:
            return stored
        calibration = _made(white)
        with suppress(OSError):
            save_calibration(kept, calibration)
        return calibration


def _made(white: WhitePicture) -> Calibration:
    return calibrate(white.read(), white.metadata, source=white.label, digest=white.digest)
