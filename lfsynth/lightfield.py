"""The one data type that readers and the decoder produce and everything else consumes.

Axis order is ``[u, v, y, x, c]``: ``u`` is the vertical and ``v`` the horizontal view index, counted downward and
rightward, as ``y`` and ``x`` are. A point of disparity ``d`` (pixels a view step, positive nearer than the captured
focal plane) that lies at ``(y, x)`` in the centre view lies at ``(y - d (u - u0), x - d (v - v0))`` in view ``(u, v)``.
Values are linear light, 1.0 is white.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lfsynth.errors import InputError


@dataclass(frozen=True, eq=False)
class LightField:
    """A decoded light field.

    Attributes
    ----------
    views : (U, V, H, W, C) float32, C-contiguous, C is 1 or 3 (RGB), linear light in [0, 1]
    weights : (U, V) float32 in [0, 1], how far a view may be trusted: 0 for one that is dead (black, vignetted,
        missing); `refocus` and `allinfocus` multiply it into theirs
    gains : (U, V) float32, what each view **was already** multiplied by to undo its dimness (1: nothing)
    source : the file or folder it was read from
    f_number_radius : product of f-number and synthetic aperture radius in view steps, so that an aperture of f-number
        ``N`` has the radius ``f_number_radius / N``; None where the metadata do not tell
    disparity : (H, W) float32 true disparity of the centre view in pixels a view step, where the file brought one
    metadata : JSON values: what was understood (format, order, bits) and what the file said of the capture
    """

    views: NDArray[np.float32]
    weights: NDArray[np.float32]
    gains: NDArray[np.float32]
    source: Path
    f_number_radius: float | None = None
    disparity: NDArray[np.float32] | None = None
    metadata: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check shapes, types and that there is light to sum."""
        if self.views.ndim != 5 or self.views.dtype != np.float32 or not self.views.flags.c_contiguous:
            raise TypeError(
                f"views must be C-contiguous float32 [u, v, y, x, c], not {self.views.dtype} {self.views.shape}"
            )
        if self.views.shape[4] not in (1, 3):
            raise TypeError(f"views must have 1 or 3 channels, not {self.views.shape[4]}")
        for name, array in (("weights", self.weights), ("gains", self.gains)):
            if array.shape != self.grid or array.dtype != np.float32:
                raise TypeError(f"{name} must be float32 {self.grid}, not {array.dtype} {array.shape}")
        if self.disparity is not None and self.disparity.shape != self.size:
            raise TypeError(f"disparity must be {self.size}, not {self.disparity.shape}")
        if not self.weights.any():
            raise InputError(
                self.source, "no view has any light", "check that the views are pictures of the scene"
            )

    @property
    def grid(self) -> tuple[int, int]:
        """Number of views (U, V)."""
        return self.views.shape[0], self.views.shape[1]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of a view in pixels."""
        return self.views.shape[2], self.views.shape[3]

    @property
    def centre(self) -> tuple[int, int]:
        """The view (u0, v0) that ground truth is seen from and apertures are centred on.

        On an even grid the middle lies between views; the aperture is centred on a whole view (the lower, right one of
        the middle four) so that ground truth and defocused pictures see the scene from one point.
        """
        return self.grid[0] // 2, self.grid[1] // 2

    @property
    def simulated(self) -> bool:
        """Whether it, or the capture that it comes from, says that it is simulated."""
        told: Any = self.metadata
        while isinstance(told, dict):
            if told.get("simulated") is True:
                return True
            told = told.get("capture")
        return False

    @property
    def centre_view(self) -> NDArray[np.float32]:
        """The centre view, (H, W, C) float32 linear light."""
        u0, v0 = self.centre
        view: NDArray[np.float32] = self.views[u0, v0]
        return view
