"""Generated data in the place of real data."""

from __future__ import annotations

from pathlib import Path

import pytest

from drbnet.datasets import Layout, Split, find
from lfsynth.pictures import read
from pipelines.paper.recipes import Source
from pipelines.paper.stand_ins import README, SCENES, run, stand_in

WINDOW = "480x600"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_a_stand_in_for_dpdd(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = stand_in(Source.DPDD, tmp_path, window=WINDOW)
    training = find(root, split=Split.TRAIN)
    assert training.layout is Layout.DPDD
    # five focus settings of the widest aperture, the last scene being for test
    assert len(training) == 5 * (SCENES[Source.DPDD] - 1)
    assert len(find(root, split=Split.TEST)) == 5
    pair = training.pairs[0]
    assert pair.target is not None
    assert read(pair.inputs[0]).shape == read(pair.target).shape
    assert read(pair.inputs[0]).dtype == "uint16"
    text = (root / README).read_text()
    assert text.startswith("Not DPDD, but a stand-in")
    capsys.readouterr()
    assert stand_in(Source.DPDD, tmp_path, window=WINDOW) == root
    assert capsys.readouterr().out == ""


def test_half_made_folders_are_made_anew(tmp_path: Path) -> None:
    partial = tmp_path / ".realdof.partial" / "source"
    partial.mkdir(parents=True)
    (partial / "rest.png").write_bytes(b"")
    (tmp_path / "realdof").mkdir()  # without its README
    root = stand_in(Source.REALDOF, tmp_path, window=WINDOW)
    assert len(find(root)) == 5 * SCENES[Source.REALDOF]
    assert not partial.exists()


def test_a_command_that_fails_ends_it() -> None:
    from lfsynth.cli import main

    with pytest.raises(SystemExit, match="2"):
        run("lfsynth", main, ["generate", "--lf-dir", "/nowhere", "--out", "/nowhere/out"])
