"""A folder that a run writes into: one run at a time, and errors that say what is wrong with it."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lfsynth.errors import InputError
from lfsynth.lfdof import STATE


class OutputError(InputError):
    """The folder cannot be written to: a full disk, a folder that is read-only or gone.

    It is no light field's fault, and the next one would fare no better: a batch stops.
    """


@contextmanager
def held(root: Path) -> Iterator[None]:
    """Hold a folder for this process alone, and make it where there is none. The lock goes with the process.

    Raises
    ------
    InputError
        If another process holds it.
    OutputError
        If the folder cannot be written to.
    """
    with writing(root):
        (root / STATE).mkdir(parents=True, exist_ok=True)
        lock = lock_of(root).open("a+")
    with lock:
        with writing(root):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = (
                    os.pread(lock.fileno(), 20, 0).decode(errors="replace").partition(" ")[0] or "unknown"
                )
                raise InputError(
                    root,
                    f"another run (process {holder}) is writing here",
                    "wait for it, stop it, or choose another folder with --out",
                ) from None
            # On a full disk the number cannot be told; what the holder removes may make room.
            with suppress(OSError):
                os.ftruncate(lock.fileno(), 0)
                # With more than its number, no other run on any machine writes the same here.
                os.write(lock.fileno(), f"{os.getpid()} {socket.gethostname()} {time.time_ns()}".encode())
                os.fsync(lock.fileno())
        try:
            yield
        finally:
            with writing(root):
                os.ftruncate(lock.fileno(), 0)


def lock_of(root: Path) -> Path:
    """The file that holds a folder; while a run does, its text is the run's alone."""
    return root / STATE / "lock"


@contextmanager
def writing(root: Path) -> Iterator[None]:
    """Turn what goes wrong with files of the folder into errors that the user understands."""
    try:
        yield
    except OutputError:
        raise
    except (OSError, InputError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        if not isinstance(cause, OSError):  # an InputError that is none of the files'
            raise
        if cause.errno == errno.ENAMETOOLONG:
            raise InputError(
                root, "a scene's name is too long for the file system", "rename the light field"
            ) from error
        full = cause.errno in (errno.ENOSPC, errno.EDQUOT)
        raise OutputError(
            root,
            "the disk is full" if full else f"cannot be written to ({cause.strerror})",
            f"{'free some space' if full else 'cure that'} and run the same command again, which goes on "
            "where this one stopped, or choose another folder with --out",
        ) from error
