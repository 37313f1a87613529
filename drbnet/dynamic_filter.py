"""Filtering with a kernel of its own for every pixel, without unfolding.

Tensors are NCHW; every floating dtype, device and memory format is allowed. The kernels' channel is
row * k + column of an odd, square window centred on the pixel; the same kernel filters all channels of a
pixel; beyond its edge the image goes on with the edge's value. It is a correlation (nothing is flipped) and
kernels are used as they are (no softmax, no normalisation). Sums are made in float32 at least; the result has
the wider one of the two tensors' dtypes.

`dynamic_filter` is an operator of torch's (`drbnet::dynamic_filter`): on the CPU all taps are summed in one
pass by Numba, elsewhere by `plain_filter`. An export of the network contains `unfolded_filter`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from drbnet.dynamic_filter_kernels import filter_rows, image_gradient_rows, kernels_gradient_rows

LEAST_ROWS, MOST_ROWS = (
    16,
    64,
)  # of a thread's piece of work: worth a thread; little to convert from half precision

Floats = NDArray[np.floating[Any]]
Result = TypeVar("Result")
_HALVES = (torch.float16, torch.bfloat16)


def kernel_side(kernels: Tensor) -> int:
    """Side k of the window of kernels (N, k * k, H, W); ValueError where k is not an odd number."""
    side = math.isqrt(kernels.shape[1])
    if side % 2 == 0 or side * side != kernels.shape[1]:
        raise ValueError(f"kernels have {kernels.shape[1]} taps, which is not the square of an odd number")
    return side


def padded_image(image: Tensor, margin: int) -> Tensor:
    """Image (N, C, H, W) with `margin` pixels of the edge's values all round."""
    return functional.pad(image, (margin,) * 4, mode="replicate")


