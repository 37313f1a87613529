"""Fig. 4 of the paper: what each scale of a trained DRBNet does to a picture.

The picture is drawn by `drbnet.training_pictures`: a row a scale from 1/8 to 1. Beside it fig4.csv has the numbers of
each scale: how much the filtered and the direct residual change the picture, the sum of the kernels, and how near input
and output are to the sharp picture where that is known. Changes are means of absolute values, pictures in [0, 1].
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from drbnet.choices import TargetScaling
from drbnet.datasets import Split, find
from drbnet.losses import scaled_target
from drbnet.metrics import psnr, to_unit
from drbnet.reading import Bits, read_encoded
from drbnet.training_pictures import write_scales
from drbnet.validation import MULTIPLE, read_pair
from drbnet.weights import load_network
from lfsynth.errors import InputError
from lfsynth.pictures import write_bytes_atomic
from pipelines.paper.plan import Plan
from pipelines.paper.recipes import Recipe, Source, both, without_vgg19
from pipelines.paper.workshop import Workshop

LARGEST = 1024
"""px, side of the picture's middle that is looked at."""
COLUMNS = (
    "scale",
    "height",
    "width",
    "filtered",
    "residual",
    "output_less_input",
    "kernel_sum",
    "input_psnr",
    "output_psnr",
)


def needs(plan: Plan) -> set[Source]:
    """Datasets that it takes."""
    found = {Source.REALDOF} if plan.picture is None else set()
    return found | ({Source.LFDOF, Source.DPDD} if plan.weights is None else set())


def recipe(plan: Plan) -> Recipe | None:
    """What is trained for it: Table 2's DRBNet, unless weights are named."""
    if plan.weights is not None:
        return None
    return without_vgg19(both()) if plan.tiny and plan.vgg19 is None else both()


def check(plan: Plan) -> None:
    """Refuse files that are not there.

    Raises
    ------
    InputError : naming one
    """
    for path in (plan.weights, plan.picture):
        if path is not None and not path.is_file():
            raise InputError(path, "there is no such file", "correct fig4")


def make(workshop: Workshop, generated: Collection[Source], out: Path) -> list[Path]:
    """Write fig4.png and fig4.csv.

    Raises
    ------
    InputError : where weights or picture are at fault, or the weights are not DRBNet's
    """
    plan = workshop.plan
    wanted = recipe(plan)
    weights = workshop.train(wanted, plan.seeds[0]).weights if wanted is not None else plan.weights
    assert weights is not None
    network: Any
    network, architecture = load_network(weights)
    if not hasattr(network, "steps") or architecture.dual:
        raise InputError(
            weights, f"it is of {architecture}, whose steps cannot be shown", "give a single DRBNet"
        )
    picture, target = _picture(plan)
    with torch.no_grad():
        steps = network.steps(picture)
    paths = [out / "fig4.png", out / "fig4.csv"]
    write_scales(paths[0], steps)
    write_bytes_atomic(paths[1], _numbers(steps, target).encode())
    print(f"Fig. 4. {weights}; from 1/8 to full resolution: input, two kernels, residuals, output.")
    if generated:
        print("SMOKE RUN: the network has hardly been trained.")
    return paths


def _picture(plan: Plan) -> tuple[Tensor, Tensor | None]:
    """The middle of the picture (1, 3, H, W) in [-1, 1], and of the sharp one where there is one."""
    if plan.picture is None:
        pair = find(plan.data[Source.REALDOF], split=Split.TEST).pairs[0]
        views, sharp = read_pair(pair, bits=Bits.TRUNCATED, crop=LARGEST)
        return views[:, 0], sharp
    encoded = read_encoded(plan.picture)
    height, width = (min(LARGEST, side - side % MULTIPLE) for side in encoded.shape[:2])
    if min(height, width) < MULTIPLE:
        raise InputError(plan.picture, f"it is smaller than {MULTIPLE} px", "give a larger one")
    top, left = (encoded.shape[0] - height) // 2, (encoded.shape[1] - width) // 2
    middle = encoded[top : top + height, left : left + width]
    return torch.from_numpy(middle).permute(2, 0, 1)[None].contiguous() * 2 - 1, None


def _numbers(steps: list[Any], target: Tensor | None) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    finest = steps[-1].output.shape[-1]
    for step in steps:
        height, width = step.output.shape[-2:]
        kernels = None if step.kernels is None else float(step.kernels.sum(1).mean())
        sharp = None if target is None else scaled_target(target, (height, width), TargetScaling.MEAN)
        writer.writerow(
            [
                *(f"1/{finest // width}", height, width),
                *(_shown(_change(one)) for one in (step.filtered, step.residual, step.output - step.image)),
                _shown(kernels),
                *(_shown(_likeness(one, sharp)) for one in (step.image, step.output)),
            ]
        )
    return text.getvalue()


def _change(residual: Tensor | None) -> float | None:
    return None if residual is None else float(residual.abs().mean()) / 2


def _likeness(picture: Tensor, sharp: Tensor | None) -> float | None:
    return None if sharp is None else float(psnr(to_unit(picture), to_unit(sharp)))


def _shown(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"
