"""The ground truth against its formula in float64, simulated truth, and a rendered picture."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from lfsynth.allinfocus import Method, all_in_focus
from lfsynth.errors import InputError
from lfsynth.lightfield import LightField
from lfsynth.noise import Noise, estimate_noise
from lfsynth.scene import SimulatedScene, simulate
from lfsynth.textures import photographs


@pytest.fixture(scope="module")
def noisy() -> SimulatedScene:
    return simulate(np.random.default_rng(5), grid=(9, 9), size=(160, 208), noise=0.01)


def decibels(picture: np.ndarray, truth: np.ndarray, where: np.ndarray | None = None) -> float:
    error = (picture - truth) ** 2
    return float(-10 * np.log10(error.mean() if where is None else error[where].mean()))


def near_edges(disparity: np.ndarray) -> np.ndarray:
    return ndimage.maximum_filter(disparity, 9) - ndimage.minimum_filter(disparity, 9) > 0.3


def keys(x: np.ndarray) -> np.ndarray:
    """Cubic convolution with a = -0.6, from Keys 1981, equation 15's family."""
    x, a = np.abs(x), -0.6
    inner = (a + 2) * x**3 - (a + 3) * x**2 + 1
    outer = a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a
    return np.where(x <= 1, inner, np.where(x < 2, outer, 0))


def by_the_formula(lf: LightField, disparity: np.ndarray, sigma: float) -> np.ndarray:
    """Both passes over all views, in float64, one sample at a time."""
    height, width, channels = lf.centre_view.shape
    centre = lf.centre_view.astype(np.float64)
    y, x = np.mgrid[:height, :width].astype(np.float64)
    samples, weights = [], []
    for u in range(lf.grid[0]):
        for v in range(lf.grid[1]):
            at_y = y - disparity * (u - lf.centre[0])
            at_x = x - disparity * (v - lf.centre[1])
            sample = np.zeros((height, width, channels))
            for j in range(-1, 3):
                for k in range(-1, 3):
                    row, column = np.floor(at_y) + j, np.floor(at_x) + k
                    weight = keys(at_y - row) * keys(at_x - column)
                    row, column = np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)
                    sample += weight[..., None] * lf.views[u, v, row.astype(int), column.astype(int)]
            inside = (np.abs(at_y - (height - 1) / 2) <= height / 2) & (
                np.abs(at_x - (width - 1) / 2) <= width / 2
            )
            samples.append(sample)
            weights.append(inside * lf.weights[u, v])

    def falling(z: np.ndarray) -> np.ndarray:
        return np.maximum(1 - z / 4, 0) ** 4

    def squares(reference: np.ndarray) -> list[np.ndarray]:
        return [
            np.where(w > 0, ((s - reference) ** 2).mean(axis=2) / sigma**2, 0)
            for s, w in zip(samples, weights, strict=True)
        ]

    def average(reference: np.ndarray, weigh) -> np.ndarray:
        total, norm = np.zeros(centre.shape), np.zeros((height, width))
        for sample, weight, square in zip(samples, weights, squares(reference), strict=True):
            w = weight * weigh(square)
            total += w[..., None] * sample
            norm += w
        return np.where(norm[..., None] > 1e-3, total / np.maximum(norm, 1e-9)[..., None], reference)

    def over_nine(q: np.ndarray) -> np.ndarray:
        q = np.maximum(ndimage.uniform_filter(q, 3, mode="nearest"), q / 2)
        return falling(np.maximum(q - 1.5, 0) / 0.5)

    first = average(centre, over_nine)
    others = [i for i in range(len(samples)) if i != lf.centre[0] * lf.grid[1] + lf.centre[1]]
    support = np.mean([(squares(centre)[i] < 6) & (weights[i] > 0) for i in others], axis=0)
    about = np.ones((height, width), bool)
    rows, columns = [0, -1, -1, -1, 1, 1, 1, 0], [-2, -1, 0, 1, -1, 0, 1, 2]
    padded = np.pad(support, 2, mode="edge")
    for j, k in zip(rows, columns, strict=True):
        about &= padded[2 + j : 2 + j + height, 2 + k : 2 + k + width] >= 0.4
    about[:, :2] = about[:, -2:] = False
    hot = about & (support <= 0.1)
    first[hot] = np.median([samples[i] for i in others], axis=0)[hot]
    return average(first, lambda q: falling(q / 2.88))


