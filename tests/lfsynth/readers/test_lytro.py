import shutil
from dataclasses import replace

import numpy as np
import pytest

from lfsynth.errors import InputError
from lfsynth.lytro import calibration_cache
from lfsynth.readers import Format, ReadOptions, find_light_fields, identity, read_light_field, recognise


def test_captures_are_light_fields(captures):
    found = find_light_fields(captures)
    assert [path.name for path in found] == ["IMG_0001.LFR", "IMG_0002.LFR"]
    assert recognise(found[0], ReadOptions()) is Format.LYTRO
    lf = read_light_field(found[0])
    assert lf.grid == (13, 13)
    assert lf.source == found[0]
    assert lf.metadata["format"] == "lytro"
    assert lf.metadata["capture"]["f_number"] == 2.2
    assert lf.simulated
    tar = captures / "caldata-B5SIMULATED.tar"
    assert lf.metadata["white_picture"].startswith(f"{tar}:MOD_000")
    assert lf.metadata["white_picture"].endswith(
        ".RAW, named by the capture (zoom 0 steps off, focus 0 steps off)"
    )
    again = read_light_field(found[0], ReadOptions(threads=2))
    np.testing.assert_array_equal(again.views, lf.views)


def test_the_calibration_may_lie_elsewhere(captures, tmp_path):
    elsewhere = tmp_path / "cameras"
    elsewhere.mkdir()
    shutil.move(captures / "caldata-B5SIMULATED.tar", elsewhere)
    shot = captures / "IMG_0001.LFR"
    with pytest.raises(InputError, match=r"by --calibration$"):
        read_light_field(shot)
    lf = read_light_field(shot, ReadOptions(calibration=(elsewhere,)))
    assert str(elsewhere) in lf.metadata["white_picture"]


def test_a_white_picture_is_measured_once(captures, monkeypatch):
    shot = captures / "IMG_0001.LFR"
    first = read_light_field(shot, ReadOptions(calibration=(captures,)))

    def measured(*_, **__):
        raise AssertionError("measured again")

    monkeypatch.setattr(calibration_cache, "calibrate", measured)
    # other places to look in, so that what this process remembers is not what is used
    second = read_light_field(shot, ReadOptions(calibration=(captures / "caldata-B5SIMULATED.tar",)))
    np.testing.assert_array_equal(first.views, second.views)


def test_a_capture_is_known_by_its_white_picture_too(captures):
    shot = captures / "IMG_0001.LFR"
    options = ReadOptions()
    first = identity(shot, options)
    assert identity(shot, replace(options, threads=2)) == first
    tar = captures / "caldata-B5SIMULATED.tar"
    tar.touch()
    second = identity(shot, options)
    assert second != first
    shot.touch()
    assert identity(shot, options) not in (first, second)


def test_a_damaged_capture_names_itself(captures):
    shot = captures / "IMG_0001.LFR"
    shot.write_bytes(shot.read_bytes()[:-1000])
    with pytest.raises(InputError, match=rf"^{shot}: "):
        read_light_field(shot)
