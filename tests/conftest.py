"""Fixtures that more than one test module needs."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import pytest

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


def pytest_configure() -> None:
    """Let interrupts reach the commands that tests start, also where pytest itself runs in the background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Ended]
Main = Callable[[list[str]], NoReturn]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data, named by LFSYNTH_DATA or lying beside the checkout; tests skip where there is none."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("LFSYNTH_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"no real data: {folder} is not there (set LFSYNTH_DATA)")
    return folder


@pytest.fixture
def running(capsys: pytest.CaptureFixture[str]) -> Callable[[Main], Run]:
    """Run a program's commands with arguments, in this process."""

    def of(main: Main) -> Run:
        def run(*arguments: object) -> Ended:
            with pytest.raises(SystemExit) as raised:
                main([str(argument) for argument in arguments])
            captured = capsys.readouterr()
            assert isinstance(raised.value.code, int)
            return Ended(raised.value.code, captured.out, captured.err)

        return run

    return of


class Browser:
    """A headless Chromium with one page."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def size(self, width: int, height: int) -> None:
        """Of the window's inside, px."""
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)

    def open(self, page: Path | str) -> None:
        """Open a file, or what an address leads to."""
        self.driver.get("about:blank")
        self.errors()
        self.driver.get(page if isinstance(page, str) else page.absolute().as_uri())

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
