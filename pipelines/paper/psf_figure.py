"""Fig. 2 of the paper: what a camera and a light field camera make of a point, in front, in and back focus.

The commands are ``psf compare --focus`` on kernels that the user has estimated, or, in a smoke run without such, on
kernels that ``psf estimate`` finds in photographs of disks by ``psf simulate``: one camera by its lens's opening, the
other by the sum over the views of a synthetic aperture.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path

from lfsynth.errors import InputError
from pipelines.paper.plan import Camera, Plan
from pipelines.paper.recipes import Source
from pipelines.paper.stand_ins import run
from pipelines.paper.workshop import Workshop
from psf import cli
from psf.focus_panels import read_setting

FOCI = ("front", "in", "back")
SIMULATED = {
    "simulated camera": (
        "defocused-airy:scale=1.5,radius=10",
        "airy:scale=1.5",
        "defocused-airy:scale=1.5,radius=8",
    ),
    "simulated light field": (
        "synthetic-aperture:spacing=4,sigma=0.9,aperture=5",
        "gaussian:sigma=0.9",
        "synthetic-aperture:spacing=3,sigma=0.9,aperture=5",
    ),
}
"""Models of `psf.named_models` in front, in and back focus, lengths in px."""
PHOTOGRAPH = ("--picture", "1200x900", "--grid", "5x4", "--noise", "0.005", "--bits", "16")


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
        fault = "fig2 is not given: the kernels of two cameras"
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
        print("SMOKE RUN: both cameras are simulated.")
    return paths


def _simulated(folder: Path) -> tuple[Camera, ...]:
    """Two cameras, whose photographs are simulated and whose kernels are estimated from them."""
    cameras = []
    for name, models in SIMULATED.items():
        kernels = []
        for focus, model in zip(FOCI, models, strict=True):
            place = folder / name.replace(" ", "_") / focus
            place.mkdir(parents=True, exist_ok=True)
            photograph, estimate = place / "disks.png", place / "kernels"
            if not (estimate / "estimate.json").exists():
                # A kill may have left some of it.
                shutil.rmtree(estimate, ignore_errors=True)
                run("psf", cli.main, ["simulate", "--model", model, "--out", str(photograph), *PHOTOGRAPH])
                run(
                    "psf",
                    cli.main,
                    ["estimate", "--images", str(photograph), "--transfer", "linear", "--out", str(estimate)],
                )
            kernels.append(str(estimate))
        cameras.append(Camera(name, *kernels))
    return tuple(cameras)
