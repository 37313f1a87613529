from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lfsynth.aperture import Sampling
from lfsynth.errors import InputError
from lfsynth.lightfield import LightField
from lfsynth.noise import Noise
from lfsynth.readers import write_hdf5
from psf.detect import detect
from psf.estimate import Options, estimate
from psf.lattice import Origin, find_lattice
from psf.light_field import Opening, photograph, read_refocused
from psf.models import Gaussian, Pillbox, kernel
from psf.photograph import Channel
from psf.projected_target import ViewNoise, project_target
from psf.simulate import OVERSAMPLING, Exposure, Pose, expose, simulate_coverage

EXPOSURE = Exposure(paper=0.6, ink=0.06)
QUIET = ViewNoise(Noise((1e-4,), (0.0,), (0.0,)))
ROUND = (np.hypot(*(np.indices((9, 9)) - 4)) <= 3.6).astype(np.float32)
POSE = Pose(shape=(330, 420), grid=(4, 3), pitch=84.0, radius=22.0, distance=4000.0, tilt=(1.0, -1.5))


def target(disparity, **others):
    return project_target(
        POSE, disparity, np.random.default_rng(1), weights=ROUND, exposure=EXPOSURE, noise=QUIET, **others
    )


@pytest.fixture(scope="module")
def lightfield():
    return target(0.4)


def grey(shape=(3, 3, 40, 60, 1), value=0.5):
    ones = np.ones(shape[:2], np.float32)
    return LightField(np.full(shape, value, np.float32), ones, ones, Path("a.h5"))


def found_kernel(plane, size):
    return estimate(
        [detect(plane.light, size=size, clipped=plane.clipped)], size, options=Options(error_bar=False)
    )


def test_views_are_the_targets_shifted_by_their_disparity():
    """Against the simulator on a fine grid of its own; its Gaussian and edges are sampled 8 times a pixel: 0.01."""
    pose = Pose(shape=(90, 120), grid=(2, 2), pitch=44.0, radius=12.0, distance=3000.0, shift=(0.3, -0.4))
    weights = np.ones((3, 3), np.float32)
    made = project_target(
        pose, 1.3, np.random.default_rng(0), weights=weights, view_sigma=0.6, exposure=EXPOSURE
    )
    fine = 8
    blur = kernel(Gaussian(0.6 * fine), 10 * fine + 1, pixel=0)
    for u, v in ((1, 1), (0, 2), (2, 1)):
        there = replace(pose, shift=(0.3 - 1.3 * (u - 1), -0.4 - 1.3 * (v - 1)))
        seen = simulate_coverage(blur, there, oversampling=fine)
        expected = expose(seen, EXPOSURE, np.random.default_rng(0))
        np.testing.assert_allclose(made.views[u, v, :, :, 0], expected, atol=0.01)


def test_noise_of_views_is_as_asked():
    level = Noise((1e-4,), (0.0,), (0.01,))
    pose = Pose(shape=(80, 90), grid=(2, 2), pitch=40.0, radius=1.0, distance=3000.0)
    made, quiet = (
        project_target(
            pose,
            0.0,
            np.random.default_rng(2),
            weights=np.ones((4, 5), np.float32),
            exposure=EXPOSURE,
            noise=n,
        )
        for n in (ViewNoise(level, 0.5, (0.1, 0.4)), None)
    )
    field = made.views[..., 0] - quiet.views[..., 0]
    # correlations of 144,000 numbers are known to 0.01, their variance to 1 %
    expected = level.sigma(float(quiet.views.mean()))[0]
    assert field.std() == pytest.approx(expected, rel=0.03)
    for axis, correlation in enumerate((0.5, 0.5, 0.1, 0.4)):
        lag = np.mean(field * np.roll(field, 1, axis=axis)) / np.mean(field**2)
        assert lag == pytest.approx(correlation, abs=0.03)


@pytest.mark.parametrize("spacing", [3.0, -3.0])
def test_the_spots_period_is_the_disparity_less_the_slope(lightfield, spacing):
    refocused = photograph(lightfield, Opening(0.4 - spacing, 3.0))
    (plane,) = refocused.planes
    found = found_kernel(plane, 23)
    lattice = find_lattice(found.system)
    assert lattice.origin is Origin.LIGHT_FIELD
    assert lattice.period == pytest.approx(3.0, rel=0.01)
    assert refocused.weights.sum() == pytest.approx(1)
    assert refocused.simulated


def test_a_dense_aperture_makes_one_disk(lightfield):
    """That of a lens of the same radius; 0.98, since the views have a blur of their own. The plain sum has 0.95."""
    (plane,) = photograph(lightfield, Opening(0.4 - 2.0, 3.0, Sampling.DENSE)).planes
    found = found_kernel(plane, 23).system
    assert find_lattice(found).origin is Origin.CAMERA
    disk = kernel(Pillbox(6.0), 23)
    assert (found * disk).sum() / np.sqrt((found**2).sum() * (disk**2).sum()) > 0.98


