"""Stopping a call from outside, and when its time is up.

Belongs here: the token that carries the wish. Does not belong here: how each kind of worker stops (``crew``,
``coroutines``, ``processes``).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from kaygraph_viz.errors import CallCancelled
from kaygraph_viz.sync import threads

__all__ = ["CancelToken", "cancel_after"]


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
        self._lock = threading.Lock()
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

    def cancel(self, reason: BaseException | None = None) -> None:
        """Stop the calls that hold this token, and those that will get it; the second time does nothing.

        Parameters
        ----------
        reason
            The error that their readers get; default: `CallCancelled`.
        """
        with self._lock:
            if self._reason is not None:
                return
            self._reason = reason or CallCancelled(
                "the call was cancelled; what had been finished was handed out before"
            )
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
