"""Feed damaged files to the readers of Lytro files, and count what comes of it.

``python benchmarks/fuzz_container.py [--seconds 180] [--seed 0]`` mutates a small capture (bytes of the file; JSON and
other sections with their digests made right again, so that what is behind them is reached), a tar of white pictures
(with and without right checksums) and a white picture's JSON, at random. With ``--atheris`` the bytes come from
atheris (https://pypi.org/project/atheris), guided by coverage; it is not among the project's dependencies.

Anything but `InputError` is a failure, as is a message of more than one line, a reading of more than 2 s of CPU, or
more memory than twice the file and 12 MiB. The exit code is 1 if there was any; the file is kept beside the report.
"""

from __future__ import annotations

import argparse
import collections
import io
import json
import os
import random
import shutil
import sys
import tarfile
import tempfile
import time
import traceback
import tracemalloc
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from lfsynth.errors import InputError
from lfsynth.lytro.capture import read_capture
from lfsynth.lytro.container import digest_of, read_container, write_container
from lfsynth.lytro.lfr_layout import capture_documents, white_document, write_lfr
from lfsynth.lytro.metadata import CaptureMetadata, parse_capture
from lfsynth.lytro.packing import pack
from lfsynth.lytro.white_pictures import choose, find_white_pictures

FIXED_MEMORY = 12 << 20
CPU_LIMIT = 2.0
SHAPE = (16, 32)
WORDS = [
    b"\0",
    b"\0" * 16,
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\0\0\0\1",
    b"\x89LFC\r\n\x1a\n",
    b"\x89LFM\r\n\x1a\n",
]
WORDS += [
    b"sha1-",
    b"{",
    b"}",
    b"[" * 3000,
    b'"',
    b":",
    b",",
    b"1e999",
    b"-0",
    b"1" * 5000,
    b"null",
    b"NaN",
    b"\\u0000",
]
WORDS += [
    b"../",
    b"/",
    b"C:\\",
    b"\x80" + b"\xff" * 11,
    b"77777777777\0",
    b"L",
    b"x",
    b"MOD_0000.RAW",
    b"[]," * 500,
]
VALUES: list[Any] = [
    None,
    True,
    0,
    -1,
    1,
    10**30,
    1e308,
    -1e-308,
    0.5,
    "",
    "x" * 300,
    "a\nb",
    [],
    {},
    [1] * 9,
    "sha1-" + "0" * 40,
]

Target = Callable[[bytes, Path], None]


def documents() -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """JSON of a shot, its private part, and of a white picture."""
    text = {
        "camera": {"model": "ILLUM", "serialNumber": "B5000000017"},
        "devices": {
            "sensor": {"pixelPitch": 1.4e-6, "analogGain": {"gr": 1}},
            "lens": {"exitPupilOffset": {"z": 0.06}, "zoomStep": -500, "focusStep": 100, "fNumber": 2.2},
            "mla": {
                "lensPitch": 2e-5,
                "sensorOffset": {"z": 4e-5},
                "scaleFactor": {"x": 1, "y": 1},
                "rotation": 0,
            },
            "shutter": {"frameExposureDuration": 0.01},
        },
        "image": {
            "height": SHAPE[0],
            "width": SHAPE[1],
            "iso": 100,
            "orientation": 1,
            "pixelPacking": {"bitsPerPixel": 10},
            "pixelFormat": {
                "black": dict.fromkeys(("r", "gr", "gb", "b"), 64),
                "white": dict.fromkeys(("r", "gr", "gb", "b"), 1023),
            },
            "color": {"ccm": [1, 0, 0, 0, 1, 0, 0, 0, 1]},
        },
    }
    metadata = parse_capture(text, Path("made up"))
    return *capture_documents(metadata), white_document(metadata)


def shot_metadata() -> CaptureMetadata:
    shown, private, _ = documents()
    return parse_capture(shown | {"camera": shown["camera"] | private["camera"]}, Path("made up"))


def read_shot(data: bytes, folder: Path) -> None:
    path = folder / "a.LFR"
    path.write_bytes(data)
    capture = read_capture(path)
    assert capture.mosaic.shape == capture.metadata.shape


