"""Trains and scores what a cell needs and is not there yet, with the code of ``drbnet.train`` and ``drbnet.evaluate``.

Below the output's folder::

    trainings/<recipe>-seed<n>-<key>/         folder of the run, and training.json when it is done
    evaluations/<training>-on-<data>-<key>/   folder of drbnet.evaluate

A key is a hash of all that the result depends on: the options of the training that are not the usual ones, the files
that it was trained with, the training before it; of scores, the weights, the test set and the protocol. So an option
that is new to the program changes no key, and where a usual value has changed, the run's own config.toml tells. What is
there is not made again, whichever table asks; what a kill has left half-done goes on. A training that is done keeps its
weights and logs, and loses the states to go on from: over all tables these would be some ten gigabytes.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import Field, asdict, dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

import click

from drbnet import configuration, evaluate
from drbnet.course import Ending
from drbnet.datasets import Pairs, Split, find
from drbnet.distributed import processes
from drbnet.options import STAGE_2, Config
from drbnet.run import run as run_training
from drbnet.run_folder import CONFIG
from drbnet.training_progress import view
from lfsynth.pictures import write_bytes_atomic
from pipelines.paper.plan import Plan
from pipelines.paper.recipes import Recipe, Source

RECORD = "training.json"
STAGE_1_ALONE = {"epochs", "learning_rate", "vgg", "mix_repeats"}
"""Options that stage 2 does not depend on."""
KEY_DIGITS = 10


@dataclass(frozen=True)
class Trained:
    """A training that is done.

    Attributes
    ----------
    folder : of the run
    recipe : its name
    seed : of it
    steps, epochs, patch, batch : what was spent
    seconds : of training
    pairs : it was trained with, each as often as an epoch takes it
    device : as the run has it
    """

    folder: Path
    recipe: str
    seed: int
    steps: int
    epochs: int
    patch: int
    batch: int
    seconds: float
    pairs: int
    device: str

    @property
    def weights(self) -> Path:
        """What it ended with."""
        return _weights(self.folder)


@dataclass(frozen=True)
class Scores:
    """Means over a test set.

    Attributes
    ----------
    means : by the metric's name; None where it is not available
    pictures : how many
    set_aside : how many could not be scored
    """

    means: Mapping[str, float | None]
    pictures: int
    set_aside: int


class Workshop:
    """Makes trainings and scores below a folder.

    Parameters
    ----------
    plan : with the folders of all datasets that will be asked for
    out : the folder
    """

    def __init__(self, plan: Plan, out: Path) -> None:
        self.plan, self.out = plan, out.absolute()
        # Of a large dataset both take seconds.
        self._pairs, self._fingerprint = cache(_find), cache(_fingerprint)

    def config(self, recipe: Recipe, seed: int) -> Config:
        """The options of a training.

        Raises
        ------
        InputError : where the plan's do not go together, or a dataset is at fault
        """
        folder = self.folder(recipe, seed)
        weights = None if recipe.after is None else _weights(self.folder(recipe.after, seed))
        return replace(self._options(recipe, seed), out=folder, weights=weights)

    def folder(self, recipe: Recipe, seed: int) -> Path:
        """Of a training, whether it is done or not."""
        return self.out / "trainings" / f"{recipe.name}-seed{seed}-{self._key(recipe, seed)}"

    def trained(self, recipe: Recipe, seed: int) -> Trained | None:
        """What is known of a training that is done; None where it is not, or not with these options."""
        config = self.config(recipe, seed)
        assert config.out is not None
        try:
            done = Trained(folder=config.out, **json.loads((config.out / RECORD).read_bytes()))
        except (OSError, ValueError, TypeError):
            return None
        then = configuration.load(config.out / CONFIG, {})
        # The folder may have been moved, with what it began with.
        then = replace(then, weights=config.weights)
        others = configuration.differences(then, config, finetuning=recipe.after is not None)
        return None if others else done

    def train(self, recipe: Recipe, seed: int) -> Trained:
        """The training, made where it is not there, after those before it.

        Raises
        ------
        InputError : as `drbnet.run.run` does
        click.Abort : where a signal stopped it
        """
        if recipe.after is not None:
            self.train(recipe.after, seed)
        known = self.trained(recipe, seed)
        if known is not None:
            return known
        config = self.config(recipe, seed)
        assert config.out is not None
        print(f"training {config.out.name}", flush=True)
        with processes(config.device) as group:
            shown = view(leads=group.leads)
            try:
                outcome = run_training(config, group, shown)
            finally:
                shown.close()
        if outcome.ending is Ending.STOPPED:
            raise click.Abort
        pairs = self._count(recipe.data, config)
        if recipe.mixed is not None:
            pairs += self._count(recipe.mixed, config) * config.mix_repeats
        done = Trained(
            folder=config.out,
            recipe=recipe.name,
            seed=seed,
            steps=outcome.position.step,
            epochs=config.epochs if recipe.after is None else config.finetune_epochs,
            patch=config.patch,
            batch=config.batch,
            seconds=outcome.position.seconds,
            pairs=pairs * config.repeats,
            device=json.loads((config.out / "run.json").read_bytes())["device"],
        )
        record = {name: value for name, value in asdict(done).items() if name != "folder"}
        write_bytes_atomic(config.out / RECORD, (json.dumps(record, indent=2) + "\n").encode())
        shutil.rmtree(config.out / "checkpoints")
        return done

    def score(self, recipe: Recipe | None, seed: int, test: Source) -> Scores:
        """Scores of a training's weights, or of the blurred pictures themselves, made where they are not there.

        Raises
        ------
        InputError : as `train` does
        SystemExit : where ``drbnet.evaluate`` has ended with an error, of which it has told
        """
        plan = self.plan
        weights = None if recipe is None else self.train(recipe, seed).weights
        whose = "input" if weights is None else weights.parents[1].name
        files = self._fingerprint(plan.data[test], Split.TEST)
        content = None if weights is None else _content(weights)
        key = _digest(content, files, plan.protocol, plan.lpips is not None)
        folder = self.out / "evaluations" / f"{whose}-on-{test.value}-{key}"
        found = _read_scores(folder)
        if found is None:
            arguments = ["--data", str(plan.data[test]), "--protocol", plan.protocol, "--out", str(folder)]
            arguments += ["--device", str(plan.training.get("device", "auto"))]
            arguments += [] if weights is None else ["--weights", str(weights)]
            arguments += [] if plan.lpips is None else ["--lpips-weights", str(plan.lpips)]
            print(f"scoring {folder.name}", flush=True)
            _evaluate(arguments)
            found = _read_scores(folder)
            assert found is not None
        return found

    def _options(self, recipe: Recipe, seed: int) -> Config:
        """Those of a training, but for the folder and what it begins with."""
        plan = self.plan
        given = {**plan.training, **plan.trainings.get(recipe.name, {})}
        given |= {**dict(recipe.network), **dict(recipe.loss), "seed": seed, "vgg19": plan.vgg19}
        given["data" if recipe.after is None else "finetune"] = plan.data[recipe.data]
        given["mix"] = None if recipe.mixed is None else plan.data[recipe.mixed]
        return configuration.load(None, {**given, "out": self.out})

    def _key(self, recipe: Recipe, seed: int) -> str:
        config = self._options(recipe, seed)
        options = {
            one.name: repr(getattr(config, one.name))
            for one in fields(Config)
            if not one.metadata["may_change"]
            and getattr(config, one.name) != one.default
            and _matters(one, recipe, config)
        }
        sources = (recipe.data, recipe.mixed) if recipe.mixed else (recipe.data,)
        files = [
            self._fingerprint(self.plan.data[source], Split.TRAIN, config.exclude_list) for source in sources
        ]
        before = None if recipe.after is None else self._key(recipe.after, seed)
        return _digest(options, files, before)

    def _count(self, source: Source, config: Config) -> int:
        return len(self._pairs(self.plan.data[source], Split.TRAIN, config.exclude_list))


def _find(root: Path, split: Split, exclude: Path | None = None) -> Pairs:
    return find(root, split=split, exclude=exclude)


def _fingerprint(root: Path, split: Split, exclude: Path | None = None) -> str:
    return _find(root, split, exclude).fingerprint()


def _matters(option: Field[Any], recipe: Recipe, config: Config) -> bool:
    """Whether the stage of a recipe depends on an option."""
    if recipe.after is not None:
        return option.name not in STAGE_1_ALONE
    return bool(option.metadata["group"] != STAGE_2 or config.vgg)


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:KEY_DIGITS]


def _weights(folder: Path) -> Path:
    return folder / "weights" / "last.safetensors"


def _content(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _evaluate(arguments: list[str]) -> None:
    """Run ``python -m drbnet.evaluate``, in this process."""
    try:
        evaluate.main(arguments)
    except SystemExit as end:
        # 1: some pictures were set aside, which the table tells.
        if end.code not in (0, 1):
            raise


def _read_scores(folder: Path) -> Scores | None:
    """What ``drbnet.evaluate`` wrote; None where it has not come to its end."""
    try:
        record = json.loads((folder / "scores.json").read_bytes())
    except FileNotFoundError:
        return None
    scores = record["scores"]["input" if record["weights"] is None else "output"]
    means = {name: None if one is None else one["mean"] for name, one in scores.items()}
    return Scores(means, record["pictures"], len(record["set_aside"]))
