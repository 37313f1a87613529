"""The dense synthetic aperture against a lens: closed forms, dense sampling of simulated scenes, and the plain sum."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from lfsynth.aperture import PARTS, circular, view_weights
from lfsynth.dense import box_taps, memory, refocus_dense
from lfsynth.dense_disparity import doubted_shares, enlarged, seen_by_views
from lfsynth.dense_disparity_kernels import BLOCK, move_disparity
from lfsynth.disparity import disparity_map
from lfsynth.frame import Frame, resample
from lfsynth.lightfield import LightField
from lfsynth.refocus import refocus
from lfsynth.scene import SimulatedScene, simulate

Pictures = NDArray[np.float32]


def cells(lightfield: LightField, *radii: float) -> NDArray[np.float64]:
    grid, centre = lightfield.grid, lightfield.centre
    return np.stack([circular(grid, radius, centre=centre, parts=PARTS) for radius in radii])


def flat(lightfield: LightField, disparity: float) -> Pictures:
    return np.full(lightfield.size, disparity, np.float32)


def light_field(views: Pictures) -> LightField:
    ones = np.ones(views.shape[:2], np.float32)
    return LightField(views, ones, ones.copy(), Path("made"))


def plane_of_light(disparity: float, *, grid: int = 9, size: int = 96) -> LightField:
    """A Gaussian light of 0.8 px on a black plane: views that no sampling has aliased."""
    at = np.arange(size, dtype=np.float64)
    views = np.zeros((grid, grid, size, size, 1), np.float32)
    for u in range(grid):
        for v in range(grid):
            down, across = (size // 2 - disparity * (n - grid // 2) for n in (u, v))
            spot = np.outer(
                np.exp(-0.5 * ((at - down) / 0.8) ** 2), np.exp(-0.5 * ((at - across) / 0.8) ** 2)
            )
            views[u, v, :, :, 0] = spot / (2 * np.pi * 0.8**2)
    return light_field(views)


def disk_of_light(radius: float, size: int = 96) -> NDArray[np.float64]:
    """The same light as a lens blurs it, from nine samples a pixel each way."""
    fine = 9
    at = (np.arange(size * fine) + 0.5) / fine - 0.5 - size // 2
    inside = (np.hypot(at[:, None], at) <= radius).astype(np.float64)
    picture = ndimage.gaussian_filter(inside, 0.8 * fine)[fine // 2 :: fine, fine // 2 :: fine]
    return np.asarray(picture / (np.pi * radius**2))


def correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))


def rms(picture: NDArray[np.float64] | Pictures) -> float:
    return float(np.sqrt(np.square(picture, dtype=np.float64).mean()))


@pytest.fixture(scope="module")
def occluded() -> SimulatedScene:
    """Soft-edged things of disparity 2 before a plane of -2: with one in focus, the other's spots are 4 px apart."""
    return simulate(np.random.default_rng(4), grid=(7, 7), size=(96, 112), disparities=(-2.0, 2.0))


@pytest.mark.parametrize("away", [2.0, 3.0, -3.0, 5.0])
def test_a_light_becomes_the_disk_of_a_lens(away: float) -> None:
    lf = plane_of_light(away - 1)
    opening = cells(lf, 4.0)
    made = refocus_dense(lf, [-1.0], opening, flat(lf, away - 1))[0, 0, :, :, 0].astype(np.float64)
    views = refocus(lf, [-1.0], view_weights(opening))[0, 0, :, :, 0].astype(np.float64)
    disk = disk_of_light(4.0 * abs(away))
    # With whole cells at the rim of radius 4 it would be 0.98.
    assert correlation(made, disk) > 0.996
    assert correlation(views, disk) < {2: 0.99, 3: 0.88, 5: 0.56}[int(abs(away))]
    # The light is as much as it was, and where it was.
    at = np.arange(96) - 48
    assert made.sum() == pytest.approx(1, abs=2e-3)
    assert [(made.sum(axis=axis) * at).sum() for axis in (0, 1)] == pytest.approx([0, 0], abs=0.02)


