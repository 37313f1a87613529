"""Patches a second that the training's data loading makes, beside the plain way.

``python benchmarks/loading.py [--data FOLDER]``: pairs of FOLDER (LFDOF, or another layout), or four photographs that
ship with scikit-image, 688 x 1008, inputs RGB, targets RGBA, in a temporary folder.

The plain way decodes whole pictures by OpenCV and augments them whole, in the paper's order. All rows of the first
table are measured in turn in one process, CPU time, mean over all patches: it depends on where a patch lies. The
second table is of worker processes: patches a second by the clock, which a busy machine lowers, and CPU time of all
processes, from which follows what two whole cores would give. Files are in the page cache.
"""

# ruff: noqa: E402
from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

# A file beside this one has the package's name, and this folder comes first where Python looks.
sys.path = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).resolve().parent]

import cv2
import numpy as np
import skimage.data
import torch
from numpy.typing import NDArray

from drbnet.augment import Augmentation
from drbnet.datasets import Pairs, find
from drbnet.patches import PatchDataset, PatchLoader
from drbnet.sampling import Draws, PatchSampler, generator

PATCH = 320
ROUNDS = 12
SIZE = 688, 1008


def make_pairs(root: Path) -> Pairs:
    for name in ("astronaut", "coffee", "chelsea", "rocket"):
        photograph = cv2.resize(
            getattr(skimage.data, name)()[:, :, ::-1], SIZE[::-1], interpolation=cv2.INTER_AREA
        )
        noise = np.random.default_rng(0).normal(0, 2, photograph.shape)
        target = np.clip(photograph + noise, 0, 255).astype(np.uint8)
        for folder, picture in (
            ("input", cv2.GaussianBlur(target, (0, 0), 1.5)),
            ("ground_truth", cv2.cvtColor(target, cv2.COLOR_BGR2BGRA)),
        ):
            (root / folder).mkdir(exist_ok=True)
            cv2.imwrite(str(root / folder / f"{name}.png"), picture)
    return find(root)


def plain_patch(pairs: Pairs, place: tuple[int, int]) -> NDArray[np.float32]:
    """A pair's patches in the plain way."""
    pair = pairs.pairs[place[1] % len(pairs)]
    rng = generator(Draws.PATCH, *place)
    augmentation = Augmentation()
    pictures = [cv2.imread(str(path))[:, :, ::-1] / np.float32(255) for path in (pair.inputs[0], pair.target)]
    if rng.random() < augmentation.noise:
        noise = rng.standard_normal(pictures[0].shape, np.float32) * rng.uniform(*augmentation.noise_sigma)
        pictures[0] = np.clip(pictures[0] + noise.astype(np.float32), 0, 1)
    if rng.random() < augmentation.grey:
        pictures = [np.repeat(cv2.cvtColor(p, cv2.COLOR_RGB2GRAY)[:, :, None], 3, axis=2) for p in pictures]
    if rng.random() < augmentation.scale:
        factor = rng.uniform(*augmentation.scale_factor)
        pictures = [cv2.resize(p, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA) for p in pictures]
    y, x = (int(rng.integers(side - PATCH + 1)) for side in pictures[0].shape[:2])
    return np.stack([p[y : y + PATCH, x : x + PATCH].transpose(2, 0, 1) * 2 - 1 for p in pictures])


def in_one_process(pairs: Pairs) -> None:
    dataset = PatchDataset(pairs, patch=PATCH)
    jobs: dict[str, Callable[[tuple[int, int]], object]] = {
        "whole pictures by OpenCV": lambda place: plain_patch(pairs, place),
        "drbnet": dataset.__getitem__,
    }
    spent = dict.fromkeys(jobs, 0.0)
    for job in jobs.values():
        job((0, 0))
    count = ROUNDS * max(len(pairs), 5)
    for k in range(count):
        for name, job in jobs.items():
            start = time.process_time()
            job((k, k))
            spent[name] += time.process_time() - start
    print(f"\none process, {count} patches        CPU ms a patch   patches a second on two cores")
    for name, seconds in spent.items():
        print(f"  {name:28s} {1000 * seconds / count:14.1f} {2 * count / seconds:31.0f}")


def with_workers(pairs: Pairs, workers: int) -> None:
    sampler = PatchSampler(len(pairs), batch=8, repeats=-(-400 // len(pairs)))
    loader = PatchLoader(PatchDataset(pairs, patch=PATCH), sampler, batch=8, workers=workers)
    sampler.go_to(0, sampler.steps - 2)
    list(loader)  # the workers have started, and what they compile is loaded
    before, clock = _cpu(), time.perf_counter()
    sampler.go_to(1)
    count = sum(len(batch["index"]) for batch in loader)
    clock = time.perf_counter() - clock
    loader.close()
    # Of the workers' start too, which a long training forgets.
    cpu = _cpu() - before
    print(f"  {workers} workers {count / clock:21.0f} {1000 * cpu / count:18.1f} {2 * count / cpu:31.0f}")


def _cpu() -> float:
    """CPU seconds of this process and of its children that have ended."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    with tempfile.TemporaryDirectory() as folder:
        pairs = find(options.data) if options.data else make_pairs(Path(folder))
        print(f"{pairs.describe()}; patches of {PATCH} x {PATCH}")
        in_one_process(pairs)
        print("\nwhole loader   patches a second   CPU ms a patch   patches a second on two whole cores")
        for workers in (1, 2):
            with_workers(pairs, workers)


if __name__ == "__main__":
    main()
