"""Apertures: areas, symmetry, and what is refused."""

import math
from pathlib import Path

import numpy as np
import pytest

from lfsynth import aperture
from lfsynth.errors import InputError
from lfsynth.lightfield import LightField

GRID = (13, 13)
CENTRE = (6, 6)


def light_field(weights: np.ndarray, f_number_radius: float | None = None) -> LightField:
    views = np.full((*weights.shape, 8, 8, 1), 0.5, np.float32)
    gains = np.ones(weights.shape, np.float32)
    return LightField(views, weights.astype(np.float32), gains, Path("lf"), f_number_radius=f_number_radius)


@pytest.mark.parametrize("radius", [0.3, 1.0, 2.5, 4.77, 6.5])
def test_disk_sums_to_its_area(radius: float) -> None:
    # 64 chords a cell leave an error of a few 1e-4 of a cell.
    assert aperture.circular(GRID, radius, centre=CENTRE).sum() == pytest.approx(
        math.pi * radius**2, abs=0.01
    )


@pytest.mark.parametrize("blades", [3, 5, 6, 8])
@pytest.mark.parametrize("rotation", [0.0, 17.0])
def test_polygon_has_the_area_of_the_disk(blades: int, rotation: float) -> None:
    weights = aperture.polygonal(GRID, 4.0, blades, centre=CENTRE, rotation=rotation)
    assert weights.sum() == pytest.approx(math.pi * 16, abs=0.1)
    assert weights.min() >= 0
    assert weights.max() <= 1


def test_polygon_of_many_blades_is_a_disk() -> None:
    many = aperture.polygonal(GRID, 4.0, 200, centre=CENTRE)
    np.testing.assert_allclose(many, aperture.circular(GRID, 4.0, centre=CENTRE), atol=2e-3)


def test_square_lies_as_its_rotation_says() -> None:
    upright = aperture.polygonal(GRID, 3.0, 4, centre=CENTRE, rotation=45.0)
    side = 3.0 * math.sqrt(math.pi)
    inside = np.clip(side / 2 + 0.5 - np.abs(np.arange(13) - 6), 0, 1)
    np.testing.assert_allclose(upright, np.outer(inside, inside), atol=0.01)


def test_disk_has_the_symmetries_of_the_grid() -> None:
    weights = aperture.circular(GRID, 3.7, centre=CENTRE)
    # Chords run along v: exact there, sampled along u.
    np.testing.assert_allclose(weights, weights.T, atol=2e-3)
    np.testing.assert_allclose(weights, weights[::-1], atol=1e-12)
    np.testing.assert_allclose(weights, weights[:, ::-1], atol=1e-12)


def test_disks_are_nested_and_rings_their_difference() -> None:
    small, large = (aperture.circular(GRID, r, centre=CENTRE) for r in (2.0, 5.0))
    assert (large >= small).all()
    np.testing.assert_array_equal(aperture.ring(GRID, 5.0, 2.0, centre=CENTRE), large - small)


def test_small_disk_is_the_centre_view_alone() -> None:
    weights = aperture.circular(GRID, 0.4, centre=CENTRE)
    assert np.argwhere(weights).tolist() == [[6, 6]]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: aperture.circular(GRID, 0, centre=CENTRE), "radius must be positive"),
        (lambda: aperture.circular(GRID, float("nan"), centre=CENTRE), "radius must be positive"),
        (lambda: aperture.polygonal(GRID, -1, 5, centre=CENTRE), "radius must be positive"),
        (lambda: aperture.polygonal(GRID, 2, 2, centre=CENTRE), "at least 3 blades"),
        (lambda: aperture.ring(GRID, 2, 3, centre=CENTRE), "inner radius < radius"),
    ],
)
def test_refuses_openings_that_are_none(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()  # type: ignore[operator]


def test_custom_mask_is_checked() -> None:
    source = Path("mask.npy")
    np.testing.assert_array_equal(aperture.custom(np.eye(3), grid=(3, 3), source=source), np.eye(3))
    with pytest.raises(InputError, match="light field has"):
        aperture.custom(np.eye(3), grid=(3, 4), source=source)
    for bad in (-np.eye(3), np.zeros((3, 3)), np.full((3, 3), np.nan)):
        with pytest.raises(InputError, match="negative or not finite"):
            aperture.custom(bad, grid=(3, 3), source=source)


def test_f_number_needs_metadata() -> None:
    known = light_field(np.ones((3, 3)), f_number_radius=13.0)
    assert aperture.radius_from_f_number(known, 4.0) == pytest.approx(3.25)
    with pytest.raises(InputError, match="not an f-number"):
        aperture.radius_from_f_number(known, 0.0)
    with pytest.raises(InputError, match="do not tell f-numbers"):
        aperture.radius_from_f_number(light_field(np.ones((3, 3))), 4.0)


def test_largest_radius_stays_off_dead_views() -> None:
    weights = np.ones((9, 9))
    assert aperture.largest_radius(light_field(weights)) == 4.5
    weights[4, 7] = 0
    assert aperture.largest_radius(light_field(weights)) == 3.0
    # An even grid: the centre is whole view (4, 4), the edge is nearer on one side.
    assert aperture.largest_radius(light_field(np.ones((8, 8)))) == 3.5
