"""The page's files, and the page with what it says of this server."""

from __future__ import annotations

import html
import json
from importlib.resources import files
from typing import Any

_FOLDER = files("drbnet.server.page")
PAGE_FILES = {
    name: ((_FOLDER / name).read_bytes(), media_type)
    for name, media_type in (
        ("page.css", "text/css"),
        ("page.js", "text/javascript"),
        ("viewer.js", "text/javascript"),
        ("icon.svg", "image/svg+xml"),
    )
}
"""Content and media type by name."""


def page_html(facts: dict[str, Any]) -> str:
    """The page.

    Parameters
    ----------
    facts : ``megapixels`` and ``megabytes`` of a photograph, ``network`` in some words, ``local``: whether nobody else
        can reach the server
    """
    template = (_FOLDER / "template.html").read_text(encoding="utf-8")
    return template.replace("{facts}", html.escape(json.dumps(facts)))
