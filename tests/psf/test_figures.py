"""Figures: what is drawn where."""

import numpy as np
import pytest
from numpy.typing import NDArray

from psf.figures import CAPTION, EDGE, GAP, HEADING, TILE, Capture, Setting, focus_figure, profile_figure
from psf.models import Gaussian, Pillbox, kernel
from psf.plot import BOTTOM, COLOURS, PAPER, TOP, Curve, chart, round_ticks

DARKEST, BRIGHTEST = (68, 1, 84), (253, 231, 36)
"""Ends of the viridis colour map, to a unit of rounding."""


def near(picture: NDArray[np.uint8], colour: tuple[int, int, int]) -> NDArray[np.bool_]:
    """Where a picture has a colour but for what smoothing of a line's rim makes of it."""
    return np.asarray(np.abs(picture.astype(int) - colour).max(axis=-1) < 40)


def setting(name: str = "in focus", radius: float = 5.0) -> Setting:
    photograph = np.full((90, 120), 0.25, np.float32)
    return Setting(name, photograph, kernel(Pillbox(radius), 31))


def test_a_focus_figure_has_photographs_kernels_and_profiles() -> None:
    names = ("front focus", "in focus", "back focus")
    captures = [Capture(name, tuple(setting(n) for n in names)) for name in ("camera", "light field")]
    figure = focus_figure(captures)
    assert figure.dtype == np.uint8
    assert figure.shape[1] == 2 * EDGE + 2 * (3 * TILE + 2 * GAP) + 2 * GAP
    for block in range(2):
        for column in range(3):
            left = EDGE + block * (3 * TILE + 4 * GAP) + column * (TILE + GAP)
            photograph = figure[EDGE + HEADING + TILE // 2, left + TILE // 2]
            # 0.25 in linear light is 137 on the sRGB curve
            np.testing.assert_array_equal(photograph, [137, 137, 137])
            middle = EDGE + HEADING + TILE + CAPTION + GAP + TILE // 2
            np.testing.assert_allclose(figure[middle, left + TILE // 2], BRIGHTEST, atol=2)
            np.testing.assert_allclose(figure[middle, left + 3], DARKEST, atol=2)
            profile = figure[middle + TILE // 2 + CAPTION + GAP : -EDGE, left : left + TILE]
            assert near(profile, COLOURS[0]).sum() > 50


def test_captures_may_have_any_number_of_settings() -> None:
    figure = focus_figure([Capture("camera", (setting(),))])
    assert figure.shape[1] == 2 * EDGE + TILE


def test_colour_photographs_keep_their_colour() -> None:
    red = np.zeros((30, 30, 3), np.float32)
    red[..., 0] = 1
    figure = focus_figure([Capture("c", (Setting("s", red, kernel(Gaussian(2.0), 11)),))])
    np.testing.assert_array_equal(figure[EDGE + HEADING + TILE // 2, EDGE + TILE // 2], [255, 0, 0])


def test_a_profile_figure_shows_each_kernel_in_its_colour() -> None:
    figure = profile_figure({"a": kernel(Pillbox(5.0), 31), "b": kernel(Gaussian(2.0), 21)})
    below = figure[EDGE + CAPTION + TILE + GAP :]
    for colour in COLOURS[:2]:
        assert near(below, colour).sum() > 200
    assert near(below, COLOURS[2]).sum() == 0


def test_kernels_of_one_figure_share_their_scale() -> None:
    figure = profile_figure({"small": kernel(Pillbox(2.0), 9), "large": kernel(Pillbox(8.0), 31)})
    top = EDGE + CAPTION
    for number, radius in enumerate((2.0, 8.0)):
        left = EDGE + number * (TILE + GAP)
        bright = near(figure[top : top + TILE, left : left + TILE], BRIGHTEST).sum()
        # whole pixels of the disk, in a frame of 2 ceil(1.3 x the radius of 98 % of the light) + 1 = 23 px
        assert np.sqrt(bright / np.pi) * 23 / TILE == pytest.approx(radius, abs=0.7)


def test_profiles_of_unlike_height_are_shown_over_their_maxima() -> None:
    figure = profile_figure({"sharp": kernel(Gaussian(0.8), 31), "blurred": kernel(Pillbox(8.0), 31)})
    left, top = EDGE + 60, EDGE + CAPTION + TILE + GAP + TOP
    radial = near(figure[top : top + 60, left : left + 200], COLOURS[1])
    # the disk's profile is flat, and near the top: on one scale it would be a 60th of the height
    assert radial.sum() > 100


def test_a_curve_lies_where_its_values_are() -> None:
    flat = Curve("", np.array([0.0, 10.0]), np.array([3.0, 3.0]))
    size = (300, 200)
    picture = np.asarray(
        chart([flat], size=size, title="t", x_label="x", x_range=(0.0, 10.0), y_range=(0.0, 4.0))
    )
    rows = np.flatnonzero(near(picture[:, 150], COLOURS[0]))
    expected = TOP + (size[1] - TOP - BOTTOM) / 4
    assert rows.mean() == pytest.approx(expected, abs=1.5)
    assert tuple(picture[2, 2]) == PAPER


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.0, 10.0, [0, 2, 4, 6, 8, 10]),
        (-0.03, 0.07, [-0.02, 0, 0.02, 0.04, 0.06]),
        (0.0, 0.0027, [0, 0.001, 0.002]),
    ],
)
def test_ticks_are_round(low: float, high: float, ticks: list[float]) -> None:
    assert round_ticks(low, high) == ticks


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: focus_figure([]), "at least one capture"),
        (lambda: focus_figure([Capture("a", ())]), "at least one setting"),
        (
            lambda: focus_figure(
                [Capture("a", (Setting("s", np.zeros((3, 4, 2), np.float32), np.ones((3, 3))),))]
            ),
            "a photograph is",
        ),
        (lambda: profile_figure({}), "1 to 7 kernels"),
        (lambda: profile_figure({str(i): np.ones((3, 3)) for i in range(8)}), "1 to 7 kernels"),
        (lambda: profile_figure({"a": np.ones((4, 4))}), "odd number"),
        (
            lambda: chart([], size=(200, 200), title="", x_label="", x_range=(1.0, 1.0), y_range=(0.0, 1.0)),
            "must rise",
        ),
        (
            lambda: chart(
                [Curve("", np.zeros(2), np.zeros(2))] * 8,
                size=(200, 200),
                title="",
                x_label="",
                x_range=(0.0, 1.0),
                y_range=(0.0, 1.0),
            ),
            "at most 7 curves",
        ),
    ],
)
def test_what_makes_no_figure_is_refused(draw, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draw()


def test_long_names_stay_above_their_kernel() -> None:
    name = "a/very/long/path/of/a/folder/that/somebody/made/kernel.npy"
    figure = profile_figure({name: kernel(Pillbox(5.0), 31), "b": kernel(Gaussian(2.0), 21)})
    between = figure[EDGE : EDGE + CAPTION, EDGE + TILE + 1 : EDGE + TILE + GAP]
    assert (between == PAPER).all()
