import numpy as np
import pytest

from psf.merit import centre_of_mass
from psf.models import DefocusedAiry, Gaussian, Pillbox, kernel
from psf.relative import Direction, relative_kernel

LAMBDA_N = 2.0  # px; a defocus of W waves then has a blur of radius 8 W px


def test_a_gaussian_of_the_missing_width():
    """Variances add up; frequencies at which both spectra are almost 0 are free, so no pixel is compared."""
    found = relative_kernel(kernel(Gaussian(2.0), 29), kernel(Gaussian(2.5), 29))
    assert found.kernel.shape == (59, 59)
    assert found.kernel.sum() == pytest.approx(1)
    assert found.kernel.min() >= 0
    assert found.direction is Direction.FIRST_TO_SECOND
    assert found.residual < 0.002
    place = np.arange(59) - 29
    variance = [float(found.kernel.sum(axis=axis) @ place**2) for axis in (0, 1)]
    assert variance == pytest.approx([1.5**2, 1.5**2], rel=0.01)


@pytest.mark.parametrize(
    ("less", "more", "most"),
    [
        (Pillbox(5.0), Pillbox(10.0), 0.23),
        (DefocusedAiry(LAMBDA_N, 5 / 8), DefocusedAiry(LAMBDA_N, 15 / 8), 0.17),
    ],
    ids=["pillbox", "airy"],
)
def test_the_better_direction_is_kept(less, more, most):
    """The limits are what kernels without negative parts were known to reach; no such kernel does it exactly."""
    a, b = kernel(less, 35), kernel(more, 35)
    forward, backward = relative_kernel(a, b), relative_kernel(b, a)
    assert forward.direction is Direction.FIRST_TO_SECOND
    assert backward.direction is Direction.SECOND_TO_FIRST
    assert forward.residual < most
    assert forward.residual < forward.other_residual
    assert (forward.residual, forward.other_residual) == (backward.residual, backward.other_residual)
    np.testing.assert_array_equal(forward.kernel, backward.kernel)


def test_kernels_of_two_sizes_and_places():
    found = relative_kernel(kernel(Gaussian(1.5), 13), kernel(Gaussian(2.5), 25, centre=(2.0, -1.0)))
    assert found.kernel.shape == (51, 51)
    # a shift goes into the relative kernel; the larger kernel's cut tails move it a little
    assert centre_of_mass(found.kernel) == pytest.approx((2.0, -1.0), abs=0.02)


def test_refuses_what_is_no_kernel():
    with pytest.raises(ValueError, match="kernel"):
        relative_kernel(np.ones((4, 4)), kernel(Gaussian(1.0), 5))
    with pytest.raises(ValueError, match="kernel"):
        relative_kernel(np.zeros((5, 5)), kernel(Gaussian(1.0), 5))
