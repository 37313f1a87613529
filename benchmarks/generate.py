"""The whole job: light fields to PNGs on disk, with ``lfsynth generate``.

Writes a folder of HDF5 light fields (13 x 13 views of 434 x 625 x 3, 16 bits; hard links of a few different ones, so
that a hundred fit on a disk), then runs the command on it, 12 focus settings x 5 apertures, 16-bit PNGs, at native
size and at 688 x 1008, and prints light fields a second, the cost of a pair and the memory of the workers as the run
goes on.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from lfsynth.readers import write_hdf5
from lfsynth.scene import simulate
from lfsynth.textures import photographs

DIFFERENT = 4


def prepare(folder: Path, number: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    first = []
    for index in range(number):
        path = folder / f"IMG_{index:04d}.h5"
        if index < DIFFERENT:
            if not path.exists():
                rng = np.random.default_rng(index)
                scene = simulate(rng, grid=(13, 13), size=(434, 625), noise=0.01, textures=photographs())
                write_hdf5(path, scene.lightfield, bits=16)
            first.append(path)
        elif not path.exists():
            os.link(first[index % DIFFERENT], path)


def memory_of(pid: int) -> list[int]:
    """Resident bytes of a process's descendants, largest first."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            lines = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        except OSError:
            continue
        if lines["PPid"].strip() == str(pid) and "VmRSS" in lines:
            found.append(int(lines["VmRSS"].split()[0]) * 1024)
    return sorted(found, reverse=True)


def run(folder: Path, out: Path, options: list[str], number: int, jobs: int) -> None:
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, "-m", "lfsynth", "generate", "--lf-dir", str(folder), "--out", str(out)]
    command += ["--focus", "12", "--apertures", "5", "--bits", "16", "--jobs", str(jobs), *options]
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    memory = []
    while process.poll() is None:
        memory.append(sum(memory_of(process.pid)[:jobs]))
        time.sleep(1)
    seconds = time.perf_counter() - began
    assert process.returncode == 0, process.returncode
    pictures = sum(1 for _ in out.rglob("*.png"))
    size = sum(path.stat().st_size for path in out.rglob("*.png"))
    thirds = np.array_split(np.array(memory), 3)
    print(
        f"{' '.join(options) or '--size native':18} {number} light fields, {pictures} PNGs, {size / 1e9:.2f} GB, "
        f"{seconds:.1f} s: {number / seconds:.2f} light fields/s, {1000 * seconds / (60 * number):.1f} ms a pair; "
        f"workers' peak memory by thirds of the run: {', '.join(f'{t.max() / 1e9:.2f}' for t in thirds if t.size)} GB",
        flush=True,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--work", type=Path, required=True, help="folder for light fields and pictures, tens of GB"
    )
    parser.add_argument("--number", type=int, default=100)
    parser.add_argument("--jobs", type=int, default=2)
    arguments = parser.parse_args()
    prepare(arguments.work / "light_fields", arguments.number)
    for options in ([], ["--size", "688x1008"]):
        run(
            arguments.work / "light_fields",
            arguments.work / "lfdof",
            options,
            arguments.number,
            arguments.jobs,
        )
