from dataclasses import replace

import cv2
import numpy as np
import pytest

from drbnet.augment import NONE, Augmentation, Axis, Draw, apply, draw
from drbnet.sampling import Draws, generator

SIZE = (61, 83)
PATCH = 40


def picture(seed: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    return np.random.default_rng(seed).random((*size, 3), np.float32)


def made(seed: int, augmentation: Augmentation, *, size=SIZE, patch=PATCH):
    """What is drawn, and the patches of two views and a target made from what it needs of them."""
    rng = generator(Draws.PATCH, seed)
    drawn = draw(rng, augmentation, size, patch)
    inputs, target = apply(
        rng,
        drawn,
        [picture(1, size)[drawn.region], picture(2, size)[drawn.region]],
        picture(3, size)[drawn.region],
    )
    return drawn, inputs, target


def test_a_crop_alone_is_a_part_of_the_picture():
    places = set()
    for seed in range(300):
        drawn, inputs, target = made(seed, NONE)
        y, x = drawn.y.start, drawn.x.start
        places.add((y, x))
        assert drawn.region == (slice(y, y + PATCH), slice(x, x + PATCH))
        for patch, whole in zip((*inputs, target), (1, 2, 3), strict=True):
            assert np.array_equal(patch, picture(whole)[y : y + PATCH, x : x + PATCH])
    # All places can be drawn, the outermost too.
    assert {y for y, _ in places} == set(range(SIZE[0] - PATCH + 1))
    assert {x for _, x in places} == set(range(SIZE[1] - PATCH + 1))


def test_scale_is_the_area_mean_of_the_whole_picture():
    augmentation = replace(NONE, scale=1.0)
    factors = []
    for seed in range(40):
        drawn, inputs, target = made(seed, augmentation)
        factors.append(drawn.x.scaled / SIZE[1])
        for patch, whole in zip((*inputs, target), (1, 2, 3), strict=True):
            expected = cv2.resize(
                picture(whole), (drawn.x.scaled, drawn.y.scaled), interpolation=cv2.INTER_AREA
            )
            expected = expected[drawn.y.start :, drawn.x.start :][:PATCH, :PATCH]
            # OpenCV adds in float32 in another order; its weights too are float32.
            np.testing.assert_allclose(patch, expected, atol=2e-6)
    assert min(factors) < 0.75 < 0.95 < max(factors)


@pytest.mark.parametrize(("size", "scaled"), [(10, 7), (100, 71), (9, 9), (12, 3), (320, 224)])
def test_area_means_keep_the_mean_and_lines(size, scaled):
    """The whole axis as one patch: means of stretches of equal length keep the mean, and those of a line lie on it."""
    axis = Axis(size, scaled, 0, scaled)
    rows = np.arange(size, dtype=np.float32)[:, None, None].repeat(4, 1).repeat(3, 2) / size
    (scaled_rows,), _ = apply(
        np.random.default_rng(0), Draw(0.0, False, axis, Axis(4, 4, 0, 4)), [rows], np.zeros_like(rows)
    )
    edges = np.arange(scaled + 1) * size / scaled
    expected = np.empty(scaled)
    for k in range(scaled):
        fine = np.linspace(edges[k], edges[k + 1], 20001)
        fine = (fine[1:] + fine[:-1]) / 2
        expected[k] = np.floor(fine).mean() / size
    # The reference samples each stretch 20000 times: an edge is off by half of that at most.
    np.testing.assert_allclose(scaled_rows[:, 0, 0], expected, atol=1e-4)
    np.testing.assert_allclose(scaled_rows.mean(), rows.mean(), rtol=1e-6)


def test_a_patch_is_never_larger_than_what_is_scaled():
    for seed in range(200):
        drawn, inputs, _ = made(seed, replace(NONE, scale=1.0), size=(44, 60), patch=42)
        assert inputs[0].shape == (42, 42, 3)
        assert drawn.y.scaled >= 42
    drawn, inputs, _ = made(0, replace(NONE, scale=1.0), size=(42, 60), patch=42)
    assert (drawn.y.scaled, drawn.x.scaled) == (42, 60)


def test_noise_is_on_the_inputs_alone_and_of_the_drawn_strength():
    augmentation = replace(NONE, noise=1.0)
    sigmas = []
    for seed in range(20):
        rng = generator(Draws.PATCH, seed)
        drawn = draw(rng, augmentation, (300, 300), 300)
        grey = np.full((300, 300, 3), 0.5, np.float32)
        inputs, target = apply(rng, drawn, [grey, grey], grey)
        assert np.array_equal(target, grey)
        sigmas.append(drawn.sigma)
        for view in inputs:
            # Of 270000 samples the standard deviation is known to 0.14 %; four times that. At 0.07 nothing is clipped.
            assert np.std(view) == pytest.approx(drawn.sigma, rel=0.006)
            assert np.mean(view) == pytest.approx(0.5, abs=4 * drawn.sigma / 300)
        assert not np.array_equal(*inputs)
    assert 0.001 <= min(sigmas) < 0.02
    assert 0.05 < max(sigmas) <= 0.005**0.5


def test_noise_is_clipped():
    rng = generator(Draws.PATCH, 0)
    drawn = draw(rng, replace(NONE, noise=1.0, noise_sigma=(0.5, 0.5)), SIZE, PATCH)
    (view,), _ = apply(rng, drawn, [picture(1)[drawn.region]], picture(3)[drawn.region])
    assert (view.min(), view.max()) == (0, 1)


def test_grey_is_luma_of_inputs_and_target():
    drawn, inputs, target = made(3, replace(NONE, grey=1.0))
    for patch, whole in zip((*inputs, target), (1, 2, 3), strict=True):
        expected = cv2.cvtColor(picture(whole), cv2.COLOR_RGB2GRAY)[drawn.region]
        # Sums of three products in float32.
        np.testing.assert_allclose(patch, np.repeat(expected[:, :, None], 3, 2), atol=3e-7)


def test_all_together_is_the_patch_of_the_whole_picture():
    """Noise apart, whose numbers are drawn for the region alone."""
    augmentation = replace(NONE, grey=1.0, scale=1.0, scale_factor=(0.6, 0.9))
    drawn, inputs, _ = made(11, augmentation)
    grey = cv2.cvtColor(picture(1), cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (drawn.x.scaled, drawn.y.scaled), interpolation=cv2.INTER_AREA)
    expected = small[drawn.y.start :, drawn.x.start :][:PATCH, :PATCH]
    np.testing.assert_allclose(inputs[0][:, :, 1], expected, atol=2e-6)


def test_probabilities_and_ranges_of_the_paper():
    drawn = [draw(generator(Draws.PATCH, seed), Augmentation(), (1000, 1000), 320) for seed in range(4000)]
    shares = {
        "noise": np.mean([d.sigma > 0 for d in drawn]),
        "grey": np.mean([d.grey for d in drawn]),
        "scale": np.mean([d.y.scaled < 1000 for d in drawn]),
    }
    for name, p in (("noise", 0.05), ("grey", 0.3), ("scale", 0.5)):
        assert shares[name] == pytest.approx(p, abs=4 * (p * (1 - p) / 4000) ** 0.5), name  # four sigma
    scaled = [d.y.scaled for d in drawn if d.y.scaled < 1000]
    assert (min(scaled), max(scaled)) == (pytest.approx(700, abs=2), pytest.approx(1000, abs=2))
    assert np.mean(scaled) == pytest.approx(850, abs=4 * 87 / 2000**0.5)


def test_an_option_leaves_the_place_of_a_patch_as_it_was():
    for seed in range(20):
        one, other = (made(seed, replace(NONE, grey=p))[0] for p in (0.0, 1.0))
        assert replace(one, grey=True) == other


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"noise": 1.1}, "noise is a probability"),
        ({"grey": -0.1}, "grey is a probability"),
        ({"scale": float("nan")}, "scale is a probability"),
        ({"noise_sigma": (0.2, 0.1)}, "noise_sigma must be two numbers"),
        ({"scale_factor": (0.0, 1.0)}, "scale_factor must be two numbers"),
        ({"scale_factor": (0.7, 1.2)}, "scale_factor must be two numbers"),
    ],
)
def test_impossible_options(options, message):
    with pytest.raises(ValueError, match=message):
        Augmentation(**options)


@pytest.mark.parametrize("patch", [62, (10, 84), 0])
def test_a_patch_that_does_not_fit(patch):
    with pytest.raises(ValueError, match="does not fit in 61 x 83"):
        draw(generator(Draws.PATCH, 0), NONE, SIZE, patch)
