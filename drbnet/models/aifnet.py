"""AIFNet: a defocus map of the picture, slices of the picture by that map, and a network that deblurs the slices.

Views are NCHW in [-1, 1], sRGB-encoded as stored, RGB; inside, the network works in [0, 1]. A defocus map is
(N, 1, H, W) in [0, 1], see `drbnet.defocus`. As in the authors' release for TensorFlow, the first part pads by the
edge's values (which its ``SYMMETRIC`` is at one pixel) and the second by zeros, by its rule where it halves; the second
part's bilinear up-sampling samples at i / 2, so that every other pixel is one of the input's. BatchNorm shifts and does
not scale. Names of the state dict are our own.

References
----------
.. [1] L. Ruan, B. Chen, J. Li, M. Lam, "AIFNet: All-in-focus image restoration network using a light field-based
   dataset", IEEE TCI 7 (2021). DOI 10.1109/TCI.2021.3092891
.. [2] J. Lee, S. Lee, S. Cho, S. Lee, "Deep Defocus Map Estimation using Domain Adaptation", CVPR 2019, from which the
   first part is. DOI 10.1109/CVPR.2019.01250
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from drbnet.convolution import Convolution
from drbnet.models.architecture import Architecture, Plain
from drbnet.models.padding import SameConvolution, edged, padded_to_multiple

MULTIPLE = 16  # the first part halves height and width four times
SLOPE = 0.2  # of every LeakyReLU
SLICES = 29
REFINEMENTS = 7
ENCODER = (
    (64, 64),
    (128, 128),
    (256,) * 4,
    (512,) * 4,
    (512,) * 4,
)  # channels of VGG-19's convolutions, by level
WIDTHS = (64, 128, 256, 512)  # channels of the second part, from full resolution to 1/8
VGG_MEAN = (103.939, 116.779, 123.68)  # of B, G, R, from 0 to 255


class _Shift(nn.BatchNorm2d):
    """BatchNorm that shifts and does not scale."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, affine=False)
        self.shift = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """X (N, C, H, W) to the same shape."""
        return super().forward(x) + self.shift[:, None, None]


class _EdgeConvolution(nn.Conv2d):
    """3 x 3 convolution that sees the edge's values beyond it."""

    def forward(self, x: Tensor) -> Tensor:
        """X (N, C, H, W) to (N, C', H, W)."""
        return super().forward(edged(edged(x, 2), 3))


def _edge_conv(channels_in: int, channels_out: int) -> nn.Conv2d:
    return _EdgeConvolution(channels_in, channels_out, 3)


