"""What is said to a client instead of a result."""

from __future__ import annotations

from starlette.responses import JSONResponse


class Refused(Exception):
    """A request that is not served, with what its sender can do about it.

    Parameters
    ----------
    status : HTTP's, 4xx where the request is at fault, 5xx where the server is
    fault : what is wrong, without a full stop
    cure : what to do, without a full stop
    """

    def __init__(self, status: int, fault: str, cure: str) -> None:
        super().__init__(status, fault, cure)
        self.status = status
        self.fault = fault
        self.cure = cure

    def line(self) -> dict[str, object]:
        """As a line of an answer that has begun."""
        return {"state": "refused", "status": self.status, "fault": self.fault, "cure": self.cure}

    def response(self) -> JSONResponse:
        """As a whole answer; the connection ends with it, for the request's body may be unread."""
        headers = {"Connection": "close"}
        if self.status == 503:
            headers["Retry-After"] = "10"
        return JSONResponse({"fault": self.fault, "cure": self.cure}, self.status, headers)
