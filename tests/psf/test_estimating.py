"""The job of ``psf estimate``, on simulated photographs whose kernels are known."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from lfsynth.errors import InputError
from lfsynth.pictures import write
from lfsynth.transfer import LINEAR
from lfsynth.writers import Output, write_light_field
from psf.compare import agreement
from psf.estimate import Options
from psf.estimating import Done, Request, find_files, run
from psf.lattice import Origin
from psf.light_field import Opening
from psf.mannan_langer import Weights
from psf.models import Gaussian, kernel
from psf.photograph import Bayer, Channel, Reading
from psf.projected_target import project_target
from psf.simulate import Exposure, Pose, expose, mosaic, simulate_coverage, system_kernel

POSE = Pose(
    shape=(320, 400), grid=(5, 4), pitch=72.0, radius=20.0, tilt=(2.0, -1.0), rotation=1.0, shift=(1.3, -2.7),
    distance=3000.0,
)  # fmt: skip
LIGHT = Reading(transfer=LINEAR)
FAST = Options(error_bar=False)
FINE = 4


def gaussian(sigma: float) -> NDArray[np.float64]:
    """On the simulator's grid, a quarter of a pixel."""
    return kernel(Gaussian(sigma * FINE), 2 * int(4 * sigma * FINE) + 1)


def coverage(sigma: float, pose: Pose = POSE) -> NDArray[np.float32]:
    return simulate_coverage(gaussian(sigma), pose)


def photograph(path: Path, sigma: float, *, noise: float = 0.005, seed: int = 0, ink: float = 0.1) -> Path:
    light = expose(coverage(sigma), Exposure(ink=ink, noise=noise), np.random.default_rng(seed))
    write(path, np.clip(light, 0, 1)[:, :, None], bits=16, transfer=LINEAR)
    return path


def test_one_photograph(tmp_path: Path) -> None:
    path = photograph(tmp_path / "shot.png", 1.5)
    results = run(Request((str(path),), LIGHT, size=15, grid=(5, 4)))
    (found,) = results.kernels
    assert (found.name, found.channel, found.zone, found.setting) == ("light", "light", None, "")
    # 2 % is what half a per cent of noise leaves of a Gaussian by 20 disks
    assert agreement(system_kernel(gaussian(1.5), 15), found.kernel).relative_l2 < 0.03
    assert found.estimate.quality.disks == 20
    assert all(check.passed for check in found.checks)
    assert {check.name for check in found.checks} >= {"saturated", "outer_ring", "residual_over_noise"}
    error = found.profiles.merit_errors["fwhm"]
    assert error is not None
    assert 0 < error < 0.1
    assert results.paths == (path,)
    assert results.refused == results.lateral == results.fields == ()


def test_shots_of_one_setting_go_into_one_kernel_and_each_into_its_own(tmp_path: Path) -> None:
    for seed in (0, 1):
        photograph(tmp_path / f"shot{seed}.png", 1.5, seed=seed)
    together = run(Request((str(tmp_path),), LIGHT, size=15, options=FAST))
    assert [one.name for one in together.kernels] == ["light"]
    assert together.kernels[0].estimate.quality.shots == 2
    assert together.kernels[0].estimate.quality.disks == 40
    seen: list[Done] = []
    each = run(Request((str(tmp_path),), LIGHT, size=15, each=True, options=FAST), report=seen.append)
    assert [one.name for one in each.kernels] == ["shot0_light", "shot1_light"]
    assert [one.name for one in seen] == ["shot0_light", "shot1_light"]


def test_dark_frames_and_the_sharp_photograph_are_not_measured(tmp_path: Path) -> None:
    photograph(tmp_path / "blurred.png", 2.0)
    sharp = photograph(tmp_path / "sharp.png", 1.0, noise=0.002)
    write(tmp_path / "dark.png", np.zeros((320, 400, 1), np.float32), bits=16)
    request = Request(
        (str(tmp_path),), LIGHT, dark=(str(tmp_path / "d*.png"),), size=15, sharp=sharp, options=FAST
    )
    (found,) = run(request).kernels
    assert found.relative
    assert [one.path.name for one in found.seen] == ["blurred.png"]
    # a Gaussian turns into a wider one by the Gaussian of the variances' difference
    expected = kernel(Gaussian(float(np.sqrt(2.0**2 - 1.0**2))), 15)
    assert agreement(expected, found.kernel).relative_l2 < 0.12


