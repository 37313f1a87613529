"""The estimator of point spread functions against known kernels, and its time beside a dense solver's.

    python benchmarks/psf.py [--rows table,small,speed] [--seeds 3] [--noise 0.005,0.01,0.02] [--kernels airy,...]

Photographs are those of `psf.simulate`, whose renderer the estimator does not share: 4000 x 3000 px, 7 x 5 disks of
144 px radius with a pitch of 480, tilted and rotated by the seed, 15 % vignetting, contrast 0.75 of full scale, noise
as a fraction of full scale. An entry is the normalised cross-correlation / relative L2 / error of the FWHM in px of
the system's kernel of 77 x 77 px, means over the seeds. The spots of the light fields are Gaussians of sigma 0.5 px,
137 of them; the coded aperture is a mask of 7 x 7 cells. Ratios are to an earlier estimator's L2 on its own
simulator, whose spots and masks are not known.

Times are CPU seconds of one thread in a process of its own, from the PNG file to the kernel with radius, error bar and
figures of quality, of the second run; other programs on the machine make them longer. The dense solver is an
interior-point method on the 5929 x 5929 matrix of the same Mannan-Langer objective, from the same tiles.
"""

# ruff: noqa: E402
from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

# This file has the package's name, and its folder comes first where Python looks.
sys.path = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).resolve().parent]
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np
import scipy.linalg

from lfsynth import pictures
from lfsynth.transfer import LINEAR
from psf import models
from psf.detect import detect
from psf.estimate import Estimate, Options, estimate
from psf.mannan_langer import Weights, curvature_of, mannan_langer, objective, pair_of_sums, slope_of
from psf.merit import measure
from psf.photograph import Reading, read_photographs
from psf.simulate import OVERSAMPLING, Exposure, Pose, expose, simulate_coverage
from psf.tiles import cut_tiles

SIZE = 77
"""px, of the kernels."""

AIRY = 2.0
"""lambda N, px."""

VIEWS = np.add.outer(np.arange(-6, 7) ** 2, np.arange(-6, 7) ** 2) <= 6.5**2
"""137 views of a 13 x 13 grid."""

MASK = np.array(
    [
        [0, 1, 1, 0, 1, 1, 0],
        [1, 1, 0, 1, 1, 0, 1],
        [1, 0, 0, 1, 0, 1, 1],
        [1, 1, 1, 0, 0, 1, 0],
        [0, 1, 0, 0, 1, 1, 1],
        [1, 0, 1, 1, 0, 0, 1],
        [0, 1, 1, 1, 1, 0, 0],
    ],
    float,
)
"""Of the coded aperture."""

BASELINE = {
    "airy": (0.018, 0.020, 0.025),
    "pillbox 3": (0.055, 0.055, 0.054),
    "pillbox 5": (0.039, 0.045, 0.060),
    "pillbox 10": (0.039, 0.056, 0.087),
    "pillbox 15": (0.050, 0.072, 0.101),
    "pillbox 20": (0.058, 0.079, 0.108),
    "pillbox 30": (0.068, 0.088, 0.114),
    "defocused airy 15": (0.066, 0.091, 0.124),
    "defocused airy 30": (0.083, 0.103, 0.130),
    "coded aperture 31": (0.041, 0.050, 0.066),
    "coded aperture 61": (0.060, 0.070, 0.099),
    "light field 3": (0.118, 0.210, 0.574),
    "light field 5": (0.131, 0.178, 0.245),
}
"""Relative L2 of an earlier estimator at noise 0.005, 0.01, 0.02."""

BASELINE_NOISE = (0.005, 0.01, 0.02)


@dataclass(frozen=True)
class CodedAperture:
    """A mask of square cells, its centre of mass at the origin; a model of `psf.models`."""

    width: float

    def light(self, size: int, *, centre: tuple[float, float], pixel: float) -> np.ndarray:
        """Light on each pixel; see `psf.models.Model`."""
        cell = self.width / len(MASK)
        places = (np.arange(len(MASK)) - (len(MASK) - 1) / 2) * cell
        middle = [float(MASK.sum(axis=axis) @ places / MASK.sum()) for axis in (1, 0)]

        def shares(offset: float) -> np.ndarray:
            """How much of each cell lies on each pixel, (size, cells)."""
            pixels = np.arange(size) - size // 2 - offset
            low = np.maximum(pixels[:, None] - 0.5, places - cell / 2)
            high = np.minimum(pixels[:, None] + 0.5, places + cell / 2)
            return np.maximum(high - low, 0)

        down, across = (shares(c - m) for c, m in zip(centre, middle, strict=True))
        return down @ MASK @ across.T


