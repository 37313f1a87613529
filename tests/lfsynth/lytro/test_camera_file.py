import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from lfsynth.errors import InputError
from lfsynth.lytro import camera_file
from lfsynth.lytro.calibration import Calibration
from lfsynth.lytro.camera import simulated_camera
from lfsynth.lytro.camera_file import (
    Entry,
    is_camera_file,
    load_calibration,
    save_calibration,
    white_pictures_in,
    write_camera_file,
)
from lfsynth.lytro.lfr_layout import write_mod
from lfsynth.lytro.packing import pack
from lfsynth.lytro.simulation import simulate_white
from lfsynth.lytro.white_pictures import WhitePicture, find_white_pictures


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two loose white pictures of one camera, and a black one."""
    folder = tmp_path_factory.mktemp("whites")
    camera = simulated_camera((384, 512))
    for number in range(2):
        metadata = dataclasses.replace(camera.metadata, zoom_step=100 * number)
        white = simulate_white(camera, np.random.default_rng(number))
        write_mod(folder / f"MOD_000{number}.RAW", white, metadata)
    write_mod(folder / "MOD_0002.RAW", np.full((384, 512), 64, np.uint16), camera.metadata)
    return folder


@pytest.fixture(scope="module")
def whites(folder: Path) -> list[WhitePicture]:
    return find_white_pictures([folder])


@pytest.fixture
def stored(tmp_path: Path, whites: list[WhitePicture]) -> Path:
    """A camera file with the first white picture."""
    path = tmp_path / "camera.h5"
    assert [entry.made for entry in write_camera_file(path, whites[:1])] == [True]
    return path


@pytest.fixture
def calibrations(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Digests of what is calibrated from here on."""
    done: list[str] = []
    real = camera_file.calibrate

    def counted(*arguments: object, digest: str, **options: object) -> Calibration:
        done.append(digest)
        return real(*arguments, digest=digest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(camera_file, "calibrate", counted)
    return done


def change(path: Path, how: Callable[[h5py.Group], None]) -> None:
    with h5py.File(path, "r+") as file:
        how(file[next(iter(file))])


def test_a_camera_file_is_all_that_is_needed(stored: Path, whites: list[WhitePicture]) -> None:
    (found,) = white_pictures_in(stored)
    assert found.digest == whites[0].digest
    np.testing.assert_array_equal(found.read(), whites[0].read())
    for field in dataclasses.fields(found.metadata):
        if field.name not in ("document", "notes", "source"):
            np.testing.assert_array_equal(
                getattr(found.metadata, field.name), getattr(whites[0].metadata, field.name)
            )
    assert found.metadata.source == stored
    calibration = load_calibration(stored, found)
    assert calibration is not None
    expected = camera_file.calibrate(
        whites[0].read(), whites[0].metadata, source=whites[0].label, digest=whites[0].digest
    )
    for field in dataclasses.fields(expected):
        np.testing.assert_array_equal(getattr(calibration, field.name), getattr(expected, field.name))
    assert calibration.lattice == expected.lattice


def test_plain_h5py_reads_it(stored: Path, whites: list[WhitePicture]) -> None:
    with h5py.File(stored) as file:
        group = file[whites[0].digest]
        assert group["pixels"][()].tobytes() == pack(whites[0].read())
        assert json.loads(group.attrs["metadata"])["serial"] == "B5SIMULATED"
        assert json.loads(group.attrs["calibration"])["digest"] == whites[0].digest


def test_what_is_there_is_kept_and_bad_ones_are_left_out(
    stored: Path, whites: list[WhitePicture], calibrations: list[str]
) -> None:
    reported: list[Entry] = []
    entries = write_camera_file(stored, whites[1:], report=reported.append)
    assert sorted((entry.made, bool(entry.fault)) for entry in entries) == [
        (False, False),
        (False, True),
        (True, False),
    ]
    assert "black or too dark" in next(entry.fault for entry in entries if entry.fault)
    assert len(reported) == 2
    assert sorted(calibrations) == sorted(white.digest for white in whites[1:])
    assert {white.digest for white in white_pictures_in(stored)} == {white.digest for white in whites[:2]}
    assert {path.name for path in stored.parent.iterdir()} == {"camera.h5", ".camera.h5.lock"}


def test_the_order_of_work_does_not_show(tmp_path: Path, whites: list[WhitePicture]) -> None:
    one, other = tmp_path / "one.h5", tmp_path / "other.h5"
    write_camera_file(one, whites[:2])
    write_camera_file(other, whites[1:2])
    write_camera_file(other, whites[:1])
    assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize(
    "how",
    [
        lambda group: group.attrs.__setitem__("calibration", group.attrs["calibration"].replace("5", "6", 1)),
        lambda group: group.attrs.__delitem__("calibration"),
        lambda group: group["white"].__setitem__(1000, int(group["white"][1000]) ^ 1),
        lambda group: group.__delitem__("white"),
    ],
)
def test_a_damaged_calibration_is_made_again(
    stored: Path, calibrations: list[str], how: Callable[[h5py.Group], None]
) -> None:
    whole = stored.read_bytes()
    change(stored, how)
    (white,) = white_pictures_in(stored)
    assert load_calibration(stored, white) is None
    assert [entry.made for entry in write_camera_file(stored, [])] == [True]
    assert calibrations == [white.digest]
    with h5py.File(stored) as file:
        kept = file[white.digest].attrs["calibration"]
    # Only the source is another: the camera file itself.
    assert {**json.loads(kept), "source": ""} == {
        **json.loads(_calibration_in(whole, white.digest)),
        "source": "",
    }


def _calibration_in(whole: bytes, digest: str) -> str:
    import io

    with h5py.File(io.BytesIO(whole)) as file:
        return str(file[digest].attrs["calibration"])


def test_another_version_is_made_again(
    stored: Path, calibrations: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(camera_file, "CALIBRATION_VERSION", 999)
    (white,) = white_pictures_in(stored)
    assert load_calibration(stored, white) is None
    write_camera_file(stored, [])
    assert calibrations == [white.digest]


def test_other_levels_are_calibrated_again(stored: Path) -> None:
    (white,) = white_pictures_in(stored)
    other = dataclasses.replace(white.metadata, black=white.metadata.black + 1)
    assert load_calibration(stored, dataclasses.replace(white, metadata=other)) is None


def test_damaged_pixels_are_refused_and_replaced(stored: Path, whites: list[WhitePicture]) -> None:
    change(stored, lambda group: group["pixels"].__setitem__(7, int(group["pixels"][7]) ^ 1))
    (white,) = white_pictures_in(stored)
    with pytest.raises(InputError, match="damaged"):
        white.read()
    (entry,) = write_camera_file(stored, whites[:1])
    assert not entry.fault
    np.testing.assert_array_equal(white_pictures_in(stored)[0].read(), whites[0].read())


def test_pixels_without_a_source_are_said_to_be_lost(stored: Path) -> None:
    change(stored, lambda group: group["pixels"].__setitem__(7, int(group["pixels"][7]) ^ 1))
    (entry,) = write_camera_file(stored, [])
    assert "damaged" in entry.fault


@pytest.mark.parametrize("length", [0, 10, 700, 3000, 300_000])
def test_a_truncated_file_is_refused(stored: Path, length: int) -> None:
    stored.write_bytes(stored.read_bytes()[:length])
    with pytest.raises(InputError, match="lfsynth calibrate"):
        white_pictures_in(stored)
    with pytest.raises(InputError, match="lfsynth calibrate"):
        write_camera_file(stored, [])


def test_pixels_in_pieces_are_refused(stored: Path) -> None:
    def chunked(group: h5py.Group) -> None:
        pixels = group["pixels"][()]
        del group["pixels"]
        group.create_dataset("pixels", data=pixels, chunks=(1000,))

    change(stored, chunked)
    with pytest.raises(InputError, match="not in one piece"):
        white_pictures_in(stored)


def test_changed_metadata_are_refused(stored: Path) -> None:
    change(
        stored,
        lambda group: group.attrs.__setitem__("metadata", group.attrs["metadata"].replace("0", "1", 1)),
    )
    with pytest.raises(InputError, match=r"metadata of .* not as it was written"):
        white_pictures_in(stored)


def test_other_files_are_neither_read_nor_overwritten(tmp_path: Path, whites: list[WhitePicture]) -> None:
    path = tmp_path / "views.h5"
    with h5py.File(path, "w") as file:
        file.attrs["format"] = "lfsynth light field"
    before = path.read_bytes()
    assert not is_camera_file(path)
    with pytest.raises(InputError, match="no camera file"):
        write_camera_file(path, whites[:1])
    assert path.read_bytes() == before
    with pytest.raises(InputError, match="there is no such file"):
        white_pictures_in(tmp_path / "none.h5")
    with h5py.File(path, "w") as file:
        file.attrs.update({"format": camera_file.FORMAT, "version": 7})
    with pytest.raises(InputError, match="of version 7"):
        white_pictures_in(path)


def test_a_folder_that_cannot_be_written_to(tmp_path: Path, whites: list[WhitePicture]) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        write_camera_file(tmp_path / "missing" / "camera.h5", whites[:1])


def test_a_calibration_alone(tmp_path: Path, whites: list[WhitePicture], stored: Path) -> None:
    calibration = load_calibration(stored, whites[0])
    assert calibration is not None
    path = tmp_path / "kept.h5"
    save_calibration(path, calibration)
    again = load_calibration(path, whites[0])
    assert again is not None
    assert again.lattice == calibration.lattice
    np.testing.assert_array_equal(again.white, calibration.white)
    assert load_calibration(path, whites[1]) is None


def test_two_processes_at_once_lose_nothing(tmp_path: Path, folder: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from lfsynth.lytro.camera_file import write_camera_file\n"
        "from lfsynth.lytro.white_pictures import find_white_pictures\n"
        "write_camera_file(Path(sys.argv[1]), find_white_pictures([Path(sys.argv[2])]))"
    )
    path = tmp_path / "camera.h5"
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(path), str(folder / f"MOD_000{number}.RAW")])
        for number in range(2)
    ]
    assert [process.wait(60) for process in running] == [0, 0]
    assert len(white_pictures_in(path)) == 2
