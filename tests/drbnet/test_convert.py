from __future__ import annotations

import importlib.util
import io
import os
import pickle
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import h5py
import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor

from drbnet.convert import main
from drbnet.models import MODELS, dpdnet
from drbnet.npz import read_npz
from drbnet.weights import load_network
from lfsynth.errors import InputError

Arrays = Mapping[str, np.ndarray]
SLIM = (4, 4, 6, 6, 8)  # DPDNet's channels in most tests
PLAIN = Path(__file__).parent / "models" / "plain_tensorflow.py"


@pytest.fixture(scope="module")
def plain() -> ModuleType:
    spec = importlib.util.spec_from_file_location("plain_tensorflow", PLAIN)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def convert(running: Callable[..., Any]) -> Callable[..., Any]:
    return running(main)


@pytest.fixture
def slim(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dpdnet, "CHANNELS", SLIM)


# Files as they are released


def python2_string(data: bytes) -> bytes:
    return b"T" + struct.pack("<i", len(data)) + data


def python2_array(array: np.ndarray) -> bytes:
    """What Python 2 pickled of an array of float32: the bytes are a string."""
    shape = b"(" + b"".join(b"J" + struct.pack("<i", side) for side in array.shape) + b"t"
    dtype = b"cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    begin = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    return begin + b"(K\x01" + shape + dtype + b"I00\n" + python2_string(array.tobytes()) + b"tb"


def python2_list(arrays: list[np.ndarray]) -> bytes:
    """What Python 2 pickled of an array of arrays."""
    dtype = b"cnumpy\ndtype\nU\x02O8K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK?tb"
    begin = b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
    shape = b"(J" + struct.pack("<i", len(arrays)) + b"t"
    content = b"](" + b"".join(map(python2_array, arrays)) + b"e"
    return begin + b"(K\x01" + shape + dtype + b"I00\n" + content + b"tb."


def write_pickled(path: Path, count: int, pickled: bytes) -> Path:
    """A .npz file whose only member is an array `params` of objects."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|O", "fortran_order": False, "shape": (count,)})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("params.npy", header.getvalue() + pickled)
    return path


def objects(arrays: list[np.ndarray]) -> np.ndarray:
    listed = np.empty(len(arrays), object)
    listed[:] = arrays
    return listed


def write_listed(path: Path, arrays: list[np.ndarray], form: str = "numpy") -> Path:
    """TensorLayer's save_npz: np.savez(name, params=arrays)."""
    if form == "numpy":
        np.savez(path, params=objects(arrays))
        return path
    pickled = python2_list(arrays) if form == "Python 2" else pickle.dumps(objects(arrays), protocol=2)
    return write_pickled(path, len(arrays), pickled)


def write_keras(path: Path, arrays: Arrays, *, whole: bool) -> Path:
    """Keras's files: of a whole model, the weights are in a group of their own."""
    with h5py.File(path, "w") as file:
        root = file.create_group("model_weights") if whole else file
        layers = list(dict.fromkeys(name.partition("/")[0] for name in arrays))
        layers.insert(2, "max_pooling2d_1")
        root.attrs["layer_names"] = [layer.encode() for layer in layers]
        for layer in layers:
            names = [name for name in arrays if name.startswith(layer + "/")]
            group = root.create_group(layer)
            group.attrs["weight_names"] = np.array([name.encode() for name in names], "S30")
            for name in names:
                group[name] = arrays[name]
    return path


def write_ifan(path: Path, weights: Mapping[str, Tensor], **more: Tensor) -> Path:
    torch.save({f"module.Network.{name}": one for name, one in weights.items()} | more, path)
    return path


def picture(height: int, width: int) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(1)) * 2 - 1


# What comes of them


