"""Where the microlenses' pictures lie on the sensor, and the square grid of points that a view is made of.

Sensor coordinates are ``(y, x)`` in pixels, downward and rightward; the centre of the first pixel is (0, 0). A
microlens throws a disk, the picture of the camera's exit pupil, onto the sensor; ``Lattice`` describes the centres of
these disks. The lenses lie in rows, and every second row is shifted by half a pitch.

A decoded view has one point a row of lenses, and as far apart horizontally as the rows are: a square grid. View
``(u, v)`` is what lies ``VIEW_STEP`` pitches times ``(u - u0, v - v0)`` away from the disks' centres; no axis is
reversed, so that near things have positive disparity as in `lfsynth.lightfield`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

VIEW_STEP = 1 / 15
"""Distance of neighbouring views in microlens pitches, 0.953 px of the Illum: that of the LFToolbox, whose 15 views
fill a lens from edge to edge, so that disparities compare."""

VIEWS = 13
"""Views decoded in each direction: what lies within `REACH` of the centre."""

REACH = 6.5
"""Distance from the centre view in view steps beyond which views have no weight: the disk ends there."""


@dataclass(frozen=True)
class Lattice:
    """Centres of the microlenses' disks: lens (r, q) lies at ``origin + r down + (q + (r odd) / 2) across``.

    Attributes
    ----------
    origin : (y, x) in px, centre of the disk of lens (0, 0)
    across : (dy, dx) in px from a lens to the next one in its row; its length is the pitch
    down : (dy, dx) in px from a row to the next, without the shift by half a pitch
    shape : rows, and lenses a row
    """

    origin: tuple[float, float]
    across: tuple[float, float]
    down: tuple[float, float]
    shape: tuple[int, int]

    @classmethod
    def covering(
        cls,
        point: tuple[float, float],
        across: tuple[float, float],
        down: tuple[float, float],
        sensor_shape: tuple[int, int],
    ) -> Lattice:
        """The largest lattice whose disks all lie on the sensor, half a pitch or more from its outermost pixels.

        Row 0 is the uppermost row, the last one the lowermost, whose line keeps that distance over the sensor's whole
        width. Lens 0 is the leftmost and the last lens the rightmost one that keeps it in all rows. So the lattice
        depends on where the lenses are and not on which of them is given; but a lens within the error of a fit of
        that distance may be in the one of two lattices and not in the other.

        Parameters
        ----------
        point : centre of any one disk, (y, x) in px; may lie off the sensor
        across, down : as the attributes
        sensor_shape : height and width in px

        Raises
        ------
        ValueError
            If the rows do not run rightward and downward by and large, or the sensor has no room for two rows of two
            lenses.
        """
        if across[1] <= 2 * abs(across[0]) or down[0] <= 2 * abs(down[1]):
            raise ValueError(f"across must point to the right and down downward, not {across} and {down}")
        margin = math.hypot(*across) / 2
        bottom, right = sensor_shape[0] - 1 - margin, sensor_shape[1] - 1 - margin
        slope = across[0] / across[1]
        # Height of the line of row k above the left and the right margin: at_left + k advance, at_right + k advance.
        at_left, at_right = (point[0] + (x - point[1]) * slope for x in (margin, right))
        advance = down[0] - down[1] * slope
        first_row = math.ceil((margin - min(at_left, at_right)) / advance)
        last_row = math.floor((bottom - max(at_left, at_right)) / advance)
        if last_row <= first_row:
            raise ValueError(f"no room for two rows of lenses on {sensor_shape} px")
        rows = np.arange(first_row, last_row + 1)
        along = first_row % 2 / 2 + (rows - first_row) % 2 / 2
        x = point[1] + rows * down[1] + along * across[1]
        first = math.ceil((margin - x.min()) / across[1])
        last = math.floor((right - x.max()) / across[1])
        if last <= first:
            raise ValueError(f"no room for two lenses a row on {sensor_shape} px")
        lens = first_row % 2 / 2 + first
        origin = (
            point[0] + first_row * down[0] + lens * across[0],
            point[1] + first_row * down[1] + lens * across[1],
        )
        return cls(origin, across, down, (last_row - first_row + 1, last - first + 1))

    @property
    def pitch(self) -> float:
        """Distance of neighbours in a row in px."""
        return math.hypot(*self.across)

    @property
    def rotation(self) -> float:
        """Angle of the rows in radians, positive where they fall to the right."""
        return math.atan2(self.across[0], self.across[1])

    @property
    def view_step(self) -> float:
        """Distance of neighbouring views in px of the sensor."""
        return VIEW_STEP * self.pitch

    def centres(self) -> NDArray[np.float64]:
        """Centres of all disks, (rows, lenses, 2) as (y, x) in px."""
        row, lens = np.indices(self.shape, np.float64)
        along = lens + (row % 2) / 2
        return np.stack(
            [self.origin[i] + row * self.down[i] + along * self.across[i] for i in (0, 1)], axis=-1
        )

    def square_grid(self) -> SquareGrid:
        """The points of a view: row r on row r of lenses, the first point on lens (0, 0) or above or below it."""
        spacing = math.hypot(*self.down)
        step = self.across[0] / self.pitch * spacing, self.across[1] / self.pitch * spacing
        columns = int((self.shape[1] - 1) * self.pitch / spacing) + 1
        return SquareGrid(self.origin, self.down, step, (self.shape[0], columns))


@dataclass(frozen=True)
class SquareGrid:
    """Points of a view: point (i, j) lies at ``origin + i down + j across`` on the sensor, (y, x) in px.

    Attributes
    ----------
    origin : of point (0, 0)
    down, across : from a point to the one below and to the right, equally long
    shape : rows and columns
    """

    origin: tuple[float, float]
    down: tuple[float, float]
    across: tuple[float, float]
    shape: tuple[int, int]
