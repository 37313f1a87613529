"""A user's photograph: what is in the file, and back into a file of the same kind with nothing lost.

Pixels are [y, x, c], upright as they are to be seen, in the codes of 8 or 16 bits and the colours that the file has
them in: curves and ICC profiles are left alone. A file of the same format gets the pixels as they lay in the first,
with EXIF's orientation as it was; one of another format gets them upright, for not every program heeds EXIF in it.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray
from PIL import Image, ImageCms, JpegImagePlugin

from drbnet import picture_metadata
from drbnet.picture_metadata import EXTRA_SAMPLES, Metadata
from drbnet.tiling import Codes
from lfsynth.errors import InputError
from lfsynth.pictures import read, write_bytes_atomic

RAW_SUFFIXES = frozenset(
    {".3fr", ".arw", ".cr2", ".cr3", ".dng", ".erf", ".iiq", ".kdc", ".mef", ".mos", ".mrw", ".nef", ".nrw"}
    | {".orf", ".pef", ".raf", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f"}
)
JPEG_QUALITY = 95
"""Where the source's own tables cannot be taken."""
_STRIP_ROWS = 64
_SRGB_CURVE = (2.4, 12.92)  # power and slope, as LibRaw wants them
_TURNS: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a, 1),
}
"""How stored pixels become upright, by EXIF's orientation."""
_BACK = {6: 8, 8: 6}
"""Orientations whose turn another one undoes; all others undo themselves."""


class Format(Enum):
    """Kinds of files; the value is the suffix of one that is written."""

    JPEG = ".jpg"
    PNG = ".png"
    TIFF = ".tif"
    RAW = ".raw"
    """A camera's; it cannot be written."""


@dataclass(frozen=True)
class Photograph:
    """A picture as its file holds it.

    Attributes
    ----------
    path : where it comes from
    format : kind of the file
    colours : (H, W, 1 or 3) uint8 or uint16, upright
    alpha : (H, W, 1) of the same dtype, upright, or None
    premultiplied : whether the colours have been multiplied by alpha
    metadata : EXIF, ICC profile and the like
    jpeg : quantisation tables, sub-sampling and progression of a JPEG file, as Pillow's encoder takes them
    """

    path: Path
    format: Format
    colours: Codes
    alpha: Codes | None = None
    premultiplied: bool = False
    metadata: Metadata = Metadata()  # noqa: RUF009 (frozen)
    jpeg: tuple[tuple[str, Any], ...] = ()

    @property
    def bits(self) -> int:
        """Bits a sample, 8 or 16."""
        return 8 * self.colours.itemsize

    def rgb(self) -> Codes:
        """Colours (H, W, 3); grey is repeated."""
        grey = self.colours.shape[2] == 1
        return cast(Codes, np.repeat(self.colours, 3, axis=2)) if grey else self.colours


def read_photograph(path: Path) -> Photograph:
    """Read a JPEG, PNG, TIFF or camera raw file.

    Raw files are developed with the camera's white balance into sRGB of 16 bits.

    Raises
    ------
    InputError : where it cannot be read, is damaged, or holds floats
    """
    if path.suffix.lower() in RAW_SUFFIXES:
        return _read_raw(path)
    stored = read(path)
    if stored.dtype == np.float32:
        raise InputError(path, "holds floats, not codes of 8 or 16 bits", "export it again as 16-bit TIFF")
    data = path.read_bytes()
    try:
        if data.startswith(b"\xff\xd8"):
            return _of_jpeg(path, data, cast(Codes, stored))
        if data.startswith(picture_metadata.PNG_SIGNATURE):
            metadata = picture_metadata.of_png(data)
            # The other formats' reader turns pixels upright.
            upright = _TURNS[metadata.orientation](stored)
            return _photograph(path, Format.PNG, cast(Codes, upright), metadata)
        return _of_tiff(path, data, cast(Codes, stored))
    except (
        SyntaxError,
        ValueError,
        KeyError,
        TypeError,
        IndexError,
        OSError,
        struct.error,
        zlib.error,
    ) as error:
        fault = f"its metadata are damaged ({' '.join(str(error).split())[:80]})"
        raise InputError(path, fault, "export it again, or without metadata") from None


