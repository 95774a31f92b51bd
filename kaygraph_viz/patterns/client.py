"""The HTTP client of what asks services: opened when first used, shared by threads, closed once.

Belongs here: the life of the connections. Does not belong here: asking (``asking``, ``external``), and how a client
reaches a service in real and in simulated time (``services.in_process``).
"""

from __future__ import annotations

import threading
from typing import ClassVar, Self

import httpx

from kaygraph_viz.errors import ServiceError
from kaygraph_viz.services.in_process import open_client

__all__ = ["ClientOwner"]


class ClientOwner:
    """Base of what asks services with one client that its threads share.

    Close it, or use it as a context manager. It is not pickled with its connections: subclasses say how they are
    rebuilt.

    Parameters
    ----------
    client
        An ``httpx.Client`` to use instead of an own one; it stays open when this is closed.
    """

    when_closed: ClassVar[str] = "this is closed"  # and what to write instead

    def __init__(self, client: httpx.Client | None = None) -> None:
        self._client = client
        self._owns_client = client is None
        self._is_closed = False
        self._lock = threading.Lock()  # held for a moment, never while a request is under way

    def _opened(self) -> httpx.Client:
        """Return the client, opened if there is none yet."""
        with self._lock:
            if self._is_closed:
                raise ServiceError(self.when_closed)
            if self._client is None:
                self._client = open_client()
            return self._client

    def close(self) -> None:
        """Close the connections; nothing can be asked from threads afterwards."""
        with self._lock:
            self._is_closed = True
            if self._owns_client and self._client is not None:
                self._client.close()

    def __enter__(self) -> Self:
        """Return this itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close the connections."""
        self.close()
