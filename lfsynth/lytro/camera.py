"""A simulated Lytro Illum: its optics, its sensor, and where its microlenses truly are.

A microlens throws the picture of the main lens's exit pupil onto the sensor: a disk of radius `disk_radius` with a
soft edge, cut off axis by a second stop that seems shifted towards the axis (cat's eye), so that the disk's centroid
lies nearer to the axis than its centre. Towards the corners all is dimmer, as cos^4 of the field angle. A pixel
collects what falls on its area.

Sensor coordinates are ``(y, x)`` in px, downward and rightward, with the centre of the first pixel at (0, 0). The
values of the disk and the noise are of the kind that an Illum has; no particular camera was measured.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lfsynth.errors import InputError
from lfsynth.lytro.capture import PACKED_BITS, UPPER_LEFT, read_capture_metadata
from lfsynth.lytro.json_fields import parse_json
from lfsynth.lytro.lattice import Lattice
from lfsynth.lytro.metadata import CaptureMetadata, parse_capture, parse_white

SENSOR_SHAPE = (5368, 7728)
"""Height and width of the Illum's sensor in px."""

FIELD_RADIUS = math.hypot(*SENSOR_SHAPE) / 2
"""Distance of the sensor's corners from its middle in px."""

_PUPIL_A_ZOOM_STEP, _PUPIL_A_FOCUS_STEP = 2e-4, 1e-3
_WORST_MATRIX = 1e3  # condition number of a colour matrix that can be inverted well enough
_SMALLEST = 128  # px: a window of less has no room for a view of 8 x 8 points

SERIAL = "B5SIMULATED"
"""Serial number of a simulated camera: it says what it is wherever it is shown."""


