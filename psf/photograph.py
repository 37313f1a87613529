"""Read photographs for measuring: linear light of one colour at a time, and where it was clipped.

A colour plane of a Bayer mosaic is taken as it is, every second pixel of every second row, never demosaiced: its
samples are two pixels apart, each gathers light over one. Under light of a narrow band, too, the planes are kept
apart: a mosaic evened out to one picture has the noise of its weakest colour in a quarter of its pixels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lfsynth import pictures
from lfsynth.errors import InputError
from lfsynth.transfer import LINEAR, Transfer, linearise
from psf.clipping import clipping
from psf.photograph_formats import FLOAT_SUFFIXES, RAW_SUFFIXES, declared_transfer, read_array, read_raw

LUMA = (0.2126, 0.7152, 0.0722)
"""Weights of linear R, G and B in the luminance, ITU-R BT.709."""


class Channel(Enum):
    """Which light of a colour picture is measured; the values are those of the command line."""

    R = "r"
    G = "g"
    B = "b"
    LUMA = "luma"
    EACH = "each"


class Bayer(Enum):
    """Colours of a mosaic's first two rows, left to right, top to bottom."""

    RGGB = "rggb"
    BGGR = "bggr"
    GRBG = "grbg"
    GBRG = "gbrg"


@dataclass(frozen=True)
class Plane:
    """One colour of one photograph.

    Attributes
    ----------
    name : r, g, b, luma, or light for a grey picture; g1 (of the upper row) and g2 for a mosaic's greens
    light : (H, W) float32, linear, 1 is the code that stands for white; less dark frames
    clipped : (H, W) uint8, a value of `psf.clipping.Clip`
    step : pixels of the sensor from sample to sample
    origin : (y, x) pixel of the sensor that is the first sample
    """

    name: str
    light: NDArray[np.float32]
    clipped: NDArray[np.uint8]
    step: int = 1
    origin: tuple[int, int] = (0, 0)

    @property
    def aperture(self) -> float:
        """Side of the square from which a sample gathers light, in samples."""
        return 1 / self.step


@dataclass(frozen=True)
class Reading:
    """How photographs are to be read.

    Attributes
    ----------
    transfer : curve of the codes; None: what the file says, linear for floats and mosaics
    channel : of a colour picture or mosaic; None for grey ones
    bayer : colours of a mosaic in a grey picture; None: not a mosaic, or camera raw, which says it itself
    """

    transfer: Transfer | None = None
    channel: Channel | None = None
    bayer: Bayer | None = None


@dataclass(frozen=True)
class _Codes:
    """A file's content: codes (H, W, C), the curve, the mosaic's colours, the codes of black and white."""

    codes: pictures.Picture
    transfer: Transfer
    bayer: Bayer | None
    black: float
    white: float

    @property
    def kind(self) -> str:
        """Size and depth, in words."""
        height, width = self.codes.shape[:2]
        return f"{width} x {height}, {self.codes.itemsize * 8} bits, {self.codes.shape[2]} channels"


def find_photographs(folder: Path) -> list[Path]:
    """Photographs of a folder, by name; of a file, itself.

    Raises
    ------
    InputError : where there are none
    """
    if folder.is_file():
        return [folder]
    if not folder.is_dir():
        raise InputError(folder, "there is no such folder", "check the path")
    found = sorted(
        path
        for path in folder.iterdir()
        if path.is_file()
        and not path.name.startswith(".")
        and (pictures.is_picture(path) or path.suffix.lower() in RAW_SUFFIXES | FLOAT_SUFFIXES)
    )
    if not found:
        raise InputError(
            folder, "there are no pictures in it", "name a folder of PNG, TIFF, JPEG, PFM or raw files"
        )
    return found


def read_photographs(
    paths: Sequence[Path], reading: Reading, *, dark: Sequence[Path] = ()
) -> Iterator[tuple[Path, list[Plane]]]:
    """Read shots of one setting, one after the other.

    Parameters
    ----------
    paths : of the shots; all of one size, bit depth and number of channels
    reading : how to read them
    dark : frames taken with the lens covered; their mean is taken off the light

    Yields
    ------
    the path, and the colours asked for

    Raises
    ------
    InputError : where a file cannot be read, they differ in kind, a colour picture's channel or an integer picture's
        transfer curve is not known, or values are not finite
    """
    first: tuple[Path, str] | None = None
    shade: NDArray[np.float32] | None = None
    for path in paths:
        stored = _read_codes(path, reading)
        if first is None:
            first = path, stored.kind
            shade = _mean_dark(dark, reading, first)
        elif stored.kind != first[1]:
            raise InputError(
                path,
                f"it is {stored.kind}, but {first[0].name} is {first[1]}",
                "estimate pictures of different kinds one after the other",
            )
        yield path, _planes(path, stored, reading, shade)