def test_a_lattice_of_spots_is_gone() -> None:
    lf = plane_of_light(3.0)
    opening = cells(lf, 4.0)

    def lattice(picture: NDArray[np.float32]) -> float:
        """What oscillates with a period of 3 px, of all light."""
        wave = np.exp(2j * np.pi * np.arange(96) / 3)
        return float(np.abs((picture[0, 0, :, :, 0] * wave).sum()))

    # A Gaussian of 0.8 px passes exp(-2 (0.8 pi / 3)^2) = 0.25 of it.
    assert lattice(refocus(lf, [0.0], view_weights(opening))) == pytest.approx(0.25, abs=0.01)
    assert lattice(refocus_dense(lf, [0.0], opening, flat(lf, 3.0))) < 0.02


def test_a_uniform_picture_stays_uniform(occluded: SimulatedScene) -> None:
    views = np.full_like(occluded.lightfield.views, 0.25)
    lf = replace(occluded.lightfield, views=views)
    made = refocus_dense(lf, [-2.0, 0.0, 2.0], cells(lf, 2.0, 3.5), occluded.disparity)
    np.testing.assert_allclose(made, 0.25, atol=2e-5)


def test_what_is_in_focus_is_the_plain_sum(occluded: SimulatedScene) -> None:
    lf = occluded.lightfield
    opening = cells(lf, 2.0, 3.5)
    made = refocus_dense(lf, [0.5], opening, flat(lf, 1.1))
    np.testing.assert_array_equal(made, refocus(lf, [0.5], view_weights(opening)))


def test_in_tiles_apart_from_what_is_out_of_focus_nothing_changes() -> None:
    lf = simulate(np.random.default_rng(0), grid=(5, 5), size=(80, 300), disparities=(0.0,)).lightfield
    disparity = flat(lf, 0.0)
    disparity[:, 280:] = 3.0
    opening = cells(lf, 2.5)
    made, plain = refocus_dense(lf, [0.0], opening, disparity), refocus(lf, [0.0], view_weights(opening))
    np.testing.assert_array_equal(made[..., :128, :], plain[..., :128, :])
    assert np.abs(made - plain)[..., 285:, :].max() > 1e-3


@pytest.mark.parametrize("slope", [-2.0, 0.0, 2.0])
@pytest.mark.parametrize("estimated", [False, True])
def test_occlusions_are_those_of_a_lens(occluded: SimulatedScene, slope: float, estimated: bool) -> None:
    lf = occluded.lightfield
    opening = cells(lf, 3.5)
    disparity = disparity_map(lf)[0] if estimated else occluded.disparity
    # 65 samples across the aperture: 0.43 px apart.
    truth = occluded.thin_lens(slope, 3.5, spacing=7 / 65)
    inside = (slice(16, -16), slice(16, -16))
    made = rms((refocus_dense(lf, [slope], opening, disparity)[0, 0] - truth)[inside])
    plain = rms((refocus(lf, [slope], view_weights(opening))[0, 0] - truth)[inside])
    # Beside edges in focus pictures are as they were, and most of what is left of the error is there.
    assert made < (0.75 if slope == -2 else 0.45) * plain


def test_an_edge_in_focus_stays_sharp_before_a_spread_background() -> None:
    """A white half-plane in focus before a black wall: the wall's spread must not touch the edge."""
    views = np.zeros((7, 7, 64, 96, 1), np.float32)
    views[..., 48:, :] = 1
    lf = light_field(views)
    disparity = flat(lf, -4.0)
    disparity[:, 48:] = 0.0
    made = refocus_dense(lf, [0.0], cells(lf, 3.5), disparity)[0, 0, :, :, 0]
    np.testing.assert_allclose(made, views[3, 3, :, :, 0], atol=1e-4)


def test_a_wrong_disparity_loses_no_light_of_a_plane(occluded: SimulatedScene) -> None:
    lf = plane_of_light(0.0)
    made = refocus_dense(lf, [0.0], cells(lf, 4.0), flat(lf, 2.0))[0, 0]
    assert made.sum() == pytest.approx(1, abs=2e-3)


def test_the_number_of_threads_does_not_matter(occluded: SimulatedScene) -> None:
    lf = occluded.lightfield
    opening = cells(lf, 2.0, 3.5)
    one = refocus_dense(lf, [-1.0, 1.0], opening, occluded.disparity)
    np.testing.assert_array_equal(one, refocus_dense(lf, [-1.0, 1.0], opening, occluded.disparity, threads=3))


