"""The page in a real browser. Skipped where there is none."""

import dataclasses
import json
import os
import shutil

import pytest

from lfsynth.alignment_findings import Finding
from lfsynth.alignment_report.page import write_page
from lfsynth.alignment_report.pair_files import id_of, script_path, thumbnail_path
from lfsynth.checking import Job, run
from lfsynth.pairs import find_pairs
from lfsynth.pictures import write

HOSTILE = """IMG_0<script>alert(1)<script>&amp;"'#%?"""
MANY = 11_000
LARGEST = 30e6  # bytes

NAMES = "return [...document.querySelectorAll('tr.row td.name .name')].map((name) => name.textContent)"
SHOWN = "return document.getElementById('shown').value"
LOADED = "[...document.querySelectorAll('#stage img')].every((picture) => picture.src.startsWith('file:'))"


@pytest.fixture
def dataset(pairs_on_disk, textured_pair):
    """With a pair whose name is hostile, and an input that has no target."""
    data = pairs_on_disk / "train_data"
    blurred, sharp = textured_pair(5)
    (data / "input" / HOSTILE).mkdir()
    write(data / "input" / HOSTILE / f"{HOSTILE}.png", blurred)
    write(data / "ground_truth" / f"{HOSTILE}.png", sharp)
    (data / "input/IMG_9").mkdir()
    write(data / "input/IMG_9/IMG_9.png", blurred)
    return pairs_on_disk


@pytest.fixture
def page(dataset):
    """A report of five pairs, in the dataset's folder."""
    job = Job(dataset / "alignment", dataset)
    run(job, find_pairs(dataset), jobs=1, report=lambda _: None, notice=pytest.fail)
    return dataset / "alignment/report.html"


def press(browser, *names):
    from selenium.webdriver.common.keys import Keys

    browser.keys(*(getattr(Keys, name, name) for name in names))


def opened(browser, stem):
    """Open a pair by a click on its row."""
    browser.run(
        "[...document.querySelectorAll('tr.row')].find((row) => row.textContent.includes(arguments[0])).click()",
        stem,
    )
    browser.until("document.getElementById('viewer').open && !document.getElementById('stage').hidden")


def test_the_table(browser, page):
    browser.open(page)
    names = ["IMG_2_ap1_00.png", "IMG_9.png", "IMG_3_ap3_04.png"]
    assert browser.run(NAMES)[:3] == names  # misaligned, set aside, cannot tell
    assert set(browser.run(NAMES)[3:]) == {
        "IMG_1_ap1_00.png",
        "IMG_1_ap2_01.png",
        f"{HOSTILE}.png",
    }
    assert browser.run(SHOWN) == "6 of 6 pairs"
    assert browser.driver.title == "Alignment of lfdof"
    fault = browser.run("return document.querySelector('tr.aside td.fault').textContent")
    assert fault.startswith("train_data/input/IMG_9/IMG_9.png: has no target IMG_9.*")
    browser.until(
        "[...document.querySelectorAll('td.thumb img')].every((picture) => picture.naturalWidth === 216)"
    )
    assert browser.run("return document.querySelectorAll('td.thumb img').length") == 5
    assert browser.errors() == []


def test_sorting_and_filters(browser, page):
    browser.open(page)
    by_name = "document.querySelector('th[data-by=name] button').click()"
    browser.run(by_name)
    ascending = browser.run(NAMES)
    assert ascending[1:] == sorted(ascending[1:])  # the hostile one is sorted by its folder, and first
    assert (
        browser.run("return document.querySelector('th[data-by=name]').getAttribute('aria-sort')")
        == "ascending"
    )
    browser.run(by_name)
    assert browser.run(NAMES) == ascending[::-1]

    chip = "[...document.querySelectorAll('.chip')].find((chip) => chip.textContent.includes('aligned'))"
    browser.run(f"{chip}.click()")
    assert browser.run(f"return {chip}.ariaPressed") == "false"
    assert "IMG_2_ap1_00.png" not in browser.run(NAMES)
    assert browser.run(SHOWN) == "5 of 6 pairs"
    browser.run("document.getElementById('reset').click()")
    assert browser.run(SHOWN) == "6 of 6 pairs"

    browser.run("document.getElementById('search').focus()")
    press(browser, "img_1 AP2")
    assert browser.run(NAMES) == ["IMG_1_ap2_01.png"]
    press(browser, *["BACKSPACE"] * 9, "no such words")
    assert browser.run(NAMES) == []
    assert browser.run("return document.getElementById('nothing').checkVisibility()")
    browser.run("document.getElementById('reset').click()")

    bars = browser.run(
        "return [...document.querySelectorAll('#histogram .bar title')].map((t) => t.textContent)"
    )
    at = next(i for i, text in enumerate(bars) if "1 misaligned" in text)
    browser.run(
        "document.querySelectorAll('#histogram .bar')[arguments[0]].dispatchEvent(new Event('click'))", at
    )
    assert browser.run(NAMES) == ["IMG_2_ap1_00.png"]
    assert sum(int(text.split(": ")[1].split()[0]) for text in bars if "none" not in text) == 4
    assert browser.errors() == []


