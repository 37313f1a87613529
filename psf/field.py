"""How a kernel varies over the field: mean and spread of the zones' kernels and of their figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from psf.compare import enlarged
from psf.merit import Merit

FIGURES = ("fwhm", "ee50", "ee80", "mtf50", "mtf50_y", "mtf50_x", "angular_spread")
"""Figures of merit of which mean and spread are given."""


@dataclass(frozen=True)
class Variation:
    """Of one figure over the zones that have it; the spread is the standard deviation, None of one zone."""

    mean: float
    spread: float | None
    least: float
    most: float


@dataclass(frozen=True, eq=False)
class Field:
    """Kernels of several zones together.

    Attributes
    ----------
    mean, spread : (n, n) float64, of the system's kernels, n the largest zone's; the spread is the standard deviation
    figures : of merit by name, of those that any zone has
    """

    mean: NDArray[np.float64]
    spread: NDArray[np.float64]
    figures: dict[str, Variation]


def field_of(kernels: Sequence[NDArray[np.float64]], merits: Sequence[Merit]) -> Field:
    """Mean and spread of zones' kernels (n, n) of sum 1, of which sizes may differ; two or more."""
    if len(kernels) < 2 or len(kernels) != len(merits):
        raise ValueError(f"a field has two zones or more, not {len(kernels)}")
    size = max(len(kernel) for kernel in kernels)
    stack = np.stack([enlarged(kernel, size) for kernel in kernels])
    figures = {}
    for name in FIGURES:
        values = [value for merit in merits if (value := getattr(merit, name)) is not None]
        if values:
            spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
            figures[name] = Variation(float(np.mean(values)), spread, min(values), max(values))
    return Field(stack.mean(axis=0), stack.std(axis=0, ddof=1), figures)