@pytest.mark.parametrize("form", ["numpy", "Python 2", "protocol 2", "by name"])
@pytest.mark.parametrize(("levels", "name"), [(2, "kpac-2"), (3, "kpac")])
def test_kpac_computes_what_the_released_arrays_give(
    plain: ModuleType, convert: Callable[..., Any], tmp_path: Path, form: str, levels: int, name: str
) -> None:
    arrays = plain.seeded(plain.kpac_shapes(levels))
    path, out = tmp_path / "released.npz", tmp_path / "out.safetensors"
    if form == "by name":
        np.savez(path, **dict(sorted(arrays.items())))  # their order says nothing
    else:
        write_listed(path, list(arrays.values()), form)
    ended = convert(path, "--to", out)
    assert ended.code == 0, ended.err
    count = sum(one.size for one in arrays.values())
    assert ended.out == f"{out}: {name}, {count:,} parameters in {len(arrays)} tensors of released.npz\n"
    network, architecture = load_network(out)
    assert str(architecture) == f"KPAC, {levels} levels"
    image = picture(8, 16) / 4
    with torch.no_grad():
        found = network(image)
    truth = plain.kpac(arrays, image[0].permute(1, 2, 0).numpy().astype(np.float64), levels)
    assert np.ptp(truth) > 0.5
    # As in the network's own test: rounding in some twenty layers.
    np.testing.assert_allclose(found[0].permute(1, 2, 0).numpy(), truth.clip(-1, 1), rtol=0, atol=4e-5)


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("suffix", ["hdf5", "h5"])
@pytest.mark.usefixtures("slim")
def test_dpdnet_computes_what_the_released_arrays_give(
    plain: ModuleType, convert: Callable[..., Any], tmp_path: Path, whole: bool, suffix: str
) -> None:
    arrays = plain.seeded(plain.dpdnet_shapes(SLIM), seed=2)
    path = write_keras(tmp_path / f"released.{suffix}", arrays, whole=whole)
    out = tmp_path / "out.safetensors"
    ended = convert(path, "--to", out, "--model", "dpdnet")
    assert ended.code == 0, ended.err
    network, architecture = load_network(out)
    assert str(architecture) == "DPDNet, single"
    image = picture(16, 32)
    with torch.no_grad():
        found = network(image)
    bgr = (image[0].numpy().astype(np.float64)[::-1].transpose(1, 2, 0) + 1) / 2
    truth = (plain.dpdnet(arrays, bgr) * 2 - 1)[..., ::-1]
    assert np.ptp(truth) > 0.1
    np.testing.assert_allclose(found[0].permute(1, 2, 0).numpy(), truth, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["ifan", "ifan-dual"])
def test_ifan_is_renamed(convert: Callable[..., Any], tmp_path: Path, name: str) -> None:
    torch.manual_seed(0)
    weights = MODELS[name].build().state_dict()
    more = {"module.reblurNet.F.weight": torch.zeros(3)}  # of training alone
    path, out = write_ifan(tmp_path / "IFAN.pytorch", weights, **more), tmp_path / "out.safetensors"
    ended = convert(path, "--to", out)
    assert ended.code == 0, ended.err
    assert f"{out}: {name}, " in ended.out
    found = safetensors.torch.load_file(out)
    assert sorted(found) == sorted(weights)
    for key, one in weights.items():
        torch.testing.assert_close(found[key], one, rtol=0, atol=0)


def test_the_same_weights_are_the_same_file(
    plain: ModuleType, convert: Callable[..., Any], tmp_path: Path
) -> None:
    arrays = plain.seeded(plain.kpac_shapes(2))
    path = write_listed(tmp_path / "released.npz", list(arrays.values()))
    for name in ("a", "b"):
        assert convert(path, "--to", tmp_path / f"{name}.safetensors").code == 0
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


# Reading .npz files


@pytest.mark.parametrize("form", ["numpy", "Python 2", "protocol 2"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_lists_are_read_as_numpy_itself_reads_them(tmp_path: Path, form: str, order: str) -> None:
    rng = np.random.default_rng(0)
    arrays = [rng.random(shape).astype(np.float32) for shape in ((3, 2, 4), (5,), (2, 2))]
    if form != "Python 2":
        arrays = [np.array(one, order=order) for one in arrays]  # type: ignore[call-overload]
        arrays.append(rng.random((2, 3)).astype(">f8"))
    path = write_listed(tmp_path / "some.npz", arrays, form)
    found = read_npz(path)["params"]
    truth = np.load(path, allow_pickle=True, encoding="latin1")["params"]
    assert len(found) == len(truth) == len(arrays)
    for one, other, written in zip(found, truth, arrays, strict=True):
        np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(one, written)


class Evil:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.folder),)