def test_pictures_do_not_depend_on_what_is_made_beside_them(occluded: SimulatedScene) -> None:
    lf = occluded.lightfield
    both = refocus_dense(lf, [-1.0, 1.0], cells(lf, 3.5, 2.0), occluded.disparity)
    for m, radius in enumerate((3.5, 2.0)):
        alone = refocus_dense(lf, [1.0], cells(lf, radius), occluded.disparity)
        # Rings are added up in float32, in another order.
        np.testing.assert_allclose(both[1, m], alone[0, 0], atol=3e-6)


def test_dead_views_count_for_nothing(occluded: SimulatedScene) -> None:
    lf = occluded.lightfield
    weights = lf.weights.copy()
    weights[2, 1] = 0
    spoilt = lf.views.copy()
    spoilt[2, 1] = 5
    opening = cells(lf, 3.5)
    made = refocus_dense(replace(lf, views=spoilt, weights=weights), [0.0], opening, occluded.disparity)
    assert made.max() < 1.1
    np.testing.assert_array_equal(
        made, refocus_dense(replace(lf, weights=weights), [0.0], opening, occluded.disparity)
    )


def test_a_frame_samples_the_same_picture(occluded: SimulatedScene) -> None:
    lf = occluded.lightfield
    opening = cells(lf, 3.5)
    whole = refocus_dense(lf, [0.0], opening, occluded.disparity)
    cut = Frame.native(lf.size, margin=(10, 14))
    part = refocus_dense(lf, [0.0], opening, occluded.disparity, frame=cut)
    # The engine adds views of another tile in another order.
    np.testing.assert_allclose(part, whole[:, :, 10:-10, 14:-14], atol=2e-6)
    finer = Frame.resized(lf.size, (100, 120), margin=(14, 14))
    sampled = refocus_dense(lf, [0.0], opening, occluded.disparity, frame=finer)[0, 0]
    # All is out of focus and smooth, so that sampling views or their sum is the same to interpolation.
    assert rms(sampled - resample(whole[0, 0], finer)) < 3e-3


def test_grey_light_fields(occluded: SimulatedScene) -> None:
    grey = np.ascontiguousarray(occluded.lightfield.views[..., 1:2])
    lf = replace(occluded.lightfield, views=grey)
    made = refocus_dense(lf, [0.0], cells(lf, 3.5), occluded.disparity)
    colour = refocus_dense(
        replace(lf, views=grey.repeat(3, axis=-1)), [0.0], cells(lf, 3.5), occluded.disparity
    )
    np.testing.assert_allclose(made.repeat(3, axis=-1), colour, atol=3e-6)


def test_where_views_contradict_the_disparity_the_captured_ones_are_taken(occluded: SimulatedScene) -> None:
    lf = occluded.lightfield
    opening = cells(lf, 3.5)
    wrong = flat(lf, -2.0)  # the nearer things are missed
    truth = occluded.thin_lens(2.0, 3.5, spacing=7 / 65)
    inside = (slice(16, -16), slice(16, -16))
    made = rms((refocus_dense(lf, [2.0], opening, wrong)[0, 0] - truth)[inside])
    plain = rms((refocus(lf, [2.0], view_weights(opening))[0, 0] - truth)[inside])
    # What is in focus would be spread, with four times the error of the plain sum.
    assert made < 0.5 * plain


def used_of(lightfield: LightField) -> NDArray[np.int64]:
    return np.argwhere(lightfield.weights > 0)


def test_a_true_disparity_is_doubted_at_edges_alone(occluded: SimulatedScene) -> None:
    lf = occluded.lightfield
    _, doubted = seen_by_views(lf, occluded.disparity, used_of(lf), threads=1)
    assert doubted.views.shape == (7, 7, 24, 28, 1)
    near = ndimage.maximum_filter(occluded.disparity, 17) - ndimage.minimum_filter(occluded.disparity, 17)
    # The centre view is where its own map says; blocks are judged with those beside them.
    apart = near.reshape(24, BLOCK, 28, BLOCK).max(axis=(1, 3)) == 0
    assert apart.sum() > 30
    assert doubted.views[3, 3].max() == 0
    assert doubted.views[2:5, 2:5, apart].max() == 0


