"""The file that says what a user has and wants to spend."""

from __future__ import annotations

from pathlib import Path

import pytest

from lfsynth.errors import InputError
from pipelines.paper.plan import TINY_TRAINING, Camera, read_plan
from pipelines.paper.recipes import Source

WHOLE = """
seeds = [3, 1]
protocol = "8bit"
vgg19 = "vgg19.pth"
lpips = "alexnet.pth"
[data]
lfdof = "/data/LFDOF"
realdof = "/data/RealDOF"
[training]
epochs = 20
[trainings.drbnet-dpdd]
epochs = 40
[fig1]
first = "a"
second = "b"
[[fig2]]
name = "DSLR"
front = "f"
in = "i"
back = "b"
[fig4]
weights = "w.pth"
picture = "p.png"
"""


def test_a_whole_file(tmp_path: Path) -> None:
    file = tmp_path / "paper.toml"
    file.write_text(WHOLE)
    plan = read_plan(file, tiny=False)
    assert plan.seeds == (3, 1)
    assert plan.protocol == "8bit"
    assert plan.data == {Source.LFDOF: Path("/data/LFDOF"), Source.REALDOF: Path("/data/RealDOF")}
    assert plan.training == {"epochs": 20}
    assert plan.trainings == {"drbnet-dpdd": {"epochs": 40}}
    assert (plan.vgg19, plan.lpips) == (Path("vgg19.pth"), Path("alexnet.pth"))
    assert plan.fig1 == (Path("a"), Path("b"))
    assert plan.fig2 == (Camera("DSLR", "f", "i", "b"),)
    assert (plan.weights, plan.picture) == (Path("w.pth"), Path("p.png"))


def test_a_smoke_run_has_its_own_budget_where_the_file_gives_none(tmp_path: Path) -> None:
    assert read_plan(None, tiny=True).training == TINY_TRAINING
    assert read_plan(None, tiny=False).training == {}
    file = tmp_path / "paper.toml"
    file.write_text("[training]\nepochs = 2\n")
    assert read_plan(file, tiny=True).training == {**TINY_TRAINING, "epochs": 2}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seeds = 3", r"seeds: 3 is not a list"),
        ("seeds = []", r"seeds: \[\] are no different whole numbers"),
        ("seeds = [1, 1]", r"are no different whole numbers"),
        ("seeds = [true]", r"are no different whole numbers"),
        ('protocol = "mine"', r"protocol: 'mine' is none of paper, 8bit"),
        ("colour = 1", r"there is no colour; choose of data, fig1"),
        ("[data]\nimagenet = 'x'", r"data: there is no imagenet; choose of dpdd, lfdof, realdof"),
        ("data = 3", r"data: 3 is not a table"),
        ("[data]\nlfdof = 3", r"data: lfdof: 3 is not a text"),
        ("[training]\nepoch = 3", r"training: there is no option epoch"),
        ("[training]\nseed = 3", r"training: seed is decided by the tables"),
        ("[trainings.drbnet]\nepochs = 3", r"trainings: there is no training drbnet; choose of"),
        ("[fig1]\nfirst = 'a'", r"fig1: it names one dataset alone"),
        ("[fig2]\nname = 'a'", r"fig2: .* is not a list"),
        ("fig2 = [1]", r"fig2: it is no list of tables"),
        ("[[fig2]]\nname = 'a'", r"fig2: a camera is not complete"),
        ("[fig4]\nweight = 'a'", r"fig4: there is no weight; choose of picture, weights"),
        ("seeds = [", r"it is no TOML"),
    ],
)
def test_refusals(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "paper.toml"
    file.write_text(text)
    with pytest.raises(InputError, match=said):
        read_plan(file, tiny=False)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_plan(tmp_path / "paper.toml", tiny=False)
