"""Compiled loops of the robust average; `lfsynth.allinfocus` says what they are for.

Rows of samples lie [channel, x] so that the compiler finds whole vectors of pixels. All arrays are float32.
"""

import numpy as np
from numba import njit

from lfsynth.warp import sample_row

_FIRST_FREE, _FIRST_SCALE = 1.5, 0.5
"""First pass: mean square over 3 x 3 pixels, in variances, that is no sign of another object (2 is expected
of two noisy samples), and the excess that lowers the weight to 1/e."""

_OWN_SHARE = 0.5
"""First pass: a pixel's own mean square counts at least with this share, so that a lone point is seen."""

_SECOND_SCALE = 2 * 1.2**2
"""Second pass: mean square, in variances, that lowers the weight to 1/e: a Gaussian of 1.2 sigma."""

_ALIKE = 6.0
"""A sample whose mean square difference from the centre view is less, in variances (2 is expected), supports
it."""

_FORSAKEN, _SUPPORTED = 0.1, 0.4
"""A pixel of the centre view is taken for a hot one if a smaller share of the views supports it than the
first, while more than the second supports each pixel about it."""


@njit(cache=True, nogil=True, fastmath=True)
def _mean_squares(samples, valid, reference, inverse, own):
    """Mean square difference over channels, in variances; 0 outside the view, to harm no neighbour."""
    channels, width = samples.shape
    own[:] = 0
    for c in range(channels):
        for x in range(width):
            difference = samples[c, x] - reference[c, x]
            own[x] += difference * difference * inverse[c, x] * valid[x]


@njit(cache=True, nogil=True, fastmath=True)
def _sum_across(own, across):
    """Each pixel and its two neighbours; the rim counts twice."""
    width = len(own)
    for x in range(1, width - 1):
        across[x] = own[x - 1] + own[x] + own[x + 1]
    across[0] = 2 * own[0] + own[min(1, width - 1)]
    across[width - 1] = 2 * own[width - 1] + own[max(width - 2, 0)]


@njit(cache=True, nogil=True, fastmath=True)
def _add(samples, weight, total, sums):
    """Add a view's samples [c, x] with its weights [x]."""
    channels, width = samples.shape
    for x in range(width):
        total[x] += weight[x]
    for c in range(channels):
        for x in range(width):
            sums[c, x] += weight[x] * samples[c, x]


@njit(cache=True, nogil=True, fastmath=True)
def _inverse_variances(reference, variances, inverse):
    """One over the noise's variance at a brightness, and over the channels: for a mean over them."""
    channels, width = reference.shape
    for c in range(channels):
        constant, shot, gain = variances[0, c], variances[1, c], variances[2, c]
        for x in range(width):
            light = max(reference[c, x], np.float32(0))
            inverse[c, x] = np.float32(1) / (
                (constant + (shot + gain * light) * light) * np.float32(channels)
            )


@njit(cache=True, nogil=True)
def _is_hot(above, here, below, x):
    """Whether no view supports a pixel, or it and one beside it, while all support the pixels about.

    A strand, however thin, has another pixel of its own among those about; so has anything larger than two
    pixels.
    """
    if here[x] > _FORSAKEN or min(here[x - 2], here[x + 2]) < _SUPPORTED:
        return False
    if min(above[x - 1], above[x], above[x + 1]) < _SUPPORTED:
        return False
    return min(below[x - 1], below[x], below[x + 1]) >= _SUPPORTED


@njit(cache=True, nogil=True)
def _median(values):
    """Median of a few values, which are left sorted; numpy's would take the compiler seconds."""
    for i in range(1, len(values)):
        value = values[i]
        j = i
        while j > 0 and values[j - 1] > value:
            values[j] = values[j - 1]
            j -= 1
        values[j] = value
    middle = len(values) // 2
    if len(values) % 2:
        return values[middle]
    return np.float32(0.5) * (values[middle - 1] + values[middle])


