"""The pairs of a dataset that a training or an evaluation takes: found, listed, excluded, counted.

How the datasets lie on disk says `layouts`. A list names pairs, one a line, ``input,target``, as the published
ones do: it is taken instead of all that is found, and what it names that is not there is skipped and counted. An
exclude list, as ``lfsynth check`` writes it, names a path a line below the dataset's folder: a pair goes where
one of its pictures or a folder above one is named. Both may have either separator.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path, PurePosixPath

from drbnet.layouts import Layout, find_in_layout, find_listed, layout_of
from drbnet.pairing import Finding, Pair, Split, same_names
from lfsynth.errors import InputError
from lfsynth.pairing import name_below, pictures_below

__all__ = [
    "Layout",
    "Pair",
    "Pairs",
    "Reason",
    "Skipped",
    "Split",
    "files_of",
    "find",
    "find_folders",
    "mixed",
]

NAMED = 3
"""So many files at most are named where more are at fault."""


class Reason(Enum):
    """Why a pair is left out."""

    EXCLUDED = "excluded"
    MISSING = "listed, but not there"


@dataclass(frozen=True)
class Skipped:
    """A pair that is left out.

    Attributes
    ----------
    name : of its input, or of what keeps it from being a pair
    reason : why
    """

    name: str
    reason: Reason


@dataclass(frozen=True)
class Pairs:
    """What was found.

    Attributes
    ----------
    root : the dataset's folder
    layout : how it is laid out
    split : the part that was asked for; None: all
    pairs : by name
    skipped : by name
    """

    root: Path
    layout: Layout
    split: Split | None
    pairs: tuple[Pair, ...]
    skipped: tuple[Skipped, ...] = ()

    def __len__(self) -> int:
        return len(self.pairs)

    def describe(self) -> str:
        """A line for the log: how many pairs of how many targets, and what was left out."""
        targets = {pair.target for pair in self.pairs} - {None}
        split = f" {self.split.value}" if self.split else ""
        views = " of three views" if self.pairs and len(self.pairs[0].inputs) > 1 else ""
        what = (
            f"{len(self.pairs)} pairs{views}, {len(targets)} targets"
            if targets
            else f"{len(self)} pictures{views}"
        )
        reasons = Counter(one.reason.value for one in self.skipped)
        left_out = "".join(f", {count} {reason}" for reason, count in sorted(reasons.items()))
        return f"{self.root}: {self.layout.value}{split}, {what}{left_out}"

    def fingerprint(self) -> str:
        """SHA-256, hexadecimal, of the names and sizes of all files; the root's own name does not count."""
        digest = hashlib.sha256()
        for pair in self.pairs:
            for path in files_of(pair):
                line = f"{name_below(self.root, path)}\0{path.stat().st_size}\0"
                digest.update(line.encode(errors="surrogateescape"))
            digest.update(b"\n")
        return digest.hexdigest()


def find(
    root: Path,
    *,
    layout: Layout | None = None,
    split: Split | None = None,
    dual: bool = False,
    listed: Path | None = None,
    exclude: Path | None = None,
) -> Pairs:
    """Find the pairs of a dataset.

    Parameters
    ----------
    root : the dataset's folder
    layout : None: told from the folders that are there
    split : None: all; a folder that is a split itself is taken for any
    dual : with the right and left views of a dual-pixel sensor
    listed : a list of pairs, to take those alone
    exclude : a list of paths below `root`, to leave out

    Raises
    ------
    InputError
        If there is no such folder, layout, split or list, if a picture has no partner or more than one and is
        neither excluded nor left out by the list, or if not one pair remains.
    """
    if not root.is_dir():
        raise InputError(root, "there is no such folder", "check the path")
    layout = layout or layout_of(root)
    if listed is None:
        findings = find_in_layout(root, layout, split, dual=dual)
    else:
        findings = find_listed(root, _read_list(listed), dual=dual)
    return _collect(root, layout, split, findings, exclude, missing_is_fault=listed is None)


