import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from lfsynth.correlation import Windows, band_pass, peaks, search
from lfsynth.shift_field import REFERENCE_BLUR, local_shifts, move
from lfsynth.similarity import Similarity, fit_similarity, pure_shift

RNG_SIZE = (96, 128)
MIDDLE = (47.5, 63.5)


def noise_picture(seed: int, sigma: float = 2.0) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    return ndimage.gaussian_filter(rng.standard_normal(RNG_SIZE), sigma, mode="wrap").astype(np.float32)


def reference_zncc(b: NDArray[np.float32], s: NDArray[np.float32], y: float, x: float, width: int) -> float:
    """ZNCC with the weights that blocks of 8 px make of a triangle, in float64, from its definition."""
    rows, columns = np.mgrid[: b.shape[0], : b.shape[1]]
    taps = [1 - np.abs((p // 8 * 8 + 3.5 - c) / width) for p, c in ((rows, y), (columns, x))]
    weights = np.clip(taps[0], 0, 1) * np.clip(taps[1], 0, 1)
    weights /= weights.sum()
    left, right = (p - (weights * p).sum() for p in (b.astype(np.float64), s.astype(np.float64)))
    return float(
        (weights * left * right).sum() / np.sqrt((weights * left**2).sum() * (weights * right**2).sum())
    )


@pytest.mark.parametrize("shift", [(0, 0), (2, -1), (-3, 3)])
def test_search_is_the_correlation_by_its_definition(shift: tuple[int, int]) -> None:
    windows = Windows(RNG_SIZE, 16, 8)
    b, s = noise_picture(1), noise_picture(1) + noise_picture(2)
    volume = search(b, s, windows, 3)
    at = np.roll(s, (-shift[0], -shift[1]), axis=(0, 1))
    for i, k in ((2, 3), (6, 8), (9, 4)):
        y, x = windows.centres[i, k]
        # float32 sums of some 1000 products
        assert volume[shift[0] + 3, shift[1] + 3, i, k] == pytest.approx(
            reference_zncc(b, at, y, x, 16), abs=2e-5
        )


def test_peaks_lie_where_the_picture_was_moved_to() -> None:
    windows = Windows(RNG_SIZE, 32, 8)
    b = noise_picture(3)
    best, shift = peaks(search(b, np.roll(b, (2, -3), axis=(0, 1)), windows, 4))
    inner = np.s_[4:-4, 5:-5]
    np.testing.assert_allclose(best[inner], 1, atol=1e-5)
    # the parabola's place is whole up to what the neighbours differ by
    np.testing.assert_allclose(shift[inner], np.broadcast_to((2, -3), shift[inner].shape), atol=0.1)


def test_peak_at_the_rim_has_no_place() -> None:
    windows = Windows(RNG_SIZE, 32, 8)
    b = noise_picture(3)
    _, shift = peaks(search(b, np.roll(b, (2, 0), axis=(0, 1)), windows, 2))
    assert np.isnan(shift[4, 4]).all()


def test_flat_windows_have_no_correlation() -> None:
    b = np.zeros(RNG_SIZE, np.float32)
    assert not search(b, noise_picture(1), Windows(RNG_SIZE, 16, 8), 1).any()


def test_windows_know_their_centres_and_overlap() -> None:
    windows = Windows((96, 130), 32, 8)
    assert windows.shape == (12, 16)
    np.testing.assert_allclose(windows.centres[2, 5], (19.5, 43.5))
    # triangle of n = 4 blocks a side: (n^2)^2 / (n (2 n^2 + 1) / 3) = 256 / 44 an axis
    assert windows.overlap == pytest.approx((256 / 44) ** 2)
    inner = windows.mean(np.ones((96, 130), np.float32))[5, 8]
    assert inner == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("shift", [(0.3, -0.2), (0.8, 0.5)])
@pytest.mark.parametrize(("sigma", "blur"), [(0.0, 0.0), (REFERENCE_BLUR, 1.0)])
def test_local_shifts_and_blur_are_those_that_were_made(
    shift: tuple[float, float], sigma: float, blur: float
) -> None:
    s = band_pass(noise_picture(5, 1.0))
    b = ndimage.gaussian_filter(ndimage.shift(s, (-shift[0], -shift[1]), order=5, mode="grid-wrap"), sigma)
    windows = Windows(RNG_SIZE, 32, 8)
    found = local_shifts(b, s, windows, pure_shift(shift, MIDDLE))
    inner = np.s_[4:-4, 4:-4]
    wanted = np.broadcast_to(shift, found.shift[inner].shape)
    # OpenCV moves by whole 1/32 px; the equations find the remaining 1/64 px or less
    np.testing.assert_allclose(found.shift[inner], wanted, atol=0.02)
    # where the equation is that of how the picture was made, it holds but for interpolation
    assert found.blur[inner] == pytest.approx(blur, abs=0.05)
    assert found.gain[inner] == pytest.approx(1, abs=0.02)


def test_move_follows_the_similarity() -> None:
    s = noise_picture(6, 3.0)
    similarity = Similarity((1.3, -0.7), 2.0, 1.02, (40.0, 60.0), (0, 0), 0, 0, 0)
    moved, inside = move(s, similarity)
    assert inside is not None
    grid = np.moveaxis(np.mgrid[: s.shape[0], : s.shape[1]], 0, -1).astype(np.float64)
    at = grid + similarity.shifts(grid)
    wanted = ndimage.map_coordinates(s, (at[..., 0], at[..., 1]), order=5, mode="mirror")
    within = ((at >= 5) & (at <= np.array(s.shape) - 6)).all(axis=-1)
    # half of 1/32 px times the steepest slope
    slope = max(np.abs(step).max() for step in np.gradient(s))
    np.testing.assert_allclose(moved[within], wanted[within], atol=float(slope) / 32)
    assert inside[within].all()
    assert not inside[((at < -1) | (at > np.array(s.shape))).any(axis=-1)].any()


def test_nothing_is_moved_by_the_identity() -> None:
    s = noise_picture(6)
    moved, inside = move(s, pure_shift((0.0, 0.0), MIDDLE))
    assert moved is s
    assert inside is None


def points(rng: np.random.Generator, number: int = 200) -> NDArray[np.float64]:
    return rng.uniform((0, 0), (688, 1008), (number, 2))


TRUTH = Similarity((1.5, -2.0), 0.4, 0.997, (300.0, 500.0), (0, 0), 0, 0, 0)


def test_fit_recovers_a_similarity_exactly() -> None:
    at = points(np.random.default_rng(7))
    # errors so small that what is expected of rotation and scale has no weight
    covariances = np.broadcast_to(1e-8 * np.eye(2), (len(at), 2, 2))
    fit, weights = fit_similarity(at, TRUTH.shifts(at), covariances, centre=TRUTH.centre)
    np.testing.assert_allclose(fit.parameters, TRUTH.parameters, atol=1e-9)
    assert fit.rotation == pytest.approx(0.4, abs=1e-6)
    assert fit.scale == pytest.approx(0.997, abs=1e-8)
    assert fit.residual < 1e-6
    assert (weights > 0.99).all()


def test_fit_passes_by_a_third_of_wild_shifts() -> None:
    rng = np.random.default_rng(8)
    at = points(rng)
    shifts = TRUTH.shifts(at) + 0.05 * rng.standard_normal(at.shape)
    wild = rng.permutation(len(at))[: len(at) // 3]
    shifts[wild] += rng.uniform(2, 6, (len(wild), 2))
    covariances = np.broadcast_to(0.05**2 * np.eye(2), (len(at), 2, 2))
    fit, weights = fit_similarity(
        at, shifts, covariances, centre=TRUTH.centre, spreads=(40, 20, 10, 5, 2, 1, 1)
    )
    # three standard errors: 0.05 / sqrt(133)
    np.testing.assert_allclose(fit.shift, TRUTH.shift, atol=0.015)
    assert not weights[wild].any()


def test_fit_takes_from_edges_what_they_know() -> None:
    """Each point knows the shift across its own edge, and nothing along it."""
    rng = np.random.default_rng(9)
    at = points(rng)
    angle = rng.uniform(0, np.pi, len(at))
    along = np.stack([np.sin(angle), np.cos(angle)], axis=-1)
    shifts = TRUTH.shifts(at) + 20 * rng.standard_normal((len(at), 1)) * along
    covariances = 1e-4 * np.eye(2) + 400 * along[:, :, None] * along[:, None, :]
    start = np.zeros(4)
    fit, _ = fit_similarity(
        at, shifts, covariances, centre=TRUTH.centre, start=start, spreads=(300, 30, 3, 1, 1)
    )
    np.testing.assert_allclose(fit.shift, TRUTH.shift, atol=0.005)
    assert fit.rotation == pytest.approx(0.4, abs=0.002)


def test_standard_errors_are_those_of_repeated_fits() -> None:
    rng = np.random.default_rng(10)
    at = points(rng, 60)
    middle = at.mean(axis=0)
    covariances = np.broadcast_to(0.1**2 * np.eye(2), (len(at), 2, 2))
    fits = [
        fit_similarity(
            at, 0.1 * rng.standard_normal(at.shape), covariances, centre=(float(middle[0]), float(middle[1]))
        )[0]
        for _ in range(200)
    ]
    # a deviation from 200 fits is known to 5 %; the biweight costs some 3 % more
    assert np.std([fit.shift[0] for fit in fits]) == pytest.approx(fits[0].shift_error[0], rel=0.2)
    assert np.std([fit.rotation for fit in fits]) == pytest.approx(fits[0].rotation_error, rel=0.2)
    assert np.std([fit.scale for fit in fits]) == pytest.approx(fits[0].scale_error, rel=0.2)


def test_similarity_about_another_centre_is_the_same() -> None:
    at = points(np.random.default_rng(11))
    np.testing.assert_allclose(TRUTH.about((10.0, 20.0)).shifts(at), TRUTH.shifts(at), atol=1e-9)


def test_enlarged_similarity_moves_twice_as_far() -> None:
    at = points(np.random.default_rng(12))
    np.testing.assert_allclose(TRUTH.enlarged(2).shifts(2 * at + 0.5), 2 * TRUTH.shifts(at), atol=1e-9)


def test_fit_refuses_what_is_no_list_of_shifts() -> None:
    with pytest.raises(ValueError, match="must be \\(N, 2\\)"):
        fit_similarity(np.zeros((0, 2)), np.zeros((0, 2)), np.zeros((0, 2, 2)), centre=(0.0, 0.0))
