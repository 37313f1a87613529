import dataclasses
import json
from pathlib import Path
from typing import Any

import imageio.v2 as iio
import numpy as np
import pytest
from numpy.typing import NDArray

from lfsynth.errors import InputError
from lfsynth.lytro.capture import pack_hot_pixels, read_capture, read_capture_metadata
from lfsynth.lytro.container import digest_of, read_container, write_container
from lfsynth.lytro.lfr_layout import GENERATOR, capture_documents, write_lfr, write_mod
from lfsynth.lytro.metadata import CaptureMetadata
from lfsynth.lytro.packing import pack, unpack

ILLUM_SHAPE = (5368, 7728)
THUMBNAIL = np.full((16, 24, 3), 128, np.uint8)

Parts = dict[str, bytes]


@pytest.fixture
def parts(made_up: CaptureMetadata, mosaic: NDArray[np.uint16]) -> Parts:
    """The least that a capture needs."""
    shown, private = capture_documents(made_up)
    return {
        "imageRef": pack(mosaic),
        "metadataRef": json.dumps(shown).encode(),
        "privateMetadataRef": json.dumps(private).encode(),
    }


def assembled(folder: Path, parts: Parts, *, without: tuple[str, ...] = (), **contents: Any) -> Path:
    """A capture of these parts, some of them named in the table of contents but not in the file."""
    path = folder / "made.LFR"
    frame = {name: digest_of(data) for name, data in parts.items()}
    table = {"frames": [{"frame": frame}], **contents}
    write_container(path, table, [data for name, data in parts.items() if name not in without])
    return path


