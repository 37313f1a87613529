"""A folder of simulated captures, as it comes out of a camera, and the truth about it.

::

    <out>/IMG_0001.LFR ...             captures
    <out>/caldata-<serial>.tar         the camera's white pictures, the captures' own among them
    <out>/MOD_0000.RAW, .TXT ...       the same loose, on request
    <out>/.truth/IMG_0001.h5 ...       the true light fields, on request; hidden, so that nobody takes them for captures
    <out>/simulation.json              says that all this is simulated, and how

Files are written whole and in this order: simulation.json, the white pictures, captures, each before its truth. What is
there is kept: each file has random numbers of its own, so that a run that was stopped ends with the same bytes.
"""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from enum import IntEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lfsynth.errors import InputError
from lfsynth.lfdof import write_json
from lfsynth.lightfield import LightField
from lfsynth.lytro.camera import Camera, at_steps, with_hot_pixels
from lfsynth.lytro.lattice import REACH, VIEWS
from lfsynth.lytro.lfr_layout import GENERATOR, white_document, write_lfr, write_mod
from lfsynth.lytro.packing import pack
from lfsynth.lytro.simulated_scenes import Scene
from lfsynth.lytro.simulation import simulate_capture, simulate_white, true_views
from lfsynth.lytro.white_pictures import find_white_pictures
from lfsynth.output_folder import held, writing
from lfsynth.readers.hdf5 import write_hdf5
from lfsynth.transfer import SRGB, encode

SIMULATION_VERSION = 1
"""Counted up whenever the same options give other files."""

TRUTH = ".truth"
"""Folder of the true light fields."""

FACTS = "simulation.json"
"""What says that a folder holds simulated captures."""

STEPS = ((0, 0), (0, -40), (-150, 0), (150, 30), (-300, 60))
"""Zoom and focus of white pictures, in motor steps from those of the captures."""

_PLAIN = "simulated captures of a Lytro Illum, not photographs"

Report = Callable[[str, float], None]
"""Called with what is being made and the part of it that is done."""


class _Chance(IntEnum):
    """What random numbers are for."""

    HOT_PIXELS = 0
    WHITE = 1
    SCENE = 2
    NOISE = 3


@dataclass(frozen=True)
class Job:
    """What to simulate.

    Attributes
    ----------
    out : folder
    camera : without hot pixels
    scene : its name or path, for `FACTS`
    make_scene : makes it from a generator and the size of a view
    shots : number of captures, each of a scene from a generator of its own
    seed : of all random numbers
    noise : False: no noise and no hot pixels
    truth : also write the true light fields
    whites : number of white pictures, at most `len(STEPS)`
    loose : also write the white pictures loose
    """

    out: Path
    camera: Camera
    scene: str
    make_scene: Callable[[np.random.Generator, tuple[int, int]], Scene]
    shots: int = 1
    seed: int = 0
    noise: bool = True
    truth: bool = False
    whites: int = 3
    loose: bool = False

    def generator(self, chance: int, index: int = 0) -> np.random.Generator:
        """Random numbers for one purpose, independent of all others."""
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(chance, index)))


def run(job: Job, *, threads: int, report: Report) -> list[Path]:
    """Simulate what is not there yet.

    Parameters
    ----------
    job : what to make
    threads : how many work at a picture
    report : told of the progress

    Returns
    -------
    the captures

    Raises
    ------
    InputError : where the folder holds a simulation with other options, or another run is writing to it
    OutputError : where it cannot be written to
    """
    camera = with_hot_pixels(job.camera, job.generator(_Chance.HOT_PIXELS)) if job.noise else job.camera
    with held(job.out), writing(job.out):
        _sweep(job.out)
        _claim(job)
        archive = job.out / f"caldata-{camera.metadata.serial}.tar"
        if not archive.exists():
            _write_archive(job, camera, archive, threads, report)
        whites = find_white_pictures([archive])
        if job.loose:
            for white in whites:
                path = job.out / Path(white.member or "").name
                if not (path.exists() and path.with_suffix(".TXT").exists()):
                    write_mod(path, white.read(), white.metadata)
        own = camera.metadata.zoom_step, camera.metadata.focus_step
        digests = [w.digest for w in whites if (w.metadata.zoom_step, w.metadata.focus_step) == own]
        captures = []
        for number in range(1, job.shots + 1):
            captures.append(path := job.out / f"IMG_{number:04d}.LFR")
            truth = job.out / TRUTH / f"{path.stem}.h5"
            if path.exists() and (truth.exists() or not job.truth):
                continue
            _write_shot(job, camera, path, truth, number, tuple(digests), threads, report)
    return captures


