"""The same capture, calibrated and decoded by plenpy [1]_: a second opinion, slow and known to be wrong in places.

plenpy's views are resampled to nearly square pixels, but their steps differ: rows of lenses are stretched to an even
number of pixels, and columns to another, so that neighbouring views lie 1/26 of twice the distance of the rows apart
vertically, and 1/16 of the pitch horizontally (0.952 and 0.893 px of the Illum). Disparities along the rows are 6 %
smaller than down the columns. They are handed on as plenpy makes them; `view_steps` and `view_grid` say where they lie.

What differs from plenpy's own output: the division by the maximum of the whole light field is undone, the white
picture's own colour is not divided out, and white balance and colours are those of `lfsynth.lytro.colour`. The rest,
white level included, is plenpy's, unless `WhiteLevel.MENDED` is asked for.

References
----------
.. [1] Schambach, Puente Leon: Microlens array grid estimation, light field decoding, and calibration, IEEE
   Transactions on Computational Imaging 6 (2020), doi:10.1109/TCI.2020.2964257
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import imageio
import numpy as np
from numpy.typing import NDArray

from lfsynth.lightfield import LightField
from lfsynth.lytro.calibration import Calibration
from lfsynth.lytro.colour import colour_matrix
from lfsynth.lytro.lattice import REACH, VIEW_STEP, Lattice, SquareGrid
from lfsynth.lytro.metadata import CaptureMetadata
from lfsynth.lytro.plenpy_patches import Library, Overlay, patched, replaced

if TYPE_CHECKING:
    from lfsynth.lytro.capture import Capture

PLENPY_VERSION = "0.9.2"

_FULL_SCALE = 1023
"""plenpy takes levels as fractions of what 10 bits hold."""

_VIEWS = 13
"""Views a side: plenpy keeps those whose distance is less than half of the 14 px that it takes a lens for."""

_WHITE_NAME = "white.RAW"


class WhiteLevel(Enum):
    """How the white picture is stored for plenpy's decoder."""

    AS_IS = "as is"
    """Stretched from its darkest to its brightest pixel, and the black level subtracted again when it is used: the rims
    of the disks come out too dark in it, and the outer views too bright."""

    MENDED = "mended"
    """So that the one subtraction of the black level that the decoder makes is right."""


def decode_with_plenpy(
    capture: Capture, calibration: Calibration, *, white_level: WhiteLevel = WhiteLevel.AS_IS
) -> LightField:
    """Decode a capture by plenpy's guided resampling, on the lattice of our calibration.

    Parameters
    ----------
    capture : of any even size
    calibration : its lattice and its white picture are used; for plenpy's own lattice, put `calibrate_with_plenpy`'s in
        its place with ``dataclasses.replace``
    white_level : plenpy's defect, or without it

    Returns
    -------
    LightField of 13 x 13 views, linear light; weights are 0 beyond `REACH` of our view steps from the centre. Its
    metadata hold ``view_step_px``, vertical and horizontal

    Raises
    ------
    TypeError
        for a white picture of another size
    InputError
        if plenpy is not installed
    """
    if capture.mosaic.ndim != 2 or capture.mosaic.shape != calibration.white.shape:
        shapes = f"{capture.mosaic.shape} and {calibration.white.shape}"
        raise TypeError(f"mosaic and white picture must be (H, W) and of the same size, not {shapes}")
    metadata = capture.metadata
    with patched() as library, _camera(library, metadata, calibration.white, capture.mosaic) as camera:
        parameters = _parameters(library, calibration.lattice, capture.mosaic.shape)
        camera._get_ideal_grid_params = lambda **_: parameters
        camera.calibrate()
        scale = _store_white(camera, calibration, metadata, white_level)
        brightest = _Brightest(library.camera.skt)
        with replaced(library.camera, "skt", Overlay(library.camera.skt, resize=brightest.resize)):
            camera.decode_sensor_image(0, resample_method="guided")
        decoded = np.asarray(camera.get_decoded_image(0))
    views = _in_linear_light(decoded, brightest.value * scale, metadata)
    steps = view_steps(calibration.lattice)
    return LightField(
        views,
        _weights(calibration.lattice),
        np.ones(views.shape[:2], np.float32),
        capture.path,
        metadata={
            "format": "lytro",
            "decoder": f"plenpy {PLENPY_VERSION}",
            "white_level": white_level.value,
            "view_step_px": list(steps),
        },
    )


