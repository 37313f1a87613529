"""The refocus engine: against its float64 reference, against scipy, and the physics of it."""

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from lfsynth.aperture import circular, polygonal
from lfsynth.frame import Frame, resample
from lfsynth.interpolation import CUBIC_BSPLINE, OMOMS, Interpolation
from lfsynth.lightfield import LightField
from lfsynth.refocus import full_aperture_margin, reference, refocus
from lfsynth.scene import simulate

# Float32 sums of up to 169 products of numbers of order 1.
TOLERANCE = 1e-5


def random_light_field(
    grid: tuple[int, int], size: tuple[int, int], channels: int, seed: int = 0
) -> LightField:
    views = np.random.default_rng(seed).random((*grid, *size, channels), dtype=np.float32)
    ones = np.ones(grid, np.float32)
    return LightField(views, ones, ones.copy(), Path("random"))


def disks(lightfield: LightField, *radii: float) -> np.ndarray:
    return np.stack([circular(lightfield.grid, r, centre=lightfield.centre) for r in radii])


def frames(size: tuple[int, int]) -> dict[str, Frame | None]:
    return {
        "native": None,
        "cropped": Frame.native(size, margin=(3, 4)),
        "larger": Frame.resized(size, (61, 130)),
        "smaller": Frame.resized(size, (15, 20), margin=(2, 2)),
    }


@pytest.mark.parametrize("interpolation", [OMOMS, CUBIC_BSPLINE], ids=["o-moms", "b-spline"])
@pytest.mark.parametrize("frame", ["native", "cropped", "larger"])
@pytest.mark.parametrize(
    ("grid", "size", "channels", "slopes"),
    [
        ((5, 5), (40, 50), 3, (-1.3, 0, 0.4, 2.2, 6.0)),
        ((4, 7), (33, 121), 1, (1.7, -1.0, 0.0)),
        ((1, 6), (24, 37), 3, (0.25,)),
        ((9, 9), (50, 150), 3, (-0.9, -0.3, 0.3, 0.9)),
    ],
)
def test_equals_the_float64_reference(
    grid: tuple[int, int],
    size: tuple[int, int],
    channels: int,
    slopes: tuple[float, ...],
    frame: str,
    interpolation: Interpolation,
) -> None:
    lightfield = random_light_field(grid, size, channels)
    apertures = disks(lightfield, 1.2, 2.1, 2.6)
    where = frames(size)[frame]
    fast = refocus(lightfield, slopes, apertures, frame=where, interpolation=interpolation, threads=2)
    plain = reference(lightfield, slopes, apertures, frame=where, interpolation=interpolation)
    assert fast.dtype == np.float32
    assert fast.shape == plain.shape
    np.testing.assert_allclose(fast, plain, atol=TOLERANCE)


def test_reference_equals_scipy() -> None:
    lightfield = random_light_field((3, 5), (30, 34), 1)
    weights = disks(lightfield, 1.6)
    slope = 0.73
    total = np.zeros((30, 34))
    cover = np.zeros((30, 34))
    for u, v in np.ndindex(3, 5):
        shift = (slope * (u - 1), slope * (v - 2))
        for target, source in ((total, lightfield.views[u, v, ..., 0]), (cover, np.ones((30, 34)))):
            shifted = ndimage.shift(source.astype(np.float64), shift, order=3, mode="grid-constant")
            target += weights[0, u, v] * shifted
    ours = reference(lightfield, [slope], weights, interpolation=CUBIC_BSPLINE)[0, 0, ..., 0]
    # scipy pads by 12 samples before its prefilter, which here is cut off at 14.
    np.testing.assert_allclose(ours, total / cover, atol=1e-6)


def test_apertures_need_not_be_nested_or_sorted() -> None:
    lightfield = random_light_field((5, 5), (24, 30), 3)
    apertures = np.stack(
        [
            circular((5, 5), 2.4, centre=(2, 2)),
            polygonal((5, 5), 1.7, 3, centre=(2, 2)),
            np.random.default_rng(1).random((5, 5)),
            circular((5, 5), 0.5, centre=(2, 2)),
        ]
    )
    np.testing.assert_allclose(
        refocus(lightfield, [0.6], apertures), reference(lightfield, [0.6], apertures), atol=TOLERANCE
    )


def test_number_of_threads_and_company_do_not_matter() -> None:
    lightfield = random_light_field((5, 5), (70, 150), 3)
    apertures = disks(lightfield, 1.5, 2.5)
    alone = refocus(lightfield, [0.4], apertures)
    np.testing.assert_array_equal(alone, refocus(lightfield, [0.4], apertures, threads=3))
    many = refocus(lightfield, [-2.0, 0.4, 1.0], apertures)
    np.testing.assert_allclose(many[1], alone[0], atol=1e-6)


def test_slopes_far_apart_come_back_in_their_order() -> None:
    lightfield = random_light_field((9, 9), (120, 120), 1)
    slopes = [6.0, -6.0, 0.0, 3.0]
    apertures = disks(lightfield, 3.0)
    together = refocus(lightfield, slopes, apertures)
    for slope, picture in zip(slopes, together, strict=True):
        np.testing.assert_allclose(picture, refocus(lightfield, [slope], apertures)[0], atol=1e-6)


