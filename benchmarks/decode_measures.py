"""What `decode.py` measures with: simulated captures and their true views, decoders in their own process, figures."""

from __future__ import annotations

import functools
import multiprocessing
import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lfsynth.lytro.calibration import Calibration, calibrate
from lfsynth.lytro.camera import Camera, neutral, simulated_camera
from lfsynth.lytro.capture import Capture, read_capture
from lfsynth.lytro.decode import decode
from lfsynth.lytro.lattice import Lattice, SquareGrid
from lfsynth.lytro.lfr_layout import write_lfr, write_mod
from lfsynth.lytro.plenpy_decoder import WhiteLevel, calibrate_with_plenpy, decode_with_plenpy
from lfsynth.lytro.plenpy_patches import imported, replaced
from lfsynth.lytro.simulated_scenes import SCENES, Scene
from lfsynth.lytro.simulation import simulate_capture, simulate_white, true_views
from lfsynth.lytro.white_pictures import WhitePicture, find_white_pictures

RINGS = (("centre", -1.0, 0.0), ("< 4.5", 0.0, 4.5), ("4.5 to 5.5", 4.5, 5.5), ("5.5 to 6.5", 5.5, 6.5))
THREADS = len(os.sched_getaffinity(0))
BORDER = 8
Views = NDArray[np.float32]


@dataclass(frozen=True)
class Frame:
    """A simulated capture with its white picture, (H, W) levels, calibrated by us."""

    camera: Camera
    scene: Scene
    capture: Capture
    white: NDArray[np.uint16]
    calibration: Calibration

    def truth(self, grid: SquareGrid, steps: tuple[float, float]) -> Views:
        """True views at the points of a grid, neighbouring views so many px of the sensor apart, down and across."""
        factor = np.array(steps, np.float32) / np.float32(self.camera.true_lattice.view_step)
        return true_views(self.camera, Stretched(self.scene, factor), grid, threads=THREADS)

    @functools.cached_property
    def our_truth(self) -> Views:
        """True views at the points that we are to decode, those of the true lattice."""
        lattice = self.camera.true_lattice
        return self.truth(lattice.square_grid(), (lattice.view_step, lattice.view_step))


@dataclass(frozen=True)
class Stretched:
    """A scene with view steps of another length."""

    scene: Scene
    factor: NDArray[np.float32]

    def seen(self, where: Views, angle: Views, weights: Views, step: float) -> Views:
        """Light that pixels see."""
        return self.scene.seen(where, angle * self.factor, weights, step)


def frame(camera: Camera, scene: str | Scene, *, noise: bool = True, seed: int = 0) -> Frame:
    rng = np.random.default_rng(seed)
    size = camera.true_lattice.square_grid().shape
    made = SCENES[scene](rng, size) if isinstance(scene, str) else scene
    white = simulate_white(camera, rng, noise=noise, threads=THREADS)
    mosaic = simulate_capture(camera, made, rng, noise=noise, threads=THREADS)
    capture = Capture(Path("simulated.LFR"), camera.metadata, mosaic, camera.hot_pixels)
    calibration = calibrate(white, camera.metadata, source="simulated white picture", digest="")
    return Frame(camera, made, capture, white, calibration)


class Bench:
    """What several rows need, made once."""

    def __init__(self, size: tuple[int, int], data: Path | None, folder: Path) -> None:
        self.size, self.data, self.folder = size, data, folder
        self.results: dict[str, dict[str, float]] = {}

    @functools.cached_property
    def frame(self) -> Frame:
        """The capture that decoders are compared on; its files lie in the folder."""
        made = frame(neutral(simulated_camera(self.size)), "layers")
        thumbnail = np.zeros((9, 13, 3), np.uint8)
        write_lfr(self.folder / "shot.LFR", made.capture.mosaic, made.camera.metadata, thumbnail)
        write_mod(self.folder / "MOD_0000.RAW", made.white, made.camera.metadata)
        return made

    def ours(self) -> dict[str, float]:
        """CPU seconds to calibrate and decode, peak GiB."""
        return self._measured("ours", _decode_ours)

    def plenpys(self, white_level: WhiteLevel) -> dict[str, float]:
        """CPU seconds to decode, peak GiB."""
        return self._measured(white_level.name, _decode_by_plenpy, white_level)

    def views(self, name: str) -> Views:
        """What a decoder made: "ours" or the name of a `WhiteLevel`."""
        return np.load(self.folder / f"{name}.npy", mmap_mode="r")

    def _measured(
        self, name: str, work: Callable[..., dict[str, float]], *arguments: Any
    ) -> dict[str, float]:
        if name not in self.results:
            _ = self.frame
            self.results[name] = in_child(work, self.folder, self.folder / f"{name}.npy", *arguments)
        return self.results[name]


