"""A light field as the scene of a simulated camera."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from lfsynth.errors import InputError
from lfsynth.lightfield import LightField
from lfsynth.lytro.reprojection import ReprojectedScene, reprojected
from lfsynth.lytro.simulated_scenes import BRIGHTEST
from lfsynth.lytro.simulation_kernels import NODES
from lfsynth.scene import SimulatedScene, simulate

SIZE = (72, 96)


@pytest.fixture(scope="module")
def made() -> SimulatedScene:
    disparities = ((-0.6, -0.2), 0.1, 0.5)
    return simulate(np.random.default_rng(2), grid=(13, 13), size=SIZE, disparities=disparities)


def view(scene: ReprojectedScene, u: float, v: float, size: tuple[int, int] = SIZE) -> NDArray[np.float32]:
    where = np.moveaxis(np.indices(size), 0, -1).reshape(-1, 2).astype(np.float32)
    angle = np.empty_like(where)
    angle[:] = u, v
    weights = np.full((len(where), NODES), 1 / NODES, np.float32)
    return scene.seen(where, angle, weights, 0.3).reshape(*size, 3)


def psnr(picture: NDArray[np.float32], truth: NDArray[np.float32]) -> float:
    error = (picture - BRIGHTEST * truth)[8:-8, 8:-8]
    return float(-10 * np.log10((error**2).mean()))


def test_the_views_themselves_come_back(made: SimulatedScene) -> None:
    scene = reprojected(made.lightfield, SIZE)
    for u, v in ((6, 6), (0, 6), (3, 9), (12, 12)):
        expected = BRIGHTEST * made.lightfield.views[u, v]
        # Within the rim, where a spline does not know what lies beyond; 1e-3 of a neighbour, at the last view.
        np.testing.assert_allclose(view(scene, u - 6, v - 6)[4:-4, 4:-4], expected[4:-4, 4:-4], atol=2e-3)


@pytest.mark.parametrize("at", [(0.5, 0.0), (-1.5, 2.5), (4.3, -3.6)])
def test_between_views_the_scene_goes_on(made: SimulatedScene, at: tuple[float, float]) -> None:
    """Against the continuous scene that the views were rendered from; 45 dB is half a percent of white."""
    scene = reprojected(made.lightfield, SIZE)
    found = psnr(view(scene, *at), made.view(*at))
    assert found > 45
    assert found > psnr(view(scene, round(at[0] + 0.1), round(at[1] + 0.1)), made.view(*at)) + 3


def test_disparity_bridges_views_that_are_far_apart() -> None:
    """By 1.8 px, of a slanted plane; views averaged as they lie reach 44 dB, the right disparity 58."""
    made = simulate(np.random.default_rng(2), grid=(13, 13), size=SIZE, disparities=((-0.6, -0.2),))
    sparse = replace(
        made.lightfield,
        views=np.ascontiguousarray(made.lightfield.views[::3, ::3]),
        weights=np.ones((5, 5), np.float32),
        gains=np.ones((5, 5), np.float32),
        disparity=3 * made.disparity,
    )
    scene = reprojected(sparse, SIZE)
    assert scene.scale == pytest.approx(2 / 6)
    assert psnr(view(scene, 1.5, 1.5), made.view(1.5, 1.5)) > 55


def test_dead_views_are_never_seen(made: SimulatedScene) -> None:
    at = np.arange(13) - 6
    alive = np.hypot(at[:, None], at) <= 4.5
    views = made.lightfield.views.copy()
    views[~alive] = 100.0
    lightfield = replace(made.lightfield, views=views, weights=alive.astype(np.float32))
    scene = reprojected(lightfield, SIZE)
    assert len(scene.views) == alive.sum()
    without = replace(scene, disparity=np.zeros_like(scene.disparity))
    for u, v in ((4.0, 4.0), (-6.4, 0.3), (5.1, -2.2)):
        # What stands in for them lies where it belongs, but behind edges it shows what it has not seen.
        found = psnr(view(scene, u, v), made.view(u, v))
        assert found > 32
        assert found > psnr(view(without, u, v), made.view(u, v)) + 2


def test_a_window_shows_the_middle_of_the_views(made: SimulatedScene) -> None:
    scene = reprojected(made.lightfield, (40, 50))
    assert scene.offset == (16.0, 23.0)
    expected = BRIGHTEST * made.lightfield.views[6, 6][16:56, 23:73]
    np.testing.assert_allclose(view(scene, 0, 0, (40, 50)), expected, atol=2e-3)


def test_a_grey_light_field_stays_grey(made: SimulatedScene) -> None:
    grey: LightField = replace(
        made.lightfield, views=np.ascontiguousarray(made.lightfield.views[..., :1]), disparity=None
    )
    picture = view(reprojected(grey, SIZE), 1, 1)
    np.testing.assert_array_equal(picture[..., 0], picture[..., 2])


def test_threads_change_nothing(made: SimulatedScene) -> None:
    one, three = (reprojected(made.lightfield, SIZE, threads=threads).views for threads in (1, 3))
    np.testing.assert_array_equal(one, three)


def test_a_light_field_without_its_centre_view_is_refused(made: SimulatedScene) -> None:
    weights = np.ones((13, 13), np.float32)
    weights[6, 6] = 0
    with pytest.raises(InputError, match=r"its centre view .* is dead"):
        reprojected(replace(made.lightfield, weights=weights, disparity=None), SIZE)
