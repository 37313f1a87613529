"""The options of a training run, with their defaults, ranges and help.

What the paper states, or its released network shows, is the default: RAdam, betas, both learning rates and numbers of
epochs, batch and patch, L1 then VGG-19 features over all scales. It does not state these, whose defaults are: weight
decay (0) and clipping (none); initialisation (torch's own); how the target is brought to the scales (mean of blocks)
and what they weigh (1 each); which layers of VGG-19 (2, 7 and 14 counted from 0), on what range ((x - 0.5) / 0.5) and
with what weights (1 each); the learning rate's decline (pix2pix's, which it cites); the augmentation's
probabilities (those of IFAN, by some of the same authors); that stage 2 goes on from stage 1's last weights.
"""

# ruff: noqa: RUF009  (what makes a field is called where the field is)
from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drbnet.choices import (
    Autocast,
    Device,
    Initialisation,
    TargetScaling,
    VggDistance,
    VggInput,
    VggLayers,
)


def _option(
    default: Any,
    help_: str,
    *,
    group: str,
    least: float | None = None,
    most: float | None = None,
    choices: tuple[str, ...] = (),
    may_change: bool = False,
) -> Any:
    """A field that is an option.

    may_change: a run may go on with another value of it, as with other paths or another number of workers.
    """
    meta = {
        "help": help_,
        "group": group,
        "least": least,
        "most": most,
        "choices": choices,
        "may_change": may_change,
    }
    return field(default=default, metadata=meta)


_FILES, _NETWORK, _PATCHES = "Files", "Network", "Patches and augmentation"
_TRAINING, STAGE_2, _MACHINE, _RUN = "Training", "Stage 2", "Machine", "Course of the run"
GROUPS = (_FILES, _NETWORK, _PATCHES, _TRAINING, STAGE_2, _MACHINE, _RUN)
"""Groups of options, in the order in which they are shown."""


