"""The whole way from raw captures to a deblurred picture, and a report of it: ``python -m pipelines.demo``.

Each step is a command of the toolkit, run as it would be when typed, so a stopped demo goes on where it was. Without
data of the user's, two captures of a Lytro Illum are simulated, on a part of its sensor; targets of disks are
simulated either way. The output folder holds::

    raw/IMG_0001.LFR ...       simulated captures and white pictures, where no others were given
    lfdof/                     the dataset, see `lfsynth.lfdof`
    alignment/                 the check of its pairs
    psf/                       disks seen by a lens and by a light field, their kernels, and a comparison
    training/                  the run: logs, pictures, weights
    scores/                    of the trained network, on the scene that it has not seen
    deblurred/                 pictures of that scene, and each beside its source
    contact_sheet.png          the pairs, to look at
    report.html                all of it, to look at
"""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import click
import numpy as np

from lfsynth.errors import InputError
from lfsynth.lfdof import Dataset, scene_names
from lfsynth.pictures import write_bytes_atomic
from lfsynth.png import encode_png
from lfsynth.readers import find_light_fields, light_field_name, write_hdf5
from pipelines.contact_sheet import SheetScene, contact_sheet, read_scene
from pipelines.report import Step, write_report

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

TARGET_RADIUS, TARGET_SPACING = 4.0, 3.0
"""The light field's aperture in view steps, and how far the views' spots then lie apart, px."""
LENS = (
    *("--model", f"pillbox:radius={TARGET_RADIUS * TARGET_SPACING:g}"),
    *("--picture", "900x600"),
    *("--grid", "8x5"),
    *("--disk-radius", "30"),
    *("--noise", "0.005"),
    *("--tilt", "2", "-1.5"),
)
"""Options of ``psf simulate``: a lens that blurs as widely as the light field does."""

STEPS = 240
"""Of the training: two or three minutes of two cores."""
BATCH, EPOCHS, VALIDATIONS = 4, 16, 8
TRAINING = (
    # The network with one dynamic block begins near its input; that with four needs hours to come back to it.
    *("--scales", "one"),
    *("--patch", "64"),
    *("--batch", f"{BATCH}"),
    *("--learning-rate", "5e-4"),
    *("--clip", "1"),
    *("--ema", "0.97"),
    *("--workers", "1"),
    *("--validation-pairs", "6"),
)
"""Options of ``drbnet.train`` beside data, epochs and repeats."""
MOST_DEBLURRED = 6
"""Pictures that are deblurred."""
MOST_SCORED = 15
"""Pictures that are scored."""

PROGRAMS: dict[str, Callable[[list[str]], None]] = {
    "lfsynth": lambda arguments: import_module("lfsynth.cli").main(arguments),
    "psf": lambda arguments: import_module("psf.cli").main(arguments),
    "python -m drbnet.train": lambda arguments: import_module("drbnet.train").main(arguments),
    "python -m drbnet.evaluate": lambda arguments: import_module("drbnet.evaluate").main(arguments),
    "python -m drbnet.deblur": lambda arguments: import_module("drbnet.deblur").main(arguments),
}
"""The commands, each loaded when it is run."""


