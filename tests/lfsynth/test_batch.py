import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import joblib.externals.loky as loky
import pytest

from lfsynth import batch
from lfsynth.batch import Job, Outcome, run
from lfsynth.generate import Recipe
from lfsynth.lfdof import Dataset, read_manifest, verify
from lfsynth.output_folder import OutputError
from lfsynth.readers import ReadOptions

RECIPE = Recipe(apertures=2, focus=2)
Contents = Callable[[Path], dict[str, str]]


@pytest.fixture(autouse=True)
def _no_workers_left() -> Iterator[None]:
    """Workers are kept for later calls; a test must not inherit another's."""
    yield
    loky.get_reusable_executor().shutdown(wait=True, kill_workers=True)


def scenes_in(raw: Path) -> dict[str, Path]:
    return {path.stem: path for path in sorted(raw.iterdir())}


def job_for(out: Path, recipe: Recipe = RECIPE, *, debug: bool = False) -> Job:
    return Job(Dataset(out), recipe, ReadOptions(), debug=debug)


def make(
    out: Path,
    scenes: dict[str, Path],
    recipe: Recipe = RECIPE,
    *,
    jobs: int = 1,
    debug: bool = False,
    notices: list[str] | None = None,
) -> dict[str, Outcome]:
    """Run a batch; every outcome must have been reported once, and all of its files be in the manifest."""
    reported: list[Outcome] = []
    outcomes = run(
        job_for(out, recipe, debug=debug),
        scenes,
        jobs=jobs,
        report=reported.append,
        notice=(notices if notices is not None else []).append,
    )
    assert sorted(o.scene for o in reported) == sorted(scenes)
    assert [o.scene for o in outcomes] == list(scenes)
    assert list(verify(out, read_manifest(out))) == []
    return {o.scene: o for o in outcomes}


def names(outcomes: dict[str, Outcome], **wanted: bool) -> str:
    return "".join(
        name
        for name, outcome in outcomes.items()
        if outcome.made == wanted.get("made", True) and bool(outcome.fault) == wanted.get("fault", False)
    )


def test_any_number_of_processes_makes_the_same(tmp_path: Path, raw: Path, contents: Contents) -> None:
    out = tmp_path / "out"
    assert names(make(out, scenes_in(raw), jobs=1)) == "abcd"
    alone = contents(out)
    assert len(alone) == 4 * 5 + 4 + 3  # pictures; records; lock, workers, manifest
    shutil.rmtree(out)
    assert names(make(out, scenes_in(raw), jobs=2)) == "abcd"
    assert contents(out) == alone


def test_what_is_there_is_not_made_again(tmp_path: Path, raw: Path, contents: Contents) -> None:
    out = tmp_path / "out"
    first = make(out, scenes_in(raw))
    before = contents(out)
    again = make(out, scenes_in(raw))
    assert names(again, made=False) == "abcd"
    assert [o.rows for o in again.values()] == [o.rows for o in first.values()]
    assert contents(out) == before
    os.utime(raw / "b.h5", (1, 1))
    assert names(make(out, scenes_in(raw))) == "b"
    (out / "train_data" / "ground_truth" / "c.png").unlink()
    assert names(make(out, scenes_in(raw))) == "c"


def test_scenes_of_earlier_runs_stay_in_the_manifest(tmp_path: Path, raw: Path) -> None:
    out = tmp_path / "out"
    make(out, {"b": raw / "b.h5"})
    make(out, {"a": raw / "a.h5"})
    assert [row["scene"] for row in read_manifest(out)] == ["a"] * 5 + ["b"] * 5


def test_a_scene_under_a_new_name_is_not_there_twice(tmp_path: Path, raw: Path) -> None:
    out = tmp_path / "out"
    make(out, {"a": raw / "a.h5", "b": raw / "b.h5"})
    make(out, {"raw_a": raw / "a.h5"})
    assert Dataset(out).scenes() == ["b", "raw_a"]
    assert not (out / "train_data" / "input" / "a").exists()


