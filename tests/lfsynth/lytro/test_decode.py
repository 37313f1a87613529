"""The decoder: known light fields through a simulated sensor come back."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lfsynth.errors import InputError
from lfsynth.lightfield import LightField
from lfsynth.lytro.calibration import Calibration, calibrate
from lfsynth.lytro.camera import Camera, neutral, simulated_camera
from lfsynth.lytro.capture import Capture
from lfsynth.lytro.decode import decode, view_light
from lfsynth.lytro.lattice import REACH
from lfsynth.lytro.simulated_scenes import Scene, layers
from lfsynth.lytro.simulation import simulate_capture, simulate_white, true_views

SHAPE = (256, 320)
EDGE = 4
"""Points at the border of a view, where taps reach beyond the lattice, that are not compared."""
STEPS = np.hypot(*np.meshgrid(np.arange(13) - 6, np.arange(13) - 6, indexing="ij"))
"""Distance of each view from the centre view."""

Texture = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]
"""Colours (N, 3) at points y, x."""


@dataclass(frozen=True)
class Plane:
    """A scene at one disparity, known everywhere: L(s, a) = T(s + d a)."""

    texture: Texture
    disparity: float = 0.0

    def seen(
        self,
        where: NDArray[np.float32],
        angle: NDArray[np.float32],
        weights: NDArray[np.float32],
        step: float,
    ) -> NDArray[np.float32]:
        at = where.astype(np.float64) + self.disparity * angle
        return (self.texture(at[:, 0], at[:, 1]) * weights.sum(axis=1)[:, None]).astype(np.float32)


def even(*colour: float) -> Plane:
    return Plane(lambda y, x: np.broadcast_to(np.array(colour), (len(y), 3)))


def waves(y: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Two waves, one along each axis, 9 and 11 px long, in different phase in each colour."""
    phase = np.arange(3) * 0.4
    down, right = 2 * np.pi * y[:, None] / 9 + phase, 2 * np.pi * x[:, None] / 11 - phase
    return np.asarray(0.4 + 0.15 * np.sin(down) + 0.15 * np.sin(right))


def shot(camera: Camera, scene: Scene, *, seed: int = 0, noise: bool = False) -> Capture:
    mosaic = simulate_capture(camera, scene, np.random.default_rng(seed), noise=noise)
    return Capture(Path("shot.LFR"), camera.metadata, mosaic, np.empty((0, 2), np.int32))


def exact(camera: Camera) -> Calibration:
    """The calibration of a white picture without noise on the true lattice."""
    white = simulate_white(camera, np.random.default_rng(0), noise=False)
    lamp = np.array(camera.white_lamp)[np.array([[1, 0], [2, 1]])]
    span = camera.metadata.white - camera.metadata.black
    return Calibration(
        lattice=camera.true_lattice,
        white=white,
        black=camera.metadata.black,
        level=(lamp * span).astype(np.float32),
        digest="sha1-" + "0" * 40,
        source="white.RAW",
        radius=camera.disk_radius,
        residual=0.0,
    )


def psnr(views: NDArray[np.float32], truth: NDArray[np.float32]) -> NDArray[np.float64]:
    """(13, 13) dB, a view each, without its border."""
    inner = slice(EDGE, -EDGE)
    error = (views - truth)[:, :, inner, inner].astype(np.float64)
    return np.asarray(-10 * np.log10(np.mean(error**2, axis=(2, 3, 4))))


@pytest.fixture(scope="module")
def camera() -> Camera:
    return neutral(simulated_camera(SHAPE))


@pytest.fixture(scope="module")
def calibration(camera: Camera) -> Calibration:
    return exact(camera)


@pytest.fixture(scope="module")
def noisy(camera: Camera) -> Capture:
    """A capture of layers with noise."""
    scene = layers(np.random.default_rng(7), camera.true_lattice.square_grid().shape)
    return shot(camera, scene, noise=True)


@pytest.fixture(scope="module")
def decoded(noisy: Capture, calibration: Calibration) -> LightField:
    return decode(noisy, calibration)


