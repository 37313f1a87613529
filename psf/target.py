"""The target: a grid of disks to print and photograph.

Lengths on paper are millimetres, from its upper left corner, x rightward and y downward.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lfsynth.errors import InputError
from psf.coarse import Polarity

PAPERS = {
    "a5": (210.0, 148.0),
    "a4": (297.0, 210.0),
    "a3": (420.0, 297.0),
    "a2": (594.0, 420.0),
    "letter": (279.4, 215.9),
    "tabloid": (431.8, 279.4),
}
"""Width and height, mm, lying on the long side; ISO 216 and ANSI Y14.1."""

RADIUS = 0.3
"""Of the pitch. Gaps then are 0.4 pitches, and disks are wider than a blur that fits into the gaps, so that their
middles stay dark: that is from where the ink's brightness, and with it the disks' size, is known."""

GROUND = 0.7
"""Pitches beyond the outermost centres that are ground: around each disk it is as wide as a gap."""

MARGIN = 8.0
"""mm at each side that printers leave white."""

FOOTER = 9.0
"""mm below the disks, for the dimensions."""

_GAP_SLACK = 1.06
"""Times the kernel's size that the gaps between the disks are: they shrink with perspective."""

_FILL = 0.95
"""Of the picture's sides, what the target fills."""

_FEWEST = 2
_MOST = 200

_SMALLEST, _LARGEST = 16, 100_000
"""px, sides of pictures."""


@dataclass(frozen=True)
class DiskGrid:
    """A target.

    Attributes
    ----------
    columns, rows : count of disks, each at least 2
    pitch_mm : from centre to centre
    radius_mm : of the disks, less than half the pitch
    polarity : black disks on white paper, or white disks on a black ground
    """

    columns: int
    rows: int
    pitch_mm: float
    radius_mm: float
    polarity: Polarity = Polarity.BLACK_ON_WHITE

    def __post_init__(self) -> None:
        """Refuse what is no grid of disks that can be told apart."""
        if not (_FEWEST <= self.columns <= _MOST and _FEWEST <= self.rows <= _MOST):
            raise ValueError(
                f"columns and rows must be {_FEWEST} to {_MOST}, not {self.columns} x {self.rows}"
            )
        if not 0 < 2 * self.radius_mm < self.pitch_mm:
            raise ValueError(f"disks of {self.radius_mm} mm do not fit a pitch of {self.pitch_mm} mm")

    @property
    def counts(self) -> tuple[int, int]:
        """(columns, rows)."""
        return self.columns, self.rows

    @property
    def extent_mm(self) -> tuple[float, float]:
        """Width and height of the grid with the ground that belongs to it."""
        wide, high = (count - 1 + 2 * GROUND for count in self.counts)
        return wide * self.pitch_mm, high * self.pitch_mm

    @property
    def caption(self) -> str:
        """The dimensions, for people."""
        return (
            f"{self.columns} x {self.rows} disks, {self.polarity.value}, pitch {self.pitch_mm:.3f} mm, "
            f"diameter {2 * self.radius_mm:.3f} mm"
        )


def parse_grid(text: str) -> tuple[int, int]:
    """Read ``23x17``: columns by rows.

    Raises
    ------
    InputError : for any other text
    """
    match = re.fullmatch(r"\s*(\d+)\s*[xX×]\s*(\d+)\s*", text)
    if match is None or not all(_FEWEST <= int(side) <= _MOST for side in match.groups()):
        raise InputError(
            "--grid", f"{text!r} is no grid", f"use columns x rows, each {_FEWEST} to {_MOST}, such as 23x17"
        )
    return int(match[1]), int(match[2])


def parse_paper(text: str) -> tuple[float, float]:
    """Read a paper's name or ``WIDTHxHEIGHT`` in mm: width and height, mm.

    Raises
    ------
    InputError : for any other text, and for paper on which there is no room
    """
    name = text.strip().lower()
    if name in PAPERS:
        return PAPERS[name]
    match = re.fullmatch(r"(\d+(?:\.\d+)?)x(\d+(?:\.\d+)?)", name)
    if match is None or not all(50 <= float(side) <= 5000 for side in match.groups()):
        raise InputError(
            "--paper", f"{text!r} is no paper", f"use {', '.join(PAPERS)} or WIDTHxHEIGHT in mm, 50 to 5000"
        )
    return float(match[1]), float(match[2])