def test_a_bad_light_field_is_set_aside(tmp_path: Path, raw: Path) -> None:
    (raw / "b.h5").write_text("no light field")
    (raw / "c.h5").unlink()
    scenes = {**scenes_in(raw), "c": raw / "c.h5"}
    outcomes = make(tmp_path / "out", scenes, jobs=2)
    assert names(outcomes) == "ad"
    assert outcomes["b"].fault.startswith(f"{raw}/b.h5: is damaged or no HDF5")
    assert outcomes["c"].fault == f"{raw}/c.h5: there is no such file or folder; check the path"
    failed = [row for row in read_manifest(tmp_path / "out") if row["kind"] == "failed"]
    assert [(row["scene"], row["light_field"]) for row in failed] == [("b", "b.h5"), ("c", "c.h5")]
    assert failed[1]["fault"] == outcomes["c"].fault


def test_a_light_field_that_went_bad_takes_its_old_pictures_along(tmp_path: Path, raw: Path) -> None:
    make(tmp_path / "out", scenes_in(raw))
    (raw / "b.h5").write_text("no light field")
    assert names(make(tmp_path / "out", scenes_in(raw)), fault=True) == "b"
    assert Dataset(tmp_path / "out").scenes() == ["a", "c", "d"]


def test_another_light_field_of_the_same_name_leaves_the_first_alone(tmp_path: Path, raw: Path) -> None:
    make(tmp_path / "out", scenes_in(raw))
    other = tmp_path / "other" / "a.h5"
    other.parent.mkdir()
    shutil.copy(raw / "a.h5", other)
    outcomes = make(tmp_path / "out", {"a": other})
    assert "the dataset has a scene a already" in outcomes["a"].fault
    assert Dataset(tmp_path / "out").scenes() == ["a", "b", "c", "d"]


def test_an_unexpected_error_is_set_aside_and_debug_lets_it_through(
    tmp_path: Path, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = batch.write_scene

    def fail(dataset: Dataset, scene: str, *others: object, **options: object) -> object:
        if scene == "b":
            raise ZeroDivisionError("by chance")
        if scene == "c":
            raise MemoryError("Unable to allocate 9 GiB")
        return real(dataset, scene, *others, **options)

    monkeypatch.setattr(batch, "write_scene", fail)
    outcomes = make(tmp_path / "out", scenes_in(raw))
    assert names(outcomes) == "ad"
    assert outcomes["b"].fault == (
        f"{raw}/b.h5: unexpected ZeroDivisionError: by chance; run again with --debug and report it"
    )
    assert outcomes["c"].fault == (
        f"{raw}/c.h5: does not fit into memory (Unable to allocate 9 GiB); free some or take fewer --jobs"
    )
    with pytest.raises(ZeroDivisionError):
        make(tmp_path / "out", scenes_in(raw), debug=True)


def test_a_full_disk_stops_the_batch_and_the_next_run_goes_on(
    tmp_path: Path, raw: Path, monkeypatch: pytest.MonkeyPatch, contents: Contents
) -> None:
    out = tmp_path / "out"
    make(out, scenes_in(raw))
    undisturbed = contents(out)
    shutil.rmtree(out)
    real = os.fsync
    left = 8

    def fill(descriptor: int) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fill)
    reported: list[Outcome] = []
    with pytest.raises(OutputError, match=r"out: the disk is full; free some space and run the same command"):
        run(job_for(out), scenes_in(raw), jobs=1, report=reported.append, notice=pytest.fail)
    assert [o.scene for o in reported] == ["a"]  # the others were not even tried
    assert set(contents(out)) == {
        ".lfsynth/a.json",
        ".lfsynth/lock",
        ".lfsynth/workers",
        "train_data/ground_truth/a.png",
        *(f"train_data/input/a/a_ap{a}_{f:02d}.png" for a in (1, 2) for f in (0, 1)),
    }
    monkeypatch.undo()
    assert names(make(out, scenes_in(raw))) == "bcd"
    assert contents(out) == undisturbed


