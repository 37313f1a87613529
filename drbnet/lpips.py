"""LPIPS v0.1 with AlexNet, in plain torch: how differently a network that knows objects sees two pictures.

With x and y the features of the two pictures after one of the five ReLUs of AlexNet, each divided by its own length
over the channels, and w >= 0 the learned weights of the channels (the linear heads), the distance of [1]_ is the sum
over the ReLUs of the mean over all places of sum_c w_c (x_c - y_c)^2.

The heads are those that torchmetrics' package carries; AlexNet is torchvision's file, which the user has to name.
Neither torchvision nor torchmetrics is imported.

References
----------
.. [1] R. Zhang, P. Isola, A. A. Efros, E. Shechtman, O. Wang: The Unreasonable Effectiveness of Deep Features as a
   Perceptual Metric, CVPR 2018, doi:10.1109/CVPR.2018.00068
.. [2] A. Krizhevsky: One weird trick for parallelizing convolutional neural networks, arXiv:1404.5997
"""

from __future__ import annotations

import hashlib
import importlib.util
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from lfsynth.errors import InputError

FILE = "alexnet-owt-7be5be79.pth"
"""Name of torchvision's file (IMAGENET1K_V1)."""
URL = f"https://download.pytorch.org/models/{FILE}"
SHA256_BEGINS = "7be5be79"
"""First digits of the file's SHA-256: PyTorch names its files by them, and checks downloads by them."""
HEADS_SHA256 = "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0"
"""Of the file of the heads of version 0.1."""
SMALLEST = 31
"""px, the least side of a picture: AlexNet's second maximum needs so many."""

_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""What LPIPS subtracts from R, G and B in [-1, 1], and divides by."""
_EPSILON = 1e-10
"""Added to the features' length, which can be 0."""
_CHANNELS = (64, 192, 384, 256, 256)
_RELUS = (1, 4, 7, 9, 11)
"""Numbers in torchvision's ``features``."""


class Lpips(nn.Module):
    """The distance; nothing of it is trained. It has weights of no use until `load_lpips` has set them."""

    def __init__(self) -> None:
        super().__init__()
        first, second, third, fourth, fifth = _CHANNELS
        self.features = nn.Sequential(
            nn.Conv2d(3, first, 11, stride=4, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(first, second, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(second, third, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(third, fourth, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(fourth, fifth, 3, padding=1),
            nn.ReLU(),
        )
        self.heads = nn.ParameterList(torch.zeros(channels) for channels in _CHANNELS)
        self.requires_grad_(False)

    def forward(self, pictures: Tensor, others: Tensor) -> Tensor:
        """Distances of pictures.

        Parameters
        ----------
        pictures, others : (N, 3, H, W) float32, R, G, B in [-1, 1], sides of at least `SMALLEST`

        Returns
        -------
        (N,) float64, 0 where they are equal

        Raises
        ------
        ValueError : for pictures of other or different shapes
        """
        if pictures.shape != others.shape:
            raise ValueError(
                f"pictures must be of one shape, not {tuple(pictures.shape)} and {tuple(others.shape)}"
            )
        return self.distance(self.seen(pictures), self.seen(others))

    def seen(self, pictures: Tensor) -> list[Tensor]:
        """What AlexNet sees in pictures, see `forward`: the features after each ReLU, to be compared by `distance`."""
        if pictures.ndim != 4 or pictures.shape[1] != 3 or min(pictures.shape[-2:]) < SMALLEST:
            raise ValueError(
                f"pictures must be (N, 3, H, W), sides at least {SMALLEST} px, not {tuple(pictures.shape)}"
            )
        shift, scale = (pictures.new_tensor(values).reshape(1, 3, 1, 1) for values in (_SHIFT, _SCALE))
        features = (pictures - shift) / scale
        found = []
        for number, part in enumerate(self.features):
            features = part(features)
            if number in _RELUS:
                found.append(features)
        return found

    def distance(self, some: list[Tensor], others: list[Tensor]) -> Tensor:
        """Distances (N,) float64 of what `seen` has given of pictures of one size."""
        parts = []
        for head, one, other in zip(self.heads, some, others, strict=True):
            difference = (_of_length_1(one) - _of_length_1(other)).square_()
            parts.append(torch.einsum("nchw,c->n", difference, head.double()) / (one.shape[2] * one.shape[3]))
        return torch.stack(parts).sum(dim=0)


def load_lpips(path: Path, device: torch.device | None = None) -> Lpips:
    """LPIPS with AlexNet's weights of torchvision's file, on a device (None: the CPU).

    Raises
    ------
    InputError : where the file cannot be read, is another, or holds other tensors, and where torchmetrics' heads are
        not there, with what to download or install
    """
    alexnet = _read_tensors(
        path, f"AlexNet's {FILE}", SHA256_BEGINS, f"download {URL} and name it by --lpips-weights"
    )
    place = heads_file()
    cure = "install torchmetrics 1.9, which brings them"
    heads = _read_tensors(place, "the linear heads of LPIPS v0.1", HEADS_SHA256, cure)
    network = Lpips()
    own = network.features.state_dict()
    wanted = {name: alexnet.get(f"features.{name}") for name in own}
    wrong = next((name for name, value in own.items() if not _is_like(wanted[name], value)), None)
    if wrong is not None:
        raise InputError(path, f"it holds no features.{wrong} as AlexNet has it", f"download {URL} again")
    network.features.load_state_dict(wanted)
    for number, head in enumerate(network.heads):
        value = heads.get(f"lin{number}.model.1.weight")
        if not _is_like(value, head.reshape(1, -1, 1, 1)):
            raise InputError(place, f"it holds no head {number} of LPIPS v0.1", cure)
        head.copy_(cast(Tensor, value).reshape(-1))
    return network.eval().to(device or torch.device("cpu"))


def heads_file() -> Path:
    """The file of the linear heads, in the package of torchmetrics.

    Raises
    ------
    InputError : where there is no torchmetrics
    """
    # Found, not imported: that would take seconds.
    found = importlib.util.find_spec("torchmetrics")
    if found is None or found.origin is None:
        raise InputError("--lpips-weights", "the linear heads of LPIPS are in torchmetrics", "install it")
    return Path(found.origin).parent / "functional" / "image" / "lpips_models" / "alex.pth"


def _read_tensors(path: Path, what: str, digest_begins: str, cure: str) -> Mapping[str, Tensor]:
    """Tensors of a file whose SHA-256 begins as it should."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(path, f"{what} cannot be read ({error.strerror})", cure) from None
    if not digest.startswith(digest_begins):
        fault = f"it is not {what}: its SHA-256 begins with {digest[:8]}, not {digest_begins[:8]}"
        raise InputError(path, fault, cure)
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, KeyError, TypeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        raise InputError(path, f"it holds no tensors ({type(error).__name__}: {error})", cure) from error
    return state if isinstance(state, Mapping) else {}


def _is_like(value: object, wanted: Tensor) -> bool:
    return isinstance(value, Tensor) and value.shape == wanted.shape and value.is_floating_point()


def _of_length_1(features: Tensor) -> Tensor:
    """Features (N, C, h, w) divided by their length over the channels, float64."""
    features = features.double()
    return features / (features.square().sum(dim=1, keepdim=True).sqrt() + _EPSILON)