def test_code_is_not_run(convert: Callable[..., Any], tmp_path: Path) -> None:
    evil = Evil(tmp_path / "made by code")
    path = write_pickled(tmp_path / "evil.npz", 1, pickle.dumps(evil))
    ended = convert(path, "--to", tmp_path / "out.safetensors")
    assert ended.code == 2
    assert "its params would run posix.mkdir; do not trust it" in ended.err
    assert sorted(one.name for one in tmp_path.iterdir()) == ["evil.npz"]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ([1, 2], "no list of arrays"),
        (objects([np.zeros(2, np.float32), "text"]), "a list of other things than arrays"),
        (objects([np.zeros(2, np.int64)]), "values of i8"),
        (objects([objects([np.zeros(2)])]), "values of O8"),
    ],
)
def test_refuses_other_objects(tmp_path: Path, content: Any, fault: str) -> None:
    path = write_pickled(tmp_path / "some.npz", 1, pickle.dumps(content, protocol=4))
    with pytest.raises(InputError, match=f"its params is damaged, or no array of numbers .*{fault}"):
        read_npz(path)


def test_refuses_whole_numbers(tmp_path: Path) -> None:
    np.savez(tmp_path / "some.npz", a=np.zeros(2, np.int64))
    with pytest.raises(InputError, match=r"its a is damaged, or no array of numbers .*values of int64"):
        read_npz(tmp_path / "some.npz")


@pytest.mark.parametrize("cut", [0.3, 0.9])
def test_refuses_cut_lists(tmp_path: Path, cut: float) -> None:
    pickled = pickle.dumps(objects([np.zeros(50, np.float32)]), protocol=4)
    path = write_pickled(tmp_path / "cut.npz", 1, pickled[: int(cut * len(pickled))])
    with pytest.raises(InputError, match="its params is damaged"):
        read_npz(path)


# Refusals of the command


def refused(ended: Any, out: Path) -> str:
    """The line of the error, where nothing was written."""
    assert ended.code == 2
    assert not out.exists()
    line: str = ended.err
    assert line.count("\n") == 1
    return line


def test_refuses_lists_of_other_networks(
    plain: ModuleType, convert: Callable[..., Any], tmp_path: Path
) -> None:
    out = tmp_path / "out.safetensors"
    arrays = list(plain.seeded(plain.kpac_shapes(3)).values())

    def told(changed: list[np.ndarray], *options: str) -> str:
        return refused(convert(write_listed(tmp_path / "some.npz", changed), "--to", out, *options), out)

    dual = [np.zeros((5, 5, 6, 48), np.float32), *arrays[1:]]
    line = told(dual)
    assert (
        "it is of another network: its params[0] is (5, 5, 6, 48), where conv0_1.weight is (5, 5, 3, 48)"
        in line
    )
    assert "it ends before output.bias" in told(arrays[:-1])
    assert "it has params[66], which the network has not" in told([*arrays, arrays[-1]])
    swapped = [*arrays[:2], *arrays[4:6], *arrays[2:4], *arrays[6:]]
    swapped[0], swapped[2] = swapped[2], swapped[0]
    assert "its params[0] is (3, 3, 48, 48), where conv0_1.weight" in told(swapped)
    line = told(arrays, "--model", "kpac-2")
    assert "its params[12] is (3, 3, 96, 96), where blocks.0.shared.weight is (5, 5, 96, 48)" in line


def test_refuses_names_of_other_networks(
    plain: ModuleType, convert: Callable[..., Any], tmp_path: Path
) -> None:
    out = tmp_path / "out.safetensors"
    arrays = plain.seeded(plain.kpac_shapes(2))

    def told(changed: Arrays, *options: str) -> str:
        np.savez(tmp_path / "some.npz", **changed)
        return refused(convert(tmp_path / "some.npz", "--to", out, *options), out)

    less = {name: one for name, one in arrays.items() if name != "deblur_net/sca_c2/1/b_conv2d:0"}
    assert (
        "of sca_c2/1 it has deblur_net/sca_c2/1/W_conv2d:0, where a kernel and its bias are needed"
        in told(less)
    )
    less = {name: one for name, one in arrays.items() if "/dc1/0/" not in name}
    assert "of dc1/0 it has nothing, where" in told(less)
    assert "it has a/b:0, which the network has not" in told(dict(arrays) | {"a/b:0": np.zeros(1)})
    assert "of deblur/c4 it has nothing" in told(arrays, "--model", "kpac")


