"""Photographs through the application, right ones and others, with a network that inverts."""

from __future__ import annotations

import functools
import io
import socket
import struct
import zlib
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from drbnet.server.app import Limits


def encoded(pixels: NDArray[Any], form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form, **options)
    return buffer.getvalue()


def decoded(data: bytes) -> NDArray[Any]:
    """By OpenCV, as stored, RGB."""
    found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
    assert found is not None
    return found[:, :, ::-1]


def png_of(*chunks: tuple[bytes, bytes]) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )


def ihdr(width: int, height: int) -> tuple[bytes, bytes]:
    return b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("form", ["png", "tif"])
def test_a_picture_keeps_bits_and_format(
    form: str, bits: int, served: Any, picture: NDArray[np.uint8]
) -> None:
    codes = picture if bits == 8 else picture.astype(np.uint16) * 257 - picture % 5
    data = cv2.imencode(f".{form}", np.ascontiguousarray(codes[:, :, ::-1]))[1].tobytes()
    answer = served.send(data, f"Ä b.{form.upper()}")
    assert answer.status == 200
    done = answer.last
    assert done["state"] == "done", answer.body
    assert (done["width"], done["height"], done["bits"]) == (32, 24, bits)
    assert done["name"] == f"Ä b_deblurred.{form.upper()}"
    assert {line["state"] for line in answer.lines} <= {"reading", "deblurring", "writing", "done"}

    if done["views"]:
        shown = {name: decoded(served.get(path).body) for name, path in done["views"].items()}
        rounded = np.rint(codes / (257 if bits == 16 else 1)).astype(np.uint8)
        np.testing.assert_array_equal(shown["before"], rounded)
        np.testing.assert_array_equal(shown["after"], 255 - rounded)
    assert bool(done["views"]) == (form == "tif")

    head = served.request("HEAD", done["result"])
    result = served.get(done["result"])
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == result.headers["content-length"] == str(done["bytes"])
    assert result.headers["content-type"] == done["type"] == {"png": "image/png", "tif": "image/tiff"}[form]
    assert result.headers["content-disposition"].endswith(
        f"filename*=UTF-8''%C3%84%20b_deblurred.{form.upper()}"
    )
    made = decoded(result.body)
    assert made.dtype == codes.dtype
    np.testing.assert_array_equal(made, np.iinfo(codes.dtype).max - codes)
    again = served.get(done["result"])
    assert again.status == 404
    assert again.last["fault"] == "this result is not here, or not any more"


def test_a_jpeg_keeps_its_exif(served: Any, picture: NDArray[np.uint8]) -> None:
    tags = Image.Exif()
    tags[274], tags[271] = 6, "Maker"
    data = encoded(
        picture, "JPEG", quality=95, subsampling=0, exif=tags, icc_profile=b"\0" * 16 + b"RGB " + b"\0" * 108
    )
    done = served.send(data, "../../IMG 1.jpeg").last
    assert (done["name"], done["width"], done["height"]) == ("IMG 1_deblurred.jpeg", 24, 32)
    with Image.open(io.BytesIO(served.get(done["result"]).body)) as made:
        assert (made.format, made.size) == ("JPEG", (32, 24))
        assert dict(made.getexif()) == {274: 6, 271: "Maker"}
        assert len(made.info["icc_profile"]) == 128
        assert np.abs(np.asarray(made).astype(int) - (255 - picture.astype(int))).mean() < 2


def jpeg_of_100_megapixels(picture: NDArray[np.uint8]) -> bytes:
    data = encoded(picture, "JPEG")
    at = data.index(b"\xff\xc0")
    return data[: at + 5] + struct.pack(">HH", 10_000, 10_000) + data[at + 9 :]


def tiff_header(*tags: tuple[int, int]) -> bytes:
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)


