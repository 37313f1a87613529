"""Colours under a lens, places of the views, and the row's cubic, each against plain numpy."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from lfsynth.interpolation import OMOMS, sampling_matrix
from lfsynth.lytro import demosaic_kernels as kernels
from lfsynth.lytro.decode import _prefilter as prefilter_factors
from lfsynth.lytro.decode_kernels import EDGE, _prefilter, mark_defects
from lfsynth.lytro.demosaic import BAYER, demosaic_filters, folded

STEP = 0.953
LANES, INPUT, WINDOW, RUN = kernels.LANES, kernels.INPUT, kernels.WINDOW, kernels.RUN


@pytest.fixture(scope="module")
def filters() -> NDArray[np.float64]:
    return demosaic_filters(STEP)


def windows(rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Random light of LANES lenses, (LANES, INPUT, INPUT), and the same in the kernels' order."""
    plain = rng.random((LANES, INPUT, INPUT), np.float32)
    halves = np.stack([plain[:, :, 0::2], plain[:, :, 1::2]], axis=2)
    return plain, np.ascontiguousarray(np.moveaxis(halves, 0, -1)).reshape(INPUT, 2, RUN)


def test_even_colours_are_kept(filters: NDArray[np.float64]) -> None:
    colour = np.array([0.7, 0.2, 0.4])
    places = np.arange(5)
    for i, j in np.ndindex(2, 2):
        mosaic = colour[BAYER[(i + places[:, None]) % 2, (j + places) % 2]]
        np.testing.assert_allclose((filters[i, j] * mosaic).sum(axis=(1, 2)), colour, atol=1e-12)


def test_filters_are_mirrored(filters: NDArray[np.float64]) -> None:
    np.testing.assert_allclose(filters, filters[..., ::-1, :], atol=1e-12)
    np.testing.assert_allclose(filters, filters[..., ::-1], atol=1e-12)


def test_noise_of_the_pixels_own_colour_is_not_amplified(filters: NDArray[np.float64]) -> None:
    gain = np.sqrt((filters**2).sum(axis=(-1, -2)))
    assert gain.max() < 1.0


def test_colours_at_the_views_columns(filters: NDArray[np.float64]) -> None:
    rng = np.random.default_rng(0)
    plain, light = windows(rng)
    at = rng.uniform(7, 9, LANES).astype(np.float32)
    start = np.clip(np.floor(7 + (np.arange(13) - 6) * STEP).astype(np.int64) - 1, 0, WINDOW - kernels.TAPS)
    taps = np.empty((13, kernels.TAPS * LANES), np.float32)
    kernels.place(taps, start, at + np.float32(kernels.HALO), STEP)
    columns = np.empty((WINDOW, kernels.VIEWS_MOST, kernels.PIXEL), np.float32)
    kernels.interpolate(columns, light, folded(filters).astype(np.float32), taps, start)
    places = np.arange(WINDOW)
    for lane in range(LANES):
        colours = np.empty((3, WINDOW, WINDOW))
        for i, j in np.ndindex(2, 2):
            for c in range(3):
                full = ndimage.correlate(plain[lane].astype(np.float64), filters[i, j, c])
                colours[c, i::2, j::2] = full[2:-2, 2:-2][i::2, j::2]
        for v in range(12):
            x = np.abs(at[lane] + (v - 6) * STEP - places)
            # Keys's kernel with a = -1/2, as his paper writes it.
            weights = np.where(x < 1, 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2)
            weights[x >= 2] = 0
            result = columns[:, v].reshape(WINDOW, 3, LANES)[:, :, lane]
            np.testing.assert_allclose(result, (colours @ weights).T, atol=2e-5)


def test_taps_sum_to_one_even_where_the_window_ends() -> None:
    at = np.linspace(7, 8.999, LANES).astype(np.float32)
    start = np.full(1, WINDOW - kernels.TAPS)
    taps = np.empty((13, kernels.TAPS * LANES), np.float32)
    kernels.place(taps, np.repeat(start, 13), at, STEP)
    np.testing.assert_allclose(taps.reshape(13, kernels.TAPS, LANES).sum(axis=1), 1, atol=1e-6)


def test_pixels_without_light_become_the_mean_of_their_neighbours() -> None:
    """A lens whose disk ends at half the window: what is beyond takes the colours of what is not."""
    raw = np.full((INPUT, INPUT), 100, np.uint16)
    raw[0::2, 1::2] = 300
    white = np.full((INPUT, INPUT), 500, np.uint16)
    white[:, INPUT // 2 :] = 0
    light, trust = np.empty((2, INPUT, 2, RUN), np.float32)
    moments = np.zeros((INPUT + 4, 2, 2 * kernels.WIDE), np.float32)
    sums = np.zeros((INPUT + 4, 2, 2 * RUN), np.float32)
    origin, middle = np.zeros(LANES, np.int64), np.full(LANES, 9.5, np.float32)
    levels = np.broadcast_to(np.array([0, 1e-3, 1023, 0, 1 / 500], np.float32), (2, 2, 5)).copy()
    kernels.load(light, trust, moments, raw, white, origin, origin, levels, middle, middle, 40.0)
    assert (trust.reshape(INPUT, 2, -1, LANES)[:, :, : INPUT // 4] == 1).all()
    kernels.fill(light, trust, moments, sums)
    result = np.moveaxis(light.reshape(INPUT, 2, INPUT // 2, LANES), 1, 2).reshape(INPUT, INPUT, LANES)
    np.testing.assert_allclose(result, np.broadcast_to(raw[..., None] * 1e-3, result.shape), rtol=1e-4)


def test_row_of_lenses_is_interpolated_by_the_omoms_cubic() -> None:
    rng = np.random.default_rng(1)
    lenses = 60
    row = rng.random((lenses, kernels.PIXEL), np.float32)
    line = np.zeros((lenses + 2 * EDGE, kernels.PIXEL), np.float32)
    line[EDGE:-EDGE] = row
    side, factor = prefilter_factors(lenses)
    _prefilter(line, side, factor)
    # Far from the ends, where what lies beyond them does not matter.
    at = rng.uniform(20, 40, 50)
    lens = np.floor(at).astype(int)
    taps = OMOMS.taps(at - lens)
    result = np.einsum("xk,xkp->xp", taps, line[lens[:, None] + np.arange(4) + EDGE - 1])
    np.testing.assert_allclose(result, sampling_matrix(at, lenses, OMOMS) @ row, atol=1e-5)


def test_ramp_goes_on_beyond_the_row() -> None:
    lenses = 12
    line = np.zeros((lenses + 2 * EDGE, kernels.PIXEL), np.float32)
    line[EDGE:-EDGE] = np.arange(lenses, dtype=np.float32)[:, None]
    side, factor = prefilter_factors(lenses)
    _prefilter(line, side, factor)
    np.testing.assert_allclose(
        line, np.repeat(np.arange(-EDGE, lenses + EDGE)[:, None], kernels.PIXEL, axis=1), atol=1e-5
    )


def test_only_lonely_bright_pixels_are_marked() -> None:
    rng = np.random.default_rng(2)
    mosaic = rng.integers(280, 320, (40, 48), dtype=np.uint16)
    mosaic[10:14, 20:24] = 900
    mosaic[[0, 25, 39], [5, 30, 47]] = 900
    marked = np.empty_like(mosaic)
    mark_defects(marked, mosaic, 0, 40, 60)
    expected = mosaic.copy()
    # A patch of four by four has neighbours of its colour; the last column has none to compare with.
    expected[[0, 25], [5, 30]] = kernels.DEFECT
    np.testing.assert_array_equal(marked, expected)
