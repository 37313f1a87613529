"""The LFDOF layout: names, folders and manifest of a dataset of defocused / all-in-focus pairs.

::

    <root>/{train,test}_data/input/<scene>/<scene>_ap<a>_<ff>.png    defocused
    <root>/{train,test}_data/ground_truth/<scene>.png                all in focus, one a scene
    <root>/{train,test}_data/defocus/<scene>/<scene>_ap<a>_<ff>.png  on request: circle of confusion, grey
    <root>/manifest.jsonl                                            one line a picture
    <root>/.lfsynth/                                                 what a later run needs to go on

Apertures are numbered from 1, the smallest, focus settings from 0, the farthest. A defocus map holds the
radius of the circle of confusion in 1/256 of the picture's pixels. How such a dataset is changed says
`dataset_writing`.

The layout is that of L. Ruan et al., "AIFNet: All-in-focus image restoration network using a light
field-based dataset", IEEE TCI 2021, doi:10.1109/TCI.2021.3092891.
"""

from __future__ import annotations

import errno
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lfsynth.errors import InputError
from lfsynth.pictures import Written, write_bytes_atomic

MANIFEST = "manifest.jsonl"
STATE = ".lfsynth"
SPLITS = ("train", "test")
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

    @property
    def state(self) -> Path:
        """The folder of what is not data."""
        return self.root / STATE

    def record(self, scene: str) -> Path:
        """The file that says a scene is whole, and what it was made from."""
        return self.state / f"{scene}.json"

    def scenes(self) -> list[str]:
        """Names of the scenes that are whole, sorted."""
        return sorted(path.stem for path in self.state.glob("*.json"))


def input_name(scene: str, aperture: int, focus: int) -> str:
    """File name of a defocused picture; ``aperture`` counts from 1, ``focus`` from 0."""
    return f"{scene}_ap{aperture}_{focus:02d}.png"


def split_of(scene: str, test_fraction: float) -> str:
    """``test`` or ``train``, by a hash of the scene's name alone: other scenes never move it across."""
    number = int.from_bytes(hashlib.sha256(scene.encode()).digest()[:8], "big")
    return "test" if number < test_fraction * 2**64 else "train"


def scene_names(paths: Iterable[Path], names: Iterable[str]) -> dict[str, Path]:
    """Scene names for light fields of these paths and plain names: unique, and fit for file names.

    Where light fields share a name, they get their file's suffix or the names of the folders above, as far as
    that is needed. Capitals do not tell names apart: they do not on every file system.

    Raises
    ------
    InputError
        If nothing in their paths tells two apart.
    """
    choices = [(path, list(_choices(path, name))) for path, name in zip(paths, names, strict=True)]
    chosen = [0] * len(choices)
    while True:
        scenes = [names[index] for (_, names), index in zip(choices, chosen, strict=True)]
        count = Counter(scene.lower() for scene in scenes)
        alike = [i for i, scene in enumerate(scenes) if count[scene.lower()] > 1]
        if not alike:
            return {scene: path for scene, (path, _) in zip(scenes, choices, strict=True)}
        for i in alike:
            path, names = choices[i]
            if chosen[i] + 1 == len(names):
                other = next(
                    choices[j][0] for j in alike if j != i and scenes[j].lower() == scenes[i].lower()
                )
                raise InputError(path, f"has the same name as {other}", "rename one of them")
            chosen[i] += 1


def _choices(path: Path, name: str) -> Iterator[str]:
    """Names for a light field, the plain one first, then ever longer ones."""
    above = ""
    for folder in (None, *path.absolute().parents):
        if folder is not None:
            above = f"{folder.name}_{above}"
        yield _fit_for_file(above + name)
        if path.name != name:
            yield _fit_for_file(above + path.name)


def _fit_for_file(name: str) -> str:
    return re.sub(r"[^\w.\-]+", "_", name).strip("._") or "scene"


def write_json(path: Path, value: Any) -> Written:
    """Write a JSON document, keys sorted, atomically."""
    return write_bytes_atomic(path, (json.dumps(value, sort_keys=True, allow_nan=False) + "\n").encode())


def read_record(dataset: Dataset, scene: str) -> dict[str, Any] | None:
    """What `write_json` wrote for a scene that is whole; None if there is none, or a damaged one."""
    try:
        record = json.loads(dataset.record(scene).read_bytes())
        rows = record["rows"]
        whole = all(isinstance(record[name], str) for name in ("key", "identity", "source"))
        whole = whole and isinstance(rows, list) and all(_is_row(row) for row in rows)
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return record if whole else None


def write_manifest(dataset: Dataset, rows: Iterable[dict[str, Any]]) -> Written:
    """Write the manifest, one JSON object a line, in the order given."""
    lines = "".join(json.dumps(row, sort_keys=True, allow_nan=False) + "\n" for row in rows)
    return write_bytes_atomic(dataset.manifest, lines.encode())


def read_manifest(root: Path) -> list[dict[str, Any]]:
    """Rows of a dataset's manifest.

    Raises
    ------
    InputError
        If there is none, or a line is no row of a manifest.
    """
    path = root / MANIFEST
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise InputError(
            path, f"cannot be read ({error.strerror})", "give the folder that lfsynth generate wrote"
        ) from error
    rows = []
    for number, line in enumerate(lines, 1):
        if not line:
            continue
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not _is_row(row):
            raise InputError(
                path, f"line {number} is damaged", "run lfsynth generate again, which writes it anew"
            )
        rows.append(row)
    return rows


def _is_row(row: Any) -> bool:
    """Whether a JSON value has what every row of a manifest must have."""
    if not isinstance(row, dict) or not isinstance(row.get("kind"), str):
        return False
    needed = {"fault": str} if row["kind"] == "failed" else {"path": str, "bytes": int, "sha256": str}
    return all(isinstance(row.get(name), type_) for name, type_ in needed.items())


def verify(root: Path, rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Compare a dataset's files with the rows of its manifest, by size and SHA-256.

    Yields
    ------
    one line for each picture that is missing or changed, and for each file that is not in the manifest
    """
    listed = set()
    for row in rows:
        if row["kind"] == "failed":
            continue
        listed.add(row["path"])
        try:
            data = (root / row["path"]).read_bytes()
        except OSError as error:
            yield f"{row['path']}: {'missing' if error.errno == errno.ENOENT else error.strerror}"
            continue
        if len(data) != row["bytes"]:
            yield f"{row['path']}: {len(data)} bytes, the manifest says {row['bytes']}"
        elif hashlib.sha256(data).hexdigest() != row["sha256"]:
            yield f"{row['path']}: its content has changed"
    for split in SPLITS:
        for path in sorted(Dataset(root).split_folder(split).rglob("*")):
            name = path.relative_to(root).as_posix()
            if path.is_file() and name not in listed:
                yield f"{name}: not in the manifest"
