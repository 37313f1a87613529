"""Pairs of the dual-pixel datasets DPDD and PixelDP, and their right and left views.

DPDD's names do not tell which belong together: its folders are paired in sorted order, if there are as many sources
as targets and their numbers nowhere lie farther apart than in the original. Views have the name of the combined
picture, with ``_R`` and ``_L`` or without.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from drbnet.pairing import Finding, Pair, Split
from lfsynth.errors import InputError
from lfsynth.pairing import far_apart, name_below, pictures_below

VIEWS = "CRL"
"""Combined, right and left view of a dual-pixel sensor, in the order that networks take them."""


def dpdd_folders(root: Path, split: Split | None) -> Iterator[tuple[Path, Path]]:
    """Folders of combined pictures and of their targets that DPDD and PixelDP can have, and that are there.

    Crops are taken where there are no whole pictures.
    """
    splits = [split.value] if split else [s.value for s in Split]
    for suffix in ("", "_crops"):
        folders = (root, *(root / name for name in splits))
        parts = [(folder / f"inputC{suffix}", folder / f"target{suffix}") for folder in folders]
        if not suffix:
            parts += [(root / f"{name}_c/source", root / f"{name}_c/target") for name in splits]
        there = [part for part in parts if part[0].is_dir()]
        yield from there
        if there:
            return


def _present(root: Path, split: Split | None) -> list[tuple[Path, Path]]:
    """The folders of `dpdd_folders`, each part of the dataset once."""
    places = list(dpdd_folders(root, split))
    if not places:
        name = split.value if split else "train"
        raise InputError(root, f"has no {name}_c/source or {name}/inputC", "check the folder and the split")
    first: dict[str, Path] = {}
    for sources, _ in places:
        part = name_below(root, sources.parent).removesuffix("_c")
        twin = first.setdefault(part, sources)
        # A folder that is a split itself stands for any.
        other = twin if twin != sources else first.get(".")
        if other not in (None, sources):
            raise InputError(
                root, f"has both {name_below(root, other)} and {name_below(root, sources)}", "remove one"
            )
    return places


def find_dpdd(root: Path, split: Split | None) -> Iterator[Finding]:
    """Pairs of DPDD, of the combined pictures alone."""
    for sources, targets in _present(root, split):
        if not targets.is_dir():
            raise InputError(targets, "there is no such folder of targets", "add it or check the layout")
        yield from _in_sorted_order(root, sources, targets)


def find_pixeldp(root: Path, split: Split | None) -> Iterator[Finding]:
    """The combined pictures of PixelDP, which has no targets."""
    for sources, _ in _present(root, split):
        for path in pictures_below(sources):
            yield Pair(name_below(root, path), (path,), None)


def _in_sorted_order(root: Path, sources: Path, targets: Path) -> Iterator[Finding]:
    inputs, partners = pictures_below(sources), pictures_below(targets)
    if len(inputs) != len(partners):
        apart = next((a for a, b in zip(inputs, partners, strict=False) if far_apart(a, b)), None)
        longest = max(inputs, partners, key=len)
        first = (apart or longest[min(len(inputs), len(partners))]).name
        fault = f"holds {len(inputs)} pictures, {targets} {len(partners)}, first apart at {first}"
        cure = "let each have its partner: they are paired in sorted order"
        yield InputError(sources, fault, cure)
        return
    for path, partner in zip(inputs, partners, strict=True):
        if far_apart(path, partner):
            fault = f"comes with {partner.name} in sorted order, whose number is too far from its own"
            yield InputError(path, fault, f"see whether one is missing or misnamed in {targets}")
        else:
            yield Pair(name_below(root, path), (path,), partner)


def with_views(findings: Iterable[Finding]) -> Iterator[Finding]:
    """The pairs with the right and left views, which have the combined picture's name."""
    known: dict[Path, dict[str, Path]] = {}
    for finding in findings:
        if isinstance(finding, InputError):
            yield finding
            continue
        combined = finding.inputs[0]
        views: list[Path] = []
        for view in VIEWS[1:]:
            folder = _folder_of_view(combined.parent, view)
            if folder not in known:
                known[folder] = {_without(view, path.stem): path for path in pictures_below(folder)}
            partner = known[folder].get(_without(VIEWS[0], combined.stem))
            if partner is None:
                yield InputError(combined, f"has no partner in {folder}", "add it, or train without dual")
                break
            views.append(partner)
        else:
            yield Pair(finding.name, (combined, *views), finding.target)


def _without(view: str, stem: str) -> str:
    """A file's stem without the mark of its view."""
    return re.sub(f"_{view}$", "", stem, flags=re.IGNORECASE)


def _folder_of_view(combined: Path, view: str) -> Path:
    """The folder of another view, from that of the combined pictures."""
    if combined.name == "source" and combined.parent.name.endswith("_c"):
        folder = combined.parent.with_name(combined.parent.name[:-1] + view.lower()) / "source"
    elif combined.name.startswith("inputC"):
        folder = combined.with_name("input" + view + combined.name.removeprefix("inputC"))
    else:
        raise InputError(
            combined, "is no folder that has right and left views beside it", "train without dual"
        )
    if not folder.is_dir():
        raise InputError(folder, "there is no such folder of views", "add it, or train without dual")
    return folder
