"""PNG: bytes to array and back, faster than the libraries at hand and strict about damage.

Follows the PNG specification, third edition (https://www.w3.org/TR/png-3/) and RFC 1950 and 1951 for the
compressed stream. Arrays are ``[y, x, c]`` in RGB(A) order, uint8 or uint16.

Pictures are written with the Paeth filter and then Huffman-coded as literals in a single dynamic block,
without a search for repeats: in photographs repeats save less than they cost, so this is both several times
faster and mostly smaller than a fast general compressor. Where a trial on some rows finds that repeats do pay
(drawings, flat areas, grey pictures in three channels), ISA-L's deflate takes over.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import cast

import cv2
import numba
import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from lfsynth.opencv import decode_by_opencv

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_PAETH = 4  # the filter's number in the specification
_END_OF_BLOCK = 256
_LONGEST_CODE = 15  # bits, RFC 1951 3.2.7
_TRIAL_STEP = 16  # every so many rows are tried
_TRIAL_GAIN = 0.95  # repeats pay where they bring the size below this share
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}  # by colour type
_CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}  # by colour type; type 3, palette, is left to OpenCV

HEADER_SIZE = 33
"""Bytes of signature and header chunk."""

_GAMMA_UNIT = 100_000
"""Of a gAMA chunk, which holds the exponent from light to codes."""

Codes = NDArray[np.uint8] | NDArray[np.uint16]

Choose = Callable[[int, int], tuple[slice, slice]]
"""Rows and columns, without steps, of a picture of this height and width."""


def encode_png(picture: Codes, *, gamma: float | None = None) -> bytes:
    """Write a picture as a PNG file's bytes.

    Parameters
    ----------
    picture : (H, W, C) or (H, W) uint8 or uint16, C is 1 (grey) or 3 (RGB)
    gamma : exponent from the codes to linear light; None: they follow sRGB

    Returns
    -------
    the file's bytes, the same for the same picture; an sRGB or gAMA chunk says what curve the codes follow

    Raises
    ------
    TypeError : for another dtype or number of channels, or no pixels
    """
    if picture.ndim == 2:
        picture = picture[:, :, None]
    if picture.dtype not in (np.uint8, np.uint16) or picture.ndim != 3 or picture.shape[2] not in (1, 3):
        raise TypeError(f"a picture must be uint8 or uint16 [y, x, 1|3], not {picture.dtype} {picture.shape}")
    if picture.size == 0:
        raise TypeError(f"a picture must have pixels, not {picture.shape}")
    height, width, channels = picture.shape
    depth = picture.itemsize
    samples = np.ascontiguousarray(picture) if depth == 1 else np.ascontiguousarray(picture).byteswap()
    rows = samples.reshape(height, -1).view(np.uint8)
    residuals = np.empty((height, rows.shape[1] + 1), np.uint8)
    _filter_paeth(rows, channels * depth, residuals)
    colour_type = 0 if channels == 1 else 2
    header = struct.pack(">IIBBBBB", width, height, 8 * depth, colour_type, 0, 0, 0)
    return b"".join(
        (
            SIGNATURE,
            _chunk(b"IHDR", header),
            _chunk(b"sRGB", b"\0")
            if gamma is None
            else _chunk(b"gAMA", struct.pack(">I", round(_GAMMA_UNIT / gamma))),
            _chunk(b"IDAT", _deflate(residuals)),
            _chunk(b"IEND", b""),
        )
    )


def png_size(start: bytes) -> tuple[int, int]:
    """Height and width of a picture from its file's first `HEADER_SIZE` bytes.

    Raises
    ------
    ValueError : where this is no header of a PNG
    """
    if len(start) < HEADER_SIZE or start[:8] != SIGNATURE or start[12:16] != b"IHDR":
        raise ValueError("it has no PNG header")
    width, height = struct.unpack_from(">II", start, 16)
    return height, width


def decode_png(data: bytes, choose: Choose | None = None) -> Codes:
    """Read a PNG file's bytes.

    Transparency by a colour key, and chunks that tell of colour spaces or orientation, are ignored.

    Parameters
    ----------
    data : the file's bytes
    choose : given height and width, the region to return; None: all. What lies below the region is not
        decompressed, and what lies right of it is not decoded; checksums are verified all the same.

    Returns ------- (H, W, C) uint8 or uint16 as stored, C is 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGBA);
    pictures of fewer than 8 bits are spread over 0..255, palettes are resolved

    Raises
    ------
    ValueError : saying what is wrong, where the file is cut short, damaged or breaks the specification
    """
    kept = [
        (kind, body) for kind, body in _chunks(data) if kind in (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
    ]
    if kept[0][0] != b"IHDR" or len(kept[0][1]) != 13:
        raise ValueError("it has no PNG header")
    width, height, bits, colour_type, _, _, interlace = struct.unpack(">IIBBBBB", kept[0][1])
    if width == 0 or height == 0:
        raise ValueError("it has no pixels")
    if bits not in _DEPTHS.get(colour_type, ()) or interlace > 1:
        raise ValueError("its PNG header is damaged")
    rows, columns = choose(height, width) if choose else (slice(height), slice(width))
    if bits < 8 or colour_type not in _CHANNELS or interlace:
        # OpenCV reads the rare kinds, from the chunks that matter alone: libpng would warn of others
        whole = SIGNATURE + b"".join(_chunk(kind, body) for kind, body in kept)
        picture = cast(Codes, decode_by_opencv(whole, cv2.IMREAD_UNCHANGED))
        return cast(Codes, np.ascontiguousarray(picture[rows, columns]))
    channels, depth = _CHANNELS[colour_type], bits // 8
    row = width * channels * depth + 1
    top, height, _ = rows.indices(height)
    left, width, _ = columns.indices(width)
    inflater = isal_zlib.decompressobj()
    try:
        stream = b"".join(body for kind, body in kept if kind == b"IDAT")
        residuals = inflater.decompress(stream, height * row)
    except isal_zlib.IsalError as error:  # type: ignore[misc]  # an instance, say the stubs
        raise ValueError(f"its pixels are damaged ({error})") from None
    if len(residuals) != height * row:
        raise ValueError(f"it holds {len(residuals) // row} of {height} rows")
    whole_rows = np.empty((height, width, channels), np.uint8 if depth == 1 else np.uint16)
    codes = whole_rows.reshape(height, -1).view(np.uint8)
    if not _unfilter(np.frombuffer(residuals, np.uint8).reshape(height, row), channels * depth, codes):
        raise ValueError("its pixels are damaged (unknown filter)")
    picture = cast(Codes, np.ascontiguousarray(whole_rows[top:, left:]))
    return picture.byteswap(inplace=True) if depth == 2 else picture


def _chunk(kind: bytes, body: bytes) -> bytes:
    return b"".join((struct.pack(">I", len(body)), kind, body, struct.pack(">I", _crc(kind, body))))


def _crc(kind: bytes, body: bytes) -> int:
    return int(isal_zlib.crc32(body, isal_zlib.crc32(kind)))


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and body of each chunk through IEND, checked; what follows IEND is ignored."""
    start = len(SIGNATURE)
    kind = b""
    while kind != b"IEND":
        if start + 12 > len(data):
            raise ValueError("it is cut short")
        length, kind = struct.unpack_from(">I4s", data, start)
        end = start + 12 + length
        if end > len(data):
            raise ValueError("it is cut short")
        body = data[start + 8 : end - 4]
        if struct.unpack_from(">I", data, end - 4)[0] != _crc(kind, body):
            raise ValueError(f"it is damaged (checksum of chunk {kind.decode('ascii', 'replace')!r})")
        yield kind, body
        start = end


