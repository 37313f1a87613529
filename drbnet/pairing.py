"""What a pair of pictures is, and how two folders are matched into pairs.

What has no partner, or more than one, is a fault that names it, and is never guessed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from lfsynth import pairing
from lfsynth.errors import InputError


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
    defocus : how far each pixel is out of focus, see `drbnet.defocus`; None where that is not asked for
    """

    name: str
    inputs: tuple[Path, ...]
    target: Path | None
    defocus: Path | None = None


Finding = Pair | InputError
"""A pair, or what keeps a picture from being in one; the error's path is that of the picture or its folder."""


def same_names(root: Path, inputs: Path, targets: Path) -> Iterator[Finding]:
    """Pictures of two folders by their paths below them, without the suffix."""
    return matched(root, inputs, targets, pairing.same_name(inputs), pairing.same_name(targets))


def matched(
    root: Path, inputs: Path, targets: Path, input_key: pairing.Key, target_key: pairing.Key
) -> Iterator[Finding]:
    """Pairs of the same key, none of them there twice in two formats, and what is in none."""
    seen: dict[Path, Path] = {}
    for path, partner in pairing.matched(inputs, targets, input_key, target_key):
        twin = seen.setdefault(path.with_suffix(""), path)
        if twin != path:
            yield InputError(path, f"is there twice, as {twin.name} too", "remove one of them")
        elif isinstance(partner, InputError):
            yield partner
        else:
            yield Pair(pairing.name_below(root, path), (path,), partner)
