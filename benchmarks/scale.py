"""What the way over a Dask cluster costs: `lfsynth generate --cluster` against `--jobs`, the same light fields.

``python benchmarks/scale.py [--few 8] [--many 48] [--jobs 2]``; a scheduler and as many workers of one thread as there
are jobs are started on this machine and have made a light field each before anything is measured. Light fields are
small, so that what Dask adds stands out. CPU seconds of all processes, scheduler and workers included, of a run over
few and one over many light fields: their difference is the cost of a light field, the rest that of a start. The files
of both ways must have the same bytes.

``python benchmarks/scale.py --pair`` tells CPU seconds of one thread and bytes on disk, manifest and records included,
a pair: HDF5 light fields of 13 x 13 views of 434 x 625, pictures of 688 x 1008.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from lfsynth.batch import Job
from lfsynth.batch import run as batch
from lfsynth.generate import Recipe
from lfsynth.lfdof import Dataset
from lfsynth.machine import keep_memory
from lfsynth.readers import ReadOptions, write_hdf5
from lfsynth.scene import simulate
from lfsynth.textures import photographs

OPTIONS = ["--apertures", "2", "--focus", "2"]
DIFFERENT = 4
TICK = os.sysconf("SC_CLK_TCK")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--few", type=int, default=8)
    parser.add_argument("--many", type=int, default=48)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--pair", action="store_true")
    options = parser.parse_args()
    if options.pair:
        pair()
        return 0
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        root = Path(folder)
        for number in {options.jobs, options.few, options.many}:
            prepare(root / f"raw_{number}", number)
        address, others = start_cluster(stack, root, options.jobs)
        ways = {"--jobs": (str(options.jobs), []), "--cluster": (address, others)}
        same = {}
        for way, (value, processes) in ways.items():
            run(root, options.jobs, [way, value], processes)  # what is loaded and compiled once
            few = run(root, options.few, [way, value], processes)
            many = run(root, options.many, [way, value], processes)
            each = [(b - a) / (options.many - options.few) for a, b in zip(few[:2], many[:2], strict=True)]
            start = [a - options.few * b for a, b in zip(few[:2], each, strict=True)]
            print(
                f"{way:9} {1000 * each[0]:.0f} ms of CPU and {1000 * each[1]:.0f} ms by the clock a light field, "
                f"{start[0]:.1f} s of CPU and {start[1]:.1f} s by the clock a start",
                flush=True,
            )
            same[way] = many[2]
        assert same["--jobs"] == same["--cluster"]
        print(f"{len(same['--jobs'])} files of both ways have the same bytes")
    return 0


def pair() -> None:
    # As a worker of `lfsynth generate` where there are as many as cores.
    keep_memory()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "scene.h5"
        lightfield = simulate(
            np.random.default_rng(0), grid=(13, 13), size=(434, 625), noise=0.01, textures=photographs()
        ).lightfield
        write_hdf5(source, lightfield, bits=16)
        print(f"the light field: {source.stat().st_size / 1e6:.0f} MB")
        for apertures, focus, bits in ((3, 5, 8), (3, 5, 16), (5, 12, 8), (5, 12, 16)):
            recipe = Recipe(apertures=apertures, focus=focus, bits=bits, size=(688, 1008))
            job = Job(Dataset(Path(folder) / "lfdof"), recipe, ReadOptions())
            seconds = []
            for _ in range(4):  # the first time, libraries are loaded
                shutil.rmtree(job.dataset.root, ignore_errors=True)
                began = time.process_time()
                batch(job, {"scene": source}, jobs=1, report=lambda _: None, notice=print)
                seconds.append(time.process_time() - began)
            size = sum(path.stat().st_size for path in job.dataset.root.rglob("*") if path.is_file())
            each = statistics.median(seconds[1:]) / recipe.pairs
            print(
                f"{recipe.pairs} pairs of {bits} bits: {each:.3f} s of CPU and "
                f"{size / recipe.pairs / 1e6:.2f} MB a pair",
                flush=True,
            )


def prepare(folder: Path, number: int) -> None:
    folder.mkdir()
    for index in range(number):
        path = folder / f"scene_{index:04d}.h5"
        first = folder / f"scene_{index % DIFFERENT:04d}.h5"
        if index < DIFFERENT:
            scene = simulate(np.random.default_rng(index), grid=(5, 5), size=(120, 160))
            write_hdf5(path, scene.lightfield, bits=8)
        else:
            os.link(first, path)


def start_cluster(stack: ExitStack, root: Path, workers: int) -> tuple[str, list[int]]:
    """Address of the scheduler, and the process ids of it and its workers."""
    file = root / "scheduler.json"
    begin = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"]
    begin += ["--dashboard-address", "127.0.0.1:0", "--no-show", "--scheduler-file", str(file)]
    started = [begun(stack, begin)]
    while not (file.exists() and file.read_text().endswith("}")):
        time.sleep(0.1)
    address = json.loads(file.read_text())["address"]
    for _ in range(workers):
        work = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny"]
        work += ["--no-dashboard", "--local-directory", str(root / "scratch")]
        started.append(begun(stack, work))
    return address, started


def begun(stack: ExitStack, command: list[str]) -> int:
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    stack.callback(process.wait)
    stack.callback(process.terminate)
    return process.pid


def run(root: Path, number: int, way: list[str], processes: list[int]) -> tuple[float, float, dict[str, str]]:
    """CPU seconds, those of other processes included, seconds by the clock, and the hashes of the files."""
    out = root / "lfdof"
    command = [sys.executable, "-m", "lfsynth", "generate", "--lf-dir", str(root / f"raw_{number}")]
    before = cpu_of_children() + sum(map(cpu_of, processes))
    began = time.perf_counter()
    subprocess.run([*command, "--out", str(out), *OPTIONS, *way], check=True, capture_output=True)
    wall = time.perf_counter() - began
    cpu = cpu_of_children() + sum(map(cpu_of, processes)) - before
    files = {
        path.relative_to(out).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in out.rglob("*")
        if path.is_file()
    }
    shutil.rmtree(out)
    return cpu, wall, files


def cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


if __name__ == "__main__":
    sys.exit(main())
