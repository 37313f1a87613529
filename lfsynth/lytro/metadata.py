"""What a Lytro camera says of a capture or a white picture: levels, optics, colour, settings.

A capture (LFR, LFP) has several JSON sections, which `container` finds and `capture` merges; its values stand at the
top level: ``image.pixelFormat``, ``image.color.ccm``, ``camera.serialNumber``, ``devices.lens``, ``devices.mla``.
Where ``devices.mla`` and ``devices.lens`` are missing there, what the capture's ``master.picture.frameArray[0].frame``
says of the optics is taken: other documents of a capture hold these for the camera's nominal design. A white picture
(MOD_xxxx.TXT) has all under ``master.picture.frameArray[0].frame.{metadata, privateMetadata}``, its levels under
``image.rawDetails``, and its colour matrix as ``ccmRgbToSrgbArray``.

Bayer arrays are (2, 2) by position, ``[[gr, r], [b, gb]]``. Lengths are in metres, times in seconds, angles in
radians. The sign of ``rotation`` and the axes of ``sensor_offset`` are the file's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lfsynth.lytro.json_fields import Fields, is_reference, merged, value_at

FIRST_GENERATION = "F01"
"""Model of the first camera: 3280 x 3280 pixels of 12 bits."""

BAYER_NAMES = (("gr", "r"), ("b", "gb"))
"""Names of the colours by position, as the metadata have them."""

_SHARED_FRAME = "master.picture.frameArray[0].frame"
_SETTINGS = (
    *("model", "serial", "captured", "exposure_time", "iso", "analog_gain", "f_number", "focal_length"),
    *("zoom_step", "focus_step", "modulation_exposure_bias", "limit_exposure_bias", "orientation"),
)
_STEP_LIMIT = 1_000_000
_SIDE_LIMIT = 65_536


@dataclass(frozen=True, eq=False)
class CaptureMetadata:
    """Metadata of one picture, each value checked to be finite and in a sane range.

    Attributes
    ----------
    model : "ILLUM" in a capture and "B01" in a white picture of the same camera, "F01" of the first generation
    serial : the camera's serial number
    shape : (H, W) of the sensor picture in px
    bits : of a packed pixel
    black, white : (2, 2) float32 levels by Bayer position
    upper_left : colour of the first pixel, "gr" of the Illum
    pixel_pitch, lens_pitch : m
    rotation : of the microlens array against the sensor, rad
    scale : (y, x) of the microlens array
    sensor_offset : (x, y, z) m, z is the distance from microlenses to sensor
    exit_pupil_offset : m, distance of the exit pupil from the microlenses
    f_number : of the main lens
    focal_length : of the main lens, m
    zoom_step, focus_step : motor positions, what white pictures are chosen by
    exposure_time : s
    iso : sensitivity
    analog_gain : of green
    ccm : (3, 3) float64, camera RGB after white balance to linear sRGB; a row's sum is 1
    white_balance : (3,) float64 gains of R, G, B
    modulation_exposure_bias, limit_exposure_bias : in stops
    orientation : as EXIF has it, 1 is upright
    white_refs : names ``sha1-...`` in lower case by which a shot may name its white picture
    image_ref : the name of the picture's own pixels, where the file gives one
    captured : time as the file has it
    document : all JSON of the file, merged
    notes : what was left out or not understood, a sentence each
    source : the file, for messages
    """

    model: str
    serial: str | None
    shape: tuple[int, int]
    bits: int
    black: NDArray[np.float32]
    white: NDArray[np.float32]
    upper_left: str
    pixel_pitch: float
    lens_pitch: float
    rotation: float
    scale: tuple[float, float]
    sensor_offset: tuple[float, float, float]
    exit_pupil_offset: float
    f_number: float | None
    focal_length: float | None
    zoom_step: int | None
    focus_step: int | None
    exposure_time: float | None
    iso: float | None
    analog_gain: float | None
    ccm: NDArray[np.float64]
    white_balance: NDArray[np.float64]
    modulation_exposure_bias: float
    limit_exposure_bias: float
    orientation: int
    white_refs: tuple[str, ...]
    image_ref: str | None
    captured: str | None
    document: dict[str, Any]
    notes: tuple[str, ...] = ()
    source: Path | None = None

    @property
    def lens_pitch_px(self) -> float:
        """Distance of the disks' centres in px: the microlens pitch as seen from the exit pupil."""
        return self.lens_pitch / self.pixel_pitch * (1 + self.sensor_offset[2] / self.exit_pupil_offset)

    def settings(self) -> dict[str, Any]:
        """What a photographer would ask of a capture, JSON values; None where the file does not tell."""
        plain = {name: getattr(self, name) for name in _SETTINGS}
        return plain | {
            "white_balance": self.white_balance.tolist(),
            "ccm": self.ccm.tolist(),
            "notes": list(self.notes),
        }


