"""Kernels of real photographs, by the measurements of benchmarks/psf_real.py."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

from psf.merit import measure


@pytest.fixture(scope="module")
def real():
    """The benchmark, as a module."""
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "psf_real.py"
    before = sys.path
    spec = importlib.util.spec_from_file_location("psf_real", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["psf_real"] = module
    spec.loader.exec_module(module)
    sys.path = before
    yield module
    del sys.modules["psf_real"]


@pytest.fixture(scope="module")
def detections(real, shared_data):
    planes = real.read_frames(shared_data)
    return {key: (plane, real.find(plane)) for key, plane in planes.items()}


def test_all_wavelengths_are_detected_and_cut_disks_counted(real, detections):
    assert set(detections) == {(wave, colour) for wave, colours in real.FRAMES.items() for colour in colours}
    for _, found in detections.values():
        assert found.whole in (29, 30)
        # of a grid that goes on beyond two sides of the picture
        assert 6 <= found.cut <= 8
        # the rest are too near to the border
        assert found.usable.sum() in (20, 21)
        assert found.projection.bulge is None


def test_every_plane_has_a_kernel_with_an_error_bar(real, detections):
    for key in (("450", "b"), ("500", "g1"), ("600", "r")):
        made = real.kernel_of(detections[key][0], 17, detections[key][1])
        assert 0 < np.linalg.norm(made.sigma) < 0.1 * np.linalg.norm(made.system)
        assert made.quality.residual_over_noise < 1.3


def test_the_width_grows_away_from_the_focused_wavelength(real, detections):
    widths = [
        measure(real.kernel_of(detections[key][0], 17, detections[key][1]).system).ee80
        for key in (("500", "g1"), ("600", "r"), ("650", "r"), ("700", "r"))
    ]
    # the error bars are 1 to 2 % of the kernels
    assert widths[1] > 1.01 * widths[0]
    assert widths[2] > 1.08 * widths[1]
    assert widths[3] > 1.2 * widths[2]


def test_lateral_colour_explains_the_fringes_of_a_colour_picture(real, shared_data):
    """Three wavelengths have four shifts to explain; disks are found to 0.03 px, edges in the picture to 0.1 px."""
    fringes, colours, left = real.colour_fringes(shared_data)
    assert left < 0.1
    assert all(count >= 20 for _, _, count in fringes.values())
    assert colours == pytest.approx([590, 540, 470], abs=25)
    assert np.linalg.norm(fringes["b"][0]) > 1.5


def test_defocus_that_was_added_is_found(real, detections):
    found, error, _ = real.recovered_defocus(detections["450", "b"][0], 3.0)
    # of samples, under noise of 5 % of the contrast
    assert found == pytest.approx(3.0, abs=0.25)
    assert error < 0.25


def test_halves_of_the_disks_agree(real, shared_data):
    ratios = real.frame_agreement(shared_data, ("450", "b"))
    assert all(ratio < 1.6 for ratio, _ in ratios.values())
