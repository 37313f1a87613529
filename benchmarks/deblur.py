"""Deblurring of large photographs: memory, time, and tiled against whole.

``large`` deblurs a JPEG file of 24 megapixels by the command, in a process of its own, and tells its peak of memory and
its time. ``sizes`` compares tiled and whole results on ten sizes from 97 x 131 to 2000 x 3000. ``margins`` tells what
smaller margins cost, and what they save. ``seams`` writes the difference to the input less its broad part, and
tiled to whole, at eight times the contrast, to look at. Without --weights, random ones are taken that change every
pixel visibly.
"""

# ruff: noqa: E402
from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

# A file beside this one has the package's name, and this folder comes first where Python looks.
sys.path = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).resolve().parent]

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from drbnet.deblurring import Deblurrer
from drbnet.models.drbnet import DRBNet
from drbnet.tiling import MARGIN, Tiling, whole_or_tiled

ROWS = ("large", "sizes", "margins", "seams")
SMALLEST, LARGEST = (97, 131), (2000, 3000)
CONTRAST = 8
SMOOTH = 12.0  # px, sigma


def visible_weights(path: Path) -> Path:
    """Random weights that change every pixel by several codes, and clip little."""
    torch.manual_seed(0)
    network = DRBNet()
    with torch.no_grad():
        for name, weights in network.named_parameters():
            if weights.ndim == 4 and "conv" in name:
                weights *= 1.5
            if "kernel.2" in name:
                weights *= 0.25
    torch.save(network.state_dict(), path)
    return path


def photograph(height: int, width: int, *, seed: int = 0) -> NDArray[np.uint8]:
    """Edges and texture of all sizes."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width, 3), np.float32)
    for octave in range(8):
        step = 2**octave
        small = rng.standard_normal((height // step + 2, width // step + 2, 3), np.float32)
        kind = cv2.INTER_NEAREST if octave % 2 else cv2.INTER_LINEAR
        total += cv2.resize(small, (width, height), interpolation=kind) * (0.3 + 0.1 * octave)
    return np.clip(total * 32 + 128, 0, 255).astype(np.uint8)


def large(weights: Path, folder: Path, shape: tuple[int, int]) -> dict[str, object]:
    source = folder / "large.jpg"
    cv2.imwrite(str(source), photograph(*shape))
    out = folder / "large_out.jpg"
    command = [
        sys.executable,
        "-m",
        "drbnet.deblur",
        str(source),
        "--weights",
        str(weights),
        "--out",
        str(out),
    ]
    began = time.monotonic()
    subprocess.run(command, check=True)
    seconds = time.monotonic() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    megapixels = shape[0] * shape[1] / 1e6
    return {
        "megapixels": megapixels,
        "peak_GB": round(used.ru_maxrss * 1024 / 1e9, 3),
        "wall_s_a_megapixel": round(seconds / megapixels, 2),
        "cpu_s_a_megapixel": round((used.ru_utime + used.ru_stime) / megapixels, 2),
        "load": os.getloadavg()[0],
        "out": cv2.imread(str(out)).shape,
    }


def sizes(weights: Path, most: float) -> list[dict[str, object]]:
    """Tiles of 500 to 1000 px, as little memory would give them; sizes of `most` megapixels at most."""
    deblurrer = Deblurrer.load(weights)
    rng = np.random.default_rng(7)
    between = [
        tuple(int(rng.integers(a, b)) for a, b in zip(SMALLEST, (1200, 1600), strict=True)) for _ in range(8)
    ]
    rows: list[dict[str, object]] = []
    for number, (height, width) in enumerate([SMALLEST, *between, LARGEST]):
        tile = 8 * int(rng.integers(64, 126))
        if height * width > most * 1e6:
            continue
        given = photograph(height, width, seed=number)
        whole = whole_or_tiled(deblurrer.network, [given], Tiling(8 * -(-max(height, width, 328) // 8)))
        tiled = whole_or_tiled(deblurrer.network, [given], Tiling(tile))
        difference = np.abs(tiled.astype(int) - whole)
        rows.append(
            {
                "size": f"{height} x {width}",
                "tile": tile,
                "largest_in_255": int(difference.max()),
                "share_of_samples": float((difference > 0).mean()),
                "changed_by_network": float(np.abs(whole.astype(int) - given).mean()),
            }
        )
        print(rows[-1], flush=True)
    return rows


def margins(weights: Path) -> list[dict[str, object]]:
    deblurrer = Deblurrer.load(weights)
    given = photograph(420, 1000)
    wide = given.astype(np.uint16) * 257
    whole = whole_or_tiled(deblurrer.network, [wide], Tiling(1000)).astype(float) / 257
    rows: list[dict[str, object]] = []
    for margin in (0, 16, 32, 48, 64, 96, 128, MARGIN):
        began = time.process_time()
        tiled = whole_or_tiled(deblurrer.network, [wide], Tiling(2 * margin + 32 + 208, margin)) / 257
        difference = np.abs(tiled - whole)
        rows.append(
            {
                "margin": margin,
                "largest_in_255": round(float(difference.max()), 4),
                "cpu_s": round(time.process_time() - began, 1),
            }
        )
        print(rows[-1], flush=True)
    return rows


def seams(weights: Path, source: Path | None, folder: Path) -> list[str]:
    """Without a picture a smooth one is taken, in which nothing hides a seam."""
    deblurrer = Deblurrer.load(weights)
    smooth = cv2.GaussianBlur(photograph(440, 520), (0, 0), SMOOTH)
    given = smooth if source is None else np.ascontiguousarray(cv2.imread(str(source))[:, :, ::-1])
    whole = whole_or_tiled(deblurrer.network, [given], Tiling(8 * -(-max(given.shape) // 8)))
    tiled = whole_or_tiled(deblurrer.network, [given], Tiling(408))
    change = tiled.astype(np.float32) - given
    # A step of one code is one of eight here, however large the change is around it.
    change -= cv2.GaussianBlur(change, (0, 0), SMOOTH)
    names = []
    for name, shown in (("change", change), ("against_whole", tiled.astype(int) - whole)):
        codes = np.clip(128 + CONTRAST * shown, 0, 255).astype(np.uint8)
        names.append(str(folder / f"seams_{name}.png"))
        cv2.imwrite(names[-1], codes[:, :, ::-1])
    cv2.imwrite(str(folder / "seams_result.png"), tiled[:, :, ::-1])
    return names


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", default=",".join(ROWS))
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--picture", type=Path, help="for seams")
    parser.add_argument("--most", type=float, default=6.0, help="megapixels of the largest of sizes")
    parser.add_argument("--shape", default="4000x6000", help="of large")
    parser.add_argument("--out", type=Path, help="folder for the pictures and deblur.json")
    arguments = parser.parse_args()
    with TemporaryDirectory() as scratch:
        folder = arguments.out or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        weights = arguments.weights or visible_weights(Path(scratch) / "weights.pth")
        found: dict[str, object] = {}
        for row in arguments.rows.split(","):
            if row == "large":
                height, width = (int(side) for side in arguments.shape.split("x"))
                found[row] = large(weights, Path(scratch), (height, width))
            elif row == "sizes":
                found[row] = sizes(weights, arguments.most)
            elif row == "margins":
                found[row] = margins(weights)
            elif row == "seams":
                found[row] = seams(weights, arguments.picture, folder)
            else:
                parser.error(f"there is no row {row}")
            print(row, json.dumps(found[row], indent=1), flush=True)
        if arguments.out:
            (folder / "deblur.json").write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
