"""Refocusing: time, memory and accuracy of the engine beside what others use, in one run.

``python benchmarks/refocus.py`` prints a table for 13 x 13 views of 434 x 625 x 3, 12 slopes x 5 apertures. Rows marked
with a part were measured on that part of the slopes and scaled up. ``--data ../shared/data`` adds the comparison with
pictures rendered through a real lens. ``--full`` measures all slopes of the slow rows.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage import data

from lfsynth import pictures
from lfsynth.aperture import circular
from lfsynth.frame import Frame, resample
from lfsynth.interpolation import CUBIC_BSPLINE, OMOMS
from lfsynth.lightfield import LightField
from lfsynth.machine import keep_memory
from lfsynth.readers import read_light_field
from lfsynth.refocus import full_aperture_margin, reference, refocus
from lfsynth.transfer import SRGB

GRID, SIZE = (13, 13), (434, 625)
SLOPES = np.linspace(-1, 1, 12)
RADII = (2.5, 3.5, 4.5, 5.5, 6.5)


def light_field(size: tuple[int, int] = SIZE) -> LightField:
    rng = np.random.default_rng(0)
    ones = np.ones(GRID, np.float32)
    views = rng.random((*GRID, *size, 3), dtype=np.float32)
    return LightField(views, ones, ones.copy(), Path("random"))


def apertures(lightfield: LightField) -> NDArray[np.float64]:
    return np.stack([circular(lightfield.grid, r, centre=lightfield.centre) for r in RADII])


def median_time(work: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Median wall and CPU seconds."""
    walls, cpus = [], []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return statistics.median(walls), statistics.median(cpus)


def scipy_loop(lightfield: LightField, slopes: NDArray[np.float64], order: int) -> None:
    """Each view shifted once a slope by ``ndimage.shift`` and added to every aperture."""
    weights = apertures(lightfield)
    u0, v0 = lightfield.centre
    view = np.empty((*lightfield.size, 3), np.float32)
    for slope in slopes:
        out = np.zeros((len(weights), *lightfield.size, 3), np.float32)
        for u, v in np.argwhere(weights.any(axis=0)):
            shift = (slope * (u - u0), slope * (v - v0))
            for c in range(3):
                plane = np.ascontiguousarray(lightfield.views[u, v, ..., c])
                view[..., c] = ndimage.shift(plane, shift, order=order, mode="nearest")
            for m in np.nonzero(weights[:, u, v])[0]:
                out[m] += np.float32(weights[m, u, v]) * view


def opencv_rings(lightfield: LightField, slopes: NDArray[np.float64]) -> None:
    """The best form without a compiler of one's own: ``cv2.sepFilter2D`` a view, rings of nested apertures."""
    rings = np.diff(apertures(lightfield), axis=0, prepend=0)
    u0, v0 = lightfield.centre
    pad = 8
    half = CUBIC_BSPLINE.prefilter()[:10].astype(np.float32)
    prefilter = np.concatenate([half[:0:-1], half])
    padded = {
        (u, v): cv2.copyMakeBorder(lightfield.views[u, v], pad, pad, pad, pad, cv2.BORDER_REPLICATE)
        for u, v in np.argwhere(rings.any(axis=0)).tolist()
    }
    height, width = lightfield.size
    for slope in slopes:
        out = np.zeros((len(rings), height, width, 3), np.float32)
        for (u, v), view in padded.items():
            across, along = -slope * (u - u0), -slope * (v - v0)
            y, x = int(np.floor(across)), int(np.floor(along))
            window = view[pad + y - 1 : pad + y + 2 + height, pad + x - 1 : pad + x + 2 + width]
            row = CUBIC_BSPLINE.taps(np.array(across - y)).astype(np.float32)
            column = CUBIC_BSPLINE.taps(np.array(along - x)).astype(np.float32)
            shifted = cv2.sepFilter2D(window, cv2.CV_32F, column, row, anchor=(0, 0))[:height, :width]
            for m in np.nonzero(rings[:, u, v])[0]:
                cv2.scaleAdd(shifted, float(rings[m, u, v]), out[m], out[m])
        total = np.zeros_like(out[0])
        for m in range(len(rings)):
            total += out[m]
            cv2.sepFilter2D(total, cv2.CV_32F, prefilter, prefilter)


