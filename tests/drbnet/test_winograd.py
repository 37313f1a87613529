from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from drbnet import convolution, winograd
from drbnet.convolution import Convolution

# (N, C, C', H, W): no whole tiles, whole tiles alone, one pixel, more tiles than are done at a time.
SHAPES = [(2, 32, 64, 13, 9), (1, 64, 32, 8, 12), (1, 32, 32, 1, 1), (3, 32, 32, 21, 46)]


def made(shape: tuple[int, ...], dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Input, weights, bias and the output's gradient."""
    number, channels, outputs, height, width = shape
    rng = torch.Generator().manual_seed(sum(shape))
    sizes = (
        (number, channels, height, width),
        (outputs, channels, 3, 3),
        (outputs,),
        (number, outputs, height, width),
    )
    x, weight, bias, slopes = (torch.randn(size, generator=rng, dtype=dtype) for size in sizes)
    return x.contiguous(memory_format=torch.channels_last), weight, bias, slopes


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("shape", SHAPES)
def test_equals_torchs_convolution_in_float64(shape: tuple[int, ...], threads: int) -> None:
    x, weight, bias, slopes = made(shape)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        found = winograd.convolution(x, weight, bias)
        without = winograd.convolution(x, weight)
        by_input = winograd.input_gradient(slopes, weight)
        by_weight = winograd.weight_gradient(x, slopes)
    finally:
        torch.set_num_threads(before)
    assert found.is_contiguous(memory_format=torch.channels_last)
    # The transforms' points are no exact fractions: float64's rounding, over sums of up to 3000 products.
    exact = {"rtol": 1e-11, "atol": 1e-11}
    torch.testing.assert_close(found, functional.conv2d(x, weight, bias, padding=1), **exact)
    torch.testing.assert_close(without, functional.conv2d(x, weight, padding=1), **exact)
    torch.testing.assert_close(
        by_input, torch.nn.grad.conv2d_input(x.shape, weight, slopes, padding=1), **exact
    )
    truth = torch.nn.grad.conv2d_weight(x, weight.shape, slopes, padding=1)
    torch.testing.assert_close(by_weight, truth, **exact)


def test_error_in_float32() -> None:
    arguments = made((1, 64, 64, 28, 30))
    x, weight, bias, slopes = arguments
    single = [argument.float() for argument in arguments]
    x32, weight32, bias32, slopes32 = single
    pairs = (
        (winograd.convolution(x32, weight32, bias32), functional.conv2d(x, weight, bias, padding=1)),
        (
            winograd.input_gradient(slopes32, weight32),
            torch.nn.grad.conv2d_input(x.shape, weight, slopes, padding=1),
        ),
        (
            winograd.weight_gradient(x32, slopes32),
            torch.nn.grad.conv2d_weight(x, weight.shape, slopes, padding=1),
        ),
    )
    for found, truth in pairs:
        error = (found.double() - truth).square().mean().sqrt() / truth.square().mean().sqrt()
        assert float(error) < 2e-6  # some ten times the type's rounding, as transforms add to it


def test_does_not_depend_on_the_format_of_memory() -> None:
    x, weight, bias, slopes = made(SHAPES[0], torch.float32)
    plain = x.contiguous()
    results = [
        (winograd.convolution(one, weight, bias), winograd.weight_gradient(one, slopes)) for one in (x, plain)
    ]
    torch.testing.assert_close(results[0], results[1], rtol=0, atol=0)


@pytest.mark.parametrize(("fewest", "fast"), [(1, True), (10_000, False)])
def test_module_is_torchs_own_whatever_the_form(
    fewest: int, fast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convolution, "FEWEST_PIXELS", fewest)
    torch.manual_seed(4)
    mine, theirs = Convolution(32, 64), torch.nn.Conv2d(32, 64, 3, padding=1)
    theirs.load_state_dict(mine.state_dict())
    x, _, _, slopes = made((2, 32, 64, 9, 11), torch.float32)
    x.requires_grad_()
    found, truth = mine(x), theirs(x)
    assert ("FastConvolution" in type(found.grad_fn).__name__) == fast
    torch.testing.assert_close(found, truth, rtol=1e-5, atol=1e-5)
    gradients, truths = (
        torch.autograd.grad(y, (x, *layer.parameters()), slopes)
        for y, layer in ((found, mine), (truth, theirs))
    )
    torch.testing.assert_close(gradients, truths, rtol=1e-5, atol=1e-4)
    with torch.no_grad():
        torch.testing.assert_close(mine(x), found, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("channels", "stride", "dtype", "layout"),
    [
        ((3, 64), 1, torch.float32, torch.channels_last),
        ((32, 49), 1, torch.float32, torch.channels_last),
        ((32, 64), 2, torch.float32, torch.channels_last),
        ((32, 64), 1, torch.float64, torch.channels_last),
        ((32, 64), 1, torch.float32, torch.contiguous_format),
    ],
)
def test_module_takes_torchs_form_where_the_fast_one_is_not_for(
    channels: tuple[int, int],
    stride: int,
    dtype: torch.dtype,
    layout: torch.memory_format,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(convolution, "FEWEST_PIXELS", 1)
    layer = Convolution(*channels, stride=stride).to(dtype)
    x = torch.randn((1, channels[0], 8, 8), dtype=dtype).contiguous(memory_format=layout)
    found = layer(x)
    assert "FastConvolution" not in type(found.grad_fn).__name__
    assert found.shape == (1, channels[1], 8 // stride, 8 // stride)


def test_module_gives_only_the_gradients_that_are_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convolution, "FEWEST_PIXELS", 1)
    torch.manual_seed(5)
    layer = Convolution(32, 32)
    x, _, _, slopes = made((1, 32, 32, 5, 6), torch.float32)
    both = torch.autograd.grad(layer(x.requires_grad_()), (x, layer.weight), slopes)
    (by_weight,) = torch.autograd.grad(layer(x.detach()), layer.weight, slopes)
    layer.requires_grad_(requires_grad=False)
    (by_x,) = torch.autograd.grad(layer(x), x, slopes)
    torch.testing.assert_close((by_x, by_weight), both, rtol=0, atol=0)
