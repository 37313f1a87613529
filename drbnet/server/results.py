"""Results that wait to be fetched: each part once, for so long, and so many."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from dataclasses import dataclass

from drbnet.server.blobs import Blob


@dataclass(frozen=True)
class Part:
    """Something to be fetched.

    Attributes
    ----------
    blob : its bytes
    media_type : of HTTP
    download : name under which it is saved; None: it is to be seen
    """

    blob: Blob
    media_type: str
    download: str | None = None


class Results:
    """Parts by the result's identifier, which cannot be guessed, and the part's name; used by one event loop.

    Parameters
    ----------
    most : results at a time; for one more the oldest goes
    seconds : that a result waits
    """

    def __init__(self, *, most: int, seconds: float) -> None:
        self._most = most
        self._seconds = seconds
        self._held: dict[str, dict[str, Part]] = {}

    def hold(self, parts: Mapping[str, Part]) -> str:
        """Hold parts; returns their identifier."""
        while len(self._held) >= self._most:
            self.drop(next(iter(self._held)))
        identifier = secrets.token_urlsafe(16)
        self._held[identifier] = dict(parts)
        asyncio.get_running_loop().call_later(self._seconds, self.drop, identifier)
        return identifier

    def take(self, identifier: str, name: str) -> Part | None:
        """A part for the one who asks, to be closed or given back; None where there is none."""
        return self._held.get(identifier, {}).pop(name, None)

    def give_back(self, identifier: str, name: str, part: Part) -> None:
        """A part that has not reached the one who asked."""
        if identifier in self._held:
            self._held[identifier][name] = part
        else:
            part.blob.close()

    def drop(self, identifier: str) -> None:
        """Forget a result, if it is still there."""
        for part in self._held.pop(identifier, {}).values():
            part.blob.close()

    def clear(self) -> None:
        """Forget all."""
        for identifier in list(self._held):
            self.drop(identifier)
