"""Single calls submitted to an executor, each with a future.

Belongs here: turning calls that come one by one into the input of one `imap`. Does not belong here: running them.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from typing import Any

from kaygraph_viz.errors import BranchError, CallCancelled
from kaygraph_viz.execute.cancel import CancelToken
from kaygraph_viz.execute.core.branch import Branches
from kaygraph_viz.execute.core.outcome import Outcome
from kaygraph_viz.real_threads import Lock
from kaygraph_viz.sync import threads
from kaygraph_viz.thread_protocols import Queue
from kaygraph_viz.trace.recorder import NO_SCOPE, set_scope
from kaygraph_viz.virtual.fiber import Stopped

__all__ = ["Submissions"]

Call = tuple[Callable[..., Any], tuple[Any, ...]]
Queued = tuple[Future[Any], Call]
Waiting = Queue[Queued | None]  # None ends it


class Submissions:
    """Runs calls as they come, as the branches of one endless `imap`, and of another one after a cancellation."""

    def __init__(self, imap: Callable[..., Generator[Outcome, None, None]], *, shares_memory: bool) -> None:
        self._imap = imap
        self._shares_memory = shares_memory
        self._lock = Lock()
        self._token = CancelToken()
        self.threads = threads()
        self._waiting: Waiting = self.threads.SimpleQueue()
        self._is_closed = False
        self._thread = self.threads.Thread(target=self._run, name="submissions", daemon=True)
        self._thread.start()

    def serves(self, threads: object) -> bool:
        """Return whether calls are run, and by these threads: not in a fork, which has only a copy of the queue."""
        return self.threads is threads and bool(self._thread.is_alive())

    def add(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Future[Any]:
        """Queue one call and return its future; cancelling it before it starts takes it out."""
        future = self.threads.Future()
        if self._shares_memory:
            function, arguments = _in_place(function, arguments), ()
        with self._lock:
            self._waiting.put((future, (function, arguments)))
        return future

    def cancel(self) -> None:
        """Stop the calls that were added so far, and run those that are added from now on."""
        with self._lock:
            token = self._token
        token.cancel()
        self._begin_anew(token)  # unless it is done: the thread that runs calls may not listen yet

    def close(self) -> None:
        """Refuse further calls, and wait for those that were added."""
        with self._lock:
            self._is_closed = True
            self._waiting.put(None)
        self._thread.join()

    def _begin_anew(self, cancelled: CancelToken, _: BaseException | None = None) -> None:
        """Begin a new queue for the calls that come after a cancellation, and wake the reader of the old one."""
        with self._lock:
            if self._token is not cancelled:
                return
            old, self._waiting, self._token = self._waiting, self.threads.SimpleQueue(), CancelToken()
            if self._is_closed:
                self._waiting.put(None)
        old.put(None)

    def _run(self) -> None:
        if self._shares_memory:
            set_scope(NO_SCOPE)  # each call is recorded where it was submitted
        is_over = False
        while not is_over:
            with self._lock:
                token, waiting = self._token, self._waiting
            with token.stopping(partial(self._begin_anew, token)):
                self._read(token, waiting)
            with self._lock:
                is_over = self._waiting is waiting  # else it was cancelled, and there is another one to be read

    def _read(self, token: CancelToken, waiting: Waiting) -> None:
        error: BaseException = CallCancelled("the executor stopped before this call was run")
        ended: Stopped | None = None
        pulled: dict[int, Future[Any]] = {}
        calls = _calls(token, waiting, pulled)
        try:
            for outcome in self._imap(_call, calls, ordered=False, on_error="collect", window=0, cancel=token):
                future = pulled.pop(outcome.index)
                if outcome.error is None:
                    future.set_result(outcome.value)
                else:
                    future.set_exception(outcome.error)
        except Stopped as stopped:
            ended, error = stopped, CallCancelled("the with block of the virtual clock ended before this call")
        except BaseException as raised:  # every future gets to know why it has no result
            error = raised
            token.cancel(raised)
        for future in list(pulled.values()):
            future.set_exception(error)
        _refuse(waiting, token.reason or error)
        if ended is not None:
            raise ended


def _in_place(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Callable[[], Any]:
    """Return a function that runs a call in a worker, as a branch of the scope in which it was submitted."""
    branches = Branches(lambda _: function(*arguments), name=str(getattr(function, "__name__", "submitted")))
    submitted_ns = branches.now_ns()

    def run() -> Any:
        lanes = branches.recorder.lanes
        with lanes.occupied(lanes.take("submitted")) as lane:
            return branches.run(0, None, submitted_ns, lane).unwrap()

    return run


def _calls(token: CancelToken, waiting: Waiting, pulled: dict[int, Future[Any]]) -> Iterator[Call]:
    """Yield the calls of one queue as they come; once it is cancelled they get their error instead."""
    index = 0
    while (queued := waiting.get()) is not None:
        future, call = queued
        if not future.set_running_or_notify_cancel():
            continue
        if token.reason is not None:
            future.set_exception(token.reason)
            continue
        pulled[index] = future
        index += 1
        yield call


def _refuse(waiting: Waiting, error: BaseException) -> None:
    """Set an error for all calls that are left in a queue, and end it for a worker that still waits there."""
    with suppress(queue.Empty):
        while True:
            queued = waiting.get_nowait()
            if queued is not None and queued[0].set_running_or_notify_cancel():
                queued[0].set_exception(error)
    waiting.put(None)


def _call(call: Call) -> Any:
    function, arguments = call
    try:
        return function(*arguments)
    except KeyboardInterrupt as error:  # not a real one: those come to the main thread
        raise BranchError("the submitted call raised KeyboardInterrupt") from error
