"""The page in a real browser. Skipped where there is none."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from drbnet.server.app import Limits

IDLE = "!document.getElementById('choosing').hidden"
SHOWN = "!document.getElementById('viewer').hidden && view.width"
STEP = "document.getElementById('step').textContent"

PIXELS = """
    const picture = document.getElementById(arguments[0]);
    const canvas = new OffscreenCanvas(picture.naturalWidth, picture.naturalHeight), pen = canvas.getContext("2d");
    pen.drawImage(picture, 0, 0);
    return [canvas.width, canvas.height, ...pen.getImageData(0, 0, canvas.width, canvas.height).data];
"""
BOX = "return document.getElementById(arguments[0]).getBoundingClientRect().toJSON()"


def choose(browser: Any, path: Path) -> None:
    browser.driver.find_element("id", "file").send_keys(str(path))


def text(browser: Any, name: str) -> str:
    found: str = browser.run("return document.getElementById(arguments[0]).innerText", name)
    return found


def seen(browser: Any, name: str) -> NDArray[np.uint8]:
    """A picture's pixels as the browser has decoded them."""
    width, height, *values = browser.run(PIXELS, name)
    return np.array(values, np.uint8).reshape(height, width, 4)[:, :, :3]


def saved(browser: Any, until: Callable[..., None], folder: Path) -> tuple[str, bytes]:
    """Name and content of the download, by a click."""
    folder.mkdir()
    where = {"behavior": "allow", "downloadPath": str(folder)}
    browser.driver.execute_cdp_cmd("Browser.setDownloadBehavior", where)
    browser.driver.find_element("id", "download").click()
    name = browser.run("return document.getElementById('download').download")
    until(lambda: [one.name for one in folder.iterdir()] == [name])  # while it is made it has another
    return name, (folder / name).read_bytes()


@pytest.fixture
def large() -> NDArray[np.uint8]:
    """Larger than the window, (1000, 1500, 3)."""
    small = np.random.default_rng(8).integers(0, 256, (30, 45, 3), np.uint8)
    return np.asarray(Image.fromarray(small).resize((1500, 1000), Image.Resampling.NEAREST))


@pytest.fixture
def roomy(serve: Callable[[Limits], Any]) -> Any:
    """A server that takes `large`."""
    return serve(Limits(megapixels=2.0, megabytes=10.0, queue=3))


@pytest.fixture
def opened(browser: Any, roomy: Any, tmp_path: Path, large: NDArray[np.uint8]) -> Any:
    """A browser that shows a result."""
    path = tmp_path / "large.png"
    Image.fromarray(large).save(path)
    browser.open(roomy.url)
    choose(browser, path)
    browser.until(SHOWN)
    return browser


def test_from_choosing_to_saving(
    browser: Any, served: Any, tmp_path: Path, picture: NDArray[np.uint8]
) -> None:
    path = tmp_path / "a <b>&c.png"
    Image.fromarray(picture).save(path)
    browser.open(served.url)
    assert browser.driver.title == "Deblur a photograph"
    assert text(browser, "limits").startswith("JPEG, PNG or TIFF, up to 1 megapixels and 4 MB.")
    assert text(browser, "privacy") == "It does not leave this computer, and nothing of it is kept."

    served.network.gate.clear()
    choose(browser, path)
    browser.until(f"{STEP}.startsWith('Deblurring') && document.getElementById('bar').value === 0.5")
    assert text(browser, "step") == "Deblurring, 0.0 of 0.0 megapixels"
    assert "left" in text(browser, "left")
    assert text(browser, "file-name") == path.name
    browser.until("document.getElementById('thumbnail').naturalWidth === 32")
    served.network.gate.set()

    browser.until(SHOWN)
    assert text(browser, "result-name") == "a b&c_deblurred.png"
    assert text(browser, "result-facts").startswith("32 × 24 · PNG, 8 bits · 0.0 MB · deblurred in ")
    np.testing.assert_array_equal(seen(browser, "before"), picture)
    np.testing.assert_array_equal(seen(browser, "after"), 255 - picture)
    name, data = saved(browser, served.until, tmp_path / "saved")
    assert name == "a b&c_deblurred.png"
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(data))), 255 - picture)
    assert browser.run("return document.activeElement.id") == "download"
    browser.run("document.getElementById('another').click()")
    browser.until(IDLE)
    assert browser.errors() == []


