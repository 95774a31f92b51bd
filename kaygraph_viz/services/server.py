"""Run the services beside a script or notebook, and open clients for them.

Belongs here: what users call: a server over real sockets or in simulated time, with its address, its log and its
clients. Does not belong here: the replies of the services (``responses``), sockets and threads (``background``), and
the transport of clients in simulated time (``in_process``).
"""

from __future__ import annotations

import weakref
from types import TracebackType
from typing import Any, Protocol, Self

from kaygraph_viz._optional import needed
from kaygraph_viz.clock import current_clock
from kaygraph_viz.errors import OptionError, ServiceError
from kaygraph_viz.installed import require_installed
from kaygraph_viz.services.app import create_app
from kaygraph_viz.services.in_process import Endpoint, InProcessTransport, open_async_client, open_client
from kaygraph_viz.services.kinds import AnyService, AnySettings, service_of
from kaygraph_viz.services.request_log import LoggedRequest, RequestLog
from kaygraph_viz.services.text_service import TextService, TextUsage

with needed():
    import httpx2
    from starlette.types import ASGIApp

__all__ = ["InProcessServer", "LocalServer", "LoggedRequest", "Server", "serve"]


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
    """Run services on a free port of this machine, in real time.

    Parameters
    ----------
    settings, app
        As for `serve`.

    Examples
    --------
    >>> import httpx2
    >>> from kaygraph_viz.services.settings import ServiceSettings
    >>> with LocalServer(ServiceSettings(latency_s=0)) as server:
    ...     reply = httpx2.get(server.url("/verify?domain=example.com"), trust_env=False)
    >>> reply.json()["domain_status"]
    'deliverable'
    >>> [(request.path, request.status) for request in server.requests]
    [('/verify', 200)]
    >>> server
    LocalServer(stopped)
    """

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
        from kaygraph_viz.services.background import ServerThread  # uvicorn is not there in a browser tab

        super().__init__(ServerThread(app if app is not None else create_app(service)), service)


class InProcessServer(Server):
    """Run services without sockets and threads, in the time of the clock in force where they are asked.

    Only its own clients, and those that `open_client` returns in simulated time, reach it.

    Parameters
    ----------
    settings
        As for `serve`.

    Examples
    --------
    >>> from kaygraph_viz.clock import use_clock
    >>> from kaygraph_viz.services.settings import ServiceSettings
    >>> from kaygraph_viz.testing import FakeClock
    >>> with use_clock(FakeClock()), InProcessServer(ServiceSettings(latency_spread=0)) as server:
    ...     with server.client() as client:
    ...         status = client.get("/location?city=Lyon&country=FR").status_code
    >>> server.requests[0].answered_ns
    20000000
    """

    def __init__(self, settings: AnySettings = None) -> None:
        service = service_of(settings)
        super().__init__(Endpoint(service), service)

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
    >>> from kaygraph_viz.services.settings import ServiceSettings
    >>> with serve({"social": ServiceSettings(latency_s=0, fail_first=1)}) as server, server.client() as client:
    ...     [client.get("/social?customer_id=C00001").status_code for _ in range(2)]
    [503, 200]
    """
    if current_clock().has_network:
        return LocalServer(settings, app=app).start()
    if app is not None:
        raise OptionError("app", app, "left out under a virtual clock, which has no sockets", "serve(settings)")
    return InProcessServer(settings).start()
