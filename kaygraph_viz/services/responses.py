"""The services' responses: which reply each request gets and after how long, the same over a socket and without one.

Belongs here: counting attempts and calls, and choosing the reply. Does not belong here: waiting and sending
(``app`` for a web server, ``in_process`` for clients in the same process), and chance (``settings``).
"""

from __future__ import annotations

import json
import math
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from urllib.parse import parse_qsl

from kaygraph_viz.errors import short
from kaygraph_viz.real_threads import Lock
from kaygraph_viz.services.endpoints import ENDPOINTS, Endpoint
from kaygraph_viz.services.settings import ServiceSettings, settings_of_all

__all__ = ["Fault", "Reply", "Services", "problem", "refusal"]

Fault = Literal["", "hang", "drop", "cut"]
_RATE_WINDOW_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Reply:
    """The reply of a service to one request.

    Parameters
    ----------
    status
        HTTP status.
    content
        The body, before it is encoded as JSON.
    headers
        HTTP headers beside those of every reply.
    latency_s
        How long the service takes for it [s].
    fault
        ``"hang"``: it is never sent; ``"drop"``: the connection is closed instead; ``"cut"``: the connection is closed
        in the middle of the body; empty: none of these.
    pieces
        How long it takes to each part of a body that is sent part by part [s], and the part; empty: the content is the
        body.
    """

    status: int
    content: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)
    latency_s: float = 0.0
    fault: Fault = ""
    pieces: tuple[tuple[float, bytes], ...] = ()

    @property
    def media_type(self) -> str:
        """The type of the body."""
        return "text/event-stream" if self.pieces else "application/json"

    @property
    def body(self) -> bytes:
        """The content as JSON."""
        return json.dumps(self.content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")

    @property
    def half_body(self) -> bytes:
        """The first half of the body, which is sent before the connection is closed."""
        return self.body[: len(self.body) // 2]


class Services:
    """All services, with the attempts and calls that they have counted. Any number of threads may send requests.

    Examples
    --------
    >>> services = Services({"social": ServiceSettings(failure_rate=1)})
    >>> services.reply("GET", "/social", "customer_id=C00001", now_ns=0).status
    503
    >>> services.reply("GET", "/location", "city=Lyon&country=FR", now_ns=0).content["country_name"]
    'France'
    """

    def __init__(self, settings: ServiceSettings | Mapping[str, ServiceSettings] | None = None) -> None:
        self.settings: Mapping[str, ServiceSettings] = settings_of_all(settings)
        self._endpoints = {name: _CountedEndpoint(ENDPOINTS[name], one) for name, one in self.settings.items()}
        self._lock = Lock()  # a real one also in simulated time: no thread waits while it holds this lock

    def reply(self, method: str, path: str, query: str, now_ns: int, body: bytes = b"") -> Reply:
        """Choose the reply to one request, and count it; nothing is read from a body."""
        name = path.strip("/")
        if name != "health" and name not in self._endpoints:
            known = ", ".join(f"/{one}" for one in (*self._endpoints, "health"))
            return problem(404, f"there is no service {short(path)}; there are {known}")
        if method != "GET":
            return problem(405, f"{short(method)} is not supported here; write GET {path}", {"Allow": "GET"})
        if name == "health":
            return Reply(200, {"status": "ok"})
        with self._lock:
            return self._endpoints[name].reply(dict(parse_qsl(query)), now_ns)


class _CountedEndpoint:
    """An endpoint with its counters of attempts and calls."""

    def __init__(self, endpoint: Endpoint, settings: ServiceSettings) -> None:
        self.endpoint = endpoint
        self.settings = settings
        self.attempts: Counter[str] = Counter()
        self.limit = None if settings.rate_limit is None else _SlidingWindow(settings.rate_limit)

    def reply(self, params: Mapping[str, str], now_ns: int) -> Reply:
        question = self.endpoint.question(params)
        if question is None:
            return problem(400, self.endpoint.usage)
        wait_ns = 0 if self.limit is None else self.limit.wait_ns(now_ns)
        if wait_ns > 0:
            return refusal(wait_ns)
        key, chance = self.endpoint.key(question), self.settings
        self.attempts[key] += 1
        attempt = self.attempts[key]
        if chance.hangs(key, attempt):
            return replace(problem(503, "never answered"), fault="hang")
        if chance.drops(key, attempt):
            return replace(problem(503, "the connection was closed"), fault="drop")
        if chance.fails(key, attempt):
            return problem(chance.failure_status, "the service failed; try again")
        fault: Fault = "cut" if chance.cuts(key, attempt) else ""
        found = self.endpoint.answer(**question)
        if found is None:
            reply = problem(404, f"no data about {short(' '.join(question.values()))}")
        else:
            reply = Reply(200, found)
        return replace(reply, latency_s=chance.latency_of(key), fault=fault)


class _SlidingWindow:
    """A limit of so many calls in any window of one second; a refused call does not count."""

    def __init__(self, limit: int) -> None:
        self._admitted_ns: deque[int] = deque(maxlen=limit)

    def wait_ns(self, now_ns: int) -> int:
        """Return 0 and count the call, or return how long it is until the next one is admitted [ns]."""
        calls = self._admitted_ns
        if len(calls) == calls.maxlen and now_ns - calls[0] < _RATE_WINDOW_NS:
            return calls[0] + _RATE_WINDOW_NS - now_ns
        calls.append(now_ns)
        return 0


def refusal(wait_ns: int) -> Reply:
    """Return the reply to a call above a limit, which asks to wait [ns].

    Examples
    --------
    >>> refusal(1_500_000_000).headers
    {'Retry-After': '2'}
    """
    # Rounded up, as rounding down would invite a call that is refused again. The header knows whole seconds only.
    headers = {"Retry-After": str(math.ceil(wait_ns / 1e9))}
    return problem(429, "too many calls", headers, retry_after_s=math.ceil(wait_ns / 1e3) / 1e6)


def problem(status: int, error: str, headers: Mapping[str, str] | None = None, **facts: float) -> Reply:
    """Return the reply to a question that gets no answer.

    Examples
    --------
    >>> problem(404, "no such city").content
    {'error': 'no such city'}
    """
    return Reply(status, {"error": error, **facts}, headers or {})
