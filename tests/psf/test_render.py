"""Analytic coverage against point samples, by code that shares nothing with it."""

import numpy as np
import pytest

from psf.projection import Projection
from psf.render import render_disks, render_tiles


def sampled(
    projection: Projection, radius: float, disk: tuple[int, int], box: tuple[int, ...], aperture: float
) -> np.ndarray:
    """Share of 32 x 32 points of each pixel's aperture that are inside the outline, a polygon of 4096 corners."""
    top, left, height, width = box
    angle = 2 * np.pi * np.arange(4096) / 4096
    edge = projection.points(np.array(disk) + radius * np.stack([np.cos(angle), np.sin(angle)], axis=1))
    middle = edge.mean(axis=0)
    theta = np.arctan2(*(edge - middle).T)
    reach = np.hypot(*(edge - middle).T)
    order = np.argsort(theta)
    offset = ((np.arange(32) + 0.5) / 32 - 0.5) * aperture
    y = (top + np.arange(height))[:, None] + offset
    x = (left + np.arange(width))[:, None] + offset
    dy, dx = y.reshape(-1, 1) - middle[0], x.reshape(1, -1) - middle[1]
    limit = np.interp(np.arctan2(dy, dx), theta[order], reach[order], period=2 * np.pi)
    return (np.hypot(dy, dx) < limit).reshape(height, 32, width, 32).mean(axis=(1, 3))


@pytest.mark.parametrize("distortion", [0.0, -0.08])
@pytest.mark.parametrize(("pixels", "tolerance"), [(40.0, 3e-3), (12.0, 4e-3)])
@pytest.mark.parametrize("aperture", [1.0, 0.5])
def test_coverage_is_the_area(distortion: float, pixels: float, tolerance: float, aperture: float) -> None:
    homography = np.array([[pixels, 2.0, 9.3], [-1.5, 0.9 * pixels, 8.6], [0.01, -0.02, 1.0]])
    projection = Projection(homography, (20.0, 25.0), 40.0, distortion)
    box = (0, 0, 40, 44)
    truth = sampled(projection, 0.4, (0, 0), box, aperture)
    made = render_disks(projection, 0.4, np.array([[0, 0]]), top=0, left=0, shape=(40, 44), aperture=aperture)
    # Counting points is right to 1 / 32 / sqrt(12) of a pixel at a line along the rows, the worst case.
    assert np.abs(made - truth).max() < 1 / 64 + tolerance
    assert made.sum() == pytest.approx(truth.sum(), rel=tolerance / 4)


def test_a_large_disk_has_its_area() -> None:
    projection = Projection(np.array([[500.0, 0, 200.3], [0, 500.0, 200.7], [0, 0, 1]]))
    made = render_disks(projection, 0.3, np.array([[0, 0]]), top=0, left=0, shape=(401, 401))
    assert made.sum(dtype=np.float64) == pytest.approx(np.pi * 150**2, rel=1e-7)


def test_tiles_hold_one_disk_each() -> None:
    projection = Projection(np.array([[40.0, 0, 20], [0, 40.0, 20], [0, 0, 1]]))
    disks = np.array([[0, 0], [1, 0]])
    both = render_disks(projection, 0.3, disks, top=0, left=0, shape=(40, 80))
    tiles = list(render_tiles(projection, 0.3, disks, np.array([[0, 0], [0, 40]]), (40, 40)))
    np.testing.assert_array_equal(np.hstack(tiles), both)


def test_refuses_disks_that_are_no_pairs() -> None:
    with pytest.raises(ValueError, match=r"disks must be \(K, 2\)"):
        render_disks(Projection(np.eye(3)), 0.3, np.array([1, 2]), top=0, left=0, shape=(4, 4))
