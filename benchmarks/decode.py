"""Decoding of simulated Illum captures against the truth and against plenpy, as a table in Markdown.

    python benchmarks/decode.py [--rows psnr,speed] [--size 1000x1400] [--data ../shared/data] [--plenpy-calibration]

All captures are simulated (`lfsynth simulate`); their truth is the simulator's. Times are CPU seconds of one thread
in a process of its own, which reads the files, calibrates and decodes twice, of which the second counts; peaks are
that process's. plenpy is patched to run (`lfsynth.lytro.plenpy_patches`) and spared reading files and finding the
lattice; only its decoding is counted. PSNR is of linear light, the mean over the views of a ring about the centre
view, without 8 px at the borders, and of a camera that sees linear sRGB, whose noise no colour matrix amplifies;
plenpy's is against the truth at plenpy's own points and view steps.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from decode_measures import (
    BORDER,
    RINGS,
    THREADS,
    Bench,
    Views,
    calibrate_by_plenpy,
    decibels,
    frame,
    in_child,
    lattice_error,
    rings,
    shifts,
    ten_frames,
)
from scipy import ndimage
from skimage.color import deltaE_ciede2000, rgb2lab

from lfsynth.disparity import disparity_map
from lfsynth.lytro.calibration import calibrate
from lfsynth.lytro.camera import SENSOR_SHAPE, Camera, neutral, simulated_camera
from lfsynth.lytro.decode import decode
from lfsynth.lytro.lattice import REACH
from lfsynth.lytro.metadata import parse_capture
from lfsynth.lytro.plenpy_decoder import WhiteLevel, view_grid, view_steps
from lfsynth.lytro.reprojection import reprojected
from lfsynth.lytro.simulated_scenes import DOT_DISPARITY, chart_patches, linear_chart
from lfsynth.lytro.simulation import simulate_white
from lfsynth.readers import read_light_field
from lfsynth.transfer import SRGB

PLENPY_CALIBRATION = (451.0, "measured on 2026-11-23 on 2 cores of an AMD EPYC, Zen 3")
"""CPU seconds of plenpy's own calibration of one full-size white picture, and when and where: it takes ten minutes."""

FLOORS = (38.0, 38.0, 37.0, 35.5)
"""PSNR in dB asked for in each of `RINGS`."""

SURE = 0.4
"""Confidence from which a pixel's disparity counts."""

WINDOW = (1000, 1400)
"""Sensor window in px for what does not depend on the size."""


@dataclass(frozen=True)
class Line:
    """A line of the table."""

    what: str
    asked: str
    measured: str
    reached: bool | None = None

    def __str__(self) -> str:
        mark = {True: "yes", False: "**no**", None: ""}[self.reached]
        return f"| {self.what} | {self.asked} | {self.measured} | {mark} |"


def speed(bench: Bench) -> Iterator[Line]:
    ours, theirs = bench.ours(), bench.plenpys(WhiteLevel.AS_IS)
    ratio = theirs["decode"] / ours["decode"]
    measured = f"{ours['decode']:.2f} s, plenpy {theirs['decode']:.1f} s: {ratio:.0f}x"
    yield Line("decode, CPU seconds", ">= 20x fewer than plenpy", measured, ratio >= 20)
    measured = f"{ours['peak']:.2f} GiB, plenpy {theirs['peak']:.2f} GiB"
    yield Line("peak memory of reading, calibrating, decoding", "< 1.9 GiB", measured, ours["peak"] < 1.9)


def calibration(bench: Bench, *, measure: bool) -> Iterator[Line]:
    ours = bench.ours()["calibrate"]
    what, asked = "calibrate, CPU seconds", ">= 150x fewer than plenpy"
    theirs, when = PLENPY_CALIBRATION
    if measure:
        theirs, when = in_child(calibrate_by_plenpy, bench.folder), "this run"
    elif bench.size != SENSOR_SHAPE:
        yield Line(what, asked, f"{ours:.2f} s; plenpy's quoted {theirs:.0f} s are of the full sensor")
        return
    measured = f"{ours:.2f} s, plenpy {theirs:.0f} s ({when}): {theirs / ours:.0f}x"
    yield Line(what, asked, measured, theirs / ours >= 150)


def psnr(bench: Bench) -> Iterator[Line]:
    made = bench.frame
    lattice, true_step = made.calibration.lattice, made.camera.true_lattice.view_step
    bench.ours()
    ours = rings(decibels(bench.views("ours"), made.our_truth), (1, 1))
    steps = view_steps(lattice)
    theirs = {}
    truth: Views | None = None
    for white_level in WhiteLevel:
        bench.plenpys(white_level)
        views = bench.views(white_level.name)
        if truth is None:
            truth = made.truth(view_grid(lattice, views.shape[2:4]), steps)
        theirs[white_level] = rings(decibels(views, truth), (steps[0] / true_step, steps[1] / true_step))
    for k, (name, _, _) in enumerate(RINGS):
        mended = theirs[WhiteLevel.MENDED][k]
        measured = f"{ours[k]:.2f} dB, plenpy {theirs[WhiteLevel.AS_IS][k]:.2f}, mended {mended:.2f}"
        reached = ours[k] >= FLOORS[k] and ours[k] >= mended + 1.5
        yield Line(f"PSNR with noise, {name}", f">= {FLOORS[k]} dB, mended plenpy + 1.5", measured, reached)


