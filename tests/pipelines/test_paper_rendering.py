"""A table as Markdown, CSV and LaTeX."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

import pytest

from pipelines.paper.recipes import Recipe, Source, alone, both
from pipelines.paper.rendering import as_csv, latex, markdown, write
from pipelines.paper.results import Filled, Measured, Result
from pipelines.paper.tables import Cell, Metric, Row, Table
from pipelines.paper.workshop import Trained

METRICS = (Metric.PSNR, Metric.SSIM, Metric.LPIPS)
DPDD = alone(Source.DPDD, "kpac")


def trained(recipe: Recipe, seed: int, steps: int) -> Trained:
    return Trained(Path(recipe.name, str(seed)), recipe.name, seed, steps, 2, 64, 4, 1.25, 15, "cpu")


def filled(cell: Cell, by_seed: dict[int, tuple[float | None, ...]], *, instead: bool = False) -> Filled:
    columns = zip(*by_seed.values(), strict=True)
    means = {
        seed: {metric.value: value for metric, value in zip(METRICS, values, strict=True)}
        for seed, values in by_seed.items()
    }
    ours = tuple(Measured.of(list(column)) for column in columns)
    return Filled(cell, ours, means, cell.recipe, instead)


@pytest.fixture
def result() -> Result:
    cells = (
        Cell(None, Source.DPDD, (23.89, 0.725, 0.349)),
        Cell(DPDD, Source.DPDD, (25.221, 0.774, 0.226)),
        Cell(both(), Source.DPDD, (25.725, 0.791, 0.183)),
    )
    table = Table(
        "table9",
        "A & B_1",
        "method",
        ("DPDD",),
        METRICS,
        tuple(Row(label, (cell,)) for label, cell in zip(("Input", "KPAC", "DRBNet"), cells, strict=True)),
    )
    rows = (
        (filled(cells[0], {1: (23.5, 0.7, None)}),),
        (filled(cells[1], {1: (25.0, 0.75, 0.2), 2: (26.0, 0.77, 0.24)}),),
        (filled(cells[2], {1: (24.0, 0.6, None), 2: (25.0, 0.7, None)}, instead=True),),
    )
    stages = [*both().chain(), DPDD]
    made = [trained(one, seed, 10 + seed) for one in stages for seed in (1, 2)]
    return Result(table, rows, tuple(made), ("Table 9. 100 % of A & B_1.", "† so"))


def test_measured_over_seeds() -> None:
    assert Measured.of([25.0]) == Measured(25.0)
    several = Measured.of([25.0, 26.0, 27.0])
    assert several.mean == pytest.approx(26.0)
    assert several.deviation == pytest.approx(1.0)  # of the sample: divided by n - 1
    assert Measured.of([25.0, None]) == Measured(None)
    assert Measured.of([math.inf]) == Measured(None)


def test_markdown(result: Result) -> None:
    text = markdown(result)
    assert text.startswith("Table 9. 100 % of A & B_1.\n† so\n\n| method |")
    lines = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if "|" in line
    ]
    assert [lines[0], *lines[2:5]] == [
        ["method", "DPDD, paper", "DPDD, ours"],
        ["Input", "23.890 / .725 / .349", "23.500 / .700 / n/a"],
        ["KPAC", "25.221 / .774 / .226", "25.500 ± 0.707 / .760 ± .014 / .220 ± .028"],
        ["DRBNet", "25.725 / .791 / .183", "24.500 ± 0.707 / .650 ± .071 / n/a †"],
    ]
    assert set("".join(lines[1])) == {"-"}
    assert ["drbnet-lfdof", "1", "15", "2", "11", "64", "4", "1", "cpu"] in lines
    # padded, so that it is read as text too
    table = [line for line in text.splitlines() if line.startswith("|")][:5]
    assert len({len(line) for line in table}) == 1


def test_csv(result: Result) -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(result))))
    # of each metric: the input once, two networks by two seeds
    assert len(rows) == 3 * (1 + 2 + 2)
    chosen = [row for row in rows if (row["row"], row["metric"], row["seed"]) == ("DRBNet", "psnr", "2")]
    assert len(chosen) == 1
    (row,) = chosen
    assert (row["paper"], row["ours"], row["as_paper"]) == ("25.725", "25.000000", "0")
    # both stages: 12 steps and 1.25 s each
    assert (row["steps_of_all_stages"], row["seconds_of_all_stages"]) == ("24", "2.5")
    first = rows[0]
    assert (first["row"], first["trained"], first["steps_of_all_stages"]) == ("Input", "", "")
    lpips = [row["ours"] for row in rows if row["metric"] == "lpips"]
    assert lpips == ["", "0.200000", "0.240000", "", ""]


def test_latex(result: Result) -> None:
    text = latex(result)
    assert r"\caption{Table 9. 100 \% of A \& B\_1. $^\dagger$ so}" in text
    assert r"\begin{tabular}{lrrrrrr}" in text
    assert r" & \multicolumn{3}{c}{DPDD, paper} & \multicolumn{3}{c}{DPDD, ours} \\" in text
    assert r"Input & 23.890 & .725 & .349 & 23.500 & .700 & n/a \\" in text
    assert r"KPAC & 25.221 & .774 & .226 & 25.500 $\pm$ 0.707 & .760 $\pm$ .014 & .220 $\pm$ .028 \\" in text
    assert r".650 $\pm$ .071$^\dagger$" in text


def test_files(result: Result, tmp_path: Path) -> None:
    assert [path.name for path in write(result, tmp_path)] == ["table9.md", "table9.csv", "table9.tex"]
    assert (tmp_path / "table9.md").read_text() == markdown(result)
