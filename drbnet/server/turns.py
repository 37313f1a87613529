"""One at a time: places for so many, and of those that are there who comes next."""

from __future__ import annotations

import asyncio

from drbnet.server.refusals import Refused


class Place:
    """One of a queue's places, until it is left."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._moved = asyncio.Event()

    def line_up(self) -> None:
        """Come after all that have lined up before."""
        self._queue.line.append(self)

    @property
    def ahead(self) -> int:
        """How many come before; 0: it is this one's turn."""
        return self._queue.line.index(self)

    async def wait(self, seconds: float) -> None:
        """Until something has moved, at most so long."""
        try:
            async with asyncio.timeout(seconds):
                await self._moved.wait()
        except TimeoutError:
            return
        self._moved.clear()

    def leave(self) -> None:
        """Make room; more than once does no harm."""
        self._queue.places.discard(self)
        if self in self._queue.line:
            self._queue.line.remove(self)
            self._queue.wake()

    def wake(self) -> None:
        """End its `wait`."""
        self._moved.set()


class Queue:
    """Places for so many, the one whose turn it is among them; used by one event loop."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.places: set[Place] = set()
        self.line: list[Place] = []

    def wake(self) -> None:
        """End the waits of all that are in line."""
        for place in self.line:
            place.wake()

    def enter(self) -> Place:
        """Take a place, not yet in line.

        Raises
        ------
        Refused : where none is free
        """
        if len(self.places) >= self.capacity:
            raise Refused(
                503,
                f"{self.capacity} photographs are being worked on or wait already",
                "try again in a while",
            )
        place = Place(self)
        self.places.add(place)
        return place
