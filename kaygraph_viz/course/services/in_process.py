"""Ask the services without a socket, in the time of the clock in force: real or simulated.

Belongs here: the transport that lets `httpx2` clients reach services of the same process, and where these are found.
Does not belong here: choosing the reply (``endpoints``, ``text_service``) and what users call (``server``).

A client sees what it would see over a socket: answers after their latency, timeouts when they come too late,
connections that are refused or break off.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from typing import Any, NoReturn, Protocol, runtime_checkable
from weakref import WeakValueDictionary

import kaygraph_viz as kv
from kaygraph_viz.base.optional import needed
from kaygraph_viz.base.threads import RLock
from kaygraph_viz.clock.clock import current_clock
from kaygraph_viz.clock.sync import threads
from kaygraph_viz.course.services.endpoints import Reply, RequestLog, Services, ServiceSettings
from kaygraph_viz.course.services.text_service import TextService, TextSettings

with needed():
    import httpx2

AnySettings = ServiceSettings | Mapping[str, ServiceSettings] | TextSettings | None


@runtime_checkable
class AnyService(Protocol):
    """What answers requests."""

    def reply(self, method: str, path: str, query: str, now_ns: int, body: bytes = b"") -> Reply:
        """Choose the reply to one request, and count it."""


def service_of(settings: AnySettings | AnyService) -> AnyService:
    """Return the service that settings are for; one that is there already is returned as it is."""
    if isinstance(settings, TextSettings):
        return TextService(settings)
    return settings if isinstance(settings, AnyService) else Services(settings)


_HOST = "127.0.0.1"
_listening: WeakValueDictionary[int, InProcessHost] = WeakValueDictionary()
_lock = RLock()  # a server that is collected as garbage while it is held stops its host right there


class InProcessHost:
    """Services that can be reached at an address of this process while they listen."""

    def __init__(self, services: AnyService) -> None:
        self.services = services
        self.log = RequestLog()
        self._port: int | None = None

    def is_alive(self) -> bool:
        """Return whether requests reach it."""
        return self._port is not None

    @property
    def base_url(self) -> str:
        """The address, which exists in this process only."""
        return f"http://{_HOST}:{self._port}"

    def start(self) -> None:
        """Take the first free address."""
        with _lock:
            self._port = next(port for port in range(1, 1 << 16) if port not in _listening)
            _listening[self._port] = self

    def stop(self) -> None:
        """Accept no more requests; those that are being answered go on."""
        with _lock:
            if self._port is not None:
                del _listening[self._port]
            self._port = None


class InProcessTransport(httpx2.BaseTransport, httpx2.AsyncBaseTransport):
    """A transport of httpx2 that carries requests to services of this process."""

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Carry one request there and the answer back."""
        visit = _Visit(request, request.read())
        if math.isinf(visit.wait_s):
            threads().Event().wait()
        elif visit.wait_s:
            kv.sleep(visit.wait_s)
        return visit.answer()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Carry one request there and the answer back."""
        visit = _Visit(request, await request.aread())
        if math.isinf(visit.wait_s):
            await asyncio.get_running_loop().create_future()
        elif visit.wait_s:
            await kv.sleep_async(visit.wait_s)
        return visit.answer()


def open_client(**options: Any) -> httpx2.Client:
    """Return a client for local services: over sockets by the real clock, in process in simulated time."""
    return httpx2.Client(**_world() | options)


def open_async_client(**options: Any) -> httpx2.AsyncClient:
    """Return what `open_client` returns, for coroutines; the options are those of `httpx2.AsyncClient`."""
    return httpx2.AsyncClient(**_world() | options)


def _world() -> dict[str, Any]:
    if not current_clock().has_network:
        return {"trust_env": False, "transport": InProcessTransport()}
    many = httpx2.Limits(max_connections=None, max_keepalive_connections=64)
    return {"trust_env": False, "limits": many, "verify": _certificates()}


# One for all clients: loading it costs more CPU than dozens of requests.
_certificates = cache(partial(httpx2.create_ssl_context, trust_env=False))


class _Visit:
    """A request from its arrival to its end: its latency and its answer or error."""

    def __init__(self, request: httpx2.Request, body: bytes) -> None:
        host = _listening.get(request.url.port or 80) if request.url.host == _HOST else None
        if host is None:
            raise httpx2.ConnectError(f"no service of this process is at {request.url.copy_with(path='/', query=None)}")
        now_ns = current_clock().now_ns()
        asked = (request.method, request.url.path, request.url.query.decode("latin-1"))
        self._log = host.log
        self._at = self._log.arrived(*asked, now_ns)
        self._reply = host.services.reply(*asked, now_ns, body)
        patience_s = request.extensions.get("timeout", {}).get("read")
        takes_s = math.inf if self._reply.fault == "hang" else self._reply.latency_s
        self._is_too_slow = patience_s is not None and takes_s > patience_s
        self.wait_s: float = patience_s if self._is_too_slow else takes_s

    def answer(self) -> httpx2.Response:
        """Return the answer when its time has come, or raise what the client sees instead."""
        reply = self._reply
        if self._is_too_slow:
            raise httpx2.ReadTimeout("timed out")
        if reply.fault == "drop":
            raise httpx2.RemoteProtocolError("Server disconnected without sending a response.")
        self._log.note(self._at, status=reply.status)
        if reply.pieces:
            stream = _Pieces(reply.pieces, self._note_end)
            return httpx2.Response(reply.status, headers={"content-type": reply.media_type}, stream=stream)
        headers = {"content-type": reply.media_type, "content-length": str(len(reply.body)), **reply.headers}
        if reply.fault == "cut":
            return httpx2.Response(reply.status, headers=headers, stream=_BrokenOff(reply.half_body, len(reply.body)))
        self._note_end()
        return httpx2.Response(reply.status, headers=headers, content=reply.body)

    def _note_end(self) -> None:
        self._log.note(self._at, answered_ns=current_clock().now_ns())


class _Pieces(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A body that comes part by part."""

    def __init__(self, pieces: Sequence[tuple[float, bytes]], note_end: Callable[[], None]) -> None:
        self._pieces = pieces
        self._note_end = note_end

    def __iter__(self) -> Iterator[bytes]:
        for wait_s, piece in self._pieces:
            kv.sleep(wait_s)
            yield piece
        self._note_end()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for wait_s, piece in self._pieces:
            await kv.sleep_async(wait_s)
            yield piece
        self._note_end()


class _BrokenOff(httpx2.SyncByteStream, httpx2.AsyncByteStream):
    """A body that ends too early."""

    def __init__(self, part: bytes, expected: int) -> None:
        self._part = part
        self._expected = expected

    def __iter__(self) -> Iterator[bytes]:
        yield self._part
        self._break_off()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._part
        self._break_off()

    def _break_off(self) -> NoReturn:
        raise httpx2.RemoteProtocolError(
            "peer closed connection without sending complete message body "
            f"(received {len(self._part)} bytes, expected {self._expected})"
        )
