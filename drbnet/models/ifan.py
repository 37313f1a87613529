"""IFAN: the features of a picture filtered by many small filters, which each pixel has of its own.

Views are NCHW in [-1, 1], sRGB-encoded as stored, RGB; inside, the network works in [0, 1]. Names and shapes of the
state dict are those of the authors' released weights, without ``module.Network.`` before them.

The 17 filters of a pixel and channel are separable, of 3 taps vertically and 3 horizontally. The release uses the
vertical taps in both passes, and its weights were trained so: the horizontal ones are there and have no effect. So it
is here.

References
----------
.. [1] J. Lee, H. Son, J. Rim, S. Cho, S. Lee, "Iterative Filter Adaptive Network for Single Image Defocus Deblurring",
   CVPR 2021. DOI 10.1109/CVPR46437.2021.00207
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate

import torch
from torch import Tensor, nn
from torch.nn import functional

from drbnet.convolution import Convolution
from drbnet.models.architecture import Architecture, Plain
from drbnet.models.blocks import SLOPE, conv, up
from drbnet.models.padding import edged, padded_to_multiple

MULTIPLE = 8  # the encoders halve height and width three times
CHANNELS = (32, 64, 128, 128)  # of the encoders, by level
DEEP = CHANNELS[-1]
FILTERS, TAPS = 17, 3  # filters of a pixel and channel, and taps in each direction
GAIN, FILTER_GAIN = 1.0, 1.5  # of Glorot's initialisation, of all weights and of those of the filters


class Residual(nn.Module):
    """Each of some blocks is x, then lrelu(x + conv(lrelu(conv(x)))); where there are several, x is added once more."""

    def __init__(self, channels: int, blocks: int) -> None:
        super().__init__()
        self.stem = nn.ModuleList(
            nn.Sequential(
                Convolution(channels, channels),
                nn.LeakyReLU(SLOPE, inplace=True),
                Convolution(channels, channels),
            )
            for _ in range(blocks)
        )

    def forward(self, x: Tensor) -> Tensor:
        """X (N, C, H, W) to the same shape."""
        y = x
        for block in self.stem:
            y = functional.leaky_relu(y + block(y), SLOPE)
        return y + x if len(self.stem) > 1 else y


@dataclass(frozen=True)
class Run:
    """What the network makes of some views, all (N, C, h, w); values of pictures are in [0, 1].

    Attributes
    ----------
    output : (N, 3, H, W), not clipped
    filters : (N, 15232, H / 8, W / 8), see `parts`
    disparity : (N, 1, H / 8, W / 8), px of that size from the right view to the left one
    """

    output: Tensor
    filters: Tensor
    disparity: Tensor


def parts(channels: int) -> list[tuple[slice, slice]]:
    """Where, in the channels of filters for a feature of C channels, each filter's used taps and biases are.

    First come the taps, filter after filter, each time 3 C vertical ones (tap fastest) and 3 C horizontal ones, which
    are not used; then C biases a filter.
    """
    taps = TAPS * channels
    biases = FILTERS * 2 * taps
    return [
        (
            slice(2 * number * taps, (2 * number + 1) * taps),
            slice(biases + number * channels, biases + (number + 1) * channels),
        )
        for number in range(FILTERS)
    ]


def filter_channels(channels: int) -> int:
    """Channels of the filters for a feature of so many channels."""
    return FILTERS * (2 * TAPS * channels + channels)


def filtered(feature: Tensor, filters: Callable[[slice], Tensor], *, last_activation: bool = True) -> Tensor:
    """A feature filtered again and again by each pixel's own filters, with LeakyReLU between them.

    Parameters
    ----------
    feature : (N, C, H, W); beyond its edge it goes on with the edge's value
    filters : gives some of their channels, (N, C', H, W), see `parts`
    last_activation : whether LeakyReLU follows the last filter too
    """
    for step, (taps, biases) in enumerate(parts(feature.shape[1]), start=1):
        own = filters(taps)
        feature = _correlated(_correlated(feature, own, axis=2), own, axis=3) + filters(biases)
        if last_activation or step < FILTERS:
            feature = functional.leaky_relu(feature, SLOPE)
    return feature


def _correlated(feature: Tensor, taps: Tensor, *, axis: int) -> Tensor:
    """The feature (N, C, H, W) filtered along an axis by taps (N, 3 C, H, W), tap fastest."""
    length, padded = feature.shape[axis], edged(feature, axis)
    total = padded.narrow(axis, 0, length) * taps[:, ::TAPS]
    for tap in range(1, TAPS):
        total = torch.addcmul(total, padded.narrow(axis, tap, length), taps[:, tap::TAPS])
    return total


class IFAN(nn.Module):
    """The network of [1]_, from one view or from a dual-pixel sensor's two views; see `forward`.

    Weights begin as in [1]_: Glorot's uniform, its gain larger in what makes the filters, biases 0.

    Parameters
    ----------
    dual : the filters are made from the right and the left view; what is deblurred is the combined view.
    """

    def __init__(self, *, dual: bool = False) -> None:
        super().__init__()
        self.dual = dual
        for prefix, views in (("conv", 1), ("kconv", 2 if dual else 1)):
            before = 3 * views
            for level, channels in enumerate(CHANNELS, start=1):
                self.add_module(f"{prefix}{level}_1", conv(before, channels, stride=1 if level == 1 else 2))
                self.add_module(f"{prefix}{level}_2", conv(channels, channels))
                self.add_module(f"{prefix}{level}_3", conv(channels, channels))
                before = channels
        self.DME = nn.Sequential(conv(DEEP, DEEP), Residual(DEEP, 2), Residual(DEEP, 2), Convolution(DEEP, 1))
        self.conv_DME = conv(1, DEEP)
        self.conv4_4 = nn.Sequential(
            conv(2 * DEEP, DEEP), Residual(DEEP, 2), Residual(DEEP, 2), conv(DEEP, DEEP)
        )
        self.F = nn.Sequential(
            conv(DEEP, DEEP),
            Residual(DEEP, 2),
            Residual(DEEP, 2),
            nn.Conv2d(DEEP, filter_channels(DEEP), 1),
        )
        self.conv_res = nn.Sequential(conv(DEEP, DEEP), Residual(DEEP, 3), conv(DEEP, DEEP))
        before = DEEP
        for level in (3, 2, 1):
            channels = CHANNELS[level - 1]
            self.add_module(f"upconv{level}_u", up(before, channels))
            self.add_module(f"upconv{level}_1", Residual(channels, 1))
            self.add_module(f"upconv{level}_2", Residual(channels, 1))
            before = channels
        self.out_res = conv(before, 3)
        self.apply(partial(glorot, gain=GAIN))
        self.F.apply(partial(glorot, gain=FILTER_GAIN))

    def forward(self, image: Tensor, right: Tensor | None = None, left: Tensor | None = None) -> Tensor:
        """Deblurred image (N, 3, H, W), clipped to [-1, 1]; any height and width.

        image: (N, 3, H, W), of a dual-pixel sensor the combined view; right, left: its two views.
        """
        height, width = image.shape[-2:]
        views = [padded_to_multiple(view, MULTIPLE) for view in (image, right, left) if view is not None]
        return self.scales(*views)[0][..., :height, :width].clamp(-1, 1)

    def scales(self, image: Tensor, right: Tensor | None = None, left: Tensor | None = None) -> list[Tensor]:
        """The output, not clipped, alone; sides are multiples of 8."""
        views = [view for view in (image, right, left) if view is not None]
        return [self._run(views, self._some_filters)[0] * 2 - 1]

    def run(self, views: Sequence[Tensor]) -> Run:
        """What the network makes of the view, or of the combined, the right and the left one, in [-1, 1]."""
        found: list[Tensor] = []

        def whole(feature: Tensor) -> Callable[[slice], Tensor]:
            filters: Tensor = self.F[-1](feature)
            found.append(filters)
            # Cut once: each slice of its own would make a gradient as large as all filters.
            sizes = [TAPS * DEEP] * (2 * FILTERS) + [DEEP] * FILTERS
            starts = accumulate(sizes, initial=0)
            pieces = dict(zip(starts, torch.split_with_sizes(filters, sizes, dim=1), strict=False))
            return lambda part: pieces[part.start]

        output, disparity = self._run(views, whole)
        return Run(output, found[0], disparity)

    def _some_filters(self, feature: Tensor) -> Callable[[slice], Tensor]:
        """Filters made when they are used: all of them together would take most of the network's memory."""
        last = self.F[-1]
        weight, bias = last.get_parameter("weight"), last.get_parameter("bias")
        return lambda part: functional.conv2d(feature, weight[part], bias[part])

    def _run(
        self, views: Sequence[Tensor], filters: Callable[[Tensor], Callable[[slice], Tensor]]
    ) -> tuple[Tensor, Tensor]:
        """Output and disparity, as in `Run`; filters: from the last feature before them."""
        if len(views) != (3 if self.dual else 1):
            need = "the combined, the right and the left view" if self.dual else "one image"
            raise ValueError(f"this network needs {need}, not {len(views)} of them")
        image, *sides = [(view.contiguous(memory_format=torch.channels_last) + 1) / 2 for view in views]
        *skips, feature = self._encoded("conv", image)
        *_, other = self._encoded("kconv", torch.cat(sides, 1) if sides else image)
        disparity: Tensor = self.DME(other)
        other = self.F[:-1](self.conv4_4(torch.cat((other, self.conv_DME(disparity)), 1)))
        feature = self.conv_res(filtered(feature, filters(other)))
        for level in (3, 2, 1):
            feature = self._part(f"upconv{level}_u", feature) + skips.pop()
            feature = self._part(f"upconv{level}_2", self._part(f"upconv{level}_1", feature))
        return self.out_res(feature) + image, disparity

    def _encoded(self, prefix: str, x: Tensor) -> list[Tensor]:
        """Features from full resolution to 1/8."""
        found = []
        for level in range(1, len(CHANNELS) + 1):
            for layer in (1, 2, 3):
                x = self._part(f"{prefix}{level}_{layer}", x)
            found.append(x)
        return found

    def _part(self, name: str, x: Tensor) -> Tensor:
        part: Tensor = self.get_submodule(name)(x)
        return part


def glorot(module: nn.Module, *, gain: float) -> None:
    """Begin a convolution's weights as Glorot's uniform, its biases as 0; other modules are left as they are."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.xavier_uniform_(module.weight, gain=gain)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def told(weights: Mapping[str, Tensor]) -> Architecture | None:
    """What weights are of, None where they are not IFAN's."""
    first = weights.get("kconv1_1.0.weight")
    if first is None or first.ndim != 4:
        return None
    dual = first.shape[1] == 6
    title, create = f"IFAN, {'dual' if dual else 'single'}", partial(IFAN, dual=dual)
    return Plain(title, create, multiple=MULTIPLE, margin=520, bytes_a_pixel=1000, dual=dual)
