"""A request's body into a file, bounded in bytes and patience."""

from __future__ import annotations

import asyncio
import errno

from starlette.requests import Request

from drbnet.server.blobs import Blob
from drbnet.server.refusals import Refused


async def receive_upload(request: Request, *, megabytes: float, stall: float) -> Blob:
    """The whole body; the caller closes it.

    Parameters
    ----------
    request : none of whose body has been read
    megabytes : that it may have
    stall : seconds that may pass between two pieces of it

    Raises
    ------
    Refused : where it is too large, comes to a halt, or does not fit on the disk
    ClientDisconnect : where its sender has gone
    """
    most = int(megabytes * 1e6)
    length = request.headers.get("content-length", "0")
    if length.isdigit() and int(length) > most:
        raise _too_large(megabytes)
    blob = Blob()
    try:
        pieces = request.stream()
        while True:
            try:
                async with asyncio.timeout(stall):
                    piece = await anext(pieces, None)
            except TimeoutError:
                raise Refused(408, f"nothing more has come for {stall:g} s", "send it again") from None
            if piece is None:
                return blob
            if blob.size + len(piece) > most:
                raise _too_large(megabytes)
            blob.write(piece)
    except BaseException as error:
        blob.close()
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Refused(507, "the server's disk is full", "tell whoever runs it") from None
        raise


def _too_large(megabytes: float) -> Refused:
    return Refused(
        413, f"has more than the {megabytes:g} megabytes that are taken here", "make it smaller, or cut it"
    )
