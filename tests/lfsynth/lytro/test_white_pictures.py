import dataclasses
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lfsynth.errors import InputError
from lfsynth.lytro import byte_range
from lfsynth.lytro.capture import read_capture_metadata
from lfsynth.lytro.container import digest_of, read_container, write_container
from lfsynth.lytro.lfr_layout import white_document, write_lfr, write_mod
from lfsynth.lytro.metadata import CaptureMetadata
from lfsynth.lytro.packing import pack
from lfsynth.lytro.white_pictures import How, choose, find_white_pictures

Mosaic = NDArray[np.uint16]
WriteWhite = Callable[..., str]


@pytest.fixture
def camera(tmp_path: Path) -> Path:
    """An empty folder for a camera's files."""
    folder = tmp_path / "camera"
    folder.mkdir()
    return folder


@pytest.fixture
def white(camera: Path, made_up: CaptureMetadata, mosaic: Mosaic) -> WriteWhite:
    """Write the white picture of a number, its pixels shifted by that, with other metadata; returns its digest."""

    def write(number: int, **changes: Any) -> str:
        metadata = dataclasses.replace(made_up, **changes)
        return write_mod(camera / f"MOD_{number:04d}.RAW", np.roll(mosaic, number), metadata)

    return write


def packed_up(folder: Path) -> Path:
    """The folder's files as the camera's tar, beside it."""
    path = folder.with_name("caldata-B5000000017.tar")
    with tarfile.open(path, "w") as archive:
        for file in sorted(folder.iterdir()):
            archive.add(file, file.name)
    return path


def message(paths: list[Path]) -> str:
    with pytest.raises(InputError) as caught:
        find_white_pictures(paths)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_loose_pictures_are_found_and_read(camera: Path, white: WriteWhite, mosaic: Mosaic) -> None:
    digests = [white(0, zoom_step=-100), white(1, zoom_step=-200)]
    (camera / "MOD_0000.GCT").write_bytes(b"geometry")
    (camera / "notes.txt").write_text("no JSON")
    (camera / "other.raw").write_bytes(b"of another program")
    for paths in ([camera], [camera / "MOD_0000.RAW", camera / "MOD_0001.RAW"]):
        found = find_white_pictures(paths)
        assert [picture.metadata.zoom_step for picture in found] == [-100, -200]
        assert [picture.digest for picture in found] == digests
        assert [picture.member for picture in found] == [None, None]
        assert found[1].label == str(camera / "MOD_0001.RAW")
        np.testing.assert_array_equal(found[1].read(), np.roll(mosaic, 1))


def test_names_in_lower_case_and_json_files_are_taken(camera: Path, white: WriteWhite) -> None:
    white(0)
    (camera / "MOD_0000.TXT").rename(camera / "mod_0000.json")
    (camera / "MOD_0000.RAW").rename(camera / "mod_0000.raw")
    assert len(find_white_pictures([camera])) == 1


def test_a_tar_gives_the_same_as_the_loose_files(camera: Path, white: WriteWhite) -> None:
    for number in range(3):
        white(number, focus_step=number)
    loose = find_white_pictures([camera])
    path = packed_up(camera)
    packed = find_white_pictures([path])
    assert [picture.digest for picture in packed] == [picture.digest for picture in loose]
    assert [picture.metadata.focus_step for picture in packed] == [0, 1, 2]
    assert {picture.source for picture in packed} == {path}
    assert packed[0].label == f"{path}:MOD_0000.RAW"
    for one, other in zip(loose, packed, strict=True):
        np.testing.assert_array_equal(one.read(), other.read())
    # Nothing was unpacked
    assert sorted(file.name for file in path.parent.iterdir()) == [path.name, "camera"]


def test_a_tree_of_everything_is_searched(
    tmp_path: Path, camera: Path, white: WriteWhite, made_up: CaptureMetadata, mosaic: Mosaic
) -> None:
    white(0)
    packed_up(camera)
    program = tmp_path / "cameras" / "sn-B5000000017"
    program.mkdir(parents=True)
    pixels, text = pack(mosaic), json.dumps(white_document(made_up)).encode()
    # Pixels and JSON in different volumes, as the program's size limit for them may have it
    for number, (data, suffix) in enumerate(((pixels, "RAW"), (text, "TXT"))):
        files = [{"name": f"C:\\T1CALIB\\MOD_0007.{suffix}", "dataRef": digest_of(data)}]
        write_container(program / f"data.C.{number}", {"files": files}, [data])
    thumbnail = np.zeros((8, 8, 3), np.uint8)
    write_lfr(tmp_path / "with.LFR", mosaic, made_up, thumbnail, white=np.roll(mosaic, 5))
    write_lfr(tmp_path / "without.LFR", mosaic, made_up, thumbnail)
    (tmp_path / "damaged.LFR").write_bytes(b"damaged")
    found = find_white_pictures([tmp_path])
    names = {(picture.source.name, picture.member) for picture in found}
    assert names == {
        ("MOD_0000.RAW", None),
        ("caldata-B5000000017.tar", "MOD_0000.RAW"),
        ("data.C.0", "C:\\T1CALIB\\MOD_0007.RAW"),
        ("with.LFR", "modulationDataRef"),
    }
    assert len(found) == 4
    for picture in found:
        assert picture.read().shape == mosaic.shape