def clean(bench: Bench) -> Iterator[Line]:
    made = frame(neutral(simulated_camera(bench.size)), "layers", noise=False)
    values = rings(
        decibels(decode(made.capture, made.calibration, threads=THREADS).views, made.our_truth), (1, 1)
    )
    measured = ", ".join(f"{value:.2f}" for value in values) + " dB"
    yield Line("PSNR without noise, by ring", ">= 41 dB within 4.5", measured, min(values[:2]) >= 41)


def alignment(bench: Bench) -> Iterator[Line]:
    found = (shifts(bench.views("ours"), bench.frame.our_truth) ** 2).sum(axis=-1)
    steps = np.hypot(*(np.indices((13, 13)) - 6))
    for reach in (4.5, 5.5, REACH):
        rms = float(np.sqrt(found[steps <= reach].mean()))
        yield Line(f"views' alignment, rms, up to {reach} steps", "<= 0.02 px", f"{rms:.4f} px", rms <= 0.02)


def slopes(bench: Bench) -> Iterator[Line]:
    made = frame(neutral(simulated_camera(WINDOW)), "dots")
    found = shifts(decode(made.capture, made.calibration, threads=THREADS).views, made.our_truth)
    trusted = np.hypot(*(np.indices((13, 13)) - 6)) <= 5.5
    offset = (np.indices((13, 13)) - 6)[:, trusted]
    slope = [DOT_DISPARITY + np.polyfit(offset[i], found[trusted][:, i], 1)[0] for i in (0, 1)]
    ratio = slope[0] / slope[1]
    measured = f"{ratio:.4f} ({slope[0]:.4f} : {slope[1]:.4f} at {DOT_DISPARITY})"
    yield Line("slopes, vertical : horizontal", "1 +- 0.003", measured, abs(ratio - 1) <= 0.003)


def lattices(bench: Bench) -> Iterator[Line]:
    standard = simulated_camera(bench.size)
    known = standard.metadata
    cameras = {
        "as simulated": standard,
        "turned the other way": replace(standard, metadata=replace(known, rotation=-0.003)),
        "another pitch and scale": replace(
            standard, metadata=replace(known, lens_pitch=1.985e-5, scale=(0.9996, 1.0002))
        ),
        "twice the vignetting": replace(standard, stop_shift=2 * standard.stop_shift, corner_tangent=0.55),
    }
    for name, camera in cameras.items():
        white = simulate_white(camera, np.random.default_rng(1), threads=THREADS)
        found = calibrate(white, camera.metadata, source="simulated", digest="").lattice
        error = lattice_error(found, camera.true_lattice)
        measured = f"{error.max():.3f} px, mean {error.mean():.3f}"
        yield Line(f"lattice error anywhere, {name}", "<= 0.3 px", measured, error.max() <= 0.3)


def colour(bench: Bench) -> Iterator[Line]:
    made = frame(simulated_camera(WINDOW), "chart")
    views = decode(made.capture, made.calibration, threads=THREADS).views
    patches = chart_patches((views.shape[2], views.shape[3]))
    found = np.array([views[6, 6][patch].mean(axis=(0, 1)) for patch in patches], np.float64)
    lab = [
        rgb2lab(SRGB.from_linear(np.clip(c, 0, 1))[None])[0] for c in (found, linear_chart().astype(float))
    ]
    error = deltaE_ciede2000(*lab)
    measured = f"{error.mean():.2f}, largest {error.max():.2f}"
    yield Line("colour chart, CIEDE2000", "mean <= 2", measured, error.mean() <= 2)


def exposure(bench: Bench) -> Iterator[Line]:
    bright = simulated_camera(WINDOW)
    dark = replace(bright, exposure=0.4)
    levels = []
    for camera in (bright, dark):
        made = frame(camera, "planes")
        levels.append(float(decode(made.capture, made.calibration, threads=THREADS).centre_view.mean()))
    ratio = levels[1] / levels[0]
    yield Line("two exposures, 0.4 : 1", "kept", f"{ratio:.4f}", abs(ratio / 0.4 - 1) < 0.01)


