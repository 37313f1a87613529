"""Reading, writing and refusing picture files."""

import errno
import hashlib
import io
import os
import struct
import zlib
from pathlib import Path

import cv2
import imageio.v3 as iio
import numpy as np
import pytest
from PIL import Image

from lfsynth import pictures, png
from lfsynth.errors import InputError
from lfsynth.transfer import LINEAR, SRGB, Transfer, linearise


@pytest.fixture
def rgb():
    """A small RGB picture with structure and noise, uint8."""
    y, x = np.mgrid[:37, :53]
    base = np.stack([x * 4, y * 6, x + y], axis=2) + np.random.default_rng(1).integers(0, 9, (37, 53, 3))
    return np.clip(base, 0, 255).astype(np.uint8)


def pillow_bytes(picture, kind, **options):
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def opencv_bytes(picture, suffix):
    return cv2.imencode(suffix, picture[:, :, ::-1] if picture.ndim == 3 else picture)[1].tobytes()


def put(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


class TestRead:
    @pytest.mark.parametrize("suffix", [".png", ".tif"])
    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
    def test_integers_as_stored(self, tmp_path, rgb, suffix, dtype):
        stored = rgb.astype(dtype) * (257 if dtype == np.uint16 else 1) - (rgb > 3).astype(dtype)
        got = pictures.read(put(tmp_path, "a" + suffix, opencv_bytes(stored, suffix)))
        assert got.dtype == dtype
        np.testing.assert_array_equal(got, stored)

    @pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
    def test_every_kind_of_png(self, tmp_path, rgb, mode):
        deep = rgb[:, :, 0].astype(np.uint16) * 255
        picture = Image.fromarray(deep) if mode == "I;16" else Image.fromarray(rgb).convert(mode)
        got = pictures.read(put(tmp_path, "a.png", pillow_bytes(picture, "PNG")))
        as_seen = {"1": "L", "P": "RGB"}.get(mode)
        expected = np.asarray(picture.convert(as_seen) if as_seen else picture)
        np.testing.assert_array_equal(got.squeeze(), expected)
        assert got.ndim == 3

    @pytest.mark.parametrize("bits", [8, 16])
    def test_interlaced_png(self, tmp_path, bits):
        # a picture of one pixel lies in the first of Adam7's seven passes whole
        body = struct.pack(">IIBBBBB", 1, 1, bits, 2, 0, 0, 1)
        pixel = zlib.compress(b"\0" + bytes(range(3 * bits // 8)))
        data = (
            png.SIGNATURE + png._chunk(b"IHDR", body) + png._chunk(b"IDAT", pixel) + png._chunk(b"IEND", b"")
        )
        got = pictures.read(put(tmp_path, "a.png", data))
        np.testing.assert_array_equal(
            got.ravel(), np.frombuffer(bytes(range(3 * bits // 8)), f">u{bits // 8}")
        )

    @pytest.mark.parametrize("bits", [1, 2, 4])
    def test_palettes_of_few_bits(self, tmp_path, rgb, bits):
        picture = Image.fromarray(rgb).quantize(2**bits)
        got = pictures.read(put(tmp_path, "a.png", pillow_bytes(picture, "PNG", bits=bits)))
        np.testing.assert_array_equal(got, np.asarray(picture.convert("RGB")))

    def test_float_tiff(self, tmp_path, rgb):
        stored = rgb.astype(np.float32) / 100 - 0.5
        np.testing.assert_array_equal(
            pictures.read(put(tmp_path, "a.tif", opencv_bytes(stored, ".tif"))), stored
        )

    @pytest.mark.parametrize(("order", "scale"), [("<f4", b"-1.0"), (">f4", b"2")])
    @pytest.mark.parametrize(("kind", "channels"), [(b"Pf", 1), (b"PF", 3)])
    def test_pfm_rows_run_upward(self, tmp_path, order, scale, kind, channels):
        stored = np.arange(2 * 3 * channels, dtype=np.float32).reshape(2, 3, channels)
        data = kind + b"\n3 2\n" + scale + b"\n" + stored[::-1].astype(order).tobytes()
        np.testing.assert_array_equal(pictures.read(put(tmp_path, "a.pfm", data)), stored)

    def test_jpeg_is_turned_upright(self, tmp_path):
        wide = np.zeros((16, 48), np.uint8)
        wide[:, :24] = 255
        exif = Image.Exif()
        exif[0x112] = 6  # to be turned 90 degrees clockwise: what is left comes to the top
        data = pillow_bytes(Image.fromarray(wide), "JPEG", exif=exif, quality=95)
        got = pictures.read(put(tmp_path, "a.jpg", data))
        assert got.shape == (48, 16, 1)
        assert got[:20].min() > 250
        assert got[28:].max() < 5

    def test_jpeg_channels_are_rgb(self, tmp_path):
        red = np.zeros((16, 16, 3), np.uint8)
        red[..., 0] = 255
        got = pictures.read(put(tmp_path, "a.jpg", pillow_bytes(Image.fromarray(red), "JPEG", quality=95)))
        assert got[..., 0].min() > 250
        assert got[..., 1:].max() < 5

    def test_what_follows_a_jpeg_is_ignored(self, tmp_path, rgb):
        data = pillow_bytes(Image.fromarray(rgb), "JPEG", progressive=True)
        got = pictures.read(put(tmp_path, "a.jpg", data + b"appended by a camera"))
        np.testing.assert_array_equal(got, pictures.read(put(tmp_path, "b.jpg", data)))

    def test_libpng_has_nothing_to_warn_of(self, tmp_path, rgb, capfd):
        picture = Image.fromarray(rgb).convert("P")
        data = pillow_bytes(picture, "PNG", icc_profile=b"junk")
        pictures.read(put(tmp_path, "a.png", data))
        assert capfd.readouterr().err == ""

    def test_real_pictures_as_opencv_reads_them(self, shared_data):
        names = ("illum_toy/input_Cam112.png", "lfdof_pairs/test_data/ground_truth/IMG_2162.png")
        for path in (shared_data / name for name in names):
            stored = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            np.testing.assert_array_equal(pictures.read(path)[..., :3], stored[..., 2::-1])


class TestRefused:
    """Each with a line that names the file, the fault and the cure; nothing else on the error output."""

    @pytest.fixture(autouse=True)
    def _silence(self, capfd):
        yield
        assert capfd.readouterr().err == ""

    @pytest.mark.parametrize("part", [0.01, 0.2, 0.5, 0.9, 0.999])
    @pytest.mark.parametrize("kind", ["PNG", "JPEG", "progressive JPEG", "TIFF", "deflate TIFF"])
    def test_cut_short(self, tmp_path, rgb, kind, part):
        options = {
            "progressive JPEG": {"progressive": True},
            "deflate TIFF": {"compression": "tiff_deflate"},
            "JPEG": {"exif": b"Exif\0\0" + b"\xff\xd9" * 40},
        }
        data = pillow_bytes(Image.fromarray(rgb), kind.split()[-1], **options.get(kind, {}))
        path = put(tmp_path, "a.png", data[: max(9, int(part * len(data)))])
        with pytest.raises(InputError, match=r"a\.png: it is (cut short|damaged.*); copy or export it again"):
            pictures.read(path)

    def test_cut_short_planar_tiff(self, tmp_path):
        # libtiff would guess the sizes of the strips and read what is there
        order = [(256, 4), (257, 4), (258, 8), (259, 1), (262, 1), (273, 200), (277, 1), (278, 4), (279, 16)]
        entries = b"".join(
            tag.to_bytes(2, "little") + b"\x04\0\1\0\0\0" + value.to_bytes(4, "little")
            for tag, value in order
        )
        head = b"II*\0\x08\0\0\0" + len(order).to_bytes(2, "little") + entries + bytes(4)
        data = head.ljust(200, b"\0") + bytes(range(16))
        np.testing.assert_array_equal(pictures.read(put(tmp_path, "whole.tif", data)).ravel(), np.arange(16))
        with pytest.raises(InputError, match="it is cut short"):
            pictures.read(put(tmp_path, "a.tif", data[:-1]))

    def test_damaged_png(self, tmp_path, rgb):
        data = bytearray(opencv_bytes(rgb, ".png"))
        data[len(data) // 2] ^= 1
        with pytest.raises(InputError, match=r"it is damaged \(checksum of chunk 'IDAT'\); copy or export"):
            pictures.read(put(tmp_path, "a.png", bytes(data)))

    @pytest.mark.parametrize("data", [b"Pf\n3 2\n-1\n" + bytes(23), b"PF\n3 2\n-1\n" + bytes(24)])
    def test_pfm_cut_short(self, tmp_path, data):
        with pytest.raises(InputError, match="it is cut short"):
            pictures.read(put(tmp_path, "a.pfm", data))

    def test_pfm_header(self, tmp_path):
        with pytest.raises(InputError, match="its PFM header is damaged"):
            pictures.read(put(tmp_path, "a.pfm", b"Pf\nthree by two\n"))

    def test_text_named_png(self, tmp_path):
        with pytest.raises(
            InputError, match=r"a\.png: it is not a PNG, JPEG, TIFF or PFM.*; convert or remove"
        ):
            pictures.read(put(tmp_path, "a.png", b"Not Found\n"))

    def test_empty(self, tmp_path):
        with pytest.raises(InputError, match="it is empty; copy or export it again"):
            pictures.read(put(tmp_path, "a.png", b""))

    def test_folder(self, tmp_path):
        with pytest.raises(InputError, match="it is a folder, not a picture"):
            pictures.read(tmp_path)

    def test_absent(self, tmp_path):
        with pytest.raises(InputError, match="there is no such file; check the path"):
            pictures.read(tmp_path / "a.png")

    @pytest.mark.parametrize(
        ("code", "line"), [(errno.EACCES, "it may not be read"), (errno.EIO, "it cannot be read")]
    )
    def test_unreadable(self, tmp_path, monkeypatch, code, line):
        # raised by hand: to root every file is readable
        def fail(_):
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(Path, "read_bytes", fail)
        with pytest.raises(InputError, match=line):
            pictures.read(tmp_path / "a.png")

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_not_finite(self, tmp_path, rgb, value):
        stored = rgb.astype(np.float32)
        stored[3, 4, 1] = value
        with pytest.raises(InputError, match="1 of its values are NaN or infinite; export it again"):
            pictures.read(put(tmp_path, "a.tif", opencv_bytes(stored, ".tif")))

    def test_samples_of_another_kind(self, tmp_path, rgb):
        with pytest.raises(InputError, match="its samples are int16"):
            pictures.read(put(tmp_path, "a.tif", opencv_bytes(rgb.astype(np.int16), ".tif")))


class TestLinear:
    def test_alpha_is_dropped_whatever_it_is(self, tmp_path, rgb):
        rgba = np.dstack([rgb, rgb[:, :, 0]])
        path = put(tmp_path, "a.png", pillow_bytes(Image.fromarray(rgba), "PNG"))
        np.testing.assert_array_equal(pictures.read_linear(path), linearise(rgb, SRGB))

    def test_grey_with_alpha(self, tmp_path, rgb):
        path = put(tmp_path, "a.png", pillow_bytes(Image.fromarray(rgb[..., :2].copy(), "LA"), "PNG"))
        np.testing.assert_array_equal(pictures.read_linear(path), linearise(rgb[..., :1], SRGB))

    def test_floats_are_linear_unless_told(self, tmp_path, rgb):
        stored = rgb.astype(np.float32) / 255
        path = put(tmp_path, "a.tif", opencv_bytes(stored, ".tif"))
        np.testing.assert_array_equal(pictures.read_linear(path), stored)
        np.testing.assert_array_equal(pictures.read_linear(path, SRGB), linearise(stored, SRGB))


class TestWrite:
    @pytest.mark.parametrize("name", ["a.png", "a.tif", "a.TIFF"])
    @pytest.mark.parametrize("bits", [8, 16])
    @pytest.mark.parametrize("channels", [1, 3])
    @pytest.mark.parametrize("transfer", [SRGB, LINEAR])
    def test_reads_back(self, tmp_path, rgb, name, bits, channels, transfer):
        linear = linearise(rgb[..., :channels], transfer)
        written = pictures.write(tmp_path / name, linear, bits=bits, transfer=transfer)
        data = (tmp_path / name).read_bytes()
        assert written == pictures.Written(len(data), hashlib.sha256(data).hexdigest())
        np.testing.assert_array_equal(
            pictures.read(tmp_path / name),
            rgb[..., :channels].astype(f"u{bits // 8}") * (257 if bits == 16 else 1),
        )

    def test_float_tiff_keeps_everything(self, tmp_path, rgb):
        linear = rgb.astype(np.float32) / 50 - 1
        pictures.write(tmp_path / "a.tif", linear, bits=32)
        np.testing.assert_array_equal(pictures.read_linear(tmp_path / "a.tif"), linear)

    def test_no_float_png(self, tmp_path):
        with pytest.raises(ValueError, match="bits must be 8 or 16"):
            pictures.write(tmp_path / "a.png", np.zeros((2, 2, 3), np.float32), bits=32)

    def test_unknown_suffix(self, tmp_path):
        with pytest.raises(InputError, match=r"a\.webp: pictures are not written as \.webp; name it"):
            pictures.write(tmp_path / "a.webp", np.zeros((2, 2, 3), np.float32))

    @pytest.mark.parametrize("linear", [np.zeros((2, 2, 4), np.float32), np.zeros((2, 2, 3))])
    def test_wrong_array(self, tmp_path, linear):
        with pytest.raises(TypeError, match="linear must be float32"):
            pictures.write(tmp_path / "a.png", linear)


class TestAtomic:
    def test_replaces_the_old_file(self, tmp_path):
        path = put(tmp_path, "a.bin", b"old")
        pictures.write_bytes_atomic(path, b"new")
        assert path.read_bytes() == b"new"
        assert list(tmp_path.iterdir()) == [path]

    @pytest.mark.parametrize(
        ("code", "line"),
        [
            (errno.ENOSPC, "the disk is full; free some space or choose another --out"),
            (errno.EACCES, "it may not be written; change the folder's permissions or choose another --out"),
            (errno.EIO, "it cannot be written"),
        ],
    )
    def test_a_failure_leaves_the_old_file_and_nothing_else(self, tmp_path, monkeypatch, code, line):
        path = put(tmp_path, "a.bin", b"old")

        def fail(_):
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(InputError, match=line):
            pictures.write_bytes_atomic(path, b"new")
        assert path.read_bytes() == b"old"
        assert list(tmp_path.iterdir()) == [path]

    def test_an_interrupt_leaves_nothing(self, tmp_path, monkeypatch):
        def interrupt(_):
            assert [p.name for p in tmp_path.iterdir()] == [f".a.bin.{os.getpid()}.partial"]
            raise KeyboardInterrupt

        monkeypatch.setattr(os, "fsync", interrupt)
        with pytest.raises(KeyboardInterrupt):
            pictures.write_bytes_atomic(tmp_path / "a.bin", b"new")
        assert list(tmp_path.iterdir()) == []

    def test_missing_folder(self, tmp_path):
        with pytest.raises(
            InputError, match="its folder does not exist; make the folder or choose another --out"
        ):
            pictures.write_bytes_atomic(tmp_path / "no" / "a.bin", b"new")


class TestAnimation:
    @pytest.mark.parametrize("name", ["a.gif", "a.png", "a.apng"])
    @pytest.mark.parametrize("channels", [1, 3])
    def test_every_frame_reads_back(self, tmp_path, name, channels):
        frames = [np.full((8, 9, channels), 30 * k, np.uint8) for k in range(7)]
        written = pictures.write_animation(tmp_path / name, frames, fps=10)
        data = (tmp_path / name).read_bytes()
        got = iio.imread(data, index=None, plugin="pillow", mode="RGB")
        assert written.size == len(data)
        # greys are among a palette's colours, so that GIF keeps them as they are
        np.testing.assert_array_equal(got, [np.broadcast_to(frame, (8, 9, 3)) for frame in frames])

    def test_unknown_suffix(self, tmp_path):
        with pytest.raises(InputError, match=r"animations are written as GIF or animated PNG; name it \.gif"):
            pictures.write_animation(tmp_path / "a.mp4", [np.zeros((2, 2, 3), np.uint8)], fps=5)

    @pytest.mark.parametrize("sizes", [[], [(2, 2, 3), (2, 3, 3)]])
    def test_frames_of_one_size(self, tmp_path, sizes):
        with pytest.raises(ValueError, match="of one shape"):
            pictures.write_animation(tmp_path / "a.gif", [np.zeros(s, np.uint8) for s in sizes], fps=5)


def test_names_of_pictures():
    assert all(pictures.is_picture(Path("folder") / name) for name in ("a.png", "a.JPG", "a.tiff", "b.pfm"))
    assert not any(pictures.is_picture(Path(name)) for name in ("a.txt", "png", ".a.png.7.partial"))


@pytest.mark.parametrize("suffix", [".png", ".tif", ".jpg"])
def test_a_region_of_a_picture(tmp_path, rgb, suffix):
    path = put(tmp_path, "a" + suffix, opencv_bytes(rgb, suffix))
    part = slice(4, 30), slice(7, 53)
    region = pictures.read(path, lambda height, width: (slice(4, height - 7), slice(7, width)))
    assert region.flags.c_contiguous
    np.testing.assert_array_equal(region, pictures.read(path)[part])


def test_size_of_a_png_alone(tmp_path, rgb):
    assert pictures.size_of(put(tmp_path, "a.png", opencv_bytes(rgb, ".png"))) == (37, 53)
    assert pictures.size_of(put(tmp_path, "a.jpg", opencv_bytes(rgb, ".jpg"))) is None
    assert pictures.size_of(put(tmp_path, "b.png", b"")) is None
    with pytest.raises(InputError, match="it cannot be read"):
        pictures.size_of(tmp_path / "absent.png")


@pytest.mark.parametrize(
    ("transfer", "chunk"),
    [(SRGB, b"sRGB\0"), (LINEAR, b"gAMA\0\1\x86\xa0"), (Transfer(2.2), b"gAMA\0\0\xb1\x8f")],
)
def test_a_png_says_what_curve_its_codes_follow(tmp_path: Path, transfer: Transfer, chunk: bytes) -> None:
    """PNG specification, 11.3.3.2 and 11.3.3.5: gamma is the exponent from light to codes times 100,000."""
    pictures.write(tmp_path / "a.png", np.full((2, 3, 1), 0.5, np.float32), transfer=transfer)
    data = (tmp_path / "a.png").read_bytes()
    assert chunk in data
    assert (b"sRGB" in data) == (transfer == SRGB)
