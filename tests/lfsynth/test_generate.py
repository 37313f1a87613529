from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lfsynth import generate
from lfsynth.errors import InputError
from lfsynth.generate import Recipe, make_scene
from lfsynth.lightfield import LightField
from lfsynth.scene import simulate


def plane(disparity: float, *, grid: tuple[int, int] = (7, 7)) -> LightField:
    """One textured plane that covers the picture."""
    return simulate(np.random.default_rng(2), grid=grid, size=(64, 80), disparities=[disparity]).lightfield


def test_default_recipe_is_that_of_lfdof(small: LightField) -> None:
    scene = make_scene(small, Recipe())
    assert Recipe().pairs == 15
    assert Recipe().pictures == 16
    assert Recipe(defocus_maps=True).pictures == 31
    assert scene.defocused.shape == (5, 3, *scene.ground_truth.shape)
    assert scene.defocused.dtype == scene.ground_truth.dtype == np.float32
    # One stop is a factor of 2 in area; the largest disk in 5 x 5 cells has the radius 2.5.
    np.testing.assert_allclose(scene.radii, [2.5 / 2, 2.5 / np.sqrt(2), 2.5], rtol=1e-12)


def test_slopes_span_the_scene(small: LightField) -> None:
    scene = make_scene(small, Recipe())
    assert small.disparity is not None
    # The estimate on 40 x 56 pixels is good to a tenth of a pixel where the scene has no outliers.
    assert abs(scene.slopes[0] - small.disparity.min()) < 0.1
    assert abs(scene.slopes[-1] - small.disparity.max()) < 0.1
    np.testing.assert_allclose(np.diff(scene.slopes), np.ptp(scene.slopes) / 4, rtol=1e-9)
    middle = make_scene(small, Recipe(focus=1)).slopes
    np.testing.assert_allclose(middle, [scene.slopes.mean()], rtol=1e-9)


def test_named_slopes_and_radii_come_in_order(small: LightField) -> None:
    recipe = Recipe(slopes=(0.5, -1.0), radii=(2.0, 1.0, 1.5, 0.7))
    scene = make_scene(small, recipe)
    assert recipe.pairs == 8
    assert scene.slopes.tolist() == [-1.0, 0.5]
    assert scene.radii.tolist() == [0.7, 1.0, 1.5, 2.0]
    # A disk's weights sum to its area; LINES_PER_CELL chords a cell integrate it to 1e-3.
    np.testing.assert_allclose(scene.weights.sum(axis=(1, 2)), np.pi * scene.radii**2, rtol=2e-3)


def test_f_numbers_become_radii(small: LightField) -> None:
    scene = make_scene(replace(small, f_number_radius=8.0), Recipe(f_numbers=(8.0, 4.0), focus=2))
    assert scene.radii.tolist() == [1.0, 2.0]
    with pytest.raises(InputError, match="simulated: its metadata do not tell f-numbers; give the radius"):
        make_scene(small, Recipe(f_numbers=(4.0,)))


def test_blades_change_the_shape_and_not_the_light(small: LightField) -> None:
    disk = make_scene(small, Recipe(radii=(2.0,), focus=1))
    triangle = make_scene(small, Recipe(radii=(2.0,), focus=1, blades=4))
    np.testing.assert_allclose(triangle.weights.sum(), disk.weights.sum(), rtol=5e-3)
    assert np.abs(triangle.weights - disk.weights).max() > 0.1


@pytest.mark.parametrize("disparity", [-0.9, 0.1, 1.0])
def test_a_plane_is_sharpest_where_it_is_in_focus(disparity: float) -> None:
    scene = make_scene(plane(disparity), Recipe(slopes=(-1.0, -0.5, 0.0, 0.5, 1.0), radii=(2.0, 3.0)))
    energy = np.square(np.diff(scene.defocused, axis=3)).mean(axis=(2, 3, 4))
    nearest = int(np.abs(scene.slopes - disparity).argmin())
    assert energy.argmax(axis=0).tolist() == [nearest, nearest]
    # and the larger aperture blurs more wherever it is not
    out_of_focus = np.abs(scene.slopes - disparity) > 0.3
    assert (energy[out_of_focus, 1] < energy[out_of_focus, 0]).all()


