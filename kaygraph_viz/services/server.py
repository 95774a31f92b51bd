"""Run the services beside a script or notebook, and open clients for them.

Belongs here: what users call: a server over real sockets or in simulated time, with its address, its log and its
clients. Does not belong here: the replies of the services (``responses``), sockets and threads (``background``), and
the transport of clients in simulated time (``in_process``).
"""

from __future__ import annotations

import weakref
from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import httpx
from starlette.types import ASGIApp

from kaygraph_viz.clock import current_clock
from kaygraph_viz.errors import OptionError, ServiceError
from kaygraph_viz.services.app import create_app
from kaygraph_viz.services.background import Front, ServerThread
from kaygraph_viz.services.in_process import Endpoint, InProcessTransport, open_async_client, open_client
from kaygraph_viz.services.request_log import LoggedRequest
from kaygraph_viz.services.responses import Services
from kaygraph_viz.services.settings import ServiceSettings, settings_of_all

__all__ = ["InProcessServer", "LocalServer", "LoggedRequest", "Server", "serve"]

_STARTS_ONCE = "a server starts only once; make a new one: serve(settings)"
_NOT_RUNNING = "the server is not running; write: with serve(settings) as server: ... server.base_url"


class Server(ABC):
    """Running services, over sockets or in process, as `serve` returns them; use it as a context manager."""

    @abstractmethod
    def start(self) -> Self:
        """Start the services and return once they answer.

        Raises
        ------
        ServiceError
            When they were started before, or cannot be started.
        """

    @abstractmethod
    def stop(self) -> None:
        """Stop the services; afterwards, connections are refused. Does nothing the second time."""

    @property
    @abstractmethod
    def is_running(self) -> bool:
        """Whether the services answer."""

    @property
    @abstractmethod
    def base_url(self) -> str:
        """The address of the services, such as ``"http://127.0.0.1:40123"``.

        Raises
        ------
        ServiceError
            When they are not running.
        """

    @property
    @abstractmethod
    def requests(self) -> tuple[LoggedRequest, ...]:
        """The requests so far, in the order in which they arrived; also after the stop."""

    def url(self, path: str = "/") -> str:
        """Return the full address of a path of the services.

        Parameters
        ----------
        path
            Such as ``"/health"``; a query may follow.

        Raises
        ------
        ServiceError
            When they are not running.
        """
        return f"{self.base_url}/{path.lstrip('/')}"

    def client(self, **options: Any) -> httpx.Client:
        """Return a client for these services; close it, or use it as a context manager.

        Parameters
        ----------
        **options
            As for `httpx.Client`, such as ``timeout=2``. A path is enough for an address.

        Raises
        ------
        ServiceError
            When they are not running.

        Examples
        --------
        >>> with serve() as server, server.client() as client:
        ...     client.get("/company", params={"company_id": "K001"}).json()["name"]
        'Hollow Kettle'
        """
        return open_client(**self._reach() | options)

    def async_client(self, **options: Any) -> httpx.AsyncClient:
        """Return what `client` returns, for coroutines.

        Parameters
        ----------
        **options
            As for `httpx.AsyncClient`.

        Raises
        ------
        ServiceError
            When they are not running.
        """
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
    settings
        How the services behave: one `ServiceSettings` for all of them, or some by the name of the service; the rest,
        and None, takes `DEFAULT_SETTINGS`.
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

    def __init__(
        self,
        settings: ServiceSettings | Mapping[str, ServiceSettings] | None = None,
        *,
        app: ASGIApp | None = None,
    ) -> None:
        settings_of_all(settings)
        if settings is not None and app is not None:
            raise OptionError("app", app, "left out when settings are given", "LocalServer(app=my_app)")
        self._front = Front(app if app is not None else create_app(settings))
        self._thread: ServerThread | None = None

    def start(self) -> Self:
        """Start the services and return once they answer.

        Raises
        ------
        ServiceError
            When they were started before, or cannot be started.
        """
        if self._thread is not None:
            raise ServiceError(_STARTS_ONCE)
        self._thread = ServerThread(self._front)
        # A server that was forgotten stops when it is collected, at the latest when the interpreter exits.
        weakref.finalize(self, self._thread.stop)
        self._thread.start_and_wait()
        return self

    def stop(self) -> None:
        """Stop the services, even while requests hang; these are answered 503. Does nothing the second time.

        Raises
        ------
        ServiceError
            When they do not end in time.
        """
        if self._thread is not None:
            self._thread.stop()

    @property
    def is_running(self) -> bool:
        """Whether the services answer."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def base_url(self) -> str:
        """The address of the services, such as ``"http://127.0.0.1:40123"``.

        Raises
        ------
        ServiceError
            When they are not running.
        """
        if self._thread is None or not self._thread.is_alive():
            raise ServiceError(_NOT_RUNNING)
        return self._thread.base_url

    @property
    def requests(self) -> tuple[LoggedRequest, ...]:
        """The requests so far, in the order in which they arrived; also after the stop."""
        return self._front.log.requests


class InProcessServer(Server):
    """Run services without sockets and threads, in the time of the clock in force where they are asked.

    Only its own clients, and those that `open_client` returns in simulated time, reach it. Requests that are being
    answered when it stops are answered to the end.

    Parameters
    ----------
    settings
        How the services behave: one `ServiceSettings` for all of them, or some by the name of the service; the rest,
        and None, takes `DEFAULT_SETTINGS`.

    Raises
    ------
    OptionError
        When `settings` is something else.

    Examples
    --------
    >>> from kaygraph_viz.clock import use_clock
    >>> from kaygraph_viz.testing import FakeClock
    >>> with use_clock(FakeClock()), InProcessServer(ServiceSettings(latency_spread=0)) as server:
    ...     with server.client() as client:
    ...         status = client.get("/location?city=Lyon&country=FR").status_code
    >>> server.requests[0].answered_ns
    20000000
    """

    def __init__(self, settings: ServiceSettings | Mapping[str, ServiceSettings] | None = None) -> None:
        self._endpoint = Endpoint(Services(settings))
        self._was_started = False

    def start(self) -> Self:
        """Accept requests.

        Raises
        ------
        ServiceError
            When they were let in before.
        """
        if self._was_started:
            raise ServiceError(_STARTS_ONCE)
        self._was_started = True
        self._endpoint.listen()
        return self

    def stop(self) -> None:
        """Accept no more requests; a second call does nothing."""
        self._endpoint.close()

    @property
    def is_running(self) -> bool:
        """Whether the services answer."""
        return self._endpoint.is_listening

    @property
    def base_url(self) -> str:
        """The address of the services, which only exists in this process.

        Raises
        ------
        ServiceError
            When they are not running.
        """
        if not self._endpoint.is_listening:
            raise ServiceError(_NOT_RUNNING)
        return self._endpoint.base_url

    @property
    def requests(self) -> tuple[LoggedRequest, ...]:
        """The requests so far, in the order in which they arrived; also after the stop."""
        return self._endpoint.log.requests

    def _reach(self) -> dict[str, Any]:
        return {**super()._reach(), "transport": InProcessTransport()}


def serve(
    settings: ServiceSettings | Mapping[str, ServiceSettings] | None = None, *, app: ASGIApp | None = None
) -> Server:
    """Start the services, or another application, and return the running server.

    Under a virtual clock (``with record(clock="virtual")``) they run in simulated time, and are asked through
    ``server.client()`` or `open_client`. The same program works in real and in simulated time.

    Parameters
    ----------
    settings
        How the services behave: one `ServiceSettings` for all of them, or some by the name of the service (``verify
        profile location social company``); the rest, and None, takes `DEFAULT_SETTINGS`.
    app
        Another ASGI application to run instead, in real time only.

    Returns
    -------
    Server
        Running; stop it with ``stop()`` or use it as a context manager.

    Raises
    ------
    OptionError
        When both are given, or an application under a virtual clock.
    ServiceError
        When the services cannot be started.

    Examples
    --------
    >>> with serve({"social": ServiceSettings(latency_s=0, fail_first=1)}) as server, server.client() as client:
    ...     [client.get("/social?customer_id=C00001").status_code for _ in range(2)]
    [503, 200]
    """
    if current_clock().has_network:
        return LocalServer(settings, app=app).start()
    if app is not None:
        raise OptionError("app", app, "left out under a virtual clock, which knows no sockets", "serve(settings)")
    return InProcessServer(settings).start()
