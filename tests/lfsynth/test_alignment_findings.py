import csv
import dataclasses
import json

import numpy as np
import pytest

from lfsynth.alignment import Options, check_pair
from lfsynth.alignment_findings import (
    Finding,
    finding_of,
    manifest_entry,
    sampled,
    write_csv,
    write_exclude_list,
    write_json_report,
)
from lfsynth.pairs import Unpaired


@pytest.fixture(scope="module")
def moved(textured_pair):
    blurred, sharp = textured_pair(shift=(2, -1))
    return finding_of("input/a.png", "target/a.png", check_pair(blurred, sharp), ["the input is grey"])


@pytest.fixture(scope="module")
def untold(textured_pair):
    blurred, sharp = textured_pair(in_focus=-1.0)
    return finding_of("input/b.png", "target/b.png", check_pair(blurred, sharp))


def test_the_numbers_of_a_pair_that_is_moved(moved, textured_pair):
    assert moved.verdict == "misaligned"
    assert (moved.height, moved.width) == (128, 160)
    # 0.1 px is what shifts are to be found to
    np.testing.assert_allclose([moved.shift_y, moved.shift_x], [2, -1], rtol=0, atol=0.1)
    np.testing.assert_allclose([moved.fit_y, moved.fit_x], [2, -1], rtol=0, atol=0.1)
    assert moved.at_x < 90  # in the left half
    assert moved.best > 0.95 > moved.correlation
    found = check_pair(*textured_pair(shift=(2, -1)))
    assert moved.rotation == round(found.similarity.rotation, 4)
    assert moved.scale == round(found.similarity.scale, 6)
    assert moved.residual == round(found.similarity.residual, 3)
    assert moved.remarks == ("the input is grey",)


def test_what_is_not_known_is_none(untold):
    assert untold.verdict == "cannot tell"
    unknown = {name for name, value in dataclasses.asdict(untold).items() if value is None}
    assert unknown == {
        "shift_y", "shift_x", "at_y", "at_x", "correlation", "best", "fit_y", "fit_x", "centre_y", "centre_x",
        "rotation", "scale", "fit_y_error", "fit_x_error", "rotation_error", "scale_error", "residual",
    }  # fmt: skip


def test_findings_survive_json(moved, untold):
    for finding in (moved, untold):
        assert Finding.from_json(json.loads(json.dumps(dataclasses.asdict(finding)))) == finding
    with pytest.raises(TypeError):
        Finding.from_json({"reasons": (), "remarks": (), "colour": 1})


def test_files(tmp_path, moved, untold):
    aside = [Unpaired("input/é;\ud8ff".replace("\ud8ff", "\udcff"), 'it is "cut", short')]
    write_csv(tmp_path / "a.csv", [moved, untold], aside)
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == ["input/a.png", "input/b.png", "input/é;\udcff"]
    assert [row["verdict"] for row in rows] == ["misaligned", "cannot tell", "set aside"]
    assert float(rows[0]["shift_y"]) == moved.shift_y
    assert rows[0]["reasons"].split("; ") == list(moved.reasons)
    assert (rows[1]["shift_y"], rows[2]["reasons"]) == ("", 'it is "cut", short')
    write_json_report(tmp_path / "a.json", [moved, untold], aside, {"options": {"window": 32}})
    document = json.loads((tmp_path / "a.json").read_text())
    assert document["options"] == {"window": 32}
    assert [Finding.from_json(pair) for pair in document["pairs"]] == [moved, untold]
    assert document["set_aside"] == [{"name": aside[0].name, "fault": aside[0].fault}]
    write_exclude_list(tmp_path / "bad.txt", [untold, moved], aside)
    assert (tmp_path / "bad.txt").read_bytes() == "input/a.png\ninput/é;".encode() + b"\xff\n"


def test_entries_of_a_manifest(textured_pair):
    blurred, sharp = textured_pair(shift=(2, -1))
    entry = manifest_entry(blurred, sharp)
    assert set(entry) == {"verdict", "reasons", "shift", "where"}
    assert entry["verdict"] == "misaligned"
    np.testing.assert_allclose(entry["shift"], [2, -1], rtol=0, atol=0.1)
    json.dumps(entry, allow_nan=False)
    assert manifest_entry(blurred, sharp, Options(threshold=4))["verdict"] == "aligned"
    untold = manifest_entry(*textured_pair(in_focus=-1.0))
    assert (untold["verdict"], untold["shift"], untold["where"]) == ("cannot tell", None, None)


def test_a_picture_too_small_cannot_be_told(textured_pair):
    assert manifest_entry(*textured_pair(size=(95, 160))) == {
        "verdict": "cannot tell",
        "reasons": ["the picture has 95 x 160 px; a verdict takes 96"],
        "shift": None,
        "where": None,
    }
    assert manifest_entry(*textured_pair(size=(96, 160)))["verdict"] == "aligned"


@pytest.mark.parametrize(
    ("every", "wanted"),
    [
        (None, [(0, 1), (1, 1), (2, 1)]),
        (0, []),
        (1, [(0, 1), (1, 1), (2, 1), (0, 0), (1, 0), (2, 0)]),
        (4, [(0, 1), (1, 0)]),
        (99, [(0, 1)]),
    ],
)
def test_sampling_begins_at_the_widest_aperture(every, wanted):
    assert sampled(3, 2, every) == wanted
