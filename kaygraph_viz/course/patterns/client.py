"""The HTTP client that threads share: opened when first used, closed once; and what all answers have in common.

Belongs here: the life of the connections, the Retry-After header. Does not belong here: requests (``sources``,
``checks``), and how a client reaches a service in real and in simulated time (``services.in_process``).
"""

from __future__ import annotations

import email.utils
import math
from datetime import UTC, datetime
from typing import Any, ClassVar, Self

from kaygraph_viz.base.errors import ServiceError
from kaygraph_viz.base.optional import needed
from kaygraph_viz.base.texts import one_line
from kaygraph_viz.base.threads import Lock
from kaygraph_viz.course.services.in_process import open_client

with needed():
    import httpx2

MAX_ANSWER_BYTES = 65_536  # a service that sends without end must not fill the memory


# How every request is sent: a compressed answer could become a thousand times as large while it is unpacked, before any
# limit is seen, and a redirect would lead to an address that nobody has chosen.
PLAINLY: dict[str, Any] = {"headers": {"Accept-Encoding": "identity"}, "follow_redirects": False}


class ClientOwner:
    """The base of classes that send requests with one client for all threads."""

    when_closed: ClassVar[str] = "this is closed"  # the message of the error; subclasses say what to write instead

    def __init__(self, client: httpx2.Client | None = None) -> None:
        self._client = client
        self._owns_client = client is None
        self._is_closed = False
        self._lock = Lock()  # a real one also in simulated time: no thread waits while it holds this lock

    def _opened(self) -> httpx2.Client:
        """Return the client, which is opened at the first request: a run without requests opens none."""
        with self._lock:
            if self._is_closed:
                raise ServiceError(self.when_closed)
            if self._client is None:
                self._client = open_client()
            return self._client

    def close(self) -> None:
        """Close the connections; threads can send no requests afterwards."""
        with self._lock:
            self._is_closed = True
            if self._owns_client and self._client is not None:
                self._client.close()

    def __enter__(self) -> Self:
        """Return the object itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close the connections."""
        self.close()


def encoding_of(response: httpx2.Response) -> str:
    """Return how an answer is compressed although it was asked for plainly; an empty text if it is not."""
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    return "" if encoding == "identity" else one_line(encoding, 40)


def retry_after_s(header: str) -> float | None:
    """Return the seconds that a Retry-After header asks for: a number, or the distance to a date (RFC 9110).

    Examples
    --------
    >>> retry_after_s("2"), retry_after_s("soon")
    (2.0, None)
    """
    try:
        wait_s = float(header)
    except ValueError:
        wait_s = math.nan
    if math.isfinite(wait_s):
        return max(wait_s, 0.0)
    try:
        then = email.utils.parsedate_to_datetime(header)
    except ValueError:
        return None
    return max((then.replace(tzinfo=then.tzinfo or UTC) - datetime.now(UTC)).total_seconds(), 0.0)
