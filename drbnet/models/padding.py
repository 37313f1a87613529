"""Padding of pictures: to sides that a network can halve, and as TensorFlow's ``SAME`` convolutions do it.

``SAME`` makes a convolution's output 1/stride of the input, rounded up. What that needs is shared by both sides, an odd
one goes to the bottom and the right: a 3 x 3 kernel at stride 2 pads an even side by 0 and 1, where torch's padding of
1 would sample the picture one pixel further up and left. Weights of one rule are of no use to the other.

Its transposed convolution of 4 x 4 at stride 2 undoes a convolution that pads by 1 and 1: that is torch's
`nn.ConvTranspose2d` with padding 1, of the same kernel with its axes in torch's order and nothing flipped.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def padded_to_multiple(view: Tensor, multiple: int) -> Tensor:
    """The view (N, C, H, W), filled up at the bottom and the right with the edge's values."""
    down, across = (-view.shape[-2]) % multiple, (-view.shape[-1]) % multiple
    return functional.pad(view, (0, across, 0, down), mode="replicate") if down or across else view


def edged(x: Tensor, axis: int, *, before: int = 1, after: int = 1) -> Tensor:
    """The tensor (N, C, H, W) with the first and the last line along axis 2 or 3 repeated so often."""
    if torch.compiler.is_exporting() or torch.onnx.is_in_onnx_export():
        # In an export torch's padding is bound to the size that is traced.
        length = x.shape[axis]
        return x.index_select(axis, torch.arange(-before, length + after).clamp(0, length - 1))
    margins = (0, 0, before, after) if axis == 2 else (before, after, 0, 0)
    return functional.pad(x, margins, mode="replicate")


def same_padding(length: int, kernel: int, *, stride: int = 1, dilation: int = 1) -> tuple[int, int]:
    """Zeros that ``SAME`` puts before and after a side of this length; all in px."""
    outputs = -(-length // stride)
    needed = max((outputs - 1) * stride + (kernel - 1) * dilation + 1 - length, 0)
    return needed // 2, needed - needed // 2


class SameConvolution(nn.Conv2d):
    """`nn.Conv2d` with TensorFlow's ``SAME`` padding.

    Parameters
    ----------
    kernel, stride, dilation : px, in both axes
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__(channels_in, channels_out, kernel, stride, dilation=dilation, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        """X (N, C, H, W) to (N, C', H / stride, W / stride), both rounded up."""
        top, bottom = self._padding_of(x, 0)
        left, right = self._padding_of(x, 1)
        if top == bottom and left == right:
            padding = (top, left)
        else:
            x, padding = functional.pad(x, (left, right, top, bottom)), (0, 0)
        return functional.conv2d(x, self.weight, self.bias, self.stride, padding, self.dilation)

    def _padding_of(self, x: Tensor, axis: int) -> tuple[int, int]:
        return same_padding(
            x.shape[2 + axis],
            self.kernel_size[axis],
            stride=self.stride[axis],
            dilation=self.dilation[axis],
        )
