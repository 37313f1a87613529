import numpy as np
import pytest
import scipy.ndimage
import scipy.optimize
import scipy.signal

from lfsynth.errors import InputError
from psf.detect import detect
from psf.mannan_langer import (
    Weights,
    mannan_langer,
    objective,
    onto_simplex,
    pair_of_pictures,
    pair_of_sums,
    tail_of,
)
from psf.models import Gaussian, kernel
from psf.simulate import Exposure, Pose, expose, simulate_coverage, system_kernel
from psf.tiles import cut_tiles

SIDE = 40


def pictures(size, *, noise, seed=0):
    """A sharp picture of a few disks on plain ground, and it blurred by a random kernel."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE]
    sharp = np.full((SIDE, SIDE), 0.2)
    for middle in ((14, 15), (25, 23), (16, 25)):
        sharp += 0.3 * (np.hypot(y - middle[0], x - middle[1]) < 4.3)
    kernel = rng.random((size, size)) * (rng.random((size, size)) > 0.5)
    kernel[0] = kernel[-1] = kernel[:, 0] = kernel[:, -1] = 0
    kernel /= kernel.sum()
    blurred = scipy.signal.convolve2d(sharp - 0.2, kernel, "same") + 0.2
    seen = blurred.copy()
    half = size // 2
    seen[half:-half, half:-half] += noise * rng.standard_normal((SIDE - 2 * half,) * 2)
    return sharp, seen, kernel


def stated(sharp, blurred, weights, size):
    """Matrix, linear and constant term of the objective as it is stated, each picture worked on in its pixels."""
    edge = 8  # px, wider than the Gaussian's and the kernel's reach

    def steep(picture):
        padded = np.pad(picture, edge, mode="edge")
        smooth = scipy.ndimage.gaussian_filter(padded, 1.0, mode="nearest", truncate=4)
        down = (np.roll(smooth, -1, 0) - np.roll(smooth, 1, 0)) / 2
        across = (np.roll(smooth, -1, 1) - np.roll(smooth, 1, 1)) / 2
        return np.concatenate([down.ravel(), across.ravel()])

    level = sharp[0, 0]
    columns, slopes, bends = [], [], []
    for place in range(size**2):
        unit = np.zeros(size**2)
        unit[place] = 1
        unit = unit.reshape(size, size)
        moved = scipy.signal.convolve2d(sharp - level, unit, "same")
        columns.append(moved.ravel())
        slopes.append(steep(moved))
        framed = np.pad(unit, 1)
        bends.append(np.concatenate([np.diff(framed, axis=axis).ravel() for axis in (0, 1)]))
    a, g, d = (np.array(lines).T for lines in (columns, slopes, bends))
    b, h = (blurred - level).ravel(), steep(blurred - level)
    matrix = a.T @ a + weights.image_gradient * g.T @ g + weights.kernel_gradient * d.T @ d
    matrix += weights.kernel * np.eye(size**2)
    linear = -a.T @ b - weights.image_gradient * g.T @ h + weights.tail * tail_of(size).ravel()
    return matrix, linear


def exact(matrix, linear, size):
    """The minimum by scipy: non-negative least squares, the sum held at 1 by a row of great weight."""
    # |root k - target|^2 is the objective; tails of 1e6 make it huge, so their pixels, which they empty, are left out
    free = linear < 1e4
    root = np.linalg.cholesky((matrix + 1e-13 * np.trace(matrix) * np.eye(size**2))[np.ix_(free, free)]).T
    target = np.linalg.solve(root.T, -linear[free])
    weight = 1e4 * np.abs(root).max()
    rows = np.vstack([root, weight * np.ones(free.sum())])
    found, _ = scipy.optimize.nnls(rows, np.append(target, weight), maxiter=10000)
    kernel = np.zeros(size**2)
    kernel[free] = found
    return kernel.reshape(size, size)


@pytest.mark.parametrize("size", [7, 9])
@pytest.mark.parametrize(
    "weights",
    [
        Weights(),
        Weights(image_gradient=5.0),
        Weights(kernel_gradient=2.0),
        Weights(kernel=3.0),
        Weights(tail=0.05),
        Weights(image_gradient=2.0, kernel_gradient=1.0, kernel=0.5, tail=0.02),
    ],
    ids=["plain", "gradients", "rough", "long", "tail", "all"],
)
def test_it_is_the_exact_minimum(weights, size):
    sharp, blurred, _ = pictures(size, noise=0.02)
    matrix, linear = stated(sharp, blurred, weights, size)
    best = exact(matrix, linear, size)
    assert best.sum() == pytest.approx(1, abs=1e-6)
    pair = pair_of_pictures(sharp, blurred, size)
    found = mannan_langer(pair, size, weights, steps=1000)

    def value(kernel):
        flat = kernel.ravel()
        return 0.5 * flat @ matrix @ flat + linear @ flat

    assert found.min() >= 0
    assert found.sum() == pytest.approx(1)
    # the objective through spectra is the stated one
    for one in (found, best):
        assert objective(pair, one, weights) == pytest.approx(value(one), rel=1e-9)
    span = value(np.eye(size**2)[size**2 // 2].reshape(size, size)) - value(best)
    assert value(found) - value(best) < 1e-6 * span
    np.testing.assert_allclose(found, best, atol=1e-3 * best.max())


def test_defaults_are_near_the_minimum():
    """The kernel, too, where a weight makes it unique; without one, noise between the frequencies takes longest."""
    sharp, blurred, truth = pictures(9, noise=0.0)
    pair = pair_of_pictures(sharp, blurred, 9)
    np.testing.assert_allclose(mannan_langer(pair, 9), truth, atol=5e-3 * truth.max())


def test_disks_of_a_photograph():
    """Sums over tiles serve as a pair of pictures; the limit is twice what 12 disks give at this noise."""
    pose = Pose(shape=(420, 540), grid=(4, 3), pitch=125.0, radius=36.0, distance=4000.0)
    fine = kernel(Gaussian(8.0), 4 * 21 + 1)
    picture = expose(simulate_coverage(fine, pose), Exposure(noise=0.003), np.random.default_rng(0))
    detection = detect(picture, pose.grid, size=21)
    tiles = cut_tiles(detection, 21)
    pair = pair_of_sums(tiles.sums(detection.radius, range(12)), tiles.noise, detection.plateau)
    found = mannan_langer(pair, 21, Weights(kernel_gradient=20.0))
    truth = system_kernel(fine, 21)
    assert np.linalg.norm(found - truth) < 0.1 * np.linalg.norm(truth)
    # the disks are as dark as the plateau says: the sum comes out at 1 of itself
    free = np.fft.irfft2(pair.cross)[0, 0] / np.fft.irfft2(pair.own)[0, 0]
    assert 0.8 < free < 1.0


def test_nearest_point_of_the_simplex():
    point = np.random.default_rng(2).normal(0, 0.5, (5, 5))
    found = onto_simplex(point)
    assert found.min() >= 0
    assert found.sum() == pytest.approx(1)
    # what is taken off is the same wherever something is left, and at least as much elsewhere
    off = point - found
    level = off[found > 0].max()
    np.testing.assert_allclose(off[found > 0], level)
    assert (off[found == 0] <= level + 1e-12).all()
    np.testing.assert_allclose(onto_simplex(found), found, atol=1e-15)


def test_refuses_sharp_pictures_that_go_on_at_the_border():
    sharp, blurred, _ = pictures(7, noise=0.0)
    sharp[0, 10] = 1.0
    with pytest.raises(
        InputError, match=r"sharp.png: it is not uniform within 3 px of its border; crop it so"
    ):
        pair_of_pictures(sharp, blurred, 7, name="sharp.png")


def test_refuses_odd_arguments():
    sharp, blurred, _ = pictures(7, noise=0.0)
    with pytest.raises(ValueError, match="make no pair"):
        pair_of_pictures(sharp, blurred[1:], 7)
    pair = pair_of_pictures(sharp, blurred, 7)
    for size in (8, 1, 49):
        with pytest.raises(ValueError, match="no kernel of"):
            mannan_langer(pair, size)
    with pytest.raises(ValueError, match="must not be negative"):
        Weights(tail=-1.0)