def test_a_pair_by_keyboard(browser, page):
    browser.open(page)
    browser.run("document.getElementById('table').focus()")
    press(browser, "ARROW_DOWN", "ENTER")
    browser.until(f"document.getElementById('viewer').open && {LOADED}")
    assert browser.run("return document.getElementById('pair-name').textContent").endswith("IMG_2_ap1_00.png")
    facts = browser.run("return document.getElementById('facts').innerText")
    assert "the sharp picture is moved by" in facts
    assert "Shown at full size, from the dataset." in facts

    # before / after
    assert (
        browser.run("return document.getElementById('input-picture').style.clipPath")
        == "inset(0px 50% 0px 0px)"
    )
    browser.run("document.getElementById('split').focus()")
    press(browser, "HOME")
    assert (
        browser.run("return document.getElementById('input-picture').style.clipPath")
        == "inset(0px 100% 0px 0px)"
    )
    press(browser, *["ARROW_RIGHT"] * 4)
    assert (
        browser.run("return document.getElementById('input-picture').style.clipPath")
        == "inset(0px 98% 0px 0px)"
    )
    press(browser, "b")
    assert browser.run("return document.getElementById('blink').ariaPressed") == "true"

    # correlation over the picture
    press(browser, "2")
    browser.until("document.getElementById('map').checkVisibility()")
    colours = """
        const pen = document.getElementById('map').getContext('2d');
        const { data } = pen.getImageData(0, 0, pen.canvas.width, pen.canvas.height);
        const seen = new Set();
        for (let i = 0; i < data.length; i += 4) seen.add(data.slice(i, i + 3).join());
        return [pen.canvas.width, pen.canvas.height, seen.size];
    """
    width, height, number = browser.run(colours)
    assert (width, height) == (160, 128)
    assert number > 100
    assert browser.run("return document.querySelector('#modes input:checked').value") == "map"

    # shift field
    browser.run("document.querySelector('#modes input[value=field]').click()")
    said = browser.run("return document.getElementById('said').value")
    factor = int(said.split()[2])
    assert said.startswith(f"Arrows are {factor} times as long as the shifts; the longest shift is 2.")
    ends = browser.run("""
        const numbers = document.querySelectorAll('#field path')[2].getAttribute('d').match(/-?[0-9.]+/g).map(Number);
        return numbers.slice(0, 4);
    """)
    assert ends[2] - ends[0] == pytest.approx(-factor, abs=0.2 * factor)  # moved by (2, -1)
    assert ends[3] - ends[1] == pytest.approx(2 * factor, abs=0.2 * factor)

    # on, and back
    press(browser, "n")
    browser.until("document.getElementById('pair-name').textContent.endsWith('IMG_3_ap3_04.png')")
    browser.until("document.getElementById('said').value.startsWith('No region')")
    press(browser, "p")
    browser.until("document.getElementById('pair-name').textContent.endsWith('IMG_2_ap1_00.png')")
    press(browser, "ESCAPE")
    browser.until("!document.getElementById('viewer').open")
    assert browser.run("return document.activeElement.id") == "table"
    assert browser.errors() == []


def test_hostile_names_are_text(browser, page):
    browser.open(page)
    opened(browser, "alert(1)")
    name = browser.run("return document.getElementById('pair-name').textContent")
    assert name == f"train_data/input/{HOSTILE}/{HOSTILE}.png"
    browser.until(LOADED)  # by a URL in which all that is escaped
    assert browser.run("return document.querySelectorAll('script').length") == 3
    assert browser.errors() == []


def test_zoom(browser, page):
    browser.open(page)
    opened(browser, "IMG_1_ap1_00")
    width = "return document.getElementById('stage').getBoundingClientRect().width"
    for zoom, wanted in (("1", 160), ("2", 320), ("4", 640)):
        browser.run(f"document.querySelector('#zooms input[value=\"{zoom}\"]').click()")
        assert browser.run(width) == wanted
    press(browser, "z")
    assert browser.run("return document.querySelector('#zooms input:checked').value") == "fit"
    assert browser.errors() == []


def test_the_page_alone_is_enough_for_a_small_dataset(browser, page, tmp_path):
    alone = tmp_path / "elsewhere/report.html"
    alone.parent.mkdir()
    shutil.copy(page, alone)
    browser.open(alone)
    browser.until(
        "[...document.querySelectorAll('td.thumb img')].every((picture) => picture.naturalWidth === 216)"
    )
    opened(browser, "IMG_2_ap1_00")
    browser.until("document.getElementById('input-picture').naturalWidth === 160")
    browser.until("document.getElementById('facts').innerText.includes('Small copies are shown')")
    # The dataset's pictures are not there to be seen at full size, and nothing else is missing.
    assert all("ERR_FILE_NOT_FOUND" in line and ".png" in line for line in browser.errors())