def test_what_browsers_do_not_show_is_shown(browser: Any, served: Any, tmp_path: Path, picture: Any) -> None:
    path = tmp_path / "a.tif"
    codes = picture.astype(np.uint16) * 257
    cv2.imwrite(str(path), np.ascontiguousarray(codes[:, :, ::-1]))
    browser.open(served.url)
    choose(browser, path)
    browser.until(SHOWN)
    assert text(browser, "result-facts").startswith("32 × 24 · TIFF, 16 bits")
    np.testing.assert_array_equal(seen(browser, "before"), picture)
    np.testing.assert_array_equal(seen(browser, "after"), 255 - picture)
    name, data = saved(browser, served.until, tmp_path / "saved")
    made = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert made is not None
    assert (name, made.dtype) == ("a_deblurred.tif", np.uint16)
    np.testing.assert_array_equal(made[:, :, ::-1], 65535 - codes)
    assert browser.errors() == []


def test_a_picture_that_is_dropped_upright(browser: Any, served: Any, picture: NDArray[np.uint8]) -> None:
    tags = Image.Exif()
    tags[274] = 6
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", exif=tags)
    browser.open(served.url)
    drop = """
        const data = new DataTransfer();
        const bytes = new Uint8Array(arguments[0]);
        for (const name of arguments[1]) data.items.add(new File([bytes], name, { type: "image/jpeg" }));
        const event = new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true });
        document.getElementById("choosing").dispatchEvent(event);
    """
    browser.run(drop, list(buffer.getvalue()), ["a.jpg", "b.jpg"])
    assert text(browser, "fault").split("\n")[0] == "2 files have been dropped."
    browser.run(drop, list(buffer.getvalue()), ["a.jpg"])
    browser.until(SHOWN)
    assert not browser.run("return document.getElementById('fault').checkVisibility()")
    assert seen(browser, "before").shape == seen(browser, "after").shape == (32, 24, 3)
    assert text(browser, "result-facts").startswith("24 × 32 · JPEG, 8 bits")
    assert browser.errors() == []


def test_at_full_size(opened: Any, large: NDArray[np.uint8]) -> None:
    browser = opened
    frame = browser.run(BOX, "frame")
    fitted = browser.run(BOX, "after")
    assert fitted["width"] == pytest.approx(1.5 * fitted["height"], abs=2)
    assert fitted["height"] == pytest.approx(frame["height"], abs=2)

    browser.run("document.querySelector('#zooms input[value=\"1\"]').click()")
    box = browser.run(BOX, "after")
    assert (box["width"], box["height"]) == (1500, 1000)
    assert box == browser.run(BOX, "before")
    middle = (frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] / 2)
    assert box["x"] + 750 == pytest.approx(middle[0], abs=1)
    assert box["y"] + 500 == pytest.approx(middle[1], abs=1)

    # A pixel of the screen is one of the picture: the input on the handle's left, the output on its right.
    shot = cv2.imdecode(np.frombuffer(browser.driver.get_screenshot_as_png(), np.uint8), cv2.IMREAD_COLOR)
    assert shot is not None
    at_y, at_x, down, across = (int(v) for v in (frame["y"] + 60, frame["x"], 200, frame["width"]))
    screen = shot[at_y : at_y + down, at_x : at_x + across, ::-1]
    top, left = round(at_y - box["y"]), round(at_x - box["x"])
    expected = large[top : top + down, left : left + across]
    half = across // 2
    np.testing.assert_array_equal(screen[:, : half - 20], expected[:, : half - 20])
    np.testing.assert_array_equal(screen[:, half + 20 :], 255 - expected[:, half + 20 :])
    assert browser.errors() == []


