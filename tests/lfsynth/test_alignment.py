from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from lfsynth.alignment import Alignment, Options, Verdict, check_pair
from lfsynth.pictures import read_linear

Picture = NDArray[np.float32]
SIZE = (240, 320)


def texture(seed: int, size: tuple[int, int] = SIZE) -> Picture:
    """Blobs of all sizes above 2 px, between 0.1 and 0.9, grey as [y, x, 1]."""
    rng = np.random.default_rng(seed)
    total = sum(
        sigma * ndimage.gaussian_filter(rng.standard_normal(size), sigma) for sigma in (1.0, 2.0, 5.0)
    )
    low, high = np.quantile(total, (0.01, 0.99))
    scaled = np.clip(0.1 + 0.8 * (total - low) / (high - low), 0.05, 0.95)
    return np.asarray(scaled[:, :, None], np.float32)


def moved(picture: Picture, dy: float, dx: float) -> Picture:
    spectrum = ndimage.fourier_shift(np.fft.fft2(picture[:, :, 0].astype(np.float64)), (dy, dx))
    return np.fft.ifft2(spectrum).real.astype(np.float32)[:, :, None]


def turned(picture: Picture, degrees: float, scale: float) -> Picture:
    """Content turned counter-clockwise and enlarged about the middle."""
    angle = np.radians(degrees)
    forward = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    back = np.linalg.inv(forward)
    middle = (np.array(picture.shape[:2]) - 1) / 2
    plane = ndimage.affine_transform(picture[:, :, 0], back, middle - back @ middle, order=5, mode="mirror")
    return plane[:, :, None]


def blurred(picture: Picture, sigma: float) -> Picture:
    return ndimage.gaussian_filter(picture, (sigma, sigma, 0))


def half_in_focus(sharp: Picture, sigma: float = 4.0) -> Picture:
    """The left half as it is, the right half defocused."""
    left = np.arange(sharp.shape[1])[None, :, None] < sharp.shape[1] // 2
    return np.where(left, sharp, blurred(sharp, sigma)).astype(np.float32)


def shift_of(found: Alignment) -> tuple[float, float]:
    assert found.similarity is not None
    return found.similarity.shift


def test_pair_in_focus_on_one_side_is_aligned_and_judged_there() -> None:
    sharp = texture(1)
    found = check_pair(half_in_focus(sharp), sharp)
    assert found.verdict is Verdict.ALIGNED
    assert np.hypot(*shift_of(found)) < 0.02
    middle = found.windows.shape[1] // 2
    # windows reach 4 columns to either side
    assert found.in_focus[:, : middle - 4].mean() > 0.95
    assert not found.in_focus[:, middle + 4 :].any()
    assert np.isnan(found.field[~found.valid]).all()
    assert np.isfinite(found.field[found.valid]).all()


@pytest.mark.parametrize("shift", [(0.5, 0.0), (1.0, 1.0), (0.0, 2.0), (3.0, -1.5), (0.25, 0.75)])
def test_shift_of_the_target_is_found(shift: tuple[float, float]) -> None:
    sharp = texture(2)
    found = check_pair(half_in_focus(sharp), moved(sharp, *shift))
    assert found.verdict is Verdict.MISALIGNED
    # OpenCV moves pictures by whole 1/32 px, so either axis may be off by half of that
    np.testing.assert_allclose(shift_of(found), shift, atol=0.04)
    assert found.shift is not None
    np.testing.assert_allclose(found.shift, shift, atol=0.08)
    assert "moved by" in found.reasons[0]


def test_shift_beyond_the_search_radius_is_found() -> None:
    sharp = texture(3)
    found = check_pair(half_in_focus(sharp, 1.5), moved(sharp, 17.0, -11.5))
    assert found.verdict is Verdict.MISALIGNED
    np.testing.assert_allclose(shift_of(found), (17.0, -11.5), atol=0.05)


@pytest.mark.parametrize(("degrees", "scale"), [(0.3, 1.0), (-0.3, 1.0), (0.0, 1.005), (0.2, 0.996)])
def test_rotation_and_scale_are_found(degrees: float, scale: float) -> None:
    sharp = texture(4)
    found = check_pair(half_in_focus(sharp), turned(sharp, degrees, scale))
    assert found.verdict is Verdict.MISALIGNED
    assert found.similarity is not None
    assert found.similarity.rotation == pytest.approx(degrees, abs=0.03)
    assert found.similarity.scale == pytest.approx(scale, abs=0.0006)
    said = " ".join(found.reasons)
    assert ("turned by" in said) == (degrees != 0)
    assert ("scaled by" in said) == (scale != 1)


@pytest.mark.parametrize(("shift", "verdict"), [(0.0, Verdict.ALIGNED), (0.6, Verdict.MISALIGNED)])
def test_noise_exposure_and_tone_curve_do_not_matter(shift: float, verdict: Verdict) -> None:
    rng = np.random.default_rng(5)
    sharp = texture(5)
    target = (0.7 * np.maximum(moved(sharp, shift, 0.0), 0) ** 1.1 + 0.05).astype(np.float32)
    b, s = (p + 0.02 * rng.standard_normal(p.shape, dtype=np.float32) for p in (half_in_focus(sharp), target))
    found = check_pair(b, s)
    assert found.verdict is verdict
    # noise of 2 % alone moves this fit by 0.01 px, the curve by as much
    np.testing.assert_allclose(shift_of(found), (shift, 0.0), atol=0.05)


