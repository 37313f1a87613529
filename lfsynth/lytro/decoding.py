"""Many captures decoded to files: in parallel, past bad ones, on where an earlier run stopped.

A record ``.lfsynth/<name>.json`` in the output's folder says that a light field is whole, what it was made from and by
which white picture; it is written last and removed first.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any

from lfsynth import __version__
from lfsynth.errors import InputError
from lfsynth.lfdof import STATE, write_json
from lfsynth.lightfield import LightField
from lfsynth.output_folder import OutputError, held, writing
from lfsynth.readers import ReadOptions, identity
from lfsynth.readers.lytro import read_lytro, read_with_plenpy
from lfsynth.workers import each
from lfsynth.writers import Output, output_path, write_light_field


class Decoder(Enum):
    """Whose decoder."""

    OURS = "lfsynth"
    """`lfsynth.lytro.decode`."""
    PLENPY = "plenpy"
    """The library plenpy, patched to run (`lfsynth.lytro.plenpy_decoder`): slow, for comparison."""


@dataclass(frozen=True)
class Job:
    """What a run makes of each capture.

    Attributes
    ----------
    out : folder of the light fields; held while the run goes on
    output : what they are written as
    decoder : whose decoder
    options : its `calibration` says where white pictures are
    debug : let an unexpected error through instead of setting its capture aside
    """

    out: Path
    output: Output = Output.HDF5
    decoder: Decoder = Decoder.OURS
    options: ReadOptions = field(default_factory=ReadOptions)
    debug: bool = False


@dataclass(frozen=True)
class Decoded:
    """What became of one capture.

    Attributes
    ----------
    name : of the light field
    path : the capture
    white_picture : which white picture was taken, and how far off it is
    bytes : what the light field takes on disk
    fault : the one line that says why it failed; empty if it did not
    made : whether this run made it, not an earlier one
    """

    name: str
    path: Path
    white_picture: str = ""
    bytes: int = 0
    fault: str = ""
    made: bool = True


def run(
    job: Job,
    captures: dict[str, Path],
    *,
    jobs: int,
    report: Callable[[Decoded], None],
    notice: Callable[[str], None],
) -> list[Decoded]:
    """Decode what is not decoded yet. A full disk stops the run; what is made stays.

    Parameters
    ----------
    job : what to make
    captures : by name
    jobs : processes
    report : called in this process after each capture, in no particular order
    notice : called with a line on what the user should know of the run

    Returns
    -------
    what became of them, in the order of the captures

    Raises
    ------
    InputError
        If the folder cannot be used, or another run is using it.
    OutputError
        If it cannot be written any more.
    """
    results: dict[str, Decoded] = {}
    with held(job.out):
        with writing(job.out):
            _sweep(job.out)
        left = {}
        for name, path in captures.items():
            result = _finished(job, name, path)
            if result is None:
                left[name] = path
            else:
                results[name] = result
                report(result)
        work = functools.partial(_decode, job)
        done = functools.partial(_finished, job)
        with closing(each(work, left, jobs=jobs, notice=notice, done=done, died=_died)) as made:
            for name, result in made:
                results[name] = result
                report(result)
    return [results[name] for name in captures]


def _sweep(out: Path) -> None:
    """Remove what processes that are gone have left half-written."""
    for folder in (out, out / STATE):
        for partial in list(folder.glob(".*.partial")):
            process = partial.suffixes[-2][1:] if len(partial.suffixes) > 1 else ""
            if not Path("/proc", process or "0").exists():
                _remove(partial)


def _remove(path: Path) -> None:
    """Remove a file or a folder of files, where it is there."""
    if path.is_dir():
        for file in list(path.iterdir()):
            file.unlink()
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


def _record(job: Job, name: str) -> Path:
    return job.out / STATE / f"{name}.json"


def _key(job: Job, identity_of_capture: str) -> str:
    """Hash of all that the light field depends on."""
    parts = [__version__, job.output.value, job.decoder.value, identity_of_capture]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _finished(job: Job, name: str, path: Path) -> Decoded | None:
    """What an earlier run has made just so; None where it is to be made, or its files are gone."""
    try:
        record = json.loads(_record(job, name).read_text())
        now = _key(job, identity(path, job.options))
        if record["key"] != now or _size(output_path(job.out, name, job.output)) != record["bytes"]:
            return None
        return Decoded(name, path, record["white_picture"], record["bytes"], made=False)
    except (OSError, ValueError, KeyError, TypeError, InputError):
        return None


def _size(path: Path) -> int:
    """Bytes of a file, or of the files in a folder."""
    files = path.iterdir() if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files)


def _died(name: str, path: Path) -> Decoded:
    fault = "its process was killed, perhaps for lack of memory"
    return Decoded(name, path, fault=str(InputError(path, fault, "free some memory or take fewer --jobs")))


def _decode(job: Job, name: str, path: Path, threads: int, _run: int) -> Decoded:
    """Decode one capture, in the process of the run or in a child of it."""
    try:
        return _written(job, name, path, threads)
    except OutputError:
        raise
    except InputError as error:
        fault = error
    except MemoryError as error:
        fault = InputError(path, f"does not fit into memory ({error})", "free some or take fewer --jobs")
    except Exception as error:
        if job.debug:
            raise
        what = f"unexpected {type(error).__name__}: {error}"
        fault = InputError(path, what, "run again with --debug and report it")
    with suppress(OSError):
        _record(job, name).unlink(missing_ok=True)
    return Decoded(name, path, fault=str(fault))


def _written(job: Job, name: str, path: Path, threads: int) -> Decoded:
    made_from = identity(path, job.options)
    lightfield = _READ[job.decoder](path, replace(job.options, threads=threads))
    target = output_path(job.out, name, job.output)
    with writing(job.out):
        _record(job, name).unlink(missing_ok=True)
        write_light_field(target, lightfield, job.output, threads=threads)
        white = str(lightfield.metadata.get("white_picture", ""))
        record: dict[str, Any] = {
            "key": _key(job, made_from),
            "source": str(path.resolve()),
            "white_picture": white,
            "bytes": _size(target),
        }
        write_json(_record(job, name), record)
    return Decoded(name, path, white, record["bytes"])


_READ: dict[Decoder, Callable[[Path, ReadOptions], LightField]] = {
    Decoder.OURS: read_lytro,
    Decoder.PLENPY: read_with_plenpy,
}
