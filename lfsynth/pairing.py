"""How pictures of two folders are matched by their names, and how the published datasets name theirs.

What has no partner, or more than one, is a fault that names it, and is never guessed.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from lfsynth.errors import InputError
from lfsynth.pictures import is_picture

TARGETS = ("ground_truth", "target")
"""Names of a folder of targets beside a folder ``input``."""

FARTHEST = 2
"""Largest difference between the numbers in the names of a DPDD source and its target: in the published lists it is
-1 or +1, and +2 for two pairs."""

Key = Callable[[Path], str]
"""What pictures that belong together have in common."""

Match = tuple[Path, Path | InputError]
"""An input, or a folder or target that has none, and its target, or why it has none."""


def pictures_below(folder: Path) -> list[Path]:
    """All pictures below a folder, sorted; hidden files and folders are none."""
    found = (path for path in folder.rglob("*") if is_picture(path) and path.is_file())
    return sorted(p for p in found if not any(part[0] == "." for part in p.relative_to(folder).parts))


def name_below(root: Path, path: Path) -> str:
    """A path below the dataset's root, with ``/``."""
    return Path(os.path.relpath(path.absolute(), root.absolute())).as_posix()


def are_folders(root: Path, *names: str) -> bool:
    """Whether all of these are folders in a folder."""
    return all((root / name).is_dir() for name in names)


def same_name(folder: Path) -> Key:
    """The key of a picture's path below the folder, without the suffix."""
    return lambda path: path.relative_to(folder).with_suffix("").as_posix()


def far_apart(source: Path, target: Path) -> bool:
    """Whether numbers in the names differ by more than those of a DPDD pair; the last ones where not all compare."""
    one, other = ([int(digits) for digits in re.findall(r"\d+", path.stem)] for path in (source, target))
    if len(one) != len(other):
        one, other = one[-1:], other[-1:]
    return any(abs(a - b) > FARTHEST for a, b in zip(one, other, strict=False))


_APERTURE = re.compile(r"_ap\d+_\d+$")


def names_an_aperture(path: Path) -> bool:
    """Whether a picture is named as LFDOF's inputs are: scene, aperture and position."""
    return _APERTURE.search(path.stem) is not None


def scene_of(inputs: Path) -> Key:
    """The key of LFDOF's inputs: the name of the scene's folder, or the scene in their own name."""

    def key(path: Path) -> str:
        first, *more = path.relative_to(inputs).parts
        return first if more else _APERTURE.sub("", path.stem)

    return key


def targets_beside(folder: Path) -> Path:
    """The folder of targets beside the folder ``input`` of this folder.

    Raises
    ------
    InputError
        If there is none, or more than one.
    """
    there = [folder / name for name in TARGETS if (folder / name).is_dir()]
    if len(there) == 1:
        return there[0]
    what = "both ground_truth and target" if there else "neither ground_truth nor target"
    raise InputError(folder / "input", f"has {what} beside it", "let one of them hold its targets")


def matched(inputs: Path, targets: Path, key_of_input: Key, key_of_target: Key) -> Iterator[Match]:
    """Inputs with the target of the same key, and targets that are nobody's."""
    by_key = defaultdict(list)
    for path in pictures_below(targets):
        by_key[key_of_target(path)].append(path)
    missing = set(by_key)
    for path in pictures_below(inputs):
        key = key_of_input(path)
        partners = by_key.get(key, [])
        missing.discard(key)
        if len(partners) == 1:
            yield path, partners[0]
        elif partners:
            names = " and ".join(partner.name for partner in partners)
            yield path, InputError(path, f"has two targets, {names} in {targets}", "remove one of them")
        else:
            yield path, InputError(path, f"has no target {key}.* in {targets}", "add it or remove the input")
    for key in sorted(missing):
        for path in by_key[key]:
            yield path, InputError(path, f"is a target without an input in {inputs}", "add one or remove it")
