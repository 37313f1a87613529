"""Models against closed forms, and against integrals over pixels found in another way."""

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import j0, j1, jn_zeros

from psf.models import (
    Airy,
    DefocusedAiry,
    Gaussian,
    Model,
    Pillbox,
    Polychromatic,
    SyntheticAperture,
    kernel,
)
from psf.optics import Optics, ThinLens, in_physical_units

ALL = [
    Pillbox(9.3),
    Gaussian(2.0),
    Airy(2.0),
    DefocusedAiry.of_radius(2.0, 15.0),
    Polychromatic.of_band(1.5, 10.0, [0.8, 1.0, 1.2]),
    SyntheticAperture(Gaussian(0.7), 3.0, np.ones((7, 7))),
]


def density(model: Model, radius: float) -> float:
    """Density at one distance from the model's centre."""
    return float(model.light(1, centre=(0.0, -radius), pixel=0.0)[0, 0])


@pytest.mark.parametrize("model", ALL, ids=lambda model: type(model).__name__)
@pytest.mark.parametrize("pixel", [0.0, 1.0])
def test_a_kernel_has_the_energy_one_and_is_nowhere_negative(model: Model, pixel: float) -> None:
    k = kernel(model, 77, pixel=pixel)
    assert k.shape == (77, 77)
    assert k.dtype == np.float64
    assert k.sum() == pytest.approx(1, abs=1e-12)
    assert k.min() >= 0


@pytest.mark.parametrize("model", ALL, ids=lambda model: type(model).__name__)
def test_no_light_is_made_or_lost_on_pixels(model: Model) -> None:
    # diffraction throws 2 s / (pi^2 a) out of a circle of radius a (Born & Wolf), less out of the square around it
    outside = 0.015 if isinstance(model, Airy | DefocusedAiry | Polychromatic) else 1e-9
    light = model.light(77, centre=(0.3, -0.2), pixel=1.0).sum()
    assert 1 - outside < light < 1 + 1e-9


def test_light_inside_a_frame_is_the_encircled_energy_of_an_airy_pattern() -> None:
    # EE(v) = 1 - J0(v)^2 - J1(v)^2, Born & Wolf 8.5.2; a square lies between its inner and its outer circle
    light = Airy(2.0).light(41, centre=(0.0, 0.0), pixel=1.0).sum()
    inner, outer = (
        1 - j0(v) ** 2 - j1(v) ** 2 for v in (math.pi * 20.5 / 2, math.pi * 20.5 * math.sqrt(2) / 2)
    )
    assert inner < light < outer


@pytest.mark.parametrize("scale", [1.0, 2.0, 3.7])
@pytest.mark.parametrize("model", [Airy, lambda scale: DefocusedAiry(scale, 0.0)], ids=["closed", "pupil"])
def test_airy_zeros_lie_where_theory_has_them(scale: float, model: type[Airy]) -> None:
    top = density(model(scale), 0.0)
    assert top == pytest.approx(math.pi / (4 * scale**2), rel=1e-5)
    for order, zero in enumerate(jn_zeros(1, 3) / math.pi):
        assert zero == pytest.approx([1.22, 2.233, 3.238][order], abs=5e-4)
        # the table's straight lines miss a zero by 1e-5 of the peak at most
        assert density(model(scale), zero * scale) < 1e-5 * top
    assert density(model(scale), 1.0 * scale) > 1e-3 * top


def test_the_pupil_integral_in_focus_is_the_airy_pattern() -> None:
    airy, pupil = (
        model.light(61, centre=(0.2, -0.4), pixel=1.0) for model in (Airy(2.0), DefocusedAiry(2.0, 0.0))
    )
    np.testing.assert_allclose(pupil, airy, atol=1e-5 * airy.max())


@pytest.mark.parametrize(("waves", "radius"), [(0.6, 0.0), (1.875, 4.0), (-3.3, 17.0)])
def test_the_pupil_integral_is_what_adaptive_quadrature_finds(waves: float, radius: float) -> None:
    scale = 2.0

    def part(trigonometric: np.ufunc) -> float:
        def integrand(rho: float) -> float:
            phase = 2 * math.pi * waves * rho**2
            return float(trigonometric(phase) * j0(math.pi * radius * rho / scale) * 2 * rho)

        return float(quad(integrand, 0, 1, limit=200)[0])

    expected = math.pi / (4 * scale**2) * (part(np.cos) ** 2 + part(np.sin) ** 2)
    peak = math.pi / (4 * scale**2)
    assert density(DefocusedAiry(scale, waves), radius) == pytest.approx(expected, abs=1e-5 * peak)


