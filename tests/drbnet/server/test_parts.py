"""The application's parts that need no server."""

from __future__ import annotations

import pytest

from drbnet.photographs import Format

pytest.importorskip("starlette", reason="starlette, of the serve extra, is not installed")

from drbnet.server.guard import is_own, own_names
from drbnet.server.names import disposition, plain_name, result_name
from drbnet.server.page import page_html


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("photo.jpg", "photo.jpg"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\me\\a b.TIF", "a b.TIF"),
        ("..", "photograph"),
        ("", "photograph"),
        (".png", "photograph.png"),
        ('a"<b>\r\n:*?.png', "ab.png"),
        ("gpj.\u202eexe.png", "gpj.exe.png"),
        ("e\u0301té.png", "été.png"),
        ("x" * 300 + ".jpeg", "x" * 100 + ".jpeg"),
        ("写真.png", "写真.png"),
    ],
)
def test_plain_names(name: str, plain: str) -> None:
    assert plain_name(name) == plain


def test_names_of_results() -> None:
    assert result_name("a.JPG", Format.JPEG) == "a_deblurred.JPG"
    assert result_name("a.tiff", Format.TIFF) == "a_deblurred.tiff"
    assert result_name("a.jpg", Format.PNG) == "a.jpg_deblurred.png"
    assert result_name("photograph", Format.TIFF) == "photograph_deblurred.tif"
    assert disposition("é.png") == "attachment; filename=\"_.png\"; filename*=UTF-8''%C3%A9.png"


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("127.0.0.1:8000", True),
        ("localhost", True),
        ("LOCALHOST:8000", True),
        ("localhost.", True),
        ("[::1]:8000", True),
        ("192.168.1.7:8000", True),
        ("lab.example:80", True),
        ("evil.example:8000", False),
        ("127.0.0.1.evil.example", False),
        ("localhost.evil.example", False),
        ("", False),
        ("[::1", True),
        ("127.1", False),
    ],
)
def test_hosts(host: str, own: bool) -> None:
    assert is_own(host, own_names(["Lab.Example."])) is own


def test_what_the_page_is_told_is_escaped() -> None:
    html = page_html({"network": '"><script>alert(1)</script>'})
    assert "alert(1)" in html
    assert "<script>alert" not in html
    assert '\\"&gt;' not in html.partition("data-facts")[0]
