"""Fig. 2 of the paper: what a camera and a light field camera make of a point, in front, in and back focus.

The commands are ``psf compare --focus`` on kernels that the user has estimated, or, in a smoke run without such, on
kernels that ``psf estimate`` finds in simulated photographs of disks: of a camera, and of a light field refocused to
the same blur, by the sum of its views as in the paper, and densely.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path

import numpy as np

from lfsynth.errors import InputError
from lfsynth.noise import Noise
from lfsynth.readers.hdf5 import write_hdf5
from pipelines.paper.plan import Camera, Plan
from pipelines.paper.recipes import Source
from pipelines.paper.stand_ins import run
from pipelines.paper.workshop import Workshop
from psf import cli
from psf.focus_panels import read_setting
from psf.projected_target import ViewNoise, project_target
from psf.simulate import Pose

FOCI = ("front", "in", "back")
SLOPES = (4.0, 0.0, -3.0)
"""Disparities that the light field is focused at, of disks at 0: in front of them, on them and behind."""
RADIUS = 4.3
"""Of the light field's aperture, views."""
POSE = Pose(shape=(620, 760), grid=(5, 4), pitch=132.0, radius=34.0, distance=6000.0, tilt=(0.0, 0.0))
VIEWS = (9, 9)
NOISE = 0.005
"""Standard deviation, share of full scale."""
PHOTOGRAPH = (
    "--picture",
    "760x620",
    "--grid",
    "5x4",
    "--pitch",
    "132",
    "--disk-radius",
    "34",
    "--bits",
    "16",
)


def needs(plan: Plan) -> set[Source]:
    """Datasets that it takes: none."""
    return set()


def check(plan: Plan) -> None:
    """Refuse a plan without cameras, but in a smoke run, and kernels that cannot be read.

    Raises
    ------
    InputError : saying so
    """
    for camera in plan.fig2:
        for text in (camera.front, camera.sharp, camera.back):
            read_setting(camera.name, text)
    if not plan.fig2 and not plan.tiny:
        fault = "fig2 is not given: the kernels of cameras"
        raise InputError(plan.name, fault, "name them in [[fig2]], or add --budget tiny for simulated ones")


def make(workshop: Workshop, generated: Collection[Source], out: Path) -> list[Path]:
    """Write fig2.png and fig2.csv.

    Raises
    ------
    SystemExit : where ``psf`` has ended with an error, of which it has told
    """
    cameras = workshop.plan.fig2 or _simulated(workshop.out / "generated" / "psf")
    folder = out / "fig2"
    focus = [text for one in cameras for text in ("--focus", one.name, one.front, one.sharp, one.back)]
    run("psf", cli.main, ["compare", *focus, "--out", str(folder)])
    paths = [out / "fig2.png", out / "fig2.csv"]
    for source, path in zip(("focus.png", "compare.csv"), paths, strict=True):
        shutil.copyfile(folder / source, path)
    print(f"Fig. 2. Disks, kernels and profiles of {', '.join(one.name for one in cameras)}.")
    if not workshop.plan.fig2:
        print("SMOKE RUN: the cameras are simulated.")
    return paths


def _simulated(folder: Path) -> tuple[Camera, ...]:
    """A camera and a light field camera, whose photographs are simulated and whose kernels are estimated from them."""
    folder.mkdir(parents=True, exist_ok=True)
    photographs = []
    for focus, slope in zip(FOCI, SLOPES, strict=True):
        path = folder / f"camera_{focus}.png"
        if not path.exists():
            blur = f"defocused-airy:scale=1.5,radius={RADIUS * abs(slope):g}" if slope else "airy:scale=1.5"
            noise = ("--noise", str(NOISE))
            run("psf", cli.main, ["simulate", "--model", blur, "--out", str(path), *PHOTOGRAPH, *noise])
        photographs.append(path)
    views = folder / "light_field.h5"
    if not views.exists():
        noise_of_a_view = ViewNoise(Noise((NOISE**2,), (0.0,), (0.0,)))
        rng, weights = np.random.default_rng(0), np.ones(VIEWS, np.float32)
        write_hdf5(views, project_target(POSE, 0.0, rng, weights=weights, noise=noise_of_a_view))
    kernels = [
        _kernel(folder / f"camera_{focus}", path, "--transfer", "linear")
        for focus, path in zip(FOCI, photographs, strict=True)
    ]
    cameras = [Camera("simulated camera", *kernels)]
    for name, sampling in (("simulated light field", "views"), ("the same, dense", "dense")):
        kernels = [
            _kernel(
                folder / f"{sampling}_{focus}",
                views,
                *("--slope", str(slope), "--radius", str(RADIUS), "--aperture-sampling", sampling),
            )
            for focus, slope in zip(FOCI, SLOPES, strict=True)
        ]
        cameras.append(Camera(name, *kernels))
    return tuple(cameras)


def _kernel(folder: Path, source: Path, *options: str) -> str:
    """A folder of ``psf estimate``, made where it is not there."""
    if not (folder / "estimate.json").exists():
        # A kill may have left some of it.
        shutil.rmtree(folder, ignore_errors=True)
        run("psf", cli.main, ["estimate", "--images", str(source), *options, "--out", str(folder)])
    return str(folder)
