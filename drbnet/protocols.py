"""Ways of scoring that papers differ in, by name; a score says nothing without the name of its protocol.

All have in common: pictures are read as they are stored, sRGB-encoded R, G, B, alpha dropped. Inputs and target are
cropped at the bottom and at the right to multiples of 16 px before the network sees them. Codes are divided by white
(255 or 65535); the network's output, clipped, is brought from [-1, 1] to [0, 1]. The scores are those of the output
against the target, computed in float64 from values in [0, 1], per picture:

====== ==========================================================================================================
MAE    mean of |output - target| over all pixels and channels
PSNR   -10 log10 of the mean of (output - target)^2 over all pixels and channels, dB: data range 1
SSIM   structural similarity [1]_ by scikit-image, data range 1, the mean over channels, without the border that
       windows would reach beyond
LPIPS  version 0.1 with AlexNet of the pictures in [-1, 1], see `drbnet.lpips`
====== ==========================================================================================================

References
----------
.. [1] Z. Wang et al.: Image Quality Assessment, IEEE Trans. Image Processing 13(4), 2004,
   doi:10.1109/TIP.2003.819861
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drbnet import metrics
from drbnet.reading import Bits

MULTIPLE = 16
"""px, of which sides of cropped pictures are multiples."""
_UNIFORM = 7
_SIGMA = 1.5

Values = NDArray[np.float64]
"""A picture (H, W, 3), R, G, B in [0, 1]."""


class Window(Enum):
    """Over what SSIM takes its means and variances."""

    UNIFORM = "uniform, 7 x 7, sample covariance"
    """scikit-image's default: covariances divided by 48, a border of 3 px left out."""
    GAUSSIAN = "Gaussian, sigma 1.5, 11 x 11"
    """That of SSIM's authors: population covariances, a border of 5 px left out."""


@dataclass(frozen=True)
class Protocol:
    """What scores depend on, beyond what all protocols have in common.

    Attributes
    ----------
    name : by which it is asked for
    bits : read of files of 16 bits a sample; those of 8 bits are the same either way
    saved_bits : to so many bits is the output rounded, as saving it would; None: not at all
    window : of SSIM
    """

    name: str
    bits: Bits
    saved_bits: int | None
    window: Window

    def __str__(self) -> str:
        """In a line, for the user."""
        rounded = "not rounded" if self.saved_bits is None else f"rounded to {self.saved_bits} bits"
        return (
            f"{self.name}: {self.bits.value} bits read, cropped to multiples of {MULTIPLE} px, output {rounded}, "
            f"SSIM {self.window.value}"
        )

    def saved(self, output: Values) -> Values:
        """An output as it is scored."""
        if self.saved_bits is None:
            return output
        white = 2**self.saved_bits - 1
        rounded: Values = np.rint(output * white) / white
        return rounded


def paper() -> Protocol:
    """As Table 2 of the paper of DRBNet is scored.

    8 bits are read, of 16 the upper 8; the output is not rounded; SSIM with a uniform window of 7 x 7.
    """
    return Protocol("paper", Bits.TRUNCATED, None, Window.UNIFORM)


def sixteen_bits() -> Protocol:
    """As `paper`, but that all 16 bits of files of 16 bits are read, of inputs and targets."""
    return Protocol("16bit", Bits.ALL, None, Window.UNIFORM)


def eight_bits() -> Protocol:
    """As `paper`, but that the output is rounded to 8 bits: saved first, and the files compared."""
    return Protocol("8bit", Bits.TRUNCATED, 8, Window.UNIFORM)


def gaussian() -> Protocol:
    """As `paper`, but that SSIM has the Gaussian window of its authors, sigma 1.5 px over 11 x 11."""
    return Protocol("gaussian", Bits.TRUNCATED, None, Window.GAUSSIAN)


PROTOCOLS: dict[str, Callable[[], Protocol]] = {
    "paper": paper,
    "8bit": eight_bits,
    "16bit": sixteen_bits,
    "gaussian": gaussian,
}


def cropped(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """The upper left part of (H, W, C) whose sides are multiples of 16; of less than 16 px nothing is left."""
    height, width = (side - side % MULTIPLE for side in picture.shape[:2])
    return picture[:height, :width]


def mae(output: Values, target: Values) -> float:
    """Mean absolute error."""
    _check(output, target)
    return float(np.abs(output - target).mean())


def psnr(output: Values, target: Values) -> float:
    """Peak signal-to-noise ratio in dB; infinite where they are equal."""
    _check(output, target)
    return float(metrics.psnr(_tensor(output), _tensor(target)))


def ssim(output: Values, target: Values, window: Window) -> float:
    """Structural similarity; 1 where they are equal."""
    # scikit-image takes a second to load.
    from skimage.metrics import structural_similarity

    _check(output, target)
    if window is Window.GAUSSIAN:
        options = {"gaussian_weights": True, "sigma": _SIGMA, "use_sample_covariance": False}
    else:
        options = {"win_size": _UNIFORM, "use_sample_covariance": True}
    return float(structural_similarity(target, output, data_range=1.0, channel_axis=2, **options))


def _tensor(picture: Values) -> Tensor:
    return torch.from_numpy(picture.transpose(2, 0, 1))[None]


def _check(output: Values, target: Values) -> None:
    if output.ndim != 3 or output.shape != target.shape or {output.dtype, target.dtype} != {np.dtype(float)}:
        raise ValueError(
            f"pictures must be float64 (H, W, 3) of one shape, not {output.dtype} {output.shape} and "
            f"{target.dtype} {target.shape}"
        )
