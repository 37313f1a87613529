"""Losses over all scales of a network's output.

Outputs are a list of (N, 3, h, w) from coarse to fine, not clipped; the target is (N, 3, H, W) in [-1, 1] and is
brought to each scale's size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from drbnet.choices import TargetScaling, VggDistance, VggInput
from drbnet.vgg19 import Vgg19Features

IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of R, G, B in [0, 1], as torchvision's networks were trained with."""

Distance = Callable[[Tensor, Tensor], Tensor]
"""From an output and a target of its size, both (N, 3, h, w), to a scalar."""


def unit_mse(output: Tensor, target: Tensor) -> Tensor:
    """Mean squared difference on a scale from 0 to 1, of pictures in [-1, 1]."""
    return functional.mse_loss(output, target) / 4


def scaled_target(target: Tensor, size: Sequence[int], how: TargetScaling) -> Tensor:
    """The target (N, C, H, W) at a coarser size (h, w); H and W are the same whole multiple of them."""
    times = target.shape[-2] // size[0]
    if target.shape[-2:] != (size[0] * times, size[1] * times):
        raise ValueError(f"{tuple(target.shape)} is no whole multiple of {tuple(size)}")
    if times == 1:
        return target
    if how is TargetScaling.MEAN:
        return functional.avg_pool2d(target, times)
    if how is TargetScaling.NEAREST:
        return target[..., ::times, ::times]
    return functional.interpolate(target, size=tuple(size), mode="bicubic", antialias=True)


def over_scales(
    outputs: Sequence[Tensor],
    target: Tensor,
    distance: Distance,
    *,
    weights: Sequence[float],
    scaling: TargetScaling,
) -> list[Tensor]:
    """Each scale's distance times its weight, float32 scalars from coarse to fine; the loss is their sum.

    Parameters
    ----------
    outputs, target : as the module says
    weights : of the scales from coarse to fine; where a network has fewer, the last ones are taken
    """
    if len(outputs) > len(weights):
        raise ValueError(f"{len(outputs)} scales, but {len(weights)} weights")
    target = target.float()
    return [
        weight * distance(output.float(), scaled_target(target, output.shape[-2:], scaling))
        for output, weight in zip(outputs, weights[len(weights) - len(outputs) :], strict=True)
    ]


class FeatureDistance(nn.Module):
    """Distance between VGG-19's features of two pictures in [-1, 1].

    Parameters
    ----------
    vgg19 : features at some layers
    weights : of the layers
    input_ : how pictures are brought to VGG-19's input
    distance : how features are compared; each layer's is a mean over all of its values
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self, vgg19: Vgg19Features, *, weights: Sequence[float], input_: VggInput, distance: VggDistance
    ) -> None:
        super().__init__()
        if len(weights) != len(vgg19.layers):
            raise ValueError(f"{len(vgg19.layers)} layers, but {len(weights)} weights")
        self.vgg19, self.weights, self.input = vgg19, tuple(weights), input_
        self.compare = functional.l1_loss if distance is VggDistance.L1 else functional.mse_loss
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN)[:, None, None], persistent=False)
        self.register_buffer("deviation", torch.tensor(IMAGENET_DEVIATION)[:, None, None], persistent=False)

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """A scalar from two (N, 3, h, w) in [-1, 1]; the target's features take no gradient."""
        with torch.no_grad():
            wanted = self.vgg19(self._prepared(target))
        made = self.vgg19(self._prepared(output))
        terms = [w * self.compare(a, b) for w, a, b in zip(self.weights, made, wanted, strict=True)]
        return torch.stack(terms).sum()

    def _prepared(self, pictures: Tensor) -> Tensor:
        if self.input is VggInput.HALF:
            return pictures
        return ((pictures + 1) / 2 - self.mean) / self.deviation


def weighted_sum(terms: Sequence[tuple[float, Distance]]) -> Distance:
    """One distance from several; those of weight 0 are not computed."""
    used = [(weight, distance) for weight, distance in terms if weight]
    if not used:
        raise ValueError("all terms of the loss have the weight 0")

    def distance(output: Tensor, target: Tensor) -> Tensor:
        return torch.stack([weight * term(output, target) for weight, term in used]).sum()

    return distance
