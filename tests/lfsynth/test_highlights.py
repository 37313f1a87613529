"""Lights above white: what counts as one, and the disks that they become, against pictures that were never clipped."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from lfsynth.aperture import PARTS, circular
from lfsynth.frame import Frame
from lfsynth.highlights import excess, excess_of
from lfsynth.lens import Lens, Openings, photographs, truth_of
from lfsynth.lightfield import LightField
from lfsynth.scene import SimulatedScene, simulate

EXPOSURE = 8.0
"""Of a scene in [0, 1]: its lights are about 3 stops above white, its darkest parts 0.32."""
STOPS = float(np.log2(0.96 * EXPOSURE))
"""Of the scene's lights, 0.96 before that."""


def view(*lights: tuple[float, float, float], ground: float = 0.05, side: int = 200) -> NDArray[np.float32]:
    """A grey view of disks at (y, x) of a radius, 16 times as bright as white and blurred by half a pixel, clipped."""
    fine = 5
    at = (np.arange(side * fine) + 0.5) / fine - 0.5
    light = np.zeros((side * fine, side * fine), np.float32)
    for y, x, radius in lights:
        light[np.hypot(at[:, None] - y, at - x) < radius] = 16 - ground
    light = ndimage.gaussian_filter(light, 0.5 * fine)
    light = light.reshape(side, fine, side, fine).mean(axis=(1, 3)) + ground
    return np.minimum(light, 1)[..., None].astype(np.float32)


def test_only_what_is_clipped_is_raised_and_to_the_stops_at_most() -> None:
    picture = view((60, 70, 4))
    above = excess_of(picture, 4.0)
    assert above.shape == picture.shape
    assert above.dtype == np.float32
    np.testing.assert_array_equal(above > 0, picture >= 0.98)
    assert above[60, 70] == pytest.approx(15, rel=1e-5)
    assert above.max() < 15.001
    # It rises from the rim on, by a quarter of 4 stops at least.
    assert above[above > 0].min() >= 2 * 0.98 - 1
    assert (np.diff(above[60, 66:71, 0]) >= 0).all()


@pytest.mark.parametrize("radius", [1.0, 2.0, 4.0])
def test_a_light_is_as_bright_wherever_its_pixels_are(radius: float) -> None:
    rng = np.random.default_rng(0)
    totals = []
    for y, x in rng.uniform(29.5, 30.5, (8, 2)):
        picture = view((y, x, radius), side=80)
        # in a larger view, so that it is small
        whole = np.full((240, 240, 1), 0.05, np.float32)
        whole[:80, :80] = picture
        totals.append(float((whole + excess_of(whole, 4.0) - 0.05).sum()))
    true = np.pi * radius**2 * 15.95
    # Without it, views hold a quarter of the light at a radius of 1, and less of larger lights.
    assert np.mean(totals) == pytest.approx(true, rel=0.2)
    assert np.std(totals) < {1.0: 0.15, 2.0: 0.04, 4.0: 0.02}[radius] * true


def test_a_light_whose_colour_is_captured_stays_as_it_is() -> None:
    red = np.repeat(view((60, 70, 5)), 3, axis=2)
    red[..., 1:] *= 0.9
    assert not excess_of(red, 4.0).any()


def test_large_areas_stay_as_they_are() -> None:
    sky = np.full((200, 200, 1), 0.05, np.float32)
    sky[:60] = 1
    assert not excess_of(sky, 4.0).any()
    # full effect up to 1/400 of the area, half of the stops at 1/200, none from 1/100 on
    for side, stops in ((10, 4.0), (14, 2.06), (20, 0.0)):
        light = np.full((200, 200, 1), 0.05, np.float32)
        light[50 : 50 + side, 50 : 50 + side] = 1
        assert np.log2(1 + excess_of(light, 4.0).max()) == pytest.approx(stops, abs=0.01)


def test_what_fades_into_white_stays_as_it_is() -> None:
    at = np.arange(200) - 100
    gloss = np.minimum(1.1 * np.exp(-0.5 * (at[:, None] ** 2 + at**2) / 20**2), 1)[..., None]
    assert (gloss >= 0.98).any()
    assert not excess_of(gloss.astype(np.float32), 4.0).any()
    # A lamp before a bright wall is one by half: 0.625 stops of the 0.25 to 1.
    wall = np.full((200, 200, 1), 2**-0.625, np.float32)
    wall[50:58, 50:58] = 1
    assert np.log2(1 + excess_of(wall, 4.0).max()) == pytest.approx(2.0, abs=0.01)


