import math

import numpy as np
import pytest
from numpy.typing import NDArray

from lfsynth.lytro import disk_edges
from lfsynth.lytro.disk_edges import RAYS, edges_of_tile, fit_disks

WHERE = np.stack(np.meshgrid(np.linspace(-0.5, 0.5, 7), np.linspace(-0.8, 0.8, 9)), axis=-1).reshape(-1, 2)


def half_of_product(
    centres: list[tuple[float, float]], radii: list[float], softness: float, angle: float
) -> float:
    """By bisection: where the product of logistic falls at the disks' edges is a half."""
    edges = []
    for (y, x), radius in zip(centres, radii, strict=True):
        along = y * math.sin(angle) + x * math.cos(angle)
        aside = y * math.cos(angle) - x * math.sin(angle)
        edges.append(along + math.sqrt(radius**2 - aside**2))
    low, high = 0.0, 20.0
    for _ in range(60):
        middle = (low + high) / 2
        light = math.prod(1 / (1 + math.exp((middle - edge) / softness)) for edge in edges)
        low, high = (middle, high) if light > 0.5 else (low, middle)
    return low


def parameters() -> NDArray[np.float64]:
    return np.array([0.1, -0.2, 0.3, 0.02, -0.05, 0.2, 5.9, 0.05, -0.03, 2.5, -1.5, 0.8, 0.9, 0.35])


def test_model_is_the_half_of_the_product() -> None:
    values = parameters()
    edges, _ = disk_edges._model(values, WHERE)
    for place, ray in ((0, 0), (20, 7), (40, 13), (62, 22)):
        where = WHERE[place]
        pupil = values[0:2] + values[2:6].reshape(2, 2) @ where
        field = where - values[7:9]
        centres = [tuple(pupil), tuple(pupil + 2.5 * field), tuple(pupil - 1.5 * field)]
        expected = half_of_product(centres, [5.9, 5.9 + 0.64, 5.9 + 0.81], 0.35, 2 * math.pi * ray / RAYS)
        # Newton's steps end at 1e-6 px.
        assert edges[place, ray] == pytest.approx(expected, abs=1e-6)


def test_derivatives_are_those_of_the_model() -> None:
    values = parameters()
    _, derivatives = disk_edges._model(values, WHERE)
    for i in range(values.size):
        step = np.zeros(values.size)
        step[i] = 1e-5
        rise = disk_edges._model(values + step, WHERE)[0] - disk_edges._model(values - step, WHERE)[0]
        # Newton's rest of 1e-6 px over a step of 2e-5 would show where it is not the same on both sides.
        np.testing.assert_allclose(derivatives[i], rise / 2e-5, atol=3e-4)


@pytest.mark.parametrize("ways", [(3.0, 0.0), (0.0, -3.0), (2.5, -2.0), (0.0, 0.0)])
def test_disks_are_found_whatever_rims_cut_them(ways: tuple[float, float]) -> None:
    values = parameters()
    values[9:11] = ways
    edges = disk_edges._model(values, WHERE)[0]
    edges += np.random.default_rng(2).normal(0, 0.02, edges.shape)
    edges[3, 5] = np.nan
    edges[10] += 2
    disks = fit_disks(edges, WHERE)
    # 0.02 px over 1,500 edges; a rim and the pupil are told apart less well than a disk is placed.
    np.testing.assert_allclose(disks.shift, [0.1, -0.2], atol=0.01)
    np.testing.assert_allclose(disks.slope, [[0.3, 0.02], [-0.05, 0.2]], atol=0.06)
    assert disks.residual == pytest.approx(0.02, abs=0.005)


def test_edges_of_a_drawn_disk() -> None:
    vectors = np.array([[12.4, 0.013], [0.017, 14.3]])
    point = np.array([6.2, 7.9])
    y, x = np.indices((128, 128), np.float64)
    best = np.full((128, 128), np.inf)
    for row in range(-2, 14):
        for lens in range(-3, 14):
            centre = point + row * vectors[0] + (lens + row % 2 / 2) * vectors[1]
            best = np.minimum(best, np.hypot(y - centre[0], x - centre[1]))
    tile = np.rint(64 + 600 / (1 + np.exp((best - 5.7) / 0.3))).astype(np.uint16)
    black = np.full((2, 2), 64, np.float32)
    edges = edges_of_tile(tile, black, point, vectors)
    # A hundred lenses sample a ray at quarters of a pixel.
    np.testing.assert_allclose(edges, 5.7, atol=0.12)
    assert np.mean(edges) == pytest.approx(5.7, abs=0.03)
    moved = edges_of_tile(tile, black, point - (0.4, -0.3), vectors)
    angle = 2 * np.pi / RAYS * np.arange(RAYS)
    fit = np.linalg.lstsq(np.column_stack([np.sin(angle), np.cos(angle)]), moved - moved.mean(), rcond=None)[
        0
    ]
    np.testing.assert_allclose(fit, [0.4, -0.3], atol=0.03)


def test_no_edges_where_there_are_no_disks() -> None:
    vectors = np.array([[12.4, 0.0], [0.0, 14.3]])
    tile = np.full((128, 128), 500, np.uint16)
    assert np.isnan(edges_of_tile(tile, np.full((2, 2), 64, np.float32), np.zeros(2), vectors)).all()
