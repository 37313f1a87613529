"""The alignment of many pairs on disk: in processes, past bad ones, on where an earlier run stopped.

In the output's folder, ``alignment.csv``, ``alignment.json`` and ``report.html`` are written at the end of a run,
``report_files`` pair by pair, and ``.lfsynth/findings.jsonl`` has a line for each pair that was judged: what is there
need not be judged again while files, options and version are the same.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from lfsynth import __version__
from lfsynth.alignment import Options, check_pair
from lfsynth.alignment_findings import Finding, finding_of, smallest, write_csv, write_json_report
from lfsynth.alignment_report.page import write_page
from lfsynth.alignment_report.pair_files import FOLDER, id_of, script_path, thumbnail_path, write_pair_files
from lfsynth.errors import InputError
from lfsynth.lfdof import STATE
from lfsynth.output_folder import OutputError, held, writing
from lfsynth.pairs import Found, Pair, Unpaired
from lfsynth.pictures import Picture, read, write_bytes_atomic
from lfsynth.transfer import LINEAR, SRGB, Transfer, linearise
from lfsynth.workers import each

LOG = "findings.jsonl"


@dataclass(frozen=True)
class Job:
    """How pairs are checked.

    Attributes
    ----------
    out : folder of the results; held while a run goes on
    root : folder of the dataset, that names are below
    options : how a pair is judged
    transfer : curve of the stored values; None: sRGB for integers, linear for floats
    debug : let an unexpected error through instead of setting its pair aside
    """

    out: Path
    root: Path
    options: Options = field(default_factory=Options)
    transfer: Transfer | None = None
    debug: bool = False


@dataclass(frozen=True)
class Checked:
    """What became of one pair.

    Attributes
    ----------
    name : the pair's
    finding : None if it failed
    fault : the one line that says why it failed; empty if it did not
    made : whether this run judged it, not an earlier one
    """

    name: str
    finding: Finding | None
    fault: str = ""
    made: bool = True


@dataclass(frozen=True)
class Results:
    """What became of a dataset.

    Attributes
    ----------
    findings : of the pairs that were judged, by name
    set_aside : pairs that failed and what has no partner, by name
    earlier : how many findings are an earlier run's
    """

    findings: tuple[Finding, ...]
    set_aside: tuple[Unpaired, ...]
    earlier: int


def run(
    job: Job,
    found: Found,
    *,
    jobs: int,
    report: Callable[[Checked], None],
    notice: Callable[[str], None],
) -> Results:
    """Judge the pairs that are not judged yet, and write the results of all.

    Parameters
    ----------
    job : how
    found : the pairs
    jobs : processes
    report : called in this process after each pair, in no particular order
    notice : called with a line on what the user should know of the run

    Raises
    ------
    InputError
        If the folder cannot be used, or another run is using it.
    OutputError
        If it cannot be written any more.
    """
    with held(job.out):
        with writing(job.out):
            _sweep(job.out)
            recorded = _read_log(job)
        checked = {}
        for result in _checked(job, found, recorded, jobs, notice):
            checked[result.name] = result
            report(result)
        results = _results(found, checked)
        with writing(job.out):
            _write(job, found, results)
    return results


def _checked(
    job: Job, found: Found, recorded: dict[str, dict[str, Any]], jobs: int, notice: Callable[[str], None]
) -> Iterator[Checked]:
    """The pairs judged earlier, then the others, each recorded before it is told of."""
    left = {}
    for pair in found.pairs:
        earlier = _finished(job, recorded, pair)
        if earlier is None:
            left[pair.name] = pair
        else:
            yield earlier
    work = functools.partial(_check, job)
    # Where a worker died, what it had is judged anew: nothing is recorded but here.
    with closing(each(work, left, jobs=jobs, notice=notice, done=lambda *_: None, died=_died)) as results:
        for name, result in results:
            if result.finding is not None:
                _record(job, left[name], result.finding)
            yield result


def _results(found: Found, checked: dict[str, Checked]) -> Results:
    ordered = [checked[pair.name] for pair in found.pairs]
    failed = [Unpaired(one.name, one.fault) for one in ordered if one.fault]
    return Results(
        findings=tuple(one.finding for one in ordered if one.finding is not None),
        set_aside=tuple(sorted([*found.unpaired, *failed], key=lambda one: one.name)),
        earlier=sum(not one.made for one in ordered),
    )


def _write(job: Job, found: Found, results: Results) -> None:
    about = {
        "data": str(found.root.absolute()),
        "layout": found.layout.value,
        "transfer": None if job.transfer is None else str(job.transfer),
        "options": dataclasses.asdict(job.options),
    }
    write_csv(job.out / "alignment.csv", results.findings, results.set_aside)
    write_json_report(job.out / "alignment.json", results.findings, results.set_aside, about)
    write_page(job.out, results.findings, results.set_aside, about)


def _sweep(out: Path) -> None:
    """Remove what processes that are gone have left half-written."""
    for pattern in (".*.partial", f"{FOLDER}/*/.*.partial"):
        for partial in list(out.glob(pattern)):
            if not Path("/proc", partial.suffixes[-2][1:] or "0").exists():
                partial.unlink(missing_ok=True)


def _key(job: Job, pair: Pair) -> str:
    """Hash of all that a finding depends on; that the files' content is the same is told from size and time.

    Raises
    ------
    OSError
        If one of the files is not there.
    """
    stats = [path.stat() for path in (pair.input, pair.target)]
    parts = [
        __version__,
        str(job.transfer),
        dataclasses.asdict(job.options),
        Path(os.path.relpath(pair.target.absolute(), job.root.absolute())).as_posix(),
        [[stat.st_size, stat.st_mtime_ns] for stat in stats],
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _read_log(job: Job) -> dict[str, dict[str, Any]]:
    """Lines of the log by the pair's name, the latest of each; damaged ones are left out."""
    lines: dict[str, dict[str, Any]] = {}
    try:
        data = (job.out / STATE / LOG).read_bytes()
    except FileNotFoundError:
        return lines
    for line in data.split(b"\n"):
        try:
            entry = json.loads(line)
            lines[entry["finding"]["name"]] = entry
        except (ValueError, TypeError, KeyError):
            continue
    # Anew, without what is damaged or out of date, so that the next line does not follow half of one.
    whole = "".join(json.dumps(entry) + "\n" for entry in lines.values())
    write_bytes_atomic(job.out / STATE / LOG, whole.encode())
    return lines


