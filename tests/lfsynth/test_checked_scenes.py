"""What `generate` says of its own pairs' alignment."""

import numpy as np
import pytest

from lfsynth.batch import Job, run
from lfsynth.commands.progress import _alignment
from lfsynth.generate import Recipe
from lfsynth.lfdof import Dataset, read_manifest
from lfsynth.readers import ReadOptions, write_hdf5
from lfsynth.scene import simulate


@pytest.fixture(scope="module")
def light_field(tmp_path_factory):
    """A light field whose pictures are large enough to be judged."""
    path = tmp_path_factory.mktemp("large") / "a.h5"
    made = simulate(np.random.default_rng(5), grid=(5, 5), size=(160, 200), disparities=(-0.6, 0.0, 0.6))
    write_hdf5(path, made.lightfield)
    return path


@pytest.mark.parametrize(
    ("every", "checked"),
    [
        (None, {(2, 0), (2, 1), (2, 2)}),
        (0, set()),
        (1, {(m, s) for m in (1, 2) for s in range(3)}),
        (2, {(2, 0), (2, 2), (1, 1)}),
    ],
)
def test_pairs_are_checked_as_asked(tmp_path, light_field, every, checked):
    recipe = Recipe(apertures=2, slopes=(-0.6, 0.0, 0.6), check_every=every)
    job = Job(Dataset(tmp_path), recipe, ReadOptions())
    run(job, {"a": light_field}, jobs=1, report=lambda _: None, notice=pytest.fail)
    rows = [row for row in read_manifest(tmp_path) if row["kind"] == "input"]
    assert {(row["aperture"], row["focus"]) for row in rows if "alignment" in row} == checked
    verdicts = [row["alignment"]["verdict"] for row in rows if "alignment" in row]
    # every slope has a layer in focus
    assert verdicts == ["aligned"] * len(checked)
    said = _alignment(rows)
    assert said == ([f"alignment of {len(checked)} pairs checked: {len(checked)} aligned"] if checked else [])


def test_misaligned_pairs_are_named():
    rows = [
        {"path": "a.png", "alignment": {"verdict": "misaligned", "reasons": ["it is moved", "by 2 px"]}},
        {"path": "b.png", "alignment": {"verdict": "cannot tell", "reasons": ["nothing is in focus"]}},
        {"path": "c.png"},
    ]
    assert _alignment(rows) == [
        "alignment of 2 pairs checked: 1 cannot tell, 1 misaligned",
        "  misaligned: a.png: it is moved; by 2 px",
    ]