@pytest.mark.parametrize("frame", ["native", "cropped", "larger", "smaller"])
def test_constant_stays_constant_up_to_the_border(frame: str) -> None:
    lightfield = random_light_field((7, 7), (40, 50), 3)
    lightfield.views[:] = 0.25
    made = refocus(lightfield, [-2.0, 1.3], disks(lightfield, 1.0, 3.5), frame=frames((40, 50))[frame])
    np.testing.assert_allclose(made, 0.25, atol=1e-5)


def test_is_linear() -> None:
    one, two = random_light_field((5, 5), (30, 40), 3, 1), random_light_field((5, 5), (30, 40), 3, 2)
    both = random_light_field((5, 5), (30, 40), 3)
    both.views[:] = 2 * one.views - 0.5 * two.views
    a, b, c = (refocus(lf, [0.7], disks(lf, 2.2)) for lf in (one, two, both))
    np.testing.assert_allclose(c, 2 * a - 0.5 * b, atol=TOLERANCE)


def test_dead_views_count_for_nothing() -> None:
    lightfield = random_light_field((5, 5), (30, 40), 3)
    weights = lightfield.weights.copy()
    weights[1, 2] = 0
    without = LightField(lightfield.views.copy(), weights, lightfield.gains, Path("dead"))
    without.views[1, 2] = np.float32(1e6)
    apertures = disks(lightfield, 2.2)
    expected = reference(lightfield, [0.7], apertures * weights)
    np.testing.assert_allclose(refocus(without, [0.7], apertures), expected, atol=TOLERANCE)


def test_point_is_in_focus_at_its_disparity_and_in_its_place() -> None:
    """A point of disparity d: each view holds it at (y - d (u - u0), x - d (v - v0))."""
    grid, size, d = (7, 7), (61, 71), 1.25
    y, x = np.mgrid[: size[0], : size[1]]
    views = np.zeros((*grid, *size, 1), np.float32)
    for u, v in np.ndindex(grid):
        at = 30 - d * (u - 3), 37 - d * (v - 3)
        views[u, v, ..., 0] = np.exp(-((y - at[0]) ** 2 + (x - at[1]) ** 2) / (2 * 1.2**2))
    ones = np.ones(grid, np.float32)
    lightfield = LightField(views, ones, ones.copy(), Path("point"))
    slopes = np.array([-1.25, 0.0, 1.0, 1.25, 1.5])
    made = refocus(lightfield, slopes, disks(lightfield, 3.5))[:, 0, ..., 0]
    assert np.argmax(made.max(axis=(1, 2))) == 3
    assert np.unravel_index(made[3].argmax(), size) == (30, 37)
    assert made[3].max() == pytest.approx(1, abs=0.01)
    # Out of focus the light is spread, around the same place.
    for picture in made:
        total = picture.sum()
        assert total == pytest.approx(made[3].sum(), rel=0.01)
        assert (picture * y).sum() / total == pytest.approx(30, abs=0.02)
        assert (picture * x).sum() / total == pytest.approx(37, abs=0.02)


def test_approaches_a_real_lens() -> None:
    scene = simulate(np.random.default_rng(3), grid=(9, 9), size=(64, 96), disparities=(-0.3, 0.6))
    lens = scene.thin_lens(-0.3, 3.5)
    apertures = disks(scene.lightfield, 3.5)
    made = refocus(scene.lightfield, [-0.3], apertures)[0, 0]
    my, mx = full_aperture_margin(scene.lightfield, [-0.3], apertures)
    inside = (slice(my + 4, -my - 4), slice(mx + 4, -mx - 4))
    error = float(np.mean((made[inside] - lens[inside]) ** 2))
    # 0.9 px between the spots of neighbouring views: an error of 1 % of white bounds it from above.
    assert -10 * np.log10(error) > 40


