"""The job of ``psf estimate``: photographs in, kernels with all that is known of them out.

All photographs are shots of one setting, and go into one kernel for each colour and field zone; or each photograph is
a setting of its own. The greens of a mosaic's two kinds of rows go into one kernel. Where there are several kernels to
estimate, one that a check refuses is set aside and the others go on.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np

from lfsynth.errors import InputError
from psf.checks import checks
from psf.clipping import Clip
from psf.coarse import Polarity
from psf.detect import Detection, detect
from psf.estimate import Estimate, Options, estimate, zones
from psf.field import field_of
from psf.findings import FieldOf, Lateral, Measured, Refused, Results, Seen
from psf.fit import choose
from psf.kernel_figure import profiles
from psf.lateral import lateral_colour
from psf.lattice import find_lattice
from psf.light_field import Opening, read_refocused
from psf.merit import measure
from psf.photograph import Plane, Reading, find_photographs, read_photographs
from psf.radiometry import target_area
from psf.solved import Sharp

PREVIEW_PX = 720
"""Longer side of the small pictures that a report shows."""

_CLIPPING_BLOCK = 4
"""Every so many pixels of a row and a column are looked at for clipping."""


@dataclass(frozen=True)
class Request:
    """What is to be estimated, and how.

    Attributes
    ----------
    images : files, folders and patterns
    reading : how to read photographs
    dark : files, folders and patterns of dark frames
    size : of the kernels, px; None: automatic
    grid : (columns, rows) of the target; None: as found
    polarity : of the target; None: as found
    parts : (rows, columns) of zones; None: the whole picture
    each : whether each photograph is a setting of its own
    opening : through which light fields are seen, which ``images`` then name, files or folders; None: photographs
    sharp : file of the photograph of the target in focus: kernels are relative, they turn it into the others
    models : whether models are fitted to the kernels
    options : of the estimator
    """

    images: tuple[str, ...]
    reading: Reading
    dark: tuple[str, ...] = ()
    size: int | None = None
    grid: tuple[int, int] | None = None
    polarity: Polarity | None = None
    parts: tuple[int, int] | None = None
    each: bool = False
    opening: Opening | None = None
    sharp: Path | None = None
    models: bool = False
    options: Options = field(default_factory=Options)


@dataclass(frozen=True)
class Done:
    """One kernel is done, or refused; for those who watch."""

    name: str
    fault: str = ""

    @property
    def made(self) -> bool:
        """Whether this run made it: always."""
        return True


Report = Callable[[Done], None]


def find_files(texts: Sequence[str], option: str) -> list[Path]:
    """Files of folders, patterns and names, in their order and each once.

    Raises
    ------
    InputError : where one of them is not there, or there are none
    """
    found: dict[Path, None] = {}
    for text in texts:
        if not text:
            raise InputError(option, "a path is empty", "name a folder, files or a pattern in quotes")
        path = Path(text)
        if path.exists():
            found.update(dict.fromkeys(find_photographs(path)))
            continue
        matches = sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
        if not matches:
            raise InputError(option, f"there is no {text}", "name a folder, files or a pattern in quotes")
        found.update(dict.fromkeys(match for match in matches if match.is_file()))
    if not found:
        raise InputError(option, "there are no photographs", "name a folder, files or a pattern in quotes")
    return list(found)


def run(request: Request, *, report: Report = lambda done: None) -> Results:
    """Estimate all kernels that are asked for.

    Raises
    ------
    InputError : where no kernel is to be had
    """
    paths = _light_fields(request.images) if request.opening else find_files(request.images, "--images")
    dark = find_files(request.dark, "--dark") if request.dark else []
    paths = [path for path in paths if path not in dark and path != request.sharp] or paths
    sharp = _sharp_kernels(request, dark)
    settings = [(path.stem, [path]) for path in paths] if request.each else [("", paths)]
    if len({name for name, _ in settings}) < len(settings):
        settings = [(path.name, [path]) for path in paths]
    kernels: list[Measured] = []
    refused: list[Refused] = []
    lateral: list[Lateral] = []
    first_fault: InputError | None = None

    def set_aside(name: str, error: InputError) -> None:
        refused.append(Refused(name, str(error)))
        report(Done(name, str(error)))

    for name, shots in settings:
        channels, faults = _look(request, shots, dark)
        for channel, error in faults.items():
            first_fault = first_fault or error
            set_aside(_name(name, channel, None), error)
        lateral += _lateral(name, channels)
        for channel, zone, seen in _parts(request, channels):
            kernel_name = _name(name, channel, zone)
            try:
                kernels.append(_measured(request, sharp, kernel_name, name, channel, zone, seen))
            except InputError as error:
                first_fault = first_fault or error
                set_aside(kernel_name, error)
            else:
                report(Done(kernel_name))
    if not kernels:
        assert first_fault is not None
        raise first_fault
    fields = _fields(request, kernels)
    parts = request.parts or (1, 1)
    return Results(tuple(paths), tuple(kernels), tuple(refused), tuple(lateral), fields, parts)


def _fields(request: Request, kernels: Sequence[Measured]) -> tuple[FieldOf, ...]:
    """Mean and spread of each channel of each setting that has several zones."""
    if request.parts is None:
        return ()
    fields = []
    for setting, channel in dict.fromkeys((one.setting, one.channel) for one in kernels):
        those = [one for one in kernels if (one.setting, one.channel) == (setting, channel)]
        if len(those) > 1:
            field = field_of([one.kernel for one in those], [one.merit for one in those])
            fields.append(FieldOf(setting, channel, request.parts, field))
    return tuple(fields)


def _name(setting: str, channel: str, zone: tuple[int, int] | None) -> str:
    """Of a kernel and its files."""
    return "_".join(part for part in (setting, channel, f"{zone[0]}-{zone[1]}" if zone else "") if part)


def _light_fields(texts: Sequence[str]) -> list[Path]:
    """Light fields, which may be folders; patterns are followed."""
    found: dict[Path, None] = {}
    for text in texts:
        path = Path(text)
        matches = (
            [path] if path.exists() else sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
        )
        if not matches:
            raise InputError("--images", f"there is no {text}", "name a light field")
        found.update(dict.fromkeys(matches))
    return list(found)


def _planes(
    request: Request, paths: Sequence[Path], dark: Sequence[Path]
) -> Iterator[tuple[Path, list[Plane]]]:
    """The colours of each photograph, or of each light field."""
    if request.opening is None:
        yield from read_photographs(paths, request.reading, dark=dark)
        return
    for path in paths:
        yield path, read_refocused(path, request.opening, channel=request.reading.channel).planes


@dataclass(frozen=True, eq=False)
class _SharpKernel:
    """What a sharp photograph's disks are seen through, and px from disk to disk."""

    estimate: Estimate
    pitch: float


