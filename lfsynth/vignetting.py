"""Dead, dim and spoilt views: which to leave out of a sum over views, which to brighten by a gain.

Every view is compared with the centre view. Light fields from plenoptic cameras have views at the rim that
see past the lens: black, or divided by an almost black white picture and therefore noisy, tinted and
bright in one corner and dark in the other. Added into a synthetic aperture they darken and stain it; an
aperture is better off without them.

The criterion must not mistake parallax, which also makes views differ, for vignetting. So views are compared
at low resolution, and at each place with the centre view shifted along the view's own baseline by what fits
best in local detail; detail alone chooses the shift, brightness plays no part in it. What is left is the
logarithm of the ratio of local brightness, a map that is zero everywhere for a perfect view, constant for a
dim one, and spread out for a vignetted or foreign one. Residual parallax (occlusion, what enters at the
border) spreads it too, in proportion to the distance from the centre; the spread that the inner views have a
view step is therefore the yardstick, and a view is at fault only where it exceeds both a fixed limit and
`PARALLAX_MARGIN` times what its distance explains.

A view is dropped (weight 0) for one of these faults:

- *black*: less than `BLACK` of the centre's mean brightness;
- *too dark*: less than `TOO_DARK` of it: amplified more than fourfold, quantisation shows;
- *other picture*: its brightness at low resolution follows neither the centre's nor that of any neighbour
  nearer to the centre (correlation below `CORRELATION`), however large the parallax;
- *uneven*: local brightness, relative to the centre, ranges over more than `UNEVEN` between its 10th and 90th
  percentile, so that no single gain mends it;
- *dark corner*: more than `DARK_AREA` of it is less than half as bright as its gain lets expect;
- *noisy*: more than `NOISY` times the noise of the centre view before any gain, which a merely dim view
  cannot have;
- *tinted*: the ratio to the centre differs between channels by more than `TINTED`.

A good view whose brightness differs significantly is corrected by one gain for all channels: the inverse of
the median ratio, where it departs from 1 by more than `SIGNIFICANT` and by more than half of what parallax
explains.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

BLACK = 0.05
TOO_DARK = 0.25
CORRELATION = 0.4
UNEVEN = 0.2  # natural logarithm of a ratio: 22 %
DARK_AREA = 0.03
NOISY = 2.0
TINTED = 0.15
SIGNIFICANT = 0.03  # natural logarithm of a ratio
PARALLAX_MARGIN = 1.5

_ROWS = 40  # height of the low-resolution pictures, about
_REACH = 2  # low-resolution pixels, 5 % of the height, by which parallax is followed in the outermost view
_WINDOW = 5  # low-resolution pixels over which brightness and detail are local
_FLOOR = 0.02  # of a view's mean brightness: what is darker is not lit
_NOISE_FLOOR = 0.002  # linear light: about the rounding error of 8 bits in the shadows and mid-tones
_FLAT = 0.05  # spread of log brightness below which a picture is too flat for a correlation to mean anything


class Fault(StrEnum):
    """Why a view is dropped."""

    BLACK = "black"
    TOO_DARK = "too dark"
    OTHER_PICTURE = "other picture"
    UNEVEN = "uneven"
    DARK_CORNER = "dark corner"
    NOISY = "noisy"
    TINTED = "tinted"


class _Spread(NamedTuple):
    """What differs within a view from the centre view: by its own fault, or by parallax."""

    uneven: float  # 10th to 90th percentile of the log ratio of local brightness
    dark: float  # share of the picture that is less than half as bright as the median ratio lets expect
    tint: float  # largest over smallest channel ratio, minus 1


@dataclass(frozen=True)
class _Comparison:
    """A lit view beside the centre view."""

    distance: float  # view steps from the reference view
    log_ratio: float  # median of the log ratio of local brightness
    spread: _Spread
    correlation: float  # of log local brightness, a sufficient or the best; 1 where the reference is flat
    noise: float  # times the reference view's


def judge_views(
    views: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32], dict[str, Any]]:
    """Find views that a sum should leave out, and gains for those that are merely dim.

    Parameters
    ----------
    views : (U, V, H, W, C) float32, finite, linear light; not changed

    Returns
    -------
    weights : (U, V) float32, 1 for a good view, 0 for one that is dropped (all 0 where no view has light)
    gains : (U, V) float32, what to multiply each view by (see `apply_gains`); exactly 1 where nothing is to
        be corrected and for dropped views
    report : JSON values: ``reference`` the view [u, v] that the others were compared with (the centre view,
        unless that is black), ``dropped`` a dictionary from `Fault` to views, ``corrected`` a list of [u, v,
        gain]

    Raises
    ------
    TypeError : where `views` is not a five-dimensional float32 array
    """
    if views.ndim != 5 or views.dtype != np.float32:
        raise TypeError(f"views must be float32 [u, v, y, x, c], not {views.dtype} with {views.ndim} axes")
    grid = views.shape[:2]
    weights, gains = np.ones(grid, np.float32), np.ones(grid, np.float32)
    small = np.stack([np.stack([_reduced(view) for view in row]) for row in views])
    brightness = small.mean(axis=(2, 3, 4), dtype=np.float64)
    reference = _reference(brightness)
    compared = _compare(views, small, reference, brightness > BLACK * brightness[reference])
    a_step = _Spread(
        *(
            _typical_a_step([(view.distance, view.spread[kind]) for view in compared.values()])
            for kind in range(len(_Spread._fields))
        )
    )
    dropped: dict[str, list[list[int]]] = {}
    corrected: list[list[float]] = []
    for at in np.ndindex(grid):
        fault = _fault(compared[at], a_step) if at in compared else Fault.BLACK
        if fault is not None:
            weights[at] = 0
            dropped.setdefault(fault.value, []).append(list(at))
            continue
        view = compared[at]
        if abs(view.log_ratio) > max(SIGNIFICANT, 0.5 * a_step.uneven * view.distance):
            gains[at] = np.exp(-view.log_ratio)
            corrected.append([*at, round(float(gains[at]), 4)])
    return weights, gains, {"reference": list(reference), "dropped": dropped, "corrected": corrected}


def apply_gains(views: NDArray[np.float32], gains: NDArray[np.float32]) -> None:
    """Multiply views by their gains, in place.

    What a gain lifts above white is clipped there, as it is in the centre view.

    Parameters
    ----------
    views : (U, V, H, W, C) float32, linear light; changed where the gain is not 1
    gains : (U, V) float32
    """
    if gains.shape != views.shape[:2]:
        raise ValueError(f"gains must be {views.shape[:2]}, not {gains.shape}")
    for u, v in np.argwhere(gains != 1):
        white = max(1.0, float(views[u, v].max()))
        np.minimum(views[u, v] * gains[u, v], np.float32(white), out=views[u, v])


def _reduced(view: NDArray[np.float32]) -> NDArray[np.float32]:
    """A view (H, W, C) averaged down to about `_ROWS` rows, from two of the pixel rows of each."""
    height, width, channels = view.shape
    factor = max(1, height // _ROWS)
    rows = view[:: max(1, factor // 2)]
    size = (max(1, width // factor), max(1, height // factor))
    out = cv2.resize(rows, size, interpolation=cv2.INTER_AREA)
    return np.asarray(out, np.float32).reshape(size[1], size[0], channels)


def _reference(brightness: NDArray[np.float64]) -> tuple[int, int]:
    """The view nearest to the centre that has light."""
    u0, v0 = brightness.shape[0] // 2, brightness.shape[1] // 2
    u, v = np.indices(brightness.shape)
    distance = np.hypot(u - u0, v - v0)
    distance[brightness < TOO_DARK * np.quantile(brightness, 0.75)] += distance.max() + 1
    best = np.unravel_index(int(np.argmin(distance)), distance.shape)
    return int(best[0]), int(best[1])


def _compare(
    views: NDArray[np.float32],
    small: NDArray[np.float32],
    reference: tuple[int, int],
    has_light: NDArray[np.bool_],
) -> dict[tuple[int, ...], _Comparison]:
    """Measure each view that has light against the reference view."""
    if not has_light.any():
        return {}
    grey = small.mean(axis=-1, dtype=np.float32)
    floors = _FLOOR * grey.mean(axis=(2, 3), dtype=np.float64)
    log_reference, detail_reference = _local(grey[reference], floors[reference])
    planes = np.stack([log_reference, detail_reference], axis=-1)
    local = {at: _local(grey[at], floors[at]) for at in map(tuple, np.argwhere(has_light))}
    flat = float(log_reference.std()) < _FLAT
    lit = grey[reference] > floors[reference]
    light_reference = small[reference][lit].mean(axis=0) + floors[reference]
    noise_reference = max(_noise(views[reference]), _NOISE_FLOOR)
    farthest = max(1, *(max(r, n - 1 - r) for r, n in zip(reference, grey.shape[:2], strict=True)))
    compared = {}
    for at, (log_view, detail) in local.items():
        baseline = np.subtract(at, reference)
        nearer = [local[other][0] for other in _nearer(at, reference) if other in local]
        matched = _matched(detail, planes, np.asarray(baseline * (_REACH / farthest), np.float64))
        shown = matched > math.log(2 * floors[reference])
        difference = (log_view - matched)[shown if shown.any() else ...]
        low, middle, high = np.quantile(difference, (0.1, 0.5, 0.9))
        ratio = (small[at][lit].mean(axis=0) + floors[at]) / light_reference
        compared[at] = _Comparison(
            distance=float(np.hypot(*baseline)),
            log_ratio=float(middle),
            spread=_Spread(
                uneven=float(high - low),
                dark=float(np.mean(difference < middle - math.log(2))),
                tint=float(ratio.max() / ratio.min() - 1),
            ),
            correlation=1.0 if flat else _best_correlation(log_view, [matched, *nearer]),
            noise=_noise(views[at]) / noise_reference,
        )
    return compared


def _local(grey: NDArray[np.float32], floor: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Logarithm of the local brightness of a picture (h, w), and its detail: picture over brightness."""
    brightness = np.asarray(cv2.blur(grey, (_WINDOW, _WINDOW)), np.float32) + np.float32(floor)
    return np.log(brightness), (grey + np.float32(floor)) / brightness


