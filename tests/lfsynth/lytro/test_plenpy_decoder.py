"""plenpy as a second opinion: each patch is still needed and enough, and its views lie where they are said to lie."""

import json
import logging
import subprocess
import sys
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import imageio
import numpy as np
import pytest
from numpy.typing import NDArray

from lfsynth.errors import InputError
from lfsynth.lytro import plenpy_decoder, plenpy_patches
from lfsynth.lytro.calibration import Calibration
from lfsynth.lytro.camera import Camera, neutral, simulated_camera
from lfsynth.lytro.lfr_layout import write_lfr, write_mod
from lfsynth.lytro.plenpy_decoder import (
    WhiteLevel,
    calibrate_with_plenpy,
    decode_with_plenpy,
    view_grid,
    view_steps,
)
from lfsynth.lytro.simulation import simulate_capture, simulate_white

pytest.importorskip("plenpy", reason="plenpy is not installed", exc_type=ModuleNotFoundError)

IMPORT_AS_IT_IS = """
import json, logging, sys, warnings
import imageio
sys.modules.update(dict.fromkeys(HIDDEN))
order = list(imageio.config.known_plugins)
found = {}
with warnings.catch_warnings(record=True) as heard:
    warnings.simplefilter("always")
    try:
        import plenpy.lightfields
    except ImportError as error:
        found["missing"] = error.name
found["deprecations"] = sorted({
    str(warning.message).split()[0] for warning in heard if issubclass(warning.category, DeprecationWarning)
})
found["imageio"] = list(imageio.config.known_plugins) != order
found["handlers"] = len(logging.getLogger().handlers)
print(json.dumps(found))
"""


def imported_as_it_is(hidden: list[str]) -> dict:
    """What a fresh interpreter finds that imports plenpy without any patch, modules of these names being absent."""
    script = IMPORT_AS_IT_IS.replace("HIDDEN", repr(hidden))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def without_pkg_resources() -> dict:
    return imported_as_it_is(["pkg_resources"])


def test_still_wants_pkg_resources(without_pkg_resources: dict) -> None:
    assert without_pkg_resources["missing"] == "pkg_resources"


def test_still_reorders_imageio(without_pkg_resources: dict) -> None:
    assert without_pkg_resources["imageio"]


def test_still_gives_the_root_logger_a_handler(without_pkg_resources: dict) -> None:
    assert without_pkg_resources["handlers"] == 1


def test_still_uses_deprecated_names(without_pkg_resources: dict) -> None:
    assert "numpy.core.multiarray" in without_pkg_resources["deprecations"]


