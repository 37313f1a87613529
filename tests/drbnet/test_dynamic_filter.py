from __future__ import annotations

import warnings

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from drbnet.dynamic_filter import (
    dynamic_filter,
    filter_padded,
    kernel_side,
    padded_image,
    plain_filter,
    plain_filter_backward,
)

SIDES = (1, 5, 7, 9, 11)
FORMATS = (torch.contiguous_format, torch.channels_last)
# Largest error in units of the largest value: sums are float32, so what is left is the stored halves' rounding.
TOLERANCE = {torch.float64: 1e-14, torch.float32: 2e-6, torch.float16: 1e-3, torch.bfloat16: 8e-3}


def unfolded(image: Tensor, kernels: Tensor) -> Tensor:
    """The definition, from torch's own unfolding."""
    side = round(kernels.shape[1] ** 0.5)
    padded = functional.pad(image, (side // 2,) * 4, mode="replicate")
    copies = functional.unfold(padded, side).view(*image.shape[:2], side**2, *image.shape[2:])
    return (copies * kernels[:, None]).sum(2)


def made(
    side: int, dtype: torch.dtype, layout: torch.memory_format, *, shape: tuple[int, ...] = (2, 3, 37, 139)
) -> tuple[Tensor, Tensor, Tensor]:
    """Image, kernels and the output's gradient; width and height are multiples of no block."""
    rng = torch.Generator().manual_seed(side)
    number, _, height, width = shape
    image, slopes = (torch.randn(shape, generator=rng, dtype=torch.float64).to(dtype) for _ in range(2))
    kernels = torch.randn((number, side**2, height, width), generator=rng, dtype=torch.float64).to(dtype)
    kernels = kernels.contiguous(memory_format=layout)
    return image.requires_grad_(), kernels.requires_grad_(), slopes


def relative_error(found: Tensor, truth: Tensor) -> float:
    found, truth = found.detach(), truth.detach()
    return float((found.double() - truth).abs().max() / truth.abs().max())


@pytest.mark.parametrize("layout", FORMATS, ids=str)
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("side", SIDES)
def test_equals_unfolding_forward_and_backward(
    side: int, dtype: torch.dtype, layout: torch.memory_format
) -> None:
    image, kernels, slopes = made(side, dtype, layout)
    truth = unfolded(image.double(), kernels.double())
    by_image, by_kernels = torch.autograd.grad(truth, (image, kernels), slopes.double())
    found = dynamic_filter(image, kernels)
    gradients = torch.autograd.grad(found, (image, kernels), slopes)
    assert found.dtype == dtype
    assert [gradient.dtype for gradient in gradients] == [dtype, dtype]
    # In half precision the reference's gradients are rounded too, and an edge's pixel sums rounded margins.
    pairs = ((found, truth), (gradients[0], by_image.double()), (gradients[1], by_kernels.double()))
    assert max(relative_error(one, other) for one, other in pairs) < 2 * TOLERANCE[dtype]


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16], ids=str)
def test_plain_form_equals_unfolding(dtype: torch.dtype) -> None:
    image, kernels, slopes = made(7, dtype, torch.channels_last)
    truth = unfolded(image.double(), kernels.double())
    found = plain_filter(padded_image(image, 3), kernels)
    assert relative_error(found, truth) < TOLERANCE[dtype]
    wide = padded_image(image.detach(), 3).requires_grad_()
    truths = torch.autograd.grad(
        plain_filter(wide.double(), kernels.double()), (wide, kernels), slopes.double()
    )
    gradients = plain_filter_backward(slopes, wide.detach(), kernels.detach(), of_image=True, of_kernels=True)
    for gradient, true in zip(gradients, truths, strict=True):
        assert gradient is not None
        assert relative_error(gradient, true.double()) < 2 * TOLERANCE[dtype]