def toy(bench: Bench) -> Iterator[Line]:
    if bench.data is None:
        yield Line("toy scene, disparity of its views", "agrees", "needs --data")
        return
    path = bench.data / "lytro_files" / "toy.json"
    camera = Camera(parse_capture(json.loads(path.read_text()), path))
    original = read_light_field(bench.data / "illum_toy")
    size = camera.true_lattice.square_grid().shape
    scene = reprojected(original, size, threads=THREADS)
    made = frame(camera, scene)
    found, sure = disparity_map(decode(made.capture, made.calibration, threads=THREADS))
    at = np.indices(found.shape) + np.array(scene.offset)[:, None, None]
    expected, sure_too = (
        ndimage.map_coordinates(plane, at, order=1, mode="nearest") for plane in disparity_map(original)
    )
    expected *= np.float32(scene.scale)
    both = np.zeros(found.shape, bool)
    inside = slice(BORDER, -BORDER)
    both[inside, inside] = (np.minimum(sure, sure_too) > SURE)[inside, inside]
    error = np.abs(found - expected)[both]
    slope = np.polyfit(expected[both], found[both], 1)[0]
    measured = (
        f"median {np.median(error):.3f}, 90 % below {np.quantile(error, 0.9):.3f} px a view, slope {slope:.3f}, "
        f"{both.mean():.0%} of the view"
    )
    yield Line("toy scene, disparity of its views", "agrees", measured, bool(np.median(error) < 0.03))


def flat(bench: Bench) -> Iterator[Line]:
    _ = bench.frame
    found = in_child(ten_frames, bench.folder)
    measured = f"after the 2nd {found[1]:.3f} GiB, after the 10th {found[-1]:.3f}"
    yield Line("ten frames in a row, memory kept", "flat", measured, found[-1] - found[1] < 0.02)


def jobs(bench: Bench) -> Iterator[Line]:
    _ = bench.frame
    raw = bench.folder / "raw"
    raw.mkdir()
    for name in ("MOD_0000.RAW", "MOD_0000.TXT", *(f"shot_{k}.LFR" for k in range(24))):
        os.link(bench.folder / ("shot.LFR" if name.endswith("LFR") else name), raw / name)
    everything = os.sched_getaffinity(0)

    def seconds(jobs: int, cores: int) -> float:
        with tempfile.TemporaryDirectory(dir=bench.folder) as out:
            command = [sys.executable, "-m", "lfsynth", "decode", str(raw), "--out", out, "--jobs", str(jobs)]
            os.sched_setaffinity(0, sorted(everything)[:cores])
            try:
                began = time.perf_counter()
                subprocess.run(command, check=True, capture_output=True)
                return time.perf_counter() - began
            finally:
                os.sched_setaffinity(0, everything)

    seconds(2, 2)  # compiles what is not compiled yet
    one, two, threaded = seconds(1, 1), seconds(2, 2), seconds(1, 2)
    measured = (
        f"{one:.1f} s : {two:.1f} s = {one / two:.2f}x for 24 captures, 1 process on 1 core : 2 on 2; "
        f"1 process of 2 threads {threaded:.1f} s"
    )
    yield Line("lfsynth decode --jobs 2", ">= 1.6x", measured, one / two >= 1.6)


ROWS: dict[str, Callable[..., Iterator[Line]]] = {
    "speed": speed,
    "calibration": calibration,
    "psnr": psnr,
    "clean": clean,
    "alignment": alignment,
    "slopes": slopes,
    "lattices": lattices,
    "colour": colour,
    "exposure": exposure,
    "toy": toy,
    "flat": flat,
    "jobs": jobs,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", default=",".join(ROWS), help=f"of {', '.join(ROWS)}")
    parser.add_argument("--size", default="x".join(map(str, SENSOR_SHAPE)), help="sensor px, height x width")
    parser.add_argument(
        "--data", type=Path, help="folder of real data, with illum_toy/ and lytro_files/ in it"
    )
    parser.add_argument("--plenpy-calibration", action="store_true", help="measure it: ten minutes or more")
    options = parser.parse_args()
    height, width = map(int, options.size.split("x"))
    print(
        f"Simulated captures of {height} x {width} px, {time.strftime('%Y-%m-%d')}, {_machine()}, Python "
        f"{platform.python_version()}, numpy {np.__version__}\n\n| | asked | measured | reached |\n|---|---|---|---|"
    )
    missed = 0
    with tempfile.TemporaryDirectory(prefix="lfsynth-benchmark-") as folder:
        bench = Bench((height, width), options.data, Path(folder))
        for name in options.rows.split(","):
            more = {"measure": options.plenpy_calibration} if name == "calibration" else {}
            for line in ROWS[name](bench, **more):
                print(line, flush=True)
                missed += line.reached is False
    return 1 if missed else 0


def _machine() -> str:
    models = [
        line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")
    ]
    return f"{models[0].split(':')[1].strip()} x {THREADS}" if models else f"{platform.machine()} x {THREADS}"


if __name__ == "__main__":
    sys.exit(main())
