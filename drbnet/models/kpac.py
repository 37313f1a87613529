"""KPAC: deblurring by one kernel at several dilations, weighed by attentions.

Tensors are NCHW in [-1, 1], RGB, sRGB-encoded as stored. Convolutions are padded by TensorFlow's rule
(`drbnet.models.padding`), as in the authors' release, so that released weights fit. The loss of stage 1 is L1; features
of VGG-19 come in with stage 2 and its options.

References
----------
.. [1] H. Son, J. Lee, S. Cho, S. Lee, "Single Image Defocus Deblurring Using Kernel-Sharing Parallel Atrous
   Convolutions", ICCV 2021. DOI 10.1109/ICCV48922.2021.00264
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from drbnet.convolution import Convolution
from drbnet.models.architecture import Architecture, Plain
from drbnet.models.padding import SameConvolution, padded_to_multiple

SLOPE = 0.2  # of every LeakyReLU, as released
DILATIONS = (1, 2, 3, 4, 5)  # px, of the shared kernel
WIDTH = 48  # channels of the first levels and of the shared kernel's output
BLOCKS = 2
DEVIATION = 0.04  # of the weights at the beginning, as released


def _lrelu(x: Tensor) -> Tensor:
    # In place, an exported graph would be for some widths alone.
    return functional.leaky_relu(x, SLOPE, inplace=not torch.compiler.is_exporting())


def _begin(module: nn.Module) -> None:
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, std=DEVIATION)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


class Block(nn.Module):
    """A kernel-sharing parallel atrous block: (N, 96, H, W) to the same shape.

    The shared kernel without bias is applied at each dilation; each result is weighed by its map of scales, one value a
    pixel, and by the shapes, one value a channel and the same for all dilations.
    """

    def __init__(self) -> None:
        super().__init__()
        self.shared = nn.Conv2d(2 * WIDTH, WIDTH, 5, bias=False)
        self.scale = nn.ModuleList(
            SameConvolution(before, after, 5, dilation=2)
            for before, after in pairwise((2 * WIDTH, 32, 32, 16, 16))
        )
        self.scale.append(SameConvolution(16, len(DILATIONS), 5))
        self.shape = nn.ModuleList([nn.Conv2d(2 * WIDTH, WIDTH // 4, 1), nn.Conv2d(WIDTH // 4, WIDTH, 1)])
        self.fusion = Convolution(len(DILATIONS) * WIDTH, 2 * WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """As the class says."""
        # In the channels-last format oneDNN's gradient by the weights takes a hundred times as long for dilated
        # convolutions of 96 channels.
        x = x.contiguous() if x.device.type == "cpu" and torch.is_grad_enabled() else x
        maps = x
        for layer in self.scale[:-1]:
            maps = _lrelu(layer(maps))
        maps = torch.sigmoid(self.scale[-1](maps))
        shapes = torch.sigmoid(self.shape[1](_lrelu(self.shape[0](x.mean((2, 3), keepdim=True)))))
        weighed = [
            self._dilated(x, dilation) * maps[:, number : number + 1] * shapes
            for number, dilation in enumerate(DILATIONS)
        ]
        together = torch.cat(weighed, 1).contiguous(memory_format=torch.channels_last)
        return _lrelu(self.fusion(together))

    def _dilated(self, x: Tensor, dilation: int) -> Tensor:
        return _lrelu(functional.conv2d(x, self.shared.weight, padding=2 * dilation, dilation=dilation))


class KPAC(nn.Module):
    """The network of [1]_ for single pictures; see `forward`.

    Its layers are made in the order of the released files. Weights begin as there: normal, biases 0.

    Parameters
    ----------
    levels : 3 or 2, how often height and width are halved
    """

    def __init__(self, *, levels: int = 3) -> None:
        super().__init__()
        if levels not in (2, 3):
            raise ValueError(f"levels must be 2 or 3, not {levels}")
        self.levels = levels
        channels = (WIDTH, WIDTH, 2 * WIDTH, 2 * WIDTH)[: levels + 1]
        self.conv0_1: nn.Module = SameConvolution(3, WIDTH, 5)
        self.conv0_2 = Convolution(WIDTH, WIDTH)
        for level, (before, after) in enumerate(pairwise(channels), start=1):
            self.add_module(f"conv{level}_1", SameConvolution(before, after, 3, stride=2))
            self.add_module(f"conv{level}_2", Convolution(after, after))
        self.blocks = nn.ModuleList(Block() for _ in range(BLOCKS))
        self.fusion_1 = Convolution((1 + BLOCKS) * 2 * WIDTH, 2 * WIDTH)
        self.fusion_2 = Convolution(2 * WIDTH, 2 * WIDTH)
        before = 2 * WIDTH
        for level in range(levels - 1, -1, -1):
            after = channels[level]
            self.add_module(f"up{level}", nn.ConvTranspose2d(before, after, 4, 2, padding=1))
            if level:
                self.add_module(f"upconv{level}", Convolution(2 * after, after))
            before = after
        self.output = SameConvolution(2 * WIDTH, 3, 5)
        self.apply(_begin)

    @property
    def multiple(self) -> int:
        """Of which sides are multiples inside, px."""
        return 1 << self.levels

    def forward(self, image: Tensor, right: Tensor | None = None, left: Tensor | None = None) -> Tensor:
        """Deblurred image (N, 3, H, W), clipped to [-1, 1], of an image (N, 3, H, W); any height and width.

        Raises
        ------
        ValueError : with the views of a dual-pixel sensor
        """
        return self.scales(image, right, left)[0].clamp(-1, 1)

    def scales(self, image: Tensor, right: Tensor | None = None, left: Tensor | None = None) -> list[Tensor]:
        """The one output at full resolution, not clipped; as `forward` otherwise."""
        if right is not None or left is not None:
            raise ValueError("this network needs one image, not 3 of them")
        height, width = image.shape[-2:]
        return [self._run(padded_to_multiple(image, self.multiple))[..., :height, :width]]

    def _run(self, image: Tensor) -> Tensor:
        """Sides are multiples of 4 or, with 3 levels, of 8."""
        x, skips = image.contiguous(memory_format=torch.channels_last), []
        for level in range(self.levels + 1):
            x = self._part(f"conv{level}_2", self._part(f"conv{level}_1", x))
            skips.append(x)
        features = [skips.pop()]
        for block in self.blocks:
            features.append(block(features[-1]))
        x = self._part("fusion_2", self._part("fusion_1", torch.cat(features, 1)))
        for level in range(self.levels - 1, -1, -1):
            x = torch.cat((self._part(f"up{level}", x), skips.pop()), 1)
            x = self._part(f"upconv{level}", x) if level else x
        residual: Tensor = self.output(x)
        return image + residual

    def _part(self, name: str, x: Tensor) -> Tensor:
        return _lrelu(self.get_submodule(name)(x))


def told(weights: Mapping[str, Tensor]) -> Architecture | None:
    """What weights are of, None where they are not KPAC's.

    The margin is how far the network looks, 366 px with 3 levels and 182 px with 2, but for the attention to shapes:
    this averages over all that the network is given, so that tiles can differ a little from the whole picture.
    """
    if "blocks.0.shared.weight" not in weights:
        return None
    # 920 and 970 bytes a pixel were measured at 768 x 768.
    if "conv3_1.weight" in weights:
        return Plain("KPAC, 3 levels", KPAC, multiple=8, margin=368, bytes_a_pixel=940)
    return Plain("KPAC, 2 levels", partial(KPAC, levels=2), multiple=4, margin=184, bytes_a_pixel=1030)
