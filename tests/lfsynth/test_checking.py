import csv
import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import cv2
import numpy as np
import pytest

from lfsynth import checking
from lfsynth.alignment import Options
from lfsynth.alignment_report.pair_files import id_of, thumbnail_path
from lfsynth.checking import Job, check_files, run
from lfsynth.errors import InputError
from lfsynth.output_folder import OutputError
from lfsynth.pairs import Pair, find_pairs
from lfsynth.pictures import write
from lfsynth.png import encode_png


def checked(root: Path, *, jobs: int = 1, out: Path | None = None, **job):
    """Results of a run, and what it reported, by name."""
    reported = {}
    results = run(
        Job(out or root / "alignment", root, **job),
        find_pairs(root),
        jobs=jobs,
        report=lambda one: reported.update({one.name: one}),
        notice=pytest.fail,
    )
    return results, reported


def verdicts(results) -> dict[str, str]:
    return {Path(finding.name).stem: finding.verdict for finding in results.findings}


VERDICTS = {
    "IMG_1_ap1_00": "aligned",
    "IMG_1_ap2_01": "aligned",
    "IMG_2_ap1_00": "misaligned",
    "IMG_3_ap3_04": "cannot tell",
}


def test_a_dataset(pairs_on_disk):
    results, reported = checked(pairs_on_disk)
    assert verdicts(results) == VERDICTS
    assert (results.set_aside, results.earlier) == ((), 0)
    assert all(one.made and not one.fault for one in reported.values())
    out = pairs_on_disk / "alignment"
    assert sorted(path.name for path in out.iterdir()) == [
        ".lfsynth",
        "alignment.csv",
        "alignment.json",
        "report.html",
        "report_files",
    ]
    document = json.loads((out / "alignment.json").read_text())
    assert document["options"] == {
        "window": 32,
        "stride": 8,
        "radius": 6,
        "threshold": 0.3,
        "focus": 0.5,
        "precision": 0.1,
        "least_area": 0.01,
    }
    assert (document["layout"], document["data"], document["transfer"]) == ("lfdof", str(pairs_on_disk), None)
    assert [pair["verdict"] for pair in document["pairs"]] == list(VERDICTS.values())
    assert document["pairs"][0]["target"] == "train_data/ground_truth/IMG_1.png"
    rows = list(csv.DictReader((out / "alignment.csv").read_text().splitlines()))
    assert [row["verdict"] for row in rows] == list(VERDICTS.values())


def test_two_processes_write_the_same(pairs_on_disk, tmp_path, contents):
    for jobs in (1, 2):
        checked(pairs_on_disk, jobs=jobs, out=tmp_path / f"out{jobs}")
    one, two = (contents(tmp_path / f"out{jobs}") for jobs in (1, 2))
    log = ".lfsynth/findings.jsonl"
    del one[log], two[log]  # in the order in which they came
    assert len(one) == 12
    assert one == two


def test_what_is_judged_is_not_judged_again(pairs_on_disk, monkeypatch):
    checked(pairs_on_disk)
    page = (pairs_on_disk / "alignment/report.html").read_bytes()
    done = []
    monkeypatch.setattr(
        checking, "check_files", lambda job, pair: done.append(pair.name) or check_files(job, pair)
    )
    results, reported = checked(pairs_on_disk)
    assert (done, results.earlier, verdicts(results)) == ([], 4, VERDICTS)
    assert not any(one.made for one in reported.values())
    assert (pairs_on_disk / "alignment/report.html").read_bytes() == page

    os.utime(pairs_on_disk / "train_data/ground_truth/IMG_2.png", (1, 1))
    first = "train_data/input/IMG_1/IMG_1_ap1_00.png"
    (pairs_on_disk / "alignment" / thumbnail_path(id_of(first))).unlink()
    checked(pairs_on_disk)
    assert done == [first, "train_data/input/IMG_2/IMG_2_ap1_00.png"]

    results, _ = checked(pairs_on_disk, options=Options(threshold=4))
    assert len(done) == 6
    assert results.findings[2].verdict == "aligned"


