"""Numba kernels of the 3 x 3 convolution by Winograd's F(4 x 4, 3 x 3), and of its gradient by the weights.

Arrays are all float32 or all float64 and C-contiguous: pictures (N, H, W, C); transformed weights
(36, C' / BLOCK, C, BLOCK), the element (i, j) of a 6 x 6 transform at 6 * i + j. C and C' are multiples of BLOCK.
Tiles make 4 x 4 pixels each and are numbered along the rows of a picture, picture after picture; each kernel does
those from `first` to `last`, GROUP at a time, whose transforms (36, GROUP, C) stay in the cache.

The two inner steps are written for LLVM in vectors of LANES values, which its own vectoriser does not find here: a
transform of a tile, and a product of matrices by pieces that stay in registers.
"""

# mypy: disallow-untyped-calls=False, disallow-any-generics=False
from __future__ import annotations

import math

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

TILE = 4  # pixels a side that a tile makes
SPAN = 6  # pixels a side that it is made from
ELEMENTS = SPAN * SPAN  # of a transformed tile
LANES = 8  # float32 values of an AVX register
BLOCK = 2 * LANES  # a product's columns that are summed at once
ROWS = 6  # and its rows: 12 registers for sums, 2 for the right factor's row, one for the left factor's value
GRADIENT_ROWS = 4  # the same where rows are channels, which are no multiple of 6
GROUP = 8 * ROWS  # tiles: with 64 channels in and out, 0.9 MiB

# Points of the transform are 0, P, -P, 1/P, -1/P and infinity. With P of about 0.7 the matrices' values stay near 1;
# the rounding is half of that with the usual points 1 and 2.
P = math.sqrt(0.5)
POINTS = (0.0, P, -P, 1 / P, -1 / P)


def _input_matrix() -> np.ndarray:
    """B^T: rows are the products of (x - q) over the other points q, in rising powers of x."""
    rows = [np.poly([q for q in POINTS if q != p])[::-1] for p in POINTS]
    matrix = np.array([*(np.append(row, 0) for row in rows), np.poly(POINTS)[::-1]])
    return np.where(abs(matrix) < 1e-12, 0, matrix)  # those are rounding


def _output_matrix() -> np.ndarray:
    """A^T: powers of the points."""
    powers = [[p**i for p in POINTS] for i in range(TILE)]
    return np.column_stack([powers, np.eye(TILE)[-1]])


def weight_matrix() -> np.ndarray:
    """G (6, 3), which makes weights g the factors G g G^T."""
    scales = [np.prod([p - q for q in POINTS if q != p]) for p in POINTS]
    rows = [[p**i / scale for i in range(3)] for p, scale in zip(POINTS, scales, strict=True)]
    return np.array([*rows, [0, 0, 1]])


def _place(context, builder, kind, array, *terms):
    """Pointer to an array's element; terms are summed, those that are pairs multiplied first."""
    index = ir.Constant(ir.IntType(64), 0)
    for term in terms:
        index = builder.add(index, builder.mul(*term) if isinstance(term, tuple) else term)
    data = make_array(kind)(context, builder, value=array).data
    return builder.gep(data, [index])


def _vector(context, kind):
    return ir.VectorType(context.get_value_type(kind.dtype), LANES)


def _load(builder, pointer, vector, size):
    return builder.load(builder.bitcast(pointer, vector.as_pointer()), align=size)


def _store(builder, value, pointer, size):
    builder.store(value, builder.bitcast(pointer, value.type.as_pointer()), align=size)


def _number(value):
    return ir.Constant(ir.IntType(64), value)


def _splat(builder, value, vector):
    """The value in all lanes."""
    one = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
    mask = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(one, ir.Constant(vector, ir.Undefined), mask)


def _combined(builder, row, values, vector):
    """Sum of the row's coefficients times the values."""
    total = None
    for coefficient, value in zip(row, values, strict=True):
        if coefficient == 0:
            continue
        if coefficient != 1:
            constant = ir.Constant(vector, [float(coefficient)] * LANES)
            value = builder.fmul(constant, value, flags=("contract",))
        total = value if total is None else builder.fadd(total, value, flags=("contract",))
    return total