def parse_picture(text: str) -> tuple[int, int]:
    """Read a picture's size, ``6000x4000``, width by height: (H, W) px.

    Raises
    ------
    InputError : for any other text
    """
    match = re.fullmatch(r"\s*(\d+)\s*[xX×]\s*(\d+)\s*", text)
    if match is None or not all(_SMALLEST <= int(side) <= _LARGEST for side in match.groups()):
        raise InputError(
            "--picture",
            f"{text!r} is no picture's size",
            f"use width x height, each {_SMALLEST} to {_LARGEST} px, such as 6000x4000",
        )
    return int(match[2]), int(match[1])


def filling_pitch(grid: tuple[int, int], picture: tuple[int, int]) -> float:
    """Pitch in px at which a target of (columns, rows) fills a picture of (H, W) px."""
    columns, rows = grid
    height, width = picture
    return min(_FILL * width / (columns - 1 + 2 * GROUND), _FILL * height / (rows - 1 + 2 * GROUND))


def largest_kernel(grid: DiskGrid, picture: tuple[int, int]) -> int:
    """Side of the largest kernel that a target which fills a picture can measure.

    Parameters
    ----------
    grid : of the target
    picture : (H, W) px

    Returns
    -------
    odd px, and not more than the gap between the disks
    """
    gap = filling_pitch(grid.counts, picture) * (1 - 2 * grid.radius_mm / grid.pitch_mm)
    return max(1, 2 * ((int(gap / _GAP_SLACK) + 1) // 2) - 1)


def grid_for_blur(size: int, picture: tuple[int, int]) -> tuple[int, int]:
    """The most disks by which a blur can be measured.

    More and smaller disks measure better, as long as the kernel fits between them.

    Parameters
    ----------
    size : px, of the kernel that is to hold the blur
    picture : (H, W) px, which the target is to fill

    Returns
    -------
    (columns, rows)

    Raises
    ------
    InputError : where not even 2 x 2 disks fit
    """
    pitch = size * _GAP_SLACK / (1 - 2 * RADIUS)
    height, width = picture
    columns, rows = (min(_MOST, int(_FILL * side / pitch + 1 - 2 * GROUND)) for side in (width, height))
    if min(columns, rows) < _FEWEST:
        raise InputError(
            "--blur",
            f"between disks in a picture of {width} x {height} px there is no room for a kernel of {size} px",
            "name a smaller blur, or a larger --picture",
        )
    return columns, rows


def fit_to_paper(
    grid: tuple[int, int], paper: tuple[float, float], *, polarity: Polarity = Polarity.BLACK_ON_WHITE
) -> DiskGrid:
    """The largest target of (columns, rows) on paper of (width, height) mm, `RADIUS` pitches its disks' radius.

    The pitch is rounded down to 0.01 mm.
    """
    columns, rows = grid
    width, height = paper
    pitch = min(
        (width - 2 * MARGIN) / (columns - 1 + 2 * GROUND),
        (height - 2 * MARGIN - FOOTER) / (rows - 1 + 2 * GROUND),
    )
    pitch = int(pitch * 100) / 100
    return DiskGrid(columns, rows, pitch, RADIUS * pitch, polarity)


def centres_mm(grid: DiskGrid, paper: tuple[float, float]) -> list[tuple[float, float]]:
    """(x, y) mm of the disks' centres on the paper, row by row; the grid is centred above the footer."""
    left, top = corner_mm(grid, paper)
    return [
        (left + (column + GROUND) * grid.pitch_mm, top + (row + GROUND) * grid.pitch_mm)
        for row in range(grid.rows)
        for column in range(grid.columns)
    ]


def corner_mm(grid: DiskGrid, paper: tuple[float, float]) -> tuple[float, float]:
    """(x, y) mm of the upper left corner of the grid's ground.

    Raises
    ------
    InputError : where the grid is larger than the paper
    """
    wide, high = grid.extent_mm
    left, top = (paper[0] - wide) / 2, (paper[1] - FOOTER - high) / 2
    if min(left, top) < 0:
        raise InputError(
            "--paper",
            f"a grid of {wide:.0f} x {high:.0f} mm does not fit paper of {paper[0]:.0f} x {paper[1]:.0f} mm",
            "use larger paper, or a smaller pitch",
        )
    return left, top
