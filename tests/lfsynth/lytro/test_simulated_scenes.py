"""Scenes of the simulated camera."""

import numpy as np
import pytest
from scipy import ndimage

from lfsynth.lytro.simulated_scenes import (
    BRIGHTEST,
    CHART,
    DOT_DISPARITY,
    DOT_SPACING,
    SCENES,
    LayeredScene,
    chart_patches,
    linear_chart,
)
from lfsynth.lytro.simulation_kernels import NODES
from lfsynth.scene import SimulatedScene, simulate

SIZE = (60, 90)


def view(
    scene: LayeredScene, u: float, v: float, *, step: float = 0.0, size: tuple[int, int] = SIZE
) -> np.ndarray:
    where = np.moveaxis(np.indices(size), 0, -1).reshape(-1, 2).astype(np.float32)
    angle = np.empty_like(where)
    angle[:] = u, v
    weights = np.full((len(where), NODES), 1 / NODES, np.float32)
    return scene.seen(where, angle, weights, step).reshape(*size, 3)


def as_layers(made: SimulatedScene) -> LayeredScene:
    planes = np.ascontiguousarray(np.stack([np.moveaxis(plane, 0, -1) for plane in made.planes]))
    return LayeredScene(planes, np.zeros(planes.shape[:3], bool), made.tilts, made.margin)


@pytest.mark.parametrize("at", [(0.0, 0.0), (-2.0, 1.5), (0.3, -3.7)])
def test_layers_are_those_of_the_simulated_light_field(at: tuple[float, float]) -> None:
    """The renderer of `lfsynth.scene` composites back to front, whole rows; this one front to back, ray by ray."""
    made = simulate(np.random.default_rng(3), grid=(7, 9), size=SIZE)
    # Positions in float32 and light that is not followed to the end differ by less than a code value of 12 bits.
    np.testing.assert_allclose(view(as_layers(made), *at), made.view(*at), atol=2e-4)


def test_what_is_taken_for_empty_shows_nowhere() -> None:
    scene = SCENES["layers"](np.random.default_rng(3), SIZE)
    assert isinstance(scene, LayeredScene)
    assert 0.1 < scene.empty.mean() < 0.9
    full = LayeredScene(scene.planes, np.zeros_like(scene.empty), scene.tilts, scene.margin)
    np.testing.assert_allclose(view(scene, 3.3, -2.1), view(full, 3.3, -2.1), atol=2e-5)


def test_a_pixel_takes_the_mean_over_its_area() -> None:
    made = simulate(np.random.default_rng(3), grid=(7, 9), size=SIZE)
    scene = as_layers(made)
    half = 0.525  # half a pixel of the Illum in view steps
    at = (np.arange(8) + 0.5) / 4 * half - half
    mean = np.mean([view(scene, 1 + du, 2 + dv) for du in at for dv in at], axis=0)
    four = view(scene, 1, 2, step=half / np.sqrt(3))
    assert np.abs(four - mean).mean() < 1e-3
    assert np.abs(view(scene, 1, 2) - mean).mean() > 4 * np.abs(four - mean).mean()


@pytest.mark.parametrize("name", SCENES)
def test_scenes_keep_below_white(name: str) -> None:
    picture = view(SCENES[name](np.random.default_rng(8), SIZE), 1.5, -6)
    # Splines go beyond what they interpolate by a little.
    assert -0.02 < picture.min() < 0.3
    assert 0.4 < picture.max() < BRIGHTEST + 0.03


@pytest.mark.parametrize("name", SCENES)
def test_the_same_seed_gives_the_same_scene(name: str) -> None:
    one, again = (view(SCENES[name](np.random.default_rng(8), SIZE), 2, 3) for _ in range(2))
    np.testing.assert_array_equal(one, again)


def test_patches_of_the_chart_have_its_colours() -> None:
    size = (120, 180)
    picture = view(SCENES["chart"](np.random.default_rng(0), size), 0, 0, size=size)
    assert len(CHART) == len(chart_patches(size)) == 24
    for (rows, columns), colour in zip(chart_patches(size), linear_chart(), strict=True):
        patch = picture[rows, columns][4:-4, 4:-4]
        assert patch.shape[0] >= 10
        # Within four px the ringing of a spline behind an edge has fallen below a thousandth.
        np.testing.assert_allclose(patch, np.broadcast_to(colour, patch.shape), atol=1e-3)


def test_dots_lie_where_they_are_said_to() -> None:
    scene = SCENES["dots"](np.random.default_rng(0), SIZE)
    shown = view(scene, 2, -1)[..., 0]
    half = DOT_SPACING // 2
    for row, column in ((2, 3), (3, 4)):
        top, left = row * DOT_SPACING, column * DOT_SPACING
        part = shown[top : top + DOT_SPACING + 1, left : left + DOT_SPACING + 1] - shown.min()
        found = np.array(ndimage.center_of_mass(part.astype(np.float64)))
        np.testing.assert_allclose(found, (half - 2 * DOT_DISPARITY, half + DOT_DISPARITY), atol=0.03)
