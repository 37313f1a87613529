"""The paper's numbers, and what is trained for them."""

from __future__ import annotations

import dataclasses

import pytest

from drbnet.options import Config
from pipelines.paper.command import FIGURE_NAMES, TABLE_NAMES
from pipelines.paper.figures import FIGURES
from pipelines.paper.plan import PROTOCOLS
from pipelines.paper.recipes import Source, alone, both, finetuned_by_l1, mixed, without_vgg19
from pipelines.paper.tables import TABLES, Metric, all_recipes


def test_names_of_the_command_line_are_those_there_are() -> None:
    assert tuple(TABLES) == TABLE_NAMES
    assert tuple(FIGURES) == FIGURE_NAMES
    from drbnet.protocols import PROTOCOLS as THOSE

    assert set(PROTOCOLS) == set(THOSE)


@pytest.mark.parametrize("name", TABLE_NAMES)
def test_every_cell_has_the_paper_s_numbers(name: str) -> None:
    table = TABLES[name]
    for row in table.rows:
        assert len(row.cells) == len(table.columns)
        for cell in row.cells:
            for metric, number in zip(table.metrics, cell.paper, strict=True):
                low, high = (22, 31) if metric is Metric.PSNR else (0.1, 0.9)
                assert low < number < high


def test_a_number_that_stands_in_two_tables_is_the_same() -> None:
    """The paper's tables overlap: a training, test set and metric have one number."""
    known: dict[object, float] = {}
    overlaps = 0
    for table in TABLES.values():
        for cell in table.cells():
            for metric, number in zip(table.metrics, cell.paper, strict=True):
                key = (cell.recipe, cell.test, metric)
                overlaps += key in known
                assert known.setdefault(key, number) == number, (table.name, key)
    # by hand: Table 3's last row 3; Table 4's first column 2 and DRBNet's last 1; Table 5's last 2;
    # Table 6's last 1; Table 7's 7 x 7 2
    assert overlaps == 11


def test_tables_share_their_trainings() -> None:
    recipes = all_recipes()
    ours = both()
    for name in ("table2", "table3", "table4", "table5", "table6", "table7"):
        assert ours in [cell.recipe for cell in TABLES[name].cells()]
    assert ours.after == alone(Source.LFDOF) == finetuned_by_l1().after
    # 5 networks on LFDOF or DPDD alone and DRBNet on both: 6 (DRBNet LFDOF, DPDD and both; DPDNet_S, KPAC, IFAN,
    # AIFNet); Table 4: DPDNet_S and KPAC on LFDOF, then on both; Table 5: two mixtures and L1; Table 6: 5 in two
    # stages; Table 7: 3 in two stages
    assert len(recipes) == 7 + 4 + 3 + 10 + 6
    # one name, one training
    for table in TABLES.values():
        for cell in table.cells():
            for recipe in cell.recipe.chain() if cell.recipe else ():
                assert recipes[recipe.name] == recipe


def test_recipes_name_options_that_there_are() -> None:
    known = {one.name for one in dataclasses.fields(Config)}
    for recipe in all_recipes().values():
        assert {name for name, _ in (*recipe.network, *recipe.loss)} <= known


def test_networks_are_known() -> None:
    from drbnet.models import MODELS

    missing = {recipe.model for recipe in all_recipes().values()} - MODELS.keys()
    assert not missing


def test_what_a_table_takes() -> None:
    assert TABLES["table8"].sources() == {Source.LFDOF}
    assert TABLES["table5"].sources() == set(Source)
    assert TABLES["table2"].number == "2"


def test_without_vgg19_trainings_become_l1() -> None:
    assert both().takes_vgg19
    assert without_vgg19(both()) == finetuned_by_l1()
    assert without_vgg19(mixed(vgg=1e-5)) == mixed(vgg=0.0)
    assert without_vgg19(alone(Source.DPDD, "kpac")) == alone(Source.DPDD, "kpac")
    assert not any(
        one.takes_vgg19 for recipe in all_recipes().values() for one in without_vgg19(recipe).chain()
    )
