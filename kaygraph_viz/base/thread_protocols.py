"""What threads are made of and wait with: the names of `threading` and `queue` as one typed interface.

Belongs here: the interface. Does not belong here: which one is in force (``clock.sync``), the real ones (``threads``),
and those of simulated time (``clock.virtual.threads``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent import futures
from types import TracebackType
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Event(Protocol):
    """As `threading.Event`."""

    def is_set(self) -> bool: ...
    def set(self) -> None: ...
    def clear(self) -> None: ...
    def wait(self, timeout: float | None = None) -> bool: ...


class Lock(Protocol):
    """As `threading.Lock`."""

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool: ...
    def release(self) -> None: ...
    def locked(self) -> bool: ...
    def __enter__(self) -> bool: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, place: TracebackType | None, /
    ) -> None: ...


class Condition(Protocol):
    """As `threading.Condition`."""

    def wait(self, timeout: float | None = None) -> bool: ...
    def wait_for(self, predicate: Callable[[], T], timeout: float | None = None) -> T: ...
    def notify(self, n: int = 1) -> None: ...
    def notify_all(self) -> None: ...
    def __enter__(self) -> bool: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, place: TracebackType | None, /
    ) -> None: ...


class Queue(Protocol[T]):
    """As `queue.SimpleQueue`."""

    def put(self, item: T) -> None: ...
    def get(self, block: bool = True, timeout: float | None = None) -> T: ...
    def get_nowait(self) -> T: ...
    def empty(self) -> bool: ...


class Thread(Protocol):
    """As `threading.Thread`."""

    name: str

    def start(self) -> None: ...
    def join(self, timeout: float | None = None) -> None: ...
    def is_alive(self) -> bool: ...


class Timer(Protocol):
    """As `threading.Timer`."""

    daemon: bool

    def start(self) -> None: ...
    def cancel(self) -> None: ...
    def join(self, timeout: float | None = None) -> None: ...


class Threads(Protocol):
    """Threads of one clock, and what they wait with: the names and meanings of `threading` and `queue`."""

    @property
    def is_over(self) -> bool:
        """Whether nothing can wait here any more, since simulated time has ended."""

    def Condition(self) -> Condition:
        """Return a condition with a lock of its own."""

    def Event(self) -> Event:
        """Return an event that is not set."""

    def Lock(self) -> Lock:
        """Return a lock that is free."""

    def SimpleQueue(self) -> Queue[Any]:
        """Return an empty, unbounded queue."""

    def Thread(
        self, *, target: Callable[..., object], args: tuple[Any, ...] = (), name: str | None = None, daemon: bool = True
    ) -> Thread:
        """Return a thread that calls ``target(*args)`` once it is started."""

    def Timer(self, interval: float, function: Callable[..., object], args: tuple[Any, ...] = (), /) -> Timer:
        """Return a thread that calls ``function(*args)`` `interval` [s] after its start."""

    def Future(self) -> futures.Future[Any]:
        """Return a future that these threads can wait for."""

    def following(self, future: futures.Future[Any]) -> futures.Future[Any]:
        """Return a future that these threads can wait for; it ends as `future` does, and is cancelled with it."""

    def slices(self, timeout_s: float | None = None, /) -> Iterable[float]:
        """Return the time limits of the waits of which one wait is made [s]; what is below 0 is none."""
