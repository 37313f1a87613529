"""What a lens and a sensor do to pictures, one after the other, and with both samplings of the aperture."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from lfsynth.aperture import Sampling, circular, view_weights
from lfsynth.camera_psf import CameraPsf
from lfsynth.dense import refocus_dense
from lfsynth.frame import Frame
from lfsynth.generate import Recipe, make_scene
from lfsynth.lens import PLAIN, Lens, Openings, photographs
from lfsynth.lightfield import LightField
from lfsynth.refocus import refocus
from lfsynth.scene import SimulatedScene, simulate
from lfsynth.sensor import SensorNoise

SLOPES = np.array([-0.8, 0.6])
RADII = (1.5, 3.0)


@pytest.fixture(scope="module")
def scene() -> SimulatedScene:
    return simulate(np.random.default_rng(3), grid=(7, 7), size=(72, 96))


def kernel(side: int = 5) -> CameraPsf:
    rng = np.random.default_rng(9)
    values = rng.random((side, side))
    return CameraPsf(values / values.sum(), "0" * 64)


def openings(lf: LightField, lens: Lens, sampling: Sampling) -> Openings:
    pupils = [circular(lf.grid, radius, centre=lf.centre, parts=lens.parts) for radius in RADII]
    return Openings(np.stack(pupils), RADII[-1], sampling)


def taken(
    scene: SimulatedScene, lens: Lens, sampling: Sampling, *, frame: Frame | None = None, threads: int = 1
) -> NDArray[np.float32]:
    lf = scene.lightfield
    return photographs(
        lf,
        SLOPES,
        openings(lf, lens, sampling),
        lens,
        disparity=scene.disparity,
        frame=frame or Frame.native(lf.size, margin=(4, 4)),
        scene="a",
        threads=threads,
    )


@pytest.mark.parametrize("sampling", Sampling)
def test_a_plain_lens_refocuses(scene: SimulatedScene, sampling: Sampling) -> None:
    lf, frame = scene.lightfield, Frame.resized(scene.lightfield.size, (50, 60))
    cells = openings(lf, PLAIN, sampling).pupils
    if sampling is Sampling.DENSE:
        expected = refocus_dense(lf, SLOPES, cells, scene.disparity, frame=frame)
    else:
        expected = refocus(lf, SLOPES, view_weights(cells), frame=frame)
    np.testing.assert_array_equal(taken(scene, PLAIN, sampling, frame=frame), expected)


FRAMES = [
    Frame.native((72, 96)),
    Frame.native((72, 96), margin=(4, 9)),
    Frame.resized((72, 96), (100, 130), margin=(4, 4)),
    Frame.resized((72, 96), (30, 40), margin=(4, 4)),
]


@pytest.mark.parametrize("frame", FRAMES, ids=["whole", "cropped", "finer", "coarser"])
def test_cells_of_the_picture_fit_together(scene: SimulatedScene, frame: Frame) -> None:
    # Rims that are displaced by less than anything: cells, cut out of the views and blended, are the plain picture.
    cells = taken(scene, Lens(cats_eye=1e-9), Sampling.VIEWS, frame=frame)
    whole = np.clip(taken(scene, PLAIN, Sampling.VIEWS, frame=frame), 0, 1)
    # float32, and sums in another order
    np.testing.assert_allclose(cells, whole, atol=3e-6)


def test_a_light_in_the_corner_becomes_a_cats_eye() -> None:
    """Its disk, point by point: open where the aperture's point is within the rims as seen from there."""
    size, spacing, fraction = (90, 120), 3, 0.9
    y, x = 20, 24
    views = np.zeros((9, 9, *size, 1), np.float32)
    for u in range(9):
        for v in range(9):
            views[u, v, y - spacing * (u - 4), x - spacing * (v - 4)] = 1
    ones = np.ones((9, 9), np.float32)
    lf = LightField(views, ones, ones.copy(), Path("made"))
    flat = np.full(lf.size, spacing, np.float32)

    def spot(lens: Lens) -> NDArray[np.float64]:
        pupil = circular(lf.grid, 4.0, centre=lf.centre, parts=lens.parts)[None]
        opening = Openings(pupil, 4.0, Sampling.DENSE)
        slopes, frame = np.array([0.0]), Frame.native(lf.size)
        made = photographs(lf, slopes, opening, lens, disparity=flat, frame=frame)[0, 0, :, :, 0]
        return made[y - 16 : y + 17, x - 16 : x + 17].astype(np.float64)

    def correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
        return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))

    fine = 9
    at = (np.arange(33 * fine) + 0.5) / fine - 0.5 - 16
    middle, corner = (np.array(size) - 1) / 2, np.hypot(89, 119) / 2
    down, right = (
        4.0 * fraction * (at + here - m) / corner / 2 for here, m in zip((y, x), middle, strict=True)
    )
    inside = np.hypot(at[:, None], at) <= 4 * spacing
    eye = inside.copy()
    for side in (-1, 1):
        eye &= np.hypot(at[:, None] / spacing - side * down[:, None], at / spacing - side * right) <= 4
    disk, eye = (a.reshape(33, fine, 33, fine).mean(axis=(1, 3)) for a in (inside, eye))
    # The rim of a dense aperture is made of whole and quarter cells, the eye's no less well than the disk's.
    well = correlation(spot(PLAIN), disk)
    assert well > 0.97
    made = spot(Lens(cats_eye=fraction))
    assert correlation(made, eye) > well - 0.01
    assert correlation(made, disk) < well - 0.05


