"""The command itself: what it refuses, and a server of its own process under all that is thrown at it."""

from __future__ import annotations

import io
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import safetensors.torch
import torch
from numpy.typing import NDArray
from PIL import Image

from drbnet.choices import Device
from drbnet.deblurring import Deblurrer
from drbnet.models.drbnet import DRBNet, Scales
from drbnet.serve import cli
from drbnet.server.stepwise import Stepwise
from lfsynth.errors import InputError

UPLOADS = 20
PADDING = 7_000_000
"""Bytes of each upload that say nothing: twenty such would be seen in memory."""
ALLOWED = 100 << 20
"""Bytes of memory beyond that of one picture; 20 uploads are 140 MB, a picture of 100 megapixels is 300 MB."""


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the smallest network that there is, untrained."""
    torch.manual_seed(4)
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    safetensors.torch.save_file(DRBNet(kernel_size=3, scales=Scales.NONE).state_dict(), path)
    return path


@pytest.fixture(scope="module")
def deblurrer(weights: Path) -> Deblurrer:
    return Deblurrer.load(weights, device=Device.CPU)


@pytest.fixture
def running(weights: Path, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A server's process and port."""
    command = [
        sys.executable,
        "-m",
        "drbnet.serve",
        "--weights",
        str(weights),
        "--port",
        "0",
        "--device",
        "cpu",
    ]
    command += ["--megapixels", "1", "--megabytes", "8", "--queue", "8", "--threads", "1"]
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary)},
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.fullmatch(
            r"Deblur photographs at http://127\.0\.0\.1:(\d+)/ \(DRBNet.* · CPU\); Ctrl\+C ends it\n", line
        )
        assert found, line
        yield process, int(found[1])
    finally:
        process.kill()
        assert process.communicate()[1] == ""


def padded(picture: NDArray[np.uint8]) -> bytes:
    """A PNG with a chunk that no reader needs."""
    data = cv2.imencode(".png", np.ascontiguousarray(picture[:, :, ::-1]))[1].tobytes()
    body = b"tEXtComment\0" + b" " * PADDING
    return (
        data[:33] + struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body)) + data[33:]
    )


def peak(process: subprocess.Popen[str]) -> int:
    """Most bytes of memory that a process has had."""
    for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) << 10
    raise AssertionError("no VmHWM")


def test_under_load(
    running: tuple[subprocess.Popen[str], int],
    client: Any,
    deblurrer: Deblurrer,
    picture: NDArray[np.uint8],
    tmp_path: Path,
) -> None:
    process, port = running
    server = client(port)
    pictures = [np.roll(picture, k, axis=1) for k in range(UPLOADS)]

    def made(at: int) -> bool:
        """Whether a picture has been deblurred, rightly; else there was no place for it."""
        answer = server.send(padded(pictures[at]), f"{at}.png")
        if answer.status == 503:
            assert answer.last["fault"] == "8 photographs are being worked on or wait already"
            return False
        assert answer.last["state"] == "done", answer.body
        assert answer.last["name"] == f"{at}_deblurred.png"
        with Image.open(io.BytesIO(server.get(answer.last["result"]).body)) as result:
            # Threads sum in another order.
            assert np.abs(np.asarray(result).astype(int) - deblurrer([pictures[at]])).max() <= 1
        return True

    assert made(0)
    least = peak(process)

    half = server.begin(padded(picture)[:1_000_000], length=PADDING)
    with ThreadPoolExecutor(UPLOADS) as threads:
        done = list(threads.map(made, range(UPLOADS)))
    assert sum(done) >= 7  # the eighth place may be that of the upload that stops
    half.close()

    header = struct.pack(">IIBBBBB", 10_000, 10_000, 8, 2, 0, 0, 0)
    stream = zlib.compress(bytes(30_001 * 10_000), 1)
    chunks = [(b"IHDR", header), (b"IDAT", stream), (b"IEND", b"")]
    large = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
    jpeg = cv2.imencode(".jpg", picture)[1].tobytes()
    for data, words in (
        (large, "has 100.0 megapixels (10000 x 10000), and at most 1 are taken here"),
        (b"Not a picture.\n" * 1000, "is no JPEG, PNG or TIFF picture, whatever its name says"),
        (jpeg[: len(jpeg) * 2 // 3], "cut short"),
        (bytes(9_000_000), "has more than the 8 megabytes that are taken here"),
    ):
        answer = server.send(data, "a.jpg")
        assert words in answer.last["fault"], answer.body
    assert made(3), "and it goes on"
    assert peak(process) - least < ALLOWED
    assert list((tmp_path / "temporary").iterdir()) == []

    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0


def test_ended_while_somebody_waits(
    running: tuple[subprocess.Popen[str], int], client: Any, picture: NDArray[np.uint8]
) -> None:
    process, port = running
    server = client(port)
    data = cv2.imencode(".png", cv2.resize(picture, (1000, 800)))[1].tobytes()
    working = server.begin(data)
    server.told(working, b'"deblurring"')
    waiting = server.begin(data)
    server.told(waiting, b'"waiting", "ahead": 1')
    process.send_signal(signal.SIGINT)
    for connection in (working, waiting):
        server.told(connection, b'"fault": "the server is being ended"')
        connection.close()
    assert process.wait(20) == 0


def test_progress_within_tiles(deblurrer: Deblurrer) -> None:
    views = [np.random.default_rng(1).integers(0, 256, (150, 40, 3), np.uint8)]
    small = Deblurrer(
        deblurrer.network,
        deblurrer.architecture,
        deblurrer.digest,
        deblurrer.device,
        tile=96,
        margin=16,
    )
    told: list[int] = []
    made = Stepwise(small)(views, lambda done, total: told.append(done) if total == 150 * 40 else None)
    np.testing.assert_array_equal(made, small(views))
    assert told == sorted(told)
    assert told[-1] == 150 * 40
    assert len(set(told)) > 40  # two tiles or more, of many layers each
    hooked = [one for one in small.network.modules() if one._forward_hooks]
    assert hooked == []


def test_progress_that_raises_ends_it_within_a_tile(deblurrer: Deblurrer) -> None:
    calls = []

    def leave(done: int, total: int) -> None:
        calls.append(done)
        if len(calls) == 3:
            raise KeyError("left")

    stepwise = Stepwise(deblurrer)
    with pytest.raises(KeyError, match="left"):
        stepwise([np.zeros((40, 40, 3), np.uint8)], leave)
    assert len(calls) == 3
    assert max(calls) < 1600
    assert not any(one._forward_hooks for one in deblurrer.network.modules())


def run(*arguments: str) -> None:
    cli.main(list(arguments), standalone_mode=False)


def test_a_dual_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "dual.safetensors"
    safetensors.torch.save_file(DRBNet(kernel_size=3, scales=Scales.NONE, dual=True).state_dict(), path)
    with pytest.raises(InputError, match="needs a dual-pixel sensor's views; take one for single pictures"):
        run("--weights", str(path), "--port", "0")


def test_a_port_that_is_taken(weights: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(
            InputError, match=rf"127\.0\.0\.1:{port}: it cannot be listened at \(.*\); take another"
        ):
            run("--weights", str(weights), "--port", str(port))


def test_a_host_that_is_not_there(weights: Path) -> None:
    with pytest.raises(InputError, match=r"--host: there is no no\.such\.invalid"):
        run("--weights", str(weights), "--host", "no.such.invalid")


def test_without_the_extra(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "drbnet.server.running", raising=False)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(InputError, match=r'uvicorn is missing; pip install "lfsynth\[serve\]"'):
        run("--weights", str(weights))
