"""Ground truth: the all-in-focus picture of a light field, seen from its centre view, with the noise averaged
away.

Every view near the centre is moved onto the centre view along the disparity map, and the samples of a pixel
are averaged with weights that fall with their difference from the centre view, measured in units of the
noise. A sample that shows something else (hidden there, or moved by a wrong disparity) differs and drops out,
so that an error of the map costs noise, not sharpness: where nothing agrees, the centre view remains.

The weights are found twice. Compared with the centre view itself, noise and all, a single pixel cannot tell a
faint occlusion from noise; 3 x 3 pixels can, but blunt fine detail. So the first average weighs by
differences over 3 x 3 pixels, and the second compares pixel by pixel with the first, which has little noise
of its own: it is not drawn towards the centre view's noise, as a single pass is. A pixel or two that no view
supports while all support those about it is a hot pixel of the sensor: there the first average is replaced by
the median of the other views.

Axis order, signs and light are those of `lfsynth.lightfield`.
"""

from __future__ import annotations

import enum
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from lfsynth.allinfocus_kernels import robust_average
from lfsynth.disparity import check_centre, disparity_map
from lfsynth.lightfield import LightField
from lfsynth.noise import Noise, estimate_noise, variance_coefficients
from lfsynth.warp import kernel_table, nearest_views


class Method(enum.Enum):
    """How the ground truth is made."""

    ROBUST_AVERAGE = "robust-average"
    CENTRE_VIEW = "centre-view"


VIEWS = 37
"""Default number of views, the centre one included: those within 3.2 view steps of it."""


def all_in_focus(
    lf: LightField,
    *,
    method: Method = Method.ROBUST_AVERAGE,
    disparity: NDArray[np.float32] | None = None,
    noise: Noise | float | None = None,
    views: int = VIEWS,
    threads: int = 1,
) -> NDArray[np.float32]:
    """All-in-focus picture from the centre view's point.

    Parameters
    ----------
    lf : light field; a view counts as much as its weight, and not at all at 0
    method : robust average, or the centre view as it is
    disparity : (H, W) float32, px a view step, positive nearer; None: `lfsynth.disparity.disparity_map`
    noise : of a view; a number is the standard deviation at every brightness, as a fraction of white; None:
        `estimate_noise`
    views : so many views, those nearest to the centre, are averaged, the centre view included
    threads : so many threads work at it; the result does not depend on them

    Returns
    -------
    (H, W, C) float32, linear light

    Raises
    ------
    InputError
        if the centre view is dead
    ValueError
        for a disparity of another shape, fewer than one view or thread, or negative noise

    Notes
    -----
    GT(x) = sum w o S / sum w o over views, S = L_uv(x - D(x) (u - u0, v - v0)) as in `lfsynth.warp`, w the
    view's weight. With q the mean over channels of (S - R)^2 / variance(R): first pass R = L_centre and o =
    e(max(q3 - 1.5, 0) / 0.5), q3 the larger of q / 2 and the mean of q over 3 x 3 pixels; second pass R = the
    first result and o = e(q / 2.88), where e(z) = max(0, 1 - z/4)^4, which is exp(-z) but ends at 4.
    """
    if views < 1 or threads < 1:
        raise ValueError(f"views and threads must be at least 1, not {views} and {threads}")
    if disparity is not None and disparity.shape != lf.size:
        raise ValueError(f"disparity must be {lf.size}, not {disparity.shape}")
    check_centre(lf)
    chosen = nearest_views(lf, views)
    if method is Method.CENTRE_VIEW or len(chosen) < 2:
        return lf.centre_view.copy()
    if disparity is None:
        disparity, _ = disparity_map(lf)
    disparity = np.ascontiguousarray(disparity, np.float32)
    if noise is None:
        noise = estimate_noise(lf, disparity=disparity)
    variances = variance_coefficients(noise, lf.views.shape[4])
    weights = np.array([lf.weights[u, v] for u, v in chosen], np.float32)
    table = kernel_table()
    out = np.empty_like(lf.centre_view)
    bands = np.linspace(0, lf.size[0], threads + 1).astype(int)

    views_flat = lf.views.reshape(*lf.views.shape[:3], -1)

    def band(first: int, last: int) -> None:
        robust_average(
            views_flat,
            np.array(chosen),
            weights,
            np.array(lf.centre),
            disparity,
            table,
            variances,
            first,
            last,
            out,
        )

    if threads == 1:
        band(0, lf.size[0])
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(band, bands[:-1], bands[1:]))
    return out