def encode_photograph(
    photograph: Photograph, colours: Codes, form: Format, *, quality: int | None = None
) -> bytes:
    """A file's bytes, with a photograph's other content and new colours.

    Parameters
    ----------
    photograph : what else the file holds
    colours : (H, W, 3) upright, of the photograph's dtype and size; for grey photographs their mean is taken
    form : format of the file; JPEG has 8 bits
    quality : of JPEG, 1 to 100; None: the source's quantisation tables, or `JPEG_QUALITY`

    Raises
    ------
    TypeError : for colours of another size or dtype
    InputError : for alpha in a JPEG file, and for raw files
    """
    expected = (*photograph.colours.shape[:2], 3)
    if colours.shape != expected or colours.dtype != photograph.colours.dtype:
        raise TypeError(
            f"colours must be {photograph.colours.dtype} {expected}, not {colours.dtype} {colours.shape}"
        )
    if form is Format.RAW or (form is Format.JPEG and photograph.alpha is not None):
        what = "camera raw files cannot be written" if form is Format.RAW else "JPEG cannot hold its alpha"
        raise InputError(photograph.path, what, "take --format png or tiff")
    pixels: NDArray[Any] = colours
    if photograph.colours.shape[2] == 1:
        pixels = np.rint(colours.mean(axis=2, keepdims=True, dtype=np.float32)).astype(colours.dtype)
    if photograph.alpha is not None:
        pixels = np.concatenate((pixels, photograph.alpha), axis=2)
    metadata = photograph.metadata
    if form is photograph.format:
        orientation = metadata.orientation
        pixels = _TURNS[_BACK.get(orientation, orientation)](pixels)
    else:
        metadata = Metadata(metadata.exif, metadata.icc, metadata.xmp).upright()
    if form is Format.JPEG:
        return picture_metadata.into_jpeg(_jpeg_bytes(pixels, photograph, quality), metadata)
    if form is Format.PNG:
        return picture_metadata.into_png(_png_bytes(pixels), metadata)
    return _tiff_bytes(pixels, photograph, metadata)


def write_photograph(
    path: Path, photograph: Photograph, colours: Codes, form: Format, *, quality: int | None = None
) -> None:
    """Write `encode_photograph`'s bytes to a file, which is whole or not there.

    Raises
    ------
    InputError : as `encode_photograph` does, and where the file cannot be written
    """
    write_bytes_atomic(path, encode_photograph(photograph, colours, form, quality=quality))


def _photograph(path: Path, form: Format, stored: Codes, metadata: Metadata, **more: Any) -> Photograph:
    count = 1 if stored.shape[2] < 3 else 3
    colours = np.ascontiguousarray(stored[:, :, :count])
    alpha = np.ascontiguousarray(stored[:, :, count:]) if stored.shape[2] > count else None
    space = metadata.icc[16:20]  # of the profile's device side, ICC.1:2022, 7.2.6
    if metadata.icc and space != (b"GRAY" if count == 1 else b"RGB "):
        metadata = metadata.without_profile()
    return Photograph(path, form, cast(Codes, colours), cast(Codes | None, alpha), metadata=metadata, **more)


def _of_jpeg(path: Path, data: bytes, upright: Codes) -> Photograph:
    source = JpegImagePlugin.JpegImageFile(io.BytesIO(data))
    settings: list[tuple[str, Any]] = []
    if source.mode in ("L", "RGB"):
        settings.append(("qtables", {k: list(table) for k, table in source.quantization.items()}))
        sampling = JpegImagePlugin.get_sampling(source)
        if source.mode == "RGB" and sampling >= 0:
            settings.append(("subsampling", sampling))
    settings.append(("progressive", bool(source.info.get("progressive"))))
    if "dpi" in source.info:
        settings.append(("dpi", source.info["dpi"]))
    return _photograph(path, Format.JPEG, upright, picture_metadata.of_jpeg(data), jpeg=tuple(settings))


