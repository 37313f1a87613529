"""Disparity of simulated scenes against their truth, and of a rendered one."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lfsynth.disparity import disparity_map, disparity_range, range_of
from lfsynth.errors import InputError
from lfsynth.lightfield import LightField
from lfsynth.scene import SimulatedScene, simulate
from lfsynth.textures import procedural_textures


def scene(**options) -> SimulatedScene:
    options = {"grid": (7, 7), "size": (144, 176), **options}
    return simulate(np.random.default_rng(11), **options)


def flat(grid: tuple[int, int], size: tuple[int, int]) -> LightField:
    views = np.full((*grid, *size, 3), 0.5, np.float32)
    ones = np.ones(grid, np.float32)
    return LightField(views, ones, ones, Path("flat"))


@pytest.mark.parametrize("true", [-1.3, 0.0, 0.45, 1.7])
def test_an_upright_plane_has_one_disparity_with_its_sign(true):
    made = scene(disparities=(true,))
    disparity, confidence = disparity_map(made.lightfield)
    # 0.15 px at the outermost of the views compared, three steps away
    assert np.median(np.abs(disparity - true)) < 0.05
    assert np.median(confidence) > 0.5
    nearest, farthest = disparity_range(made.lightfield)
    assert nearest == pytest.approx(true, abs=0.1)
    assert farthest == pytest.approx(true, abs=0.1)


@pytest.mark.parametrize(("grid", "noise"), [((7, 7), 0.0), ((6, 8), 0.01), ((9, 9), 0.03)])
def test_map_and_range_of_a_scene_with_occlusions(grid, noise):
    made = scene(grid=grid, noise=noise)
    disparity, confidence = disparity_map(made.lightfield)
    error = np.abs(disparity - made.disparity)
    sure = confidence > 0.5
    assert disparity.dtype == confidence.dtype == np.float32
    assert confidence.min() >= 0
    assert confidence.max() <= 1
    assert sure.mean() > 0.3
    # a confident pixel is within 0.2 px a view but for a rim of a pixel about shapes and for noise
    assert (error[sure] > 0.2).mean() < 0.12
    assert (error > 0.2).mean() < 0.2
    nearest, farthest = range_of(disparity, confidence)
    farther, nearer = np.quantile(made.disparity, (0.005, 0.995))
    # the foremost layer covers little, and noise and smoothing take from that
    assert nearest == pytest.approx(nearer, abs=0.2)
    assert farthest == pytest.approx(farther, abs=0.1)


def test_a_grey_light_field_and_a_tilted_plane():
    texture = procedural_textures(np.random.default_rng(1), 1)[0].mean(axis=2)
    made = scene(disparities=((-0.8, 0.8),), textures=[texture])
    disparity, _ = disparity_map(made.lightfield)
    assert np.abs(disparity - made.disparity).mean() < 0.05


def test_dead_views_are_not_looked_at():
    made = scene()
    weights = np.zeros((7, 7), np.float32)
    weights[3, 1:] = weights[2:6, 3] = 1
    views = made.lightfield.views.copy()
    views[weights == 0] = np.nan
    disparity, confidence = disparity_map(replace(made.lightfield, views=views, weights=weights))
    assert np.isfinite(disparity).all()
    assert (np.abs(disparity - made.disparity)[confidence > 0.5] > 0.2).mean() < 0.15


def test_views_on_one_line_suffice():
    for grid in ((1, 7), (7, 1)):
        disparity, _ = disparity_map(scene(grid=grid, disparities=(0.6,)).lightfield)
        assert np.median(np.abs(disparity - 0.6)) < 0.05


@pytest.mark.parametrize("true", [-7.0, 6.2])
def test_the_search_widens_until_it_holds_the_scene(true):
    made = scene(grid=(3, 3), size=(256, 256), disparities=(true,))
    disparity, _ = disparity_map(made.lightfield)
    # a third of a pixel of the half resolution that is searched
    assert np.median(np.abs(disparity - true)) < 0.17


def test_what_has_no_texture_does_not_widen_the_range():
    made = scene(disparities=(0.5,), noise=0.005)
    views = made.lightfield.views.copy()
    noise = np.random.default_rng(0).normal(0.5, 0.005, views[:, :, :, :88].shape)
    views[:, :, :, :88] = noise.astype(np.float32)
    lightfield = replace(made.lightfield, views=views)
    _, confidence = disparity_map(lightfield)
    assert confidence[:, :80].mean() < 0.25 < 0.5 < confidence[:, 96:].mean()
    nearest, farthest = disparity_range(lightfield)
    assert nearest == pytest.approx(0.5, abs=0.2)
    # the straight edge between the two halves is at rest
    assert farthest > -0.2


@pytest.mark.parametrize("lightfield", [flat((5, 5), (64, 64)), flat((1, 1), (64, 64)), flat((3, 3), (1, 1))])
def test_without_texture_or_views_the_range_is_the_focal_plane(lightfield):
    disparity, confidence = disparity_map(lightfield)
    assert disparity.shape == confidence.shape == lightfield.size
    # what lies beyond a view's rim agrees with nothing, so that 0 fits a little better than the others
    assert confidence.max() < 0.3
    assert disparity_range(lightfield) == (0.0, 0.0)


def test_outliers_are_not_in_the_range():
    disparity = np.zeros((100, 100), np.float32)
    disparity[0, :40] = 9
    disparity[1] = -5
    confidence = np.ones((100, 100), np.float32)
    confidence[1] = 0.2
    assert range_of(disparity, confidence) == (0.0, 0.0)


def test_a_dead_centre_view_is_refused():
    weights = np.ones((5, 5), np.float32)
    weights[2, 2] = 0
    with pytest.raises(InputError, match=r"flat: its centre view \(row 2, column 2\) is dead; leave it out"):
        disparity_map(replace(flat((5, 5), (64, 64)), weights=weights))


def test_a_map_and_a_confidence_of_different_shape_are_refused():
    with pytest.raises(ValueError, match="differ in shape"):
        range_of(np.zeros((3, 4), np.float32), np.zeros((4, 3), np.float32))


def test_rendered_views_with_four_pixels_a_step(shared_data):
    from lfsynth.pictures import read_linear
    from lfsynth.readers import read_light_field

    lightfield = read_light_field(shared_data / "rendered_wood" / "views")
    true = read_linear(shared_data / "rendered_wood" / "gt_disp_lowres.pfm")[..., 0]
    disparity, confidence = disparity_map(lightfield)
    error = np.abs(disparity - true)
    assert error.mean() < 0.12
    assert (error > 0.2).mean() < 0.06
    nearest, farthest = range_of(disparity, confidence)
    # the nearest 1 per cent of the picture lies beyond 3.7, the farthest is 4.0 behind the focal plane
    assert 3.6 < nearest < 4.4
    assert -4.4 < farthest < -3.8