def test_what_is_in_focus_is_no_light_fields_kernel(lightfield):
    (plane,) = photograph(lightfield, Opening(0.4, 3.0)).planes
    assert find_lattice(found_kernel(plane, 9).system).origin is Origin.CAMERA


def test_a_cameras_disk_of_blur_is_told_from_it():
    fine = kernel(Pillbox(9.0 * OVERSAMPLING), 23 * OVERSAMPLING + 1)
    picture = expose(simulate_coverage(fine, POSE), Exposure(noise=0.01), np.random.default_rng(3))
    found = estimate([detect(picture, size=23)], 23, options=Options(error_bar=False))
    assert find_lattice(found.system).origin is Origin.CAMERA


def test_noise_that_neighbours_share_is_not_taken_for_less():
    """Noise smoothed along rows differs little from pixel to pixel."""
    fine = kernel(Gaussian(2.0 * OVERSAMPLING), 15 * OVERSAMPLING + 1)
    picture = expose(simulate_coverage(fine, POSE), Exposure(), np.random.default_rng(3))
    noise = np.random.default_rng(4).standard_normal((330, 421), np.float32)
    picture += np.float32(0.01 / np.sqrt(2)) * (noise[:, 1:] + noise[:, :-1])
    found = detect(picture, size=15)
    # of the paper's light, which falls by 15 % towards the corners
    assert found.sigma == pytest.approx(0.01 / 0.85, rel=0.1)


def test_the_border_is_cut_off_as_far_as_the_aperture_is_not_whole(lightfield):
    (plane,) = photograph(lightfield, Opening(-2.6, 3.0)).planes
    # 2.6 px a view, three views
    assert plane.origin == (8, 8)
    assert plane.light.shape == (330 - 16, 420 - 16)


def test_channels(tmp_path):
    views = np.empty((3, 3, 40, 60, 3), np.float32)
    views[:] = 0.2, 0.5, 0.8
    ones = np.ones((3, 3), np.float32)
    write_hdf5(tmp_path / "lf.h5", LightField(views, ones, ones, Path("a")))
    planes = read_refocused(tmp_path / "lf.h5", Opening(0.0), channel=Channel.EACH).planes
    assert [plane.name for plane in planes] == ["r", "g", "b"]
    # stored in 16 bits
    assert [float(plane.light.mean()) for plane in planes] == pytest.approx([0.2, 0.5, 0.8], abs=1e-4)
    (luma,) = read_refocused(tmp_path / "lf.h5", Opening(0.0), channel=Channel.LUMA).planes
    assert luma.light.mean() == pytest.approx(0.2126 * 0.2 + 0.7152 * 0.5 + 0.0722 * 0.8, abs=1e-4)
    with pytest.raises(InputError, match="light field in colour; choose --channel r, g, b, luma or each"):
        read_refocused(tmp_path / "lf.h5", Opening(0.0))


def test_clipped_views_are_told():
    lightfield = grey()
    lightfield.views[1, 1, 10, 20:40] = 1.0
    lightfield.views[0, 1, 10 + 2, 20:40] = 1.0
    lightfield.views[:, :, 30, 30] = 0.0
    # at this slope row 12 of the view above comes to lie on row 14
    (plane,) = photograph(lightfield, Opening(-2.0, 1.4)).planes
    top, left = plane.origin
    white = np.argwhere(plane.clipped == 2) + np.array([top, left])
    assert set(white[:, 0]) == {10, 14}
    assert set(white[:, 1]) == set(range(20, 40))
    assert np.count_nonzero(plane.clipped == 1) == 9


@pytest.mark.parametrize(
    ("opening", "message"),
    [
        (Opening(0.0, 0.0), "an aperture of 0 views lets no light through; give a radius above 0"),
        (
            Opening(15.0, 1.4),
            r"a.h5: slope 15 moves the outermost views of the aperture by 15 px, of 40 x 60",
        ),
    ],
)
def test_openings_that_show_nothing(opening, message):
    with pytest.raises(InputError, match=message):
        photograph(grey(), opening)


def test_what_is_no_light_field(tmp_path):
    (tmp_path / "a.h5").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"a\.h5"):
        read_refocused(tmp_path / "a.h5", Opening(0.0))


def test_targets_that_cannot_be_projected():
    with pytest.raises(ValueError, match="without distortion"):
        project_target(
            replace(POSE, distortion=0.1), 0.0, np.random.default_rng(0), weights=np.ones((2, 2), np.float32)
        )
    with pytest.raises(ValueError, match=r"below 0\.7, not 0\.8"):
        project_target(
            POSE,
            0.0,
            np.random.default_rng(0),
            weights=np.ones((1, 2), np.float32),
            noise=ViewNoise(QUIET.level, 0.8),
        )
