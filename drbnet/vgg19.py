"""The first convolutions of VGG-19, with torchvision's public weights.

torchvision itself is not needed: its ``vgg19`` is a plain chain of 3 x 3 convolutions, ReLUs and 2 x 2 maxima,
and its weights file is a state dict.

References
----------
.. [1] K. Simonyan, A. Zisserman: Very Deep Convolutional Networks for Large-Scale Image Recognition, ICLR 2015,
   arXiv:1409.1556
"""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import torch
from torch import Tensor, nn

from lfsynth.errors import InputError

FILE = "vgg19-dcbb9e9d.pth"
"""Name of torchvision's file (IMAGENET1K_V1)."""
URL = f"https://download.pytorch.org/models/{FILE}"
SHA256_BEGINS = "dcbb9e9d"
"""First digits of the file's SHA-256: PyTorch names its files by them, and checks downloads by them."""

_CHANNELS = (64, 64, 0, 128, 128, 0, 256, 256, 256, 256, 0, 512, 512, 512, 512, 0, 512, 512, 512, 512, 0)
"""Of each convolution, followed by a ReLU; 0 is a maximum over 2 x 2."""


class Vgg19Features(nn.Module):
    """Features of VGG-19 at some layers; nothing of it is trained.

    Parameters
    ----------
    layers : numbers in torchvision's ``features``, counted from 0, rising
    """

    def __init__(self, layers: tuple[int, ...]) -> None:
        super().__init__()
        if not layers or list(layers) != sorted(set(layers)):
            raise ValueError(f"layers must rise, not {layers}")
        self.layers = layers
        parts: list[nn.Module] = []
        before = 3
        for channels in _CHANNELS:
            if channels:
                # Not in place: a layer before its ReLU must stay what it is.
                parts += [nn.Conv2d(before, channels, 3, padding=1), nn.ReLU()]
                before = channels
            else:
                parts.append(nn.MaxPool2d(2))
            if len(parts) > layers[-1]:
                break
        if len(parts) <= layers[-1]:
            raise ValueError(f"VGG-19 has no layer {layers[-1]}")
        self.features = nn.Sequential(*parts[: layers[-1] + 1])
        self.requires_grad_(False)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Features (N, C, h, w) at each of the layers, of pictures (N, 3, H, W) as VGG-19 takes them."""
        found = []
        for number, part in enumerate(self.features):
            pictures = part(pictures)
            if number in self.layers:
                found.append(pictures)
        return found


def check_file(path: Path | None) -> Path:
    """The file, where it is there and is what it should be.

    Raises
    ------
    InputError : where no file is named, there is none, or it is another, with what to download and where to put it
    """
    cure = f"download {URL} and name the file by --vgg19 PATH/{FILE}"
    if path is None:
        raise InputError("--vgg19", "stage 2 needs the weights of VGG-19, and no file is named", cure)
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(path, f"the weights of VGG-19 cannot be read ({error.strerror})", cure) from None
    if not digest.startswith(SHA256_BEGINS):
        fault = f"it is not {FILE}: its SHA-256 begins with {digest[:8]}, not {SHA256_BEGINS}"
        raise InputError(path, fault, cure)
    return path


def load_vgg19(path: Path | None, layers: tuple[int, ...]) -> Vgg19Features:
    """VGG-19 up to the last of some layers, with the weights of torchvision's file.

    Raises
    ------
    InputError : as `check_file` does, and where the file holds other tensors
    """
    path = check_file(path)
    network = Vgg19Features(layers)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict({name: state[name] for name in network.state_dict()})
    except (RuntimeError, KeyError, TypeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        fault = f"it does not hold the weights of VGG-19 ({type(error).__name__}: {error})"
        raise InputError(path, fault, f"download {URL} again") from error
    return network.eval()
