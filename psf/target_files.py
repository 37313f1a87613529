"""The target as a PDF file, to be printed, and as a PNG picture, to be shown on a screen or printed.

The PDF's disks are paths of Bezier curves, round to a millionth of their radius; a second page tells how to
photograph the target. Dimensions and a scale bar are printed below the disks.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from psf.coarse import Polarity
from psf.projection import Projection
from psf.render import render_disks
from psf.target import FOOTER, GROUND, MARGIN, DiskGrid, centres_mm, corner_mm

_POINTS_PER_MM = 72 / 25.4
_MM_PER_INCH = 25.4

_ARCS = 12
"""Of a disk's outline: cubic curves of 30 degrees are round to 4e-7 of the radius."""

_BAR_MM = 50.0
_TEXT_MM = 3.2

HOW_TO = (
    "How to photograph the disks",
    "",
    "Print at 100 % (no fitting to the page) on matt paper, and measure the bar: it says what the printer did.",
    "Fix the paper to something flat: bulges move the disks, and moved disks blur the kernel.",
    "Light it evenly from both sides, without gloss, shadows, or light from behind the camera's back.",
    "",
    "Face it with the camera; a few degrees of tilt do no harm. Let it fill the picture, or the part of the field",
    "that is to be measured, with all disks whole and a gap's width of paper around them.",
    "Set the lens's focus and aperture as they are to be measured and leave them; use a tripod and a release.",
    "The kernel has to fit between the disks: a blur as wide as the gap is too wide. Then use fewer, larger disks.",
    "",
    "Record raw, or linear 16 bits. No sharpening, noise reduction, lens correction, tone curve or JPEG.",
    "Expose so that the paper is bright and nothing is clipped: 70 to 90 % of full scale, lowest ISO.",
    "Take several shots of each setting: their spread is the error bar. Averages of more shots are less noisy.",
    "Take a few frames with the lens covered at the same exposure, for --dark.",
    "For the blur's change with colour, photograph under light of a narrow band, or measure --channel each.",
)


def target_pdf(grid: DiskGrid, paper: tuple[float, float]) -> bytes:
    """The target on paper of (width, height) mm, and the page that tells how to photograph it, as a PDF file's bytes.

    Notes
    -----
    PDF 1.4 (Adobe, 2001): two pages, one standard font, no compression; the same bytes for the same target.
    """
    scale = f"{_POINTS_PER_MM:.8f} 0 0 {-_POINTS_PER_MM:.8f} 0 {paper[1] * _POINTS_PER_MM:.4f} cm"
    left, top = corner_mm(grid, paper)
    wide, high = grid.extent_mm
    black = grid.polarity is Polarity.BLACK_ON_WHITE
    drawing = ["q", scale, "0 g"]
    if not black:
        drawing += [f"{left:.4f} {top:.4f} {wide:.4f} {high:.4f} re f", "1 g"]
    drawing += [_disk(x, y, grid.radius_mm) for x, y in centres_mm(grid, paper)]
    below = _footer_line(paper)
    drawing += ["0 g", f"{MARGIN:.4f} {below - 0.25:.4f} {_BAR_MM:.4f} 0.5 re f", "Q"]
    caption = [_text(MARGIN + _BAR_MM + 3, below + 1, paper, caption_of(grid))]
    page = "\n".join(drawing + caption)
    lines = [_text(20, 25 + 1.8 * _TEXT_MM * at, paper, line) for at, line in enumerate(HOW_TO) if line]
    return _document([page, "\n".join(lines)], paper)


