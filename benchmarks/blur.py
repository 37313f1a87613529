"""Blur of the dense synthetic aperture and of the plain sum of views, beside a lens's.

    python benchmarks/blur.py [--parts lens,occlusions,kernels,time] [--data ../shared/data]

``lens``: the rendered light field and the pictures rendered through a real lens, in tiles of 64 x 64 px whose median
is 3 px a view step out of focus and more. The lens's pictures have noise of their own (`noise_of`), which is the
ceiling: no picture can be closer. It is told twice, with noise of low frequencies as that of higher ones, which is
too little, and with their rise where it can be measured. ``left`` is what is left above it, as a part of what the sum
of views has left.
``occlusions``: simulated scenes of four layers, photographs as textures, 1 % noise, disparity estimated; the truth is
65 x 65 views. ``kernels``: a target of disks on a plane, kernels estimated by `psf`. ``time``: a light field of a real
camera, 5 slopes x 3 apertures. dB are of sRGB values for ``lens`` and of linear light for ``occlusions``.
"""

# ruff: noqa: E402
from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

# A file beside this one has the package's name, and its folder comes first where Python looks.
sys.path = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).resolve().parent]

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, maximum_filter, minimum_filter

from lfsynth import pictures
from lfsynth.aperture import PARTS, circular, largest_radius, view_weights
from lfsynth.dense import refocus_dense
from lfsynth.disparity import disparity_map, range_of
from lfsynth.errors import InputError
from lfsynth.generate import STOP
from lfsynth.lightfield import LightField
from lfsynth.machine import keep_memory
from lfsynth.noise import Noise
from lfsynth.readers import read_light_field
from lfsynth.refocus import full_aperture_margin, refocus
from lfsynth.scene import simulate
from lfsynth.textures import photographs
from lfsynth.transfer import SRGB
from psf.compare import compare_two
from psf.detect import detect
from psf.estimate import Options, estimate
from psf.fit import choose
from psf.lattice import find_lattice
from psf.models import Pillbox, kernel
from psf.projected_target import ViewNoise, project_target
from psf.simulate import Exposure, Pose

TILE = 64
LENS_RADIUS = 3.8
"""View steps. The files say 4.0; pictures of both methods are closest to the lens's at 3.8 and 3.9."""
LENS_SLOPES = (-4.0, 0.0, 4.0)

FREQUENCY = np.hypot(np.fft.fftfreq(TILE)[:, None], np.fft.fftfreq(TILE))
"""Cycles/px of a tile's spectrum."""

Picture = NDArray[np.float32]


def opening(lightfield: LightField, *radii: float) -> NDArray[np.float64]:
    grid, centre = lightfield.grid, lightfield.centre
    return np.stack([circular(grid, radius, centre=centre, parts=PARTS) for radius in radii])


def decibels(squares: float) -> float:
    return -10 * float(np.log10(squares))


