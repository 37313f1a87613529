"""Losses over the scales, against NumPy and sums written out."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from drbnet.choices import TargetScaling, VggDistance, VggInput
from drbnet.losses import FeatureDistance, over_scales, scaled_target, weighted_sum
from drbnet.vgg19 import Vgg19Features


def pyramid(seed: int = 0) -> tuple[list[Tensor], Tensor]:
    generator = torch.Generator().manual_seed(seed)
    outputs = [torch.randn(2, 3, 32 // times, 48 // times, generator=generator) for times in (8, 4, 2, 1)]
    return outputs, torch.rand(2, 3, 32, 48, generator=generator) * 2 - 1


def test_l1_over_scales_is_the_sum_of_means_against_block_means() -> None:
    outputs, target = pyramid()
    found = over_scales(outputs, target, functional.l1_loss, weights=(1, 1, 1, 1), scaling=TargetScaling.MEAN)
    for loss, output, times in zip(found, outputs, (8, 4, 2, 1), strict=True):
        blocks = target.double().numpy().reshape(2, 3, 32 // times, times, 48 // times, times).mean((3, 5))
        # float32 sums of 8 x 8 blocks
        assert float(loss) == pytest.approx(np.abs(output.double().numpy() - blocks).mean(), rel=1e-6)


def test_weights_of_scales_and_networks_of_fewer() -> None:
    outputs, target = pyramid()
    plain = over_scales(outputs, target, functional.l1_loss, weights=(1, 1, 1, 1), scaling=TargetScaling.MEAN)
    halved = over_scales(
        outputs, target, functional.l1_loss, weights=(0.5, 1, 0, 2), scaling=TargetScaling.MEAN
    )
    assert [float(a / b) for a, b in zip(halved, plain, strict=True)] == [0.5, 1, 0, 2]
    (last,) = over_scales(
        outputs[-1:], target, functional.l1_loss, weights=(5, 6, 7, 1), scaling=TargetScaling.MEAN
    )
    assert last == plain[-1]
    with pytest.raises(ValueError, match="4 scales, but 3 weights"):
        over_scales(outputs, target, functional.l1_loss, weights=(1, 1, 1), scaling=TargetScaling.MEAN)


def test_targets_are_scaled_as_said() -> None:
    _, target = pyramid()
    assert torch.equal(scaled_target(target, (8, 12), TargetScaling.NEAREST), target[:, :, ::4, ::4])
    constant = torch.full((1, 3, 16, 16), 0.3)
    for how in TargetScaling:
        scaled = scaled_target(constant, (4, 4), how)
        assert torch.allclose(scaled, torch.full((1, 3, 4, 4), 0.3))
        assert scaled_target(constant, (16, 16), how) is constant
    with pytest.raises(ValueError, match="no whole multiple"):
        scaled_target(target, (8, 13), TargetScaling.MEAN)


def test_half_precision_outputs_are_compared_in_float32() -> None:
    outputs, target = pyramid()
    half = [output.bfloat16() for output in outputs]
    found = over_scales(half, target, functional.l1_loss, weights=(1, 1, 1, 1), scaling=TargetScaling.MEAN)
    assert all(loss.dtype == torch.float32 for loss in found)


@pytest.mark.parametrize("distance", VggDistance)
@pytest.mark.parametrize("input_", VggInput)
def test_feature_distance_is_its_formula(input_: VggInput, distance: VggDistance) -> None:
    torch.manual_seed(1)
    vgg19 = Vgg19Features((2, 7))
    compare = FeatureDistance(vgg19, weights=(1, 0.2), input_=input_, distance=distance)
    output, target = (torch.rand(1, 3, 16, 16) * 2 - 1 for _ in range(2))
    output.requires_grad_()
    found = compare(output, target)
    pictures = [output, target]
    if input_ is VggInput.IMAGENET:
        mean = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
        deviation = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
        pictures = [((one + 1) / 2 - mean) / deviation for one in pictures]
    made, wanted = (vgg19(one) for one in pictures)
    power = 1 if distance is VggDistance.L1 else 2
    terms = [(a - b).abs().pow(power).mean() for a, b in zip(made, wanted, strict=True)]
    wanted_sum = (terms[0] + 0.2 * terms[1]).item()
    assert found.item() == pytest.approx(wanted_sum, rel=1e-6)
    found.backward()
    assert output.grad is not None
    assert float(output.grad.abs().sum()) > 0
    assert all(parameter.grad is None for parameter in vgg19.parameters())


def test_a_weight_a_layer() -> None:
    with pytest.raises(ValueError, match="2 layers, but 3 weights"):
        FeatureDistance(
            Vgg19Features((2, 7)), weights=(1, 1, 1), input_=VggInput.HALF, distance=VggDistance.L1
        )


def test_weighted_sum_leaves_out_what_weighs_nothing() -> None:
    def never(output: Tensor, target: Tensor) -> Tensor:
        raise AssertionError

    outputs, target = pyramid()
    both = weighted_sum([(0.5, functional.l1_loss), (2, functional.mse_loss), (0, never)])
    wanted = 0.5 * functional.l1_loss(outputs[-1], target) + 2 * functional.mse_loss(outputs[-1], target)
    assert float(both(outputs[-1], target)) == pytest.approx(float(wanted))
    with pytest.raises(ValueError, match="all terms"):
        weighted_sum([(0, never)])
