"""Models return their own parameters, with errors that are true, and are chosen among."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from lfsynth.aperture import circular
from psf.families import FAMILIES, VISIBLE, synthetic_aperture
from psf.fit import choose, fit
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

SIZE = 51
CENTRE = (0.23, -0.41)
SPOTS = SyntheticAperture(Gaussian(0.7), 3.0, circular((13, 13), 6.5, centre=(6, 6)))
CASES: list[tuple[str, Model, dict[str, float]]] = [
    ("pillbox", Pillbox(8.0), {"radius": 8.0}),
    ("gaussian", Gaussian(2.3), {"sigma": 2.3}),
    ("airy", Airy(2.0), {"scale": 2.0}),
    ("defocused airy", DefocusedAiry.of_radius(2.0, 5.0), {"scale": 2.0, "radius": 5.0}),
    ("defocused airy", DefocusedAiry.of_radius(1.4, 14.0), {"scale": 1.4, "radius": 14.0}),
    (
        "polychromatic",
        Polychromatic.of_band(2.0, 9.0, [w / 550e-9 for w in VISIBLE]),
        {"scale": 2.0, "radius": 9.0},
    ),
    ("synthetic aperture", SPOTS, {"spacing": 3.0, "sigma": 0.7, "aperture": 6.5}),
]


def with_errors(true: NDArray[np.float64], error: float, seed: int) -> NDArray[np.float64]:
    """Errors like an estimate's: smooth over a pixel or two."""
    noise = gaussian_filter(np.random.default_rng(seed).standard_normal(true.shape), 0.8)
    return np.asarray(true + error * np.linalg.norm(true) / np.linalg.norm(noise) * noise)


@pytest.mark.parametrize(("family", "model", "expected"), CASES)
def test_a_model_returns_its_own_parameters(family: str, model: Model, expected: dict[str, float]) -> None:
    found = fit(kernel(model, SIZE, centre=CENTRE), family)
    assert found is not None
    assert found.parameters == pytest.approx(expected, rel=0.01)
    assert found.centre == pytest.approx(CENTRE, abs=0.01)
    assert found.brightness == pytest.approx(1, abs=0.01)
    assert found.relative_l2 < 0.01
    assert found.free == len(expected)


@pytest.mark.parametrize(("family", "model", "expected"), CASES)
def test_errors_of_an_estimate_move_them_little(
    family: str, model: Model, expected: dict[str, float]
) -> None:
    # estimates at 1 % of noise in the photograph are off by 2 to 10 % in L2
    data = np.maximum(with_errors(kernel(model, SIZE, centre=CENTRE), 0.1, 3), 0)
    found = fit(data, family)
    assert found is not None
    assert found.parameters == pytest.approx(expected, rel=0.05)


def test_standard_errors_are_those_of_repeated_fits() -> None:
    true = kernel(Pillbox(7.0), 41)
    fits = [fit(with_errors(true, 0.1, seed), "pillbox") for seed in range(40)]
    radii = [one.parameters["radius"] for one in fits if one is not None]
    told = np.mean([one.errors["radius"] for one in fits if one is not None])
    # the spread of 40 is known to 11 %; three times that
    assert told == pytest.approx(np.std(radii), rel=0.35)
    assert np.mean(radii) == pytest.approx(7.0, abs=4 * told / np.sqrt(40))


def test_known_parameters_stay() -> None:
    found = fit(kernel(CASES[4][1], SIZE), "defocused airy", fixed={"scale": 1.4})
    assert found is not None
    assert found.parameters["scale"] == 1.4
    assert found.errors["scale"] == 0
    assert found.parameters["radius"] == pytest.approx(14, rel=0.01)
    assert found.free == 1


def test_pixels_with_large_errors_count_little() -> None:
    data, sigma = kernel(Gaussian(2.0), 31), np.full((31, 31), 1e-4)
    data[4, 5] += 0.5
    sigma[4, 5] = 1e3
    found = fit(data, "gaussian", sigma=sigma)
    assert found is not None
    assert found.parameters["sigma"] == pytest.approx(2, rel=0.01)


def test_the_optical_kernel_is_fitted_without_pixels() -> None:
    found = fit(kernel(Airy(2.5), 41, pixel=0.0), "airy", pixel=0.0)
    assert found is not None
    assert found.parameters["scale"] == pytest.approx(2.5, rel=0.001)


def test_a_known_aperture_is_fitted_by_its_weights() -> None:
    weights = np.ones((5, 7))
    families = {"views": synthetic_aperture(weights)}
    found = fit(kernel(SyntheticAperture(Gaussian(0.6), 4.3, weights), SIZE), "views", families=families)
    assert found is not None
    assert found.parameters == pytest.approx({"spacing": 4.3, "sigma": 0.6}, rel=0.01)


def test_rows_of_spots_are_not_fitted_to_a_disk() -> None:
    assert fit(kernel(Pillbox(8.0), SIZE), "synthetic aperture") is None


@pytest.mark.parametrize(("family", "model"), [(name, model) for name, model, _ in CASES if name != "airy"])
def test_the_right_model_is_chosen(family: str, model: Model) -> None:
    cheap = {name: FAMILIES[name] for name in FAMILIES if name in (family, "pillbox", "gaussian", "airy")}
    candidates = choose(with_errors(kernel(model, 41), 0.06, 5), families=cheap)
    assert candidates[0].fit.family == family
    assert candidates[1].bic - candidates[0].bic > 10
    assert [c.bic for c in candidates] == sorted(c.bic for c in candidates)


def test_of_two_models_that_fit_the_simpler_is_chosen() -> None:
    two = {name: FAMILIES[name] for name in ("defocused airy", "airy")}
    candidates = choose(with_errors(kernel(Airy(2.0), 41), 0.06, 6), families=two)
    assert [c.fit.family for c in candidates] == ["airy", "defocused airy"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"family": "moffat"}, "no family of models 'moffat'"),
        ({"family": "airy", "fixed": {"radius": 1.0}}, "airy has no parameter radius"),
        ({"family": "airy", "sigma": np.zeros((21, 21))}, "errors of the data must be positive"),
        ({"family": "airy", "sigma": np.ones((5, 5))}, "one for each pixel"),
    ],
)
def test_what_cannot_be_fitted_is_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit(kernel(Gaussian(2.0), 21), **options)  # type: ignore[arg-type]


def test_no_family_that_applies_is_refused() -> None:
    with pytest.raises(ValueError, match="no family of models applies"):
        choose(kernel(Gaussian(2.0), 21), families={"views": FAMILIES["synthetic aperture"]})
