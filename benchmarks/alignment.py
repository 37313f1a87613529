"""Verdicts on pairs whose alignment is known, and what a verdict costs. Tables in Markdown.

    python benchmarks/alignment.py [--data ../shared/data] [--generated FOLDER ...]

The real LFDOF pairs are judged as they are and with the target moved by Fourier shifts, rotated or scaled
(quintic spline), in encoded values, each also with 2 % noise added to both pictures and the target darkened
by a gain of 0.9 and a gamma of 1.1. Different scenes are judged as pairs. Folders that `lfsynth generate`
wrote are judged as they are and moved. Times are CPU seconds of one thread.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lfsynth.alignment import Alignment, Verdict, check_pair
from lfsynth.pictures import read, read_linear
from lfsynth.transfer import SRGB, linearise

Encoded = NDArray[np.float64]
SHIFTS = ((0.5, 0.0), (1.0, 1.0), (0.0, 2.0), (3.0, -1.5))
DEGREES, SCALE = 0.3, 1.003
NOISE, GAIN, GAMMA = 0.02, 0.9, 1.1


def encoded(path: Path) -> Encoded:
    stored = read(path)
    return stored[:, :, :3].astype(np.float64) / (65535 if stored.dtype == np.uint16 else 255)


def linear(picture: Encoded) -> NDArray[np.float32]:
    return linearise(np.rint(255 * np.clip(picture, 0, 1)).astype(np.uint8), SRGB)


def moved(picture: Encoded, shift: tuple[float, float]) -> Encoded:
    height, width = picture.shape[:2]
    phase = np.fft.fftfreq(height)[:, None] * shift[0] + np.fft.fftfreq(width) * shift[1]
    spectrum = np.fft.fft2(picture, axes=(0, 1)) * np.exp(-2j * np.pi * phase)[:, :, None]
    return np.asarray(np.fft.ifft2(spectrum, axes=(0, 1)).real)


def turned(picture: Encoded, *, degrees: float = 0.0, scale: float = 1.0) -> Encoded:
    """Content turned counter-clockwise and enlarged about the middle."""
    angle = np.radians(degrees)
    forward = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    back = np.linalg.inv(forward)
    middle = (np.array(picture.shape[:2]) - 1) / 2
    planes = [
        ndimage.affine_transform(picture[..., c], back, middle - back @ middle, order=5, mode="mirror")
        for c in range(picture.shape[2])
    ]
    return np.stack(planes, axis=-1)


CASES: dict[str, Callable[[Encoded], Encoded]] = {
    "untouched": lambda picture: picture,
    **{f"moved by {shift}": partial(moved, shift=shift) for shift in SHIFTS},
    f"rotated by {DEGREES} degrees": lambda picture: turned(picture, degrees=DEGREES),
    f"scaled by {SCALE}": lambda picture: turned(picture, scale=SCALE),
}


def spoilt(b: Encoded, s: Encoded, rng: np.random.Generator) -> tuple[Encoded, Encoded]:
    b, s = np.clip(b, 0, 1), np.clip(GAIN * s, 0, 1) ** GAMMA
    return b + NOISE * rng.standard_normal(b.shape), s + NOISE * rng.standard_normal(s.shape)


def error(case: str, found: Alignment) -> str:
    """What the benchmark's case did, as measured, less what it is."""
    fit = found.similarity
    if fit is None:
        return "-"
    if case.startswith("rotated"):
        return f"{fit.rotation / DEGREES - 1:+.1%}"
    if case.startswith("scaled"):
        return f"{(fit.scale - 1) / (SCALE - 1) - 1:+.1%}"
    truth = next((shift for shift in SHIFTS if case == f"moved by {shift}"), (0.0, 0.0))
    return f"{np.hypot(fit.shift[0] - truth[0], fit.shift[1] - truth[1]):.3f} px"