def model(name: str, scale: float) -> models.Model:
    """A kernel of the table with all lengths times ``scale``."""
    kind, _, value = name.rpartition(" ")
    if name == "airy":
        return models.Airy(AIRY * scale)
    length = float(value) * scale
    if kind == "pillbox":
        return models.Pillbox(length)
    if kind == "defocused airy":
        return models.DefocusedAiry(AIRY * scale, float(value) / (4 * AIRY))
    if kind == "coded aperture":
        return CodedAperture(length)
    return models.SyntheticAperture(models.Gaussian(0.5 * scale), length, VIEWS.astype(float))


def pose(seed: int, **changes: object) -> Pose:
    """Where the target is."""
    rng = np.random.default_rng(seed)
    return Pose(
        shift=tuple(rng.uniform(-8, 8, 2)),
        tilt=tuple(rng.uniform(-3, 3, 2)),
        rotation=float(rng.uniform(-2, 2)),
        **changes,
    )


def figures(found: Estimate, truth: np.ndarray) -> tuple[float, float, float]:
    """Cross-correlation, relative L2, error of the FWHM."""
    system = found.system
    correlation = float((system * truth).sum() / np.linalg.norm(system) / np.linalg.norm(truth))
    relative = float(np.linalg.norm(system - truth) / np.linalg.norm(truth))
    return correlation, relative, measure(system).fwhm - measure(truth).fwhm


def kernel_and_truth(name: str, size: int) -> tuple[np.ndarray, np.ndarray]:
    """A kernel on the simulator's fine grid, and the system's of it."""
    fine = models.kernel(model(name, OVERSAMPLING), size * OVERSAMPLING + 1)
    truth = models.kernel(model(name, 1), size)
    return fine, truth / truth.sum()


def table(arguments: argparse.Namespace) -> None:
    """Print the table of kernels and noises."""
    noises = arguments.noise
    print("| kernel | " + " | ".join(f"{noise:.1%}" for noise in noises) + " | L2 / baseline's |")
    print("|---|" + "---|" * (len(noises) + 1))
    ratios, worse = [], []
    for name in arguments.kernels:
        fine, truth = kernel_and_truth(name, SIZE)
        entries = np.zeros((arguments.seeds, len(noises), 3))
        for seed in range(arguments.seeds):
            coverage = simulate_coverage(fine, pose(seed))
            for column, noise in enumerate(noises):
                picture = expose(coverage, Exposure(noise=noise), np.random.default_rng(1000 + seed))
                found = estimate([detect(picture, (7, 5), size=SIZE)], SIZE, options=Options(error_bar=False))
                entries[seed, column] = figures(found, truth)
        mean = entries.mean(axis=0)
        own = []
        for noise, entry in zip(noises, mean, strict=True):
            if noise in BASELINE_NOISE:
                ratio = entry[1] / BASELINE[name][BASELINE_NOISE.index(noise)]
                own.append(ratio)
                if ratio > 1:
                    worse.append(f"{name} at {noise:.1%}")
        ratios += own
        cells = [f"{ncc:.4f}/{l2:.3f}/{fwhm:+.2f}" for ncc, l2, fwhm in mean]
        print(
            f"| {name} | " + " | ".join(cells) + " | " + ", ".join(f"{r:.2f}" for r in own) + " |", flush=True
        )
    if ratios:
        print(
            f"\nmean of L2 / baseline's: {np.mean(ratios):.3f}; worse than it: {', '.join(worse) or 'none'}"
        )


def small(arguments: argparse.Namespace) -> None:
    """Print what more and smaller disks do: 23 x 17 of 48 px radius, kernels of 61 px, 1 % noise."""
    print("\n| kernel | 23 x 17 disks of radius 48 px, n = 61, 1 % |\n|---|---|")
    for name in ("pillbox 10", "light field 3"):
        fine, truth = kernel_and_truth(name, 61)
        target = pose(0, grid=(23, 17), pitch=162.0, radius=48.0)
        picture = expose(simulate_coverage(fine, target), Exposure(noise=0.01), np.random.default_rng(1))
        found = estimate([detect(picture, (23, 17), size=61)], 61, options=Options(error_bar=False))
        print("| {} | {:.4f}/{:.3f}/{:+.2f} |".format(name, *figures(found, truth)), flush=True)


def from_file(path: Path) -> Estimate:
    """What the command does with one file."""
    ((_, (plane,)),) = read_photographs([path], Reading(transfer=LINEAR))
    found = detect(plane.light, (7, 5), size=SIZE, clipped=plane.clipped, name=path.name)
    return estimate([found], SIZE, name=path.name)


