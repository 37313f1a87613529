"""Metadata and pictures of a made-up camera, small enough for tests."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lfsynth.lytro.lfr_layout import write_lfr
from lfsynth.lytro.metadata import CaptureMetadata

SHAPE = (64, 96)


@pytest.fixture(scope="session")
def made_up() -> CaptureMetadata:
    """Metadata with values that no default has; a window of 96 x 64 pixels."""
    return CaptureMetadata(
        model="ILLUM",
        serial="B5000000017",
        shape=SHAPE,
        bits=10,
        black=np.array([[65, 66], [67, 64]], np.float32),
        white=np.array([[1023, 1022], [1021, 1020]], np.float32),
        upper_left="gr",
        pixel_pitch=1.41e-6,
        lens_pitch=2.01e-5,
        rotation=-7e-4,
        scale=(1.0002, 0.9999),
        sensor_offset=(3e-6, -2e-6, 3.9e-5),
        exit_pupil_offset=0.058,
        f_number=2.2,
        focal_length=0.037,
        zoom_step=-500,
        focus_step=120,
        exposure_time=0.004,
        iso=160.0,
        analog_gain=2.0,
        ccm=np.array([[2.1, -1.0, -0.1], [-0.4, 1.7, -0.3], [-0.2, -0.7, 1.9]]),
        white_balance=np.array([1.5, 1.0, 1.25]),
        modulation_exposure_bias=-0.25,
        limit_exposure_bias=-1.5,
        orientation=1,
        white_refs=(f"sha1-{'5a' * 20}",),
        image_ref=None,
        captured="2015-05-13T04:46:10.000Z",
        document={},
    )


@pytest.fixture(scope="session")
def mosaic() -> NDArray[np.uint16]:
    """Levels from all of the range, (64, 96)."""
    return np.random.default_rng(3).integers(0, 1024, SHAPE, dtype=np.uint16)


@pytest.fixture
def lfr(tmp_path: Path, made_up: CaptureMetadata, mosaic: NDArray[np.uint16]) -> Path:
    """A capture in the camera's form with two hot pixels."""
    path = tmp_path / "IMG_0001.LFR"
    thumbnail = np.full((16, 24, 3), 128, np.uint8)
    write_lfr(path, mosaic, made_up, thumbnail, hot_pixels=np.array([[0, 95], [63, 2]], np.int32))
    return path
