"""A training run: everything is checked before it begins, then its stages follow each other, from where it was."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from drbnet import run_folder
from drbnet.augment import Augmentation
from drbnet.checkpoints import Checkpoints, State, load_weights, read_weights, weights_of
from drbnet.configuration import needs_vgg19
from drbnet.course import Course, Ending, Position, Stage
from drbnet.datasets import Layout, Pairs, Split, find, mixed
from drbnet.defocus import with_maps
from drbnet.distributed import Processes
from drbnet.learner import Learner, build_aid, build_network
from drbnet.logs import Logs
from drbnet.losses import Distance, FeatureDistance, weighted_sum
from drbnet.models import MODELS
from drbnet.options import Config
from drbnet.patches import PatchDataset, PatchLoader, check_sizes
from drbnet.random_state import set_random_state
from drbnet.reading import Bits
from drbnet.sampling import PatchSampler
from drbnet.stopping import Stopping
from drbnet.training import publish, train
from drbnet.training_progress import View
from drbnet.validation import Data, training_data
from drbnet.vgg19 import check_file, load_vgg19
from lfsynth.errors import InputError


@dataclass(frozen=True)
class Outcome:
    """How a run ended, and after how many steps."""

    ending: Ending
    position: Position


def run(config: Config, processes: Processes, view: View) -> Outcome:
    """Train as the options say, from the newest checkpoint of the run's folder where there is one.

    Raises
    ------
    InputError : where options, data, files or the folder are at fault; nothing has begun then
    """
    assert config.out is not None
    if needs_vgg19(config):
        check_file(config.vgg19)
    if config.batch % (processes.world * config.accumulate):
        fault = f"{config.batch} patches are not shared evenly by {processes.world} processes"
        parts = f" in {config.accumulate} parts" if config.accumulate > 1 else ""
        raise InputError("--batch", fault + parts, "give a multiple of these")
    _prepare_torch(config)
    network, aid = build_network(config, processes.device), build_aid(config, processes.device)
    multiple = MODELS[config.model].multiple
    if config.patch % multiple:
        fault = f"{config.patch} is no multiple of {multiple}, which {config.model} needs"
        raise InputError("--patch", fault, f"give {config.patch // multiple * multiple + multiple}")
    notice = view.line
    data = {number: _data(config, number, notice) for number in _stages(config)}
    checkpoints = Checkpoints(config.out)
    with ExitStack() as stack:
        stopping = stack.enter_context(Stopping())
        newest: tuple[int, State] | None = None
        if processes.leads:
            stack.enter_context(run_folder.held(config.out))
            checkpoints.clear_partial()
            newest = checkpoints.newest(notice)
        state: State | None = processes.from_leader(None if newest is None else newest[1])
        position = Position(stage=min(data)) if state is None else Position(**state["position"])
        _check_start(config, state, position, data)
        if state is not None:
            # Another network is refused here, with the first tensor that differs.
            load_weights(network, state["learner"]["weights"], checkpoints.path(position.step))
            notice(f"{checkpoints.path(position.step)}: going on after step {position.step}")
        elif config.weights is not None:
            load_weights(network, read_weights(config.weights), config.weights)
        logs = None
        if processes.leads:
            _record(config, processes, data)
            logs = Logs(config.out, step=position.step, tensorboard=config.tensorboard)
            stack.callback(logs.close)
        course = Course(config, processes, position, checkpoints, logs, view, stopping)
        return Outcome(_all_stages(course, network, aid, data, state), position)


def _all_stages(
    course: Course, network: nn.Module, aid: nn.Module | None, data: dict[int, Data], state: State | None
) -> Ending:
    position = course.position
    ending = Ending.DONE
    if state is not None and position.stage not in data:
        network.load_state_dict(weights_of(state))
        if aid is not None:
            aid.load_state_dict(state["learner"]["aid"])
        _restore_random(course, state)
    for number in data:
        if number < position.stage:
            continue
        stage = _stage(course, number, network, aid, data[number])
        if state is not None and number == position.stage:
            stage.learner.load_state_dict(state["learner"])
            if course.processes.leads:
                # A kill may have come before these.
                course.checkpoints.remove_old(position.step, best=position.best_step)
                publish(stage, course)
            _restore_random(course, state)
        elif number > position.stage:
            position.begin_stage(number)
        state = None
        try:
            ending = train(stage, course)
        finally:
            stage.loader.close()
        if ending is Ending.STOPPED:
            break
        # What is averaged is what was validated and written: the next stage goes on from it.
        network.load_state_dict(stage.learner.best_known.state_dict())
    return ending


def _restore_random(course: Course, state: State) -> None:
    """Each process's own generators; with another number of processes the run goes on, but not to the same bits."""
    states = state["random"]
    set_random_state(states[course.processes.rank % len(states)])


def _stages(config: Config) -> list[int]:
    return [number for number, root in ((1, config.data), (2, config.finetune)) if root is not None]