def test_a_damaged_log_costs_its_last_line_alone(pairs_on_disk):
    checked(pairs_on_disk)
    log = pairs_on_disk / "alignment/.lfsynth/findings.jsonl"
    whole = log.read_bytes()
    log.write_bytes(b'{"key": 1}\n[]\n' + whole[:-100])
    results, _ = checked(pairs_on_disk)
    assert (results.earlier, verdicts(results)) == (3, VERDICTS)
    assert sorted(log.read_bytes().splitlines()) == sorted(whole.splitlines())


KILLED = """
import sys, time
from pathlib import Path
from lfsynth import checking
from lfsynth.pairs import find_pairs
root = Path(sys.argv[1])
def report(one):
    print(one.name, flush=True)
    time.sleep(60)
checking.run(checking.Job(root / "alignment", root), find_pairs(root), jobs=2, report=report, notice=print)
"""


def in_session(session: int) -> list[int]:
    """Processes of a session."""
    found = []
    for process in (int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()):
        with suppress(ProcessLookupError):
            if os.getsid(process) == session:
                found.append(process)
    return found


def test_a_run_that_was_killed_goes_on(pairs_on_disk, tmp_path, contents):
    command = [sys.executable, "-c", KILLED, str(pairs_on_disk)]
    killed = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert killed.stdout is not None
    with killed, killed.stdout:
        assert killed.stdout.readline().startswith("train_data/input/IMG_")
        killed.kill()
    left_over = pairs_on_disk / f"alignment/report_files/00/.a.js.{2**22 + 1}.partial"
    left_over.parent.mkdir(exist_ok=True)
    left_over.touch()
    while in_session(killed.pid):  # its workers notice within half a second
        time.sleep(0.05)
    results, _ = checked(pairs_on_disk)
    assert results.earlier >= 1
    assert verdicts(results) == VERDICTS
    checked(pairs_on_disk, out=tmp_path / "once")
    again, once = contents(pairs_on_disk / "alignment"), contents(tmp_path / "once")
    for files in (again, once):
        del files[".lfsynth/findings.jsonl"], files["report.html"]  # the order, and the way to the pictures
    assert again == once


@pytest.fixture
def bad_pairs(pairs_on_disk, textured_pair) -> Path:
    """Beside the good pairs, scenes whose pictures do not go together."""
    data = pairs_on_disk / "train_data"
    blurred, sharp = textured_pair()
    codes = (blurred * 255).astype(np.uint8)
    opaque = np.full((*codes.shape[:2], 1), 255, np.uint8)
    holed = opaque.copy()
    holed[3, 4] = 0
    wide = np.ascontiguousarray(np.pad(blurred, ((0, 0), (0, 8), (0, 0)), mode="edge"))
    for scene, picture in {
        "other_size": encode_png((wide * 255).astype(np.uint8)),
        "grey": encode_png(codes.mean(axis=2, keepdims=True).astype(np.uint8)),
        "opaque": cv2.imencode(".png", np.dstack([codes[:, :, ::-1], opaque]))[1].tobytes(),
        "holed": cv2.imencode(".png", np.dstack([codes[:, :, ::-1], holed]))[1].tobytes(),
        "deep": encode_png(codes.astype(np.uint16) * 257),
        "truncated": encode_png(codes)[:-2000],
        "text": b"no picture",
    }.items():
        (data / "input" / scene).mkdir()
        (data / "input" / scene / f"{scene}.png").write_bytes(picture)
        write(data / "ground_truth" / f"{scene}.png", sharp)
    write(data / "ground_truth/alone.png", sharp)
    return pairs_on_disk


