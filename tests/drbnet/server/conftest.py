"""The application served in this process with a network that is a stand-in, and a real browser where there is one."""

from __future__ import annotations

import http.client
import io
import json
import shutil
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
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# Without them a browser without a network tries for long to reach its maker.
QUIET = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


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


class Browser:
    """A headless Chromium with one page."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def size(self, width: int, height: int) -> None:
        """Of the window's inside, px."""
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)

    def open(self, url: str) -> None:
        self.driver.get("about:blank")
        self.errors()
        self.driver.get(url)

    def run(self, script: str, *arguments: Any) -> Any:
        """The value of a script."""
        return self.driver.execute_script(script, *arguments)

    def until(self, condition: str) -> None:
        """Wait for an expression to be true."""
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.driver, 20, 0.02).until(
            lambda _: self.run(f"return Boolean({condition})"), condition
        )

    def keys(self, *keys: str) -> None:
        """Press keys, at what has the focus."""
        self.driver.switch_to.active_element.send_keys(*keys)

    def errors(self) -> list[str]:
        """What the browser has complained about since."""
        return [entry["message"] for entry in self.driver.get_log("browser")]


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Started once."""
    webdriver = pytest.importorskip(
        "selenium.webdriver", reason="selenium is not installed: see the extra browser"
    )
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which("chromedriver")
    if browser is None or driver is None:
        pytest.skip("no Chromium with its chromedriver: install Debian's chromium and chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for argument in (*QUIET, f"--user-data-dir={tmp_path_factory.mktemp('browser')}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    made = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        yield Browser(made)
    finally:
        made.quit()


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    """A window of the usual size."""
    chromium.size(1280, 900)
    yield chromium
    chromium.driver.get("about:blank")
