"""One photograph deblurred in a thread, which tells the event loop how far it is and stops when nobody waits for it."""

from __future__ import annotations

import asyncio
import errno
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from drbnet.photographs import Format, Photograph, encode_photograph, read_photograph
from drbnet.server.blobs import Blob
from drbnet.server.names import result_name
from drbnet.server.refusals import Refused
from drbnet.server.results import Part
from drbnet.tiling import Codes, Progress
from lfsynth.errors import InputError

Deblur = Callable[[Sequence[Codes], Progress], Codes]
"""What a `Deblurrer` does; what raises in the second argument ends it."""
PAUSE = 0.2
"""Seconds between two words of progress."""
MEDIA_TYPES = {Format.JPEG: "image/jpeg", Format.PNG: "image/png", Format.TIFF: "image/tiff"}


class Stopped(Exception):
    """Nobody waits for what is being made."""


@dataclass(frozen=True)
class Made:
    """What became of a photograph.

    Attributes
    ----------
    parts : ``result``, and ``before`` and ``after`` for formats that browsers do not show
    height, width : upright, px
    bits : a sample
    seconds : that it took
    """

    parts: Mapping[str, Part]
    height: int
    width: int
    bits: int
    seconds: float

    def close(self) -> None:
        """Give the room of its parts back."""
        for part in self.parts.values():
            part.blob.close()


class Job:
    """One upload on its way to a result; made and watched in the event loop, `run` in a thread.

    `upload` is closed when the job has ended.
    """

    def __init__(self, upload: Blob, name: str, form: Format) -> None:
        self.upload = upload
        self.name = name
        self.form = form
        self.outcome: Made | Refused | None = None
        self.state: dict[str, Any] = {"state": "reading"}
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._stop = threading.Event()
        self._lock = threading.Lock()

    async def changes(self, seconds: float) -> None:
        """Wait until something has changed, at most so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        self._changed.clear()

    def abandon(self) -> None:
        """Stop soon, and keep nothing that has not been taken by `take`."""
        with self._lock:
            self._stop.set()
            if isinstance(self.outcome, Made):
                self.outcome.close()
                self.outcome = None

    def end(self, reason: Refused) -> None:
        """Stop soon, and have this be the outcome."""
        self.abandon()
        self.outcome = reason
        self._changed.set()

    def take(self) -> Made | Refused | None:
        """The outcome, which is the caller's from now on; None as long as there is none."""
        with self._lock:
            outcome, self.outcome = self.outcome, None
        return outcome

    def check(self) -> None:
        """Go on, if somebody still waits.

        Raises
        ------
        Stopped : where nobody waits any more
        """
        if self._stop.is_set():
            raise Stopped

    def run(self, deblur: Deblur) -> None:
        """Deblur; whatever happens is in `outcome`."""
        try:
            self.check()
            outcome: Made | Refused = self._made(deblur)
        except Stopped:
            return
        except Refused as refused:
            outcome = refused
        except InputError as error:
            outcome = Refused(422, error.fault, error.cure)
        except MemoryError:
            outcome = Refused(507, "does not fit into this machine's memory", "make it smaller")
        except Exception as error:
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                outcome = Refused(507, "the server's disk is full", "tell whoever runs it")
            else:
                traceback.print_exc(file=sys.stderr)
                what = f"the server has failed ({type(error).__name__})"
                outcome = Refused(500, what, "see what it has printed")
        finally:
            self.upload.close()
        with self._lock:
            if self._stop.is_set():
                if isinstance(outcome, Made):
                    outcome.close()
                return
            self.outcome = outcome
        self._tell(self.state)

    def _made(self, deblur: Deblur) -> Made:
        began = time.monotonic()
        photograph = read_photograph(self.upload.path)
        self.check()
        views = [photograph.rgb()]
        height, width = views[0].shape[:2]
        self._tell({"state": "deblurring", "done": 0, "total": width * height})

        told = time.monotonic()

        def progress(done: int, total: int) -> None:
            nonlocal told
            self.check()
            if done == total or time.monotonic() >= told + PAUSE:
                told = time.monotonic()
                self._tell({"state": "deblurring", "done": done, "total": total})

        try:
            colours = deblur(views, progress)
        except InputError as error:  # the network's, for the picture has been read
            raise Refused(500, f"the server's network has failed: {error.fault}", error.cure) from None
        self.check()
        self._tell({"state": "writing"})
        name = result_name(self.name, photograph.format)
        parts = {}
        try:
            for part, data in _files(photograph, views.pop(), colours):
                form = photograph.format if part == "result" else Format.PNG
                parts[part] = Part(Blob(data), MEDIA_TYPES[form], name if part == "result" else None)
                self.check()
        except BaseException:
            for made in parts.values():
                made.blob.close()
            raise
        return Made(parts, height, width, photograph.bits, time.monotonic() - began)

    def _tell(self, state: dict[str, Any]) -> None:
        self.state = state
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._changed.set)


def _files(photograph: Photograph, before: Codes, after: Codes) -> Iterator[tuple[str, bytes]]:
    yield "result", encode_photograph(photograph, after, photograph.format)
    if photograph.format is Format.TIFF:
        plain = replace(photograph, colours=_of_8_bits(photograph.colours), alpha=None)
        yield "before", encode_photograph(plain, _of_8_bits(before), Format.PNG)
        yield "after", encode_photograph(plain, _of_8_bits(after), Format.PNG)


def _of_8_bits(codes: Codes) -> Codes:
    """Rounded, as browsers show 16 bits."""
    if codes.dtype == np.uint8:
        return codes
    return cast(Codes, ((codes.astype(np.uint32) + 128) // 257).astype(np.uint8))
