"""What was found about pairs, as plain numbers: rows of tables, JSON, and of a dataset's manifest.

Shifts are (y, x) in px of the pictures, y downward and x rightward, those of the sharp picture over the blurred one as
in `lfsynth.alignment`.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lfsynth import __version__
from lfsynth.alignment import Alignment, Options, Verdict, check_pair
from lfsynth.pairs import Unpaired
from lfsynth.pictures import Written, write_bytes_atomic
from lfsynth.similarity import Similarity

SET_ASIDE = "set aside"
"""Stands in the place of a verdict for what cannot be read, or has no partner."""


@dataclass(frozen=True)
class Finding:
    """A pair's verdict and numbers.

    Attributes
    ----------
    name, target : paths of input and target below the dataset's root, with ``/``
    verdict : value of `lfsynth.alignment.Verdict`
    shift_y, shift_x : px, where the pictures are farthest apart; None where it is not known
    at_y, at_x : px, that place
    in_focus : share of the picture that is in focus in the input and has texture
    astray : share of the region in focus that is shifted otherwise than the rest
    correlation, best : median over the windows in focus of the correlation at zero shift, and of the best within the
        search radius; None where nothing is in focus
    resemblance : correlation of the pictures as wholes, seen from afar
    fit_y, fit_x : px, shift of the fitted similarity at its centre; None, as the rest of it, where none could be fitted
    centre_y, centre_x : px, that centre
    rotation : degrees, counter-clockwise
    scale : above 1 where the target's content is larger
    fit_y_error, fit_x_error, rotation_error, scale_error : standard errors
    residual : px, median distance of the measured shifts from the fitted ones
    height, width : px
    reasons : why this verdict
    remarks : on how the two files differ otherwise
    """

    name: str
    target: str
    verdict: str
    shift_y: float | None
    shift_x: float | None
    at_y: float | None
    at_x: float | None
    in_focus: float
    astray: float
    correlation: float | None
    best: float | None
    resemblance: float
    fit_y: float | None
    fit_x: float | None
    centre_y: float | None
    centre_x: float | None
    rotation: float | None
    scale: float | None
    fit_y_error: float | None
    fit_x_error: float | None
    rotation_error: float | None
    scale_error: float | None
    residual: float | None
    height: int
    width: int
    reasons: tuple[str, ...]
    remarks: tuple[str, ...]

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Finding:
        """The inverse of `dataclasses.asdict`, of which JSON makes lists of tuples.

        Raises
        ------
        TypeError, KeyError
            If these are no values of a finding.
        """
        lists = {name: tuple(values[name]) for name in ("reasons", "remarks")}
        return cls(**{**values, **lists})


def finding_of(name: str, target: str, found: Alignment, remarks: Sequence[str] = ()) -> Finding:
    """The numbers of a pair, rounded to what they are good for."""
    shift, at = found.shift or (None, None), found.where or (None, None)
    height, width = found.windows.size
    return Finding(
        name=name,
        target=target,
        verdict=found.verdict.value,
        shift_y=_rounded(shift[0]),
        shift_x=_rounded(shift[1]),
        at_y=_rounded(at[0], 1),
        at_x=_rounded(at[1], 1),
        in_focus=round(found.focus_share, 4),
        astray=round(found.astray_share, 4),
        correlation=_median(found.correlation, found.in_focus),
        best=_median(found.best, found.in_focus),
        resemblance=round(found.resemblance, 3),
        **_numbers_of(found.similarity),
        height=height,
        width=width,
        reasons=found.reasons,
        remarks=tuple(remarks),
    )


def _numbers_of(fit: Similarity | None) -> dict[str, float | None]:
    """A finding's numbers on the similarity."""
    if fit is None:
        return dict.fromkeys(_FIT)
    return {name: _rounded(value(fit), digits) for name, (value, digits) in _FIT.items()}


_FIT: dict[str, tuple[Callable[[Similarity], float], int]] = {
    "fit_y": (lambda fit: fit.shift[0], 3),
    "fit_x": (lambda fit: fit.shift[1], 3),
    "centre_y": (lambda fit: fit.centre[0], 1),
    "centre_x": (lambda fit: fit.centre[1], 1),
    "rotation": (lambda fit: fit.rotation, 4),
    "scale": (lambda fit: fit.scale, 6),
    "fit_y_error": (lambda fit: fit.shift_error[0], 4),
    "fit_x_error": (lambda fit: fit.shift_error[1], 4),
    "rotation_error": (lambda fit: fit.rotation_error, 4),
    "scale_error": (lambda fit: fit.scale_error, 6),
    "residual": (lambda fit: fit.residual, 3),
}
"""Where a finding's numbers on the similarity come from, and to how many digits they are kept."""