def test_dark_frames_are_left_out(camera: Path, white: WriteWhite) -> None:
    white(0)
    white(1)
    path = camera / "MOD_0001.TXT"
    path.write_text(path.read_text().replace('"darkFrame": false', '"darkFrame": true'))
    assert [picture.source.name for picture in find_white_pictures([camera])] == ["MOD_0000.RAW"]


def test_finding_reads_no_pixels(camera: Path, white: WriteWhite, monkeypatch: pytest.MonkeyPatch) -> None:
    white(0)
    path = packed_up(camera)
    lengths: list[int] = []
    blocks = byte_range.ByteRange.blocks

    def counted(self: byte_range.ByteRange) -> Any:
        lengths.append(self.length)
        return blocks(self)

    monkeypatch.setattr(byte_range.ByteRange, "blocks", counted)
    found = find_white_pictures([camera, path])
    assert lengths == [(camera / "MOD_0000.TXT").stat().st_size] * 2
    # The digest is computed once
    assert [found[0].digest, found[0].digest] == [found[1].digest] * 2
    assert len(lengths) == 4


def test_damaged_pictures_are_refused(camera: Path, white: WriteWhite) -> None:
    white(0)
    text = (camera / "MOD_0000.TXT").read_text()
    (camera / "MOD_0000.TXT").write_text(text[:-5])
    assert "MOD_0000.TXT: its metadata is no valid JSON" in message([camera])
    assert "its member MOD_0000.TXT is no valid JSON" in message([packed_up(camera)])
    (camera / "MOD_0000.TXT").write_text(text.replace('"width"', '"breadth"'))
    assert "its metadata have no image.width" in message([camera])
    (camera / "MOD_0000.TXT").write_bytes(bytes(2 << 20))
    assert "its metadata is too large to be a camera's" in message([camera])
    (camera / "MOD_0000.TXT").unlink()
    for paths in ([camera], [camera / "MOD_0000.RAW"], [packed_up(camera)]):
        assert "the white picture MOD_0000.RAW has no MOD_0000.TXT beside it" in message(paths)


def test_pixels_cut_short_are_refused_when_read(camera: Path, white: WriteWhite) -> None:
    white(0)
    path = camera / "MOD_0000.RAW"
    path.write_bytes(path.read_bytes()[:-1])
    (found,) = find_white_pictures([camera])
    with pytest.raises(InputError, match="its picture has 7679 bytes, but 96 x 64 pixels take 7680"):
        found.read()


def test_files_without_white_pictures_are_refused(tmp_path: Path, lfr: Path) -> None:
    assert "it holds no white picture" in message([lfr])
    empty = tmp_path / "any.tar"
    with tarfile.open(empty, "w") as archive:
        archive.add(lfr, lfr.name)
    assert "it holds no white picture" in message([empty])
    assert "there is no such file" in message([tmp_path / "none"])
    (tmp_path / "a.png").write_bytes(b"")
    assert "its name is not that of a file of white pictures" in message([tmp_path / "a.png"])
    assert "there is no such file" in message([tmp_path / "MOD_0000.RAW"])
    assert find_white_pictures([]) == []


def test_a_tar_that_leads_outside_is_refused_in_a_tree(tmp_path: Path) -> None:
    info = tarfile.TarInfo("../MOD_0000.RAW")
    (tmp_path / "caldata-X.tar").write_bytes(info.tobuf() + bytes(1024))
    assert "its member '../MOD_0000.RAW' points outside of it" in message([tmp_path])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read any folder")
def test_a_folder_that_may_not_be_read_is_named(camera: Path) -> None:
    camera.chmod(0)
    try:
        assert f"{camera}: it cannot be read" in message([camera.parent])
    finally:
        camera.chmod(0o700)


def test_the_named_picture_is_chosen_before_nearer_ones(
    camera: Path, white: WriteWhite, made_up: CaptureMetadata
) -> None:
    white(0)
    far = white(1, zoom_step=made_up.zoom_step + 300, focus_step=made_up.focus_step - 40)
    shot = dataclasses.replace(made_up, white_refs=(f"sha1-{'0' * 40}", far))
    choice = choose(shot, find_white_pictures([camera]))
    assert choice.how is How.HASH
    assert choice.white.source.name == "MOD_0001.RAW"
    assert (choice.zoom_distance, choice.focus_distance) == (300, 40)


def test_a_picture_may_be_named_by_its_metadata(
    camera: Path, white: WriteWhite, made_up: CaptureMetadata
) -> None:
    white(0)
    white(1, zoom_step=0)
    path = camera / "MOD_0001.TXT"
    path.write_text(path.read_text().replace('"unknown"', f'"{made_up.white_refs[0]}"'))
    choice = choose(made_up, find_white_pictures([camera]))
    assert (choice.how, choice.white.source.name) == (How.HASH, "MOD_0001.RAW")