def _write_shot(
    job: Job,
    camera: Camera,
    path: Path,
    truth: Path,
    number: int,
    white_refs: tuple[str, ...],
    threads: int,
    report: Report,
) -> None:
    """Write the capture, and its truth where it is wanted, unless they are there."""
    grid = camera.true_lattice.square_grid()
    scene = job.make_scene(job.generator(_Chance.SCENE, number), grid.shape)
    if not path.exists():
        metadata = replace(camera.metadata, white_refs=white_refs)
        write_capture(
            path,
            replace(camera, metadata=metadata),
            scene,
            job.generator(_Chance.NOISE, number),
            noise=job.noise,
            threads=threads,
            report=lambda done: report(path.name, done),
        )
    if job.truth and not truth.exists():
        truth.parent.mkdir(exist_ok=True)
        write_truth(
            truth, camera, scene, threads=threads, report=lambda done: report(f"truth of {path.name}", done)
        )


def write_capture(
    path: Path,
    camera: Camera,
    scene: Scene,
    rng: np.random.Generator,
    *,
    noise: bool = True,
    threads: int = 1,
    report: Callable[[float], None] | None = None,
) -> None:
    """Simulate a capture and write it as an LFR file, atomically; parameters as of `simulate_capture`."""
    mosaic = simulate_capture(camera, scene, rng, noise=noise, threads=threads, report=report)
    grid = camera.true_lattice.square_grid()
    centre = true_views(camera, scene, grid, views=1)[0, 0]
    thumbnail = encode(np.ascontiguousarray(centre), SRGB, bits=8).astype(np.uint8, copy=False)
    write_lfr(path, mosaic, camera.metadata, thumbnail, hot_pixels=camera.hot_pixels)


def write_truth(
    path: Path,
    camera: Camera,
    scene: Scene,
    *,
    threads: int = 1,
    report: Callable[[float], None] | None = None,
) -> None:
    """Render the true light field at the true lattice's square grid and write it as HDF5, atomically."""
    views = true_views(camera, scene, camera.true_lattice.square_grid(), threads=threads, report=report)
    write_hdf5(path, true_light_field(views), threads=threads)


def true_light_field(views: NDArray[np.float32]) -> LightField:
    """A light field of true views; those beyond `REACH` have no weight."""
    at = np.arange(VIEWS) - VIEWS // 2
    weights = (np.hypot(at[:, None], at) <= REACH).astype(np.float32)
    metadata = {"format": GENERATOR, "simulated": True, "simulation": f"the true light field of {_PLAIN}"}
    return LightField(views, weights, np.ones_like(weights), Path("simulated"), metadata=metadata)


def _write_archive(job: Job, camera: Camera, path: Path, threads: int, report: Report) -> None:
    """Write the white pictures, in the order of their zoom and focus, as a tar archive, atomically."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    steps = sorted(STEPS[: job.whites])
    try:
        with tarfile.open(partial, "w", format=tarfile.USTAR_FORMAT) as archive:
            for k, (zoom, focus) in enumerate(steps):
                moved = at_steps(camera, zoom, focus)
                name = f"MOD_{k:04d}"

                def done(part: float, before: int = k) -> None:
                    report(path.name, (before + part) / len(steps))

                mosaic = simulate_white(
                    moved,
                    job.generator(_Chance.WHITE, STEPS.index((zoom, focus))),
                    noise=job.noise,
                    threads=threads,
                    report=done,
                )
                document = json.dumps(white_document(moved.metadata), indent=1, sort_keys=True).encode()
                for member, data in ((f"{name}.RAW", pack(mosaic)), (f"{name}.TXT", document)):
                    entry = tarfile.TarInfo(member)
                    entry.size = len(data)
                    archive.addfile(entry, io.BytesIO(data))
        with partial.open("rb+") as written:
            os.fsync(written.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _claim(job: Job) -> None:
    """Say in the folder what it holds; refuse one that holds something else."""
    path = job.out / FACTS
    facts = _facts(job)
    if path.exists():
        try:
            there = json.loads(path.read_text())
        except ValueError:
            there = None
        if there != facts:
            raise InputError(
                job.out,
                "it holds a simulation with other options",
                "choose another folder with --out, or remove this one",
            )
        return
    if any(job.out.glob("*.LFR")) or any(job.out.glob("caldata-*.tar")):
        raise InputError(
            job.out, "it holds captures that are not simulated", "choose another folder with --out"
        )
    write_json(path, facts)


def _facts(job: Job) -> dict[str, Any]:
    """All that the files depend on, as JSON has it."""
    camera = asdict(replace(job.camera, metadata=replace(job.camera.metadata, document={}, source=None)))
    facts = {
        "what": _PLAIN,
        "generator": GENERATOR,
        "version": SIMULATION_VERSION,
        "camera": camera,
        "noise": job.noise,
        "scene": job.scene,
        "seed": job.seed,
        "white_pictures": job.whites,
    }
    plain: dict[str, Any] = json.loads(json.dumps(facts, default=_plain))
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} is no JSON")


def _sweep(out: Path) -> None:
    """Remove what runs that were killed have left half-written; this one holds the folder alone."""
    for folder in (out, out / TRUTH):
        for partial in list(folder.glob(".*.partial")):
            partial.unlink()
