"""The networks' plain form, which their tests compare with, and how far a network looks."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn
from torch.export import Dim


@pytest.fixture(scope="session")
def plain() -> ModuleType:
    """The module ``plain_tensorflow.py``."""
    path = Path(__file__).with_name("plain_tensorflow.py")
    spec = importlib.util.spec_from_file_location("plain_tensorflow", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def reach() -> Callable[[nn.Module, int, int], int]:
    """How many rows up or down a network looks, given a height that is enough and the multiple of its grids.

    A row that is no number makes all that depends on it none, whatever the weights.
    """

    def of(network: nn.Module, height: int, multiple: int) -> int:
        farthest = 0
        middle = height // 2 // multiple * multiple
        for row in range(middle, middle + multiple):
            image = torch.zeros(1, 3, height, 16)
            image[:, :, row] = torch.nan
            with torch.no_grad():
                reached = network(image).isnan().any(3)[0, 0].nonzero()
            farthest = max(farthest, row - int(reached[0]), int(reached[-1]) - row)
        assert farthest < height // 2 - multiple
        return farthest

    return of


class Widened(nn.Module):
    """A network's output for pictures of any width, as `drbnet.export` fills them up."""

    def __init__(self, network: nn.Module, multiple: int) -> None:
        super().__init__()
        self.network, self.multiple = network, multiple

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) to (N, 3, H, W'), W' being a multiple."""
        width = image.shape[3]
        wide = self.multiple * ((width + self.multiple - 1) // self.multiple)
        filled = image.index_select(3, torch.arange(wide).clamp(max=width - 1))
        output: Tensor = self.network.scales(filled)[-1]
        return output


@pytest.fixture(scope="session")
def exported() -> Callable[[nn.Module, int], nn.Module]:
    """A network as a graph for any width, which must be a multiple."""

    def of(network: nn.Module, multiple: int) -> nn.Module:
        image = torch.zeros(1, 3, 2 * multiple, 5 * multiple + 3)
        width = {3: Dim("width", min=multiple + 1)}
        with torch.no_grad():
            whole = Widened(network.eval(), multiple)
            return torch.export.export(whole, (image,), dynamic_shapes=(width,), strict=False).module()

    return of
