"""From the file names of sub-aperture pictures to the grid of views.

A name is cut into text and whole numbers. Numbers that are the same in all names are no index; numbers with
three or more decimals are coordinates (Stanford's ``out_03_07_-776.880371_525.323364.png``). What is left
must be one running index, or a row and a column. Indices may begin anywhere (0 and 1 are common) and be
negative (centred on 0), and their steps may be larger than 1 as long as they are equal. The letters before a
number tell rows from columns (``r``, ``row``, ``u``, ``y``, ``t`` against ``c``, ``col``, ``column``, ``v``,
``x``, ``s``); without them the row comes first, unless the order given says otherwise.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lfsynth.errors import InputError
from lfsynth.readers.options import Order

_NUMBER = re.compile(r"(?<![0-9A-Za-z])-?\d+\.\d{3,}|(?<![0-9A-Za-z)])-\d+|\d+")
_ROW_LETTERS = frozenset({"r", "row", "u", "y", "t"})
_COLUMN_LETTERS = frozenset({"c", "col", "column", "v", "x", "s"})
_MOST_NAMED = 8  # missing views that an error lists by name


@dataclass(frozen=True)
class NamedGrid:
    """Which file is which view.

    Attributes
    ----------
    files : (U, V) nested tuples of paths
    understood : JSON values: the pattern, its indices, base, step and order, and the files that were left out
    """

    files: tuple[tuple[Path, ...], ...]
    understood: dict[str, Any]

    @property
    def shape(self) -> tuple[int, int]:
        """Number of views (U, V)."""
        return len(self.files), len(self.files[0])


@dataclass(frozen=True)
class _Names:
    """Names of one pattern: their files and the numbers in them, (files, numbers) int64."""

    folder: Path
    files: list[Path]
    numbers: NDArray[np.int64]
    spans: list[list[tuple[int, int]]]  # where the numbers stand in the names, file by file


def grid_of_names(
    folder: Path, files: Sequence[Path], *, views: tuple[int, int] | None = None, order: Order | None = None
) -> NamedGrid:
    """Understand the names of the pictures of a light field.

    Parameters
    ----------
    folder : named in errors
    files : the pictures in it
    views : number of views (U, V), where a running index does not count a square
    order : see `Order`

    Raises
    ------
    InputError : where a view is missing, or two files claim one view, or the names can be understood in
        several ways or in none; says which option or renaming settles it
    """
    names, left_out = _main_pattern(folder, files)
    varying = [i for i in range(names.numbers.shape[1]) if np.ptp(names.numbers[:, i])]
    if not varying:
        raise InputError(
            folder, "its pictures are not numbered", "name them view_ROW_COLUMN or with one running number"
        )
    _refuse_twins(names)
    pairs = [pair for pair in combinations(varying, 2) if _is_full(names.numbers[:, list(pair)])]
    running = [i for i in varying if _is_running(names.numbers[:, i])]
    if len(pairs) == 1 or (not pairs and not running and len(varying) == 2):
        pair = pairs[0] if pairs else (varying[0], varying[1])
        grid = _by_row_and_column(names, pair, order)
    elif not pairs and (len(running) == 1 or len(varying) == 1):
        grid = _by_running_index(names, running[0] if running else varying[0], views, order)
    else:
        raise InputError(
            folder,
            f"names like {names.files[0].name} hold {len(varying)} numbers, which do not say "
            "what row and column are",
            "name the files view_ROW_COLUMN or with one running number",
        )
    if views is not None and grid.shape != views:
        raise InputError(
            folder,
            f"its names count {grid.shape[0]} x {grid.shape[1]} views, not {views[0]} x {views[1]}",
            "correct --views or leave it out",
        )
    if left_out:
        grid.understood["left out"] = left_out
    return grid


def _main_pattern(folder: Path, files: Sequence[Path]) -> tuple[_Names, list[str]]:
    """The files that share the most frequent pattern, in natural order, and the names of the others."""
    groups: dict[tuple[str, ...], list[Path]] = defaultdict(list)
    for file in files:
        kinds = ("." in number for number in _NUMBER.findall(file.stem))
        groups[(*_NUMBER.split(file.stem.lower()), *map(str, kinds))].append(file)
    if not groups:
        raise InputError(folder, "holds no pictures", "give a folder of sub-aperture pictures")
    if len(files) == 1:
        raise InputError(
            folder,
            f"holds a single view, {files[0].name}",
            "a light field needs several views of one scene; give all of them",
        )
    ranked = sorted(groups.values(), key=len, reverse=True)
    if len(ranked) > 1 and 2 * len(ranked[1]) > len(ranked[0]):
        raise InputError(
            folder,
            f"holds several sets of pictures: {len(ranked[0])} like {min(ranked[0]).name}, "
            f"{len(ranked[1])} like {min(ranked[1]).name}",
            "keep the views of one light field in one folder",
        )
    found = []
    for file in ranked[0]:
        spans = [match.span() for match in _NUMBER.finditer(file.stem) if "." not in match.group()]
        found.append(([int(file.stem[a:b]) for a, b in spans], file, spans))
    found.sort(key=lambda entry: (entry[0], entry[1]))
    names = _Names(
        folder,
        [file for _, file, _ in found],
        np.array([numbers for numbers, _, _ in found], np.int64).reshape(len(found), -1),
        [spans for _, _, spans in found],
    )
    return names, sorted(file.name for group in ranked[1:] for file in group)


def _refuse_twins(names: _Names) -> None:
    """Two files with the same numbers (view_1.png and view_01.png) cannot both be the view."""
    for i in range(1, len(names.files)):
        if np.array_equal(names.numbers[i - 1], names.numbers[i]):
            raise InputError(
                names.folder,
                f"{names.files[i - 1].name} and {names.files[i].name} are the same view",
                "remove one of the two",
            )


def _is_full(pair: NDArray[np.int64]) -> bool:
    """Whether two columns of numbers hold every combination of their values once."""
    rows, columns = (len(np.unique(pair[:, i])) for i in (0, 1))
    return rows * columns == len(pair) == len(np.unique(pair, axis=0))


def _is_running(column: NDArray[np.int64]) -> bool:
    """Whether a column of numbers holds each of a sequence of equal steps once."""
    values = np.unique(column)
    return len(values) == len(column) and bool(np.ptp(np.diff(values)) == 0)


def _axis(column: NDArray[np.int64]) -> tuple[int, int, int]:
    """First value, step and number of the values of one index, holes included."""
    values = np.unique(column)
    step = math.gcd(*(int(d) for d in np.diff(values)))
    return int(values[0]), step, int(values[-1] - values[0]) // step + 1


def _by_row_and_column(names: _Names, pair: tuple[int, int], order: Order | None) -> NamedGrid:
    first_is_row, why = _first_is_row(names, pair, order)
    row, column = pair if first_is_row else pair[::-1]
    (u0, du, rows), (v0, dv, columns) = _axis(names.numbers[:, row]), _axis(names.numbers[:, column])
    if rows * columns > 4 * len(names.files):
        raise InputError(
            names.folder,
            f"the two numbers in names like {names.files[0].name} are no row and column: "
            f"{len(names.files)} files would be {rows} x {columns} views",
            "name the files view_ROW_COLUMN or with one running number",
        )
    cells = {
        (int(numbers[row] - u0) // du, int(numbers[column] - v0) // dv): file
        for numbers, file in zip(names.numbers, names.files, strict=True)
    }
    missing = [(u, v) for u in range(rows) for v in range(columns) if (u, v) not in cells]
    if missing:
        _refuse_holes(
            names,
            [_name_with(names, {row: u0 + du * u, column: v0 + dv * v}) for u, v in missing],
            rows * columns,
        )
    return NamedGrid(
        tuple(tuple(cells[u, v] for v in range(columns)) for u in range(rows)),
        {
            "pattern": _pattern(names, {row: "ROW", column: "COLUMN"}),
            "base": [u0, v0],
            "step": [du, dv],
            "order": f"{'row' if first_is_row else 'column'} first, {why}",
        },
    )


def _first_is_row(names: _Names, pair: tuple[int, int], order: Order | None) -> tuple[bool, str]:
    """Whether the first of two numbers is the row, and how that is known."""
    if order is Order.SERPENTINE:
        raise InputError("--order", "serpentine needs names with one running number", "use rows or columns")
    if order is not None:
        return order is Order.ROWS, "as the option says"
    letters = [_letters_before(names, i) for i in pair]
    if letters[0] in _ROW_LETTERS and letters[1] in _COLUMN_LETTERS:
        return True, f"as the letters {letters[0]} and {letters[1]} say"
    if letters[0] in _COLUMN_LETTERS and letters[1] in _ROW_LETTERS:
        return False, f"as the letters {letters[0]} and {letters[1]} say"
    return True, "assumed"


def _by_running_index(
    names: _Names, index: int, views: tuple[int, int] | None, order: Order | None
) -> NamedGrid:
    column = names.numbers[:, index]
    base, step, count = _axis(column)
    present = {int(value) for value in column}
    missing = [base + step * i for i in range(count) if base + step * i not in present]
    if missing:
        _refuse_holes(names, [_name_with(names, {index: value}) for value in missing], count)
    side = math.isqrt(count)
    if views is None and side * side != count:
        raise InputError(
            names.folder,
            f"holds {count} views numbered {base} to {base + step * (count - 1)}, which is no square",
            "put back the views that are missing, or give --views UxV",
        )
    rows, columns = views or (side, side)
    if rows * columns != count:
        raise InputError(
            names.folder,
            f"holds {count} views numbered {base} to {base + step * (count - 1)}, not {rows} x {columns}",
            "put back the views that are missing, or correct --views",
        )
    ordered = np.argsort(column)
    at = np.arange(count).reshape((columns, rows) if order is Order.COLUMNS else (rows, columns))
    if order is Order.COLUMNS:
        at = at.T
    elif order is Order.SERPENTINE:
        at[1::2] = at[1::2, ::-1]
    return NamedGrid(
        tuple(tuple(names.files[ordered[i]] for i in line) for line in at),
        {
            "pattern": _pattern(names, {index: "INDEX"}),
            "base": base,
            "step": step,
            "order": f"{(order or Order.ROWS).value}, {'assumed' if order is None else 'as the option says'}",
        },
    )


def _refuse_holes(names: _Names, missing: list[str], count: int) -> None:
    listed = ", ".join(missing[:_MOST_NAMED]) + (", ..." if len(missing) > _MOST_NAMED else "")
    raise InputError(
        names.folder,
        f"{len(missing)} of {count} views {'is' if len(missing) == 1 else 'are'} missing: {listed}",
        "put the missing pictures back",
    )


def _name_with(names: _Names, numbers: dict[int, int]) -> str:
    """What the file with these numbers would be called, as the first file is."""
    name, spans = names.files[0].name, names.spans[0]
    for i in sorted(numbers, reverse=True):
        a, b = spans[i]
        name = f"{name[:a]}{numbers[i]:0{b - a}d}{name[b:]}"
    return name


def _pattern(names: _Names, words: dict[int, str]) -> str:
    name, spans = names.files[0].name, names.spans[0]
    for i in sorted(words, reverse=True):
        a, b = spans[i]
        name = f"{name[:a]}{{{words[i]}}}{name[b:]}"
    return name


def _letters_before(names: _Names, i: int) -> str:
    """The letters right before the number, in lower case."""
    start = names.spans[0][i][0]
    match = re.search(r"([a-z]+)[^a-z0-9]*$", names.files[0].stem[:start].lower())
    return match.group(1) if match else ""