@pytest.mark.parametrize("side", [3, 5])
def test_gradients_in_float64(side: int) -> None:
    image, kernels, _ = made(side, torch.float64, torch.channels_last, shape=(2, 2, 4, 6))
    assert torch.autograd.gradcheck(dynamic_filter, (image, kernels))
    assert torch.autograd.gradcheck(plain_filter, (padded_image(image, side // 2), kernels))


def test_gradient_of_one_of_the_two_alone() -> None:
    image, kernels, slopes = made(5, torch.float64, torch.channels_last)
    both = torch.autograd.grad(dynamic_filter(image, kernels), (image, kernels), slopes)
    (by_image,) = torch.autograd.grad(dynamic_filter(image, kernels.detach()), image, slopes)
    (by_kernels,) = torch.autograd.grad(dynamic_filter(image.detach(), kernels), kernels, slopes)
    torch.testing.assert_close((by_image, by_kernels), both, rtol=0, atol=0)


def test_does_not_depend_on_threads() -> None:
    image, kernels, slopes = made(7, torch.float32, torch.channels_last, shape=(1, 3, 200, 70))
    threads = torch.get_num_threads()
    results = []
    try:
        for count in (1, 3):
            torch.set_num_threads(count)
            found = dynamic_filter(image, kernels)
            results.append((found.detach(), torch.autograd.grad(found, kernels, slopes)[0]))
    finally:
        torch.set_num_threads(threads)
    torch.testing.assert_close(results[0], results[1], rtol=0, atol=0)


def test_mixed_precision_gives_the_wider_dtype() -> None:
    image, kernels, slopes = made(5, torch.float32, torch.channels_last)
    halves = kernels.detach().bfloat16().requires_grad_()
    found = dynamic_filter(image, halves)
    torch.testing.assert_close(found, dynamic_filter(image, halves.float()), rtol=0, atol=0)
    gradients = torch.autograd.grad(found, (image, halves), slopes)
    assert (found.dtype, gradients[0].dtype, gradients[1].dtype) == (
        torch.float32,
        torch.float32,
        torch.bfloat16,
    )


def test_channel_is_row_times_side_plus_column() -> None:
    image = torch.arange(20.0).reshape(1, 1, 4, 5)
    kernels = torch.zeros(1, 9, 4, 5)
    kernels[:, 0 * 3 + 2] = 1  # the pixel above to the right
    expected = torch.tensor([[1, 2, 3, 4, 4], [1, 2, 3, 4, 4], [6, 7, 8, 9, 9], [11, 12, 13, 14, 14.0]])
    torch.testing.assert_close(dynamic_filter(image, kernels)[0, 0], expected, rtol=0, atol=0)


def test_operator_keeps_torchs_rules() -> None:
    image, kernels, slopes = made(5, torch.float64, torch.channels_last, shape=(1, 3, 6, 9))
    padded = padded_image(image, 2).detach().requires_grad_()
    torch.library.opcheck(torch.ops.drbnet.dynamic_filter.default, (padded, kernels))
    arguments = (slopes, padded.detach(), kernels.detach(), True, True)
    torch.library.opcheck(torch.ops.drbnet.dynamic_filter_backward.default, arguments)


def test_compiles_in_one_graph() -> None:
    image, kernels, slopes = made(5, torch.float32, torch.channels_last)
    # The tracing backend: what is asked is that nothing breaks the graph; making code of it is torch's affair.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        compiled = torch.compile(dynamic_filter, fullgraph=True, backend="aot_eager")
        found = compiled(image, kernels)
        gradients = torch.autograd.grad(found, (image, kernels), slopes)
    truth = dynamic_filter(image, kernels)
    torch.testing.assert_close(found, truth, rtol=0, atol=0)
    torch.testing.assert_close(
        gradients, torch.autograd.grad(truth, (image, kernels), slopes), rtol=0, atol=0
    )


class Filter(torch.nn.Module):
    def forward(self, image: Tensor, kernels: Tensor) -> Tensor:
        return dynamic_filter(image, kernels)


def test_exports_as_plain_operations() -> None:
    image, kernels, _ = made(3, torch.float32, torch.contiguous_format, shape=(1, 3, 8, 8))
    program = torch.export.export(Filter(), (image.detach(), kernels.detach()))
    names = {str(node.target) for node in program.graph.nodes if node.op == "call_function"}
    assert not [name for name in names if "drbnet" in name]
    found = program.module()(image.detach(), kernels.detach())
    torch.testing.assert_close(found, dynamic_filter(image, kernels).detach(), rtol=1e-6, atol=1e-6)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_cuda_equals_the_cpu(dtype: torch.dtype) -> None:
    image, kernels, slopes = made(7, dtype, torch.channels_last)
    truth = dynamic_filter(image, kernels)
    truths = (truth, *torch.autograd.grad(truth, (image, kernels), slopes))
    on_card = (image.detach().cuda().requires_grad_(), kernels.detach().cuda().requires_grad_())
    found = dynamic_filter(*on_card)
    gradients = torch.autograd.grad(found, on_card, slopes.cuda())
    for one, other in zip((found, *gradients), truths, strict=True):
        assert relative_error(one.cpu(), other.double()) < 2 * TOLERANCE[dtype]


IMAGE = torch.zeros(1, 3, 4, 4)


@pytest.mark.parametrize(
    ("image", "kernels", "message"),
    [
        (IMAGE[0], torch.zeros(1, 9, 4, 4), "must be 4-D"),
        (IMAGE, torch.zeros(1, 16, 4, 4), "16 taps, which is not the square of an odd number"),
        (IMAGE, torch.zeros(1, 8, 4, 4), "8 taps"),
        (IMAGE, torch.zeros(1, 9, 4, 5), "differ in number, height or width"),
        (IMAGE, torch.zeros(2, 9, 4, 4), "differ in number, height or width"),
        (IMAGE.to(torch.uint8).float(), torch.zeros(1, 9, 4, 4).int(), "must be floating-point"),
    ],
)
def test_refuses(image: Tensor, kernels: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dynamic_filter(image, kernels)


def test_refuses_an_image_with_the_wrong_margins() -> None:
    kernels = torch.zeros(1, 9, 4, 4)
    assert kernel_side(kernels) == 3
    with pytest.raises(ValueError, match="differ in number, height or width"):
        filter_padded(IMAGE, kernels)