@pytest.mark.parametrize("sampling", Sampling)
def test_the_kernel_is_applied_before_the_noise_and_that_before_clipping(
    scene: SimulatedScene, sampling: Sampling
) -> None:
    psf, sensor = kernel(), SensorNoise(0.0, 0.05)
    plain = taken(scene, PLAIN, sampling)
    blurred = taken(scene, Lens(psf=psf), sampling)
    expected = ndimage.convolve(plain.astype(np.float64), psf.kernel[None, None, :, :, None], mode="reflect")
    np.testing.assert_allclose(blurred, np.clip(expected, 0, 1), atol=2e-6)
    noisy = taken(scene, Lens(psf=psf, noise=sensor), sampling)
    assert noisy.min() == 0
    # Five deviations from the limits nothing is clipped; of the views' noise, which is none, at least 0.0005 is taken.
    inside = (expected > 0.25) & (expected < 0.75)
    noise = np.where(inside, noisy - expected, 0)
    # of some 60,000 values: four deviations
    assert np.square(noise[inside]).mean() == pytest.approx(0.05**2, rel=0.025)
    # and white: the kernel, which would make it smooth, came first
    beside = (noise[:, :, :, 1:] * noise[:, :, :, :-1]).sum() / np.square(noise).sum()
    assert abs(beside) < 4 / np.sqrt(np.count_nonzero(inside))


def test_noise_of_the_views_counts_by_what_averaging_leaves() -> None:
    noisy = simulate(np.random.default_rng(3), grid=(7, 7), size=(96, 128), noise=0.05, disparities=[0.4])
    lf = noisy.lightfield
    lens = Lens(noise=SensorNoise(0.0, 0.02))
    frame = Frame.native(lf.size, margin=(4, 4))
    pupil = circular(lf.grid, 1.0, centre=lf.centre, parts=lens.parts)[None]
    picture = photographs(
        lf, np.array([0.0]), Openings(pupil, 1.0), lens, disparity=None, frame=frame, scene="a"
    )[0, 0]
    clean = replace(lf, views=np.stack([[noisy.view(u - 3, v - 3) for v in range(7)] for u in range(7)]))
    truth = refocus(clean, [0.0], view_weights(pupil), frame=frame)[0, 0]
    middle = (truth > 0.3) & (truth < 0.7)
    weights = view_weights(pupil)[0]
    left = 0.05**2 * np.square(weights).sum() / weights.sum() ** 2
    # More than the sensor's is left of the views' noise here: 0.028. Nothing is added.
    assert left > 0.02**2
    assert np.square(picture - truth)[middle].mean() == pytest.approx(left, rel=0.1)
    louder = Lens(noise=SensorNoise(0.0, 0.06))
    picture = photographs(
        lf, np.array([0.0]), Openings(pupil, 1.0), louder, disparity=None, frame=frame, scene="a"
    )[0, 0]
    # The estimate of the views' noise is good to a tenth.
    assert np.square(picture - truth)[middle].mean() == pytest.approx(0.06**2, rel=0.05)


