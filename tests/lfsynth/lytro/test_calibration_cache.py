import dataclasses
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from lfsynth.errors import InputError
from lfsynth.lytro import calibration_cache, camera_file
from lfsynth.lytro.calibration import CALIBRATION_VERSION, Calibration
from lfsynth.lytro.calibration_cache import Calibrations, calibrated, find, index, user_cache
from lfsynth.lytro.camera import simulated_camera
from lfsynth.lytro.camera_file import write_camera_file
from lfsynth.lytro.lfr_layout import write_mod
from lfsynth.lytro.metadata import CaptureMetadata
from lfsynth.lytro.simulation import simulate_white
from lfsynth.lytro.white_pictures import How, find_white_pictures

ZOOMS = (0, 300)


@pytest.fixture(scope="module")
def shot() -> CaptureMetadata:
    metadata = simulated_camera((384, 512)).metadata
    return dataclasses.replace(metadata, zoom_step=290, focus_step=-20, source=Path("IMG_0001.LFR"))


@pytest.fixture(scope="module")
def loose(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two white pictures."""
    folder = tmp_path_factory.mktemp("whites")
    camera = simulated_camera((384, 512))
    for number, zoom in enumerate(ZOOMS):
        metadata = dataclasses.replace(camera.metadata, zoom_step=zoom, focus_step=10)
        write_mod(
            folder / f"MOD_000{number}.RAW", simulate_white(camera, np.random.default_rng(number)), metadata
        )
    return folder


@pytest.fixture(scope="module")
def archive(loose: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("card") / "caldata-B5SIMULATED.tar"
    with tarfile.open(path, "w") as file:
        for member in sorted(loose.iterdir()):
            file.add(member, member.name)
    return path


@pytest.fixture(scope="module")
def camera_h5(loose: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("file") / "camera.h5"
    write_camera_file(path, find_white_pictures([loose]))
    return path


@pytest.fixture
def calibrations(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Digests of what is calibrated from here on."""
    done: list[str] = []
    real = calibration_cache.calibrate

    def counted(*arguments: object, digest: str, **options: object) -> Calibration:
        done.append(digest)
        return real(*arguments, digest=digest, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(calibration_cache, "calibrate", counted)
    return done


def kept(cache: Path) -> list[Path]:
    return sorted(path for path in cache.iterdir() if not path.name.startswith("."))


@pytest.mark.parametrize("source", ["loose", "archive", "camera_h5"])
@pytest.mark.parametrize("as_folder", [False, True])
def test_the_white_picture_that_the_shot_needs_is_found_anywhere(
    source: str, as_folder: bool, shot: CaptureMetadata, request: pytest.FixtureRequest
) -> None:
    path = request.getfixturevalue(source)
    folder, file = (path, path / "MOD_0001.RAW") if source == "loose" else (path.parent, path)
    where = folder if as_folder else file
    calibration, choice = find(shot, [where], None)
    assert (choice.how, choice.zoom_distance, choice.focus_distance) == (How.NEAREST, 10, 30)
    assert choice.white.metadata.zoom_step == 300
    assert calibration.digest == choice.white.digest
    assert calibration.lattice.shape == simulated_camera((384, 512)).true_lattice.shape


def test_the_name_that_the_shot_gives_counts_more(shot: CaptureMetadata, camera_h5: Path) -> None:
    far = next(white for white in index([camera_h5]) if white.metadata.zoom_step == 0)
    named = dataclasses.replace(shot, white_refs=(far.digest,))
    calibration, choice = find(named, [camera_h5], None)
    assert (choice.how, choice.zoom_distance, calibration.digest) == (How.HASH, 290, far.digest)


def test_a_camera_file_is_not_calibrated_again(
    shot: CaptureMetadata, camera_h5: Path, tmp_path: Path, calibrations: list[str]
) -> None:
    find(shot, [camera_h5], tmp_path / "cache")
    assert calibrations == []
    assert not (tmp_path / "cache").exists()


def test_the_second_time_comes_from_the_cache(
    shot: CaptureMetadata, archive: Path, tmp_path: Path, calibrations: list[str]
) -> None:
    first, _ = find(shot, [archive], tmp_path)
    second, _ = find(shot, [archive], tmp_path)
    assert calibrations == [first.digest]
    assert second.lattice == first.lattice
    for name in ("white", "black", "level"):
        np.testing.assert_array_equal(getattr(second, name), getattr(first, name))
    assert [path.name for path in kept(tmp_path)] == [f"{first.digest}-v{CALIBRATION_VERSION}.h5"]


def test_changed_pixels_are_calibrated_again(
    shot: CaptureMetadata, loose: Path, tmp_path: Path, calibrations: list[str]
) -> None:
    folder, cache = tmp_path / "whites", tmp_path / "cache"
    shutil.copytree(loose, folder)
    before, _ = find(shot, [folder], cache)
    pixels = bytearray((folder / "MOD_0001.RAW").read_bytes())
    pixels[1000] ^= 1
    (folder / "MOD_0001.RAW").write_bytes(pixels)
    after, _ = find(shot, [folder], cache)
    assert calibrations == [before.digest, after.digest]
    assert before.digest != after.digest


def test_another_version_is_calibrated_again(
    shot: CaptureMetadata,
    archive: Path,
    camera_h5: Path,
    tmp_path: Path,
    calibrations: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    find(shot, [archive], tmp_path)
    for module in (calibration_cache, camera_file):
        monkeypatch.setattr(module, "CALIBRATION_VERSION", CALIBRATION_VERSION + 1)
    find(shot, [archive], tmp_path)
    assert len(calibrations) == 2
    find(shot, [camera_h5], None)
    assert len(calibrations) == 3


@pytest.mark.parametrize("damage", ["cut", "changed", "empty"])
def test_a_damaged_cache_is_made_again(
    shot: CaptureMetadata, archive: Path, tmp_path: Path, calibrations: list[str], damage: str
) -> None:
    first, _ = find(shot, [archive], tmp_path)
    (path,) = kept(tmp_path)
    whole = path.read_bytes()
    if damage == "cut":
        path.write_bytes(whole[:5000])
    elif damage == "changed":
        with h5py.File(path, "r+") as file:
            file[first.digest]["white"][5] ^= 1
    else:
        path.write_bytes(b"")
    again, _ = find(shot, [archive], tmp_path)
    assert len(calibrations) == 2
    np.testing.assert_array_equal(again.white, first.white)
    assert path.read_bytes() == whole


def test_a_cache_that_cannot_be_written_is_done_without(
    shot: CaptureMetadata, archive: Path, tmp_path: Path, calibrations: list[str]
) -> None:
    (tmp_path / "file").write_text("not a folder")
    find(shot, [archive], tmp_path / "file" / "cache")
    assert len(calibrations) == 1


def test_what_a_killed_process_left_is_swept(shot: CaptureMetadata, archive: Path, tmp_path: Path) -> None:
    find(shot, [archive], tmp_path)
    (path,) = kept(tmp_path)
    path.unlink()
    (tmp_path / f".{path.name}.1.partial").write_bytes(b"half")
    find(shot, [archive], tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {path.name, f".{path.name}.lock"}


def test_many_shots_share_one_calibration(
    shot: CaptureMetadata, archive: Path, calibrations: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sought: list[object] = []
    real = calibration_cache.find_white_pictures
    monkeypatch.setattr(
        calibration_cache, "find_white_pictures", lambda paths: sought.append(paths) or real(paths)
    )
    shots = Calibrations([archive], None)
    first, _ = shots.find(shot)
    assert shots.find(dataclasses.replace(shot, focus_step=5))[0] is first
    assert len(calibrations) == 1
    other, choice = shots.find(dataclasses.replace(shot, zoom_step=3))
    assert (other.digest, choice.zoom_distance) == (choice.white.digest, 3)
    assert other is not first
    assert len(sought) == 1


def test_two_processes_at_once_calibrate_once(loose: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from lfsynth.lytro import calibration_cache as c\n"
        "real = c.calibrate\n"
        "def counted(*a, **k):\n"
        "    print('made', flush=True)\n"
        "    return real(*a, **k)\n"
        "c.calibrate = counted\n"
        "white = c.index([Path(sys.argv[1])])[0]\n"
        "print(c.calibrated(white, Path(sys.argv[2])).lattice)\n"
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(loose), str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    said = [process.communicate(timeout=60)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0]
    assert sorted(text.count("made") for text in said) == [0, 1]
    assert said[0].splitlines()[-1] == said[1].splitlines()[-1]


def test_no_white_picture(shot: CaptureMetadata, loose: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^IMG_0001.LFR: .*no white picture"):
        find(shot, [tmp_path], None)
    with pytest.raises(InputError, match="B5999"):
        find(dataclasses.replace(shot, serial="B5999"), [loose], None)
    with pytest.raises(InputError, match="no such file"):
        find(shot, [tmp_path / "none.h5"], None)


def test_foreign_hdf5_files_in_a_folder_are_passed_over(loose: Path, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "views.h5", "w") as file:
        file.attrs["format"] = "lfsynth light field"
    (tmp_path / "broken.h5").write_bytes(b"no HDF5")
    assert index([tmp_path]) == []
    with pytest.raises(InputError, match="no camera file"):
        index([tmp_path / "broken.h5"])


def test_the_users_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert user_cache() == tmp_path / "lfsynth" / "calibration"
    for unusable in ("", "relative/path"):
        monkeypatch.setenv("XDG_CACHE_HOME", unusable)
        monkeypatch.setenv("HOME", os.fspath(tmp_path / "home"))
        assert user_cache() == tmp_path / "home" / ".cache" / "lfsynth" / "calibration"


def test_calibrated_needs_no_cache(loose: Path, calibrations: list[str]) -> None:
    white = index([loose])[0]
    assert calibrated(white, None).digest == calibrations[0] == white.digest
