"""PSNR and SSIM against scikit-image's."""

import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from drbnet.metrics import mean, psnr, ssim, to_unit

RNG = np.random.default_rng(3)


def pictures(count: int = 2, size: tuple[int, int] = (23, 31)) -> tuple[torch.Tensor, torch.Tensor]:
    sharp = RNG.random((count, 3, *size))
    return torch.from_numpy(sharp), torch.from_numpy(np.clip(sharp + RNG.normal(0, 0.1, sharp.shape), 0, 1))


def test_psnr_is_scikit_images() -> None:
    target, output = pictures()
    for got, one, other in zip(psnr(output, target), output, target, strict=True):
        wanted = peak_signal_noise_ratio(other.numpy(), one.numpy(), data_range=1)
        assert float(got) == pytest.approx(wanted, abs=1e-10)  # float64 on both sides


@pytest.mark.parametrize("size", [(7, 7), (7, 40), (23, 31)])
def test_ssim_is_scikit_images(size: tuple[int, int]) -> None:
    target, output = pictures(size=size)
    for got, one, other in zip(ssim(output, target), output, target, strict=True):
        wanted = structural_similarity(other.numpy(), one.numpy(), data_range=1, channel_axis=0)
        assert float(got) == pytest.approx(wanted, abs=1e-12)


def test_ssim_of_float32_is_computed_in_float64() -> None:
    target, output = (one.float() for one in pictures())
    assert torch.equal(ssim(output, target), ssim(output.double(), target.double()))


def test_equal_pictures() -> None:
    target, _ = pictures()
    assert torch.isinf(psnr(target, target)).all()
    assert torch.allclose(ssim(target, target), torch.ones(2, dtype=torch.float64))


def test_mean_leaves_out_what_is_infinite() -> None:
    assert mean([1.0, math.inf, 3.0]) == 2
    assert mean([math.inf]) == math.inf


def test_range_of_networks_becomes_that_of_metrics() -> None:
    assert to_unit(torch.tensor([-3.0, -1.0, 0.0, 1.0, 2.0])).tolist() == [0, 0, 0.5, 1, 1]


def test_other_shapes_and_integers_are_refused() -> None:
    target, output = pictures()
    with pytest.raises(ValueError, match="of one shape"):
        psnr(output[:1], target)
    with pytest.raises(ValueError, match="at least 7 px"):
        ssim(output[..., :6], target[..., :6])
    with pytest.raises(TypeError, match="floats in"):
        psnr(output.byte(), target)
