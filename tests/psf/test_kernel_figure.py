"""Profiles with errors, and the figure of a kernel."""

import cv2
import numpy as np
import pytest

from psf.half_samples import HalfSamples, half_samples
from psf.kernel_figure import ERRORS, figure_of, kernel_figure, profiles
from psf.merit import measure
from psf.models import Gaussian, Pillbox, kernel

DISK = kernel(Pillbox(5.0), 21)


def test_figures_from_curves_are_those_of_the_merit() -> None:
    # kernels whose differences from the whole one are known: the error is the difference itself
    halves = HalfSamples(DISK, kernel(Pillbox(5.5), 21)[None], np.array([1.0]))
    found = profiles(DISK, halves)
    a, b = measure(DISK), measure(kernel(Pillbox(5.5), 21))
    for name in ERRORS:
        expected = abs(getattr(a, name) - getattr(b, name))
        # the transfer function is read on a finer grid of frequencies than the merit's
        assert found.merit_errors[name] == pytest.approx(expected, rel=0.05 if "mtf" in name else 1e-9)
    assert found.errors["radial"].shape == found.radial.shape
    assert found.errors["mtf"][0] == pytest.approx(0, abs=1e-12)


def test_figures_that_do_not_exist_have_no_error() -> None:
    point = kernel(Gaussian(0.2), 7)
    found = profiles(point, HalfSamples(point, point[None], np.array([1.0])))
    assert measure(point).mtf50 is None
    assert found.merit_errors["mtf50"] is None
    assert found.merit_errors["fwhm"] == 0
    assert profiles(point, None).merit_errors == dict.fromkeys(ERRORS)


def test_errors_by_halves_of_groups() -> None:
    rng = np.random.default_rng(0)
    found = []
    for _ in range(200):
        values = rng.standard_normal((8, 1, 1))
        halves = half_samples([100] * 8, lambda half, values=values: values[list(half)].mean(axis=0))
        assert halves is not None
        np.testing.assert_allclose(halves.excess, 1)
        found.append(float(halves.error(lambda kernel: kernel)[0, 0]))
    # the mean of eight numbers of variance 1 has the variance 1/8; 200 draws tell it to about 4 %
    assert np.mean(np.square(found)) == pytest.approx(1 / 8, rel=0.12)
    assert half_samples([100], lambda half: DISK) is None


def test_the_figure() -> None:
    figure = kernel_figure("g", DISK, profiles(DISK, None), "FWHM 10 px")
    assert figure.dtype == np.uint8
    assert figure.shape[2] == 3
    # the kernel's brightest colour, on the kernel and on the colour bar
    brightest = cv2.applyColorMap(np.full((1, 1), 255, np.uint8), cv2.COLORMAP_VIRIDIS)[0, 0, ::-1]
    bright = (np.abs(figure.astype(int) - brightest) <= 6).all(axis=2)
    assert bright.mean() > 0.02


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (None, None, "-"),
        (3.14159, None, "3.14"),
        (3.14159, 0.0042, "3.142 ± 0.004"),
        (3.14159, 0.0142, "3.142 ± 0.014"),
        (3.14159, 0.0, "3.14 ± 0.00"),
        (31.4159, 4.2, "31 ± 4"),
    ],
)
def test_figures_with_errors(value: float | None, error: float | None, text: str) -> None:
    assert figure_of(value, error) == text
