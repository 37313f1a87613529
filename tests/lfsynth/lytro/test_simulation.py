"""The simulated sensor: light through the lenses, views, noise."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import erfc

from lfsynth.lytro.camera import Camera, neutral, simulated_camera, with_hot_pixels
from lfsynth.lytro.simulated_scenes import LayeredScene, layers
from lfsynth.lytro.simulation import simulate_capture, simulate_white, true_views
from lfsynth.lytro.simulation_kernels import NODES, trace

SHAPE = (160, 240)
BLACK, RANGE = 64.0, 959.0


@pytest.fixture(scope="module")
def camera() -> Camera:
    """A window in the middle of the sensor, without cat's eye and falloff, of neutral colour."""
    return replace(neutral(simulated_camera(SHAPE)), stop_shift=0.0, stop_radius=20.0, corner_tangent=0.0)


@pytest.fixture(scope="module")
def scene(camera: Camera) -> LayeredScene:
    return layers(np.random.default_rng(4), camera.true_lattice.square_grid().shape)


def even(colour: tuple[float, float, float], disparity: float = 0.0) -> LayeredScene:
    """A single layer of one colour."""
    planes = np.ones((1, 60, 60, 4), np.float32)
    planes[..., :3] = colour
    return LayeredScene(planes, np.zeros((1, 60, 60), bool), np.array([[disparity, 0.0]]), 20)


def blob(disparity: float, at: tuple[float, float], variance: float) -> LayeredScene:
    """A round Gaussian spot on black, at a point of the centre view, its variance in squared px."""
    y, x = np.mgrid[:80, :80] - 20.0
    planes = np.ones((1, 80, 80, 4), np.float32)
    planes[0, ..., :3] = np.exp(-((y - at[0]) ** 2 + (x - at[1]) ** 2) / (2 * variance))[..., None]
    return LayeredScene(planes, np.zeros((1, 80, 80), bool), np.array([[disparity, 0.0]]), 20)


def centroid(picture: NDArray[np.float32]) -> NDArray[np.float64]:
    y, x = np.indices(picture.shape)
    total = picture.sum(dtype=np.float64)
    return np.array([(picture * y).sum(dtype=np.float64), (picture * x).sum(dtype=np.float64)]) / total


def response(camera: Camera) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """What `trace` finds for the whole sensor."""
    lattice = camera.true_lattice
    where, angle = np.empty((2, *camera.shape, 2), np.float32)
    weights = np.empty((*camera.shape, NODES), np.float32)
    optics = (
        camera.disk_radius,
        camera.stop_radius,
        camera.stop_shift,
        camera.corner_tangent,
        camera.edge_softness,
    )
    trace(
        where,
        angle,
        weights,
        0,
        lattice.origin,
        lattice.across,
        lattice.down,
        lattice.pitch / np.hypot(*lattice.down),
        lattice.view_step,
        (*camera.axis, camera.field_radius),
        optics,
    )
    return where, angle, weights


def around(light: NDArray[np.float32], camera: Camera) -> NDArray[np.float64]:
    """(lenses, 3): centroid about the lattice's point, and light, of the disks that lie wholly on the sensor."""
    found = []
    pitch = camera.true_lattice.pitch
    for y, x in camera.true_lattice.centres().reshape(-1, 2):
        top, left = round(y) - 8, round(x) - 8
        if top < 0 or left < 0 or top + 17 > camera.shape[0] or left + 17 > camera.shape[1]:
            continue
        rows, columns = np.mgrid[top : top + 17, left : left + 17]
        part = light[top : top + 17, left : left + 17] * (np.hypot(rows - y, columns - x) < pitch / 2)
        total = part.sum(dtype=np.float64)
        found.append([(part * (rows - y)).sum() / total, (part * (columns - x)).sum() / total, total])
    return np.array(found)


def test_disks_lie_on_the_lattice_and_hold_the_light_of_a_disk(camera: Camera) -> None:
    disks = around(response(camera)[2].sum(axis=2), camera)
    assert len(disks) > 100
    assert np.abs(disks[:, :2]).max() < 0.01
    # The blur of an edge adds pi softness^2; four points a pixel sample it to better than a thousandth.
    area = np.pi * (camera.disk_radius**2 + camera.edge_softness**2)
    np.testing.assert_allclose(disks[:, 2], area, rtol=2e-3)


