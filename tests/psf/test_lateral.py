import numpy as np
import pytest

from lfsynth.errors import InputError
from psf.detect import Detection, detect
from psf.lateral import lateral_colour
from psf.models import Gaussian, kernel
from psf.photograph import Plane
from psf.simulate import Exposure, Pose, expose, mosaic, simulate_coverage

BLUR = kernel(Gaussian(6.0), 49)
LARGER = 1.002
MOVED = (0.31, -0.24)  # px


def pose(*, scale: float = 1.0, shift: tuple[float, float] = (2.0, -3.0), pitch: float = 110.0) -> Pose:
    """A target that faces the camera: of another scale, it is a similar picture about the middle."""
    return Pose(
        shape=(600, 800),
        grid=(6, 4),
        pitch=pitch * scale,
        radius=0.27 * pitch * scale,
        tilt=(0.0, 0.0),
        shift=shift,
    )


def light(where: Pose, seed: int) -> np.ndarray:
    return expose(simulate_coverage(BLUR, where), Exposure(noise=0.004), np.random.default_rng(seed))


def moved() -> Pose:
    first = pose().shift
    return pose(scale=LARGER, shift=(first[0] + MOVED[0], first[1] + MOVED[1]))


def check(found, error: float) -> None:  # type: ignore[no-untyped-def]
    """`error` : of a disk's place by the noise, px."""
    assert len(found.points) == len(found.shifts) == 24
    assert found.shift == pytest.approx(MOVED, abs=4 * error * np.sqrt(2 / 24))
    assert found.magnification == pytest.approx(LARGER - 1, abs=4 * found.magnification_error)
    spread = np.sqrt((np.asarray(found.points - found.points.mean(axis=0)) ** 2).sum())
    expected = np.sqrt(2) * error / spread
    # from 45 degrees of freedom: known to a tenth
    assert 0.5 * expected < found.magnification_error < 2 * expected


def test_shift_and_magnification() -> None:
    first, second = (detect(light(where, seed)) for seed, where in enumerate((pose(), moved())))
    check(lateral_colour(first, second), first.expected_rms)


def test_planes_of_a_mosaic_in_pixels_of_the_sensor() -> None:
    red, blue = light(pose(), 0), light(moved(), 1)
    seen = mosaic(np.stack([red, red, blue], axis=-1), "rggb")
    planes, found = [], []
    for name, origin in (("r", (0, 0)), ("b", (1, 1))):
        samples = np.ascontiguousarray(seen[origin[0] :: 2, origin[1] :: 2])
        planes.append(Plane(name, samples, np.zeros(samples.shape, np.uint8), 2, origin))
        found.append(detect(samples))
    check(lateral_colour(found[0], found[1], (planes[0], planes[1])), 2 * found[0].expected_rms)


def test_refuses_pictures_of_other_places() -> None:
    def seen(where: Pose) -> Detection:
        return detect(light(where, 3))

    with pytest.raises(
        InputError, match="shots: fewer than three disks are in both pictures; take both without"
    ):
        lateral_colour(seen(pose()), seen(pose(shift=(2.0, 47.0))), name="shots")