def _sharp_kernels(
    request: Request, dark: Sequence[Path]
) -> dict[tuple[str, tuple[int, int] | None], _SharpKernel]:
    """The kernels of the sharp photograph, by channel and zone; none where there is none."""
    if request.sharp is None:
        return {}
    channels, faults = _look(replace(request, size=None), [request.sharp], dark)
    kernels = {}
    for channel, zone, seen in _parts(request, channels):
        detections = [one.detection for one in seen]
        options = replace(
            request.options, aperture=seen[0].plane.aperture, error_bar=False, mannan_langer=None
        )
        try:
            found = estimate(
                detections, options=options, name=f"{request.sharp} ({_name('', channel, zone)})"
            )
        except InputError as error:
            faults[channel] = error
            continue
        kernels[channel, zone] = _SharpKernel(found, _pitch(detections))
    if not kernels:
        raise next(iter(faults.values()))
    return kernels


def _pitch(detections: Sequence[Detection]) -> float:
    """Mean px from disk to disk."""
    scales = [one.projection.pixels_per_pitch(one.grid_index.astype(np.float64)) for one in detections]
    return float(np.mean(np.concatenate(scales)))


def _look(
    request: Request, paths: Sequence[Path], dark: Sequence[Path]
) -> tuple[dict[str, list[Seen]], dict[str, InputError]]:
    """Detections by channel, and why channels have none."""
    found: dict[str, list[Seen]] = {}
    faults: dict[str, InputError] = {}
    for path, planes in _planes(request, paths, dark):
        for plane in planes:
            channel = plane.name.rstrip("12")
            if channel in faults:
                continue
            label = str(path) if len(planes) == 1 else f"{path} ({plane.name})"
            try:
                found.setdefault(channel, []).append(_seen(request, path, plane, label))
            except InputError as error:
                faults[channel] = error
                found.pop(channel, None)
    return {channel: seen for channel, seen in found.items() if channel not in faults}, faults


