"""Photographs with a fault: which check refuses them, and what it says.

What is refused before a kernel is estimated is in test_detect.py and test_photograph.py.
"""

from dataclasses import replace

import numpy as np
import pytest

from lfsynth.errors import InputError
from psf.clipping import clipping
from psf.detect import detect
from psf.estimate import Options, estimate, zones
from psf.models import Pillbox, kernel
from psf.quality import MOST_RESIDUAL
from psf.simulate import Exposure, Pose, expose, simulate_coverage

POSE = Pose(shape=(600, 800), grid=(5, 4), pitch=140.0, radius=36.0, distance=4000.0)
OVERSAMPLING = 4
SIZE = 31
FINE = kernel(Pillbox(5.0 * OVERSAMPLING), SIZE * OVERSAMPLING + 1)
PAPER = Exposure().paper


@pytest.fixture(scope="module")
def coverage():
    return simulate_coverage(FINE, POSE)


def photograph(coverage, *, noise=0.01):
    return expose(coverage, Exposure(noise=noise), np.random.default_rng(1))


def estimated(picture, *, size=SIZE, clipped=None, **options):
    detection = detect(picture.astype(np.float32), POSE.grid, size=size, clipped=clipped, name="shot")
    return estimate([detection], size, options=Options(error_bar=False, **options), name="shot")


def residual_alone(monkeypatch):
    """Put the other checks out of action: what is left is what the residual says."""
    for name in ("MOST_OUTER_RING", "MOST_SHADING", "LEAST_MISPLACED_PX"):
        monkeypatch.setattr(f"psf.quality.{name}", np.inf)


def relative_error(found, size=SIZE):
    truth = kernel(Pillbox(5.0), size)
    return np.linalg.norm(found.system - truth) / np.linalg.norm(truth)


def test_without_a_fault(coverage):
    assert relative_error(estimated(photograph(coverage))) < 0.08


def test_without_noise(coverage):
    """Nothing is left to weigh the photograph by but what the model of it may be off by."""
    found = estimated(photograph(coverage, noise=0))
    assert found.quality.noise == pytest.approx(0, abs=1e-6)
    assert relative_error(found) < 0.05


def test_clipped_white_is_caught_though_the_residual_is_small(coverage):
    """Four percent of the light are above the highest code: a fifth of the picture."""
    picture = np.clip(photograph(coverage) / (0.975 * PAPER), 0, 1)
    codes = np.round(picture * 65535).astype(np.uint16)
    clipped = clipping(codes, 0, 65535)
    assert 0.1 < np.mean(clipped > 0) < 0.3
    assert estimated(picture).quality.residual_over_noise < MOST_RESIDUAL
    with pytest.raises(InputError, match=r"shot: \d\d\.\d% of the target is saturated; expose shorter"):
        estimated(picture, clipped=clipped)


def test_shading_is_caught_though_the_residual_is_small(coverage, monkeypatch):
    y, x = np.mgrid[: POSE.shape[0], : POSE.shape[1]]
    waves = np.sin(4 * np.pi * x / POSE.shape[1]) * np.sin(3 * np.pi * y / POSE.shape[0])
    picture = photograph(coverage, noise=0.02) * (1 + 0.04 * waves)
    with pytest.raises(
        InputError,
        match=r"shot: the light about the disks is uneven by 1\.\d% of their contrast; light the target",
    ):
        estimated(picture)
    residual_alone(monkeypatch)
    assert estimated(picture).quality.residual_over_noise < MOST_RESIDUAL


def test_a_short_support_is_caught_though_the_residual_is_small(coverage, monkeypatch):
    with pytest.raises(
        InputError,
        match=r"shot: 4\d\.\d% of the kernel's light is in the outermost of its 9 x 9 pixels; increase --size",
    ):
        estimated(photograph(coverage), size=9)
    residual_alone(monkeypatch)
    found = estimated(photograph(coverage), size=9)
    assert found.quality.residual_over_noise < MOST_RESIDUAL
    assert relative_error(found, 9) > 0.3


def test_a_wrong_curve_is_caught_by_the_residual(coverage):
    with pytest.raises(
        InputError,
        match=r"shot: what the kernel leaves of the photograph is \d\.\d\d times its noise; check --transfer",
    ):
        estimated(np.clip(photograph(coverage), 0, 1) ** (1 / 2.2))


def test_a_wrong_radius_is_caught_by_the_residual_or_found(coverage):
    detection = detect(photograph(coverage), POSE.grid, size=SIZE)
    wrong = replace(detection, radius=1.02 * detection.radius)
    with pytest.raises(InputError, match="times its noise; check --transfer, the disks' radius"):
        estimate([wrong], SIZE, options=Options(error_bar=False, search_radius=False))
    found = estimate([wrong], SIZE, options=Options(error_bar=False))
    assert found.quality.radius_change_px == pytest.approx(-0.02 * POSE.radius, abs=0.05)
    assert relative_error(found) < 0.08


def test_disks_off_their_grid_are_caught(coverage):
    picture = photograph(coverage)
    rng = np.random.default_rng(5)
    reach = 60  # px, holds a disk and its blur
    for y, x in POSE.centres().reshape(-1, 2).astype(int):
        moved = np.roll(picture, rng.integers(-1, 2, 2), (0, 1))
        picture[y - reach : y + reach, x - reach : x + reach] = moved[
            y - reach : y + reach, x - reach : x + reach
        ]
    with pytest.raises(
        InputError,
        match=r"shot: the disks are 0\.[67]\d px from a flat grid's places, .* 0.00\d px; flatten the",
    ):
        estimated(picture)


@pytest.mark.parametrize(
    ("size", "message"),
    [
        (24, r"--size: 24 is not odd, or below 3; use an odd number of pixels"),
        (1, r"--size: 1 is not odd, or below 3"),
        (
            77,
            r"shot: the gap between the disks has room for kernels of 6\d px, not 77 px; use a smaller --size",
        ),
    ],
)
def test_sizes_that_no_kernel_can_have(coverage, size, message):
    detection = detect(photograph(coverage), POSE.grid)
    with pytest.raises(InputError, match=message):
        estimate([detection], size, name="shot")


def test_a_zone_without_disks(coverage):
    detection = detect(photograph(coverage), POSE.grid)
    parts = zones(detection, 2, 2)
    assert sum(int(part.usable.sum()) for part in parts.values()) == 20
    assert all(part.usable.any() for part in parts.values())
    with pytest.raises(
        InputError, match="no whole disk is in row 1, column 1 of 9 x 9 zones; use fewer zones"
    ):
        zones(detection, 9, 9)


def test_no_detections():
    with pytest.raises(ValueError, match="no detections"):
        estimate([])