def _mean_dark(paths: Sequence[Path], reading: Reading, like: tuple[Path, str]) -> NDArray[np.float32] | None:
    """The mean of dark frames in linear light, (H, W, C)."""
    if not paths:
        return None
    total: NDArray[np.float32] | None = None
    for path in paths:
        stored = _read_codes(path, reading)
        if stored.kind != like[1]:
            raise InputError(
                path,
                f"the dark frame is {stored.kind}, but {like[0].name} is {like[1]}",
                "use dark frames of the same camera and format",
            )
        light = _light(stored, stored.codes)
        total = light if total is None else total + light
    assert total is not None
    return total / np.float32(len(paths))


def _read_codes(path: Path, reading: Reading) -> _Codes:
    """A file's codes and what they mean."""
    suffix = path.suffix.lower()
    if suffix in RAW_SUFFIXES:
        raw = read_raw(path)
        return _Codes(raw.codes[:, :, None], LINEAR, Bayer(raw.pattern), raw.black, raw.white)
    codes = read_array(path) if suffix in FLOAT_SUFFIXES else pictures.read(path)
    # What is transparent is not looked at.
    codes = codes[:, :, : 1 if codes.shape[2] < 3 else 3]
    transfer = reading.transfer
    if transfer is None:
        grey = codes.shape[2] == 1
        known = codes.dtype == np.float32 or (reading.bayer is not None and grey)
        transfer = LINEAR if known else declared_transfer(path)
    if transfer is None:
        raise InputError(
            path,
            f"nothing says which transfer curve its {codes.itemsize * 8}-bit codes follow",
            "say it with --transfer linear, srgb or gamma:G",
        )
    white = _full_scale(codes)
    return _Codes(codes, transfer, reading.bayer if codes.shape[2] == 1 else None, 0.0, white)


def _planes(path: Path, stored: _Codes, reading: Reading, shade: NDArray[np.float32] | None) -> list[Plane]:
    """The colours asked for."""
    codes = stored.codes
    colour = codes.shape[2] == 3 or stored.bayer is not None
    channel = reading.channel
    if channel is None and colour:
        raise InputError(path, "it is a colour picture", "choose --channel r, g, b, luma or each")
    if stored.bayer is not None:
        if channel is Channel.LUMA:
            raise InputError(
                path, "a mosaic has no luminance without demosaicing", "choose --channel r, g, b or each"
            )
        return [
            _plane(stored, codes[y::2, x::2], shade if shade is None else shade[y::2, x::2], name, 2, (y, x))
            for name, (y, x) in _sites(stored.bayer)
            if channel in (Channel.EACH, Channel(name[0]))
        ]
    if not colour:
        return [_plane(stored, codes, shade, "light", 1, (0, 0))]
    planes = [
        _plane(
            stored,
            codes[:, :, index : index + 1],
            shade if shade is None else shade[:, :, index : index + 1],
            name,
        )
        for index, name in enumerate("rgb")
        if channel in (Channel.EACH, Channel.LUMA, Channel(name))
    ]
    if channel is Channel.LUMA:
        light = sum(weight * plane.light for weight, plane in zip(LUMA, planes, strict=True))
        clipped = np.maximum.reduce([plane.clipped for plane in planes])
        return [Plane("luma", np.asarray(light, np.float32), clipped)]
    return planes


def _sites(bayer: Bayer) -> list[tuple[str, tuple[int, int]]]:
    """Colour and first pixel of the four planes, the greens numbered by row."""
    sites = [(letter, (place // 2, place % 2)) for place, letter in enumerate(bayer.value)]
    return [(letter if letter != "g" else f"g{site[0] + 1}", site) for letter, site in sites]


def _plane(
    stored: _Codes,
    codes: pictures.Picture,
    shade: NDArray[np.float32] | None,
    name: str,
    step: int = 1,
    origin: tuple[int, int] = (0, 0),
) -> Plane:
    """One colour's light and clipping from its codes (H, W, 1)."""
    light = _light(stored, codes)
    if shade is not None:
        light = light - shade  # not in place: floats are the codes themselves
    return Plane(name, light[:, :, 0], clipping(codes[:, :, 0], stored.black, stored.white), step, origin)


def _full_scale(codes: pictures.Picture) -> float:
    """The code that the format has for white."""
    return 1.0 if codes.dtype == np.float32 else float(2 ** (8 * codes.itemsize) - 1)


def _light(stored: _Codes, codes: pictures.Picture) -> NDArray[np.float32]:
    """Linear light of codes."""
    if stored.black == 0 and stored.white == _full_scale(codes):
        return linearise(codes, stored.transfer)
    return (codes.astype(np.float32) - np.float32(stored.black)) / np.float32(stored.white - stored.black)
