"""AIFNet against its definition in NumPy's float64, and its training with defocus maps."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

from drbnet.convolution import Convolution
from drbnet.deblurring import Deblurrer
from drbnet.models import MODELS, aifnet, architecture_of
from drbnet.models.aifnet import AIFNet, AIFNetTraining, DeblurNet, doubled, slices
from drbnet.train import main as train
from drbnet.weights import load_network
from lfsynth.lfdof import DEFOCUS_SCALE
from lfsynth.pictures import write
from lfsynth.transfer import LINEAR

Array = NDArray[Any]
VGG = ((64, 64), (128, 128), (256,) * 4, (512,) * 4, (512,) * 4)


def picture(height: int, width: int, *, seed: int = 1) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed)) * 2 - 1


@pytest.fixture(scope="module")
def lively() -> AIFNet:
    """With biases, and the statistics of a picture, so that its maps are not saturated."""
    torch.manual_seed(3)
    network, generator = AIFNet(), torch.Generator().manual_seed(4)
    with torch.no_grad():
        for one in network.parameters():
            if one.ndim == 1:
                one.copy_(0.1 * torch.randn(one.shape, generator=generator))
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 1.0
        network.train().run(picture(64, 48, seed=0))
    network.eval()
    return network


@pytest.fixture
def slim(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks made in the test have few channels."""
    encoder = tuple((width,) * len(widths) for width, widths in zip((8, 8, 8, 16, 16), VGG, strict=True))
    monkeypatch.setattr(aifnet, "ENCODER", encoder)
    monkeypatch.setattr(aifnet, "WIDTHS", (8, 12, 16, 20))


# the definition, of arrays [y, x, c]


