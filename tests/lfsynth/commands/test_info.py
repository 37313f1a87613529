import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lfsynth.lightfield import LightField
from lfsynth.readers import write_hdf5


def test_facts(run, raw: Path, small: LightField) -> None:
    ended = run("info", raw / "a.h5", "--json")
    assert (ended.code, ended.err) == (0, "")
    facts = json.loads(ended.out)
    assert facts["views"] == [5, 5]
    assert facts["size"] == [40, 56]
    assert facts["channels"] == 3
    assert facts["centre_view"] == [2, 2]
    assert facts["dead_views"] == facts["gain_views"] == []
    assert facts["largest_radius"] == 2.5
    assert facts["smallest_f_number"] is None
    assert facts["metadata"]["format"] == "hdf5"
    assert small.disparity is not None
    # As in test_generate: a tenth of a pixel.
    assert facts["disparity_farthest"] == pytest.approx(small.disparity.min(), abs=0.1)
    assert facts["disparity_nearest"] == pytest.approx(small.disparity.max(), abs=0.1)


def test_text(run, raw: Path) -> None:
    lines = run("info", raw / "a.h5").out.splitlines()
    assert lines[0] == f"{raw}/a.h5: 5 x 5 views of 40 x 56, 3 channels, SIMULATED"
    assert lines[1].startswith("disparity -1.")
    assert (
        lines[2] == "views of weight 0: 0 of 25; corrected by a gain: 0; largest aperture: radius 2.50 views"
    )
    assert 'format: "hdf5"' in lines
    assert max(map(len, lines)) < 230


def test_dead_and_dim_views_are_drawn(run, tmp_path: Path, small: LightField) -> None:
    weights, gains = small.weights.copy(), small.gains.copy()
    weights[0, 0], weights[1, 1], gains[2, 3] = 0, 0.5, 1.5
    changed = replace(small, weights=weights, gains=gains, f_number_radius=5.0)
    write_hdf5(tmp_path / "x.h5", changed)
    lines = run("info", tmp_path / "x.h5").out.splitlines()
    assert lines[2].startswith("views of weight 0: 1 of 25; corrected by a gain: 1; ")
    assert lines[2].endswith("(f/2.00)")
    assert lines[4:9] == ["  x....", "  .+...", "  .....", "  .....", "  ....."]
    facts = json.loads(run("info", tmp_path / "x.h5", "--json").out)
    assert facts["dead_views"] == [[0, 0]]
    assert facts["gain_views"] == [[2, 3]]


@pytest.mark.parametrize("dead", [False, True])
def test_a_light_field_whose_disparity_is_unknown(run, tmp_path: Path, small: LightField, dead: bool) -> None:
    """Either without texture or with a dead centre view: what else there is to tell is told."""
    weights = small.weights.copy()
    weights[2, 2] = 0 if dead else 1
    views = small.views if dead else np.full_like(small.views, 0.5)
    write_hdf5(tmp_path / "x.h5", replace(small, views=views, weights=weights, f_number_radius=5.0))
    ended = run("info", tmp_path / "x.h5")
    assert ended.code == 0
    why = r"its centre view (row 2, column 2) is dead" if dead else "too little texture, or too few views"
    assert ended.out.splitlines()[1] == f"disparity unknown: {why}"
    facts = json.loads(run("info", tmp_path / "x.h5", "--json").out)
    assert facts["disparity_nearest"] is facts["disparity_farthest"] is None
    assert facts["disparity_unknown"] == why


def test_what_is_no_light_field(run, tmp_path: Path) -> None:
    ended = run("info", tmp_path / "none")
    assert ended.code == 2
    assert ended.err == f"lfsynth: {tmp_path}/none: there is no such file or folder; check the path\n"
