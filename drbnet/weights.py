"""Trained weights to a network that is ready to use; which one it is, is told from the tensors' names and shapes."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from drbnet.checkpoints import load_weights, read_weights
from drbnet.choices import Device
from drbnet.models import architecture_of
from drbnet.models.architecture import Architecture
from lfsynth.errors import InputError


def load_network(path: Path, device: torch.device | None = None) -> tuple[nn.Module, Architecture]:
    """The network of a .safetensors or .pth file: plain weights, or a checkpoint of a training.

    Returns
    -------
    the network, in evaluation mode, on the device (None: the CPU), and what it is

    Raises
    ------
    InputError : where the file cannot be read, is damaged, holds code or other things than tensors, or is of another
        network, with the first tensor that differs
    """
    weights = read_weights(path)
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