ALL = Lens(cats_eye=0.6, highlights=2.0, noise=SensorNoise(1e-3, 1e-3), psf=kernel())


@pytest.mark.parametrize("sampling", Sampling)
def test_threads_do_not_change_a_bit(scene: SimulatedScene, sampling: Sampling) -> None:
    bright = replace(
        scene, lightfield=replace(scene.lightfield, views=np.minimum(scene.lightfield.views * 3, 1))
    )
    one = taken(bright, ALL, sampling)
    np.testing.assert_array_equal(one, taken(bright, ALL, sampling, threads=2))
    assert (one >= 0).all()
    assert (one <= 1).all()
    assert one.dtype == np.float32


def test_dense_sampling_needs_a_disparity(scene: SimulatedScene) -> None:
    lf = scene.lightfield
    with pytest.raises(ValueError, match="dense sampling needs a disparity"):
        photographs(
            lf,
            SLOPES,
            openings(lf, PLAIN, Sampling.DENSE),
            PLAIN,
            disparity=None,
            frame=Frame.native(lf.size),
        )


@pytest.mark.parametrize("blades", [0, 5])
@pytest.mark.parametrize("sampling", Sampling)
def test_scenes_by_a_lens(small: LightField, sampling: Sampling, blades: int) -> None:
    recipe = Recipe(apertures=2, focus=2, blades=blades, aperture_sampling=sampling)
    plain, made = (make_scene(small, replace(recipe, lens=lens), name="a") for lens in (PLAIN, ALL))
    assert made.defocused.shape == plain.defocused.shape
    np.testing.assert_allclose(made.weights, plain.weights, atol=1e-12)
    # Neither kernel nor noise is in the truth.
    np.testing.assert_allclose(made.ground_truth, np.clip(plain.ground_truth, 0, 1), atol=1e-6)
    noise = [make_scene(small, replace(recipe, lens=Lens(noise=ALL.noise)), name=n) for n in ("a", "a", "b")]
    np.testing.assert_array_equal(noise[0].defocused, noise[1].defocused)
    assert np.abs(noise[0].defocused - noise[2].defocused).max() > 1e-3
    # and every picture has noise of its own
    first, second = (noise[0].defocused[s, 0] - np.clip(plain.defocused[s, 0], 0, 1) for s in (0, 1))
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 4 / np.sqrt(first.size)


def test_what_was_asked_for_is_told() -> None:
    assert PLAIN.as_json() == {}
    assert Recipe(lens=ALL).as_json()["lens"] == {
        "cats_eye": 0.6,
        "recover_highlights": 2.0,
        "noise_model": {"gain": 1e-3, "read": 1e-3},
        "psf": {"sha256": "0" * 64},
    }


def test_memory_for_lights_is_counted(small: LightField, monkeypatch: pytest.MonkeyPatch) -> None:
    from lfsynth import generate
    from lfsynth.errors import InputError

    pictures = 4 * 15 * 36 * 52 * 3
    monkeypatch.setattr(generate, "free_memory", lambda: pictures + small.views.nbytes)
    make_scene(small, Recipe(slopes=(-0.5, 0.0, 0.1, 0.2, 0.5)))
    with pytest.raises(InputError, match="of memory"):
        make_scene(small, Recipe(slopes=(-0.5, 0.0, 0.1, 0.2, 0.5), lens=Lens(highlights=1.0)))
