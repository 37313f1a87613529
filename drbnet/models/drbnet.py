"""DRBNet: defocus deblurring by dynamic residual blocks at four scales.

Tensors are NCHW in [-1, 1], sRGB-encoded as stored. Names and shapes of the state dict are those of the
authors' released weights, which load as they are.

References
----------
.. [1] L. Ruan, B. Chen, J. Li, M. Lam, "Learning to Deblur using Light Field Generated and Real Defocus
   Images", CVPR 2022. DOI 10.1109/CVPR52688.2022.01582
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import reduce
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from drbnet.convolution import Convolution
from drbnet.dynamic_filter import dynamic_filter, filter_padded, kernel_side, padded_image
from drbnet.models.blocks import SLOPE, conv, up
from drbnet.models.padding import padded_to_multiple

WITHOUT_IMAGE = "without_image"  # in the state dict of that ablation alone
MULTIPLE = 8  # the encoder halves height and width three times
STRIP = 1 << 18  # pixels of a strip: 64 channels of them take 64 MiB in float32
_HEAD_REACH = 2  # rows: 3 x 3 convolutions of a head
_BLOCK_REACH = _HEAD_REACH + 3  # and of the image's feature before it


class Scales(Enum):
    """Where the dynamic residual block is used (Table 6 of [1]_)."""

    FOUR = "four"  # at 1/8, 1/4, 1/2 and 1, each scale's output up-sampled being the next one's image
    ONE = "one"  # at full resolution alone, on the input
    NONE = "none"  # nowhere: the decoder's last feature gives a residual to the input


@dataclass(frozen=True)
class Terms:
    """Which terms of equation 5 of [1]_ make a scale's output: y = x + dx + dr."""

    image: bool = True  # x
    filtered: bool = True  # dx, x filtered by the kernels
    residual: bool = True  # dr

    def __post_init__(self) -> None:
        if not (self.filtered or self.residual):
            raise ValueError("a scale's output needs the filtered term, the residual or both")


@dataclass(frozen=True)
class Step:
    """What one scale does: all (N, C, H, W) of that scale; a term that is switched off is None."""

    image: Tensor  # (N, 3, H, W)
    kernels: Tensor | None  # (N, k * k, H, W)
    filtered: Tensor | None  # (N, 3, H, W)
    residual: Tensor | None  # (N, 3, H, W)
    output: Tensor  # (N, 3, H, W), not clipped


def _convs(*channels: int) -> list[nn.Sequential]:
    return [conv(before, after) for before, after in pairwise(channels)]