def parse_capture(document: dict[str, Any], path: Path, *, notes: tuple[str, ...] = ()) -> CaptureMetadata:
    """Metadata of a shot from the merged JSON of its file.

    The white picture may be named by ``modulationDataRef`` of the frame, by ``derivations`` (Illum) or by
    ``picture.derivationArray`` (first generation); all are collected in ``white_refs``. That the latter two name white
    pictures is not verified on a raw capture: a name that fits none is of no consequence.

    Parameters
    ----------
    document : table of contents and sections merged, later ones preferred
    path : for messages
    notes : what the reader of the file left out

    Raises
    ------
    InputError : for a value that is needed and missing, or that is no sane one; it names the key
    """
    optics = value_at(document, f"{_SHARED_FRAME}.metadata")
    refs: list[Any] = [
        value_at(document, "frames[0].frame.modulationDataRef"),
        value_at(document, "picture.frameArray[0].frame.modulationDataRef"),
    ]
    for key in ("derivations", "picture.derivationArray"):
        listed = value_at(document, key)
        refs += listed if isinstance(listed, list) else [listed]
    image_ref = value_at(document, "frames[0].frame.imageRef")
    if image_ref is None:
        image_ref = value_at(document, "picture.frameArray[0].frame.imageRef")
    fields = Fields(path, [document])
    with_optics = Fields(path, [document, optics] if isinstance(optics, dict) else [document])
    return _parse(fields, with_optics, refs, image_ref, document, notes, path)


def parse_white(document: dict[str, Any], path: Path, *, notes: tuple[str, ...] = ()) -> CaptureMetadata:
    """Metadata of a white picture from the JSON beside it (MOD_xxxx.TXT), or of one in the form of a capture.

    Raises
    ------
    InputError : for a value that is needed and missing, or that is no sane one; it names the key
    """
    frame = value_at(document, _SHARED_FRAME)
    if not isinstance(frame, dict):
        return parse_capture(document, path, notes=notes)
    parts = [frame.get("privateMetadata"), frame.get("metadata")]
    flat: dict[str, Any] = {}
    for part in parts:
        flat = merged(flat, part) if isinstance(part, dict) else flat
    fields = Fields(path, [flat])
    return _parse(fields, fields, [], frame.get("imageRef"), document, notes, path)


