"""Simulated scenes against scipy's spline interpolation and against what their geometry says."""

import sys

import numpy as np
import pytest
from scipy import ndimage

from lfsynth.errors import InputError
from lfsynth.scene import SimulatedScene, simulate
from lfsynth.textures import photographs, procedural_textures


def scene(seed: int = 3, **options) -> SimulatedScene:
    options = {"grid": (5, 4), "size": (40, 56), **options}
    return simulate(np.random.default_rng(seed), **options)


def composited(made: SimulatedScene, du: float, dv: float, slope: float = 0.0) -> np.ndarray:
    """The same picture by scipy in float64, layer by layer."""
    height, width = made.disparity.shape
    y, x = np.mgrid[:height, :width].astype(np.float64)
    picture = np.zeros(made.all_in_focus.shape)
    for planes, (top, increase) in zip(made.planes, made.tilts, strict=True):
        # By iteration, not by the closed form: the row r that is seen at y = r - (d(r) - slope) du.
        row = y.copy()
        for _ in range(60):
            row = y + (top + increase * row - slope) * du
        column = x + (top + increase * row - slope) * dv
        at = np.stack([row, column]) + made.margin
        planes = planes.astype(np.float64)
        sampled = [ndimage.map_coordinates(p, at, order=3, prefilter=False, mode="nearest") for p in planes]
        *colours, alpha = np.clip(sampled, 0, 1)
        picture += alpha[..., None] * (np.stack(colours, axis=-1) - picture)
    return picture


@pytest.mark.parametrize(("u", "v"), [(0, 0), (2, 2), (4, 1), (1, 3)])
def test_a_view_is_what_scipy_composites(u, v):
    made = scene()
    u0, v0 = made.lightfield.centre
    # float32 sums of 16 products, three layers over each other
    np.testing.assert_allclose(made.lightfield.views[u, v], composited(made, u - u0, v - v0), atol=3e-6)


def test_a_view_between_views_at_a_slope_is_what_scipy_composites():
    made = scene()
    np.testing.assert_allclose(made.view(0.7, -1.3, slope=0.4), composited(made, 0.7, -1.3, 0.4), atol=3e-6)


def test_nearer_points_move_up_and_left_as_views_go_down_and_right():
    views = scene(disparities=(2.0,)).lightfield.views
    u0, v0 = 2, 2
    np.testing.assert_allclose(views[u0 + 1, v0, :-2], views[u0, v0, 2:], atol=1e-6)
    np.testing.assert_allclose(views[u0, v0 + 1, :, :-2], views[u0, v0, :, 2:], atol=1e-6)


def test_disparity_of_a_tilted_plane_goes_from_its_top_to_its_bottom():
    disparity = scene(disparities=((-1.0, 0.5),)).disparity
    np.testing.assert_allclose(disparity, np.linspace(-1.0, 0.5, 40)[:, None].repeat(56, axis=1), atol=1e-6)


def test_disparity_is_that_of_the_front_layer_where_it_covers():
    made = scene(disparities=(-0.5, 0.8), size=(96, 128))
    inside = made.planes[1][-1]
    row = np.arange(96) + made.margin
    alpha = ndimage.map_coordinates(
        inside.astype(np.float64),
        np.meshgrid(row, np.arange(128) + made.margin, indexing="ij"),
        order=3,
        prefilter=False,
    )
    np.testing.assert_array_equal(made.disparity == np.float32(0.8), alpha >= 0.5)
    assert 0.01 < (made.disparity == np.float32(0.8)).mean() < 0.99


def test_noise_has_the_asked_deviation_and_leaves_the_truth_alone():
    clean, noisy = scene(size=(128, 128)), scene(size=(128, 128), noise=0.01)
    np.testing.assert_array_equal(clean.all_in_focus, noisy.all_in_focus)
    np.testing.assert_array_equal(clean.lightfield.centre_view, clean.all_in_focus)
    difference = noisy.lightfield.views - clean.lightfield.views
    # a million samples: the deviation is known to 0.1 per cent; few are clipped, as textures begin at 0.04
    assert difference.std() == pytest.approx(0.01, rel=0.005)
    assert noisy.lightfield.views.min() >= 0
    assert noisy.lightfield.views.max() <= 1


def test_the_same_seed_makes_the_same_scene():
    np.testing.assert_array_equal(
        scene(7, noise=0.02).lightfield.views, scene(7, noise=0.02).lightfield.views
    )
    assert not np.array_equal(scene(7).all_in_focus, scene(8).all_in_focus)


def test_a_pinhole_lens_makes_the_all_in_focus_picture():
    made = scene()
    np.testing.assert_allclose(made.thin_lens(0.4, 0.0), made.all_in_focus, atol=1e-6)


def test_a_lens_leaves_what_it_is_focused_on_sharp_and_blurs_the_rest():
    made = scene(disparities=(0.6,))
    np.testing.assert_allclose(made.thin_lens(0.6, 2.0), made.all_in_focus, atol=2e-6)
    blurred = made.thin_lens(-0.6, 2.0)
    assert np.abs(np.diff(blurred, axis=1)).mean() < 0.8 * np.abs(np.diff(made.all_in_focus, axis=1)).mean()


def test_a_lens_averages_views_over_its_disk():
    made = scene(disparities=(-0.5, 0.8))
    at = (np.arange(6) - 2.5) * 0.5
    points = [(du, dv) for du in at for dv in at if du**2 + dv**2 <= 1.5**2]
    expected = np.mean([composited(made, du, dv, 0.3) for du, dv in points], axis=0)
    np.testing.assert_allclose(made.thin_lens(0.3, 1.5, spacing=0.5), expected, atol=3e-6)


def test_grey_textures_make_a_grey_light_field():
    texture = procedural_textures(np.random.default_rng(0), 1)[0][..., 0]
    assert scene(textures=[texture]).lightfield.views.shape == (5, 4, 40, 56, 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"grid": (0, 3)}, r"grid \(0, 3\)"),
        ({"size": (7, 40)}, r"size \(7, 40\)"),
        ({"noise": -0.1}, "noise -0.1"),
        ({"disparities": ()}, "0 layers"),
        ({"disparities": ((-9.0, 9.0),)}, "edge-on"),
        ({"textures": [np.zeros((9, 9, 4), np.float32)]}, "a texture must be"),
    ],
)
def test_impossible_scenes_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        scene(**options)


@pytest.mark.parametrize("arguments", [{"radius": -1.0}, {"radius": 1.0, "spacing": 0.0}])
def test_impossible_lenses_are_refused(arguments):
    with pytest.raises(ValueError, match="radius must be >= 0 and spacing > 0"):
        scene().thin_lens(0.0, **arguments)


def test_photographs_are_linear_light():
    data = pytest.importorskip("skimage.data")
    pictures = photographs()
    assert all(p.dtype == np.float32 and p.ndim == 3 and p.min() >= 0 and p.max() <= 1 for p in pictures)
    encoded = data.coffee()[100, 100] / 255
    assert encoded.min() > 0.04045
    # IEC 61966-2-1, above its linear part
    np.testing.assert_allclose(pictures[0][100, 100], ((encoded + 0.055) / 1.055) ** 2.4, atol=1e-6)


def test_missing_scikit_image_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(InputError, match=r"scikit-image: is not installed.*; install it"):
        photographs()
