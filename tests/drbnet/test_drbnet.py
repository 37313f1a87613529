from __future__ import annotations

import copy
import importlib.util
import json
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import Tensor

from drbnet import convolution
from drbnet.models import MODELS, drbnet
from drbnet.models.drbnet import DRBNet, Scales, Terms

BASELINE = Path(__file__).parents[2] / "benchmarks" / "unfolding_drbnet.py"

# Names and sizes of the released weights: convolutions by name, (channels out, channels in, side).
ENCODER = {
    f"conv{level}_{layer}.0": (channels, before if layer == 1 else channels, 3)
    for level, (before, channels) in enumerate(((3, 32), (32, 64), (64, 128), (128, 256)), start=1)
    for layer in (1, 2, 3)
}
RESIDUALS = {"conv4_4.1": 256, "conv4_4.2": 256} | {
    f"upconv{level}_{layer}": channels for level, channels in ((3, 128), (2, 64), (1, 32)) for layer in (1, 2)
}
CHAINS = {  # every convolution but the last one of a head has a module of its own, hence names .0.0, .1.0, ...
    "img_d8_feature": (3, 64, 128, 256),
    "img_d4_feature": (3, 64, 128, 128),
    "img_d2_feature": (3, 64, 64, 64),
    "img_d1_feature": (3, 64, 64, 32),
    "upconv3_kernel": (512, 256, 128, 49),
    "upconv2_kernel": (256, 128, 128, 49),
    "upconv1_kernel": (128, 64, 64, 49),
    "upconv0_kernel": (64, 64, 64, 49),
    "upconv3_res": (512, 256, 64, 3),
    "upconv2_res": (256, 128, 64, 3),
    "upconv1_res": (128, 64, 64, 3),
    "upconv0_res": (64, 64, 64, 3),
}


def released_shapes(*, dual: bool) -> dict[str, tuple[int, ...]]:
    convolutions: dict[str, tuple[int, int, int]] = dict(ENCODER)
    if dual:
        convolutions["conv1_1.0"] = (32, 6, 3)
    convolutions |= {"conv4_4.0.0": (256, 256, 3), "conv4_4.3.0": (256, 256, 3)}
    for name, channels in RESIDUALS.items():
        convolutions |= {f"{name}.stem.0.{layer}": (channels, channels, 3) for layer in (0, 2)}
    for name, channels in CHAINS.items():
        for layer, (before, after) in enumerate(pairwise(channels)):
            last = layer == 2 and not name.startswith("img")
            suffix = "2" if last and name.endswith("kernel") else f"{layer}.0"
            convolutions[f"{name}.{suffix}"] = (after, before, 1 if last else 3)
    shapes: dict[str, tuple[int, ...]] = {}
    for name, (after, before, side) in convolutions.items():
        shapes |= {f"{name}.weight": (after, before, side, side), f"{name}.bias": (after,)}
    for level, (before, after) in (
        (3, (256, 128)),
        (2, (128, 64)),
        (1, (64, 32)),
    ):  # transposed: in comes first
        shapes |= {f"upconv{level}_u.0.weight": (before, after, 4, 4), f"upconv{level}_u.0.bias": (after,)}
    return shapes