def tiles(picture: NDArray[np.float64]) -> NDArray[np.float64]:
    """(H, W, C) in tiles, (N, TILE, TILE, C)."""
    rows, columns = (side // TILE for side in picture.shape[:2])
    cut = picture[: rows * TILE, : columns * TILE].reshape(rows, TILE, columns, TILE, -1)
    return cut.swapaxes(1, 2).reshape(rows * columns, TILE, TILE, -1)


def spectra(cut: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Spectra of tiles less a cubic surface, whose mean square is the tiles', (TILE, TILE, N, C)."""
    at = np.linspace(-1, 1, TILE)
    y, x = np.meshgrid(at, at, indexing="ij")
    surface = np.stack([(y**a * x**b).ravel() for a in range(4) for b in range(4 - a)], axis=1)
    flat = cut.transpose(1, 2, 0, 3).reshape(TILE * TILE, -1)
    rest = flat - surface @ np.linalg.lstsq(surface, flat, rcond=None)[0]
    window = np.outer(np.hanning(TILE), np.hanning(TILE))
    window /= np.sqrt((window**2).mean())
    rest = rest.reshape(TILE, TILE, len(cut), -1) * window[:, :, None, None]
    return np.asarray(np.fft.fft2(rest, axes=(0, 1)) / TILE)


def noise_of(truth: NDArray[np.float64], plain: NDArray[np.float64], rise: float) -> float:
    """Mean square of the noise in tiles of a truth: what it has in common with its difference to the sum of views.

    What that sum is off by has nothing in common with the truth, nor has the truth's noise with the sum. Below 2/32
    cycles/px, where a little common error would count for much, noise is ``rise`` times what it is up to 3/32.
    """
    common = (np.conj(spectra(truth)) * spectra(truth - plain)).real.mean(axis=(2, 3))
    lowest = rise * common[(FREQUENCY >= 2 / 32) & (FREQUENCY < 3 / 32)].mean()
    return float(np.where(FREQUENCY < 2 / 32, lowest, common).mean())


def rise_of(truth: NDArray[np.float64], disparity: Picture, slope: float) -> float:
    """Noise of 1/32 to 2/32 cycles/px over that up to 3/32: in tiles that are 8 px a view step out of focus, without an
    occluder within 40 px, where the picture itself is smooth.
    """
    clear = []
    for top, left in np.ndindex(truth.shape[0] // 32 - 1, truth.shape[1] // 32 - 1):
        y, x = 32 * top, 32 * left
        near = disparity[max(y - 40, 0) : y + TILE + 40, max(x - 40, 0) : x + TILE + 40]
        if near.max() < slope - 7.5:
            clear.append(truth[y : y + TILE, x : x + TILE])
    power = np.square(np.abs(spectra(np.array(clear)))).mean(axis=(2, 3))
    rings = [power[np.floor(32 * FREQUENCY) == k].mean() for k in (1, 2)]
    return float(rings[0] / rings[1])


def lens(data: Path) -> None:
    folder = data / "rendered_wood"
    lightfield = read_light_field(folder)
    truths = [pictures.read(folder / "focal_stack" / f"input_FS_{i}.png")[..., :3] / 255.0 for i in range(3)]
    assert lightfield.disparity is not None
    true, estimated = lightfield.disparity, disparity_map(lightfield)[0]
    rise = rise_of(truths[2], true, LENS_SLOPES[2])
    print(f"noise of 1/32 to 2/32 cycles/px is {rise:.2f} times that up to 3/32")
    cells = opening(lightfield, LENS_RADIUS)
    plain = refocus(lightfield, LENS_SLOPES, view_weights(cells))[:, 0]
    made = {
        "dense, estimated disparity": refocus_dense(lightfield, LENS_SLOPES, cells, estimated)[:, 0],
        "dense, true disparity": refocus_dense(lightfield, LENS_SLOPES, cells, true)[:, 0],
    }
    print(
        f"{'slope':>6} {'':28} {'dB':>6} {'tiles':>6} {'MSE':>9} {'ceiling':>9} {'left':>6} {'with rise':>9} "
        f"{'left':>6} {'worst tile':>11}"
    )
    for i, (slope, truth) in enumerate(zip(LENS_SLOPES, truths, strict=True)):
        away = np.median(np.abs(tiles(true[..., None].astype(np.float64)) - slope), axis=(1, 2, 3))
        blurred = away >= 3
        shown = SRGB.from_linear(np.clip(plain[i].astype(np.float64), 0, 1))
        ceilings = [noise_of(tiles(truth)[blurred], tiles(shown)[blurred], r) for r in (1.0, rise)]

        def errors(picture: Picture, truth: NDArray[np.float64] = truth) -> NDArray[np.float64]:
            shown = SRGB.from_linear(np.clip(picture.astype(np.float64), 0, 1))
            return np.square(tiles(shown - truth)).mean(axis=(1, 2, 3))

        before = errors(plain[i])
        for name, picture in ({"sum of views": plain} | made).items():
            after = errors(picture[i])
            left = [(after[blurred].mean() - c) / (before[blurred].mean() - c) for c in ceilings]
            print(
                f"{slope:6.0f} {name:28} {decibels(after.mean()):6.2f} {blurred.sum():6} {after[blurred].mean():9.2e} "
                f"{ceilings[0]:9.2e} {left[0]:6.2f} {ceilings[1]:9.2e} {left[1]:6.2f} "
                f"{10 * np.log10((after / before).max()):+8.2f} dB"
            )


def occlusions(seeds: int, size: tuple[int, int]) -> None:
    limits = (0, 2, 5, 10, 30)
    names = [f"{low}-{high}" for low, high in pairwise(limits)]
    print(f"{'views':>8} {'radius px':>10} {'sum dB':>7} {'dense dB':>9} {'gain':>5} {'far from edges':>15}")
    for side, scale in ((13, 1.35), (9, 2.0)):
        disparities = ((-1.4 * scale, -0.6 * scale), -0.4 * scale, 0.3 * scale, (0.8 * scale, 1.2 * scale))
        sums = {name: np.zeros((2, 3)) for name in names}
        for seed in range(seeds):
            scene = simulate(
                np.random.default_rng(seed),
                grid=(side, side),
                size=size,
                noise=0.01,
                disparities=disparities,
                textures=photographs(),
            )
            lightfield, radius = scene.lightfield, side / 2
            estimated, confidence = disparity_map(lightfield)
            nearest, farthest = range_of(estimated, confidence)
            cells = opening(lightfield, radius)
            for slope in (farthest, (nearest + farthest) / 2, nearest):
                truth = scene.thin_lens(slope, radius, spacing=2 * radius / 65)
                plain = refocus(lightfield, [slope], view_weights(cells))[0, 0]
                dense = refocus_dense(lightfield, [slope], cells, estimated)[0, 0]
                my, mx = full_aperture_margin(lightfield, [slope], view_weights(cells))
                inside = (slice(my, -my or None), slice(mx, -mx or None))
                blur = (np.abs(scene.disparity - slope) * radius)[inside]
                edge = edges(scene.disparity)[inside]
                squares = [np.square(picture - truth)[inside].mean(axis=2) for picture in (plain, dense)]
                for name, (low, high) in zip(names, pairwise(limits), strict=True):
                    there = (blur >= low) & (blur < high)
                    for row, chosen in enumerate((there, there & ~edge)):
                        sums[name][row] += [*(square[chosen].sum() for square in squares), chosen.sum()]
        for name in names:
            (a, b, n), (c, d, _) = sums[name]
            print(
                f"{side:3} x {side:2} {name:>10} {decibels(a / n):7.2f} {decibels(b / n):9.2f} "
                f"{decibels(b / a):5.2f} {decibels(d / c):12.2f} dB",
                flush=True,
            )


def edges(disparity: Picture) -> NDArray[np.bool_]:
    """Pixels within 8 px of a step of disparity."""
    return np.asarray(maximum_filter(disparity, 17) - minimum_filter(disparity, 17) > 0.4)


def kernels() -> None:
    pose = Pose(shape=(620, 760), grid=(4, 3), pitch=180.0, radius=50.0, distance=6000.0, tilt=(0.0, 0.0))
    radius, noise = 4.3, ViewNoise(Noise((1e-4,), (0.0,), (0.0,)))
    weights = np.ones((9, 9), np.float32)
    print(f"{'|d - s|':>8} {'':8} {'correlation':>12} {'lattice score':>14}  model")
    for away in (2.0, 3.0, 5.0):
        lightfield = project_target(
            pose,
            away / 2,
            np.random.default_rng(1),
            weights=weights,
            exposure=Exposure(paper=0.6, ink=0.06),
            noise=noise,
        )
        disparity = disparity_map(lightfield)[0]
        cells = opening(lightfield, radius)
        slopes = [-away / 2]
        margin = max(full_aperture_margin(lightfield, slopes, view_weights(cells)))
        for name, picture in (
            ("sum", refocus(lightfield, slopes, view_weights(cells))),
            ("dense", refocus_dense(lightfield, slopes, cells, disparity)),
        ):
            light = np.ascontiguousarray(picture[0, 0, margin:-margin, margin:-margin, 0])
            try:
                found = estimate([detect(light)], None, options=Options(error_bar=False))
            except InputError as error:
                print(f"{away:8.0f} {name:8} refused: {error}", flush=True)
                continue
            best = choose(found.system)[0].fit
            disk = gaussian_filter(kernel(Pillbox(radius * away), len(found.system)), 0.5)
            agreement = compare_two(disk, found.system).aligned.correlation
            score = find_lattice(found.system).score
            values = ", ".join(f"{key} {value:.2f}" for key, value in best.parameters.items())
            print(
                f"{away:8.0f} {name:8} {agreement:12.4f} {score:14.1f}  {best.family}: {values}", flush=True
            )


def speed(data: Path, repeats: int) -> None:
    keep_memory()
    lightfield = read_light_field(data / "illum_toy")
    disparity, confidence = disparity_map(lightfield)
    nearest, farthest = range_of(disparity, confidence)
    largest = largest_radius(lightfield)
    cells = opening(lightfield, *(largest / STOP**k for k in (2, 1, 0)))
    slopes = np.linspace(farthest, nearest, 5)

    def seconds(work: Callable[[], object]) -> float:
        work()
        taken = []
        for _ in range(repeats):
            began = time.process_time()
            work()
            taken.append(time.process_time() - began)
        return statistics.median(taken)

    plain = seconds(lambda: refocus(lightfield, slopes, view_weights(cells)))
    dense = seconds(lambda: refocus_dense(lightfield, slopes, cells, disparity))
    print(
        f"{lightfield.grid} views of {lightfield.size}, radius {largest:.1f}, slopes {farthest:.2f} to {nearest:.2f}, "
        f"15 pictures: sum of views {plain:.2f} CPU s, dense {dense:.2f} CPU s, {dense / plain:.1f} times"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--parts", default="lens,occlusions,kernels,time")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--size", default="256x384", help="of the simulated views")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    height, width = (int(side) for side in arguments.size.split("x"))
    work = {
        "lens": lambda: lens(arguments.data),
        "occlusions": lambda: occlusions(arguments.seeds, (height, width)),
        "kernels": kernels,
        "time": lambda: speed(arguments.data, arguments.repeats),
    }
    for part in arguments.parts.split(","):
        print(f"\n{part}")
        work[part]()


if __name__ == "__main__":
    main()
