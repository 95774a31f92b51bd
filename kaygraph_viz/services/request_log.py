"""The log of requests that every service keeps.

Belongs here: one request as the service saw it, and the list of them. Does not belong here: writing into it
(``background``, ``in_process``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from kaygraph_viz.real_threads import Lock
from kaygraph_viz.texts import without_secrets

__all__ = ["LoggedRequest", "RequestLog"]


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """A request in the log of the server.

    Parameters
    ----------
    method, path, query
        What was asked, such as ``"GET"``, ``"/verify"`` and ``"domain=example.com"``; credentials are masked.
    received_ns
        When it arrived, on the axis of the clock of the service [ns]: that of ``time.perf_counter_ns``, or simulated
        time.
    answered_ns
        When the last byte of the answer was sent [ns]; None as long as there is no answer.
    status
        HTTP status of the answer; None as long as there is none.
    """

    method: str
    path: str
    query: str
    received_ns: int
    answered_ns: int | None = None
    status: int | None = None


class RequestLog:
    """The requests to one server, in the order of arrival; any number of threads may write.

    Examples
    --------
    >>> log = RequestLog()
    >>> at = log.arrived("GET", "/verify", "domain=example.com", 1_000)
    >>> log.note(at, status=200, answered_ns=3_000)
    >>> log.requests[0].status
    200
    """

    def __init__(self) -> None:
        self._requests: list[LoggedRequest] = []
        self._lock = Lock()

    def arrived(self, method: str, path: str, query: str, received_ns: int) -> int:
        """Add a request and return its position in the log."""
        with self._lock:
            self._requests.append(LoggedRequest(method, path, without_secrets(query), received_ns))
            return len(self._requests) - 1

    def note(self, at: int, **facts: Any) -> None:
        """Change fields of the request at a position."""
        self._requests[at] = replace(self._requests[at], **facts)

    def __getitem__(self, at: int) -> LoggedRequest:
        return self._requests[at]

    @property
    def requests(self) -> tuple[LoggedRequest, ...]:
        """All requests so far."""
        return tuple(self._requests)
