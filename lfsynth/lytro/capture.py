"""A raw capture: its metadata and its pixels from an LFR or LFP file.

The table of contents names the parts: ``frames[0].frame`` (Illum) or ``picture.frameArray[0].frame`` (first
generation) with ``imageRef``, ``metadataRef``, ``privateMetadataRef`` and others. All of its JSON is merged into one
document; what it says under ``metadataRef`` comes first, then ``privateMetadataRef``, the table of contents, and the
other parts whose names end in ``MetadataRef``.

Files of the first generation are recognised and their metadata read; their pixels are refused. Pictures smaller than
the Illum's sensor are taken as their metadata say.

``hotPixelRef`` is read as others found it (https://github.com/hhrhhr/lytro_tools): u32 little-endian number n, n
columns and then n rows, each i16 little-endian from 0. This is not verified on a raw capture; a part of another form
is left out, which the notes say.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lfsynth.errors import InputError
from lfsynth.lytro.byte_range import ByteRange
from lfsynth.lytro.container import Container, read_container
from lfsynth.lytro.json_fields import EXPORT_AGAIN, is_reference, merged, value_at
from lfsynth.lytro.metadata import FIRST_GENERATION, CaptureMetadata, parse_capture
from lfsynth.lytro.packing import packed_size, unpack_blocks

FRAME_KEYS = ("frames[0].frame", "picture.frameArray[0].frame")
"""Where the table of contents lists the parts of the picture: of the Illum and of the first generation."""

PACKED_BITS = 10
UPPER_LEFT = "gr"
_WHITE_METADATA = "modulationDataMetadataRef"
_HOT_PIXEL_COORDINATE = np.dtype("<i2")


@dataclass(frozen=True, eq=False)
class Capture:
    """A shot as it left the sensor.

    Attributes
    ----------
    path : the file
    metadata : of the shot
    mosaic : (H, W) uint16 levels, G R over B G
    hot_pixels : (N, 2) int32 as (y, x), pixels that the camera knows to be defective; may be empty
    """

    path: Path
    metadata: CaptureMetadata
    mosaic: NDArray[np.uint16]
    hot_pixels: NDArray[np.int32]


def read_capture_metadata(path: Path) -> CaptureMetadata:
    """Metadata of a capture, of either generation, without its pixels.

    Raises
    ------
    InputError : where the file is damaged or no capture, or a value is missing or wrong
    """
    return metadata_of(read_container(path))


def read_capture(path: Path) -> Capture:
    """A capture of the Illum.

    Raises
    ------
    InputError : where the file is damaged or no capture, a value is missing or wrong, or it is of a camera of the first
        generation
    """
    container = read_container(path)
    metadata = metadata_of(container)
    frame = frame_of(container)
    mosaic = read_pixels(pixels_of(container), metadata)
    hot_pixels, note = _hot_pixels(container, frame, metadata.shape)
    if note:
        metadata = replace(metadata, notes=(*metadata.notes, note))
    return Capture(path, metadata, mosaic, hot_pixels)


def metadata_of(container: Container) -> CaptureMetadata:
    """Metadata of the capture in a container; see `read_capture_metadata`."""
    frame = frame_of(container)
    document: dict[str, Any] = {}
    notes: list[str] = []
    for key in sorted(frame):
        if key.endswith("MetadataRef") and key not in ("privateMetadataRef", _WHITE_METADATA):
            document = merged(document, _optional_json(container, frame, key, notes))
    document = merged(document, container.contents)
    document = merged(document, _optional_json(container, frame, "privateMetadataRef", notes))
    main = container.json(_reference(container, frame, "metadataRef"), "metadata")
    return parse_capture(merged(document, main), container.path, notes=tuple(notes))


def frame_of(container: Container) -> dict[str, Any]:
    """What the table of contents says of the picture's parts; InputError where it lists no picture."""
    for key in FRAME_KEYS:
        frame = value_at(container.contents, key)
        if isinstance(frame, dict):
            return frame
    raise InputError(container.path, "its table of contents lists no picture", EXPORT_AGAIN)


