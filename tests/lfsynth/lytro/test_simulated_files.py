"""Folders of simulated captures."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import imageio.v2
import numpy as np
import pytest

from lfsynth.errors import InputError
from lfsynth.lytro.camera import SENSOR_SHAPE, SERIAL, simulated_camera
from lfsynth.lytro.capture import read_capture
from lfsynth.lytro.lfr_layout import write_lfr
from lfsynth.lytro.simulated_files import FACTS, TRUTH, Job, run
from lfsynth.lytro.simulated_scenes import SCENES
from lfsynth.lytro.simulation import true_views
from lfsynth.lytro.white_pictures import How, choose, find_white_pictures
from lfsynth.readers import find_light_fields, read_light_field

SHAPE = (128, 160)
Contents = Callable[[Path], dict[str, str]]


def job(out: Path, **others: object) -> Job:
    plain = Job(
        out, simulated_camera(SHAPE), "layers", SCENES["layers"], shots=2, seed=7, truth=True, whites=2
    )
    return replace(plain, **others)  # type: ignore[arg-type]


def simulate(wanted: Job, *, threads: int = 1) -> list[Path]:
    return run(wanted, threads=threads, report=lambda what, done: None)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("simulated") / "raw"
    simulate(job(out))
    return out


def test_captures_and_white_pictures_are_what_a_camera_writes(made: Path) -> None:
    names = sorted(path.name for path in made.iterdir() if not path.name.startswith("."))
    assert names == ["IMG_0001.LFR", "IMG_0002.LFR", f"caldata-{SERIAL}.tar", FACTS]
    capture = read_capture(made / "IMG_0001.LFR")
    assert capture.mosaic.shape == SHAPE
    assert capture.metadata.notes == ()
    assert len(capture.hot_pixels) == 1
    (y, x), *_ = capture.hot_pixels
    assert capture.mosaic[y, x] > 64 + 0.5 * 959
    whites = find_white_pictures([made])
    assert [white.member for white in whites] == [f"MOD_{k:04d}.RAW" for k in range(2)]
    choice = choose(capture.metadata, whites)
    assert (choice.how, choice.zoom_distance, choice.focus_distance) == (How.HASH, 0, 0)
    # Without the hash it is the nearest by zoom and focus.
    unnamed = choose(replace(capture.metadata, white_refs=()), whites)
    assert unnamed.white.member == choice.white.member
    assert whites[0].metadata.focus_step != whites[1].metadata.focus_step


def test_it_is_called_a_simulation_everywhere(made: Path) -> None:
    facts = json.loads((made / FACTS).read_text())
    assert facts["what"] == "simulated captures of a Lytro Illum, not photographs"
    assert facts["seed"] == 7
    known = read_capture(made / "IMG_0001.LFR").metadata
    assert known.document["generator"] == "lfsynth simulation"
    assert "SIMULATED" in str(known.serial)
    assert "simulated" in read_light_field(made / TRUTH / "IMG_0001.h5").metadata["capture"]["simulation"]


def test_the_truth_is_the_light_field_of_the_capture(made: Path) -> None:
    camera = simulated_camera(SHAPE)
    grid = camera.true_lattice.square_grid()
    scene = SCENES["layers"](job(made).generator(2, 1), grid.shape)
    read = read_light_field(made / TRUTH / "IMG_0001.h5")
    # 16 bits along the sRGB curve.
    np.testing.assert_allclose(read.views, true_views(camera, scene, grid), atol=2e-5)
    assert read.weights[6, 6] == 1
    assert (read.weights[0, 0], read.weights[0, 4], read.weights[0, 3]) == (0, 1, 0)


def test_the_truth_is_not_taken_for_a_capture(made: Path) -> None:
    assert [path.name for path in find_light_fields(made)] == ["IMG_0001.LFR", "IMG_0002.LFR"]
    assert [path.name for path in find_light_fields(made / TRUTH)] == ["IMG_0001.h5", "IMG_0002.h5"]


def test_captures_differ_and_the_camera_does_not(made: Path) -> None:
    one, two = (read_capture(made / f"IMG_000{k}.LFR") for k in (1, 2))
    assert (one.mosaic != two.mosaic).mean() > 0.5
    np.testing.assert_array_equal(one.hot_pixels, two.hot_pixels)


def test_a_run_that_was_stopped_goes_on_to_the_same_bytes(
    made: Path, tmp_path: Path, contents: Contents
) -> None:
    whole = contents(made)
    for lost in (
        ("IMG_0002.LFR", f"{TRUTH}/IMG_0002.h5"),
        (f"caldata-{SERIAL}.tar", "IMG_0001.LFR"),
        (f"{TRUTH}/IMG_0001.h5",),
    ):
        again = tmp_path / lost[0].replace("/", "_")
        shutil.copytree(made, again)
        kept = (again / "IMG_0001.LFR").stat().st_mtime_ns
        for name in lost:
            (again / name).unlink()
        (again / ".IMG_0002.LFR.4194304.partial").write_bytes(b"half")
        simulate(job(again), threads=2)
        assert contents(again) == whole
        assert ((again / "IMG_0001.LFR").stat().st_mtime_ns == kept) == ("IMG_0001.LFR" not in lost)


def test_more_shots_and_loose_white_pictures_are_added(
    made: Path, tmp_path: Path, contents: Contents
) -> None:
    out = tmp_path / "raw"
    simulate(job(out, shots=1, truth=False))
    simulate(job(out, loose=True))
    found = contents(out)
    assert found.items() >= contents(made).items()
    (loose,) = (white for white in find_white_pictures([out / "MOD_0001.RAW"]))
    (packed,) = (white for white in find_white_pictures([made]) if white.member == "MOD_0001.RAW")
    assert loose.digest == packed.digest
    assert set(found) - set(contents(made)) == {
        f"MOD_000{k}.{kind}" for k in (0, 1) for kind in ("RAW", "TXT")
    }


def test_without_noise_there_are_no_hot_pixels(tmp_path: Path) -> None:
    simulate(job(tmp_path / "raw", shots=1, truth=False, noise=False, whites=1))
    capture = read_capture(tmp_path / "raw" / "IMG_0001.LFR")
    assert len(capture.hot_pixels) == 0
    assert capture.mosaic.min() == 64


@pytest.mark.parametrize("others", [{"seed": 8}, {"noise": False}, {"scene": "planes"}, {"whites": 3}])
def test_a_folder_of_another_simulation_is_refused(made: Path, others: dict[str, object]) -> None:
    with pytest.raises(InputError, match="it holds a simulation with other options; choose another folder"):
        simulate(job(made, **others))


def test_a_folder_of_another_camera_or_of_damaged_facts_is_refused(made: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="with other options"):
        simulate(job(made, camera=simulated_camera((128, 164))))
    (tmp_path / FACTS).write_text("{")
    with pytest.raises(InputError, match="with other options"):
        simulate(job(tmp_path))


def test_real_captures_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "IMG_0001.LFR").write_bytes(b"precious")
    with pytest.raises(InputError, match="it holds captures that are not simulated"):
        simulate(job(tmp_path))
    assert (tmp_path / "IMG_0001.LFR").read_bytes() == b"precious"
    assert not (tmp_path / FACTS).exists()


def test_progress_names_what_is_made(tmp_path: Path) -> None:
    told: list[tuple[str, float]] = []
    run(job(tmp_path / "raw", shots=1), threads=1, report=lambda what, done: told.append((what, done)))
    names = list(dict.fromkeys(what for what, _ in told))
    assert names == [f"caldata-{SERIAL}.tar", "IMG_0001.LFR", "truth of IMG_0001.LFR"]
    for name in names:
        parts = [done for what, done in told if what == name]
        assert parts == sorted(parts)
        assert parts[-1] == 1.0


def test_imageio_reads_a_capture_of_full_size(tmp_path: Path) -> None:
    metadata = simulated_camera().metadata
    mosaic = np.zeros(SENSOR_SHAPE, np.uint16)
    mosaic[1000, 2000:2004] = (1, 1023, 512, 7)
    path = tmp_path / "IMG_0001.LFR"
    write_lfr(path, mosaic, metadata, np.zeros((24, 32, 3), np.uint8))
    read = imageio.v2.imread(path, format="LYTRO-LFR")
    assert read.shape == SENSOR_SHAPE
    np.testing.assert_allclose(read[1000, 2000:2004] * 1023, (1, 1023, 512, 7), rtol=1e-12)
    assert read.meta["privateMetadata"]["camera"]["serialNumber"] == SERIAL
    assert read.meta["thumbnail"]["image"].shape == (24, 32, 3)
