"""What the tables and figures that are asked for need, checked before anything starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from drbnet.lpips import load_lpips
from drbnet.vgg19 import check_file
from lfsynth.errors import InputError
from pipelines.paper.figures import FIGURES
from pipelines.paper.plan import Plan
from pipelines.paper.recipes import Recipe, Source
from pipelines.paper.results import recipe_of
from pipelines.paper.stand_ins import stand_in
from pipelines.paper.tables import TABLES
from pipelines.paper.workshop import Workshop


def refuse_missing(names: Sequence[str], plan: Plan) -> None:
    """Refuse a plan that lacks data or weights that one of the tables and figures must have.

    Raises
    ------
    InputError : in one line, what is missing and for what
    """
    faults = []
    for source, whose in _sources(names, plan).items():
        path, users = plan.data.get(source), ", ".join(whose)
        if path is None and not plan.tiny:
            faults.append(f"data.{source.value} is not given, which {users} must have")
        elif path is not None and not path.is_dir():
            faults.append(f"data.{source.value}, {path}, is not there, which {users} must have")
    if faults:
        cure = "name the folders in a TOML file, or add --budget tiny for a smoke run"
        raise InputError(plan.name, "; ".join(faults), cure)
    if any(recipe.takes_vgg19 for recipe in _recipes(names, plan)):
        check_file(plan.vgg19)
    if plan.lpips is not None:
        load_lpips(plan.lpips)
    for name in names:
        if name in FIGURES:
            FIGURES[name].check(plan)


def with_stand_ins(names: Sequence[str], plan: Plan, folder: Path) -> tuple[Plan, set[Source]]:
    """The plan with a generated dataset, below a folder, for each that is needed and not given; and which these are.

    Raises
    ------
    SystemExit : where ``lfsynth`` has ended with an error, of which it has told
    """
    generated = [source for source in _sources(names, plan) if source not in plan.data]
    made = {source: stand_in(source, folder) for source in generated}
    return replace(plan, data={**plan.data, **made}), set(generated)


def trainings(names: Sequence[str], workshop: Workshop) -> tuple[int, int]:
    """How many trainings are to do, and how many are done; their options and data are checked.

    Raises
    ------
    InputError : as `Workshop.config` does
    """
    todo = done = 0
    for recipe in _recipes(names, workshop.plan):
        for seed in workshop.plan.seeds:
            workshop.config(recipe, seed)
            is_done = workshop.trained(recipe, seed) is not None
            done, todo = done + is_done, todo + (not is_done)
    return todo, done


def _sources(names: Sequence[str], plan: Plan) -> dict[Source, list[str]]:
    """The datasets that are needed, and by what."""
    found = {
        source: [
            name
            for name in names
            if source in (TABLES[name].sources() if name in TABLES else FIGURES[name].needs(plan))
        ]
        for source in Source
    }
    return {source: users for source, users in found.items() if users}


def _recipes(names: Sequence[str], plan: Plan) -> list[Recipe]:
    """All trainings, each once, after those that it begins with."""
    found: dict[str, Recipe] = {}
    for name in names:
        if name in TABLES:
            wanted = [recipe_of(cell, plan) for cell in TABLES[name].cells()]
        else:
            wanted = [FIGURES[name].recipe(plan)]
        for recipe in filter(None, wanted):
            found |= {stage.name: stage for stage in recipe.chain()}
    return list(found.values())
