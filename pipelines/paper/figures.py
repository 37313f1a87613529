"""The paper's figures by name, and what each of them needs."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from pipelines.paper import correlation_figure, psf_figure, steps_figure
from pipelines.paper.plan import Plan
from pipelines.paper.recipes import Recipe, Source
from pipelines.paper.workshop import Workshop


@dataclass(frozen=True)
class Figure:
    """A figure of the paper.

    Attributes
    ----------
    make : writes it and its numbers, from a workshop, the datasets that are generated, and the folder; the files
    needs : datasets that it takes
    recipe : what is trained for it; None: nothing
    check : refuses a plan that lacks something else
    """

    make: Callable[[Workshop, Collection[Source], Path], list[Path]]
    needs: Callable[[Plan], set[Source]]
    recipe: Callable[[Plan], Recipe | None] = lambda plan: None
    check: Callable[[Plan], None] = lambda plan: None


FIGURES = {
    "fig1": Figure(correlation_figure.make, correlation_figure.needs, check=correlation_figure.check),
    "fig2": Figure(psf_figure.make, psf_figure.needs, check=psf_figure.check),
    "fig4": Figure(steps_figure.make, steps_figure.needs, steps_figure.recipe, steps_figure.check),
}
