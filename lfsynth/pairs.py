"""Pairs of pictures on disk: which defocused input belongs to which all-in-focus target.

==========  ====================================================================  ==========================
layout      inputs                                                                targets
==========  ====================================================================  ==========================
lfdof       ``{train,test}_data/input/<scene>/*``, or ``input/<scene>[_apA_FF].*``  ``ground_truth/<scene>.*``
dpdd        ``<split>_{c,l,r}/source/*``, or ``<split>/input{C,L,R}/*``           ``<split>_c/target/*``, or
                                                                                  ``<split>/target/*``
realdof     ``source/<name>.*``                                                   ``target/<name>.*``
folders     ``input/**/<name>.*``                                                 ``target/**/<name>.*``
==========  ====================================================================  ==========================

A split's folder can be given itself, and ``target`` may be called ``ground_truth`` and the other way round. DPDD's
names do not tell which belong together: its folders are paired in sorted order, if there are as many sources as
targets and their numbers nowhere lie farther apart than in the original.

What has no partner, or more than one, is set aside and never guessed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from lfsynth.errors import InputError
from lfsynth.lfdof import SPLITS, Dataset
from lfsynth.pairing import (
    TARGETS,
    Match,
    are_folders,
    far_apart,
    matched,
    name_below,
    pictures_below,
    same_name,
    scene_of,
    targets_beside,
)


class Layout(Enum):
    """How a dataset is laid out."""

    LFDOF = "lfdof"
    DPDD = "dpdd"
    REALDOF = "realdof"
    FOLDERS = "folders"


@dataclass(frozen=True)
class Pair:
    """A pair on disk.

    Attributes
    ----------
    name : of the input, its path below the dataset's root with ``/``; no two pairs have the same
    input, target : the pictures
    """

    name: str
    input: Path
    target: Path


@dataclass(frozen=True)
class Unpaired:
    """A picture, or a folder of them, that is in no pair.

    Attributes
    ----------
    name : its path below the dataset's root with ``/``
    fault : the one line that says why
    """

    name: str
    fault: str


@dataclass(frozen=True)
class Found:
    """What a dataset holds.

    Attributes
    ----------
    root : its folder
    layout : how it is laid out
    pairs : by name
    unpaired : by name
    """

    root: Path
    layout: Layout
    pairs: tuple[Pair, ...]
    unpaired: tuple[Unpaired, ...]


def find_pairs(root: Path, layout: Layout | None = None) -> Found:
    """Find the pairs of a dataset.

    Parameters
    ----------
    root : the dataset's folder
    layout : None: told from the folders that are there

    Raises
    ------
    InputError
        If there is no such folder, no such layout in it, or not one pair.
    """
    if not root.is_dir():
        raise InputError(root, "there is no such folder", "check --data")
    layout = layout or _layout_of(root)
    return _collect(root, layout, _FINDERS[layout](root))


def pairs_of(inputs: Path, targets: Path) -> Found:
    """Two pictures as one pair, or the pictures of two folders, those of the same name below them.

    Raises
    ------
    InputError
        If one is not there, one is a folder and the other is not, or the folders have not one pair.
    """
    for path in (inputs, targets):
        if not path.exists():
            raise InputError(path, "there is no such file or folder", "correct --input or --target")
    if inputs.is_dir() != targets.is_dir():
        file = targets if inputs.is_dir() else inputs
        raise InputError(file, "is a file, and its partner is a folder", "give two pictures or two folders")
    if inputs.resolve() == targets.resolve():
        raise InputError(targets, "is the input itself", "give its partner by --target")
    above = (path if path.is_dir() else path.parent for path in (inputs.absolute(), targets.absolute()))
    root = Path(os.path.commonpath(list(above)))
    if inputs.is_dir():
        return _collect(root, Layout.FOLDERS, matched(inputs, targets, same_name(inputs), same_name(targets)))
    return _collect(root, Layout.FOLDERS, [(inputs, targets)])


def _collect(root: Path, layout: Layout, findings: Iterable[Match]) -> Found:
    pairs, unpaired = {}, {}
    for path, partner in findings:
        name = name_below(root, path)
        if isinstance(partner, InputError):
            unpaired[name] = Unpaired(name, str(partner))
        elif len(name.splitlines()) > 1:
            # Lists of pictures have a line for each.
            fault = InputError(repr(name), "its name holds a line break", "rename it")
            unpaired[name] = Unpaired(name, str(fault))
        else:
            pairs[name] = Pair(name, path, partner)
    if not pairs and not unpaired:
        raise InputError(root, f"holds no pictures in the layout {layout.value}", "check --data and --layout")
    if not pairs:
        first = min(unpaired)
        raise InputError(root, f"holds no pair; {unpaired[first].fault}", f"{len(unpaired)} such in all")
    return Found(
        root,
        layout,
        tuple(pairs[name] for name in sorted(pairs)),
        tuple(unpaired[name] for name in sorted(unpaired)),
    )


def _layout_of(root: Path) -> Layout:
    """The layout whose folders are there."""
    fit = []
    splits = [Dataset(root).split_folder(split) / "input" for split in SPLITS]
    if any(folder.is_dir() for folder in splits) or are_folders(root, "input", "ground_truth"):
        fit.append(Layout.LFDOF)
    if any(sources.is_dir() for sources, _ in _dpdd_folders(root)):
        fit.append(Layout.DPDD)
    if are_folders(root, "source", "target"):
        fit.append(Layout.REALDOF)
    if are_folders(root, "input", "target"):
        fit.append(Layout.FOLDERS)
    if len(fit) == 1:
        return fit[0]
    if fit:
        names = " and of ".join(layout.value for layout in fit)
        raise InputError(root, f"has the folders of {names}", "say which it is by --layout")
    raise InputError(
        root,
        "its folders are those of no layout: lfdof train_data/input, dpdd train_c/source, realdof source and "
        "target, folders input and target",
        "name a dataset's folder, or two folders by --input and --target",
    )


def _lfdof(root: Path) -> Iterator[Match]:
    splits = [Dataset(root).split_folder(split) for split in SPLITS]
    for split in [split for split in splits if (split / "input").is_dir()] or [root]:
        inputs = split / "input"
        if not inputs.is_dir():
            raise InputError(root, "has no train_data/input, test_data/input or input", "check --data")
        try:
            targets = targets_beside(split)
        except InputError as error:
            yield inputs, error
        else:
            yield from matched(inputs, targets, scene_of(inputs), same_name(targets))


def _dpdd_folders(root: Path) -> Iterator[tuple[Path, Path]]:
    """Folders of sources and targets that the layout can have."""
    for split in ("train", "val", "test"):
        for view in "clr":
            yield root / f"{split}_{view}" / "source", root / f"{split}_c" / "target"
    for folder in (root, *(root / split for split in ("train", "val", "test"))):
        for view in "CLR":
            yield folder / f"input{view}", folder / "target"


def _dpdd(root: Path) -> Iterator[Match]:
    for sources, targets in _dpdd_folders(root):
        if sources.is_dir():
            yield from _in_sorted_order(sources, targets)


def _in_sorted_order(sources: Path, targets: Path) -> Iterator[Match]:
    inputs, partners = pictures_below(sources), pictures_below(targets)
    if len(inputs) != len(partners):
        apart = next((a.name for a, b in zip(inputs, partners, strict=False) if far_apart(a, b)), None)
        where = f", first apart at {apart}" if apart else ""
        fault = f"holds {len(inputs)} pictures, {targets} {len(partners)}{where}"
        yield (
            sources,
            InputError(sources, fault, "let each have its partner: they are paired in sorted order"),
        )
        return
    for path, partner in zip(inputs, partners, strict=True):
        if far_apart(path, partner):
            fault = f"comes with {partner.name} in sorted order, whose number is too far from its own"
            yield path, InputError(path, fault, f"see whether one is missing or misnamed in {targets}")
        else:
            yield path, partner


def _realdof(root: Path) -> Iterator[Match]:
    sources, targets = root / "source", root / "target"
    if not are_folders(root, "source", "target"):
        raise InputError(root, "has no folders source and target", "check --data and --layout")
    return matched(sources, targets, same_name(sources), same_name(targets))


def _folders(root: Path) -> Iterator[Match]:
    targets = [root / name for name in TARGETS if (root / name).is_dir()]
    if not (root / "input").is_dir() or len(targets) != 1:
        cure = "name two folders by --input and --target instead"
        raise InputError(root, "has not one folder input and one of target or ground_truth", cure)
    return matched(root / "input", targets[0], same_name(root / "input"), same_name(targets[0]))


_FINDERS: dict[Layout, Callable[[Path], Iterator[Match]]] = {
    Layout.LFDOF: _lfdof,
    Layout.DPDD: _dpdd,
    Layout.REALDOF: _realdof,
    Layout.FOLDERS: _folders,
}
