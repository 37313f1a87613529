"""White pictures of a camera: finding them, and choosing the one for a shot.

A white picture is of an evenly lit diffuser through the microlenses, made at the factory for several dozen positions of
zoom and focus. They are taken loose (MOD_xxxx.RAW with .TXT), from ``caldata-<serial>.tar``, from the desktop
program's volumes, from folder trees of all these, and from inside a capture (``modulationDataRef``). Only JSON is read
to find them, pixels when one is asked for.

A shot may name its white picture by a digest (see `metadata.parse_capture`). What the digest is of is not verified on a
raw capture; it is compared with the names that metadata give to pixels and with the digest of the packed pixels. The
latter means reading white pictures, nearest first, until one fits: some seconds for all of a camera where none does.
Each digest is computed once.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lfsynth.errors import InputError
from lfsynth.lytro.archives import Member, loose_member, tar_members, volume_members
from lfsynth.lytro.byte_range import ByteRange
from lfsynth.lytro.capture import frame_of, metadata_of, read_pixels
from lfsynth.lytro.container import Container, read_container
from lfsynth.lytro.json_fields import JSON_LIMIT, is_reference, parse_json, value_at
from lfsynth.lytro.metadata import CaptureMetadata, parse_white

PIXEL_SUFFIX = ".raw"
JSON_SUFFIXES = (".txt", ".json")
TAR_SUFFIX = ".tar"
TAR_PREFIX = "caldata"
VOLUME_PREFIX = "data.c."
CAPTURE_SUFFIXES = (".lfr", ".lfp")
WHITE_PREFIX = "mod_"

SAME_ZOOM = 3
"""Motor steps of zoom that make no difference: the camera's white pictures of one nominal zoom differ by so much."""

_TAGS = "master.picture.frameArray[0].parameters.vendorContent"
_CURE = "give the camera's caldata-*.tar, or the folder of its MOD_xxxx.RAW and .TXT, by --calibration"


@dataclass(frozen=True, eq=False)
class WhitePicture:
    """A white picture that was found.

    Attributes
    ----------
    source : the file that holds its pixels
    member : its name inside that file, None where it is the file
    metadata : of the picture
    part : where the packed pixels are
    """

    source: Path
    member: str | None
    metadata: CaptureMetadata
    part: ByteRange

    @property
    def label(self) -> str:
        """Source and member in one text, for messages and logs."""
        return str(self.source) if self.member is None else f"{self.source}:{self.member}"

    @cached_property
    def digest(self) -> str:
        """``sha1-<40 hex digits>`` of the packed pixels, which are read for it at the first time."""
        return self.part.digest()

    def read(self) -> NDArray[np.uint16]:
        """Its pixels, (H, W) uint16 levels; InputError where they cannot be read or are not what the metadata say."""
        return read_pixels(self.part, self.metadata)


class How(Enum):
    """How a white picture was chosen."""

    HASH = "named by the capture"
    NEAREST = "nearest zoom and focus"


@dataclass(frozen=True, eq=False)
class Choice:
    """The white picture for a shot.

    Attributes
    ----------
    white : the picture
    how : how it was chosen
    zoom_distance, focus_distance : motor steps between shot and white picture, None where one of them is not known
    """

    white: WhitePicture
    how: How
    zoom_distance: int | None
    focus_distance: int | None

    @property
    def said(self) -> str:
        """In words: which it is, how it was chosen, how far off it is."""
        steps = ((self.zoom_distance, "zoom"), (self.focus_distance, "focus"))
        off = ", ".join(
            f"{what} unknown" if n is None else f"{what} {n} step{'s' * (n != 1)} off" for n, what in steps
        )
        return f"{self.white.label}, {self.how.value} ({off})"


