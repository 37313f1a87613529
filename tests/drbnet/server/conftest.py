"""The application served in this process with a network that is a stand-in."""

from __future__ import annotations

import http.client
import io
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from drbnet.tiling import Codes, Progress

pytest.importorskip("uvicorn", reason="uvicorn, of the serve extra, is not installed")
pytest.importorskip("starlette", reason="starlette, of the serve extra, is not installed")

from drbnet.server.app import Limits, Service
from drbnet.server.running import Server

PATIENCE = 30.0
"""Seconds until something is taken to hang."""


class Inverting:
    """Stands in for a network: inverts pictures, in four steps, as soon as its gate is open."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.begun = 0
        self.stopped = 0

    def __call__(self, views: Sequence[Codes], progress: Progress) -> Codes:
        [view] = views
        self.begun += 1
        pixels = view.shape[0] * view.shape[1]
        try:
            for quarter in range(1, 5):
                progress(quarter * pixels // 4, pixels)
                while quarter == 2 and not self.gate.wait(0.01):
                    progress(pixels // 2, pixels)
        except BaseException:
            self.stopped += 1
            raise
        return np.iinfo(view.dtype).max - view  # type: ignore[no-any-return]


@dataclass
class Answer:
    """What a request has come to."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.body.splitlines()]

    @property
    def last(self) -> dict[str, Any]:
        return self.lines[-1]


@dataclass
class Client:
    """Of a server at a port of this machine."""

    port: int

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            chosen = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body, chosen)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def send(self, data: Any, name: str = "a.png", **headers: str) -> Answer:
        return self.request("POST", f"/photographs?name={quote(name)}", data, **headers)

    def get(self, path: str) -> Answer:
        return self.request("GET", path)

    def begin(self, data: bytes, *, length: int | None = None) -> socket.socket:
        """Send a photograph, or a part of one, and leave the connection open."""
        head = f"POST /photographs?name=a.png HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length or len(data)}"
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
        connection.sendall(f"{head}\r\n\r\n".encode() + data)
        return connection

    @staticmethod
    def told(connection: socket.socket, text: bytes) -> bytes:
        """What has come until some text has, or until the server has closed the connection."""
        found = b""
        while text not in found and (piece := connection.recv(65536)):
            found += piece
        assert text in found
        return found


@dataclass
class Served(Client):
    """Also knows the server's inside."""

    service: Service
    network: Inverting = field(default_factory=Inverting)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    @property
    def is_idle(self) -> bool:
        return not self.service.queue.places and not self.service.working

    @staticmethod
    def until(condition: Callable[[], bool]) -> None:
        """Wait for a condition."""
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, "it has not come true"
            time.sleep(0.01)


def nameless_files() -> int:
    """How many this process holds."""
    found = 0
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            found += "/#" in str(link.readlink())  # a file of no folder is called by its number
    return found


@pytest.fixture
def serve() -> Iterator[Callable[[Limits], Served]]:
    """Starts servers that end with the test."""
    running, before = [], nameless_files()

    def start(limits: Limits) -> Served:
        network = Inverting()
        service = Service(network, limits)
        facts = {
            "megapixels": limits.megapixels,
            "megabytes": limits.megabytes,
            "network": "N",
            "local": True,
        }
        server = Server(service, facts=facts, names=("lab.example",))
        listening = socket.create_server(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        running.append((server, thread, network, listening))
        return Served(listening.getsockname()[1], service, network)

    yield start
    for server, thread, network, listening in running:
        network.gate.set()
        server.should_exit = True
        thread.join(PATIENCE)
        assert not thread.is_alive()
        listening.close()
    assert nameless_files() == before


@pytest.fixture
def served(serve: Callable[[Limits], Served]) -> Served:
    """A server of small limits."""
    return serve(Limits(megapixels=1.0, megabytes=4.0, queue=3, stall=1.0, held=2))


@pytest.fixture
def client() -> type[Client]:
    """Of a server by its port."""
    return Client


@pytest.fixture
def picture() -> NDArray[np.uint8]:
    """Smooth and coloured, (24, 32, 3)."""
    small = np.random.default_rng(1).integers(0, 256, (3, 4, 3), np.uint8)
    return np.asarray(Image.fromarray(small).resize((32, 24), Image.Resampling.BICUBIC))


@pytest.fixture
def png(picture: NDArray[np.uint8]) -> bytes:
    """The picture's file."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()
