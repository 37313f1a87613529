"""Decode a raw capture of a microlens camera to a light field in linear light.

Defective pixels are marked; under each lens, levels become light (`lfsynth.lytro.colour`), are divided by the white
picture, and get their missing colours (`lfsynth.lytro.demosaic`); a cubic reads them at the views' places; along
the rows of lenses the o-MOMS cubic (`lfsynth.interpolation`) leads to the square grid. Views are in linear sRGB,
cut to [0, 1], and nothing is scaled by what the picture shows: two captures of one scene at different exposures
stay different.

Rows of lenses are decoded in batches that do not depend on each other, so that the number of threads changes no
byte.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from lfsynth import __version__
from lfsynth.errors import InputError
from lfsynth.interpolation import OMOMS
from lfsynth.lightfield import LightField
from lfsynth.lytro.calibration import Calibration
from lfsynth.lytro.capture import Capture
from lfsynth.lytro.colour import colour_matrix, level_table
from lfsynth.lytro.decode_kernels import EDGE, mark_defects, see_lenses, write_views
from lfsynth.lytro.demosaic import demosaic_filters, folded
from lfsynth.lytro.demosaic_kernels import DEFECT, LANES, PIXEL, VIEWS_MOST
from lfsynth.lytro.lattice import REACH, VIEWS

DECODER_VERSION = 1
"""Counted up whenever the same capture and calibration give another light field."""

PITCHES = (10.0, 15.0)
"""Distances of the disks in px that the kernels' windows have room for."""

_HOT = 0.1
"""Part of the range from black to white by which a hot pixel exceeds one and a half times its brightest neighbour."""

_ROWS = 256
"""Rows of the sensor that are looked through for hot pixels at a time."""

_SAMPLED_LENSES = 4000
"""About as many lenses tell how much light the views get."""

_LEAST_LIGHT = 0.05
"""Part of the centre view's light below which a view has no weight."""

_ORIENTATIONS = {
    1: (False, 1, 1),
    2: (False, 1, -1),
    3: (False, -1, -1),
    4: (False, -1, 1),
    5: (True, 1, 1),
    6: (True, 1, -1),
    7: (True, -1, -1),
    8: (True, -1, 1),
}
"""Upright picture by EXIF orientation: rows and columns change places or not, then steps down and to the right."""


def decode(capture: Capture, calibration: Calibration, *, threads: int = 1, views: int = VIEWS) -> LightField:
    """Light field of a capture.

    Parameters
    ----------
    capture : the shot
    calibration : of its camera at its zoom and focus
    threads : how many work at it; the result is the same to the byte
    views : in each direction, an odd number of at most 13

    Returns
    -------
    LightField
        Its views [u, v, y, x, c] lie on the calibration's square grid; u, v are places in the disks,
        `lfsynth.lytro.lattice.VIEW_STEP` apart. Where the metadata give another orientation than upright, the views and
        the grid of views are turned alike, so that disparities keep their sign. Views more than `REACH` steps from
        the centre are 0 and have no weight; those at the disk's rim weigh as much as they get light, and their gain is
        its inverse: what their pixels were multiplied by on average. ``f_number_radius`` is the disk's radius in
        view steps times the metadata's f-number.

    Raises
    ------
    TypeError
        For a mosaic of another rank, type or shape than its metadata say.
    ValueError
        For a number of views or threads that cannot be.
    InputError
        If the calibration is of a sensor of another size or of disks another distance apart.
    """
    metadata = capture.metadata
    if capture.mosaic.dtype != np.uint16 or capture.mosaic.shape != metadata.shape:
        raise TypeError(
            f"a mosaic must be uint16 {metadata.shape}, not {capture.mosaic.dtype} {capture.mosaic.shape}"
        )
    if not (1 <= views <= VIEWS_MOST and views % 2 == 1) or threads < 1:
        raise ValueError(
            f"views must be odd, 1 to {VIEWS_MOST}, and threads at least 1, not {views}, {threads}"
        )
    lattice = calibration.lattice
    _check_match(capture, calibration)
    grid = lattice.square_grid()
    transposed, down, right = _ORIENTATIONS[metadata.orientation]
    size = grid.shape[::-1] if transposed else grid.shape
    # Zeros are not backed by memory until they are written: views without weight cost none.
    result = np.zeros((views, views, *size, 3), np.float32)
    as_stored = result[::down, ::right, ::down, ::right]
    if transposed:
        as_stored = as_stored.transpose(1, 0, 3, 2, 4)
    _decode_into(as_stored, result, capture, calibration, threads)
    light = view_light(calibration, views)
    weights = np.where((light >= _LEAST_LIGHT) & _within_reach(views), np.clip(light, 0, 1), 0)
    gains = np.divide(1, weights, out=np.ones_like(weights), where=weights > 0)
    if transposed:
        weights, gains = weights.T, gains.T
    radius = calibration.radius / lattice.view_step
    return LightField(
        views=result,
        weights=np.ascontiguousarray(weights[::down, ::right], np.float32),
        gains=np.ascontiguousarray(gains[::down, ::right], np.float32),
        source=capture.path,
        f_number_radius=None if metadata.f_number is None else metadata.f_number * radius,
        metadata=_described(capture, calibration),
    )


