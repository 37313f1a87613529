from pathlib import Path

import cv2
import numpy as np
import pytest

from lfsynth.allinfocus import Method, all_in_focus
from lfsynth.readers import read_light_field
from lfsynth.transfer import SRGB, encode


@pytest.mark.parametrize("method", ["robust-average", "centre-view"])
def test_the_picture(run, tmp_path: Path, raw: Path, method: str) -> None:
    out = tmp_path / "x.png"
    ended = run("allinfocus", raw / "a.h5", "--method", method, "--bits", 16, "--out", out)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out == f"{out}: 40 x 56, {method}\n"
    stored = cv2.imread(str(out), cv2.IMREAD_UNCHANGED)
    assert stored is not None
    made = all_in_focus(read_light_field(raw / "a.h5"), method=Method(method))
    np.testing.assert_array_equal(stored[:, :, ::-1], encode(made, SRGB, bits=16))


@pytest.mark.parametrize(
    ("out", "fault"),
    [
        ("x.jpg", "x.jpg: is no name for what is to be written; let it end in .png or .tif or .tiff"),
        ("none/x.png", "none/x.png: its folder does not exist; make the folder or choose another --out"),
    ],
)
def test_names_that_are_refused(
    run, tmp_path: Path, raw: Path, monkeypatch: pytest.MonkeyPatch, out: str, fault: str
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = run("allinfocus", raw / "a.h5", "--out", out)
    assert (ended.code, ended.err) == (2, f"lfsynth: {fault}\n")
