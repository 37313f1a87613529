"""Many photographs and videos: found, named, deblurred one after the other, past bad ones, on where a run stopped.

Beside the results ``.deblurred.jsonl`` says of each what it was made of and how; a result that a rerun would make the
same is left alone. A result is written under another name and renamed, then its line is added: killed at any moment,
what is there is whole, and at worst one is made twice.
"""

from __future__ import annotations

import errno
import glob
import json
import os
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from drbnet.deblurring import FORMATS, Deblurrer, Output, comparison_path, deblur_picture
from drbnet.photographs import RAW_SUFFIXES, Format
from drbnet.tiling import Progress
from drbnet.video import VIDEO_SUFFIXES, WRITTEN_AS, deblur_video
from lfsynth.errors import InputError

RECORD = ".deblurred.jsonl"
ENDING = "_deblurred"
"""Of the names of results that lie beside their sources."""
VERSION = 1
"""Of what is made; results of another are made anew."""
_WILD = re.compile(r"[*?\[]")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


@dataclass(frozen=True)
class Task:
    """One file to be made.

    Attributes
    ----------
    sources : the picture or video; for a dual network followed by the right and the left view
    target : the result
    """

    sources: tuple[Path, ...]
    target: Path

    @property
    def is_video(self) -> bool:
        """Whether it is a video by its name."""
        return self.sources[0].suffix.lower() in VIDEO_SUFFIXES


@dataclass(frozen=True)
class Outcome:
    """What became of a task.

    Attributes
    ----------
    task : what was to be made
    fault : the one line that says why it was not; empty if it was
    made : whether this run made it, not an earlier one
    pixels : deblurred, all frames together
    """

    task: Task
    fault: str = ""
    made: bool = True
    pixels: int = 0


@dataclass(frozen=True)
class Views:
    """Where the right and the left view of a dual-pixel sensor lie.

    Files, or folders of files by the same names, with or without ``_R`` and ``_L``.
    """

    right: Path
    left: Path

    def of(self, source: Path, below: Path) -> tuple[Path, Path]:
        """The two views of a picture; below: its path within its folder."""
        return _view(self.right, "_R", source, below), _view(self.left, "_L", source, below)


@dataclass(frozen=True)
class Job:
    """What is done with each task.

    Attributes
    ----------
    deblurrer, output : how
    again : make results that are there already once more
    debug : let an unexpected error through instead of setting its file aside
    """

    deblurrer: Deblurrer
    output: Output = field(default_factory=Output)
    again: bool = False
    debug: bool = False


def plan(
    inputs: Sequence[str], *, out: Path | None, form: Format | None = None, views: Views | None = None
) -> list[Task]:
    """Tasks of files, folders (with all below them) and patterns.

    Parameters
    ----------
    inputs : files, folders, patterns with ``*``, ``?``, ``[]`` and ``**``
    out : a folder, or for a single file the result itself; None: ``photo_deblurred.jpg`` beside ``photo.jpg``, and a
        folder ``holiday_deblurred`` beside ``holiday``
    form : of the pictures; None: as the source, for camera raw TIFF
    views : of a dual-pixel sensor; None: the pictures are all there is

    Raises
    ------
    InputError : where there is no such file or none at all, or two results would have one name
    """
    found: dict[Path, tuple[Path, Path]] = {}  # by source: its folder's result, and its path below that
    for text in inputs:
        path = Path(text)
        if path.is_dir():
            folder = out or path.resolve().with_name(f"{path.resolve().name}{ENDING}")
            for one in _below(path, skipped=folder):
                found.setdefault(one, (folder, one.relative_to(path)))
            continue
        matches = [path] if path.exists() else []
        if not matches and _WILD.search(text):
            matches = _matching(text)
        if not matches:
            raise InputError(text, "there is no such file", "check the path")
        for one in matches:
            found.setdefault(one, (out or one.parent, Path(one.name)))
    sources = {(one.parent, one.stem) for one in found}
    tasks: dict[Path, Task] = {}
    for source, (folder, below) in found.items():
        if _is_result(source, sources):
            continue
        name = below.with_suffix(_suffix(source, form))
        if (
            out is not None
            and len(found) == 1
            and out.suffix.lower() in (FORMATS.keys() | VIDEO_SUFFIXES)
            and not out.is_dir()
        ):
            target = out
        elif folder == source.parent:
            target = folder / f"{name.stem}{ENDING}{name.suffix}"
        else:
            target = folder / name
        both = () if views is None else views.of(source, below)
        twin = tasks.get(target)
        if twin is not None:
            raise InputError(
                source, f"and {twin.sources[0]} would both become {target}", "deblur them one by one"
            )
        if any(target.resolve() == one.resolve() for one in (source, *both)):
            raise InputError(target, "the result would replace the picture itself", "choose another --out")
        tasks[target] = Task((source, *both), target)
    if not tasks:
        raise InputError(" ".join(inputs), "holds no picture or video", "name some")
    return list(tasks.values())


def run(
    job: Job,
    tasks: Sequence[Task],
    *,
    report: Callable[[Outcome], None],
    begun: Callable[[Task], Progress | None] = lambda task: None,
) -> list[Outcome]:
    """Make what is not there yet.

    Parameters
    ----------
    job : how
    tasks : what
    report : called after each task
    begun : called before each task that is done; gives what is told of its progress

    Raises
    ------
    InputError : where the disk is full or read-only: no other picture would fare better
    """
    records: dict[Path, dict[str, Any]] = {}
    outcomes = []
    for task in tasks:
        folder = task.target.parent
        if folder not in records:
            records[folder] = _read_record(folder)
        outcome = _finished(job, task, records[folder].get(task.target.name))
        if outcome is None:
            _clear_partial(task.target)
            outcome = _made(job, task, begun(task))
        outcomes.append(outcome)
        report(outcome)
    return outcomes