def _deflate(residuals: NDArray[np.uint8]) -> bytes:
    """Compress rows of residuals into a zlib stream (RFC 1950)."""
    trial = np.ascontiguousarray(residuals[::_TRIAL_STEP])
    residuals = residuals.reshape(-1)
    counts = _count(residuals)
    order = np.argsort(counts, kind="stable")  # the same for equal counts on any machine
    lengths = _code_lengths(counts, order[counts[order] > 0])
    total_bits = int(counts @ lengths)
    share = len(isal_zlib.compress(trial, 1)) / trial.size
    if share < _TRIAL_GAIN * total_bits / 8 / residuals.size:
        return bytes(isal_zlib.compress(residuals, 1))
    # zlib header: deflate, 32 KiB window, fastest. Then the block's header, least significant bit first: last
    # block, dynamic codes; 257 literal and 2 distance codes, 19 code lengths in the order of RFC 1951 3.2.7,
    # where the lengths 0 to 15 all have 4 bits and the repeat codes 16 to 18 none; the code lengths; two
    # unused distance codes of one bit.
    fields = [(1, 1), (2, 2), (0, 5), (1, 5), (15, 4)]
    fields += [(0, 3)] * 3 + [(4, 3)] * 16
    fields += [(_REVERSED_NIBBLE[length], 4) for length in [*lengths.tolist(), 1, 1]]
    value = bits = 0
    for field, size in fields:
        value |= field << bits
        bits += size
    whole, rest = divmod(bits, 64)
    words = np.empty(whole + (total_bits + rest) // 64 + 2, np.uint64)
    words[: whole + 1] = np.frombuffer(value.to_bytes(8 * (whole + 1), "little"), "<u8")
    used_bits = _pack(residuals, _packed_codes(lengths), words, whole, rest)
    stream = words.astype("<u8", copy=False).view(np.uint8)[: (used_bits + 7) // 8]
    return b"".join((b"\x78\x01", stream.data, struct.pack(">I", isal_zlib.adler32(residuals))))


_REVERSED_NIBBLE = [int(f"{value:04b}"[::-1], 2) for value in range(16)]


@numba.njit(cache=True, nogil=True)
def _code_lengths(counts, order):  # type: ignore[no-untyped-def]
    """Lengths in bits of a Huffman code for symbols of these counts, at most 15; 0 for absent symbols.

    `order` holds the symbols that occur, rarest first. Two queues in ascending order, leaves and joined
    nodes, give the two lightest at their heads (van Leeuwen 1976).
    """
    leaves = order.size
    weights = np.zeros(2 * leaves, np.int64)
    parents = np.zeros(2 * leaves, np.int64)
    depths = np.zeros(2 * leaves, np.int64)
    least = np.int64(1)
    while True:
        for k in range(leaves):
            weights[k] = max(counts[order[k]], least)
        leaf, joined = 0, leaves
        for node in range(leaves, 2 * leaves - 1):
            weights[node] = 0
            for _ in range(2):
                if joined == node or (leaf < leaves and weights[leaf] <= weights[joined]):
                    lightest, leaf = leaf, leaf + 1
                else:
                    lightest, joined = joined, joined + 1
                weights[node] += weights[lightest]
                parents[lightest] = node
        root = 2 * leaves - 2
        depths[root] = 0
        for node in range(root - 1, -1, -1):
            depths[node] = depths[parents[node]] + 1
        if depths[0] <= _LONGEST_CODE:
            break
        # heavier rare symbols give a shallower tree; in pictures the loss is far below 0.1 %
        least *= 2
    lengths = np.zeros(counts.size, np.int64)
    for k in range(leaves):
        lengths[order[k]] = depths[k]
    return lengths


@numba.njit(cache=True, nogil=True)
def _packed_codes(lengths):  # type: ignore[no-untyped-def]
    """Canonical codes (RFC 1951 3.2.2) with their bits in the stream's order, ``code << 4 | length``."""
    packed = np.zeros(lengths.size, np.uint32)
    code = 0
    for length in range(1, _LONGEST_CODE + 1):
        code <<= 1
        for symbol in range(lengths.size):
            if lengths[symbol] == length:
                for bit in range(length):
                    packed[symbol] |= np.uint32((code >> bit & 1) << (length - 1 - bit + 4))
                packed[symbol] |= np.uint32(length)
                code += 1
    return packed


@numba.njit(cache=True, nogil=True)
def _filter_paeth(rows, step, residuals):  # type: ignore[no-untyped-def]
    """Residuals of big-endian rows, each behind its filter's number; outside the picture there are zeros."""
    for y in range(rows.shape[0]):
        row, out = rows[y], residuals[y]
        out[0] = _PAETH
        if y == 0:
            for i in range(row.size):
                out[i + 1] = row[i] if i < step else np.uint8(row[i] - row[i - step])
        else:
            above = rows[y - 1]
            for i in range(step):
                out[i + 1] = np.uint8(row[i] - above[i])
            _paeth_residuals(row[step:], row[:-step], above[step:], above[:-step], out[step + 1 :])


@numba.njit(cache=True, nogil=True)
def _count(residuals):  # type: ignore[no-untyped-def]
    """How often each byte value occurs, and the end of the block, once."""
    # neighbours count in different tables, so that an increment need not wait for the one before it
    tables = np.zeros((4, 256), np.uint32)
    for i in range(residuals.size):
        tables[i & 3, residuals[i]] += np.uint32(1)
    counts = np.ones(257, np.int64)
    for value in range(256):
        counts[value] = tables[0, value] + tables[1, value] + tables[2, value] + tables[3, value]
    return counts


@numba.njit(cache=True, nogil=True)
def _paeth_residuals(raw, left, up, corner, out):  # type: ignore[no-untyped-def]
    """One row's residuals. All in 8 bits, so that the compiler handles 32 bytes an instruction.

    With p = left + up - corner, the predictor nearest to p wins. Its distances to left and up are |up -
    corner| and |left - corner|. Where left and up lie on the same side of corner, the distance to corner is
    the sum of the two and cannot win; else it is their difference.
    """
    for i in range(raw.size):
        a, b, c = left[i], up[i], corner[i]
        to_left = np.uint8(max(b, c) - min(b, c))
        to_up = np.uint8(max(a, c) - min(a, c))
        difference = np.uint8(max(to_left, to_up) - min(to_left, to_up))
        to_corner = np.uint8(255) if (a > c) == (b > c) else difference
        nearest = b if to_up <= to_corner else c
        nearest = a if to_left <= to_up and to_left <= to_corner else nearest
        out[i] = np.uint8(raw[i] - nearest)


@numba.njit(cache=True, nogil=True)
def _pack(residuals, packed, words, word, used):  # type: ignore[no-untyped-def]
    """Append residuals' codes and the end of the block after `used` bits of ``words[word]``; return all bits.

    Four codes of at most 15 bits are joined before they meet the stream, and the stream's word is stored each
    time, full or not: no branch depends on the data.
    """
    pending, bits = words[word], np.uint64(used)
    one, four, six, fifteen, last = np.uint64(1), np.uint64(4), np.uint64(6), np.uint64(15), np.uint64(63)
    quads = residuals.size // 4
    for i in range(quads + residuals.size % 4 + 1):
        if i < quads:
            e0, e1 = np.uint64(packed[residuals[4 * i]]), np.uint64(packed[residuals[4 * i + 1]])
            e2, e3 = np.uint64(packed[residuals[4 * i + 2]]), np.uint64(packed[residuals[4 * i + 3]])
            n0, n2 = e0 & fifteen, e2 & fifteen
            n01, n23 = n0 + (e1 & fifteen), n2 + (e3 & fifteen)
            code = (e0 >> four | (e1 >> four) << n0) | (e2 >> four | (e3 >> four) << n2) << n01
            size = n01 + n23
        else:
            rest = 3 * quads + i
            e0 = np.uint64(packed[residuals[rest] if rest < residuals.size else _END_OF_BLOCK])
            code, size = e0 >> four, e0 & fifteen
        pending |= code << bits
        words[word] = pending
        full = (bits + size) >> six
        pending = (code >> one) >> (last - bits) if full else pending
        word += np.int64(full)
        bits = (bits + size) & last
    words[word] = pending
    return 64 * word + np.int64(bits)


@numba.njit(cache=True, nogil=True)
def _unfilter(residuals, step, rows):  # type: ignore[no-untyped-def]
    """Undo each row's filter; False where there is one that the specification does not know."""
    size = rows.shape[1]
    above = np.zeros(size, np.uint8)
    for y in range(rows.shape[0]):
        kind, residual, out = residuals[y, 0], residuals[y, 1:], rows[y]
        if kind == 0:
            for i in range(size):
                out[i] = residual[i]
        elif kind == 1:
            for i in range(size):
                out[i] = residual[i] if i < step else np.uint8(residual[i] + out[i - step])
        elif kind == 2:
            for i in range(size):
                out[i] = residual[i] + above[i]
        elif kind == 3:
            for i in range(step):
                out[i] = residual[i] + above[i] // 2
            for i in range(step, size):
                out[i] = residual[i] + (np.int64(out[i - step]) + np.int64(above[i])) // 2
        elif kind == _PAETH:
            for i in range(step):
                out[i] = residual[i] + above[i]
            for i in range(step, size):
                left, up, corner = np.int64(out[i - step]), np.int64(above[i]), np.int64(above[i - step])
                to_left, to_up, to_corner = abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)
                # distance, then preference, then value: the least of the three, without a branch on noisy
                # data
                nearest = min(to_left << 10 | left, to_up << 10 | 256 | up, to_corner << 10 | 512 | corner)
                out[i] = np.uint8(residual[i] + nearest)
        else:
            return False
        above = out
    return True
