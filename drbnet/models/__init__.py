"""The networks by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn

from drbnet.models.drbnet import DRBNet

MODELS: dict[str, Callable[..., nn.Module]] = {"drbnet": DRBNet, "drbnet-dual": partial(DRBNet, dual=True)}