def dense(second: np.ndarray, first: np.ndarray, *, gap: float = 1e-11) -> np.ndarray:
    """Minimise 1/2 k H k - c k over k >= 0, sum k = 1, by Mehrotra's primal-dual interior-point method."""
    count = len(first)
    kernel, slack, level = np.full(count, 1 / count), np.full(count, 1.0), 0.0
    scale = np.abs(first).max()
    second, first = second / scale, first / scale
    matrix = np.empty_like(second)
    for _ in range(60):
        dual = second @ kernel - first - slack - level
        primal = 1 - kernel.sum()
        mean = float(kernel @ slack) / count
        if mean < gap and abs(primal) < gap and np.abs(dual).max() < gap:
            break
        matrix[:] = second
        matrix.flat[:: count + 1] += slack / kernel
        factor = scipy.linalg.cho_factor(matrix, overwrite_a=False, check_finite=False)
        ones = scipy.linalg.cho_solve(factor, np.ones(count), check_finite=False)

        def step(centre: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
            free = scipy.linalg.cho_solve(factor, centre / kernel - dual, check_finite=False)  # noqa: B023
            rise = (primal - free.sum()) / ones.sum()  # noqa: B023
            along = free + rise * ones  # noqa: B023
            return along, (centre - slack * along) / kernel, rise  # noqa: B023

        def longest(values: np.ndarray, change: np.ndarray) -> float:
            falls = change < 0
            return float(min(1.0, 0.995 * np.min(-values[falls] / change[falls], initial=np.inf)))

        along, slack_along, _ = step(-kernel * slack)
        length = min(longest(kernel, along), longest(slack, slack_along))
        ahead = float((kernel + length * along) @ (slack + length * slack_along)) / count
        along, slack_along, rise = step((ahead / mean) ** 3 * mean - kernel * slack - along * slack_along)
        length = min(longest(kernel, along), longest(slack, slack_along))
        kernel = kernel + length * along
        slack = slack + length * slack_along
        level += length * rise
    return kernel


def child(path: Path) -> None:
    """Time one file, then the objective of Mannan and Langer both ways, and print them as JSON."""
    from_file(path)
    start = time.process_time()
    found = from_file(path)
    ours = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    ((_, (plane,)),) = read_photographs([path], Reading(transfer=LINEAR))
    detection = detect(plane.light, (7, 5), size=SIZE)
    tiles = cut_tiles(detection, SIZE)
    sums = tiles.sums(found.radius, range(len(tiles.disks)))
    pair = pair_of_sums(sums, tiles.noise, detection.plateau)
    weights = Weights(kernel_gradient=1e3, tail=1.0)
    start = time.process_time()
    quick = mannan_langer(pair, SIZE, weights)
    fast = time.process_time() - start
    start = time.process_time()
    side = pair.own.shape[0]
    correlation = np.fft.irfft2(curvature_of(pair, weights), (side, side))
    place = np.arange(SIZE)
    apart = (place[:, None] - place) % side
    second = correlation[apart[:, None, :, None], apart[None, :, None, :]].reshape(SIZE**2, SIZE**2)
    seen = np.roll(np.fft.irfft2(slope_of(pair, weights), (side, side)), (SIZE // 2, SIZE // 2), (0, 1))
    from psf.mannan_langer import tail_of

    first = (seen[:SIZE, :SIZE] - weights.tail * tail_of(SIZE)).ravel()
    exact = dense(second, first).reshape(SIZE, SIZE)
    slow = time.process_time() - start
    values = [objective(pair, kernel, weights) for kernel in (quick, np.maximum(exact, 0) / exact.sum())]
    print(json.dumps({"ours": ours, "peak": peak, "fast": fast, "slow": slow, "values": values}))


def speed(arguments: argparse.Namespace) -> None:
    """Print times from a file of 12 megapixels."""
    fine, _ = kernel_and_truth("pillbox 10", SIZE)
    picture = expose(simulate_coverage(fine, pose(0)), Exposure(noise=0.01), np.random.default_rng(1))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "disks.png"
        pictures.write(path, picture[..., None], bits=16, transfer=LINEAR)
        command = [sys.executable, __file__, "--child", str(path)]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    times = json.loads(said.splitlines()[-1])
    print("\n| 12 megapixels, 16-bit PNG, n = 77 | CPU s | |\n|---|---|---|")
    print(f"| file to kernel | {times['ours']:.2f} | peak {times['peak']:.0f} MB |")
    print(f"| Mannan-Langer objective, this package | {times['fast']:.2f} | value {times['values'][0]:.6g} |")
    print(f"| the same, dense interior point | {times['slow']:.1f} | value {times['values'][1]:.6g} |")
    print(
        f"| dense / this package | {times['slow'] / times['fast']:.0f} | "
        f"dense / file to kernel {times['slow'] / times['ours']:.0f} |"
    )


ROWS: dict[str, Callable[[argparse.Namespace], None]] = {"table": table, "small": small, "speed": speed}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", default="table,small,speed", type=lambda text: text.split(","))
    parser.add_argument("--seeds", default=3, type=int)
    parser.add_argument(
        "--noise", default=list(BASELINE_NOISE), type=lambda text: [float(part) for part in text.split(",")]
    )
    parser.add_argument("--kernels", default=list(BASELINE), type=lambda text: text.split(","))
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child is not None:
        child(arguments.child)
        return
    for row in arguments.rows:
        ROWS[row](arguments)


if __name__ == "__main__":
    main()