def target_picture(grid: DiskGrid, paper: tuple[float, float], *, dpi: float = 600.0) -> NDArray[np.uint8]:
    """The target as grey levels, (H, W) uint8, 0 is ink; a pixel on an edge is as grey as the disk covers it."""
    scale = dpi / _MM_PER_INCH
    width, height = (round(side * scale) for side in paper)
    left, top = corner_mm(grid, paper)
    wide, high = grid.extent_mm
    # Pixel 0 is from 0 to 1 / scale mm: its centre is half a pixel in.
    homography = np.array(
        [
            [grid.pitch_mm * scale, 0, (left + GROUND * grid.pitch_mm) * scale - 0.5],
            [0, grid.pitch_mm * scale, (top + GROUND * grid.pitch_mm) * scale - 0.5],
            [0, 0, 1],
        ]
    )
    projection = Projection(homography)
    ink = np.zeros((height, width), np.float32)
    reach = int(np.ceil(grid.radius_mm * scale)) + 2
    for column in range(grid.columns):
        for row in range(grid.rows):
            disk = np.array([[column, row]])
            y, x = np.round(projection.points(disk.astype(np.float64))[0]).astype(int) - reach
            box = np.s_[max(y, 0) : y + 2 * reach + 1, max(x, 0) : x + 2 * reach + 1]
            ink[box] += render_disks(
                projection,
                grid.radius_mm / grid.pitch_mm,
                disk,
                top=max(y, 0),
                left=max(x, 0),
                shape=ink[box].shape,
            )
    if grid.polarity is Polarity.WHITE_ON_BLACK:
        ground = np.zeros_like(ink)
        ground[
            round(top * scale) : round((top + high) * scale),
            round(left * scale) : round((left + wide) * scale),
        ] = 1
        ink = ground - ink
    picture = Image.fromarray(np.round(255 * (1 - np.clip(ink, 0, 1))).astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    below = _footer_line(paper)
    bar = (MARGIN, below - 0.25, MARGIN + _BAR_MM, below + 0.25)
    draw.rectangle([round(side * scale) for side in bar], fill=0)
    font = ImageFont.load_default(size=_TEXT_MM * scale)
    draw.text(
        ((MARGIN + _BAR_MM + 3) * scale, below * scale), caption_of(grid), fill=0, font=font, anchor="lm"
    )
    return np.asarray(picture)


def target_png(grid: DiskGrid, paper: tuple[float, float], *, dpi: float = 600.0) -> bytes:
    """`target_picture` as a PNG file's bytes, which say how large it is to be printed."""
    buffer = io.BytesIO()
    Image.fromarray(target_picture(grid, paper, dpi=dpi)).save(buffer, "PNG", dpi=(dpi, dpi))
    return buffer.getvalue()


def caption_of(grid: DiskGrid) -> str:
    """What is printed beside the bar."""
    return f"{_BAR_MM:.0f} mm | {grid.caption} | print at 100 %"


def _footer_line(paper: tuple[float, float]) -> float:
    """Mm from the top at which the bar and the dimensions are."""
    return paper[1] - MARGIN + 2 - FOOTER / 2


def _disk(x: float, y: float, radius: float) -> str:
    """A filled circle, PDF operators."""
    angle = 2 * np.pi * np.arange(_ARCS + 1) / _ARCS
    handle = 4 / 3 * np.tan(np.pi / (2 * _ARCS))
    cos, sin = np.cos(angle), np.sin(angle)
    path = [f"{x + radius:.6f} {y:.6f} m"]
    for k in range(_ARCS):
        points = (
            (cos[k] - handle * sin[k], sin[k] + handle * cos[k]),
            (cos[k + 1] + handle * sin[k + 1], sin[k + 1] - handle * cos[k + 1]),
            (cos[k + 1], sin[k + 1]),
        )
        path.append(" ".join(f"{x + radius * a:.6f} {y + radius * b:.6f}" for a, b in points) + " c")
    return "\n".join([*path, "f"])


def _text(x: float, y: float, paper: tuple[float, float], text: str) -> str:
    """A line of text whose base line begins at (x, y) mm, PDF operators."""
    escaped = text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
    across, up = x * _POINTS_PER_MM, (paper[1] - y) * _POINTS_PER_MM
    return f"BT /F1 {_TEXT_MM * _POINTS_PER_MM:.3f} Tf {across:.3f} {up:.3f} Td ({escaped}) Tj ET"


def _document(pages: list[str], paper: tuple[float, float]) -> bytes:
    """A PDF file of pages of operators."""
    box = " ".join(f"{side * _POINTS_PER_MM:.4f}" for side in paper)
    kids = " ".join(f"{4 + 2 * at} 0 R" for at in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for at, page in enumerate(pages):
        objects += [
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {box}] /Contents {5 + 2 * at} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>",
            f"<< /Length {len(page.encode('ascii'))} >>\nstream\n{page}\nendstream",
        ]
    body = bytearray(b"%PDF-1.4\n")
    places = []
    for number, content in enumerate(objects, 1):
        places.append(len(body))
        body += f"{number} 0 obj\n{content}\nendobj\n".encode("ascii")
    start = len(body)
    body += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode("ascii")
    body += b"".join(f"{place:010d} 00000 n \n".encode("ascii") for place in places)
    body += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n".encode(
        "ascii"
    )
    return bytes(body)
