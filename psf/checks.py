"""What is checked of every kernel before it is given out, beside the limits: for people and files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from psf.detect import LEAST_CONTRAST, MOST_CLIPPED
from psf.quality import (
    LEAST_MISPLACED_PX,
    MOST_MISPLACED,
    MOST_OUTER_RING,
    MOST_RESIDUAL,
    MOST_SHADING,
    Quality,
)


@dataclass(frozen=True)
class Check:
    """One figure and its limit.

    Attributes
    ----------
    name : in files
    meaning : in words
    value, limit : in the same unit
    unit : "", "%" (of values that are parts of 1) or "px"
    least : whether the limit is the least allowed; else the most
    """

    name: str
    meaning: str
    value: float
    limit: float
    unit: str = ""
    least: bool = False

    @property
    def passed(self) -> bool:
        """Whether the value is within the limit."""
        return self.value >= self.limit if self.least else self.value <= self.limit

    def text(self, value: float) -> str:
        """A value with its unit."""
        if self.unit == "%":
            return f"{value:.2%}"
        return f"{value:.3f} {self.unit}".strip()


def checks(quality: Quality, saturated: Sequence[float], black: Sequence[float]) -> list[Check]:
    """All checks of a kernel.

    Parameters
    ----------
    quality : its figures
    saturated, black : parts of the target's pixels that are clipped, of each photograph
    """
    misplaced = max(MOST_MISPLACED * quality.expected_residual_px, LEAST_MISPLACED_PX)
    return [
        Check("residual_over_noise", "residual over noise", quality.residual_over_noise, MOST_RESIDUAL),
        Check("outer_ring", "light in the outermost pixels", quality.outer_ring, MOST_OUTER_RING, "%"),
        Check("shading", "shading left about the disks", quality.shading, MOST_SHADING, "%"),
        Check("saturated", "saturated pixels of the target", max(saturated), MOST_CLIPPED, "%"),
        Check("black", "pixels of it clipped to black", max(black), MOST_CLIPPED, "%"),
        Check("contrast", "contrast of the disks", quality.contrast, LEAST_CONTRAST, "%", least=True),
        Check(
            "homography_residual_px",
            "disks from a flat grid's places",
            quality.homography_residual_px,
            misplaced,
            "px",
        ),
    ]