def test_target_grid_gains_resolution_from_the_views_shifts() -> None:
    """Views that box-sample a fine texture at different phases give, together, more of it than a picture blown up."""
    fold, grid, size, pad = 4, (7, 7), (40, 44), 16
    rng = np.random.default_rng(5)
    fine = ndimage.gaussian_filter(rng.random((size[0] * fold + 2 * pad, size[1] * fold + 2 * pad)), 1.5)

    def seen(u: int, v: int, cell: int) -> np.ndarray:
        # A shift by one fine sample a view step: the texture lies at disparity 1 / fold.
        window = fine[pad + u : pad + u + size[0] * fold, pad + v : pad + v + size[1] * fold]
        return window.reshape(size[0] * fold // cell, cell, size[1] * fold // cell, cell).mean(axis=(1, 3))

    views = np.zeros((*grid, *size, 1), np.float32)
    for u, v in np.ndindex(grid):
        views[u, v, ..., 0] = seen(u - 3, v - 3, fold)
    ones = np.ones(grid, np.float32)
    lightfield = LightField(views, ones, ones.copy(), Path("fine"))
    half = (np.arange(2 * size[0]) + 0.5) / 2 - 0.5, (np.arange(2 * size[1]) + 0.5) / 2 - 0.5
    frame = Frame(*half)
    truth = seen(0, 0, fold // 2)
    inside = (slice(16, -16), slice(16, -16))
    apertures = disks(lightfield, 3.5)

    def error(picture: np.ndarray) -> float:
        return float(np.mean((picture[..., 0] - truth)[inside] ** 2))

    direct = error(refocus(lightfield, [1 / fold], apertures, frame=frame)[0, 0])
    blown_up = error(resample(refocus(lightfield, [1 / fold], apertures)[0, 0], frame))
    assert direct < 0.9 * blown_up
    assert direct < 0.9 * error(resample(lightfield.centre_view, frame))


def test_resized_frame_keeps_the_shape_of_things_and_stays_inside() -> None:
    frame = Frame.resized((434, 625), (688, 1008), margin=(7, 7))
    assert frame.size == (688, 1008)
    np.testing.assert_allclose(np.diff(frame.rows), frame.step)
    np.testing.assert_allclose(np.diff(frame.columns), frame.step)
    for positions, length in ((frame.rows, 434), (frame.columns, 625)):
        assert positions[0] - frame.step / 2 >= 7 - 0.5 - 1e-9
        assert positions[-1] + frame.step / 2 <= length - 7 - 0.5 + 1e-9
        assert positions[0] + positions[-1] == pytest.approx(length - 1)


def test_smaller_frame_averages_instead_of_picking() -> None:
    lightfield = random_light_field((3, 3), (60, 80), 1)
    frame = Frame.resized((60, 80), (15, 20))
    made = refocus(lightfield, [0.0], disks(lightfield, 0.4), frame=frame)[0, 0, ..., 0]
    blocks = lightfield.centre_view[..., 0].reshape(15, 4, 20, 4).mean(axis=(1, 3))
    # The finer grid of 4 x 4 falls on the pixels' centres.
    np.testing.assert_allclose(made, blocks, atol=1e-5)


def test_resample_is_refocus_of_one_view() -> None:
    lightfield = random_light_field((3, 3), (40, 44), 3)
    frame = Frame.resized((40, 44), (50, 55), margin=(16, 16))
    alone = refocus(lightfield, [0.0], disks(lightfield, 0.4), frame=frame)[0, 0]
    np.testing.assert_allclose(resample(lightfield.centre_view, frame), alone, atol=1e-5)
    crop = Frame.native((40, 44), margin=(3, 5))
    np.testing.assert_array_equal(resample(lightfield.centre_view, crop), lightfield.centre_view[3:-3, 5:-5])


def test_margin_is_where_all_views_reach() -> None:
    lightfield = random_light_field((9, 9), (60, 60), 1)
    apertures = disks(lightfield, 2.4)
    # 1.5 px a step, views to 2 steps.
    assert full_aperture_margin(lightfield, [-1.5, 1.0], apertures) == (3, 3)
    lightfield.weights[[2, 6]] = 0
    assert full_aperture_margin(lightfield, [1.0], apertures) == (1, 2)


@pytest.mark.parametrize(
    ("slopes", "apertures", "message"),
    [
        ([], np.ones((1, 3, 3)), "at least one"),
        ([float("nan")], np.ones((1, 3, 3)), "finite"),
        ([0.0], np.ones((3, 3)), r"apertures must be"),
        ([0.0], np.ones((1, 3, 4)), r"apertures must be"),
        ([0.0], -np.ones((1, 3, 3)), "not negative"),
        ([0.0], np.zeros((1, 3, 3)), "no live view"),
        (
            [60.0],
            np.pad(np.zeros((1, 1, 1)), ((0, 0), (1, 1), (1, 1)), constant_values=1),
            "smaller slope or radius",
        ),
    ],
)
def test_refuses(slopes: list[float], apertures: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        refocus(random_light_field((3, 3), (20, 24), 1), slopes, apertures)


def test_refuses_margins_that_leave_nothing() -> None:
    with pytest.raises(ValueError, match="leaves nothing"):
        Frame.native((20, 20), margin=(10, 0))
    with pytest.raises(ValueError, match="leaves nothing"):
        Frame.resized((20, 20), (10, 10), margin=(0, 11))


@pytest.mark.parametrize("radius", [4.3])
def test_rendered_wood_against_its_lens(shared_data: Path, radius: float) -> None:
    from lfsynth import pictures
    from lfsynth.readers import read_light_field
    from lfsynth.transfer import SRGB

    folder = shared_data / "rendered_wood"
    lightfield = read_light_field(folder)
    slopes = [-4.0, 0.0, 4.0]
    made = refocus(lightfield, slopes, disks(lightfield, radius), threads=2)[:, 0]
    for number, (picture, bound) in enumerate(zip(made, (45.2, 46.3, 45.0), strict=True)):
        truth = pictures.read(folder / "focal_stack" / f"input_FS_{number}.png")[..., :3] / 255
        shown = SRGB.from_linear(np.clip(picture.astype(np.float64), 0, 1))
        assert -10 * np.log10(np.mean((shown - truth) ** 2)) > bound
