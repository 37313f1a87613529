"""What a photograph's file holds survives; other programs' readers (Pillow, tifffile, OpenCV) are the judges."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps, JpegImagePlugin
from PIL.TiffImagePlugin import IFDRational

from drbnet import picture_metadata
from drbnet.photographs import Format, Photograph, encode_photograph, read_photograph, write_photograph
from drbnet.picture_metadata import LARGEST_PROFILE, Metadata
from lfsynth.errors import InputError

HEIGHT, WIDTH = 24, 34
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF/></x:xmpmeta>'
ORIENTATIONS = range(1, 9)


def exif(orientation: int) -> bytes:
    """As a camera writes it: a maker's note that none of us understands, a place, a time of exposure."""
    tags = Image.Exif()
    tags[271], tags[274], tags[306] = "Maker", orientation, "2026:01:02 03:04:05"
    tags.get_ifd(0x8769).update({33434: IFDRational(1, 250), 37500: bytes(range(200)), 42036: "Lens"})
    tags.get_ifd(0x8825).update({1: "N", 2: (IFDRational(48), IFDRational(8), IFDRational(3))})
    return tags.tobytes().removeprefix(b"Exif\0\0")


def pixels(channels: int, bits: int, *, smooth: bool = False) -> NDArray[Any]:
    rng = np.random.default_rng(channels + bits)
    values = rng.integers(0, 2**bits, (HEIGHT, WIDTH, channels))
    if smooth:  # for JPEG
        y, x = np.mgrid[:HEIGHT, :WIDTH]
        values = np.stack([(7 * y, 5 * x, 3 * (x + y))[c] % 256 for c in range(channels)], axis=2)
    return values.astype(np.uint8 if bits == 8 else np.uint16)


def png(path: Path, codes: NDArray[Any], *chunks: tuple[bytes, bytes]) -> Path:
    order = [0] if codes.shape[2] == 1 else [2, 1, 0, 3][: codes.shape[2]]
    data = cv2.imencode(".png", np.ascontiguousarray(codes[:, :, order]))[1].tobytes()
    added = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
    path.write_bytes(data[:33] + added + data[33:])
    return path


def chunks_of(data: bytes) -> dict[bytes, bytes]:
    return dict(picture_metadata.png_chunks(data))


def inverted(photograph: Photograph) -> NDArray[Any]:
    """Something that each pixel's fate can be seen from."""
    return np.iinfo(photograph.colours.dtype).max - photograph.rgb()


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_jpeg(orientation: int, tmp_path: Path) -> None:
    path, out = tmp_path / "a.jpg", tmp_path / "b.jpg"
    # Even sides and full chroma: nothing is lost but rounding.
    Image.fromarray(pixels(3, 8, smooth=True)).save(
        path,
        exif=b"Exif\0\0" + exif(orientation),
        icc_profile=SRGB,
        xmp=XMP,
        comment=b"a dog",
        quality=97,
        subsampling=0,
        dpi=(300, 300),
    )
    photograph = read_photograph(path)
    with Image.open(path) as source:
        np.testing.assert_array_equal(photograph.colours, np.asarray(ImageOps.exif_transpose(source)))
    write_photograph(out, photograph, photograph.rgb(), Format.JPEG)
    with Image.open(path) as source, Image.open(out) as made:
        for key in ("exif", "icc_profile", "xmp", "comment", "dpi"):
            assert made.info[key] == source.info[key], key
        assert isinstance(made, JpegImagePlugin.JpegImageFile)
        assert made.quantization == source.quantization
        assert JpegImagePlugin.get_sampling(made) == 0
        assert made.size == source.size
        # Coded again with the same tables: the rounding of colours to 8 bits, twice
        assert np.abs(np.asarray(made).astype(int) - np.asarray(source)).max() <= 3


