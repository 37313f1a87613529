"""Time and size of writing and reading PNG, and time of the transfer curve, beside the libraries at hand.

``python benchmarks/pictures.py [--data FOLDER]``; three pictures are taken from FOLDER (PNG, searched in
depth), or three photographs that ship with scikit-image. CPU time of one thread, medians of some repeats; all
rows of a table are measured in turn in one run.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import cv2
import imageio.v3 as iio
import numpy as np
import skimage.data
from numpy.typing import NDArray
from PIL import Image

from lfsynth.pictures import read
from lfsynth.png import Codes, decode_png, encode_png
from lfsynth.transfer import SRGB, encode, linearise

NATIVE_SET = 60 * 434 * 625 * 3  # samples of the 60 pictures of a light field of 434 x 625


def photographs(folder: Path | None) -> list[tuple[str, NDArray[np.float32]]]:
    """Three photographs in linear light, slightly blurred: their low bits come alive, as by summing views."""
    if folder is None:
        stored = {name: getattr(skimage.data, name)() for name in ("astronaut", "chelsea", "coffee")}
    else:
        paths = sorted(folder.rglob("*.png"))
        stored = {p.name: read(p)[:, :, :3] for p in (paths[0], paths[len(paths) // 2], paths[-1])}
    blurred = (
        (name, cv2.GaussianBlur(linearise(codes, SRGB), (0, 0), 0.7)) for name, codes in stored.items()
    )
    return [(name, np.asarray(linear, np.float32)) for name, linear in blurred]


def cpu_ms(jobs: dict[str, Callable[[], object]], repeats: int = 7) -> dict[str, float]:
    """Median CPU milliseconds of each job, taken in turn so that a busy machine disturbs all alike."""
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for job in jobs.values():
        job()
    for _ in range(repeats):
        for name, job in jobs.items():
            start = time.process_time()
            job()
            times[name].append(time.process_time() - start)
    return {name: 1000 * median(taken) for name, taken in times.items()}


def pillow_png(picture: Codes) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def compare(name: str, linear: NDArray[np.float32], bits: int) -> None:
    picture = encode(linear, SRGB, bits=bits)
    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    writers: dict[str, Callable[[], bytes]] = {
        "lfsynth": lambda: encode_png(picture),
        "OpenCV, level 1": lambda: cv2.imencode(".png", bgr, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes(),
        "OpenCV, default": lambda: cv2.imencode(".png", bgr)[1].tobytes(),
    }
    if bits == 8:  # neither writes 16 bits a channel
        writers["Pillow"] = lambda: pillow_png(picture)
        writers["imageio"] = lambda: iio.imwrite("<bytes>", picture, extension=".png")
    files = {writer: job() for writer, job in writers.items()}
    spent = cpu_ms(dict(writers), repeats=5)
    print(f"\n{name}, {' x '.join(map(str, picture.shape))}, {bits} bits, {picture.nbytes} bytes raw")
    for writer, data in files.items():
        ratio = spent[writer] / spent["lfsynth"]
        print(f"  write  {writer:16s} {spent[writer]:7.1f} ms  {ratio:5.1f}x  {len(data):9d} bytes")
    data = files["OpenCV, default"]
    spent = cpu_ms(
        {
            "lfsynth": lambda: decode_png(data),
            "OpenCV": lambda: cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED),
        }
    )
    for reader, taken in spent.items():
        print(f"  read   {reader:16s} {taken:7.1f} ms  {taken / spent['lfsynth']:5.1f}x")


def curve(linear: NDArray[np.float32]) -> None:
    stored = {bits: encode(linear, SRGB, bits=bits) for bits in (8, 16)}

    def by_formula() -> Codes:
        x = np.clip(linear, 0, 1)
        code = np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)
        codes: NDArray[np.uint8] = np.rint(255 * code).astype(np.uint8)
        return codes

    spent = cpu_ms(
        {
            "encode to 8 bits": lambda: encode(linear, SRGB, bits=8),
            "encode to 16 bits": lambda: encode(linear, SRGB, bits=16),
            "the formula in numpy, 8 bits": by_formula,
            "linearise 8 bits": lambda: linearise(stored[8], SRGB),
            "linearise 16 bits": lambda: linearise(stored[16], SRGB),
        }
    )
    print("\nsRGB's curve")
    for name, taken in spent.items():
        whole = taken / 1000 / linear.size * NATIVE_SET
        print(
            f"  {name:30s} {1e6 * taken / linear.size:5.2f} ns a sample, {whole:.3f} s for 60 x 434 x 625 x 3"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of real pictures")
    folder = parser.parse_args().data
    sources = photographs(folder)
    for name, linear in sources:
        for bits in (8, 16):
            compare(name, linear, bits)
    curve(sources[0][1])


if __name__ == "__main__":
    main()