def shapes_of(model: torch.nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def parameters(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.fixture(scope="module")
def plain() -> ModuleType:
    """The plain form with an unfolding filter, which shares no code with the package."""
    specification = importlib.util.spec_from_file_location("unfolding_drbnet", BASELINE)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def lively(model: DRBNet) -> DRBNet:
    """Weights so large that every layer matters: as they start, the heads' biases nearly are the output."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.6 if parameter.ndim > 1 else 1)
    return model


@pytest.fixture(scope="module")
def pair(plain: ModuleType) -> tuple[DRBNet, torch.nn.Module]:
    torch.manual_seed(1)
    model = lively(DRBNet())
    reference: torch.nn.Module = plain.UnfoldingDRBNet()
    reference.load_state_dict(model.state_dict())
    return model, reference


def picture(height: int, width: int, *, seed: int = 0, number: int = 1) -> Tensor:
    return torch.rand((number, 3, height, width), generator=torch.Generator().manual_seed(seed)) * 2 - 1


@pytest.mark.parametrize(("dual", "count"), [(False, 11_689_616), (True, 11_690_480)])
def test_state_dict_is_the_released_one(dual: bool, count: int) -> None:
    model = DRBNet(dual=dual)
    assert shapes_of(model) == released_shapes(dual=dual)
    assert len(model.state_dict()) == 138
    assert parameters(model) == count


@pytest.mark.parametrize("name", ["single", "dual"])
def test_state_dict_is_the_facts_files(name: str, shared_data: Path) -> None:
    stored = json.loads((shared_data.parent / "facts" / "drbnet_state_dict.json").read_text())[name]
    expected = {key: tuple(shape) for key, shape in stored.items()}
    assert shapes_of(DRBNet(dual=name == "dual")) == expected


def test_models_by_name() -> None:
    found = {name: parameters(MODELS[name].build()) for name in ("drbnet", "drbnet-dual")}
    assert found == {"drbnet": 11_689_616, "drbnet-dual": 11_690_480}


def relative_error(found: Tensor, truth: Tensor) -> float:
    return float((found.detach() - truth.detach()).abs().max() / truth.detach().abs().max())


# Of the largest value: some 40 layers, whose sums of up to 4608 products have another order in each form.
ROUNDING = 1e-5


def test_equals_the_plain_form(pair: tuple[DRBNet, torch.nn.Module]) -> None:
    model, reference = pair
    image = picture(48, 64)
    with torch.no_grad():
        truths = reference(image)
        for found, truth in zip(model.scales(image), truths, strict=True):
            assert found.shape == truth.shape
            assert relative_error(found, truth) < ROUNDING


def test_output_is_clipped_and_the_scales_are_not() -> None:
    torch.manual_seed(7)
    model = DRBNet()
    with torch.no_grad():
        model.get_parameter("upconv0_res.2.0.bias").copy_(torch.tensor([0.0, 3.0, -20.0]))
        image = picture(16, 24)
        scale = model.scales(image)[-1]
        assert (float(scale.max()) > 2, float(scale.min()) < -2) == (True, True)
        torch.testing.assert_close(model(image), scale.clamp(-1, 1), rtol=0, atol=0)


def test_dual_equals_the_plain_form(plain: ModuleType) -> None:
    torch.manual_seed(2)
    model = lively(DRBNet(dual=True))
    reference = plain.UnfoldingDRBNet(dual=True)
    reference.load_state_dict(model.state_dict())
    views = [picture(32, 40, seed=seed) for seed in range(3)]
    with torch.no_grad():
        for found, truth in zip(model.scales(*views), reference(*views), strict=True):
            assert relative_error(found, truth) < ROUNDING
        assert relative_error(model(*views), model(views[0], views[2], views[1])) > 1e-3


def gradients(owner: torch.nn.Module, outputs: list[Tensor], target: Tensor) -> dict[str, Tensor]:
    """Of every parameter, by a loss at all scales."""
    height = target.shape[2]
    losses = [
        (output - torch.nn.functional.avg_pool2d(target, height // output.shape[2])).square().mean()
        for output in outputs
    ]
    named = dict(owner.named_parameters())
    return dict(zip(named, torch.autograd.grad(sum(losses), list(named.values())), strict=True))


def in_float64(reference: torch.nn.Module, image: Tensor, target: Tensor) -> dict[str, Tensor]:
    exact = copy.deepcopy(reference).double()
    return gradients(exact, exact(image.double()), target.double())


def smooth(model: torch.nn.Module) -> torch.nn.Module:
    """A copy with activations whose slope has no jump."""
    model = copy.deepcopy(model)
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, torch.nn.LeakyReLU):
                module.add_module(name, torch.nn.SiLU())
    return model


def test_gradients_are_exact(pair: tuple[DRBNet, torch.nn.Module], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of every parameter, against the plain form in float64, with a smooth activation in LeakyReLU's place.

    LeakyReLU's slope jumps at zero: of ten million activations a few lie within rounding of it and fall on another
    side in each form. With weights 1.6 times those of the start, the plain form's float32 gradients are off float64
    by 3e-4 with one such flip and this one's by 1e-3 with three; with 2.3 times, both by 7e-3 with a dozen.
    """
    monkeypatch.setattr(convolution, "FEWEST_PIXELS", 1)
    model, reference = (smooth(one) for one in pair)
    assert isinstance(model, DRBNet)
    image, target = picture(16, 24), picture(16, 24, seed=5)
    truths = in_float64(reference, image, target)
    found = gradients(model, model.scales(image), target)
    assert found.keys() == truths.keys()
    assert max(relative_error(found[name].double(), truth) for name, truth in truths.items()) < 2e-5


def test_gradients_through_leaky_activations(pair: tuple[DRBNet, torch.nn.Module]) -> None:
    """Against float64 in root mean square, which a few activations on the other side of zero hardly change."""
    model, reference = pair
    image, target = picture(16, 24), picture(16, 24, seed=5)
    truths = in_float64(reference, image, target)
    found = gradients(model, model.scales(image), target)
    errors = [float((found[name].double() - truth).norm() / truth.norm()) for name, truth in truths.items()]
    assert max(errors) < 5e-3


@pytest.mark.parametrize("size", [(61, 77), (1, 1), (8, 9), (40, 48)])
def test_any_size_is_padded_and_cropped(pair: tuple[DRBNet, torch.nn.Module], size: tuple[int, int]) -> None:
    model, _ = pair
    image = picture(*size)
    down, across = -size[0] % 8, -size[1] % 8
    filled = torch.nn.functional.pad(image, (0, across, 0, down), mode="replicate")
    with torch.no_grad():
        found = model(image)
        assert found.shape == image.shape
        torch.testing.assert_close(found, model(filled)[..., : size[0], : size[1]], rtol=0, atol=0)


@pytest.mark.parametrize("strip", [1, 32 * 45])
def test_strips_change_nothing(
    pair: tuple[DRBNet, torch.nn.Module], monkeypatch: pytest.MonkeyPatch, strip: int
) -> None:
    model, _ = pair
    image = picture(104, 32)
    with torch.no_grad():
        whole = model.scales(image)
        monkeypatch.setattr(drbnet, "STRIP", strip)
        for found, truth in zip(model.scales(image), whole, strict=True):
            assert relative_error(found, truth) < ROUNDING


def test_steps_are_the_terms_of_the_outputs(pair: tuple[DRBNet, torch.nn.Module]) -> None:
    model, _ = pair
    image = picture(24, 32)
    with torch.no_grad():
        steps = model.steps(image)
        outputs = model.scales(image)
    assert [step.output.shape[2:] for step in steps] == [(3, 4), (6, 8), (12, 16), (24, 32)]
    for step, output in zip(steps, outputs, strict=True):
        assert step.kernels is not None
        assert step.kernels.shape == (1, 49, *output.shape[2:])
        assert step.filtered is not None
        assert step.residual is not None
        torch.testing.assert_close(step.image + step.filtered + step.residual, output, rtol=1e-6, atol=1e-6)
    blocks = image.reshape(1, 3, 3, 8, 4, 8).mean((3, 5))
    torch.testing.assert_close(steps[0].image, blocks, rtol=0, atol=1e-6)
    for coarse, fine in pairwise(steps):
        nearest = coarse.output.repeat_interleave(2, 2).repeat_interleave(2, 3)
        torch.testing.assert_close(fine.image, nearest, rtol=0, atol=0)


@pytest.mark.parametrize("side", [5, 7, 9, 11])
def test_kernel_sizes(side: int) -> None:
    model = DRBNet(kernel_size=side)
    taps = {name: shape[0] for name, shape in shapes_of(model).items() if name.endswith("_kernel.2.weight")}
    assert taps == dict.fromkeys((f"upconv{head}_kernel.2.weight" for head in (3, 2, 1, 0)), side**2)
    with torch.no_grad():
        assert model(picture(16, 24)).shape == (1, 3, 16, 24)


@pytest.mark.parametrize(
    "terms",
    [Terms(image=False), Terms(filtered=False), Terms(residual=False), Terms(image=False, residual=False)],
    ids=str,
)
def test_terms_that_are_off_are_not_there(terms: Terms) -> None:
    torch.manual_seed(6)
    model = DRBNet(terms=terms)
    assert any("_kernel" in name for name in shapes_of(model)) == terms.filtered
    assert any("_res" in name for name in shapes_of(model)) == terms.residual
    with torch.no_grad():
        for step in model.steps(picture(16, 24)):
            parts = [step.image] if terms.image else []
            parts += [part for part in (step.filtered, step.residual) if part is not None]
            assert len(parts) == terms.image + terms.filtered + terms.residual
            torch.testing.assert_close(torch.stack(parts).sum(0), step.output, rtol=1e-6, atol=1e-6)


def test_one_scale_works_on_the_input() -> None:
    model = DRBNet(scales=Scales.ONE)
    image = picture(16, 24)
    with torch.no_grad():
        (step,) = model.steps(image)
        assert len(model.scales(image)) == 1
    torch.testing.assert_close(step.image, image, rtol=0, atol=0)
    left_out = ("img_d8", "img_d4", "img_d2", "upconv3_k", "upconv3_r", "upconv2_k", "upconv1_k", "upconv1_r")
    assert not [name for name in shapes_of(model) if name.startswith(left_out)]


def test_no_block_gives_a_residual_to_the_input() -> None:
    model = DRBNet(scales=Scales.NONE)
    with torch.no_grad():
        (step,) = model.steps(picture(16, 24))
        assert step.residual is not None
        torch.testing.assert_close(step.output, step.image + step.residual, rtol=0, atol=0)
        assert model(picture(9, 10)).shape == (1, 3, 9, 10)
    assert not [name for name in shapes_of(model) if "_kernel" in name or "_res" in name or "img_" in name]


def test_every_parameter_gets_a_gradient() -> None:
    for options in ({}, {"scales": Scales.ONE}, {"scales": Scales.NONE}, {"terms": Terms(residual=False)}):
        model = DRBNet(**options)  # type: ignore[arg-type]
        sum(output.square().mean() for output in model.scales(picture(16, 16))).backward()
        assert not [name for name, parameter in model.named_parameters() if parameter.grad is None]


def test_bfloat16_autocast_stays_near(pair: tuple[DRBNet, torch.nn.Module]) -> None:
    model, _ = pair
    image = picture(16, 24)
    with torch.autocast("cpu", torch.bfloat16):
        outputs = model.scales(image)
    sum(output.square().mean() for output in outputs).backward()
    model.zero_grad()
    truths = model.scales(image)
    # bfloat16 has 8 bits of mantissa: 0.4 % a layer.
    for found, truth in zip(outputs, truths, strict=True):
        assert relative_error(found.float(), truth) < 0.1


class Deblurring(torch.nn.Module):
    def __init__(self, model: DRBNet) -> None:
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> Tensor:
        result: Tensor = self.model(image)
        return result


def test_exports_with_plain_operations_alone(pair: tuple[DRBNet, torch.nn.Module]) -> None:
    model, _ = pair
    image = picture(16, 24)
    with torch.no_grad():
        program = torch.export.export(Deblurring(model), (image,))
        found = program.module()(image)
        truth = model(image)
    targets = {str(node.target) for node in program.graph.nodes if node.op == "call_function"}
    assert not [target for target in targets if "drbnet" in target]
    torch.testing.assert_close(found, truth, rtol=0, atol=ROUNDING * 10)


def test_refuses_other_sizes_where_nothing_is_padded() -> None:
    model = DRBNet(scales=Scales.NONE)
    with pytest.raises(ValueError, match=r"sides must be multiples of 8, not \(16, 20\)"):
        model.scales(picture(16, 20))


def test_refuses_a_wrong_number_of_views() -> None:
    image = picture(8, 8)
    with pytest.raises(ValueError, match="needs one image, not 3"):
        DRBNet(scales=Scales.NONE)(image, image, image)
    with pytest.raises(ValueError, match="needs the combined, the right and the left view, not 1"):
        DRBNet(dual=True, scales=Scales.NONE)(image)


def test_refuses_views_of_several_shapes() -> None:
    model = DRBNet(dual=True, scales=Scales.NONE)
    with pytest.raises(ValueError, match=r"views must be \(N, 3, H, W\) of one shape"):
        model(picture(8, 8), picture(8, 8), picture(8, 16))
    with pytest.raises(ValueError, match=r"views must be \(N, 3, H, W\) of one shape"):
        DRBNet(scales=Scales.NONE)(torch.zeros(1, 4, 8, 8))


@pytest.mark.parametrize("side", [0, -3, 4])
def test_refuses_kernel_sizes(side: int) -> None:
    with pytest.raises(ValueError, match="kernel_size must be odd and positive"):
        DRBNet(kernel_size=side)


def test_refuses_no_terms() -> None:
    with pytest.raises(ValueError, match="needs the filtered term, the residual or both"):
        Terms(filtered=False, residual=False)