@pytest.mark.parametrize("channels", [1, 3])
def test_both_passes_follow_the_formula(channels):
    rng = np.random.default_rng(0)
    made = simulate(rng, grid=(4, 5), size=(24, 30), noise=0.02)
    views = np.ascontiguousarray(made.lightfield.views[..., :channels])
    weights = rng.uniform(0.3, 1, (4, 5)).astype(np.float32)
    lf = replace(made.lightfield, views=views, weights=weights)
    # Multiples of 1/64 fall on the table of the kernel.
    disparity = (np.round(made.disparity * 64) / 64).astype(np.float32)
    expected = by_the_formula(lf, disparity, 0.02)
    result = all_in_focus(lf, disparity=disparity, noise=0.02, views=20)
    # float32 weights next to a sum of weights near the limit below which the first pass stands
    np.testing.assert_allclose(result, expected, atol=2e-5)


@pytest.mark.parametrize("level", [0.002, 0.01, 0.03])
def test_noise_falls_by_six_decibels_also_near_edges(level):
    pytest.importorskip("skimage")
    rng = np.random.default_rng(5)
    made = simulate(rng, grid=(9, 9), size=(200, 280), noise=level, textures=photographs())
    truth, centre = made.all_in_focus, made.lightfield.centre_view
    edges = near_edges(made.disparity)
    result = all_in_focus(made.lightfield)
    # at 0.2 per cent noise, interpolation errors are of the noise's size and less is to be gained
    gain = 2.5 if level == 0.002 else 6.0
    for where in (None, edges, ~edges):
        assert decibels(result, truth, where) > decibels(centre, truth, where) + gain


def test_without_noise_the_centre_view_remains():
    made = simulate(np.random.default_rng(5), grid=(5, 5), size=(96, 128))
    # what the map's errors add to the estimated noise is let in: about as much as noise of 0.1 per cent
    assert decibels(all_in_focus(made.lightfield), made.all_in_focus) > 55


def test_a_wrong_disparity_is_safe(noisy):
    centre = decibels(noisy.lightfield.centre_view, noisy.all_in_focus)
    wrong = np.random.default_rng(0).uniform(-1.5, 1.5, noisy.disparity.shape).astype(np.float32)
    for disparity in (np.zeros_like(wrong), wrong):
        result = all_in_focus(noisy.lightfield, disparity=disparity, noise=0.01)
        assert decibels(result, noisy.all_in_focus) > centre
    # noise that is estimated from wrongly moved views is up to twice too high, and lets a little in
    assert decibels(all_in_focus(noisy.lightfield, disparity=wrong), noisy.all_in_focus) > centre - 2


def test_dark_and_light_are_not_biased(noisy):
    result = all_in_focus(noisy.lightfield)
    truth = noisy.all_in_focus
    for low, high in ((0.0, 0.2), (0.4, 0.6), (0.8, 1.0)):
        inside = (truth >= low) & (truth < high)
        # a tenth of the noise's deviation
        assert abs((result - truth)[inside].mean()) < 0.001


@pytest.mark.parametrize("grid", [(7, 7), (8, 8), (8, 7)])
def test_the_ground_truth_lies_where_a_small_aperture_sees_the_scene(grid):
    registration = pytest.importorskip("skimage.registration")
    made = simulate(np.random.default_rng(2), grid=grid, size=(128, 160), noise=0.01)
    result = all_in_focus(made.lightfield).mean(axis=2)
    small = made.thin_lens(0.0, 0.5).mean(axis=2)
    shift, _, _ = registration.phase_cross_correlation(small, result, upsample_factor=200)
    assert np.abs(shift).max() <= 0.02


def test_dead_views_are_not_looked_at(noisy):
    weights = noisy.lightfield.weights.copy()
    weights[4, 5] = weights[3, 3] = weights[0] = 0
    views = noisy.lightfield.views.copy()
    views[weights == 0] = np.nan
    result = all_in_focus(replace(noisy.lightfield, views=views, weights=weights))
    assert decibels(result, noisy.all_in_focus) > 46


def test_threads_and_repetition_change_nothing(noisy):
    options = {"disparity": noisy.disparity, "noise": 0.01, "views": 9}
    alone = all_in_focus(noisy.lightfield, **options)
    for threads in (1, 3, 7):
        np.testing.assert_array_equal(all_in_focus(noisy.lightfield, threads=threads, **options), alone)


def test_more_views_leave_less_noise(noisy):
    levels = [
        decibels(all_in_focus(noisy.lightfield, disparity=noisy.disparity, views=n), noisy.all_in_focus)
        for n in (1, 9, 37)
    ]
    assert levels == sorted(levels)
    assert levels[0] == decibels(noisy.lightfield.centre_view, noisy.all_in_focus)


def test_the_centre_view_is_an_option_and_a_copy(noisy):
    result = all_in_focus(noisy.lightfield, method=Method.CENTRE_VIEW)
    np.testing.assert_array_equal(result, noisy.lightfield.centre_view)
    assert not np.shares_memory(result, noisy.lightfield.views)


