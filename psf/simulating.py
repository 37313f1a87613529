"""Simulated photographs of disks as files: what ``psf simulate`` writes.

The truth goes to a folder of its own, so that a folder of photographs holds photographs alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lfsynth import __version__
from lfsynth.errors import InputError
from lfsynth.pictures import write, write_bytes_atomic
from lfsynth.transfer import Transfer
from psf.fitting import make_folder
from psf.merit import Kernel, measure, unit_sum
from psf.modelling import write_kernel
from psf.models import Model
from psf.models import kernel as model_kernel
from psf.named_models import fine_kernel, size_holding
from psf.simulate import OVERSAMPLING, Exposure, Pose, expose, mosaic, simulate_coverage


@dataclass(frozen=True, eq=False)
class Blur:
    """A kernel to simulate.

    Attributes
    ----------
    name : for the truth
    fine : (m, m) float64 of sum 1, light on cells, `OVERSAMPLING` a pixel
    system : (n, n) float64 of sum 1, the light on pixels; of a model, exact, not by way of the cells
    """

    name: str
    fine: NDArray[np.float64]
    system: Kernel


@dataclass(frozen=True, eq=False)
class Job:
    """What to simulate.

    Attributes
    ----------
    out : picture to write, .png or TIFF; several shots are numbered
    blur : of the disks
    pose : of the target
    exposure : of each shot
    colour : light of red, green and blue relative to `exposure`; None for a grey picture
    bayer : colours of a mosaic's first two rows, such as rggb; None for none
    transfer : curve of the codes
    bits : 8, 16, or in TIFF 32 for floats
    shots : pictures of the same target, of different noise
    seed : of the noise
    truth : folder for truth.json and kernel.npy; None: it is not written
    """

    out: Path
    blur: Blur
    pose: Pose
    exposure: Exposure
    colour: tuple[float, float, float] | None
    bayer: str | None
    transfer: Transfer
    bits: int
    shots: int
    seed: int
    truth: Path | None


def blur_of_model(model: Model, name: str) -> Blur:
    """The blur of a model of `psf.models`, cut off where `psf.named_models` does so, and made 1 again."""
    size = size_holding(model)
    return Blur(name, fine_kernel(model, size, OVERSAMPLING), model_kernel(model, size))


def blur_of_kernel(kernel: Kernel, name: str) -> Blur:
    """The blur of a system's kernel (n, n): the picture is a sum of sharp ones, each averaged over its pixels."""
    system = unit_sum(kernel)
    fine = np.zeros(((len(kernel) - 1) * OVERSAMPLING + 1,) * 2)
    fine[::OVERSAMPLING, ::OVERSAMPLING] = system
    return Blur(name, fine, system)


def run(job: Job, report: Callable[[Path], None]) -> list[Path]:
    """Simulate and write.

    Parameters
    ----------
    job : what
    report : is called with each picture that was written

    Returns
    -------
    the pictures

    Raises
    ------
    InputError : where files cannot be written, or the formats exclude each other
    """
    _check(job)
    if job.truth is not None:
        make_folder(job.truth)
    coverage = simulate_coverage(job.blur.fine, job.pose)
    paths = [_numbered(job.out, shot, job.shots) for shot in range(job.shots)]
    for shot, path in enumerate(paths):
        rng = np.random.default_rng((job.seed, shot))
        write(path, _light(coverage, job, rng), bits=job.bits, transfer=job.transfer)
        report(path)
    if job.truth is not None:
        write_kernel(job.truth / "kernel.npy", job.blur.system)
        text = json.dumps(_record(job, paths), indent=2, ensure_ascii=False) + "\n"
        write_bytes_atomic(job.truth / "truth.json", text.encode())
    return paths


def _check(job: Job) -> None:
    suffix = job.out.suffix.lower()
    if suffix not in (".png", ".tif", ".tiff"):
        raise InputError(job.out, "photographs are written as PNG or TIFF", "name it .png or .tif")
    if job.bits == 32 and suffix == ".png":
        raise InputError("--bits", "a PNG file holds no floats", "use 8 or 16 bits, or name it .tif")
    if not job.out.absolute().parent.is_dir():
        raise InputError(job.out, "its folder does not exist", "make it or choose another --out")
    centres = job.pose.centres()
    height, width = job.pose.shape
    if not ((centres > 0) & (centres < (height - 1, width - 1))).all():
        raise InputError(
            "--pitch", "not all disks are in the picture", "use a smaller pitch, tilt, rotation or shift"
        )


def _light(coverage: NDArray[np.float32], job: Job, rng: np.random.Generator) -> NDArray[np.float32]:
    """One photograph, (H, W, C) linear light."""
    if job.colour is None:
        return expose(coverage, job.exposure, rng)[:, :, None]
    channels = []
    for share in job.colour:
        plain = asdict(job.exposure)
        plain |= {"paper": share * job.exposure.paper, "ink": share * job.exposure.ink}
        channels.append(expose(coverage, Exposure(**plain), rng))
    light = np.stack(channels, axis=-1)
    return light if job.bayer is None else mosaic(light, job.bayer)[:, :, None]


def _record(job: Job, paths: list[Path]) -> dict[str, Any]:
    merit = measure(job.blur.system)
    return {
        "program": "psf simulate",
        "version": __version__,
        "photographs": [str(path) for path in paths],
        "kernel": {"name": job.blur.name, "file": "kernel.npy", "size": len(job.blur.system)},
        "merit": asdict(merit),
        "pose": asdict(job.pose),
        "homography": job.pose.homography().tolist(),
        "centres": job.pose.centres().tolist(),
        "exposure": asdict(job.exposure),
        "colour": job.colour,
        "bayer": job.bayer,
        "transfer": str(job.transfer),
        "bits": job.bits,
        "seed": job.seed,
    }


def _numbered(out: Path, shot: int, shots: int) -> Path:
    if shots == 1:
        return out
    return out.with_name(f"{out.stem}_{shot + 1:0{len(str(shots))}d}{out.suffix}")
