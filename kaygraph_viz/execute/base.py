"""The one interface of all executors.

Belongs here: `imap` and `submit` with what holds for every kind of worker: checks, stopping, order. Does not belong
here: how one kind of worker gets its items (``local.threads``, ``worker_pool``, ``coroutines.executor``).
"""

from __future__ import annotations

import queue
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Self

from kaygraph_viz.base.checks import MAX_WORKERS, checked_workers
from kaygraph_viz.base.errors import BranchError, CallCancelled, OptionError
from kaygraph_viz.base.machine import usable_cores
from kaygraph_viz.base.parts import contextmanager
from kaygraph_viz.base.thread_protocols import Queue
from kaygraph_viz.base.threads import Lock
from kaygraph_viz.clock.clock import current_clock
from kaygraph_viz.clock.sync import threads
from kaygraph_viz.clock.virtual.fiber import Stopped
from kaygraph_viz.execute.branch import Branches
from kaygraph_viz.execute.call import Call, MemoryBudget, OnError
from kaygraph_viz.execute.cancel import CancelToken, cancel_after, interruptible, stopped_by_outer
from kaygraph_viz.execute.outcome import Outcome
from kaygraph_viz.execute.retries import Fallback, RetryPolicy
from kaygraph_viz.trace.recorder import NO_SCOPE, set_scope

__all__ = ["Capabilities", "Executor", "arranging", "default_workers", "in_order"]

MAX_BY_DEFAULT = 32


@dataclass(frozen=True, slots=True)
class Capabilities:
    """The abilities of a kind of worker."""

    runs_in_parallel: bool
    can_kill: bool
    shares_memory: bool
    needs_pickling: bool


class Executor(ABC):
    """Runs a function over items; get one with `get_executor`."""

    kind: ClassVar[str]
    capabilities: ClassVar[Capabilities]
    worker_limit: ClassVar[int] = MAX_WORKERS
    items_ahead: ClassVar[int] = 4  # look-ahead a worker for inputs without a length; more where items travel in chunks

    def __init__(self, max_workers: int | None = None) -> None:
        self._asked = checked_workers(max_workers, limit=self.worker_limit)
        self._is_closed = False
        self._tokens: dict[CancelToken, None] = {}  # in the order of the calls
        self._submissions: Submissions | None = None

    @property
    def workers(self) -> int:
        """The number of branches that may run at once; where none was asked for, the clock in force decides."""
        return self._default_workers() if self._asked is None else self._asked

    def _default_workers(self) -> int:
        return default_workers(self.kind)

    def imap(
        self,
        fn: Callable[[Any], Any],
        items: Iterable[Any],
        *,
        ordered: bool = True,
        window: int | None = None,
        timeout: float | None = None,
        retry: RetryPolicy | None = None,
        on_error: OnError = "raise",
        deadline: float | None = None,
        cancel: CancelToken | None = None,
        memory: MemoryBudget | None = None,
        name: str | None = None,
        label: Callable[[Any], str] | None = None,
        owner: str | None = None,
        fallback: Fallback | None = None,
    ) -> Generator[Outcome, None, None]:
        """Run ``fn(item)`` for each item and yield an outcome for each."""
        call = self._checked(
            fn,
            items,
            ordered=ordered,
            window=window,
            timeout=timeout,
            retry=retry,
            on_error=on_error,
            deadline=deadline,
            cancel=cancel,
            memory=memory,
            name=name,
            label=label,
            owner=owner,
            fallback=fallback,
        )
        return self._delivered(call)

    def _checked(self, fn: Callable[[Any], Any], items: Iterable[Any], **options: Any) -> Call:
        """Return the call with these arguments; raise `OptionError` if one is not valid."""
        if self._is_closed:
            raise OptionError("executor", self, "open", "with get_executor('thread', 4) as executor: ...")
        return Call.checked(fn, items, lambda: self.items_ahead * self.workers, **options)

    def _delivered(self, call: Call) -> Generator[Outcome, None, None]:
        """Yield the outcomes; raise the error of one where that is wanted, and an interrupt always."""
        raises = call.on_error == "raise"
        with self._stoppable(call), interruptible(self._run(call)) as outcomes:
            for outcome in outcomes:
                if outcome.error is not None and (raises or isinstance(outcome.error, KeyboardInterrupt)):
                    raise outcome.error
                yield outcome

    @contextmanager
    def _stoppable(self, call: Call) -> Iterator[None]:
        """Return a block in which the caller's tokens, `cancel` and the end of its time cancel the token of a call."""
        token = call.token
        self._tokens[token] = None
        try:
            with (
                call.cancel.stopping(token.cancel) if call.cancel is not None else nullcontext(),
                stopped_by_outer(token),
                cancel_after(token, call.deadline_s, call.too_late()),
            ):
                if token.reason is not None:
                    raise token.reason
                yield
        finally:
            del self._tokens[token]

    def submit(self, fn: Callable[..., Any], /, *args: Any) -> Future[Any]:
        """Run ``fn(*args)`` once and return a future of its result."""
        if self._is_closed:
            raise OptionError("executor", self, "open", "with get_executor('thread', 4) as executor: ...")
        if self._submissions is not None and not self._submissions.serves(threads()):
            self._submissions.close()
            self._submissions = None
        if self._submissions is None:
            self._submissions = Submissions(self.imap, shares_memory=self.capabilities.shares_memory)
        return self._submissions.add(fn, args)

    def cancel(self) -> None:
        """Stop all calls in progress; see `CancelToken`. The executor can be used again afterwards."""
        if self._submissions is not None:
            self._submissions.cancel()  # at once: what is submitted from here on counts as new
        for token in list(self._tokens):
            token.cancel()

    @abstractmethod
    def _run(self, call: Call) -> Generator[Outcome, None, None]:
        """Yield an outcome for each item of the call."""

    def close(self) -> None:
        """Wait for what was submitted and release what the executor holds; using it afterwards is an error."""
        if not self._is_closed and self._submissions is not None:
            self._submissions.close()
        self._is_closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, KeyboardInterrupt):  # an interrupt waits for no branch
            self.cancel()
        self.close()

    def __repr__(self) -> str:
        return f"<{self.kind} executor, {self.workers} worker{'s' if self.workers > 1 else ''}>"


