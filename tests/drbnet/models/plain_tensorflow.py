"""KPAC and DPDNet from TensorFlow's definitions alone, in NumPy's float64, from arrays as they are released.

Pictures are [y, x, c]; kernels [y, x, in, out], of transposed convolutions [y, x, out, in].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Shapes = dict[str, tuple[int, ...]]


def convolution(
    x: Array, kernel: Array, bias: Array | None = None, *, stride: int = 1, dilation: int = 1
) -> Array:
    """What tf.nn.conv2d does with SAME: output i sees the input around i * stride; zeros are beyond the edges."""
    taps = kernel.shape[0]
    sizes = [-(-length // stride) for length in x.shape[:2]]
    needed = [
        max((size - 1) * stride + dilation * (taps - 1) + 1 - length, 0)
        for size, length in zip(sizes, x.shape[:2], strict=True)
    ]
    padded = np.pad(x, [(total // 2, total - total // 2) for total in needed] + [(0, 0)])
    result = np.zeros((*sizes, kernel.shape[3]))
    for row in range(taps):
        for column in range(taps):
            seen = padded[row * dilation :, column * dilation :][::stride, ::stride][: sizes[0], : sizes[1]]
            result += seen @ kernel[row, column].astype(np.float64)
    return result if bias is None else result + bias


def transposed_convolution(x: Array, kernel: Array, bias: Array) -> Array:
    """What tf.nn.conv2d_transpose does with SAME at stride 2 of 4 x 4: the adjoint of the convolution that halves."""
    height, width = x.shape[:2]
    result = np.zeros((2 * height + 2, 2 * width + 2, kernel.shape[2]))
    for row in range(4):
        for column in range(4):
            spread = x @ kernel[row, column].astype(np.float64).T
            result[row : row + 2 * height : 2, column : column + 2 * width : 2] += spread
    return result[1:-1, 1:-1] + bias


def lrelu(x: Array) -> Array:
    return np.where(x > 0, x, 0.2 * x)


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def kpac_shapes(levels: int) -> Shapes:
    """Arrays of a released KPAC in the file's order; what is before the last stroke is the layer."""
    shapes: Shapes = {}

    def add(layer: str, side: int, before: int, after: int, *, up: bool = False, bias: bool = True) -> None:
        kernel, ending = ("weights", "biases") if up else ("W_conv2d", "b_conv2d")
        scope = f"deblur_net/{layer}"
        shapes[f"{scope}/{kernel}:0"] = (side, side, after, before) if up else (side, side, before, after)
        if bias:
            shapes[f"{scope}/{ending}:0"] = (after,)

    add("deblur/c0", 5, 3, 48)
    add("deblur/c0_2", 3, 48, 48)
    for name, before, after in (("c2", 48, 48), ("c3", 48, 96), ("c4", 96, 96))[:levels]:
        add(f"deblur/{name}", 3, before, after)
        add(f"deblur/{name}_2", 3, after, after)
    for block in (0, 1):
        add(f"dc1/{block}", 5, 96, 48, bias=False)
        for number, (before, after) in enumerate(((96, 32), (32, 32), (32, 16), (16, 16)), start=1):
            add(f"sca_dc{number}/{block}", 5, before, after)
        add(f"sca_c2/{block}", 5, 16, 5)
        add(f"sha_c1/{block}", 1, 96, 12)
        add(f"sha_c2/{block}", 1, 12, 48)
        add(f"cf/{block}", 3, 240, 96)
    add("deblur/cm_1", 3, 288, 96)
    add("deblur/cm_2", 3, 96, 96)
    for name, before, after in (("d0", 96, 96), ("d1", 96, 48), ("d2", 48, 48))[3 - levels :]:
        add(f"deblur/{name}/deblur/{name}", 4, before, after, up=True)
        add(f"deblur/{name}_2", 5 if name == "d2" else 3, 2 * after, 3 if name == "d2" else after)
    return shapes


