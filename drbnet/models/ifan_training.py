"""What IFAN is trained with beside its output: a network that blurs again, and the disparity of two views.

From the filters that deblur, the reblurring network makes small filters that blur the sharp picture again, at 1/8 of
its size; what they make is compared with the blurred picture. Where the network takes the views of a dual-pixel
sensor, the right one, moved by the disparity that it tells, is compared with the left one. The paper's IFAN for single
pictures is trained with that disparity too, from views that its use does not need; here it is not, as the training
reads the views of dual networks alone.

J. Lee, H. Son, J. Rim, S. Cho, S. Lee, "Iterative Filter Adaptive Network for Single Image Defocus Deblurring",
CVPR 2021, doi:10.1109/CVPR46437.2021.00207.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from drbnet.convolution import Convolution
from drbnet.models.blocks import conv
from drbnet.models.ifan import (
    DEEP,
    FILTER_GAIN,
    IFAN,
    MULTIPLE,
    Residual,
    filter_channels,
    filtered,
    glorot,
)

COLOURS = 3


class IFANTraining(nn.Module):
    """The reblurring network; called, it gives IFAN's output and the further terms of its loss.

    Its weights' names are those of the release, without ``module.reblurNet.`` before them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.RBF = nn.Sequential(
            conv(filter_channels(DEEP), DEEP),
            Residual(DEEP, 2),
            Residual(DEEP, 2),
            Convolution(DEEP, filter_channels(COLOURS)),
        )
        self.apply(partial(glorot, gain=FILTER_GAIN))

    def forward(
        self, network: IFAN, views: Sequence[Tensor], target: Tensor, defocus: Tensor | None
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        """Output in [-1, 1] and terms, see `drbnet.models.Model`.

        The terms are mean squared differences of pictures in [0, 1] at 1/8, each of weight 1: ``reblur``, and
        ``disparity`` of dual networks.
        """
        made = network.run(views)
        blurred, *sides = (functional.avg_pool2d((view + 1) / 2, MULTIPLE) for view in views)
        terms = {
            "reblur": functional.mse_loss(self.reblurred((target + 1) / 2, made.filters).float(), blurred)
        }
        if sides:
            right, left = sides
            terms["disparity"] = functional.mse_loss(moved(right, made.disparity.float()), left)
        return [made.output * 2 - 1], terms

    def reblurred(self, sharp: Tensor, filters: Tensor) -> Tensor:
        """The sharp picture (N, 3, H, W), at 1/8 of its size, blurred again; filters are IFAN's."""
        small = sharp[..., ::MULTIPLE, ::MULTIPLE]
        own: Tensor = self.RBF(filters)
        return filtered(small, lambda part: own[:, part], last_activation=False) + small


def moved(view: Tensor, disparity: Tensor) -> Tensor:
    """The view (N, C, H, W) sampled bilinearly at x + disparity (N, 1, H, W) px; 0 where that lies outside of it."""
    height, width = view.shape[2:]
    y, x = torch.meshgrid(
        *(torch.linspace(-1, 1, side, device=view.device) for side in (height, width)), indexing="ij"
    )
    places = x + disparity[:, 0] * (2 / (width - 1))
    grid = torch.stack((places, y.expand_as(places)), 3)
    return functional.grid_sample(view, grid, mode="bilinear", padding_mode="zeros", align_corners=True)