def _rounded(value: float | None, digits: int = 3) -> float | None:
    # Adding 0.0 makes 0.0 of -0.0.
    return None if value is None or not np.isfinite(value) else round(float(value), digits) + 0.0


def _median(values: NDArray[np.float32], where: NDArray[np.bool_]) -> float | None:
    known = values[where & np.isfinite(values)]
    return _rounded(float(np.median(known))) if known.size else None


def manifest_entry(
    blurred: NDArray[np.float32], sharp: NDArray[np.float32], options: Options | None = None
) -> dict[str, Any]:
    """Judge a pair in memory, for a row of a dataset's manifest.

    Parameters
    ----------
    blurred, sharp : (H, W, C) float32 linear light, as `lfsynth.alignment.check_pair` takes them
    options : None: the defaults

    Returns
    -------
    JSON values: verdict, reasons, and where they are known, shift and where, (y, x) px; of pictures that are too small
    to be judged the verdict is ``cannot tell``
    """
    options = options or Options()
    height, width = blurred.shape[:2]
    if min(height, width) < smallest(options):
        reason = f"the picture has {height} x {width} px; a verdict takes {smallest(options)}"
        return {"verdict": Verdict.CANNOT_TELL.value, "reasons": [reason], "shift": None, "where": None}
    found = finding_of("", "", check_pair(blurred, sharp, options))
    known = found.shift_y is not None
    return {
        "verdict": found.verdict,
        "reasons": list(found.reasons),
        "shift": [found.shift_y, found.shift_x] if known else None,
        "where": [found.at_y, found.at_x] if known else None,
    }


def sampled(slopes: int, apertures: int, every: int | None) -> list[tuple[int, int]]:
    """Which pairs of a scene to judge, by index of the slope and of the aperture.

    Parameters
    ----------
    slopes, apertures : how many the scene has; the last aperture is the widest
    every : judge every so many-th pair, counted from the widest aperture on, where a fault of the views shows most;
        0: none; None: those of the widest aperture
    """
    if every is None:
        return [(s, apertures - 1) for s in range(slopes)]
    pairs = [(s, m) for m in reversed(range(apertures)) for s in range(slopes)]
    return pairs[::every] if every else []


def smallest(options: Options) -> int:
    """Height and width, px, that a picture must have to be judged."""
    return 3 * options.window


def write_csv(path: Path, findings: Iterable[Finding], set_aside: Iterable[Unpaired]) -> Written:
    """Write a line a pair, and a line for each picture that was set aside, sorted by name."""
    columns = [field.name for field in dataclasses.fields(Finding)]
    rows = [dataclasses.asdict(finding) for finding in findings]
    rows += [{"name": one.name, "verdict": SET_ASIDE, "reasons": (one.fault,)} for one in set_aside]
    for row in rows:
        for several in ("reasons", "remarks"):
            row[several] = "; ".join(row.get(several, ()))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(sorted(rows, key=lambda row: str(row["name"])))
    return write_bytes_atomic(path, text.getvalue().encode(errors="surrogateescape"))


def write_json_report(
    path: Path, findings: Iterable[Finding], set_aside: Iterable[Unpaired], about: dict[str, Any]
) -> Written:
    """Write all findings with the options that they come from.

    Parameters
    ----------
    path : the file
    findings, set_aside : by name
    about : JSON values on the run, among them every option
    """
    document = {
        "version": __version__,
        **about,
        "pairs": [dataclasses.asdict(finding) for finding in findings],
        "set_aside": [dataclasses.asdict(one) for one in set_aside],
    }
    return write_bytes_atomic(path, (json.dumps(document, indent=1, allow_nan=False) + "\n").encode())


def write_exclude_list(path: Path, findings: Iterable[Finding], set_aside: Iterable[Unpaired]) -> Written:
    """Write what a training must leave out: inputs that are misaligned, and whatever was set aside.

    A path a line, below the dataset's root, with ``/``; a pair goes where its input, its target or a folder that holds
    one of them is named.
    """
    names = {finding.name for finding in findings if finding.verdict == Verdict.MISALIGNED.value}
    names |= {one.name for one in set_aside}
    lines = "".join(f"{name}\n" for name in sorted(names))
    return write_bytes_atomic(path, lines.encode(errors="surrogateescape"))
