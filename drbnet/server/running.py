"""The HTTP server, uvicorn, around the application."""

from __future__ import annotations

import socket
from typing import Any

import uvicorn

from drbnet.server.app import Service, application

GRACE = 2
"""Seconds in which answers that have begun may end."""
SPARE = 200
"""Connections beyond those of the queue: pages, results, and what waits for nothing."""


class Server(uvicorn.Server):
    """Ends the answers of whoever waits before it waits for them; its `run` ends with SIGINT and SIGTERM.

    Parameters
    ----------
    service : that does the work
    facts, names : see `application`
    """

    def __init__(self, service: Service, *, facts: dict[str, Any], names: tuple[str, ...] = ()) -> None:
        self._service = service
        super().__init__(
            uvicorn.Config(
                application(service, facts=facts, names=names),
                log_level="error",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                http="h11",
                ws="none",
                lifespan="on",
                limit_concurrency=SPARE + service.limits.queue,
                timeout_graceful_shutdown=GRACE,
            )
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """See the class."""
        self._service.end()
        await super().shutdown(sockets)
