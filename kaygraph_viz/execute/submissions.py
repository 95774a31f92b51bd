"""Single calls handed to an executor, each with a future.

Belongs here: turning calls that come one by one into the input of one `imap`. Does not belong here: running them.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from typing import Any

from kaygraph_viz.execute.outcome import Outcome

__all__ = ["Submissions"]

Call = tuple[Callable[..., Any], tuple[Any, ...]]


class Submissions:
    """Runs calls as they come, as the branches of one endless `imap`.

    Parameters
    ----------
    imap
        That of the executor.
    """

    def __init__(self, imap: Callable[..., Generator[Outcome, None, None]]) -> None:
        self._imap = imap
        self._waiting: queue.SimpleQueue[tuple[Future[Any], Call] | None] = queue.SimpleQueue()
        self._pulled: dict[int, Future[Any]] = {}
        self._thread = threading.Thread(target=self._run, name="submissions", daemon=True)
        self._thread.start()

    def add(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Future[Any]:
        """Queue one call and return its future; cancelling it before it starts takes it out."""
        future: Future[Any] = Future()
        self._waiting.put((future, (function, arguments)))
        return future

    def close(self) -> None:
        """Take no more calls, and wait for those that were added."""
        self._waiting.put(None)
        self._thread.join()

    def _calls(self) -> Iterator[Call]:
        index = 0
        while (queued := self._waiting.get()) is not None:
            future, call = queued
            if future.set_running_or_notify_cancel():
                self._pulled[index] = future
                index += 1
                yield call

    def _run(self) -> None:
        error: BaseException = RuntimeError("the executor stopped before this call was run")
        try:
            for outcome in self._imap(_call, self._calls(), ordered=False, on_error="collect", window=0):
                future = self._pulled.pop(outcome.index)
                if outcome.error is None:
                    future.set_result(outcome.value)
                else:
                    future.set_exception(outcome.error)
        except BaseException as raised:  # every future gets to know why it has no result
            error = raised
        for future in self._pulled.values():
            future.set_exception(error)


def _call(call: Call) -> Any:
    function, arguments = call
    return function(*arguments)
