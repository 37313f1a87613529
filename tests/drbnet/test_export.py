"""Exported networks compute what the network does, on sizes that they were not traced on."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from drbnet import export as exporting
from drbnet.dynamic_filter import plain_filter, unfolded_filter
from drbnet.export import TOLERANCE, export, main
from drbnet.models.drbnet import DRBNet, Scales
from lfsynth.errors import InputError

SIZES = ((1, 9, 9), (2, 72, 32), (1, 43, 121))


def network(*, dual: bool = False, scales: Scales = Scales.FOUR) -> DRBNet:
    torch.manual_seed(2)
    return DRBNet(dual=dual, scales=scales).eval()


@pytest.fixture(scope="module")
def onnx_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("onnxruntime", reason="onnxruntime, of the export extra, is not installed")
    path = tmp_path_factory.mktemp("onnx") / "a.onnx"
    assert export(network(), path) <= TOLERANCE
    assert [one.name for one in path.parent.iterdir()] == [path.name]
    return path


@pytest.mark.parametrize(("side", "dtype"), [(1, torch.float32), (5, torch.float32), (3, torch.bfloat16)])
def test_filter_in_exports(side: int, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(side)
    padded = torch.randn(2, 3, 10 + side, 16 + side, generator=generator).to(dtype)
    kernels = torch.randn(2, side**2, 11, 17, generator=generator).to(dtype)
    expected, result = plain_filter(padded, kernels), unfolded_filter(padded, kernels)
    assert result.dtype == dtype
    # bfloat16 keeps 8 bits, and sums in another order may be rounded the other way
    tolerance = 1e-5 if dtype == torch.float32 else 2**-7
    torch.testing.assert_close(result, expected, rtol=tolerance, atol=1e-5)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_onnx_runtime_computes_the_same(size: tuple[int, int, int], onnx_file: Path) -> None:
    import onnxruntime

    number, height, width = size
    views = np.random.default_rng(height).uniform(-1, 1, (number, 3, height, width)).astype(np.float32)
    session = onnxruntime.InferenceSession(str(onnx_file))
    [result] = session.run(["deblurred"], {"image": views})
    with torch.inference_mode():
        expected = network()(torch.from_numpy(views)).numpy()
    assert np.abs(expected - views).max() > 0.01
    np.testing.assert_allclose(result, expected, rtol=0, atol=1e-4)


def test_torch_export_computes_the_same(tmp_path: Path) -> None:
    path, dual = tmp_path / "a.pt2", network(dual=True, scales=Scales.ONE)
    assert export(dual, path, dual=True) <= TOLERANCE
    module = torch.export.load(path).module()
    views = [torch.rand(1, 3, 27, 40, generator=torch.Generator().manual_seed(k)) * 2 - 1 for k in range(3)]
    with torch.inference_mode():
        torch.testing.assert_close(module(*views), dual(*views), rtol=0, atol=1e-5)


def test_an_export_that_differs_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(subject: object, path: Path) -> float:
        path.write_bytes(b"something")
        return 0.01

    monkeypatch.setattr(exporting, "_onnx", wrong)
    with pytest.raises(InputError, match=r"would differ from the network by 0\.01"):
        export(network(), tmp_path / "a.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "what"), [("a.pth", r"as \.onnx or \.pt2"), ("no/a.onnx", "its folder does not exist")]
)
def test_names_that_cannot_be(name: str, what: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=what):
        export(network(), tmp_path / name)


def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InputError, match=r'onnxruntime is missing; pip install "lfsynth\[export\]"'):
        export(network(), tmp_path / "a.onnx")


def test_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    weights, out = tmp_path / "w.pth", tmp_path / "a.pt2"
    torch.save(network().state_dict(), weights)
    monkeypatch.setattr(exporting, "_pt2", lambda subject, path: float(path.write_bytes(b"x")) * 1e-6)
    with pytest.raises(SystemExit) as ended:
        main(["--weights", str(weights), "--out", str(out)])
    assert ended.value.code == 0
    assert "DRBNet, single, 7 x 7; differs from torch by at most 1.0e-06" in capsys.readouterr().out
    assert out.read_bytes() == b"x"
