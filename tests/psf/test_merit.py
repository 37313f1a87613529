"""Figures of merit against theory."""

import math

import numpy as np
import pytest

from psf.merit import centre_line, measure, radial_profile, transfer_curves, unit_sum
from psf.models import Airy, DefocusedAiry, Gaussian, Pillbox, SyntheticAperture, kernel


@pytest.mark.parametrize("sigma", [1.5, 4.0])
@pytest.mark.parametrize("centre", [(0.0, 0.0), (0.4, -1.3)])
def test_a_gaussian_has_the_figures_of_theory(sigma: float, centre: tuple[float, float]) -> None:
    merit = measure(7 * kernel(Gaussian(sigma), 61, centre=centre, pixel=0.0))
    assert merit.centre == pytest.approx(centre, abs=1e-6)
    # cubic splines are within 0.5 % for sigma 1.5 px, most at the peak and between pixels
    assert merit.fwhm == pytest.approx(2 * math.sqrt(2 * math.log(2)) * sigma, rel=5e-3)
    assert merit.ee50 == pytest.approx(math.sqrt(2 * math.log(2)) * sigma, rel=5e-3)
    assert merit.ee80 == pytest.approx(math.sqrt(2 * math.log(5)) * sigma, rel=5e-3)
    expected = math.sqrt(2 * math.log(2)) / (2 * math.pi * sigma)
    # frequencies are read from straight lines between bins of a quarter of 1/n
    assert [merit.mtf50, merit.mtf50_y, merit.mtf50_x] == pytest.approx([expected] * 3, rel=5e-3)
    assert merit.peak == pytest.approx(1 / (2 * math.pi * sigma**2), rel=5e-3)
    assert merit.angular_spread < 2e-3
    assert merit.outer_ring < 1e-9


def test_an_airy_pattern_in_focus_has_the_figures_of_theory() -> None:
    merit = measure(kernel(Airy(4.0), 201, pixel=0.0))
    # Born & Wolf: FWHM 1.029 scale, half of the light within 0.535 of it; tails beyond the frame lower EE by 1 %
    assert merit.fwhm == pytest.approx(1.029 * 4, rel=2e-3)
    assert merit.ee50 == pytest.approx(0.535 * 4, rel=0.01)
    # MTF of a round pupil: 1/2 at 0.404 of the cut-off 1 / scale
    assert merit.mtf50 == pytest.approx(0.404 / 4, rel=0.01)


def test_a_disk_has_the_figures_of_theory() -> None:
    merit = measure(kernel(Pillbox(15.0), 77))
    assert merit.fwhm == pytest.approx(30, abs=0.1)
    assert merit.ee50 == pytest.approx(15 / math.sqrt(2), abs=0.03)
    assert merit.ee80 == pytest.approx(15 * math.sqrt(0.8), abs=0.03)
    assert merit.equivalent_radius == pytest.approx(15, abs=0.05)
    # 2 J1(v) / v is one half at v = 2.2152
    assert merit.mtf50 == pytest.approx(2.2152 / (2 * math.pi * 15), rel=0.01)


def test_axes_are_y_then_x() -> None:
    k = np.zeros((41, 41))
    k[20, 14:27] = 1
    merit = measure(k)
    assert merit.mtf50_y is None
    # a row of 13: its Dirichlet kernel is one half close to 0.6034 / 13
    assert merit.mtf50_x == pytest.approx(0.6034 / 13, rel=0.01)
    _, along_y, along_x = transfer_curves(unit_sum(k))
    np.testing.assert_allclose(along_y, 1, atol=1e-9)
    assert along_x[-1] == pytest.approx(1 / 13, abs=1e-9)
    line = centre_line(unit_sum(k), 1)
    assert np.flatnonzero(line > 0.01).tolist() == list(range(14, 27))
    assert np.flatnonzero(centre_line(unit_sum(k), 0) > 0.01).tolist() == [20]


def test_encircled_energy_rises_to_one() -> None:
    profile = radial_profile(kernel(DefocusedAiry.of_radius(2.0, 9.0), 61, centre=(0.3, 0.1)))
    assert profile.encircled[0] == 0
    assert profile.encircled[-1] == 1
    assert (np.diff(profile.encircled) > -1e-6).all()


def test_rows_of_spots_are_not_round() -> None:
    spots = SyntheticAperture(Gaussian(0.5), 3.0, np.ones((9, 9)))
    assert measure(kernel(spots, 61)).angular_spread > 0.6
    assert measure(kernel(Pillbox(13.0), 61)).angular_spread < 0.02


def test_light_in_the_outer_ring_is_told() -> None:
    k = np.zeros((11, 11))
    k[5, 5], k[0, 3], k[10, 10], k[4, 0] = 90, 5, 3, 2
    assert measure(k).outer_ring == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.ones((4, 4)), "odd number of pixels"),
        (np.ones((3, 5)), "square"),
        (np.ones(9), "square"),
        (np.full((3, 3), np.nan), "finite"),
        (np.zeros((3, 3)), "sum must be positive"),
    ],
)
def test_what_is_no_kernel_is_refused(bad, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        measure(bad)