@dataclass(frozen=True, eq=False)
class Camera:
    """A camera and the settings of a capture.

    Attributes
    ----------
    metadata : geometry, levels and colour; its shape may be smaller than the sensor: a window
    disk_radius : of a microlens's disk in px
    edge_softness : standard deviation in px of the Gaussian that blurs the disk's edge
    stop_radius : of the second stop as seen on the sensor in px
    stop_shift : how far the second stop seems shifted towards the axis at the sensor's corner, px
    corner_tangent : tangent of the field angle at the sensor's corner, for the falloff
    field_centre : (y, x) px of the optical axis; None: the window's middle
    field_radius : px from the axis at which `stop_shift` and `corner_tangent` hold
    full_well : electrons at white level
    read_noise : standard deviation in levels
    white_lamp : (r, g, b) light of the brightest spot of a white picture, 1 is white level
    exposure : factor of the light of a capture; a decoder does not undo it
    hot_pixels : (N, 2) int32 (y, x) of pixels that show light where there is none
    hot_level : what these add, 1 is white level
    """

    metadata: CaptureMetadata
    disk_radius: float = 6.0
    edge_softness: float = 0.4
    stop_radius: float = 6.9
    stop_shift: float = 2.0
    corner_tangent: float = 0.4
    field_centre: tuple[float, float] | None = None
    field_radius: float = FIELD_RADIUS
    full_well: float = 5000.0
    read_noise: float = 1.0
    white_lamp: tuple[float, float, float] = (0.56, 0.75, 0.57)
    exposure: float = 1.0
    hot_pixels: NDArray[np.int32] = field(default_factory=lambda: np.empty((0, 2), np.int32))
    hot_level: float = 0.6

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the window in px."""
        return self.metadata.shape

    @property
    def axis(self) -> tuple[float, float]:
        """Where the optical axis meets the sensor, (y, x) in px."""
        return self.field_centre or ((self.shape[0] - 1) / 2, (self.shape[1] - 1) / 2)

    @property
    def true_lattice(self) -> Lattice:
        """Where the disks' centres are.

        A disk lies in the window's middle but for the offset that the metadata give; a positive rotation turns the
        rows down to the right. Both signs are this simulation's own: those of real files are not known.
        """
        known = self.metadata
        pitch = known.lens_pitch_px * known.scale[1]
        row = known.lens_pitch_px * known.scale[0] * math.sqrt(3) / 2
        sine, cosine = math.sin(known.rotation), math.cos(known.rotation)
        point = (
            (self.shape[0] - 1) / 2 + known.sensor_offset[1] / known.pixel_pitch,
            (self.shape[1] - 1) / 2 + known.sensor_offset[0] / known.pixel_pitch,
        )
        return Lattice.covering(
            point, (pitch * sine, pitch * cosine), (row * cosine, -row * sine), self.shape
        )

    @property
    def sensor_from_scene(self) -> NDArray[np.float64]:
        """(3, 3) linear sRGB of the scene to R, G, B of the sensor, 1 is white level: colour and exposure."""
        known = self.metadata
        gain = self.exposure * 2.0**-known.modulation_exposure_bias
        matrix: NDArray[np.float64] = gain * np.linalg.inv(known.ccm) / known.white_balance[:, None]
        return matrix


def neutral(camera: Camera) -> Camera:
    """The camera with a sensor whose colours are linear sRGB, and a white lamp of its own brightest colour."""
    metadata = replace(camera.metadata, ccm=np.eye(3), white_balance=np.ones(3))
    return replace(camera, metadata=metadata, white_lamp=(max(camera.white_lamp),) * 3)


def at_steps(camera: Camera, zoom: int, focus: int) -> Camera:
    """The camera with its lens's motors moved by some steps, which moves the exit pupil and with it the disks.

    By how much is this simulation's own: across zoom and focus, disks at the sensor's corners move by up to some tenths
    of a pixel.
    """
    known = camera.metadata
    away = 1 + _PUPIL_A_ZOOM_STEP * zoom + _PUPIL_A_FOCUS_STEP * focus
    if away <= 0:
        raise ValueError(f"{zoom} steps of zoom and {focus} of focus are more than a lens has")
    metadata = replace(
        known,
        zoom_step=(known.zoom_step or 0) + zoom,
        focus_step=(known.focus_step or 0) + focus,
        exit_pupil_offset=known.exit_pupil_offset * away,
    )
    return replace(camera, metadata=metadata)


def windowed(camera: Camera, shape: tuple[int, int]) -> Camera:
    """The camera with a sensor of another size, as large as the middle of it that is read out.

    Parameters
    ----------
    shape : (H, W) in px, even, the width a multiple of 4, both at least 128

    Raises
    ------
    ValueError : for another shape, which could not be packed
    """
    if shape[0] % 2 or shape[1] % 4 or min(shape) < _SMALLEST:
        raise ValueError(
            f"{shape[0]} x {shape[1]} is no sensor: its height must be even and its width a multiple of 4, both at "
            f"least {_SMALLEST}"
        )
    return replace(camera, metadata=replace(camera.metadata, shape=shape))


def with_hot_pixels(camera: Camera, rng: np.random.Generator, *, fraction: float = 1e-5) -> Camera:
    """The camera with some hot pixels, at least one."""
    number = max(1, round(fraction * math.prod(camera.shape)))
    at = np.sort(rng.choice(math.prod(camera.shape), number, replace=False))
    return replace(camera, hot_pixels=np.stack(np.unravel_index(at, camera.shape), axis=1).astype(np.int32))


def camera_like(path: Path) -> Camera:
    """A simulated camera with the geometry, levels and colours of a real one.

    Its serial number says that it is simulated, and after which file.

    Parameters
    ----------
    path : metadata of a capture or a white picture (JSON, MOD_xxxx.TXT), or a capture (LFR)

    Raises
    ------
    InputError : where they cannot be read, or are not of an Illum
    """
    if path.suffix.lower() in (".lfr", ".lfp"):
        known = read_capture_metadata(path)
    else:
        try:
            data = path.read_bytes()
        except OSError as error:
            raise InputError(path, f"cannot be read ({error.strerror})", "check the path") from error
        document = parse_json(data, path, "metadata")
        known = parse_capture(document, path) if "image" in document else parse_white(document, path)
    if (
        known.bits != PACKED_BITS
        or known.upper_left != UPPER_LEFT
        or np.linalg.cond(known.ccm) > _WORST_MATRIX
    ):
        cure = "give the metadata of an Illum's capture or white picture"
        raise InputError(path, "it is of a camera that is not simulated", cure)
    letters = "".join(letter for letter in path.stem.upper() if letter.isascii() and letter.isalnum())
    metadata = replace(
        known, serial=f"{SERIAL}-{letters}" if letters else SERIAL, white_refs=(), image_ref=None, document={}
    )
    return Camera(metadata)


def simulated_camera(shape: tuple[int, int] = SENSOR_SHAPE) -> Camera:
    """A camera with geometry and colours of the kind that real metadata have.

    Parameters
    ----------
    shape : as of `windowed`, which tells the errors
    """
    metadata = CaptureMetadata(
        model="ILLUM",
        serial=SERIAL,
        shape=SENSOR_SHAPE,
        bits=10,
        black=np.full((2, 2), 64, np.float32),
        white=np.full((2, 2), 1023, np.float32),
        upper_left="gr",
        pixel_pitch=1.4e-6,
        lens_pitch=2.0e-5,
        rotation=0.0011,
        scale=(1.00025, 1.0),
        sensor_offset=(4.2e-6, -3.1e-6, 4.02e-5),
        exit_pupil_offset=0.0572,
        f_number=2.2,
        focal_length=0.0368,
        zoom_step=-540,
        focus_step=-30,
        exposure_time=1 / 125,
        iso=80.0,
        analog_gain=1.0,
        ccm=np.array([[2.10, -0.90, -0.20], [-0.40, 1.75, -0.35], [-0.15, -0.75, 1.90]]),
        white_balance=np.array([1.48, 1.0, 1.22]),
        modulation_exposure_bias=0.0,
        limit_exposure_bias=0.0,
        orientation=1,
        white_refs=(),
        image_ref=None,
        captured="2026-01-01T12:00:00.000Z",
        document={},
    )
    return windowed(Camera(metadata), shape)
