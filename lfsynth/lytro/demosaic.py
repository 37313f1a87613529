"""Filters that find the colours a pixel of the Bayer mosaic does not have, under a microlens.

What a microlens shows of a layer of disparity d is the layer's texture, magnified: neighbouring pixels see points d
px apart. So the light under a lens is smooth, the more so the nearer the layer is to the focal plane, and an
optimal linear filter can be computed from what is assumed of textures and disparities (Wiener filter, or kriging
[1]_, of a light field): textures have an exponential autocorrelation, cut by a pixel's area; disparities are even
up to a limit; colours are correlated with each other; pixels have noise. A filter's weights for the colour wanted
sum to 1, and to 0 for the others, so that every even colour is kept. The mosaic looks the same when mirrored at any
of its pixels, and so do the filters.

References
----------
.. [1] H. J. Trussell, R. E. Hartwig, "Mathematics for demosaicking", IEEE TIP 11(4), 2002, doi:10.1109/TIP.2002.999681.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BAYER = np.array([[1, 0], [2, 1]])
"""Channel by Bayer position, (row parity, column parity): G R over B G."""

REACH = 2
"""Pixels on each side that a filter reads."""

_DISPARITY = 0.7
"""Largest disparity that is thought of, px a view step."""
_DISPARITIES = 9
"""Disparities that stand for all."""
_LENGTH = 8.0
"""Distance in px of a view at which a texture's correlation has fallen to 1/e."""
_PIXEL = 1.0
"""Distance in px of a view within which a texture is smooth."""
_COLOURS = 0.7
"""Correlation of two colours at one place."""
_NOISE = 1e-3
"""Variance of a pixel's noise, that of the texture is 1: 30 dB."""


def _correlation(distance: NDArray[np.float64], view_step: float) -> NDArray[np.float64]:
    """Correlation of the light on two pixels so many px apart under one lens."""
    disparity = (np.arange(_DISPARITIES) + 0.5) / _DISPARITIES * _DISPARITY / view_step
    apart = distance[..., None] * disparity
    return np.asarray(np.exp((_PIXEL - np.hypot(apart, _PIXEL)) / _LENGTH).mean(axis=-1))


def demosaic_filters(view_step: float) -> NDArray[np.float64]:
    """Weights of a pixel's neighbours for each of the three colours.

    Parameters
    ----------
    view_step : distance of neighbouring views in px of the sensor

    Returns
    -------
    (2, 2, 3, 5, 5) by parity of the pixel's row and column, colour R, G, B, and the neighbour's place, rows first
    """
    places = np.arange(-REACH, REACH + 1)
    y, x = (grid.ravel() for grid in np.meshgrid(places, places, indexing="ij"))
    apart = np.hypot(y[:, None] - y, x[:, None] - x)
    same = _correlation(apart, view_step)
    here = _correlation(np.hypot(y, x), view_step)
    filters = np.empty((2, 2, 3, len(places), len(places)))
    for i, j in np.ndindex(2, 2):
        channel = BAYER[(i + y) % 2, (j + x) % 2]
        of_colour = np.where(channel[:, None] == channel, 1.0, _COLOURS)
        member = (channel[:, None] == np.arange(3)).astype(float)
        system = np.block(
            [[same * of_colour + _NOISE * np.eye(len(y)), member], [member.T, np.zeros((3, 3))]]
        )
        wanted = here[:, None] * np.where(channel[:, None] == np.arange(3), 1.0, _COLOURS)
        weights = np.linalg.solve(system, np.concatenate([wanted, np.eye(3)]))[: len(y)]
        filters[i, j] = weights.T.reshape(3, len(places), len(places))
    return filters


def folded(filters: NDArray[np.float64]) -> NDArray[np.float64]:
    """One weight for all mirrored places: (..., 5, 5) to (..., 9), by distance 0, 1, 2 across, then down."""
    quarter = filters[..., REACH:, REACH:]
    return np.swapaxes(quarter, -1, -2).reshape(*filters.shape[:-2], (REACH + 1) ** 2)
