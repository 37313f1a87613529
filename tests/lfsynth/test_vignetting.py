import json

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from lfsynth.scene import simulate
from lfsynth.vignetting import Fault, apply_gains, judge_views

GRID = (7, 7)
VIEW = (1, 5)  # the one that a test spoils


@pytest.fixture(scope="module")
def scene():
    """Views of a scene with parallax of up to 1.4 px a view step and 1 % noise, all of them good."""
    return simulate(np.random.default_rng(0), grid=GRID, size=(96, 128), noise=0.01).lightfield.views


def only_fault(views):
    """The fault of `VIEW`, and nothing may be wrong with any other view."""
    weights, gains, report = judge_views(views)
    expected = np.ones(GRID)
    expected[VIEW] = 0
    np.testing.assert_array_equal(weights, expected)
    assert (gains == 1).all()
    assert report["corrected"] == []
    ((fault, places),) = report["dropped"].items()
    assert places == [list(VIEW)]
    return Fault(fault)


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("scale", [0, 1, 3])
@pytest.mark.parametrize("grid", [(7, 7), (3, 3), (1, 5), (2, 2)])
def test_good_views_stay_exactly_as_they_are(seed, scale, grid):
    disparities = [scale * d for d in (-1.0, 0.2, 1.1)]
    scene = simulate(
        np.random.default_rng(seed), grid=grid, size=(96, 128), noise=0.005, disparities=disparities
    )
    weights, gains, report = judge_views(scene.lightfield.views)
    assert (weights == 1).all()
    assert (gains == 1).all()
    assert report == {"reference": [grid[0] // 2, grid[1] // 2], "dropped": {}, "corrected": []}


@pytest.mark.parametrize("value", [0.2, 1.0])
def test_a_constant_light_field_has_no_faults(value):
    weights, gains, _ = judge_views(np.full((5, 5, 20, 30, 1), value, np.float32))
    assert (weights == 1).all()
    assert (gains == 1).all()


def test_noise_alone_is_no_fault():
    views = np.random.default_rng(1).normal(0.5, 0.1, (5, 5, 60, 80, 3)).astype(np.float32)
    weights, gains, _ = judge_views(views)
    assert (weights == 1).all()
    assert (gains == 1).all()


@pytest.mark.parametrize("ratio", [0.35, 0.6, 0.9, 1.2])
def test_a_dim_or_bright_view_gets_a_gain(scene, ratio):
    views = scene.copy()
    views[VIEW] *= np.float32(ratio)
    weights, gains, report = judge_views(views)
    assert (weights == 1).all()
    # the median of the local ratio scatters by parallax and noise: 1 %
    assert gains[VIEW] == pytest.approx(1 / ratio, rel=0.01)
    assert np.count_nonzero(gains != 1) == 1
    assert report["corrected"] == [[*VIEW, pytest.approx(float(gains[VIEW]), abs=1e-4)]]


def test_a_gain_undoes_the_dimness(scene):
    views = scene.copy()
    views[VIEW] *= np.float32(0.5)
    apply_gains(views, judge_views(views)[1])
    np.testing.assert_allclose(views, scene, rtol=0.01, atol=1e-6)


def test_a_gain_clips_at_white():
    views = np.full((1, 2, 2, 2, 1), 0.8, np.float32)
    apply_gains(views, np.array([[2, 1]], np.float32))
    assert views[0, :, 0, 0, 0].tolist() == pytest.approx([1.0, 0.8])


def test_gains_of_another_grid_are_refused(scene):
    with pytest.raises(ValueError, match=r"gains must be \(7, 7\), not \(2, 2\)"):
        apply_gains(scene, np.ones((2, 2), np.float32))


def test_black(scene):
    views = scene.copy()
    views[VIEW] *= np.float32(0.02)
    assert only_fault(views) is Fault.BLACK


def test_too_dark(scene):
    views = scene.copy()
    views[VIEW] *= np.float32(0.15)
    assert only_fault(views) is Fault.TOO_DARK


@pytest.mark.parametrize("kind", ["noise", "flat", "other scene"])
def test_another_picture(scene, kind):
    views, rng = scene.copy(), np.random.default_rng(4)
    if kind == "noise":
        views[VIEW] = rng.random(views[VIEW].shape)
    elif kind == "flat":
        views[VIEW] = views[VIEW].mean()
    else:
        views[VIEW] = simulate(rng, grid=(1, 2), size=(96, 128)).lightfield.views[0, 0]
    assert only_fault(views) is Fault.OTHER_PICTURE


def test_uneven_brightness(scene):
    views = scene.copy()
    views[VIEW] *= np.linspace(0.7, 1.3, views.shape[3], dtype=np.float32)[:, None]
    assert only_fault(views) is Fault.UNEVEN


def test_a_dark_corner(scene):
    views = scene.copy()
    views[VIEW][:20, :30] *= np.float32(0.3)
    assert only_fault(views) is Fault.DARK_CORNER


def test_far_noisier_than_the_centre(scene):
    views = scene.copy()
    views[VIEW] += np.random.default_rng(5).normal(0, 0.05, views[VIEW].shape).astype(np.float32)
    assert only_fault(views) is Fault.NOISY


def test_tinted(scene):
    views = scene.copy()
    views[VIEW] *= np.array([1.1, 0.9, 1.1], np.float32)
    assert only_fault(views) is Fault.TINTED


def test_a_black_centre_is_replaced_as_reference(scene):
    views = scene.copy()
    views[3, 3] = 0
    weights, _, report = judge_views(views)
    assert report["dropped"] == {"black": [[3, 3]]}
    assert weights.sum() == 48
    assert abs(report["reference"][0] - 3) + abs(report["reference"][1] - 3) == 1


def test_no_light_at_all():
    weights, gains, report = judge_views(np.zeros((2, 2, 8, 8, 3), np.float32))
    assert not weights.any()
    assert (gains == 1).all()
    assert len(report["dropped"]["black"]) == 4


def test_a_plenoptic_rim():
    """Vignetting that grows with the distance from the centre: a round set of views is kept."""
    scene = simulate(
        np.random.default_rng(6), grid=(11, 11), size=(96, 128), noise=0.005
    ).lightfield.views.copy()
    u, v = np.indices((11, 11)) - 5
    radius = np.hypot(u, v)
    for at in zip(*np.nonzero(radius > 4.5), strict=True):
        shade = np.linspace(0.5, 1.5, 128, dtype=np.float32)[:, None]
        scene[at] = gaussian_filter(scene[at], (0.5, 0.5, 0)) * shade
    scene[radius > 5.5] *= np.float32(0.01)
    weights, gains, report = judge_views(scene)
    np.testing.assert_array_equal(weights, radius <= 4.5)
    assert (gains == 1).all()
    assert len(report["dropped"]["black"]) == np.count_nonzero(radius > 5.5)


def test_the_report_is_json_and_the_views_are_left_alone(scene):
    views = scene.copy()
    views[VIEW] *= np.float32(0.5)
    views[0, 0] = 0
    before = views.copy()
    report = judge_views(views)[2]
    assert json.loads(json.dumps(report)) == report
    np.testing.assert_array_equal(views, before)


@pytest.mark.parametrize("views", [np.zeros((3, 3, 8, 8), np.float32), np.zeros((3, 3, 8, 8, 3))])
def test_other_arrays_are_refused(views):
    with pytest.raises(TypeError, match=r"views must be float32 \[u, v, y, x, c\]"):
        judge_views(views)


def test_a_real_plenoptic_light_field(shared_data):
    """The dropped views are the black corners and the uneven rim; what is kept is a disk about the centre."""
    from lfsynth.readers import read_light_field

    lf = read_light_field(shared_data / "illum_toy")
    u, v = np.indices(lf.grid) - 7
    radius = np.hypot(u, v)
    assert (lf.weights[radius <= 4] == 1).all()
    assert (lf.weights[radius >= 6] == 0).all()
    assert 60 <= lf.weights.sum() <= 113