def test_a_wrong_disparity_is_doubted_where_there_is_something_to_see(occluded: SimulatedScene) -> None:
    lf = occluded.lightfield
    wrong = occluded.disparity + np.float32(3)
    _, doubted = seen_by_views(lf, wrong, used_of(lf), threads=2)
    assert doubted.views[0, 0, 6:-6, 6:-6].mean() > 0.5
    smooth = replace(lf, views=np.full_like(lf.views, 0.3))
    _, doubted = seen_by_views(smooth, wrong, used_of(lf), threads=1)
    assert doubted.views.max() == 0


def test_doubt_is_shared_as_light_is(occluded: SimulatedScene) -> None:
    lf = occluded.lightfield
    weights = view_weights(cells(lf, 2.0, 3.5))
    blocks = np.zeros((*lf.grid, 24, 28, 1), np.float32)
    blocks[3, 3] = 1
    shares = doubted_shares(
        replace(lf, views=blocks, disparity=None), np.array([-1.0, 1.0]), weights, threads=1
    )
    assert shares.shape == (2, 2, 24, 28)
    parts = weights[:, 3, 3] / weights.sum(axis=(1, 2))
    np.testing.assert_allclose(shares[:, :, 12, 14], [parts, parts], rtol=1e-5)


def test_blocks_are_enlarged_between_their_middles() -> None:
    blocks = np.arange(6, dtype=np.float32)[None].repeat(4, axis=0)
    fine = enlarged(blocks, (14, 22))
    assert fine.shape == (14, 22)
    # The middle of block n lies at BLOCK n + (BLOCK - 1) / 2.
    np.testing.assert_allclose(fine[0, 2:22], (np.arange(2, 22) - (BLOCK - 1) / 2) / BLOCK, atol=1e-6)


def test_disparity_moves_with_what_it_belongs_to() -> None:
    centre = np.zeros((9, 12), np.float32)
    centre[:, 4:7] = 2.0
    moved = np.empty_like(centre)
    move_disparity(centre, 0.0, 1.0, moved)
    expected = np.zeros_like(centre)
    expected[:, 2:5] = 2.0
    # What the thing has laid bare belongs to the ground behind.
    np.testing.assert_array_equal(moved, expected)
    move_disparity(centre, -3.0, 0.0, moved)
    np.testing.assert_array_equal(moved[6:], centre[6:])


def test_box_taps_have_the_width_of_a_box() -> None:
    for width in (0.0, 0.3, 1.0, 1.6, 2.0, 2.5, 3.7, 4.0, 8.0):
        taps = box_taps(width).astype(np.float64)
        at = np.arange(taps.size)
        assert 2 * taps.sum() - taps[0] == pytest.approx(1, abs=1e-6)
        assert 2 * (taps * at**2).sum() == pytest.approx(width**2 / 12, abs=1e-5)
        assert taps.min() >= -0.03
        if width >= 2:
            assert taps[0] + 2 * (taps * np.cos(2 * np.pi / width * at))[1:].sum() == pytest.approx(
                0, abs=1e-6
            )


def test_memory_holds_two_maps_a_view_and_pictures_of_a_slope(small: LightField) -> None:
    assert memory(small, 3) == 4 * 40 * 56 * (2 * 25 + 3 * 10)


def test_refuses_what_does_not_fit(occluded: SimulatedScene) -> None:
    lf = occluded.lightfield
    opening = cells(lf, 3.5)
    with pytest.raises(ValueError, match=r"disparity must be finite and \(96, 112\), not \(95, 112\)"):
        refocus_dense(lf, [0.0], opening, occluded.disparity[1:])
    with pytest.raises(ValueError, match="disparity must be finite"):
        refocus_dense(lf, [0.0], opening, flat(lf, np.nan))
    with pytest.raises(ValueError, match=r"cells must be \(M, 14, 14\), not \(1, 7, 7\)"):
        refocus_dense(lf, [0.0], view_weights(opening), occluded.disparity)
    with pytest.raises(ValueError, match="no live view"):
        refocus_dense(lf, [0.0], 0 * opening, occluded.disparity)