def test_a_constant_scene_gives_a_constant_light_field(camera: Camera, calibration: Calibration) -> None:
    result = decode(shot(camera, even(0.6, 0.3, 0.15)), calibration)
    # Levels are whole numbers: half a level of 959 is 0.0005. At the disk's rim, where the response falls to nothing,
    # it is divided by little, and so is the white picture's.
    for steps, tolerance in ((4.5, 0.003), (REACH, 0.05)):
        seen = result.views[steps > STEPS]
        np.testing.assert_allclose(seen, np.broadcast_to((0.6, 0.3, 0.15), seen.shape), atol=tolerance)
    assert abs(result.views[STEPS < 4.5].mean(axis=(0, 1, 2)) - (0.6, 0.3, 0.15)).max() < 5e-4


def test_a_ramp_is_reproduced(camera: Camera, calibration: Calibration) -> None:
    def ramp(y: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(
            0.3 + np.multiply.outer(y, (0.004, 0.0, 0.006)) + np.multiply.outer(x, (0.0, 0.01, 0.006))
        )

    scene = Plane(ramp, disparity=0.5)
    result = decode(shot(camera, scene), calibration)
    truth = true_views(camera, scene, calibration.lattice.square_grid())
    inner = STEPS < 4.5
    # Not cut at the border: the rows go on as ramps. Rounding to levels, as above.
    assert np.abs(result.views - truth)[inner].max() < 0.003


@pytest.mark.parametrize("disparity", [-0.6, 0.5])
def test_disparity_has_its_sign_and_size_in_both_directions(camera: Camera, disparity: float) -> None:
    scene = Plane(waves, disparity=disparity)
    white = simulate_white(camera, np.random.default_rng(1))
    calibration = calibrate(white, camera.metadata, source="white.RAW", digest="sha1-" + "1" * 40)
    result = decode(shot(camera, scene, noise=True), calibration)
    grid = calibration.lattice.square_grid()
    truth = true_views(camera, scene, grid)
    y, x = (axis.ravel().astype(np.float64) for axis in np.indices(grid.shape))
    small = 1e-3
    inner = (slice(EDGE, -EDGE), slice(EDGE, -EDGE))
    steps, shifts = [], []
    for u, v in np.argwhere(STEPS < 5.5):
        da, db = disparity * (u - 6), disparity * (v - 6)
        gradients = [
            ((waves(y + da + small * i, x + db + small * j) - waves(y + da, x + db)) / small).reshape(
                *grid.shape, 3
            )
            for i, j in ((1, 0), (0, 1))
        ]
        system = np.stack([gradient[inner].ravel() for gradient in gradients], axis=1)
        error = (result.views[u, v] - truth[u, v])[inner].ravel()
        steps.append((u - 6, v - 6))
        shifts.append(np.linalg.lstsq(system, error, rcond=None)[0])
    steps, shifts = np.array(steps), np.array(shifts)
    # A view of 21 x 25 points at 40 dB tells its place to 0.01 px.
    assert np.sqrt(np.mean(shifts**2)) < 0.02
    slopes = [disparity + steps[:, i] @ shifts[:, i] / (steps[:, i] @ steps[:, i]) for i in (0, 1)]
    assert slopes == pytest.approx([disparity, disparity], rel=0.01)


@pytest.mark.parametrize(
    ("noise", "least"),
    # A third of a dB less than measured on this window.
    [(False, {0: 45.5, 4.5: 46.5, 5.5: 46.0, 6.5: 44.0}), (True, {0: 41.5, 4.5: 42.5, 5.5: 42.0, 6.5: 40.5})],
)
def test_views_are_near_the_truth(
    camera: Camera, calibration: Calibration, noise: bool, least: dict[float, float]
) -> None:
    scene = layers(np.random.default_rng(7), camera.true_lattice.square_grid().shape)
    result = decode(shot(camera, scene, noise=noise), calibration)
    quality = psnr(result.views, true_views(camera, scene, calibration.lattice.square_grid()))
    for steps, decibels in least.items():
        assert quality[steps >= STEPS].mean() > decibels


def test_exposure_is_kept(camera: Camera, calibration: Calibration) -> None:
    scene = Plane(waves, disparity=0.3)
    bright, dark = (
        decode(shot(replace(camera, exposure=exposure), scene), calibration) for exposure in (1.0, 0.25)
    )
    inner = STEPS < 5.5
    assert bright.views[inner].mean() / dark.views[inner].mean() == pytest.approx(4, rel=1e-3)
    assert np.abs(bright.views - 4 * dark.views)[inner].max() < 0.01


def test_exposure_bias_is_applied(camera: Camera, calibration: Calibration) -> None:
    capture = shot(camera, even(0.3, 0.3, 0.3))
    plain = decode(capture, calibration)
    biased = decode(
        replace(capture, metadata=replace(capture.metadata, modulation_exposure_bias=-1.0)), calibration
    )
    np.testing.assert_allclose(biased.views, plain.views / 2, atol=1e-6)


def test_colours_come_back_through_matrix_and_white_balance() -> None:
    camera = simulated_camera(SHAPE)
    result = decode(shot(camera, even(0.35, 0.5, 0.2)), exact(camera))
    seen = result.views[STEPS < 5.5]
    np.testing.assert_allclose(seen.mean(axis=(0, 1, 2)), (0.35, 0.5, 0.2), atol=1e-3)


def test_a_colour_chart_comes_back() -> None:
    colour = pytest.importorskip("skimage.color")
    camera = simulated_camera(SHAPE)
    patches = np.random.default_rng(5).uniform(0.03, 0.8, (3, 4, 3))

    def chart(y: NDArray[np.float64], x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(patches[np.clip(y / 6.5, 0, 2).astype(int), np.clip(x / 6, 0, 3).astype(int)])

    result = decode(shot(camera, Plane(chart), noise=True), exact(camera))
    middles = result.centre_view[np.ix_((3, 9, 16), (3, 9, 15, 21))]
    lab = [colour.rgb2lab(colour_encoded(rgb)) for rgb in (middles, patches)]
    assert colour.deltaE_ciede2000(*lab).mean() < 2


def colour_encoded(linear: NDArray[np.floating]) -> NDArray[np.float64]:
    """The transfer curve of sRGB (IEC 61966-2-1)."""
    light = np.clip(linear.astype(np.float64), 0, 1)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("exposure", [2.5, 6.0])
def test_saturated_light_is_neutral(exposure: float) -> None:
    camera = replace(simulated_camera(SHAPE), exposure=exposure)
    result = decode(shot(camera, even(0.9, 0.9, 0.9), noise=True), exact(camera))
    assert result.views[STEPS < 5.5].min() > 0.99
    # At the rim, dim pixels are not saturated, and as uncertain as they are dim.
    assert result.views[result.weights > 0].min() > 0.9


def test_hot_pixels_are_repaired(camera: Camera, calibration: Calibration) -> None:
    clean = shot(camera, even(0.3, 0.3, 0.3), noise=False)
    at = np.rint(calibration.lattice.centres()[4:12:3, 3:18:4].reshape(-1, 2)).astype(np.int32)
    at += np.random.default_rng(2).integers(-2, 3, at.shape, dtype=np.int32)
    hot = clean.mosaic.copy()
    hot[at[:, 0], at[:, 1]] = 900
    result = decode(replace(clean, mosaic=hot), calibration)
    np.testing.assert_allclose(result.views, decode(clean, calibration).views, atol=0.003)


def test_listed_pixels_are_repaired(camera: Camera, calibration: Calibration) -> None:
    clean = shot(camera, even(0.3, 0.3, 0.3), noise=False)
    at = np.rint(calibration.lattice.centres()[4:12:3, 3:18:4].reshape(-1, 2)).astype(np.int32)
    dead = clean.mosaic.copy()
    dead[at[:, 0], at[:, 1]] = 64
    # Only a list tells that these are not dark spots of the scene.
    assert np.abs(decode(replace(clean, mosaic=dead), calibration).views - 0.3)[6, 6].max() > 0.05
    result = decode(replace(clean, mosaic=dead, hot_pixels=at), calibration)
    np.testing.assert_allclose(result.views, decode(clean, calibration).views, atol=0.003)


def test_threads_change_no_byte(noisy: Capture, calibration: Calibration, decoded: LightField) -> None:
    assert decode(noisy, calibration, threads=3).views.tobytes() == decoded.views.tobytes()


def test_fewer_views_are_the_middle_ones(
    noisy: Capture, calibration: Calibration, decoded: LightField
) -> None:
    result = decode(noisy, calibration, views=5)
    np.testing.assert_array_equal(result.views, decoded.views[4:9, 4:9])
    np.testing.assert_array_equal(result.weights, decoded.weights[4:9, 4:9])


def test_weights_tell_how_much_light_views_get(decoded: LightField, calibration: Calibration) -> None:
    weights, gains = decoded.weights, decoded.gains
    assert (weights[STEPS > REACH] == 0).all()
    assert (decoded.views[STEPS > REACH] == 0).all()
    assert (weights[STEPS < 4.5] > 0.97).all()
    assert ((weights[6, [0, 12]] > 0.3) & (weights[6, [0, 12]] < 0.9)).all()
    lit = weights > 0
    np.testing.assert_allclose(gains[lit] * weights[lit], 1, rtol=1e-5)
    assert (gains[~lit] == 1).all()
    assert view_light(calibration, 13)[6, 6] == 1


def test_metadata_and_aperture(decoded: LightField, noisy: Capture, calibration: Calibration) -> None:
    known = noisy.metadata
    assert decoded.f_number_radius == pytest.approx(2.2 * 6.0 / (calibration.lattice.pitch / 15))
    assert decoded.metadata["capture"]["exposure_time"] == known.exposure_time
    assert decoded.metadata["white_picture"] == "white.RAW"
    assert (
        decode(replace(noisy, metadata=replace(known, f_number=None)), calibration, views=1).f_number_radius
        is None
    )


@pytest.mark.parametrize(
    ("orientation", "turn"),
    [
        (2, np.fliplr),
        (3, lambda a: np.rot90(a, 2)),
        (4, np.flipud),
        (5, lambda a: a.swapaxes(0, 1)),
        (6, lambda a: np.rot90(a, -1)),
        (7, lambda a: np.rot90(a, 2).swapaxes(0, 1)),
        (8, np.rot90),
    ],
)
def test_orientation_turns_views_and_their_grid_alike(
    noisy: Capture,
    calibration: Calibration,
    decoded: LightField,
    orientation: int,
    turn: Callable[[NDArray[np.float32]], NDArray[np.float32]],
) -> None:
    turned = decode(replace(noisy, metadata=replace(noisy.metadata, orientation=orientation)), calibration)
    grid = turn(np.moveaxis(decoded.views, (0, 1), (2, 3)))
    np.testing.assert_array_equal(turned.views, turn(np.moveaxis(grid, (2, 3), (0, 1))))
    np.testing.assert_array_equal(turned.weights, turn(decoded.weights))
    np.testing.assert_array_equal(turned.gains, turn(decoded.gains))


def test_another_sensor_is_refused(noisy: Capture, calibration: Calibration) -> None:
    other = replace(calibration, white=np.ascontiguousarray(calibration.white[:, :-4]))
    with pytest.raises(
        InputError, match=r"320 x 256 pixels, the white picture white.RAW has 316 x 256; calibrate"
    ):
        decode(noisy, other)


def test_other_lenses_are_refused(noisy: Capture, calibration: Calibration) -> None:
    lattice = replace(calibration.lattice, across=(0.0, 17.0))
    with pytest.raises(InputError, match=r"disks lie 17.00 px apart, decoded are 10 to 15 px"):
        decode(noisy, replace(calibration, lattice=lattice))


@pytest.mark.parametrize("options", [{"views": 4}, {"views": 15}, {"views": -1}, {"threads": 0}])
def test_numbers_that_cannot_be_are_refused(
    noisy: Capture, calibration: Calibration, options: dict[str, int]
) -> None:
    with pytest.raises(ValueError, match="views must be odd, 1 to 13, and threads at least 1"):
        decode(noisy, calibration, **options)


def test_a_mosaic_of_another_type_is_refused(noisy: Capture, calibration: Calibration) -> None:
    with pytest.raises(TypeError, match=r"a mosaic must be uint16 \(256, 320\), not float32 \(256, 320\)"):
        decode(replace(noisy, mosaic=noisy.mosaic.astype(np.float32)), calibration)
