"""Mean and spread over zones."""

import numpy as np
import pytest

from psf.field import field_of
from psf.merit import measure
from psf.models import Gaussian, kernel


def test_mean_and_spread() -> None:
    kernels = [kernel(Gaussian(1.5), 13), kernel(Gaussian(2.0), 17), kernel(Gaussian(0.2), 13)]
    found = field_of(kernels, [measure(one) for one in kernels])
    stack = [np.pad(one, (17 - len(one)) // 2) for one in kernels]
    np.testing.assert_allclose(found.mean, np.mean(stack, axis=0))
    np.testing.assert_allclose(found.spread, np.std(stack, axis=0, ddof=1))
    widths = [measure(one).fwhm for one in kernels]
    assert found.figures["fwhm"].mean == pytest.approx(np.mean(widths))
    assert (found.figures["fwhm"].least, found.figures["fwhm"].most) == (min(widths), max(widths))
    # the narrowest kernel's transfer function does not fall to one half
    assert found.figures["mtf50"].most == max(measure(one).mtf50 or 0 for one in kernels[:2])


def test_a_field_has_two_zones() -> None:
    one = kernel(Gaussian(1.5), 13)
    with pytest.raises(ValueError, match="two zones or more, not 1"):
        field_of([one], [measure(one)])
