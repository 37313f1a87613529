import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from lfsynth import workers
from lfsynth.lytro import decoding
from lfsynth.readers import read_light_field


@pytest.fixture
def out(tmp_path):
    return tmp_path / "lf"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_of_captures(run, captures, out):
    ended = run("decode", captures, "--out", out, "--jobs", "1")
    assert ended.code == 0
    assert names(out) == [".lfsynth", "IMG_0001.h5", "IMG_0002.h5"]
    size = sum((out / name).stat().st_size for name in ("IMG_0001.h5", "IMG_0002.h5"))
    assert ended.out.startswith(f"{out}: 2 light fields as hdf5 (0 made earlier), {size / 1e6:.0f} MB, in ")
    said = [line for line in ended.err.splitlines() if "white picture" in line]
    assert [line.split(":")[0] for line in said] == ["IMG_0001", "IMG_0002"]
    assert all(line.endswith("named by the capture (zoom 0 steps off, focus 0 steps off)") for line in said)
    read, decoded = read_light_field(out / "IMG_0001.h5"), read_light_field(captures / "IMG_0001.LFR")
    # half a code of 16 bits where sRGB's curve is steepest; the views may lie outside [0, 1] before they are written
    np.testing.assert_allclose(read.views, decoded.views.clip(0, 1), rtol=0, atol=1.15 / 65535)
    np.testing.assert_allclose(read.weights, decoded.weights)
    assert read.metadata["capture"]["capture"]["exposure_time"] == 0.008
    with h5py.File(out / "IMG_0001.h5") as file:
        assert file["views"].compression == "gzip"
        assert file["views"].chunks == (1, 1, *decoded.views.shape[2:])


def test_what_is_decoded_is_not_decoded_again(run, captures, out, monkeypatch):
    assert run("decode", captures, "--out", out, "--jobs", "1").code == 0
    (out / "IMG_0002.h5").unlink()
    made = []
    written = decoding._written
    monkeypatch.setattr(
        decoding, "_written", lambda job, name, *rest: made.append(name) or written(job, name, *rest)
    )
    ended = run("decode", captures, "--out", out, "--jobs", "1")
    assert made == ["IMG_0002"]
    assert "2 light fields as hdf5 (1 made earlier)" in ended.out
    (captures / "caldata-B5SIMULATED.tar").touch()
    run("decode", captures, "--out", out, "--jobs", "1")
    assert made == ["IMG_0002", "IMG_0001", "IMG_0002"]


@pytest.mark.parametrize(
    ("layout", "made"),
    [("png", ["IMG_0001", "IMG_0002"]), ("eslf", ["IMG_0001_eslf.png", "IMG_0002_eslf.png"])],
)
def test_other_layouts(run, captures, out, layout, made):
    assert run("decode", captures, "--out", out, "--as", layout, "--jobs", "1").code == 0
    assert names(out) == [".lfsynth", *made]
    decoded = read_light_field(captures / "IMG_0002.LFR").centre_view
    read = read_light_field(out / made[1])
    np.testing.assert_allclose(read.centre_view, decoded.clip(0, 1), rtol=0, atol=1.15 / 65535)


def test_two_processes_make_the_same_bytes(run, captures, tmp_path, contents):
    for jobs in (1, 2):
        assert run("decode", captures, "--out", tmp_path / f"lf{jobs}", "--jobs", jobs).code == 0
    one, two = (contents(tmp_path / f"lf{jobs}") for jobs in (1, 2))
    assert len(one) == 5
    assert one == two


