"""Numba kernels of the dynamic filter on the CPU: all taps in one pass over the kernels' memory.

Arrays of one picture, all float32 or all float64: padded (C, H + k - 1, W + k - 1) and picture-like (C, H, W), both
C-contiguous; kernels (rows, W, k * k) of any strides, which hold the rows first, first + 1, ... of the picture.
Their taps lie side by side where they come from a channels-last convolution, so they are turned BLOCK pixels at a
time for LLVM to vectorise along the row. The innermost loops run over small arrays made here, which LLVM knows not
to overlap: on the callers' arrays it would not vectorise.
"""

from __future__ import annotations

import numpy as np
from numba import njit

BLOCK = 64  # pixels: 49 taps of them fill 12.5 KiB, which stays in the first-level cache


@njit(cache=True, nogil=True)
def _turn(kernels, line, x, count, block):
    """Taps of `count` pixels of a line from x on, to block (k * k, BLOCK)."""
    if kernels.strides[2] < kernels.strides[1]:
        for b in range(count):
            for t in range(block.shape[0]):
                block[t, b] = kernels[line, x + b, t]
    else:
        for t in range(block.shape[0]):
            for b in range(count):
                block[t, b] = kernels[line, x + b, t]


@njit(cache=True, nogil=True, fastmath={"contract"})
def filter_rows(padded, kernels, first, out):
    """Filtered picture in the rows that the kernels are of, to out."""
    channels, _, width = out.shape
    side = round(np.sqrt(kernels.shape[2]))
    block = np.zeros((side * side, BLOCK), padded.dtype)
    source = np.zeros(BLOCK + side - 1, padded.dtype)
    total = np.empty(BLOCK, padded.dtype)
    for line in range(kernels.shape[0]):
        y = first + line
        for x in range(0, width, BLOCK):
            count = min(BLOCK, width - x)
            _turn(kernels, line, x, count, block)
            for c in range(channels):
                for b in range(BLOCK):
                    total[b] = 0
                for row in range(side):
                    for b in range(count + side - 1):
                        source[b] = padded[c, y + row, x + b]
                    for column in range(side):
                        weights = block[row * side + column]
                        for b in range(BLOCK):
                            total[b] += weights[b] * source[b + column]
                for b in range(count):
                    out[c, y, x + b] = total[b]


@njit(cache=True, nogil=True, fastmath={"contract"})
def kernels_gradient_rows(gradient, padded, first, out):
    """The kernels' gradient in rows from first on, to out (rows, W, k * k) of any strides."""
    channels, _, width = gradient.shape
    side = round(np.sqrt(out.shape[2]))
    taps_first = out.strides[2] < out.strides[1]
    block = np.empty((side * side, BLOCK), padded.dtype)
    source = np.zeros(BLOCK + side - 1, padded.dtype)
    slopes = np.zeros(BLOCK, padded.dtype)
    for line in range(out.shape[0]):
        y = first + line
        for x in range(0, width, BLOCK):
            count = min(BLOCK, width - x)
            for t in range(side * side):
                for b in range(BLOCK):
                    block[t, b] = 0
            for c in range(channels):
                for b in range(count):
                    slopes[b] = gradient[c, y, x + b]
                for row in range(side):
                    for b in range(count + side - 1):
                        source[b] = padded[c, y + row, x + b]
                    for column in range(side):
                        total = block[row * side + column]
                        for b in range(BLOCK):
                            total[b] += slopes[b] * source[b + column]
            if taps_first:
                for b in range(count):
                    for t in range(side * side):
                        out[line, x + b, t] = block[t, b]
            else:
                for t in range(side * side):
                    for b in range(count):
                        out[line, x + b, t] = block[t, b]


@njit(cache=True, nogil=True, fastmath={"contract"})
def image_gradient_rows(gradient, kernels, first, slab):
    """What the kernels' rows add to the padded image's gradient: to slab (C, rows + k - 1, W + k - 1)."""
    channels, _, width = gradient.shape
    side = round(np.sqrt(kernels.shape[2]))
    block = np.zeros((side * side, BLOCK), gradient.dtype)
    slopes = np.empty(BLOCK, gradient.dtype)
    total = np.empty(BLOCK + side - 1, gradient.dtype)
    for line in range(kernels.shape[0]):
        for x in range(0, width, BLOCK):
            count = min(BLOCK, width - x)
            _turn(kernels, line, x, count, block)
            for c in range(channels):
                for b in range(BLOCK):
                    slopes[b] = gradient[c, first + line, x + b] if b < count else 0
                for row in range(side):
                    for b in range(total.size):
                        total[b] = 0
                    for column in range(side):
                        weights = block[row * side + column]
                        for b in range(BLOCK):
                            total[b + column] += weights[b] * slopes[b]
                    for b in range(count + side - 1):
                        slab[c, line + row, x + b] += total[b]
