"""A table as Markdown, CSV and LaTeX, in the paper's form: its numbers beside ours.

In Markdown a cell has all metrics, ``25.725 / .791 / .183``; in LaTeX each has a column. CSV has a line a cell, metric
and seed, with what was spent on it. Below the Markdown table stands what was trained.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from lfsynth.pictures import write_bytes_atomic
from pipelines.paper.results import MARK, Filled, Measured, Result
from pipelines.paper.tables import Metric
from pipelines.paper.workshop import Trained

ABSENT = "n/a"
DIGITS = 3
"""As the paper prints them."""


def write(result: Result, out: Path) -> list[Path]:
    """Write table2.md, .csv and .tex to a folder, which is there; the files.

    Raises
    ------
    InputError : where they cannot be written
    """
    texts = {".md": markdown(result), ".csv": as_csv(result), ".tex": latex(result)}
    paths = [out / f"{result.table.name}{suffix}" for suffix in texts]
    for path, text in zip(paths, texts.values(), strict=True):
        write_bytes_atomic(path, text.encode())
    return paths


def markdown(result: Result) -> str:
    """The caption, the table, and what was trained for it; columns are padded, to be read as text too."""
    table = result.table
    head = [table.stub, *(f"{column}, {whose}" for column in table.columns for whose in ("paper", "ours"))]
    lines = [head]
    for row, cells in zip(table.rows, result.rows, strict=True):
        lines.append([row.label, *(text for one in cells for text in _both(one, table.metrics))])
    caption = "\n".join(result.caption)
    parts = [caption, _aligned(lines)]
    if result.trainings:
        parts.append(f"What was trained:\n\n{_aligned(_trained(result.trainings))}".rstrip())
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def latex(result: Result) -> str:
    """A ``table`` with ``booktabs``' rules."""
    table = result.table
    count = len(table.metrics)
    groups = [f"{column}, {whose}" for column in table.columns for whose in ("paper", "ours")]
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{_escaped(' '.join(result.caption))}}}",
        rf"\label{{tab:{table.name}}}",
        rf"\begin{{tabular}}{{l{'r' * (count * len(groups))}}}",
        r"\toprule",
        _latex_row(["", *(rf"\multicolumn{{{count}}}{{c}}{{{_escaped(one)}}}" for one in groups)]),
        _latex_row([_escaped(table.stub), *([metric.title for metric in table.metrics] * len(groups))]),
        r"\midrule",
    ]
    for row, cells in zip(table.rows, result.rows, strict=True):
        texts = [_escaped(row.label)]
        for one in cells:
            texts += [
                _number(value, metric) for value, metric in zip(one.cell.paper, table.metrics, strict=True)
            ]
            ours = [_measured(value, metric) for value, metric in zip(one.ours, table.metrics, strict=True)]
            texts += [_escaped(text) + (r"$^\dagger$" if one.instead else "") for text in ours]
        lines.append(_latex_row(texts))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def as_csv(result: Result) -> str:
    """A line for each row, column, metric and seed; what is not available is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    spent = ("steps", "epochs", "patch", "batch", "seconds")
    writer.writerow(
        ["table", "row", "column", "metric", "paper", "seed", "ours", "trained", "as_paper"]
        + [f"{name}_of_all_stages" if name in ("steps", "seconds") else name for name in spent]
    )
    by_name = {(one.recipe, one.seed): one for one in result.trainings}
    table = result.table
    for row, cells in zip(table.rows, result.rows, strict=True):
        for column, one in zip(table.columns, cells, strict=True):
            for number, metric in enumerate(table.metrics):
                for seed, means in one.by_seed.items():
                    chain = [by_name[stage.name, seed] for stage in one.recipe.chain()] if one.recipe else []
                    value = means[metric.value]
                    writer.writerow(
                        [
                            *(table.name, row.label, column, metric.value, one.cell.paper[number], seed),
                            "" if value is None else f"{value:.6f}",
                            one.recipe.name if one.recipe else "",
                            int(not one.instead),
                            sum(stage.steps for stage in chain) if chain else "",
                            *(
                                (chain[-1].epochs, chain[-1].patch, chain[-1].batch)
                                if chain
                                else ("", "", "")
                            ),
                            f"{sum(stage.seconds for stage in chain):.1f}" if chain else "",
                        ]
                    )
    return text.getvalue()


def _both(one: Filled, metrics: Sequence[Metric]) -> tuple[str, str]:
    """The paper's cell and ours."""
    paper = " / ".join(_number(value, metric) for value, metric in zip(one.cell.paper, metrics, strict=True))
    ours = " / ".join(_measured(value, metric) for value, metric in zip(one.ours, metrics, strict=True))
    return paper, f"{ours} {MARK}" if one.instead else ours


def _number(value: float, metric: Metric) -> str:
    """As the paper prints it: shares without their zero."""
    text = f"{value:.{DIGITS}f}"
    return text if metric is Metric.PSNR else text.replace("0.", ".", 1) if abs(value) < 1 else text


def _measured(value: Measured, metric: Metric) -> str:
    if value.mean is None:
        return ABSENT
    text = _number(value.mean, metric)
    return text if value.deviation is None else f"{text} ± {_number(value.deviation, metric)}"


def _trained(trainings: Sequence[Trained]) -> list[list[str]]:
    head = ["training", "seed", "pairs an epoch", "epochs", "steps", "patch", "batch", "s", "device"]
    return [
        head,
        *(
            [
                *(one.recipe, str(one.seed), str(one.pairs), str(one.epochs), str(one.steps)),
                *(str(one.patch), str(one.batch), f"{one.seconds:.0f}", one.device),
            ]
            for one in trainings
        ),
    ]


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table, the first line its head."""
    cells = [[text.replace("|", r"\|") for text in line] for line in lines]
    widths = [max(3, *(len(line[column]) for line in cells)) for column in range(len(cells[0]))]
    padded = [[text.ljust(width) for text, width in zip(line, widths, strict=True)] for line in cells]
    padded.insert(1, ["-" * width for width in widths])
    return "".join(f"| {' | '.join(line)} |\n" for line in padded)


def _latex_row(texts: Sequence[str]) -> str:
    return " & ".join(texts) + r" \\"


def _escaped(text: str) -> str:
    """Plain text as LaTeX has it."""
    signs = {"\\": r"\textbackslash{}", "†": r"$^\dagger$", "±": r"$\pm$", "~": r"\textasciitilde{}"}
    signs |= {sign: f"\\{sign}" for sign in "&%$#_{}"}
    return "".join(signs.get(sign, sign) for sign in text)
