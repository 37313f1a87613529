import numpy as np
import pytest

from psf.models import Gaussian, Pillbox, kernel
from psf.normal_equations import NormalEquations, system_of
from psf.solve import Prior, roughness, solve, sparing_weights


def equations(size: int, truth: np.ndarray) -> NormalEquations:
    """Of a point in place of a disk, without noise: the photograph is the kernel."""
    side = 2 * size + 4
    gram = np.ones((side, side // 2 + 1))
    seen = np.zeros((side, side))
    first = side // 2 - size // 2
    seen[first : first + size, first : first + size] = truth
    own = np.zeros((side, side))
    own[0, 0] = 1
    return NormalEquations(size, gram, np.fft.rfft2(seen), own, truth, float((truth**2).sum()), size**2)


def square() -> np.ndarray:
    picture = np.zeros((15, 15))
    picture[4:10, 5:12] = 2.0
    return picture


def test_values_of_the_priors() -> None:
    """Of a rectangle of 6 x 7 px and height 2."""
    assert roughness(square(), Prior.SQUARES) == pytest.approx(2 * 2 * (6 + 7))
    # its lower right corner lacks two differences of which each has a neighbour of its own, the upper left has both
    assert roughness(square(), Prior.VARIATION) == pytest.approx(2 * (2 * (6 + 7) - 2 + np.sqrt(2)))
    assert roughness(square(), Prior.QUADRATIC) == pytest.approx(0.5 * 4 * 2 * (6 + 7))


@pytest.mark.parametrize("prior", list(Prior))
def test_no_weight_gives_the_kernel_that_was_seen(prior: Prior) -> None:
    truth = kernel(Pillbox(4.0), 15)
    found = solve(equations(15, truth), prior, 0.0, steps=1500)
    np.testing.assert_allclose(found.kernel, truth, atol=2e-3 * truth.max())


@pytest.mark.parametrize("prior", [Prior.VARIATION, Prior.SQUARES, Prior.CURVATURE])
def test_weights_spare_the_higher_edges(prior: Prior) -> None:
    truth = square()
    truth[6:8, 6:9] = 2.5  # an edge a quarter as high
    found = solve(equations(15, truth), prior, 0.05, steps=100)
    weights = sparing_weights(found)
    assert weights.shape == ((2 if prior is Prior.SQUARES else 1), 34, 34)
    assert weights.min() < 0.5 * weights.max()
    again = solve(equations(15, truth), prior, 0.05, steps=100, start=found, pixel_weights=weights)
    high = np.abs(truth - 2) > 1
    error, before = (np.linalg.norm((one.kernel - truth)[high]) for one in (again, found))
    assert error < before


def test_the_quadratic_prior_has_no_pixel_weights() -> None:
    given = equations(15, square())
    found = solve(given, Prior.QUADRATIC, 1.0, steps=5)
    with pytest.raises(ValueError, match="no pixel weights"):
        sparing_weights(found)
    with pytest.raises(ValueError, match="no pixel weights"):
        solve(given, Prior.QUADRATIC, 1.0, pixel_weights=np.ones((1, 34, 34), np.float32))
    with pytest.raises(ValueError, match="must not be negative"):
        solve(given, Prior.QUADRATIC, -1.0)


@pytest.mark.parametrize("aperture", [1.0, 0.5])
def test_what_a_pixel_gathers_of_cells(aperture: float) -> None:
    """A Gaussian's light in cells of half a pixel leads to that of cells and pixels under it, integrated finely."""
    sigma, size, steps = 1.2, 21, 400
    fine = kernel(Gaussian(2 * sigma), 2 * size - 1)
    axis = (np.arange(size * steps) + 0.5) / steps - size / 2
    line = np.exp(-(axis**2) / (2 * sigma**2))
    for width in (
        0.5,
        0.5,
        aperture,
    ):  # in a cell's light once, as the estimate's cells once more, and the pixel
        line = np.convolve(line, np.full(round(width * steps) + 1, 1.0), mode="same")
    line = np.interp(np.arange(size) - size // 2, axis, line)
    line /= line.sum()
    np.testing.assert_allclose(
        system_of(fine, aperture=aperture), np.outer(line, line), atol=1e-3 * line.max() ** 2
    )
    # The second moments add up, which sums of cells' parts would not.
    across = system_of(fine, aperture=aperture).sum(axis=0)
    variance = across @ (np.arange(size) - size // 2) ** 2
    assert variance == pytest.approx(sigma**2 + (0.5 + aperture**2) / 12, rel=2e-4)
