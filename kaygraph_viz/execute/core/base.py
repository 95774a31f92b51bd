"""The one interface of all executors.

Belongs here: the public signature of `imap`, the checks of its options, and what holds for every kind of worker.
Does not belong here: how one kind of worker gets its items (``local.serial``, ``local.threads``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from kaygraph_viz.blocks import contextmanager
from kaygraph_viz.checks import MAX_WORKERS, checked_function, checked_workers
from kaygraph_viz.errors import DeadlineExceeded, OptionError
from kaygraph_viz.execute.cancel import CancelToken, cancel_after, interruptible, stopped_by_outer
from kaygraph_viz.execute.core.branch import Branches
from kaygraph_viz.execute.core.outcome import Outcome
from kaygraph_viz.execute.core.request import SIZED_WINDOW, Naming, OnError, Options, Request, count_of
from kaygraph_viz.execute.core.retries import ONCE, Fallback
from kaygraph_viz.execute.core.submit import Submissions
from kaygraph_viz.execute.limits import MemoryBudget, RetryPolicy, default_workers
from kaygraph_viz.sync import threads

__all__ = ["Capabilities", "Executor", "arranging", "in_order", "too_late"]


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
        options = Options(ordered, window, timeout, retry, on_error, deadline, cancel, memory)
        request = self._checked(fn, items, options, Naming(name, label, owner), fallback)
        return self._delivered(request, on_error)

    def _checked(
        self,
        fn: Callable[[Any], Any],
        items: Iterable[Any],
        options: Options,
        naming: Naming,
        fallback: Fallback | None,
    ) -> Request:
        """Return the request of a call whose arguments are valid; raise `OptionError` for others."""
        checked_function("fn", fn, "a function of one item", "executor.imap(check, records)")
        if not isinstance(items, Iterable):
            raise OptionError("items", items, "an iterable", "executor.imap(check, [1, 2, 3])")
        if self._is_closed:
            raise OptionError("executor", self, "open", "with get_executor('thread', 4) as executor: ...")
        options.check()
        called = naming.name or str(getattr(fn, "__name__", type(fn).__name__))
        branches = Branches(
            fn,
            name=called,
            label=naming.label,
            owner=naming.owner,
            retry=options.retry or ONCE,
            fallback=fallback,
            timeout_s=options.timeout,
        )
        count = count_of(items)
        window = options.window
        if window is None:
            window = self.items_ahead * self.workers if count is None else SIZED_WINDOW
        submitted = None if count is None else branches.now_ns()
        return Request(
            branches,
            items,
            options.ordered,
            window,
            options.timeout,
            submitted,
            count,
            CancelToken(),
            options.deadline,
            options.memory,
            options.cancel,
        )

    def _delivered(self, request: Request, on_error: OnError) -> Generator[Outcome, None, None]:
        """Yield the outcomes; raise the error of one where that is wanted, and an interrupt always."""
        with self._stoppable(request), interruptible(self._run(request)) as outcomes:
            for outcome in outcomes:
                if outcome.error is not None and (on_error == "raise" or isinstance(outcome.error, KeyboardInterrupt)):
                    raise outcome.error
                yield outcome

    @contextmanager
    def _stoppable(self, request: Request) -> Iterator[None]:
        """Return a block in which the caller's tokens, `cancel` and the end of its time cancel the token of a call."""
        token, outside = request.token, request.outside
        self._tokens[token] = None
        try:
            with (
                outside.stopping(token.cancel) if outside is not None else nullcontext(),
                stopped_by_outer(token),
                cancel_after(token, request.deadline_s, too_late(request)),
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
    def _run(self, request: Request) -> Generator[Outcome, None, None]:
        """Yield an outcome for each item of the request."""

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


def too_late(request: Request) -> DeadlineExceeded:
    """Return the error for a call whose branches together took too long."""
    return DeadlineExceeded(f"the call of {request.branches.owner!r}", request.deadline_s or 0.0)


def in_order(outcomes: Iterator[Outcome]) -> Iterator[Outcome]:
    """Yield outcomes by index and keep early ones until then; the indices are 0, 1, 2, ... without a gap."""
    early: dict[int, Outcome] = {}
    due = 0
    for outcome in outcomes:
        early[outcome.index] = outcome
        while due in early:
            yield early.pop(due)
            due += 1


def arranging(request: Request) -> Callable[[Outcome], Iterable[Outcome]]:
    """Return a function that takes each completed outcome and returns those that come next in the asked order."""
    early: dict[int, Outcome] = {}

    def arrange(outcome: Outcome) -> Iterator[Outcome]:
        early[outcome.index] = outcome
        while (due := early.pop(arranged[0], None)) is not None:
            arranged[0] += 1
            yield due

    arranged = [0]
    return arrange if request.ordered else lambda outcome: (outcome,)
