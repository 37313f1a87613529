"""A picture of an LFDOF dataset: each scene's defocused pictures, its ground truth, and one place enlarged.

A scene is a block: a row an aperture, from the smallest, and a column a focus setting, from the farthest; to
the right the ground truth, the light field's centre view, and below them the place whose sharpness changes
most with focus. Pictures are reduced and enlarged in linear light and shown along the sRGB curve.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from lfsynth.frame import Frame, resample
from lfsynth.lfdof import Dataset, read_manifest
from lfsynth.pictures import read_linear
from lfsynth.readers import read_light_field
from lfsynth.transfer import SRGB, encode

TILE = 240
"""Width of a picture on the sheet, px."""
ENLARGED = 3
"""Sheet pixels a picture pixel in the enlarged place."""
GAP, BLOCK_GAP, EDGE = 6, 34, 22
"""Between tiles, between scenes and around the sheet, px."""
LABELS = 118
"""Width of the column of row labels, px."""
PAPER, INK, FAINT, FRAME = (255, 255, 255), (24, 26, 30), (105, 110, 118), (255, 196, 0)


@dataclass(frozen=True, eq=False)
class SheetScene:
    """A scene to be shown.

    Attributes
    ----------
    name : the scene's
    origin : a few words on where it comes from
    slopes : (S,) disparities in focus, ascending: farthest first
    radii : (M,) radii of the apertures in view steps, ascending
    defocused : (S, M, H, W, 3) float32 linear light
    ground_truth, centre_view : (H, W, 3) float32 linear light
    """

    name: str
    origin: str
    slopes: NDArray[np.float64]
    radii: NDArray[np.float64]
    defocused: NDArray[np.float32]
    ground_truth: NDArray[np.float32]
    centre_view: NDArray[np.float32]


def read_scene(dataset: Dataset, scene: str, light_field: Path) -> SheetScene:
    """Gather a scene from a dataset and the light field that it was made from."""
    rows = [row for row in read_manifest(dataset.root) if row["scene"] == scene]
    inputs = {(row["focus"], row["aperture"]): row for row in rows if row["kind"] == "input"}
    truth = next(row for row in rows if row["kind"] == "ground_truth")
    settings = sorted({focus for focus, _ in inputs}), sorted({aperture for _, aperture in inputs})
    defocused = np.stack(
        [
            [_colour(read_linear(dataset.root / inputs[s, m]["path"])) for m in settings[1]]
            for s in settings[0]
        ]
    )
    lf = read_light_field(light_field)
    origin = f"light field, {lf.grid[0]} x {lf.grid[1]} views of {lf.size[0]} x {lf.size[1]}"
    return SheetScene(
        name=scene,
        origin=f"SIMULATED {origin}" if lf.simulated else origin,
        slopes=np.array([inputs[s, settings[1][0]]["slope"] for s in settings[0]]),
        radii=np.array([inputs[settings[0][0], m]["radius"] for m in settings[1]]),
        defocused=defocused,
        ground_truth=_colour(read_linear(dataset.root / truth["path"])),
        centre_view=_middle(_colour(lf.centre_view), truth["height"], truth["width"], truth["step"]),
    )


def contact_sheet(scenes: Sequence[SheetScene]) -> NDArray[np.uint8]:
    """Draw scenes one below the other.

    Parameters
    ----------
    scenes : at least one

    Returns
    -------
    (H, W, 3) uint8 as shown

    Raises
    ------
    ValueError
        If there is no scene.
    """
    if not scenes:
        raise ValueError("a contact sheet needs at least one scene")
    blocks = [_block(scene) for scene in scenes]
    width = 2 * EDGE + max(block.width for block in blocks)
    height = 2 * EDGE + sum(block.height for block in blocks) + BLOCK_GAP * (len(blocks) - 1)
    sheet = Image.new("RGB", (width, height), PAPER)
    top = EDGE
    for block in blocks:
        sheet.paste(block, (EDGE, top))
        top += block.height + BLOCK_GAP
    return np.asarray(sheet)


def place_of_interest(defocused: NDArray[np.float32], window: tuple[int, int]) -> tuple[int, int, int, int]:
    """Where, and between which focus settings, sharpness changes most.

    Sharpness is the mean square of the Laplacian of the luminance within the window.

    Parameters
    ----------
    defocused : (S, H, W, 3) float32, by focus setting
    window : (h, w) in pixels, not larger than the pictures

    Returns
    -------
    top row, left column, index of the sharpest and of the least sharp setting
    """
    h, w = window
    energy = []
    for picture in defocused:
        detail = cv2.Laplacian(np.sqrt(np.maximum(picture.mean(axis=-1), 0)), cv2.CV_32F)
        total = cv2.integral(detail * detail)
        energy.append(total[h:, w:] - total[:-h, w:] - total[h:, :-w] + total[:-h, :-w])
    sharpness = np.stack(energy)
    change = sharpness.max(axis=0) - sharpness.min(axis=0)
    top, left = np.unravel_index(int(change.argmax()), change.shape)
    here = sharpness[:, top, left]
    return int(top), int(left), int(here.argmax()), int(here.argmin())


def _block(scene: SheetScene) -> Image.Image:
    """One scene with its title, headings and labels."""
    picture_height, picture_width = scene.ground_truth.shape[:2]
    tile_height = round(TILE * picture_height / picture_width)
    count, rows = len(scene.slopes), max(len(scene.radii), 3)
    grid_left, grid_top = LABELS, 76
    right = grid_left + count * (TILE + GAP) + 3 * GAP
    size = right + 2 * TILE + GAP, grid_top + rows * (tile_height + GAP) - GAP
    block = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(block)
    title = _font(26)
    draw.text((0, 0), scene.name, INK, title)
    draw.text((title.getlength(scene.name) + 14, 8), scene.origin, FAINT, _font(17))

    for s, slope in enumerate(scene.slopes):
        end = {0: ", farthest", count - 1: ", nearest"}.get(s, "") if count > 1 else ""
        x = grid_left + s * (TILE + GAP)
        draw.text((x, 38), f"focus {s:02d}{end}", INK, _font(16))
        draw.text((x, 56), f"slope {round(slope, 2) + 0.0:+.2f} px per view", FAINT, _font(14))
    for m, radius in enumerate(scene.radii):
        y = grid_top + m * (tile_height + GAP)
        draw.text((0, y + tile_height // 2 - 20), f"aperture {m + 1}", INK, _font(16))
        draw.text((0, y + tile_height // 2), f"radius {radius:.1f} views", FAINT, _font(14))
        for s in range(count):
            block.paste(
                _shown(_scaled(scene.defocused[s, m], TILE, tile_height)), (grid_left + s * (TILE + GAP), y)
            )

    window = min(round(tile_height / ENLARGED), picture_height), min(round(TILE / ENLARGED), picture_width)
    top, left, sharpest, softest = place_of_interest(scene.defocused[:, -1], window)
    widest = len(scene.radii)

    def place(picture: NDArray[np.float32]) -> NDArray[np.float32]:
        return _scaled(picture[top : top + window[0], left : left + window[1]], TILE, tile_height)

    draw.text((right, 38), "ground truth", INK, _font(16))
    draw.text((right, 56), "all in focus, noise averaged out", FAINT, _font(14))
    draw.text((right + TILE + GAP, 38), "centre view", INK, _font(16))
    draw.text((right + TILE + GAP, 56), "one view, its noise as it is", FAINT, _font(14))
    tiles = (
        (_scaled(scene.ground_truth, TILE, tile_height), ""),
        (_scaled(scene.centre_view, TILE, tile_height), ""),
        (place(scene.ground_truth), f"{ENLARGED}x ground truth"),
        (place(scene.centre_view), f"{ENLARGED}x centre view"),
        (place(scene.defocused[sharpest, -1]), f"{ENLARGED}x in focus: ap{widest}_{sharpest:02d}"),
        (place(scene.defocused[softest, -1]), f"{ENLARGED}x out of focus: ap{widest}_{softest:02d}"),
    )
    scale = TILE / picture_width
    outline = [left * scale, top * scale, (left + window[1]) * scale, (top + window[0]) * scale]
    for number, (tile, caption) in enumerate(tiles):
        picture = _shown(tile)
        if caption:
            _write_over(picture, caption)
        else:
            ImageDraw.Draw(picture).rectangle(outline, outline=FRAME, width=2)
        block.paste(
            picture, (right + number % 2 * (TILE + GAP), grid_top + number // 2 * (tile_height + GAP))
        )
    return block


def _write_over(picture: Image.Image, caption: str) -> None:
    """Write a caption on a dark band at a picture's lower edge."""
    font = _font(14)
    draw = ImageDraw.Draw(picture, "RGBA")
    top = picture.height - 21
    draw.rectangle((0, top, font.getlength(caption) + 12, picture.height), fill=(0, 0, 0, 150))
    draw.text((6, top + 2), caption, PAPER, font)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _scaled(picture: NDArray[np.float32], width: int, height: int) -> NDArray[np.float32]:
    """Resize linear light: means of areas when it gets smaller, cubic interpolation when larger."""
    method = cv2.INTER_AREA if width < picture.shape[1] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, (width, height), interpolation=method), np.float32)


def _shown(linear: NDArray[np.float32]) -> Image.Image:
    return Image.fromarray(encode(linear, SRGB, bits=8))


def _colour(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Grey to three equal channels; colours as they are."""
    return np.ascontiguousarray(np.broadcast_to(picture, (*picture.shape[:2], 3)))


def _middle(view: NDArray[np.float32], height: int, width: int, step: float) -> NDArray[np.float32]:
    """What a dataset's pictures show of a view: its middle, sampled on their grid."""
    rows, columns = (
        (np.arange(wanted) - (wanted - 1) / 2) * step + (there - 1) / 2
        for wanted, there in zip((height, width), view.shape[:2], strict=True)
    )
    return resample(view, Frame(rows, columns))
