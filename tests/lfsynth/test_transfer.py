"""Transfer curves against their formulas in float64."""

import numpy as np
import pytest

from lfsynth.errors import InputError
from lfsynth.transfer import LINEAR, SRGB, Transfer, encode, linearise

CURVES = [SRGB, LINEAR, Transfer(2.2), Transfer(4)]


def code_of_linear(linear, transfer):
    """The standard's other direction, written down independently of the code: IEC 61966-2-1, 5.3."""
    x = np.clip(np.asarray(linear, np.float64), 0, 1)
    if transfer.gamma is not None:
        return x ** (1 / transfer.gamma)
    return np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)


def assert_nearest(linear, codes, transfer, bits):
    """Codes are the rounded curve, where a half may round either way within 2e-7 of white.

    Straight pieces are off by 1e-7 at most, and three roundings to float32 of values up to white by 6e-8 each
    at most, which never come together at once.
    """
    white = 2**bits - 1
    exact = code_of_linear(linear, transfer) * white
    assert np.abs(codes - exact).max() <= 0.5 + 2e-7 * white
    assert np.count_nonzero(codes != np.rint(exact)) <= (2e-5 if bits == 8 else 2e-3) * codes.size


@pytest.mark.parametrize("transfer", CURVES)
@pytest.mark.parametrize("bits", [8, 16])
def test_encoding_is_the_exact_rounding(transfer, bits):
    rng = np.random.default_rng(4)
    linear = np.concatenate(
        [rng.random(300_000), rng.random(100_000) ** 4, 10 ** rng.uniform(-12, 0, 100_000)]
    )
    linear = linear.astype(np.float32)
    assert_nearest(linear, encode(linear, transfer, bits=bits), transfer, bits)


@pytest.mark.parametrize("transfer", CURVES)
@pytest.mark.parametrize("bits", [8, 16])
def test_codes_change_at_the_middle(transfer, bits):
    white = 2**bits - 1
    middle = (np.arange(white) + 0.5) / white
    # 4e-7 of white off the middle: twice what `encode` may be off, for the rounding of the input to float32
    # adds to it
    below, above = (transfer.to_linear(middle + side).astype(np.float32) for side in (-4e-7, 4e-7))
    np.testing.assert_array_equal(encode(below, transfer, bits=bits), np.arange(white))
    np.testing.assert_array_equal(encode(above, transfer, bits=bits), np.arange(white) + 1)


@pytest.mark.parametrize("transfer", CURVES)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_codes_survive_linear_light(transfer, dtype):
    codes = np.arange(np.iinfo(dtype).max + 1).astype(dtype).reshape(-1, 16)
    linear = linearise(codes, transfer)
    assert linear.dtype == np.float32
    np.testing.assert_array_equal(encode(linear, transfer, bits=8 * codes.itemsize), codes)


def test_published_values_of_srgb():
    # IEC 61966-2-1: 10/255 lies on the straight part; the others by 50 digit arithmetic
    linear = linearise(np.array([0, 10, 55, 128, 188, 255], np.uint8), SRGB)
    expected = [0, 10 / 255 / 12.92, 0.03820437, 0.21586050, 0.50288646, 1]
    np.testing.assert_allclose(linear, expected, rtol=2e-7)  # one float32 rounding and the digits given


@pytest.mark.parametrize("bits", [8, 16])
def test_clips(bits):
    linear = np.array([-np.inf, -1, -1e-30, -0.0, 0, 1e-45, 1, 1.0001, 7, np.inf], np.float32)
    white = 2**bits - 1
    np.testing.assert_array_equal(encode(linear, SRGB, bits=bits), [0] * 6 + [white] * 4)


def test_strided_and_empty_arrays():
    linear = np.random.default_rng(5).random((6, 8, 3)).astype(np.float32)
    np.testing.assert_array_equal(
        encode(linear[::2, ::-1], SRGB, bits=8), encode(linear, SRGB, bits=8)[::2, ::-1]
    )
    assert encode(linear[:0], SRGB, bits=16).shape == (0, 8, 3)


def test_float_codes_keep_what_exceeds_white_and_black():
    codes = np.array([-0.5, -0.01, 0.01, 0.5, 1.5], np.float32)
    linear = linearise(codes, SRGB)
    np.testing.assert_allclose(linear[:2], -linearise(-codes[:2], SRGB))
    assert linear[4] > 2
    np.testing.assert_array_equal(linearise(codes, LINEAR), codes)


def test_wrong_types():
    with pytest.raises(TypeError, match="linear must be float32, not float64"):
        encode(np.zeros(3), SRGB, bits=8)
    with pytest.raises(ValueError, match="bits must be 8 or 16, not 10"):
        encode(np.zeros(3, np.float32), SRGB, bits=10)
    with pytest.raises(TypeError, match="codes must be uint8, uint16 or float32, not int32"):
        linearise(np.zeros(3, np.int32), SRGB)
    with pytest.raises(ValueError, match="gamma must be 1 to 4"):
        Transfer(0.4)


@pytest.mark.parametrize("text", ["srgb", "linear", "gamma:2.2", "gamma:1.8"])
def test_names_read_back(text):
    assert str(Transfer.parse(text)) == text


def test_names_read_leniently():
    assert Transfer.parse(" sRGB") == SRGB
    assert Transfer.parse("gamma:1") == LINEAR


@pytest.mark.parametrize(
    "text", ["", "rec709", "gamma", "gamma:", "gamma:9", "gamma:nan", "srgb:2", "linear:"]
)
def test_unknown_names(text):
    with pytest.raises(
        InputError, match=r"--transfer: '.*' is no transfer curve; use srgb, linear or gamma:G"
    ):
        Transfer.parse(text)