@pytest.mark.parametrize(("scale", "radius"), [(1.0, 15.0), (2.0, 30.0), (0.5, 10.0)])
def test_a_defocused_pattern_has_the_geometric_radius(scale: float, radius: float) -> None:
    model = DefocusedAiry.of_radius(scale, radius)
    assert model.radius == pytest.approx(radius)
    assert model.waves == pytest.approx(radius / (4 * scale))
    k = kernel(model, 101)
    distance = np.hypot(*(np.indices(k.shape) - 50))
    inside = k[distance <= radius].sum()
    # diffraction at the edge of the shadow moves a part of the light of the order sqrt(scale / radius) / pi
    assert inside > 0.9
    assert k[distance > 1.3 * radius].sum() < 0.04
    # at the geometric edge the light is a quarter of that of the disk, as at a straight edge's shadow
    edge = np.mean([density(model, radius * f) for f in np.linspace(0.99, 1.01, 9)])
    assert edge * math.pi * radius**2 == pytest.approx(0.25, abs=0.06)


@pytest.mark.parametrize("model", [Pillbox(4.3), Gaussian(0.6), Airy(1.3), DefocusedAiry.of_radius(1.3, 5.0)])
def test_light_on_pixels_is_the_mean_of_fine_samples(model: Model) -> None:
    n, fine = 15, 40
    got = model.light(n, centre=(0.31, -0.17), pixel=1.0)
    offsets = (np.arange(fine) + 0.5) / fine - 0.5
    total = np.zeros((n, n))
    for dy in offsets:
        for dx in offsets:
            total += model.light(n, centre=(0.31 - dy, -0.17 - dx), pixel=0.0)
    # midpoints: a disk's edge crosses up to 2 fine^-1 of a pixel's samples wrongly, smooth models are far closer
    tolerance = 0.01 if isinstance(model, Pillbox) else 1e-3
    np.testing.assert_allclose(got, total / fine**2, atol=tolerance * got.max())


def test_a_disk_of_whole_coverage_is_exact() -> None:
    light = Pillbox(5.0).light(21, centre=(0.0, 0.0), pixel=1.0)
    assert light[10, 10] == pytest.approx(1 / (25 * math.pi), rel=1e-12)
    assert light.sum() == pytest.approx(1, abs=1e-12)
    assert light[0, 0] == 0


def test_a_centre_moves_the_pattern_downwards_and_right() -> None:
    still, moved = kernel(Gaussian(1.5), 31), kernel(Gaussian(1.5), 31, centre=(2.0, -3.0))
    np.testing.assert_allclose(np.roll(still, (2, -3), (0, 1)), moved, atol=1e-12)


def test_a_band_is_the_weighted_sum_of_its_wavelengths() -> None:
    parts = tuple(DefocusedAiry.of_radius(scale, 8.0) for scale in (1.2, 1.5, 1.9))
    sums = (
        sum(w * p.light(41, centre=(0.0, 0.0), pixel=1.0) for w, p in zip((1, 2, 3), parts, strict=True)) / 6
    )
    got = Polychromatic(parts, (1.0, 2.0, 3.0)).light(41, centre=(0.0, 0.0), pixel=1.0)
    np.testing.assert_allclose(got, sums, atol=1e-4 * sums.max())


def test_spots_lie_at_spacing_times_view_step() -> None:
    weights = np.zeros((5, 5))
    weights[0, 4] = 3.0
    weights[2, 1] = 1.0
    k = kernel(SyntheticAperture(Pillbox(0.4), 4.0, weights), 31)
    assert k[15 - 8, 15 + 8] == pytest.approx(0.75)
    assert k[15, 15 - 4] == pytest.approx(0.25)
    turned = kernel(SyntheticAperture(Pillbox(0.4), -4.0, weights), 31)
    np.testing.assert_allclose(turned, k[::-1, ::-1], atol=1e-12)


