"""The training loop: both stages of the paper, saved so that it goes on exactly after whatever ends it.

L. Ruan et al., "Learning to deblur using light field generated and real defocus images", CVPR 2022,
doi:10.1109/CVPR52688.2022.01582.
"""

from __future__ import annotations

import math
import time
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from drbnet.checkpoints import State
from drbnet.course import Course, Ending, Stage
from drbnet.learner import Learned
from drbnet.patches import Batch
from drbnet.random_state import random_state
from drbnet.reading import Bits
from drbnet.training_pictures import write_comparison, write_scales
from drbnet.validation import Scores, read_pair, spread, validate
from lfsynth.errors import InputError

PICTURE_ROWS = 4
"""Pairs that a validation's picture shows."""


def train(stage: Stage, course: Course) -> Ending:
    """Train a stage from the course's position to its end, or until it is told to stop.

    Raises
    ------
    InputError : where the loss stays no number, pictures cannot be read, or files cannot be written
    """
    config, position = course.config, course.position
    stage.loader.damaged.update(position.damaged)
    course.view.stage(
        f"stage {stage.number}", stage.steps, position.epoch * stage.sampler.steps + position.batch
    )
    while True:
        if config.stop_after and position.step >= config.stop_after:
            return Ending.STOPPED
        if _validation_is_due(stage, course):
            if not _validate(stage, course):
                save(stage, course)
                return Ending.STOPPED
            save(stage, course)
        if position.epoch == stage.epochs:
            return Ending.DONE
        stage.sampler.go_to(position.epoch, position.batch)
        began = time.monotonic()
        for batch in stage.loader:
            stops = _step(batch, stage, course, began)
            if stops or (position.step % config.save_every == 0 and not _validation_is_due(stage, course)):
                save(stage, course)
            if stops:
                return Ending.STOPPED
            began = time.monotonic()


def _step(batch: Batch, stage: Stage, course: Course, began: float) -> bool:
    """One step of the optimiser; returns whether a process was told to stop.

    began : when the batch was asked for, so that the wait for it counts
    """
    config, position, learner = course.config, course.position, stage.learner
    device = course.processes.device
    inputs, target = _moved(batch["inputs"], device), _moved(batch["target"], device)
    defocus = None if batch["defocus"] is None else _moved(batch["defocus"], device)
    learned = learner.gradients(inputs, target, defocus)
    norm = learner.gradient_norm()
    is_bad = not math.isfinite(sum(learned.terms) + sum(learned.further.values()) + norm)
    some_bad, some_stop = course.processes.largest([float(is_bad), float(course.stopping())])
    row = _row(learned, norm, bool(some_bad), stage, course)
    if some_bad:
        learner.skip()
        position.skipped += 1
        position.bad_in_row += 1
    else:
        learner.apply()
        position.bad_in_row = 0
    position.step += 1
    position.batch += 1
    position.damaged = dict(stage.loader.damaged)
    if position.batch == stage.sampler.steps:
        position.epoch, position.batch = position.epoch + 1, 0
        learner.end_epoch()
    elapsed = time.monotonic() - began
    position.seconds += elapsed
    images = len(target) * course.processes.world
    for line in batch["skipped"]:
        course.view.line(f"left out: {line}")
    if course.logs is not None:
        course.logs.write("step", {**row, "images_per_second": images / elapsed, "seconds": position.seconds})
    course.view.step(row["loss"], row["psnr"], images)
    if position.bad_in_row >= config.most_bad_steps:
        _give_up(course)
    return bool(some_stop) or position.step == config.stop_after


def _row(learned: Learned, norm: float, skipped: bool, stage: Stage, course: Course) -> dict[str, Any]:
    """What is logged of a step, means over the processes."""
    position = course.position
    *terms, decibels = course.processes.mean([*learned.terms, *learned.further.values(), learned.psnr])
    names = ("loss_8", "loss_4", "loss_2", "loss_1")[4 - len(learned.terms) :]
    names += tuple(f"loss_{name}" for name in learned.further)
    return {
        "step": position.step + 1,
        "stage": stage.number,
        "epoch": position.epoch,
        "loss": math.fsum(terms) if all(map(math.isfinite, terms)) else math.nan,
        **dict(zip(names, terms, strict=True)),
        "psnr": decibels,
        "gradient_norm": norm,
        "learning_rate": stage.learner.learning_rate,
        "skipped": int(skipped),
    }


