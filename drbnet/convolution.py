"""3 x 3 convolution whose gradient by the weights is fast on CPUs without AVX-512.

On such CPUs oneDNN is fast in the channels-last format, except for that one gradient, where it reaches a fifth of
its speed. Here that gradient is nine matrix products of the shifted input with the output's gradient, some rows at
a time. Everywhere else the module is torch's own.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

PIXELS = 2048  # of a product's inner side: both factors of 64 channels then take 1 MiB
FEWEST_CHANNELS = 16  # fewer make products too thin to be worth it


class Convolution(nn.Conv2d):
    """`nn.Conv2d` of 3 x 3 with padding 1."""

    def __init__(self, channels_in: int, channels_out: int, *, stride: int = 1) -> None:
        super().__init__(channels_in, channels_out, 3, stride, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """X (N, C, H, W) to (N, C', H / stride, W / stride), both rounded up."""
        if self._by_products(x):
            y: Tensor = _ConvolutionByProducts.apply(x, self.weight, self.bias)  # type: ignore[no-untyped-call]
            return y
        return super().forward(x)

    def _by_products(self, x: Tensor) -> bool:
        return (
            x.device.type == "cpu"
            and not torch.compiler.is_compiling()
            and torch.is_grad_enabled()
            and self.weight.requires_grad
            and self.stride == (1, 1)
            and min(self.in_channels, self.out_channels) >= FEWEST_CHANNELS
            and x.dtype == self.weight.dtype == torch.float32
            and not torch.is_autocast_enabled("cpu")
            and x.is_contiguous(memory_format=torch.channels_last)
            and torch.backends.cpu.get_cpu_capability() != "AVX512"
        )


class _ConvolutionByProducts(torch.autograd.Function):
    """The convolution in channels-last format with stride 1 and padding 1."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return functional.conv2d(x, weight, bias, padding=1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        by_x, by_weight, by_bias = ctx.needs_input_grad
        gradient = gradient.contiguous(memory_format=torch.channels_last)
        x_gradient = None
        if by_x:
            ones, zeros = [1, 1], [0, 0]
            x_gradient, *_ = torch.ops.aten.convolution_backward(
                gradient, x, weight, None, ones, ones, ones, False, zeros, 1, [True, False, False]
            )
        return (
            x_gradient,
            weight_gradient(x, gradient) if by_weight else None,
            gradient.sum((0, 2, 3)) if by_bias else None,
        )


def weight_gradient(x: Tensor, gradient: Tensor) -> Tensor:
    """Gradient (C', C, 3, 3) by the weights, from the input (N, C, H, W) and the output's gradient (N, C', H, W).

    With both in rows of one padded width, a shift by a tap is an offset into the flat list of pixels, and the
    gradient of a tap a product of two matrices: (C', pixels) (pixels, C).
    """
    number, channels, height, width = x.shape
    outputs = gradient.shape[1]
    pitch = width + 2
    rows = max(1, PIXELS // pitch)
    total = x.new_zeros(3, 3, outputs, channels)
    for n in range(number):
        pixels, slopes = x[n].permute(1, 2, 0), gradient[n].permute(1, 2, 0)
        for first in range(0, height, rows):
            last = min(height, first + rows)
            above, below = max(first - 1, 0), min(last + 1, height)
            # One row more than the taps reach, for the last taps' lists end two pixels beyond theirs.
            margins = (0, 0, 1, 1, above - first + 1, last + 2 - below)
            source = functional.pad(pixels[above:below], margins)
            right = functional.pad(slopes[first:last], (0, 0, 0, 2)).view(-1, outputs).t()
            length = (last - first) * pitch
            for row in range(3):
                taps = source.as_strided(
                    (3, length, channels), (channels, channels, 1), row * pitch * channels
                )
                total[row].baddbmm_(right.expand(3, outputs, length), taps)
    return total.permute(2, 3, 0, 1)
