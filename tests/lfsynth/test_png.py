"""Our PNG encoder and decoder against Pillow's, OpenCV's and zlib's."""

import io
import struct
import zlib

import cv2
import imageio.v3 as iio
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lfsynth import png


def pictures():
    """Pictures of all shapes and kinds that are written, from flat to noise."""
    rng = np.random.default_rng(2)
    y, x = np.mgrid[:45, :67]
    smooth = (0.5 + 0.4 * np.sin(x / 9) * np.cos(y / 7))[:, :, None] * np.array([1, 0.8, 0.6])
    # residuals of steeply falling frequency, whose Huffman code would be deeper than deflate allows
    steep = np.concatenate([np.full(int(1.7**k), k, np.uint8) for k in range(22)])
    rng.shuffle(steep)
    for dtype in (np.uint8, np.uint16):
        white = np.iinfo(dtype).max
        yield "noise", rng.integers(0, white, (31, 40, 3), dtype, endpoint=True)
        yield "smooth", (smooth * white).astype(dtype)
        yield "grey", (smooth[:, :, :1] * white).astype(dtype)
        yield "flat", np.full((50, 60, 3), white // 3, dtype)
        yield "black", np.zeros((5, 7, 1), dtype)
        yield "one pixel", np.full((1, 1, 3), 7, dtype)
        yield "one row", rng.integers(0, white, (1, 99, 3), dtype)
        yield "one column", rng.integers(0, white, (99, 1, 1), dtype)
        yield "steep", np.cumsum(steep[None, :, None], axis=1, dtype=np.uint8).astype(dtype)
        yield "strided", rng.integers(0, white, (20, 30, 6), dtype)[::2, ::-1, ::2]


@pytest.mark.parametrize(("name", "picture"), list(pictures()))
def test_lossless_for_every_reader(name, picture):
    data = png.encode_png(picture)
    np.testing.assert_array_equal(png.decode_png(data), picture)
    by_opencv = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(by_opencv.reshape(picture.shape)[:, :, ::-1], picture)
    if picture.dtype == np.uint8:
        np.testing.assert_array_equal(
            np.asarray(Image.open(io.BytesIO(data))),
            picture.squeeze(axis=2) if picture.shape[2] == 1 else picture,
        )
        np.testing.assert_array_equal(iio.imread(data).reshape(picture.shape), picture)
    elif picture.shape[2] == 1:
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(data))), picture[:, :, 0])


@given(
    st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 3]), st.integers(1, 16), st.integers(0, 99)
)
@settings(max_examples=60, deadline=None)
def test_lossless_for_any_size_and_depth(height, width, channels, bits, seed):
    samples = np.random.default_rng(seed).integers(0, 2**bits, (height, width, channels))
    picture = samples.astype(np.uint8 if bits <= 8 else np.uint16)
    data = png.encode_png(picture)
    np.testing.assert_array_equal(png.decode_png(data), picture)
    stored = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(stored.reshape(picture.shape)[:, :, ::-1], picture)


def test_same_bytes_each_time():
    picture = np.random.default_rng(3).integers(0, 60000, (50, 60, 3)).astype(np.uint16)
    assert png.encode_png(picture) == png.encode_png(picture.copy())


@pytest.mark.parametrize("bits", [8, 16])
def test_flat_pictures_are_small(bits):
    # literals alone would need at least one bit a byte, 30,000 bytes or more
    picture = np.full((200, 400, 3), 9, f"u{bits // 8}")
    assert len(png.encode_png(picture)) < 3000


def test_grey_in_three_channels_is_hardly_larger_than_grey():
    grey = np.cumsum(np.random.default_rng(6).integers(-9, 10, (150, 200, 1)), axis=1).astype(np.uint8)
    # without repeats each of the three channels would cost as much as the one
    assert len(png.encode_png(np.repeat(grey, 3, axis=2))) < 2 * len(png.encode_png(grey))