@pytest.mark.parametrize("jobs", [1, 2])
def test_bad_pairs_are_set_aside_and_the_rest_goes_on(bad_pairs, jobs):
    data = bad_pairs / "train_data"
    results, reported = checked(bad_pairs, jobs=jobs)
    assert {Path(one.name).stem: one.fault for one in results.set_aside} == {
        "other_size": f"{data}/input/other_size/other_size.png: has 128 x 168 px, its target "
        f"{data}/ground_truth/other_size.png 128 x 160; give both the same size, or leave the pair out",
        "truncated": f"{data}/input/truncated/truncated.png: it is cut short; copy or export it again",
        "text": f"{data}/input/text/text.png: it is not a PNG, JPEG, TIFF or PFM picture, whatever its name says; "
        "convert or remove it",
        "alone": f"{data}/ground_truth/alone.png: is a target without an input in {data}/input; add one or remove it",
    }
    assert sorted(Path(name).stem for name, one in reported.items() if one.fault) == [
        "other_size",
        "text",
        "truncated",
    ]
    others = dict.fromkeys(("deep", "grey", "holed", "opaque"), "aligned")
    assert verdicts(results) == VERDICTS | others
    assert {Path(one.name).stem: one.remarks for one in results.findings if one.remarks} == {
        "deep": ("the input is of 16 bits, the target of 8 bits",),
        "grey": ("the input is grey, the target colour",),
        "holed": ("the input is transparent in places, which was not looked at",),
    }


def test_a_picture_too_small(tmp_path, textured_pair):
    blurred, sharp = textured_pair(size=(90, 160))
    write(tmp_path / "a.png", blurred)
    write(tmp_path / "b.png", sharp)
    pair = Pair("a.png", tmp_path / "a.png", tmp_path / "b.png")
    with pytest.raises(InputError) as raised:
        check_files(Job(tmp_path / "out", tmp_path), pair)
    assert str(raised.value) == (
        f"{tmp_path}/a.png: has 90 x 160 px; a verdict takes 96; take a smaller --window, or leave the pair out"
    )
    assert check_files(Job(tmp_path / "out", tmp_path, Options(window=24)), pair).verdict == "aligned"


def test_linear_floats_and_another_transfer(tmp_path, textured_pair):
    """The same light, stored as 32-bit floats and as sRGB: the same numbers to half a code of 8 bits."""
    blurred, sharp = textured_pair(shift=(1, 1))
    found = []
    for suffix, bits in ((".png", 8), (".tif", 32)):
        for name, picture in (("a", blurred), ("b", sharp)):
            write(tmp_path / f"{name}{suffix}", picture, bits=bits)
        pair = Pair(f"a{suffix}", tmp_path / f"a{suffix}", tmp_path / f"b{suffix}")
        found.append(check_files(Job(tmp_path / "out", tmp_path), pair))
    assert found[0].remarks == found[1].remarks == ()
    np.testing.assert_allclose(found[0].shift_y, found[1].shift_y, rtol=0, atol=0.01)
    np.testing.assert_allclose(found[0].correlation, found[1].correlation, rtol=0, atol=0.01)


def test_a_dead_worker_and_an_unexpected_error_are_told(pairs_on_disk, monkeypatch):
    pair = find_pairs(pairs_on_disk).pairs[0]
    assert checking._died(pair.name, pair).fault == (
        f"{pair.input}: its process was killed, perhaps for lack of memory; free some memory or take fewer --jobs"
    )

    def fail(error):
        def check(job, pair):
            raise error

        return check

    job = Job(pairs_on_disk / "alignment", pairs_on_disk)
    for error, fault in (
        (KeyError("x"), "unexpected KeyError: 'x'; run again with --debug and report it"),
        (MemoryError("9 GB"), "does not fit into memory (9 GB); free some or take fewer --jobs"),
    ):
        monkeypatch.setattr(checking, "check_files", fail(error))
        assert checking._check(job, pair.name, pair, 1, 0).fault == f"{pair.input}: {fault}"
    monkeypatch.setattr(checking, "check_files", fail(KeyError("x")))
    with pytest.raises(KeyError):
        checking._check(Job(job.out, job.root, debug=True), pair.name, pair, 1, 0)
    monkeypatch.setattr(checking, "check_files", fail(OutputError("out", "the disk is full", "free some")))
    with pytest.raises(OutputError):
        checking._check(job, pair.name, pair, 1, 0)


def test_one_run_at_a_time(pairs_on_disk):
    found = find_pairs(pairs_on_disk)
    job = Job(pairs_on_disk / "alignment", pairs_on_disk)

    def again(_):
        with pytest.raises(InputError, match="another run"):
            run(job, found, jobs=1, report=pytest.fail, notice=pytest.fail)

    run(job, found, jobs=1, report=again, notice=pytest.fail)
