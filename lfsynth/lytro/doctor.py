"""What can be said of a capture before it is decoded: what it is, whether it can be, by which white picture, at what
cost. Nothing but JSON is read, unless the capture names its white picture by a digest that has to be looked for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from lfsynth.errors import InputError
from lfsynth.lytro.calibration_cache import Calibrations
from lfsynth.lytro.capture import check_pixels, metadata_of, pixels_of
from lfsynth.lytro.container import read_container
from lfsynth.lytro.lattice import REACH, VIEWS
from lfsynth.lytro.metadata import CaptureMetadata
from lfsynth.lytro.white_pictures import Choice, choose

DECODE_SECONDS = 0.06
"""CPU time to decode and write one megapixel, by benchmarks/decode.py on two cores of an AMD EPYC (Zen 3)."""
CALIBRATE_SECONDS = 0.04
"""CPU time to measure one megapixel of a white picture that is not in the cache, likewise."""

FAR_ZOOM, FAR_FOCUS = 30, 100
"""Motor steps between shot and white picture beyond which the user is warned: the disks move and change their size with
zoom and focus. How much harm a step does is not verified on raw captures."""

_BYTES_A_SAMPLE = 2
_LIT_VIEWS = sum(
    math.hypot(u, v) <= REACH
    for u in range(-(VIEWS // 2), VIEWS // 2 + 1)
    for v in range(-(VIEWS // 2), VIEWS // 2 + 1)
)


@dataclass(frozen=True, eq=False)
class Finding:
    """What is known of one capture.

    Attributes
    ----------
    path : the capture
    metadata : None where the file does not tell
    choice : its white picture, None where there is none
    faults : why it cannot be decoded, a line each; none if it can
    warnings : what the user should know, a sentence each
    """

    path: Path
    metadata: CaptureMetadata | None
    choice: Choice | None
    faults: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def seconds(self) -> float:
        """CPU time to decode it, without the time to measure its white picture."""
        return DECODE_SECONDS * _megapixels(self.metadata) if self.metadata and not self.faults else 0.0

    @property
    def bytes(self) -> int:
        """Disk that the light field takes, at most."""
        if self.metadata is None or self.faults:
            return 0
        height, width = self.metadata.shape
        spacing = math.sqrt(3) / 2 * self.metadata.lens_pitch_px * self.metadata.scale[0]
        return int(height / spacing) * int(width / spacing) * 3 * _LIT_VIEWS * _BYTES_A_SAMPLE


def examine(path: Path, calibrations: Calibrations) -> Finding:
    """Look at one capture.

    Parameters
    ----------
    path : the capture
    calibrations : where white pictures are looked for
    """
    try:
        container = read_container(path)
        metadata = metadata_of(container)
    except InputError as error:
        return Finding(path, None, None, (str(error),), ())
    faults: list[str] = []
    warnings = list(metadata.notes)
    choice = None
    try:
        check_pixels(pixels_of(container), metadata)
        choice = choose(metadata, calibrations.whites)
    except InputError as error:
        faults.append(str(error))
    if choice is not None:
        warnings += _far(choice)
        if choice.white.metadata.shape != metadata.shape:
            (h, w), (wh, ww) = metadata.shape, choice.white.metadata.shape
            faults.append(
                str(
                    InputError(
                        path,
                        f"it has {h} x {w} pixels, but its white picture {choice.white.label} {wh} x {ww}",
                        "give the white pictures of this camera by --calibration",
                    )
                )
            )
    return Finding(path, metadata, choice, tuple(faults), tuple(warnings))


def calibrating_seconds(findings: list[Finding]) -> float:
    """CPU time to measure the white pictures that captures need, each once."""
    needed = {f.choice.white.label: f.choice.white for f in findings if f.choice is not None and not f.faults}
    return sum(CALIBRATE_SECONDS * _megapixels(white.metadata) for white in needed.values())


def _megapixels(metadata: CaptureMetadata) -> float:
    return math.prod(metadata.shape) / 1e6


def _far(choice: Choice) -> list[str]:
    found = []
    for what, steps, limit in (
        ("zoom", choice.zoom_distance, FAR_ZOOM),
        ("focus", choice.focus_distance, FAR_FOCUS),
    ):
        if steps is None:
            found.append(f"its {what} or that of its white picture is unknown")
        elif steps > limit:
            found.append(f"its white picture is {steps} steps of {what} away")
    return found
