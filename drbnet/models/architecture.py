"""What a network is, as the names and shapes of its weights tell, and what its use must know of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from torch import nn


class Architecture(Protocol):
    """A network with its options; as text, what the user is told of it.

    Attributes
    ----------
    dual : whether it takes the right and the left view of a dual-pixel sensor beside the combined one
    multiple : px: where tiles of a picture may begin, so that the network's own grids lie as in the whole picture
    margin : px, a multiple of `multiple`: how far the network looks; see `drbnet.tiling`
    bytes_a_pixel : that it takes beyond its weights on the CPU
    """

    @property
    def dual(self) -> bool: ...  # noqa: D102
    @property
    def multiple(self) -> int: ...  # noqa: D102
    @property
    def margin(self) -> int: ...  # noqa: D102
    @property
    def bytes_a_pixel(self) -> int: ...  # noqa: D102

    def build(self) -> nn.Module:
        """The network, with weights of no use."""

    def __str__(self) -> str: ...


@dataclass(frozen=True)
class Plain:
    """An `Architecture` that has no options.

    Attributes
    ----------
    title : what the user is told
    create : makes the network
    """

    title: str
    create: Callable[[], nn.Module]
    multiple: int
    margin: int
    bytes_a_pixel: int
    dual: bool = False

    def build(self) -> nn.Module:
        """The network, with weights of no use."""
        return self.create()

    def __str__(self) -> str:
        return self.title
