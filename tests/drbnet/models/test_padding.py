from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from drbnet.models.padding import SameConvolution, padded_to_multiple, same_padding

ROUNDING = 1e-5  # of float32, in sums of some hundred terms near 1


def channels_first(picture: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)[None], dtype=np.float32))


@pytest.mark.parametrize(
    ("length", "kernel", "stride", "dilation", "expected"),
    [
        (8, 3, 2, 1, (0, 1)),  # what torch's padding of 1 does not do
        (7, 3, 2, 1, (1, 1)),
        (1, 3, 2, 1, (1, 1)),
        (8, 2, 1, 1, (0, 1)),
        (8, 3, 1, 1, (1, 1)),
        (9, 5, 1, 2, (4, 4)),
        (8, 4, 2, 1, (1, 1)),
        (8, 1, 2, 1, (0, 0)),
    ],
)
def test_same_padding(
    length: int, kernel: int, stride: int, dilation: int, expected: tuple[int, int]
) -> None:
    assert same_padding(length, kernel, stride=stride, dilation=dilation) == expected


@pytest.mark.parametrize("size", [(8, 12), (7, 10), (1, 3)])
@pytest.mark.parametrize(
    ("kernel", "stride", "dilation"), [(3, 2, 1), (2, 1, 1), (5, 1, 2), (5, 1, 1), (1, 1, 1)]
)
def test_convolution_is_tensorflows(
    plain: ModuleType, size: tuple[int, int], kernel: int, stride: int, dilation: int
) -> None:
    rng = np.random.default_rng(kernel)
    picture = rng.standard_normal((*size, 4))
    weight, bias = rng.standard_normal((kernel, kernel, 4, 6)), rng.standard_normal(6)
    layer = SameConvolution(4, 6, kernel, stride=stride, dilation=dilation)
    layer.load_state_dict(
        {"weight": torch.from_numpy(weight.transpose(3, 2, 0, 1)), "bias": torch.from_numpy(bias)}
    )
    with torch.no_grad():
        found = layer(channels_first(picture))
    truth = plain.convolution(picture, weight, bias, stride=stride, dilation=dilation)
    np.testing.assert_allclose(found[0].permute(1, 2, 0).numpy(), truth, rtol=0, atol=ROUNDING * 10)


@pytest.mark.parametrize("size", [(4, 6), (3, 5), (1, 1)])
def test_transposed_convolution_is_tensorflows(plain: ModuleType, size: tuple[int, int]) -> None:
    rng = np.random.default_rng(4)
    picture = rng.standard_normal((*size, 4))
    weight, bias = rng.standard_normal((4, 4, 6, 4)), rng.standard_normal(6)
    layer = nn.ConvTranspose2d(4, 6, 4, 2, padding=1)
    layer.load_state_dict(
        {"weight": torch.from_numpy(weight.transpose(3, 2, 0, 1)), "bias": torch.from_numpy(bias)}
    )
    with torch.no_grad():
        found = layer(channels_first(picture))
    truth = plain.transposed_convolution(picture, weight, bias)
    np.testing.assert_allclose(found[0].permute(1, 2, 0).numpy(), truth, rtol=0, atol=ROUNDING * 10)


def test_plain_transposed_convolution_is_the_adjoint_of_the_plain_convolution(plain: ModuleType) -> None:
    # This is how TensorFlow defines it: conv2d_transpose is the gradient of conv2d, with the same kernel.
    rng = np.random.default_rng(5)
    fine, coarse = rng.standard_normal((6, 10, 6)), rng.standard_normal((3, 5, 4))
    kernel = rng.standard_normal((4, 4, 6, 4))
    forward = (plain.convolution(fine, kernel, stride=2) * coarse).sum()
    backward = (fine * plain.transposed_convolution(coarse, kernel, np.zeros(6))).sum()
    np.testing.assert_allclose(forward, backward, rtol=1e-12)


def test_sides_are_filled_up_with_the_edge() -> None:
    picture = torch.arange(6.0).reshape(1, 1, 2, 3)
    expected = torch.tensor([[0.0, 1, 2, 2], [3, 4, 5, 5], [3, 4, 5, 5], [3, 4, 5, 5]])
    torch.testing.assert_close(padded_to_multiple(picture, 4)[0, 0], expected, rtol=0, atol=0)
    assert padded_to_multiple(picture[..., :2], 2).shape == (1, 1, 2, 2)
