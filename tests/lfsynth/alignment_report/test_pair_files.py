import base64
import json
import zlib

import cv2
import numpy as np
import pytest

from lfsynth.alignment import check_pair
from lfsynth.alignment_findings import finding_of
from lfsynth.alignment_report.pair_files import (
    arrows,
    details,
    id_of,
    script_path,
    thumbnail,
    thumbnail_path,
    write_pair_files,
)
from lfsynth.transfer import SRGB, encode


@pytest.fixture(scope="module")
def pair(textured_pair):
    """Pictures that are moved by (2, -1), what was found, and its numbers."""
    blurred, sharp = textured_pair(shift=(2, -1))
    found = check_pair(blurred, sharp)
    return blurred, sharp, found, finding_of("input/a.png", "target/a.png", found)


def opened(data: bytes):
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)


def test_details(pair):
    blurred, _, found, finding = pair
    told = json.loads(json.dumps(details(finding, found, pair[0], pair[1]), allow_nan=False))
    assert (told["name"], told["verdict"], told["rows"], told["columns"]) == (
        "input/a.png",
        "misaligned",
        16,
        20,
    )
    planes = np.frombuffer(zlib.decompress(base64.b64decode(told["maps"])), np.uint8).reshape(3, 16, 20)
    known = np.isfinite(found.correlation)
    # half a step of the 254 from -1 to 1
    np.testing.assert_allclose(
        planes[0][known] / 127 - 1, found.correlation[known], rtol=0, atol=0.5 / 127 + 1e-6
    )
    np.testing.assert_allclose(planes[1][known] / 127 - 1, found.best[known], rtol=0, atol=0.5 / 127 + 1e-6)
    assert (planes[2] & 1 == found.in_focus).all()
    assert (planes[2] & 2 == 2 * found.valid).all()
    picture = opened(base64.b64decode(told["input_picture"]))[:, :, ::-1].astype(float)
    assert picture.shape == (128, 160, 3)
    # JPEG of quality 75
    assert np.abs(picture - encode(blurred, SRGB, bits=8)).mean() < 8


def test_flat_windows_have_a_code_of_their_own(textured_pair):
    blurred, sharp = textured_pair()
    blurred[:, 100:], sharp[:, 100:] = 0.5, 0.5
    found = check_pair(blurred, sharp)
    told = details(finding_of("a", "b", found), found, blurred, sharp)
    planes = np.frombuffer(zlib.decompress(base64.b64decode(told["maps"])), np.uint8).reshape(3, 16, 20)
    assert (planes[:2] == 255).any()
    assert ((planes[0] == 255) == np.isnan(found.correlation)).all()


def test_arrows(pair):
    found = pair[2]
    told = np.array(arrows(found))
    # A picture of up to 34 windows has an arrow a window; the medians of single windows are they themselves.
    assert len(told) == found.valid.sum() > 20
    np.testing.assert_array_equal(told[:, :2], found.windows.centres[found.valid])
    np.testing.assert_allclose(told[:, 2:], found.field[found.valid], rtol=0, atol=0.0005)


def test_arrows_of_a_large_picture_are_thinned(textured_pair):
    blurred, sharp = textured_pair(size=(128, 640), shift=(1, 0), in_focus=1.0)
    found = check_pair(blurred, sharp)
    told = np.array(arrows(found))
    assert found.windows.shape == (16, 80)
    assert len(told) <= 8 * 40 < found.valid.sum()
    assert set(np.unique(np.diff(np.unique(told[:, 1])))) == {16.0}
    assert told[0, 1] == 7.5  # the middle of the first two windows, whose blocks are px 0 to 15
    np.testing.assert_allclose(told[:, 2:].mean(axis=0), [1, 0], rtol=0, atol=0.05)


def test_no_arrows(textured_pair):
    assert arrows(check_pair(*textured_pair(in_focus=-1.0))) == []


@pytest.mark.parametrize("size", [(128, 160), (300, 100), (100, 400)])
def test_thumbnails_are_of_one_size(textured_pair, size):
    blurred, sharp = textured_pair(size=size)
    assert opened(thumbnail(blurred, sharp)).shape == (72, 216, 3)
    grey = np.ascontiguousarray(blurred[:, :, :1])
    assert opened(thumbnail(grey, sharp)).shape == (72, 216, 3)
    assert opened(thumbnail(grey, grey)).shape == (72, 216)


def test_files(pair, tmp_path):
    blurred, sharp, found, finding = pair
    write_pair_files(tmp_path, finding, found, blurred, sharp)
    id_ = id_of("input/a.png")
    call = (tmp_path / script_path(id_)).read_text()
    start = f'lfsynthPair("{id_}",'
    assert call.startswith(start)
    assert json.loads(call[len(start) : -2]) == json.loads(
        json.dumps(details(finding, found, blurred, sharp))
    )
    assert call.isascii()
    assert (tmp_path / thumbnail_path(id_)).read_bytes() == thumbnail(blurred, sharp)
    assert len(list(tmp_path.rglob("*.*"))) == 2


def test_ids_of_all_names():
    names = ["a", "b", "a/b", "\udcff", "é"]
    assert len({id_of(name) for name in names}) == len(names)
