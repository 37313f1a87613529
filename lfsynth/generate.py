"""From one light field to the pictures of one scene of an LFDOF dataset.

Focus slopes are spread evenly over the scene's disparity range, both ends included, so that the farthest and the nearest
thing are each in focus once; apertures are one stop apart below the largest that the live views allow. The pictures
are cropped to where every view of every aperture sees the scene (`refocus.full_aperture_margin`), so that no blur kernel in
the dataset is cut off.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lfsynth import __version__, aperture, pictures
from lfsynth.allinfocus import Method, all_in_focus
from lfsynth.disparity import disparity_map, range_of
from lfsynth.errors import InputError
from lfsynth.lfdof import DEFOCUS_SCALE, Dataset, input_name, read_record, split_of, write_json
from lfsynth.lightfield import LightField
from lfsynth.png import encode_png
from lfsynth.readers import ReadOptions, read_light_field
from lfsynth.refocus import Frame, full_aperture_margin, refocus, resample

STOP = math.sqrt(2)
"""Ratio of the radii of apertures one stop apart."""


@dataclass(frozen=True)
class Recipe:
    """What to make of each light field; all that decides the pictures' bytes, beside the light field.

    Attributes
    ----------
    apertures : how many, one stop apart, the largest that the light field allows among them
    radii : radii in view steps instead, ascending
    f_numbers : f-numbers instead, descending
    blades : sides of the aperture; 0 is a disk
    focus : how many focus settings, spread evenly over the scene's disparity range
    slopes : disparities to focus at instead, ascending, the same for each light field
    size : height and width of the pictures; None: the views' own, less the margin
    bits : 8 or 16 a channel
    test_fraction : part of the scenes that goes to ``test_data``, in [0, 1]
    ground_truth : how the all-in-focus picture is made
    defocus_maps : also write the radius of the circle of confusion of each picture
    """

    apertures: int = 3
    radii: tuple[float, ...] = ()
    f_numbers: tuple[float, ...] = ()
    blades: int = 0
    focus: int = 5
    slopes: tuple[float, ...] = ()
    size: tuple[int, int] | None = None
    bits: int = 8
    test_fraction: float = 0.06
    ground_truth: Method = Method.ROBUST_AVERAGE
    defocus_maps: bool = False

    @property
    def pictures(self) -> int:
        """Pictures a scene, ground truth and maps included."""
        pairs = self.pairs
        return pairs * (2 if self.defocus_maps else 1) + 1

    @property
    def pairs(self) -> int:
        """Pairs a scene."""
        return (len(self.radii) or len(self.f_numbers) or self.apertures) * (len(self.slopes) or self.focus)

    def as_json(self) -> dict[str, Any]:
        """The recipe as JSON values."""
        values = dataclasses.asdict(self)
        values["ground_truth"] = self.ground_truth.value
        return values


@dataclass(frozen=True, eq=False)
class Scene:
    """What is made of one light field.

    Attributes
    ----------
    defocused : (S, M, H, W, C) float32 linear light, by slope and aperture
    ground_truth : (H, W, C) float32 linear light
    slopes : (S,) disparities in focus, ascending (farthest first)
    radii : (M,) radii of the apertures in view steps, ascending
    weights : (M, U, V) weights of the views, dead ones 0
    disparity : (H, W) float32 disparity of the centre view on the pictures' grid
    step : centre view pixels a picture pixel
    """

    defocused: NDArray[np.float32]
    ground_truth: NDArray[np.float32]
    slopes: NDArray[np.float64]
    radii: NDArray[np.float64]
    weights: NDArray[np.float64]
    disparity: NDArray[np.float32]
    step: float

    def defocus(self, slope: float, radius: float) -> NDArray[np.float32]:
        """Radius of the circle of confusion in pixels of the picture, (H, W)."""
        return np.asarray(np.abs(self.disparity - np.float32(slope)) * np.float32(radius / self.step))


def make_scene(lightfield: LightField, recipe: Recipe, *, threads: int = 1) -> Scene:
    """Make the pictures of one scene.

    Raises
    ------
    InputError
        If the light field cannot serve the recipe.
    """
    disparity, confidence = disparity_map(lightfield)
    radii, openings = _apertures(lightfield, recipe)
    slopes = _slopes(range_of(disparity, confidence), recipe)
    margin = full_aperture_margin(lightfield, slopes, openings)
    frame = _frame(lightfield, recipe, margin)
    truth = all_in_focus(lightfield, method=recipe.ground_truth, disparity=disparity, threads=threads)
    return Scene(
        defocused=refocus(lightfield, slopes, openings, frame=frame, threads=threads),
        ground_truth=resample(truth, frame),
        slopes=slopes,
        radii=radii,
        weights=openings * lightfield.weights,
        disparity=resample(disparity[:, :, None], frame)[:, :, 0],
        step=frame.step,
    )


def _apertures(lightfield: LightField, recipe: Recipe) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Radii in view steps, ascending, and the weights of the views, (M, U, V)."""
    if recipe.radii:
        radii = np.array(recipe.radii)
    elif recipe.f_numbers:
        radii = np.array([aperture.radius_from_f_number(lightfield, n) for n in recipe.f_numbers])
    else:
        largest = aperture.largest_radius(lightfield)
        if largest < 1:
            raise InputError(
                lightfield.source,
                f"dead views leave an aperture of radius {largest:.1f} views around the centre view",
                "leave it out, or name radii with --radii",
            )
        radii = largest / STOP ** np.arange(recipe.apertures - 1, -1, -1)
    radii = np.sort(radii)
    centre = lightfield.centre
    grid = lightfield.grid
    if recipe.blades:
        return radii, np.stack([aperture.polygonal(grid, r, recipe.blades, centre=centre) for r in radii])
    return radii, np.stack([aperture.circular(grid, r, centre=centre) for r in radii])


