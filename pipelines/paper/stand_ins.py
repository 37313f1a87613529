"""Data for a smoke run, where the user has none: made by ``lfsynth`` from simulated captures of a light field camera.

``lfdof`` is what ``lfsynth generate`` makes. The stand-ins for DPDD and RealDOF are pairs of other simulated scenes, of
its widest aperture, in those datasets' folders: the blur of a light field camera, not of the cameras that took the real
ones. Each folder has a README.txt that says so.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from lfsynth import cli
from lfsynth.lfdof import Dataset, read_manifest
from lfsynth.pictures import write_bytes_atomic
from pipelines.paper.recipes import Source

WINDOW = "1800x2700"
"""Sensor pixels: a sixth of it, about 130 x 200 px a picture."""
SCENES = {Source.LFDOF: 2, Source.DPDD: 3, Source.REALDOF: 2}
"""Simulated scenes. One of LFDOF's, and one of DPDD's, is for test."""
SEEDS = {Source.LFDOF: 8, Source.DPDD: 21, Source.REALDOF: 34}
README = "README.txt"


@dataclass(frozen=True)
class _Pair:
    blurred: Path
    sharp: Path


def stand_in(source: Source, folder: Path, *, window: str = WINDOW) -> Path:
    """A dataset in the place of a real one; what is there is not made again.

    Parameters
    ----------
    source : the real one
    folder : of all stand-ins; captures and datasets go below it
    window : of the simulated sensor, HxW

    Returns
    -------
    the dataset's folder

    Raises
    ------
    SystemExit : where ``lfsynth`` has ended with an error, of which it has told
    """
    root = folder / source.value
    if (root / README).exists():
        return root
    captures = folder / "captures" / source.value
    whole = root if source is Source.LFDOF else folder / "pairs" / source.value
    shots = ("--shots", str(SCENES[source]), "--whites", "1", "--seed", str(SEEDS[source]))
    photographs = ("--scene", "photographs", "--window", window)
    run("lfsynth", cli.main, ["simulate", "--out", str(captures), *photographs, *shots])
    how = ("--test-fraction", "0.5", "--defocus-maps") if source is Source.LFDOF else ("--test-fraction", "0")
    bits = () if source is Source.LFDOF else ("--bits", "16")
    where = ("--lf-dir", str(captures), "--out", str(whole))
    run("lfsynth", cli.main, ["generate", *where, *how, *bits, "--check-every", "0", "--jobs", "1"])
    if source is not Source.LFDOF:
        scenes = _widest(Dataset(whole))
        _lay_out(_as_dpdd(scenes) if source is Source.DPDD else _as_realdof(scenes), root)
    text = (
        f"Not {source.title}, but a stand-in for a smoke run: pairs of {SCENES[source]} simulated captures of a light "
        "field camera, made by lfsynth. Scores on it say nothing about real pictures.\n"
    )
    write_bytes_atomic(root / README, text.encode())
    return root


def run(program: str, main: Callable[[list[str]], NoReturn], arguments: list[str]) -> None:
    """Run a command in this process, as if it were typed.

    Raises
    ------
    SystemExit : where it has ended with an error, of which it has told
    """
    print(f"$ {program} {' '.join(arguments)}", flush=True)
    try:
        main(arguments)
    except SystemExit as end:
        if end.code:
            raise


def _widest(dataset: Dataset) -> list[list[_Pair]]:
    """The pairs of the widest aperture, by scene."""
    rows = read_manifest(dataset.root)
    inputs = [row for row in rows if row["kind"] == "input"]
    sharp = {row["scene"]: dataset.root / row["path"] for row in rows if row["kind"] == "ground_truth"}
    widest = max(row["aperture"] for row in inputs)
    return [
        [
            _Pair(dataset.root / row["path"], sharp[scene])
            for row in sorted(inputs, key=lambda row: str(row["path"]))
            if row["scene"] == scene and row["aperture"] == widest
        ]
        for scene in sorted(sharp)
    ]


Files = Mapping[str, Sequence[_Pair]]
"""Pairs by what their folders are called: ``{}`` stands for source or target."""


def _as_dpdd(scenes: list[list[_Pair]]) -> Files:
    *training, test = scenes
    return {"train_c/{}": [pair for scene in training for pair in scene], "test_c/{}": test}


def _as_realdof(scenes: list[list[_Pair]]) -> Files:
    return {"{}": [pair for scene in scenes for pair in scene]}


def _lay_out(files: Files, root: Path) -> None:
    """Copy pairs to a dataset's folders, numbered from 1; the folder is whole or not there."""
    partial = root.with_name(f".{root.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    for name, pairs in files.items():
        places = {kind: partial / name.format(kind) for kind in ("source", "target")}
        for place in places.values():
            place.mkdir(parents=True)
        for number, pair in enumerate(pairs, 1):
            shutil.copyfile(pair.blurred, places["source"] / f"{number:04d}.png")
            shutil.copyfile(pair.sharp, places["target"] / f"{number:04d}.png")
    shutil.rmtree(root, ignore_errors=True)
    partial.rename(root)
