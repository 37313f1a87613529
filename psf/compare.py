"""Kernels beside each other: agreement after sub-pixel alignment, and each one's figures of merit.

Nothing is recentred in silence: kernels stay where they are, every agreement is given in place and aligned, and the
shift that aligns is part of the result. Shifts are (y, x) px, positive downwards and to the right; kernels of different
sizes are compared on the larger, with zeros around the smaller.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import shift as spline_shift
from scipy.ndimage import spline_filter
from scipy.optimize import minimize

from psf.lattice import Lattice, find_lattice
from psf.merit import Kernel, Merit, centre_of_mass, measure, unit_sum

BRIGHT_PART = 0.1
"""Part of the maximum from which on a pixel counts for the centres that kernels are first aligned by."""
FARTHEST_SEARCH = 1.0
"""Distance from there, px along either axis, within which the best correlation is looked for."""
NEAR_LIMIT = 0.95
"""Part of that distance beyond which a shift counts as stopped by it."""
SIMPLEX = np.array([[0.0, 0.0], [0.3, 0.1], [-0.1, 0.3]])
"""Shifts from there that the search begins with, px."""
SHOWN_SHIFT = 0.005
"""Shift in px below which two kernels count as aligned already."""


@dataclass(frozen=True)
class Agreement:
    """How like a kernel is to a reference, both of sum 1.

    Attributes
    ----------
    correlation : normalised cross-correlation, sum(a b) / sqrt(sum(a^2) sum(b^2))
    relative_l2 : |b - a| / |a|, a the reference
    """

    correlation: float
    relative_l2: float


@dataclass(frozen=True)
class Comparison:
    """A kernel beside a reference.

    Attributes
    ----------
    in_place : agreement of the two as they are
    aligned : agreement after the kernel was moved by `shift`, interpolated by cubic splines
    shift : (y, x) px that moves the kernel onto the reference, see `alignment`
    peak_ratio : kernel's peak over the reference's: the Strehl ratio where the reference is the diffraction limit
    """

    in_place: Agreement
    aligned: Agreement
    shift: tuple[float, float]
    peak_ratio: float


@dataclass(frozen=True)
class Row:
    """A kernel's line in a table.

    Attributes
    ----------
    name : the kernel's
    merit : its figures
    lattice : rows of spots in it
    comparison : with the first kernel of the table; the first one's with itself
    """

    name: str
    merit: Merit
    lattice: Lattice
    comparison: Comparison

    def figures(self) -> dict[str, float | str | None]:
        """Everything by name, lengths in px and frequencies in cycles a pixel, as a JSON or CSV file takes it."""
        merit = asdict(self.merit)
        centre = merit.pop("centre")
        in_place, aligned, shift = self.comparison.in_place, self.comparison.aligned, self.comparison.shift
        return {
            "name": self.name,
            "kind": self.lattice.origin.value,
            "correlation": aligned.correlation,
            "relative_l2": aligned.relative_l2,
            "shift_y": shift[0],
            "shift_x": shift[1],
            "correlation_in_place": in_place.correlation,
            "relative_l2_in_place": in_place.relative_l2,
            "peak_ratio": self.comparison.peak_ratio,
            "centre_y": centre[0],
            "centre_x": centre[1],
            **merit,
            "lattice_score": self.lattice.score,
            "spot_period": self.lattice.period,
        }


COLUMNS: dict[str, tuple[str, str]] = {
    "name": ("kernel", "{}"),
    "kind": ("kind", "{}"),
    "correlation": ("correlation", "{:.4f}"),
    "relative_l2": ("relative L2", "{:.3f}"),
    "peak_ratio": ("peak ratio", "{:.3f}"),
    "fwhm": ("FWHM px", "{:.2f}"),
    "ee50": ("EE50 px", "{:.2f}"),
    "ee80": ("EE80 px", "{:.2f}"),
    "mtf50": ("MTF50 c/px", "{:.4f}"),
    "mtf50_y": ("MTF50 y c/px", "{:.4f}"),
    "mtf50_x": ("MTF50 x c/px", "{:.4f}"),
    "lattice_score": ("lattice score", "{:.1f}"),
    "spot_period": ("spot period px", "{:.2f}"),
    "angular_spread": ("angular spread", "{:.3f}"),
}
"""Columns of the printed table: figure, heading and format."""


def compare(kernels: Mapping[str, Kernel]) -> list[Row]:
    """All figures of several kernels, each compared with the first.

    Parameters
    ----------
    kernels : by name, (n, n) each, n odd and not necessarily equal, of positive sum

    Raises
    ------
    ValueError
        If there is none, or one is no kernel.
    """
    if not kernels:
        raise ValueError("there is no kernel to compare")
    reference = next(iter(kernels.values()))
    return [
        Row(name, measure(kernel), find_lattice(kernel), compare_two(reference, kernel))
        for name, kernel in kernels.items()
    ]


def compare_two(reference: Kernel, kernel: Kernel) -> Comparison:
    """Compare a kernel with a reference, see `Comparison`."""
    size = max(len(reference), len(kernel))
    a, b = (enlarged(unit_sum(k), size) for k in (reference, kernel))
    shift = alignment(a, b)
    ratio = measure(b).peak / measure(a).peak
    return Comparison(agreement(a, b), agreement(a, moved(b, shift)), shift, ratio)


def agreement(reference: Kernel, kernel: Kernel) -> Agreement:
    """Agreement of two kernels of one size as they are."""
    norm = float(np.linalg.norm(reference))
    correlation = float((reference * kernel).sum() / (norm * np.linalg.norm(kernel)))
    return Agreement(correlation, float(np.linalg.norm(kernel - reference)) / norm)


def alignment(reference: Kernel, kernel: Kernel) -> tuple[float, float]:
    """The shift (y, x) in px that moves ``kernel`` onto ``reference``.

    Their bright parts' centres of mass are brought together, then the correlation is made highest within 1 px of that.
    Where it still rises at that limit, as of a small kernel beside the ring of a large one, the centres decide.

    Parameters
    ----------
    reference, kernel : (n, n) of one size
    """
    there, here = (
        np.array(centre_of_mass(np.where(k >= BRIGHT_PART * k.max(), k, 0.0))) for k in (reference, kernel)
    )
    start = there - here
    coefficients = spline_filter(kernel, order=3, mode="mirror")

    def unlike(shift: NDArray[np.float64]) -> float:
        if np.abs(shift - start).max() > FARTHEST_SEARCH:
            return 0.0
        shifted = spline_shift(coefficients, shift, order=3, mode="constant", prefilter=False)
        size = float(np.linalg.norm(shifted))
        return -float((reference * shifted).sum()) / size if size > 0 else 0.0

    found = minimize(
        unlike,
        start,
        method="Nelder-Mead",
        options={"initial_simplex": start + SIMPLEX, "xatol": 1e-4, "fatol": 1e-12},
    )
    best = start if np.abs(found.x - start).max() > NEAR_LIMIT * FARTHEST_SEARCH else found.x
    return float(best[0]), float(best[1])


def moved(kernel: Kernel, shift: tuple[float, float]) -> Kernel:
    """A kernel moved by (y, x) px, by cubic splines; what leaves the frame is lost."""
    return np.asarray(spline_shift(kernel, shift, order=3, mode="constant"), np.float64)


def enlarged(kernel: Kernel, size: int) -> Kernel:
    """A kernel with zeros around it, (size, size).

    Raises
    ------
    ValueError
        If the size is even or less than the kernel's.
    """
    if size % 2 == 0 or size < len(kernel):
        raise ValueError(f"a kernel of {len(kernel)} px cannot be enlarged to {size}")
    return np.pad(kernel, (size - len(kernel)) // 2)


def table(rows: list[Row]) -> list[list[str]]:
    """Headings and one line a kernel, as text; a figure that does not exist is a dash."""
    lines = [[heading for heading, _ in COLUMNS.values()]]
    for row in rows:
        figures = row.figures()
        lines.append(
            ["-" if figures[key] is None else form.format(figures[key]) for key, (_, form) in COLUMNS.items()]
        )
    return lines


def shift_notes(rows: list[Row]) -> list[str]:
    """A sentence for each kernel that was moved to compare it: alignment is never silent."""
    return [
        f"{row.name} was moved by ({row.comparison.shift[0]:+.2f}, {row.comparison.shift[1]:+.2f}) px (y, x)"
        f" onto {rows[0].name}; in place the relative L2 is {row.comparison.in_place.relative_l2:.3f}"
        for row in rows[1:]
        if math.hypot(*row.comparison.shift) >= SHOWN_SHIFT
    ]
