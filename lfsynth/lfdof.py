"""The LFDOF layout: names, folders and manifest of a dataset of defocused / all-in-focus pairs.

::

    <root>/{train,test}_data/input/<scene>/<scene>_ap<a>_<ff>.png      defocused, aperture a = 1.., focus ff = 00..
    <root>/{train,test}_data/ground_truth/<scene>.png                  all in focus, one a scene
    <root>/{train,test}_data/defocus/<scene>/<scene>_ap<a>_<ff>.png    on request: circle of confusion, 16-bit grey
    <root>/manifest.jsonl                                              one line a picture
    <root>/.lfsynth/                                                   what a later run needs to go on, and the lock

Apertures are numbered from the smallest, focus settings from the farthest. A defocus map holds the radius of the circle
of confusion in 1/256 of the picture's pixels.

The layout is that of L. Ruan et al., "AIFNet: All-in-focus image restoration network using a light field-based dataset",
IEEE TCI 2021, doi:10.1109/TCI.2021.3092891.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lfsynth.errors import InputError
from lfsynth.pictures import Written, write_bytes_atomic

MANIFEST = "manifest.jsonl"
STATE = ".lfsynth"
DEFOCUS_SCALE = 256
"""Code values of a defocus map a pixel of radius."""


@dataclass(frozen=True)
class Dataset:
    """A dataset of this layout on disk.

    Attributes
    ----------
    root : its folder
    """

    root: Path

    def split_folder(self, split: str) -> Path:
        """``train_data`` or ``test_data``."""
        return self.root / f"{split}_data"

    def inputs(self, split: str, scene: str) -> Path:
        """The folder of a scene's defocused pictures."""
        return self.split_folder(split) / "input" / scene

    def defocus_maps(self, split: str, scene: str) -> Path:
        """The folder of a scene's defocus maps."""
        return self.split_folder(split) / "defocus" / scene

    def ground_truth(self, split: str, scene: str) -> Path:
        """A scene's all-in-focus picture."""
        return self.split_folder(split) / "ground_truth" / f"{scene}.png"

    @property
    def manifest(self) -> Path:
        """The manifest's path."""
        return self.root / MANIFEST

    def record(self, scene: str) -> Path:
        """The file that says a scene is whole, and what it was made from."""
        return self.root / STATE / f"{scene}.json"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the dataset for this process alone, and sweep what a killed run has left half-written.

        The lock goes with the process, however it ends.

        Raises
        ------
        InputError
            If another process holds it, or the folder cannot be written to.
        """
        lock = self.root / STATE / "lock"
        try:
            lock.parent.mkdir(parents=True, exist_ok=True)
            file = lock.open("a+")
        except OSError as error:
            raise InputError(
                self.root, f"cannot be written to ({error.strerror})", "choose another folder with --out"
            ) from error
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                file.seek(0)
                raise InputError(
                    self.root,
                    f"another run (process {file.read().strip() or 'unknown'}) is writing here",
                    "wait for it, stop it, or choose another folder with --out",
                ) from error
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            with (self.root / STATE / "workers").open("a") as workers:
                # Workers whose parent was killed finish the scene they are at: wait for them.
                fcntl.flock(workers, fcntl.LOCK_EX)
            self._sweep()
            yield
            file.truncate(0)

    @contextmanager
    def working(self) -> Iterator[None]:
        """Tell runs that start meanwhile that a scene is being written."""
        with (self.root / STATE / "workers").open("a") as workers:
            fcntl.flock(workers, fcntl.LOCK_SH)
            yield

    def remove(self, scene: str) -> None:
        """Remove a scene's record, then its pictures, in either split."""
        self.record(scene).unlink(missing_ok=True)
        for split in ("train", "test"):
            for folder in (self.inputs(split, scene), self.defocus_maps(split, scene)):
                if folder.exists():
                    shutil.rmtree(folder)
            self.ground_truth(split, scene).unlink(missing_ok=True)

    def scenes(self) -> list[str]:
        """Names of the scenes that are whole, sorted."""
        return sorted(path.stem for path in (self.root / STATE).glob("*.json"))

    def _sweep(self) -> None:
        for partial in list(self.root.rglob("*.partial")):
            if partial.is_dir():
                shutil.rmtree(partial)
            else:
                partial.unlink(missing_ok=True)