def _normed(convolution: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(convolution, _Shift(convolution.out_channels), nn.LeakyReLU(SLOPE, inplace=True))


def _coarse_map(channels: int) -> nn.Sequential:
    """What tells a map from a feature, in training alone."""
    half = channels // 2
    return nn.Sequential(_normed(_edge_conv(channels, half)), _edge_conv(half, 1), _Shift(1), nn.Sigmoid())


class DefocusNet(nn.Module):
    """The first part: the defocus map of a picture."""

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        before = 3
        for level, widths in enumerate(ENCODER, start=1):
            for layer, channels in enumerate(widths, start=1):
                self.add_module(f"conv{level}_{layer}", _edge_conv(before, channels))
                before = channels
        self.coarse = nn.ModuleList([_coarse_map(before)])
        self.up = nn.ModuleList()
        for skip in (ENCODER[level][-1] for level in (3, 2, 1)):
            channels = skip // 2
            widths = (before + skip, channels, channels)
            self.up.append(nn.Sequential(*(_normed(_edge_conv(width, channels)) for width in widths)))
            self.coarse.append(_coarse_map(channels))
            before = channels
        last = ENCODER[0][-1]
        self.up.append(_normed(_edge_conv(before + last, last)))
        self.coarse.append(_coarse_map(last))
        self.beside = nn.ModuleList(_normed(nn.Conv2d(last, last, 1)) for _ in range(REFINEMENTS))
        self.refined = nn.ModuleList(
            nn.Sequential(_normed(_edge_conv(last, last)), _normed(_edge_conv(last, last)))
            for _ in range(REFINEMENTS)
        )
        self.last = nn.Sequential(
            _normed(_edge_conv(last, last)), _normed(_edge_conv(last, last // 2)), _edge_conv(last // 2, 1)
        )
        self.register_buffer("mean", torch.tensor(VGG_MEAN)[:, None, None], persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """The map (N, 1, H, W) in [0, 1] of an image (N, 3, H, W) in [0, 1]; sides are multiples of 16."""
        return self._map(self._features(image)[-1])

    def maps(self, image: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The map, and those that are told from each level's feature, from 1/16 of its size to all of it."""
        features = self._features(image)
        found = [head(feature) for head, feature in zip(self.coarse, features, strict=True)]
        return self._map(features[-1]), found

    def _features(self, image: Tensor) -> list[Tensor]:
        """Features from 1/16 to full resolution."""
        bgr = torch.arange(2, -1, -1, device=image.device)
        x = image.index_select(1, bgr) * 255 - self.mean
        skips: list[Tensor] = []
        for level, widths in enumerate(ENCODER, start=1):
            if level > 1:
                x = functional.max_pool2d(x, 2)
            for layer in range(1, len(widths) + 1):
                x = functional.relu(self.get_submodule(f"conv{level}_{layer}")(x), inplace=True)
            skips.append(x)
        found = [skips.pop()]
        for up in self.up:
            wide = functional.interpolate(found[-1], scale_factor=2.0, mode="nearest")
            found.append(up(torch.cat((wide, skips.pop()), 1)))
        return found

    def _map(self, x: Tensor) -> Tensor:
        for beside, refined in zip(self.beside, self.refined, strict=True):
            x = refined(x) + beside(x)
        return torch.sigmoid(self.last(x))


class DeblurNet(nn.Module):
    """The second part: from a picture and its defocus map to the sharp one."""

    def __init__(self) -> None:
        super().__init__()
        one, two, four, eight = WIDTHS
        self.down0 = _plain(3 * SLICES, one, _half(one, two))
        self.down1 = _plain(two, two, Convolution(two, two), _half(two, four))
        self.down2 = _plain(four, four, Convolution(four, four), _half(four, eight))
        self.middle = _activated(*(SameConvolution(eight, eight, 3, dilation=2) for _ in range(3)))
        self.up2 = _plain(2 * eight, four)
        self.up2_wide = _plain(four, four, Convolution(four, four))
        self.up1 = _plain(2 * four, two)
        self.up1_wide = _plain(two, two)
        self.up0 = _plain(2 * two, one)
        self.up0_wide = _plain(one, one)
        self.output = Convolution(one, 3)

    def forward(self, image: Tensor, defocus: Tensor) -> Tensor:
        """Sharp image (N, 3, H, W) in [0, 1] of an image in [0, 1] and its map; sides are multiples of 8."""
        half = self.down0(slices(image, defocus).contiguous(memory_format=torch.channels_last))
        quarter = self.down1(half)
        eighth = self.down2(quarter)
        x = self.up2(torch.cat((self.middle(eighth), eighth), 1))
        x = self.up1(torch.cat((self.up2_wide(doubled(x)), quarter), 1))
        x = self.up0(torch.cat((self.up1_wide(doubled(x)), half), 1))
        return torch.sigmoid(self.output(self.up0_wide(doubled(x))))


def _activated(*convolutions: nn.Conv2d) -> nn.Sequential:
    layers = [(convolution, nn.LeakyReLU(SLOPE, inplace=True)) for convolution in convolutions]
    return nn.Sequential(*(one for layer in layers for one in layer))


def _plain(channels_in: int, channels_out: int, *more: nn.Conv2d) -> nn.Sequential:
    return _activated(Convolution(channels_in, channels_out), *more)


def _half(channels_in: int, channels_out: int) -> nn.Conv2d:
    return SameConvolution(channels_in, channels_out, 3, stride=2)


def slices(image: Tensor, defocus: Tensor) -> Tensor:
    """The image (N, 3, H, W) weighed by how near its map (N, 1, H, W) is to k / 28, k from 0: (N, 87, H, W)."""
    steps = torch.arange(SLICES, device=image.device, dtype=image.dtype)[:, None, None] / (SLICES - 1)
    weights = 1 - (defocus - steps).abs()  # (N, 29, H, W)
    return image.repeat(1, SLICES, 1, 1) * weights.repeat_interleave(3, 1)


def doubled(x: Tensor) -> Tensor:
    """The feature (N, C, H, W) at (2 H, 2 W): between its pixels their means, after the last one the last one."""
    wide = functional.interpolate(x, scale_factor=2.0, mode="nearest")
    return functional.avg_pool2d(edged(edged(wide, 2, before=0), 3, before=0), 2, 1)


@dataclass(frozen=True)
class Run:
    """What the network makes of a picture, values in [0, 1].

    Attributes
    ----------
    output : (N, 3, H, W)
    defocus : (N, 1, H, W)
    coarse : (N, 1, h, w), the maps of the auxiliary heads, from 1/16 to full resolution
    """

    output: Tensor
    defocus: Tensor
    coarse: list[Tensor]


class AIFNet(nn.Module):
    """The network of [1]_. Weights begin as He's normal, before a sigmoid as Glorot's uniform, biases as 0.

    Those of the encoder were VGG-19's, trained on ImageNet, in [2]_.
    """

    def __init__(self) -> None:
        super().__init__()
        self.defocus = DefocusNet()
        self.deblur = DeblurNet()
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                if module.out_channels in (1, 3):
                    nn.init.xavier_uniform_(module.weight)
                else:
                    nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                assert module.bias is not None
                nn.init.zeros_(module.bias)

    def forward(self, image: Tensor, right: Tensor | None = None, left: Tensor | None = None) -> Tensor:
        """Deblurred image (N, 3, H, W) in [-1, 1]; any height and width.

        Raises
        ------
        ValueError : with the views of a dual-pixel sensor
        """
        height, width = image.shape[-2:]
        views = [padded_to_multiple(view, MULTIPLE) for view in (image, right, left) if view is not None]
        return self.scales(*views)[0][..., :height, :width]

    def scales(self, image: Tensor, right: Tensor | None = None, left: Tensor | None = None) -> list[Tensor]:
        """The output alone; sides are multiples of 16."""
        if right is not None or left is not None:
            raise ValueError("this network needs one image, not 3 of them")
        unit = _unit(image)
        return [self.deblur(unit, self.defocus(unit)) * 2 - 1]

    def run(self, image: Tensor) -> Run:
        """What the network makes of an image (N, 3, H, W) in [-1, 1]."""
        unit = _unit(image)
        defocus, coarse = self.defocus.maps(unit)
        return Run(self.deblur(unit, defocus), defocus, coarse)


def _unit(image: Tensor) -> Tensor:
    return (image.contiguous(memory_format=torch.channels_last) + 1) / 2


class AIFNetTraining(nn.Module):
    """What AIFNet is trained with: the defocus maps. It has no weights.

    Both its paper and [2]_ compare maps by mean squared differences; how they weigh the parts against each other is
    not known here: 1 each.
    """

    def forward(
        self, network: AIFNet, views: Sequence[Tensor], target: Tensor, defocus: Tensor | None
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        """Output in [-1, 1] and terms, see `drbnet.models.Model`.

        The terms are ``defocus``, mean squared difference of the map, and ``coarse``, the mean of those of the
        auxiliary heads; without a map there is none.
        """
        (image,) = views
        if defocus is None:
            return network.scales(image), {}
        made = network.run(image)
        coarse = [
            functional.mse_loss(
                found.float(), functional.avg_pool2d(defocus, defocus.shape[2] // found.shape[2])
            )
            for found in made.coarse
        ]
        terms = {
            "defocus": functional.mse_loss(made.defocus.float(), defocus),
            "coarse": torch.stack(coarse).mean(),
        }
        return [made.output * 2 - 1], terms


def told(weights: Mapping[str, Tensor]) -> Architecture | None:
    """What weights are of, None where they are not AIFNet's."""
    ours = Plain("AIFNet", AIFNet, multiple=MULTIPLE, margin=304, bytes_a_pixel=2300)
    return ours if "deblur.output.weight" in weights else None
