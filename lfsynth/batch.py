"""Many light fields into one dataset: in parallel, past bad ones and dead workers, on where it stopped."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Generator
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lfsynth.dataset_writing import alone, locked, remove, working
from lfsynth.errors import InputError
from lfsynth.generate import Recipe
from lfsynth.lfdof import Dataset, read_record, write_manifest
from lfsynth.output_folder import OutputError, writing
from lfsynth.readers import ReadOptions
from lfsynth.scene_files import finished, write_scene
from lfsynth.surroundings import Surroundings
from lfsynth.workers import each, each_elsewhere, elsewhere

MOST_DEATHS = 2
"""So many workers a light field may cost, on other machines, until it is set aside."""


@dataclass(frozen=True)
class Outcome:
    """What became of one light field.

    Attributes
    ----------
    scene : name
    path : the light field
    rows : its rows of the manifest; none if it failed
    fault : the one line that says why it failed; empty if it did not
    made : whether this run made it, not an earlier one
    """

    scene: str
    path: Path
    rows: tuple[dict[str, Any], ...]
    fault: str = ""
    made: bool = True


@dataclass(frozen=True)
class Job:
    """What a batch makes of each light field.

    Attributes
    ----------
    dataset : where to
    recipe, options : what to make and how to read
    debug : let an unexpected error through instead of setting its light field aside
    """

    dataset: Dataset
    recipe: Recipe
    options: ReadOptions
    debug: bool = False


def run(
    job: Job,
    scenes: dict[str, Path],
    *,
    jobs: int,
    report: Callable[[Outcome], None],
    notice: Callable[[str], None],
) -> list[Outcome]:
    """Make the scenes that are not there yet, and the manifest of all that are.

    Within `joblib.parallel_config` another backend than joblib's own processes does the work. Its workers may be on
    other machines, if these see the same files under the same paths; only names and settings travel.

    What an earlier run made otherwise of one of these light fields goes, even where it cannot be made now. A
    disk that is full stops the batch: no other light field would fit. What is made stays, and the same call
    goes on from there.

    Parameters
    ----------
    job : what to make; its dataset is locked while this runs
    scenes : light fields by name
    jobs : processes; those of a backend on other machines are as many as it has
    report : called in this process after each light field, in no particular order
    notice : called with a line on what the user should know of the run

    Returns
    -------
    outcomes in the order of the scenes

    Raises
    ------
    InputError
        If the dataset's folder cannot be used, or another run is using it.
    UnfitWorkerError
        If a worker on another machine lacks the files, or has other versions of what makes the pictures.
    OutputError
        If the dataset cannot be written any more.
    """
    dataset = job.dataset
    outcomes: dict[str, Outcome] = {}

    def done(outcome: Outcome) -> None:
        outcomes[outcome.scene] = outcome
        report(outcome)

    with locked(dataset, waiting=lambda: notice("waiting for light fields that workers have begun")):
        left = {}
        for scene, path in scenes.items():
            outcome = _finished(job, scene, path)
            if outcome is None:
                left[scene] = path
            else:
                done(outcome)
        try:
            with writing(dataset.root):
                _remove_renamed(dataset, scenes)
            with closing(_made(job, left, jobs, notice)) as made:
                for outcome in made:
                    if outcome.fault:
                        with writing(dataset.root):
                            remove(dataset, outcome.scene)
                    done(outcome)
        except BaseException:
            # Where this fails too, the first error is what the user has to know.
            with suppress(OutputError):
                _write_manifest(dataset, outcomes)
            raise
        _write_manifest(dataset, outcomes)
    return [outcomes[scene] for scene in scenes]


def _finished(job: Job, scene: str, path: Path) -> Outcome | None:
    """The outcome of a scene that need not be made, or whose name is taken; None for others."""
    try:
        rows = finished(job.dataset, scene, path, job.recipe, job.options)
    except InputError as error:
        return Outcome(scene, path, (), str(error), made=False)
    return None if rows is None else Outcome(scene, path, tuple(rows), made=False)


def _remove_renamed(dataset: Dataset, scenes: dict[str, Path]) -> None:
    """Remove scenes that an earlier run made from one of these light fields under another name.

    Names change when another light field of the same name turns up; a scene must not be there twice.
    """
    now = {str(path.resolve()): scene for scene, path in scenes.items()}
    for scene in dataset.scenes():
        record = read_record(dataset, scene)
        if scene not in scenes and record is not None and record["source"] in now:
            remove(dataset, scene)


def _made(
    job: Job, left: dict[str, Path], jobs: int, notice: Callable[[str], None]
) -> Generator[Outcome, None, None]:
    """Make scenes, each as soon as a process is free for it."""
    if elsewhere():
        yield from _made_elsewhere(job, left)
        return

    def done(scene: str, path: Path) -> Outcome | None:
        outcome = _finished(job, scene, path)
        return None if outcome is None else replace(outcome, made=True)  # made, but the news of it was lost

    work = functools.partial(_make, job)
    with closing(each(work, left, jobs=jobs, notice=notice, done=done, died=_died)) as made:
        for _, outcome in made:
            yield outcome


def _made_elsewhere(job: Job, left: dict[str, Path]) -> Generator[Outcome, None, None]:
    """Make scenes by workers that may be on other machines."""
    calibration = tuple(path.absolute() for path in job.options.calibration)
    there = replace(
        job,
        dataset=Dataset(job.dataset.root.absolute()),
        options=replace(job.options, calibration=calibration),
    )
    surroundings = Surroundings.here(there.dataset, calibration)
    work = functools.partial(_make_elsewhere, there, surroundings)
    paths = {scene: path.absolute() for scene, path in left.items()}
    with closing(each_elsewhere(work, paths, died=_died_elsewhere)) as made:
        for scene, outcome in made:
            # as the user named it
            fault = outcome.fault.replace(str(outcome.path), str(left[scene]))
            yield replace(outcome, path=left[scene], fault=fault)


def _make_elsewhere(job: Job, surroundings: Surroundings, scene: str, path: Path) -> Outcome:
    """Make one scene in a process that is not the run's child."""
    surroundings.check(path)
    with working(job.dataset, os.getpid()), alone(job.dataset, scene) as deaths:
        surroundings.check(path)  # from here on no other run can take the dataset over
        outcome = _finished(job, scene, path)
        if outcome is not None:
            return replace(outcome, made=True)  # made, but the news of it was lost
        if deaths >= MOST_DEATHS:
            return _died_elsewhere(scene, path)
        return _make(job, scene, path, 1, os.getpid())