class Definition:
    def __init__(self, plain: ModuleType, network: AIFNet) -> None:
        self.plain = plain
        self.arrays = {name: one.double().numpy() for name, one in network.state_dict().items()}

    def kernel(self, name: str) -> tuple[Array, Array]:
        return self.arrays[f"{name}.weight"].transpose(2, 3, 1, 0), self.arrays[f"{name}.bias"]

    def edged(self, name: str, x: Array) -> Array:
        """A convolution that sees the edge's pixels beyond it."""
        return self.plain.convolution(np.pad(x, ((1, 1), (1, 1), (0, 0)), "symmetric"), *self.kernel(name))[
            1:-1, 1:-1
        ]

    def shifted(self, name: str, x: Array) -> Array:
        mean, variance, shift = (
            self.arrays[f"{name}.{one}"] for one in ("running_mean", "running_var", "shift")
        )
        return (x - mean) / np.sqrt(variance + 1e-5) + shift

    def normed(self, name: str, x: Array, *, one_pixel: bool = False) -> Array:
        found = (
            x @ self.kernel(f"{name}.0")[0][0, 0] + self.kernel(f"{name}.0")[1]
            if one_pixel
            else self.edged(f"{name}.0", x)
        )
        return self.plain.lrelu(self.shifted(f"{name}.1", found))

    def maps(self, image: Array) -> tuple[Array, list[Array]]:
        x = image[..., ::-1] * 255 - np.array([103.939, 116.779, 123.68])
        skips = []
        for level, widths in enumerate(VGG, start=1):
            if level > 1:
                height, width, depth = x.shape
                x = x.reshape(height // 2, 2, width // 2, 2, depth).max((1, 3))
            for layer in range(1, len(widths) + 1):
                x = np.maximum(self.edged(f"defocus.conv{level}_{layer}", x), 0)
            skips.append(x)
        coarse = [skips.pop()]
        for level in range(4):
            wide = coarse[-1].repeat(2, 0).repeat(2, 1)
            x = np.concatenate((wide, skips.pop()), 2)
            if level < 3:
                for layer in range(3):
                    x = self.normed(f"defocus.up.{level}.{layer}", x)
            else:
                x = self.normed(f"defocus.up.{level}", x)
            coarse.append(x)
        for number in range(7):
            beside = self.normed(f"defocus.beside.{number}", x, one_pixel=True)
            x = (
                self.normed(f"defocus.refined.{number}.1", self.normed(f"defocus.refined.{number}.0", x))
                + beside
            )
        x = self.normed("defocus.last.1", self.normed("defocus.last.0", x))
        heads = []
        for number, feature in enumerate(coarse):
            name = f"defocus.coarse.{number}"
            head = self.shifted(f"{name}.2", self.edged(f"{name}.1", self.normed(f"{name}.0", feature)))
            heads.append(self.plain.sigmoid(head))
        return self.plain.sigmoid(self.edged("defocus.last.2", x)), heads

    def deblurred(self, image: Array, defocus: Array) -> Array:
        def conv(name: str, x: Array, **options: int) -> Array:
            return self.plain.lrelu(self.plain.convolution(x, *self.kernel(f"deblur.{name}"), **options))

        def wide(x: Array) -> Array:
            """Sampled at i / 2, bilinearly."""
            for axis in (0, 1):
                places = np.arange(2 * x.shape[axis]) / 2
                low = np.floor(places).astype(int)
                high = np.minimum(low + 1, x.shape[axis] - 1)
                share = (places - low).reshape(-1, *(1,) * (2 - axis))
                x = np.take(x, low, axis) * (1 - share) + np.take(x, high, axis) * share
            return x

        x = np.concatenate([image * (1 - abs(defocus - k / 28)) for k in range(29)], 2)
        skips = []
        for level, middle in ((0, ()), (1, (2,)), (2, (2,))):
            x = conv(f"down{level}.0", x)
            for place in middle:
                x = conv(f"down{level}.{place}", x)
            x = conv(f"down{level}.{2 * len(middle) + 2}", x, stride=2)
            skips.append(x)
        for place in (0, 2, 4):
            x = conv(f"middle.{place}", x, dilation=2)
        for level, places in ((2, (0, 2)), (1, (0,)), (0, (0,))):
            x = wide(conv(f"up{level}.0", np.concatenate((x, skips.pop()), 2)))
            for place in places:
                x = conv(f"up{level}_wide.{place}", x)
        return self.plain.sigmoid(self.plain.convolution(x, *self.kernel("deblur.output")))


def test_parameters() -> None:
    network = MODELS["aifnet"].build()
    shifts = sum(one.numel() for name, one in network.named_parameters() if name.endswith("shift"))
    assert sum(one.numel() for one in network.parameters()) - shifts == 41_553_993


@pytest.mark.parametrize("size", [(16, 32), (32, 16)], ids=str)
def test_is_what_the_definition_gives(size: tuple[int, int], lively: AIFNet, plain: ModuleType) -> None:
    image = picture(*size)
    with torch.no_grad():
        run, found = lively.run(image), lively(image)
    definition = Definition(plain, lively)
    unit = (image[0].double().numpy().transpose(1, 2, 0) + 1) / 2
    defocus, coarse = definition.maps(unit)
    assert np.ptp(defocus) > 0.01
    truth = definition.deblurred(unit, defocus)
    assert np.ptp(truth) > 0.1
    for one, true in ((run.defocus, defocus), (run.output, truth), *zip(run.coarse, coarse, strict=True)):
        # Rounding in up to 70 layers; a sigmoid's slope is at most a quarter.
        np.testing.assert_allclose(one[0].permute(1, 2, 0).numpy(), true, rtol=0, atol=2e-5)
    torch.testing.assert_close(found, run.output * 2 - 1)


def test_slices_are_soft_and_in_the_order_of_the_release() -> None:
    image, defocus = torch.rand(1, 3, 2, 2), torch.full((1, 1, 2, 2), 0.5)
    found = slices(image, defocus)
    assert found.shape == (1, 87, 2, 2)
    torch.testing.assert_close(found[:, 42:45], image)  # the 15th: 14 / 28
    torch.testing.assert_close(found[:, :3], image / 2)
    torch.testing.assert_close(found[:, 84:], image / 2)


def test_doubling_keeps_pixels_and_puts_means_between() -> None:
    row = torch.tensor([[[[0.0, 1.0, 5.0]]]])
    torch.testing.assert_close(doubled(row)[0, 0], torch.tensor([[0.0, 0.5, 1.0, 3.0, 5.0, 5.0]] * 2))


def test_any_size_is_filled_up_and_cut(lively: AIFNet) -> None:
    image = picture(17, 30)
    with torch.no_grad():
        whole = lively(nn.functional.pad(image, (0, 2, 0, 15), mode="replicate"))
        torch.testing.assert_close(lively(image), whole[..., :17, :30], rtol=0, atol=0)


def test_views_of_a_dual_pixel_sensor_are_refused(lively: AIFNet) -> None:
    image = picture(16, 16)
    with pytest.raises(ValueError, match="needs one image, not 3 of them"):
        lively(image, image, image)


class OutputAsItIs(nn.Module):
    """The second part with the picture's own map, for what a picture that is no number reaches."""

    def __init__(self, part: DeblurNet) -> None:
        super().__init__()
        self.part = part

    def forward(self, image: Tensor) -> Tensor:
        return self.part(image, torch.zeros_like(image[:, :1]))


def test_looks_as_far_as_its_margin(
    slim: None, reach: Callable[[nn.Module, int, int], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Convolution, "_fast", lambda self, x: False)
    network = AIFNet().eval()
    architecture = architecture_of(network.state_dict())
    looks = reach(network.defocus, 448, 16) + reach(OutputAsItIs(network.deblur), 256, 16)
    assert looks <= architecture.margin < looks + architecture.multiple
    assert architecture.margin % architecture.multiple == 0


def test_is_told_from_its_weights_and_deblurs(lively: AIFNet, tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    torch.save(lively.state_dict(), path)
    loaded, architecture = load_network(path)
    assert isinstance(loaded, AIFNet)
    assert str(architecture) == "AIFNet"
    assert not architecture.dual
    codes = np.random.default_rng(1).integers(0, 256, (20, 33, 3), np.uint8)
    made = Deblurrer.load(path)([codes])
    with torch.no_grad():
        image = torch.from_numpy(codes).permute(2, 0, 1)[None] / 127.5 - 1
        truth = (lively(image)[0].permute(1, 2, 0) + 1).numpy() * 127.5
    np.testing.assert_allclose(made, truth, rtol=0, atol=0.51)


# training


def test_further_terms_are_what_they_say(lively: AIFNet) -> None:
    image, defocus = picture(32, 16), torch.rand(1, 1, 32, 16)
    with torch.no_grad():
        run = lively.run(image)
        [output], terms = AIFNetTraining()(lively, [image], image, defocus)
        [without], none = AIFNetTraining()(lively, [image], image, None)
    assert none == {}
    torch.testing.assert_close(output, run.output * 2 - 1)
    torch.testing.assert_close(without, output)
    assert float(terms["defocus"]) == pytest.approx(float(((run.defocus - defocus) ** 2).mean()), rel=1e-5)
    expected = []
    for found, times in zip(run.coarse, (16, 8, 4, 2, 1), strict=True):
        small = defocus[0, 0].numpy().reshape(32 // times, times, 16 // times, times).mean((1, 3))
        expected.append(np.mean((found[0, 0].numpy() - small) ** 2))
    assert float(terms["coarse"]) == pytest.approx(np.mean(expected), rel=1e-5)


def dataset(root: Path, *, maps: bool) -> Path:
    """LFDOF's folders with two scenes, a blur that grows to the right, and its map."""
    rng = np.random.default_rng(0)
    radius = np.broadcast_to(np.linspace(0, 10, 48, dtype=np.float32), (48, 48))
    for split, scene in (("train", "a"), ("train", "b"), ("test", "c")):
        folder = root / f"{split}_data"
        for name in (f"input/{scene}", "ground_truth", *([f"defocus/{scene}"] if maps else [])):
            (folder / name).mkdir(parents=True, exist_ok=True)
        sharp = 0.4 * gaussian_filter(rng.random((48, 48, 3)), (1, 1, 0)).astype(np.float32)
        soft = gaussian_filter(sharp, (2, 2, 0))
        share = radius[..., None] / 10
        write(folder / f"ground_truth/{scene}.png", sharp, transfer=LINEAR)
        write(
            folder / f"input/{scene}/{scene}_ap1_00.png", sharp * (1 - share) + soft * share, transfer=LINEAR
        )
        if maps:
            codes = (radius * DEFOCUS_SCALE / 65535)[..., None]
            write(folder / f"defocus/{scene}/{scene}_ap1_00.png", codes, bits=16, transfer=LINEAR)
    return root


def arguments(data: Path, out: Path, *more: object) -> list[str]:
    given = ["--data", data, "--out", out, "--model", "aifnet", "--patch", 48, "--batch", 2, "--workers", 0,
             "--threads", 1, "--validation-pairs", 1, *more]  # fmt: skip
    return [str(one) for one in given]


def test_trains_with_maps(slim: None, tmp_path: Path) -> None:
    data = dataset(tmp_path / "data", maps=True)
    out = tmp_path / "run"
    with pytest.raises(SystemExit) as ended:
        train(arguments(data, out, "--epochs", 24, "--validate-every", 24, "--learning-rate", 3e-3,
              "--scale-probability", 0, "--grey-probability", 0, "--noise-probability", 0))  # fmt: skip
    assert ended.value.code == 0
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    steps = [line for line in lines if line["kind"] == "step"]
    assert len(steps) == 24
    for name in ("loss_1", "loss_defocus", "loss_coarse"):
        losses = [step[name] for step in steps]
        assert np.mean(losses[-4:]) < 0.8 * np.mean(losses[:4]), name
    for step in steps:
        assert step["loss"] == pytest.approx(step["loss_1"] + step["loss_defocus"] + step["loss_coarse"])


@pytest.mark.parametrize(
    ("maps", "more", "what"),
    [
        (
            False,
            (),
            "a_ap1_00.png: has no defocus map, which this network is trained with; generate the pairs by",
        ),
        (True, ("--patch", 40), "--patch: 40 is no multiple of 16, which aifnet needs; give 48"),
    ],
    ids=["no maps", "patch"],
)
def test_refusals(
    maps: bool,
    more: tuple[object, ...],
    what: str,
    slim: None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = dataset(tmp_path / "data", maps=maps)
    with pytest.raises(SystemExit) as ended:
        train(arguments(data, tmp_path / "run", *more))
    assert ended.value.code == 2
    assert what in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
