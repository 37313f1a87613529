"""A real Dask scheduler and two workers on this machine, each a process of its own."""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import joblib
import pytest

from lfsynth import __version__
from lfsynth.batch import Job
from lfsynth.batch import run as runner
from lfsynth.dataset_writing import alone, locked
from lfsynth.generate import Recipe
from lfsynth.lfdof import Dataset, read_manifest
from lfsynth.readers import ReadOptions
from lfsynth.surroundings import Surroundings, UnfitWorkerError

distributed = pytest.importorskip("distributed", reason="Dask is not installed (extra cluster)")
cluster_module = importlib.import_module("lfsynth.cluster")

Contents = Callable[[Path], dict[str, str]]
RECIPE = ("--apertures", "2", "--focus", "2", "--check-every", "0")
PATIENCE = 120.0

# In each worker: what files in a folder say happens while a scene is half-written.
HOOK = """
import os, signal, time
from pathlib import Path
from lfsynth import pictures, surroundings

CONTROL = Path({control!r})
if not hasattr(pictures, "controlled"):  # Dask runs this file twice
    write, versions = pictures.write, surroundings._versions

def controlled(path, *arguments, **options):
    written = write(path, *arguments, **options)
    scene, _, setting = path.name.partition("_")
    if setting == "ap1_01.png":
        (CONTROL / f"{{scene}}.begun").touch()
        while (CONTROL / "hold").exists():
            time.sleep(0.01)
        once = CONTROL / f"kill-{{scene}}-once"
        if once.exists() or (CONTROL / f"kill-{{scene}}").exists():
            once.unlink(missing_ok=True)
            (CONTROL / "deaths").open("a").write(scene)
            os.kill(os.getpid(), signal.SIGKILL)
    return written

def other_versions():
    if (CONTROL / "old").exists():
        return tuple((name, "0.0.1" if name == "lfsynth" else version) for name, version in versions())
    return versions()

if not hasattr(pictures, "controlled"):  # Dask runs this file twice
    pictures.write = pictures.controlled = controlled
    surroundings._versions = other_versions
"""


def until(happened: Callable[[], object]) -> None:
    began = time.monotonic()
    while not happened():
        assert time.monotonic() - began < PATIENCE
        time.sleep(0.01)