def calibrate_with_plenpy(white: NDArray[np.uint16], metadata: CaptureMetadata) -> Lattice:
    """The lattice that plenpy's own method finds in a white picture; minutes of all cores for the full sensor.

    Parameters
    ----------
    white : (H, W) levels as the sensor gave them
    metadata : of the white picture or of a shot: zoom step, levels

    Raises
    ------
    InputError
        if plenpy is not installed
    """
    with patched() as library, _camera(library, metadata, white) as camera:
        camera.calibrate(method="own")
        parameters = camera._calibrationDb[0]["ideal_grid_params"]
    return _lattice(parameters, (white.shape[0], white.shape[1]))


def view_steps(lattice: Lattice) -> tuple[float, float]:
    """Distance of plenpy's neighbouring views in px of the sensor, vertically and horizontally."""
    rows = 2 * math.hypot(*lattice.down)
    return rows / _even(rows), lattice.pitch / _even(lattice.pitch)


def view_grid(lattice: Lattice, size: tuple[int, int]) -> SquareGrid:
    """Where the pixels of plenpy's views lie on the sensor.

    Parameters
    ----------
    lattice : that the capture was decoded with
    size : height and width of a view

    Returns
    -------
    SquareGrid; its steps differ by up to a part in a thousand, since plenpy rounds the width of a view to whole pixels
    """
    rows, columns = size
    # Of t lenses a row, plenpy makes ceil(2 t / sqrt(3)) pixels between the same outer edges of 2 t half pitches.
    lenses = math.floor(columns * math.sqrt(3) / 2)
    half_pitches = 2 * lenses / columns
    along = lattice.across[0] / 2, lattice.across[1] / 2
    first = (half_pitches - 1) / 2
    return SquareGrid(
        (lattice.origin[0] + first * along[0], lattice.origin[1] + first * along[1]),
        lattice.down,
        (half_pitches * along[0], half_pitches * along[1]),
        (rows, columns),
    )


def _even(spacing: float) -> int:
    """The whole even number of pixels that plenpy stretches a spacing to."""
    up = math.ceil(spacing)
    return up + up % 2


def _parameters(library: Library, lattice: Lattice, shape: tuple[int, ...]) -> Any:
    """A lattice as plenpy's grid parameters: its rotation is counted the other way round.

    The offset is the first disk's centre where it is, since the alignment takes it so; plenpy's grid rotates it too,
    which moves it by 0.02 px.
    """
    return library.grids.GridParameters(
        size=shape,
        spacing=np.array([2 * math.hypot(*lattice.down), lattice.pitch]),
        rotation=-lattice.rotation,
        offset=np.array(lattice.origin),
    )


def _lattice(parameters: Any, shape: tuple[int, int]) -> Lattice:
    """The lattice of plenpy's grid parameters, whose points it rotates about the sensor's first pixel."""
    cos, sin = math.cos(parameters.rotation), math.sin(parameters.rotation)

    def on_sensor(y: float, x: float) -> tuple[float, float]:
        return cos * y - sin * x, sin * y + cos * x

    rows, pitch = (float(spacing) for spacing in parameters.spacing)
    y, x = (float(coordinate) for coordinate in parameters.offset)
    return Lattice.covering(on_sensor(y, x), on_sensor(0, pitch), on_sensor(rows / 2, 0), shape)


@contextmanager
def _camera(
    library: Library,
    metadata: CaptureMetadata,
    white: NDArray[np.uint16],
    mosaic: NDArray[np.uint16] | None = None,
) -> Iterator[Any]:
    """A camera of plenpy's with one white picture and at most one shot, which it is handed instead of reading files.

    So that any size will do: its readers take the whole sensor of an Illum and nothing else.
    """
    described = _described(metadata)
    with tempfile.TemporaryDirectory(prefix="lfsynth-plenpy-") as name:
        folder = Path(name)
        (folder / "Images").mkdir()
        (folder / "Calibration" / "WhiteImages").mkdir(parents=True)
        (folder / "Calibration" / "WhiteImages" / _WHITE_NAME).touch()
        camera = library.illum.LytroIllum(folder)
        camera._crop_slice_x, camera._crop_slice_y = slice(0, white.shape[0]), slice(0, white.shape[1])
        camera._validate_crop()
        own_reading = camera._get_wi

        def read_white(path: Path, process: bool = False, meta_only: bool = False) -> Any:
            if Path(path).name != _WHITE_NAME:
                return own_reading(Path(path), process=process, meta_only=meta_only)
            return imageio.core.util.Array(white / _FULL_SCALE, described)

        camera._get_wi = read_white
        if mosaic is not None:
            camera._sensorImages = {0: _Shot(mosaic, described)}
        yield camera


