from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from lfsynth.errors import InputError
from lfsynth.lytro.calibration import CALIBRATION_VERSION, Calibration, calibrate
from lfsynth.lytro.camera import Camera, simulated_camera
from lfsynth.lytro.simulation import simulate_white

Mosaic = NDArray[np.uint16]


@pytest.fixture(scope="module")
def camera() -> Camera:
    camera = simulated_camera((384, 512))
    black = np.array([[64, 66], [62, 65]], np.float32)
    return replace(camera, metadata=replace(camera.metadata, black=black))


@pytest.fixture(scope="module")
def white(camera: Camera) -> Mosaic:
    return simulate_white(camera, np.random.default_rng(1))


def made(picture: Mosaic, camera: Camera) -> Calibration:
    return calibrate(picture, camera.metadata, source="MOD_0001.RAW", digest="sha1-x")


def message(picture: Mosaic, camera: Camera) -> str:
    with pytest.raises(InputError) as caught:
        made(picture, camera)
    assert str(caught.value).startswith("MOD_0001.RAW: ")
    assert "caldata" in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_calibration_of_a_simulated_camera(camera: Camera, white: Mosaic) -> None:
    calibration = made(white, camera)
    true = camera.true_lattice
    assert calibration.lattice.shape == true.shape
    # The fit's own tolerance on a thousand disks with noise.
    np.testing.assert_allclose(calibration.lattice.centres(), true.centres(), atol=0.05)
    assert (calibration.digest, calibration.source, calibration.version) == (
        "sha1-x",
        "MOD_0001.RAW",
        CALIBRATION_VERSION,
    )
    assert calibration.radius == pytest.approx(camera.disk_radius, abs=0.3)
    assert calibration.residual < 0.1


def test_response_is_one_in_the_middle_of_each_colour_and_none_between_disks(
    camera: Camera, white: Mosaic
) -> None:
    calibration = made(white, camera)
    lamp = np.array(camera.white_lamp)[np.array([[1, 0], [2, 1]])]
    # The median of some thousand pixels of 2 % noise, and rounding.
    expected = lamp * (camera.metadata.white - camera.metadata.black)
    np.testing.assert_allclose(calibration.level, expected, rtol=0.01)
    response = calibration.response()
    assert response.dtype == np.float32
    centres = camera.true_lattice.centres()[12:18, 14:20].reshape(-1, 2)
    y, x = np.rint(centres).astype(int).T
    for i, j in np.ndindex(2, 2):
        these = (y % 2 == i) & (x % 2 == j)
        np.testing.assert_allclose(response[y[these], x[these]], 1, atol=0.03)
    # A third of the way to the row below, between three disks.
    gaps = np.rint(centres + np.array([camera.true_lattice.pitch / np.sqrt(3), 0])).astype(int)
    assert response[gaps[:, 0], gaps[:, 1]].mean() < 0.05


def test_two_threads_change_nothing(camera: Camera, white: Mosaic) -> None:
    one = made(white, camera)
    two = calibrate(white, camera.metadata, source="x", digest="y", threads=2)
    np.testing.assert_array_equal(one.white, two.white)
    assert one.lattice == two.lattice


def test_metadata_of_the_optics_are_not_needed(camera: Camera, white: Mosaic) -> None:
    other = replace(camera.metadata, lens_pitch=3e-5, rotation=-0.05, scale=(1.05, 1.0))
    assert calibrate(white, other, source="x", digest="y").lattice == made(white, camera).lattice


def test_a_black_picture_is_refused(camera: Camera, white: Mosaic) -> None:
    assert "is black or too dark" in message(np.full_like(white, 65), camera)


def test_a_dark_picture_is_refused(camera: Camera) -> None:
    dim = replace(camera, white_lamp=(0.02, 0.06, 0.02))
    assert "is too dark" in message(simulate_white(dim, np.random.default_rng(1)), camera)


def test_a_saturated_picture_is_refused(camera: Camera, white: Mosaic) -> None:
    assert "is saturated;" in message(np.full_like(white, 1023), camera)
    bright = replace(camera, white_lamp=(0.7, 1.1, 0.7))
    text = message(simulate_white(bright, np.random.default_rng(1)), camera)
    assert "is saturated (" in text
    assert "% of the disks' middles)" in text


def test_a_noisy_picture_is_refused(camera: Camera) -> None:
    noisy = replace(camera, full_well=60.0, white_lamp=(0.3, 0.4, 0.3))
    assert "is too noisy (" in message(simulate_white(noisy, np.random.default_rng(1)), camera)


def test_a_picture_without_microlenses_is_refused(camera: Camera, white: Mosaic) -> None:
    plain = np.random.default_rng(2).integers(400, 500, white.shape).astype(np.uint16)
    assert "no white picture taken through microlenses: it shows no regular pattern" in message(plain, camera)


def test_arrays_of_other_kinds_are_refused(camera: Camera, white: Mosaic) -> None:
    with pytest.raises(TypeError, match=r"uint16 \(H, W\)"):
        made(white.astype(np.float32), camera)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"uint16 \(H, W\)"):
        made(white[None], camera)
