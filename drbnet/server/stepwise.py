"""A deblurrer that tells how far it is after each of the network's layers, not after each tile alone.

Most photographs are a few tiles, of which each takes many seconds: who looks on wants to see something move, and
who has left should not be waited for. What raises in `progress` ends the work there.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from drbnet.deblurring import Deblurrer
from drbnet.tiling import Codes, Progress, spans, whole_or_tiled

SIDE = 64
"""px of the picture on which layers are weighed against each other."""


class Stepwise:
    """See the module.

    Parameters
    ----------
    deblurrer : of a network for single pictures
    """

    def __init__(self, deblurrer: Deblurrer) -> None:
        self._deblurrer = deblurrer
        self._layers = [one for one in deblurrer.network.modules() if not any(one.children())]
        costs: list[float] = []
        handles = [
            one.register_forward_hook(lambda layer, _, output: costs.append(_cost(layer, output)))
            for one in self._layers
        ]
        try:
            with torch.inference_mode():
                deblurrer.network(torch.zeros(1, 3, SIDE, SIDE, device=deblurrer.device))
        finally:
            for handle in handles:
                handle.remove()
        total = sum(costs)
        self._parts = [cost / total for cost in itertools.accumulate(costs)]
        """Of a tile's work, what is done after each of its layers."""

    def __call__(self, views: Sequence[Codes], progress: Progress) -> Codes:
        """Deblurred picture, as `Deblurrer` gives it; called by one thread at a time."""
        deblurrer, (height, width) = self._deblurrer, views[0].shape[:2]
        tiling, pixels = deblurrer.tiling(), height * width
        of_a_tile = pixels / (len(spans(height, tiling)) * len(spans(width, tiling)))
        done, parts = 0, iter(self._parts)

        def after_layer(*_: Any) -> None:
            progress(min(pixels, int(done + of_a_tile * next(parts, 1.0))), pixels)

        def after_tile(made: int, total: int) -> None:
            nonlocal done, parts
            done, parts = made, iter(self._parts)
            progress(made, total)

        handles = [one.register_forward_hook(after_layer) for one in self._layers]
        try:
            return whole_or_tiled(
                deblurrer.network,
                views,
                tiling,
                device=deblurrer.device,
                autocast=deblurrer.autocast,
                progress=after_tile,
            )
        finally:
            for handle in handles:
                handle.remove()


def _cost(layer: nn.Module, output: Tensor) -> float:
    """Roughly, in multiplications."""
    weight = getattr(layer, "weight", None)
    if not isinstance(weight, Tensor) or weight.ndim != 4:
        return float(output.numel())
    if isinstance(layer, nn.ConvTranspose2d):
        stride = layer.stride[0] * layer.stride[1]
        return output.numel() * weight[:, 0].numel() / stride
    return float(output.numel() * weight[0].numel())