def _data(config: Config, number: int, notice: Callable[[str], None]) -> Data:
    if number == 1:
        root, layout, listed = config.data, config.layout, config.pairs
    else:
        root, layout, listed = config.finetune, config.finetune_layout, config.finetune_pairs
    assert root is not None
    data = training_data(
        root,
        layout=None if layout is None else Layout(layout),
        dual=config.dual,
        listed=listed,
        exclude=config.exclude_list,
        validation=config.validation,
        held_out=config.held_out,
        notice=notice,
    )
    needs_maps = number == 1 and MODELS[config.model].needs_defocus
    if needs_maps:
        data = replace(data, training=with_maps(data.training))
    check_sizes(data.training, config.patch)
    notice(f"stage {number}: {data.training.describe()}")
    if number == 1 and config.mix is not None:
        others = find(config.mix, split=Split.TRAIN, dual=config.dual, exclude=config.exclude_list)
        if needs_maps:
            others = with_maps(others)
        check_sizes(others, config.patch)
        notice(f"stage {number}, mixed into it {config.mix_repeats} times: {others.describe()}")
        data = replace(data, mixed=others)
    notice(f"stage {number} is validated with {data.validation.describe()}")
    return data


def _stage(course: Course, number: int, network: nn.Module, aid: nn.Module | None, data: Data) -> Stage:
    config, processes = course.config, course.processes
    each = config.batch // processes.world
    pairs = data.training
    if data.mixed is not None:
        pairs = mixed(pairs, data.mixed, repeats=config.mix_repeats)
    sampler = PatchSampler(
        len(pairs),
        batch=each,
        seed=config.seed + number - 1,
        rank=processes.rank,
        world=processes.world,
        repeats=config.repeats,
    )
    augmentation = Augmentation(
        noise=config.noise_probability,
        noise_sigma=(config.noise_least, config.noise_most),
        grey=config.grey_probability,
        scale=config.scale_probability,
        scale_factor=(config.scale_least, config.scale_most),
    )
    dataset = PatchDataset(
        pairs,
        patch=config.patch,
        seed=config.seed + number - 1,
        augmentation=augmentation,
        bits=Bits(config.bits),
    )
    loader = PatchLoader(
        dataset,
        sampler,
        batch=each,
        workers=config.workers,
        skip_limit=config.most_bad_files,
        pin_memory=processes.device.type == "cuda",
    )
    epochs = config.epochs if number == 1 else config.finetune_epochs
    learner = Learner(
        network,
        config,
        processes,
        learning_rate=config.learning_rate if number == 1 else config.finetune_learning_rate,
        epochs=epochs,
        distance=_distance(config, number, processes.device),
        aid=aid,
    )
    return Stage(number, epochs, data, sampler, loader, learner)


def _distance(config: Config, number: int, device: torch.device) -> Distance:
    """The loss of a scale: the network's own in stage 1, L1 in stage 2, and VGG-19's features as options weigh them."""
    terms: list[tuple[float, Distance]]
    if number == 1:
        terms, vgg = [(1.0, MODELS[config.model].distance)], config.vgg
    else:
        terms, vgg = [(config.finetune_l1, functional.l1_loss)], config.finetune_vgg
    if vgg:
        vgg19 = load_vgg19(config.vgg19, config.vgg_layers.indices)
        features = FeatureDistance(
            vgg19, weights=config.vgg_weights, input_=config.vgg_input, distance=config.vgg_distance
        )
        terms.append((vgg, features.to(device)))
    return weighted_sum(terms)


def _check_start(config: Config, state: State | None, position: Position, data: dict[int, Data]) -> None:
    """Refuse what cannot be gone on with, and stage 2 without weights to begin with."""
    assert config.out is not None
    if state is not None:
        run_folder.check_same_run(config.out, config, finetuning=position.stage == 2)
        run_folder.check_same_data(config.out, _fingerprints(data))
        if position.stage not in data and not _is_done(config, position):
            option = "--data" if position.stage == 1 else "--finetune"
            raise InputError(config.out, f"it is in stage {position.stage}", f"give its dataset by {option}")
    elif config.data is None and config.weights is None:
        raise InputError(
            "--finetune", "stage 2 has no weights to begin with",
            "give --data for stage 1 before it, --weights FILE, or the --out of a run that has done stage 1",
        )  # fmt: skip


def _is_done(config: Config, position: Position) -> bool:
    """Whether the stage is, so that its dataset is needed no more."""
    return position.epoch == (config.epochs if position.stage == 1 else config.finetune_epochs)


def _fingerprints(data: dict[int, Data]) -> dict[str, str]:
    return {use: pairs.fingerprint() for use, pairs in _trained_with(data).items()}


def _trained_with(data: dict[int, Data]) -> dict[str, Pairs]:
    """The datasets by their use."""
    found = {f"stage {number}": one.training for number, one in data.items()}
    more = {f"stage {number}, mixed": one.mixed for number, one in data.items() if one.mixed is not None}
    return found | more


def _record(config: Config, processes: Processes, data: dict[int, Data]) -> None:
    assert config.out is not None
    known: dict[str, dict[str, Any]] = {
        use: {"training": pairs.describe(), "fingerprint": pairs.fingerprint()}
        for use, pairs in _trained_with(data).items()
    }
    for number, one in data.items():
        known[f"stage {number}"]["validation"] = one.validation.describe()
    device = processes.device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    run_folder.write_record(config.out, config, device=name, world=processes.world, data=known)


def _prepare_torch(config: Config) -> None:
    if config.threads:
        torch.set_num_threads(config.threads)
    if config.deterministic:
        # Without it cuBLAS sums in an order that changes.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = not config.deterministic