def plane_with(mark: np.ndarray, value: float) -> LightField:
    """A plane at rest, seen by 7 x 7 views; the centre view alone shows a mark."""
    rng = np.random.default_rng(4)
    made = simulate(rng, grid=(7, 7), size=(48, 48), disparities=(0.0,), noise=0.005)
    views = made.lightfield.views * np.float32(0.5)
    views[3, 3, mark] = value
    return replace(made.lightfield, views=views)


@pytest.mark.parametrize("wide", [1, 2])
def test_hot_pixels_go(wide):
    mark = np.zeros((48, 48), bool)
    mark[20, 30 : 30 + wide] = True
    lf = plane_with(mark, 1.0)
    result = all_in_focus(lf, disparity=np.zeros((48, 48), np.float32), noise=0.005)
    others = np.delete(lf.views.reshape(49, 48, 48, 3), 24, axis=0).mean(axis=0)
    assert np.abs(result - others)[mark].max() < 0.01


@pytest.mark.parametrize("direction", ["row", "column", "diagonal"])
def test_strands_a_pixel_wide_stay(direction):
    mark = {
        "row": np.zeros((48, 48), bool),
        "column": np.zeros((48, 48), bool),
        "diagonal": np.eye(48, dtype=bool),
    }[direction]
    if direction == "row":
        mark[20] = True
    if direction == "column":
        mark[:, 20] = True
    result = all_in_focus(plane_with(mark, 1.0), disparity=np.zeros((48, 48), np.float32), noise=0.005)
    assert np.abs(result[mark] - 1).max() < 0.01


def test_white_noise_is_estimated(noisy):
    estimate = estimate_noise(noisy.lightfield, disparity=noisy.disparity)
    for brightness in (0.1, 0.5, 0.9):
        # what interpolation is off by adds to the noise
        np.testing.assert_allclose(estimate.sigma(brightness), 0.01, rtol=0.2)


def test_shot_noise_is_told_from_constant_noise():
    made = simulate(np.random.default_rng(5), grid=(7, 7), size=(160, 208))
    clean = made.lightfield.views
    deviation = np.sqrt(1e-6 + 4e-4 * clean)
    views = clean + deviation * np.random.default_rng(1).standard_normal(clean.shape, np.float32)
    estimate = estimate_noise(replace(made.lightfield, views=views), disparity=made.disparity)
    for brightness in (0.1, 0.5, 0.9):
        np.testing.assert_allclose(estimate.sigma(brightness), np.sqrt(1e-6 + 4e-4 * brightness), rtol=0.2)


@pytest.mark.parametrize("grid", [(1, 1), (1, 2)])
def test_noise_has_a_floor_where_nothing_can_be_compared(grid):
    made = simulate(np.random.default_rng(5), grid=grid, size=(32, 32), noise=0.1)
    np.testing.assert_allclose(estimate_noise(made.lightfield).sigma(0.5), 5e-4, rtol=1e-9)


def test_a_dead_centre_view_is_refused(noisy):
    weights = noisy.lightfield.weights.copy()
    weights[4, 4] = 0
    lf = replace(noisy.lightfield, weights=weights)
    for make in (all_in_focus, estimate_noise):
        with pytest.raises(InputError, match=r"simulated: its centre view \(row 4, column 4\) is dead"):
            make(lf, disparity=noisy.disparity)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"views": 0}, "views and threads must be at least 1"),
        ({"threads": 0}, "views and threads must be at least 1"),
        ({"disparity": np.zeros((3, 3), np.float32)}, r"disparity must be \(160, 208\)"),
        ({"noise": -0.1}, "noise must not be negative"),
        ({"noise": Noise((1e-4,), (0.0,), (0.0,))}, "must have 3 channels"),
    ],
)
def test_impossible_options_are_refused(noisy, options, message):
    with pytest.raises(ValueError, match=message):
        all_in_focus(noisy.lightfield, **options)


def test_rendered_views_beat_their_centre_view(shared_data: Path):
    from lfsynth.pictures import read_linear
    from lfsynth.readers import read_light_field
    from lfsynth.transfer import SRGB, encode

    folder = shared_data / "rendered_wood"
    lf = read_light_field(folder / "views")

    def code(linear: np.ndarray) -> np.ndarray:
        return encode(linear, SRGB, bits=16) / 65535

    truth = code(read_linear(folder / "focal_stack" / "input_FS_all_in_focus.png"))
    assert decibels(code(lf.centre_view), truth) == pytest.approx(44.84, abs=0.02)
    assert decibels(code(all_in_focus(lf)), truth) > 46.5