def _give_up(course: Course) -> None:
    position = course.position
    steps = course.checkpoints.steps()
    kept = (
        f"the last good state is {course.checkpoints.path(steps[-1])}" if steps else "no state was saved yet"
    )
    raise InputError(
        f"step {position.step}",
        f"the loss or its gradient was no number in {position.bad_in_row} steps in a row; {kept}",
        "look at the patches of these steps, or begin anew with a lower --learning-rate, --clip or another --autocast",
    )


def _validation_is_due(stage: Stage, course: Course) -> bool:
    position = course.position
    at_end = position.batch == 0 and position.epoch > 0 and position.validated != position.step
    return at_end and (position.epoch % course.config.validate_every == 0 or position.epoch == stage.epochs)


def _validate(stage: Stage, course: Course) -> bool:
    """Score the network, write pictures; returns whether it came to its end before it was told to stop."""
    config, position, learner = course.config, course.position, stage.learner
    pairs = spread(stage.data.validation, config.validation_pairs)
    scores = validate(
        learner.best_known,
        pairs,
        course.processes,
        bits=Bits(config.bits),
        crop=config.validation_crop,
        stopping=course.stopping,
    )
    if scores is None:
        return False
    position.validated = position.step
    is_best = scores.psnr > position.best_psnr or position.best_step < 0
    if is_best:
        position.best_step, position.best_psnr = position.step, scores.psnr
    if course.logs is not None:
        _log_validation(scores, is_best, stage, course)
        _write_pictures(stage, course)
    return True


def _log_validation(scores: Scores, is_best: bool, stage: Stage, course: Course) -> None:
    position = course.position
    where = {"step": position.step, "stage": stage.number, "epoch": position.epoch}
    assert course.logs is not None
    course.logs.write("validation", {**where, **asdict(scores), "best": int(is_best)})
    best = " (best)" if is_best else ""
    course.view.line(f"stage {stage.number}, epoch {position.epoch} of {stage.epochs}: {scores}{best}")


def _write_pictures(stage: Stage, course: Course) -> None:
    config, learner = course.config, stage.learner
    network: Any = learner.best_known
    was_training = network.training
    network.eval()
    rows, steps = [], None
    with torch.no_grad():
        for pair in spread(stage.data.validation, PICTURE_ROWS):
            crop = config.validation_crop or config.patch
            views, target = read_pair(pair, bits=Bits(config.bits), crop=crop)
            on_device = views.to(course.processes.device).unbind(1)
            rows.append((views[0, 0], network(*on_device)[0], target[0]))
            if steps is None and hasattr(network, "steps"):
                steps = network.steps(*on_device)
    network.train(was_training)
    folder = course.checkpoints.root / "pictures"
    write_comparison(folder / f"validation-{course.position.step:09d}.png", rows)
    if steps is not None:
        write_scales(folder / f"scales-{course.position.step:09d}.png", steps)


def save(stage: Stage, course: Course) -> None:
    """Write a checkpoint and plain weights; the logs are on the disk before it says what step they have come to.

    Raises
    ------
    InputError : where they cannot be written; the checkpoints before are as they were
    """
    position = course.position
    random_states = course.processes.gathered(random_state())
    damaged = course.processes.gathered(position.damaged)
    if not course.processes.leads:
        return
    assert course.logs is not None
    course.logs.to_disk()
    state: State = {
        "model": course.config.model,
        "position": asdict(position)
        | {"damaged": {name: line for one in damaged for name, line in one.items()}},
        "learner": stage.learner.state_dict(),
        "random": random_states,
    }
    course.checkpoints.write(position.step, state, best=position.best_step)
    publish(stage, course)


def publish(stage: Stage, course: Course) -> None:
    """Write the plain weights that belong to the last checkpoint."""
    position, weights = course.position, stage.learner.best_known.state_dict()
    notes = _notes(course)
    course.checkpoints.write_weights("last", weights, notes)
    if position.best_step == position.step:
        course.checkpoints.write_weights("best", weights, {**notes, "psnr": position.best_psnr})
    if position.stage == 1 and position.epoch == stage.epochs:
        course.checkpoints.write_weights("stage-1", weights, notes)


def _notes(course: Course) -> dict[str, Any]:
    position, config = course.position, course.config
    where = {"step": position.step, "stage": position.stage, "epoch": position.epoch}
    return {"model": config.model, "ema": config.ema, **where}


def _moved(tensor: Tensor, device: torch.device) -> Tensor:
    return tensor.to(device, non_blocking=True)
