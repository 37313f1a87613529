"""What a network learns from sums of captured views, beside what it learns from dense apertures.

    python benchmarks/dense_training.py --work DIR [--data ../shared/data] [--seeds 2] [--epochs 9]

Simulated light fields of 9 x 9 views, photographs as textures, go through ``lfsynth generate`` twice, once with each
``--aperture-sampling``. On each dataset networks are trained by ``python -m drbnet.train``, with the same options and
seeds, and scored by ``python -m drbnet.evaluate`` on pairs blurred by a lens: ``scenes``, simulated scenes of other
seeds without noise, seen through 65 points across the aperture; and with ``--data`` ``lens``, the rendered light
field's three pictures through a thin lens. Differences are dense less views, picture by picture, the mean of the seeds;
intervals draw targets. The same command goes on where it was stopped.
"""

# ruff: noqa: E402
from __future__ import annotations

import argparse
import csv
import statistics
import subprocess
import sys
from pathlib import Path

# A file beside this one has the package's name, and its folder comes first where Python looks.
sys.path = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).resolve().parent]

import numpy as np
from joblib import Parallel, delayed

from drbnet.bootstrap import estimate
from lfsynth import pictures
from lfsynth.aperture import Sampling
from lfsynth.lfdof import Dataset, input_name
from lfsynth.readers import write_hdf5
from lfsynth.scene import Tilt, simulate
from lfsynth.textures import photographs

GRID, SIZE, TEST_SIZE = (9, 9), (256, 320), (160, 240)
NOISE = 0.005
DISPARITIES: tuple[Tilt, ...] = ((-2.2, -1.0), -0.6, 0.5, (1.3, 1.9))
RADIUS = 4.5
"""View steps, of the lens; the larger of two apertures in training, which are one stop apart, is 4.5 too."""
SLOPES = (-1.6, 0.0, 1.6)
ACROSS = 65
"""Points across the aperture of the truth."""
FIRST_TEST_SEED = 1000
METRICS = ("psnr", "ssim")


