"""Trained weights to a network that is ready to use; which one it is, is told from the tensors' shapes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from drbnet.checkpoints import load_weights, read_weights
from drbnet.choices import Device
from drbnet.models.drbnet import DRBNet, Scales, Terms
from lfsynth.errors import InputError


@dataclass(frozen=True)
class Architecture:
    """A DRBNet's options, see `DRBNet`."""

    dual: bool
    kernel_size: int
    terms: Terms
    scales: Scales

    def build(self) -> DRBNet:
        """The network, with weights of no use."""
        return DRBNet(dual=self.dual, kernel_size=self.kernel_size, terms=self.terms, scales=self.scales)

    def __str__(self) -> str:
        """For the user, in some words."""
        words = [f"DRBNet, {'dual' if self.dual else 'single'}, {self.kernel_size} x {self.kernel_size}"]
        if self.scales is not Scales.FOUR:
            words.append(f"scales: {self.scales.value}")
        if not self.terms.filtered or not self.terms.residual:
            words.append("without kernels" if self.terms.residual else "without residual")
        return ", ".join(words)


def architecture_of(weights: Mapping[str, Tensor]) -> Architecture:
    """The DRBNet that weights are of, as far as these show it; that all of them fit is for `load_weights` to see.

    Whether an output begins with the input itself leaves no trace in the weights: it is taken to.
    """
    filtered, residual = "upconv0_kernel.2.weight" in weights, "upconv0_res.2.0.weight" in weights
    if "img_d8_feature.0.0.weight" in weights:
        scales = Scales.FOUR
    else:
        scales = Scales.NONE if "output.weight" in weights else Scales.ONE
    first = weights.get("conv1_1.0.weight")
    taps = weights["upconv0_kernel.2.weight"].shape[0] if filtered else 49
    side = math.isqrt(taps)
    return Architecture(
        dual=first is not None and first.ndim == 4 and first.shape[1] == 6,
        kernel_size=side if side**2 == taps and side % 2 else 7,
        terms=Terms(filtered=filtered or not residual, residual=residual or not filtered),
        scales=scales,
    )


def load_network(path: Path, device: torch.device | None = None) -> tuple[DRBNet, Architecture]:
    """The network of a .safetensors or .pth file: plain weights, or a checkpoint of a training.

    Returns
    -------
    the network, in evaluation mode, on the device (None: the CPU), and what it is

    Raises
    ------
    InputError : where the file cannot be read, is damaged, holds code or other things than tensors, or is of another
        network, with the first tensor that differs
    """
    weights = {key.removeprefix("module."): value for key, value in read_weights(path).items()}
    architecture = architecture_of(weights)
    network = architecture.build()
    load_weights(network, weights, path)
    wrong = next((name for name, one in weights.items() if not bool(torch.isfinite(one).all())), None)
    if wrong is not None:
        raise InputError(path, f"its {wrong} holds values that are no numbers", "take another checkpoint")
    return network.eval().to(device or torch.device("cpu")), architecture


def chosen_device(device: Device) -> torch.device:
    """The device of a choice.

    Raises
    ------
    InputError : where there is none
    """
    there = torch.cuda.is_available()
    if device is Device.CUDA and not there:
        raise InputError("--device", "there is no CUDA device here", "take --device cpu")
    return torch.device("cuda" if there and device is not Device.CPU else "cpu")
