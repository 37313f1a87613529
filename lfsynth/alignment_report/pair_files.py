"""A pair's own files for the report: a thumbnail, and a script with small pictures, maps and shift field.

They lie beside the page, in folders of up to a few hundred, and are loaded as they come into view: scripts rather than
JSON, because a browser that opened the page from disk loads scripts, styles and pictures from there but no data.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lfsynth.alignment import Alignment
from lfsynth.alignment_findings import Finding
from lfsynth.pictures import write_bytes_atomic
from lfsynth.transfer import SRGB, encode

FOLDER = "report_files"
"""Name of the folder beside the page."""

CALL = "lfsynthPair"
"""The page's function that a pair's script calls."""

_PREVIEW = 504
"""px, longest side of the small pictures; half of LFDOF's width."""

_THUMBNAIL = 72
"""px, height of each of the two pictures side by side in a thumbnail: that of a table's row on a dense screen."""

_THUMBNAIL_WIDTH = 108
"""px, the width that a thumbnail's pictures are padded or cropped to, so that all are alike."""

_QUALITY = 75

_FLAT = 255
"""Code of a correlation that is not known; others are 0 to 254 for -1 to 1."""

_IN_FOCUS, _VALID = 1, 2

_ARROWS = 34
"""Most arrows along the longer side of the picture: more cannot be told apart."""


def id_of(name: str) -> str:
    """Name of a pair's files, from the pair's."""
    return hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()[:16]


def script_path(id_: str) -> str:
    """Path of a pair's script, relative to the page."""
    return f"{FOLDER}/{id_[:2]}/{id_}.js"


def thumbnail_path(id_: str) -> str:
    """Path of a pair's thumbnail, relative to the page."""
    return f"{FOLDER}/{id_[:2]}/{id_}.jpg"


def write_pair_files(
    out: Path, finding: Finding, found: Alignment, blurred: NDArray[np.float32], sharp: NDArray[np.float32]
) -> None:
    """Write a pair's script and thumbnail.

    Parameters
    ----------
    out : folder of the page
    finding, found : the pair's numbers and maps
    blurred, sharp : (H, W, C) float32 linear light
    """
    id_ = id_of(finding.name)
    (out / script_path(id_)).parent.mkdir(parents=True, exist_ok=True)
    write_bytes_atomic(out / thumbnail_path(id_), thumbnail(blurred, sharp))
    content = json.dumps(details(finding, found, blurred, sharp), allow_nan=False, separators=(",", ":"))
    write_bytes_atomic(out / script_path(id_), f'{CALL}("{id_}",{content})\n'.encode())


def details(
    finding: Finding, found: Alignment, blurred: NDArray[np.float32], sharp: NDArray[np.float32]
) -> dict[str, Any]:
    """All that is shown of an opened pair, as JSON values.

    ``maps`` are zlib-compressed bytes in base64, three planes of (rows, columns) bytes: the correlation at zero shift,
    the best within the radius, and bits for in focus (1) and valid (2). ``arrows`` are [y, x, dy, dx] px.
    """
    rows, columns = found.windows.shape
    planes = [_codes(found.correlation), _codes(found.best)]
    planes.append(_IN_FOCUS * found.in_focus.astype(np.uint8) + _VALID * found.valid.astype(np.uint8))
    return {
        **dataclasses.asdict(finding),
        "input_picture": _text(_jpeg(_fitted(blurred, _PREVIEW))),
        "target_picture": _text(_jpeg(_fitted(sharp, _PREVIEW))),
        "stride": found.windows.stride,
        "rows": rows,
        "columns": columns,
        "maps": _text(zlib.compress(np.stack(planes).tobytes(), 6)),
        "arrows": arrows(found),
    }


def arrows(found: Alignment) -> list[list[float]]:
    """The shift field, thinned: medians [y, x, dy, dx] px of blocks of windows of which at least half are valid."""
    rows, columns = found.windows.shape
    block = max(1, round(max(rows, columns) / _ARROWS))
    high, wide = rows // block, columns // block
    cells = found.field[: high * block, : wide * block].reshape(high, block, wide, block, 2)
    cells = cells.transpose(0, 2, 1, 3, 4).reshape(high, wide, block * block, 2)
    known = 2 * np.isfinite(cells[..., 0]).sum(axis=-1) >= block * block
    if not known.any():
        return []
    places = block * found.windows.stride * (np.argwhere(known) + 0.5) - 0.5
    medians = np.round(np.nanmedian(cells[known], axis=1).astype(np.float64), 3) + 0.0
    values: list[list[float]] = np.concatenate([places, medians], axis=1).tolist()
    return values


def thumbnail(blurred: NDArray[np.float32], sharp: NDArray[np.float32]) -> bytes:
    """Both pictures side by side, as JPEG."""
    pictures = []
    for picture in (blurred, sharp):
        height, width = picture.shape[:2]
        scale = max(_THUMBNAIL / height, _THUMBNAIL_WIDTH / width)
        size = (max(_THUMBNAIL_WIDTH, round(width * scale)), max(_THUMBNAIL, round(height * scale)))
        small = _resized(picture, size)
        top, left = (small.shape[0] - _THUMBNAIL) // 2, (small.shape[1] - _THUMBNAIL_WIDTH) // 2
        pictures.append(small[top : top + _THUMBNAIL, left : left + _THUMBNAIL_WIDTH])
    channels = max(picture.shape[2] for picture in pictures)
    return _jpeg(np.concatenate([np.broadcast_to(p, (*p.shape[:2], channels)) for p in pictures], axis=1))


def _fitted(picture: NDArray[np.float32], longest: int) -> NDArray[np.float32]:
    height, width = picture.shape[:2]
    scale = min(1.0, longest / max(height, width))
    return _resized(picture, (max(1, round(width * scale)), max(1, round(height * scale))))


def _resized(picture: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Linear light resized to (width, height), averaged where that is smaller."""
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32).reshape(size[1], size[0], picture.shape[2])


def _jpeg(linear: NDArray[np.float32]) -> bytes:
    codes = encode(linear, SRGB, bits=8)
    written, data = cv2.imencode(
        ".jpg", np.ascontiguousarray(codes[:, :, ::-1]), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
    )
    assert written
    return data.tobytes()


def _codes(correlation: NDArray[np.float32]) -> NDArray[np.uint8]:
    known = np.nan_to_num(correlation, nan=0.0)
    codes = np.rint(127 * (known + 1)).astype(np.uint8)
    return np.where(np.isfinite(correlation), codes, np.uint8(_FLAT))


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
