"""From light fields to pairs and a picture of them, in under a minute: ``python -m pipelines.demo``.

Without data of the user's, two small light fields of layered scenes are simulated. Either way the command
``lfsynth generate`` makes the dataset, as it would when typed, and a contact sheet shows what came out. The
output folder holds::

    light_fields/<scene>.h5    simulated light fields, where no others were given
    lfdof/                     the dataset, see `lfsynth.lfdof`
    contact_sheet.png          what to look at
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np

from lfsynth import cli
from lfsynth.errors import InputError
from lfsynth.lfdof import Dataset, scene_names
from lfsynth.pictures import write_bytes_atomic
from lfsynth.png import encode_png
from lfsynth.readers import find_light_fields, light_field_name, write_hdf5
from lfsynth.scene import Tilt, simulate
from lfsynth.textures import photographs
from pipelines.contact_sheet import SheetScene, contact_sheet, read_scene

MOST_SCENES = 3
"""Scenes on the contact sheet."""
NOISE = 0.01
"""Standard deviation of the simulated views' noise, a part of white."""


@dataclass(frozen=True)
class Recipe:
    """A simulated scene.

    Attributes
    ----------
    name : of the scene and its file
    seed : of its random numbers
    textures : indices of `lfsynth.textures.PHOTOGRAPHS`, from the backmost layer to the nearest
    disparities : of the layers, in pixels a view step
    """

    name: str
    seed: int
    textures: tuple[int, ...]
    disparities: tuple[Tilt, ...]


SCENES = (
    Recipe("cat", 49, (2, 4, 0, 3), (-0.8, -0.25, 0.3, 0.8)),
    Recipe("stars", 30, (4, 2, 0, 1), (-0.8, -0.25, 0.3, 0.8)),
)
SIMULATED_OPTIONS = ("--test-fraction", "0.5", "--jobs", "1")
"""One of the two scenes is for test; and so few are not worth starting processes that would each compile."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Folder of light fields. Default: simulate some.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for all that is made. [default: demo, or demo/own with --data]",
)
def command(data: Path | None, out: Path | None) -> int:
    """Make defocused / all-in-focus pairs from simulated light fields or your own, and a picture of them."""
    out = out or Path("demo" if data is None else "demo/own")
    light_fields = simulate_light_fields(out / "light_fields") if data is None else data
    code = generate(light_fields, out / "lfdof", SIMULATED_OPTIONS if data is None else ())
    if code > 1:
        return code
    scenes = scenes_of(light_fields, Dataset(out / "lfdof"))
    if scenes:
        sheet = contact_sheet(scenes)
        write_bytes_atomic(out / "contact_sheet.png", encode_png(sheet))
        print(f"{out / 'contact_sheet.png'}: look at it, {sheet.shape[1]} x {sheet.shape[0]} pixels")
    return code


def simulate_light_fields(
    folder: Path, recipes: Sequence[Recipe] = SCENES, *, size: tuple[int, int] = (256, 384)
) -> Path:
    """Simulate light fields and write them; the same bytes each time.

    Parameters
    ----------
    folder : where to; made if it is not there
    recipes : the scenes
    size : height and width of a view in pixels

    Returns
    -------
    the folder
    """
    folder.mkdir(parents=True, exist_ok=True)
    print("simulating light fields (the first run of all compiles for about half a minute)", flush=True)
    pictures = photographs()
    for number, recipe in enumerate(recipes, 1):
        scene = simulate(
            np.random.default_rng(recipe.seed),
            grid=(9, 9),
            size=size,
            noise=NOISE,
            disparities=recipe.disparities,
            textures=[pictures[index] for index in recipe.textures],
        )
        path = folder / f"{recipe.name}.h5"
        write_hdf5(path, scene.lightfield, bits=16)
        print(f"{path}: light field {number} of {len(recipes)} simulated", flush=True)
    return folder


def generate(light_fields: Path, out: Path, options: Sequence[str] = ()) -> int:
    """Run ``lfsynth generate`` as from the command line; returns its exit code."""
    arguments = ["generate", "--lf-dir", str(light_fields), "--out", str(out), *options]
    print(f"$ lfsynth {shlex.join(arguments)}", flush=True)
    try:
        cli.main(arguments)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    return 0


def scenes_of(light_fields: Path, dataset: Dataset) -> list[SheetScene]:
    """The first scenes of a dataset that these light fields became, ready to be shown."""
    paths = find_light_fields(light_fields)
    names = scene_names(paths, map(light_field_name, paths))
    made = [scene for scene in names if scene in set(dataset.scenes())]
    return [read_scene(dataset, scene, names[scene]) for scene in made[:MOST_SCENES]]


def main() -> None:
    """Run the demo; errors that a user can cause are one line and exit code 2."""
    try:
        sys.exit(command.main(prog_name="make demo", standalone_mode=False))
    except InputError as error:
        print(f"demo: {error}", file=sys.stderr)
        sys.exit(2)
    except click.ClickException as error:
        error.show()
        sys.exit(2)


if __name__ == "__main__":
    main()