def _peak(size: tuple[int, int] | None, queue: multiprocessing.Queue[int]) -> None:
    lightfield = light_field()
    frame = None if size is None else _frame(lightfield, size)
    refocus(lightfield, SLOPES, apertures(lightfield), frame=frame, threads=2)
    status = Path("/proc/self/status").read_text()
    queue.put(int(status.split("VmHWM:")[1].split()[0]) * 1024)


def peak_memory(size: tuple[int, int] | None) -> int:
    """Peak resident bytes of a fresh process that makes the light field and its pictures."""
    context = multiprocessing.get_context("spawn")
    queue: multiprocessing.Queue[int] = context.Queue()
    process = context.Process(target=_peak, args=(size, queue))
    process.start()
    peak = queue.get()
    process.join()
    return peak


def _frame(lightfield: LightField, size: tuple[int, int]) -> Frame:
    return Frame.resized(
        lightfield.size, size, margin=full_aperture_margin(lightfield, SLOPES, apertures(lightfield))
    )


def speed(repeats: int, full: bool) -> None:
    keep_memory()
    lightfield = light_field()
    weights = apertures(lightfield)
    refocus(lightfield, SLOPES, weights, threads=2)
    two, _ = median_time(lambda: refocus(lightfield, SLOPES, weights, threads=2), repeats)
    one, _ = median_time(lambda: refocus(lightfield, SLOPES, weights, threads=1), repeats)
    print(f"{'12 slopes x 5 apertures, 13 x 13 x 434 x 625 x 3':50} {'s':>8} {'ratio':>8}")

    def row(name: str, seconds: float) -> None:
        print(f"{name:50} {seconds:8.3f} {seconds / two:8.1f}", flush=True)

    row("lfsynth, o-MOMS, 2 threads", two)
    row("lfsynth, o-MOMS, 1 thread", one)
    large = _frame(lightfield, (688, 1008))
    row(
        "lfsynth, sampled at 688 x 1008, 2 threads",
        median_time(
            lambda: refocus(lightfield, SLOPES, weights, frame=large, threads=2), max(1, repeats // 2)
        )[0],
    )
    opencv_rings(lightfield, SLOPES[:1])
    row("cv2.sepFilter2D + rings", median_time(lambda: opencv_rings(lightfield, SLOPES), 3)[0])
    part = SLOPES if full else SLOPES[[0, 7]]
    scale = SLOPES.size / part.size
    note = "" if full else f" ({part.size} of {SLOPES.size} slopes)"
    for order in (1, 3):
        seconds = median_time(lambda order=order: scipy_loop(lightfield, part, order), 1)[0]
        row(f"scipy.ndimage.shift, order {order}{note}", seconds * scale)
    print(
        f"peak memory of a process that holds the light field and the 60 pictures: {peak_memory(None) / 1e9:.2f} GB"
    )
    print(f"the same at 688 x 1008: {peak_memory((688, 1008)) / 1e9:.2f} GB")
    error = 0.0
    for size in (None, (688, 1008)):
        frame = None if size is None else _frame(lightfield, size)
        ours = refocus(lightfield, SLOPES[[0, 7]], weights[[0, 4]], frame=frame)
        error = max(
            error,
            float(np.abs(ours - reference(lightfield, SLOPES[[0, 7]], weights[[0, 4]], frame=frame)).max()),
        )
    print(f"largest difference to the float64 reference: {error:.1e}")


def psnr(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float(-10 * np.log10(np.mean((a - b) ** 2)))


def against_lens(folder: Path) -> None:
    """Synthetic aperture pictures against pictures rendered through a thin lens of 4 view steps radius."""
    lightfield = read_light_field(folder)
    slopes = (-4.0, 0.0, 4.0)
    truths = [pictures.read(folder / "focal_stack" / f"input_FS_{i}.png")[..., :3] / 255.0 for i in range(3)]
    print(f"\n{'rendered_wood against the lens, dB (sRGB)':44} {'slope -4':>9} {'0':>9} {'4':>9}")

    def row(name: str, made: NDArray[np.float32], cut: slice) -> None:
        shown = [SRGB.from_linear(np.clip(picture.astype(np.float64), 0, 1)) for picture in made]
        values = [psnr(a[cut, cut], b[cut, cut]) for a, b in zip(shown, truths, strict=True)]
        print(f"{name:44} " + " ".join(f"{value:9.2f}" for value in values), flush=True)

    for radius in (4.3, 4.0, 3.8):
        for interpolation, name in ((OMOMS, "o-MOMS"), (CUBIC_BSPLINE, "B-spline")):
            weights = circular(lightfield.grid, radius, centre=lightfield.centre)[None]
            made = refocus(lightfield, slopes, weights, interpolation=interpolation)[:, 0]
            row(f"radius {radius}, {name}, whole picture", made, slice(None))
            if interpolation is OMOMS:
                row(f"radius {radius}, {name}, without 40 px border", made, slice(40, -40))
    naive = np.stack([_naive(lightfield, slope, 4.3) for slope in slopes])
    row("naive bilinear sum, radius 4.3, mirrored", naive, slice(None))
    row("naive bilinear sum, without 40 px border", naive, slice(40, -40))


def _naive(lightfield: LightField, slope: float, radius: float) -> NDArray[np.float32]:
    u0, v0 = lightfield.centre
    total = np.zeros((*lightfield.size, 3), np.float32)
    number = 0
    for u, v in np.ndindex(*lightfield.grid):
        if np.hypot(u - u0, v - v0) <= radius:
            shift = (slope * (u - u0), slope * (v - v0), 0)
            total += ndimage.shift(lightfield.views[u, v], shift, order=1, mode="mirror")
            number += 1
    return total / np.float32(number)


def resolution() -> None:
    """What sampling on a grid twice as fine gains over blowing up, on photographs seen through 9 x 9 views."""
    print(f"\n{'sampled at twice the size, in focus, dB (sRGB)':44} {'d 0.25':>9} {'0.5':>9} {'1':>9}")
    for photograph in (data.rocket(), data.chelsea(), data.astronaut()):
        fine = SRGB.to_linear(photograph[..., :3] / 255.0)
        rows: dict[str, list[float]] = {"on the target grid": [], "native, then blown up": []}
        for step in (1, 2, 4):
            made, truth = _twice(fine, step)
            for name, picture in zip(rows, made, strict=True):
                inside = (slice(20, -20), slice(20, -20))
                shown = SRGB.from_linear(np.clip(picture.astype(np.float64), 0, 1))
                rows[name].append(psnr(shown[inside], SRGB.from_linear(truth)[inside]))
        for name, values in rows.items():
            print(f"{name:44} " + " ".join(f"{value:9.2f}" for value in values), flush=True)


def _twice(
    fine: NDArray[np.float64], step: int
) -> tuple[tuple[NDArray[np.float32], ...], NDArray[np.float64]]:
    """Views of 4 x 4 fine pixels a pixel, ``step`` fine pixels apart, refocused to 2 x 2, and the truth."""
    margin, fold = 16, 4
    height, width = ((n - 2 * margin) // fold for n in fine.shape[:2])

    def seen(u: int, v: int, cell: int) -> NDArray[np.float64]:
        y, x = margin + step * u, margin + step * v
        window = fine[y : y + fold * height, x : x + fold * width]
        blocks = window.reshape(height * fold // cell, cell, width * fold // cell, cell, 3)
        return np.asarray(blocks.mean(axis=(1, 3)))

    views = np.array([[seen(u - 4, v - 4, fold) for v in range(9)] for u in range(9)], np.float32)
    ones = np.ones((9, 9), np.float32)
    lightfield = LightField(views, ones, ones.copy(), Path("photograph"))
    weights = circular((9, 9), 4.5, centre=(4, 4))[None]
    frame = Frame((np.arange(2 * height) + 0.5) / 2 - 0.5, (np.arange(2 * width) + 0.5) / 2 - 0.5)
    direct = refocus(lightfield, [step / fold], weights, frame=frame)[0, 0]
    native = refocus(lightfield, [step / fold], weights)[0, 0]
    return (direct, resample(native, frame)), seen(0, 0, fold // 2)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, help="folder of real data, with rendered_wood/ in it")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--full", action="store_true")
    arguments = parser.parse_args()
    speed(arguments.repeats, arguments.full)
    resolution()
    if arguments.data is not None:
        against_lens(arguments.data / "rendered_wood")
