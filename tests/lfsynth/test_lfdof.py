import json
import re
from pathlib import Path

import pytest

from lfsynth.errors import InputError
from lfsynth.lfdof import (
    Dataset,
    input_name,
    read_manifest,
    read_record,
    scene_names,
    split_of,
    verify,
    write_json,
    write_manifest,
)


@pytest.mark.parametrize("split", ["train", "test"])
def test_names_are_those_of_lfdof(shared_data: Path, split: str) -> None:
    lines = (shared_data / "dataset_lists" / f"Dataset_{split}_LFDOF").read_text().split()
    dataset = Dataset(Path("LFDOF"))
    for line in lines:
        # The published lists were written on Windows.
        defocused, truth = line.replace("\\", "/").split(",")
        match = re.search(r"/(\w+)/\w+_ap(\d+)_(\d+)\.png$", defocused)
        assert match is not None, line
        name = input_name(match[1], int(match[2]), int(match[3]))
        assert (dataset.inputs(split, match[1]) / name).as_posix() == defocused
        assert dataset.ground_truth(split, match[1]).as_posix() == truth
    assert len(lines) > 700


def test_split_is_that_of_the_name_alone() -> None:
    # The first eight bytes of SHA-256 as a fraction, computed with coreutils' sha256sum.
    assert split_of("a", 0.79137427) == "train"
    assert split_of("a", 0.79137428) == "test"
    assert split_of("b", 0.24273539) == "train"
    assert split_of("b", 0.24273540) == "test"


def test_split_has_the_asked_proportion() -> None:
    number = sum(split_of(f"IMG_{i:04d}", 0.06) == "test" for i in range(10000))
    # A binomial of 10,000 draws at 0.06 has a standard deviation of 24; the names are fixed, so this is too.
    assert abs(number - 600) < 72
    assert not any(split_of(f"IMG_{i:04d}", 0.0) == "test" for i in range(100))
    assert all(split_of(f"IMG_{i:04d}", 1.0) == "test" for i in range(100))


def test_a_larger_test_fraction_keeps_what_is_in_test() -> None:
    names = [f"IMG_{i:04d}" for i in range(1000)]
    small = {name for name in names if split_of(name, 0.06) == "test"}
    assert small < {name for name in names if split_of(name, 0.2) == "test"}


def names_of(*paths: str) -> list[str]:
    found = [Path(path) for path in paths]
    return list(scene_names(found, (path.stem for path in found)))


def test_scene_names() -> None:
    assert names_of("/raw/IMG_1.h5", "/raw/IMG 2 (x).h5") == ["IMG_1", "IMG_2_x"]
    assert names_of("/raw/.h5", "/raw/größe.h5") == ["h5", "größe"]


def test_scenes_of_one_name_are_told_apart() -> None:
    assert names_of("/raw/x/IMG_1", "/raw/y/IMG_1", "/raw/IMG_2") == ["x_IMG_1", "y_IMG_1", "IMG_2"]
    assert names_of("/x/1/IMG", "/y/1/IMG") == ["x_1_IMG", "y_1_IMG"]
    assert names_of("/raw/IMG_1.h5", "/raw/IMG_1.lfp") == ["IMG_1.h5", "IMG_1.lfp"]
    # as one file system in three would have it
    assert names_of("/raw/x/img", "/raw/y/IMG") == ["x_img", "y_IMG"]
    # and the longer name may be taken
    assert len(set(names_of("/raw/x/IMG", "/raw/y/IMG", "/raw/z/x_IMG"))) == 3


def test_names_that_cannot_be_told_apart_are_refused() -> None:
    with pytest.raises(InputError, match=r"^/raw/b\?: has the same name as /raw/b\*; rename one of them$"):
        names_of("/raw/b?", "/raw/b*")


def test_records_are_read_back(tmp_path: Path) -> None:
    dataset = Dataset(tmp_path)
    dataset.state.mkdir()
    record = {"key": "k", "identity": "i", "source": "s", "rows": []}
    write_json(dataset.record("a.b"), record)
    assert read_record(dataset, "a.b") == record
    assert dataset.scenes() == ["a.b"]
    assert read_record(dataset, "other") is None


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"key": 1}', '{"rows": {}}', "\xff"])
def test_a_damaged_record_counts_for_nothing(tmp_path: Path, text: str) -> None:
    dataset = Dataset(tmp_path)
    dataset.state.mkdir()
    dataset.record("a").write_text(text, encoding="latin-1")
    assert read_record(dataset, "a") is None


ROW = {"kind": "input", "path": "train_data/x.png", "bytes": 3, "sha256": "0"}


def test_manifest_is_read_back_in_order(tmp_path: Path) -> None:
    rows = [ROW, {"kind": "failed", "fault": "größer\u2028"}, {**ROW, "slope": -0.25}]
    write_manifest(Dataset(tmp_path), rows)
    assert read_manifest(tmp_path) == rows
    assert [json.loads(line) for line in (tmp_path / "manifest.jsonl").read_text().split("\n")[:-1]] == rows


def test_a_manifest_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"manifest\.jsonl: cannot be read .*; give the folder that lfsynth"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("line", [b"x", b"[]", b'{"kind": "input"}', b"\xff\xfe", b'{"kind": "failed"}'])
def test_a_damaged_manifest_is_refused(tmp_path: Path, line: bytes) -> None:
    (tmp_path / "manifest.jsonl").write_bytes(json.dumps(ROW).encode() + b"\n" + line + b"\n")
    with pytest.raises(InputError, match=r"line 2 is damaged; run lfsynth generate again"):
        read_manifest(tmp_path)


def test_verify_tells_each_fault(tmp_path: Path) -> None:
    folder = tmp_path / "train_data"
    folder.mkdir()
    sha = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # of b"abc", FIPS 180-2
    rows = [{**ROW, "path": f"train_data/{name}.png", "sha256": sha} for name in ("ok", "bit", "cut", "gone")]
    for name, data in (("ok", b"abc"), ("bit", b"abb"), ("cut", b"ab"), ("extra", b"abc")):
        (folder / f"{name}.png").write_bytes(data)
    rows.append({"kind": "failed", "fault": "x"})
    assert list(verify(tmp_path, rows)) == [
        "train_data/bit.png: its content has changed",
        "train_data/cut.png: 2 bytes, the manifest says 3",
        "train_data/gone.png: missing",
        "train_data/extra.png: not in the manifest",
    ]
