"""The paper's Tables 2 to 8: its numbers, and the training and test set behind each cell.

PSNR in dB, SSIM and LPIPS as the paper prints them. What it does not state, and what is taken here: the networks that
DRBNet is compared with were scored with their authors' weights, so DPDNet_S, IFAN and KPAC are trained on DPDD, and
AIFNet on LFDOF, alone; a network that is trained on one dataset alone is so by its own stage 1 loss; each row of
Tables 6 and 7 is trained in both stages.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from pipelines.paper.recipes import MIX_REPEATS, MIX_VGG, Recipe, Source, alone, both, finetuned_by_l1, mixed

Numbers = tuple[float, ...]


class Metric(Enum):
    """A score, by its name in the files of ``drbnet.evaluate``."""

    PSNR = "psnr"
    SSIM = "ssim"
    LPIPS = "lpips"

    @property
    def title(self) -> str:
        """As papers write it."""
        return self.name


@dataclass(frozen=True)
class Cell:
    """A network on a test set.

    Attributes
    ----------
    recipe : how it was trained; None: the blurred pictures themselves
    test : what is deblurred
    paper : the paper's numbers, one a metric of the table
    """

    recipe: Recipe | None
    test: Source
    paper: Numbers


@dataclass(frozen=True)
class Row:
    """A line of a table."""

    label: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Table:
    """One of the paper's tables.

    Attributes
    ----------
    name : on the command line
    title : what it compares, without a full stop
    stub : heading of the rows' labels
    columns : headings, one a cell of each row
    metrics : what each cell tells
    rows : of the table
    notes : sentences that belong under it
    """

    name: str
    title: str
    stub: str
    columns: tuple[str, ...]
    metrics: tuple[Metric, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    @property
    def number(self) -> str:
        """In the paper."""
        return self.name.removeprefix("table")

    def cells(self) -> Iterator[Cell]:
        """All of them, row by row."""
        for row in self.rows:
            yield from row.cells

    def sources(self) -> set[Source]:
        """The datasets that it takes."""
        found = {cell.test for cell in self.cells()}
        for cell in self.cells():
            for recipe in cell.recipe.chain() if cell.recipe else ():
                found |= {recipe.data} | ({recipe.mixed} if recipe.mixed else set())
        return found


LFDOF, DPDD, REALDOF = Source
ALL_METRICS = tuple(Metric)
PSNR_ALONE = (Metric.PSNR,)


def _on_both(label: str, recipe: Recipe | None, dpdd: Numbers, realdof: Numbers) -> Row:
    """A row of DPDD and RealDOF."""
    return Row(label, (Cell(recipe, DPDD, dpdd), Cell(recipe, REALDOF, realdof)))


def _on_one(label: str, recipe: Recipe, test: Source, *paper: float) -> Row:
    return Row(label, (Cell(recipe, test, paper),))


TABLE_2 = Table(
    "table2",
    "Networks compared on DPDD and RealDOF",
    "method",
    ("DPDD", "RealDOF"),
    ALL_METRICS,
    (
        _on_both("Input", None, (23.890, 0.725, 0.349), (22.333, 0.633, 0.524)),
        _on_both("DPDNet_S", alone(DPDD, "dpdnet"), (24.388, 0.749, 0.277), (22.870, 0.670, 0.425)),
        _on_both("AIFNet", alone(LFDOF, "aifnet"), (24.213, 0.742, 0.309), (23.093, 0.680, 0.413)),
        _on_both("IFANet", alone(DPDD, "ifan"), (25.366, 0.789, 0.217), (24.709, 0.749, 0.306)),
        _on_both("KPAC", alone(DPDD, "kpac"), (25.221, 0.774, 0.226), (23.984, 0.716, 0.336)),
        _on_both("DRBNet", both(), (25.725, 0.791, 0.183), (25.745, 0.771, 0.257)),
    ),
    ("DPDNet_S, IFANet and KPAC are trained on DPDD, AIFNet on LFDOF, DRBNet on LFDOF and then on DPDD.",),
)
TABLE_3 = Table(
    "table3",
    "DRBNet by what it is trained on, scored on RealDOF",
    "trained on",
    ("RealDOF",),
    ALL_METRICS,
    (
        _on_one("LFDOF", alone(LFDOF), REALDOF, 23.076, 0.698, 0.378),
        _on_one("DPDD", alone(DPDD), REALDOF, 24.700, 0.744, 0.337),
        _on_one("LFDOF & DPDD", both(), REALDOF, 25.745, 0.771, 0.257),
    ),
)
TABLE_4 = Table(
    "table4",
    "What training on light fields first gives, scored on DPDD",
    "method",
    ("trained on DPDD", "trained on LFDOF & DPDD"),
    PSNR_ALONE,
    tuple(
        Row(label, (Cell(alone(DPDD, model), DPDD, (before,)), Cell(both(model), DPDD, (after,))))
        for label, model, before, after in (
            ("DPDNet_S", "dpdnet", 24.388, 24.899),
            ("KPAC", "kpac", 25.221, 25.470),
            ("DRBNet", "drbnet", 25.472, 25.725),
        )
    ),
)
TABLE_5 = Table(
    "table5",
    "DRBNet by how LFDOF and DPDD are used",
    "strategy",
    ("DPDD", "RealDOF"),
    PSNR_ALONE,
    (
        _on_both("mixed, L1", mixed(vgg=0.0), (25.439,), (24.634,)),
        _on_both("mixed, L1 + 1e-5 VGG", mixed(vgg=MIX_VGG), (25.469,), (24.684,)),
        _on_both("fine-tuned, L1", finetuned_by_l1(), (25.755,), (25.130,)),
        _on_both("fine-tuned, VGG", both(), (25.725,), (25.745,)),
    ),
    (f"Mixed: one stage on both datasets, DPDD repeated {MIX_REPEATS} times.",),
)
TABLE_6 = Table(
    "table6",
    "Terms and scales of DRBNet's dynamic residual block, scored on RealDOF",
    "block",
    ("RealDOF",),
    PSNR_ALONE,
    (
        _on_one("none", both(label="no-block", scales="none"), REALDOF, 25.327),
        _on_one("x + dx", both(label="x-dx", terms=("image", "filtered")), REALDOF, 25.539),
        _on_one("dx + dr", both(label="dx-dr", terms=("filtered", "residual")), REALDOF, 25.576),
        _on_one("x + dr", both(label="x-dr", terms=("image", "residual")), REALDOF, 25.515),
        _on_one("x + dx + dr, one scale", both(label="one-scale", scales="one"), REALDOF, 25.532),
        _on_one("x + dx + dr, four scales", both(), REALDOF, 25.745),
    ),
    ("x: the scale's input; dx: it, filtered by the predicted kernels; dr: the predicted residual.",),
)
TABLE_7 = Table(
    "table7",
    "Side of DRBNet's dynamic kernels",
    "kernel",
    ("DPDD", "RealDOF"),
    PSNR_ALONE,
    tuple(
        _on_both(
            f"{side} x {side}",
            both() if side == 7 else both(label=f"kernel{side}", kernel_size=side),
            (dpdd,),
            (realdof,),
        )
        for side, dpdd, realdof in (
            (5, 25.660, 25.564),
            (7, 25.725, 25.745),
            (9, 25.752, 25.552),
            (11, 25.716, 25.625),
        )
    ),
)
TABLE_8 = Table(
    "table8",
    "Networks trained on LFDOF, scored on its test set",
    "method",
    ("LFDOF",),
    ALL_METRICS,
    (
        _on_one("AIFNet", alone(LFDOF, "aifnet"), LFDOF, 29.677, 0.884, 0.202),
        _on_one("DRBNet", alone(LFDOF), LFDOF, 30.403, 0.891, 0.145),
    ),
)
TABLES = {table.name: table for table in (TABLE_2, TABLE_3, TABLE_4, TABLE_5, TABLE_6, TABLE_7, TABLE_8)}
"""By their names on the command line."""


def all_recipes() -> dict[str, Recipe]:
    """Every training of every table, by name."""
    return {
        one.name: one
        for table in TABLES.values()
        for cell in table.cells()
        for one in (cell.recipe.chain() if cell.recipe else ())
    }
