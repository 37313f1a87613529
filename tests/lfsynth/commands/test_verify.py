from pathlib import Path

import pytest


@pytest.fixture
def out(run, tmp_path: Path, raw: Path) -> Path:
    options = ["--apertures", 1, "--focus", 2, "--limit", 2, "--jobs", 1]
    assert run("generate", "--lf-dir", raw, "--out", tmp_path / "out", *options).code == 0
    return tmp_path / "out"


def test_a_whole_dataset(run, out: Path) -> None:
    ended = run("verify", out)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == f"{out}: 6 pictures in the manifest, 0 faults\n"


def test_each_fault_is_told(run, out: Path) -> None:
    pictures = sorted(out.rglob("*.png"))
    names = [path.relative_to(out).as_posix() for path in pictures]
    data = bytearray(pictures[0].read_bytes())
    data[len(data) // 2] ^= 1
    pictures[0].write_bytes(data)
    pictures[1].unlink()
    (out / "train_data" / "input" / "a" / "notes.txt").write_text("x")
    ended = run("verify", out)
    assert ended.code == 1
    assert sorted(ended.out.splitlines()) == sorted(
        [
            f"{names[0]}: its content has changed",
            f"{names[1]}: missing",
            "train_data/input/a/notes.txt: not in the manifest",
            f"{out}: 6 pictures in the manifest, 3 faults",
        ]
    )


def test_what_was_set_aside_is_told_and_is_no_fault(run, tmp_path: Path, raw: Path, out: Path) -> None:
    (raw / "a.h5").write_text("x")
    run("generate", "--lf-dir", raw / "a.h5", "--out", out, "--jobs", 1)
    ended = run("verify", out)
    assert ended.code == 0
    assert f"set aside when the dataset was made: {raw}/a.h5: is damaged" in ended.out


def test_a_folder_without_a_manifest(run, tmp_path: Path) -> None:
    ended = run("verify", tmp_path)
    assert ended.code == 2
    assert ended.err.startswith(
        f"lfsynth: {tmp_path}/manifest.jsonl: cannot be read (No such file or directory);"
    )


def test_a_damaged_manifest(run, out: Path) -> None:
    (out / "manifest.jsonl").write_bytes(b"\xff\n")
    ended = run("verify", out)
    assert ended.code == 2
    assert ended.err == (
        f"lfsynth: {out}/manifest.jsonl: line 1 is damaged; run lfsynth generate again, which writes it anew\n"
    )
