"""Run a local HTTP service in the background of a script or notebook.

Belongs here: a free port, the background thread, the request log, and stopping in time. Does not belong here: what
the service answers (``app``).

The service has an event loop of its own in a daemon thread, so it also runs where a loop is running already, as in a
notebook. It listens on 127.0.0.1 only.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
import time
import weakref
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kaygraph_viz.errors import OptionError, ServiceError
from kaygraph_viz.services.app import ServiceSettings, create_app

__all__ = ["LocalServer", "LoggedRequest", "serve"]

_HOST = "127.0.0.1"
_START_TIMEOUT_S = 10.0
_STOP_TIMEOUT_S = 5.0  # a limit for what went wrong; a stop takes about 0.3 s
_KEEP_ALIVE_S = 3_600  # a shorter one would close an idle connection just as a client is about to use it


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One request as the server saw it.

    Parameters
    ----------
    method, path, query
        What was asked, such as ``"GET"``, ``"/verify"`` and ``"domain=example.com"``.
    received_ns
        When it arrived, on the axis of ``time.perf_counter_ns`` [ns].
    answered_ns
        When the last byte of the answer was handed over [ns]; None while, and when, there is no answer.
    status
        HTTP status of the answer; None while, and when, there is none.
    """

    method: str
    path: str
    query: str
    received_ns: int
    answered_ns: int | None = None
    status: int | None = None


class LocalServer:
    """Run a service on a free port of this machine; use it as a context manager.

    Parameters
    ----------
    settings
        How the verification service behaves; None takes the defaults.
    app
        Another ASGI application to run instead; then `settings` must be None.

    Raises
    ------
    OptionError
        When both `settings` and `app` are given, or `settings` is something else.

    Examples
    --------
    >>> import httpx
    >>> with LocalServer(ServiceSettings(latency_s=0)) as server:
    ...     reply = httpx.get(server.url("/verify?domain=example.com"), trust_env=False)
    >>> reply.json()["domain_status"]
    'deliverable'
    >>> [(request.path, request.status) for request in server.requests]
    [('/verify', 200)]
    >>> server
    LocalServer(stopped)
    """

    def __init__(self, settings: ServiceSettings | None = None, *, app: ASGIApp | None = None) -> None:
        if settings is not None and not isinstance(settings, ServiceSettings):
            raise OptionError("settings", settings, "a ServiceSettings", "LocalServer(ServiceSettings(latency_s=0.05))")
        if settings is not None and app is not None:
            raise OptionError("app", app, "left out when settings are given", "LocalServer(app=my_app)")
        self._front = _Front(app if app is not None else create_app(settings))
        self._thread: _ServerThread | None = None

    def start(self) -> Self:
        """Start the service and return once it answers.

        Raises
        ------
        ServiceError
            When it was started before, or cannot be started.
        """
        if self._thread is not None:
            raise ServiceError("a LocalServer starts only once; make a new one: serve(settings)")
        self._thread = _ServerThread(self._front)
        # A server that was forgotten stops when it is collected, at the latest when the interpreter exits.
        weakref.finalize(self, self._thread.stop)
        self._thread.start_and_wait()
        return self

    def stop(self) -> None:
        """Stop the service, even while requests hang; these are answered 503. Does nothing the second time.

        Raises
        ------
        ServiceError
            When the service does not end in time.
        """
        if self._thread is not None:
            self._thread.stop()

    @property
    def is_running(self) -> bool:
        """Whether the service answers."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def base_url(self) -> str:
        """Where the service is, such as ``"http://127.0.0.1:40123"``.

        Raises
        ------
        ServiceError
            When the service is not running.
        """
        if self._thread is None or not self._thread.is_alive():
            raise ServiceError("the server is not running; write: with serve(settings) as server: ... server.base_url")
        return self._thread.base_url

    def url(self, path: str = "/") -> str:
        """Return the full address of a path of the service.

        Parameters
        ----------
        path
            Such as ``"/health"``; a query may follow.

        Raises
        ------
        ServiceError
            When the service is not running.
        """
        return f"{self.base_url}/{path.lstrip('/')}"

    @property
    def requests(self) -> tuple[LoggedRequest, ...]:
        """The requests so far, in the order in which they arrived; also after the stop."""
        return tuple(self._front.log)

    def __enter__(self) -> Self:
        """Start the service, unless `serve` has started it."""
        return self if self.is_running else self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop the service."""
        self.stop()

    def __repr__(self) -> str:
        """Return where it runs."""
        return f"LocalServer({self.base_url!r})" if self.is_running else "LocalServer(stopped)"


