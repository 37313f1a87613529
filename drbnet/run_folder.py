"""The folder of a training run: held by one run at a time, and what says how its results came to be.

``config.toml`` holds every option; ``run.json`` the versions, the state of the sources' repository, the machine and
the fingerprints of the data.
"""

from __future__ import annotations

import fcntl
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from drbnet import configuration
from drbnet.options import Config
from lfsynth import __version__
from lfsynth.errors import InputError
from lfsynth.pictures import write_bytes_atomic

CONFIG, RUN = "config.toml", "run.json"
_PACKAGES = ("torch", "numpy", "opencv-python-headless", "safetensors")


@contextmanager
def held(root: Path) -> Iterator[None]:
    """Hold a folder for this run alone, and make it where there is none. The lock goes with the process.

    Raises
    ------
    InputError : where another run holds it, or it cannot be written to
    """
    make_folder(root)
    try:
        lock = (root / ".lock").open("a+")
    except OSError as error:
        raise InputError(
            root, f"it cannot be written to ({error.strerror})", "cure that, or choose another --out"
        ) from error
    with lock:
        try:
            # Unlike flock's, such a lock is not shared by the loaders' processes, which may outlive a killed run.
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            holder = os.pread(lock.fileno(), 20, 0).decode(errors="replace") or "unknown"
            raise InputError(
                root,
                f"another run (process {holder}) is writing here",
                "wait for it, or choose another --out",
            ) from None
        os.ftruncate(lock.fileno(), 0)
        os.write(lock.fileno(), str(os.getpid()).encode())
        yield


def make_folder(path: Path) -> None:
    """Make a folder where there is none.

    Raises
    ------
    InputError : where it cannot be made
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        fault = f"it cannot be written to ({error.strerror})"
        raise InputError(path, fault, "cure that, or choose another --out") from error


def check_same_run(root: Path, config: Config, *, finetuning: bool) -> None:
    """Refuse to go on with a run of other options.

    Raises
    ------
    InputError : naming the options that differ
    """
    path = root / CONFIG
    if not path.exists():
        return
    other = configuration.differences(configuration.load(path, {}), config, finetuning=finetuning)
    if other:
        raise InputError(
            root,
            f"it was begun with {', '.join(other)}",
            "give the same options, or another --out for a new run",
        )


def check_same_data(root: Path, fingerprints: Mapping[str, str]) -> None:
    """Refuse to go on with other data.

    Parameters
    ----------
    fingerprints : by use, such as ``stage 1``

    Raises
    ------
    InputError : where a dataset that the run was begun with has other files now
    """
    then = read_record(root).get("data", {})
    for use, fingerprint in fingerprints.items():
        if use in then and then[use]["fingerprint"] != fingerprint:
            raise InputError(
                root, f"the dataset of {use} has other files than the run was begun with",
                "bring them back, or give another --out for a new run",
            )  # fmt: skip


def read_record(root: Path) -> dict[str, Any]:
    """What `write_record` wrote; empty where there is nothing or it is damaged."""
    try:
        record = json.loads((root / RUN).read_bytes())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def write_record(root: Path, config: Config, *, device: str, world: int, data: Mapping[str, Any]) -> None:
    """Write ``config.toml`` and ``run.json``.

    Parameters
    ----------
    device : as a person would name it
    world : number of processes
    data : by use: what is known of the dataset, with its ``fingerprint``
    """
    record = {
        "versions": {"lfsynth": __version__, "python": platform.python_version(), **_versions()},
        "git": _git_state(),
        "platform": platform.platform(),
        "device": device,
        "processes": world,
        "command": sys.argv,
        "data": {**read_record(root).get("data", {}), **data},
    }
    write_bytes_atomic(root / RUN, (json.dumps(record, indent=2) + "\n").encode())
    write_bytes_atomic(root / CONFIG, configuration.as_toml(config).encode())


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # as OpenCV under another name
            found[name] = "unknown"
    return found


def _git_state() -> dict[str, Any] | None:
    """Commit of this program's sources and whether they differ from it; None where they are in no repository."""
    here = Path(__file__).parent
    try:
        commit = _git(here, "rev-parse", "HEAD")
        changed = _git(here, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": commit, "changed": changed.splitlines()}


def _git(folder: Path, *arguments: str) -> str:
    run = subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, text=True, check=True, timeout=10
    )
    return run.stdout.rstrip()
