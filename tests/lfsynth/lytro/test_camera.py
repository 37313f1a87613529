"""The simulated camera: where its lenses are, its colours, and real metadata."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lfsynth.errors import InputError
from lfsynth.lytro.camera import (
    SENSOR_SHAPE,
    SERIAL,
    at_steps,
    camera_like,
    neutral,
    simulated_camera,
    windowed,
    with_hot_pixels,
)
from lfsynth.lytro.lfr_layout import capture_documents, white_document


def test_lenses_lie_as_the_metadata_say() -> None:
    camera = simulated_camera()
    known = camera.metadata
    lattice = camera.true_lattice
    pitch = 2.0e-5 / 1.4e-6 * (1 + 4.02e-5 / 0.0572)
    assert lattice.pitch == pytest.approx(pitch, rel=1e-12)
    assert lattice.rotation == pytest.approx(0.0011)
    assert np.hypot(*lattice.down) == pytest.approx(pitch * np.sqrt(3) / 2 * 1.00025, rel=1e-12)
    # Rows are perpendicular to the lattice's columns.
    assert np.dot(lattice.across, lattice.down) == pytest.approx(0, abs=1e-9)
    # Some disk lies in the middle of the sensor but for the offset, which the metadata give as (x, y).
    middle = np.array(
        [(SENSOR_SHAPE[0] - 1) / 2 - 3.1e-6 / 1.4e-6, (SENSOR_SHAPE[1] - 1) / 2 + 4.2e-6 / 1.4e-6]
    )
    nearest = np.linalg.norm(lattice.centres() - middle, axis=-1).min()
    assert nearest == pytest.approx(0, abs=1e-9)
    assert known.shape == SENSOR_SHAPE


def test_colours_come_back_through_white_balance_and_matrix() -> None:
    camera = simulated_camera((128, 128))
    bias = replace(camera, metadata=replace(camera.metadata, modulation_exposure_bias=-0.5), exposure=2.0)
    colour = np.array([0.3, 0.5, 0.1])
    sensor = bias.sensor_from_scene @ colour
    decoded = bias.metadata.ccm @ (sensor * bias.metadata.white_balance) * 2.0**-0.5
    np.testing.assert_allclose(decoded, 2 * colour, rtol=1e-12)


def test_a_neutral_camera_has_the_scenes_colours() -> None:
    np.testing.assert_array_equal(neutral(simulated_camera((128, 128))).sensor_from_scene, np.eye(3))


def test_the_lens_moves_the_disks_outwards_by_tenths_of_a_pixel() -> None:
    camera = simulated_camera()
    moved = at_steps(camera, -150, -40)
    assert (moved.metadata.zoom_step, moved.metadata.focus_step) == (-690, -70)
    shift = (moved.true_lattice.pitch / camera.true_lattice.pitch - 1) * np.hypot(*SENSOR_SHAPE) / 2
    assert 0.05 < shift < 0.5
    with pytest.raises(ValueError, match="-9000 steps of zoom"):
        at_steps(camera, -9000, 0)


def test_hot_pixels_are_different_ones_on_the_sensor() -> None:
    camera = with_hot_pixels(simulated_camera((200, 300)), np.random.default_rng(1), fraction=0.01)
    assert camera.hot_pixels.shape == (600, 2)
    assert len({tuple(at) for at in camera.hot_pixels.tolist()}) == 600
    assert (camera.hot_pixels >= 0).all()
    assert (camera.hot_pixels < (200, 300)).all()


@pytest.mark.parametrize("shape", [(129, 128), (128, 130), (126, 128), (128, 124)])
def test_sensors_that_cannot_be_packed_are_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=f"{shape[0]} x {shape[1]} is no sensor"):
        windowed(simulated_camera(), shape)


@pytest.mark.parametrize("white", [False, True])
def test_metadata_of_a_camera_make_one_like_it(tmp_path: Path, white: bool) -> None:
    known = replace(simulated_camera((128, 256)).metadata, rotation=-0.002, serial="B5000000000")
    path = tmp_path / "my camera 7.json"
    document = white_document(known) if white else capture_documents(known)[0]
    path.write_text(json.dumps(document))
    like = camera_like(path).metadata
    assert like.serial == f"{SERIAL}-MYCAMERA7"
    assert (like.shape, like.rotation, like.lens_pitch) == (known.shape, known.rotation, known.lens_pitch)
    np.testing.assert_array_equal(like.ccm, known.ccm)


def test_a_camera_that_cannot_be_simulated_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "camera.json"
    document = capture_documents(simulated_camera((128, 128)).metadata)[0]
    document["image"]["pixelPacking"]["bitsPerPixel"] = 12
    path.write_text(json.dumps(document))
    with pytest.raises(
        InputError, match="is of a camera that is not simulated; give the metadata of an Illum"
    ):
        camera_like(path)
    with pytest.raises(InputError, match="cannot be read"):
        camera_like(tmp_path / "none.json")


@pytest.mark.parametrize("name", ["toy.json", "MOD_0015.TXT"])
def test_real_metadata_make_a_camera(shared_data: Path, name: str) -> None:
    camera = camera_like(shared_data / "lytro_files" / name)
    assert camera.shape == SENSOR_SHAPE
    lattice = camera.true_lattice
    assert 14.2 < lattice.pitch < 14.4
    assert 425 < lattice.shape[0] < 440
    assert abs(lattice.square_grid().shape[1] - 623) < 6
