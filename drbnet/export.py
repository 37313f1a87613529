"""``python -m drbnet.export``: the network as a file for other programs, checked against the network itself.

ONNX files run in ONNX Runtime and the like, and ``.pt2`` files (`torch.export`) in torch without this package. Both
take ``image`` (N, 3, H, W) float32 in [-1, 1], of a dual-pixel sensor ``image``, ``right`` and ``left``, and give
``deblurred`` of the same shape. Height and width are any from 9 px on (17 px where the network needs multiples of 16).
DRBNet's filters are unfolded in the graph, which takes 1.2 kB a pixel with kernels of 7 x 7: to cut large pictures into
tiles is the caller's affair.
"""

from __future__ import annotations

import copy
import logging
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from drbnet.terminal import SETTINGS, debug_option, weights_option
from lfsynth.command_line import run as run_command
from lfsynth.errors import InputError

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

SIZES = ((1, 64, 96), (2, 45, 23), (1, 136, 201))
"""Numbers, heights and widths that exports are checked on; the network was traced on another."""
TOLERANCE = 1e-4
"""Of values in [-1, 1]: sums are made in another order."""
_TRACED = (2, 45, 77)

EXAMPLES = """\b
Examples:
  python -m drbnet.export --weights drbnet.pth --out drbnet.onnx
  python -m drbnet.export --weights drbnet.pth --out drbnet.pt2
"""


@dataclass(frozen=True)
class _Subject:
    """A network, how many views it takes, and what its sides are filled up to multiples of, px."""

    network: nn.Module
    views: int
    multiple: int


def export(network: nn.Module, path: Path, *, dual: bool = False, multiple: int = 8) -> float:
    """Write a network as .onnx or .pt2, and check the file before it takes its name.

    Parameters
    ----------
    network : with `scales`, see `drbnet.models`; in evaluation mode
    dual, multiple : see `drbnet.models.architecture.Architecture`

    Returns
    -------
    the largest difference to the network itself over `SIZES`

    Raises
    ------
    InputError : for another suffix, where a library is missing, the file cannot be written, or it does not compute
        what the network does
    """
    suffix = path.suffix.lower()
    if suffix not in (".onnx", ".pt2"):
        raise InputError(path, "networks are exported as .onnx or .pt2", "name it so")
    if not path.parent.is_dir():
        raise InputError(path, "its folder does not exist", "make the folder or choose another --out")
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial{suffix}")
    try:
        subject = _Subject(network, 3 if dual else 1, multiple)
        difference = _onnx(subject, partial) if suffix == ".onnx" else _pt2(subject, partial)
        if not difference <= TOLERANCE:
            fault = f"would differ from the network by {difference:.2g}"
            raise InputError(path, fault, "report it with the versions of torch and onnxruntime")
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise InputError(
            path, f"it cannot be written ({error.strerror})", "check the path and the disk"
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    return difference


def _module(subject: _Subject) -> nn.Module:
    """What the network's `forward` computes, in operations that leave heights and widths free."""
    import torch
    from torch import nn

    copied: Any = copy.deepcopy(subject.network)
    for module in copied.modules():
        if isinstance(module, nn.LeakyReLU):
            module.inplace = False  # in place it is a comparison, a product and a choice in the graph

    class AnySize(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = copied

        def forward(self, *views: Tensor) -> Tensor:
            height, width = views[0].shape[-2:]
            # Whether there is something to pad or to cut would be a condition on the size; indices have none.
            rows, columns = (_repeating(side, subject.multiple) for side in (height, width))
            padded = (view.index_select(2, rows).index_select(3, columns) for view in views)
            deblurred: Tensor = self.network.scales(*padded)[-1]
            deblurred = deblurred.index_select(2, torch.arange(height))
            return deblurred.index_select(3, torch.arange(width)).clamp(-1, 1)

    return AnySize().eval()


def _repeating(length: int, multiple: int) -> Tensor:
    """Indices along an axis, going on with the last one to a multiple."""
    import torch

    filled = multiple * ((length + multiple - 1) // multiple)
    return torch.arange(filled).clamp(max=length - 1)


def _views(subject: _Subject, size: tuple[int, int, int], seed: int) -> tuple[Tensor, ...]:
    import torch

    generator = torch.Generator().manual_seed(seed)
    number, height, width = size
    return tuple(
        torch.rand(number, 3, height, width, generator=generator) * 2 - 1 for _ in range(subject.views)
    )


def _program(subject: _Subject) -> torch.export.ExportedProgram:
    import torch
    from torch.export import Dim

    views = _views(subject, _TRACED, 0)
    # Sides that are filled up to the multiple itself would be a special case.
    least = subject.multiple + 1
    sides = {0: Dim("number", min=1), 2: Dim("height", min=least), 3: Dim("width", min=least)}
    with torch.no_grad():
        return torch.export.export(
            _module(subject), views, dynamic_shapes=(tuple(dict(sides) for _ in views),), strict=False
        )


def _onnx(subject: _Subject, path: Path) -> float:
    try:
        import onnxruntime
        import onnxscript  # noqa: F401 (torch wants it)
    except ImportError as error:
        raise InputError(path, f"{error.name} is missing", 'pip install "lfsynth[export]"') from None
    import torch

    names = ("image", "right", "left")[: subject.views]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter's own parts
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(
            _program(subject),
            (),
            input_names=list(names),
            output_names=["deblurred"],
            dynamo=True,
            verbose=False,
            optimize=False,  # takes minutes; ONNX Runtime does its own at loading
        )
    assert program is not None
    program.save(str(path), external_data=False)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def computed(views: tuple[Tensor, ...]) -> Any:
        given = {name: view.numpy() for name, view in zip(names, views, strict=True)}
        return torch.from_numpy(session.run(["deblurred"], given)[0])

    return _largest_difference(subject, computed)


def _pt2(subject: _Subject, path: Path) -> float:
    import torch

    torch.export.save(_program(subject), path)
    module = torch.export.load(path).module()
    return _largest_difference(subject, lambda views: module(*views))


def _largest_difference(subject: _Subject, computed: Any) -> float:
    import torch

    largest = 0.0
    with torch.inference_mode():
        for seed, size in enumerate(SIZES, start=1):
            views = _views(subject, size, seed)
            difference = (computed(views) - subject.network(*views)).abs().max()
            # What is no number counts as the largest.
            largest = max(largest, float(difference.nan_to_num(nan=float("inf"))))
    return largest


@click.command(
    "drbnet.export",
    epilog=EXAMPLES,
    context_settings=SETTINGS,
)
@weights_option("Trained weights, as drbnet.deblur takes them.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="A file named .onnx or .pt2.")
@debug_option
def cli(weights: Path, out: Path, debug: bool) -> int:
    """Write a network as ONNX or as torch.export's file, for pictures of any size, and check it.

    Both take (N, 3, H, W) in [-1, 1], H and W of 9 px and more, of 17 px and more where the network halves them often.
    """
    from drbnet.weights import load_network

    network, architecture = load_network(weights)
    difference = export(network, out, dual=architecture.dual, multiple=architecture.multiple)
    click.echo(
        f"{out}: {architecture}; differs from torch by at most {difference:.1e} of values in [-1, 1] "
        f"on {len(SIZES)} sizes"
    )
    return 0


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line, see `lfsynth.command_line`."""
    run_command(cli, "drbnet.export", arguments)


if __name__ == "__main__":
    main()