@functools.cache
def bad_uploads() -> dict[str, tuple[bytes, int, str]]:
    """What is sent, and the status and words that it is refused with."""
    picture = np.random.default_rng(2).integers(0, 256, (24, 32, 3), np.uint8)
    jpeg, png = encoded(picture, "JPEG"), encoded(picture, "PNG")
    scan = jpeg.index(b"\xff\xda")
    floats = cv2.imencode(".tif", picture.astype(np.float32))[1].tobytes()
    profile = zlib.compress(bytes(17 << 20), 9)
    stream = zlib.compress(bytes(10_001 * 10_000), 9)
    hundred = f"has 100.0 megapixels ({10_000} x {10_000}), and at most 1 are taken here"
    return {
        "nothing": (b"", 422, "is empty"),
        "text": (
            b"This is my holiday.\n" * 50,
            415,
            "is no JPEG, PNG or TIFF picture, whatever its name says",
        ),
        "100 megapixels, PNG": (
            png_of(ihdr(10_000, 10_000), (b"IDAT", stream), (b"IEND", b"")),
            413,
            hundred,
        ),
        "100 megapixels, JPEG": (jpeg_of_100_megapixels(picture), 413, hundred),
        "100 megapixels, TIFF": (tiff_header((256, 10_000), (257, 10_000)), 413, hundred),
        "TIFF of large tiles": (
            tiff_header((256, 100), (257, 100), (322, 65_536), (323, 65_536)),
            422,
            "has tiles larger than itself",
        ),
        "TIFF of many samples": (
            tiff_header((256, 100), (257, 100), (277, 5000)),
            415,
            "has 5000 samples a pixel",
        ),
        "TIFF of nothing": (tiff_header((256, 0), (257, 100)), 422, "is 0 x 100 pixels by its header"),
        "large profile": (
            png_of(ihdr(8, 8), (b"iCCP", b"a\0\0" + profile), (b"IEND", b"")),
            413,
            "has a colour profile of more than 16 MiB",
        ),
        "many scans": (jpeg[:-2] + jpeg[scan:-2] * 250, 422, "has more than 200 scans"),
        "no frame": (jpeg[:2] + jpeg[scan:], 422, "has no JPEG frame"),
        "no segment": (jpeg[:2] + b"\0\0" + jpeg[4:], 422, "has damaged JPEG segments"),
        "other first chunk": (png_of((b"tEXt", bytes(13))), 422, "has no PNG header"),
        "truncated header, JPEG": (jpeg[:scan], 422, "ends within its header"),
        "truncated header, PNG": (png[:18], 422, "ends within its header"),
        "truncated header, TIFF": (b"II*\0\xff\0\0\0", 422, "ends within its header"),
        "truncated JPEG": (jpeg[: (scan + len(jpeg)) // 2], 200, "cut short"),
        "truncated PNG": (png[: len(png) // 2], 200, "cut short"),
        "floats": (floats, 200, "holds floats, not codes of 8 or 16 bits"),
        "too many bytes": (bytes(4_000_001), 413, "has more than the 4 megabytes that are taken here"),
    }


@pytest.mark.parametrize("name", bad_uploads().keys())
def test_refused(name: str, served: Any) -> None:
    data, status, words = bad_uploads()[name]
    answer = served.send(data, "a.jpg")
    assert answer.status == status, answer.body
    if status == 200:
        assert answer.last["state"] == "refused"
        assert answer.last["status"] == 422
    else:
        assert answer.headers["connection"] == "close"
    assert words in answer.last["fault"], answer.last
    assert answer.last["cure"]
    served.until(lambda: served.is_idle)
    assert served.network.begun == 0


def test_camera_raw_is_refused_by_its_name(served: Any) -> None:
    answer = served.send(
        tiff_header((256, 100), (257, 100)), "DSC_0001.NEF"
    )  # that is a TIFF file, of a thumbnail
    assert (answer.status, answer.last["fault"]) == (415, "is a camera's raw file")


def test_too_many_bytes_that_do_not_say_so(served: Any) -> None:
    answer = served.send(iter([bytes(1_000_000)] * 5))  # http.client sends it in chunks
    assert answer.status == 413
    assert answer.last["fault"] == "has more than the 4 megabytes that are taken here"
    served.until(lambda: served.is_idle)


def test_a_client_that_asks_first_need_not_send(served: Any) -> None:
    head = b"POST /photographs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9000000\r\nExpect: 100-continue\r\n\r\n"
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as connection:
        connection.sendall(head)
        assert served.told(connection, b"megabytes").startswith(b"HTTP/1.1 413 ")


def test_one_at_a_time_and_others_wait(served: Any, png: bytes, picture: NDArray[np.uint8]) -> None:
    served.network.gate.clear()
    first = served.begin(png)
    served.told(first, b'"deblurring", "done": 384')
    second = served.begin(png)
    served.told(second, b'"waiting", "ahead": 1')
    third = served.begin(png)
    served.told(third, b'"waiting", "ahead": 2')
    full = served.send(png)
    assert full.status == 503
    assert full.headers["retry-after"] == "10"
    assert full.last["fault"] == "3 photographs are being worked on or wait already"
    assert served.network.begun == 1

    first.close()  # while it is worked on: the next one's turn comes
    served.told(second, b'"deblurring", "done": 384')
    assert (served.network.begun, served.network.stopped) == (2, 1)
    served.told(third, b'"waiting", "ahead": 1')
    second.close()
    served.told(third, b'"deblurring"')
    served.network.gate.set()
    served.told(third, b'"done", "result"')
    third.close()
    served.until(lambda: served.is_idle)
    done = served.send(png).last
    np.testing.assert_array_equal(decoded(served.get(done["result"]).body), 255 - picture)


def test_one_that_leaves_the_line_frees_its_place(served: Any, png: bytes) -> None:
    served.network.gate.clear()
    connections = [served.begin(png)]
    served.told(connections[0], b'"deblurring"')
    connections += [served.begin(png) for _ in range(2)]
    for connection in connections[1:]:
        served.told(connection, b'"waiting"')
    connections[1].close()
    served.until(lambda: len(served.service.queue.places) == 2)
    served.told(connections[2], b'"waiting", "ahead": 1')
    for connection in connections[::2]:
        connection.close()
    served.until(lambda: served.is_idle)
    assert served.network.begun == served.network.stopped == 1


def test_an_upload_that_stops_half_way(served: Any, png: bytes) -> None:
    gone = served.begin(png[:100], length=len(png))
    served.until(lambda: len(served.service.queue.places) == 1)
    gone.close()
    served.until(lambda: served.is_idle)
    with served.begin(png[:100], length=len(png)) as halted:
        text = served.told(halted, b"cure")
    assert text.startswith(b"HTTP/1.1 408 ")
    assert b"nothing more has come for 1 s" in text
    served.until(lambda: served.is_idle)
    assert served.network.begun == 0


def test_results_that_nobody_fetches_go(serve: Callable[[Limits], Any], png: bytes) -> None:
    served = serve(Limits(held=2, hold=0.5))
    done = [served.send(png).last for _ in range(3)]
    assert served.get(done[0]["result"]).status == 404  # for the third
    assert served.get(done[2]["result"]).status == 200
    assert len(served.service.results._held) == 2
    served.until(lambda: not served.service.results._held)
    assert served.get(done[1]["result"]).status == 404


def test_a_result_that_has_not_arrived_can_be_fetched_again(served: Any) -> None:
    noise = np.random.default_rng(3).integers(0, 256, (900, 1100, 3), np.uint8)
    done = served.send(encoded(noise, "PNG", compress_level=0)).last
    head = f"GET {done['result']} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", served.port))
        connection.sendall(head)
        served.told(connection, b"200 OK")
        assert served.get(done["result"]).status == 404  # it is on its way to somebody
    served.until(lambda: served.request("HEAD", done["result"]).status == 200)
    np.testing.assert_array_equal(decoded(served.get(done["result"]).body), 255 - noise)


def test_a_failure_of_the_network(served: Any, png: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    from lfsynth.errors import InputError

    def failing(fault: Exception) -> dict[str, Any]:
        def deblur(*_: Any) -> Any:
            raise fault

        served.service.deblur = deblur
        last: dict[str, Any] = served.send(png).last
        return last

    nan = failing(InputError("--weights", "they give values that are no numbers", "check the weights"))
    assert (nan["status"], nan["cure"]) == (500, "check the weights")
    assert nan["fault"] == "the server's network has failed: they give values that are no numbers"
    assert failing(MemoryError())["status"] == 507
    assert capsys.readouterr().err == ""
    unexpected = failing(RuntimeError("boom"))
    assert (unexpected["status"], unexpected["fault"]) == (500, "the server has failed (RuntimeError)")
    assert "RuntimeError: boom" in capsys.readouterr().err


def test_what_other_sites_and_names_may_not(served: Any, png: bytes) -> None:
    rebound = served.request("GET", "/", Host="evil.example")
    assert rebound.status == 421
    assert rebound.last["fault"] == "this server has another name"
    assert served.request("GET", "/", Host=f"lab.example:{served.port}").status == 200
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ):
        foreign = served.send(png, **headers)
        assert (foreign.status, foreign.last["fault"]) == (403, "another site's page has sent this")
    own = served.send(png, Origin=f"http://127.0.0.1:{served.port}", Sec_Fetch_Site="same-origin")
    assert own.status == 200
    for answer in (rebound, foreign, own, served.get("/"), served.get("/nothing"), served.get("/page.js")):
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in answer.headers
    assert served.get("/photographs").status == 405
    assert served.get("/results/a/../../etc/passwd").status == 404
