"""What a pair of pictures is, and how two folders of them are matched by names.

What has no partner, or more than one, is a fault that names it, and is never guessed.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from lfsynth.errors import InputError
from lfsynth.pictures import is_picture


class Split(Enum):
    """A part of a dataset."""

    TRAIN = "train"
    VAL = "val"
    TEST = "test"


@dataclass(frozen=True)
class Pair:
    """A defocused picture and the sharp one.

    Attributes
    ----------
    name : of the (combined) input, its path below the dataset's root with ``/``; no two pairs have the same
    inputs : the picture, or the combined, right and left view
    target : all in focus; None where there is none
    """

    name: str
    inputs: tuple[Path, ...]
    target: Path | None


Finding = Pair | InputError
"""A pair, or what keeps a picture from being in one; the error's path is that of the picture or its folder."""

Key = Callable[[Path], str]
"""What pictures that belong together have in common."""


def pictures_below(folder: Path) -> list[Path]:
    """All pictures below a folder, sorted; hidden files and folders are none."""
    found = (path for path in folder.rglob("*") if is_picture(path) and path.is_file())
    return sorted(p for p in found if not any(part[0] == "." for part in p.relative_to(folder).parts))


def name_below(root: Path, path: Path) -> str:
    """A path below the dataset's root, with ``/``."""
    return Path(os.path.relpath(path.absolute(), root.absolute())).as_posix()


def same_names(root: Path, inputs: Path, targets: Path) -> Iterator[Finding]:
    """Pictures of two folders by their paths below them, without the suffix."""
    return matched(root, inputs, targets, same_name(inputs), same_name(targets))


def same_name(folder: Path) -> Key:
    """The key of a picture's path below the folder, without the suffix."""
    return lambda path: path.relative_to(folder).with_suffix("").as_posix()


def matched(root: Path, inputs: Path, targets: Path, input_key: Key, target_key: Key) -> Iterator[Finding]:
    """Inputs with the target of the same key, and targets that are nobody's."""
    by_key = defaultdict(list)
    for path in pictures_below(targets):
        by_key[target_key(path)].append(path)
    missing = set(by_key)
    seen: dict[Path, Path] = {}
    for path in pictures_below(inputs):
        key = input_key(path)
        partners = by_key.get(key, [])
        missing.discard(key)
        twin = seen.setdefault(path.with_suffix(""), path)
        if twin != path:
            yield InputError(path, f"is there twice, as {twin.name} too", "remove one of them")
        elif len(partners) == 1:
            yield Pair(name_below(root, path), (path,), partners[0])
        elif partners:
            names = " and ".join(partner.name for partner in partners)
            yield InputError(path, f"has two targets, {names} in {targets}", "remove one of them")
        else:
            yield InputError(path, f"has no target {key}.* in {targets}", "add it or remove the input")
    for key in sorted(missing):
        for path in by_key[key]:
            yield InputError(path, f"is a target without an input in {inputs}", "add one or remove it")
