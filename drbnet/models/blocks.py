"""Layers that the networks share: each a convolution and LeakyReLU(0.1), named in a state dict as released."""

from __future__ import annotations

from torch import nn

from drbnet.convolution import Convolution

SLOPE = 0.1  # of every LeakyReLU, as released


def conv(channels_in: int, channels_out: int, *, stride: int = 1) -> nn.Sequential:
    """3 x 3 convolution: (N, C, H, W) to (N, C', H / stride, W / stride), rounded up."""
    return nn.Sequential(
        Convolution(channels_in, channels_out, stride=stride), nn.LeakyReLU(SLOPE, inplace=True)
    )


def up(channels_in: int, channels_out: int) -> nn.Sequential:
    """4 x 4 transposed convolution: (N, C, H, W) to (N, C', 2 H, 2 W)."""
    return nn.Sequential(
        nn.ConvTranspose2d(channels_in, channels_out, 4, 2, padding=1), nn.LeakyReLU(SLOPE, inplace=True)
    )
