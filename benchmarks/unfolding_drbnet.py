"""DRBNet written plainly: the baseline of `drbnet.py` beside it, and the reference of the network's tests.

Contiguous NCHW, one `nn.Module` a layer, every intermediate kept as a tensor of its own, and a dynamic filter
that unfolds the image to k * k copies. Takes the state dict of `drbnet.models.drbnet.DRBNet` (of the full model).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def unfolding_filter(image: Tensor, kernels: Tensor) -> Tensor:
    """Image (N, C, H, W) filtered by kernels (N, k * k, H, W) through all k * k shifted copies of the image."""
    number, channels, height, width = image.shape
    side = round(kernels.shape[1] ** 0.5)
    padded = functional.pad(image, (side // 2,) * 4, mode="replicate")
    copies = functional.unfold(padded, side).view(number, channels, side**2, height, width)
    return (copies * kernels[:, None]).sum(2)


def conv(before: int, after: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, 3, stride, 1), nn.LeakyReLU(0.1))


def up(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(nn.ConvTranspose2d(before, after, 4, 2, 1), nn.LeakyReLU(0.1))


def image_feature(*after: int) -> nn.Sequential:
    return nn.Sequential(conv(3, after[0]), conv(after[0], after[1]), conv(after[1], after[2]))


def kernel_head(before: int, first: int, second: int, taps: int) -> nn.Sequential:
    return nn.Sequential(conv(before, first), conv(first, second), nn.Conv2d(second, taps, 1))


def residual_head(before: int, first: int, second: int) -> nn.Sequential:
    last = nn.Sequential(nn.Conv2d(second, 3, 1), nn.LeakyReLU(0.1))
    return nn.Sequential(conv(before, first), conv(first, second), last)


class Residual(nn.Module):
    """x + conv(lrelu(conv(x)))."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        second = nn.Conv2d(channels, channels, 3, 1, 1)
        self.stem = nn.Sequential(nn.Sequential(*conv(channels, channels), second))

    def forward(self, x: Tensor) -> Tensor:
        """Sum of x and the stem's output."""
        return x + self.stem(x)


class UnfoldingDRBNet(nn.Module):
    """The network as described by its authors; `forward` gives the four unclipped scales, coarse to fine."""

    def __init__(self, *, dual: bool = False, kernel_size: int = 7) -> None:
        super().__init__()
        taps = kernel_size**2
        self.conv1_1, self.conv1_2, self.conv1_3 = conv(6 if dual else 3, 32), conv(32, 32), conv(32, 32)
        self.conv2_1, self.conv2_2, self.conv2_3 = conv(32, 64, 2), conv(64, 64), conv(64, 64)
        self.conv3_1, self.conv3_2, self.conv3_3 = conv(64, 128, 2), conv(128, 128), conv(128, 128)
        self.conv4_1, self.conv4_2, self.conv4_3 = conv(128, 256, 2), conv(256, 256), conv(256, 256)
        self.conv4_4 = nn.Sequential(conv(256, 256), Residual(256), Residual(256), conv(256, 256))
        self.upconv3_u, self.upconv3_1, self.upconv3_2 = up(256, 128), Residual(128), Residual(128)
        self.upconv2_u, self.upconv2_1, self.upconv2_2 = up(128, 64), Residual(64), Residual(64)
        self.upconv1_u, self.upconv1_1, self.upconv1_2 = up(64, 32), Residual(32), Residual(32)
        self.img_d8_feature = image_feature(64, 128, 256)
        self.img_d4_feature = image_feature(64, 128, 128)
        self.img_d2_feature = image_feature(64, 64, 64)
        self.img_d1_feature = image_feature(64, 64, 32)
        self.upconv3_kernel = kernel_head(512, 256, 128, taps)
        self.upconv2_kernel = kernel_head(256, 128, 128, taps)
        self.upconv1_kernel = kernel_head(128, 64, 64, taps)
        self.upconv0_kernel = kernel_head(64, 64, 64, taps)
        self.upconv3_res, self.upconv2_res = residual_head(512, 256, 64), residual_head(256, 128, 64)
        self.upconv1_res, self.upconv0_res = residual_head(128, 64, 64), residual_head(64, 64, 64)

    def forward(self, image: Tensor, right: Tensor | None = None, left: Tensor | None = None) -> list[Tensor]:
        """Outputs at 1/8, 1/4, 1/2 and full resolution, not clipped."""
        views = image if right is None or left is None else torch.cat((right, left), 1)
        full = self.conv1_3(self.conv1_2(self.conv1_1(views)))
        half = self.conv2_3(self.conv2_2(self.conv2_1(full)))
        quarter = self.conv3_3(self.conv3_2(self.conv3_1(half)))
        eighth = self.conv4_4(self.conv4_3(self.conv4_2(self.conv4_1(quarter))))

        x8 = functional.interpolate(image, scale_factor=1 / 8, mode="area")
        joined = torch.cat((eighth, self.img_d8_feature(x8)), 1)
        y8 = x8 + unfolding_filter(x8, self.upconv3_kernel(joined)) + self.upconv3_res(joined)

        x4 = functional.interpolate(y8, scale_factor=2, mode="nearest")
        feature = self.upconv3_2(self.upconv3_1(self.upconv3_u(eighth) + quarter))
        joined = torch.cat((feature, self.img_d4_feature(x4)), 1)
        y4 = x4 + unfolding_filter(x4, self.upconv2_kernel(joined)) + self.upconv2_res(joined)

        x2 = functional.interpolate(y4, scale_factor=2, mode="nearest")
        feature = self.upconv2_2(self.upconv2_1(self.upconv2_u(feature) + half))
        joined = torch.cat((feature, self.img_d2_feature(x2)), 1)
        y2 = x2 + unfolding_filter(x2, self.upconv1_kernel(joined)) + self.upconv1_res(joined)

        x1 = functional.interpolate(y2, scale_factor=2, mode="nearest")
        feature = self.upconv1_2(self.upconv1_1(self.upconv1_u(feature) + full))
        joined = torch.cat((feature, self.img_d1_feature(x1)), 1)
        y1 = x1 + unfolding_filter(x1, self.upconv0_kernel(joined)) + self.upconv0_res(joined)
        return [y8, y4, y2, y1]
