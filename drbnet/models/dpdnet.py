"""DPDNet for single pictures (DPDNet_S): a U-Net that gives the sharp picture itself.

Tensors are NCHW in [-1, 1], RGB, sRGB-encoded as stored. Inside, as in the authors' release, pictures are BGR in
[0, 1] and convolutions are padded by TensorFlow's rule (`drbnet.models.padding`), so that released weights fit.

References
----------
.. [1] A. Abuolaim, M. S. Brown, "Defocus Deblurring Using Dual-Pixel Data", ECCV 2020.
   DOI 10.1007/978-3-030-58607-2_7
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from drbnet.convolution import Convolution
from drbnet.models.architecture import Architecture, Plain
from drbnet.models.padding import SameConvolution, padded_to_multiple

CHANNELS = (64, 128, 256, 512, 1024)  # from full resolution to 1/16
MULTIPLE = 16  # the encoder halves height and width four times
DROPOUT = 0.4  # of the encoder's last two levels, in training only


class DPDNet(nn.Module):
    """The network of [1]_ with one picture for its input; see `forward`.

    Its layers are made in the order in which data go through them, which is the released file's. Weights begin as in
    [1]_: Kaiming's normal for ReLU, biases 0. Torch's own would leave some of `colours` without effect more often.
    """

    def __init__(self) -> None:
        super().__init__()
        before = 3
        for level, channels in enumerate(CHANNELS, start=1):
            self.add_module(f"conv{level}_1", Convolution(before, channels))
            self.add_module(f"conv{level}_2", Convolution(channels, channels))
            before = channels
        for level, channels in reversed(list(enumerate(CHANNELS[:-1], start=1))):
            self.add_module(f"up{level}", SameConvolution(before, channels, 2))
            self.add_module(f"upconv{level}_1", Convolution(2 * channels, channels))
            self.add_module(f"upconv{level}_2", Convolution(channels, channels))
            before = channels
        self.colours = Convolution(before, 3)
        self.output = nn.Conv2d(3, 3, 1)
        self.apply(_begin)

    def forward(self, image: Tensor, right: Tensor | None = None, left: Tensor | None = None) -> Tensor:
        """Deblurred image (N, 3, H, W) in [-1, 1] of an image (N, 3, H, W); any height and width.

        Raises
        ------
        ValueError : with the views of a dual-pixel sensor
        """
        return self.scales(image, right, left)[0]

    def scales(self, image: Tensor, right: Tensor | None = None, left: Tensor | None = None) -> list[Tensor]:
        """The output of `forward` alone, which needs no clipping."""
        if right is not None or left is not None:
            raise ValueError("this network needs one image, not 3 of them")
        height, width = image.shape[-2:]
        bgr = (padded_to_multiple(image, MULTIPLE).flip(1) + 1) / 2
        deblurred = self._unit(bgr.contiguous(memory_format=torch.channels_last))
        return [(deblurred[..., :height, :width] * 2 - 1).flip(1)]

    def _unit(self, x: Tensor) -> Tensor:
        """From BGR in [0, 1] to BGR in [0, 1]; sides are multiples of 16."""
        skips: list[Tensor] = []
        deepest = len(CHANNELS)
        for level in range(1, deepest + 1):
            if level > 1:
                x = functional.max_pool2d(x, 2)
            x = self._relu(f"conv{level}_2", self._relu(f"conv{level}_1", x))
            if level >= deepest - 1:
                x = functional.dropout(x, DROPOUT, self.training)
            if level < deepest:
                skips.append(x)
        for level in range(deepest - 1, 0, -1):
            x = self._relu(f"up{level}", functional.interpolate(x, scale_factor=2.0, mode="nearest"))
            x = torch.cat((skips.pop(), x), 1)
            x = self._relu(f"upconv{level}_2", self._relu(f"upconv{level}_1", x))
        return torch.sigmoid(self.output(self._relu("colours", x)))

    def _relu(self, name: str, x: Tensor) -> Tensor:
        # In place, an exported graph would be for some widths alone.
        return functional.relu(self.get_submodule(name)(x), inplace=not torch.compiler.is_exporting())


def _begin(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        assert module.bias is not None
        nn.init.zeros_(module.bias)


def told(weights: Mapping[str, Tensor]) -> Architecture | None:
    """What weights are of, None where they are not DPDNet's."""
    # It looks 123 px far, in blocks of 16; 1780 bytes a pixel were measured at 768 x 768.
    ours = Plain("DPDNet, single", DPDNet, multiple=MULTIPLE, margin=128, bytes_a_pixel=1800)
    return ours if "conv5_2.weight" in weights and "colours.weight" in weights else None