def test_a_narrow_window(browser, page):
    browser.size(360, 640)
    browser.open(page)
    assert browser.run("return document.documentElement.scrollWidth") == 360
    assert not browser.run("return document.querySelector('thead').checkVisibility()")
    assert browser.run("return document.getElementById('sort').checkVisibility()")
    rows = browser.run(
        "return [...document.querySelectorAll('tr.row')].map((row) => row.getBoundingClientRect().height)"
    )
    assert set(rows) == {112}
    browser.run(
        "const sort = document.getElementById('sort'); sort.value = 'length'; sort.dispatchEvent(new Event('change'))"
    )
    assert browser.run(NAMES)[0] == "IMG_2_ap1_00.png"
    opened(browser, "IMG_2_ap1_00")
    assert browser.run("return document.getElementById('viewer').scrollWidth") == 360
    assert browser.errors() == []


def test_a_pair_has_an_address(browser, page):
    browser.open(page)
    opened(browser, "IMG_1_ap2_01")
    address = browser.driver.current_url
    browser.driver.get("about:blank")
    browser.driver.get(address)
    browser.until("document.getElementById('viewer').open")
    assert browser.run("return document.getElementById('pair-name').textContent").endswith("IMG_1_ap2_01.png")
    assert browser.errors() == []


@pytest.fixture
def large(page):
    """A report of 11,000 pairs with their files, the script of the first alone being its own."""
    out = page.parent
    document = json.loads((out / "alignment.json").read_text())
    known = [Finding.from_json(pair) for pair in document["pairs"]]
    findings = []
    for i in range(MANY):
        scene, pair = f"IMG_{i // 15:04d}", known[i % len(known)]
        name = f"train_data/input/{scene}/{scene}_ap{i % 15 // 5 + 1}_{i % 5:02d}.png"
        findings.append(dataclasses.replace(pair, name=name, target=f"train_data/ground_truth/{scene}.png"))
        for path_of in (script_path, thumbnail_path):
            made = out / path_of(id_of(name))
            made.parent.mkdir(exist_ok=True)
            if not made.exists():
                os.link(out / path_of(id_of(pair.name)), made)
    first, pair = id_of(findings[0].name), id_of(known[0].name)
    (out / script_path(first)).unlink(missing_ok=True)
    (out / script_path(first)).write_text((out / script_path(pair)).read_text().replace(pair, first))
    write_page(
        out, findings, [], {name: document[name] for name in ("data", "layout", "transfer", "options")}
    )
    return page


def test_eleven_thousand_pairs(browser, large):
    assert large.stat().st_size < LARGEST
    browser.open(large)
    browser.run("document.querySelector('th[data-by=name] button').click()")
    assert browser.run(SHOWN) == "11,000 of 11,000 pairs"
    loaded = "[...document.querySelectorAll('td.thumb img')].filter((picture) => picture.naturalWidth === 216).length"
    rows = "document.querySelectorAll('tr.row').length"
    browser.until(f"{loaded} === {rows}")
    assert browser.run(f"return {rows}") < 60

    height = browser.run("return document.documentElement.scrollHeight")
    assert height > MANY * 72
    browser.run("scrollTo(0, arguments[0] / 2)", height)
    browser.until("document.querySelector('tr.row td.name .name').textContent.startsWith('IMG_036')")
    browser.run("scrollTo(0, arguments[0])", height)
    browser.until("[...document.querySelectorAll('tr.row')].at(-1).textContent.includes('IMG_0733_ap1_04')")
    browser.until(f"{loaded} === {rows}")
    assert browser.run(f"return {rows}") < 60

    browser.run("document.getElementById('table').focus()")
    press(browser, "HOME")
    browser.until("document.querySelector('tr.active').textContent.includes('IMG_0000_ap1_00')")
    press(browser, "ENTER")
    browser.until("document.getElementById('input-picture').naturalWidth === 160")
    assert browser.run("return document.getElementById('pair-name').textContent").endswith(
        "IMG_0000_ap1_00.png"
    )
    assert not [line for line in browser.errors() if "ERR_FILE_NOT_FOUND" not in line]


def test_a_pair_whose_files_are_gone(browser, large):
    shutil.rmtree(large.parent / "report_files")
    browser.open(large)
    browser.run("document.querySelector('tr.pair').click()")
    browser.until(
        "document.getElementById('facts').textContent.includes('Keep the folder report_files with the page')"
    )
    assert not browser.run("return document.getElementById('stage').checkVisibility()")