def view_light(calibration: Calibration, views: int) -> NDArray[np.float64]:
    """(views, views) how much light the views get, that of the centre view is 1: means over the whole sensor."""
    centres = calibration.lattice.centres().reshape(-1, 2)
    centres = centres[:: max(1, len(centres) // _SAMPLED_LENSES)]
    at = (np.arange(views) - views // 2) * calibration.lattice.view_step
    y = np.rint(centres[:, 0, None, None] + at[:, None]).astype(np.int64)
    x = np.rint(centres[:, 1, None, None] + at).astype(np.int64)
    i, j = y % 2, x % 2
    response = (calibration.white[y, x] - calibration.black[i, j]) / calibration.level[i, j]
    light = np.asarray(response.mean(axis=0, dtype=np.float64))
    return np.asarray(light / light[views // 2, views // 2])


def _check_match(capture: Capture, calibration: Calibration) -> None:
    """Refuse a calibration that cannot be this camera's."""
    if calibration.white.shape != capture.mosaic.shape:
        (height, width), (h, w) = capture.mosaic.shape, calibration.white.shape
        raise InputError(
            capture.path,
            f"its sensor has {width} x {height} pixels, the white picture {calibration.source} has {w} x {h}",
            "calibrate with a white picture of the camera that took it",
        )
    low, high = PITCHES
    if not low <= calibration.lattice.pitch <= high:
        raise InputError(
            capture.path,
            f"the disks lie {calibration.lattice.pitch:.2f} px apart, decoded are {low:g} to {high:g} px",
            "calibrate with a white picture of a Lytro Illum",
        )


def _within_reach(views: int) -> NDArray[np.bool_]:
    at = np.arange(views) - views // 2
    return np.asarray(np.hypot(at[:, None], at) <= REACH)


def _decode_into(
    stored: NDArray[np.float32],
    result: NDArray[np.float32],
    capture: Capture,
    calibration: Calibration,
    threads: int,
) -> None:
    """Decode to an array that shares ``result``'s memory and has the axes of the sensor."""
    lattice = calibration.lattice
    grid = lattice.square_grid()
    reach = (_within_reach(stored.shape[0]).sum(axis=1) - 1) // 2
    plain = folded(demosaic_filters(lattice.view_step))
    filters = np.einsum("ck,ijkn->ijcn", colour_matrix(capture.metadata), plain).astype(np.float32, order="C")
    geometry = np.array([*lattice.origin, *lattice.across, *lattice.down, lattice.pitch, lattice.view_step])
    side, factor = _prefilter(lattice.shape[1])
    flat = result.reshape(-1)
    first_byte = stored.__array_interface__["data"][0] - result.__array_interface__["data"][0]
    offset = first_byte // result.itemsize
    strides = np.array(stored.strides[:4]) // result.itemsize
    columns = np.arange(grid.shape[1]) * (math.hypot(*grid.across) / lattice.pitch)
    levels = level_table(capture.metadata, calibration)

    def work(first_row: int) -> None:
        at = columns - first_row % 2 / 2
        lens = np.floor(at).astype(np.int64)
        rows = min(LANES, (lattice.shape[0] - first_row + 1) // 2)
        lenses = np.empty((int((2 * reach + 1).sum()), lattice.shape[1] + 2 * EDGE, PIXEL), np.float32)
        see_lenses(lenses, first_row, rows, marked, calibration.white, geometry, levels, filters, reach)
        taps = OMOMS.taps(at - lens).astype(np.float32)
        write_views(flat, offset, strides, first_row, rows, lenses, reach, side, factor, lens, taps)

    with ThreadPoolExecutor(threads) as pool:
        marked = _defects_marked(capture, pool)
        batches = sorted(row + i for row in range(0, lattice.shape[0], 2 * LANES) for i in (0, 1))
        for _ in pool.map(work, [row for row in batches if row < lattice.shape[0]]):
            pass


def _prefilter(lenses: int) -> tuple[np.float32, NDArray[np.float32]]:
    """The o-MOMS cubic's value one sample from its middle, and the inverse pivots of its tridiagonal system.

    The first and the last sample are their own coefficients; the others are eliminated downward.
    """
    side, middle = OMOMS.taps(np.zeros(1))[0, :2]
    factor = np.zeros(lenses)
    for q in range(1, lenses):
        factor[q] = 1 / (middle - side * side * factor[q - 1])
    return np.float32(side), factor.astype(np.float32)


def _defects_marked(capture: Capture, pool: ThreadPoolExecutor) -> NDArray[np.uint16]:
    """The mosaic with `DEFECT` at the pixels that the camera lists as hot, and at those that look it."""
    metadata, mosaic = capture.metadata, np.ascontiguousarray(capture.mosaic)
    marked = np.empty_like(mosaic)
    # Of levels: (level - black) > 1.5 (most - black) + share (white - black).
    margin = _HOT * (metadata.white - metadata.black) - metadata.black / 2
    limit = round(float(margin.max()))

    def work(row: int) -> None:
        mark_defects(marked, mosaic, row, min(row + _ROWS, len(mosaic)), limit)

    for _ in pool.map(work, range(0, len(mosaic), _ROWS)):
        pass
    listed = capture.hot_pixels
    marked[listed[:, 0], listed[:, 1]] = DEFECT
    return marked


def _described(capture: Capture, calibration: Calibration) -> dict[str, Any]:
    """What the light field says of its capture, JSON values."""
    metadata, lattice = capture.metadata, calibration.lattice
    return {
        "format": "lytro",
        "capture": metadata.settings(),
        "hot_pixels_listed": len(capture.hot_pixels),
        "white_picture": calibration.source,
        "white_picture_digest": calibration.digest,
        "lattice": {
            "pitch": lattice.pitch,
            "rotation": lattice.rotation,
            "view_step": lattice.view_step,
            "radius": calibration.radius,
            "residual": calibration.residual,
        },
        "versions": {
            "lfsynth": __version__,
            "decoder": DECODER_VERSION,
            "calibration": calibration.version,
            "numpy": np.__version__,
            "numba": numba.__version__,
        },
    }