def find_folders(inputs: Path, targets: Path | None, *, exclude: Path | None = None) -> Pairs:
    """The pictures of two folders, those of the same name below them, or of one folder without targets.

    Names are below the folder that holds both, and so are the paths of the exclude list.

    Raises
    ------
    InputError
        As `find` does.
    """
    for path in (inputs, targets):
        if path is not None and not path.is_dir():
            raise InputError(path, "there is no such folder", "check the path")
    if targets is None:
        alone = [Pair(name_below(inputs, path), (path,), None) for path in pictures_below(inputs)]
        return _collect(inputs, Layout.FOLDERS, None, alone, exclude)
    if inputs.resolve() == targets.resolve():
        raise InputError(targets, "is the folder of the inputs itself", "name that of the targets")
    root = Path(os.path.commonpath([inputs.absolute(), targets.absolute()]))
    return _collect(root, Layout.FOLDERS, None, same_names(root, inputs, targets), exclude)


def mixed(some: Pairs, others: Pairs, *, repeats: int) -> Pairs:
    """The pairs of two datasets as one, those of the second that many times; names are below a folder of both."""
    root = Path(os.path.commonpath([some.root.absolute(), others.root.absolute()]))
    first, second = (
        tuple(replace(pair, name=name_below(root, pair.inputs[0])) for pair in found.pairs)
        for found in (some, others)
    )
    return replace(some, root=root, pairs=first + second * repeats, skipped=())


def _collect(
    root: Path,
    layout: Layout,
    split: Split | None,
    findings: Iterable[Finding],
    exclude: Path | None,
    *,
    missing_is_fault: bool = True,
) -> Pairs:
    excluded = _read_paths(root, exclude) if exclude else frozenset()
    pairs: dict[str, Pair] = {}
    skipped: dict[str, Skipped] = {}
    faults: list[InputError] = []
    for finding in findings:
        paths = files_of(finding) if isinstance(finding, Pair) else [Path(finding.path)]
        name = name_below(root, paths[0])
        if excluded and any(_is_excluded(name_below(root, path), excluded) for path in paths):
            skipped[name] = Skipped(name, Reason.EXCLUDED)
        elif isinstance(finding, Pair):
            pairs[name] = finding
        elif missing_is_fault:
            faults.append(finding)
        else:
            skipped[name] = Skipped(name, Reason.MISSING)
    if faults:
        raise _joined(faults)
    if not pairs:
        left_out = f", {len(skipped)} are left out" if skipped else ""
        raise InputError(
            root, f"holds no pictures in the layout {layout.value}{left_out}", "check the folder"
        )
    return Pairs(
        root,
        layout,
        split,
        tuple(pairs[name] for name in sorted(pairs)),
        tuple(skipped[name] for name in sorted(skipped)),
    )


def files_of(pair: Pair) -> list[Path]:
    """A pair's inputs, and its target last."""
    return [*pair.inputs, *([pair.target] if pair.target else [])]


def _joined(faults: list[InputError]) -> InputError:
    """One error for all, which names the first few."""
    first, *more = faults
    if not more:
        return first
    names = ", ".join(Path(fault.path).name for fault in more[: NAMED - 1])
    dots = ", ..." if len(more) > NAMED - 1 else ""
    return InputError(
        first.path,
        f"{first.fault}; {len(more)} more are at fault: {names}{dots}",
        f"{first.cure}, or name them in an exclude list",
    )


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_bytes().decode(errors="surrogateescape")
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})", "check the path of the list") from error
    return [line.strip("\r") for line in text.removeprefix("\ufeff").split("\n") if line.strip()]


def _normal(line: str) -> str:
    """A path with ``/``, without ``.`` and trailing separators."""
    return str(PurePosixPath(line.strip().replace("\\", "/")))


def _read_list(path: Path) -> list[tuple[str, str]]:
    """Inputs and targets of a list of pairs."""
    names = []
    for number, line in enumerate(_lines(path), 1):
        fields = line.split(",")
        if len(fields) != 2:
            raise InputError(path, f"line {number} is not of the form input,target", "correct the list")
        names.append((_normal(fields[0]), _normal(fields[1])))
    return names


def _read_paths(root: Path, path: Path) -> frozenset[str]:
    """The paths of an exclude list."""
    names = set()
    for line in _lines(path):
        name = _normal(line)
        names.add(name_below(root, Path(name)) if name.startswith("/") else name)
        # A name can hold a back-slash where that is no separator.
        names.add(line)
    return frozenset(names)


def _is_excluded(name: str, excluded: frozenset[str]) -> bool:
    """Whether a path or a folder above it is excluded."""
    return name in excluded or any(str(folder) in excluded for folder in PurePosixPath(name).parents)
