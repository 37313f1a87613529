from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from drbnet.models import MODELS, architecture_of, kpac
from drbnet.models.kpac import KPAC


def picture(height: int, width: int, *, seed: int = 1) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def seeded(plain: ModuleType, levels: int) -> tuple[KPAC, dict[str, np.ndarray]]:
    """A network and the arrays that its weights are, which are in its own order."""
    arrays = plain.seeded(plain.kpac_shapes(levels))
    network = KPAC(levels=levels)
    turned = (one.transpose(3, 2, 0, 1) if one.ndim == 4 else one for one in arrays.values())
    weights = dict(zip(network.state_dict(), map(torch.from_numpy, turned), strict=True))
    network.load_state_dict(weights)
    return network.eval(), arrays


@pytest.mark.parametrize(("name", "count"), [("kpac", 2_057_893), ("kpac-2", 1_578_277)])
def test_parameters(name: str, count: int) -> None:
    network = MODELS[name].build()
    assert sum(one.numel() for one in network.parameters()) == count


# Sides of 12 and 20 are odd at the deepest level of two, those of 24 and 40 at that of three.
@pytest.mark.parametrize(("levels", "size"), [(2, (12, 20)), (2, (16, 8)), (3, (24, 40)), (3, (8, 16))])
def test_is_what_the_definitions_give(plain: ModuleType, levels: int, size: tuple[int, int]) -> None:
    network, arrays = seeded(plain, levels)
    image = picture(*size)
    with torch.no_grad():
        (found,) = network.scales(image)
    truth = plain.kpac(arrays, image[0].permute(1, 2, 0).numpy().astype(np.float64), levels)
    # The residual must be far from nothing, and is what rounding in some twenty layers is compared with.
    assert np.abs(truth - image[0].permute(1, 2, 0).numpy()).max() > 0.1
    np.testing.assert_allclose(
        found[0].permute(1, 2, 0).numpy(), truth, rtol=0, atol=2e-5 * np.abs(truth).max()
    )


@pytest.mark.parametrize(("levels", "size", "whole"), [(2, (13, 18), (16, 20)), (3, (9, 16), (16, 16))])
def test_any_size_is_filled_up_and_cut(levels: int, size: tuple[int, int], whole: tuple[int, int]) -> None:
    network, image = KPAC(levels=levels).eval(), picture(*size)
    edge = ((0, whole[1] - size[1], 0, whole[0] - size[0]), "replicate")
    with torch.no_grad():
        found = network(image)
        truth = network(torch.nn.functional.pad(image, *edge))[..., : size[0], : size[1]]
    assert found.shape == image.shape
    torch.testing.assert_close(found, truth, rtol=0, atol=0)


def test_output_is_clipped_where_it_is_used_and_not_where_it_is_trained() -> None:
    network, image = KPAC(levels=2).eval(), picture(8, 8)
    with torch.no_grad():
        network.output.bias += 1.5
        (open_,) = network.scales(image)
        assert open_.max() > 1
        torch.testing.assert_close(network(image), open_.clamp(-1, 1), rtol=0, atol=0)


def test_every_parameter_gets_a_gradient() -> None:
    for levels in (2, 3):
        network = KPAC(levels=levels)
        network.scales(picture(16, 16))[0].square().mean().backward()
        assert not [
            name for name, one in network.named_parameters() if one.grad is None or not one.grad.any()
        ]


def test_bfloat16_autocast_stays_near(plain: ModuleType) -> None:
    network, _ = seeded(plain, 2)
    image = picture(16, 24)
    with torch.no_grad():
        (truth,) = network.scales(image)
        with torch.autocast("cpu", torch.bfloat16):
            (found,) = network.scales(image)
    # bfloat16 has 8 bits of mantissa: 0.4 % a layer.
    assert (found.float() - truth).abs().max() < 0.1 * truth.abs().max()


class Blind(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros(1, kpac.WIDTH // 4, 1, 1)


@pytest.mark.parametrize(("levels", "height"), [(2, 400), (3, 800)])
def test_looks_as_far_as_its_margin(
    levels: int,
    height: int,
    reach: Callable[[nn.Module, int, int], int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kpac, "WIDTH", 4)
    network = KPAC(levels=levels).eval()
    architecture = architecture_of(network.state_dict())
    for block in network.blocks:
        block.shape[0] = Blind()  # or its mean would look at all
    looks = reach(network, height, architecture.multiple)
    assert looks <= architecture.margin < looks + architecture.multiple
    assert architecture.margin % architecture.multiple == 0


@pytest.mark.parametrize(
    ("levels", "title", "multiple"), [(2, "KPAC, 2 levels", 4), (3, "KPAC, 3 levels", 8)]
)
def test_is_told_from_its_weights(levels: int, title: str, multiple: int) -> None:
    network = KPAC(levels=levels)
    architecture = architecture_of(network.state_dict())
    assert str(architecture) == title
    assert architecture.multiple == network.multiple == multiple
    assert architecture.margin % multiple == 0
    built = architecture.build()
    assert {name: one.shape for name, one in built.state_dict().items()} == {
        name: one.shape for name, one in network.state_dict().items()
    }


def test_other_weights_are_not_taken_for_it() -> None:
    assert kpac.told(MODELS["drbnet"].build().state_dict()) is None


def test_exports_for_any_width(
    exported: Callable[[nn.Module, int], nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kpac, "WIDTH", 4)
    monkeypatch.setattr(kpac, "BLOCKS", 1)
    network, image = KPAC(levels=2), picture(8, 24)
    with torch.no_grad():
        found = exported(network, network.multiple)(image)
        torch.testing.assert_close(found, network.scales(image)[0], rtol=0, atol=1e-5)


def test_weights_begin_as_released() -> None:
    torch.manual_seed(0)
    network = KPAC()
    for name, one in network.named_parameters():
        if one.ndim == 1:
            assert not one.any(), name
        elif one.numel() > 10_000:
            # Of so many draws the deviation is known to 1 %; this is five times that.
            assert abs(float(one.detach().std()) / 0.04 - 1) < 0.05, name


def test_refuses_views_and_levels() -> None:
    image = picture(8, 8)
    with pytest.raises(ValueError, match="needs one image, not 3"):
        KPAC()(image, image, image)
    with pytest.raises(ValueError, match="levels must be 2 or 3, not 4"):
        KPAC(levels=4)