def read_tar(data: bytes, folder: Path) -> None:
    path = folder / "caldata.tar"
    path.write_bytes(data)
    choose(shot_metadata(), find_white_pictures([path])).white.read()


def read_loose(data: bytes, folder: Path) -> None:
    (folder / "MOD_0000.RAW").write_bytes(bytes(SHAPE[0] * SHAPE[1] // 4 * 5))
    (folder / "MOD_0000.TXT").write_bytes(data)
    choose(shot_metadata(), find_white_pictures([folder / "MOD_0000.RAW"])).white.read()


def seeds(folder: Path) -> dict[str, bytes]:
    """Sound files to start from."""
    mosaic = np.random.default_rng(0).integers(0, 1024, SHAPE, dtype=np.uint16)
    path = folder / "seed.LFR"
    hot = np.array([[1, 2]], np.int32)
    write_lfr(path, mosaic, shot_metadata(), np.zeros((8, 8, 3), np.uint8), hot_pixels=hot, white=mosaic)
    text = json.dumps(documents()[2]).encode()
    with tarfile.open(folder / "seed.tar", "w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in (
            ("MOD_0000.RAW", pack(mosaic)),
            ("MOD_0000.TXT", text),
            ("x/" * 60 + "long", b"a"),
        ):
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), 1.5
            archive.addfile(info, io.BytesIO(data))
    return {"shot": path.read_bytes(), "tar": (folder / "seed.tar").read_bytes(), "loose": text}


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Some bytes changed, put in, taken out, repeated or cut off."""
    result = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        start = rng.randrange(len(result) + 1)
        length = rng.choice((1, 1, 4, 16, 512))
        kind = rng.randrange(6)
        if kind == 0:
            result[start : start + 1] = rng.randbytes(1)
        elif kind == 1:
            word = rng.choice(WORDS)
            result[start : start + len(word)] = word
        elif kind == 2:
            result[start:start] = rng.choice(WORDS)
        elif kind == 3:
            del result[start : start + length]
        elif kind == 4:
            result[start:start] = result[start : start + length]
        elif rng.random() < 0.2:
            del result[start:]
    return bytes(result)


def mutated_json(document: Any, rng: random.Random) -> Any:
    """Values and keys of a document changed, in place."""
    places: list[tuple[Any, Any]] = []

    def collect(value: Any) -> None:
        items = (
            value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        )
        for key, inner in items:
            places.append((value, key))
            collect(inner)

    collect(document)
    for parent, key in rng.sample(places, min(len(places), rng.choice((1, 2, 5)))):
        if rng.random() < 0.2 and isinstance(parent, dict):
            parent.pop(key, None)
        else:
            parent[key] = rng.choice(VALUES)
    return document


def with_right_digests(seed: bytes, folder: Path, rng: random.Random) -> bytes:
    """The capture with a part or the table of contents changed, and the names right again."""
    path = folder / "rebuilt.LFR"
    path.write_bytes(seed)
    container = read_container(path)
    contents = container.contents
    frame = contents["frames"][0]["frame"]
    parts = {name: container.section(name) for name in container.sections}
    key = rng.choice(
        ("metadataRef", "privateMetadataRef", "hotPixelRef", "imageRef", "modulationDataRef", "contents")
    )
    if key != "contents":
        old = frame[key]
        data = parts.pop(old)
        if rng.random() < 0.5 and data.startswith(b"{"):
            data = json.dumps(mutated_json(json.loads(data), rng)).encode()
        else:
            data = mutated(data, rng)
        data = data or b"\0"
        frame[key] = digest_of(data)
        parts[frame[key]] = data
    else:
        contents = mutated_json(contents, rng)
    write_container(path, contents, list(parts.values()))
    return path.read_bytes()


def with_right_checksums(data: bytes) -> bytes:
    """A tar archive whose blocks that look like headers have right sums."""
    result = bytearray(data)
    for start in range(0, len(result) - 511, 512):
        if result[start + 257 : start + 262] == b"ustar":
            checksum = sum(result[start : start + 148]) + 8 * 32 + sum(result[start + 156 : start + 512])
            result[start + 148 : start + 156] = b"%06o\0 " % checksum
    return bytes(result)


class Report:
    """Counts of what came of the readings, and the files that failed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.counts: collections.Counter[str] = collections.Counter()
        self.faults: collections.Counter[str] = collections.Counter()
        self.failures = 0
        self.extra_memory = 0
        self.cpu = 0.0

    def run(self, name: str, target: Target, data: bytes) -> None:
        """Read one file and count what comes of it."""
        problem = ""
        tracemalloc.start()
        start = time.process_time()
        try:
            target(data, self.folder)
            self.counts[f"{name}: read"] += 1
        except InputError as error:
            self.counts[f"{name}: refused"] += 1
            self.faults[" ".join("".join(c if c.isalpha() else " " for c in error.fault).split()[:6])] += 1
            if "\n" in str(error):
                problem = "a message of several lines"
        except Exception:
            problem = traceback.format_exc()
        cpu, peak = time.process_time() - start, tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        self.cpu = max(self.cpu, cpu)
        self.extra_memory = max(self.extra_memory, peak - 2 * len(data))
        if cpu > CPU_LIMIT or peak > 2 * len(data) + FIXED_MEMORY:
            problem = f"{cpu:.1f} s, {peak} bytes of memory for {len(data)} bytes"
        if problem:
            self.failures += 1
            kept = Path(tempfile.gettempdir()) / f"fuzz_failure_{name}_{self.failures}"
            kept.write_bytes(data)
            print(f"FAILURE, file kept as {kept}: {problem}", flush=True)

    def print(self) -> None:
        """Print all counts."""
        for name, count in sorted(self.counts.items()):
            print(f"{name:24}{count:10d}")
        print(f"kinds of refusal {len(self.faults)}; the commonest:")
        for fault, count in self.faults.most_common(12):
            print(f"{count:10d}  {fault}")
        print(
            f"longest reading {self.cpu:.2f} s of CPU; most memory beyond twice the file "
            f"{self.extra_memory / 2**20:.1f} MiB; failures {self.failures}"
        )


def run_loop(report: Report, start: dict[str, bytes], options: argparse.Namespace) -> None:
    rng = random.Random(options.seed)
    end = time.monotonic() + options.seconds
    while time.monotonic() < end:
        report.run("shot, bytes", read_shot, mutated(start["shot"], rng))
        report.run("shot, right digests", read_shot, with_right_digests(start["shot"], report.folder, rng))
        report.run("tar, bytes", read_tar, mutated(start["tar"], rng))
        report.run("tar, right checksums", read_tar, with_right_checksums(mutated(start["tar"], rng)))
        report.run("loose, bytes", read_loose, mutated(start["loose"], rng))
        changed = mutated_json(json.loads(start["loose"]), rng)
        report.run("loose, values", read_loose, json.dumps(changed).encode())


def run_atheris(report: Report, start: dict[str, bytes], options: argparse.Namespace) -> None:
    import atheris

    corpus = report.folder / "corpus"
    corpus.mkdir()
    targets: list[tuple[str, Target]] = [("shot", read_shot), ("tar", read_tar), ("loose", read_loose)]
    for number, (name, _) in enumerate(targets):
        (corpus / name).write_bytes(bytes([number]) + start[name])

    end = time.monotonic() + options.seconds

    def one(data: bytes) -> None:
        if data:
            name, target = targets[data[0] % len(targets)]
            report.run(name, target, with_right_checksums(data[1:]) if name == "tar" else data[1:])
        if time.monotonic() > end:
            # libFuzzer ends the process without coming back
            report.print()
            sys.stdout.flush()
            shutil.rmtree(report.folder)
            os._exit(1 if report.failures else 0)

    for module in [module for name, module in sys.modules.items() if name.startswith("lfsynth.lytro")]:
        for owner in (module, *(value for value in vars(module).values() if isinstance(value, type))):
            for value in vars(owner).values():
                if isinstance(value, types.FunctionType) and value.__module__ == module.__name__:
                    atheris.instrument_func(value)
    atheris.Setup(
        [sys.argv[0], str(corpus), f"-seed={options.seed + 1}", "-max_len=16384", "-verbosity=0"], one
    )
    atheris.Fuzz()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=180)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--atheris", action="store_true")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp())
    try:
        report = Report(folder)
        (run_atheris if options.atheris else run_loop)(report, seeds(folder), options)
    finally:
        shutil.rmtree(folder)
    report.print()
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
