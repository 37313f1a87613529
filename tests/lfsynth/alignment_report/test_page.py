import dataclasses
import json
import re
from urllib.parse import unquote

import pytest

from lfsynth.alignment import Options, check_pair
from lfsynth.alignment_findings import finding_of
from lfsynth.alignment_report import page
from lfsynth.alignment_report.page import COLUMNS, write_page
from lfsynth.alignment_report.pair_files import FOLDER, id_of, write_pair_files
from lfsynth.pairs import Unpaired

HOSTILE = """input/</script><script>alert(1)</script><!-- &amp; "it's" #%?/\udcff.png"""


@pytest.fixture
def about(tmp_path):
    options = dataclasses.asdict(Options())
    return {"data": str(tmp_path / "a b#c"), "layout": "folders", "transfer": None, "options": options}


@pytest.fixture
def findings(tmp_path, textured_pair):
    """Two pairs whose files are written, one of them of a hostile name."""
    found = check_pair(*textured_pair())
    made = [finding_of(name, name.replace("input", "target"), found) for name in ("input/a.png", HOSTILE)]
    for finding in made:
        write_pair_files(tmp_path / "out", finding, found, *textured_pair())
    return made


def embedded(text: str, which: str):
    """JSON in a script element, as a browser finds it: up to the first end tag."""
    return json.loads(
        re.findall(rf'<script type="application/json" id="{which}">(.*?)</script>', text, re.DOTALL)[0]
    )


def test_rows_and_files_in_the_page(tmp_path, findings, about):
    aside = [Unpaired("input/b.png", "input/b.png: it is <cut> short")]
    written = write_page(tmp_path / "out", findings, aside, about)
    text = (tmp_path / "out/report.html").read_text()
    assert written.size == len(text.encode()) == (tmp_path / "out/report.html").stat().st_size
    data = embedded(text, "data")
    rows = [dict(zip(COLUMNS, row, strict=True)) for row in data["rows"]]
    assert [row["name"] for row in rows] == ["input/a.png", HOSTILE, "input/b.png"]
    assert [row["verdict"] for row in rows] == ["aligned", "aligned", "set aside"]
    assert rows[0]["shift_y"] == findings[0].shift_y
    assert (rows[2]["id"], rows[2]["note"]) == (None, "input/b.png: it is <cut> short")
    assert unquote(data["base"]) == "../a b#c"
    assert data["about"] == about
    inline = embedded(text, "inline")
    assert list(inline) == [id_of("input/a.png"), id_of(HOSTILE)]
    assert inline[id_of(HOSTILE)]["details"]["name"] == HOSTILE


def test_names_make_no_markup(tmp_path, findings, about):
    """The page has the same elements, whatever the names."""
    sizes = []
    for name in ("plain", "</script><script>alert(1)</script>"):
        changed = [dataclasses.replace(finding, target=name) for finding in findings]
        write_page(tmp_path / "out", changed, [Unpaired(name, name)], {**about, "data": f"/{name}"})
        text = (tmp_path / "out/report.html").read_text()
        sizes.append((text.count("<script"), text.count("</script"), text.count("<!--")))
    assert sizes == [(3, 3, 0), (3, 3, 0)]


def test_the_page_asks_nothing_of_a_network(tmp_path, findings, about):
    write_page(tmp_path / "out", findings, [], about)
    text = (tmp_path / "out/report.html").read_text()
    assert "default-src 'none'" in text
    assert re.findall(r"https?://[^\s\"']+", text) == ["http://www.w3.org/2000/svg"]  # a namespace
    assert re.findall(r"""(?:src|href)=["'][^"'#d]""", text) == []  # anchors and data alone


def test_many_files_stay_beside_the_page(tmp_path, findings, about, monkeypatch):
    total = sum(path.stat().st_size for path in (tmp_path / "out" / FOLDER).rglob("*.*"))
    for limit, inside in ((total, 2), (total - 1, 0)):
        monkeypatch.setattr(page, "INLINE", limit)
        write_page(tmp_path / "out", findings, [], about)
        assert len(embedded((tmp_path / "out/report.html").read_text(), "inline")) == inside