def dynamic_filter(image: Tensor, kernels: Tensor) -> Tensor:
    """Image (N, C, H, W) filtered by kernels (N, k * k, H, W), one of them a pixel, to (N, C, H, W).

    Differentiable once in both; backward keeps the padded image and the kernels alone.
    """
    if image.ndim != 4 or kernels.ndim != 4:
        raise ValueError(f"image and kernels must be 4-D (NCHW), not {image.ndim}-D and {kernels.ndim}-D")
    return filter_padded(padded_image(image, kernel_side(kernels) // 2), kernels)


def filter_padded(padded: Tensor, kernels: Tensor) -> Tensor:
    """`dynamic_filter` of an image that already has its margins: (N, C, H + k - 1, W + k - 1)."""
    _check(padded, kernels)
    if torch.compiler.is_exporting() or torch.onnx.is_in_onnx_export():
        return unfolded_filter(padded, kernels)
    filtered: Tensor = _operator(padded, kernels)
    return filtered


def plain_filter(padded: Tensor, kernels: Tensor) -> Tensor:
    """`filter_padded` by a sum over the taps in plain operations of torch."""
    side = kernel_side(kernels)
    height, width = kernels.shape[2:]
    exact = _exact(padded, kernels)
    wide = padded.to(exact)
    total = torch.zeros_like(wide[:, :, :height, :width])
    for tap in range(side * side):
        row, column = divmod(tap, side)
        shifted = wide[:, :, row : row + height, column : column + width]
        total = torch.addcmul(total, shifted, kernels[:, tap : tap + 1].to(exact))
    return total.to(torch.promote_types(padded.dtype, kernels.dtype))


def unfolded_filter(padded: Tensor, kernels: Tensor) -> Tensor:
    """`filter_padded` in a handful of operations, whatever the number of taps: what a graph of the network is short by.

    It takes the memory of the unfolded image, twice: 8 C k * k bytes a pixel in float32.
    """
    side = kernel_side(kernels)
    number, channels = padded.shape[:2]
    height, width = kernels.shape[2:]
    exact = _exact(padded, kernels)
    taps = torch.eye(side * side, dtype=exact, device=padded.device).view(side * side, 1, side, side)
    # Each tap is a convolution with a single 1.
    shifted = functional.conv2d(padded.to(exact).reshape(number * channels, 1, *padded.shape[2:]), taps)
    shifted = shifted.reshape(number, channels, side * side, height, width)
    total = (shifted * kernels.to(exact)[:, None]).sum(2)
    return total.to(torch.promote_types(padded.dtype, kernels.dtype))


def plain_filter_backward(
    gradient: Tensor, padded: Tensor, kernels: Tensor, *, of_image: bool, of_kernels: bool
) -> tuple[Tensor | None, Tensor | None]:
    """Gradients of `plain_filter` by the padded image and by the kernels, those that are asked for."""
    side = kernel_side(kernels)
    height, width = kernels.shape[2:]
    exact = _exact(padded, kernels)
    wide, gradient = padded.to(exact), gradient.to(exact)
    spread = torch.zeros_like(wide) if of_image else None
    slopes = torch.empty_like(kernels) if of_kernels else None
    for tap in range(side * side):
        row, column = divmod(tap, side)
        where = (..., slice(row, row + height), slice(column, column + width))
        if spread is not None:
            spread[where].addcmul_(gradient, kernels[:, tap : tap + 1].to(exact))
        if slopes is not None:
            slopes[:, tap] = (gradient * wide[where]).sum(1)
    return (None if spread is None else spread.to(padded.dtype)), slopes


def _check(padded: Tensor, kernels: Tensor) -> None:
    if not (padded.is_floating_point() and kernels.is_floating_point()):
        raise ValueError(f"image and kernels must be floating-point, not {padded.dtype} and {kernels.dtype}")
    if padded.device != kernels.device:
        raise ValueError(f"image and kernels must be on one device, not {padded.device} and {kernels.device}")
    margins = kernel_side(kernels) - 1
    shape = (padded.shape[0], padded.shape[2] - margins, padded.shape[3] - margins)
    if shape != (kernels.shape[0], *kernels.shape[2:]):
        raise ValueError(
            f"image and kernels differ in number, height or width: {shape}, {tuple(kernels.shape)}"
        )


def _exact(padded: Tensor, kernels: Tensor) -> torch.dtype:
    return torch.promote_types(torch.promote_types(padded.dtype, kernels.dtype), torch.float32)


@torch.library.custom_op("drbnet::dynamic_filter", mutates_args=())
def _operator(padded: Tensor, kernels: Tensor) -> Tensor:
    form = _cpu_filter if padded.device.type == "cpu" else plain_filter
    return form(padded, kernels).contiguous()


@_operator.register_fake
def _(padded: Tensor, kernels: Tensor) -> Tensor:
    dtype = torch.promote_types(padded.dtype, kernels.dtype)
    return padded.new_empty((*padded.shape[:2], *kernels.shape[2:]), dtype=dtype)


@torch.library.custom_op("drbnet::dynamic_filter_backward", mutates_args=())
def _backward_operator(
    gradient: Tensor, padded: Tensor, kernels: Tensor, of_image: bool, of_kernels: bool
) -> tuple[Tensor, Tensor]:
    """Gradients; one that is not asked for is empty, for an operator's results cannot be None."""
    form = _cpu_filter_backward if padded.device.type == "cpu" else plain_filter_backward
    by_image, by_kernels = form(gradient, padded, kernels, of_image=of_image, of_kernels=of_kernels)
    return (
        padded.new_empty(0) if by_image is None else by_image.contiguous(),
        kernels.new_empty(0) if by_kernels is None else by_kernels,
    )


@_backward_operator.register_fake
def _(
    gradient: Tensor, padded: Tensor, kernels: Tensor, of_image: bool, of_kernels: bool
) -> tuple[Tensor, Tensor]:
    by_image = padded.new_empty(padded.shape if of_image else 0)
    return by_image, torch.empty_like(kernels) if of_kernels else kernels.new_empty(0)


def _keep(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
    ctx.save_for_backward(*inputs)


def _differentiate(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
    padded, kernels = ctx.saved_tensors
    of_image, of_kernels = ctx.needs_input_grad
    by_image, by_kernels = _backward_operator(gradient, padded, kernels, of_image, of_kernels)
    return by_image if of_image else None, by_kernels if of_kernels else None


_operator.register_autograd(_differentiate, setup_context=_keep)


def _cpu_filter(padded: Tensor, kernels: Tensor) -> Tensor:
    exact = _exact(padded, kernels)
    number, channels = padded.shape[:2]
    out = torch.empty((number, channels, *kernels.shape[2:]), dtype=exact)
    for n in range(number):
        work = partial(_filter, _array(padded[n], exact), kernels[n], out[n].numpy())
        _over_rows(work, kernels.shape[2])
    return out.to(torch.promote_types(padded.dtype, kernels.dtype))


def _cpu_filter_backward(
    gradient: Tensor, padded: Tensor, kernels: Tensor, *, of_image: bool, of_kernels: bool
) -> tuple[Tensor | None, Tensor | None]:
    exact, height = _exact(padded, kernels), kernels.shape[2]
    spread = torch.zeros(padded.shape, dtype=exact) if of_image else None
    by_kernels = torch.empty_like(kernels) if of_kernels else None
    for n in range(padded.shape[0]):
        slopes = _array(gradient[n], exact)
        if spread is not None:
            for first, slab in _over_rows(partial(_image_gradient, slopes, kernels[n]), height):
                spread[n, :, first : first + slab.shape[1]] += torch.from_numpy(slab)
        if by_kernels is not None:
            _over_rows(partial(_kernels_gradient, slopes, _array(padded[n], exact), by_kernels[n]), height)
    return (None if spread is None else spread.to(padded.dtype)), by_kernels


def _filter(padded: Floats, kernels: Tensor, out: Floats, rows: slice) -> None:
    filter_rows(padded, _taps(kernels[:, rows], padded.dtype), rows.start, out)


def _kernels_gradient(gradient: Floats, padded: Floats, out: Tensor, rows: slice) -> None:
    part = out[:, rows]
    if out.dtype in _HALVES:
        wide = torch.empty_like(part, dtype=torch.float32)
        kernels_gradient_rows(gradient, padded, rows.start, wide.permute(1, 2, 0).numpy())
        part.copy_(wide)
    else:
        kernels_gradient_rows(gradient, padded, rows.start, part.permute(1, 2, 0).numpy())


def _image_gradient(gradient: Floats, kernels: Tensor, rows: slice) -> tuple[int, Floats]:
    taps = _taps(kernels[:, rows], gradient.dtype)
    margins = math.isqrt(kernels.shape[0]) - 1
    channels, _, width = gradient.shape
    slab = np.zeros((channels, len(taps) + margins, width + margins), gradient.dtype)
    image_gradient_rows(gradient, taps, rows.start, slab)
    return rows.start, slab


def _array(tensor: Tensor, dtype: torch.dtype) -> Floats:
    array: Floats = tensor.detach().to(dtype).contiguous().numpy()
    return array


def _taps(kernels: Tensor, dtype: np.dtype[Any]) -> Floats:
    """Kernels (k * k, rows, W) as the array (rows, W, k * k) that Numba reads, in place where the dtype is right."""
    exact = torch.float64 if dtype == np.float64 else torch.float32
    taps: Floats = kernels.detach().to(exact).permute(1, 2, 0).numpy()
    return taps


def _over_rows(work: Callable[[slice], Result], height: int) -> list[Result]:
    """The work over all rows, by as many threads as torch uses."""
    threads = torch.get_num_threads()
    count = min(MOST_ROWS, max(LEAST_ROWS, -(-height // threads)))
    parts = [slice(first, min(first + count, height)) for first in range(0, height, count)]
    if threads == 1 or len(parts) == 1:
        return [work(part) for part in parts]
    with ThreadPoolExecutor(min(threads, len(parts))) as pool:
        return list(pool.map(work, parts))