@contextmanager
def process(*arguments: object, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as file:
        started = subprocess.Popen([sys.executable, *map(str, arguments)], stdout=file, stderr=file)
    try:
        yield started
    finally:
        started.terminate()
        try:
            started.wait(30)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


@contextmanager
def client(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as started:
        try:
            yield started
        finally:
            started.kill()


@contextmanager
def scheduler(folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    file = folder / "scheduler.json"
    arguments = ["--host", "127.0.0.1", "--port", 0, "--dashboard-address", "127.0.0.1:0", "--no-show"]
    arguments += ["--scheduler-file", file]
    with process("-m", "distributed.cli.dask_scheduler", *arguments, log=folder / "log") as started:
        until(lambda: file.exists() and file.read_text().endswith("}"))
        yield json.loads(file.read_text())["address"], started


class Cluster:
    """A scheduler with two workers, and the folder of files that say what happens in them."""

    def __init__(self, address: str, control: Path) -> None:
        self.address = address
        self.control = control

    def command(self, raw: Path, out: Path) -> list[str]:
        return [sys.executable, "-m", "lfsynth", *self.arguments(raw, out)]

    def arguments(self, raw: Path, out: Path) -> list[str]:
        return ["generate", "--lf-dir", str(raw), "--out", str(out), *RECIPE, "--cluster", self.address]

    def begun(self) -> int:
        return len(list(self.control.glob("*.begun")))


@pytest.fixture(scope="module")
def running_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    control = folder / "control"
    control.mkdir()
    (folder / "hook.py").write_text(HOOK.format(control=str(control)))
    with ExitStack() as stack:
        address, _ = stack.enter_context(scheduler(folder))
        # Two nannies, each of which starts a worker anew when it dies.
        options = ["--nworkers", 2, "--nthreads", 1, "--no-dashboard", "--memory-limit", 0]
        options += ["--local-directory", folder / "scratch", "--preload", folder / "hook.py"]
        stack.enter_context(
            process("-m", "distributed.cli.dask_worker", address, *options, log=folder / "log")
        )
        until(lambda: (folder / "log").read_text().count("Registered to:") == 2)
        yield Cluster(address, control)
    shutil.rmtree(folder)


@pytest.fixture
def cluster(running_cluster: Cluster) -> Iterator[Cluster]:
    yield running_cluster
    for file in running_cluster.control.iterdir():
        file.unlink()


@pytest.fixture
def run(running: Callable[..., Any]) -> Callable[..., Any]:
    from lfsynth.cli import main

    return running(main)


@pytest.fixture
def run_alone(run: Callable[..., Any], contents: Contents) -> Callable[[Path, Path], dict[str, str]]:
    """What a run on this machine alone makes, at the same place."""

    def generate(raw: Path, out: Path) -> dict[str, str]:
        run("generate", "--lf-dir", raw, "--out", out, *RECIPE, "--jobs", 1)
        made = contents(out)
        shutil.rmtree(out)
        return made

    return generate


def test_a_worker_killed_in_the_middle_costs_no_light_field(
    tmp_path: Path, raw: Path, cluster: Cluster, run, run_alone, contents: Contents
) -> None:
    alone = run_alone(raw, tmp_path / "out")
    (cluster.control / "kill-b-once").touch()
    ended = run(*cluster.arguments(raw, tmp_path / "out"))
    assert (cluster.control / "deaths").read_text() == "b"
    assert ended.code == 0
    assert re.search(r"^the worker tcp://127\.0\.0\.1:\d+ is gone; ", ended.err, re.MULTILINE)
    assert "16 training and 0 test pairs of 4 light fields (0 made earlier)" in ended.out
    assert contents(tmp_path / "out") == alone
    assert "(4 made earlier)" in run(*cluster.arguments(raw, tmp_path / "out")).out
    assert contents(tmp_path / "out") == alone


def _allow_failures(number: int, dask_scheduler: Any) -> None:
    dask_scheduler.allowed_failures = number


def test_a_light_field_that_kills_its_workers_is_set_aside_as_is_a_bad_one(
    tmp_path: Path, raw: Path, cluster: Cluster, run, contents: Contents, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where Dask gives what a worker had up with the worker, as it does after several."""
    with distributed.Client(cluster.address, set_as_default=False) as dask:
        dask.run_on_scheduler(_allow_failures, 0)
    (cluster.control / "kill-b").touch()
    (raw / "c.h5").write_text("no light field")
    monkeypatch.chdir(tmp_path)
    ended = run(*cluster.arguments(Path("raw"), Path("out")))
    assert ended.code == 1
    assert (cluster.control / "deaths").read_text() == "bb"
    died = (
        "raw/b.h5: 2 workers died while they had it, perhaps for lack of memory; give the workers more memory"
    )
    assert f"set aside: {died}\n" in ended.err
    rows = read_manifest(tmp_path / "out")
    bad = run("info", Path("raw/c.h5")).err.removeprefix("lfsynth: ").removesuffix("\n")
    assert [row["fault"] for row in rows if row["kind"] == "failed"] == [died, bad]
    assert {row["scene"] for row in rows if row["kind"] == "input"} == set("ad")
    assert not [name for name in contents(tmp_path / "out") if "partial" in name or "tries" in name]


def test_a_client_that_is_killed_is_taken_up_byte_for_byte(
    tmp_path: Path, raw: Path, cluster: Cluster, run_alone, contents: Contents
) -> None:
    alone = run_alone(raw, tmp_path / "out")
    (cluster.control / "hold").touch()
    command = cluster.command(raw, tmp_path / "out")
    with client(command):
        until(lambda: cluster.begun() == 2)  # each worker has one
    with client(command) as second:
        assert second.stderr is not None
        assert second.stderr.readline() == "waiting for light fields that workers have begun\n"
        (cluster.control / "hold").unlink()
        out, _ = second.communicate(timeout=PATIENCE)
    assert second.returncode == 0
    assert "of 4 light fields (2 made earlier)" in out
    assert contents(tmp_path / "out") == alone


def test_an_interrupt_takes_back_what_is_queued(tmp_path: Path, raw: Path, cluster: Cluster) -> None:
    (cluster.control / "hold").touch()
    out = tmp_path / "out"
    with client(cluster.command(raw, out)) as started:
        assert started.stderr is not None
        until(lambda: cluster.begun() == 2)
        started.send_signal(signal.SIGINT)
        assert started.stderr.readline() == "waiting for light fields that workers have begun\n"
        (cluster.control / "hold").unlink()
        assert started.stderr.read().strip() == "lfsynth: stopped; the same command goes on where it was"
        assert started.wait(PATIENCE) == 130
    assert cluster.begun() == 2
    assert len(list((out / ".lfsynth").glob("*.json"))) == 2
    assert len(list(out.rglob("*.png"))) == 2 * 5


def test_other_versions_on_a_worker_are_refused(tmp_path: Path, raw: Path, cluster: Cluster, run) -> None:
    (cluster.control / "old").touch()
    ended = run(*cluster.arguments(raw, tmp_path / "out"))
    assert ended.code == 2
    assert re.fullmatch(
        rf"lfsynth: the worker on \S+ \(process \d+\): has lfsynth 0\.0\.1, this run {re.escape(__version__)}; "
        "install the same versions everywhere, then run the same command again\n",
        ended.err,
    )
    assert cluster.begun() == 0


def test_joblibs_own_backend_chosen_in_python(
    tmp_path: Path, raw: Path, cluster: Cluster, run_alone, contents: Contents
) -> None:
    alone = run_alone(raw, tmp_path / "out")
    with distributed.Client(cluster.address), joblib.parallel_config("dask"):
        assert batch(raw, tmp_path / "out") == 4
    assert cluster.begun() == 4  # by the workers, which have the hook
    assert contents(tmp_path / "out") == alone


def test_threads_chosen_in_python(tmp_path: Path, raw: Path, run_alone, contents: Contents) -> None:
    alone = run_alone(raw, tmp_path / "out")
    with joblib.parallel_config("threading"):
        assert batch(raw, tmp_path / "out") == 4
    assert contents(tmp_path / "out") == alone


def batch(raw: Path, out: Path) -> int:
    """How many light fields this call made."""
    job = Job(Dataset(out), Recipe(apertures=2, focus=2, check_every=0), ReadOptions())
    scenes = {path.stem: path for path in sorted(raw.iterdir())}
    outcomes = runner(job, scenes, jobs=2, report=lambda _: None, notice=pytest.fail)
    return sum(outcome.made and not outcome.fault for outcome in outcomes)


def test_a_scheduler_that_dies_or_has_no_workers_is_told_in_one_line(
    tmp_path: Path, raw: Path, run, monkeypatch: pytest.MonkeyPatch
) -> None:
    control = tmp_path / "control"
    control.mkdir()
    (control / "hold").touch()
    (tmp_path / "hook.py").write_text(HOOK.format(control=str(control)))
    with scheduler(tmp_path) as (address, dying):
        cluster = Cluster(address, control)
        monkeypatch.setattr(cluster_module, "FIRST_WORKER", 0.1)
        ended = run(*cluster.arguments(raw, tmp_path / "out"))
        assert (ended.code, ended.err) == (
            2,
            f"lfsynth: {address}: the scheduler has no workers; start some with dask worker {address} --nthreads 1\n",
        )
        options = ["--nthreads", 1, "--no-nanny", "--no-dashboard", "--local-directory", tmp_path / "scratch"]
        options += ["--preload", tmp_path / "hook.py", "--death-timeout", 1]
        with (
            process("-m", "distributed.cli.dask_worker", address, *options, log=tmp_path / "log"),
            client(cluster.command(raw, tmp_path / "out")) as started,
        ):
            until(lambda: cluster.begun() == 1)
            dying.kill()
            (control / "hold").unlink()
            _, told = started.communicate(timeout=PATIENCE)
        assert started.returncode == 2
        assert told.splitlines()[-1] == (
            f"lfsynth: {address}: the scheduler is gone; start it and its workers and run the same command again"
        )


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("nonsense", "--cluster: 'nonsense' is no address; give one as tcp://scheduler:8786"),
        ("http://host:1", "--cluster: 'http://host:1' is no address; give one as tcp://scheduler:8786"),
        (
            "tcp://127.0.0.1:1",
            "tcp://127.0.0.1:1: no Dask scheduler answers (Timed out trying to connect to tcp://127.0.0.1:1 "
            "after 5 s); start dask scheduler there, or correct --cluster",
        ),
    ],
)
def test_a_wrong_address(tmp_path: Path, raw: Path, run, address: str, told: str) -> None:
    ended = run(*Cluster(address, tmp_path).arguments(raw, tmp_path / "out"))
    assert (ended.code, ended.out, ended.err) == (2, "", f"lfsynth: {told}\n")
    assert not (tmp_path / "out").exists()


def test_options_that_exclude_each_other_and_a_missing_extra(
    tmp_path: Path, raw: Path, run, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = Cluster("tcp://127.0.0.1:1", tmp_path).arguments(raw, tmp_path / "out")
    ended = run(*arguments, "--jobs", 2)
    assert ended.err == "lfsynth: --jobs: given together with --cluster; start as many workers as wanted\n"
    monkeypatch.delitem(sys.modules, "lfsynth.cluster", raising=False)
    monkeypatch.setitem(sys.modules, "distributed", None)
    ended = run(*arguments)
    assert (ended.code, ended.err) == (
        2,
        'lfsynth: --cluster: distributed is missing; pip install "lfsynth[cluster]"\n',
    )


@pytest.mark.parametrize("missing", ["raw", "whites"])
def test_folders_that_a_worker_does_not_see(tmp_path: Path, missing: str) -> None:
    for name in ("raw", "whites"):
        (tmp_path / name).mkdir()
    with locked(Dataset(tmp_path / "out")):
        surroundings = Surroundings.here(Dataset(tmp_path / "out"), (tmp_path / "whites",))
        surroundings.check(tmp_path / "raw" / "a.h5")
        (tmp_path / missing).rmdir()
        with pytest.raises(
            UnfitWorkerError,
            match=rf"{tmp_path}/{missing}: is not there for the worker on \S+ \(process {os.getpid()}\); let all ",
        ):
            surroundings.check(tmp_path / "raw" / "a.h5")


def test_another_folder_under_the_path_of_the_dataset_is_noticed(tmp_path: Path) -> None:
    dataset = Dataset(tmp_path / "out")
    with locked(dataset):
        surroundings = Surroundings.here(dataset, ())
    with locked(dataset), pytest.raises(UnfitWorkerError, match=r"/lock: is another file for the worker on"):
        surroundings.check(tmp_path / "a.h5")
    shutil.rmtree(dataset.root)
    with pytest.raises(
        UnfitWorkerError, match=r"/lock: cannot be read by the worker on .* \(No such file or"
    ):
        surroundings.check(tmp_path / "a.h5")


def test_a_scene_is_held_by_one_process_at_a_time_and_deaths_are_counted(tmp_path: Path) -> None:
    dataset = Dataset(tmp_path)
    dataset.state.mkdir()
    with ThreadPoolExecutor(1) as pool:
        with alone(dataset, "a") as deaths:
            second = pool.submit(lambda: alone(dataset, "a").__enter__())
            with pytest.raises(TimeoutError):
                second.result(0.2)
        assert (deaths, second.result(PATIENCE)) == (0, 0)  # the first has ended well
    (dataset.state / "b.tries").write_bytes(b"..")
    with alone(dataset, "b") as deaths:
        assert deaths == 2
    assert not (dataset.state / "b.tries").exists()