def input_name(scene: str, aperture: int, focus: int) -> str:
    """File name of a defocused picture; ``aperture`` counts from 1, ``focus`` from 0."""
    return f"{scene}_ap{aperture}_{focus:02d}.png"


def split_of(scene: str, test_fraction: float) -> str:
    """``test`` or ``train``, decided by a hash of the scene's name alone: a scene never changes sides by its company."""
    number = int.from_bytes(hashlib.sha256(scene.encode()).digest()[:8], "big")
    return "test" if number < test_fraction * 2**64 else "train"


def scene_names(paths: Iterable[Path], names: Iterable[str]) -> dict[str, Path]:
    """Scene names for light fields of these paths and plain names: unique, and fit for file names.

    Where two light fields share a name, the parent folder's is put before it.

    Raises
    ------
    InputError
        If that leaves two alike.
    """
    pairs = [(path, _fit_for_file(name)) for path, name in zip(paths, names, strict=True)]
    count: dict[str, int] = {}
    for _, name in pairs:
        count[name.lower()] = count.get(name.lower(), 0) + 1
    scenes: dict[str, Path] = {}
    taken: dict[str, Path] = {}
    for path, name in pairs:
        scene = name if count[name.lower()] == 1 else _fit_for_file(f"{path.parent.name}_{name}")
        if scene.lower() in taken:
            raise InputError(path, f"has the same name as {taken[scene.lower()]}", "rename one of them")
        taken[scene.lower()] = path
        scenes[scene] = path
    return scenes


def _fit_for_file(name: str) -> str:
    return re.sub(r"[^\w.\-]+", "_", name).strip("._") or "scene"


def write_json(path: Path, value: Any) -> Written:
    """Write a JSON document, keys sorted, atomically."""
    return write_bytes_atomic(path, (json.dumps(value, sort_keys=True, allow_nan=False) + "\n").encode())


def read_record(dataset: Dataset, scene: str) -> dict[str, Any] | None:
    """What `write_json` wrote for a scene that is whole; None if there is none."""
    try:
        record: dict[str, Any] = json.loads(dataset.record(scene).read_text())
    except (OSError, ValueError):
        return None
    return record


def write_manifest(dataset: Dataset, rows: Iterable[dict[str, Any]]) -> Written:
    """Write the manifest, one JSON object a line, in the order given."""
    lines = "".join(json.dumps(row, sort_keys=True, allow_nan=False) + "\n" for row in rows)
    return write_bytes_atomic(dataset.manifest, lines.encode())


def read_manifest(root: Path) -> list[dict[str, Any]]:
    """Rows of a dataset's manifest.

    Raises
    ------
    InputError
        If there is none, or a line is no JSON object.
    """
    path = root / MANIFEST
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise InputError(
            path, f"cannot be read ({error.strerror})", "give the folder that lfsynth generate wrote"
        ) from error
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict):
            raise InputError(path, f"line {number} is no JSON object", "make the dataset again")
        rows.append(row)
    return rows


def verify(root: Path) -> tuple[int, list[str]]:
    """Compare a dataset's files with its manifest, by size and SHA-256.

    Returns
    -------
    number of pictures in the manifest, and one line for each picture that is missing, changed, or not in the manifest
    """
    rows = read_manifest(root)
    faults = []
    listed = set()
    for row in rows:
        if row["kind"] == "failed":
            continue
        listed.add(row["path"])
        path = root / row["path"]
        try:
            data = path.read_bytes()
        except OSError as error:
            faults.append(f"{row['path']}: {error.strerror}")
            continue
        if len(data) != row["bytes"]:
            faults.append(f"{row['path']}: {len(data)} bytes, the manifest says {row['bytes']}")
        elif hashlib.sha256(data).hexdigest() != row["sha256"]:
            faults.append(f"{row['path']}: its content has changed")
    for split in ("train", "test"):
        for path in sorted((root / f"{split}_data").rglob("*.png")):
            name = path.relative_to(root).as_posix()
            if name not in listed:
                faults.append(f"{name}: not in the manifest")
    return len(listed), faults