def kpac(arrays: Mapping[str, Array], image: Array, levels: int) -> Array:
    """The output, not clipped, of an image in [-1, 1] whose sides are multiples of 2 ** levels."""

    def layer(name: str, x: Array, **options: int) -> Array:
        scope = f"deblur_net/{name}"
        return convolution(x, arrays[f"{scope}/W_conv2d:0"], arrays.get(f"{scope}/b_conv2d:0"), **options)

    def up(name: str, x: Array) -> Array:
        scope = f"deblur_net/deblur/{name}/deblur/{name}"
        return lrelu(transposed_convolution(x, arrays[f"{scope}/weights:0"], arrays[f"{scope}/biases:0"]))

    x = lrelu(layer("deblur/c0_2", lrelu(layer("deblur/c0", image))))
    skips = [x]
    for name in ("c2", "c3", "c4")[:levels]:
        x = lrelu(layer(f"deblur/{name}_2", lrelu(layer(f"deblur/{name}", x, stride=2))))
        skips.append(x)
    stack = [skips.pop()]
    for block in (0, 1):
        x = stack[-1]
        branches = [lrelu(layer(f"dc1/{block}", x, dilation=rate)) for rate in (1, 2, 3, 4, 5)]
        attention = x
        for number in (1, 2, 3, 4):
            attention = lrelu(layer(f"sca_dc{number}/{block}", attention, dilation=2))
        attention = sigmoid(layer(f"sca_c2/{block}", attention))
        shape = x.mean((0, 1), keepdims=True)
        shape = sigmoid(layer(f"sha_c2/{block}", lrelu(layer(f"sha_c1/{block}", shape))))
        joined = np.concatenate(branches, 2) * np.repeat(attention, 48, 2) * np.tile(shape, (1, 1, 5))
        stack.append(lrelu(layer(f"cf/{block}", joined)))
    x = lrelu(layer("deblur/cm_2", lrelu(layer("deblur/cm_1", np.concatenate(stack, 2)))))
    for name in ("d0", "d1")[2 - (levels - 1) :]:
        x = lrelu(layer(f"deblur/{name}_2", np.concatenate((up(name, x), skips.pop()), 2)))
    return image + layer("deblur/d2_2", np.concatenate((up("d2", x), skips.pop()), 2))


def dpdnet_shapes(channels: Sequence[int] = (64, 128, 256, 512, 1024)) -> Shapes:
    """Arrays of a released DPDNet for single pictures in the file's order; Keras's layers are numbered from 1."""
    kernels: list[tuple[int, ...]] = []
    before = 3
    for after in channels:
        kernels += [(3, 3, before, after), (3, 3, after, after)]
        before = after
    for after in channels[-2::-1]:
        kernels += [(2, 2, before, after), (3, 3, 2 * after, after), (3, 3, after, after)]
        before = after
    kernels += [(3, 3, before, 3), (1, 1, 3, 3)]
    shapes: Shapes = {}
    for number, kernel in enumerate(kernels, start=1):
        shapes[f"conv2d_{number}/kernel:0"] = kernel
        shapes[f"conv2d_{number}/bias:0"] = kernel[-1:]
    return shapes


def dpdnet(arrays: Mapping[str, Array], image: Array) -> Array:
    """The output, BGR in [0, 1], of an image, BGR in [0, 1], whose sides are multiples of 16."""
    number = 0

    def layer(x: Array) -> Array:
        nonlocal number
        number += 1
        name = f"conv2d_{number}"
        return convolution(x, arrays[f"{name}/kernel:0"], arrays[f"{name}/bias:0"])

    def relu(x: Array) -> Array:
        return np.maximum(x, 0)

    x, skips = image, []
    for level in range(5):
        if level:
            height, width, depth = x.shape
            x = x.reshape(height // 2, 2, width // 2, 2, depth).max((1, 3))
        x = relu(layer(relu(layer(x))))
        skips.append(x)
    skips.pop()
    for _ in range(4):
        x = relu(layer(x.repeat(2, 0).repeat(2, 1)))
        x = relu(layer(relu(layer(np.concatenate((skips.pop(), x), 2)))))
    return sigmoid(layer(relu(layer(x))))


def seeded(shapes: Shapes, seed: int = 0) -> dict[str, Array]:
    """Arrays that keep values near 1 through any number of layers."""
    rng = np.random.default_rng(seed)
    arrays: dict[str, Array] = {}
    for name, shape in shapes.items():
        fan = (
            shape[0] * shape[1] * (shape[3] if name.endswith("/weights:0") else shape[2])
            if len(shape) == 4
            else 100
        )
        arrays[name] = (rng.standard_normal(shape) * np.sqrt(1.5 / fan)).astype(np.float32)
    return arrays
