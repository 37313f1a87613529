"""Differences of a periodic picture, their adjoints, and the shrinking of their lengths, in numba.

All arrays are C-contiguous float32. Pictures are (m, m) and periodic; fields are (F, m, m): 2 first differences
(down, across), or 3 second ones (down, across, sqrt 2 times mixed).
"""

import numpy as np
from numba import njit

_ROOT2 = np.float32(np.sqrt(2.0))
_TWO = np.float32(2.0)
_ONE = np.float32(1.0)
_NOTHING = np.float32(0.0)
_LEAST = np.float32(1e-30)


@njit(cache=True, nogil=True)
def gradient(v, fields):
    """First differences to the next pixel."""
    m = v.shape[0]
    for i in range(m):
        below = i + 1 if i + 1 < m else 0
        for j in range(m - 1):
            fields[0, i, j] = v[below, j] - v[i, j]
            fields[1, i, j] = v[i, j + 1] - v[i, j]
        fields[0, i, m - 1] = v[below, m - 1] - v[i, m - 1]
        fields[1, i, m - 1] = v[i, 0] - v[i, m - 1]


@njit(cache=True, nogil=True)
def add_gradient_adjoint(fields, factor, out):
    """Add the adjoint of `gradient`, times a factor, to a picture."""
    m = out.shape[0]
    for i in range(m):
        above = i - 1 if i > 0 else m - 1
        out[i, 0] += factor * (fields[0, above, 0] - fields[0, i, 0] + fields[1, i, m - 1] - fields[1, i, 0])
        for j in range(1, m):
            out[i, j] += factor * (
                fields[0, above, j] - fields[0, i, j] + fields[1, i, j - 1] - fields[1, i, j]
            )


@njit(cache=True, nogil=True)
def curvature(v, fields):
    """Second differences."""
    m = v.shape[0]
    for i in range(m):
        below = i + 1 if i + 1 < m else 0
        above = i - 1 if i > 0 else m - 1
        for j in range(m):
            right = j + 1 if j + 1 < m else 0
            left = j - 1 if j > 0 else m - 1
            fields[0, i, j] = v[below, j] - _TWO * v[i, j] + v[above, j]
            fields[1, i, j] = v[i, right] - _TWO * v[i, j] + v[i, left]
            fields[2, i, j] = _ROOT2 * (v[below, right] - v[below, j] - v[i, right] + v[i, j])


@njit(cache=True, nogil=True)
def add_curvature_adjoint(fields, factor, out):
    """Add the adjoint of `curvature`, times a factor, to a picture."""
    m = out.shape[0]
    for i in range(m):
        below = i + 1 if i + 1 < m else 0
        above = i - 1 if i > 0 else m - 1
        for j in range(m):
            right = j + 1 if j + 1 < m else 0
            left = j - 1 if j > 0 else m - 1
            out[i, j] += factor * (
                fields[0, below, j]
                - _TWO * fields[0, i, j]
                + fields[0, above, j]
                + fields[1, i, right]
                - _TWO * fields[1, i, j]
                + fields[1, i, left]
                + _ROOT2
                * (fields[2, above, left] - fields[2, above, j] - fields[2, i, left] + fields[2, i, j])
            )


@njit(cache=True, nogil=True)
def shrink(fields, split, dual, threshold, weights, relaxation):
    """One step of the split lengths: over-relax, shorten each vector, carry the rest over to the dual.

    fields : of the new picture; split, dual : (F, m, m), changed in place; threshold : times weights (m, m), what
    the vectors lose of their length.
    """
    count, m, _ = fields.shape
    keep = np.empty(m, np.float32)
    for i in range(m):
        for j in range(m):
            keep[j] = _LEAST
        for f in range(count):
            for j in range(m):
                a = relaxation * fields[f, i, j] + (_ONE - relaxation) * split[f, i, j] + dual[f, i, j]
                dual[f, i, j] = a
                keep[j] += a * a
        for j in range(m):
            keep[j] = max(_NOTHING, _ONE - threshold * weights[i, j] / np.sqrt(keep[j]))
        for f in range(count):
            for j in range(m):
                new = dual[f, i, j] * keep[j]
                split[f, i, j] = new
                dual[f, i, j] -= new


@njit(cache=True, nogil=True)
def clamp(v, split, dual, first, size, relaxation):
    """One step of the split picture, at least 0 on its support and 0 elsewhere; arguments as in `shrink`.

    first, size : the support is the square of `size` pixels from (first, first) on.
    """
    m = v.shape[0]
    for i in range(m):
        for j in range(m):
            dual[i, j] += relaxation * v[i, j] + (_ONE - relaxation) * split[i, j]
            split[i, j] = _NOTHING
        if first <= i < first + size:
            for j in range(first, first + size):
                new = max(dual[i, j], _NOTHING)
                split[i, j] = new
                dual[i, j] -= new
