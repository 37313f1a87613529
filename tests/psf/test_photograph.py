"""Photographs read back as the light that they were made from, and what is refused."""

from pathlib import Path
from types import ModuleType, SimpleNamespace

import cv2
import numpy as np
import pytest
import scipy.io

from lfsynth import pictures
from lfsynth.errors import InputError
from lfsynth.transfer import LINEAR, SRGB, Transfer
from psf.clipping import Clip, clipping
from psf.photograph import Bayer, Channel, Plane, Reading, find_photographs, read_photographs
from psf.simulate import mosaic

LIGHT = np.random.default_rng(5).uniform(0.1, 0.9, (20, 30, 3)).astype(np.float32)


def planes(path: Path, reading: Reading, **options: list[Path]) -> dict[str, Plane]:
    ((_, found),) = read_photographs([path], reading, **options)  # type: ignore[arg-type]
    return {plane.name: plane for plane in found}


@pytest.mark.parametrize("transfer", [LINEAR, SRGB, Transfer(2.2)])
def test_codes_become_light(tmp_path: Path, transfer: Transfer) -> None:
    pictures.write(tmp_path / "a.tif", LIGHT, bits=16, transfer=transfer)
    found = planes(tmp_path / "a.tif", Reading(transfer, Channel.EACH))
    # Half a step of 16 bits, times the curve's slope of at most 2.4.
    for index, name in enumerate("rgb"):
        np.testing.assert_allclose(found[name].light, LIGHT[:, :, index], atol=2e-5)
    luma = planes(tmp_path / "a.tif", Reading(transfer, Channel.LUMA))["luma"]
    np.testing.assert_allclose(luma.light, LIGHT @ (0.2126, 0.7152, 0.0722), atol=2e-5)


def test_a_png_that_says_its_curve(tmp_path: Path) -> None:
    pictures.write(tmp_path / "a.png", LIGHT[:, :, :1], bits=16)
    np.testing.assert_allclose(
        planes(tmp_path / "a.png", Reading())["light"].light, LIGHT[:, :, 0], atol=2e-5
    )


@pytest.mark.parametrize("bayer", Bayer)
def test_planes_of_a_mosaic(tmp_path: Path, bayer: Bayer) -> None:
    pictures.write(tmp_path / "a.tif", mosaic(LIGHT, bayer.value)[:, :, None], bits=16, transfer=LINEAR)
    found = planes(tmp_path / "a.tif", Reading(channel=Channel.EACH, bayer=bayer))
    assert sorted(found) == ["b", "g1", "g2", "r"]
    for name, plane in found.items():
        y, x = plane.origin
        np.testing.assert_allclose(plane.light, LIGHT[y::2, x::2, "rgb".index(name[0])], atol=1e-5)
        assert (plane.step, plane.aperture) == (2, 0.5)
    assert sorted(planes(tmp_path / "a.tif", Reading(channel=Channel.G, bayer=bayer))) == ["g1", "g2"]


def test_dark_frames_are_taken_off(tmp_path: Path) -> None:
    shade = np.full((20, 30, 1), 0.05, np.float32)
    for name, light in {"a": LIGHT[:, :, :1] + shade, "d1": shade * 0.8, "d2": shade * 1.2}.items():
        pictures.write(tmp_path / f"{name}.tif", light, bits=32)
    found = planes(tmp_path / "a.tif", Reading(), dark=[tmp_path / "d1.tif", tmp_path / "d2.tif"])
    np.testing.assert_allclose(found["light"].light, LIGHT[:, :, 0], atol=1e-6)