def serve(settings: ServiceSettings | None = None, *, app: ASGIApp | None = None) -> LocalServer:
    """Start the verification service, or another application, and return the running server.

    Parameters
    ----------
    settings
        How the verification service behaves; None takes the defaults.
    app
        Another ASGI application to run instead.

    Returns
    -------
    LocalServer
        Running; stop it with ``stop()`` or use it as a context manager.

    Raises
    ------
    OptionError
        When both are given.
    ServiceError
        When the service cannot be started.

    Examples
    --------
    >>> with serve() as server:
    ...     server.is_running
    True
    """
    return LocalServer(settings, app=app).start()


class _Front:
    """Stand before the application: log every request, and end those that still run when the server stops."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._running: set[asyncio.Task[Any]] = set()
        self._is_stopping = False
        self.log: list[LoggedRequest] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        task = asyncio.current_task()
        if scope["type"] != "http" or task is None:
            return
        exchange = _Exchange(self.log, scope, receive, send)
        self._running.add(task)
        try:
            if not self._is_stopping:
                await self._app({**scope, "received_ns": exchange.received_ns}, exchange.receive, exchange.send)
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
    """One request and its answer, written down in the log as they pass."""

    def __init__(self, log: list[LoggedRequest], scope: Scope, receive: Receive, send: Send) -> None:
        self._log = log
        self._at = len(log)
        self._receive = receive
        self._send = send
        self._is_client_gone = False
        self.received_ns = time.perf_counter_ns()
        query = scope["query_string"].decode("latin-1")
        log.append(LoggedRequest(scope["method"], scope["path"], query, self.received_ns))

    async def receive(self) -> Message:
        message = await self._receive()
        self._is_client_gone = self._is_client_gone or message["type"] == "http.disconnect"
        return message

    async def send(self, message: Message) -> None:
        await self._send(message)
        if self._is_client_gone:
            return
        if message["type"] == "http.response.start":
            self._note(status=message["status"])
        elif not message.get("more_body", False):
            self._note(answered_ns=time.perf_counter_ns())

    async def finish(self) -> None:
        """Send what is missing of an answer, so that the connection can be closed in peace."""
        if self._log[self._at].status is None:
            headers = [(b"content-length", b"0"), (b"connection", b"close")]
            await self.send({"type": "http.response.start", "status": 503, "headers": headers})
        if self._log[self._at].answered_ns is None:
            await self.send({"type": "http.response.body", "body": b"", "more_body": False})

    def _note(self, **facts: Any) -> None:
        self._log[self._at] = replace(self._log[self._at], **facts)


class _Uvicorn(uvicorn.Server):
    """A uvicorn server that says when it is ready."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_ready = threading.Event()
        self.loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.loop = asyncio.get_running_loop()
        self.is_ready.set()


class _ServerThread:
    """A listening socket and the thread that serves it. Knows nothing of `LocalServer`, which can so be collected."""

    def __init__(self, front: _Front) -> None:
        self._front = front
        self._server = _Uvicorn(_config(front))
        self._error: BaseException | None = None
        self._socket = _listening_socket()
        self.base_url = f"http://{_HOST}:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._run, name=f"service {self.base_url}", daemon=True)

    def is_alive(self) -> bool:
        return self._server.is_ready.is_set() and not self._server.should_exit and self._thread.is_alive()

    def start_and_wait(self) -> None:
        self._thread.start()
        is_ready = self._server.is_ready.wait(_START_TIMEOUT_S)
        if not is_ready or self._error is not None:
            why = f"not ready after {_START_TIMEOUT_S:g} s" if self._error is None else repr(self._error)
            raise ServiceError(f"the local service at {self.base_url} could not be started: {why}") from self._error

    def stop(self) -> None:
        self._server.should_exit = True
        if self._server.loop is not None and not self._server.loop.is_closed():
            with contextlib.suppress(RuntimeError):  # the loop was closed between the two lines: nothing is left
                self._server.loop.call_soon_threadsafe(self._front.end_requests)
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
    # asyncio turns off the delay of small packets, 40 ms for each answer, only where the protocol is named.
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
        http="h11",
        ws="none",
        interface="asgi3",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=1,
    )