def _died_elsewhere(scene: str, path: Path) -> Outcome:
    fault = f"{MOST_DEATHS} workers died while they had it, perhaps for lack of memory"
    return Outcome(scene, path, (), str(InputError(path, fault, "give the workers more memory")))


def _died(scene: str, path: Path) -> Outcome:
    fault = "its process was killed, perhaps for lack of memory"
    return Outcome(scene, path, (), str(InputError(path, fault, "free some memory or take fewer --jobs")))


def _make(job: Job, scene: str, path: Path, threads: int, run: int) -> Outcome:
    """Make one scene, in the process of the run or in a child of it; ``run`` is its process id."""
    try:
        with working(job.dataset, run) as wanted:
            if not wanted:
                os._exit(1)
            rows = write_scene(job.dataset, scene, path, job.recipe, job.options, threads=threads)
        return Outcome(scene, path, tuple(rows))
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
    return Outcome(scene, path, (), str(fault))


def _write_manifest(dataset: Dataset, outcomes: dict[str, Outcome]) -> None:
    """The rows of all whole scenes, whichever run made them, and of this run's failures, by name."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for scene in dataset.scenes():
        record = read_record(dataset, scene)
        if record is not None:
            rows[scene] = record["rows"]
    for outcome in outcomes.values():
        if outcome.fault:
            failure = {
                "kind": "failed",
                "scene": outcome.scene,
                "light_field": outcome.path.resolve().name,
                "fault": outcome.fault,
            }
            rows.setdefault(outcome.scene, []).append(failure)
        else:
            # A network's file system may not show yet what another machine has written.
            rows.setdefault(outcome.scene, list(outcome.rows))
    with writing(dataset.root):
        write_manifest(dataset, [row for scene in sorted(rows) for row in rows[scene]])
