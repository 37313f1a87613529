"""What can be chosen in training where the paper leaves it open, or where its ablations need it.

No torch here: the command line shows these without loading it.
"""

from __future__ import annotations

from enum import Enum


class Autocast(Enum):
    """Precision of the network's arithmetic; weights, losses and the optimiser stay float32."""

    NONE = "none"
    BF16 = "bf16"
    FP16 = "fp16"
    """Losses are scaled lest small gradients vanish."""


class Initialisation(Enum):
    """How the convolutions' weights begin."""

    TORCH = "torch"
    """As torch has it: Kaiming's uniform with a = sqrt(5), biases uniform; IFAN and AIFNet have their own."""
    KAIMING = "kaiming"
    """Kaiming's normal for the LeakyReLU's slope of 0.1, biases 0."""
    XAVIER = "xavier"
    """Glorot's normal, biases 0."""
    ORTHOGONAL = "orthogonal"
    """Orthogonal matrices, biases 0."""


class TargetScaling(Enum):
    """How the target is brought to a coarse scale's size."""

    MEAN = "mean"
    """The mean of blocks, as the network makes its own pyramid."""
    BICUBIC = "bicubic"
    """Bicubic with anti-aliasing."""
    NEAREST = "nearest"
    """The upper left pixel of each block."""


class VggLayers(Enum):
    """What the 2nd, 7th and 14th layer of VGG-19 are, in torchvision's numbering of ``features``."""

    COUNTED_FROM_0 = "from-0"
    """2, 7, 14: conv1_2, conv2_2, conv3_3, before their ReLU."""
    COUNTED_FROM_1 = "from-1"
    """1, 6, 13: relu1_1, relu2_1, relu3_2."""

    @property
    def indices(self) -> tuple[int, ...]:
        """Numbers in ``features``, counted from 0."""
        return (2, 7, 14) if self is VggLayers.COUNTED_FROM_0 else (1, 6, 13)


class VggInput(Enum):
    """How pictures in [-1, 1] are brought to VGG-19's input."""

    HALF = "half"
    """(x - 0.5) / 0.5 of values in [0, 1], which is [-1, 1]: as they are."""
    IMAGENET = "imagenet"
    """ImageNet's mean and deviation, with which VGG-19 was trained."""


class VggDistance(Enum):
    """How features are compared."""

    L1 = "l1"
    """Mean of absolute differences, as the paper's equation has it."""
    MSE = "mse"
    """Mean of squared differences."""


class Device(Enum):
    """Where the arithmetic is done."""

    AUTO = "auto"
    """A CUDA device where there is one."""
    CPU = "cpu"
    CUDA = "cuda"
