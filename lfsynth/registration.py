"""How the sharp picture of a pair lies over the blurred one, from the windows that are in focus.

Coarse to fine: whole pixels from the correlation search, then shifts of windows in focus to fractions of a
pixel and a similarity fitted to them, in turn, until nothing moves. Where too little is in focus, or noise
hides the finest details, the same is done at half the size, at which a blur of up to 1.6 px is in focus and
noise is half as strong.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from lfsynth.correlation import Plane, Windows, band_pass, peaks, search
from lfsynth.shift_field import LocalShifts, local_shifts
from lfsynth.similarity import Similarity, fit_similarity, pure_shift

Mask = NDArray[np.bool_]
_Map = TypeVar("_Map", Mask, NDArray[np.float32])

_EXPLAINED = 0.5
"""Least share of a window's variance that its equation explains: less is noise or other content."""

_BLUR_ERROR = 0.2
"""Largest standard error of the blur of a window that is in focus."""

_BASIN = 1.5
"""px, the shift up to which the equations of a window lead to the solution."""

LOCAL_SPREAD = 0.05
"""px, deviation of local shifts in pairs that are aligned, beyond what noise explains: edges of things at
other distances, and the light field's own errors. Measured on real LFDOF pairs: 0.01 to 0.05."""

_ROUNDS = 5

_SETTLED = 0.03
"""px: rounds end when no window's fitted shift changes by more."""

_CLOSE = 0.1
"""px: nor is a shift of at most this worth to be taken back, which moving the picture does to 1/32 px."""

_ANNEALING = (24.0, 12.0, 6.0, 3.0, 2.0, 1.0, 1.0, 1.0)
"""Factors of the local spread while a fit closes in: from the basin's size down."""

_STILL = 0.4
"""px: a coarse estimate of at most this leaves the sharp picture where it is at first, untouched."""

_PEAK_SPREAD = 0.3
"""px, deviation of the places of correlation peaks."""

_PEAK_ANNEALING = (6.0, 4.0, 3.0, 2.0, 1.5, 1.0, 1.0)

_PEAK, _FALL = 0.75, 0.1
"""A distinct peak is at least so high, and so much lower within 2 px of it to all sides."""


@dataclass(frozen=True, eq=False)
class Registration:
    """How the pictures of a pair lie; maps are over the windows of the pictures at full size.

    Attributes
    ----------
    similarity : None where too little is in focus
    in_focus : (rows, columns) bool, windows that the similarity is fitted to
    valid : (rows, columns) bool, those of them that know the shift along y and x
    field : (rows, columns, 2) float32 px (dy, dx), NaN where not valid
    reduction : 1, or 2 where the pictures were looked at at half their size
    """

    similarity: Similarity | None
    in_focus: Mask
    valid: Mask
    field: NDArray[np.float32]
    reduction: int


