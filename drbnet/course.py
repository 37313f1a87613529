"""What a training loop works with: the stage, how far the run is, and where it writes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from drbnet.checkpoints import Checkpoints
from drbnet.distributed import Processes
from drbnet.learner import Learner
from drbnet.logs import Logs
from drbnet.options import Config
from drbnet.patches import PatchLoader
from drbnet.sampling import PatchSampler
from drbnet.training_progress import View
from drbnet.validation import Data


class Ending(Enum):
    """How a stage, and the run, ended."""

    DONE = "done"
    STOPPED = "stopped"
    """By a signal or at `Config.stop_after`; the same command goes on."""


@dataclass
class Position:
    """How far a run is.

    Attributes
    ----------
    stage : 1 or 2
    epoch : of the stage, counted from 0; its number of epochs when it is done
    batch : steps done of the epoch
    step : steps done of the run
    validated : the step of the last validation; -1 before the first
    best_step, best_psnr : of the stage's best validation; -1 before the first
    skipped : steps that were skipped
    bad_in_row : of these, the last ones without another between
    seconds : of training, over all starts
    damaged : pairs that cannot be read, and what is wrong with each
    """

    stage: int = 1
    epoch: int = 0
    batch: int = 0
    step: int = 0
    validated: int = -1
    best_step: int = -1
    best_psnr: float = -math.inf
    skipped: int = 0
    bad_in_row: int = 0
    seconds: float = 0.0
    damaged: dict[str, str] = field(default_factory=dict)

    def begin_stage(self, stage: int) -> None:
        """Go to a stage's first step."""
        self.stage, self.epoch, self.batch = stage, 0, 0
        self.best_step, self.best_psnr, self.bad_in_row = -1, -math.inf, 0
        self.damaged = {}


@dataclass(frozen=True)
class Stage:
    """What is trained.

    Attributes
    ----------
    number : 1 or 2
    epochs : how many
    data : pairs to train and to validate with
    sampler, loader : of the training's patches
    learner : with the network
    """

    number: int
    epochs: int
    data: Data
    sampler: PatchSampler
    loader: PatchLoader
    learner: Learner

    @property
    def steps(self) -> int:
        """In all."""
        return self.epochs * self.sampler.steps


@dataclass(frozen=True)
class Course:
    """What a stage's loop works with beside the stage.

    Attributes
    ----------
    config, processes : options, and the processes that train together
    position : how far the run is; the loop moves it on
    checkpoints : where the leader saves
    logs : of the leader; None in the others
    view : shows what goes on
    stopping : whether this process was told to stop
    """

    config: Config
    processes: Processes
    position: Position
    checkpoints: Checkpoints
    logs: Logs | None
    view: View
    stopping: Callable[[], bool]