class _Shot:
    """A sensor picture as plenpy's camera wants it, from memory."""

    def __init__(self, mosaic: NDArray[np.uint16], metadata: dict[str, Any]) -> None:
        self._mosaic = mosaic
        self._metadata = metadata
        self._decoded = False

    def get_image(self) -> NDArray[np.float64]:
        picture: NDArray[np.float64] = self._mosaic / _FULL_SCALE
        return picture

    def get_metadata(self) -> dict[str, Any]:
        return self._metadata

    def set_decoded(self, value: bool) -> None:
        self._decoded = value

    def is_decoded(self) -> bool:
        return self._decoded


class _Brightest:
    """Resizes pictures and keeps the largest value that came out: what plenpy divides the light field by."""

    def __init__(self, transform: Any) -> None:
        self._transform = transform
        self.value = 0.0

    def resize(self, picture: Any, shape: Any) -> Any:
        """As scikit-image's."""
        resized = self._transform.resize(picture, shape)
        self.value = max(self.value, float(resized.max()))
        return resized


def _described(metadata: CaptureMetadata) -> dict[str, Any]:
    """The few values that plenpy's camera looks up, where it looks for them; shot and white picture are alike."""
    levels = {
        name: dict(zip(("gr", "r", "b", "gb"), level.ravel().tolist(), strict=True))
        for name, level in (("black", metadata.black), ("white", metadata.white))
    }
    return {
        "metadata": {
            "devices": {
                "lens": {"zoomStep": metadata.zoom_step or 0, "focusStep": metadata.focus_step or 0},
                "shutter": {"frameExposureDuration": metadata.exposure_time or 0.0},
            },
            "image": {"pixelFormat": levels, "iso": 0},
        },
        "privateMetadata": {"camera": {"serialNumber": metadata.serial or "unknown"}},
    }


def _store_white(
    camera: Any, calibration: Calibration, metadata: CaptureMetadata, white_level: WhiteLevel
) -> NDArray[np.float64]:
    """Mend the white picture that plenpy has stored, if asked to, and tell what the decoder will take it for.

    Returns
    -------
    (3,) float64, of R, G, B: what the middles of the disks in the middle of the sensor are divided by
    """
    white = calibration.white
    black, full = metadata.black.mean(), metadata.white.mean()
    brightest = white.max()
    middle = calibration.black + calibration.level
    if white_level is WhiteLevel.MENDED:
        gain = (full - black) / (brightest - black) / _FULL_SCALE
        path = camera.path / camera._whiteImageDb[0]["path"]
        np.save(path, (white - black) * gain + black / _FULL_SCALE)
        divisor = (middle - black) / (brightest - black)
    else:
        darkest = white.min()
        stretched = (middle - darkest) / (brightest - darkest) * _FULL_SCALE
        divisor = (stretched - black) / (full - black)
    (green_red, red), (blue, green_blue) = divisor
    return np.array([red, (green_red + green_blue) / 2, blue], np.float64)


def _in_linear_light(
    decoded: NDArray[np.float64], scale: NDArray[np.float64], metadata: CaptureMetadata
) -> NDArray[np.float32]:
    """Raw colours as the sensor saw them, and from them linear sRGB."""
    matrix = (colour_matrix(metadata) * metadata.white_balance * scale).T.astype(np.float32)
    views = np.empty(decoded.shape, np.float32)
    for index in np.ndindex(decoded.shape[:2]):
        views[index] = np.clip(decoded[index].astype(np.float32) @ matrix, 0, 1)
    return views


def _weights(lattice: Lattice) -> NDArray[np.float32]:
    """Views as far from the centre as ours, in px."""
    vertical, horizontal = view_steps(lattice)
    offset = np.arange(_VIEWS) - _VIEWS // 2
    distance = np.hypot(vertical * offset[:, None], horizontal * offset[None, :])
    weights: NDArray[np.float32] = (distance <= REACH * VIEW_STEP * lattice.pitch).astype(np.float32)
    return weights