def test_separable_spots_equal_the_sum_of_single_ones() -> None:
    weights = np.random.default_rng(0).random((4, 5))
    model = SyntheticAperture(Gaussian(0.8), 2.7, weights, middle=(1.0, 2.0))
    expected = np.zeros((25, 25))
    for u, v in np.ndindex(4, 5):
        here = 0.2 + 2.7 * (u - 1), 2.7 * (v - 2)
        expected += weights[u, v] / weights.sum() * Gaussian(0.8).light(25, centre=here, pixel=1.0)
    np.testing.assert_allclose(model.light(25, centre=(0.2, 0.0), pixel=1.0), expected, atol=1e-14)


def test_optics_give_the_lengths_of_the_pattern() -> None:
    optics = Optics(f_number=8.0, pixel_pitch=2.2e-6, wavelength=550e-9)
    assert optics.scale == pytest.approx(2.0)
    assert optics.defocused(-12.0).radius == pytest.approx(12.0)
    assert optics.waves(12.0) == pytest.approx(1.5)
    # W20 = dz / (8 N^2) and radius = dz / (2 N): both forms agree
    assert optics.image_defocus(12.0) == pytest.approx(8 * 64 * 1.5 * 550e-9)
    band = optics.band(12.0, (500e-9, 600e-9))
    assert [part.radius for part in band.parts] == pytest.approx([12.0, 12.0])
    assert band.parts[1].scale == pytest.approx(2.0 * 600 / 550)


def test_a_thin_lens_blurs_by_the_formula() -> None:
    lens = ThinLens(focal_length=50e-3, f_number=2.0, focus_distance=2.0)
    # f^2 |z - zf| / (N (zf - f) z), Ray 2002, is the diameter
    diameter = 0.05**2 * abs(1.5 - 2.0) / (2.0 * 1.95 * 1.5)
    assert lens.blur_radius(1.5, 4e-6) == pytest.approx(diameter / 2 / 4e-6)
    assert lens.blur_radius(3.0, 4e-6) < 0
    assert lens.blur_radius(2.0, 4e-6) == pytest.approx(0, abs=1e-9)
    assert lens.optics(4e-6).f_number == pytest.approx(2.0 * 2.0 / 1.95)


def test_a_fitted_model_is_told_in_physical_units() -> None:
    optics = Optics(4.0, 2.2e-6)
    assert in_physical_units(optics.airy(), optics) == pytest.approx({"f_number": 4.0})
    told = in_physical_units(optics.defocused(8.0), optics)
    assert told["f_number"] == pytest.approx(4.0)
    assert told["image_defocus_m"] == pytest.approx(2 * 4 * 8 * 2.2e-6)
    assert in_physical_units(Gaussian(2.0), optics) == pytest.approx({"sigma_m": 4.4e-6})
    assert in_physical_units(Pillbox(2.0), optics)["radius_m"] == pytest.approx(4.4e-6)
    assert in_physical_units(ALL[-1], optics) == {}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Pillbox(0.0), "radius must be positive"),
        (lambda: Gaussian(math.nan), "sigma must be positive"),
        (lambda: Airy(-1.0), "scale must be positive"),
        (lambda: DefocusedAiry(1.0, math.inf), "must be finite"),
        (lambda: Polychromatic((DefocusedAiry(1.0, 0.0),), (1.0, 2.0)), "1 wavelengths have 2 weights"),
        (lambda: Polychromatic((DefocusedAiry(1.0, 0.0),), (-1.0,)), "not negative"),
        (lambda: SyntheticAperture(Gaussian(1.0), 2.0, np.ones(4)), "2 axes"),
        (lambda: SyntheticAperture(Gaussian(1.0), 2.0, np.zeros((3, 3))), "one above 0"),
        (lambda: SyntheticAperture(Gaussian(1.0), math.nan, np.ones((3, 3))), "spacing"),
        (lambda: kernel(Gaussian(1.0), 10), "odd and positive"),
        (lambda: kernel(Gaussian(1.0), 11, pixel=1.5), "pixel's side"),
        (lambda: kernel(Pillbox(1.0), 5, centre=(40.0, 0.0)), "no light falls"),
        (lambda: Optics(0.0, 1e-6), "f_number must be positive"),
        (lambda: ThinLens(0.05, -1.0, 2.0), "f_number must be positive"),
        (lambda: ThinLens(0.05, 2.0, 0.04), "does not focus"),
        (lambda: ThinLens(0.05, 2.0, 1.0).blur_radius(0.0, 1e-6), "distance must be positive"),
    ],
)
def test_what_makes_no_model_is_refused(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
