"""Requests that are let through, and what every answer tells the browser.

A page of any other site can make the user's browser send requests to this machine. The name in Host must be one of this
server (else a site could have its own name point here, DNS rebinding), and what changes something must come from
its own page. An address instead of a name cannot be rebound.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from drbnet.server.refusals import Refused

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SECURITY = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
SAFE = frozenset({"GET", "HEAD"})


def own_names(names: Iterable[str] = ()) -> frozenset[str]:
    """Names that this server answers to: localhost, the machine's, and others that are given."""
    return frozenset(
        {"localhost", socket.gethostname().lower(), *(name.lower().rstrip(".") for name in names)}
    )


def is_own(host: str, names: frozenset[str]) -> bool:
    """Whether a Host header, with or without a port, is an address or one of our names."""
    name = host.lower()
    name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0].rstrip(".")
    if name in names:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


class Guard:
    """Stands before an application."""

    def __init__(self, app: ASGIApp, names: frozenset[str]) -> None:
        self.app = app
        self.names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the module."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            self._check(scope["method"], Headers(scope=scope))
        except Refused as refused:
            await refused.response()(scope, receive, secured)
            return
        await self.app(scope, receive, secured)

    def _check(self, method: str, headers: Headers) -> None:
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not is_own(hosts[0], self.names):
            raise Refused(
                421,
                "this server has another name",
                "open it at the address that it printed, or give it --name",
            )
        if method in SAFE:
            return
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "same-origin")
        foreign = origin is not None and origin.partition("://")[2].lower() != hosts[0].lower()
        if foreign or site not in ("same-origin", "none"):
            raise Refused(403, "another site's page has sent this", "open this server's own page")