def make_light_fields(folder: Path, number: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(number):
        path = folder / f"scene_{seed:03d}.h5"
        if not path.exists():
            rng = np.random.default_rng(seed)
            scene = simulate(
                rng, grid=GRID, size=SIZE, noise=NOISE, disparities=DISPARITIES, textures=photographs()
            )
            write_hdf5(path, scene.lightfield, bits=16)


def make_tests(dataset: Dataset, number: int) -> None:
    """Pairs of simulated scenes blurred by a lens, 16 bits."""

    def write(seed: int) -> None:
        name = f"scene_{seed}"
        if dataset.ground_truth("test", name).exists():
            return
        rng = np.random.default_rng(seed)
        scene = simulate(rng, grid=GRID, size=TEST_SIZE, disparities=DISPARITIES, textures=photographs())
        dataset.inputs("test", name).mkdir(parents=True, exist_ok=True)
        for i, slope in enumerate(SLOPES):
            picture = scene.thin_lens(slope, RADIUS, spacing=2 * RADIUS / ACROSS)
            pictures.write(dataset.inputs("test", name) / input_name(name, 1, i), picture, bits=16)
        dataset.ground_truth("test", name).parent.mkdir(parents=True, exist_ok=True)
        pictures.write(dataset.ground_truth("test", name), scene.all_in_focus, bits=16)

    Parallel(n_jobs=2)(delayed(write)(FIRST_TEST_SEED + n) for n in range(number))


def link_lens(dataset: Dataset, data: Path) -> None:
    """The rendered focal stack as pairs."""
    folder, name = (data / "rendered_wood" / "focal_stack").resolve(), "wood"
    dataset.inputs("test", name).mkdir(parents=True, exist_ok=True)
    dataset.ground_truth("test", name).parent.mkdir(parents=True, exist_ok=True)
    links = {dataset.inputs("test", name) / input_name(name, 1, i): f"input_FS_{i}.png" for i in range(3)}
    links[dataset.ground_truth("test", name)] = "input_FS_all_in_focus.png"
    for link, target in links.items():
        link.unlink(missing_ok=True)
        link.symlink_to(folder / target)


def run(*arguments: object) -> None:
    subprocess.run([sys.executable, "-m", *map(str, arguments)], check=True)


def train(data: Path, out: Path, seed: int, arguments: argparse.Namespace) -> Path:
    """Train a network; the last weights' file."""
    options = (
        "--scales one --clip 1 --ema 0.99 --learning-rate 5e-4 --validation-pairs 2 --validation-crop 64"
    )
    run(
        "drbnet.train",
        *("--data", data, "--out", out, "--seed", seed, *options.split()),
        *("--patch", arguments.patch, "--batch", arguments.batch, "--repeats", arguments.repeats),
        *("--epochs", arguments.epochs, "--validate-every", arguments.epochs),
        *("--threads", arguments.threads, "--workers", 1, "--save-every", 100),
    )
    return out / "weights" / "last.safetensors"


def scores(path: Path) -> dict[str, dict[str, str]]:
    """Rows of scores.csv by picture."""
    with path.open(newline="") as file:
        return {row["name"]: row for row in csv.DictReader(file)}


def compare(work: Path, name: str, seeds: int) -> None:
    """Print what the networks score on one set of pairs."""
    tables = {
        kind: [
            scores(work / "scores" / f"{name}-{kind.value}-{seed}" / "scores.csv") for seed in range(seeds)
        ]
        for kind in Sampling
    }
    first = tables[Sampling.VIEWS][0]
    targets = [row["target"] for row in first.values()]

    def shown(values: list[float]) -> str:
        one = estimate(values, targets, seed=0)
        interval = "" if one.low is None else f" [{one.low:+.3f}, {one.high:+.3f}]"
        return f"{one.mean:+8.3f}{interval}"

    print(f"\n{name}: {len(first)} pictures, {len(set(targets))} targets")
    for metric in METRICS:
        before = [float(row[f"input_{metric}"]) for row in first.values()]
        print(f"{metric:5} input                  {statistics.fmean(before):8.3f}")
        means = {}
        for kind, of_seeds in tables.items():
            gains = [
                [float(rows[key][metric]) - float(rows[key][f"input_{metric}"]) for key in first]
                for rows in of_seeds
            ]
            means[kind] = [statistics.fmean(values) for values in zip(*gains, strict=True)]
            by_seed = ", ".join(f"{statistics.fmean(values):+.3f}" for values in gains)
            print(f"{metric:5} {kind.value:5} over the input   {shown(means[kind])}   by seed {by_seed}")
        difference = [
            dense - views for dense, views in zip(means[Sampling.DENSE], means[Sampling.VIEWS], strict=True)
        ]
        print(f"{metric:5} dense less views       {shown(difference)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--scenes", type=int, default=12)
    parser.add_argument("--tests", type=int, default=12)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--patch", type=int, default=64)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    work: Path = arguments.work
    make_light_fields(work / "light_fields", arguments.scenes)
    for kind in Sampling:
        run(
            *("lfsynth", "generate", "--lf-dir", work / "light_fields", "--out", work / kind.value),
            *("--aperture-sampling", kind.value, "--radii", f"{RADIUS / 2**0.5:.4f},{RADIUS}"),
            *("--test-fraction", 0, "--check-every", 0, "--jobs", 1),
        )
    sets = {"scenes": Dataset(work / "scenes")}
    make_tests(sets["scenes"], arguments.tests)
    if arguments.data is not None:
        sets["lens"] = Dataset(work / "lens")
        link_lens(sets["lens"], arguments.data)
    for seed in range(arguments.seeds):
        for kind in Sampling:
            weights = train(work / kind.value, work / "runs" / f"{kind.value}-{seed}", seed, arguments)
            for name, dataset in sets.items():
                out = work / "scores" / f"{name}-{kind.value}-{seed}"
                run(
                    *("drbnet.evaluate", "--weights", weights, "--data", dataset.root, "--protocol", "16bit"),
                    *("--out", out, "--threads", arguments.threads),
                )
        for name in sets:
            compare(work, name, seed + 1)


if __name__ == "__main__":
    main()