def _sandwich(matrix, *, shifted=False):
    """Makes the operation Y = M X M^T on LANES channels at once.

    Its arguments: X's array, its first element's place, steps from row to row and column to column; the same of Y;
    an array and a place in it of what is added to all of Y where `shifted`.
    """
    rows, columns = matrix.shape

    @intrinsic
    def operation(typing, x, start, x_row, x_column, y, to, y_row, y_column, shift, shift_at):
        signature = types.void(x, *(types.intp,) * 3, y, *(types.intp,) * 3, shift, types.intp)

        def generate(context, builder, signature, arguments):
            (x, start, x_row, x_column, y, to, y_row, y_column, shift, shift_at) = arguments
            x_kind, y_kind, shift_kind = (signature.args[n] for n in (0, 4, 8))
            vector = _vector(context, x_kind)
            size = x_kind.dtype.bitwidth // 8

            def value(i, j):
                place = ((x_row, _number(i)), (x_column, _number(j)))
                return _load(builder, _place(context, builder, x_kind, x, start, *place), vector, size)

            half = [
                [_combined(builder, row, [value(i, j) for i in range(columns)], vector) for row in matrix]
                for j in range(columns)
            ]
            more = None
            if shifted:
                more = _load(builder, _place(context, builder, shift_kind, shift, shift_at), vector, size)
            for i in range(rows):
                for j, row in enumerate(matrix):
                    out = _combined(builder, row, [column[i] for column in half], vector)
                    if more is not None:
                        out = builder.fadd(out, more)
                    place = ((y_row, _number(i)), (y_column, _number(j)))
                    _store(builder, out, _place(context, builder, y_kind, y, to, *place), size)
            return context.get_dummy_value()

        return signature, generate

    return operation


_transform_input = _sandwich(_input_matrix())
_transform_output = _sandwich(_output_matrix(), shifted=True)
_transform_gradient = _sandwich(_output_matrix().T)