def message(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_capture(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_a_capture_is_read_back(lfr: Path, mosaic: NDArray[np.uint16], made_up: CaptureMetadata) -> None:
    capture = read_capture(lfr)
    np.testing.assert_array_equal(capture.mosaic, mosaic)
    np.testing.assert_array_equal(capture.hot_pixels, [[0, 95], [63, 2]])
    assert capture.mosaic.dtype == np.uint16
    assert capture.hot_pixels.dtype == np.int32
    assert capture.metadata.notes == ()
    assert capture.metadata.serial == made_up.serial
    assert capture.metadata.white_refs == made_up.white_refs
    assert capture.metadata.document["generator"] == GENERATOR
    assert read_capture_metadata(lfr).lens_pitch_px == made_up.lens_pitch_px


def test_the_layout_is_what_strict_readers_want(lfr: Path) -> None:
    container = read_container(lfr)
    assert len(container.sections) == 11
    thumbnail = container.section(container.contents["thumbnails"][0]["imageRef"])
    assert iio.imread(thumbnail).shape == (16, 24, 3)
    # The table of contents comes last
    assert lfr.read_bytes().rindex(b"\x89LFM") > max(start for start, _ in container.sections.values())


def test_imageio_reads_a_full_size_capture(tmp_path: Path, made_up: CaptureMetadata) -> None:
    rows = np.random.default_rng(0).integers(0, 1024, (8, ILLUM_SHAPE[1]), dtype=np.uint16)
    mosaic = np.tile(rows, (ILLUM_SHAPE[0] // 8, 1))
    full = dataclasses.replace(made_up, shape=ILLUM_SHAPE)
    write_lfr(tmp_path / "IMG_0001.LFR", mosaic, full, THUMBNAIL)
    picture = iio.imread(tmp_path / "IMG_0001.LFR", format="lytro-lfr")
    # Its reader divides by 1023
    np.testing.assert_array_equal(np.rint(np.asarray(picture) * 1023).astype(np.uint16), mosaic)
    assert picture.meta["metadata"]["devices"]["lens"]["zoomStep"] == made_up.zoom_step
    assert picture.meta["privateMetadata"]["camera"]["serialNumber"] == made_up.serial
    assert picture.meta["thumbnail"]["image"].shape == (16, 24, 3)
    np.testing.assert_array_equal(read_capture(tmp_path / "IMG_0001.LFR").mosaic, mosaic)


# imageio's plugin leaves the .TXT open
@pytest.mark.filterwarnings("ignore:Exception ignored in.*MOD_0000:pytest.PytestUnraisableExceptionWarning")
def test_imageio_reads_a_full_size_white_picture(tmp_path: Path, made_up: CaptureMetadata) -> None:
    mosaic = np.arange(ILLUM_SHAPE[0] * ILLUM_SHAPE[1], dtype=np.uint16).reshape(ILLUM_SHAPE) % 1024
    full = dataclasses.replace(made_up, shape=ILLUM_SHAPE)
    name = write_mod(tmp_path / "MOD_0000.RAW", mosaic, full)
    picture = iio.imread(tmp_path / "MOD_0000.RAW", format="lytro-illum-raw")
    np.testing.assert_array_equal(np.rint(np.asarray(picture) * 1023).astype(np.uint16), mosaic)
    assert "master" in picture.meta
    data = (tmp_path / "MOD_0000.RAW").read_bytes()
    assert digest_of(data) == name
    np.testing.assert_array_equal(unpack(data, ILLUM_SHAPE), mosaic)


def test_few_parts_in_any_order_are_enough(
    tmp_path: Path, parts: Parts, mosaic: NDArray[np.uint16], made_up: CaptureMetadata
) -> None:
    capture = read_capture(assembled(tmp_path, dict(reversed(parts.items()))))
    np.testing.assert_array_equal(capture.mosaic, mosaic)
    assert capture.hot_pixels.shape == (0, 2)
    assert capture.metadata.serial == made_up.serial


def test_values_of_the_metadata_come_before_those_of_other_parts(tmp_path: Path, parts: Parts) -> None:
    other = {"image": {"iso": 999, "height": 2}, "lambdas": [1, 2], "camera": {"serialNumber": "X"}}
    parts["aberrationCorrectionMetadataRef"] = json.dumps(other).encode()
    metadata = read_capture(assembled(tmp_path, parts, camera={"serialNumber": "Y"})).metadata
    assert (metadata.iso, metadata.shape, metadata.serial) == (160, (64, 96), "B5000000017")
    assert metadata.document["lambdas"] == [1, 2]


def test_parts_that_may_be_missing_are_noted(tmp_path: Path, parts: Parts) -> None:
    parts["reconstructionFilterMetadataRef"] = b"\x89 is no JSON"
    parts["hotPixelRef"] = b"is not in the file"
    path = assembled(tmp_path, parts, without=("privateMetadataRef", "hotPixelRef"))
    metadata = read_capture(path).metadata
    assert metadata.serial is None
    assert len(metadata.notes) == 3
    assert "privateMetadataRef is not in the file" in metadata.notes
    assert "hotPixelRef is not in the file" in metadata.notes
    assert any("reconstructionFilterMetadataRef is no valid JSON" in note for note in metadata.notes)


@pytest.mark.parametrize(
    ("data", "note"),
    [
        (b"[[0, 1]]", "hotPixelRef is not understood"),
        (b"\x01\0", "hotPixelRef is not understood"),
        ((2**31).to_bytes(4, "little") + bytes(4), "hotPixelRef is not understood"),
        (
            pack_hot_pixels(np.array([[0, 0], [64, 0]], np.int32)),
            "hotPixelRef names pixels outside the picture",
        ),
        (pack_hot_pixels(np.array([[0, -1]], np.int32)), "hotPixelRef names pixels outside the picture"),
    ],
)
def test_hot_pixels_in_another_form_are_left_out(
    tmp_path: Path, parts: Parts, data: bytes, note: str
) -> None:
    capture = read_capture(assembled(tmp_path, parts | {"hotPixelRef": data}))
    assert capture.hot_pixels.shape == (0, 2)
    assert capture.metadata.notes == (note,)


def test_hot_pixels_are_columns_then_rows() -> None:
    packed = pack_hot_pixels(np.array([[1, 2], [3, 4]], np.int32))
    assert packed == bytes([2, 0, 0, 0, 2, 0, 4, 0, 1, 0, 3, 0])
    with pytest.raises(TypeError, match="positions must be \\(N, 2\\)"):
        pack_hot_pixels(np.zeros((3,), np.int32))


@pytest.mark.parametrize(
    ("contents", "expected"),
    [
        ({"frames": []}, "its table of contents lists no picture"),
        ({"frames": {"frame": {}}}, "its table of contents lists no picture"),
        ({"frames": [{"frame": {}}]}, "its table of contents names no metadataRef"),
        ({"frames": [{"frame": {"metadataRef": 5}}]}, "its table of contents names no metadataRef"),
    ],
)
def test_a_table_of_contents_without_a_picture_is_refused(
    tmp_path: Path, parts: Parts, contents: dict[str, Any], expected: str
) -> None:
    assert expected in message(assembled(tmp_path, parts, **contents))


def test_missing_parts_are_refused(tmp_path: Path, parts: Parts) -> None:
    path = assembled(tmp_path, parts, without=("metadataRef",))
    assert f"it has no section {digest_of(parts['metadataRef'])}" in message(path)
    path = assembled(tmp_path, parts, without=("imageRef",))
    assert "it holds no raw picture, only what was computed from one" in message(path)
    path = assembled(tmp_path, parts, without=("imageRef", "metadataRef"))
    assert "it holds no raw picture" in message(path)
    del parts["imageRef"]
    assert "names no imageRef" in message(assembled(tmp_path, parts))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"{", "its metadata is no valid JSON"),
        (b"[]", "its metadata is no JSON object"),
        (bytes(2 << 20), "too large"),
    ],
)
def test_malformed_metadata_are_refused(tmp_path: Path, parts: Parts, data: bytes, expected: str) -> None:
    assert expected in message(assembled(tmp_path, parts | {"metadataRef": data}))


def test_a_damaged_picture_is_refused(lfr: Path, mosaic: NDArray[np.uint16]) -> None:
    data = pack(mosaic)
    lfr.write_bytes(lfr.read_bytes().replace(data[:20], data[1:21], 1))
    assert f"its section {digest_of(data)} is damaged" in message(lfr)
    # Metadata are still readable
    assert read_capture_metadata(lfr).shape == mosaic.shape


def test_a_picture_of_another_size_is_refused(tmp_path: Path, parts: Parts) -> None:
    path = assembled(tmp_path, parts | {"imageRef": parts["imageRef"][:-5]})
    assert "its picture has 7675 bytes, but 96 x 64 pixels take 7680" in message(path)


def test_other_pixels_are_refused(tmp_path: Path, parts: Parts, made_up: CaptureMetadata) -> None:
    shown, _ = capture_documents(dataclasses.replace(made_up, bits=12))
    path = assembled(tmp_path, parts | {"metadataRef": json.dumps(shown).encode()})
    assert "its pixels are of 12 bits and begin with gr" in message(path)
    shown, _ = capture_documents(dataclasses.replace(made_up, upper_left="b"))
    path = assembled(tmp_path, parts | {"metadataRef": json.dumps(shown).encode()})
    assert "its pixels are of 10 bits and begin with b" in message(path)


def test_the_first_generation_is_recognised_and_not_decoded(tmp_path: Path, parts: Parts) -> None:
    document = json.loads(parts["metadataRef"])
    document["camera"]["model"] = "F01"
    parts["metadataRef"] = json.dumps(document).encode()
    frame = {name: digest_of(data) for name, data in parts.items()}
    path = tmp_path / "IMG_0001.lfp"
    write_container(path, {"picture": {"frameArray": [{"frame": frame}]}}, list(parts.values()))
    assert read_capture_metadata(path).model == "F01"
    assert "of the first generation (F01), which is not decoded" in message(path)


def test_pictures_of_another_form_are_not_written(
    tmp_path: Path, made_up: CaptureMetadata, mosaic: NDArray[np.uint16]
) -> None:
    path = tmp_path / "a.LFR"
    with pytest.raises(TypeError, match="the mosaic is \\(62, 96\\), the metadata say \\(64, 96\\)"):
        write_lfr(path, mosaic[:-2], made_up, THUMBNAIL)
    with pytest.raises(TypeError, match="the mosaic is \\(62, 96\\)"):
        write_mod(tmp_path / "MOD_0001.RAW", mosaic[:-2], made_up)
    with pytest.raises(TypeError, match="a thumbnail must be \\(h, w, 3\\) uint8, not float64"):
        write_lfr(path, mosaic, made_up, np.zeros((2, 2, 3)))
    assert not list(tmp_path.iterdir())