def in_child(work: Callable[..., Any], *arguments: Any) -> Any:
    """What a function returns in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def memory(name: str) -> float:
    """GiB of this process: VmHWM is its peak, VmRSS what it has now."""
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{name}:")[1].split()[0]) / 2**20


def _white(folder: Path) -> WhitePicture:
    return find_white_pictures([folder / "MOD_0000.RAW"])[0]


def _read(folder: Path) -> tuple[Capture, Calibration, float]:
    """Capture, calibration and the CPU seconds that the latter took."""
    capture = read_capture(folder / "shot.LFR")
    white = _white(folder)
    mosaic = white.read()
    calibrate(mosaic, white.metadata, source=white.label, digest=white.digest)
    began = time.process_time()
    calibration = calibrate(mosaic, white.metadata, source=white.label, digest=white.digest)
    return capture, calibration, time.process_time() - began


def _decode_ours(folder: Path, out: Path) -> dict[str, float]:
    capture, calibration, seconds = _read(folder)
    decode(capture, calibration, threads=1)
    began = time.process_time()
    lightfield = decode(capture, calibration, threads=1)
    decoding = time.process_time() - began
    peak = memory("VmHWM")
    np.save(out, lightfield.views)
    return {"calibrate": seconds, "decode": decoding, "peak": peak}


def _decode_by_plenpy(folder: Path, out: Path, white_level: WhiteLevel) -> dict[str, float]:
    capture, calibration, _ = _read(folder)
    # Ours has the white picture's noise averaged away; plenpy gets the picture as it is.
    calibration = replace(calibration, white=_white(folder).read())
    spent = []
    with imported() as library:
        original = library.illum.LytroIllum.decode_sensor_image

        def timed(*arguments: Any, **options: Any) -> None:
            began = time.process_time()
            original(*arguments, **options)
            spent.append(time.process_time() - began)

        with replaced(library.illum.LytroIllum, "decode_sensor_image", timed):
            lightfield = decode_with_plenpy(capture, calibration, white_level=white_level)
    peak = memory("VmHWM")
    np.save(out, lightfield.views)
    return {"decode": spent[0], "peak": peak}


def calibrate_by_plenpy(folder: Path) -> float:
    """CPU seconds of plenpy's own calibration."""
    capture, white = read_capture(folder / "shot.LFR"), _white(folder).read()
    began = time.process_time()
    calibrate_with_plenpy(white, capture.metadata)
    return time.process_time() - began


def ten_frames(folder: Path) -> list[float]:
    """GiB of the process after each of ten frames, one after the other."""
    _, calibration, _ = _read(folder)
    found = []
    for _ in range(10):
        decode(read_capture(folder / "shot.LFR"), calibration, threads=1)
        found.append(memory("VmRSS"))
    return found


def decibels(views: Views, truth: Views) -> NDArray[np.float64]:
    """PSNR of each view."""
    result = np.empty(truth.shape[:2])
    for index in np.ndindex(*truth.shape[:2]):
        inside = (*index, slice(BORDER, -BORDER), slice(BORDER, -BORDER))
        result[index] = -10 * np.log10(np.mean((views[inside].astype(np.float64) - truth[inside]) ** 2))
    return result


def rings(values: NDArray[np.float64], steps: tuple[float, float]) -> list[float]:
    """Means over the views of each ring; distances are in our view steps of 1/15 of the pitch."""
    offset = np.arange(13) - 6
    distance = np.hypot(offset[:, None] * steps[0], offset[None, :] * steps[1])
    return [float(values[(distance > low) & (distance <= high)].mean()) for _, low, high in RINGS]


def shifts(views: Views, truth: Views) -> NDArray[np.float64]:
    """How far off its place each view was taken, (13, 13, 2) in px: least squares on the truth's gradient [1]_.

    .. [1] Lucas, Kanade: An iterative image registration technique, IJCAI 1981
    """
    result = np.empty((*truth.shape[:2], 2))
    for index in np.ndindex(*truth.shape[:2]):
        grey = truth[index].mean(axis=-1, dtype=np.float64)
        gradient = np.gradient(grey)
        columns = [g[BORDER:-BORDER, BORDER:-BORDER].ravel() for g in (*gradient, grey, np.ones_like(grey))]
        difference = views[index].mean(axis=-1, dtype=np.float64) - grey
        target = difference[BORDER:-BORDER, BORDER:-BORDER].ravel()
        result[index] = np.linalg.lstsq(np.stack(columns, axis=1), target, rcond=None)[0][:2]
    return result


def lattice_error(measured: Lattice, true: Lattice) -> NDArray[np.float64]:
    """Distance of each measured centre from the nearest true one, px."""
    centres = measured.centres().reshape(-1, 2)
    row, along = np.linalg.solve(np.array([true.down, true.across]).T, (centres - true.origin).T)
    row = np.round(row)
    lens = np.round(along - row % 2 / 2) + row % 2 / 2
    nearest = np.array(true.origin) + row[:, None] * true.down + lens[:, None] * true.across
    return np.linalg.norm(centres - nearest, axis=1)
