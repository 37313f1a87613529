from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from drbnet.losses import unit_mse
from drbnet.models import MODELS, architecture_of, dpdnet
from drbnet.models.dpdnet import DPDNet
from drbnet.random_state import random_state, set_random_state

SLIM = (4, 4, 6, 6, 8)


@pytest.fixture
def slim(monkeypatch: pytest.MonkeyPatch) -> DPDNet:
    """The network with few channels."""
    monkeypatch.setattr(dpdnet, "CHANNELS", SLIM)
    torch.manual_seed(0)
    return DPDNet()


def picture(height: int, width: int, *, seed: int = 1) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def load(network: DPDNet, arrays: dict[str, np.ndarray]) -> DPDNet:
    """Give a network the arrays, which are in its own order."""
    turned = (one.transpose(3, 2, 0, 1) if one.ndim == 4 else one for one in arrays.values())
    network.load_state_dict(dict(zip(network.state_dict(), map(torch.from_numpy, turned), strict=True)))
    return network.eval()


def by_definitions(plain: ModuleType, arrays: dict[str, np.ndarray], image: Tensor) -> np.ndarray:
    """From RGB in [-1, 1] to RGB in [-1, 1]."""
    bgr = (image[0].numpy().astype(np.float64)[::-1].transpose(1, 2, 0) + 1) / 2
    result: np.ndarray = (plain.dpdnet(arrays, bgr) * 2 - 1)[..., ::-1]
    return result


def test_parameters() -> None:
    assert sum(one.numel() for one in MODELS["dpdnet"].build().parameters()) == 31_033_423


def test_is_what_the_definitions_give(plain: ModuleType) -> None:
    arrays = plain.seeded(plain.dpdnet_shapes())
    network, image = load(DPDNet(), arrays), picture(16, 48)
    with torch.no_grad():
        found = network(image)
    truth = by_definitions(plain, arrays, image)
    assert np.ptp(truth) > 0.1
    # Rounding in 24 layers; the sigmoid's slope is at most a quarter, on a scale of 2.
    np.testing.assert_allclose(found[0].permute(1, 2, 0).numpy(), truth, rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [(16, 16), (48, 32), (80, 16)])
def test_is_what_the_definitions_give_at_other_sizes(
    plain: ModuleType, slim: DPDNet, size: tuple[int, int]
) -> None:
    arrays = plain.seeded(plain.dpdnet_shapes(SLIM), seed=size[0])
    network, image = load(slim, arrays), picture(*size)
    with torch.no_grad():
        found = network(image)
    truth = by_definitions(plain, arrays, image)
    assert np.ptp(truth) > 0.1
    np.testing.assert_allclose(found[0].permute(1, 2, 0).numpy(), truth, rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [(17, 30), (1, 16)])
def test_any_size_is_filled_up_and_cut(slim: DPDNet, size: tuple[int, int]) -> None:
    image = picture(*size)
    edge = ((0, -size[1] % 16, 0, -size[0] % 16), "replicate")
    slim.eval()
    with torch.no_grad():
        found = slim(image)
        truth = slim(torch.nn.functional.pad(image, *edge))[..., : size[0], : size[1]]
    assert found.shape == image.shape
    torch.testing.assert_close(found, truth, rtol=0, atol=0)


def test_dropout_is_of_training_alone(slim: DPDNet) -> None:
    image = picture(32, 32)
    with torch.no_grad():
        assert not torch.equal(slim.train()(image), slim(image))
        torch.testing.assert_close(slim.eval()(image), slim(image), rtol=0, atol=0)


def test_dropout_is_drawn_from_the_state_that_checkpoints_keep(slim: DPDNet) -> None:
    image = picture(32, 32)
    slim.train()
    with torch.no_grad():
        slim(image)
        state = random_state()
        expected = [slim(image), slim(image)]
        set_random_state(state)
        found = [slim(image), slim(image)]
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)
    assert not torch.equal(*found)


def test_dropout_leaves_out_two_fifths_of_the_two_deepest_levels(
    slim: DPDNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropped = []
    monkeypatch.setattr(
        dpdnet.functional, "dropout", lambda x, p, training: dropped.append((x.shape[1:], p, training)) or x
    )
    with torch.no_grad():
        slim.train()(picture(32, 16))
    assert dropped == [((6, 4, 2), 0.4, True), ((8, 2, 1), 0.4, True)]


def test_every_parameter_gets_a_gradient(plain: ModuleType, slim: DPDNet) -> None:
    load(slim, plain.seeded(plain.dpdnet_shapes(SLIM), seed=1))
    slim(picture(32, 32)).square().mean().backward()
    assert not [name for name, one in slim.named_parameters() if one.grad is None or not one.grad.any()]


def test_loss_is_a_mean_square_on_a_scale_from_0_to_1() -> None:
    output, target = picture(4, 4), picture(4, 4, seed=2)
    expected = torch.mean(((output + 1) / 2 - (target + 1) / 2) ** 2)
    torch.testing.assert_close(MODELS["dpdnet"].distance(output, target), expected)
    assert MODELS["dpdnet"].distance is unit_mse


def test_looks_as_far_as_its_margin(slim: DPDNet, reach: Callable[[nn.Module, int, int], int]) -> None:
    architecture = architecture_of(slim.state_dict())
    looks = reach(slim.eval(), 320, architecture.multiple)
    assert looks <= architecture.margin < looks + architecture.multiple
    assert architecture.margin % architecture.multiple == 0


def test_is_told_from_its_weights() -> None:
    network = DPDNet()
    architecture = architecture_of(network.state_dict())
    assert str(architecture) == "DPDNet, single"
    assert architecture.multiple == 16
    assert isinstance(architecture.build(), DPDNet)
    assert dpdnet.told(MODELS["kpac"].build().state_dict()) is None


def test_exports_for_any_width(exported: Callable[[nn.Module, int], nn.Module], slim: DPDNet) -> None:
    image = picture(32, 64)
    with torch.no_grad():
        found = exported(slim, dpdnet.MULTIPLE)(image)
        torch.testing.assert_close(found, slim(image), rtol=0, atol=1e-5)


def test_weights_begin_as_published() -> None:
    torch.manual_seed(0)
    for name, one in DPDNet().named_parameters():
        if one.ndim == 1:
            assert not one.any(), name
        elif one.numel() > 10_000:
            # Kaiming's: a ReLU halves the power, and the sum over the inputs keeps it. Known to 1 %, five times that.
            expected = (2 / one[0].numel()) ** 0.5
            assert abs(float(one.detach().std()) / expected - 1) < 0.05, name


def test_refuses_views() -> None:
    image = picture(16, 16)
    with pytest.raises(ValueError, match="needs one image, not 3"):
        DPDNet()(image, image, image)
