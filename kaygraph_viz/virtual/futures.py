"""Futures of `concurrent.futures` in simulated time.

Belongs here: the future, and ``wait`` and ``as_completed`` for it. Does not belong here: the
condition that it waits with (``threads``, ``locks``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError, Future, _base
from types import SimpleNamespace
from typing import Any

from kaygraph_viz.blocks import contextmanager
from kaygraph_viz.virtual.fiber import Stopped

__all__ = ["VirtualFuture", "futures_in_simulated_time"]


class VirtualFuture(Future[Any]):
    """A future that sets order by its number, not by its address: the same in every run."""

    def __init__(self, number: int, condition: Any = None) -> None:
        super().__init__()
        self.number = number
        if condition is not None:
            self._condition = condition

    def run(self, function: Callable[..., Any], args: tuple[Any, ...], options: Mapping[str, Any]) -> None:
        """Call a function and take its result or error, unless this future was cancelled before."""
        if not self.set_running_or_notify_cancel():
            return
        try:
            value = function(*args, **options)
        except BaseException as error:
            self.set_exception(error)
        else:
            self.set_result(value)

    def __hash__(self) -> int:
        return self.number

    def __eq__(self, other: object) -> bool:
        return self is other

    def set_exception(self, exception: BaseException | None) -> None:
        """Set the error; `Stopped`, from a worker that ended with its block, counts as a cancellation."""
        super().set_exception(CancelledError("its block has ended") if isinstance(exception, Stopped) else exception)


@contextmanager
def futures_in_simulated_time(make_event: Callable[[], Any], now_s: Callable[[], float | None]) -> Iterator[None]:
    """Make ``wait`` and ``as_completed`` of `concurrent.futures` wait in simulated time for simulated futures."""
    before, clock = _base._create_and_install_waiters, _base.time  # type: ignore[attr-defined]  # not public

    def wait_unless_late(wait: Callable[[float | None], bool]) -> Callable[..., bool]:
        """Raise where no time is left: `as_completed` would poll until time passes, which it does not meanwhile."""

        def wait_in_time(timeout: float | None = None) -> bool:
            if timeout is not None and timeout <= 0:
                raise TimeoutError("not all futures have finished")
            return wait(timeout)

        return wait_in_time

    def install(futures: Any, return_when: str) -> Any:
        waiter = before(futures, return_when)
        if any(getattr(future._condition._lock, "is_simulated", False) for future in futures):
            waiter.event = make_event()
            if return_when == _base._AS_COMPLETED:  # type: ignore[attr-defined]
                waiter.event.wait = wait_unless_late(waiter.event.wait)
        return waiter

    def monotonic() -> float:
        now = now_s()
        return time.monotonic() if now is None else now

    _base._create_and_install_waiters = install  # type: ignore[attr-defined]
    _base.time = SimpleNamespace(monotonic=monotonic)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        _base._create_and_install_waiters = before  # type: ignore[attr-defined]
        _base.time = clock  # type: ignore[attr-defined]