@pytest.mark.parametrize("suffix", ["npy", "mat"])
def test_arrays(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    if suffix == "npy":
        np.save(path, LIGHT[:, :, 0])
    else:
        scipy.io.savemat(path, {"merged": LIGHT[:, :, 0]})
    np.testing.assert_array_equal(planes(path, Reading())["light"].light, LIGHT[:, :, 0])


def test_photographs_of_a_folder(tmp_path: Path) -> None:
    for name in ("b.png", "a.TIF", "c.dng", ".hidden.png", "notes.txt", "d.npy"):
        (tmp_path / name).touch()
    assert [path.name for path in find_photographs(tmp_path)] == ["a.TIF", "b.png", "c.dng", "d.npy"]
    assert find_photographs(tmp_path / "b.png") == [tmp_path / "b.png"]


def test_refuses_folders_without_pictures(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there are no pictures in it"):
        find_photographs(tmp_path)
    with pytest.raises(InputError, match="there is no such folder"):
        find_photographs(tmp_path / "none")


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
def test_refuses_codes_of_an_unknown_curve(tmp_path: Path, suffix: str) -> None:
    cv2.imwrite(str(tmp_path / f"a.{suffix}"), np.full((20, 30), 99, np.uint8))
    with pytest.raises(
        InputError, match=r"which transfer curve its 8-bit codes follow; say it with --transfer"
    ):
        planes(tmp_path / f"a.{suffix}", Reading())


def test_refuses_colour_without_a_choice(tmp_path: Path) -> None:
    pictures.write(tmp_path / "a.tif", LIGHT, bits=32)
    with pytest.raises(InputError, match="it is a colour picture; choose --channel"):
        planes(tmp_path / "a.tif", Reading())
    pictures.write(tmp_path / "m.tif", LIGHT[:, :, :1], bits=16)
    with pytest.raises(InputError, match="it is a colour picture; choose --channel"):
        planes(tmp_path / "m.tif", Reading(bayer=Bayer.RGGB))
    with pytest.raises(InputError, match="no luminance without demosaicing"):
        planes(tmp_path / "m.tif", Reading(channel=Channel.LUMA, bayer=Bayer.RGGB))


@pytest.mark.parametrize(("shape", "bits"), [((20, 28, 1), 16), ((20, 30, 1), 8)])
def test_refuses_mixed_kinds(tmp_path: Path, shape: tuple[int, ...], bits: int) -> None:
    pictures.write(tmp_path / "a.tif", LIGHT[:, :, :1], bits=16)
    pictures.write(tmp_path / "b.tif", np.full(shape, 0.5, np.float32), bits=bits)
    with pytest.raises(
        InputError, match=rf"b.tif: it is {shape[1]} x 20, {bits} bits, 1 channels, but a.tif is"
    ):
        list(read_photographs([tmp_path / "a.tif", tmp_path / "b.tif"], Reading(LINEAR)))
    with pytest.raises(InputError, match=r"b.tif: the dark frame is .*, but a.tif is 30 x 20, 16 bits"):
        planes(tmp_path / "a.tif", Reading(LINEAR), dark=[tmp_path / "b.tif"])


def test_refuses_nan_and_odd_arrays(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.full((4, 4), np.nan))
    with pytest.raises(InputError, match="16 of its values are NaN"):
        planes(tmp_path / "a.npy", Reading())
    np.save(tmp_path / "b.npy", np.arange(4))
    with pytest.raises(InputError, match="does not hold one array of floats"):
        planes(tmp_path / "b.npy", Reading())
    np.save(tmp_path / "c.npy", np.zeros((4, 4, 5)))
    with pytest.raises(InputError, match="it has 5 channels"):
        planes(tmp_path / "c.npy", Reading())
    (tmp_path / "d.mat").write_bytes(b"nothing")
    with pytest.raises(InputError, match="it cannot be read"):
        planes(tmp_path / "d.mat", Reading())


def test_camera_raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    codes = np.linspace(256, 4095, 48).reshape(6, 8).astype(np.uint16)

    class Opened(SimpleNamespace):
        def __enter__(self) -> "Opened":
            return self

        def __exit__(self, *_: object) -> None:
            return None

    content = {
        "raw_image_visible": codes,
        "color_desc": b"RGBG",
        "raw_pattern": np.array([[3, 2], [0, 1]]),
        "black_level_per_channel": [256] * 4,
        "white_level": 4095,
    }
    module = ModuleType("rawpy")
    module.LibRawError = OSError  # type: ignore[attr-defined]
    module.imread = lambda path: Opened(**content)  # type: ignore[attr-defined]
    monkeypatch.setitem(__import__("sys").modules, "rawpy", module)
    found = planes(tmp_path / "a.dng", Reading(channel=Channel.EACH))
    np.testing.assert_allclose(found["g1"].light, (codes[::2, ::2] - 256.0) / (4095 - 256), rtol=1e-6)
    assert found["r"].origin == (1, 0)
    assert found["g1"].clipped[0, 0] == Clip.BLACK.value
    content["raw_pattern"] = np.zeros((6, 6), int)
    with pytest.raises(InputError, match="has no Bayer mosaic"):
        planes(tmp_path / "a.dng", Reading(channel=Channel.EACH))


def test_camera_raw_without_rawpy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "rawpy", None)
    with pytest.raises(InputError, match="camera raw files need the package rawpy"):
        planes(tmp_path / "a.cr2", Reading(channel=Channel.G))


def noisy(white: float, seed: int = 0) -> np.ndarray:
    codes = np.random.default_rng(seed).normal(200, 8, (100, 100))
    codes[:20] = 30
    return np.clip(codes, 0, white)


def test_clipping_at_the_highest_code_and_below_it() -> None:
    for white in (255.0, 205.0):
        codes = noisy(white).astype(np.uint8)
        share = np.mean(codes == white)
        found = clipping(codes, 0.0, 255.0)
        assert np.mean(found == Clip.WHITE.value) == (share if white == 205 else 0)
    full = np.minimum(noisy(400.0) + 50, 255).astype(np.uint8)
    assert np.mean(clipping(full, 0.0, 255.0) == Clip.WHITE.value) == np.mean(full == 255) > 0.1


def test_clipping_to_black() -> None:
    codes = noisy(255).astype(np.uint8)
    codes[:20] = 0
    assert np.mean(clipping(codes, 0.0, 255.0) == Clip.BLACK.value) == 0.2


def test_flat_drawings_are_not_clipped() -> None:
    codes = np.full((50, 50), 200, np.uint8)
    codes[10:20] = 20
    assert not clipping(codes, 0.0, 255.0).any()
