"""The lattice against pictures drawn here, each disk point by point, without the simulator's code."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from lfsynth.lytro import lattice_fit
from lfsynth.lytro.lattice import Lattice
from lfsynth.lytro.lattice_fit import LatticeNotFoundError, fit_lattice

BLACK = np.full((2, 2), 64, np.float32)
COLOURS = np.array([[1.0, 0.7], [0.6, 0.98]])


def true_lattice(
    shape: tuple[int, int],
    *,
    pitch: float = 14.29,
    rotation: float = 1e-3,
    scale: float = 1.0003,
    point: tuple[float, float] = (3.3, 5.1),
) -> Lattice:
    step = pitch * math.sqrt(3) / 2 * scale
    sine, cosine = math.sin(rotation), math.cos(rotation)
    return Lattice.covering(point, (pitch * sine, pitch * cosine), (step * cosine, -step * sine), shape)


def white(
    lattice: Lattice,
    shape: tuple[int, int],
    *,
    radius: float = 6.0,
    rim: float = 6.7,
    way: float = 0.0,
    noise: float = 0.0,
    light: float = 700.0,
) -> NDArray[np.uint16]:
    """Disks whose edges are error functions of sd 0.45 px, cut by rims that move ``way`` px over half the diagonal.

    Pixels average 2 x 2 points. Lenses beyond the lattice's own are drawn too.
    """
    from scipy.special import erf

    half = np.hypot(*shape) / 2
    rows, lenses = lattice.shape
    picture = np.zeros(shape)
    reach = math.ceil(radius) + 2
    for row in range(-3, rows + 3):
        for lens in range(-3, lenses + 3):
            along = lens + row % 2 / 2
            centre = (
                np.array(lattice.origin) + row * np.array(lattice.down) + along * np.array(lattice.across)
            )
            low = np.maximum(np.rint(centre).astype(int) - reach, 0)
            high = np.minimum(np.rint(centre).astype(int) + reach + 1, shape)
            if (low >= high).any():
                continue
            field = (centre - (np.array(shape) - 1) / 2) / half
            for part in np.ndindex(2, 2):
                y = np.arange(low[0], high[0])[:, None] + (part[0] - 0.5) / 2 - centre[0]
                x = np.arange(low[1], high[1]) + (part[1] - 0.5) / 2 - centre[1]
                seen = 0.5 - 0.5 * erf((np.hypot(y, x) - radius) / (0.45 * math.sqrt(2)))
                cut = np.hypot(y - way * field[0], x - way * field[1])
                seen *= 0.5 - 0.5 * erf((cut - rim) / (0.45 * math.sqrt(2)))
                picture[low[0] : high[0], low[1] : high[1]] += seen / 4
    picture *= light
    for i, j in np.ndindex(2, 2):
        picture[i::2, j::2] *= COLOURS[i, j]
    rng = np.random.default_rng(8)
    picture += rng.normal(0, 1, shape) * noise * np.sqrt(np.maximum(picture, 0) / light) * light
    return np.clip(np.rint(picture + 64), 0, 1023).astype(np.uint16)


def largest_error(found: Lattice, true: Lattice) -> float:
    """Largest distance in px of a found centre from the nearest true one, over the whole sensor."""
    centres = found.centres().reshape(-1, 2)
    steps = (centres - true.origin) @ np.linalg.inv(np.array([true.down, true.across]))
    distances = []
    for odd in (0, 1):
        row = 2 * np.rint((steps[:, 0] - odd) / 2) + odd
        along = np.rint(steps[:, 1] - odd / 2) + odd / 2
        at = (
            np.array(true.origin)
            + row[:, None] * np.array(true.down)
            + along[:, None] * np.array(true.across)
        )
        distances.append(np.hypot(*(centres - at).T))
    return float(np.minimum(*distances).max())


@pytest.mark.parametrize(
    ("pitch", "rotation", "scale", "point"),
    [
        (14.29, 1.1e-3, 1.0003, (3.3, 5.1)),
        (14.29, -2.4e-3, 1.0, (0.0, 0.0)),
        (13.4, 0.012, 0.998, (9.7, 1.2)),
        (15.2, -0.03, 1.002, (6.1, 12.9)),
        (14.0, 0.0, 1.0, (7.5, 9.0)),
    ],
)
def test_lattice_is_found_whatever_it_is(
    pitch: float, rotation: float, scale: float, point: tuple[float, float]
) -> None:
    shape = (384, 512)
    true = true_lattice(shape, pitch=pitch, rotation=rotation, scale=scale, point=point)
    fit = fit_lattice(white(true, shape, noise=0.02, radius=0.42 * pitch, rim=0.47 * pitch), BLACK)
    # Noise of 2 % a pixel over some thousand disks leaves hundredths of a pixel.
    assert largest_error(fit.lattice, true) < 0.04
    assert fit.lattice.shape == true.shape
    assert fit.radius == pytest.approx(0.42 * pitch, abs=0.3)


@pytest.mark.parametrize("way", [3.0, -3.0])
def test_cats_eye_does_not_stretch_the_lattice(way: float) -> None:
    shape = (768, 1024)
    true = true_lattice(shape)
    picture = white(true, shape, way=way, noise=0.02)
    assert largest_error(fit_lattice(picture, BLACK).lattice, true) < 0.06


def test_edges_are_what_removes_the_bias(monkeypatch: pytest.MonkeyPatch) -> None:
    shape = (512, 768)
    true = true_lattice(shape)
    picture = white(true, shape, way=4.0)
    estimate = lattice_fit._from_spectrum(picture)
    tiles = lattice_fit._tiles(shape)
    middle = (np.array(shape) - 1) / 2
    for _ in range(3):
        estimate = lattice_fit._corrected(estimate, picture, BLACK, tiles, middle)
    down, across = estimate.vectors
    by_phase = Lattice.covering(tuple(estimate.point), tuple(across), tuple(down), shape)
    assert largest_error(by_phase, true) > 0.25
    assert largest_error(fit_lattice(picture, BLACK).lattice, true) < 0.05


def test_a_small_window() -> None:
    shape = (192, 256)
    true = true_lattice(shape)
    fit = fit_lattice(white(true, shape, noise=0.02), BLACK)
    # Noise of 2 % a pixel over some two hundred disks.
    assert largest_error(fit.lattice, true) < 0.06


def test_falloff_dust_and_a_dead_column_do_no_harm() -> None:
    shape = (384, 512)
    true = true_lattice(shape)
    picture = white(true, shape, noise=0.02).astype(np.float64) - 64
    picture *= np.linspace(1, 0.5, shape[1])
    picture[100:160, 200:260] *= 0.3
    picture[:, 301] = 0
    fit = fit_lattice(np.rint(picture + 64).clip(0, 1023).astype(np.uint16), BLACK)
    # A tile of nine is spoilt by the dust.
    assert largest_error(fit.lattice, true) < 0.1


def noise_picture() -> NDArray[np.uint16]:
    return np.random.default_rng(1).integers(300, 700, (384, 512)).astype(np.uint16)


def stripes() -> NDArray[np.uint16]:
    rows = 400 + 200 * np.sin(2 * np.pi * np.arange(384) / 12.4)
    return np.repeat(rows[:, None], 512, axis=1).astype(np.uint16)


def waves() -> NDArray[np.uint16]:
    """The lattice's base frequencies without disks."""
    y, x = np.indices((384, 512))
    angles = (2 * np.pi * (x / 14.29 + s * y / 24.75) for s in (1, -1))
    return (500 + 30 * sum(np.cos(a) for a in angles)).astype(np.uint16)


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (noise_picture(), "no regular pattern"),
        (np.full((384, 512), 500, np.uint16), "no regular pattern"),
        (stripes(), "no regular pattern|no disks|no even disks|implausible"),
        (waves(), "no regular pattern|no disks|no even disks"),
        (np.full((150, 512), 500, np.uint16), "only 150 x 512 px"),
    ],
)
def test_other_pictures_are_refused(picture: NDArray[np.uint16], message: str) -> None:
    with pytest.raises(LatticeNotFoundError, match=message):
        fit_lattice(picture, BLACK)


def test_other_arrays_are_refused() -> None:
    with pytest.raises(TypeError, match="uint16"):
        fit_lattice(np.zeros((300, 300), np.float32), BLACK)  # type: ignore[arg-type]
