import math

import numpy as np
import pytest
from numpy.typing import NDArray

from lfsynth.lytro.lattice import Lattice
from lfsynth.lytro.white_smoothing import smoothed_white

BLACK = np.array([[64, 66], [62, 64]], np.float32)
SHAPE = (640, 704)
PITCH = 14.29
ROTATION = 0.002


def drawn(rotation: float = ROTATION) -> tuple[Lattice, NDArray[np.float64]]:
    """A lattice, and the levels above black of soft disks that grow dimmer to the right; no two colours alike."""
    step = PITCH * math.sqrt(3) / 2
    sine, cosine = math.sin(rotation), math.cos(rotation)
    lattice = Lattice.covering(
        (3.0, 4.0), (PITCH * sine, PITCH * cosine), (step * cosine, -step * sine), SHAPE
    )
    y, x = np.indices(SHAPE, np.float64)
    inverse = np.linalg.inv(np.array([lattice.down, lattice.across]))
    steps = (np.stack([y, x], axis=-1) - lattice.origin) @ inverse
    best = np.full(SHAPE, np.inf)
    for odd in (0, 1):
        row = 2 * np.rint((steps[..., 0] - odd) / 2) + odd
        along = np.rint(steps[..., 1] - odd / 2) + odd / 2
        at = (
            np.array(lattice.origin)
            + row[..., None] * lattice.down
            + along[..., None] * np.array(lattice.across)
        )
        best = np.minimum(best, np.hypot(y - at[..., 0], x - at[..., 1]))
    light = 700 / (1 + np.exp((best - 6) / 0.35)) * (1 - 0.08 * x / SHAPE[1])
    for (i, j), part in {(0, 1): 0.6, (1, 0): 0.5}.items():
        light[i::2, j::2] *= part
    return lattice, light


def with_black(light: NDArray[np.float64]) -> NDArray[np.uint16]:
    return np.rint(np.clip(light + np.tile(BLACK, (SHAPE[0] // 2, SHAPE[1] // 2)), 0, 1023)).astype(np.uint16)


def noisy(light: NDArray[np.float64]) -> NDArray[np.uint16]:
    rng = np.random.default_rng(4)
    return with_black(light + rng.normal(0, 1, SHAPE) * np.sqrt(1 + 0.2 * light))


@pytest.mark.parametrize("threads", [1, 2])
def test_noise_falls_and_edges_stay(threads: int) -> None:
    lattice, light = drawn()
    true = with_black(light).astype(np.float64)
    picture = noisy(light)
    smooth = smoothed_white(picture, BLACK, lattice, threads=threads)
    for low, high, ratio in ((20, 100, 0.7), (100, 300, 0.55), (300, 700, 0.4)):
        these = (light > low) & (light < high)
        before, after = (np.std(p[these] - true[these]) for p in (picture, smooth))
        # Some ten pixels are averaged at each node: a third of the noise, and at edges errors of interpolation.
        assert after < ratio * before
        assert abs(np.mean(smooth[these] - true[these])) < 0.5


def test_without_noise_little_changes() -> None:
    lattice, light = drawn()
    true = with_black(light)
    smooth = smoothed_white(true, BLACK, lattice)
    # Nodes a quarter of a pixel apart on edges that rise by half in a pixel.
    assert np.sqrt(np.mean((smooth.astype(float) - true) ** 2)) < 3


def test_dust_stays() -> None:
    lattice, light = drawn()
    light[300:309, 400:409] *= 0.5
    smooth = smoothed_white(noisy(light), BLACK, lattice)
    bright = light[300:309, 400:409] > 150
    ratio = (smooth - np.tile(BLACK, (SHAPE[0] // 2, SHAPE[1] // 2)))[300:309, 400:409][bright] / light[
        300:309, 400:409
    ][bright]
    assert 0.9 < np.median(ratio) < 1.35


def test_a_lattice_in_step_with_the_pixels_leaves_no_holes() -> None:
    _, light = drawn()
    flat = np.full_like(light, 400)
    in_step = Lattice((7.0, 8.0), (0.0, 14.0), (12.0, 0.0), (50, 48))
    smooth = smoothed_white(with_black(flat), BLACK, in_step)
    np.testing.assert_array_equal(smooth, with_black(flat))