def _record(job: Job, pair: Pair, finding: Finding) -> None:
    """Add a line to the log."""
    try:
        key = _key(job, pair)
    except OSError:  # gone since: the next run finds no such pair
        return
    line = json.dumps({"key": key, "finding": dataclasses.asdict(finding)}) + "\n"
    with writing(job.out), (job.out / STATE / LOG).open("ab") as file:
        file.write(line.encode())


def _finished(job: Job, recorded: dict[str, dict[str, Any]], pair: Pair) -> Checked | None:
    """What an earlier run found, if nothing has changed since and its files are there."""
    id_ = id_of(pair.name)
    try:
        entry = recorded[pair.name]
        if entry["key"] != _key(job, pair):
            return None
        if not all((job.out / path).is_file() for path in (script_path(id_), thumbnail_path(id_))):
            return None
        return Checked(pair.name, Finding.from_json(entry["finding"]), made=False)
    except (KeyError, TypeError, OSError):
        return None


def _died(name: str, pair: Pair) -> Checked:
    fault = "its process was killed, perhaps for lack of memory"
    return Checked(name, None, str(InputError(pair.input, fault, "free some memory or take fewer --jobs")))


def _check(job: Job, name: str, pair: Pair, _threads: int, _run: int) -> Checked:
    """Judge one pair, in the process of the run or in a child of it."""
    cv2.setNumThreads(1)  # a second one gains a tenth: pairs are what the cores are shared by
    try:
        return Checked(name, check_files(job, pair))
    except OutputError:
        raise
    except InputError as error:
        fault = error
    except MemoryError as error:
        fault = InputError(
            pair.input, f"does not fit into memory ({error})", "free some or take fewer --jobs"
        )
    except Exception as error:
        if job.debug:
            raise
        what = f"unexpected {type(error).__name__}: {error}"
        fault = InputError(pair.input, what, "run again with --debug and report it")
    return Checked(name, None, str(fault))


def check_files(job: Job, pair: Pair) -> Finding:
    """Judge one pair and write its files for the report.

    Raises
    ------
    InputError
        If a picture cannot be read, they differ in size, or are too small.
    OutputError
        If the files cannot be written.
    """
    stored = read(pair.input), read(pair.target)
    (height, width), other = stored[0].shape[:2], stored[1].shape[:2]
    if (height, width) != other:
        fault = f"has {height} x {width} px, its target {pair.target} {other[0]} x {other[1]}"
        raise InputError(pair.input, fault, "give both the same size, or leave the pair out")
    if min(height, width) < smallest(job.options):
        fault = f"has {height} x {width} px; a verdict takes {smallest(job.options)}"
        raise InputError(pair.input, fault, "take a smaller --window, or leave the pair out")
    remarks = _remarks(*stored)
    blurred, sharp = (_linear(picture, job.transfer) for picture in stored)
    found = check_pair(blurred, sharp, job.options)
    target = Path(os.path.relpath(pair.target.absolute(), job.root.absolute())).as_posix()
    finding = finding_of(pair.name, target, found, remarks)
    with writing(job.out):
        write_pair_files(job.out, finding, found, blurred, sharp)
    return finding


def _linear(stored: Picture, transfer: Transfer | None) -> NDArray[np.float32]:
    if transfer is None:
        transfer = LINEAR if stored.dtype == np.float32 else SRGB
    return linearise(stored[:, :, : 1 if stored.shape[2] < 3 else 3], transfer)


def _remarks(blurred: Picture, sharp: Picture) -> tuple[str, ...]:
    """What differs between the stored pictures, or would be lost on a reader that knows no alpha."""
    said = []
    if blurred.dtype != sharp.dtype:
        said.append(f"the input is {_depth(blurred)}, the target {_depth(sharp)}")
    colours = ["grey" if picture.shape[2] < 3 else "colour" for picture in (blurred, sharp)]
    if colours[0] != colours[1]:
        said.append(f"the input is {colours[0]}, the target {colours[1]}")
    for name, picture in (("input", blurred), ("target", sharp)):
        opaque = {1: 255, 2: 65535, 4: 1}[picture.dtype.itemsize]
        if picture.shape[2] in (2, 4) and (picture[:, :, -1] != opaque).any():
            said.append(f"the {name} is transparent in places, which was not looked at")
    return tuple(said)


def _depth(picture: Picture) -> str:
    return "of floats" if picture.dtype == np.float32 else f"of {8 * picture.dtype.itemsize} bits"
