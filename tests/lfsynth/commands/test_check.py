import csv
import json

import pytest

from lfsynth.pictures import write


@pytest.fixture
def scenes(pairs_on_disk):
    """Paths of a dataset's inputs: aligned, misaligned, cannot tell."""
    inputs = pairs_on_disk / "train_data/input"
    return [
        inputs / name
        for name in ("IMG_1/IMG_1_ap1_00.png", "IMG_2/IMG_2_ap1_00.png", "IMG_3/IMG_3_ap3_04.png")
    ]


def test_a_dataset(run, pairs_on_disk):
    ended = run("check", "--data", pairs_on_disk, "--jobs", 1)
    assert ended.code == 0
    first, last = ended.out.splitlines()
    assert first.startswith(
        f"{pairs_on_disk}: 4 pairs, 2 aligned, 1 misaligned, 1 cannot tell (0 judged earlier) in "
    )
    out = pairs_on_disk / "alignment"
    assert last == f"{out}/report.html: to look at; alignment.csv and alignment.json: the numbers"
    lines = ended.err.splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("train_data/input/IMG_1/IMG_1_ap1_00.png: aligned: ")
    assert lines[2].startswith(
        "train_data/input/IMG_2/IMG_2_ap1_00.png: misaligned: the sharp picture is moved by "
    )
    ended = run("check", "--data", pairs_on_disk, "--jobs", 1, "--layout", "lfdof", "--limit", 2)
    assert "2 pairs, 2 aligned, 0 misaligned, 0 cannot tell (2 judged earlier)" in ended.out
    assert ended.err == ""
    assert len(list(csv.DictReader((out / "alignment.csv").read_text().splitlines()))) == 2


def test_options_reach_the_judge(run, pairs_on_disk, tmp_path):
    options = {
        "window": 40, "stride": 10, "radius": 4, "threshold": 3.5, "focus": 0.4, "precision": 0.2, "least_area": 0.02,
    }  # fmt: skip
    arguments = [text for name, value in options.items() for text in (f"--{name.replace('_', '-')}", value)]
    ended = run(
        "check", "--data", pairs_on_disk, "--out", tmp_path / "out", *arguments, "--transfer", "gamma:2.2"
    )
    assert ended.code == 0
    document = json.loads((tmp_path / "out/alignment.json").read_text())
    assert document["options"] == options
    assert document["transfer"] == "gamma:2.2"
    assert "0 misaligned" in ended.out


@pytest.mark.parametrize(("which", "code"), [(0, 0), (1, 3), (2, 0)])
def test_one_pair_as_a_gate(run, scenes, tmp_path, which, code):
    target = scenes[which].parents[2] / "ground_truth" / f"{scenes[which].parent.name}.png"
    arguments = ("--input", scenes[which], "--target", target, "--out", tmp_path / "out")
    assert run("check", *arguments, "--fail-on", "misaligned").code == code
    assert run("check", *arguments).code == 0


def test_the_default_folder_of_one_pair(run, scenes, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    target = scenes[0].parents[2] / "ground_truth/IMG_1.png"
    assert run("check", "--input", scenes[0], "--target", target).code == 0
    assert (tmp_path / "alignment/report.html").is_file()


def test_what_a_training_must_leave_out(run, pairs_on_disk, tmp_path):
    data = pairs_on_disk / "train_data"
    (data / "input/IMG_4").mkdir()
    (data / "input/IMG_4/IMG_4_ap1_00.png").write_bytes(b"")
    (data / "ground_truth/IMG_4.png").write_bytes((data / "ground_truth/IMG_1.png").read_bytes())
    (data / "ground_truth/IMG_3.png").unlink()
    ended = run("check", "--data", pairs_on_disk, "--exclude-list", tmp_path / "bad.txt", "--jobs", 1)
    assert ended.code == 1
    assert (tmp_path / "bad.txt").read_text().splitlines() == [
        "train_data/input/IMG_2/IMG_2_ap1_00.png",
        "train_data/input/IMG_3/IMG_3_ap3_04.png",
        "train_data/input/IMG_4/IMG_4_ap1_00.png",
    ]
    assert ended.out.splitlines()[1:4] == [
        "2 set aside:",
        f"  {data}/input/IMG_3/IMG_3_ap3_04.png: has no target IMG_3.* in {data}/ground_truth; add it or remove "
        "the input",
        f"  {data}/input/IMG_4/IMG_4_ap1_00.png: it is empty; copy or export it again",
    ]
    assert [line.split(":")[0] for line in ended.err.splitlines() if "IMG_3" in line or "IMG_4" in line] == [
        "set aside",
        "set aside",
    ]
    # What is misaligned says more than what was set aside.
    assert run("check", "--data", pairs_on_disk, "--fail-on", "misaligned", "--jobs", 1).code == 3


def test_two_folders(run, textured_pair, tmp_path):
    blurred, sharp = textured_pair()
    for folder, picture in (("blurred", blurred), ("sharp", sharp)):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder / "1.png", picture)
    ended = run(
        "check", "--input", tmp_path / "blurred", "--target", tmp_path / "sharp", "--out", tmp_path / "out"
    )
    assert ended.out.startswith(f"{tmp_path}: 1 pairs, 1 aligned")


def test_what_cannot_be_checked(run, pairs_on_disk, tmp_path):
    for arguments, line in (
        ((), "lfsynth check: is told no pictures; give --data, or --input and --target"),
        (("--input", "a.png"), "lfsynth check: is told no pictures; give --data, or --input and --target"),
        (
            ("--data", "a", "--target", "b"),
            "--data: given together with --input or --target; give one or the other",
        ),
        (("--layout", "dpdd"), "--layout: given without --data; name the dataset's folder by --data"),
        (
            ("--data", pairs_on_disk, "--window", 12),
            "lfsynth check: window must be a multiple of stride, twice it or more, and stride 2 or more, not 12 and 8; "
            "correct the options",
        ),
        (
            ("--data", pairs_on_disk, "--exclude-list", tmp_path / "no/bad.txt"),
            f"{tmp_path}/no/bad.txt: its folder does not exist; make it or choose another --exclude-list",
        ),
        (("--data", tmp_path / "no"), f"{tmp_path}/no: there is no such folder; check --data"),
        (
            ("--data", pairs_on_disk, "--transfer", "log"),
            None,
        ),
    ):
        ended = run("check", *arguments)
        assert ended.code == 2
        if line is not None:
            assert ended.err == f"lfsynth: {line}\n"
    assert not (pairs_on_disk / "alignment").exists()
