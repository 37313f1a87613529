"""VGG-19's layers, and the file of its weights."""

import hashlib
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from drbnet import vgg19
from drbnet.choices import VggLayers
from drbnet.vgg19 import Vgg19Features, check_file, load_vgg19
from lfsynth.errors import InputError


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of weights as torchvision names them, but of the first layers alone, and the hash that it has."""
    torch.manual_seed(0)
    state = {f"features.{name}": value for name, value in Vgg19Features((14,)).features.state_dict().items()}
    state["classifier.6.bias"] = torch.zeros(1000)
    path = tmp_path / vgg19.FILE
    torch.save(state, path)
    monkeypatch.setattr(vgg19, "SHA256_BEGINS", hashlib.sha256(path.read_bytes()).hexdigest()[:8])
    return path


def test_the_numbers_of_the_layers_are_torchvisions() -> None:
    features = Vgg19Features((34,)).features
    convolutions = [number for number, part in enumerate(features) if isinstance(part, torch.nn.Conv2d)]
    # conv1_1, conv1_2, ... conv5_4 of torchvision's vgg19
    assert convolutions == [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34]
    pools = [number for number, part in enumerate(features) if isinstance(part, torch.nn.MaxPool2d)]
    assert pools == [4, 9, 18, 27]
    widths = [features[number].out_channels for number in convolutions]
    assert widths == [64] * 2 + [128] * 2 + [256] * 4 + [512] * 8
    assert sum(p.numel() for p in features.parameters()) == 20_024_384


def test_both_readings_of_the_paper() -> None:
    features = Vgg19Features((14,)).features
    assert all(isinstance(features[i], torch.nn.Conv2d) for i in VggLayers.COUNTED_FROM_0.indices)
    assert all(isinstance(features[i], torch.nn.ReLU) for i in VggLayers.COUNTED_FROM_1.indices[:2])
    assert VggLayers.COUNTED_FROM_1.indices == (1, 6, 13)


def test_features_are_the_chain_written_out(file: Path) -> None:
    state = torch.load(file, weights_only=True)
    network = load_vgg19(file, (1, 2, 7))
    x = torch.rand(1, 3, 12, 14)

    def conv(number: int, y: torch.Tensor) -> torch.Tensor:
        return functional.conv2d(
            y, state[f"features.{number}.weight"], state[f"features.{number}.bias"], padding=1
        )

    relu1_1 = conv(0, x).relu()
    conv1_2 = conv(2, relu1_1)
    conv2_2 = conv(7, conv(5, functional.max_pool2d(conv1_2.relu(), 2)).relu())
    for got, wanted in zip(network(x), (relu1_1, conv1_2, conv2_2), strict=True):
        assert torch.equal(got, wanted)
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert not network.training


def test_without_a_file_the_name_and_the_place_are_told() -> None:
    with pytest.raises(InputError) as told:
        check_file(None)
    assert str(told.value) == (
        "--vgg19: stage 2 needs the weights of VGG-19, and no file is named; download "
        "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth and name the file by --vgg19 PATH/vgg19-dcbb9e9d.pth"
    )


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be read \(No such file or directory\); download https"):
        check_file(tmp_path / "none.pth")


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / vgg19.FILE
    path.write_bytes(b"something else")
    begins = hashlib.sha256(b"something else").hexdigest()[:8]
    with pytest.raises(InputError, match=f"its SHA-256 begins with {begins}, not dcbb9e9d; download"):
        check_file(path)


def test_other_tensors_are_refused(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save({"features.0.weight": torch.zeros(2)}, file)
    monkeypatch.setattr(vgg19, "SHA256_BEGINS", hashlib.sha256(file.read_bytes()).hexdigest()[:8])
    with pytest.raises(InputError, match="it does not hold the weights of VGG-19"):
        load_vgg19(file, (2,))


@pytest.mark.parametrize("layers", [(), (7, 2), (2, 2), (60,)])
def test_layers_must_be_there_and_rise(layers: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="layer"):
        Vgg19Features(layers)
