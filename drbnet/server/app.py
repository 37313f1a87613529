"""The application: a page, photographs in, their progress and results out.

``POST /photographs?name=photo.jpg`` takes a file as the request's body, and answers with lines of JSON as things go on:

    {"state": "waiting", "ahead": 2}                        others that come first
    {"state": "reading"}
    {"state": "deblurring", "done": 480000, "total": 12000000}    pixels
    {"state": "writing"}
    {"state": "done", "result": "/results/.../result", "name": ..., "bytes": ..., "views": ...}
    {"state": "refused", "status": 422, "fault": ..., "cure": ...}

Of the last two one is the last line. What can be refused before the answer begins has HTTP's status, and fault and cure
as JSON. A client that closes its connection gives its place up, wherever it was. A result can be fetched once.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from drbnet.photographs import RAW_SUFFIXES
from drbnet.server.guard import Guard, own_names
from drbnet.server.headers import read_header
from drbnet.server.names import disposition, plain_name
from drbnet.server.page import PAGE_FILES, page_html
from drbnet.server.refusals import Refused
from drbnet.server.results import Part, Results
from drbnet.server.turns import Place, Queue
from drbnet.server.uploads import receive_upload
from drbnet.server.work import Deblur, Job, Made

HEARTBEAT = 10.0
"""Seconds after which a line is repeated, so that nobody between takes the connection for dead."""
LINGER = 5.0
"""Seconds that a refused body is read on."""

_RAW = Refused(415, "is a camera's raw file", "export it as JPEG, PNG or TIFF, or take drbnet.deblur")
_ENDED = Refused(503, "the server is being ended", "start it again, or tell whoever runs it")


@dataclass(frozen=True)
class Limits:
    """What is taken.

    Attributes
    ----------
    megapixels : of a photograph
    megabytes : of its file
    queue : photographs that are worked on or wait
    stall : seconds without a byte after which an upload is given up
    held : results that wait to be fetched
    hold : seconds that they wait
    """

    megapixels: float = 64.0
    megabytes: float = 256.0
    queue: int = 16
    stall: float = 20.0
    held: int = 8
    hold: float = 300.0


class Service:
    """Photographs in, results out, by one network and one thread.

    Parameters
    ----------
    deblur : what is done with a picture's views
    limits : what is taken
    """

    def __init__(self, deblur: Deblur, limits: Limits) -> None:
        self.deblur = deblur
        self.limits = limits
        self.queue = Queue(limits.queue)
        self.results = Results(most=limits.held, seconds=limits.hold)
        self.thread = ThreadPoolExecutor(1, "deblur")
        self.working: set[Job] = set()
        self.ended = False

    async def photographs(self, request: Request) -> Response:
        """Take an upload; the answer goes on until it is deblurred."""
        limits, name = self.limits, plain_name(request.query_params.get("name", ""))
        if f".{name.rpartition('.')[2]}".lower() in RAW_SUFFIXES:
            return await _unread(request, _RAW)
        try:
            place = self.queue.enter()
        except Refused as refused:
            return await _unread(request, refused)
        try:
            upload = await receive_upload(request, megabytes=limits.megabytes, stall=limits.stall)
            try:
                header = await asyncio.to_thread(read_header, upload, megapixels=limits.megapixels)
            except BaseException:
                upload.close()
                raise
        except Refused as refused:
            place.leave()
            return await _unread(request, refused)
        except ClientDisconnect:
            place.leave()
            return Response(status_code=400)  # that nobody will see
        except BaseException:
            place.leave()
            raise
        job = Job(upload, name, header.format)
        return Answer(self, place, job)

    async def result(self, request: Request) -> Response:
        """Send a part of a result, which is gone once it has arrived."""
        identifier, name = request.path_params["identifier"], request.path_params["part"]
        part = self.results.take(identifier, name)
        if part is None:
            return Refused(
                404, "this result is not here, or not any more", "send the photograph again"
            ).response()
        if request.method == "HEAD":
            self.results.give_back(identifier, name, part)
            return Response(headers=_part_headers(part), media_type=part.media_type)
        return PartResponse(self.results, identifier, name, part)

    def submit(self, job: Job) -> None:
        """Have a job done in the thread."""
        self.working.add(job)
        self.thread.submit(job.run, self.deblur).add_done_callback(lambda _: self.working.discard(job))

    def end(self) -> None:
        """Stop all work, and tell those who wait."""
        self.ended = True
        for job in list(self.working):
            job.end(_ENDED)
        self.queue.wake()

    def close(self) -> None:
        """After `end`: wait for the thread, and forget all pictures."""
        self.end()
        self.thread.shutdown()
        self.results.clear()


class Answer(StreamingResponse):
    """The lines of a photograph's answer."""

    def __init__(self, service: Service, place: Place, job: Job) -> None:
        super().__init__(self._lines(), media_type="application/x-ndjson")
        self._service = service
        self._place = place
        self._job = job
        self._submitted = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; whoever leaves before the end gives place and picture up."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._job.abandon()
            self._place.leave()
            if not self._submitted:
                self._job.upload.close()

    async def _lines(self) -> AsyncIterator[bytes]:
        place, job = self._place, self._job
        place.line_up()
        while (ahead := place.ahead) and not self._service.ended:
            yield _line({"state": "waiting", "ahead": ahead})
            await place.wait(HEARTBEAT)
        if self._service.ended:
            yield _line(_ENDED.line())
            return
        self._service.submit(job)
        self._submitted = True
        while (outcome := job.take()) is None:
            yield _line(job.state)
            await job.changes(HEARTBEAT)
        place.leave()
        yield _line(outcome.line() if isinstance(outcome, Refused) else self._done(outcome))

    def _done(self, made: Made) -> dict[str, Any]:
        result = made.parts["result"]
        address = f"/results/{self._service.results.hold(made.parts)}"
        views = {name: f"{address}/{name}" for name in ("before", "after") if name in made.parts}
        return {
            "state": "done",
            "result": f"{address}/result",
            "name": result.download,
            "type": result.media_type,
            "bytes": result.blob.size,
            "width": made.width,
            "height": made.height,
            "bits": made.bits,
            "seconds": round(made.seconds, 3),
            "views": views or None,
        }