@pytest.mark.parametrize("kind", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_filter_is_undone(kind, dtype, channels):
    picture = np.random.default_rng(kind).integers(0, np.iinfo(dtype).max, (17, 23, channels), dtype)
    flags = [cv2.IMWRITE_PNG_FILTER_NONE, cv2.IMWRITE_PNG_FILTER_SUB, cv2.IMWRITE_PNG_FILTER_UP]
    flags += [cv2.IMWRITE_PNG_FILTER_AVG, cv2.IMWRITE_PNG_FILTER_PAETH]
    data = cv2.imencode(".png", picture[:, :, ::-1], [cv2.IMWRITE_PNG_FILTER, flags[kind]])[1].tobytes()
    stream = zlib.decompress(b"".join(body for name, body in png._chunks(data) if name == b"IDAT"))
    assert stream[len(stream) // 17] == kind  # the second row's filter
    np.testing.assert_array_equal(png.decode_png(data), picture)


@pytest.mark.parametrize(
    "picture",
    [np.zeros((2, 2, 4), np.uint8), np.zeros((2, 2, 3), np.float32), np.zeros((0, 2, 3), np.uint8)],
)
def test_refuses_to_encode(picture):
    with pytest.raises(TypeError, match="a picture must"):
        png.encode_png(picture)


def damaged(width=4, height=3, bits=8, colour=0, stream=None, kinds=(b"IHDR", b"IDAT", b"IEND")):
    rows = zlib.compress(bytes(height * (width + 1))) if stream is None else stream
    bodies = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0),
        b"IDAT": rows,
        b"IEND": b"",
    }
    return png.SIGNATURE + b"".join(png._chunk(kind, bodies[kind]) for kind in kinds)


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (damaged(kinds=(b"IDAT", b"IEND")), "no PNG header"),
        (damaged(width=0), "no pixels"),
        (damaged(kinds=(b"IHDR", b"IDAT")), "cut short"),
        (damaged(kinds=(b"IHDR", b"IEND")), "holds 0 of 3 rows"),
        (damaged(stream=zlib.compress(bytes(5))), "holds 1 of 3 rows"),
        (damaged(stream=b"x\x01" + bytes(9)), "pixels are damaged"),
        (damaged(stream=zlib.compress(b"\x05" * 15)), r"pixels are damaged \(unknown filter\)"),
        (damaged(colour=5), "PNG header is damaged"),
        (damaged(bits=12), "PNG header is damaged"),
    ],
)
def test_refuses_to_decode(data, line, capfd):
    with pytest.raises(ValueError, match=line):
        png.decode_png(data)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("kind", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("region", [(5, 9, 3, 20), (0, 1, 0, 1), (16, 17, 22, 23), (0, 17, 4, 4)])
@pytest.mark.parametrize(("dtype", "channels"), [(np.uint8, 3), (np.uint16, 3), (np.uint8, 1)])
def test_a_region_is_that_of_the_whole_picture(kind, region, dtype, channels):
    picture = np.random.default_rng(kind).integers(0, np.iinfo(dtype).max, (17, 23, channels), dtype)
    flags = [cv2.IMWRITE_PNG_FILTER_NONE, cv2.IMWRITE_PNG_FILTER_SUB, cv2.IMWRITE_PNG_FILTER_UP]
    flags += [cv2.IMWRITE_PNG_FILTER_AVG, cv2.IMWRITE_PNG_FILTER_PAETH]
    data = cv2.imencode(".png", picture[:, :, ::-1], [cv2.IMWRITE_PNG_FILTER, flags[kind]])[1].tobytes()
    part = slice(*region[:2]), slice(*region[2:])
    sizes = []
    decoded = png.decode_png(data, lambda height, width: sizes.append((height, width)) or part)
    assert sizes == [(17, 23)]
    assert decoded.flags.c_contiguous
    np.testing.assert_array_equal(decoded, picture[part])


def test_a_region_of_a_palette():
    buffer = io.BytesIO()
    codes = np.random.default_rng(0).integers(0, 9, (12, 15), np.uint8)
    indexed = Image.fromarray(codes)
    indexed.putpalette(range(3 * 9))
    indexed.save(buffer, "PNG")
    part = slice(3, 8), slice(2, 15)
    expected = np.asarray(indexed.convert("RGB"))[part]
    np.testing.assert_array_equal(png.decode_png(buffer.getvalue(), lambda *_: part), expected)


def test_damage_below_a_region_is_found():
    data = bytearray(png.encode_png(np.random.default_rng(0).integers(0, 256, (40, 30, 3), np.uint8)))
    data[-40] ^= 1
    with pytest.raises(ValueError, match="checksum"):
        png.decode_png(bytes(data), lambda *_: (slice(0, 1), slice(0, 1)))


def test_size_from_the_header():
    data = png.encode_png(np.zeros((5, 700, 1), np.uint8))
    assert png.png_size(data[: png.HEADER_SIZE]) == (5, 700)
    for start in (data[: png.HEADER_SIZE - 1], b"x" + data, data.replace(b"IHDR", b"IDAT")):
        with pytest.raises(ValueError, match="no PNG header"):
            png.png_size(start)


def test_smaller_than_opencv_on_photographs(shared_data):
    paths = [shared_data / "rendered_wood/focal_stack/input_FS_1.png"]
    paths += sorted((shared_data / "lfdof_pairs").glob("*/input/*/*.png"))[:1]
    assert len(paths) == 2
    for path in paths:
        picture = png.decode_png(path.read_bytes())[:, :, :3]
        # averages of neighbours have live low bits, as pictures of 16 bits summed from views do
        wide = (picture[1:].astype(np.uint32) * 97 + picture[:-1].astype(np.uint32) * 160).astype(np.uint16)
        for stored in (picture, wide):
            fast = cv2.imencode(".png", stored[:, :, ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])[1]
            assert len(png.encode_png(stored)) <= len(fast)