def test_a_bad_capture_is_set_aside(run, captures, out):
    bad = captures / "IMG_0001.LFR"
    data = bad.read_bytes()
    bad.write_bytes(data[: len(data) // 2])
    ended = run("decode", captures, "--out", out, "--jobs", "1")
    assert ended.code == 1
    assert names(out) == [".lfsynth", "IMG_0002.h5"]
    assert ended.out.splitlines()[1] == "1 set aside:"
    assert ended.out.splitlines()[2].startswith(f"  {bad}: ")
    assert f"set aside: {bad}: " in ended.err


def test_without_white_pictures(run, captures, out):
    (captures / "caldata-B5SIMULATED.tar").unlink()
    ended = run("decode", captures / "IMG_0001.LFR", "--out", out)
    assert ended.code == 1
    assert ended.out.splitlines()[-1].endswith(
        "give the camera's caldata-*.tar, or the folder of its MOD_xxxx.RAW and .TXT, by --calibration"
    )
    assert names(out) == [".lfsynth"]


def test_what_cannot_be_decoded(run, captures, tmp_path, out):
    ended = run("decode", tmp_path / "nowhere", "--out", out)
    assert (ended.code, ended.err) == (
        2,
        f"lfsynth: {tmp_path}/nowhere: there is no such file or folder; check the path\n",
    )
    (tmp_path / "empty").mkdir()
    ended = run("decode", tmp_path / "empty", "--out", out)
    assert (ended.code, ended.err) == (
        2,
        f"lfsynth: {tmp_path}/empty: holds no raw Lytro captures; give a folder of .LFR files\n",
    )
    (tmp_path / "a.txt").write_text("text")
    ended = run("decode", tmp_path / "a.txt", "--out", out)
    assert (ended.code, ended.err) == (
        2,
        f"lfsynth: {tmp_path}/a.txt: is no raw Lytro capture; give an .LFR file or a folder of them\n",
    )
    ended = run("decode", captures, "--out", out, "--calibration", tmp_path / "no.tar")
    assert (ended.code, ended.err) == (
        2,
        f"lfsynth: {tmp_path}/no.tar: there is no such file or folder; correct --calibration\n",
    )
    assert not out.exists()


def test_light_fields_among_the_captures_are_no_captures(run, captures):
    """A second run finds the same captures when the output lies among them."""
    for _ in range(2):
        ended = run("decode", captures, "--out", captures / "lf", "--jobs", "1", "--limit", "1")
        assert ended.code == 0
    assert "1 light fields as hdf5 (1 made earlier)" in ended.out


def test_left_overs_of_killed_runs_go(run, captures, out):
    (out / ".lfsynth").mkdir(parents=True)
    dead = 2**22 + 1  # above Linux's largest process id
    (out / f".IMG_0001.h5.{dead}.partial").touch()
    folder = out / f".IMG_0002.{dead}.partial"
    folder.mkdir()
    (folder / "view_u00_v00.png").touch()
    alive = out / ".IMG_0003.h5.1.partial"
    alive.touch()
    run("decode", captures, "--out", out, "--jobs", "1", "--limit", "1")
    assert names(out) == [".IMG_0003.h5.1.partial", ".lfsynth", "IMG_0001.h5"]


def test_a_worker_that_dies_is_told(captures, out):
    assert decoding._died("a", Path("a.LFR")).fault == (
        "a.LFR: its process was killed, perhaps for lack of memory; free some memory or take fewer --jobs"
    )
    results = list(
        workers.each(
            lambda name, path, threads, run: name.upper(),
            {"a": captures},
            jobs=1,
            notice=pytest.fail,
            done=lambda name, path: None,
            died=lambda name, path: "died",
        )
    )
    assert results == [("a", "A")]


def test_generate_takes_captures_and_decoded_files_alike(run, captures, tmp_path):
    assert run("decode", captures / "IMG_0002.LFR", "--out", tmp_path / "lf").code == 0
    (captures / "IMG_0002.LFR").unlink()
    shutil.copy(tmp_path / "lf/IMG_0002.h5", captures / "decoded.h5")
    out = tmp_path / "lfdof"
    arguments = ("--apertures", "1", "--focus", "2", "--slopes=-0.5,0.5", "--radii", "3", "--jobs", "1")
    ended = run("generate", "--lf-dir", captures, "--out", out, *arguments)
    assert ended.code == 0, ended
    rows = [json.loads(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    assert {row["scene"] for row in rows} == {"IMG_0001", "decoded"}
