"""The folder of an estimate: a set of files for each kernel, estimate.json, and the report.

The folder comes into being whole: all is written into one beside it, which then takes its place. What it holds of
others stays untouched: such a folder is refused.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lfsynth import __version__, png
from lfsynth.errors import InputError
from lfsynth.output_folder import writing
from lfsynth.pictures import write
from psf.findings import FieldOf, Lateral, Measured, Results, Seen
from psf.fit import Candidate
from psf.kernel_figure import Profiles
from psf.kernel_files import RECORD, read_record
from psf.report.page import PAGE, page


def check_out(out: Path) -> None:
    """Refuse a folder for which what is there would be lost; see `check_folder`."""
    record = out / RECORD
    ours = {RECORD, *map(str, read_record(record).get("files", []))} if record.exists() else set()
    check_folder(out, ours, RECORD, "psf estimate")


def check_folder(out: Path, ours: set[str], record: str, program: str) -> None:
    """Refuse to replace a folder that is not a program's own.

    Parameters
    ----------
    out : the folder
    ours : names of files that the program makes
    record : the one of them without which the others are not the program's
    program : in words

    Raises
    ------
    InputError : where the folder holds other files, or its parent does not exist
    """
    if not out.absolute().parent.is_dir():
        raise InputError(out, "its folder does not exist", "make it or choose another --out")
    if not out.exists():
        return
    if not out.is_dir():
        raise InputError(out, "it is a file", "choose another --out")
    held = {path.name for path in out.iterdir()}
    foreign = sorted(held - (ours if record in held else set()))
    if foreign:
        raise InputError(out, f"it holds {foreign[0]}, which no {program} made", "choose another --out")


@contextmanager
def replacing(out: Path) -> Iterator[Path]:
    """A folder to write into, which takes the place of ``out`` if all goes well.

    Raises
    ------
    lfsynth.output_folder.OutputError : where it cannot be written to
    """
    place = out.absolute()
    partial, old = (place.with_name(f".{place.name}.{os.getpid()}.{end}") for end in ("partial", "old"))
    with writing(out):
        partial.mkdir()
        try:
            yield partial
            if place.exists():
                place.rename(old)
            partial.rename(place)
        finally:
            for left in (partial, old):
                if left.exists():
                    shutil.rmtree(left)


def write_folder(out: Path, results: Results, command: dict[str, Any]) -> None:
    """Write everything.

    Parameters
    ----------
    out : the folder
    results : of the job
    command : every option by name, as JSON values
    """
    check_out(out)
    with replacing(out) as folder:
        files = [_write_kernel(folder, one) for one in results.kernels]
        fields = [_write_field(folder, one) for one in results.fields]
        record = as_json(results, files, fields, command)
        (folder / PAGE).write_text(page(results, command), encoding="utf-8")
        record["files"] = sorted(path.name for path in folder.iterdir())
        text = json.dumps(record, indent=1, allow_nan=False)
        (folder / RECORD).write_text(text + "\n", encoding="utf-8")


def as_json(
    results: Results, files: list[dict[str, str]], fields: list[dict[str, str]], command: dict[str, Any]
) -> dict[str, Any]:
    """What estimate.json holds; `files` and `fields` name the files of each kernel and of each field."""
    return {
        "program": "psf estimate",
        "version": __version__,
        "command": command,
        "inputs": [_input(path) for path in results.paths],
        "kernels": [_kernel(one, names) for one, names in zip(results.kernels, files, strict=True)],
        "refused": [asdict(one) for one in results.refused],
        "lateral_colour": [_lateral(one) for one in results.lateral],
        "field": [_field(one, names) for one, names in zip(results.fields, fields, strict=True)],
    }


def _input(path: Path) -> dict[str, Any]:
    state = path.stat()
    stamp = np.datetime64(state.st_mtime_ns, "ns").astype("datetime64[s]")
    return {"path": str(path), "bytes": state.st_size, "modified": f"{stamp}Z"}


def _kernel(one: Measured, files: dict[str, str]) -> dict[str, Any]:
    found = one.estimate
    return {
        "name": one.name,
        "setting": one.setting,
        "channel": one.channel,
        "zone": one.zone,
        "size": len(one.kernel),
        "relative": one.relative,
        "sensor_px": one.seen[0].plane.step,
        "files": files,
        "parameters": {
            "prior": None if found.prior is None else found.prior.value,
            "share": found.share,
            "weight": found.weight,
            "radius_pitches": found.radius,
        },
        "quality": asdict(found.quality),
        "checks": [{**asdict(check), "passed": check.passed} for check in one.checks],
        "merit": asdict(one.merit),
        "merit_errors": one.profiles.merit_errors,
        "method": "regularised" if found.prior is not None else "mannan-langer",
        "lattice": {**asdict(one.lattice), "origin": one.lattice.origin.value},
        "models": [_model(candidate) for candidate in one.models],
        "photographs": [_photograph(seen) for seen in one.seen],
    }


def _lateral(one: Lateral) -> dict[str, Any]:
    return {
        "setting": one.setting,
        "first": one.first,
        "second": one.second,
        **asdict(one.mean),
        "measurements": [
            {
                "photograph": number,
                "disks": len(shot.points),
                "shift": shot.shift,
                "magnification": shot.magnification,
                "magnification_error": shot.magnification_error,
                "points": shot.points.tolist(),
                "shifts": shot.shifts.tolist(),
            }
            for number, shots in enumerate(one.shots)
            for shot in shots
        ],
    }


def _field(one: FieldOf, files: dict[str, str]) -> dict[str, Any]:
    return {
        "setting": one.setting,
        "channel": one.channel,
        "zones": one.parts,
        "files": files,
        "figures": {name: asdict(figure) for name, figure in one.field.figures.items()},
    }


def _model(candidate: Candidate) -> dict[str, Any]:
    fit = candidate.fit
    return {
        "family": fit.family,
        "parameters": fit.parameters,
        "errors": fit.errors,
        "centre": fit.centre,
        "relative_l2": fit.relative_l2,
        "bic": candidate.bic,
        "aic": candidate.aic,
    }


def _photograph(seen: Seen) -> dict[str, Any]:
    detection = seen.detection
    return {
        "path": str(seen.path),
        "plane": seen.plane.name,
        "polarity": detection.polarity.value,
        "grid": detection.grid,
        "whole": detection.whole,
        "cut": detection.cut,
        "used": int(np.count_nonzero(detection.usable)),
        "saturated": seen.saturated,
        "black": seen.black,
        "contrast": detection.contrast,
        "noise": detection.sigma / detection.plateau,
        "blur_reach": detection.blur_reach,
        "homography": detection.homography.tolist(),
        "homography_residual_px": detection.residual_rms,
    }


def _write_kernel(folder: Path, one: Measured) -> dict[str, str]:
    """Write one kernel's files; returns their names."""
    found = one.estimate
    names = {"system": f"{one.name}.npy", "tiff": f"{one.name}.tiff"}
    _save(folder / names["system"], one.kernel)
    if not one.relative:
        names["optical"] = f"{one.name}_optical.npy"
        _save(folder / names["optical"], found.kernel)
    if found.sigma is not None:
        names["sigma"] = f"{one.name}_sigma.npy"
        _save(folder / names["sigma"], found.sigma)
    write(folder / names["tiff"], one.kernel[:, :, None].astype(np.float32), bits=32)
    names["profile"] = f"{one.name}_profile.csv"
    _write_profiles(folder / names["profile"], one.profiles)
    names["figure"] = f"{one.name}.png"
    (folder / names["figure"]).write_bytes(png.encode_png(one.figure))
    return names


def _write_profiles(path: Path, found: Profiles) -> None:
    """All curves, one below the other: name of the curve, px or cycles a pixel, value, standard error."""
    curves = {
        "radial": found.radius,
        "encircled": found.radius,
        "line_x": found.along,
        "line_y": found.along,
        "mtf": found.frequency,
        "mtf_x": found.frequency,
        "mtf_y": found.frequency,
    }
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(("curve", "at", "value", "sigma"))
        for name, at in curves.items():
            values, errors = getattr(found, name), found.errors.get(name)
            for index, value in enumerate(values):
                error = "" if errors is None else f"{errors[index]:.6g}"
                table.writerow((name, f"{at[index]:.6g}", f"{value:.8g}", error))


def _write_field(folder: Path, one: FieldOf) -> dict[str, str]:
    """Mean and spread over the zones."""
    start = "_".join(part for part in (one.setting, one.channel, "field") if part)
    names = {"mean": f"{start}_mean.npy", "spread": f"{start}_spread.npy"}
    _save(folder / names["mean"], one.field.mean)
    _save(folder / names["spread"], one.field.spread)
    return names


def _save(path: Path, array: NDArray[np.float64]) -> None:
    with path.open("wb") as file:
        np.save(file, array, allow_pickle=False)
