"""Protocols: what each reads, rounds and takes means over, against plain float64 formulas and scikit-image."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, uniform_filter
from skimage.metrics import structural_similarity

from drbnet.protocols import PROTOCOLS, Window, cropped, eight_bits, gaussian, mae, paper, psnr, ssim
from drbnet.reading import Bits

Values = NDArray[np.float64]
RNG = np.random.default_rng(11)


def pictures(size: tuple[int, int] = (32, 48)) -> tuple[Values, Values]:
    sharp = gaussian_filter(RNG.random((*size, 3)), (1, 1, 0))
    return np.clip(sharp + RNG.normal(0, 0.05, sharp.shape), 0, 1), sharp


def ssim_by_filters(x: Values, y: Values, window: Window) -> float:
    """The formula of Wang et al. written out, window by window, border left out."""
    if window is Window.UNIFORM:
        border, unbiased = 3, 49 / 48

        def over(z: Values) -> Values:
            return np.asarray(uniform_filter(z, 7))
    else:
        border, unbiased = 5, 1.0

        def over(z: Values) -> Values:
            return np.asarray(gaussian_filter(z, 1.5, radius=5))

    channels = []
    for a, b in zip(np.moveaxis(x, 2, 0), np.moveaxis(y, 2, 0), strict=True):
        ma, mb = over(a), over(b)
        va, vb, vab = (
            unbiased * (over(p) - q) for p, q in ((a * a, ma * ma), (b * b, mb * mb), (a * b, ma * mb))
        )
        value = (2 * ma * mb + 1e-4) * (2 * vab + 9e-4) / ((ma**2 + mb**2 + 1e-4) * (va + vb + 9e-4))
        channels.append(value[border:-border, border:-border].mean())
    return float(np.mean(channels))


@pytest.mark.parametrize("window", list(Window))
def test_ssim_is_the_written_formula(window: Window) -> None:
    x, y = pictures()
    # Both are float64; the running sums of uniform_filter round otherwise.
    assert ssim(x, y, window) == pytest.approx(ssim_by_filters(x, y, window), abs=1e-10)
    assert ssim(x, x, window) == 1


def test_ssim_of_the_paper_is_scikit_images_default() -> None:
    x, y = pictures()
    assert ssim(x, y, paper().window) == structural_similarity(y, x, data_range=1, channel_axis=2)


def test_psnr_and_mae_are_their_formulas() -> None:
    x, y = pictures()
    assert psnr(x, y) == pytest.approx(10 * np.log10(1 / np.mean((x - y) ** 2)), abs=1e-10)
    assert mae(x, y) == pytest.approx(np.mean(np.abs(x - y)), abs=1e-14)
    assert psnr(x, x) == np.inf
    assert mae(x, x) == 0


def test_protocols_differ_from_the_papers_in_one_thing_each() -> None:
    own = {name: (one().bits, one().saved_bits, one().window) for name, one in PROTOCOLS.items()}
    assert own == {
        "paper": (Bits.TRUNCATED, None, Window.UNIFORM),
        "8bit": (Bits.TRUNCATED, 8, Window.UNIFORM),
        "16bit": (Bits.ALL, None, Window.UNIFORM),
        "gaussian": (Bits.TRUNCATED, None, Window.GAUSSIAN),
    }
    assert all(one().name == name and one.__doc__ for name, one in PROTOCOLS.items())
    assert str(gaussian()) == (
        "gaussian: 8 bits read, cropped to multiples of 16 px, output not rounded, SSIM Gaussian, sigma 1.5, 11 x 11"
    )


def test_outputs_are_rounded_where_the_protocol_saves_them() -> None:
    output = np.array([[[0, 0.4 / 255, 0.6 / 255], [1, 254.6 / 255, 254.4 / 255]]])
    assert np.array_equal(eight_bits().saved(output) * 255, [[[0, 0, 1], [255, 255, 254]]])
    assert paper().saved(output) is output


def test_pictures_are_cropped_below_and_at_the_right() -> None:
    picture = RNG.random((40, 65, 3)).astype(np.float32)
    assert np.array_equal(cropped(picture), picture[:32, :64])
    assert cropped(picture[:32, :48]).shape == (32, 48, 3)


def test_other_shapes_and_dtypes_are_refused() -> None:
    x, y = pictures()
    with pytest.raises(ValueError, match="of one shape"):
        psnr(x[:16], y)
    with pytest.raises(ValueError, match="must be float64"):
        ssim(x.astype(np.float32), y, Window.UNIFORM)
    with pytest.raises(ValueError, match=r"\(H, W, 3\)"):
        mae(x[:, :, 0], y[:, :, 0])