@dataclass(frozen=True)
class Config:
    """Options of a training run; what each is stands in the field's ``metadata['help']``."""

    out: Path | None = _option(
        None, "Folder of the run; the same command goes on with what is there.", group=_FILES, may_change=True
    )
    data: Path | None = _option(None, "Dataset of stage 1, such as LFDOF.", group=_FILES, may_change=True)
    mix: Path | None = _option(
        None, "Dataset to mix into stage 1, such as DPDD.", group=_FILES, may_change=True
    )
    finetune: Path | None = _option(None, "Dataset of stage 2, such as DPDD.", group=_FILES, may_change=True)
    vgg19: Path | None = _option(
        None, "torchvision's vgg19-dcbb9e9d.pth, for stage 2.", group=_FILES, may_change=True
    )
    weights: Path | None = _option(
        None, "Weights to begin with, .safetensors or .pth; without --data, for stage 2.", group=_FILES
    )
    layout: str | None = _option(None, "Layout of --data. Default: told from its folders.", group=_FILES)
    finetune_layout: str | None = _option(
        None, "Layout of --finetune. Default: told from its folders.", group=_FILES
    )
    pairs: Path | None = _option(
        None,
        "List of the pairs of --data to train with, as the published ones.",
        group=_FILES,
        may_change=True,
    )
    finetune_pairs: Path | None = _option(
        None, "List of the pairs of --finetune to train with.", group=_FILES, may_change=True
    )
    exclude_list: Path | None = _option(
        None, "Inputs to leave out, as lfsynth check writes them.", group=_FILES, may_change=True
    )
    validation: Path | None = _option(
        None,
        "Dataset to validate with. Default: each stage's own val split, else its test split.",
        group=_FILES,
        may_change=True,
    )

    model: str = _option(
        "drbnet",
        "Network: drbnet, dpdnet, kpac, kpac-2 (of two levels), ifan, or aifnet, which needs defocus maps; drbnet-dual "
        "and ifan-dual take dual-pixel views.",
        group=_NETWORK,
    )
    kernel_size: int = _option(7, "px, side of the dynamic kernels.", group=_NETWORK, least=1)
    scales: str = _option(
        "four", "Where the dynamic block is used.", group=_NETWORK, choices=("four", "one", "none")
    )
    terms: tuple[str, ...] = _option(
        ("image", "filtered", "residual"), "Terms of the block's output.", group=_NETWORK
    )
    initialisation: Initialisation = _option(
        Initialisation.TORCH, "How the weights begin; the paper does not say.", group=_NETWORK
    )

    patch: int = _option(
        320, "px, side of a patch; a multiple of 8, for aifnet of 16.", group=_PATCHES, least=8
    )
    noise_probability: float = _option(
        0.05, "Of Gaussian noise on the input.", group=_PATCHES, least=0, most=1
    )
    noise_least: float = _option(0.001, "Least deviation of the noise, of [0, 1].", group=_PATCHES, least=0)
    noise_most: float = _option(
        math.sqrt(0.005), "Largest deviation of the noise, of [0, 1].", group=_PATCHES, least=0
    )
    grey_probability: float = _option(0.3, "Of a grey pair.", group=_PATCHES, least=0, most=1)
    scale_probability: float = _option(0.5, "Of a pair made smaller.", group=_PATCHES, least=0, most=1)
    scale_least: float = _option(0.7, "Least factor of its size.", group=_PATCHES, least=0.01, most=1)
    scale_most: float = _option(1.0, "Largest factor of its size.", group=_PATCHES, least=0.01, most=1)
    bits: int = _option(8, "Bits of a sample of 16 that are used, 8 or 16.", group=_PATCHES)

    repeats: int = _option(1, "How often an epoch takes each pair.", group=_PATCHES, least=1)
    mix_repeats: int = _option(1, "How often it takes each pair of --mix.", group=_PATCHES, least=1)

    batch: int = _option(8, "Patches a step, over all processes.", group=_TRAINING, least=1)
    accumulate: int = _option(1, "Parts that a step's patches are taken in.", group=_TRAINING, least=1)
    epochs: int = _option(200, "Of stage 1.", group=_TRAINING, least=1)
    learning_rate: float = _option(
        1e-4, "Of stage 1; falls on a line after half of the epochs.", group=_TRAINING, least=0
    )
    vgg: float = _option(
        0.0,
        "Weight of VGG-19's features in stage 1's loss, added to the network's own.",
        group=_TRAINING,
        least=0,
    )
    beta1: float = _option(0.9, "RAdam's first.", group=_TRAINING, least=0, most=1)
    beta2: float = _option(0.99, "RAdam's second.", group=_TRAINING, least=0, most=1)
    weight_decay: float = _option(
        0.0, "Decoupled from the gradient; the paper does not say.", group=_TRAINING, least=0
    )
    clip: float = _option(
        0.0, "Largest norm of the gradient, 0 for none; the paper does not say.", group=_TRAINING, least=0
    )
    ema: float = _option(
        0.0,
        "Decay a step of averaged weights, which then are what is validated and written; 0 for none.",
        group=_TRAINING,
        least=0,
        most=0.999999,
    )
    scale_weights: tuple[float, ...] = _option(
        (1.0, 1.0, 1.0, 1.0), "Of the scales' losses, from coarse to fine.", group=_TRAINING
    )
    target_scaling: TargetScaling = _option(
        TargetScaling.MEAN, "How the target is brought to a scale.", group=_TRAINING
    )

    finetune_epochs: int = _option(100, "Of stage 2.", group=STAGE_2, least=1)
    finetune_learning_rate: float = _option(1e-5, "Of stage 2.", group=STAGE_2, least=0)
    finetune_vgg: float = _option(
        1.0, "Weight of VGG-19's features in stage 2's loss.", group=STAGE_2, least=0
    )
    finetune_l1: float = _option(0.0, "Weight of L1 in stage 2's loss.", group=STAGE_2, least=0)
    vgg_layers: VggLayers = _option(
        VggLayers.COUNTED_FROM_0, "What layers 2, 7 and 14 of VGG-19 are.", group=STAGE_2
    )
    vgg_weights: tuple[float, ...] = _option((1.0, 1.0, 1.0), "Of the three layers.", group=STAGE_2)
    vgg_input: VggInput = _option(VggInput.HALF, "Range of VGG-19's input.", group=STAGE_2)
    vgg_distance: VggDistance = _option(VggDistance.L1, "How features are compared.", group=STAGE_2)

    device: Device = _option(Device.AUTO, "Where to train.", group=_MACHINE, may_change=True)
    autocast: Autocast = _option(Autocast.NONE, "Precision of the network's arithmetic.", group=_MACHINE)
    compile: bool = _option(False, "By torch.compile.", group=_MACHINE, may_change=True)
    channels_last: bool = _option(True, "Order of the tensors in memory.", group=_MACHINE, may_change=True)
    deterministic: bool = _option(
        False, "On CUDA, only what gives the same bits again; slower.", group=_MACHINE, may_change=True
    )
    workers: int = _option(
        2, "Processes a trainer that load patches.", group=_MACHINE, least=0, may_change=True
    )
    threads: int = _option(
        0, "Of the CPU's arithmetic; 0 for torch's choice.", group=_MACHINE, least=0, may_change=True
    )

    seed: int = _option(0, "Of weights, order and augmentation.", group=_RUN, least=0)
    save_every: int = _option(
        500, "Steps from checkpoint to checkpoint.", group=_RUN, least=1, may_change=True
    )
    validate_every: int = _option(
        1, "Epochs from validation to validation.", group=_RUN, least=1, may_change=True
    )
    validation_pairs: int = _option(
        16, "Pairs to validate with at most, spread over the split.", group=_RUN, least=1, may_change=True
    )
    held_out: float = _option(
        0.05,
        "Share of the targets to validate with where a dataset has no val or test split.",
        group=_RUN,
        least=0,
        most=0.9,
    )
    validation_crop: int = _option(
        0, "px, side of their middle; 0 for all of them.", group=_RUN, least=0, may_change=True
    )
    stop_after: int = _option(
        0,
        "Steps after which to save and end, as SIGTERM does; 0 for none.",
        group=_RUN,
        least=0,
        may_change=True,
    )
    most_bad_steps: int = _option(
        10,
        "Steps in a row whose loss is no number, before the run stops.",
        group=_RUN,
        least=1,
        may_change=True,
    )
    most_bad_files: int = _option(
        20, "Pairs that cannot be read, before the run stops.", group=_RUN, least=0, may_change=True
    )
    tensorboard: bool = _option(False, "Write TensorBoard's files too.", group=_RUN, may_change=True)

    @property
    def dual(self) -> bool:
        """Whether the network takes the two views of a dual-pixel sensor beside the combined one."""
        return self.model.endswith("-dual")
