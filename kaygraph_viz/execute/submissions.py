"""Single calls handed to an executor, each with a future.

Belongs here: turning calls that come one by one into the input of one `imap`. Does not belong here: running them.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from typing import Any, NamedTuple

from kaygraph_viz.errors import BranchError
from kaygraph_viz.execute.cancel import CancelToken
from kaygraph_viz.execute.outcome import Outcome

__all__ = ["Submissions"]

Call = tuple[Callable[..., Any], tuple[Any, ...]]


class _Queued(NamedTuple):
    """A call that waits, and what cancels it; without a call it only wakes who waits for one."""

    token: CancelToken
    future: Future[Any] | None = None
    call: Call | None = None


class Submissions:
    """Runs calls as they come, as the branches of one endless `imap`, and of another one after a cancellation.

    Parameters
    ----------
    imap
        That of the executor.
    """

    def __init__(self, imap: Callable[..., Generator[Outcome, None, None]]) -> None:
        self._imap = imap
        self._waiting: queue.SimpleQueue[_Queued | None] = queue.SimpleQueue()
        self._token = CancelToken()
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="submissions", daemon=True)
        self._thread.start()

    def add(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Future[Any]:
        """Queue one call and return its future; cancelling it before it starts takes it out."""
        future: Future[Any] = Future()
        self._waiting.put(_Queued(self._token, future, (function, arguments)))
        return future

    def close(self) -> None:
        """Take no more calls, and wait for those that were added."""
        self._waiting.put(None)
        self._thread.join()

    def _calls(self, token: CancelToken, pulled: dict[int, Future[Any]]) -> Iterator[Call]:
        index = 0
        while not token.is_cancelled:
            queued = self._waiting.get()
            if queued is None or (queued.token is not token and not queued.token.is_cancelled):
                if token.is_cancelled:  # it was meant for the one that took over
                    self._waiting.put(queued)
                else:
                    self._is_closed = True
                return
            if queued.future is None or queued.call is None or not queued.future.set_running_or_notify_cancel():
                continue
            if queued.token.reason is not None:
                queued.future.set_exception(queued.token.reason)
                continue
            pulled[index] = queued.future
            index += 1
            yield queued.call

    def _run(self) -> None:
        while not self._is_closed:
            token, pulled = self._token, dict[int, Future[Any]]()
            with token.stopping(self._begin_anew):
                self._read(token, pulled)

    def _read(self, token: CancelToken, pulled: dict[int, Future[Any]]) -> None:
        error: BaseException = RuntimeError("the executor stopped before this call was run")
        calls = self._calls(token, pulled)
        try:
            for outcome in self._imap(_call, calls, ordered=False, on_error="collect", window=0, cancel=token):
                future = pulled.pop(outcome.index)
                if outcome.error is None:
                    future.set_result(outcome.value)
                else:
                    future.set_exception(outcome.error)
        except BaseException as raised:  # every future gets to know why it has no result
            error = raised
            token.cancel(raised)
        for future in list(pulled.values()):
            future.set_exception(error)

    def _begin_anew(self, reason: BaseException) -> None:
        """Give the calls that come from now on another token, and wake who waits for a call under the old one."""
        old, self._token = self._token, CancelToken()
        self._waiting.put(_Queued(old))


def _call(call: Call) -> Any:
    function, arguments = call
    try:
        return function(*arguments)
    except KeyboardInterrupt as error:  # not a real one: those come to the main thread
        raise BranchError("the submitted call raised KeyboardInterrupt") from error
