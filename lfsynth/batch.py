"""Many light fields into one dataset: in parallel, past bad ones, past workers that die, and on from where it stopped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joblib import Parallel, delayed
from joblib.externals.loky.process_executor import TerminatedWorkerError

from lfsynth.errors import InputError
from lfsynth.generate import Recipe, finished, write_scene
from lfsynth.lfdof import Dataset, read_record, write_manifest
from lfsynth.machine import cores
from lfsynth.readers import ReadOptions


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


def run(
    scenes: dict[str, Path],
    dataset: Dataset,
    recipe: Recipe,
    options: ReadOptions,
    *,
    jobs: int,
    report: Callable[[Outcome], None],
    debug: bool = False,
) -> list[Outcome]:
    """Make the scenes that are not there yet, and the manifest of all that are.

    Parameters
    ----------
    scenes : light fields by name
    dataset : where to; locked while this runs
    recipe, options : what to make and how to read
    jobs : processes
    report : called in this process after each light field, in no particular order
    debug : let an unexpected error through instead of setting its light field aside

    Returns
    -------
    outcomes in the order of ``scenes``

    Raises
    ------
    InputError
        If the dataset's folder cannot be used, or another run is using it.
    """
    with dataset.locked():
        outcomes: dict[str, Outcome] = {}

        def done(outcome: Outcome) -> None:
            outcomes[outcome.scene] = outcome
            report(outcome)

        left = []
        for scene, path in scenes.items():
            try:
                rows = finished(dataset, scene, path, recipe, options)
            except InputError as error:
                done(Outcome(scene, path, (), str(error)))
                continue
            if rows is None:
                left.append(scene)
            else:
                done(Outcome(scene, path, tuple(rows), made=False))
        try:
            _work(left, scenes, dataset, recipe, options, jobs, done, debug)
        finally:
            _write_manifest(dataset, outcomes)
    return [outcomes[scene] for scene in scenes]


def _work(
    left: list[str],
    scenes: dict[str, Path],
    dataset: Dataset,
    recipe: Recipe,
    options: ReadOptions,
    jobs: int,
    done: Callable[[Outcome], None],
    debug: bool,
) -> None:
    if jobs == 1 or len(left) == 1:
        for scene in left:
            done(_make(scene, scenes[scene], dataset, recipe, options, cores(), debug))
        return

    def calls(names: list[str]) -> list[Any]:
        threads = max(1, cores() // jobs)
        return [delayed(_make)(n, scenes[n], dataset, recipe, options, threads, debug) for n in names]

    waiting = list(left)
    # When a worker is killed (mostly for lack of memory) its whole pool goes, and which light field it had is not known.
    # A second pool takes up what is left; if that goes too, a process for each light field finds the culprit.
    for _ in range(2):
        try:
            for outcome in Parallel(jobs, return_as="generator_unordered")(calls(waiting)):
                waiting.remove(outcome.scene)
                done(outcome)
            return
        except TerminatedWorkerError:
            continue
    for scene in waiting:
        try:
            outcome = Parallel(jobs)(calls([scene]))[0]
        except TerminatedWorkerError:
            fault = "its process was killed, perhaps for lack of memory"
            cure = "free some memory or take fewer --jobs"
            outcome = Outcome(scene, scenes[scene], (), str(InputError(scenes[scene], fault, cure)))
        done(outcome)


def _make(
    scene: str, path: Path, dataset: Dataset, recipe: Recipe, options: ReadOptions, threads: int, debug: bool
) -> Outcome:
    try:
        with dataset.working():
            rows = write_scene(dataset, scene, path, recipe, options, threads=threads)
        return Outcome(scene, path, tuple(rows))
    except InputError as error:
        return Outcome(scene, path, (), str(error))
    except Exception as error:
        if debug:
            raise
        fault = InputError(path, f"unexpected {type(error).__name__}: {error}", "run again with --debug and report it")
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
            failure = {"kind": "failed", "scene": outcome.scene, "light_field": outcome.path.name, "fault": outcome.fault}
            rows.setdefault(outcome.scene, []).append(failure)
    write_manifest(dataset, [row for scene in sorted(rows) for row in rows[scene]])
