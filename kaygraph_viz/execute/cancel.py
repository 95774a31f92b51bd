"""Stopping a call from outside, and when its time is up.

Belongs here: the token, and interrupting a thread that has none. Does not belong here: how each
kind of worker stops (``worker_pool``, ``coroutines.executor``, ``local.processes``).
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar

from kaygraph_viz.base.errors import CallCancelled
from kaygraph_viz.base.parts import contextmanager
from kaygraph_viz.base.texts import one_line
from kaygraph_viz.base.threads import Lock
from kaygraph_viz.clock.clock import InForce, current_clock
from kaygraph_viz.clock.sync import threads
from kaygraph_viz.trace.row import describe_error

__all__ = ["CancelToken", "cancel_after", "interrupt", "interruptible", "stopped_by_outer", "stopping_all"]

T = TypeVar("T")


class CancelToken:
    """A way to stop calls of `imap` from another thread.

    Give the same token to several calls to stop them together. What is queued never starts; coroutines are cancelled,
    processes killed, threads given up. The reader of the call gets `CallCancelled`.

    Examples
    --------
    >>> token = CancelToken()
    >>> token.cancel()
    >>> token.is_cancelled
    True
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._callbacks: dict[int, Callable[[BaseException], None]] = {}
        self._reason: BaseException | None = None

    @property
    def is_cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._reason is not None

    @property
    def reason(self) -> BaseException | None:
        """The error that readers get, or None."""
        return self._reason

    @property
    def is_in_use(self) -> bool:
        """Whether there is a call in progress that it would stop."""
        return bool(self._callbacks)

    def cancel(self, reason: BaseException | None = None) -> None:
        """Stop the calls that have this token, and those that will get it; the second time does nothing.

        Parameters
        ----------
        reason
            The error that their readers get; default: `CallCancelled`.
        """
        with self._lock:
            if self._reason is not None:
                return
            self._reason = reason or CallCancelled("the call was cancelled; finished results were returned before")
            callbacks = list(self._callbacks.values())
        for callback in callbacks:
            callback(self._reason)

    @contextmanager
    def stopping(self, stop: Callable[[BaseException], None]) -> Iterator[None]:
        """Call `stop` with the reason when the token is cancelled while the block runs, or was before."""
        key = id(stop)  # the block holds the function: its id cannot be given to another one meanwhile
        with self._lock:
            self._callbacks[key] = stop
            reason = self._reason
        try:
            if reason is not None:
                stop(reason)
            yield
        finally:
            with self._lock:
                del self._callbacks[key]

    def __repr__(self) -> str:
        state = "not cancelled" if self._reason is None else f"cancelled: {one_line(describe_error(self._reason))}"
        return f"<CancelToken, {state}>"


@contextmanager
def cancel_after(token: CancelToken, seconds: float | None, reason: BaseException) -> Iterator[None]:
    """Cancel `token` with `reason` when the block still runs after `seconds` [s]; None for never."""
    if seconds is None:
        yield
        return
    timer = threads().Timer(seconds, token.cancel, (reason,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


@contextmanager
def interruptible(outcomes: Generator[T, None, None]) -> Iterator[Generator[T, None, None]]:
    """Close the outcomes of a call at the end of the block; an interrupt of the block interrupts the call, too."""
    try:
        yield outcomes
    except KeyboardInterrupt as error:
        outcomes.throw(error)
        raise
    finally:
        outcomes.close()


_outer: InForce[CancelToken | None] = InForce("kaygraph_viz_outer_token", None)


def stopping_all(token: CancelToken) -> AbstractContextManager[None]:
    """Make `token` stop every parallel call inside the block, also those of code that knows nothing of it."""
    return _outer.set_to(token)


def stopped_by_outer(token: CancelToken) -> AbstractContextManager[None]:
    """Return a block in which the token of the innermost `stopping_all` cancels `token`, too."""
    outer = _outer.get()
    if outer is None or current_clock().is_exact:
        return nullcontext()
    return outer.stopping(token.cancel)


def interrupt(thread: threading.Thread) -> None:
    """Raise KeyboardInterrupt in a thread as soon as it takes another step of Python code."""
    if thread.ident is not None and thread.is_alive():
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(KeyboardInterrupt))