class _Residual(nn.Module):
    """x + conv(lrelu(conv(x))), with no activation after the sum."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        first, activation = conv(channels, channels)
        self.stem = nn.Sequential(nn.Sequential(first, activation, Convolution(channels, channels)))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.stem(x)
        return out.add_(x)  # in place: no gradient needs the stem's output


# Per scale from 1/8 to 1: the number in the heads' names, the down-sampling in the image feature's name, the
# decoder's channels, the image feature's channels, those of the kernel head and of the residual head.
_LEVELS = (
    (3, 8, 256, (3, 64, 128, 256), (256, 128), (256, 64)),
    (2, 4, 128, (3, 64, 128, 128), (128, 128), (128, 64)),
    (1, 2, 64, (3, 64, 64, 64), (64, 64), (64, 64)),
    (0, 1, 32, (3, 64, 64, 32), (64, 64), (64, 64)),
)


class DRBNet(nn.Module):
    """The network of [1]_, from one view or from a dual-pixel sensor's two views; see `forward`.

    Parameters
    ----------
    dual : the encoder reads the right and the left view; what is deblurred is the combined view.
    kernel_size : odd side of the kernels in px (Table 7: 5, 7, 9, 11).
    terms, scales : the ablations of Table 6. Where a term is off, its head is not there.
    """

    def __init__(
        self,
        *,
        dual: bool = False,
        kernel_size: int = 7,
        terms: Terms = Terms(),
        scales: Scales = Scales.FOUR,
    ) -> None:
        super().__init__()
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd and positive, not {kernel_size}")
        self.dual, self.terms, self.scale_use = dual, terms, scales
        before = 6 if dual else 3
        for level, channels in enumerate((32, 64, 128, 256), start=1):
            self.add_module(f"conv{level}_1", conv(before, channels, stride=1 if level == 1 else 2))
            self.add_module(f"conv{level}_2", conv(channels, channels))
            self.add_module(f"conv{level}_3", conv(channels, channels))
            before = channels
        self.conv4_4 = nn.Sequential(
            conv(before, before), _Residual(before), _Residual(before), conv(before, before)
        )
        for head, down, channels, image_channels, kernel_channels, residual_channels in _LEVELS:
            if head < 3:
                self.add_module(f"upconv{head + 1}_u", up(before, channels))
                self.add_module(f"upconv{head + 1}_1", _Residual(channels))
                self.add_module(f"upconv{head + 1}_2", _Residual(channels))
            before = channels
            if scales is Scales.NONE or (scales is Scales.ONE and head > 0):
                continue
            self.add_module(f"img_d{down}_feature", nn.Sequential(*_convs(*image_channels)))
            both = channels + image_channels[-1]
            if terms.filtered:
                last = nn.Conv2d(kernel_channels[-1], kernel_size**2, 1)
                self.add_module(f"upconv{head}_kernel", nn.Sequential(*_convs(both, *kernel_channels), last))
            if terms.residual:
                end = nn.Sequential(nn.Conv2d(residual_channels[-1], 3, 1), nn.LeakyReLU(SLOPE, inplace=True))
                self.add_module(f"upconv{head}_res", nn.Sequential(*_convs(both, *residual_channels), end))
        if scales is Scales.NONE:
            self.output = Convolution(before, 3)
        if not terms.image:
            # That no output begins with the input changes no weight: this alone tells it to whoever loads them.
            self.register_buffer(WITHOUT_IMAGE, torch.ones(()))

    def forward(self, image: Tensor, right: Tensor | None = None, left: Tensor | None = None) -> Tensor:
        """Deblurred image (N, 3, H, W), clipped to [-1, 1]; any height and width.

        image: (N, 3, H, W), of a dual-pixel sensor the combined view; right, left: its two views.
        """
        height, width = image.shape[-2:]
        views = [padded_to_multiple(view, MULTIPLE) for view in (image, right, left) if view is not None]
        return self.scales(*views)[-1][..., :height, :width].clamp(-1, 1)

    def scales(self, image: Tensor, right: Tensor | None = None, left: Tensor | None = None) -> list[Tensor]:
        """Outputs of all scales, not clipped, from 1/8 to full resolution; sides are multiples of 8."""
        return self._run(image, right, left, self._output)

    def steps(self, image: Tensor, right: Tensor | None = None, left: Tensor | None = None) -> list[Step]:
        """What each scale does, from 1/8 to full resolution; sides are multiples of 8."""
        steps: list[Step] = []

        def block(head: int, x: Tensor, feature: Tensor) -> Tensor:
            steps.append(self._block(head, x, feature))
            return steps[-1].output

        self._run(image, right, left, block)
        return steps

    def _run(
        self,
        image: Tensor,
        right: Tensor | None,
        left: Tensor | None,
        block: Callable[[int, Tensor, Tensor], Tensor],
    ) -> list[Tensor]:
        """Encoder and decoder, with a block (number in the heads' names, x, feature) -> output at each scale."""
        feature, skips = self._encoded(self._checked(image, right, left))
        outputs: list[Tensor] = []
        x = functional.avg_pool2d(image, MULTIPLE)
        for head, *_ in _LEVELS:
            if head < 3:
                feature = _sum(self._part(f"upconv{head + 1}_u", feature), skips.pop())
                feature = self._part(f"upconv{head + 1}_1", feature)
                feature = self._part(f"upconv{head + 1}_2", feature)
            if self.scale_use is Scales.FOUR:
                outputs.append(block(head, x, feature))
                x = functional.interpolate(outputs[-1], scale_factor=2.0, mode="nearest") if head else x
        return outputs if outputs else [block(0, image, feature)]

    def _part(self, name: str, x: Tensor) -> Tensor:
        part: Tensor = self.get_submodule(name)(x)
        return part

    def _checked(self, image: Tensor, right: Tensor | None, left: Tensor | None) -> Tensor:
        """The encoder's input."""
        views = [image, *(view for view in (right, left) if view is not None)]
        if len(views) != (3 if self.dual else 1):
            need = "the combined, the right and the left view" if self.dual else "one image"
            raise ValueError(f"this network needs {need}, not {len(views)} of them")
        if image.ndim != 4 or image.shape[1] != 3 or any(view.shape != image.shape for view in views):
            shapes = ", ".join(str(tuple(view.shape)) for view in views)
            raise ValueError(f"views must be (N, 3, H, W) of one shape, not {shapes}")
        if image.shape[2] % MULTIPLE or image.shape[3] % MULTIPLE:
            raise ValueError(f"sides must be multiples of {MULTIPLE}, not {tuple(image.shape[2:])}")
        return image if len(views) == 1 else torch.cat(views[1:], 1)

    def _encoded(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Feature at 1/8 and the features that the decoder adds, from full resolution to 1/4."""
        x, skips = _channels_last(x), []
        for level in range(1, 5):
            for layer in range(1, 4):
                x = self._part(f"conv{level}_{layer}", x)
            skips.append(x)
        return self.conv4_4(skips.pop()), skips

    def _block(self, head: int, x: Tensor, feature: Tensor) -> Step:
        if self.scale_use is Scales.NONE:
            residual = self.output(feature)
            return Step(x, None, None, residual, x + residual)
        image_feature = self._part(f"img_d{2**head}_feature", _channels_last(x))
        joined = torch.cat((feature, image_feature), 1)
        kernels = self._part(f"upconv{head}_kernel", joined) if self.terms.filtered else None
        residual = self._part(f"upconv{head}_res", joined) if self.terms.residual else None
        filtered = None if kernels is None else dynamic_filter(x, kernels)
        return Step(x, kernels, filtered, residual, self._sum_of_terms(x, filtered, residual))

    def _sum_of_terms(self, x: Tensor, filtered: Tensor | None, residual: Tensor | None) -> Tensor:
        terms = [term for term in (x if self.terms.image else None, filtered, residual) if term is not None]
        return reduce(torch.add, terms)

    def _output(self, head: int, x: Tensor, feature: Tensor) -> Tensor:
        """The block's output; without gradients some rows at a time, for features and heads take most memory."""
        number, _, height, width = x.shape
        rows = max(8 * _BLOCK_REACH, STRIP // (number * width))
        if torch.is_grad_enabled() or torch.compiler.is_compiling() or rows >= height:
            return self._block(head, x, feature).output
        if self.scale_use is Scales.NONE:
            return self._block(head, x, feature).output
        output = torch.empty_like(x)
        for first in range(0, height, rows):
            last = min(height, first + rows)
            output[:, :, first:last] = self._strip(head, x, feature, first, last)
        return output

    def _strip(self, head: int, x: Tensor, feature: Tensor, first: int, last: int) -> Tensor:
        """Rows first to last of the block's output.

        Each 3 x 3 convolution spoils a row at a cut, so strips reach beyond their rows by as many rows as there
        are convolutions to come; at the picture's own edges nothing is spoilt.
        """
        height = x.shape[2]
        wide = slice(max(0, first - _BLOCK_REACH), min(height, last + _BLOCK_REACH))
        middle = slice(max(0, first - _HEAD_REACH), min(height, last + _HEAD_REACH))
        image_feature = self._part(f"img_d{2**head}_feature", _channels_last(x[:, :, wide]))
        joined = torch.cat((feature[:, :, middle], _within(image_feature, middle, wide)), 1)
        del image_feature
        rows, filtered, residual = slice(first, last), None, None
        if self.terms.residual:
            residual = _within(self._part(f"upconv{head}_res", joined), rows, middle)
        if self.terms.filtered:
            kernels = _within(self._part(f"upconv{head}_kernel", joined), rows, middle)
            margin = kernel_side(kernels) // 2
            padded = padded_image(x, margin)[:, :, first : last + 2 * margin]
            filtered = filter_padded(padded, kernels)
        return self._sum_of_terms(x[:, :, rows], filtered, residual)


def _sum(mine: Tensor, other: Tensor) -> Tensor:
    """Sum, in the first one's memory where no gradient needs it."""
    return mine + other if torch.is_grad_enabled() else mine.add_(other)


def _within(strip: Tensor, rows: slice, of: slice) -> Tensor:
    """Rows of the picture from a strip that holds the rows `of`."""
    return strip[:, :, rows.start - of.start : rows.stop - of.start]


def _channels_last(x: Tensor) -> Tensor:
    """In the format that the first convolution hands on to all that follow."""
    return x.contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True)
class Architecture:
    """A DRBNet's options, see `DRBNet`, as an `drbnet.models.architecture.Architecture`."""

    dual: bool
    kernel_size: int
    terms: Terms
    scales: Scales

    multiple: ClassVar[int] = MULTIPLE
    margin: ClassVar[int] = 144
    """px: 143 to the farther side within its blocks of 8, rounded up to these."""
    bytes_a_pixel: ClassVar[int] = 720
    """710 measured at 768 x 768, rounded up."""

    def build(self) -> DRBNet:
        """The network, with weights of no use."""
        return DRBNet(dual=self.dual, kernel_size=self.kernel_size, terms=self.terms, scales=self.scales)

    def __str__(self) -> str:
        """For the user, in some words."""
        words = [f"DRBNet, {'dual' if self.dual else 'single'}, {self.kernel_size} x {self.kernel_size}"]
        if self.scales is not Scales.FOUR:
            words.append(f"scales: {self.scales.value}")
        if not self.terms.image:
            words.append("without the image itself")
        if not self.terms.filtered or not self.terms.residual:
            words.append("without kernels" if self.terms.residual else "without residual")
        return ", ".join(words)


def architecture_of(weights: Mapping[str, Tensor]) -> Architecture:
    """The DRBNet that weights are of, as far as these show it."""
    filtered, residual = "upconv0_kernel.2.weight" in weights, "upconv0_res.2.0.weight" in weights
    if "img_d8_feature.0.0.weight" in weights:
        scales = Scales.FOUR
    else:
        scales = Scales.NONE if "output.weight" in weights else Scales.ONE
    first = weights.get("conv1_1.0.weight")
    taps = weights["upconv0_kernel.2.weight"].shape[0] if filtered else 49
    side = math.isqrt(taps)
    return Architecture(
        dual=first is not None and first.ndim == 4 and first.shape[1] == 6,
        kernel_size=side if side**2 == taps and side % 2 else 7,
        terms=Terms(
            image=WITHOUT_IMAGE not in weights,
            filtered=filtered or not residual,
            residual=residual or not filtered,
        ),
        scales=scales,
    )


def told(weights: Mapping[str, Tensor]) -> Architecture | None:
    """What weights are of, None where they are not DRBNet's."""
    own = {"upconv0_kernel.2.weight", "upconv0_res.2.0.weight", "output.weight"}
    return architecture_of(weights) if "conv1_1.0.weight" in weights and own & weights.keys() else None
