import math

import numpy as np
import pytest

from lfsynth.lytro.lattice import Lattice

PITCH = 14.29


def vectors(
    rotation: float, pitch: float = PITCH, scale: float = 1.0
) -> tuple[tuple[float, float], tuple[float, float]]:
    row_step = pitch * math.sqrt(3) / 2 * scale
    return (
        (pitch * math.sin(rotation), pitch * math.cos(rotation)),
        (row_step * math.cos(rotation), -row_step * math.sin(rotation)),
    )


@pytest.mark.parametrize("rotation", [-0.02, -1e-3, 0.0, 1e-3, 0.02])
@pytest.mark.parametrize("shape", [(384, 512), (97, 300)])
def test_covering_fills_the_sensor_and_stays_inside(rotation: float, shape: tuple[int, int]) -> None:
    across, down = vectors(rotation)
    lattice = Lattice.covering((101.3, 57.9), across, down, shape)
    centres = lattice.centres()
    assert centres.min() >= PITCH / 2
    assert (centres.max(axis=(0, 1)) <= np.array(shape) - 1 - PITCH / 2).all()
    for extra_row, extra_lens, rows, lenses in ((-1, 0, 1, 0), (0, -1, 0, 1), (0, 0, 1, 0), (0, 0, 0, 1)):
        # Two rows up keep the parity; one row alone would shift the odd rows, so the line of the row is tested.
        y, x = lattice.origin
        origin = (
            y + extra_row * down[0] + extra_lens * across[0],
            x + extra_row * down[1] + extra_lens * across[1],
        )
        larger = Lattice(origin, across, down, (lattice.shape[0] + rows, lattice.shape[1] + lenses))
        at = larger.centres()
        if rows:
            reach = np.array([PITCH / 2, shape[1] - 1 - PITCH / 2])
            row = at[0 if extra_row else -1]
            line = row[0, 0] + (reach - row[0, 1]) * across[0] / across[1]
            assert line.min() < PITCH / 2 or line.max() > shape[0] - 1 - PITCH / 2
        else:
            assert at[..., 1].min() < PITCH / 2 or at[..., 1].max() > shape[1] - 1 - PITCH / 2


@pytest.mark.parametrize("rotation", [-0.013, 0.0, 0.009])
def test_covering_does_not_depend_on_the_lens_given(rotation: float) -> None:
    across, down = vectors(rotation, scale=1.0003)
    first = Lattice.covering((200.2, 150.7), across, down, (400, 500))
    centres = first.centres()
    rng = np.random.default_rng(5)
    for row, lens in rng.integers((0, 0), first.shape, (20, 2)):
        again = Lattice.covering(tuple(centres[row, lens]), across, down, (400, 500))
        assert again.shape == first.shape
        # Sums of a few hundred steps in float64.
        np.testing.assert_allclose(again.centres(), centres, atol=1e-9)


def test_covering_keeps_the_given_lens_among_the_centres() -> None:
    across, down = vectors(0.004)
    lattice = Lattice.covering((-400.0, 1000.5), across, down, (300, 300))
    # The same lens lattice continued: the given point lies on it, rows and lenses counted beyond the edges.
    steps = np.linalg.solve(np.array([down, across]).T, np.array([-400.0, 1000.5]) - lattice.origin)
    row = round(steps[0])
    assert steps[0] == pytest.approx(row, abs=1e-9)
    assert (steps[1] - row % 2 / 2) % 1 == pytest.approx(0, abs=1e-9) or (
        steps[1] - row % 2 / 2
    ) % 1 == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(
    ("across", "down", "shape", "message"),
    [
        ((0.0, -14.0), (12.0, 0.0), (300, 300), "must point to the right"),
        ((0.0, 14.0), (-12.0, 0.0), (300, 300), "must point to the right"),
        ((0.0, 14.0), (12.0, 0.0), (20, 300), "no room for two rows"),
        ((0.0, 14.0), (12.0, 0.0), (300, 20), "no room for two lenses"),
    ],
)
def test_covering_refuses(
    across: tuple[float, float], down: tuple[float, float], shape: tuple[int, int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Lattice.covering((8.0, 8.0), across, down, shape)


def test_square_grid_has_equal_steps_and_stays_on_the_lenses() -> None:
    across, down = vectors(0.002, scale=1.0003)
    lattice = Lattice.covering((50.0, 50.0), across, down, (400, 500))
    grid = lattice.square_grid()
    assert math.hypot(*grid.down) == pytest.approx(math.hypot(*grid.across), rel=1e-12)
    assert grid.shape[0] == lattice.shape[0]
    last = grid.origin[1] + (grid.shape[1] - 1) * grid.across[1]
    assert lattice.centres()[0, -1, 1] - math.hypot(*grid.down) < last <= lattice.centres()[0, -1, 1] + 1e-9