def shares(pairs: Sequence[tuple[str, Path, Path]], seeds: int) -> None:
    names = [name for name, _, _ in pairs]
    print(f"\n| case | right | share | {' | '.join(f'error {name}' for name in names)} |")
    print("|---|---|---|" + "---|" * len(names))
    total: Counter[bool] = Counter()
    pictures = [(encoded(b), encoded(s)) for _, b, s in pairs]
    for case, change in CASES.items():
        targets = [change(s) for _, s in pictures]
        for seed in range(-1, seeds):
            rng = np.random.default_rng(max(seed, 0))
            right, errors = [], []
            for (b, _), target in zip(pictures, targets, strict=True):
                pair = (b, target) if seed < 0 else spoilt(b, target, rng)
                found = check_pair(linear(pair[0]), linear(pair[1]))
                wanted = Verdict.ALIGNED if case == "untouched" else Verdict.MISALIGNED
                right.append(found.verdict is wanted)
                errors.append(error(case, found))
            total.update(right)
            name = case if seed < 0 else f"{case}, noise {seed}"
            cells = [name, f"{sum(right)}/{len(right)}", f"{np.mean(right):.2f}", *errors]
            print("| " + " | ".join(cells) + " |", flush=True)
    print(f"\nshare of right verdicts: {total[True]}/{total.total()} = {total[True] / total.total():.3f}")


def strangers(pairs: Sequence[tuple[str, Path, Path]]) -> None:
    verdicts = Counter(
        check_pair(read_linear(b), read_linear(s)).verdict.value
        for i, (_, b, _) in enumerate(pairs)
        for k, (_, _, s) in enumerate(pairs)
        if i != k
    )
    print(f"\ndifferent scenes as a pair: {dict(verdicts)}")


def sensitivity(pairs: Sequence[tuple[str, Path, Path]]) -> None:
    """Share of pairs called misaligned by the shift, half along y and half along x, and pixel-locking."""
    steps = np.arange(0, 1.01, 0.1)
    print("\n| shift down, px | " + " | ".join(f"{step:.1f}" for step in steps) + " |")
    print("|---|" + "---|" * len(steps))
    called, locking = [], []
    pictures = [(linear(encoded(b)), encoded(s)) for _, b, s in pairs]
    for step in steps:
        results = [check_pair(b, linear(moved(s, (step, 0.0)))) for b, s in pictures]
        called.append(np.mean([found.verdict is Verdict.MISALIGNED for found in results]))
        found_shifts = [found.similarity.shift[0] for found in results if found.similarity]
        locking.append(np.mean(found_shifts) - step)
    print("| called misaligned | " + " | ".join(f"{share:.1f}" for share in called) + " |")
    print("| mean error, px | " + " | ".join(f"{off:+.3f}" for off in locking) + " |")


def generated(folders: Sequence[Path]) -> None:
    print("\n| generated from | aligned | cannot tell | misaligned | largest shift, px | moved by (1, 1) |")
    print("|---|---|---|---|---|---|")
    for folder in folders:
        verdicts: Counter[Verdict] = Counter()
        after: Counter[str] = Counter()
        largest = 0.0
        for path in sorted(folder.glob("*_data/input/*/*.png")):
            target = path.parents[2] / "ground_truth" / f"{path.parent.name}.png"
            b, s = read_linear(path), read_linear(target)
            found = check_pair(b, s)
            verdicts[found.verdict] += 1
            largest = max(largest, float(np.hypot(*found.shift)) if found.shift else 0.0)
            after[check_pair(b, linear(moved(encoded(target), (1.0, 1.0)))).verdict.value] += 1
        counts = [verdicts[v] for v in (Verdict.ALIGNED, Verdict.CANNOT_TELL, Verdict.MISALIGNED)]
        print(f"| {folder.name} | {' | '.join(map(str, counts))} | {largest:.2f} | {dict(after)} |")


def costs(pairs: Sequence[tuple[str, Path, Path]]) -> None:
    judging, reading = [], []
    for _, b, s in pairs:
        for _ in range(3):
            begin = time.process_time()
            pictures = read_linear(b), read_linear(s)
            read_at = time.process_time()
            check_pair(*pictures)
            judging.append(time.process_time() - read_at)
            reading.append(read_at - begin)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print("\n| a pair | CPU s, median | CPU s, most |")
    print("|---|---|---|")
    print(f"| judging | {np.median(judging):.2f} | {max(judging):.2f} |")
    print(f"| reading and decoding | {np.median(reading):.2f} | {max(reading):.2f} |")
    print(f"\nlargest resident memory of the process so far: {peak:.0f} MiB")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--generated", type=Path, nargs="*", default=[])
    parser.add_argument("--seeds", type=int, default=1, help="runs with noise")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    root = options.data / "lfdof_pairs" / "test_data"
    pairs = [
        (path.stem, path, root / "ground_truth" / f"{path.parent.name}.png")
        for path in sorted(root.glob("input/*/*.png"))
    ]
    costs(pairs)
    generated(options.generated)
    strangers(pairs)
    sensitivity(pairs)
    shares(pairs, options.seeds)


if __name__ == "__main__":
    main()
