"""A server in a thread of its own: a socket on a free port of this machine, and an ASGI application behind it.

Belongs here: the thread with its event loop, logging requests as they pass, closing connections, stopping in time. Does
not belong here: the application and the servers that users start and stop (``server``). It is a module of its own since
uvicorn is not there in a browser tab, where services run in simulated time only.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Callable
from typing import Any

from kaygraph_viz.base.errors import ServiceError
from kaygraph_viz.base.optional import needed
from kaygraph_viz.base.threads import Event, Thread
from kaygraph_viz.clock.clock import REAL, use_clock
from kaygraph_viz.course.services.endpoints import RequestLog

with needed():
    import uvicorn
    from starlette.types import ASGIApp, Message, Receive, Scope, Send
    from uvicorn.protocols.http.h11_impl import H11Protocol

_HOST = "127.0.0.1"
_START_TIMEOUT_S = 10.0
_STOP_TIMEOUT_S = 5.0  # a limit for what went wrong; a stop takes some milliseconds
_GRACE_S = 1.0  # for those that still send an answer
_LOOK_S = 0.002
_TICK_S = 1.0  # so often uvicorn renews the date that it sends
_KEEP_ALIVE_S = 3_600  # a shorter one would close an idle connection just as a client is about to use it


class _Front:
    """The outermost ASGI application: it logs every request, and ends those that still run when the server stops."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._running: set[asyncio.Task[Any]] = set()
        self._is_stopping = False
        self.log = RequestLog()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on to the application."""
        task = asyncio.current_task()
        if scope["type"] != "http" or task is None:
            return
        exchange = _Exchange(self.log, scope, send)
        self._running.add(task)
        try:
            if not self._is_stopping:
                await self._app({**scope, "received_ns": exchange.received_ns}, receive, exchange.send)
        except asyncio.CancelledError:
            if not self._is_stopping:
                raise
            task.uncancel()
        finally:
            self._running.discard(task)
        if self._is_stopping:
            await exchange.finish()

    def end_requests(self) -> None:
        """End all requests that still run; called in the event loop."""
        self._is_stopping = True
        for task in self._running:
            task.cancel()


class _Exchange:
    """A request and its answer, logged while they pass."""

    def __init__(self, log: RequestLog, scope: Scope, send: Send) -> None:
        self._log = log
        self._send = send
        self._is_gone: Callable[[], bool] = scope["state"]["transport"].is_closing
        self.received_ns = time.perf_counter_ns()
        query = scope["query_string"].decode("latin-1")
        self._at = log.arrived(scope["method"], scope["path"], query, self.received_ns)

    async def send(self, message: Message) -> None:
        is_gone = self._is_gone()
        await self._send(message)
        if is_gone:
            return
        if message["type"] == "http.response.start":
            self._log.note(self._at, status=message["status"])
        elif not message.get("more_body", False):
            self._log.note(self._at, answered_ns=time.perf_counter_ns())

    async def finish(self) -> None:
        """Send the missing end of an answer, so that uvicorn closes the connection without an error."""
        if self._is_gone():
            return
        if self._log[self._at].status is None:
            headers = [(b"content-length", b"0"), (b"connection", b"close")]
            await self.send({"type": "http.response.start", "status": 503, "headers": headers})
        if self._log[self._at].answered_ns is None:
            await self.send({"type": "http.response.body", "body": b"", "more_body": False})


class _Connection(H11Protocol):
    """A connection that is passed to its requests, so that an application can close it in the middle of an answer."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


class _Uvicorn(uvicorn.Server):
    """A uvicorn server that says when it is ready, and ends without delay when it is told to."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_ready = Event()
        self.is_told_to_end = asyncio.Event()
        self.loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.loop = asyncio.get_running_loop()
        self.is_ready.set()

    async def main_loop(self) -> None:
        """Tick once a second until told to end; uvicorn's own loop would look for that ten times a second."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.is_told_to_end.wait(), _TICK_S)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close all connections and wait for what they still send; the end of the loop cancels what is left then."""
        for server in self.servers:
            for listener in server.sockets:
                asyncio.get_running_loop().remove_reader(listener)
        await asyncio.sleep(0)  # those just accepted get their transport: a server that is closed would refuse that
        for server in self.servers:
            server.close()
        connections, told = self.server_state.connections, set[Any]()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GRACE_S):
                while connections or len(asyncio.all_tasks()) > 1:  # of requests, and of connections just being made
                    for connection in connections - told:
                        connection.shutdown()
                    told |= connections
                    await asyncio.sleep(_LOOK_S)


class ServerThread:
    """A listening socket and its thread; it holds no reference to `LocalServer`, which can so be collected."""

    def __init__(self, app: ASGIApp) -> None:
        self._front = _Front(app)
        self.log = self._front.log
        self.base_url = ""
        self._server = _Uvicorn(_config(self._front))
        self._error: BaseException | None = None
        self._thread = Thread(target=self._run, daemon=True)

    def is_alive(self) -> bool:
        """Return whether the server answers."""
        return self._server.is_ready.is_set() and not self._server.should_exit and self._thread.is_alive()

    def start(self) -> None:
        """Start the thread and wait until it answers."""
        self._socket = _listening_socket()
        self.base_url = f"http://{_HOST}:{self._socket.getsockname()[1]}"
        self._thread.name = f"service {self.base_url}"
        try:
            self._thread.start()
            with use_clock(REAL):  # also inside a block of simulated time
                is_ready = self._server.is_ready.wait(_START_TIMEOUT_S)
        except BaseException:  # an interrupt
            self.stop()
            raise
        if not is_ready or self._error is not None:
            why = f"not ready after {_START_TIMEOUT_S:g} s" if self._error is None else repr(self._error)
            raise ServiceError(f"the local service at {self.base_url} could not be started: {why}") from self._error

    def stop(self) -> None:
        """End all requests and the thread."""
        if self._thread.ident is None:  # there was no free port
            return
        self._server.should_exit = True
        if self._server.loop is not None and not self._server.loop.is_closed():
            with contextlib.suppress(RuntimeError):  # the loop was closed between the two lines: nothing is left
                self._server.loop.call_soon_threadsafe(self._front.end_requests)
                self._server.loop.call_soon_threadsafe(self._server.is_told_to_end.set)
        self._thread.join(_STOP_TIMEOUT_S)
        if self._thread.is_alive():
            raise ServiceError(f"the local service at {self.base_url} still runs {_STOP_TIMEOUT_S:g} s after stop()")

    def _run(self) -> None:
        try:
            asyncio.run(self._server.serve([self._socket]))
        except BaseException as error:  # also SystemExit, which is how uvicorn gives up; the starter raises it
            self._error = error
        finally:
            self._socket.close()
            self._server.is_ready.set()


def _listening_socket() -> socket.socket:
    # asyncio turns off the delay of small packets, 40 ms for each answer, only where the protocol is named
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.bind((_HOST, 0))
    except OSError as error:
        listener.close()
        raise ServiceError(f"no free port on {_HOST} for the local service: {error}") from error
    return listener


def _config(app: _Front) -> uvicorn.Config:
    # Without any handler, Python would print uvicorn's warnings; handlers of the user stay in force.
    logger = logging.getLogger("uvicorn")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    return uvicorn.Config(
        app,
        loop="asyncio",
        http=_Connection,
        ws="none",
        interface="asgi3",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
    )