def test_a_pixels_four_points_stand_for_its_area(camera: Camera) -> None:
    light = response(camera)[2].sum(axis=2)
    # The same optics by 20 x 20 points a pixel, about a single lens.
    y, x = camera.true_lattice.centres()[5, 5]
    top, left = round(y) - 7, round(x) - 7
    at = (np.arange(20) + 0.5) / 20 - 0.5
    rows = (top + np.arange(15)[:, None] + at).ravel()
    columns = (left + np.arange(15)[:, None] + at).ravel()
    distance = np.hypot(rows[:, None] - y, columns - x)
    fine = 0.5 * erfc((distance - camera.disk_radius) / camera.edge_softness / np.sqrt(2))
    expected = fine.reshape(15, 20, 15, 20).mean(axis=(1, 3))
    inside = expected > 0
    mine = light[top : top + 15, left : left + 15]
    near = np.hypot(*(np.mgrid[top : top + 15, left : left + 15] - np.array([y, x])[:, None, None])) < 7
    assert np.abs((mine - expected)[inside & near]).max() < 0.01


def test_off_axis_the_centroid_is_drawn_towards_the_axis_and_light_falls_off() -> None:
    middle = simulated_camera(SHAPE)
    corner = replace(middle, field_centre=(2684.0 + SHAPE[0] / 2, 3864.0 + SHAPE[1] / 2))
    disks = [around(response(c)[2].sum(axis=2), c) for c in (middle, corner)]
    assert np.abs(disks[0][:, :2].mean(axis=0)).max() < 1e-3
    # The axis lies to the lower right.
    drawn = disks[1][:, :2].mean(axis=0)
    assert (drawn > 0.2).all()
    assert (drawn < 0.6).all()
    assert 0.5 < disks[1][:, 2].mean() / disks[0][:, 2].mean() < 0.75


def test_every_pixel_belongs_to_its_nearest_lens(camera: Camera) -> None:
    where, angle, _ = response(camera)
    lattice = camera.true_lattice
    centres = lattice.centres().reshape(-1, 2)
    rng = np.random.default_rng(2)
    # Points within the lattice, of which no lens is missing.
    for y, x in rng.integers((24, 24), np.array(SHAPE) - 24, (200, 2)):
        nearest = centres[np.linalg.norm(centres - (y, x), axis=1).argmin()]
        np.testing.assert_allclose(angle[y, x], ((y, x) - nearest) / lattice.view_step, atol=1e-4)
        row, column = where[y, x]
        grid = lattice.square_grid()
        point = np.array(grid.origin) + row * np.array(grid.down) + column * np.array(grid.across)
        np.testing.assert_allclose(point, nearest, atol=1e-4)


@pytest.mark.parametrize("disparity", [-0.6, 0.0, 0.5])
def test_a_point_moves_through_the_views_as_its_disparity_says(camera: Camera, disparity: float) -> None:
    spot = blob(disparity, (5.0, 6.0), 1.0)
    views = true_views(camera, spot, camera.true_lattice.square_grid(), views=5)[..., 1]
    for u, v in np.ndindex(5, 5):
        expected = (5.0 - disparity * (u - 2), 6.0 - disparity * (v - 2))
        np.testing.assert_allclose(centroid(views[u, v]), expected, atol=0.02)


def test_the_sensor_sees_the_view_that_its_pixel_lies_in(camera: Camera) -> None:
    """A spot at disparity d is found in a pixel's lens where the pixel's own view has it."""
    disparity, spot = 0.5, blob(0.5, (5.0, 6.0), 4.0)
    levels = simulate_capture(camera, spot, np.random.default_rng(0), noise=False)
    light = (levels - BLACK) / RANGE
    where, angle, weights = response(camera)
    chosen = (weights.sum(axis=2) > 0.999) & (light > 0.01)
    assert chosen.sum() > 300
    shifted = where[chosen] + disparity * angle[chosen]
    expected = np.exp(-((shifted - (5.0, 6.0)) ** 2).sum(axis=1) / 8)
    # Splines through the samples of a Gaussian, B-splines of the samples here, widen it by a third of a pixel's
    # variance; the pixel's area adds the rest.
    widened = 4 + 1 / 3 + (disparity / camera.true_lattice.view_step) ** 2 / 12
    expected = expected ** (4 / widened) * 4 / widened
    np.testing.assert_allclose(light[chosen], expected, atol=0.01)


