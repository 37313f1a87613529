"""``python -m pipelines.paper``: the paper's tables and figures from the user's data, or from generated data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from lfsynth.command_line import run as run_command
from lfsynth.errors import InputError

if TYPE_CHECKING:
    from pipelines.paper.recipes import Source
    from pipelines.paper.workshop import Workshop

TABLE_NAMES = ("table2", "table3", "table4", "table5", "table6", "table7", "table8")
FIGURE_NAMES = ("fig1", "fig2", "fig4")

EXAMPLES = """\b
Examples:
  python -m pipelines.paper table6 --budget tiny
  python -m pipelines.paper table2 table3 --config paper.toml
  python -m pipelines.paper all --config paper.toml --out paper/
What paper.toml may hold stands at the head of pipelines/paper/plan.py.
"""


@click.command(
    "paper",
    epilog=EXAMPLES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.argument(
    "names",
    nargs=-1,
    required=True,
    type=click.Choice([*TABLE_NAMES, *FIGURE_NAMES, "all"]),
    metavar="table2|...|table8|fig1|fig2|fig4|all...",
)
@click.option(
    "--config", "file", type=click.Path(path_type=Path), metavar="TOML", help="Data, budget and seeds."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder for all that is made.  [default: paper, or paper/tiny]",
)
@click.option(
    "--budget",
    type=click.Choice(["full", "tiny"]),
    default="full",
    help="tiny: a smoke run in minutes, on generated data where --config names none.  [default: full]",
)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def cli(names: tuple[str, ...], file: Path | None, out: Path | None, budget: str, debug: bool) -> int:
    """Make tables and figures of the paper: train what is missing, score it, and set it beside the paper's numbers.

    Writes table2.md, .csv and .tex, fig1.png and .csv, and so on. Stopped or killed, the same command goes on;
    trainings and scores are kept, and shared by all tables.
    """
    from pipelines.paper.needs import refuse_missing, trainings, with_stand_ins
    from pipelines.paper.plan import read_plan
    from pipelines.paper.workshop import Workshop

    tiny = budget == "tiny"
    plan = read_plan(file, tiny=tiny)
    out = out or (Path("paper", "tiny") if tiny else Path("paper"))
    chosen = [*TABLE_NAMES, *FIGURE_NAMES] if "all" in names else list(dict.fromkeys(names))
    refuse_missing(chosen, plan)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(out, f"it cannot be made ({error.strerror})", "choose another --out") from error
    plan, generated = with_stand_ins(chosen, plan, out.absolute() / "generated")
    workshop = Workshop(plan, out)
    todo, done = trainings(chosen, workshop)
    if todo or done:
        click.echo(f"{', '.join(chosen)}: {todo} trainings to do, {done} done")
    for name in chosen:
        if name in TABLE_NAMES:
            _table(name, workshop, generated, out)
        else:
            _figure(name, workshop, generated, out)
    return 0


def _table(name: str, workshop: Workshop, generated: set[Source], out: Path) -> None:
    from pipelines.paper.rendering import markdown, write
    from pipelines.paper.results import fill
    from pipelines.paper.tables import TABLES

    result = fill(TABLES[name], workshop, generated)
    paths = write(result, out)
    click.echo(f"\n{markdown(result)}\n{', '.join(map(str, paths))}")


def _figure(name: str, workshop: Workshop, generated: set[Source], out: Path) -> None:
    from pipelines.paper.figures import FIGURES

    paths = FIGURES[name].make(workshop, generated, out)
    click.echo(", ".join(map(str, paths)))


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line, see `lfsynth.command_line`."""
    run_command(cli, "pipelines.paper", arguments)


if __name__ == "__main__":
    main()