def test_moving_about(opened: Any) -> None:
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.keys import Keys

    browser = opened
    frame, handle = (browser.driver.find_element("id", name) for name in ("frame", "handle"))
    cut = "return document.getElementById('handle').offsetLeft + 18"
    width = browser.run("return document.getElementById('frame').clientWidth")
    left = browser.run("return document.getElementById('after').offsetLeft")
    assert browser.run(cut) == pytest.approx(width / 2, abs=1)
    drag = ActionChains(browser.driver, duration=20)
    drag.drag_and_drop_by_offset(handle, -100, 0).perform()
    assert browser.run(cut) == pytest.approx(width / 2 - 100, abs=2)
    drag.move_to_element_with_offset(frame, 0, 100).click().perform()  # nothing to move: it slides
    assert browser.run(cut) == pytest.approx(width / 2, abs=2)
    browser.run("document.getElementById('split').focus()")
    browser.keys(Keys.HOME)
    assert browser.run(cut) == pytest.approx(left, abs=1)
    browser.keys(*[Keys.ARROW_RIGHT] * 4)
    part = "return document.getElementById('split').value"
    assert browser.run(part) == "2"

    drag.double_click(frame).perform()
    place = (
        "const { offsetLeft, offsetTop } = document.getElementById('after'); return [offsetLeft, offsetTop]"
    )
    assert browser.run(BOX, "after")["width"] == 1500
    x, y = browser.run(place)
    drag.move_to_element_with_offset(frame, 200, 100).click_and_hold().move_by_offset(
        -40, -30
    ).release().perform()
    assert browser.run(place) == [x - 40, y - 30]
    drag.move_to_element_with_offset(frame, 200, 100).click_and_hold().move_by_offset(
        -400, 0
    ).release().perform()
    assert browser.run(place) == [width - 1500, y - 30]  # not beyond its edge
    browser.run("document.getElementById('frame').focus()")
    browser.keys(Keys.ARROW_LEFT, Keys.ARROW_UP)
    assert browser.run(place) == [width - 1500 + 60, min(0, y + 30)]
    browser.keys("z")
    assert browser.run(BOX, "after")["width"] == 3000
    browser.keys("b")
    assert browser.run("return document.getElementById('blink').ariaPressed") == "true"
    browser.until("document.getElementById('split').value === '0'")
    browser.until("document.getElementById('split').value === '100'")
    browser.keys("b")
    assert browser.run(part) == "50"
    assert browser.errors() == []


@pytest.mark.parametrize(
    ("name", "data", "fault", "cure"),
    [
        ("a.jpg", b"text\n" * 9, "is no JPEG, PNG or TIFF picture, whatever its name says.", "Export it as"),
        (
            "b.png",
            bytes(5_000_000),
            "has 5 megabytes, and at most 4 are taken here.",
            "Make it smaller, or cut",
        ),
    ],
)
def test_a_file_that_is_refused(
    name: str, data: bytes, fault: str, cure: str, browser: Any, served: Any, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    browser.open(served.url)
    choose(browser, path)
    browser.until("!document.getElementById('fault').hidden")
    said = text(browser, "fault").split("\n")
    assert said[0] == f"{name} {fault}"
    assert cure in text(browser, "cure")
    assert browser.run(f"return {IDLE}")
    served.until(lambda: served.is_idle)


def test_a_truncated_jpeg(browser: Any, served: Any, tmp_path: Path, picture: NDArray[np.uint8]) -> None:
    data = cv2.imencode(".jpg", picture)[1].tobytes()
    path = tmp_path / "a.jpg"
    path.write_bytes(data[: len(data) * 2 // 3])
    browser.open(served.url)
    choose(browser, path)
    browser.until("!document.getElementById('fault').hidden")
    assert "cut short" in text(browser, "fault")


def test_waiting_and_leaving(browser: Any, served: Any, tmp_path: Path, png: bytes) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png)
    served.network.gate.clear()
    first = served.begin(png)
    served.told(first, b'"deblurring"')
    browser.open(served.url)
    choose(browser, path)
    browser.until(f"{STEP} === 'Waiting: 1 photograph comes first'")
    first.close()
    browser.until(f"{STEP}.startsWith('Deblurring')")
    browser.run("document.getElementById('cancel').click()")
    browser.until(IDLE)
    served.until(lambda: served.is_idle)
    assert served.network.stopped == 2

    choose(browser, path)
    browser.until(f"{STEP}.startsWith('Deblurring')")
    browser.driver.get("about:blank")  # the page is left
    served.until(lambda: served.is_idle)
    assert served.network.stopped == 3

    others = [served.begin(png) for _ in range(3)]
    served.told(others[0], b'"deblurring"')
    for other in others[1:]:
        served.told(other, b'"waiting"')
    browser.open(served.url)
    choose(browser, path)
    browser.until("!document.getElementById('fault').hidden")
    assert text(browser, "fault").startswith(
        "a.png has to wait: 3 photographs are being worked on or wait already."
    )
    for other in others:
        other.close()


def test_a_narrow_window(opened: Any) -> None:
    opened.size(360, 640)
    opened.until("document.documentElement.scrollWidth === 360")
    assert opened.run(BOX, "frame")["height"] >= 200
    assert opened.run(BOX, "download")["right"] <= 360
    opened.run("document.getElementById('another').click()")
    assert opened.run("return document.documentElement.scrollWidth") == 360
    assert opened.errors() == []