@njit(cache=True, nogil=True, fastmath=True)
def robust_average(views, chosen, view_weights, centre, disparity, table, variances, first, last, out):
    """Rows first to last of the picture (H, W, C), from views [u, v, y, x * c]."""
    height, width, channels = out.shape
    number = len(chosen)
    picture = views[centre[0], centre[1]]
    one, zero = np.float32(1), np.float32(0)
    first_scale = np.float32(1 / (4 * _FIRST_SCALE))
    second_scale = np.float32(1 / (4 * _SECOND_SCALE))
    # Rows y - 1, y, y + 1 are needed at a time: each lies in slot (row modulo 3).
    samples = np.zeros((3, number, channels, width), np.float32)
    valid = np.zeros((3, number, width), np.float32)
    own = np.zeros((3, number, width), np.float32)
    across = np.zeros((3, number, width), np.float32)
    scratch = np.empty(12, np.float32)
    reference = np.empty((channels, width), np.float32)
    inverse = np.empty((channels, width), np.float32)
    weight = np.empty(width, np.float32)
    total = np.empty(width, np.float32)
    sums = np.empty((channels, width), np.float32)
    support = np.zeros((3, width), np.float32)
    group = np.empty(number, np.float32)
    share = one / np.float32(max(number - 1, 1))
    for ahead in range(max(first - 1, 0), last + 1):
        slot = ahead % 3
        if ahead < height:
            for x in range(width):
                for c in range(channels):
                    reference[c, x] = picture[ahead, x * channels + c]
            _inverse_variances(reference, variances, inverse)
            support[slot] = 0
            for n in range(number):
                u, v = chosen[n]
                du, dv = np.float32(u - centre[0]), np.float32(v - centre[1])
                picked, inside = samples[slot, n], valid[slot, n]
                sample_row(views[u, v], ahead, du, dv, disparity[ahead], table, scratch, picked, inside)
                _mean_squares(picked, inside, reference, inverse, own[slot, n])
                _sum_across(own[slot, n], across[slot, n])
                if n > 0:
                    for x in range(width):
                        support[slot, x] += (
                            share * inside[x] if own[slot, n, x] < np.float32(_ALIKE) else zero
                        )
        y = ahead - 1
        if y < first:
            continue
        here, above, below = y % 3, max(y - 1, 0) % 3, min(y + 1, height - 1) % 3
        total[:] = 0
        sums[:] = 0
        for n in range(number):
            a, b, c, d = across[above, n], across[here, n], across[below, n], own[here, n]
            inside, trust = valid[here, n], view_weights[n]
            for x in range(width):
                square = max((a[x] + b[x] + c[x]) * np.float32(1 / 9), d[x] * np.float32(_OWN_SHARE))
                e = max(one - max(square - np.float32(_FIRST_FREE), zero) * first_scale, zero)
                e *= e
                weight[x] = e * e * inside[x] * trust
            _add(samples[here, n], weight, total, sums)
        for x in range(width):
            for c in range(channels):
                centre_value = picture[y, x * channels + c]
                reference[c, x] = sums[c, x] / total[x] if total[x] > zero else centre_value
        for x in range(2, width - 2):
            if _is_hot(support[above], support[here], support[below], x):
                for c in range(channels):
                    for n in range(1, number):
                        group[n] = samples[here, n, c, x]
                    reference[c, x] = _median(group[1:])
        _inverse_variances(reference, variances, inverse)
        total[:] = 0
        sums[:] = 0
        for n in range(number):
            d, inside, trust = own[here, n], valid[here, n], view_weights[n]
            _mean_squares(samples[here, n], inside, reference, inverse, d)
            for x in range(width):
                e = max(one - d[x] * second_scale, zero)
                e *= e
                weight[x] = e * e * inside[x] * trust
            _add(samples[here, n], weight, total, sums)
        for x in range(width):
            # Where no sample is like the first average, that is the best there is.
            for c in range(channels):
                out[y, x, c] = sums[c, x] / total[x] if total[x] > np.float32(1e-3) else reference[c, x]
