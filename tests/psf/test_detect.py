"""Disks found in simulated photographs, whose places are known, and in real ones."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest

from lfsynth.errors import InputError
from psf.clipping import Clip
from psf.coarse import Polarity
from psf.detect import Detection, _ground, detect
from psf.grid_order import order_grid, turn_grid
from psf.photograph import Bayer, Channel, Reading, read_photographs
from psf.simulate import Exposure, Pose, expose, simulate_coverage

POSE = Pose(shape=(720, 960), pitch=115.0, radius=34.5, distance=2900.0)


@cache
def covered(pose: Pose, blur: float = 4.0, lean: bool = False) -> np.ndarray:
    """Coverage by disks blurred by a pillbox of that radius in px; if it leans, its left half is five times fainter."""
    y = np.arange(-int(4 * blur) - 2, int(4 * blur) + 3)
    kernel = (np.hypot(y[:, None], y[None, :]) <= 4 * blur).astype(float)
    if lean:
        kernel[:, : len(y) // 2] *= 0.2
    return simulate_coverage(kernel / kernel.sum(), pose)


def photograph(
    pose: Pose = POSE, *, blur: float = 4.0, exposure: Exposure | None = None, seed: int = 0
) -> np.ndarray:
    return expose(covered(pose, blur), exposure or Exposure(noise=0.01), np.random.default_rng(seed))


def off(found: Detection, pose: Pose) -> tuple[np.ndarray, np.ndarray]:
    """Errors of the measured centres and of their places by the projection, px."""
    truth = pose.centres()[found.grid_index[:, 1], found.grid_index[:, 0]]
    by_projection = found.projection.points(found.grid_index.astype(float)) - truth
    return (found.centres - truth)[found.usable], by_projection


@pytest.mark.parametrize(
    "pose",
    [
        POSE,
        Pose(shape=(720, 960), pitch=100.0, radius=28.0, tilt=(20, -12), rotation=8, distance=2900.0),
        Pose(shape=(720, 960), pitch=80.0, radius=24.0, rotation=40, distance=2900.0),
        Pose(shape=(720, 960), pitch=115.0, radius=34.5, distance=2900.0, distortion=-0.05),
        Pose(shape=(720, 960), grid=(23, 15), pitch=40.0, radius=12.0, distance=2900.0),
    ],
)
def test_centres_at_one_percent_of_noise(pose: Pose) -> None:
    found = detect(photograph(pose, blur=2.0), pose.grid, size=15 if pose.pitch < 50 else 25)
    single, projected = off(found, pose)
    # An edge blurred over 2 b px of a disk of radius R locates its centroid to sigma (R / 2) sqrt(2 pi R 2 b) over
    # its area: 0.006 to 0.01 px here, and the projection averages some 35 of them over its 8 or 9 parameters.
    assert np.abs(single).max() < 0.05
    assert np.abs(projected).max() < 0.02
    assert found.radius * pose.pitch == pytest.approx(pose.radius, abs=0.01)
    assert found.projection.distortion == pytest.approx(pose.distortion, abs=0.001)
    assert found.sigma == pytest.approx(0.01 / 0.8, rel=0.1)
    assert found.contrast == pytest.approx(1 - 0.10 / 0.85, abs=0.005)
    assert (found.whole, found.cut, found.grid) == (len(pose.centres().reshape(-1, 2)), 0, pose.grid)


def test_residuals_are_what_the_noise_makes_them() -> None:
    found = [detect(photograph(seed=seed), (7, 5), size=25) for seed in range(4)]
    # 70 coordinates less 8 parameters, four times: 6 % of noise; sums go on for a slack of 2 px beyond the blur.
    rms = np.sqrt(np.mean([one.residual_rms**2 for one in found]))
    assert rms == pytest.approx(np.mean([one.expected_rms for one in found]), rel=0.35)


def test_full_size_picture_is_within_the_target_for_centres() -> None:
    pose = Pose()
    found = detect(
        expose(covered(pose, 10.0), Exposure(noise=0.01), np.random.default_rng(1)), (7, 5), size=77
    )
    single, projected = off(found, pose)
    assert np.abs(single).max() < 0.012
    assert np.abs(projected).max() < 0.005
    assert found.radius * 480 == pytest.approx(144, abs=0.005)


def test_gauge_is_the_mean_of_the_light() -> None:
    plain = detect(expose(covered(POSE), Exposure(), np.random.default_rng(0)), size=25)
    leaning = detect(expose(covered(POSE, lean=True), Exposure(), np.random.default_rng(0)), size=25)
    shift = (leaning.centres - plain.centres).mean(axis=0)
    y = np.arange(-18, 19)
    kernel = (np.hypot(y[:, None], y[None, :]) <= 16).astype(float)
    kernel[:, :18] *= 0.2
    assert shift == pytest.approx((0, (kernel.sum(axis=0) * y).sum() / kernel.sum() / 4), abs=0.002)


@pytest.mark.parametrize("ground", [0.0, 0.05])
def test_white_disks_on_black(ground: float) -> None:
    found = detect(photograph(exposure=Exposure(paper=ground, ink=0.8, noise=0.01)), (7, 5), size=25)
    assert found.polarity is Polarity.WHITE_ON_BLACK
    assert np.abs(off(found, POSE)[1]).max() < 0.02
    assert found.plateau == pytest.approx(1, abs=0.005)
    assert found.radius * POSE.pitch == pytest.approx(POSE.radius, abs=0.02)


def test_shading_is_taken_out() -> None:
    found = detect(photograph(exposure=Exposure(vignetting=0.6)), (7, 5), size=25)
    assert np.abs(off(found, POSE)[1]).max() < 0.01
    inside = found.normal[
        np.round(found.centres).astype(int)[:, 0], np.round(found.centres).astype(int)[:, 1]
    ]
    np.testing.assert_allclose(inside, 1 - 0.10 / 0.85, atol=2e-3)


def test_cut_disks_are_counted_and_left_out() -> None:
    pose = Pose(shape=(720, 960), pitch=115.0, radius=34.5, distance=2900.0, shift=(20.0, 120.0))
    found = detect(photograph(pose), size=15)
    assert found.cut == 5
    assert found.grid == (6, 5)
    assert np.abs(off(found, pose)[1]).max() < 0.02
    with pytest.raises(
        InputError, match=r"shot.png: found 30 whole disks, 5 touch the border, expected 35 \(7 x 5\)"
    ):
        detect(photograph(pose), (7, 5), name="shot.png")


def test_disks_whose_blur_is_cut_are_not_used() -> None:
    pose = Pose(shape=(620, 960), pitch=115.0, radius=34.5, distance=2900.0, shift=(-30.0, 0.0))
    found = detect(photograph(pose), (7, 5), size=41)
    assert 0 < np.count_nonzero(~found.usable) <= 14
    assert np.abs(off(found, pose)[1]).max() < 0.02


def test_a_grid_that_lies_on_its_side_is_turned() -> None:
    found = detect(photograph(), (5, 7), size=25)
    assert found.grid == (5, 7)
    assert found.residual_rms < 0.02


def test_blur_reach() -> None:
    assert detect(photograph(blur=8.0)).blur_reach == pytest.approx(8.0, abs=1.5)


@pytest.mark.parametrize(
    ("picture", "options", "message"),
    [
        (photograph, {"size": 24}, "--size: 24 is not odd"),
        (photograph, {"size": 91}, "the gap between the disks is 4. px, less than the kernel's 91 px"),
        (
            photograph,
            {"grid": (23, 17)},
            r"found 35 whole disks, 0 touch the border, expected 391 \(23 x 17\)",
        ),
        (
            lambda: photograph(exposure=Exposure(paper=0.8, ink=0.77, noise=0.002)),
            {},
            "the disks' contrast is 0.03[78], less than 0.05",
        ),
        (lambda: np.full((300, 400), 0.5, np.float32), {}, "found 0 whole disks"),
        (lambda: np.full((300, 400), np.nan, np.float32), {}, "NaN or infinite"),
        (
            lambda: photograph(Pose(shape=(720, 960), pitch=115.0, radius=40.0, distance=2900.0), blur=17.0),
            {},
            "the blur reaches over the gap",
        ),
        (
            lambda: photograph(Pose(shape=(150, 150), grid=(2, 2), pitch=80.0, radius=22.0, distance=2900.0)),
            {"size": 31},
            "disks are 16 px or more inside the picture",
        ),
    ],
)
def test_refusals(picture, options, message) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=message):
        detect(picture(), **options)


@pytest.mark.parametrize(("kind", "message"), [(Clip.WHITE, "saturated"), (Clip.BLACK, "clipped to black")])
def test_refuses_clipped_targets(kind: Clip, message: str) -> None:
    picture = photograph()
    clipped = np.zeros(picture.shape, np.uint8)
    clipped[:2] = kind.value
    detect(picture, clipped=clipped)
    clipped[300:320, 300:600] = kind.value
    with pytest.raises(InputError, match=rf"shot: [12]\.\d% of the target is {message}"):
        detect(picture, clipped=clipped, name="shot")


def test_refuses_what_is_no_picture() -> None:
    with pytest.raises(TypeError, match=r"picture must be \(H, W\) float32"):
        detect(np.zeros((10, 10)))  # type: ignore[arg-type]


def test_order_survives_holes_and_perspective() -> None:
    pose = Pose(shape=(720, 960), pitch=100.0, radius=28.0, tilt=(30, -20), rotation=12, distance=1500.0)
    points = pose.centres().reshape(-1, 2)
    keep = np.setdiff1d(np.arange(35), [9, 16, 34])
    shuffled = np.random.default_rng(3).permutation(keep)
    index = order_grid(points[shuffled])
    np.testing.assert_array_equal(index, np.stack([shuffled % 7, shuffled // 7], axis=1))


def test_order_of_too_few_points() -> None:
    assert np.all(order_grid(np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0]])) == -1)
    line = np.stack([np.zeros(9), np.arange(9.0)], axis=1)
    assert np.all(order_grid(line) == -1)


def test_turning_a_grid() -> None:
    turned = turn_grid(np.array([[0, 0], [2, 0], [2, 1], [-1, -1]]))
    np.testing.assert_array_equal(turned, [[0, 2], [0, 0], [1, 0], [-1, -1]])


WAVELENGTHS = {
    "450nm_50ms": "b",
    "500nm_250ms": "g1",
    "550nm_50ms": "g1",
    "600nm_100ms": "r",
    "650nm_250ms": "r",
    "700nm_2000ms": "r",
}


@pytest.mark.parametrize("wavelength", WAVELENGTHS)
def test_real_photographs_at_all_wavelengths(shared_data: Path, wavelength: str) -> None:
    folder = shared_data / "disks"
    (path,) = folder.glob(f"d1_disks32cmV2_{wavelength}_*.tif")
    reading = Reading(channel=Channel.EACH, bayer=Bayer.GBRG)
    ((_, planes),) = read_photographs([path], reading, dark=sorted(folder.glob("d1_dark*.tif")))
    plane = next(plane for plane in planes if plane.name == WAVELENGTHS[wavelength])
    found = detect(plane.light)
    assert found.grid == (6, 5)
    # The lowest row's disks are whole or touch the border by the plane: 37 disks or parts of them are seen.
    assert found.whole + found.cut in (36, 37)
    assert found.whole in (29, 30)
    assert found.residual_rms < 0.06
    assert found.radius == pytest.approx(0.2235, abs=0.0015)
    if wavelength == "550nm_50ms":
        with pytest.raises(InputError, match="of the target is saturated"):
            detect(plane.light, clipped=plane.clipped)
    else:
        assert detect(plane.light, clipped=plane.clipped).whole == found.whole


def test_ground_that_the_blur_reaches_everywhere_is_refused() -> None:
    """Between four disks there is room wherever there is between two, so that other checks come first."""
    found = detect(photograph(), size=31)
    with pytest.raises(
        InputError, match=r"a\.png: there is no clean ground between the disks; use a smaller --size"
    ):
        _ground(photograph(), found.projection, found.grid, found.radius, 200.0, "a.png")
