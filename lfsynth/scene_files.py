"""One scene of a dataset on disk: whether it is there already, and making it from a light field's files."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lfsynth import __version__, pictures
from lfsynth.alignment_findings import manifest_entry, sampled
from lfsynth.dataset_writing import replacing
from lfsynth.errors import InputError
from lfsynth.generate import Recipe, Scene, make_scene
from lfsynth.lfdof import DEFOCUS_SCALE, Dataset, input_name, read_record, split_of, write_json
from lfsynth.output_folder import writing
from lfsynth.png import encode_png
from lfsynth.readers import ReadOptions, identity, read_light_field


def key_of(identity_of_light_field: str, recipe: Recipe, options: ReadOptions) -> str:
    """Hash of all that a scene's pictures depend on: recorded with this key, it need not be made again."""
    told = {name: str(value) for name, value in dataclasses.asdict(options).items()}
    # Which white picture they lead to is in the identity; threads change nothing.
    del told["calibration"], told["threads"]
    parts = [__version__, recipe.as_json(), told, identity_of_light_field]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def finished(
    dataset: Dataset, scene: str, path: Path, recipe: Recipe, options: ReadOptions
) -> list[dict[str, Any]] | None:
    """Rows of a scene that an earlier run has made just so; None if it is to be made, or its files are gone.

    Raises
    ------
    InputError
        If the scene was made from another light field of the same name.
    """
    record = read_record(dataset, scene)
    if record is None:
        return None
    try:
        now = identity(path, options)
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
        try:
            if (dataset.root / row["path"]).stat().st_size != row["bytes"]:
                return None
        except OSError:
            return None
    return rows


def write_scene(
    dataset: Dataset, scene: str, path: Path, recipe: Recipe, options: ReadOptions, *, threads: int = 1
) -> list[dict[str, Any]]:
    """Read a light field, make its scene, write its pictures and the record of them: all of it, or nothing.

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
        If the light field cannot be read or used.
    OutputError
        If a picture cannot be written.
    """
    try:
        read_from = identity(path, options)
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", "check its permissions") from error
    lightfield = read_light_field(path, dataclasses.replace(options, threads=threads))
    made = make_scene(lightfield, recipe, name=scene, threads=threads)
    split = split_of(scene, recipe.test_fraction)
    inputs, maps = dataset.inputs(split, scene), dataset.defocus_maps(split, scene)
    folders = [inputs, maps] if recipe.defocus_maps else [inputs]
    partials = {folder: folder.with_name(f".{scene}.{os.getpid()}.partial") for folder in folders}
    verdicts = _verdicts(made, recipe.check_every, threads)
    rows = _Rows(dataset, scene, split, path.resolve().name, made, recipe)
    try:
        with writing(dataset.root):
            for partial in partials.values():
                partial.mkdir(parents=True)
            for m, radius in enumerate(made.radii):
                for s, slope in enumerate(made.slopes):
                    setting = {"aperture": m + 1, "radius": float(radius), "focus": s, "slope": float(slope)}
                    name = input_name(scene, m + 1, s)
                    written = pictures.write(partials[inputs] / name, made.defocused[s, m], bits=recipe.bits)
                    verdict = {"alignment": verdicts[s, m]} if (s, m) in verdicts else {}
                    rows.add("input", inputs / name, written, {**setting, **rows.views(m), **verdict})
                    if recipe.defocus_maps:
                        data = encode_png(_defocus_codes(made.defocus(slope, radius)))
                        written = pictures.write_bytes_atomic(partials[maps] / name, data)
                        rows.add("defocus", maps / name, written, setting)
            with replacing(dataset, scene):
                truth = dataset.ground_truth(split, scene)
                truth.parent.mkdir(parents=True, exist_ok=True)
                written = pictures.write(truth, made.ground_truth, bits=recipe.bits)
                rows.add("ground_truth", truth, written, {})
                for folder, partial in partials.items():
                    partial.replace(folder)
                record = {
                    "key": key_of(read_from, recipe, options),
                    "identity": read_from,
                    "source": str(path.resolve()),
                    "recipe": recipe.as_json(),
                    "rows": rows.rows,
                }
                write_json(dataset.record(scene), record)
    finally:
        for partial in partials.values():
            shutil.rmtree(partial, ignore_errors=True)
    return rows.rows


def _verdicts(made: Scene, every: int | None, threads: int) -> dict[tuple[int, int], dict[str, Any]]:
    """What `lfsynth.alignment` says of some pairs, by index of the slope and of the aperture."""

    def judged(pair: tuple[int, int]) -> dict[str, Any]:
        return manifest_entry(made.defocused[pair], made.ground_truth)

    pairs = sampled(len(made.slopes), len(made.radii), every)
    with ThreadPoolExecutor(threads) as pool:
        return dict(zip(pairs, pool.map(judged, pairs), strict=True))


def _defocus_codes(radius: NDArray[np.float32]) -> NDArray[np.uint16]:
    """A defocus map as it is stored, (H, W, 1)."""
    return np.rint(radius * DEFOCUS_SCALE).clip(0, 65535).astype(np.uint16)[:, :, None]


class _Rows:
    """Rows of the manifest for one scene."""

    def __init__(
        self, dataset: Dataset, scene: str, split: str, light_field: str, made: Scene, recipe: Recipe
    ) -> None:
        self.rows: list[dict[str, Any]] = []
        self._dataset = dataset
        self._made = made
        height, width = made.ground_truth.shape[:2]
        self._common = {
            "scene": scene,
            "split": split,
            "light_field": light_field,
            "version": __version__,
            "bits": recipe.bits,
            "aperture_sampling": recipe.aperture_sampling.value,
            "height": height,
            "width": width,
            "step": made.step,
            **({"lens": lens} if (lens := recipe.lens.as_json()) else {}),
        }

    def views(self, aperture: int) -> dict[str, Any]:
        """Weights of the views and the part of the opening that they fill, for an aperture counted from 0."""
        weights = self._made.weights[aperture]
        area = math.pi * float(self._made.radii[aperture]) ** 2
        return {
            "view_weights": [[round(float(weight), 6) for weight in row] for row in weights],
            "filled": round(float(weights.sum()) / area, 4),
        }

    def add(self, kind: str, path: Path, written: pictures.Written, setting: dict[str, Any]) -> None:
        """Add the row of one picture."""
        self.rows.append(
            {
                **self._common,
                **setting,
                "kind": kind,
                "path": path.relative_to(self._dataset.root).as_posix(),
                "bytes": written.size,
                "sha256": written.sha256,
            }
        )
