"""The page itself: one HTML file that is opened from disk and asks nothing of a network.

It holds a short row for each pair, about 200 bytes, and shows only the rows that are in view. Up to `INLINE` bytes of
the pairs' own files (`pair_files`) are put into the page, which then is all there is to the report; of larger datasets
they stay in the folder beside it, and are loaded when a row comes into view or a pair is opened. The pictures at full
size are the dataset's own, where the page still finds them at the path that leads from it to them.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes

from lfsynth import __version__
from lfsynth.alignment_findings import SET_ASIDE, Finding
from lfsynth.alignment_report.pair_files import CALL, FOLDER, id_of, script_path, thumbnail_path
from lfsynth.pairs import Unpaired
from lfsynth.pictures import Written, write_bytes_atomic

PAGE = "report.html"

INLINE = 20 * 2**20
"""Bytes of the pairs' files up to which they are put into the page."""

COLUMNS = (
    "id",
    "name",
    "target",
    "verdict",
    "shift_y",
    "shift_x",
    "in_focus",
    "correlation",
    "rotation",
    "scale",
    "residual",
    "note",
)
"""What the page's rows hold, in this order; a note is a fault or remarks."""

_SCRIPTS = ("data.js", "charts.js", "table.js", "viewer.js", "report.js")


def write_page(
    out: Path, findings: Sequence[Finding], set_aside: Sequence[Unpaired], about: dict[str, Any]
) -> Written:
    """Write the page beside the pairs' files.

    Parameters
    ----------
    out : folder of the page
    findings, set_aside : what it shows
    about : ``data``, the dataset's folder, and ``options``, which hold ``threshold`` in px
    """
    ids = [id_of(finding.name) for finding in findings]
    data = {
        "version": __version__,
        "about": about,
        "folder": FOLDER,
        "base": _url(Path(os.path.relpath(about["data"], out.absolute()))),
        "columns": COLUMNS,
        "rows": [
            *(_row(id_, finding) for id_, finding in zip(ids, findings, strict=True)),
            *(_row_of_set_aside(one) for one in set_aside),
        ],
    }
    return write_bytes_atomic(out / PAGE, _page(data, _inline(out, ids)).encode())


def _row(id_: str, finding: Finding) -> list[Any]:
    values = {**vars(finding), "id": id_, "note": "; ".join(finding.remarks)}
    return [values[column] for column in COLUMNS]


def _row_of_set_aside(one: Unpaired) -> list[Any]:
    values = {"name": one.name, "verdict": SET_ASIDE, "note": one.fault}
    return [values.get(column) for column in COLUMNS]


def _inline(out: Path, ids: Sequence[str]) -> dict[str, Any]:
    """Thumbnails and details of all pairs, if they are few enough for the page."""
    scripts = [out / script_path(id_) for id_ in ids]
    thumbnails = [out / thumbnail_path(id_) for id_ in ids]
    total = 0
    for path in (*scripts, *thumbnails):
        total += path.stat().st_size
        if total > INLINE:
            return {}
    inline = {}
    for id_, script, picture in zip(ids, scripts, thumbnails, strict=True):
        call = script.read_text()
        inline[id_] = {
            "thumbnail": base64.b64encode(picture.read_bytes()).decode("ascii"),
            "details": json.loads(call[len(f'{CALL}("{id_}",') : -len(")\n")]),
        }
    return inline


def _page(data: dict[str, Any], inline: dict[str, Any]) -> str:
    parts = files("lfsynth.alignment_report")
    scripts = "".join((parts / name).read_text(encoding="utf-8") for name in _SCRIPTS)
    page = (parts / "template.html").read_text(encoding="utf-8")
    for mark, text in {
        "/*style*/": (parts / "report.css").read_text(encoding="utf-8"),
        "/*scripts*/": scripts,
        "/*data*/": _embedded(data),
        "/*inline*/": _embedded(inline),
    }.items():
        before, after = page.split(mark)
        page = before + text + after
    return page


def _embedded(value: Any) -> str:
    """JSON that can stand in an HTML script element, whatever file names it holds."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _url(path: Path) -> str:
    """A relative path as a URL."""
    return quote_from_bytes(os.fsencode(path.as_posix()))