def _seen(request: Request, path: Path, plane: Plane, label: str) -> Seen:
    """Find the disks of one colour of one photograph."""
    detection = detect(
        plane.light,
        request.grid,
        size=request.size,
        polarity=request.polarity,
        clipped=plane.clipped,
        name=label,
    )
    area = target_area(detection.projection, detection.grid, plane.clipped.shape, block=_CLIPPING_BLOCK)
    height, width = area.shape
    sampled = plane.clipped[
        : height * _CLIPPING_BLOCK : _CLIPPING_BLOCK, : width * _CLIPPING_BLOCK : _CLIPPING_BLOCK
    ]
    inside = sampled[area.astype(bool)]
    saturated, black = (float(np.mean(inside == kind.value)) for kind in (Clip.WHITE, Clip.BLACK))
    reduction = max(1.0, max(plane.light.shape) / PREVIEW_PX)
    height, width = (max(1, round(side / reduction)) for side in plane.light.shape)
    preview = np.asarray(cv2.resize(plane.light, (width, height), interpolation=cv2.INTER_AREA), np.float32)
    bare = replace(plane, light=np.empty((0, 0), np.float32), clipped=np.empty((0, 0), np.uint8))
    return Seen(path, bare, detection, saturated, black, preview, reduction)


def _lateral(setting: str, channels: dict[str, list[Seen]]) -> list[Lateral]:
    """Shifts from green, or from the first channel, to the others."""
    if len(channels) < 2:
        return []
    first = "g" if "g" in channels else next(iter(channels))
    found = []
    for second in channels:
        if second == first:
            continue
        shots = []
        for path in dict.fromkeys(one.path for one in channels[first]):
            pairs = itertools.product(channels[first], channels[second])
            shots.append(
                tuple(
                    lateral_colour(a.detection, b.detection, (a.plane, b.plane), name=str(path))
                    for a, b in pairs
                    if a.path == b.path == path
                )
            )
        plane = channels[first][0].plane
        height, width = channels[first][0].detection.normal.shape
        shape = (height * plane.step, width * plane.step)
        found.append(Lateral(setting, first, second, tuple(shots), shape))
    return found


def _parts(
    request: Request, channels: dict[str, list[Seen]]
) -> Iterator[tuple[str, tuple[int, int] | None, list[Seen]]]:
    """Channels and zones, each with its photographs."""
    for channel, seen in channels.items():
        if request.parts is None:
            yield channel, None, seen
            continue
        parts = [zones(one.detection, *request.parts) for one in seen]
        for place in parts[0]:
            those = [replace(one, detection=part[place]) for one, part in zip(seen, parts, strict=True)]
            yield channel, (place[0] + 1, place[1] + 1), those


def _measured(
    request: Request,
    sharp: Mapping[tuple[str, tuple[int, int] | None], _SharpKernel],
    name: str,
    setting: str,
    channel: str,
    zone: tuple[int, int] | None,
    seen: list[Seen],
) -> Measured:
    """Estimate one kernel and measure it."""
    photographs = len({one.path for one in seen})
    label = str(seen[0].path) if photographs == 1 else f"{photographs} photographs"
    detections = [one.detection for one in seen]
    options = replace(request.options, aperture=seen[0].plane.aperture)
    relative = request.sharp is not None
    if relative:
        if (channel, zone) not in sharp:
            raise InputError(
                str(request.sharp), f"no kernel {name} is to be had of it", "take another sharp photograph"
            )
        reference = sharp[channel, zone]
        options = replace(options, sharp=Sharp(reference.estimate.fine, _pitch(detections) / reference.pitch))
    found = estimate(detections, request.size, options=options, name=f"{label} ({name})")
    found = replace(found, quality=replace(found.quality, shots=photographs))
    kernel = found.kernel if relative else found.system
    return Measured(
        name,
        setting,
        channel,
        zone,
        found,
        relative,
        measure(kernel),
        find_lattice(kernel),
        profiles(kernel, found.halves),
        tuple(checks(found.quality, [one.saturated for one in seen], [one.black for one in seen])),
        tuple(choose(kernel, pixel=0.0 if relative else options.aperture)) if request.models else (),
        tuple(seen),
    )