def test_mannan_and_langers_objective(tmp_path: Path) -> None:
    path = photograph(tmp_path / "shot.png", 1.5, noise=0.002)
    options = Options(mannan_langer=Weights(kernel_gradient=20.0))
    (found,) = run(Request((str(path),), LIGHT, size=15, options=options)).kernels
    assert found.estimate.prior is None
    assert found.estimate.sigma is None
    assert agreement(system_kernel(gaussian(1.5), 15), found.kernel).relative_l2 < 0.1
    assert found.estimate.quality.residual_over_noise < 1.2


def test_zones_and_their_field(tmp_path: Path) -> None:
    path = photograph(tmp_path / "shot.png", 1.5)
    results = run(Request((str(path),), LIGHT, size=15, parts=(1, 2), options=FAST))
    assert [(one.name, one.zone) for one in results.kernels] == [("light_1-1", (1, 1)), ("light_1-2", (1, 2))]
    assert sum(one.estimate.quality.disks for one in results.kernels) == 20
    (field,) = results.fields
    np.testing.assert_allclose(field.field.mean, sum(one.kernel for one in results.kernels) / 2)
    widths = [one.merit.fwhm for one in results.kernels]
    assert field.field.figures["fwhm"].mean == pytest.approx(np.mean(widths))
    assert field.field.figures["fwhm"].spread == pytest.approx(np.std(widths, ddof=1))


def test_colours_of_a_mosaic_with_their_shifts(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pose = Pose(**{**vars(POSE), "shape": (560, 640), "pitch": 115.0, "radius": 34.0})
    moved = Pose(**{**vars(pose), "shift": (pose.shift[0] + 0.6, pose.shift[1] - 0.4)})
    planes = [coverage(2.5, moved), coverage(2.5, pose), coverage(2.5, pose)]
    light = [
        expose(plane, Exposure(noise=0.003, paper=paper), rng)
        for plane, paper in zip(planes, (0.7, 0.8, 0.1), strict=True)
    ]
    light[2][:] = 1.0  # blue is saturated
    write(
        tmp_path / "raw.png",
        np.clip(mosaic(np.stack(light, axis=-1), "rggb"), 0, 1)[:, :, None],
        bits=16,
        transfer=LINEAR,
    )
    reading = Reading(channel=Channel.EACH, bayer=Bayer.RGGB)
    results = run(Request((str(tmp_path / "raw.png"),), reading, size=15, options=FAST))
    assert [one.name for one in results.kernels] == ["r", "g"]
    assert [one.plane.name for one in results.kernels[1].seen] == ["g1", "g2"]
    assert results.kernels[1].estimate.quality.shots == 1
    assert [one.name for one in results.refused] == ["b"]
    (lateral,) = results.lateral
    assert (lateral.first, lateral.second, lateral.mean.photographs) == ("g", "r", 1)
    # of 20 disks, each known to a hundredth of a pixel or so
    np.testing.assert_allclose(lateral.mean.shift, (0.6, -0.4), atol=0.02)
    assert lateral.mean.magnification == pytest.approx(0, abs=3e-4)


def test_the_only_kernel_refused_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "grey.png"
    write(path, np.full((100, 100, 1), 0.5, np.float32), bits=16)
    with pytest.raises(InputError, match="expected a grid of them"):
        run(Request((str(path),), LIGHT))


def test_files_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("b.png", "a.png", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "empty").mkdir()
    a, b = tmp_path / "a.png", tmp_path / "b.png"
    assert find_files([str(tmp_path)], "--images") == [a, b]
    assert find_files([str(b), str(tmp_path / "*.png")], "--images") == [b, a]
    monkeypatch.chdir(tmp_path)
    assert find_files(["*.png"], "--images") == [Path("a.png"), Path("b.png")]
    with pytest.raises(InputError, match="--images: there is no none; name a folder"):
        find_files(["none"], "--images")
    with pytest.raises(InputError, match="there are no pictures in it"):
        find_files([str(tmp_path / "empty")], "--images")
    with pytest.raises(InputError, match="--dark: a path is empty"):
        find_files([""], "--dark")


def test_a_light_field(tmp_path: Path) -> None:
    pose = Pose(
        shape=(260, 330), grid=(4, 3), pitch=74.0, radius=20.0, tilt=(0, 0), rotation=1.0, shift=(0.3, 0.2)
    )
    views = project_target(
        pose,
        2.5,
        np.random.default_rng(0),
        weights=np.ones((7, 7), np.float32),
        exposure=Exposure(noise=0.01),
    )
    path = tmp_path / "views.h5"
    write_light_field(path, views, Output.HDF5)
    (found,) = run(
        Request((str(tmp_path / "*.h5"),), Reading(), opening=Opening(0.0, 3.0), options=FAST)
    ).kernels
    assert found.lattice.origin is Origin.LIGHT_FIELD
    assert found.lattice.period == pytest.approx(2.5, rel=0.01)
