"""Projected disks against closed forms."""

import numpy as np
import pytest

from psf.detect import detect
from psf.projection import Projection, bulge_terms
from psf.render import render_disks

TILTED = np.array([[40.0, 3.0, 30.0], [-2.0, 38.0, 20.0], [0.004, -0.003, 1.0]])
PLACES = np.array([[0.0, 0.0], [2.0, 1.0], [4.0, 3.0]])


def ellipse(homography: np.ndarray, place: np.ndarray, radius: float) -> tuple[np.ndarray, float]:
    """Centre (y, x) and area of the conic that a circle projects to."""
    c, r = place
    circle = np.array([[1, 0, -c], [0, 1, -r], [-c, -r, c * c + r * r - radius * radius]])
    back = np.linalg.inv(homography)
    conic = back.T @ circle @ back
    x, y = np.linalg.solve(conic[:2, :2], -conic[:2, 2])
    area = np.pi * abs(np.linalg.det(conic)) / np.linalg.det(conic[:2, :2]) ** 1.5
    return np.array([y, x]), area


def test_centroids_and_areas_are_those_of_the_projected_ellipses() -> None:
    projection = Projection(TILTED)
    centroids, areas = projection.centroids(PLACES, 0.3), projection.areas(PLACES, 0.3)
    middles = projection.points(PLACES)
    for place, centroid, middle, area in zip(PLACES, centroids, middles, areas, strict=True):
        centre, true_area = ellipse(TILTED, place, 0.3)
        # A polygon of 128 corners stands for the ellipse: 1e-3 of what perspective moves it by.
        np.testing.assert_allclose(centroid, centre, atol=2e-3 * np.abs(centre - middle).max())
        assert area == pytest.approx(true_area, rel=1e-5)


def test_distortion_moves_points_radially() -> None:
    straight = Projection(TILTED, (50.0, 60.0), 80.0)
    bent = Projection(TILTED, (50.0, 60.0), 80.0, -0.1)
    arm = straight.points(PLACES) - (50.0, 60.0)
    factor = 1 - 0.1 * (arm**2).sum(axis=1, keepdims=True) / 80.0**2
    np.testing.assert_allclose(bent.points(PLACES), np.array([50.0, 60.0]) + arm * factor, rtol=1e-12)


def test_local_scale_is_the_root_of_the_area() -> None:
    scale = Projection(np.array([[30.0, 0, 0], [0, 20.0, 0], [0, 0, 1]])).pixels_per_pitch(PLACES)
    np.testing.assert_allclose(scale, np.sqrt(600.0), rtol=1e-9)


def bulging() -> Projection:
    homography = np.array([[60.0, 1.0, 60.0], [-1.0, 60.0, 60.0], [0.0, 0.0, 1.0]])
    bulge = np.zeros((10, 2))
    bulge[3], bulge[6], bulge[9] = (0.3, -0.2), (0.1, 0.2), (-0.2, 0.0)
    return Projection(homography, extent=(7, 5), bulge=bulge)


def test_bulge_adds_its_polynomial() -> None:
    projection = bulging()
    assert projection.bulge is not None
    corner = np.array([[0.0, 0.0], [6.0, 4.0]])
    np.testing.assert_allclose(
        bulge_terms(corner, (7, 5))[:, [1, 2, 3, 6, 9]], [[-1, -1, 1, -1, -1], [1, 1, 1, 1, 1]]
    )
    shift = projection.points(corner) - projection.flat_points(corner)
    np.testing.assert_allclose(shift, [[0.4, -0.4], [0.2, 0.0]], atol=1e-12)


def test_bulge_is_found_in_a_picture_drawn_with_it() -> None:
    truth = bulging()
    disks = np.stack(np.meshgrid(np.arange(7), np.arange(5)), axis=-1).reshape(-1, 2)
    cover = render_disks(truth, 0.3, disks, top=0, left=0, shape=(360, 480))
    noise = 0.005 * np.random.default_rng(0).standard_normal(cover.shape)
    found = detect((0.9 - 0.8 * cover + noise).astype(np.float32), (7, 5), size=15)
    assert found.projection.bulge is not None
    # A disk drawn with the bulge of its middle is as far from where the whole of it would be as the bulge is curved.
    np.testing.assert_allclose(
        found.projection.points(disks.astype(float)), truth.points(disks.astype(float)), atol=0.02
    )
    flat = render_disks(Projection(truth.homography), 0.3, disks, top=0, left=0, shape=(360, 480))
    assert detect((0.9 - 0.8 * flat + noise).astype(np.float32), (7, 5), size=15).projection.bulge is None
