import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lfsynth.dataset_writing import locked, remove, replacing, working
from lfsynth.errors import InputError
from lfsynth.lfdof import Dataset
from lfsynth.output_folder import OutputError, writing
from lfsynth.pictures import write_bytes_atomic


def files(root: Path) -> set[str]:
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


STATE = {".lfsynth/lock", ".lfsynth/workers"}


def fill(dataset: Dataset, scene: str, split: str = "train") -> None:
    """Write a scene of one picture each, and its record."""
    for path in (
        dataset.inputs(split, scene) / "x.png",
        dataset.defocus_maps(split, scene) / "x.png",
        dataset.ground_truth(split, scene),
        dataset.record(scene),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(scene)


def test_the_second_to_lock_is_told_who_holds_it(tmp_path: Path) -> None:
    dataset = Dataset(tmp_path / "out")
    fault = rf"another run \(process {os.getpid()}\) is writing here; wait for it"
    with locked(dataset), pytest.raises(InputError, match=fault), locked(dataset):
        pass
    with locked(dataset):
        pass
    assert (dataset.state / "lock").read_bytes() == b""


def test_the_lock_goes_with_a_killed_process(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from lfsynth.lfdof import Dataset\n"
        "from lfsynth.dataset_writing import locked\n"
        "with locked(Dataset(Path(sys.argv[1]))):\n"
        "    print('locked', flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        with pytest.raises(InputError, match=rf"process {process.pid}\)"), locked(Dataset(tmp_path)):
            pass
        process.send_signal(signal.SIGKILL)
    with locked(Dataset(tmp_path)):
        pass


def test_a_foreign_dataset_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "train_data").mkdir()
    fault = r"holds train_data that lfsynth did not make; choose another"
    with pytest.raises(InputError, match=fault), locked(Dataset(tmp_path)):
        pass
    assert not (tmp_path / ".lfsynth").exists()


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("x")
    with (
        pytest.raises(OutputError, match=r"out: cannot be written to \(.*\); cure that"),
        locked(Dataset(tmp_path / "out")),
    ):
        pass


def test_what_a_killed_run_left_is_swept(tmp_path: Path) -> None:
    dataset = Dataset(tmp_path)
    with locked(dataset):
        fill(dataset, "whole")
        fill(dataset, "x.partial")
        whole = files(tmp_path)
        fill(dataset, "begun", split="test")
        (dataset.state / "begun.begun").touch()
        for name in (
            ".manifest.jsonl.7.partial",
            ".lfsynth/.c.json.7.partial",
            "train_data/ground_truth/.c.png.7.partial",
            "train_data/input/.c.7.partial/c_ap1_00.png",
            "test_data/defocus/.c.7.partial/.c_ap1_00.png.7.partial",
        ):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text("half")
    assert files(tmp_path) == whole | STATE
    assert dataset.scenes() == ["whole", "x.partial"]


def replace_and_fail(dataset: Dataset) -> None:
    with replacing(dataset, "a"):
        assert dataset.scenes() == []
        fill(dataset, "a")
        raise OSError(errno.ENOSPC, "No space")


def test_replacing_that_fails_leaves_nothing(tmp_path: Path) -> None:
    dataset = Dataset(tmp_path)
    with locked(dataset):
        fill(dataset, "a", split="test")
        with pytest.raises(OSError, match="No space"):
            replace_and_fail(dataset)
    assert files(tmp_path) == STATE


def test_replacing_keeps_the_new_scene(tmp_path: Path) -> None:
    dataset = Dataset(tmp_path)
    with locked(dataset):
        fill(dataset, "a", split="test")
        with replacing(dataset, "a"):
            assert (dataset.state / "a.begun").exists()
            fill(dataset, "a")
    assert not dataset.ground_truth("test", "a").exists()
    assert dataset.ground_truth("train", "a").exists()
    remove(dataset, "a")
    assert files(tmp_path) == STATE


def test_a_worker_knows_whether_its_run_lives(tmp_path: Path) -> None:
    dataset = Dataset(tmp_path)
    dataset.state.mkdir()
    for run, wanted in ((os.getpid(), True), (os.getppid(), True), (2**22 + 1, False)):
        with working(dataset, run) as told:
            assert told is wanted


def test_a_new_run_waits_for_workers_of_a_killed_one(tmp_path: Path) -> None:
    dataset = Dataset(tmp_path)
    dataset.state.mkdir()
    code = (
        "import sys, os; from pathlib import Path; from lfsynth.lfdof import Dataset\n"
        "from lfsynth.dataset_writing import working\n"
        "with working(Dataset(Path(sys.argv[1])), 0):\n"
        "    print('working', flush=True); sys.stdin.read(); Path(sys.argv[1], 'done').touch()"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "working\n"
        # The worker ends once it is known that it is waited for.
        with locked(dataset, waiting=process.stdin.close):
            assert (tmp_path / "done").exists()


@pytest.mark.parametrize(
    ("number", "kind", "fault"),
    [
        (errno.ENOSPC, OutputError, r": the disk is full; free some space and run the same command again"),
        (errno.EDQUOT, OutputError, r": the disk is full;"),
        (
            errno.EROFS,
            OutputError,
            r": cannot be written to \(.*\); cure that and run the same command again",
        ),
        (errno.ENAMETOOLONG, InputError, r": a scene's name is too long for the file system; rename"),
    ],
)
def test_errors_of_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[InputError], fault: str
) -> None:
    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(InputError, match=fault) as raised, writing(tmp_path):
        write_bytes_atomic(tmp_path / "x", b"x")
    assert type(raised.value) is kind
    assert files(tmp_path) == set()


def test_other_errors_pass_unchanged(tmp_path: Path) -> None:
    error = InputError("x", "y", "z")
    with pytest.raises(InputError) as raised, writing(tmp_path):
        raise error
    assert raised.value is error
