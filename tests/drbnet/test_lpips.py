"""LPIPS against the published formula in plain numpy, and the files of its weights."""

import hashlib
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from drbnet import lpips
from drbnet.lpips import Lpips, heads_file, load_lpips
from lfsynth.errors import InputError

Array = NDArray[np.float64]


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    """AlexNet's as torchvision names them, seeded."""
    generator = torch.Generator().manual_seed(4)
    found = {}
    for name, value in Lpips().features.state_dict().items():
        fan_in = value[0].numel() if value.ndim > 1 else 100
        found[f"features.{name}"] = torch.randn(value.shape, generator=generator) * (2 / fan_in) ** 0.5
    return found


@pytest.fixture
def file(tmp_path: Path, weights: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch) -> Path:
    return stored(weights | {"classifier.6.bias": torch.zeros(1000)}, tmp_path, monkeypatch)


def stored(state: dict[str, torch.Tensor], folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of tensors, whose hash is that which is wanted."""
    path = folder / lpips.FILE
    torch.save(state, path)
    monkeypatch.setattr(lpips, "SHA256_BEGINS", hashlib.sha256(path.read_bytes()).hexdigest()[:8])
    return path


def convolved(x: Array, weight: Array, bias: Array, stride: int, padding: int) -> Array:
    """(C, H, W) to (D, h, w), a sum over windows."""
    padded = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
    side = weight.shape[-1]
    windows = sliding_window_view(padded, (side, side), axis=(1, 2))[:, ::stride, ::stride]
    return np.einsum("chwij,dcij->dhw", windows, weight, optimize=True) + bias[:, None, None]


def pooled(x: Array) -> Array:
    return sliding_window_view(x, (3, 3), axis=(1, 2))[:, ::2, ::2].max(axis=(3, 4))


def seen_by_numpy(picture: Array, weights: dict[str, torch.Tensor]) -> list[Array]:
    """Features of AlexNet after its ReLUs, of (3, H, W) in [-1, 1]."""
    x = (picture - np.array([-0.030, -0.088, -0.188])[:, None, None]) / np.array([0.458, 0.448, 0.450])[
        :, None, None
    ]
    found = []
    layers = ((0, 4, 2, False), (3, 1, 2, True), (6, 1, 1, True), (8, 1, 1, False), (10, 1, 1, False))
    for number, stride, padding, after_maximum in layers:
        weight, bias = (weights[f"features.{number}.{kind}"].double().numpy() for kind in ("weight", "bias"))
        x = np.maximum(convolved(pooled(x) if after_maximum else x, weight, bias, stride, padding), 0)
        found.append(x)
    return found


def lpips_by_numpy(picture: Array, other: Array, weights: dict[str, torch.Tensor]) -> float:
    """Equation 1 of Zhang et al."""
    heads = torch.load(heads_file(), map_location="cpu", weights_only=True)
    total = 0.0
    both = zip(seen_by_numpy(picture, weights), seen_by_numpy(other, weights), strict=True)
    for number, (x, y) in enumerate(both):
        w = heads[f"lin{number}.model.1.weight"].double().numpy().reshape(-1, 1, 1)
        x, y = (z / (np.sqrt((z**2).sum(axis=0)) + 1e-10) for z in (x, y))
        total += float((w * (x - y) ** 2).sum(axis=0).mean())
    return total


@pytest.mark.parametrize("size", [(31, 31), (64, 80), (71, 99)])
def test_distance_is_the_published_formula(
    size: tuple[int, int], file: Path, weights: dict[str, torch.Tensor]
) -> None:
    rng = np.random.default_rng(sum(size))
    sharp = rng.uniform(-1, 1, (2, 3, *size))
    soft = np.clip(sharp + rng.normal(0, 0.2, sharp.shape), -1, 1)
    network = load_lpips(file)
    got = network(*(torch.from_numpy(one).float() for one in (soft, sharp)))
    assert got.dtype == torch.float64
    wanted = [lpips_by_numpy(a, b, weights) for a, b in zip(soft, sharp, strict=True)]
    assert min(wanted) > 0.005
    # Features are float32, of seven digits.
    assert got.numpy() == pytest.approx(wanted, abs=1e-6)


def test_distance_is_0_of_equal_pictures_and_symmetric(file: Path) -> None:
    network = load_lpips(file)
    torch.manual_seed(2)
    one, other = torch.rand(2, 1, 3, 40, 48) * 2 - 1
    assert float(network(one, one)) == 0
    assert float(network(one, other)) == float(network(other, one)) > 0
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_places_where_nothing_is_seen_are_no_faults() -> None:
    network = Lpips()
    for parameter in network.parameters():
        parameter.zero_()
    for head in network.heads:
        head.fill_(1)
    assert float(network(torch.zeros(1, 3, 32, 32), torch.ones(1, 3, 32, 32))) == 0


def test_the_heads_are_those_of_version_0_1() -> None:
    assert hashlib.sha256(heads_file().read_bytes()).hexdigest() == lpips.HEADS_SHA256
    heads = torch.load(heads_file(), map_location="cpu", weights_only=True)
    assert all(bool((value >= 0).all()) for value in heads.values())


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / lpips.FILE
    path.write_bytes(b"something else")
    begins = hashlib.sha256(b"something else").hexdigest()[:8]
    with pytest.raises(InputError) as told:
        load_lpips(path)
    assert str(told.value) == (
        f"{path}: it is not AlexNet's alexnet-owt-7be5be79.pth: its SHA-256 begins with {begins}, not 7be5be79; "
        "download https://download.pytorch.org/models/alexnet-owt-7be5be79.pth and name it by --lpips-weights"
    )


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"7be5be79.pth cannot be read \(No such file or directory\); download"
    ):
        load_lpips(tmp_path / "none.pth")


def test_other_tensors_are_refused(
    tmp_path: Path, weights: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = stored(weights | {"features.3.weight": torch.zeros(2)}, tmp_path, monkeypatch)
    with pytest.raises(InputError, match=r"it holds no features\.3\.weight as AlexNet has it; download"):
        load_lpips(path)
    path.write_bytes(b"no pickle")
    monkeypatch.setattr(lpips, "SHA256_BEGINS", hashlib.sha256(b"no pickle").hexdigest()[:8])
    with pytest.raises(InputError, match="it holds no tensors"):
        load_lpips(path)


def test_other_heads_are_refused(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = io.BytesIO()
    torch.save({"lin0.model.1.weight": torch.zeros(1, 64, 1, 1)}, buffer)
    other = tmp_path / "alex.pth"
    other.write_bytes(buffer.getvalue())
    monkeypatch.setattr(lpips, "heads_file", lambda: other)
    with pytest.raises(
        InputError, match=r"it is not the linear heads of LPIPS v0\.1: its SHA-256 begins with"
    ):
        load_lpips(file)
    monkeypatch.setattr(lpips, "HEADS_SHA256", hashlib.sha256(other.read_bytes()).hexdigest())
    with pytest.raises(InputError, match=r"it holds no head 1 of LPIPS v0\.1; install torchmetrics"):
        load_lpips(file)


def test_without_torchmetrics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match="the linear heads of LPIPS are in torchmetrics; install it"):
        heads_file()


def test_finding_the_heads_imports_nothing() -> None:
    show = (
        "import sys; from drbnet.lpips import heads_file; heads_file(); print('torchmetrics' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


@pytest.mark.parametrize("shape", [(1, 3, 30, 40), (1, 1, 40, 40), (3, 40, 40)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="sides at least 31 px"):
        Lpips()(torch.zeros(shape), torch.zeros(shape))


def test_pictures_must_be_of_one_shape() -> None:
    with pytest.raises(ValueError, match="of one shape"):
        Lpips()(torch.zeros(1, 3, 40, 40), torch.zeros(1, 3, 40, 48))