def find_white_pictures(paths: Iterable[Path]) -> list[WhitePicture]:
    """Index white pictures by their JSON.

    Parameters
    ----------
    paths : folders, which are searched with all below them for MOD_xxxx.RAW, caldata*.tar, data.C.n and captures with a
        white picture inside, or such files by name (a .tar of any name)

    Returns
    -------
    in the order of the paths, then of names; the same picture in two places comes twice

    Raises
    ------
    InputError : where a path is missing; where a file of white pictures is damaged, or one has no metadata. A damaged
        capture in a folder is passed over: who reads it as a capture says so.
    """
    found: list[WhitePicture] = []
    for path in paths:
        found += _below(path) if path.is_dir() else _in_file(path)
    return found


def choose(shot: CaptureMetadata, whites: Sequence[WhitePicture]) -> Choice:
    """The white picture for a shot: the one that it names, else of the same camera that of nearest zoom, then focus.

    Parameters
    ----------
    shot : metadata of the shot
    whites : from `find_white_pictures`, of any cameras

    Raises
    ------
    InputError : where there is none of the shot's camera, or none of its sensor size; where the shot does not say its
        camera and the white pictures are of several
    """
    path = shot.source or Path("capture")
    if not whites:
        raise InputError(
            path, f"there is no white picture for its camera {shot.serial or '(unknown)'}", _CURE
        )
    serials = sorted({white.metadata.serial or "(unknown)" for white in whites})
    if shot.serial is None and len(serials) > 1:
        raise InputError(
            path, f"it does not say its camera, the white pictures are of {', '.join(serials)}", _CURE
        )
    mine = [white for white in whites if shot.serial is None or white.metadata.serial == shot.serial]
    if not mine:
        raise InputError(
            path,
            f"it is of camera {shot.serial}, the white pictures found are of {', '.join(serials)}",
            _CURE,
        )
    fitting = [white for white in mine if white.metadata.shape == shot.shape]
    if not fitting:
        sizes = sorted({white.metadata.shape for white in mine})
        have = ", ".join(f"{width} x {height}" for height, width in sizes)
        raise InputError(
            path, f"it has {shot.shape[1]} x {shot.shape[0]} px, its camera's white pictures {have}", _CURE
        )
    ordered = _by_distance(shot, fitting)
    named = _named(shot, ordered)
    white = named or ordered[0]
    return Choice(
        white,
        How.HASH if named else How.NEAREST,
        _distance(shot.zoom_step, white.metadata.zoom_step),
        _distance(shot.focus_step, white.metadata.focus_step),
    )


def _named(shot: CaptureMetadata, whites: Sequence[WhitePicture]) -> WhitePicture | None:
    if not shot.white_refs:
        return None
    for white in whites:
        if white.metadata.image_ref in shot.white_refs or white.part.name in shot.white_refs:
            return white
    return next((white for white in whites if white.digest in shot.white_refs), None)


def _by_distance(shot: CaptureMetadata, whites: Sequence[WhitePicture]) -> list[WhitePicture]:
    def steps(one: int | None, other: int | None) -> float:
        distance = _distance(one, other)
        return math.inf if distance is None else distance

    zooms = [steps(shot.zoom_step, white.metadata.zoom_step) for white in whites]
    limit = min(zooms) + SAME_ZOOM

    def rank(index: int) -> tuple[float, float, float]:
        focus = steps(shot.focus_step, whites[index].metadata.focus_step)
        return (0.0 if zooms[index] <= limit else zooms[index], focus, zooms[index])

    return [whites[index] for index in sorted(range(len(whites)), key=rank)]


