import copy
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lfsynth.errors import InputError
from lfsynth.lytro.json_fields import merged, value_at
from lfsynth.lytro.lfr_layout import capture_documents, white_document
from lfsynth.lytro.metadata import CaptureMetadata, parse_capture, parse_white

PATH = Path("IMG_0001.LFR")


def changed(document: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """A copy with another value at a key path; an Ellipsis takes the key away."""
    document = copy.deepcopy(document)
    *parents, last = key.split(".")
    place = document
    for parent in parents:
        place = place[parent]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return document


def leaves(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths to all values that are no objects or lists."""
    if isinstance(document, dict):
        return [leaf for key, value in document.items() for leaf in leaves(value, (*path, key))]
    if isinstance(document, list):
        return [leaf for i, value in enumerate(document) for leaf in leaves(value, (*path, i))]
    return [path]


@pytest.fixture
def shot(made_up: CaptureMetadata) -> dict[str, Any]:
    """The merged document of a capture."""
    shown, private = capture_documents(made_up)
    return merged(private, shown) | {"derivations": list(made_up.white_refs)}


def assert_same(one: CaptureMetadata, other: CaptureMetadata, *, but: set[str]) -> None:
    for field in dataclasses.fields(CaptureMetadata):
        if field.name not in but | {"document", "source"}:
            np.testing.assert_array_equal(
                getattr(one, field.name), getattr(other, field.name), err_msg=field.name
            )


def test_a_capture_gives_back_what_was_written(made_up: CaptureMetadata, shot: dict[str, Any]) -> None:
    metadata = parse_capture(shot, PATH)
    assert_same(metadata, made_up, but=set())
    assert metadata.document is shot
    assert metadata.source == PATH
    assert metadata.black.dtype == metadata.white.dtype == np.float32


def test_a_white_picture_gives_back_what_was_written(made_up: CaptureMetadata) -> None:
    metadata = parse_white(white_document(made_up), PATH)
    assert_same(metadata, made_up, but={"model", "white_refs"})
    assert metadata.model == "B01"
    assert metadata.white_refs == ()


def test_lens_pitch_is_that_seen_from_the_exit_pupil(made_up: CaptureMetadata) -> None:
    assert made_up.lens_pitch_px == pytest.approx(20.1 / 1.41 * (1 + 0.039 / 58), rel=1e-12)


def test_levels_are_placed_by_their_colour(shot: dict[str, Any]) -> None:
    black = {"r": 1, "gr": 2, "gb": 3, "b": 4}
    metadata = parse_capture(changed(shot, "image.pixelFormat.black", black), PATH)
    np.testing.assert_array_equal(metadata.black, [[2, 1], [4, 3]])


def test_optics_come_from_the_shared_frame_only_where_the_capture_has_none(
    made_up: CaptureMetadata, shot: dict[str, Any]
) -> None:
    other = dataclasses.replace(made_up, lens_pitch=1.9e-5, zoom_step=1, shape=(2, 4), serial="B1", iso=5.0)
    shot |= white_document(other)
    assert_same(parse_capture(shot, PATH), made_up, but=set())
    del shot["devices"]
    metadata = parse_capture(shot, PATH)
    assert (metadata.lens_pitch, metadata.zoom_step) == (1.9e-5, 1)
    assert (metadata.shape, metadata.serial, metadata.iso) == (made_up.shape, made_up.serial, made_up.iso)
    # What depends on the shot is not taken from elsewhere
    assert metadata.exposure_time is None


def test_names_of_white_pictures_are_collected_once(shot: dict[str, Any]) -> None:
    names = [f"sha1-{digit * 40}" for digit in "abcd"]
    shot["derivations"] = [names[1], names[0].upper().replace("SHA1", "sha1"), 7, "unknown", None]
    shot["picture"] = {"derivationArray": [names[2], names[0]]}
    shot["frames"] = [{"frame": {"modulationDataRef": names[3], "imageRef": names[0]}}]
    metadata = parse_capture(shot, PATH)
    assert metadata.white_refs == (names[3], names[1], names[0], names[2])
    assert metadata.image_ref == names[0]


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("devices.lens.fNumber", "f_number"),
        ("devices.lens.focalLength", "focal_length"),
        ("devices.lens.zoomStep", "zoom_step"),
        ("devices.lens.focusStep", "focus_step"),
        ("devices.shutter", "exposure_time"),
        ("image.iso", "iso"),
        ("devices.sensor.analogGain", "analog_gain"),
        ("camera.serialNumber", "serial"),
        ("devices.clock", "captured"),
    ],
)
def test_what_may_be_missing_is_none(shot: dict[str, Any], key: str, expected: str) -> None:
    assert getattr(parse_capture(changed(shot, key, ...), PATH), expected) is None


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("image.width", ..., "its metadata have no image.width"),
        ("image.height", ..., "its metadata have no image.height"),
        ("image.width", "96", "image.width in its metadata is wrong: it is not a number"),
        ("image.width", True, "it is not a number"),
        ("image.width", 96.5, "96.5 is not a whole number"),
        ("image.width", 94, "94 x 64 is not made of whole groups"),
        ("image.height", 63, "96 x 63 is not made of whole groups"),
        ("image.height", -64, "-64 is not in [2, 65536]"),
        ("image.width", 10**400, "inf is not in [4, 65536]"),
        ("image.pixelFormat", ..., "its metadata have no image.pixelFormat.black.gr"),
        ("image.pixelFormat.white", {"r": 9, "gr": 9, "gb": 9, "b": 9}, "white in its metadata is wrong"),
        (
            "image.pixelFormat.black.b",
            1024,
            "image.pixelFormat.black.b in its metadata is wrong: 1024 is not in",
        ),
        ("image.pixelPacking.bitsPerPixel", 64, "64 is not in [8, 16]"),
        ("image.color.ccm", [1.0] * 8, "image.color.ccm in its metadata is wrong: it is not a list of 9"),
        ("image.color.ccm", [1.0] * 8 + [float("inf")], "inf is not in [-100, 100]"),
        ("image.color.ccm", [1.0] * 8 + [None], "it is not a number"),
        ("image.color.ccm", "identity", "it is not a list of 9 numbers"),
        ("image.color.whiteBalanceGain.r", 0, "0 is not in [0.01, 100]"),
        ("image.orientation", 9, "9 is not in [1, 8]"),
        ("image.modulationExposureBias", float("nan"), "nan is not in [-30, 30]"),
        ("image.iso", 0, "image.iso in its metadata is wrong"),
        ("devices.sensor.pixelPitch", ..., "its metadata have no devices.sensor.pixelPitch"),
        ("devices.mla", ..., "its metadata have no devices.mla.lensPitch"),
        ("devices.mla.lensPitch", 2.0, "2 is not in [1e-06, 0.001]"),
        ("devices.mla.rotation", 1, "1 is not in [-0.2, 0.2]"),
        ("devices.mla.scaleFactor.y", 0, "devices.mla.scaleFactor.y in its metadata is wrong"),
        ("devices.mla.sensorOffset", {"x": 0, "y": 0}, "its metadata have no devices.mla.sensorOffset.z"),
        ("devices.lens.exitPupilOffset.z", 0, "0 is not in [0.005, 1e+06]"),
        ("devices.lens.zoomStep", 0.5, "0.5 is not a whole number"),
        ("camera.serialNumber", 5, "camera.serialNumber in its metadata is wrong: it is not a short text"),
        ("camera.serialNumber", "B5\nrm", "it is not a short text"),
        ("camera.model", "x" * 201, "it is not a short text"),
    ],
)
def test_a_wrong_value_is_refused_by_its_key(
    shot: dict[str, Any], key: str, value: Any, message: str
) -> None:
    with pytest.raises(InputError) as caught:
        parse_capture(changed(shot, key, value), PATH)
    assert message in str(caught.value)
    assert str(caught.value).startswith("IMG_0001.LFR: ")


@pytest.mark.parametrize("parse", [parse_capture, parse_white])
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_value_anywhere_is_taken_or_refused(
    parse: Callable[[dict[str, Any], Path], CaptureMetadata], made_up: CaptureMetadata, data: st.DataObject
) -> None:
    shown, private = capture_documents(made_up)
    document: Any = merged(shown, private) if parse is parse_capture else white_document(made_up)
    path = data.draw(st.sampled_from(leaves(document)))
    path = path[: data.draw(st.integers(1, len(path)))]
    place = document
    for key in path[:-1]:
        place = place[key]
    scalar = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    place[path[-1]] = data.draw(
        scalar | st.lists(scalar, max_size=9) | st.dictionaries(st.text(max_size=2), scalar)
    )
    try:
        metadata = parse(document, PATH)
    except InputError:
        return
    assert np.isfinite(metadata.lens_pitch_px)
    assert np.isfinite(metadata.ccm).all()
    assert (metadata.black < metadata.white).all()


def test_values_are_found_by_their_path() -> None:
    document = {"a": [{"b": 0}], "c": [], "d": None}
    assert value_at(document, "a[0].b") == 0
    for key in ("a.b", "c[0]", "d.e", "a[0].b.c", "x[0].y"):
        assert value_at(document, key) is None


def test_merging_prefers_the_second_and_keeps_both() -> None:
    first = {"a": {"x": 1, "y": 2}, "b": [1], "c": 3}
    second = {"a": {"x": 5}, "b": [2], "c": {"z": 1}}
    assert merged(first, second) == {"a": {"x": 5, "y": 2}, "b": [2], "c": {"z": 1}}
    assert first == {"a": {"x": 1, "y": 2}, "b": [1], "c": 3}


def test_real_metadata_of_a_capture(shared_data: Path) -> None:
    path = shared_data / "lytro_files" / "toy.json"
    metadata = parse_capture(json.loads(path.read_text()), path)
    # Its own values, not those of the simulated white picture (8500 px, 16 bits, black 168) in the same document
    assert metadata.shape == (5368, 7728)
    assert metadata.bits == 10
    assert (metadata.black == 66).all()
    assert (metadata.white == 1023).all()
    assert metadata.serial == "B5152102610"
    assert (metadata.zoom_step, metadata.focus_step) == (-563, -17)
    assert metadata.iso == 1635
    assert metadata.exposure_time is None
    assert len(metadata.white_refs) == 1
    # Neutral stays neutral: the rows of the matrix sum to 1 to the file's precision
    np.testing.assert_allclose(metadata.ccm.sum(axis=1), 1, atol=1e-6)
    assert metadata.lens_pitch_px == pytest.approx(14.29, abs=0.01)


@pytest.mark.parametrize(
    ("name", "serial", "scale_y"),
    [
        ("MOD_0015.TXT", "B5152102610", 0.99983),
        ("MOD_0015.json", "B5152102610", 0.99983),
        ("lenslet_whiteimage.TXT", "B5143909630", 0.99999),
    ],
)
def test_real_metadata_of_white_pictures(shared_data: Path, name: str, serial: str, scale_y: float) -> None:
    path = shared_data / "lytro_files" / name
    metadata = parse_white(json.loads(path.read_text()), path)
    assert (metadata.model, metadata.serial, metadata.shape) == ("B01", serial, (5368, 7728))
    assert (metadata.black == 64).all()
    assert metadata.scale == pytest.approx((scale_y, 1), abs=1e-5)
    assert metadata.lens_pitch_px == pytest.approx(14.297, abs=0.002)


def test_real_metadata_of_the_first_generation(shared_data: Path) -> None:
    path = shared_data / "lytro_files" / "IMG_0001__frame.json"
    metadata = parse_capture(json.loads(path.read_text()), path)
    assert (metadata.model, metadata.shape, metadata.bits) == ("F01", (3280, 3280), 12)
    assert metadata.upper_left == "b"
    assert metadata.zoom_step == 981
