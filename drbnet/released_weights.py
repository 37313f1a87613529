"""Weights of other authors' networks, as they published them, to tensors of our names and layout.

- KPAC: TensorLayer's ``.npz``, either an array ``params`` that lists all tensors in order, or the tensors by name.
- DPDNet: Keras's ``.hdf5``, a whole model or its weights alone.
- IFAN: a state dict of torch's, whose names begin with ``module.Network.``.

TensorFlow's kernels are [y, x, in, out], those of transposed convolutions [y, x, out, in]; torch's are [out, in, y, x]
and [in, out, y, x]. Both take the same change of axes, and nothing is flipped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from drbnet.checkpoints import load_weights, read_weights
from drbnet.models import MODELS, ifan
from drbnet.npz import read_npz
from lfsynth.errors import InputError

Array = NDArray[Any]
Named = Sequence[tuple[str, Array]]
"""Arrays in order, each with its name in the file."""

_ELSE = "choose the network by --model, or take another file"
_KPAC_BLOCK = ("dc1", "sca_dc1", "sca_dc2", "sca_dc3", "sca_dc4", "sca_c2", "sha_c1", "sha_c2", "cf")
_KPAC_FOURTH = "deblur/c4"  # the layer that is there with three levels alone


def read_released(path: Path, model: str | None = None) -> tuple[str, dict[str, Tensor]]:
    """A released file's weights as those of a network of ours.

    Parameters
    ----------
    path : .npz of KPAC, .hdf5 (.h5) of DPDNet, and IFAN's under any other name
    model : one of `MODELS`; None: what the file is of

    Returns
    -------
    the network's name in `MODELS`, and its state dict in float32

    Raises
    ------
    InputError : where the file cannot be read, is damaged, holds code or values that are no numbers, or is of another
        network, with the first tensor that differs
    """
    suffix = path.suffix.lower()
    if suffix == ".npz":
        name, weights = _kpac(path, model)
    elif suffix in (".hdf5", ".h5"):
        name = _one_of(path, model, "dpdnet")
        weights = _in_order(_outline(name), _read_keras(path), path)
    else:
        name, weights = _ifan(path, model)
    wrong = next((key for key, one in weights.items() if not bool(torch.isfinite(one).all())), None)
    if wrong is not None:
        raise InputError(path, f"its {wrong} holds values that are no numbers", "copy it again")
    return name, weights


def _kpac(path: Path, model: str | None) -> tuple[str, dict[str, Tensor]]:
    arrays = read_npz(path)
    params = arrays.get("params")
    named: dict[str, Array] = {key: one for key, one in arrays.items() if not isinstance(one, list)}
    if isinstance(params, list):
        two = len(params) == len(_outline("kpac-2").state_dict())
    else:
        two = not any(_is_of(key, _KPAC_FOURTH) for key in named)
    name = _one_of(path, model or ("kpac-2" if two else "kpac"), "kpac", "kpac-2")
    if isinstance(params, list):
        ordered: Named = [(f"params[{number}]", one) for number, one in enumerate(params)]
    else:
        ordered = _by_layers(named, _kpac_layers(3 if name == "kpac" else 2), path)
    return name, _in_order(_outline(name), ordered, path)


def _kpac_layers(levels: int) -> list[str]:
    """Layers as their authors named them, in the order of their files, which is also that of our network."""
    encoder = ("c0", "c0_2", "c2", "c2_2", "c3", "c3_2", "c4", "c4_2")[: 2 * levels + 2]
    decoder = ("d0", "d0_2", "d1", "d1_2", "d2", "d2_2")[6 - 2 * levels :]
    return [
        *(f"deblur/{layer}" for layer in encoder),
        *(f"{layer}/{block}" for block in range(2) for layer in _KPAC_BLOCK),
        *(f"deblur/{layer}" for layer in ("cm_1", "cm_2", *decoder)),
    ]


def _is_of(name: str, layer: str) -> bool:
    """Whether an array is of a layer: its name is scopes, the layer's name, and its own (``W_conv2d:0``)."""
    return f"/{name.rpartition('/')[0]}".endswith(f"/{layer}")