def _matched(
    detail: NDArray[np.float32], planes: NDArray[np.float32], step: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Log brightness of the reference, shifted at each place so that its detail fits that of the view best.

    `planes` (h, w, 2) are the reference's log brightness and detail; the shifts tried are -1, -1/2, 0, 1/2
    and 1 times (y, x) = `step`.
    """
    best, matched = None, np.empty_like(detail)
    for part in (0.0, -0.5, 0.5, -1.0, 1.0):
        move = np.array([[1, 0, part * step[1]], [0, 1, part * step[0]]])
        shifted = cv2.warpAffine(
            planes, move, detail.shape[::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        misfit = cv2.blur(cv2.absdiff(detail, shifted[..., 1]), (_WINDOW, _WINDOW))
        if best is None:
            best, matched = misfit, np.ascontiguousarray(shifted[..., 0])
        else:
            np.copyto(matched, shifted[..., 0], where=misfit < best)
            best = cv2.min(misfit, best)
    return matched


def _nearer(at: tuple[int, ...], reference: tuple[int, int]) -> list[tuple[int, ...]]:
    """Those of the eight neighbours of a view that lie nearer to the reference view."""
    around = [(at[0] + du, at[1] + dv) for du in (-1, 0, 1) for dv in (-1, 0, 1)]
    return [other for other in around if math.dist(other, reference) < math.dist(at, reference)]


def _best_correlation(view: NDArray[np.float32], others: list[NDArray[np.float32]]) -> float:
    """The largest correlation of a view with several pictures; those after a sufficient one are not tried."""
    best = -1.0
    for other in others:
        best = max(best, _correlation(view, other))
        if best >= CORRELATION:
            break
    return best


def _correlation(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """Pearson's correlation; 0 where one of the two is constant."""
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / scale if scale > 0 else 0.0


def _noise(view: NDArray[np.float32]) -> float:
    """Standard deviation of the noise of a view (H, W, C), in its own brightness.

    The median of a second difference in both directions, which constant gradients and straight edges do not
    enter [1]_, on one row of twelve of the green channel.

    References
    ----------
    .. [1] J. Immerkaer, Fast noise variance estimation, CVIU 64(2), 1996, 300-302,
    doi:10.1006/cviu.1996.0060.
    """
    channel = view[..., view.shape[2] // 2]
    if min(channel.shape) < 3:
        return 0.0
    above, here, below = channel[:-2:12], channel[1:-1:12], channel[2::12]
    bend = above + below - 2 * here
    mask = bend[:, :-2] + bend[:, 2:] - 2 * bend[:, 1:-1]
    # the mask's weights are 1 and -2 and 4: the root of the sum of their squares is 6
    return float(np.median(np.abs(mask))) / (0.6745 * 6)


def _typical_a_step(spread: list[tuple[float, float]]) -> float:
    """How much parallax adds to a measure of spread with each view step from the reference.

    Taken over the inner half of the views, without those so near that noise outweighs their parallax.
    """
    farthest = max((distance for distance, _ in spread), default=0.0)
    nearest = min(1.0, farthest / 2) if farthest < 4 else farthest / 4
    inner = [value / distance for distance, value in spread if nearest <= distance <= max(1.0, farthest / 2)]
    return float(np.median(inner)) if inner else 0.0


def _fault(view: _Comparison, a_step: _Spread) -> Fault | None:
    """The first fault of a lit view, None for a good one; `a_step`: spread by parallax a view step."""
    uneven, dark, tint = (
        value > max(limit, PARALLAX_MARGIN * view.distance * step)
        for value, limit, step in zip(view.spread, _Spread(UNEVEN, DARK_AREA, TINTED), a_step, strict=True)
    )
    tests = {
        Fault.TOO_DARK: view.log_ratio < math.log(TOO_DARK),
        Fault.OTHER_PICTURE: view.correlation < CORRELATION,
        Fault.UNEVEN: uneven,
        Fault.DARK_CORNER: dark,
        Fault.NOISY: view.noise > NOISY,
        Fault.TINTED: tint,
    }
    return next((fault for fault, found in tests.items() if found), None)