class StepError(Exception):
    """A command failed, and has said why."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclass
class Demo:
    """What is done in a folder, step after step.

    Attributes
    ----------
    out : the folder
    steps : those done, with their commands and times
    worst : the largest exit code so far
    """

    out: Path
    steps: list[Step]
    worst: int = 0

    def step(self, title: str, *commands: tuple[str, ...], prepare: Callable[[], None] | None = None) -> None:
        """Run commands, each a program and its arguments, after a preparation that no command does.

        Raises
        ------
        StepError : where a command failed, not merely set some files aside
        """
        click.secho(f"\n[{len(self.steps) + 1}/{TOTAL}] {title}", bold=True)
        began = time.monotonic()
        if prepare is not None:
            prepare()
        for program, *arguments in commands:
            code = run(program, *arguments)
            if code > 1:
                raise StepError(code)
            self.worst = max(self.worst, code)
        lines = tuple(f"{program} {shlex.join(arguments)}" for program, *arguments in commands)
        self.steps.append(Step(title, lines, time.monotonic() - began))


TOTAL = 7
"""Steps of the demo."""


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
    """From light fields, simulated or your own, to pairs, a trained network, a deblurred picture and a report."""
    out = out or Path("demo" if data is None else "demo/own")
    light_fields = out / "raw" if data is None else data
    demo = Demo(out, [])
    click.echo(f"{out}: some minutes on two cores; the first run of all compiles for one more")
    try:
        return _all_steps(demo, light_fields, simulated=data is None)
    except StepError as failed:
        return failed.code


def _all_steps(demo: Demo, light_fields: Path, *, simulated: bool) -> int:
    out = demo.out
    if simulated:
        simulate = _call("lfsynth", "simulate", *SIMULATION, out=light_fields)
        demo.step("Captures", simulate, _call("lfsynth", "doctor", light_fields))
    else:
        demo.step("Captures")
    lfdof = out / "lfdof"
    options = SIMULATED_OPTIONS if simulated else ()
    demo.step("Pairs", _call("lfsynth", "generate", *options, lf_dir=light_fields, out=lfdof))
    dataset = Dataset(lfdof)
    scenes = scenes_of(light_fields, dataset)
    if not scenes:
        raise StepError(max(demo.worst, 1))
    sheet = contact_sheet(scenes)
    write_bytes_atomic(out / "contact_sheet.png", encode_png(sheet))
    click.echo(f"{out / 'contact_sheet.png'}: look at it, {sheet.shape[1]} x {sheet.shape[0]} pixels")

    demo.step("Alignment", _call("lfsynth", "check", data=lfdof, out=out / "alignment"))

    psf = out / "psf"
    demo.step(
        "Point spread functions",
        _call("psf", "simulate", *LENS, out=psf / "lens.png"),
        _call("psf", "estimate", images=psf / "lens.png", out=psf / "lens"),
        # The target lies at the disparity TARGET_SPACING, and focus at 0.
        _call(
            *("psf", "estimate"),
            images=psf / "target.h5",
            slope=0,
            radius=TARGET_RADIUS,
            out=psf / "light_field",
        ),
        _call(
            *("psf", "compare", f"lens={psf / 'lens'}", f"light field={psf / 'light_field'}"),
            out=psf / "comparison",
        ),
        prepare=lambda: write_target(psf / "target.h5"),
    )

    is_seen = not any(dataset.split_folder("test").rglob("*.png"))
    split = "train" if is_seen else "test"
    pairs = sum(1 for _ in (dataset.split_folder("train") / "input").rglob("*.png"))
    training = out / "training"
    length = _length(pairs)
    demo.step("Training", _call("python -m drbnet.train", *TRAINING, *length, data=lfdof, out=training))
    weights = training / "weights" / "last.safetensors"
    scored = {"split": split, "out": out / "scores", "limit": MOST_SCORED}
    demo.step("Scores", _call("python -m drbnet.evaluate", weights=weights, data=lfdof, **scored))
    sources = widest(dataset, split)
    deblurred = out / "deblurred"
    demo.step(
        "Deblurred pictures",
        _call("python -m drbnet.deblur", *sources, "--compare", weights=weights, out=deblurred),
    )
    page = write_report(out, demo.steps, light_fields, sources, simulated=simulated, seen=is_seen)
    click.secho(f"\n{page}: open it in a browser", bold=True)
    return demo.worst


def _call(program: str, *words: object, **options: object) -> tuple[str, ...]:
    """A program with its arguments and options."""
    told = [text for name, value in options.items() for text in (f"--{name.replace('_', '-')}", f"{value}")]
    return (program, *map(str, words), *told)


def _length(pairs: int) -> tuple[str, ...]:
    """Epochs and repeats of so many pairs that make about `STEPS` steps; of more pairs, no more steps than that."""
    patches = STEPS * BATCH
    if pairs > patches:
        return ("--epochs", "1", "--stop-after", f"{STEPS}")
    epochs = min(EPOCHS, patches // pairs)
    repeats = round(patches / (pairs * epochs))
    every = max(1, epochs // VALIDATIONS)
    return ("--epochs", f"{epochs}", "--repeats", f"{repeats}", "--validate-every", f"{every}")


def write_target(path: Path) -> None:
    """Simulate the light field of a target of disks, if it is not there."""
    from psf.projected_target import project_target
    from psf.simulate import Exposure, Pose

    if path.exists():
        return
    steps = np.arange(13) - 6
    weights = (np.hypot(*np.meshgrid(steps, steps)) <= 6.5).astype(np.float32)
    pose = Pose(
        (434, 625), (6, 4), 90.0, 22.0, tilt=(1.0, -1.5), rotation=0.7, shift=(1.3, -2.7), distance=4000.0
    )
    exposure = Exposure(paper=0.8, ink=0.06, noise=0.02)
    made = project_target(pose, TARGET_SPACING, np.random.default_rng(0), weights=weights, exposure=exposure)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_hdf5(path, made)


def widest(dataset: Dataset, split: str) -> list[Path]:
    """Pictures of the widest aperture of a split's first scene, by focus setting."""
    found = sorted((dataset.split_folder(split) / "input").rglob("*.png"))
    scene = found[0].parent
    aperture = max(path.stem.split("_ap")[-1].split("_")[0] for path in found if path.parent == scene)
    return [path for path in found if path.parent == scene and f"_ap{aperture}_" in path.stem][
        :MOST_DEBLURRED
    ]


def run(program: str, *arguments: str) -> int:
    """Run a command as from the command line; returns its exit code."""
    click.echo(f"$ {program} {shlex.join(arguments)}")
    sys.stdout.flush()
    try:
        PROGRAMS[program](list(arguments))
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
    except (click.Abort, KeyboardInterrupt):
        print("demo: stopped; the same command goes on where it was", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