def _parse(
    fields: Fields,
    optics: Fields,
    refs: list[Any],
    image_ref: Any,
    document: dict[str, Any],
    notes: tuple[str, ...],
    path: Path,
) -> CaptureMetadata:
    height = fields.whole("image.height", low=2, high=_SIDE_LIMIT)
    width = fields.whole("image.width", low=4, high=_SIDE_LIMIT)
    if height is None or width is None:
        fields.missing("image.height" if height is None else "image.width")
    if height % 2 or width % 4:
        fields.refuse("image.width", f"{width} x {height} is not made of whole groups of pixels")
    bits = fields.whole(
        "image.pixelPacking.bitsPerPixel",
        "image.rawDetails.pixelPacking.bitsPerPixel",
        "devices.sensor.bitsPerPixel",
        low=8,
        high=16,
    )
    if bits is None:
        fields.missing("image.pixelPacking.bitsPerPixel")
    black, white = (_levels(fields, name, bits) for name in ("black", "white"))
    if not (black < white).all():
        fields.refuse("image.pixelFormat.white", "it is not above black")
    return CaptureMetadata(
        model=fields.text("camera.model", "cameraModel") or "",
        serial=fields.text("camera.serialNumber"),
        shape=(height, width),
        bits=bits,
        black=black,
        white=white,
        upper_left=fields.text("image.mosaic.upperLeftPixel", "image.rawDetails.mosaic.upperLeftPixel")
        or "gr",
        pixel_pitch=optics.required("devices.sensor.pixelPitch", low=1e-7, high=1e-4),
        lens_pitch=optics.required("devices.mla.lensPitch", low=1e-6, high=1e-3),
        rotation=optics.number("devices.mla.rotation", low=-0.2, high=0.2) or 0.0,
        scale=(
            _or_one(optics.number("devices.mla.scaleFactor.y", low=0.9, high=1.1)),
            _or_one(optics.number("devices.mla.scaleFactor.x", low=0.9, high=1.1)),
        ),
        sensor_offset=(
            optics.number("devices.mla.sensorOffset.x", low=-0.01, high=0.01) or 0.0,
            optics.number("devices.mla.sensorOffset.y", low=-0.01, high=0.01) or 0.0,
            optics.required("devices.mla.sensorOffset.z", low=1e-6, high=1e-3),
        ),
        exit_pupil_offset=optics.required("devices.lens.exitPupilOffset.z", low=5e-3, high=1e6),
        f_number=optics.number("devices.lens.fNumber", low=0.5, high=128),
        focal_length=optics.number("devices.lens.focalLength", low=1e-4, high=10),
        zoom_step=optics.whole("devices.lens.zoomStep", "zoomStep", low=-_STEP_LIMIT, high=_STEP_LIMIT),
        focus_step=optics.whole("devices.lens.focusStep", "focusStep", low=-_STEP_LIMIT, high=_STEP_LIMIT),
        exposure_time=fields.number(
            "devices.shutter.frameExposureDuration",
            "devices.shutter.pixelExposureDuration",
            low=1e-7,
            high=1e5,
        ),
        iso=fields.number("image.iso", "devices.sensor.iso", low=1, high=1e7),
        analog_gain=fields.number("devices.sensor.analogGain.gr", low=1e-3, high=1e4),
        ccm=np.array(
            fields.numbers("image.color.ccm", "image.color.ccmRgbToSrgbArray", count=9, low=-100, high=100)
            or np.eye(3).ravel()
        ).reshape(3, 3),
        white_balance=_white_balance(fields),
        modulation_exposure_bias=fields.number("image.modulationExposureBias", low=-30, high=30) or 0.0,
        limit_exposure_bias=fields.number("image.limitExposureBias", low=-30, high=30) or 0.0,
        orientation=fields.whole("image.orientation", low=1, high=8) or 1,
        white_refs=tuple(dict.fromkeys(ref.lower() for ref in refs if is_reference(ref))),
        image_ref=image_ref.lower() if is_reference(image_ref) else None,
        captured=fields.text("devices.clock.zuluTime"),
        document=document,
        notes=notes,
        source=path,
    )


def _or_one(value: float | None) -> float:
    return 1.0 if value is None else value


def _levels(fields: Fields, name: str, bits: int) -> NDArray[np.float32]:
    levels = np.empty((2, 2), np.float32)
    for i, row in enumerate(BAYER_NAMES):
        for j, colour in enumerate(row):
            key = f"pixelFormat.{name}.{colour}"
            levels[i, j] = fields.required(
                f"image.{key}", f"image.rawDetails.{key}", low=0, high=(1 << bits) - 1
            )
    return levels


def _white_balance(fields: Fields) -> NDArray[np.float64]:
    gains = {}
    for colour in ("r", "gr", "gb", "b"):
        gain = fields.number(
            f"image.color.whiteBalanceGain.{colour}",
            f"algorithms.awb.computed.gain.{colour}",
            low=0.01,
            high=100,
        )
        gains[colour] = 1.0 if gain is None else gain
    return np.array([gains["r"], (gains["gr"] + gains["gb"]) / 2, gains["b"]])
