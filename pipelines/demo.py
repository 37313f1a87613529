"""From raw captures to pairs and a picture of them, in about a minute: ``python -m pipelines.demo``.

Without data of the user's, two captures of a Lytro Illum are simulated, on a part of its sensor. Either way the
command ``lfsynth generate`` makes the dataset, as it would when typed, and a contact sheet shows what came out. The
output folder holds::

    raw/IMG_0001.LFR ...       simulated captures and white pictures, where no others were given
    lfdof/                     the dataset, see `lfsynth.lfdof`
    contact_sheet.png          what to look at
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from lfsynth import cli
from lfsynth.errors import InputError
from lfsynth.lfdof import Dataset, scene_names
from lfsynth.pictures import write_bytes_atomic
from lfsynth.png import encode_png
from lfsynth.readers import find_light_fields, light_field_name
from pipelines.contact_sheet import SheetScene, contact_sheet, read_scene

MOST_SCENES = 3
"""Scenes on the contact sheet."""
SIMULATION = (
    *("--scene", "photographs"),
    *("--shots", "2"),
    *("--window", "2400x3600"),
    *("--whites", "1"),
    *("--seed", "8"),
)
"""Options of ``lfsynth simulate``: a third of the sensor, 192 x 288 points a view."""
SIMULATED_OPTIONS = ("--test-fraction", "0.5", "--jobs", "1")
"""One of the two scenes is for test; and so few are not worth starting processes that would each compile."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    help="Folder of captures or light fields. Default: simulate some.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for all that is made. [default: demo, or demo/own with --data]",
)
def command(data: Path | None, out: Path | None) -> int:
    """Make defocused / all-in-focus pairs from simulated captures or your own, and a picture of them."""
    out = out or Path("demo" if data is None else "demo/own")
    light_fields = out / "raw" if data is None else data
    if data is None:
        print("the first run of all compiles, for a minute or so", flush=True)
        for arguments in (
            ("simulate", "--out", str(light_fields), *SIMULATION),
            ("doctor", str(light_fields)),
        ):
            code = lfsynth(*arguments)
            if code:
                return code
    options = SIMULATED_OPTIONS if data is None else ()
    code = lfsynth("generate", "--lf-dir", str(light_fields), "--out", str(out / "lfdof"), *options)
    if code > 1:
        return code
    scenes = scenes_of(light_fields, Dataset(out / "lfdof"))
    if scenes:
        sheet = contact_sheet(scenes)
        write_bytes_atomic(out / "contact_sheet.png", encode_png(sheet))
        print(f"{out / 'contact_sheet.png'}: look at it, {sheet.shape[1]} x {sheet.shape[0]} pixels")
    return code


def lfsynth(*arguments: str) -> int:
    """Run ``lfsynth`` as from the command line; returns its exit code."""
    print(f"$ lfsynth {shlex.join(arguments)}", flush=True)
    try:
        cli.main(list(arguments))
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
