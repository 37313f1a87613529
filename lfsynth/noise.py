"""Noise of a light field's views as a function of brightness."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls
from scipy.stats import chi2

from lfsynth.disparity import check_centre, disparity_map
from lfsynth.lightfield import LightField
from lfsynth.warp import FRACTIONS, kernel_table, nearest_views, sample_rows

LEAST_SIGMA = 5e-4
"""Noise is never taken for less, as a fraction of white: what interpolation is off by."""

_MEDIAN_OF_NORMAL = 0.6745
"""Median of the absolute value of a normal variable of deviation 1."""

_ROWS = 64
"""Rows of the picture from which the noise is estimated."""

_VIEWS = 8
"""Views about the centre from which the noise is estimated."""

_BINS = 12
"""Classes of brightness in which the noise is estimated."""

_QUIET = 0.25
"""Quantile of a class's variances that is taken for noise: higher ones may hold texture that was moved
wrongly."""

_MOST_DETAIL = 2.0
"""The noise is not taken for more than this times the deviation of the centre view's fine detail, noise and
all: more means that the disparity is wrong. It is above 1 since a decoder's noise is smooth along a row (its
detail is 0.74 of it) and a renderer's has long tails."""

_SPACING = 2
"""Views a step apart share noise where they were decoded from neighbouring pixels (correlation 0.47 in a real
Illum's light field, 0.02 at two steps): the noise is estimated from views this far apart."""


@dataclass(frozen=True)
class Noise:
    """Noise of a view: the variance of a channel at the brightness L is ``constant + shot * L + gain * L^2``.

    Attributes
    ----------
    constant : per channel, square of a fraction of white: read-out and quantisation
    shot : per channel, fraction of white: photons
    gain : per channel: uneven sensitivity, such as what is left of the microlenses' vignetting
    """

    constant: tuple[float, ...]
    shot: tuple[float, ...]
    gain: tuple[float, ...]

    def sigma(self, brightness: float) -> NDArray[np.float64]:
        """Standard deviation per channel at a brightness in linear light, a fraction of white."""
        constant, shot, gain = np.array([self.constant, self.shot, self.gain])
        variance: NDArray[np.float64] = constant + shot * brightness + gain * brightness**2
        return np.sqrt(variance)


def estimate_noise(lf: LightField, *, disparity: NDArray[np.float32] | None = None) -> Noise:
    """Noise of a view as a function of brightness, from how views about the centre differ at the same point.

    Parameters
    ----------
    lf : light field
    disparity : (H, W) float32, px a view step, positive nearer; None: `lfsynth.disparity.disparity_map`

    Returns
    -------
    Noise, at least 0.0005 at any brightness. That too where there are no two views to compare

    Raises
    ------
    InputError
        if the centre view is dead

    Notes
    -----
    The variance over views of a pixel's samples, each divided by the sum of squares of its interpolation
    weights, is the noise's where the samples show one point. A quartile over points of like brightness
    passes by hidden points and texture that was moved wrongly; it is turned into a mean by that of the
    chi-square distribution, and a parabola with no negative coefficient is fitted to the classes of
    brightness. Where the disparity is wrong, the fine detail of the centre view alone sets a limit.
    """
    channels = lf.views.shape[4]
    floor = LEAST_SIGMA**2
    check_centre(lf)
    chosen = nearest_views(lf, _VIEWS + 1, spacing=_SPACING)[1:]
    if len(chosen) < 2:
        chosen = nearest_views(lf, _VIEWS + 1)[1:]
    if len(chosen) < 2:
        return Noise((floor,) * channels, (0.0,) * channels, (0.0,) * channels)
    if disparity is None:
        disparity, _ = disparity_map(lf)
    height = lf.size[0]
    rows = np.unique(np.linspace(0, height - 1, min(_ROWS, height)).round().astype(np.int64))
    samples = np.empty((len(chosen), channels, len(rows), lf.size[1]), np.float32)
    valid = np.empty((len(chosen), len(rows), lf.size[1]), np.float32)
    disparity = np.ascontiguousarray(disparity, np.float32)
    steps = np.array(chosen) - np.array(lf.centre)
    views = lf.views.reshape(*lf.views.shape[:3], -1)
    sample_rows(views, np.array(chosen), np.array(lf.centre), disparity, kernel_table(), rows, samples, valid)
    usable = (valid > 0).all(axis=0)
    if not usable.any():
        return Noise((floor,) * channels, (0.0,) * channels, (0.0,) * channels)
    gain = np.square(kernel_table()).sum(axis=1)
    shift = steps[:, :, None] * disparity[rows][usable]
    mean_gain = gain[np.rint((-shift) % 1 * FRACTIONS).astype(np.int64)].prod(axis=1).mean(axis=0)
    freedom = len(chosen) - 1
    # Second differences along both axes of white noise have 6 times its deviation.
    kernel = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32) / 6
    detail = np.abs(cv2.filter2D(lf.centre_view, -1, kernel)).reshape(*lf.size, channels)[rows][usable]
    fits = []
    for c in range(channels):
        values = samples[:, c][:, usable]
        variance = values.var(axis=0, ddof=1) / mean_gain
        brightness = values.mean(axis=0)
        edges = np.quantile(brightness, np.linspace(0, 1, _BINS + 1))
        powers, quiet = [], []
        for low, high in pairwise(edges):
            inside = (brightness >= low) & (brightness <= high)
            light = max(float(brightness[inside].mean()), 0.0)
            powers.append((1.0, light, light**2))
            between = (
                float(np.quantile(variance[inside], _QUIET)) * freedom / float(chi2.ppf(_QUIET, freedom))
            )
            within = _MOST_DETAIL * float(np.median(detail[inside, c])) / _MEDIAN_OF_NORMAL
            quiet.append(min(between, within**2))
        level = np.maximum(quiet, floor)
        # The spread of a variance is proportional to it: divided by it, all classes count alike.
        coefficients, _ = nnls(np.array(powers) / level[:, None], np.ones(len(level)))
        fits.append((max(float(coefficients[0]), floor), float(coefficients[1]), float(coefficients[2])))
    constant, shot, uneven = zip(*fits, strict=True)
    return Noise(constant, shot, uneven)


def variance_coefficients(noise: Noise | float, channels: int) -> NDArray[np.float32]:
    """Coefficients of the variance, (3, C), with the constant not below its floor."""
    if isinstance(noise, Noise):
        variances = np.array([noise.constant, noise.shot, noise.gain], np.float64)
    else:
        variances = np.array([[noise * abs(noise)] * channels, [0.0] * channels, [0.0] * channels])
    if variances.shape != (3, channels) or not (variances >= 0).all():
        raise ValueError(f"noise must not be negative and must have {channels} channels: {noise}")
    variances[0] = np.maximum(variances[0], LEAST_SIGMA**2)
    return variances.astype(np.float32)
