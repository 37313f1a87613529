"""What is trained in a stage, and what of it a checkpoint holds: network, optimiser, schedule, scaler, averages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import RAdam
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from drbnet.choices import Autocast
from drbnet.distributed import Processes
from drbnet.initialisation import initialise
from drbnet.losses import Distance, over_scales
from drbnet.metrics import mean, psnr, to_unit
from drbnet.models import MODELS
from drbnet.models.drbnet import Scales, Terms
from drbnet.options import Config
from drbnet.random_state import seed_all
from drbnet.schedule import factor
from lfsynth.errors import InputError

_DTYPES = {Autocast.BF16: torch.bfloat16, Autocast.FP16: torch.float16}


class Trained(nn.Module):
    """What a loss is made of as the ``forward`` of one module, which data-parallel training and compilers take.

    Parameters
    ----------
    network : one without `scales` has the one of its output
    aid : see `drbnet.models`
    """

    def __init__(self, network: nn.Module, aid: nn.Module | None) -> None:
        super().__init__()
        self.network, self.aid = network, aid

    def forward(
        self, views: Sequence[Tensor], target: Tensor, defocus: Tensor | None
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        """Outputs (N, 3, h, w) from coarse to fine, not clipped, and further terms of the loss."""
        network: Any = self.network
        if self.aid is not None:
            outputs, terms = self.aid(network, views, target, defocus)
            return list(outputs), dict(terms)
        return list(network.scales(*views)) if hasattr(network, "scales") else [network(*views)], {}


@dataclass(frozen=True)
class Learned:
    """What a step gave.

    Attributes
    ----------
    terms : what each scale adds to the loss, from coarse to fine
    further : what else is added to it, by name
    psnr : dB, mean over the patches, of the clipped output at full resolution
    """

    terms: tuple[float, ...]
    psnr: float
    further: dict[str, float] = field(default_factory=dict)


class Learner:
    """Trains a network in one stage.

    Parameters
    ----------
    network : on its device; what it is trained to stays in it
    aid : what it is trained with, see `drbnet.models`, on the same device; it is trained too
    config : options
    processes : those that train together
    learning_rate, epochs : of the stage
    distance : the loss of one scale
    """

    def __init__(
        self,
        network: nn.Module,
        config: Config,
        processes: Processes,
        *,
        learning_rate: float,
        epochs: int,
        distance: Distance,
        aid: nn.Module | None = None,
    ) -> None:
        self.network, self.config, self.processes, self.distance = network, config, processes, distance
        self.aid = aid
        device = processes.device
        trained: nn.Module = Trained(network, aid)
        self.optimiser = RAdam(
            trained.parameters(),
            lr=learning_rate,
            betas=(config.beta1, config.beta2),
            weight_decay=config.weight_decay,
            decoupled_weight_decay=True,
        )
        self.schedule = LambdaLR(self.optimiser, lambda epoch: factor(epoch, epochs))
        scaled = config.autocast is Autocast.FP16
        self.scaler = torch.amp.GradScaler(device.type, enabled=scaled)
        self.average = (
            AveragedModel(network, multi_avg_fn=_averaging(config.ema), use_buffers=True)
            if config.ema
            else None
        )
        if config.compile:
            trained.compile()
        # An aid need not use all of the network's parts in each step.
        self.parallel = (
            DistributedDataParallel(trained, find_unused_parameters=aid is not None)
            if processes.world > 1
            else None
        )
        self.trained: nn.Module = self.parallel or trained

    @property
    def best_known(self) -> nn.Module:
        """The network that is validated and written: the averaged one where there is one."""
        return self.network if self.average is None else self.average.module

    @property
    def learning_rate(self) -> float:
        """Of the next step."""
        return float(self.schedule.get_last_lr()[0])

    def gradients(self, inputs: Tensor, target: Tensor, defocus: Tensor | None = None) -> Learned:
        """Gradients of the mean loss of some patches, taken in `Config.accumulate` parts.

        Parameters
        ----------
        inputs : (N, V, 3, p, p)
        target : (N, 3, p, p)
        defocus : (N, 1, p, p), where the aid wants it
        """
        self.trained.train()
        self.optimiser.zero_grad(set_to_none=True)
        count = len(inputs)
        parts = min(self.config.accumulate, count)
        maps = [None] * parts if defocus is None else defocus.tensor_split(parts)
        chunks = list(zip(inputs.tensor_split(parts), target.tensor_split(parts), maps, strict=True))
        terms: list[Tensor] = []
        further: dict[str, float] = {}
        decibels: list[float] = []
        for number, (some, wanted, blur) in enumerate(chunks, 1):
            last = number == len(chunks)
            waits = self.parallel is not None and not last
            with self.parallel.no_sync() if waits and self.parallel is not None else nullcontext():
                outputs, more = self._outputs(some, wanted, blur)
                found = over_scales(
                    outputs,
                    wanted,
                    self.distance,
                    weights=self.config.scale_weights,
                    scaling=self.config.target_scaling,
                )
                share = len(some) / count
                scales = torch.stack(found) * share
                loss = torch.stack([scales.sum(), *(share * term for term in more.values())]).sum()
                torch.autograd.backward(self.scaler.scale(loss))
            terms.append(scales.detach())
            for name, term in more.items():
                further[name] = further.get(name, 0.0) + share * float(term.detach())
            decibels += psnr(to_unit(outputs[-1].detach()), to_unit(wanted)).tolist()
        return Learned(tuple(torch.stack(terms).sum(0).tolist()), mean(decibels), further)

    def gradient_norm(self) -> float:
        """Norm of the gradient, which is then clipped where the options say so."""
        self.scaler.unscale_(self.optimiser)
        most = self.config.clip or float("inf")
        return float(nn.utils.clip_grad_norm_(self.trained.parameters(), most))

    def apply(self) -> None:
        """One step of the optimiser; in fp16, the scaler leaves it out where the gradient overflowed."""
        self.scaler.step(self.optimiser)
        self.scaler.update()
        if self.average is not None:
            self.average.update_parameters(self.network)

    def skip(self) -> None:
        """No step: forget the gradients."""
        self.optimiser.zero_grad(set_to_none=True)
        if self.scaler.is_enabled():
            self.scaler.update()

    def end_epoch(self) -> None:
        """The schedule goes on by an epoch."""
        self.schedule.step()

    def state_dict(self) -> dict[str, Any]:
        """All of it, for a checkpoint."""
        return {
            "weights": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "scaler": self.scaler.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
            **({} if self.aid is None else {"aid": self.aid.state_dict()}),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.network.load_state_dict(state["weights"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])
        self.scaler.load_state_dict(state["scaler"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        if self.aid is not None:
            self.aid.load_state_dict(state["aid"])

    def _outputs(
        self, inputs: Tensor, target: Tensor, defocus: Tensor | None
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        device = self.processes.device.type
        dtype = _DTYPES.get(self.config.autocast)
        with torch.autocast(device, dtype=dtype) if dtype is not None else nullcontext():
            outputs, terms = self.trained(list(inputs.unbind(1)), target, defocus)
        return outputs, {name: term.float() for name, term in terms.items()}


def build_network(config: Config, device: torch.device) -> nn.Module:
    """A new network, its weights drawn from the run's seed.

    Raises
    ------
    InputError : where there is no such network, or it has no such options
    """
    if config.model not in MODELS:
        raise InputError(
            "--model", f"there is no network {config.model}", f"choose one of {', '.join(MODELS)}"
        )
    standard = Config()
    options: dict[str, Any] = {}
    if config.kernel_size != standard.kernel_size:
        options["kernel_size"] = config.kernel_size
    if config.scales != standard.scales:
        options["scales"] = Scales(config.scales)
    if config.terms != standard.terms:
        unknown = set(config.terms) - {"image", "filtered", "residual"}
        if unknown:
            raise InputError(
                "--terms", f"there is no term {min(unknown)}", "give some of image,filtered,residual"
            )
        options["terms"] = Terms(**{name: name in config.terms for name in standard.terms})
    seed_all(config.seed)
    try:
        network: Any = MODELS[config.model].build(**options)
    except TypeError:
        raise InputError("--model", f"{config.model} has no {', '.join(options)}", "leave that out") from None
    except ValueError as error:
        raise InputError("--model", str(error), "correct its options") from error
    initialise(network, config.initialisation)
    memory = torch.channels_last if config.channels_last else torch.contiguous_format
    placed: nn.Module = network.to(device, memory_format=memory)
    return placed


def build_aid(config: Config, device: torch.device) -> nn.Module | None:
    """What a network is trained with, its weights drawn from the run's seed; None where there is nothing."""
    build = MODELS[config.model].aid
    if build is None:
        return None
    seed_all(config.seed)
    return build().to(device)


def _averaging(decay: float) -> Callable[..., None]:
    average: Any = get_ema_multi_avg_fn
    update: Callable[..., None] = average(decay)
    return update