class PartResponse(StreamingResponse):
    """A part's bytes; it goes back to the results where they have not all been sent."""

    def __init__(self, results: Results, identifier: str, name: str, part: Part) -> None:
        super().__init__(self._chunks(), headers=_part_headers(part), media_type=part.media_type)
        self._results, self._identifier, self._name, self._part = results, identifier, name, part
        self._sent = self._gone = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""

        async def watched() -> Message:
            message = await receive()
            self._gone |= message["type"] == "http.disconnect"
            return message

        try:
            await super().__call__(scope, watched, send)
        finally:
            if self._sent:
                self._part.blob.close()
            else:
                self._results.give_back(self._identifier, self._name, self._part)

    async def _chunks(self) -> AsyncIterator[bytes]:
        # What is sent to one who has left is dropped without a word.
        for chunk in self._part.blob.chunks():
            if self._gone:
                return
            yield chunk
        yield b""  # taken when what comes before it has gone, but for the last of it
        self._sent = not self._gone


def application(service: Service, *, facts: dict[str, Any], names: tuple[str, ...] = ()) -> ASGIApp:
    """The whole application, guarded.

    Parameters
    ----------
    service : that does the work
    facts : for the page, see `page_html`
    names : by which the server may be addressed beside localhost and numbers
    """
    html = page_html(facts)

    async def page(_: Request) -> Response:
        return Response(html, media_type="text/html")

    async def file(request: Request) -> Response:
        content, media_type = PAGE_FILES[request.url.path.rpartition("/")[2]]
        return Response(content, media_type=media_type)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            service.close()

    routes = [
        Route("/", page),
        *(Route(f"/{name}", file) for name in PAGE_FILES),
        Route("/photographs", service.photographs, methods=["POST"]),
        Route("/results/{identifier}/{part}", service.result),
    ]
    return Guard(Starlette(routes=routes, lifespan=lifespan), own_names(names))


async def _unread(request: Request, refused: Refused) -> Response:
    """A refusal, after some of the body that is still coming: else most clients would not see it.

    A connection that is closed upon bytes that nobody has read takes the answer with it (RFC 9112, 9.6).
    """
    if refused.status != 408 and request.headers.get("expect", "").lower() != "100-continue":
        with suppress(ClientDisconnect, TimeoutError, RuntimeError):
            async with asyncio.timeout(LINGER):
                async for _ in request.stream():
                    pass
    return refused.response()


def _line(content: dict[str, Any]) -> bytes:
    return json.dumps(content).encode() + b"\n"


def _part_headers(part: Part) -> dict[str, str]:
    headers = {"Content-Length": str(part.blob.size)}
    if part.download is not None:
        headers["Content-Disposition"] = disposition(part.download)
    return headers
