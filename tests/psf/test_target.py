"""The target's geometry, and its files as seen by other readers."""

import io
import re

import numpy as np
import pytest
from PIL import Image

from lfsynth.errors import InputError
from psf.coarse import Polarity
from psf.detect import detect
from psf.target import (
    GROUND,
    PAPERS,
    DiskGrid,
    centres_mm,
    fit_to_paper,
    grid_for_blur,
    parse_grid,
    parse_paper,
)
from psf.target_files import HOW_TO, target_pdf, target_picture, target_png

GRID = fit_to_paper((9, 6), PAPERS["a5"])


def test_parsing() -> None:
    assert parse_grid("23x17") == (23, 17)
    assert parse_paper("A4") == (297, 210)
    assert parse_paper("300x200.5") == (300, 200.5)


@pytest.mark.parametrize("text", ["23", "x17", "1x5", "0x0", "999x9", "axb"])
def test_refuses_other_grids(text: str) -> None:
    with pytest.raises(InputError, match=r"is no grid; use columns x rows"):
        parse_grid(text)


@pytest.mark.parametrize("text", ["a9", "10x10", "300", "300x-2"])
def test_refuses_other_papers(text: str) -> None:
    with pytest.raises(InputError, match="is no paper"):
        parse_paper(text)


def test_refuses_disks_that_touch_and_grids_beyond_the_paper() -> None:
    with pytest.raises(ValueError, match="do not fit a pitch"):
        DiskGrid(3, 3, 10.0, 5.0)
    with pytest.raises(ValueError, match="columns and rows"):
        DiskGrid(1, 3, 10.0, 3.0)
    with pytest.raises(InputError, match="does not fit paper of 210 x 148 mm"):
        centres_mm(DiskGrid(30, 3, 10.0, 3.0), PAPERS["a5"])


def test_the_kernel_fits_between_the_disks() -> None:
    for size in (31, 61, 77, 151):
        columns, rows = grid_for_blur(size, (3000, 4000))
        pitch = min(4000 / (columns - 1 + 2 * GROUND), 3000 / (rows - 1 + 2 * GROUND))
        assert size < 0.4 * pitch < 1.5 * size
    with pytest.raises(InputError, match="no room for a kernel of 901 px"):
        grid_for_blur(901, (3000, 4000))


def test_fits_to_paper() -> None:
    wide, high = GRID.extent_mm
    assert wide <= 210 - 16
    assert high <= 148 - 16 - 9
    assert max(wide - (210 - 16), high - (148 - 16 - 9)) > -0.1
    x, y = centres_mm(GRID, PAPERS["a5"])[0]
    assert (x, y) == pytest.approx(((210 - 8 * GRID.pitch_mm) / 2, (148 - 9 - 5 * GRID.pitch_mm) / 2))


@pytest.mark.parametrize("polarity", Polarity)
def test_the_picture_is_the_grid(polarity: Polarity) -> None:
    grid = fit_to_paper((9, 6), PAPERS["a5"], polarity=polarity)
    picture = target_picture(grid, PAPERS["a5"], dpi=150)
    assert picture.shape == (874, 1240)
    found = detect((picture / 255).astype(np.float32), (9, 6))
    assert found.polarity is polarity
    assert found.radius == pytest.approx(0.3, abs=1e-5)
    truth = np.array(centres_mm(grid, PAPERS["a5"]))[:, ::-1] * 150 / 25.4 - 0.5
    # Codes of 8 bits: rounding averages out over an edge.
    place = found.grid_index[:, 1] * 9 + found.grid_index[:, 0]
    np.testing.assert_allclose(found.centres, truth[place], atol=5e-3)


def test_the_png_says_its_size() -> None:
    picture = Image.open(io.BytesIO(target_png(GRID, PAPERS["a5"], dpi=150)))
    assert picture.info["dpi"] == pytest.approx((150, 150), abs=0.02)


def test_the_pdf_is_sound_and_its_disks_are_round() -> None:
    data = target_pdf(GRID, PAPERS["a5"])
    assert data == target_pdf(GRID, PAPERS["a5"])
    start = int(data.rsplit(b"startxref\n", 1)[1].split()[0])
    assert data[start : start + 4] == b"xref"
    places = [int(line.split()[0]) for line in data[start:].splitlines()[3:] if line.endswith(b" n ")]
    assert all(data[place:].startswith(b"%d 0 obj" % number) for number, place in enumerate(places, 1))
    for length, body in re.findall(rb"/Length (\d+) >>\nstream\n(.*?)\nendstream", data, re.DOTALL):
        assert int(length) == len(body)
    text = data.decode("ascii")
    assert f"50 mm | {GRID.caption}" in text
    assert all(line.replace("(", r"\(").replace(")", r"\)") in text for line in HOW_TO)
    paths = re.findall(r"([\d.]+) ([\d.]+) m\n((?:[\d.]+ .*c\n)+)f", text)
    assert len(paths) == 54
    x, y = centres_mm(GRID, PAPERS["a5"])[10]
    here = np.array([float(paths[10][0]), float(paths[10][1])])
    for line in paths[10][2].splitlines():
        a, b, end = np.array(line.split()[:6], float).reshape(3, 2)
        t = np.linspace(0, 1, 20)[:, None]
        curve = (1 - t) ** 3 * here + 3 * t * (1 - t) ** 2 * a + 3 * t**2 * (1 - t) * b + t**3 * end
        # Round to 4e-7 of the radius, coordinates to 1e-6 mm.
        np.testing.assert_allclose(np.hypot(*(curve - (x, y)).T), GRID.radius_mm, atol=5e-6)
        here = end