def test_a_really_full_disk(tmp_path: Path, raw: Path, contents: Contents) -> None:
    out = tmp_path / "out"
    out.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "lfsynth-test", str(out)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("mounting a small disk needs root and the right to mount")
    try:
        ballast = out / "ballast"
        ballast.write_bytes(bytes(140_000))
        with pytest.raises(OutputError, match=r"out: the disk is full;"):
            run(job_for(out), scenes_in(raw), jobs=2, report=lambda _: None, notice=pytest.fail)
        left = set(contents(out)) - {"ballast"}
        assert not [name for name in left if ".partial" in name or ".begun" in name]
        whole = {path.stem for path in (out / ".lfsynth").glob("*.json")}
        assert {Path(name).parts[2].removesuffix(".png") for name in left if "_data/" in name} == whole
        assert len(whole) < 4
        ballast.unlink()
        subprocess.run([*mount[:4], "remount,size=10m", str(out)], check=True)
        make(out, scenes_in(raw), jobs=2)
        assert Dataset(out).scenes() == ["a", "b", "c", "d"]
    finally:
        subprocess.run(["umount", str(out)], check=True)


def children_of(pid: int) -> list[int]:
    """Process ids of workers."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    children = [int(child) for task in tasks for child in task.read_text().split()]
    return [pid for pid in children if "LokyProcess" in Path(f"/proc/{pid}/cmdline").read_text()]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_killed_worker_costs_no_light_field(tmp_path: Path, raw: Path) -> None:
    """One worker is killed from outside while it writes, as the kernel does when memory runs out."""

    def kill() -> None:
        while not (tmp_path / "out" / "train_data" / "input").exists():
            time.sleep(0.001)
        os.kill(children_of(os.getpid())[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    notices: list[str] = []
    outcomes = make(tmp_path / "out", scenes_in(raw), jobs=2, notices=notices)
    killer.join()
    assert names(outcomes) == "abcd"
    assert notices == ["a process was killed, perhaps for lack of memory; if that goes on, take fewer --jobs"]


def test_a_light_field_that_kills_its_worker_is_found(
    tmp_path: Path, raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make_or_die(job: Job, scene: str, path: Path, threads: int, run: int) -> Outcome:
        if scene == "b":
            os.kill(os.getpid(), signal.SIGKILL)
        return batch._make(job, scene, path, threads, run)

    # A function within a function is sent to the workers whole, and finds the module's own there.
    monkeypatch.setattr(batch, "_make", make_or_die)
    outcomes = make(tmp_path / "out", scenes_in(raw), jobs=2)
    assert names(outcomes) == "acd"
    assert outcomes["b"].fault == (
        f"{raw}/b.h5: its process was killed, perhaps for lack of memory; "
        "free some memory or take fewer --jobs"
    )


def command_for(raw: Path, out: Path) -> list[str]:
    arguments = ["--apertures", "2", "--focus", "2", "--jobs", "2", "--defocus-maps"]
    return [sys.executable, "-m", "lfsynth", "generate", "--lf-dir", str(raw), "--out", str(out), *arguments]


def test_a_run_that_is_killed_is_taken_up_byte_for_byte(
    tmp_path: Path, raw: Path, contents: Contents
) -> None:
    out = tmp_path / "out"
    command = command_for(raw, out)
    subprocess.run(command, check=True, capture_output=True)
    undisturbed = contents(out)
    shutil.rmtree(out)
    rng = random.Random(0)
    for _ in range(2):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while not (out / "train_data" / "input").exists() and process.poll() is None:
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.2))
        workers = children_of(process.pid)
        process.kill()
        process.wait()
    # The second run may have met workers of the first. That they end, even without another run:
    began = time.monotonic()
    while any(is_alive(worker) for worker in workers):
        assert time.monotonic() - began < 60
        time.sleep(0.01)
    subprocess.run(command, check=True, capture_output=True)
    assert contents(out) == undisturbed


def test_a_second_run_says_so_and_stops(tmp_path: Path, raw: Path) -> None:
    out = tmp_path / "out"
    started = threading.Event()
    go_on = threading.Event()

    def report(_: Outcome) -> None:
        started.set()
        assert go_on.wait(60)

    first = threading.Thread(
        target=lambda: run(job_for(out), scenes_in(raw), jobs=1, report=report, notice=pytest.fail)
    )
    first.start()
    assert started.wait(60)
    second = subprocess.run(command_for(raw, out), capture_output=True, text=True)
    go_on.set()
    first.join()
    assert second.returncode == 2
    assert second.stdout == ""
    assert second.stderr == (
        f"lfsynth: {out}: another run (process {os.getpid()}) is writing here; "
        "wait for it, stop it, or choose another folder with --out\n"
    )
    assert [row["scene"] for row in read_manifest(out)] == [*"aaaaabbbbbcccccddddd"]