def test_still_wants_torchvision() -> None:
    # A stub of pkg_resources leads past the first fault; torch itself may be installed.
    script = """
import sys, types, warnings
warnings.simplefilter("ignore")
sys.modules["pkg_resources"] = types.SimpleNamespace(resource_filename=lambda *_: "")
sys.modules["torch"] = types.ModuleType("torch")
sys.modules["torchvision"] = None
try:
    import plenpy.cameras
except ImportError as error:
    print(error.name)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1].startswith("torchvision")


def test_import_leaves_the_process_as_it_was(caplog: pytest.LogCaptureFixture) -> None:
    def state() -> tuple:
        extensions = [tuple(e.priority) for x in imageio.config.known_extensions.values() for e in x]
        stubs = [sys.modules.get(name) for name in ("pkg_resources", "plenpy.cameras.ms_lytro")]
        root = logging.getLogger()
        return (
            list(imageio.config.known_plugins),
            extensions,
            stubs,
            list(warnings.filters),
            np.geterr(),
            list(root.handlers),
            root.level,
        )

    before = state()
    with plenpy_patches.patched() as library:
        originals = [library.camera.np, library.camera.differential_evolution]
    assert state() == before
    assert library.camera.np is np is not originals[0]
    assert library.camera.differential_evolution is not originals[1]
    assert "plenpy.testing" not in sys.modules
    assert caplog.text == ""


def test_gradient_is_a_tuple() -> None:
    with plenpy_patches.imported() as library:
        camera = library.camera.AbstractLightFieldCamera
        hexagonal = library.camera.LightField(np.random.default_rng(0).random((1, 1, 8, 9, 3)))
        with pytest.raises(TypeError, match="'tuple' object does not support item assignment"):
            camera._resample_lf(None, hexagonal, "guided")
        with plenpy_patches.gradient_as_list(library):
            assert camera._resample_lf(None, hexagonal, "guided").shape == (1, 1, 8, 11, 3)


def test_magnification_is_an_array() -> None:
    white = np.random.default_rng(0).random((60, 60))
    with plenpy_patches.imported() as library:
        camera = library.camera.AbstractLightFieldCamera
        with pytest.raises(TypeError, match="only 0-dimensional arrays"):
            camera._get_ml_centers_prop(white, np.array([1.02]))
        with plenpy_patches.magnification_as_float(library):
            assert len(camera._get_ml_centers_prop(white, np.array([1.02]))[0]) > 0


def test_lenses_are_compared_with_an_empty_list() -> None:
    known = {
        "wi": np.random.default_rng(0).random((80, 80)),
        "lam_est": 1.02,
        "spacing_est": np.array([24.7, 14.3]),
        "rotation_est": 0.0,
        "grid_type": "hex",
    }
    with plenpy_patches.imported() as library:
        camera = library.camera.AbstractLightFieldCamera
        with pytest.raises(ValueError, match="could not be broadcast"):
            camera._est_grid_offset_prop(**known)
        with plenpy_patches.offset_without_comparison(library):
            assert camera._est_grid_offset_prop(**known).shape == (2,)


class Called(Exception):
    pass


@pytest.fixture
def optimiser(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple]:
    """The library, and what calls its optimiser, which then raises `Called` with the options that it was given."""

    def record(*_: object, **options: object) -> None:
        raise Called(options)

    with plenpy_patches.imported() as library:
        camera = library.camera.AbstractLightFieldCamera
        monkeypatch.setattr(library.camera, "differential_evolution", record)
        # What comes before the optimiser takes seconds and does not matter.
        monkeypatch.setattr(library.camera.images, "fourier", lambda picture, **_: picture)
        peaks = np.array([[0.06, 0.03], [0.06, -0.03], [0.0, 0.07]] * 2)
        monkeypatch.setattr(camera, "_get_fourier_peaks", staticmethod(lambda *_, **__: peaks))

        def options() -> dict:
            with pytest.raises(Called) as called:
                camera._est_grid_params_prop_hex(np.ones((9, 9)))
            return called.value.args[0]

        yield library, options


def test_optimiser_has_no_seed(optimiser: tuple) -> None:
    library, options = optimiser
    assert not {"seed", "rng"} & set(options())
    with plenpy_patches.optimiser_seeded(library):
        assert options()["seed"] == 0


def test_optimiser_asks_for_processes(optimiser: tuple) -> None:
    library, options = optimiser
    assert options()["workers"] == -1
    with plenpy_patches.optimiser_in_threads(library):
        assert isinstance(options()["workers"].__self__, ThreadPoolExecutor)


def test_optimiser_runs_in_threads_and_repeats_itself() -> None:
    with plenpy_patches.patched() as library:
        found = [
            library.camera.differential_evolution(
                lambda x: float(((x - 0.3) ** 2).sum()),
                bounds=[(0, 1)] * 3,
                maxiter=3,
                popsize=4,
                polish=False,
                updating="deferred",
                workers=-1,
            )["x"].tolist()
            for _ in range(2)
        ]
    assert found[0] == found[1] == pytest.approx([0.3] * 3, abs=0.3)


def test_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plenpy_patches, "find_spec", lambda _: None)
    with (
        pytest.raises(InputError, match=r"^plenpy: is not installed; install it with pip"),
        plenpy_patches.patched(),
    ):
        pass


class Ramp:
    """A scene that is linear in place and direction, so that interpolation between samples makes no error."""

    def __init__(self, middle: float, place: tuple[float, float], direction: tuple[float, float]) -> None:
        self.middle, self.place, self.direction = middle, place, direction

    def at(self, where: NDArray[np.float64], angle: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.middle + where @ np.array(self.place) + angle @ np.array(self.direction)

    def seen(
        self,
        where: NDArray[np.float32],
        angle: NDArray[np.float32],
        weights: NDArray[np.float32],
        step: float,
    ) -> NDArray[np.float32]:
        light = self.at(where, angle) * weights.sum(axis=1)
        return np.repeat(light[:, None], 3, axis=1).astype(np.float32)


def small_camera_white() -> tuple[Camera, NDArray[np.uint16]]:
    camera = neutral(simulated_camera((300, 420)))
    return camera, simulate_white(camera, np.random.default_rng(0), noise=False)


def decoded(scene: Ramp, white_level: WhiteLevel) -> tuple:
    """Views, those that the scene truly has at the points that plenpy is said to sample, and weights."""
    camera, white = small_camera_white()
    lattice, metadata = camera.true_lattice, camera.metadata
    mosaic = simulate_capture(camera, scene, np.random.default_rng(0), noise=False)
    level = np.full((2, 2), camera.white_lamp[0] * 959, np.float32)
    calibration = Calibration(
        lattice=lattice,
        white=white,
        black=metadata.black,
        level=level,
        digest="sha1-",
        source="white",
        radius=6.0,
        residual=0.0,
    )
    capture = SimpleNamespace(path=Path("shot.LFR"), metadata=metadata, mosaic=mosaic)
    lightfield = decode_with_plenpy(capture, calibration, white_level=white_level)
    grid, own = view_grid(lattice, lightfield.size), lattice.square_grid()
    index = np.moveaxis(np.indices(grid.shape), 0, -1)
    sensor = index @ np.array([grid.down, grid.across]) + np.array(grid.origin) - np.array(own.origin)
    where = sensor @ np.linalg.inv(np.array([own.down, own.across]))
    views = np.moveaxis(np.indices((13, 13)), 0, -1) - 6
    angle = views * np.array(view_steps(lattice)) / lattice.view_step
    truth = scene.at(where, np.zeros(2)) + scene.at(np.zeros(2), angle)[..., None, None] - scene.middle
    return lightfield, truth


def test_refuses_a_white_picture_of_another_size() -> None:
    capture = SimpleNamespace(mosaic=np.zeros((300, 420), np.uint16))
    calibration = SimpleNamespace(white=np.zeros((300, 400), np.uint16))
    with pytest.raises(TypeError, match=r"same size, not \(300, 420\) and \(300, 400\)"):
        decode_with_plenpy(capture, calibration)


def test_views_lie_where_they_are_said_to_lie() -> None:
    scene = Ramp(0.5, (0.006, -0.004), (0.02, -0.03))
    lightfield, truth = decoded(scene, WhiteLevel.MENDED)
    trusted = np.hypot(*np.indices((13, 13)) - 6) < 4.5
    error = (lightfield.views.mean(axis=-1) - truth)[trusted][:, 2:-2, 2:-2]
    # The step from a view to the next is 0.02 and 0.03, to the next pixel 0.006 and 0.004, a level is 0.001.
    assert np.abs(error.mean(axis=(1, 2))).max() < 0.0015
    for side in (error.mean(axis=(0, 1)), error.mean(axis=(0, 2))):
        assert abs(np.polyfit(np.arange(len(side)), side, 1)[0]) < 5e-5
    assert lightfield.metadata["view_step_px"] == pytest.approx([0.9526, 0.8935], abs=2e-4)
    assert lightfield.weights[6, 0] == lightfield.weights[1, 2] == 1
    assert lightfield.weights[0, 0] == lightfield.weights[1, 1] == 0


def test_white_level_brightens_the_outer_views_unless_mended() -> None:
    scene = Ramp(0.4, (0, 0), (0, 0))
    rim = {}
    for white_level in WhiteLevel:
        lightfield, _ = decoded(scene, white_level)
        assert lightfield.views[6, 6].mean() == pytest.approx(0.4, abs=0.004)  # four levels
        rim[white_level] = lightfield.views[:2, 6, 3:-3, 3:-3].mean(axis=(1, 2, 3)) / 0.4
    assert (rim[WhiteLevel.AS_IS] > (1.12, 1.02)).all()
    # Six steps from the centre the disk's edge is too steep for the interpolation to follow.
    assert (np.abs(rim[WhiteLevel.MENDED] - 1) < (0.08, 0.01)).all()


def test_own_calibration_finds_the_lattice(monkeypatch: pytest.MonkeyPatch) -> None:
    # Cheaper: it tunes its contrast in a hundred Fourier transforms, and pads pictures of any size by 1450 px.
    with plenpy_patches.imported() as library:
        monkeypatch.setattr(library.camera, "differential_evolution", lambda *_, **__: {"x": np.full(3, 0.5)})
        fourier = library.camera.images.fourier
        monkeypatch.setattr(
            library.camera.images, "fourier", lambda *a, **options: fourier(*a, **{**options, "pad": 300})
        )
    camera = neutral(simulated_camera((384, 512)))
    white = simulate_white(camera, np.random.default_rng(0))
    found, true = calibrate_with_plenpy(white, camera.metadata), camera.true_lattice
    assert found.shape == true.shape
    # On so small a picture it has no more than this to give; the next lens is 14 px away.
    assert np.abs(found.centres() - true.centres()).max() < 0.75


def test_lattice_and_grid_parameters_are_the_same() -> None:
    lattice = simulated_camera((384, 512)).true_lattice
    with plenpy_patches.patched() as library:
        parameters = plenpy_decoder._parameters(library, lattice, (384, 512))
        grid = library.grids.HexGrid(parameters)
    points = grid.gridPoints.reshape(grid.n, grid.m, 2)
    rows, columns = (min(sizes) for sizes in zip(points.shape[:2], lattice.shape, strict=True))
    distance = np.linalg.norm(points[:rows, :columns] - lattice.centres()[:rows, :columns], axis=-1)
    # plenpy rotates the offset, 22 px, by 0.0011.
    assert distance.max() == pytest.approx(0.024, abs=0.002)
    back = plenpy_decoder._lattice(parameters, (384, 512))
    assert np.linalg.norm(back.centres() - lattice.centres(), axis=-1).max() == pytest.approx(
        0.024, abs=0.002
    )


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # imageio leaves the .TXT open
def test_own_readers_read_what_the_simulator_writes(tmp_path: Path) -> None:
    # They take the full sensor only; a pattern will do for its pixels.
    metadata = simulated_camera().metadata
    rng = np.random.default_rng(0)
    shot, white = (np.resize(rng.integers(0, 1024, 9973, np.uint16), metadata.shape) for _ in range(2))
    (tmp_path / "Images").mkdir()
    (tmp_path / "Calibration" / "WhiteImages").mkdir(parents=True)
    write_mod(tmp_path / "Calibration" / "WhiteImages" / "MOD_0000.RAW", white, metadata)
    write_lfr(tmp_path / "Images" / "shot.LFR", shot, metadata, np.zeros((9, 13, 3), np.uint8))
    with plenpy_patches.patched() as library:
        camera = library.illum.LytroIllum(tmp_path)
        camera.load_sensor_image(0)
        read = camera.get_sensor_image(0), camera._get_wi("Calibration/WhiteImages/MOD_0000.RAW")
        described = camera.get_image_metadata(0)
        camera._create_raw_wi_db()
    for found, made in zip(read, (shot, white), strict=True):
        assert np.array_equal(np.rint(found * 1023).astype(np.uint16), made)
    assert described["metadata"]["devices"]["lens"]["zoomStep"] == metadata.zoom_step
    assert described["metadata"]["image"]["pixelFormat"]["black"]["gr"] == 64
    assert camera._serial_number == metadata.serial
    assert camera._rawWhiteImageDb["focusStep"] == metadata.focus_step