@pytest.mark.usefixtures("slim")
def test_refuses_dpdnets_of_other_forms(
    plain: ModuleType, convert: Callable[..., Any], tmp_path: Path
) -> None:
    out, path = tmp_path / "out.safetensors", tmp_path / "some.hdf5"
    arrays = plain.seeded(plain.dpdnet_shapes(SLIM))

    def told(changed: Arrays) -> str:
        return refused(convert(write_keras(path, changed, whole=True), "--to", out), out)

    dual = dict(arrays) | {"conv2d_1/kernel:0": np.zeros((3, 3, 6, 4), np.float32)}
    assert "its conv2d_1/kernel:0 is (3, 3, 6, 4), where conv1_1.weight is (3, 3, 3, 4)" in told(dual)
    assert "it ends before output.bias" in told(dict(list(arrays.items())[:-1]))
    more = dict(arrays) | {"conv2d_25/bias:0": np.zeros(3, np.float32)}
    assert "it has conv2d_25/bias:0, which the network has not" in told(more)
    infinite = dict(arrays) | {"conv2d_24/bias:0": np.full(3, np.inf, np.float32)}
    assert "its output.bias holds values that are no numbers" in told(infinite)


def test_refuses_files_that_are_not_keras(convert: Callable[..., Any], tmp_path: Path) -> None:
    out, path = tmp_path / "out.safetensors", tmp_path / "some.hdf5"
    with h5py.File(path, "w") as file:
        file["a"] = np.zeros(3)
    assert "it holds no weights as Keras writes them" in refused(convert(path, "--to", out), out)
    path.write_bytes(path.read_bytes()[:500])
    assert "it is damaged or no HDF5 file; copy it again" in refused(convert(path, "--to", out), out)


def test_refuses_other_state_dicts(convert: Callable[..., Any], tmp_path: Path) -> None:
    out = tmp_path / "out.safetensors"
    path = tmp_path / "some.pth"
    torch.save({"conv1_1.0.weight": torch.zeros(3)}, path)
    line = refused(convert(path, "--to", out), out)
    assert "its conv1_1.0.weight does not begin with module.Network. as IFAN's weights do" in line
    weights = MODELS["ifan"].build().state_dict()
    line = refused(convert(write_ifan(path, weights), "--to", out, "--model", "ifan-dual"), out)
    assert "it is of another network: kconv1_1.0.weight is (32, 3, 3, 3) in it, (32, 6, 3, 3)" in line
    first = next(iter(weights))
    del weights[first]
    assert f"it lacks {first}" in refused(convert(write_ifan(path, weights), "--to", out), out)


@pytest.mark.parametrize("name", ["some.npz", "some.hdf5", "some.pytorch"])
def test_refuses_files_that_are_not_there_or_damaged(
    convert: Callable[..., Any], tmp_path: Path, name: str
) -> None:
    out, path = tmp_path / "out.safetensors", tmp_path / name
    line = refused(convert(path, "--to", out), out)
    assert f"{path}: it cannot be read (No such file or directory); check the path" in line
    path.write_bytes(b"no weights at all" * 100)
    assert f"{path}: it is damaged or no" in refused(convert(path, "--to", out), out)


def test_refuses_npz_whose_bytes_have_changed(convert: Callable[..., Any], tmp_path: Path) -> None:
    out, path = tmp_path / "out.safetensors", tmp_path / "some.npz"
    np.savez(path, a=np.zeros(1000))
    data = bytearray(path.read_bytes())
    data[4000] ^= 1
    path.write_bytes(data)
    assert "it is damaged or no .npz file (Bad CRC-32" in refused(convert(path, "--to", out), out)


def test_refuses_a_network_that_such_a_file_is_never_of(convert: Callable[..., Any], tmp_path: Path) -> None:
    out, path = tmp_path / "out.safetensors", tmp_path / "some.npz"
    np.savez(path, a=np.zeros(3))
    line = refused(convert(path, "--to", out, "--model", "dpdnet"), out)
    assert "--model: some.npz would be a file of kpac or kpac-2, not dpdnet; leave it out" in line


def test_refuses_other_names_for_what_is_written(convert: Callable[..., Any], tmp_path: Path) -> None:
    out = tmp_path / "out.pth"
    line = refused(convert(tmp_path / "some.npz", "--to", out), out)
    assert "out.pth: weights are written as .safetensors; name it so" in line


def test_leaves_what_was_there_where_it_refuses(convert: Callable[..., Any], tmp_path: Path) -> None:
    out, path = tmp_path / "out.safetensors", tmp_path / "some.npz"
    out.write_bytes(b"before")
    np.savez(path, a=np.zeros(3))
    assert convert(path, "--to", out).code == 2
    assert out.read_bytes() == b"before"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["out.safetensors", "some.npz"]