def _of_tiff(path: Path, data: bytes, upright: Codes) -> Photograph:
    tags = picture_metadata.tiff_tags(data)
    extra = tags.get(EXTRA_SAMPLES, ())
    extra = extra if isinstance(extra, tuple) else (extra,)
    premultiplied = extra[:1] == (1,)
    if extra and max(_numbers(tags.get(258, 8))) == 8 and not (premultiplied and upright.shape[2] == 4):
        # OpenCV would multiply colours by alpha, and leaves out that of grey.
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            upright = np.asarray(image)
    elif extra and upright.shape[2] != 4:
        raise InputError(path, "is grey with alpha in 16 bits", "export it again as RGB with alpha")
    metadata = picture_metadata.of_tiff(data)
    return _photograph(path, Format.TIFF, upright, metadata, premultiplied=premultiplied)


def _numbers(value: Any) -> tuple[int, ...]:
    return value if isinstance(value, tuple) else (value,)


def _read_raw(path: Path) -> Photograph:
    try:
        import rawpy
    except ImportError:
        raise InputError(
            path, "is a camera's raw file, for which rawpy is missing", 'pip install "lfsynth[raw]"'
        ) from None
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(path, f"it cannot be read ({error.strerror})", "check the path") from None
    try:
        with rawpy.imread(io.BytesIO(data)) as raw:
            pixels = raw.postprocess(
                use_camera_wb=True, output_bps=16, output_color=rawpy.ColorSpace.sRGB, gamma=_SRGB_CURVE
            )
    except rawpy.LibRawError as error:
        what = error.args[0].decode() if error.args and isinstance(error.args[0], bytes) else error
        raise InputError(
            path, f"it is damaged or of no camera that LibRaw knows ({what})", "copy it again"
        ) from None
    metadata = picture_metadata.of_raw(data)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return Photograph(path, Format.RAW, pixels, metadata=Metadata(metadata.exif, srgb))


def _jpeg_bytes(pixels: NDArray[Any], photograph: Photograph, quality: int | None) -> bytes:
    if pixels.dtype == np.uint16:
        pixels = ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
    options = dict(photograph.jpeg)
    if quality is not None:
        options.pop("qtables", None)
    if "qtables" not in options:
        options["quality"] = quality or JPEG_QUALITY
        options["subsampling"] = options.get("subsampling", 0)
    image = Image.fromarray(np.ascontiguousarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", optimize=image.width * image.height < 2**24, **options)
    return buffer.getvalue()


def _png_bytes(pixels: NDArray[Any]) -> bytes:
    if pixels.shape[2] == 2:  # grey with alpha, which OpenCV does not write
        pixels = pixels[:, :, [0, 0, 0, 1]]
    order = [0] if pixels.shape[2] == 1 else [2, 1, 0, 3][: pixels.shape[2]]
    return cv2.imencode(".png", np.ascontiguousarray(pixels[:, :, order]))[1].tobytes()


def _tiff_bytes(pixels: NDArray[Any], photograph: Photograph, metadata: Metadata) -> bytes:
    """Strips of deflated differences to the left neighbour (TIFF 6.0, section 14; Adobe's technical note 2002)."""
    height, width, channels = pixels.shape
    parts: list[bytes] = []
    for first in range(0, height, _STRIP_ROWS):
        strip = pixels[first : first + _STRIP_ROWS].copy(order="C")
        strip[:, 1:] -= pixels[first : first + _STRIP_ROWS, :-1]
        parts.append(isal_zlib.compress(strip.astype(strip.dtype.newbyteorder("<")).tobytes(), 2))
    colours = 1 if channels < 3 else 3
    directory = picture_metadata.tiff_directory(metadata)
    shorts = {
        258: (8 * pixels.itemsize,) * channels,
        259: 8,  # deflate
        262: 1 if colours == 1 else 2,  # grey, black being 0, or RGB
        277: channels,
        284: 1,  # samples side by side
        317: 2,  # differences
    }
    if channels > colours:
        shorts[EXTRA_SAMPLES] = 1 if photograph.premultiplied else 2
    longs = {
        256: width,
        257: height,
        273: tuple(sum(map(len, parts[:k])) for k in range(len(parts))),  # Pillow adds where they begin
        278: _STRIP_ROWS,
        279: tuple(len(part) for part in parts),
    }
    for kind, tags in ((3, shorts), (4, longs)):
        for tag, value in tags.items():
            directory.tagtype[tag] = kind
            directory[tag] = value
    header = b"II*\0\x08\0\0\0"
    return b"".join((header, directory.tobytes(len(header)), *parts))