@pytest.mark.parametrize("sigma", [0.5, 0.8, 1.0])
def test_symmetric_blur_of_the_whole_picture_is_no_shift(sigma: float) -> None:
    sharp = texture(6)
    # contrast that grows from left to right makes every window lopsided
    sharp = (0.5 + (sharp - 0.5) * np.linspace(0.02, 1, sharp.shape[1])[None, :, None] ** 2).astype(
        np.float32
    )
    found = check_pair(blurred(sharp, sigma), sharp)
    assert found.verdict is Verdict.ALIGNED
    assert np.nanquantile(np.linalg.norm(found.field, axis=-1), 0.95) < 0.03


def test_pair_without_anything_in_focus_cannot_be_told() -> None:
    sharp = texture(7)
    found = check_pair(blurred(sharp, 6.0), sharp)
    assert found.verdict is Verdict.CANNOT_TELL
    assert found.shift is None
    assert found.where is None
    assert "in focus in the input and has texture" in found.reasons[0]


def test_flat_pictures_give_no_vote() -> None:
    grey = np.full((*SIZE, 3), 0.5, np.float32)
    found = check_pair(grey, grey)
    assert found.verdict is Verdict.CANNOT_TELL
    assert found.focus_share == 0
    assert np.isnan(found.correlation).all()
    assert np.isnan(found.best).all()


def test_different_scenes_are_never_aligned() -> None:
    scenes = [texture(seed) for seed in (11, 12, 13)]
    for i, b in enumerate(scenes):
        for k, s in enumerate(scenes):
            if i != k:
                assert check_pair(half_in_focus(b), s).verdict is not Verdict.ALIGNED


def test_different_scenes_are_said_to_show_different_things() -> None:
    # The second is the first upside down in tones, so that from afar they are opposites
    first, second = texture(11), 1 - texture(11)
    found = check_pair(first, second.astype(np.float32))
    assert found.verdict is Verdict.MISALIGNED
    assert "show different things" in found.reasons[0]
    assert found.resemblance < -0.9


def test_part_that_moved_is_misaligned() -> None:
    sharp = texture(14)
    target = sharp.copy()
    target[:, 220:] = moved(sharp, 0.8, 0.6)[:, 220:]
    found = check_pair(sharp, target)
    assert found.verdict is Verdict.MISALIGNED
    assert "moved apart from the rest" in found.reasons[0]
    assert found.where is not None
    assert found.where[1] > 220
    assert found.shift is not None
    np.testing.assert_allclose(found.shift, (0.8, 0.6), atol=0.05)


def test_less_sharp_pair_is_judged_at_half_the_size() -> None:
    sharp = texture(15, (400, 520))
    soft = blurred(sharp, 1.3)
    aligned = check_pair(soft, sharp)
    assert aligned.reduction == 2
    assert aligned.verdict is Verdict.ALIGNED
    assert aligned.in_focus.shape == aligned.correlation.shape
    away = check_pair(soft, moved(sharp, 1.5, -1.0))
    assert away.verdict is Verdict.MISALIGNED
    np.testing.assert_allclose(shift_of(away), (1.5, -1.0), atol=0.1)


def test_correlation_falls_with_blur_and_rises_with_search() -> None:
    sharp = texture(16)
    found = check_pair(half_in_focus(sharp), moved(sharp, 2.0, 0.0))
    middle = found.windows.shape[1] // 2
    assert np.nanmedian(found.best[:, : middle - 4]) > 0.99
    assert np.nanmedian(found.correlation[:, : middle - 4]) < 0.8
    assert np.nanmedian(found.best[:, middle + 4 :]) < 0.8
    assert (found.best >= found.correlation)[np.isfinite(found.best)].all()


def test_threshold_is_an_option() -> None:
    sharp = texture(17)
    target = moved(sharp, 0.5, 0.0)
    assert check_pair(sharp, target, Options(threshold=0.6)).verdict is Verdict.ALIGNED
    assert check_pair(sharp, target, Options(threshold=0.4)).verdict is Verdict.MISALIGNED


def test_grey_against_colour() -> None:
    sharp = texture(18)
    assert check_pair(np.repeat(sharp, 3, axis=2), sharp).verdict is Verdict.ALIGNED


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"window": 20}, "window must be a multiple of stride"),
        ({"stride": 1}, "stride 2 or more"),
        ({"radius": 0}, "radius must be 1 to 64 px, not 0"),
        ({"threshold": 0.0}, "must be above 0"),
        ({"least_area": 1.5}, "least_area must be above 0 and at most 1"),
    ],
)
def test_options_that_make_no_sense_are_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Options(**change)


def test_unusable_pictures_are_refused() -> None:
    picture = texture(19)
    with pytest.raises(TypeError, match="pictures must be float32"):
        check_pair(picture.astype(np.float64), picture)
    with pytest.raises(TypeError, match="pictures must be float32"):
        check_pair(picture[:, :, 0], picture)
    with pytest.raises(ValueError, match="differ in size"):
        check_pair(picture[:-1], picture)
    with pytest.raises(ValueError, match="at least 96 px"):
        check_pair(picture[:90], picture[:90])


def test_real_pairs_are_aligned(shared_data: Path) -> None:
    root = shared_data / "lfdof_pairs" / "test_data"
    inputs = sorted(root.glob("input/*/*.png"))
    if not inputs:
        pytest.skip(f"no pairs in {root}")
    for path in inputs:
        target = read_linear(root / "ground_truth" / f"{path.parent.name}.png")
        found = check_pair(read_linear(path), target)
        assert found.verdict is Verdict.ALIGNED, path.name
        assert found.shift is not None
        assert np.hypot(*found.shift) < 0.2
