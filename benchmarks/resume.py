"""Kill `lfsynth generate` at random moments, start it again, and compare with a run that was left alone.

``python benchmarks/resume.py [--kills 20] [--light-fields 10] [--jobs 2] [--seed 0]``; every kill is SIGKILL
to the job's main process, at a moment drawn evenly from the time between its first file and the end of an
undisturbed run, in a fresh folder of the same name; where the job was quicker, the moment is drawn anew. The
same command then runs to its end, and every file in the folder, those of ``.lfsynth`` included, must have the
bytes of the undisturbed run.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from lfsynth.readers import write_hdf5
from lfsynth.scene import simulate


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--light-fields", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        raw, out = Path(folder) / "raw", Path(folder) / "lfdof"
        raw.mkdir()
        for number in range(options.light_fields):
            scene = simulate(rng, grid=(7, 7), size=(160, 240))
            write_hdf5(raw / f"scene_{number}.h5", scene.lightfield, bits=8)
        command = [sys.executable, "-m", "lfsynth", "generate", "--lf-dir", str(raw), "--out", str(out)]
        command += ["--jobs", str(options.jobs), "--bits", "16", "--defocus-maps"]
        run(command)  # compiles what is not compiled yet
        shutil.rmtree(out)
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            wait_for(out)
            began = time.monotonic()
            assert process.wait() == 0
            seconds = time.monotonic() - began
        undisturbed = contents(out)
        print(f"undisturbed: {len(undisturbed)} files in {seconds:.1f} s, {options.jobs} processes")
        different = 0
        for number in range(1, options.kills + 1):
            was_running = False
            while not was_running:
                shutil.rmtree(out)
                moment = rng.uniform(0, seconds)
                was_running, whole, left = kill_after(moment, command, out)
            run(command)
            wrong = sorted({name for name, _ in undisturbed.items() ^ contents(out).items()})
            different += bool(wrong)
            print(
                f"{number:3d}: killed after {moment:5.2f} s, {whole} scenes whole, {left} partial files; "
                f"after the second run {f'DIFFERENT: {wrong}' if wrong else 'the same bytes'}",
                flush=True,
            )
    print(f"{options.kills - different} of {options.kills} the same")
    return 1 if different else 0


def run(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True)


def kill_after(moment: float, command: list[str], out: Path) -> tuple[bool, int, int]:
    """Whether it was still running, scenes that were whole, and partial files right after the kill."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        wait_for(out)
        time.sleep(moment)
        was_running = process.poll() is None
        process.send_signal(signal.SIGKILL)
    # Workers may still be at it for a moment, and move files while they are counted: os.walk bears that.
    left = sum(".partial" in f"{folder}/{name}" for folder, _, names in os.walk(out) for name in names)
    return was_running, len(list((out / ".lfsynth").glob("*.json"))), left


def wait_for(path: Path) -> None:
    while not path.exists():
        time.sleep(0.001)


def contents(folder: Path) -> dict[str, str]:
    """SHA-256 of every file."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


if __name__ == "__main__":
    sys.exit(main())
