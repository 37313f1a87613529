"""Kernels beside each other: alignment, agreement, and camera against light field."""

import json
import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from lfsynth.aperture import circular
from psf.compare import COLUMNS, compare, compare_two, enlarged, shift_notes, table
from psf.lattice import Origin, find_lattice
from psf.models import Airy, DefocusedAiry, Gaussian, Pillbox, SyntheticAperture, kernel

SIZE = 77


def estimated(true: NDArray[np.float64], error: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """A kernel with errors like those of an estimate: smooth over a pixel or two, and none negative."""
    noise = gaussian_filter(rng.standard_normal(true.shape), 0.8)
    noisy = np.maximum(true + error * np.linalg.norm(true) / np.linalg.norm(noise) * noise, 0)
    return np.asarray(noisy / noisy.sum())


def polygon(radius: float, sides: int, angle: float) -> NDArray[np.float64]:
    """An iris's opening, by counting 8 x 8 points a pixel."""
    at = (np.arange(SIZE * 8) + 0.5) / 8 - SIZE / 2
    y, x = np.meshgrid(at, at, indexing="ij")
    inside = np.ones(y.shape, bool)
    for side in angle + 2 * math.pi * np.arange(sides) / sides:
        inside &= x * math.cos(side) + y * math.sin(side) <= radius
    counted = inside.reshape(SIZE, 8, SIZE, 8).mean(axis=(1, 3))
    return np.asarray(counted / counted.sum())


def random_camera(rng: np.random.Generator) -> NDArray[np.float64]:
    centre = (float(rng.uniform(-0.5, 0.5)), float(rng.uniform(-0.5, 0.5)))
    radius, scale = float(rng.uniform(3, 28)), float(rng.uniform(0.5, 3))
    match rng.integers(4):
        case 0:
            return kernel(Pillbox(radius), SIZE, centre=centre)
        case 1:
            return kernel(DefocusedAiry.of_radius(scale, radius), SIZE, centre=centre)
        case 2:
            return kernel(Airy(scale), SIZE, centre=centre)
        case _:
            return polygon(radius, int(rng.integers(4, 10)), float(rng.uniform(0, 6)))


def random_light_field(rng: np.random.Generator) -> tuple[NDArray[np.float64], float]:
    spacing = float(rng.uniform(2.6, 6.0))
    aperture = float(rng.uniform(3.5, min(6.5, 36 / spacing)))
    half = math.ceil(aperture)
    weights = circular((2 * half + 1, 2 * half + 1), aperture, centre=(half, half))
    centre = (float(rng.uniform(-0.5, 0.5)), float(rng.uniform(-0.5, 0.5)))
    spots = SyntheticAperture(Gaussian(float(rng.uniform(0.5, 0.26 * spacing))), spacing, weights)
    return kernel(spots, SIZE, centre=centre), spacing


@pytest.mark.parametrize("seed", range(20))
def test_camera_and_light_field_are_told_apart(seed: int) -> None:
    rng = np.random.default_rng(seed)
    error = float(rng.uniform(0.03, 0.15))
    camera = find_lattice(estimated(random_camera(rng), error, rng))
    assert camera.origin is Origin.CAMERA
    assert camera.period is None
    assert camera.frequency is None
    true, spacing = random_light_field(rng)
    found = find_lattice(estimated(true, error, rng))
    assert found.origin is Origin.LIGHT_FIELD
    assert found.period == pytest.approx(spacing, rel=0.01)


@pytest.mark.parametrize("spacing", [3.0, 4.2, 5.0])
def test_the_spot_period_is_the_spacing(spacing: float) -> None:
    weights = circular((13, 13), 6.5, centre=(6, 6))
    true = kernel(SyntheticAperture(Gaussian(0.7), spacing, weights), SIZE)
    found = find_lattice(estimated(true, 0.1, np.random.default_rng(1)))
    assert found.period == pytest.approx(spacing, rel=0.005)
    assert found.frequency is not None
    assert math.hypot(*found.frequency) == pytest.approx(1 / spacing, rel=0.01)
    assert min(abs(f) for f in found.frequency) < 0.01


def test_equal_kernels_agree_wholly() -> None:
    k = kernel(Pillbox(6.0), 41)
    same = compare_two(k, 3 * k)
    assert same.aligned.correlation == pytest.approx(1, abs=1e-9)
    assert same.in_place.relative_l2 == pytest.approx(0, abs=1e-9)
    assert same.shift == pytest.approx((0, 0), abs=1e-3)
    assert same.peak_ratio == pytest.approx(1)


@pytest.mark.parametrize("model", [Gaussian(2.0), DefocusedAiry.of_radius(2.0, 9.0), Airy(3.0)])
def test_a_shift_below_a_pixel_is_found_told_and_undone(model: Gaussian) -> None:
    reference = kernel(model, 61)
    found = compare_two(reference, kernel(model, 61, centre=(0.37, -2.61)))
    # downwards by 0.37 means that it has to go up by that
    assert found.shift == pytest.approx((-0.37, 2.61), abs=0.01)
    # cubic splines keep patterns whose finest fringes are 2 px wide to 3 %, broader ones better
    assert found.aligned.relative_l2 < 0.035
    assert found.aligned.correlation > 0.9995
    assert found.in_place.relative_l2 > 0.3


def test_a_small_kernel_is_not_moved_onto_a_large_ones_ring() -> None:
    found = compare_two(kernel(Airy(2.0), 77), kernel(DefocusedAiry.of_radius(2.0, 15.0), 77))
    assert found.shift == pytest.approx((0, 0), abs=0.01)


def test_sizes_may_differ() -> None:
    found = compare_two(kernel(Gaussian(1.5), 31), kernel(Gaussian(1.5), 41))
    assert found.in_place.relative_l2 < 1e-9
    with pytest.raises(ValueError, match="cannot be enlarged to 4"):
        enlarged(np.ones((3, 3)), 4)


def test_the_peak_ratio_is_the_strehl_ratio() -> None:
    # on the axis a defocus of W20 waves leaves sinc^2(W20), Born & Wolf 8.8.2
    reference, blurred = (kernel(DefocusedAiry(4.0, waves), 151, pixel=0.0) for waves in (0.0, 0.4))
    assert compare_two(reference, blurred).peak_ratio == pytest.approx(np.sinc(0.4) ** 2, rel=0.01)


def test_rows_tell_everything() -> None:
    spots = SyntheticAperture(Gaussian(0.6), 3.0, np.ones((9, 9)))
    rows = compare({"camera": kernel(Pillbox(9.0), 61), "light field": kernel(spots, 61, centre=(1.0, 0.0))})
    camera, light_field = (row.figures() for row in rows)
    assert set(COLUMNS) <= set(camera)
    assert camera["kind"] == "camera-like"
    assert camera["spot_period"] is None
    assert light_field["kind"] == "light-field-like"
    assert light_field["spot_period"] == pytest.approx(3, rel=0.01)
    assert json.loads(json.dumps(light_field)) == light_field
    lines = table(rows)
    assert [len(line) for line in lines] == [len(COLUMNS)] * 3
    assert lines[1][list(COLUMNS).index("spot_period")] == "-"
    assert lines[2][list(COLUMNS).index("spot_period")] == "3.00"


def test_no_kernel_is_recentred_in_silence() -> None:
    still, moved = kernel(Gaussian(2.0), 41), kernel(Gaussian(2.0), 41, centre=(1.5, 0.0))
    notes = shift_notes(compare({"a": still, "b": still, "c": moved}))
    assert len(notes) == 1
    assert notes[0].startswith(
        "c was moved by (-1.50, +0.00) px (y, x) onto a; in place the relative L2 is 0."
    )


def test_nothing_to_compare_is_refused() -> None:
    with pytest.raises(ValueError, match="no kernel to compare"):
        compare({})