def _slopes(disparities: tuple[float, float], recipe: Recipe) -> NDArray[np.float64]:
    """Slopes to focus at, ascending, from a (nearest, farthest) range of disparities."""
    if recipe.slopes:
        return np.sort(np.array(recipe.slopes))
    nearest, farthest = disparities
    return np.linspace(farthest, nearest, recipe.focus) if recipe.focus > 1 else np.array([(nearest + farthest) / 2])


def _frame(lightfield: LightField, recipe: Recipe, margin: tuple[int, int]) -> Frame:
    try:
        if recipe.size is None:
            return Frame.native(lightfield.size, margin=margin)
        return Frame.resized(lightfield.size, recipe.size, margin=margin)
    except ValueError as error:
        raise InputError(lightfield.source, str(error), "take smaller slopes or radii") from error


def identity(path: Path) -> str:
    """Hash of what a light field's files are called, their sizes and times: changes when the light field does."""
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    lines = []
    for file in files:
        status = file.stat()
        lines.append(f"{file.relative_to(path.parent)} {status.st_size} {status.st_mtime_ns}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def key_of(identity_of_light_field: str, recipe: Recipe, options: ReadOptions) -> str:
    """Hash of all that a scene's pictures depend on; a scene recorded with this key need not be made again."""
    told = {name: str(value) for name, value in dataclasses.asdict(options).items()}
    parts = [__version__, recipe.as_json(), told, identity_of_light_field]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def finished(
    dataset: Dataset, scene: str, path: Path, recipe: Recipe, options: ReadOptions
) -> list[dict[str, Any]] | None:
    """Rows of a scene that an earlier run has made just so and whose files are there; None if it is to be made.

    Raises
    ------
    InputError
        If the scene was made from another light field of the same name.
    """
    record = read_record(dataset, scene)
    if record is None:
        return None
    try:
        now = identity(path)
    except OSError:
        return None
    if record["identity"] != now and record["source"] != str(path.resolve()):
        raise InputError(
            path,
            f"the dataset has a scene {scene} already, made from {record['source']}",
            "rename one of the light fields or choose another --out",
        )
    if record["key"] != key_of(now, recipe, options):
        return None
    rows: list[dict[str, Any]] = record["rows"]
    for row in rows:
        file = dataset.root / row["path"]
        if not file.is_file() or file.stat().st_size != row["bytes"]:
            return None
    return rows


def write_scene(
    dataset: Dataset, scene: str, path: Path, recipe: Recipe, options: ReadOptions, *, threads: int = 1
) -> list[dict[str, Any]]:
    """Read a light field, make its scene, write its pictures, and say so in a record: all of it, or no record.

    Parameters
    ----------
    dataset : where to
    scene : its name
    path : the light field
    recipe, options : what to make and how to read
    threads : how many to run

    Returns
    -------
    the scene's rows of the manifest

    Raises
    ------
    InputError
        If the light field cannot be read or used, or a picture cannot be written.
    """
    try:
        read_from = identity(path)
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", "check its permissions") from error
    lightfield = read_light_field(path, options)
    made = make_scene(lightfield, recipe, threads=threads)
    split = split_of(scene, recipe.test_fraction)
    inputs, maps = dataset.inputs(split, scene), dataset.defocus_maps(split, scene)
    folders = [inputs, maps] if recipe.defocus_maps else [inputs]
    partials = {folder: folder.with_name(f".{scene}.{os.getpid()}.partial") for folder in folders}
    rows = _Rows(dataset, scene, split, lightfield, made, recipe)
    try:
        for partial in partials.values():
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
        for m, radius in enumerate(made.radii):
            for s, slope in enumerate(made.slopes):
                setting = {"aperture": m + 1, "radius": float(radius), "focus": s, "slope": float(slope)}
                name = input_name(scene, m + 1, s)
                written = pictures.write(partials[inputs] / name, made.defocused[s, m], bits=recipe.bits)
                rows.add("input", inputs / name, written, setting)
                if recipe.defocus_maps:
                    codes = np.rint(made.defocus(slope, radius) * DEFOCUS_SCALE).clip(0, 65535).astype(np.uint16)
                    written = pictures.write_bytes_atomic(partials[maps] / name, encode_png(codes[:, :, None]))
                    rows.add("defocus", maps / name, written, setting)
        dataset.remove(scene)
        truth = dataset.ground_truth(split, scene)
        truth.parent.mkdir(parents=True, exist_ok=True)
        rows.add("ground_truth", truth, pictures.write(truth, made.ground_truth, bits=recipe.bits), {})
        for folder, partial in partials.items():
            partial.replace(folder)
    except OSError as error:
        raise InputError(
            error.filename or dataset.root,
            f"cannot be written ({error.strerror})",
            "free some space or choose another --out",
        ) from error
    finally:
        for partial in partials.values():
            shutil.rmtree(partial, ignore_errors=True)
    record = {
        "key": key_of(read_from, recipe, options),
        "identity": read_from,
        "source": str(path.resolve()),
        "rows": rows.rows,
    }
    write_json(dataset.record(scene), record)
    return rows.rows


class _Rows:
    """Rows of the manifest for one scene."""

    def __init__(
        self, dataset: Dataset, scene: str, split: str, lightfield: LightField, made: Scene, recipe: Recipe
    ) -> None:
        self.rows: list[dict[str, Any]] = []
        self._dataset = dataset
        self._weights = [[[round(float(w), 6) for w in row] for row in view] for view in made.weights]
        height, width = made.ground_truth.shape[:2]
        self._common = {
            "scene": scene,
            "split": split,
            "light_field": lightfield.source.name,
            "version": __version__,
            "bits": recipe.bits,
            "height": height,
            "width": width,
            "step": made.step,
        }

    def add(self, kind: str, path: Path, written: pictures.Written, setting: dict[str, Any]) -> None:
        row = {
            **self._common,
            **setting,
            "kind": kind,
            "path": path.relative_to(self._dataset.root).as_posix(),
            "bytes": written.size,
            "sha256": written.sha256,
        }
        if kind == "input":
            row["view_weights"] = self._weights[setting["aperture"] - 1]
        self.rows.append(row)