def _product(rows, *, added):
    """Makes the operation C = A B on rows x BLOCK elements of C, added to what is there where `added`.

    Its arguments: A's array, its first element's place, steps from row to row and along the sum; B's and C's arrays,
    places and steps from row to row; the number of products in a sum.
    """

    @intrinsic
    def operation(typing, a, a_at, a_row, a_step, b, b_at, b_row, c, c_at, c_row, depth):
        whole = types.intp
        signature = types.void(a, whole, whole, whole, b, whole, whole, c, whole, whole, whole)

        def generate(context, builder, signature, arguments):
            (a, a_at, a_row, a_step, b, b_at, b_row, c, c_at, c_row, depth) = arguments
            a_kind, b_kind, c_kind = (signature.args[n] for n in (0, 4, 7))
            vector = _vector(context, a_kind)
            size = a_kind.dtype.bitwidth // 8
            places = [
                _place(context, builder, c_kind, c, c_at, (c_row, _number(i)), _number(j * LANES))
                for i in range(rows)
                for j in range(BLOCK // LANES)
            ]
            zero = ir.Constant(vector, [0.0] * LANES)
            sums = [
                cgutils.alloca_once_value(builder, _load(builder, place, vector, size) if added else zero)
                for place in places
            ]
            with cgutils.for_range(builder, depth) as loop:
                right = [
                    _load(
                        builder,
                        _place(context, builder, b_kind, b, b_at, (b_row, loop.index), _number(j * LANES)),
                        vector,
                        size,
                    )
                    for j in range(BLOCK // LANES)
                ]
                for i in range(rows):
                    place = ((a_row, _number(i)), (a_step, loop.index))
                    left = builder.load(_place(context, builder, a_kind, a, a_at, *place))
                    left = _splat(builder, left, vector)
                    for j, value in enumerate(right):
                        total = sums[i * len(right) + j]
                        step = builder.fmul(left, value, flags=("contract",))
                        builder.store(builder.fadd(builder.load(total), step, flags=("contract",)), total)
            for place, total in zip(places, sums, strict=True):
                _store(builder, builder.load(total), place, size)
            return context.get_dummy_value()

        return signature, generate

    return operation


_multiply, _multiply_add = _product(ROWS, added=False), _product(GRADIENT_ROWS, added=True)


@njit(cache=True, nogil=True)
def _corner(tile, shape):
    """Picture of a tile, and the place of its first pixel."""
    down, across = -(-shape[1] // TILE), -(-shape[2] // TILE)
    n, place = divmod(tile, down * across)
    return n, place // across * TILE, place % across * TILE


@njit(cache=True, nogil=True)
def _input_tile(picture, tile, patch, tiles, to, step, shift):
    """Transform of the pixels that a tile is made from; beyond the picture's edge there are zeros."""
    _, height, width, channels = picture.shape
    n, top, left = _corner(tile, picture.shape)
    top, left = top - 1, left - 1
    source, start, row = picture.reshape(-1), ((n * height + top) * width + left) * channels, width * channels
    if top < 0 or left < 0 or top + SPAN > height or left + SPAN > width:
        for i in range(SPAN):
            for j in range(SPAN):
                y, x = top + i, left + j
                known = 0 <= y < height and 0 <= x < width
                for c in range(channels):
                    patch[i, j, c] = picture[n, y, x, c] if known else 0
        source, start, row = patch.reshape(-1), 0, SPAN * channels
    for c in range(0, channels, LANES):
        _transform_input(source, start + c, row, channels, tiles, to + c, SPAN * step, step, shift, 0)


@njit(cache=True, nogil=True)
def convolve(picture, weights, bias, first, last, out):
    """Convolution of the picture, to the pixels of `out` that the tiles from first to last make."""
    _, height, width, channels = picture.shape
    outputs = out.shape[3]
    tiles = np.zeros((ELEMENTS, GROUP, channels), picture.dtype)
    products = np.empty((ELEMENTS, GROUP, outputs), picture.dtype)
    patch = np.empty((SPAN, SPAN, channels), picture.dtype)
    square = np.empty((TILE, TILE, outputs), picture.dtype)
    step, out_step = GROUP * channels, GROUP * outputs
    for group in range(first, last, GROUP):
        count = min(GROUP, last - group)
        for t in range(count):
            _input_tile(picture, group + t, patch, tiles, t * channels, step, bias)
        for k in range(ELEMENTS):
            for o in range(0, outputs, BLOCK):
                for t in range(0, count, ROWS):
                    _multiply(
                        tiles, k * step + t * channels, channels, 1,
                        weights, (k * outputs + o) * channels, BLOCK,
                        products, k * out_step + t * outputs + o, outputs,
                        channels,
                    )  # fmt: skip
        for t in range(count):
            n, top, left = _corner(group + t, picture.shape)
            rows, columns = min(TILE, height - top), min(TILE, width - left)
            whole = rows == TILE and columns == TILE
            target, to, row = out.reshape(-1), ((n * height + top) * width + left) * outputs, width * outputs
            if not whole:
                target, to, row = square.reshape(-1), 0, TILE * outputs
            for o in range(0, outputs, LANES):
                _transform_output(
                    products, t * outputs + o, SPAN * out_step, out_step,
                    target, to + o, row, outputs, bias, o,
                )  # fmt: skip
            if not whole:
                for i in range(rows):
                    for j in range(columns):
                        for o in range(outputs):
                            out[n, top + i, left + j, o] = square[i, j, o]


@njit(cache=True, nogil=True)
def add_weight_gradient(picture, gradient, first, last, total):
    """Adds to total (36, C', C) the gradient by the transformed weights that comes from tiles first to last.

    gradient: (N, H, W, C') by the convolution's pixels.
    """
    outputs, channels = total.shape[1:]
    _, height, width, _ = picture.shape
    tiles = np.zeros((ELEMENTS, GROUP, channels), picture.dtype)
    slopes = np.zeros((ELEMENTS, GROUP, outputs), picture.dtype)
    patch = np.empty((SPAN, SPAN, channels), picture.dtype)
    square = np.empty((TILE, TILE, outputs), picture.dtype)
    step, slopes_step = GROUP * channels, GROUP * outputs
    unused = square.reshape(-1)
    for group in range(first, last, GROUP):
        count = min(GROUP, last - group)
        for t in range(count):
            _input_tile(picture, group + t, patch, tiles, t * channels, step, unused)
            n, top, left = _corner(group + t, picture.shape)
            source, start = gradient.reshape(-1), ((n * height + top) * width + left) * outputs
            row = width * outputs
            if top + TILE > height or left + TILE > width:
                for i in range(TILE):
                    for j in range(TILE):
                        known = top + i < height and left + j < width
                        for o in range(outputs):
                            square[i, j, o] = gradient[n, top + i, left + j, o] if known else 0
                source, start, row = square.reshape(-1), 0, TILE * outputs
            for o in range(0, outputs, LANES):
                _transform_gradient(
                    source, start + o, row, outputs,
                    slopes, t * outputs + o, SPAN * slopes_step, slopes_step, unused, 0,
                )  # fmt: skip
        for k in range(ELEMENTS):
            at = k * channels * outputs
            for c in range(0, channels, BLOCK):
                for o in range(0, outputs, GRADIENT_ROWS):
                    _multiply_add(
                        slopes, k * slopes_step + o, 1, outputs,
                        tiles, k * step + c, channels,
                        total, at + o * channels + c, channels,
                        count,
                    )  # fmt: skip
