"""Models fitted to one kernel, as text and files: what ``psf model fit`` prints and writes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lfsynth import __version__
from lfsynth.errors import InputError
from lfsynth.pictures import write_bytes_atomic
from lfsynth.png import encode_png
from psf.families import FAMILIES
from psf.figures import profile_figure
from psf.fit import Candidate, Fit, choose
from psf.merit import Kernel, unit_sum
from psf.modelling import physical, write_kernel
from psf.models import kernel
from psf.optics import Optics, in_physical_units

MOST_SHOWN = 4
"""Models in the figure, beside the kernel."""
LARGEST_MISFIT = 1.0
"""Relative L2 from which on a model has nothing of the kernel."""
_UNITS = {"aperture": "view steps"}
"""Of parameters that are not px."""


@dataclass(frozen=True, eq=False)
class Job:
    """What to fit.

    Attributes
    ----------
    kernel : (n, n), n odd, of positive sum
    name : its name
    families : names of `psf.families`; none: all that apply
    fixed : values of known parameters, by name
    sigma : (n, n) standard errors; None: not known, equal
    pixel : side of the pixel, 1 for the system's kernel, 0 for the optical one
    optics : of the camera, for physical units; None: not known
    """

    kernel: Kernel
    name: str
    families: tuple[str, ...] = ()
    fixed: Mapping[str, float] = field(default_factory=dict)
    sigma: NDArray[np.float64] | None = None
    pixel: float = 1.0
    optics: Optics | None = None


def run(job: Job) -> list[Candidate]:
    """Fit, best first.

    Raises
    ------
    InputError : where no model applies, a fixed parameter is unknown, or the errors do not fit the kernel
    """
    families = {name: FAMILIES[name] for name in job.families} or FAMILIES
    known = {name for family in families.values() for name in family.parameters}
    unknown = sorted(set(job.fixed) - known)
    if unknown:
        raise InputError(
            "--fixed",
            f"no model has a parameter {', '.join(unknown)}",
            f"choose of {', '.join(sorted(known))}",
        )
    try:
        return choose(job.kernel, families=families, fixed=job.fixed, sigma=job.sigma, pixel=job.pixel)
    except ValueError as error:
        raise InputError(
            job.name, str(error), "name another --family, or correct --sigma or --fixed"
        ) from None


def text_of(found: list[Candidate], job: Job) -> list[str]:
    """A table of the models, and the best one in physical units."""
    lines = [["model", "BIC", "rel. L2", "brightness", "parameters"]]
    for one in found:
        fit = one.fit
        parameters = ", ".join(_parameter(fit, name) for name in fit.parameters)
        lines.append(
            [
                fit.family.replace(" ", "-"),
                f"{one.bic - found[0].bic:+.1f}" if one is not found[0] else "0",
                f"{fit.relative_l2:.4f}",
                f"{fit.brightness:.4f}",
                parameters,
            ]
        )
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    text = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    best = found[0].fit
    y, x = best.centre
    text.append(
        f"{best.family.replace(' ', '-')} lies at ({y:+.3f} ± {best.centre_errors[0]:.3f}, "
        f"{x:+.3f} ± {best.centre_errors[1]:.3f}) px (y, x) from the middle"
    )
    for name, (value, error) in physical_of(best, job.optics).items():
        title, said = physical(name, value, error)
        text.append(f"{title}: {said}")
    return text


def physical_of(fit: Fit, optics: Optics | None) -> dict[str, tuple[float, float]]:
    """Values and standard errors of `psf.optics.in_physical_units`; errors of several parameters add as squares."""
    if optics is None:
        return {}
    build = FAMILIES[fit.family].build
    values = in_physical_units(fit.model, optics)
    square = dict.fromkeys(values, 0.0)
    for name, error in fit.errors.items():
        low, high = FAMILIES[fit.family].parameters[name]
        there = min(max(fit.parameters[name] + error, low), high)
        step = there - fit.parameters[name]
        if step:
            moved = in_physical_units(build(fit.parameters | {name: there}), optics)
            for key in square:
                square[key] += ((moved[key] - values[key]) * error / step) ** 2
    return {key: (values[key], math.sqrt(square[key])) for key in values}


def record(found: list[Candidate], job: Job) -> dict[str, Any]:
    """Everything, as fit.json holds it."""
    optics = job.optics
    return {
        "program": "psf model fit",
        "version": __version__,
        "kernel": {"name": job.name, "size": len(job.kernel)},
        "fixed": dict(job.fixed),
        "pixel": job.pixel,
        "errors_given": job.sigma is not None,
        "optics": None
        if optics is None
        else {
            "f_number": optics.f_number,
            "pixel_pitch_m": optics.pixel_pitch,
            "wavelength_m": optics.wavelength,
        },
        "models": [
            {
                "family": one.fit.family,
                "bic": one.bic,
                "aic": one.aic,
                "relative_l2": one.fit.relative_l2,
                "brightness": one.fit.brightness,
                "parameters": one.fit.parameters,
                "errors": one.fit.errors,
                "centre": one.fit.centre,
                "centre_errors": one.fit.centre_errors,
                "physical": {
                    name: {"value": value, "error": error}
                    for name, (value, error) in physical_of(one.fit, optics).items()
                },
            }
            for one in found
        ],
    }


def write(out: Path, found: list[Candidate], job: Job) -> list[Path]:
    """Write fit.json, fit.png and model.npy, the best model's kernel, to a folder; the files.

    Raises
    ------
    InputError : where they cannot be written
    """
    make_folder(out)
    paths = [out / name for name in ("fit.json", "fit.png", "model.npy")]
    write_bytes_atomic(
        paths[0], (json.dumps(record(found, job), indent=2, ensure_ascii=False) + "\n").encode()
    )
    shown = {job.name: unit_sum(job.kernel)}
    for one in found[:MOST_SHOWN]:
        if one.fit.relative_l2 < LARGEST_MISFIT:
            shown[one.fit.family] = _pixels(one.fit, job)
    write_bytes_atomic(paths[1], encode_png(profile_figure(shown)))
    write_kernel(paths[2], _pixels(found[0].fit, job))
    return paths


def make_folder(path: Path) -> None:
    """Make a folder, and those above it.

    Raises
    ------
    InputError : where that cannot be
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            path, f"the folder cannot be made ({error.strerror})", "name another folder"
        ) from None


def _pixels(fit: Fit, job: Job) -> Kernel:
    return kernel(fit.model, len(job.kernel), centre=fit.centre, pixel=job.pixel)


def _parameter(fit: Fit, name: str) -> str:
    value, error, unit = fit.parameters[name], fit.errors[name], _UNITS.get(name, "px")
    return f"{name} {value:.4g} {unit}" if error == 0 else f"{name} {value:.4g} ± {error:.2g} {unit}"
