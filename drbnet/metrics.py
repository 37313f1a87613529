"""PSNR and SSIM of pictures as float values in [0, 1], per picture.

Nothing is rounded to 8 bits and nothing is clipped here: what is given is what is measured.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

SSIM_WINDOW = 7
"""px, side of SSIM's uniform window."""
_K1, _K2 = 0.01, 0.03


def to_unit(pictures: Tensor) -> Tensor:
    """Values in [-1, 1], the networks' range, clipped and brought to [0, 1], float32."""
    return (pictures.float().clamp(-1, 1) + 1) / 2


def psnr(output: Tensor, target: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each picture.

    Parameters
    ----------
    output, target : (N, C, H, W), data range 1

    Returns
    -------
    (N,) float64, dB, infinite where they are equal
    """
    _check(output, target)
    error = (output.double() - target.double()).square().mean(dim=(1, 2, 3))
    return -10 * error.log10()


def ssim(output: Tensor, target: Tensor) -> Tensor:
    """Structural similarity of each picture, with a uniform 7 x 7 window.

    Parameters
    ----------
    output, target : (N, C, H, W), data range 1, sides at least 7 px

    Returns
    -------
    (N,) float64, the mean over channels and all windows that lie in the picture

    Notes
    -----
    Sample covariances (divided by 48), float64, K1 = 0.01, K2 = 0.03: scikit-image's ``structural_similarity``
    without ``gaussian_weights`` [1]_.

    .. [1] Z. Wang et al.: Image Quality Assessment, IEEE Trans. Image Processing 13(4), 2004,
       doi:10.1109/TIP.2003.819861
    """
    _check(output, target)
    if min(output.shape[-2:]) < SSIM_WINDOW:
        raise ValueError(
            f"pictures must be at least {SSIM_WINDOW} px high and wide, not {tuple(output.shape)}"
        )
    x, y = output.double(), target.double()
    mean_x, mean_y, mean_xx, mean_yy, mean_xy = (_windows(z) for z in (x, y, x * x, y * y, x * y))
    count = SSIM_WINDOW**2
    unbiased = count / (count - 1)
    var_x = unbiased * (mean_xx - mean_x * mean_x)
    var_y = unbiased * (mean_yy - mean_y * mean_y)
    covariance = unbiased * (mean_xy - mean_x * mean_y)
    c1, c2 = _K1**2, _K2**2
    above = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    below = (mean_x * mean_x + mean_y * mean_y + c1) * (var_x + var_y + c2)
    return (above / below).mean(dim=(1, 2, 3))


def mean(values: list[float]) -> float:
    """Mean of what is finite; infinite where nothing is, as for a set of equal pictures."""
    finite = [value for value in values if math.isfinite(value)]
    return math.fsum(finite) / len(finite) if finite else math.inf


def _windows(pictures: Tensor) -> Tensor:
    """Means over all windows."""
    return functional.avg_pool2d(pictures, SSIM_WINDOW, stride=1)


def _check(output: Tensor, target: Tensor) -> None:
    if output.ndim != 4 or output.shape != target.shape:
        raise ValueError(
            f"pictures must be (N, C, H, W) of one shape, not {tuple(output.shape)} and {tuple(target.shape)}"
        )
    if not torch.is_floating_point(output) or not torch.is_floating_point(target):
        raise TypeError(f"pictures must be floats in [0, 1], not {output.dtype} and {target.dtype}")