@pytest.mark.parametrize("value", [0.5, 1.0])
def test_views_without_contrast_have_no_lights(value: float) -> None:
    assert not excess_of(np.full((20, 30, 3), value, np.float32), 4.0).any()


def test_views_that_are_dead_have_no_lights(small: LightField) -> None:
    views = np.minimum(small.views * 0.5, 0.5)
    views[0, 0, 20:22, 20:22] = 1
    assert excess(replace(small, views=views), 3.0) is not None
    weights = small.weights.copy()
    weights[0, 0] = 0
    assert excess(replace(small, views=views, weights=weights), 3.0) is None


@pytest.fixture(scope="module")
def night() -> SimulatedScene:
    """Lights of 3 px radius on a dark plane."""
    rng = np.random.default_rng(0)
    texture = np.zeros((400, 500, 3), np.float32)
    y, x = np.mgrid[:400, :500]
    for row in range(20, 400, 40):
        for column in range(20, 500, 40):
            texture[np.hypot(y - row, x - column) < 3] = 1
    return simulate(rng, grid=(9, 9), size=(160, 200), disparities=[1.5], textures=[texture])


def captured(night: SimulatedScene) -> LightField:
    views = np.minimum(night.lightfield.views * np.float32(EXPOSURE), 1)
    return replace(night.lightfield, views=views)


def taken(lf: LightField, slope: float, lens: Lens) -> NDArray[np.float32]:
    pupil = circular(lf.grid, 4.0, centre=lf.centre, parts=PARTS)[None]
    frame = Frame.native(lf.size, margin=(20, 20))
    return photographs(lf, np.array([slope]), Openings(pupil, 4.0), lens, disparity=None, frame=frame)[0, 0]


def test_lights_out_of_focus_become_the_disks_of_a_lens(night: SimulatedScene) -> None:
    lf = captured(night)
    lens = np.minimum(night.thin_lens(0.0, 4.0)[20:-20, 20:-20] * EXPOSURE, 1)
    disks = lens > 0.32 * 1.15

    def light(picture: NDArray[np.float32]) -> float:
        """In the disks, of the true light."""
        return float((picture[disks] - 0.32).sum() / (lens[disks] - 0.32).sum())

    without, with_ = taken(lf, 0.0, Lens()), taken(lf, 0.0, Lens(highlights=STOPS))
    # Lights stand 3 px wide on a ground of a third of white.
    assert light(without) < 0.25
    assert light(with_) == pytest.approx(1, abs=0.1)
    assert with_.max() <= 1
    error, error_without = (np.abs(p - lens)[disks].mean() for p in (with_, without))
    assert error < 0.15 * error_without
    # The number is the user's: two stops less are a quarter of the light; disks that are clipped lose less.
    less = taken(lf, 0.0, Lens(highlights=STOPS - 2))
    assert 0.25 < light(less) / light(with_) < 0.55
    # What has no light in its disk stays.
    dark = ndimage.binary_erosion(lens[..., 0] < 0.33, iterations=4)
    np.testing.assert_allclose(with_[dark], without[dark], atol=1e-3)


def test_in_focus_lights_are_white_and_nothing_rings(night: SimulatedScene) -> None:
    lf = captured(night)
    without, with_ = taken(lf, 1.5, Lens()), taken(lf, 1.5, Lens(highlights=STOPS))
    assert (with_ >= np.clip(without, 0, 1) - 1e-5).all()
    # A rim that lies between pixels becomes wider by less than one.
    grown = ndimage.binary_dilation(without[..., 0] > 0.5)
    np.testing.assert_allclose(with_[~grown], without[~grown], atol=0.2)


def test_the_truth_is_what_was_captured(night: SimulatedScene) -> None:
    lf = captured(night)
    lens = Lens(highlights=STOPS)
    native = Frame.native(lf.size)
    np.testing.assert_array_equal(truth_of(lf.centre_view, lf, lens, native), lf.centre_view)
    over = lf.centre_view + np.float32(0.1)
    assert truth_of(over, lf, lens, native).max() == 1
    np.testing.assert_array_equal(truth_of(over, lf, Lens(), native), over)
