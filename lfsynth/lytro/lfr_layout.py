"""Files in the Illum's form: captures (LFR) and white pictures (MOD_xxxx.RAW and .TXT), as the simulator writes them.

A capture is laid out as the stricter readers want it (imageio's plugin, and plenpy, which uses it): eleven C sections,
then the table of contents, with a JPEG thumbnail. Parts that a camera writes and nobody here reads (corrections,
histogram, reconstruction filter) hold a line of JSON that says so. The JSON has the keys and places of the camera's
and says under ``generator`` that the picture is simulated.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lfsynth.lytro.capture import pack_hot_pixels
from lfsynth.lytro.container import digest_of, write_container
from lfsynth.lytro.metadata import BAYER_NAMES, CaptureMetadata
from lfsynth.lytro.packing import pack
from lfsynth.pictures import write_bytes_atomic

GENERATOR = "lfsynth simulation"
CAPTURE_MODEL = "ILLUM"
WHITE_MODEL = "B01"
FILLED_PARTS = (
    "aberrationCorrectionMetadataRef",
    "aberrationCorrectionRef",
    "exposureHistogramRef",
    "geometryCorrectionRef",
    "reconstructionFilterMetadataRef",
    "reconstructionFilterRef",
)
"""Parts of a capture that hold no data here: with the picture, its two JSON parts, the hot pixels and the thumbnail
eleven in all."""

_THUMBNAIL_QUALITY = 90


def is_simulated(metadata: CaptureMetadata) -> bool:
    """Whether a capture or a white picture says that it is simulated."""
    return metadata.document.get("generator") == GENERATOR


def write_lfr(
    path: Path,
    mosaic: NDArray[np.uint16],
    metadata: CaptureMetadata,
    thumbnail: NDArray[np.uint8],
    *,
    hot_pixels: NDArray[np.int32] | None = None,
    white: NDArray[np.uint16] | None = None,
) -> None:
    """Write a capture, atomically.

    Parameters
    ----------
    path : the file, named .LFR
    mosaic : (H, W) uint16 levels in [0, 1023], G R over B G
    metadata : its values, with ``white_refs`` as the names of white pictures; the document is not written
    thumbnail : (h, w, 3) uint8 RGB as shown
    hot_pixels : (N, 2) int32 as (y, x)
    white : (H, W) uint16, the white picture inside the file; a twelfth section, which imageio's reader does not take

    Raises
    ------
    TypeError : where the mosaic's shape is not that of the metadata, or a picture is of another form
    InputError : where the file cannot be written
    """
    if mosaic.shape != metadata.shape:
        raise TypeError(f"the mosaic is {mosaic.shape}, the metadata say {metadata.shape}")
    if thumbnail.ndim != 3 or thumbnail.shape[2] != 3 or thumbnail.dtype != np.uint8:
        raise TypeError(f"a thumbnail must be (h, w, 3) uint8, not {thumbnail.dtype} {thumbnail.shape}")
    shown, private = capture_documents(metadata)
    parts = {
        "imageRef": pack(mosaic),
        "metadataRef": _json_bytes(shown),
        "privateMetadataRef": _json_bytes(private),
        "hotPixelRef": pack_hot_pixels(np.empty((0, 2), np.int32) if hot_pixels is None else hot_pixels),
    }
    for name in FILLED_PARTS:
        parts[name] = _json_bytes({"generator": GENERATOR, "empty": name})
    if white is not None:
        parts["modulationDataRef"] = pack(white)
    jpeg = _jpeg(thumbnail)
    contents = {
        "annotations": [],
        "derivations": list(metadata.white_refs),
        "frames": [{"frame": {name: digest_of(data) for name, data in parts.items()}}],
        "generators": [GENERATOR],
        "schema": "http://schema.lytro.com/lfp/picture/2.1.6/picture_schema.json",
        "thumbnails": [
            {
                "colorSpace": "sRGB",
                "height": thumbnail.shape[0],
                "imageRef": digest_of(jpeg),
                "representation": "jpeg",
                "width": thumbnail.shape[1],
            }
        ],
        "views": [],
    }
    write_container(path, contents, [*parts.values(), jpeg])


def write_mod(path: Path, mosaic: NDArray[np.uint16], metadata: CaptureMetadata) -> str:
    """Write a white picture as MOD_xxxx.RAW with its .TXT beside it, atomically.

    Parameters
    ----------
    path : the .RAW file
    mosaic : (H, W) uint16 levels in [0, 1023], G R over B G
    metadata : its values; the document is not written

    Returns
    -------
    the name of its pixels, ``sha1-<40 hex digits>``, by which a capture refers to it

    Raises
    ------
    TypeError : where the mosaic's shape is not that of the metadata
    InputError : where a file cannot be written
    """
    if mosaic.shape != metadata.shape:
        raise TypeError(f"the mosaic is {mosaic.shape}, the metadata say {metadata.shape}")
    data = pack(mosaic)
    write_bytes_atomic(path, data)
    write_bytes_atomic(path.with_suffix(".TXT"), _json_bytes(white_document(metadata)))
    return digest_of(data)


def capture_documents(metadata: CaptureMetadata) -> tuple[dict[str, Any], dict[str, Any]]:
    """JSON of a capture, ``metadataRef`` and ``privateMetadataRef``, from which `parse_capture` makes the same."""
    pixels = _pixel_documents(metadata)
    document: dict[str, Any] = {
        "algorithms": {"awb": {"computed": {"gain": _gains(metadata)}}},
        "camera": {"make": "Lytro, Inc.", "model": CAPTURE_MODEL, "firmware": GENERATOR},
        "devices": _devices(metadata),
        "generator": GENERATOR,
        "image": {
            "color": {"ccm": metadata.ccm.ravel().tolist(), "whiteBalanceGain": _gains(metadata)},
            "originOnSensor": {"x": 0, "y": 0},
            **_image(metadata),
            **pixels,
        },
    }
    if metadata.iso is not None:
        document["image"]["iso"] = metadata.iso
    return document, _private(metadata)


def white_document(metadata: CaptureMetadata) -> dict[str, Any]:
    """JSON of a white picture (MOD_xxxx.TXT); `parse_white` of it gives the same values."""
    devices = _devices(metadata)
    if metadata.iso is not None:
        devices["sensor"]["iso"] = metadata.iso
    frame = {
        "imageRef": "unknown",
        "metadata": {
            "camera": {"make": "Lytro, Inc.", "model": WHITE_MODEL, "firmware": GENERATOR},
            "devices": devices,
            "generator": GENERATOR,
            "image": {
                "color": {
                    "ccmRgbToSrgbArray": metadata.ccm.ravel().tolist(),
                    "whiteBalanceGain": _gains(metadata),
                },
                "rawDetails": _pixel_documents(metadata),
                "representation": "rawPacked",
                **_image(metadata),
            },
            "type": "lightField",
        },
        "privateMetadata": _private(metadata),
    }
    tags = {"com.lytro.tags": {"darkFrame": False, "modulationFrame": True}}
    picture = {"frameArray": [{"frame": frame, "parameters": {"vendorContent": tags}}]}
    return {"master": {"picture": picture}}


def _private(metadata: CaptureMetadata) -> dict[str, Any]:
    return {} if metadata.serial is None else {"camera": {"serialNumber": metadata.serial}}


def _gains(metadata: CaptureMetadata) -> dict[str, float]:
    red, green, blue = metadata.white_balance.tolist()
    return {"r": red, "gr": green, "gb": green, "b": blue}


def _image(metadata: CaptureMetadata) -> dict[str, Any]:
    return {
        "height": metadata.shape[0],
        "limitExposureBias": metadata.limit_exposure_bias,
        "modulationExposureBias": metadata.modulation_exposure_bias,
        "orientation": metadata.orientation,
        "width": metadata.shape[1],
    }


def _pixel_documents(metadata: CaptureMetadata) -> dict[str, Any]:
    levels = {
        name: {
            colour: float(values[i, j]) for i, row in enumerate(BAYER_NAMES) for j, colour in enumerate(row)
        }
        for name, values in (("black", metadata.black), ("white", metadata.white))
    }
    return {
        "mosaic": {"tile": "r,gr:gb,b", "upperLeftPixel": metadata.upper_left},
        "pixelFormat": {"rightShift": 0, **levels},
        "pixelPacking": {"bitsPerPixel": metadata.bits, "endianness": "little"},
    }


def _devices(metadata: CaptureMetadata) -> dict[str, Any]:
    lens = {
        "exitPupilOffset": {"z": metadata.exit_pupil_offset},
        "fNumber": metadata.f_number,
        "focalLength": metadata.focal_length,
        "focusStep": metadata.focus_step,
        "zoomStep": metadata.zoom_step,
    }
    mla = {
        "lensPitch": metadata.lens_pitch,
        "rotation": metadata.rotation,
        "scaleFactor": dict(zip("yx", metadata.scale, strict=True)),
        "sensorOffset": dict(zip("xyz", metadata.sensor_offset, strict=True)),
        "tiling": "hexUniformRowMajor",
    }
    sensor: dict[str, Any] = {"bitsPerPixel": metadata.bits, "pixelPitch": metadata.pixel_pitch}
    if metadata.analog_gain is not None:
        sensor["analogGain"] = dict.fromkeys(("r", "gr", "gb", "b"), metadata.analog_gain)
    shutter = {
        "frameExposureDuration": metadata.exposure_time,
        "pixelExposureDuration": metadata.exposure_time,
    }
    return {
        "clock": {"zuluTime": metadata.captured},
        "lens": lens,
        "mla": mla,
        "sensor": sensor,
        "shutter": shutter,
    }


def _json_bytes(document: dict[str, Any]) -> bytes:
    return json.dumps(document, indent=1, sort_keys=True).encode("ascii")


def _jpeg(picture: NDArray[np.uint8]) -> bytes:
    bgr = np.ascontiguousarray(picture[:, :, ::-1])
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _THUMBNAIL_QUALITY])[1].tobytes()