def register(
    blurred: Plane,
    sharp: Plane,
    windows: Windows,
    volume: NDArray[np.float32],
    *,
    focus: float,
    precision: float,
    least_area: float,
) -> Registration:
    """Find how the sharp picture lies over the blurred one.

    Parameters
    ----------
    blurred, sharp : (H, W) float32, linear light
    windows : their windows
    volume : `lfsynth.correlation.search` of the two, band-passed
    focus : largest blur of a window in focus, see `lfsynth.shift_field.LocalShifts.blur`
    precision : px, a window knows the shift along a direction if its standard error is below this
    least_area : least share of windows in focus

    Returns
    -------
    Registration
    """
    found = _at_size(blurred, sharp, windows, volume, focus, precision, least_area)
    if found.similarity is not None or min(windows.size) < 6 * windows.width:
        return found
    size = (windows.size[1] // 2, windows.size[0] // 2)
    even = slice(0, 2 * size[1]), slice(0, 2 * size[0])
    half_b, half_s = (
        np.asarray(cv2.resize(p[even], size, interpolation=cv2.INTER_AREA), np.float32)
        for p in (blurred, sharp)
    )
    half_windows = Windows((size[1], size[0]), windows.width, windows.stride)
    radius = (volume.shape[0] // 2 + 1) // 2
    half_volume = search(band_pass(half_b), band_pass(half_s), half_windows, radius)
    half = _at_size(half_b, half_s, half_windows, half_volume, focus, precision, least_area)
    if half.similarity is None:
        return found
    return Registration(
        similarity=half.similarity.enlarged(2),
        in_focus=_doubled(half.in_focus, windows.shape, False),
        valid=_doubled(half.valid, windows.shape, False),
        field=_doubled(2 * half.field, windows.shape, np.nan),
        reduction=2,
    )


def _doubled(plane: _Map, shape: tuple[int, int], beyond: float) -> _Map:
    """A map of windows at half the size as one of the windows at full size, which may be one more."""
    double = plane.repeat(2, axis=0).repeat(2, axis=1)
    after = [want - have for want, have in zip(shape, double.shape[:2], strict=True)] + [0] * (plane.ndim - 2)
    return np.pad(double, [(0, missing) for missing in after], constant_values=beyond)


def _at_size(
    blurred: Plane,
    sharp: Plane,
    windows: Windows,
    volume: NDArray[np.float32],
    focus: float,
    precision: float,
    least_area: float,
) -> Registration:
    """`register` at one size; its parameters."""
    b, s = band_pass(blurred), band_pass(sharp)
    least = least_area * float(np.prod(windows.shape))
    local, in_focus, fit = _refine(b, s, windows, _coarse(volume, windows), focus, precision, least)
    if fit is None:
        far = _whole_shift(b, s)
        if np.hypot(*far.shift) > volume.shape[0] // 2:
            local, in_focus, fit = _refine(b, s, windows, far, focus, precision, least)
    error = np.sqrt(np.diagonal(local.covariance, axis1=-2, axis2=-1)).max(axis=-1)
    valid = in_focus & (error < precision)
    field = np.where(valid[..., None], local.shift, np.nan).astype(np.float32)
    return Registration(fit, in_focus, valid, field, 1)


def _middle(windows: Windows) -> tuple[float, float]:
    return (windows.size[0] - 1) / 2, (windows.size[1] - 1) / 2


def _coarse(volume: NDArray[np.float32], windows: Windows) -> Similarity:
    """A similarity to within a pixel or so, from where the windows correlate best.

    The shift of the whole comes from the sum of all windows' correlations, to which windows on edges, which do not
    know where along the edge they lie, give what they know. Windows with a distinct peak add rotation and
    scale.
    """
    still = pure_shift((0.0, 0.0), _middle(windows))
    best, peak = peaks(volume)
    span = volume.shape[0]
    flat = volume.reshape(span * span, -1)
    trust = np.maximum(best - 0.5, 0).ravel()
    whole = np.array(divmod(int((flat @ trust).argmax()), span)) - span // 2
    distinct = (best > _PEAK) & np.isfinite(peak).all(axis=-1) & _falls_to_all_sides(volume)
    if distinct.sum() >= windows.overlap:
        shifts = peak[distinct].astype(np.float64)
        fit, _ = fit_similarity(
            windows.centres[distinct],
            shifts,
            np.broadcast_to(_PEAK_SPREAD**2 * np.eye(2), (len(shifts), 2, 2)),
            centre=still.centre,
            overlap=windows.overlap,
            start=np.array([*whole, 0.0, 0.0]),
            spreads=_PEAK_ANNEALING,
        )
    else:
        fit = pure_shift((float(whole[0]), float(whole[1])), still.centre)
    moves = np.linalg.norm(fit.shifts(windows.centres), axis=-1)
    return fit if moves.max() > _STILL else still


def _falls_to_all_sides(volume: NDArray[np.float32]) -> Mask:
    """Whether a window's correlation falls by `_FALL` within 2 px of its peak, up, down, left and right."""
    span = volume.shape[0]
    flat = volume.reshape(span * span, -1)
    at = flat.argmax(axis=0)
    y, x = np.divmod(at, span)
    window = np.arange(flat.shape[1])
    below = flat[at, window] - np.float32(_FALL)
    falls = np.ones(len(at), bool)
    for dy, dx in ((-2, 0), (2, 0), (0, -2), (0, 2)):
        beside = np.clip(y + dy, 0, span - 1) * span + np.clip(x + dx, 0, span - 1)
        falls &= flat[beside, window] < below
    return falls.reshape(volume.shape[2:])


def _refine(
    b: Plane, s: Plane, windows: Windows, start: Similarity, focus: float, precision: float, least: float
) -> tuple[LocalShifts, Mask, Similarity | None]:
    """Measure and fit in turn until nothing moves: shifts, windows in focus, similarity if those are enough."""
    centres = windows.centres
    known = start
    for _ in range(_ROUNDS):
        local = local_shifts(b, s, windows, known)
        votes = _in_focus(local, focus, precision)
        if votes.sum() < least:
            return local, votes, None
        y, x = centres[votes].mean(axis=0)
        known = known.about((float(y), float(x)))
        fit, _ = fit_similarity(
            centres[votes],
            local.shift[votes],
            local.covariance[votes] + LOCAL_SPREAD**2 * np.eye(2),
            centre=known.centre,
            overlap=windows.overlap,
            start=known.parameters,
            spreads=_ANNEALING,
        )
        moves = fit.shifts(centres[votes])
        change = np.linalg.norm(moves - known.shifts(centres[votes]), axis=-1).max()
        if change < _SETTLED or np.linalg.norm(moves, axis=-1).max() < _CLOSE:
            break
        known = fit
    return local, votes, fit


def _in_focus(local: LocalShifts, focus: float, precision: float) -> Mask:
    """Windows in focus that know the shift along one direction at least."""
    information = np.linalg.inv(local.covariance + 1e-12 * np.eye(2))
    trace = np.trace(information, axis1=-2, axis2=-1)
    # Length of what is left, counted in the directions that are known.
    left = np.einsum("...i,...ij,...j->...", local.left, information, local.left) / trace
    clear = (local.gain > 0) & (local.explained > _EXPLAINED) & (local.blur_error < _BLUR_ERROR)
    known = (trace > 1 / precision**2) & (left < _BASIN**2)
    return np.asarray(clear & known & (np.abs(local.blur + (1 - focus) / 2) < (1 + focus) / 2))


def _whole_shift(b: Plane, s: Plane) -> Similarity:
    """Shift of the whole picture by phase correlation (C. D. Kuglin, D. C. Hines, 1975)."""
    taper = cv2.createHanningWindow((b.shape[1], b.shape[0]), cv2.CV_32F)
    (dx, dy), _ = cv2.phaseCorrelate(b, s, taper)
    return pure_shift((float(dy), float(dx)), ((b.shape[0] - 1) / 2, (b.shape[1] - 1) / 2))
