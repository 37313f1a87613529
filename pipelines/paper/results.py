"""A table with our numbers in it: every cell by seed, what was trained for it, and the caption."""

from __future__ import annotations

import math
import platform
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from lfsynth.machine import cores
from pipelines.paper.plan import Plan
from pipelines.paper.recipes import Recipe, Source, without_vgg19
from pipelines.paper.tables import Cell, Metric, Table
from pipelines.paper.workshop import Scores, Trained, Workshop

MARK = "†"
"""On a cell that was made in another way than the paper says."""


@dataclass(frozen=True)
class Measured:
    """Ours of a metric, over the seeds.

    Attributes
    ----------
    mean : None where it is not available
    deviation : standard deviation of the sample; None of one seed
    """

    mean: float | None
    deviation: float | None = None

    @classmethod
    def of(cls, values: list[float | None]) -> Measured:
        """Of one value a seed."""
        there = [one for one in values if one is not None and math.isfinite(one)]
        if not there or len(there) < len(values):
            return cls(None)
        mean = math.fsum(there) / len(there)
        if len(there) == 1:
            return cls(mean)
        return cls(mean, math.sqrt(math.fsum((one - mean) ** 2 for one in there) / (len(there) - 1)))


@dataclass(frozen=True)
class Filled:
    """Our cell beside the paper's.

    Attributes
    ----------
    cell : the paper's
    ours : one a metric of the table
    by_seed : the values behind it, by seed and metric
    recipe : what was trained, which may be another than the cell's
    instead : whether it is another
    """

    cell: Cell
    ours: tuple[Measured, ...]
    by_seed: Mapping[int, Mapping[str, float | None]]
    recipe: Recipe | None
    instead: bool


@dataclass(frozen=True)
class Result:
    """A table that is done.

    Attributes
    ----------
    table : the paper's
    rows : our cells, as the table's rows and columns
    trainings : all that were needed, in the order of the rows
    caption : sentences
    """

    table: Table
    rows: tuple[tuple[Filled, ...], ...]
    trainings: tuple[Trained, ...]
    caption: tuple[str, ...]


def recipe_of(cell: Cell, plan: Plan) -> Recipe | None:
    """What is trained for a cell: as the paper says, but a smoke run without VGG-19's file takes L1 for it."""
    if cell.recipe is None or not (plan.tiny and plan.vgg19 is None):
        return cell.recipe
    return without_vgg19(cell.recipe)


def fill(table: Table, workshop: Workshop, generated: Collection[Source]) -> Result:
    """Train and score all that a table needs and is not there.

    Parameters
    ----------
    table : the paper's
    workshop : that makes it
    generated : datasets that are no real ones

    Raises
    ------
    InputError, click.Abort, SystemExit : as `Workshop.score` does
    """
    plan = workshop.plan
    trainings: dict[Path, Trained] = {}
    scores: list[Scores] = []
    rows = []
    for row in table.rows:
        filled = []
        for cell in row.cells:
            recipe = recipe_of(cell, plan)
            # The input needs no seed.
            seeds = plan.seeds if recipe is not None else plan.seeds[:1]
            by_seed = {}
            for seed in seeds:
                found = workshop.score(recipe, seed, cell.test)
                scores.append(found)
                by_seed[seed] = found.means
                for one in recipe.chain() if recipe else ():
                    done = workshop.train(one, seed)
                    trainings[done.folder] = done
            ours = tuple(
                Measured.of([one[metric.value] for one in by_seed.values()]) for metric in table.metrics
            )
            filled.append(Filled(cell, ours, by_seed, recipe, instead=recipe != cell.recipe))
        rows.append(tuple(filled))
    made = tuple(trainings.values())
    caption = _caption(table, plan, made, scores, rows, generated)
    return Result(table, tuple(rows), made, caption)


def machine() -> str:
    """What this is computed on."""
    import torch

    if torch.cuda.is_available():
        return f"{torch.cuda.get_device_name()}, torch {version('torch')}"
    names = [
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        if line.startswith("model name")
    ]
    return f"{names[0] if names else platform.machine()}, {cores()} cores, torch {version('torch')}"


def data_sentence(plan: Plan, sources: Collection[Source], generated: Collection[Source]) -> str:
    """What the data is, and what of it is not what it is called."""
    real = [f"{one.title} from {plan.data[one]}" for one in Source if one in sources and one not in generated]
    made = [one.title for one in Source if one in sources and one in generated]
    words = [*real]
    if made:
        are = "is a stand-in" if len(made) == 1 else "are stand-ins"
        words.append(f"{_listed(made)} {are}, generated from simulated captures (see README.txt there)")
    return f"Data: {'; '.join(words)}."


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _caption(
    table: Table,
    plan: Plan,
    trainings: tuple[Trained, ...],
    scores: list[Scores],
    rows: list[tuple[Filled, ...]],
    generated: Collection[Source],
) -> tuple[str, ...]:
    metrics = " / ".join(_with_unit(metric) for metric in table.metrics)
    said = [f"Table {table.number}. {table.title}: {metrics}, the paper's and ours.", *table.notes]
    if plan.tiny:
        said.append(
            "SMOKE RUN: it shows that everything runs from end to end; its numbers say nothing about the networks."
        )
    said.append(_spent(plan, trainings))
    said.append(data_sentence(plan, table.sources(), generated))
    aside = sum(one.set_aside for one in scores)
    if aside:
        said.append(f"{aside} pictures could not be scored, and the means are without them.")
    if Metric.LPIPS in table.metrics and plan.lpips is None:
        said.append("LPIPS is n/a: it needs torchvision's alexnet-owt-7be5be79.pth.")
    if any(one.instead for row in rows for one in row):
        said.append(
            f"{MARK} Trained with L1 where the paper has VGG-19's features, whose weights were not at hand."
        )
    return tuple(said)


def _with_unit(metric: Metric) -> str:
    return f"{metric.title} (dB)" if metric is Metric.PSNR else metric.title


def _spent(plan: Plan, trainings: tuple[Trained, ...]) -> str:
    seconds = sum(one.seconds for one in trainings)
    seeds = ", ".join(map(str, plan.seeds))
    several = (
        f"mean and standard deviation over the seeds {seeds}" if len(plan.seeds) > 1 else f"one seed, {seeds}"
    )
    return (
        f"Ours: {len(trainings)} trainings of {_range([one.steps for one in trainings])} steps of "
        f"{_range([one.batch for one in trainings])} patches of {_range([one.patch for one in trainings])} px, "
        f"{seconds:.0f} s in all on {machine()}; {several}; protocol {plan.protocol} of drbnet.evaluate."
    )


def _range(values: list[int]) -> str:
    low, high = min(values), max(values)
    return str(low) if low == high else f"{low} to {high}"