def test_a_plane_in_focus_is_its_ground_truth() -> None:
    scene = make_scene(plane(0.5), Recipe(slopes=(0.5,), radii=(3.0,)))
    # Whole and half pixel shifts of a scene made of cubic splines, interpolated by o-MOMS.
    error = scene.defocused[0, 0] - scene.ground_truth
    assert np.sqrt(np.square(error).mean()) < 5e-3


def test_defocus_is_the_circle_of_confusion_of_the_true_disparity(small: LightField) -> None:
    scene = make_scene(small, Recipe(slopes=(-1.0, 1.0), radii=(2.0,)))
    assert small.disparity is not None
    # 2 views of a disparity of 1 lose 2 pixels at each border.
    true = small.disparity[2:-2, 2:-2]
    np.testing.assert_allclose(scene.defocus(-1.0, 2.0), np.abs(true + 1) * 2, atol=1e-5)
    assert scene.step == 1.0


def test_defocus_in_pixels_of_a_resized_picture() -> None:
    scene = make_scene(plane(0.5), Recipe(slopes=(-0.5, 1.0), radii=(2.0,), size=(96, 120)))
    assert scene.ground_truth.shape == (96, 120, 3)
    assert scene.defocused.shape == (2, 1, 96, 120, 3)
    # The 60 rows inside the margin become 96; a disparity of 0.5 is 1 off a slope of -0.5, the radius is 2.
    assert scene.step == pytest.approx(60 / 96)
    np.testing.assert_allclose(scene.defocus(-0.5, 2.0), 2 * 96 / 60, rtol=1e-4)


def test_defocus_without_a_true_disparity_is_the_estimate() -> None:
    scene = make_scene(replace(plane(0.5), disparity=None), Recipe(slopes=(-0.5,), radii=(2.0,)))
    # One plane, no occlusion: disparity is estimated to a few hundredths of a pixel.
    assert np.median(np.abs(scene.defocus(-0.5, 2.0) - 2.0)) < 0.1


def test_threads_do_not_change_a_bit(small: LightField) -> None:
    for size in (None, (60, 80)):
        one = make_scene(small, Recipe(size=size), threads=1)
        two = make_scene(small, Recipe(size=size), threads=2)
        np.testing.assert_array_equal(one.defocused, two.defocused)
        np.testing.assert_array_equal(one.ground_truth, two.ground_truth)


def test_dead_views_make_the_apertures_smaller(small: LightField) -> None:
    weights = small.weights.copy()
    weights[0] = weights[-1] = 0
    scene = make_scene(replace(small, weights=weights), Recipe())
    assert scene.radii[-1] == 2.0
    assert not scene.weights[:, 0].any()


def test_a_constant_scene_is_refused() -> None:
    views = np.full((5, 5, 32, 32, 3), 0.5, np.float32)
    grey = LightField(views, np.ones((5, 5), np.float32), np.ones((5, 5), np.float32), Path("grey"))
    with pytest.raises(
        InputError, match=r"grey: its range of disparities cannot be told: .*; leave it out, or name slopes"
    ):
        make_scene(grey, Recipe())
    scene = make_scene(grey, Recipe(slopes=(0.3,)))
    np.testing.assert_allclose(scene.defocused, 0.5, atol=1e-5)


def test_too_few_views_are_refused() -> None:
    with pytest.raises(InputError, match=r"live views leave an aperture of radius 0\.5 views"):
        make_scene(plane(0.5, grid=(2, 2)), Recipe())


@pytest.mark.parametrize("size", [None, (60, 80)])
def test_slopes_that_leave_no_picture_are_refused(small: LightField, size: tuple[int, int] | None) -> None:
    with pytest.raises(InputError, match="leaves nothing of 40 x 56; take smaller slopes or radii"):
        make_scene(small, Recipe(slopes=(10.0,), size=size))


def test_pictures_that_do_not_fit_into_memory_are_refused(
    small: LightField, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generate, "free_memory", lambda: 4 * 15 * 34 * 50 * 3 - 1)
    with pytest.raises(
        InputError, match=r"15 pictures of 34 x 50 need 0\.0 GB of memory, 0\.0 GB are free; take"
    ):
        make_scene(small, Recipe())


def test_a_recipe_is_plain_json() -> None:
    values = Recipe(radii=(1.0, 2.0), size=(3, 4)).as_json()
    assert values["radii"] == [1.0, 2.0]
    assert values["size"] == [3, 4]
    assert values["ground_truth"] == "robust-average"
