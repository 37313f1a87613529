import json
from pathlib import Path

import pytest

from lfsynth.allinfocus import Method
from lfsynth.commands import options
from lfsynth.errors import InputError
from lfsynth.readers import Format, Order


def test_choices_are_the_enums_values() -> None:
    """They are written out in `options` so that ``--help`` need not load the readers."""
    assert tuple(order.value for order in Order) == options.ORDERS
    assert tuple(format_.value for format_ in Format) == options.FORMATS
    assert tuple(method.value for method in Method) == options.METHODS


def test_pairs_and_numbers() -> None:
    assert options.pair("--size", "688x1008") == (688, 1008)
    assert options.pair("--size", " 3 X 4 ") == (3, 4)
    assert options.size_of("native") is None
    assert options.numbers("--slopes", "1,-0.5, 2e-1") == (-0.5, 0.2, 1.0)
    assert options.numbers("--slopes", None) == ()


@pytest.mark.parametrize("text", ["", "3", "3x", "-3x4", "3x4x5", "3.5x4", "1234567x2"])
def test_pairs_that_are_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"--size: .* is not of the form 13x13"):
        options.pair("--size", text)


def test_reading_options_reach_the_reader(run, tmp_path: Path, views: Path) -> None:
    facts = json.loads(run("info", views, "--transfer", "gamma:2.2", "--order", "columns", "--json").out)
    assert facts["metadata"]["transfer"] == "gamma:2.2"
    assert facts["metadata"]["understood"]["order"] == "column first, as the option says"
    ended = run("info", views, "--views", "4x5")
    assert ended.code == 2
    assert "views, not 4 x 5; correct --views or leave it out" in ended.err
    ended = run("info", views, "--format", "mat")
    assert ended.code == 2
    assert "is a folder, which --format mat is not" in ended.err