def _by_layers(arrays: Mapping[str, Array], layers: Sequence[str], path: Path) -> Named:
    """Arrays in the order of layers, of each the kernel first."""
    found: dict[str, list[tuple[str, Array]]] = {layer: [] for layer in layers}
    for name, array in arrays.items():
        layer = next((one for one in layers if _is_of(name, one)), None)
        if layer is None:
            raise _other(path, f"it has {name}, which the network has not")
        found[layer].append((name, array))
    for layer, own in found.items():
        own.sort(key=lambda one: -one[1].ndim)
        if [one.ndim for _, one in own] != ([4] if layer.startswith("dc1/") else [4, 1]):
            have = ", ".join(name for name, _ in own) or "nothing"
            raise _other(path, f"of {layer} it has {have}, where a kernel and its bias are needed")
    return [one for own in found.values() for one in own]


def _read_keras(path: Path) -> Named:
    """Arrays of a ``.hdf5`` file, layer by layer as they follow each other in the network."""
    import h5py

    try:
        with path.open("rb") as data, h5py.File(data, "r") as file:
            root = file.get("model_weights", file)
            return [
                (name, np.asarray(root[layer][name][()], dtype=np.float32))
                for layer in _texts(root.attrs["layer_names"])
                for name in _texts(root[layer].attrs["weight_names"])
            ]
    except KeyError as error:
        fault = f"it holds no weights as Keras writes them ({' '.join(error.args)})"
        raise InputError(path, fault, "take the file as its authors published it") from None
    except OSError as error:
        if error.strerror:
            raise InputError(path, f"it cannot be read ({error.strerror})", "check the path") from None
        raise InputError(path, "it is damaged or no HDF5 file", "copy it again") from None
    except (RuntimeError, ValueError, AttributeError, TypeError) as error:
        what = " ".join(str(error).split())[:100]
        raise InputError(path, f"it is damaged ({what})", "copy it again") from None


def _texts(attribute: Any) -> list[str]:
    return [one.decode() if isinstance(one, bytes) else str(one) for one in attribute]


def _ifan(path: Path, model: str | None) -> tuple[str, dict[str, Tensor]]:
    released, training = "Network.", "reblurNet."  # the latter is there where training was to go on
    weights = {key: one for key, one in read_weights(path).items() if not key.startswith(training)}
    strange = next((key for key in weights if not key.startswith(released)), None)
    if strange is not None:
        raise InputError(
            path, f"its {strange} does not begin with module.{released} as IFAN's weights do",
            "other state dicts are given by --weights as they are",
        )  # fmt: skip
    weights = {key.removeprefix(released): one.float() for key, one in weights.items()}
    architecture = ifan.told(weights)
    dual = architecture is not None and architecture.dual
    name = _one_of(path, model or ("ifan-dual" if dual else "ifan"), "ifan", "ifan-dual")
    network = MODELS[name].build()
    load_weights(network, weights, path)
    return name, network.state_dict()


def _one_of(path: Path, model: str | None, *names: str) -> str:
    """The network that is asked for, if it is one that such a file can be of; None asks for the first."""
    if model is not None and model not in names:
        raise InputError(
            "--model", f"{path.name} would be a file of {' or '.join(names)}, not {model}", "leave it out"
        )
    return model or names[0]


def _outline(name: str) -> nn.Module:
    """A network whose weights have names and shapes alone."""
    with torch.device("meta"):
        return MODELS[name].build()


def _in_order(network: nn.Module, arrays: Named, path: Path) -> dict[str, Tensor]:
    """Tensors of a network from TensorFlow's arrays, which are in its own order."""
    tensors: dict[str, Tensor] = {}
    for number, (name, own) in enumerate(network.state_dict().items()):
        if number == len(arrays):
            raise _other(path, f"it ends before {name}")
        theirs, array = arrays[number]
        wanted = tuple(own.permute(2, 3, 1, 0).shape) if own.ndim == 4 else tuple(own.shape)
        if array.shape != wanted:
            raise _other(path, f"its {theirs} is {array.shape}, where {name} is {wanted}")
        turned = array.transpose(3, 2, 0, 1) if own.ndim == 4 else array
        tensors[name] = torch.from_numpy(np.array(turned, dtype=np.float32, order="C"))
    if len(arrays) > len(tensors):
        raise _other(path, f"it has {arrays[len(tensors)][0]}, which the network has not")
    return tensors


def _other(path: Path, first: str) -> InputError:
    return InputError(path, f"it is of another network: {first}", _ELSE)
