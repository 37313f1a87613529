"""IFAN against its definition in NumPy's float64, its names, its training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from drbnet.convolution import Convolution
from drbnet.deblurring import Deblurrer
from drbnet.models import MODELS, architecture_of, ifan, ifan_training
from drbnet.models.ifan import IFAN, filtered
from drbnet.models.ifan_training import IFANTraining, moved
from drbnet.weights import load_network

Array = NDArray[Any]


def picture(height: int, width: int, *, seed: int = 1) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def lively(network: IFAN) -> IFAN:
    """With biases, and filters large enough to be seen in the output, small enough to keep values near 1."""
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for weights in network.parameters():
            if weights.ndim == 1:
                weights.copy_(0.05 * torch.randn(weights.shape, generator=generator))
        last = network.get_parameter("F.3.bias")
        last[: 17 * 6 * 128] += 0.5
    return network.eval()


def seeded(*, dual: bool = False) -> IFAN:
    torch.manual_seed(3)
    return lively(IFAN(dual=dual))


# the definition, of arrays [c, y, x]


def convolution(x: Array, weight: Array, bias: Array, *, stride: int = 1) -> Array:
    side = weight.shape[2]
    padded = np.pad(x, ((0, 0), (side // 2,) * 2, (side // 2,) * 2))
    height, width = (-(-length // stride) for length in x.shape[1:])
    result = np.zeros((weight.shape[0], height, width))
    for row in range(side):
        for column in range(side):
            seen = padded[:, row::stride, column::stride][:, :height, :width]
            result += np.einsum("oi,iyx->oyx", weight[:, :, row, column], seen)
    return result + bias[:, None, None]


def transposed(x: Array, weight: Array, bias: Array) -> Array:
    """Each pixel spreads over 4 x 4 around it, at twice the size."""
    result = np.zeros((weight.shape[1], 2 * x.shape[1] + 2, 2 * x.shape[2] + 2))
    for row in range(4):
        for column in range(4):
            spread = np.einsum("io,iyx->oyx", weight[:, :, row, column], x)
            result[:, row : row + 2 * x.shape[1] : 2, column : column + 2 * x.shape[2] : 2] += spread
    return result[:, 1:-1, 1:-1] + bias[:, None, None]


def lrelu(x: Array) -> Array:
    return np.where(x > 0, x, 0.1 * x)


def filtered_by_loops(feature: Array, filters: Array, *, last_activation: bool = True) -> Array:
    """17 times: down each column by three taps, then along each row by the same three, then a bias."""
    channels, height, width = feature.shape
    pairs, biases = np.split(filters, [17 * 6 * channels])
    pairs = pairs.reshape(17, 2, channels, 3, height, width)
    biases = biases.reshape(17, channels, height, width)
    for number in range(17):
        for down, across in ((1, 0), (0, 1)):
            result = np.zeros_like(feature)
            for y in range(height):
                for x in range(width):
                    for tap in range(3):
                        seen = feature[
                            :,
                            min(max(y + (tap - 1) * down, 0), height - 1),
                            min(max(x + (tap - 1) * across, 0), width - 1),
                        ]
                        result[:, y, x] += pairs[number, 0, :, tap, y, x] * seen
            feature = result
        feature = feature + biases[number]
        if last_activation or number < 16:
            feature = lrelu(feature)
    return feature


def by_definition(weights: dict[str, Array], views: list[Array]) -> Array:
    """The output in [0, 1], not clipped, of views in [0, 1] whose sides are multiples of 8."""

    def plain(name: str, x: Array, stride: int = 1) -> Array:
        return convolution(x, weights[f"{name}.weight"], weights[f"{name}.bias"], stride=stride)

    def conv(name: str, x: Array, stride: int = 1) -> Array:
        return lrelu(plain(f"{name}.0", x, stride))

    def residual(name: str, x: Array, blocks: int) -> Array:
        y = x
        for block in range(blocks):
            y = lrelu(y + plain(f"{name}.stem.{block}.2", conv(f"{name}.stem.{block}", y)))
        return y if blocks == 1 else y + x

    def encoder(prefix: str, x: Array) -> list[Array]:
        found = []
        for level in (1, 2, 3, 4):
            for layer in (1, 2, 3):
                x = conv(f"{prefix}{level}_{layer}", x, 2 if layer == 1 and level > 1 else 1)
            found.append(x)
        return found

    def two(name: str, x: Array) -> Array:
        return residual(f"{name}.2", residual(f"{name}.1", conv(f"{name}.0", x), 2), 2)

    image, *sides = views
    *skips, feature = encoder("conv", image)
    blur = encoder("kconv", np.concatenate(sides) if sides else image)[-1]
    disparity = plain("DME.3", two("DME", blur))
    blur = conv("conv4_4.3", two("conv4_4", np.concatenate((blur, conv("conv_DME", disparity)))))
    feature = filtered_by_loops(feature, plain("F.3", two("F", blur)))
    feature = conv("conv_res.2", residual("conv_res.1", conv("conv_res.0", feature), 3))
    for level in (3, 2, 1):
        name = f"upconv{level}_u.0"
        feature = lrelu(transposed(feature, weights[f"{name}.weight"], weights[f"{name}.bias"])) + skips.pop()
        feature = residual(f"upconv{level}_2", residual(f"upconv{level}_1", feature, 1), 1)
    return conv("out_res", feature) + image


# what is tested


@pytest.mark.parametrize(("name", "count"), [("ifan", 10_476_996), ("ifan-dual", 10_477_860)])
def test_parameters(name: str, count: int) -> None:
    assert sum(one.numel() for one in MODELS[name].build().parameters()) == count


def test_parameters_of_the_reblurring_network() -> None:
    assert sum(one.numel() for one in IFANTraining().parameters()) == 19_139_685  # published as 19.14 M


def released_names() -> set[str]:
    """Of the public release, without ``module.Network.`` before them."""
    layers = [f"{encoder}{level}_{layer}.0" for encoder in ("conv", "kconv") for level in (1, 2, 3, 4)
              for layer in (1, 2, 3)]  # fmt: skip
    layers += [f"upconv{level}_u.0" for level in (1, 2, 3)] + ["out_res.0", "conv_DME.0"]
    blocks = [(f"upconv{level}_{layer}", 1) for level in (1, 2, 3) for layer in (1, 2)]
    for name, depth in (("DME", (2, 2)), ("conv4_4", (2, 2)), ("F", (2, 2)), ("conv_res", (3,))):
        layers.append(f"{name}.0.0")
        blocks += [(f"{name}.{place}", count) for place, count in enumerate(depth, start=1)]
    layers += ["DME.3", "F.3", "conv4_4.3.0", "conv_res.2.0"]
    layers += [
        f"{name}.stem.{block}.{part}" for name, count in blocks for block in range(count) for part in (0, 2)
    ]
    return {f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")}


def test_names_are_those_of_the_release() -> None:
    network = IFAN()
    assert set(network.state_dict()) == released_names()
    assert network.get_parameter("F.3.weight").shape == (15_232, 128, 1, 1)
    assert network.get_parameter("conv4_4.0.0.weight").shape == (128, 256, 3, 3)
    assert IFAN(dual=True).get_parameter("kconv1_1.0.weight").shape == (32, 6, 3, 3)


@pytest.mark.parametrize("dual", [False, True], ids=["single", "dual"])
def test_is_what_the_definition_gives(dual: bool) -> None:
    network = seeded(dual=dual)
    views = [picture(16, 24, seed=seed) for seed in range(3 if dual else 1)]
    with torch.no_grad():
        found = network.scales(*views)[0]
    weights = {name: one.double().numpy() for name, one in network.state_dict().items()}
    truth = by_definition(weights, [(view[0].double().numpy() + 1) / 2 for view in views]) * 2 - 1
    without = by_definition(
        {**weights, "F.3.weight": 0 * weights["F.3.weight"], "F.3.bias": 0 * weights["F.3.bias"]},
        [(view[0].double().numpy() + 1) / 2 for view in views],
    )
    size = np.abs(truth - views[0][0].numpy()).max()
    assert np.abs(truth - (without * 2 - 1)).max() > 0.05 * size, "the filters matter"
    # Rounding in some 80 layers and 34 passes of filters, relative to what the network adds.
    np.testing.assert_allclose(found[0].numpy(), truth, rtol=0, atol=1e-4 * size)


@pytest.mark.parametrize("last", [True, False], ids=["activated", "plain"])
def test_filter_is_that_of_the_loops(last: bool) -> None:
    rng = np.random.default_rng(5)
    feature, filters = rng.standard_normal((4, 5, 3)), rng.normal(0.2, 0.4, (17 * 7 * 4, 5, 3))
    found = filtered(
        torch.from_numpy(feature)[None],
        lambda part: torch.from_numpy(filters)[None, part],
        last_activation=last,
    )
    truth = filtered_by_loops(feature, filters, last_activation=last)
    np.testing.assert_allclose(found[0].numpy(), truth, rtol=1e-12, atol=1e-12 * np.abs(truth).max())


def test_horizontal_taps_have_no_effect() -> None:
    network, image = seeded(), picture(16, 16)
    with torch.no_grad():
        before = network(image)
        taps = network.get_parameter("F.3.bias")[: 17 * 6 * 128].view(17, 2, -1)
        taps[:, 1] += 1
        torch.testing.assert_close(network(image), before, rtol=0, atol=0)
        taps[:, 0] += 0.1
        assert not torch.equal(network(image), before)


def test_filters_in_training_are_those_of_use() -> None:
    network, image = seeded(), picture(16, 24)
    with torch.no_grad():
        run = network.run([image])
        torch.testing.assert_close(run.output * 2 - 1, network.scales(image)[0], rtol=1e-5, atol=1e-5)
    assert run.filters.shape == (1, 15_232, 2, 3)
    assert run.disparity.shape == (1, 1, 2, 3)


def test_any_size_is_filled_up_cut_and_clipped() -> None:
    network, image = seeded(), picture(13, 22)
    with torch.no_grad():
        network.get_parameter("out_res.0.bias").fill_(0.8)
        found = network(image)
        whole = network.scales(nn.functional.pad(image, (0, 2, 0, 3), mode="replicate"))[0]
    assert whole.max() > 1
    torch.testing.assert_close(found, whole[..., :13, :22].clamp(-1, 1), rtol=0, atol=0)


def test_wrong_views_are_refused() -> None:
    image = picture(8, 8)
    with pytest.raises(ValueError, match="needs one image, not 3 of them"):
        IFAN()(image, image, image)
    with pytest.raises(ValueError, match="the right and the left view, not 1 of them"):
        IFAN(dual=True)(image)


def test_looks_as_far_as_its_margin(
    reach: Callable[[nn.Module, int, int], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Winograd's form multiplies what an output does not depend on by 0, which is no number here.
    monkeypatch.setattr(Convolution, "_fast", lambda self, x: False)
    network = seeded()
    architecture = architecture_of(network.state_dict())
    looks = reach(network, 1104, architecture.multiple)
    assert looks <= architecture.margin < looks + architecture.multiple
    assert architecture.margin % architecture.multiple == 0


@pytest.mark.parametrize("dual", [False, True], ids=["single", "dual"])
def test_is_told_from_its_weights_and_deblurs(dual: bool, tmp_path: Path) -> None:
    network, path = seeded(dual=dual), tmp_path / "w.pth"
    torch.save(network.state_dict(), path)
    loaded, architecture = load_network(path)
    assert str(architecture) == f"IFAN, {'dual' if dual else 'single'}"
    assert architecture.dual == dual
    assert isinstance(loaded, IFAN)
    codes = [
        np.random.default_rng(seed).integers(0, 256, (20, 33, 3), np.uint8)
        for seed in range(3 if dual else 1)
    ]
    made = Deblurrer.load(path)(codes)
    views = [torch.from_numpy(one).permute(2, 0, 1)[None] / 127.5 - 1 for one in codes]
    with torch.no_grad():
        truth = (network(*views)[0].permute(1, 2, 0) + 1).numpy() * 127.5
    # what is rounded to codes, and to float32 before
    np.testing.assert_allclose(made, truth, rtol=0, atol=0.51)


# training


def test_further_terms_are_what_they_say() -> None:
    network, aid = seeded(dual=True), IFANTraining()
    views, target = [picture(16, 24, seed=seed) for seed in range(3)], picture(16, 24, seed=9)
    with torch.no_grad():
        outputs, terms = aid(network, views, target, None)
        torch.testing.assert_close(outputs[0], network.scales(*views)[0], rtol=1e-5, atol=1e-5)
    image, right, left = ((view[0].numpy().reshape(3, 2, 8, 3, 8).mean((2, 4)) + 1) / 2 for view in views)
    with torch.no_grad():
        run = network.run(views)
        own = aid.RBF(run.filters)[0].double().numpy()
    sharp = (target[0, :, ::8, ::8].double().numpy() + 1) / 2
    again = filtered_by_loops(sharp, own, last_activation=False) + sharp
    assert float(terms["reblur"]) == pytest.approx(np.mean((again - image) ** 2), rel=1e-4)
    shifted = np.zeros_like(right, np.float64)
    for y in range(2):
        for x in range(3):
            place = x + float(run.disparity[0, 0, y, x])
            for near in (int(np.floor(place)), int(np.floor(place)) + 1):
                if 0 <= near < 3:
                    shifted[:, y, x] += right[:, y, near] * (1 - abs(place - near))
    assert float(terms["disparity"]) == pytest.approx(np.mean((shifted - left) ** 2), rel=1e-4)


def test_a_view_is_moved_by_its_disparity() -> None:
    view = torch.rand(1, 2, 4, 6)
    found = moved(view, torch.full((1, 1, 4, 6), 1.0))
    torch.testing.assert_close(found[..., :-1], view[..., 1:])
    assert not found[..., -1].any()


@pytest.mark.parametrize("dual", [False, True], ids=["single", "dual"])
def test_losses_fall(dual: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ifan, "CHANNELS", (4, 8, 16, 16))
    for module in (ifan, ifan_training):
        monkeypatch.setattr(module, "DEEP", 16)
    torch.manual_seed(0)
    network, aid = MODELS["ifan-dual" if dual else "ifan"].build(), IFANTraining()
    views = [picture(16, 16, seed=seed) for seed in range(3 if dual else 1)]
    target = nn.functional.avg_pool2d(views[0], 3, 1, 1)
    optimiser = torch.optim.Adam([*network.parameters(), *aid.parameters()], lr=1e-3)
    losses: list[dict[str, float]] = []
    for _ in range(60):
        outputs, terms = aid(network, views, target, None)
        terms["image"] = MODELS["ifan"].distance(outputs[0], target)
        optimiser.zero_grad()
        torch.stack(list(terms.values())).sum().backward()
        optimiser.step()
        losses.append({name: float(term.detach()) for name, term in terms.items()})
    assert losses[0].keys() == {"image", "reblur", *(["disparity"] if dual else [])}
    assert all(np.isfinite(list(one.values())).all() for one in losses)
    for name in ("image", "reblur"):
        assert losses[-1][name] < 0.8 * losses[0][name]
    unused = [name for name, one in network.named_parameters() if one.grad is None]
    assert not unused
