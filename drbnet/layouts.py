"""Where the public datasets of defocus deblurring keep their pictures, and which of them belong together.

==========  ======================================================================  ===========================
layout      inputs                                                                  targets
==========  ======================================================================  ===========================
lfdof       ``<split>_data/input/<scene>/*``, or ``input/<scene>[_apA_FF].*``       ``ground_truth/<scene>.*``
dpdd        ``<split>_{c,r,l}/source/*``, or ``[<split>/]input{C,R,L}[_crops]/*``   ``<split>_c/target/*``, or
                                                                                    ``[<split>/]target[_crops]/*``
realdof     ``source/<name>.*``                                                     ``target/<name>.*``
pixeldp     ``test_{c,r,l}/source/*``                                               none
cuhk        the folder's own pictures                                               none
folders     ``input/**/<name>.*``                                                   ``target/**/<name>.*``
==========  ======================================================================  ===========================

Splits are train, val and test; a split's folder can be given itself. ``target`` may be called ``ground_truth``
and the other way round. A light field's sequence of apertures and focus settings has holes as published, so
that an input is complete by itself. DPDD's names do not tell which belong together: its folders are paired in
sorted order, if there are as many sources as targets and their numbers nowhere lie farther apart than in the
original. Views of a dual-pixel sensor have the name of the combined picture, with ``_R`` and ``_L`` or without.

What has no partner, or more than one, is a fault that names it, and is never guessed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from pathlib import Path, PurePosixPath

from drbnet.dual_pixel import dpdd_folders, find_dpdd, find_pixeldp, with_views
from drbnet.pairing import Finding, Pair, Split, matched, same_names
from lfsynth.errors import InputError
from lfsynth.lfdof import Dataset
from lfsynth.pairing import (
    are_folders,
    name_below,
    names_an_aperture,
    pictures_below,
    same_name,
    scene_of,
    targets_beside,
)
from lfsynth.pictures import is_picture


class Layout(Enum):
    """How a dataset is laid out."""

    LFDOF = "lfdof"
    DPDD = "dpdd"
    REALDOF = "realdof"
    PIXELDP = "pixeldp"
    CUHK = "cuhk"
    FOLDERS = "folders"


def layout_of(root: Path) -> Layout:
    """The layout whose folders are there.

    Raises
    ------
    InputError
        If there are those of none, or of more than one.
    """
    fit = []
    if any((Dataset(root).split_folder(s.value) / "input").is_dir() for s in Split) or are_folders(
        root, "input", "ground_truth"
    ):
        fit.append(Layout.LFDOF)
    places = list(dpdd_folders(root, None))
    if places:
        fit.append(Layout.DPDD if any(targets.is_dir() for _, targets in places) else Layout.PIXELDP)
    if are_folders(root, "source", "target"):
        fit.append(Layout.REALDOF)
    if are_folders(root, "input", "target"):
        named_as_lfdof = any(names_an_aperture(path) for path in pictures_below(root / "input"))
        fit.append(Layout.LFDOF if named_as_lfdof else Layout.FOLDERS)
    if not fit and any(is_picture(path) and path.is_file() for path in root.iterdir()):
        fit.append(Layout.CUHK)
    fit = list(dict.fromkeys(fit))
    if len(fit) == 1:
        return fit[0]
    if fit:
        names = " and of ".join(layout.value for layout in fit)
        raise InputError(root, f"has the folders of {names}", "say which it is by the layout option")
    raise InputError(
        root,
        "its folders are those of no layout: lfdof train_data/input, dpdd train_c/source or train/inputC, realdof "
        "source and target, pixeldp test_c/source, folders input and target, and it holds no pictures itself",
        "name a dataset's folder",
    )


def find_in_layout(root: Path, layout: Layout, split: Split | None, *, dual: bool) -> Iterator[Finding]:
    """Pairs of a dataset and what is in none.

    Parameters
    ----------
    root : the dataset's folder
    layout : of the folder
    split : None: all that there are; a folder that is a split itself is taken for any
    dual : with the right and left views, which DPDD and PixelDP have

    Raises
    ------
    InputError
        If the folders of the layout, the split or the views are not there.
    """
    finders: dict[Layout, Callable[[], Iterator[Finding]]] = {
        Layout.LFDOF: lambda: _lfdof(root, split),
        Layout.DPDD: lambda: find_dpdd(root, split),
        Layout.REALDOF: lambda: _realdof(root),
        Layout.PIXELDP: lambda: find_pixeldp(root, split),
        Layout.CUHK: lambda: _cuhk(root),
        Layout.FOLDERS: lambda: _folders(root),
    }
    return with_views(finders[layout]()) if dual else finders[layout]()


def find_listed(root: Path, lines: Iterable[tuple[str, str]], *, dual: bool) -> Iterator[Finding]:
    """Pairs of a list, by names of inputs and targets below the dataset's folder, or with that folder's name before.

    What is not there is found as an error.

    Raises
    ------
    InputError
        If `dual` and there are no folders of the views.
    """
    lines = list(lines)
    # The published lists begin with the name of the dataset's folder, which may be called otherwise.
    bases = (0, 1)
    there = {skip: sum(_named(root, name, skip).is_file() for name, _ in lines) for skip in bases}
    skip = max(bases, key=lambda base: there[base])
    pairs: list[Finding] = []
    for name, target in lines:
        paths = _named(root, name, skip), _named(root, target, skip)
        lacking = [path for path in paths if not path.is_file()]
        if lacking:
            pairs.append(InputError(paths[0], f"is listed, and {lacking[0]} is not there", "add it"))
        else:
            pairs.append(Pair(name_below(root, paths[0]), paths[:1], paths[1]))
    return with_views(pairs) if dual else iter(pairs)


def _named(root: Path, name: str, skip: int) -> Path:
    return root.joinpath(*PurePosixPath(name).parts[skip:])


def _lfdof(root: Path, split: Split | None) -> Iterator[Finding]:
    folders = {s: Dataset(root).split_folder(s.value) for s in Split}
    there = {s: folder for s, folder in folders.items() if (folder / "input").is_dir()}
    if there and (root / "input").is_dir():
        raise InputError(root, f"has input and {next(iter(there.values())).name}/input", "name one of them")
    if there and split is not None and split not in there:
        raise InputError(root, f"has no {folders[split].name}/input", "check the folder and the split")
    if not there and not (root / "input").is_dir():
        raise InputError(root, "has no train_data/input, test_data/input or input", "check the folder")
    for folder in ([there[split]] if split else there.values()) if there else [root]:
        inputs = folder / "input"
        try:
            targets = targets_beside(folder)
        except InputError as error:
            yield error
        else:
            yield from matched(root, inputs, targets, scene_of(inputs), same_name(targets))


def _folders(root: Path) -> Iterator[Finding]:
    if not (root / "input").is_dir():
        raise InputError(root, "has no folder input", "name the two folders themselves instead")
    return same_names(root, root / "input", targets_beside(root))


def _realdof(root: Path) -> Iterator[Finding]:
    if not are_folders(root, "source", "target"):
        raise InputError(root, "has no folders source and target", "check the folder and the layout")
    return same_names(root, root / "source", root / "target")


def _cuhk(root: Path) -> Iterator[Finding]:
    for path in pictures_below(root):
        yield Pair(name_below(root, path), (path,), None)