def _made(job: Job, task: Task, progress: Progress | None) -> Outcome:
    try:
        recipe = _recipe(
            job, task
        )  # before the pixels are read: a source that changes meanwhile is done again
        task.target.parent.mkdir(parents=True, exist_ok=True)
        if task.is_video:
            frames, height, width = deblur_video(
                lambda frame: job.deblurrer([frame]), task.sources[0], task.target, progress
            )
        else:
            frames, (height, width) = (
                1,
                deblur_picture(job.deblurrer, task.sources, task.target, job.output, progress),
            )
        _record(task.target, recipe)
        return Outcome(task, pixels=frames * height * width)
    except InputError as error:
        if isinstance(error.__cause__, OSError) and error.__cause__.errno in _FULL:
            raise
        fault = error
    except OSError as error:
        stopped = InputError(task.target, f"it cannot be written ({error.strerror})", "choose another --out")
        if error.errno in _FULL:
            raise stopped from error
        fault = stopped
    except MemoryError as error:
        fault = InputError(task.sources[0], f"it does not fit into memory ({error})", "free some")
    except Exception as error:
        if job.debug:
            raise
        what = f"unexpected {type(error).__name__}: {error}"
        fault = InputError(task.sources[0], what, "run again with --debug and report it")
    return Outcome(task, fault=str(fault))


def _finished(job: Job, task: Task, record: Any) -> Outcome | None:
    """The outcome of a task whose result is there and would be made the same."""
    if job.again or record is None or not task.target.is_file():
        return None
    if job.output.compare and not task.is_video and not comparison_path(task.target).is_file():
        return None
    with suppress(OSError):
        if record == {**_recipe(job, task), "result": task.target.stat().st_size}:
            return Outcome(task, made=False)
    return None


def _recipe(job: Job, task: Task) -> dict[str, Any]:
    """What a result is made of, and how, as JSON knows it; the tiles' size is not seen in the result."""
    sources = [(str(one.resolve()), (stat := one.stat()).st_size, stat.st_mtime_ns) for one in task.sources]
    deblurrer = job.deblurrer
    return {
        "version": VERSION,
        "sources": [list(one) for one in sources],
        "weights": deblurrer.digest,
        "autocast": deblurrer.autocast.value,
        "margin": deblurrer.used_margin,
        **({} if task.is_video else asdict(job.output)),
    }


def _read_record(folder: Path) -> dict[str, Any]:
    """By the result's name; of two lines the later one counts, and those that a kill has cut do not."""
    found = {}
    with suppress(OSError):
        for line in (folder / RECORD).read_text(errors="replace").splitlines():
            with suppress(ValueError, KeyError, TypeError, AttributeError):
                entry = json.loads(line)
                found[entry.pop("name")] = entry
    return found


def _record(target: Path, recipe: dict[str, Any]) -> None:
    entry = {"name": target.name, **recipe, "result": target.stat().st_size}
    # One write at the end of the file, begun on a line of its own: other runs and cut lines do no harm.
    with (target.parent / RECORD).open("ab", buffering=0) as file:
        file.write(f"\n{json.dumps(entry)}\n".encode())


def _clear_partial(target: Path) -> None:
    """Remove what killed processes left of a result and its comparison."""
    for path in (target, comparison_path(target)):
        for partial in path.parent.glob(f".{glob.escape(path.name)}.*.partial"):
            number = partial.name.split(".")[-2]
            if not number.isdigit() or not Path(f"/proc/{number}").exists():
                partial.unlink(missing_ok=True)


def _matching(pattern: str) -> list[Path]:
    """Pictures and videos of a pattern, which may be absolute."""
    found = map(Path, sorted(glob.glob(pattern, recursive=True)))  # noqa: PTH207 (Path's knows no absolute ones)
    return [path for path in found if path.is_file() and _known(path)]


def _below(folder: Path, *, skipped: Path) -> list[Path]:
    """Pictures and videos in a folder and below, but for hidden ones and results."""
    found = []
    for at, folders, files in os.walk(folder):
        folders[:] = sorted(
            one for one in folders if one[0] != "." and (Path(at, one)).resolve() != skipped.resolve()
        )
        found += [Path(at, one) for one in sorted(files) if one[0] != "." and _known(Path(one))]
    return found


def _known(path: Path) -> bool:
    return path.suffix.lower() in FORMATS.keys() | RAW_SUFFIXES | VIDEO_SUFFIXES


def _is_result(path: Path, sources: set[tuple[Path, str]]) -> bool:
    """Whether a file is what an earlier run made of another source."""
    stem = path.stem.removesuffix("_compare")
    return stem.endswith(ENDING) and (path.parent, stem.removesuffix(ENDING)) in sources


def _suffix(source: Path, form: Format | None) -> str:
    """Of the result, ``.JPG`` staying so."""
    suffix = source.suffix.lower()
    if suffix in VIDEO_SUFFIXES:
        return WRITTEN_AS.get(suffix, source.suffix)
    if suffix in FORMATS and form in (None, FORMATS[suffix]):
        return source.suffix
    return (form or Format.TIFF).value


def _view(place: Path, ending: str, source: Path, below: Path) -> Path:
    if not place.is_dir():
        return place
    names = (below.name, f"{below.stem}{ending}{below.suffix}")
    for name in names:
        if (place / below.with_name(name)).is_file():
            return place / below.with_name(name)
    raise InputError(source, f"has no view {' or '.join(names)} in {place}", "check --right and --left")