def read_pixels(part: ByteRange, metadata: CaptureMetadata) -> NDArray[np.uint16]:
    """Pixels of a capture or a white picture of the Illum, (H, W) uint16 levels.

    Raises
    ------
    InputError : where they are of another camera, their number is not what the metadata say, or they are damaged
    """
    check_pixels(part, metadata)
    return unpack_blocks(part.blocks(), metadata.shape)


def check_pixels(part: ByteRange, metadata: CaptureMetadata) -> None:
    """Whether pixels can be those that the metadata describe; none are read.

    Raises
    ------
    InputError : where they are of another camera, or their number is not what the metadata say
    """
    if metadata.model == FIRST_GENERATION:
        raise InputError(
            part.path,
            f"it is of a Lytro camera of the first generation ({FIRST_GENERATION}), which is not decoded",
            "use captures of the Illum, or decode it with another program",
        )
    if metadata.bits != PACKED_BITS or metadata.upper_left != UPPER_LEFT:
        raise InputError(
            part.path,
            f"its pixels are of {metadata.bits} bits and begin with {metadata.upper_left}, not of 10 and with gr",
            "use captures of the Illum",
        )
    expected = packed_size(metadata.shape)
    if part.length != expected:
        height, width = metadata.shape
        raise InputError(
            part.path,
            f"its picture has {part.length} bytes, but {width} x {height} pixels take {expected}",
            EXPORT_AGAIN,
        )


def pixels_of(container: Container) -> ByteRange:
    """Where the pixels of a capture are; InputError where it has none."""
    return container.part(_reference(container, frame_of(container), "imageRef"))


def _reference(container: Container, frame: dict[str, Any], key: str) -> str:
    reference = frame.get(key)
    if not is_reference(reference):
        raise InputError(container.path, f"its table of contents names no {key}", EXPORT_AGAIN)
    name = str(reference)
    if name not in container and frame.get("imageRef") not in container:
        raise InputError(
            container.path,
            "it holds no raw picture, only what was computed from one",
            "use the .LFR or .LFP of the camera",
        )
    return name


def _optional_json(container: Container, frame: dict[str, Any], key: str, notes: list[str]) -> dict[str, Any]:
    reference = frame.get(key)
    if reference is None:
        return {}
    if not is_reference(reference) or reference not in container:
        notes.append(f"{key} is not in the file")
        return {}
    try:
        return container.json(reference, key)
    except InputError as error:
        notes.append(error.fault)
        return {}


def _hot_pixels(
    container: Container, frame: dict[str, Any], shape: tuple[int, int]
) -> tuple[NDArray[np.int32], str]:
    none = np.empty((0, 2), np.int32)
    reference = frame.get("hotPixelRef")
    if reference is None:
        return none, ""
    if not is_reference(reference) or reference not in container:
        return none, "hotPixelRef is not in the file"
    part = container.part(reference)
    width = 2 * _HOT_PIXEL_COORDINATE.itemsize
    if part.length < 4 or part.length > 4 + width * shape[0] * shape[1]:
        return none, "hotPixelRef is not understood"
    data = part.read()
    count = int.from_bytes(data[:4], "little")
    if len(data) != 4 + width * count:
        return none, "hotPixelRef is not understood"
    columns, rows = np.frombuffer(data, _HOT_PIXEL_COORDINATE, offset=4).reshape(2, count)
    positions = np.stack([rows, columns], axis=1).astype(np.int32)
    if (positions < 0).any() or (positions >= shape).any():
        return none, "hotPixelRef names pixels outside the picture"
    return positions, ""


def pack_hot_pixels(positions: NDArray[np.int32]) -> bytes:
    """The section ``hotPixelRef`` that `read_capture` understands, from (N, 2) positions (y, x)."""
    if positions.ndim != 2 or positions.shape[1] != 2:
        raise TypeError(f"positions must be (N, 2), not {positions.shape}")
    coordinates = positions[:, ::-1].T.astype(_HOT_PIXEL_COORDINATE)
    return len(positions).to_bytes(4, "little") + coordinates.tobytes()
