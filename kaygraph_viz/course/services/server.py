"""Run the services beside a script or notebook: over real sockets, or in simulated time.

Belongs here: what users call (`serve`), and the web application that waits and sends the replies. Does not belong here:
the replies (``endpoints``, ``text_service``), the thread and the socket (``background``), and clients in simulated time
(``in_process``).
"""

from __future__ import annotations

import asyncio
import time
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, Protocol, Self

from kaygraph_viz.base.errors import OptionError, ServiceError
from kaygraph_viz.base.optional import needed, require_installed
from kaygraph_viz.clock.clock import current_clock
from kaygraph_viz.course.services.endpoints import (
    LoggedRequest,
    Reply,
    RequestLog,
)
from kaygraph_viz.course.services.in_process import (
    AnyService,
    AnySettings,
    InProcessHost,
    InProcessTransport,
    open_async_client,
    open_client,
    service_of,
)
from kaygraph_viz.course.services.text_service import TextService, TextUsage

with needed():
    import httpx2
    from starlette.responses import Response, StreamingResponse
    from starlette.types import ASGIApp, Receive, Scope, Send

MOST_BYTES = 1 << 20  # of the body of a request


def create_app(
    settings: AnySettings | AnyService = None,
    *,
    clock: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> ASGIApp:
    """Return all services as one web application."""
    services = service_of(settings)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        # The stamp of the request log, when there is one: then the log shows exactly the rate that was allowed.
        received_ns: int | None = scope.get("received_ns")
        now_ns = round(clock() * 1e9) if received_ns is None else received_ns
        body = await _body(receive) if scope["method"] == "POST" else b""
        reply = services.reply(scope["method"], scope["path"], scope["query_string"].decode("latin-1"), now_ns, body)
        if reply.latency_s:
            await sleep(reply.latency_s)
        if reply.pieces:
            await StreamingResponse(_timed(reply.pieces, sleep), media_type=reply.media_type)(scope, receive, send)
        else:
            await _carry_out(reply, scope, receive, send)

    return app


async def _body(receive: Receive) -> bytes:
    """Return the body of a request, up to `MOST_BYTES`."""
    body, message = b"", await receive()
    while message["type"] == "http.request":
        body += message.get("body", b"")
        if not message.get("more_body", False) or len(body) > MOST_BYTES:
            break
        message = await receive()
    return body[:MOST_BYTES]


async def _timed(
    pieces: Sequence[tuple[float, bytes]], sleep: Callable[[float], Awaitable[object]]
) -> AsyncIterator[bytes]:
    """Yield the parts of a body, each when it is due."""
    for wait_s, piece in pieces:
        await sleep(wait_s)
        yield piece


async def _carry_out(reply: Reply, scope: Scope, receive: Receive, send: Send) -> None:
    response = Response(reply.body, reply.status, reply.headers, reply.media_type)
    if reply.fault == "cut":
        await send({"type": "http.response.start", "status": reply.status, "headers": response.raw_headers})
        await send({"type": "http.response.body", "body": reply.half_body, "more_body": True})
    if reply.fault in ("cut", "drop"):
        transport = scope.get("state", {}).get("transport")
        if transport is None:
            raise ServiceError(
                "this ASGI server lets no application close a connection; run it with LocalServer(app=app)"
            )
        transport.close()
    if reply.fault:
        while (await receive())["type"] != "http.disconnect":
            pass
    if reply.fault in ("", "hang"):
        await response(scope, receive, send)


class Host(Protocol):
    """The place where the services of a server run: a thread with a socket, or this process."""

    log: RequestLog

    @property
    def base_url(self) -> str:
        """The address; only while it is alive."""

    def is_alive(self) -> bool:
        """Return whether the services answer."""

    def start(self) -> None:
        """Start the services, once, and return when they answer."""

    def stop(self) -> None:
        """Stop the services; a second call does nothing."""


class Server:
    """Running services, over sockets or in process, as `serve` returns them; use it as a context manager."""

    def __init__(self, host: Host, service: AnyService) -> None:
        self._host = host
        self._service = service
        self._was_started = False

    def start(self) -> Self:
        """Start the services, once only, and return when they answer."""
        if self._was_started:
            raise ServiceError("a server starts only once; make a new one: serve(settings)")
        self._was_started = True
        # A server that was forgotten stops when it is collected, at the latest when the interpreter exits.
        weakref.finalize(self, self._host.stop)
        self._host.start()
        return self

    def stop(self) -> None:
        """Stop the services; afterwards, connections are refused. Does nothing the second time.

        Over sockets, requests that hang are answered 503; in process, those that are being answered go on to the end.
        """
        if self._was_started:
            self._host.stop()

    @property
    def is_running(self) -> bool:
        """Whether the services answer."""
        return self._host.is_alive()

    @property
    def base_url(self) -> str:
        """The address of the services, such as ``"http://127.0.0.1:40123"``.

        Raises
        ------
        ServiceError
            When they are not running.
        """
        if not self.is_running:
            raise ServiceError("the server is not running; write: with serve(settings) as server: ... server.base_url")
        return self._host.base_url

    @property
    def requests(self) -> tuple[LoggedRequest, ...]:
        """The requests so far, in the order in which they arrived; also after the stop."""
        return self._host.log.requests

    @property
    def usage(self) -> tuple[TextUsage, ...]:
        """What the text service has counted so far: tokens, prices and refusals; empty for other services."""
        return self._service.usage if isinstance(self._service, TextService) else ()

    def url(self, path: str = "/") -> str:
        """Return the full address of a path of the services."""
        return f"{self.base_url}/{path.lstrip('/')}"

    def client(self, **options: Any) -> httpx2.Client:
        """Return a client for these services; close it, or use it as a context manager.

        Parameters
        ----------
        **options
            As for `httpx2.Client`, such as ``timeout=2``. A path is enough for an address.

        Examples
        --------
        >>> with serve() as server, server.client() as client:
        ...     client.get("/company", params={"company_id": "K001"}).json()["name"]
        'Hollow Kettle'
        """
        return open_client(**self._reach() | options)

    def async_client(self, **options: Any) -> httpx2.AsyncClient:
        """Return what `client` returns, for coroutines; the options are those of `httpx2.AsyncClient`."""
        return open_async_client(**self._reach() | options)

    def _reach(self) -> dict[str, Any]:
        """Return the options with which a client reaches the services."""
        return {"base_url": self.base_url}

    def __enter__(self) -> Self:
        """Start the services, unless `serve` has started them."""
        return self if self.is_running else self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop the services."""
        self.stop()

    def __repr__(self) -> str:
        """Return the class and the address."""
        return f"{type(self).__name__}({self.base_url!r})" if self.is_running else f"{type(self).__name__}(stopped)"


class LocalServer(Server):
    """Run services on a free port of this machine, in real time."""

    def __init__(
        self,
        settings: AnySettings = None,
        *,
        app: ASGIApp | None = None,
    ) -> None:
        service = service_of(settings)
        if settings is not None and app is not None:
            raise OptionError("app", app, "left out when settings are given", "LocalServer(app=my_app)")
        require_installed("services that listen on a port", 'write kv.record(clock="virtual"): they run in process')
        from kaygraph_viz.course.services.background import ServerThread  # uvicorn is not there in a browser tab

        super().__init__(ServerThread(app if app is not None else create_app(service)), service)


class InProcessServer(Server):
    """Run services without sockets and threads, in the time of the clock in force where they are asked."""

    def __init__(self, settings: AnySettings = None) -> None:
        service = service_of(settings)
        super().__init__(InProcessHost(service), service)

    def _reach(self) -> dict[str, Any]:
        return {**super()._reach(), "transport": InProcessTransport()}


def serve(settings: AnySettings = None, *, app: ASGIApp | None = None) -> Server:
    """Start the services, or another application, and return the running server.

    Under a virtual clock (``with record(clock="virtual")``) they run in simulated time, and are asked through
    ``server.client()`` or `open_client`. The same program works in real and in simulated time.

    Parameters
    ----------
    settings
        How the services behave: one `ServiceSettings` for all of them, or some by the name of the service (``verify
        profile location social company``); the rest, and None, takes `DEFAULT_SETTINGS`. `TextSettings` for the text
        service.
    app
        Another ASGI application to run instead, in real time only.

    Raises
    ------
    OptionError
        When both are given, or an application under a virtual clock.
    ServiceError
        When the services cannot be started.

    Examples
    --------
    >>> from kaygraph_viz.course.services.endpoints import ServiceSettings
    >>> with serve({"social": ServiceSettings(latency_s=0, fail_first=1)}) as server, server.client() as client:
    ...     [client.get("/social?customer_id=C00001").status_code for _ in range(2)]
    [503, 200]
    """
    if current_clock().has_network:
        return LocalServer(settings, app=app).start()
    if app is not None:
        raise OptionError("app", app, "left out under a virtual clock, which has no sockets", "serve(settings)")
    return InProcessServer(settings).start()
