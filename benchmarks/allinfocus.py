"""Ground truth and disparity against the truth, and what they cost. Tables in Markdown.

    python benchmarks/allinfocus.py [--data ../shared/data]

Simulated scenes (textures: photographs that ship in scikit-image) have 13 x 13 views of 256 x 384 with
occlusions; PSNR is in linear light over all pixels, off and near edges of the disparity. `rendered_wood` is
compared in sRGB code values, as the picture is stored. Times are CPU seconds of one thread, the least of
several runs.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lfsynth.allinfocus import all_in_focus
from lfsynth.aperture import circular
from lfsynth.disparity import disparity_map, range_of
from lfsynth.lightfield import LightField
from lfsynth.noise import estimate_noise
from lfsynth.pictures import read_linear
from lfsynth.readers import read_light_field
from lfsynth.refocus import refocus
from lfsynth.scene import SimulatedScene, simulate
from lfsynth.textures import photographs
from lfsynth.transfer import SRGB, encode

SEEDS = (1, 2, 3)
Picture = NDArray[np.float32]
Figures = NDArray[np.float32] | NDArray[np.float64]


def decibels(picture: Figures, truth: Figures, where: NDArray[np.bool_] | None = None) -> float:
    error = (picture.astype(np.float64) - truth) ** 2
    return float(-10 * np.log10(error.mean() if where is None else error[where].mean()))


def near_edges(disparity: Picture) -> NDArray[np.bool_]:
    """Within 4 px of a step of more than 0.3 px a view."""
    step = ndimage.maximum_filter(disparity, 9) - ndimage.minimum_filter(disparity, 9)
    return np.asarray(step > 0.3)


def focal_stack_fusion(lf: LightField, disparity: Picture) -> Picture:
    """Refocus by the disparity map: of a dense focal stack of radius 1.5, each pixel at its own slope."""
    nearest, farthest = float(disparity.max()), float(disparity.min())
    slopes = np.linspace(farthest, nearest, max(2, round((nearest - farthest) / 0.1)))
    stack = refocus(lf, slopes, circular(lf.grid, 1.5, centre=lf.centre)[None])[:, 0]
    pick = np.abs(disparity[None] - slopes[:, None, None]).argmin(axis=0)
    return np.asarray(np.take_along_axis(stack, pick[None, ..., None], axis=0)[0])


def methods(scene: SimulatedScene, sigma: float) -> dict[str, Callable[[], Picture]]:
    lf, still = scene.lightfield, np.zeros_like(scene.disparity)
    estimated, _ = disparity_map(lf)
    return {
        "centre view": lambda: lf.centre_view,
        "focal stack by disparity, r 1.5": lambda: focal_stack_fusion(lf, estimated),
        "robust average": lambda: all_in_focus(lf, disparity=estimated),
        "robust average, 25 views": lambda: all_in_focus(lf, disparity=estimated, views=25),
        "robust average, 61 views": lambda: all_in_focus(lf, disparity=estimated, views=61),
        "robust average, noise known": lambda: all_in_focus(lf, disparity=estimated, noise=sigma),
        "robust average, disparity known": lambda: all_in_focus(lf, disparity=scene.disparity),
        "robust average, disparity 0": lambda: all_in_focus(lf, disparity=still, noise=sigma),
    }


def simulated_scenes(textures: list[Picture]) -> None:
    for sigma in (0.002, 0.01, 0.03):
        rows: dict[str, list[tuple[float, float, float]]] = {}
        for seed in SEEDS:
            scene = simulate(
                np.random.default_rng(seed), grid=(13, 13), size=(256, 384), noise=sigma, textures=textures
            )
            edges, truth = near_edges(scene.disparity), scene.all_in_focus
            for name, make in methods(scene, sigma).items():
                picture = make()
                figures = (
                    decibels(picture, truth),
                    decibels(picture, truth, ~edges),
                    decibels(picture, truth, edges),
                )
                rows.setdefault(name, []).append(figures)
        print(
            f"\n| simulated, noise {sigma:.1%}, mean of {len(SEEDS)} scenes | all | off edges | near edges |"
        )
        print("|---|---|---|---|")
        for name, figures_of in rows.items():
            print(f"| {name} | " + " | ".join(f"{value:.1f}" for value in np.mean(figures_of, axis=0)) + " |")


def disparity_figures(name: str, lf: LightField, truth: Picture) -> str:
    disparity, confidence = disparity_map(lf)
    error = np.abs(disparity - truth)
    sure = confidence > 0.5
    nearest, farthest = range_of(disparity, confidence)
    far, near = np.quantile(truth, (0.005, 0.995))
    cells = [
        name,
        f"{error.mean():.3f}",
        f"{np.median(error):.3f}",
        f"{(error > 0.2).mean():.1%}",
        f"{sure.mean():.0%}",
        f"{(error[sure] > 0.2).mean():.1%}",
        f"{farthest:.2f} to {nearest:.2f}",
        f"{far:.2f} to {near:.2f}",
    ]
    return "| " + " | ".join(cells) + " |"


def disparities(textures: list[Picture], wood: tuple[LightField, Picture] | None) -> None:
    print(
        "\n| disparity, px a view | mean error | median | > 0.2 | confident | of these > 0.2 | range | true |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for sigma in (0.0, 0.01, 0.03):
        scene = simulate(
            np.random.default_rng(1), grid=(13, 13), size=(434, 625), noise=sigma, textures=textures
        )
        print(disparity_figures(f"simulated, noise {sigma:.0%}", scene.lightfield, scene.disparity))
    if wood is not None:
        print(disparity_figures("rendered_wood", *wood))


def least_cpu_seconds(work: Callable[[], object], runs: int = 5) -> float:
    work()
    times = []
    for _ in range(runs):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def costs(textures: list[Picture]) -> None:
    scene = simulate(np.random.default_rng(1), grid=(13, 13), size=(434, 625), noise=0.01, textures=textures)
    lf, disparity = scene.lightfield, scene.disparity
    print("\n| 13 x 13 x 434 x 625 x 3 | CPU s, 1 thread |")
    print("|---|---|")
    print(f"| disparity map, confidence and range | {least_cpu_seconds(lambda: disparity_map(lf)):.2f} |")
    print(f"| noise | {least_cpu_seconds(lambda: estimate_noise(lf, disparity=disparity)):.2f} |")
    for views in (25, 37, 61):
        average = partial(all_in_focus, lf, disparity=disparity, noise=0.01, views=views)
        seconds = least_cpu_seconds(average)
        print(f"| robust average of {views} views | {seconds:.2f} |")


def rendered(lf: LightField, folder: Path) -> None:
    def code(linear: Picture) -> NDArray[np.float64]:
        return encode(linear, SRGB, bits=16) / 65535

    truth = code(read_linear(folder / "focal_stack" / "input_FS_all_in_focus.png"))
    print("\n| rendered_wood, against its all-in-focus picture | dB |")
    print("|---|---|")
    print(f"| centre view | {decibels(code(lf.centre_view), truth):.2f} |")
    print(f"| robust average | {decibels(code(all_in_focus(lf)), truth):.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Ground truth and disparity against the truth, and their cost."
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of real data")
    folder = parser.parse_args().data / "rendered_wood"
    textures = photographs()
    simulated_scenes(textures)
    wood = None
    if folder.is_dir():
        lf = read_light_field(folder / "views")
        wood = lf, read_linear(folder / "gt_disp_lowres.pfm")[..., 0]
    disparities(textures, wood)
    if wood is not None:
        rendered(wood[0], folder)
    else:
        print(f"\nno rendered_wood: {folder} is not there")
    costs(textures)


if __name__ == "__main__":
    main()