def test_jpeg_that_is_progressive_with_coarse_chroma_stays_so(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(pixels(3, 8, smooth=True)).save(path, quality=70, subsampling="4:2:0", progressive=True)
    photograph = read_photograph(path)
    with Image.open(io.BytesIO(encode_photograph(photograph, photograph.rgb(), Format.JPEG))) as made:
        assert isinstance(made, JpegImagePlugin.JpegImageFile)
        assert JpegImagePlugin.get_sampling(made) == 2
        assert made.info["progressive"]
    finer = encode_photograph(photograph, photograph.rgb(), Format.JPEG, quality=100)
    with Image.open(io.BytesIO(finer)) as made:
        assert isinstance(made, JpegImagePlugin.JpegImageFile)
        assert set(made.quantization[0]) == {1}


def test_long_profiles_go_into_several_segments(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    profile = SRGB[:20] + np.random.default_rng(0).bytes(150_000)
    Image.fromarray(pixels(3, 8)).save(path, icc_profile=profile)
    photograph = read_photograph(path)
    assert photograph.metadata.icc == profile
    with Image.open(io.BytesIO(encode_photograph(photograph, photograph.rgb(), Format.JPEG))) as made:
        assert made.info["icc_profile"] == profile


def test_cmyk_jpeg_becomes_rgb_without_its_profile(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(pixels(3, 8)).convert("CMYK").save(path, icc_profile=SRGB[:16] + b"CMYK" + SRGB[20:])
    photograph = read_photograph(path)
    assert photograph.colours.shape == (HEIGHT, WIDTH, 3)
    with Image.open(io.BytesIO(encode_photograph(photograph, photograph.rgb(), Format.JPEG))) as made:
        assert made.mode == "RGB"
        assert "icc_profile" not in made.info


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_png(orientation: int, bits: int, channels: int, tmp_path: Path) -> None:
    codes, out = pixels(channels, bits), tmp_path / "b.png"
    space = SRGB if channels > 1 else SRGB[:16] + b"GRAY" + SRGB[20:]
    profile = b"a name\0\0" + zlib.compress(space)
    kept = (
        (b"eXIf", exif(orientation)),
        (b"pHYs", b"\0\0\x0b\x13\0\0\x0b\x13\x01"),
        (b"tEXt", b"Author\0me"),
    )
    path = png(tmp_path / "a.png", codes, (b"iCCP", profile), *kept)
    photograph = read_photograph(path)
    shown = photograph.colours.shape[:2]
    assert shown == ((HEIGHT, WIDTH) if orientation < 5 else (WIDTH, HEIGHT))
    write_photograph(out, photograph, inverted(photograph), Format.PNG)
    made = cv2.imread(str(out), cv2.IMREAD_UNCHANGED)
    assert made is not None
    made = made.reshape(HEIGHT, WIDTH, channels)[:, :, [0] if channels == 1 else [2, 1, 0, 3][:channels]]
    assert made.dtype == codes.dtype
    colours = min(channels, 3)
    np.testing.assert_array_equal(made[:, :, :colours], np.iinfo(codes.dtype).max - codes[:, :, :colours])
    np.testing.assert_array_equal(made[:, :, colours:], codes[:, :, colours:])
    found = chunks_of(out.read_bytes())
    assert all(found[kind] == body for kind, body in kept)
    assert zlib.decompress(found[b"iCCP"].partition(b"\0\0")[2]) == space
    assert b"sRGB" not in found


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(
    ("channels", "extra"), [(1, None), (3, None), (4, "unassalpha"), (4, "assocalpha"), (2, "unassalpha")]
)
def test_tiff(orientation: int, bits: int, channels: int, extra: str | None, tmp_path: Path) -> None:
    path, out, codes = tmp_path / "a.tif", tmp_path / "b.tif", pixels(channels, bits)
    profile = SRGB if channels > 2 else SRGB[:16] + b"GRAY" + SRGB[20:]
    tifffile.imwrite(
        path,
        codes if channels > 1 else codes[:, :, 0],
        photometric="rgb" if channels > 2 else "minisblack",
        planarconfig="contig" if channels > 1 else None,
        extrasamples=[extra] if extra else None,
        iccprofile=profile,
        resolution=(300, 300),
        resolutionunit="INCH",
        extratags=[
            (274, 3, 1, orientation, True),
            (271, 2, None, "Maker", True),
            (700, 1, len(XMP), XMP, True),
        ],
    )
    if channels == 2 and bits == 16:
        with pytest.raises(InputError, match="grey with alpha in 16 bits; export it again as RGB"):
            read_photograph(path)
        return
    photograph = read_photograph(path)
    write_photograph(out, photograph, inverted(photograph), Format.TIFF)
    made = tifffile.imread(out).reshape(codes.shape)
    colours = 1 if channels < 3 else 3
    assert made.dtype == codes.dtype
    np.testing.assert_array_equal(made[:, :, :colours], np.iinfo(codes.dtype).max - codes[:, :, :colours])
    np.testing.assert_array_equal(made[:, :, colours:], codes[:, :, colours:])
    with tifffile.TiffFile(path) as source, tifffile.TiffFile(out) as file:
        old, new = source.pages[0].tags, file.pages[0].tags  # type: ignore[union-attr]
        for tag in (271, 274, 282, 283, 296, 305, 338, 700, 34675):
            assert (tag in new) == (tag in old), tag
            assert tag not in old or new[tag].value == old[tag].value, tag
    with Image.open(out) as image:
        assert image.getexif()[274] == orientation
    np.testing.assert_array_equal(read_photograph(out).rgb(), inverted(photograph))


@pytest.mark.parametrize(
    ("source", "form"),
    [
        ("jpg", Format.PNG),
        ("jpg", Format.TIFF),
        ("png", Format.JPEG),
        ("png", Format.TIFF),
        ("tif", Format.PNG),
    ],
)
def test_another_format_gets_upright_pixels_and_all_that_it_can_hold(
    source: str, form: Format, tmp_path: Path
) -> None:
    path, out = tmp_path / f"a.{source}", tmp_path / f"b{form.value}"
    codes = pixels(3, 8, smooth=True)
    if source == "jpg":
        Image.fromarray(codes).save(path, exif=b"Exif\0\0" + exif(6), icc_profile=SRGB, xmp=XMP)
    elif source == "png":
        png(
            path,
            codes,
            (b"iCCP", b"a\0\0" + zlib.compress(SRGB)),
            (b"eXIf", exif(6)),
            (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP),
        )
    else:
        tags = Image.Exif()
        tags.load(exif(6))
        tags[700] = XMP
        Image.fromarray(codes).save(path, exif=tags, icc_profile=SRGB)
    photograph = read_photograph(path)
    write_photograph(out, photograph, photograph.rgb(), form)
    with Image.open(out) as made:
        tags = made.getexif()
        assert tags[274] == 1
        assert tags[271] == "Maker"
        assert tags.get_ifd(0x8769)[37500] == bytes(range(200))
        assert tags.get_ifd(0x8825)[2] == (48, 8, 3)
        assert made.info["icc_profile"] == SRGB
        assert XMP in out.read_bytes()
        assert made.size == (HEIGHT, WIDTH)
        tolerance = 12 if form is Format.JPEG else 0
        assert np.abs(np.asarray(made).astype(int) - photograph.colours).max() <= tolerance


def test_16_bits_to_jpeg_are_rounded(tmp_path: Path) -> None:
    grey = np.full((16, 16, 1), 40_000, np.uint16)  # 155.64 of 255
    photograph = read_photograph(png(tmp_path / "a.png", grey))
    with Image.open(io.BytesIO(encode_photograph(photograph, photograph.rgb(), Format.JPEG))) as made:
        assert made.mode == "L"
        assert set(np.asarray(made).ravel()) == {156}


def test_grey_with_alpha_png(tmp_path: Path) -> None:
    path, codes = tmp_path / "a.png", pixels(2, 8)
    Image.fromarray(codes, "LA").save(path)
    photograph = read_photograph(path)
    assert photograph.colours.shape[2] == 1
    with Image.open(io.BytesIO(encode_photograph(photograph, photograph.rgb(), Format.PNG))) as made:
        np.testing.assert_array_equal(np.asarray(made)[:, :, [0, 3]], codes)


@pytest.mark.parametrize(
    ("form", "what"),
    [(Format.JPEG, "JPEG cannot hold its alpha"), (Format.RAW, "camera raw files cannot be written")],
)
def test_formats_that_cannot_be(form: Format, what: str, tmp_path: Path) -> None:
    photograph = read_photograph(png(tmp_path / "a.png", pixels(4, 8)))
    with pytest.raises(InputError, match=f"{what}; take --format png or tiff"):
        encode_photograph(photograph, photograph.rgb(), form)


def test_colours_of_another_size(tmp_path: Path) -> None:
    photograph = read_photograph(png(tmp_path / "a.png", pixels(3, 8)))
    with pytest.raises(TypeError, match=r"colours must be uint8 \(24, 34, 3\), not uint16"):
        encode_photograph(photograph, photograph.rgb().astype(np.uint16), Format.PNG)


def test_floats_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((8, 8), np.float32))
    with pytest.raises(InputError, match="holds floats, not codes"):
        read_photograph(path)


@pytest.mark.parametrize(
    ("stream", "fault"),
    [
        (b"no stream", "its metadata are damaged"),
        (zlib.compress(bytes(LARGEST_PROFILE + 1)), "a colour profile of more than 16 MiB"),
        (zlib.compress(bytes(range(256)))[:-9], "a colour profile that is cut short"),
    ],
)
def test_damaged_metadata(tmp_path: Path, stream: bytes, fault: str) -> None:
    path = png(tmp_path / "a.png", pixels(3, 8), (b"iCCP", b"a name\0\0" + stream))
    with pytest.raises(InputError, match=fault):
        read_photograph(path)


@pytest.mark.parametrize(
    "blob", [b"", b"II*\0", b"II*\0\xff\xff\0\0", exif(1)[:30], b"nonsense that is no TIFF at all"]
)
def test_exif_that_makes_no_sense_is_upright(blob: bytes) -> None:
    assert Metadata(blob).orientation == 1
    assert Metadata(blob).upright().exif == blob


def dng(path: Path) -> NDArray[np.uint16]:
    """A raw file of a camera with a 2 x 2 colour filter, uncompressed: its left half is darker than its right."""
    height, width = 64, 96
    mosaic = np.full((height, width), 1000, np.uint16)
    mosaic[:, width // 2 :] = 3000
    matrix = [(1, 1) if k % 4 == 0 else (0, 1) for k in range(9)]
    tifffile.imwrite(
        path,
        mosaic,
        photometric=32803,
        metadata=None,
        extratags=[
            (33421, 3, 2, (2, 2), True),  # size of the colour filter's pattern
            (33422, 1, 4, (0, 1, 1, 2), True),  # R G, G B
            (50706, 1, 4, (1, 4, 0, 0), True),  # version
            (50708, 2, None, "Camera", True),
            (50714, 4, 1, 0, True),  # black
            (50717, 4, 1, 4095, True),  # white
            (50721, 10, 9, tuple(v for pair in matrix for v in pair), True),
            (50728, 5, 3, (1, 1, 1, 1, 1, 1), True),  # white balance
            (50778, 3, 1, 21, True),
            (271, 2, None, "Maker", True),
            (274, 3, 1, 6, True),
        ],
    )
    return mosaic


def test_camera_raw(tmp_path: Path) -> None:
    pytest.importorskip("rawpy", reason="rawpy, of the raw extra, is not installed")
    path, out = tmp_path / "a.dng", tmp_path / "b.tif"
    mosaic = dng(path)
    photograph = read_photograph(path)
    assert photograph.format is Format.RAW
    assert photograph.colours.dtype == np.uint16
    assert photograph.colours.shape == (mosaic.shape[1], mosaic.shape[0], 3), "upright"
    assert photograph.colours[:40].mean() < 0.8 * photograph.colours[-40:].mean(), "left has become top"
    write_photograph(out, photograph, photograph.rgb(), Format.TIFF)
    np.testing.assert_array_equal(tifffile.imread(out), photograph.colours)
    with Image.open(out) as made:
        assert made.getexif()[271] == "Maker"
        assert made.getexif().get(274, 1) == 1
        assert made.info["icc_profile"][16:20] == b"RGB "


def test_camera_raw_that_is_damaged(tmp_path: Path) -> None:
    pytest.importorskip("rawpy", reason="rawpy, of the raw extra, is not installed")
    path = tmp_path / "a.nef"
    path.write_bytes(bytes(4000))
    with pytest.raises(InputError, match="damaged or of no camera that LibRaw knows"):
        read_photograph(path)


def test_camera_raw_without_rawpy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "rawpy", None)
    with pytest.raises(InputError, match=r'rawpy is missing; pip install "lfsynth\[raw\]"'):
        read_photograph(tmp_path / "a.nef")