def default_workers(kind: str = "thread") -> int:
    """Return the number of workers that an executor has by default."""
    if (fixed := current_clock().default_workers) is not None:
        return fixed
    return usable_cores() if kind == "process" else min(MAX_BY_DEFAULT, usable_cores() + 4)


def in_order(outcomes: Iterator[Outcome]) -> Iterator[Outcome]:
    """Yield outcomes by index and keep early ones until then; the indices are 0, 1, 2, ... without a gap."""
    early: dict[int, Outcome] = {}
    due = 0
    for outcome in outcomes:
        early[outcome.index] = outcome
        while due in early:
            yield early.pop(due)
            due += 1


def arranging(call: Call) -> Callable[[Outcome], Iterable[Outcome]]:
    """Return a function that takes each completed outcome and returns those that come next in the asked order."""
    early: dict[int, Outcome] = {}

    def arrange(outcome: Outcome) -> Iterator[Outcome]:
        early[outcome.index] = outcome
        while (due := early.pop(arranged[0], None)) is not None:
            arranged[0] += 1
            yield due

    arranged = [0]
    return arrange if call.ordered else lambda outcome: (outcome,)


# -- single calls, which come one by one and become the input of one `imap` --------------------------------------------

Submitted = tuple[Callable[..., Any], tuple[Any, ...]]
Queued = tuple[Future[Any], Submitted]
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


def _calls(token: CancelToken, waiting: Waiting, pulled: dict[int, Future[Any]]) -> Iterator[Submitted]:
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


def _call(call: Submitted) -> Any:
    function, arguments = call
    try:
        return function(*arguments)
    except KeyboardInterrupt as error:  # not a real one: those come to the main thread
        raise BranchError("the submitted call raised KeyboardInterrupt") from error