def test_truth_does_not_depend_on_the_grid_that_it_is_sampled_at(camera: Camera, scene: LayeredScene) -> None:
    grid = camera.true_lattice.square_grid()
    down, across = np.array(grid.down), np.array(grid.across)
    moved = replace(grid, origin=tuple(np.array(grid.origin) + 2 * down + 3 * across), shape=(5, 7))
    views = true_views(camera, scene, grid, views=3)
    np.testing.assert_allclose(true_views(camera, scene, moved, views=3), views[:, :, 2:7, 3:10], atol=2e-4)


def test_light_reaches_the_sensor_by_colour_and_exposure() -> None:
    camera = simulated_camera(SHAPE)
    colour = (0.3, 0.2, 0.25)
    levels = [
        simulate_capture(replace(camera, exposure=e), even(colour), np.random.default_rng(0), noise=False)
        for e in (1.0, 0.5)
    ]
    sensor = np.linalg.inv(camera.metadata.ccm) @ colour / camera.metadata.white_balance
    full = response(camera)[2].sum(axis=2)
    y, x = np.nonzero(full > 0.99 * full.max())
    channel = np.array([[1, 0], [2, 1]])[y % 2, x % 2]
    for level, exposure in zip(levels, (1.0, 0.5), strict=True):
        expected = BLACK + RANGE * exposure * sensor[channel] * full[y, x]
        np.testing.assert_allclose(level[y, x], expected, atol=0.51)


def test_a_white_picture_has_the_lamps_colour_and_no_texture() -> None:
    camera = simulated_camera(SHAPE)
    levels = simulate_white(camera, np.random.default_rng(0), noise=False)
    full = response(camera)[2].sum(axis=2)
    lamp = np.array(camera.white_lamp)[np.array([[1, 0], [2, 1]])]
    expected = BLACK + RANGE * full * np.tile(lamp, (SHAPE[0] // 2, SHAPE[1] // 2))
    np.testing.assert_allclose(levels, expected, atol=0.51)
    assert levels.max() == pytest.approx(BLACK + 0.75 * RANGE, abs=1)


@pytest.mark.parametrize("light", [0.05, 0.4, 0.8])
def test_noise_is_that_of_electrons_and_amplifier(camera: Camera, light: float) -> None:
    levels = simulate_capture(camera, even((light,) * 3), np.random.default_rng(3))
    inside = response(camera)[2].sum(axis=2) > 0.9999
    values = levels[inside].astype(np.float64)
    assert len(values) > 5000
    # Mean n electrons have variance n; rounding adds 1/12 of a squared level.
    variance = light * RANGE**2 / camera.full_well + camera.read_noise**2 + 1 / 12
    assert values.mean() == pytest.approx(BLACK + RANGE * light, abs=4 * np.sqrt(variance / len(values)))
    # A sample variance of n values is off by sqrt(2 / n) of it, four times that is allowed.
    assert values.var() == pytest.approx(variance, rel=4 * np.sqrt(2 / len(values)))


def test_light_beyond_white_is_clipped(camera: Camera) -> None:
    levels = simulate_capture(camera, even((1.5, 1.5, 1.5)), np.random.default_rng(3))
    assert levels.max() == 1023
    assert (levels[response(camera)[2].sum(axis=2) > 0.9] == 1023).all()


def test_hot_pixels_glow_in_the_dark(camera: Camera) -> None:
    hot = with_hot_pixels(camera, np.random.default_rng(1), fraction=1e-3)
    levels = simulate_capture(hot, even((0, 0, 0)), np.random.default_rng(3))
    at = tuple(hot.hot_pixels.T)
    np.testing.assert_allclose(levels[at], BLACK + RANGE * hot.hot_level, atol=6)
    others = np.ones(levels.shape, bool)
    others[at] = False
    assert levels[others].max() < BLACK + 8


def test_the_seed_alone_determines_the_noise(camera: Camera, scene: LayeredScene) -> None:
    one, again, other = (
        simulate_capture(camera, scene, np.random.default_rng(seed), threads=threads)
        for seed, threads in ((5, 1), (5, 3), (6, 1))
    )
    np.testing.assert_array_equal(one, again)
    assert (one != other).mean() > 0.5


def test_progress_is_told(camera: Camera) -> None:
    told: list[float] = []
    simulate_white(camera, np.random.default_rng(0), threads=2, report=told.append)
    assert told == [1 / 3, 2 / 3, 1.0]


def test_an_even_number_of_views_is_refused(camera: Camera, scene: LayeredScene) -> None:
    with pytest.raises(ValueError, match="must be odd, not 4"):
        true_views(camera, scene, camera.true_lattice.square_grid(), views=4)