def test_the_picture_inside_the_capture_is_the_named_one(
    tmp_path: Path, camera: Path, white: WriteWhite, made_up: CaptureMetadata, mosaic: Mosaic
) -> None:
    white(0)
    path = tmp_path / "IMG_0001.LFR"
    inside = np.roll(mosaic, 9)
    write_lfr(path, mosaic, made_up, np.zeros((8, 8, 3), np.uint8), white=inside)
    choice = choose(read_capture_metadata(path), find_white_pictures([camera, path]))
    assert (choice.how, choice.white.source) == (How.HASH, path)
    np.testing.assert_array_equal(choice.white.read(), inside)


def test_the_picture_inside_may_have_metadata_of_its_own(
    tmp_path: Path, made_up: CaptureMetadata, mosaic: Mosaic
) -> None:
    path = tmp_path / "IMG_0001.LFR"
    write_lfr(path, mosaic, made_up, np.zeros((8, 8, 3), np.uint8), white=mosaic)
    container = read_container(path)
    own = json.dumps(white_document(dataclasses.replace(made_up, black=made_up.black - 2))).encode()
    contents = container.contents
    contents["frames"][0]["frame"]["modulationDataMetadataRef"] = digest_of(own)
    write_container(path, contents, [*map(container.section, container.sections), own])
    (found,) = find_white_pictures([path])
    np.testing.assert_array_equal(found.metadata.black, made_up.black - 2)


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        # (zoom, focus) from the shot's
        ([(200, 0), (-60, 100), (60, 10)], 2),
        # Zooms that differ by less than the motor repeats are one
        ([(0, 90), (2, 5), (3, 1)], 2),
        ([(0, 90), (4, 0)], 0),
        ([(10, 7), (12, 7)], 0),
    ],
)
def test_nearest_zoom_then_nearest_focus_is_chosen(
    camera: Path, white: WriteWhite, made_up: CaptureMetadata, others: list[tuple[int, int]], expected: int
) -> None:
    for number, (zoom, focus) in enumerate(others):
        white(number, zoom_step=made_up.zoom_step + zoom, focus_step=made_up.focus_step + focus)
    choice = choose(made_up, find_white_pictures([camera]))
    assert choice.how is How.NEAREST
    assert choice.white.source.name == f"MOD_{expected:04d}.RAW"
    assert (choice.zoom_distance, choice.focus_distance) == tuple(map(abs, others[expected]))


def test_unknown_settings_come_last(camera: Path, white: WriteWhite, made_up: CaptureMetadata) -> None:
    white(0, zoom_step=None, focus_step=None)
    white(1, zoom_step=made_up.zoom_step + 5000)
    whites = find_white_pictures([camera])
    assert choose(made_up, whites).white.source.name == "MOD_0001.RAW"
    shot = dataclasses.replace(made_up, zoom_step=None)
    choice = choose(shot, whites)
    assert (choice.zoom_distance, choice.focus_distance) == (None, 0)


def refusal(shot: CaptureMetadata, camera: Path) -> str:
    with pytest.raises(InputError) as caught:
        choose(shot, find_white_pictures([camera]))
    assert "--calibration" in caught.value.cure
    return str(caught.value)


def test_no_white_picture_is_refused(camera: Path, made_up: CaptureMetadata) -> None:
    shot = dataclasses.replace(made_up, source=camera / "IMG_0001.LFR")
    assert refusal(shot, camera).startswith(
        f"{shot.source}: there is no white picture for its camera B5000000017; give the camera's caldata-*.tar"
    )


def test_white_pictures_of_another_camera_are_refused(
    camera: Path, white: WriteWhite, made_up: CaptureMetadata
) -> None:
    white(0, serial="B5111111111")
    white(1, serial=None)
    expected = "it is of camera B5000000017, the white pictures found are of (unknown), B5111111111"
    assert expected in refusal(made_up, camera)


def test_a_shot_that_does_not_say_its_camera(
    camera: Path, white: WriteWhite, made_up: CaptureMetadata
) -> None:
    white(0)
    shot = dataclasses.replace(made_up, serial=None)
    assert choose(shot, find_white_pictures([camera])).how is How.NEAREST
    white(1, serial="B5111111111")
    assert "it does not say its camera, the white pictures are of B5000000017, B5111111111" in refusal(
        shot, camera
    )


def test_white_pictures_of_another_size_are_refused(
    camera: Path, made_up: CaptureMetadata, mosaic: Mosaic
) -> None:
    half = np.ascontiguousarray(mosaic[:32])
    write_mod(camera / "MOD_0000.RAW", half, dataclasses.replace(made_up, shape=(32, 96)))
    assert "it has 96 x 64 px, its camera's white pictures 96 x 32" in refusal(made_up, camera)
