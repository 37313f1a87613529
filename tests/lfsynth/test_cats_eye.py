"""Cat's eye against closed forms, and against a sum of views with weights of their own at every pixel."""

import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lfsynth.aperture import PARTS, circular, polygonal, reach, view_weights
from lfsynth.cats_eye import FINE, cut, in_parts, over_field
from lfsynth.frame import Frame
from lfsynth.lightfield import LightField
from lfsynth.refocus import refocus

GRID = (13, 13)
CENTRE = (6.0, 6.0)
BARREL = 6.5


def pupils(*radii: float) -> NDArray[np.float64]:
    return np.stack([circular(GRID, radius, centre=CENTRE, parts=FINE) for radius in radii])


def lens_area(radius: float, apart: float) -> float:
    """Of what two disks have in common."""
    half = apart / 2
    return 2 * radius**2 * math.acos(half / radius) - 2 * half * math.sqrt(radius**2 - half**2)


@pytest.mark.parametrize("fraction", [0.0, 0.2, 0.7, 1.0])
@pytest.mark.parametrize("angle", [0, 35, 90, 200])
def test_the_widest_opening_is_what_two_disks_have_in_common(fraction: float, angle: float) -> None:
    apart = fraction * BARREL
    displacement = apart * math.sin(math.radians(angle)), apart * math.cos(math.radians(angle))
    opening = cut(pupils(BARREL), BARREL, displacement, centre=CENTRE)[0]
    assert opening.shape == (PARTS * 13, PARTS * 13)
    # 64 chords a view step integrate a disk's area to 1e-4; the two tips lose less.
    assert opening.sum() / PARTS**2 == pytest.approx(lens_area(BARREL, apart), rel=5e-4)
    # It stays about the middle, and is narrow along the displacement.
    at = (np.arange(PARTS * 13) + 0.5) / PARTS - 0.5 - 6
    mass = opening / opening.sum()
    np.testing.assert_allclose([mass.sum(axis=1) @ at, mass.sum(axis=0) @ at], 0, atol=1e-9)
    u, v = np.meshgrid(at, at, indexing="ij")
    along = u * math.sin(math.radians(angle)) + v * math.cos(math.radians(angle))
    across = u * math.cos(math.radians(angle)) - v * math.sin(math.radians(angle))
    ratio = (mass * along**2).sum() / (mass * across**2).sum()
    # Its half axes are 1 - f / 2 and sqrt(1 - f^2 / 4) radii; as in an ellipse, moments go nearly by their squares.
    assert ratio == pytest.approx((1 - fraction / 2) / (1 + fraction / 2), rel=0.12)


def test_an_opening_is_cut_where_the_rims_reach_it() -> None:
    free, touched = cut(pupils(4.5, 5.5), BARREL, (0.0, 3.0), centre=CENTRE)
    # The rims come as near as 6.5 - 1.5 to the middle.
    np.testing.assert_allclose(free, circular(GRID, 4.5, centre=CENTRE, parts=PARTS), atol=1e-12)
    whole = circular(GRID, 5.5, centre=CENTRE, parts=PARTS)
    assert (touched <= whole + 1e-12).all()
    # Area from 200 points a view step, which shares nothing with chords.
    at = (np.arange(13 * 200) + 0.5) / 200 - 6.5
    inside = np.hypot(at[:, None], at) <= 5.5
    inside &= (np.hypot(at[:, None], at - 1.5) <= BARREL) & (np.hypot(at[:, None], at + 1.5) <= BARREL)
    assert touched.sum() / PARTS**2 == pytest.approx(inside.sum() / 200**2, rel=5e-4)
    assert touched.sum() < 0.985 * whole.sum()


def test_without_displacement_blades_are_whole() -> None:
    barrel = reach(4.0, 5)
    # The corners of a regular pentagon of that area: 5 / 2 R^2 sin(72 degrees) = pi 4^2.
    assert barrel == pytest.approx(math.sqrt(2 * math.pi * 16 / (5 * math.sin(math.radians(72)))))
    blades = polygonal(GRID, 4.0, 5, centre=CENTRE, parts=FINE)[None]
    uncut = cut(blades, barrel, (0.0, 0.0), centre=CENTRE)
    np.testing.assert_allclose(uncut, in_parts(blades, GRID), atol=1e-12)
    assert reach(4.0) == 4.0


def random_views(size: tuple[int, int]) -> LightField:
    """Views that have nothing in common, so that any weight put wrongly shows."""
    views = np.random.default_rng(5).random((*GRID, *size, 1), np.float32)
    ones = np.ones(GRID, np.float32)
    return LightField(views, ones, ones.copy(), Path("made"))


@pytest.mark.parametrize("fraction", [0.5, 1.0])
def test_every_pixel_has_its_own_opening(fraction: float) -> None:
    height, width = 61, 81
    lf = random_views((height, width))
    calls = []

    def make(cells: NDArray[np.float64], where: Frame) -> NDArray[np.float32]:
        calls.append(where.size[0] * where.size[1])
        return refocus(lf, [0.0], view_weights(cells), frame=where)

    frame = Frame.native(lf.size)
    options = {"barrel": BARREL, "fraction": fraction, "centre": CENTRE, "frame": frame}
    made = over_field(make, pupils(3.0, BARREL), **options)
    assert made.shape == (1, 2, height, width, 1)
    assert sum(calls) == height * width
    # In focus at slope 0 a picture is the weighted mean of the views, pixel by pixel.
    corner = math.hypot(height - 1, width - 1) / 2
    misplaced = []
    for y in range(0, height, 6):
        for x in range(0, width, 8):
            away = ((y - (height - 1) / 2) / corner, (x - (width - 1) / 2) / corner)
            displacement = fraction * BARREL * away[0], fraction * BARREL * away[1]
            small, wide = view_weights(cut(pupils(3.0, BARREL), BARREL, displacement, centre=CENTRE))
            samples = lf.views[:, :, y, x, 0]
            assert made[0, 0, y, x, 0] == pytest.approx((small * samples).sum() / small.sum(), abs=1e-5)
            misplaced.append(made[0, 1, y, x, 0] - (wide * samples).sum() / wide.sum())
    # 1 % of the light (4 % at most) comes from another view; views here differ by 0.4 (rms), and many are at fault.
    assert np.sqrt(np.square(misplaced).mean()) < 0.01 * 0.4
    assert np.abs(misplaced).max() < 0.04 * 0.4
    middle = made[0, 1, height // 2, width // 2, 0]
    whole = view_weights(in_parts(pupils(BARREL), GRID))[0]
    samples = lf.views[:, :, height // 2, width // 2, 0]
    assert middle == pytest.approx((whole * samples).sum() / whole.sum(), abs=1e-5)


@pytest.mark.parametrize("size", [(5, 7), (9, 200)])
def test_pictures_of_few_pixels(size: tuple[int, int]) -> None:
    lf = random_views(size)

    def make(cells: NDArray[np.float64], where: Frame) -> NDArray[np.float32]:
        return refocus(lf, [0.0], view_weights(cells), frame=where)

    made = over_field(make, pupils(2.0), barrel=6.0, fraction=0.1, centre=CENTRE, frame=Frame.native(lf.size))
    # An opening of a third of the barrel is the same all over.
    whole = refocus(lf, [0.0], view_weights(in_parts(pupils(2.0), GRID)))
    np.testing.assert_allclose(made, whole, atol=1e-6)