def _distance(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else abs(one - other)


def _below(folder: Path) -> list[WhitePicture]:
    found: list[WhitePicture] = []
    for parent, folders, names in os.walk(folder, onerror=_refuse_folder):
        folders.sort()
        volumes: list[Member] = []
        loose: list[Member] = []
        stems = {Path(name).stem for name in names if name.lower().endswith(PIXEL_SUFFIX)}
        for name in sorted(names):
            path = Path(parent, name)
            lower = name.lower()
            if lower.endswith(TAR_SUFFIX) and lower.startswith(TAR_PREFIX):
                found += _pairs(list(tar_members(path)))
            elif lower.startswith(VOLUME_PREFIX):
                volumes += volume_members(read_container(path))
            elif lower.endswith(CAPTURE_SUFFIXES):
                found += _inside_capture_or_none(path)
            elif path.stem in stems and lower.endswith((PIXEL_SUFFIX, *JSON_SUFFIXES)):
                loose.append(loose_member(path))
        found += _pairs(volumes)
        found += _pairs(loose)
    return found


def _refuse_folder(error: OSError) -> None:
    raise InputError(str(error.filename), f"it cannot be read ({error.strerror})", "check its permissions")


def _in_file(path: Path) -> list[WhitePicture]:
    lower = path.name.lower()
    if lower.endswith(TAR_SUFFIX):
        found = _pairs(list(tar_members(path)))
    elif lower.startswith(VOLUME_PREFIX):
        found = _pairs(list(volume_members(read_container(path))))
    elif lower.endswith(CAPTURE_SUFFIXES):
        found = _inside(read_container(path))
    elif lower.endswith(PIXEL_SUFFIX):
        beside = [
            other for other in sorted(path.parent.iterdir()) if other.stem == path.stem and other != path
        ]
        found = _pairs([loose_member(other) for other in (path, *beside)]) if path.exists() else []
        if not path.exists():
            loose_member(path)
    else:
        loose_member(path)
        raise InputError(path, "its name is not that of a file of white pictures", _CURE)
    if not found:
        raise InputError(path, "it holds no white picture", _CURE)
    return found


def _pairs(members: Sequence[Member]) -> list[WhitePicture]:
    """White pictures of pixels and JSON of one name; a pair that is none (a dark frame) is left out."""
    documents: dict[tuple[str, str], Member] = {}
    for suffix in reversed(JSON_SUFFIXES):
        for member in members:
            if member.filename.lower().endswith(suffix):
                documents[_stem(member)] = member
    found: list[WhitePicture] = []
    for member in members:
        name = member.filename.lower()
        if not name.endswith(PIXEL_SUFFIX):
            continue
        beside = documents.get(_stem(member))
        if beside is not None:
            document = _document(beside)
            if _is_white(document):
                metadata = parse_white(document, member.source)
                found.append(WhitePicture(member.source, member.name, metadata, member.part))
        elif name.startswith(WHITE_PREFIX):
            raise InputError(
                member.source,
                f"the white picture {member.filename} has no {member.filename[:-4]}.TXT beside it",
                "copy both from the camera",
            )
    return found


def _stem(member: Member) -> tuple[str, str]:
    return member.folder, member.filename.lower().rpartition(".")[0]


def _document(member: Member) -> dict[str, Any]:
    what = "metadata" if member.name is None else f"member {member.name[:80]}"
    if member.part.length > JSON_LIMIT:
        raise InputError(member.source, f"its {what} is too large to be a camera's", _CURE)
    return parse_json(member.part.read(), member.source, what)


def _is_white(document: dict[str, Any]) -> bool:
    vendor = value_at(document, _TAGS)
    tags = vendor.get("com.lytro.tags") if isinstance(vendor, dict) else None
    if not isinstance(tags, dict):
        return True
    return tags.get("modulationFrame") is not False and tags.get("darkFrame") is not True


def _inside(container: Container) -> list[WhitePicture]:
    """The white picture inside a capture; its metadata are its own where they can be read, else the capture's."""
    frame = frame_of(container)
    reference = frame.get("modulationDataRef")
    if not is_reference(reference) or reference not in container:
        return []
    metadata = metadata_of(container)
    described = frame.get("modulationDataMetadataRef")
    if is_reference(described) and described in container:
        metadata = parse_white(
            container.json(str(described), "white picture's metadata"), container.path, notes=metadata.notes
        )
    part = container.part(str(reference))
    return [WhitePicture(container.path, "modulationDataRef", metadata, part)]


def _inside_capture_or_none(path: Path) -> list[WhitePicture]:
    try:
        return _inside(read_container(path))
    except InputError:
        return []
