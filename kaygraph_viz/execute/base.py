"""The one interface of all executors.

Belongs here: the public signature of `imap`, the checks of its options, and what holds for every kind of worker.
Does not belong here: how one kind of worker gets its items (``serial``, ``threads``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Iterator, Sized
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self

from kaygraph_viz.errors import OptionError
from kaygraph_viz.execute.attempts import ONCE, Branches, Fallback
from kaygraph_viz.execute.limits import RetryPolicy, checked_seconds, checked_whole, checked_workers
from kaygraph_viz.execute.outcome import Outcome

__all__ = ["ON_ERROR", "Capabilities", "Executor", "OnError", "Request"]

OnError = Literal["raise", "collect"]
ON_ERROR = ("raise", "collect")
SIZED_WINDOW = 4096  # items that are in memory already may be finished this far ahead of the reader
MAX_WINDOW = 1_000_000


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a kind of worker can and cannot do.

    Parameters
    ----------
    runs_in_parallel
        Whether several branches can be in progress at once.
    can_kill
        Whether a branch that overruns its timeout is really ended, not only given up on.
    shares_memory
        Whether a branch sees and changes the objects of the caller.
    needs_pickling
        Whether functions, items and results must be picklable.
    """

    runs_in_parallel: bool
    can_kill: bool
    shares_memory: bool
    needs_pickling: bool


@dataclass(frozen=True, slots=True)
class Request:
    """One checked call of `imap`, as the kinds of executor get it.

    Parameters
    ----------
    branches
        How one item is run.
    items
        The input; read lazily.
    ordered
        Whether outcomes come in the order of the items.
    window
        How many items may be pulled beyond those in the workers' hands before the reader takes an outcome.
    timeout_s
        The time each branch has [s], or None.
    submitted_ns
        When all items were ready [ns], or None where each is ready when it is pulled.
    count
        How many items there are, or None where nobody knows.
    """

    branches: Branches
    items: Iterable[Any]
    ordered: bool
    window: int
    timeout_s: float | None
    submitted_ns: int | None
    count: int | None


class Executor(ABC):
    """Runs a function over items; get one with `get_executor`.

    Executors are context managers. Every kind keeps the same contract, so that changing the kind never changes a
    result.

    Parameters
    ----------
    workers
        How many branches may run at once, 1 to 4096; default: the cores and 4 more, at most 32.

    Raises
    ------
    OptionError
        If `workers` is out of range.
    """

    kind: ClassVar[str]
    capabilities: ClassVar[Capabilities]

    def __init__(self, workers: int | None = None) -> None:
        self.workers = checked_workers(workers)
        self._is_closed = False

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
        name: str | None = None,
        label: Callable[[Any], str] | None = None,
        owner: str | None = None,
        fallback: Fallback | None = None,
    ) -> Generator[Outcome, None, None]:
        """Run ``fn(item)`` for each item and yield an outcome for each.

        Items are pulled lazily: never more than the workers hold plus `window` are pulled before outcomes are taken.
        Closing the iterator early stops pulling and waits for the branches in progress.

        Parameters
        ----------
        fn
            Called with one item, in a worker, in a copy of the caller's context.
        items
            Any iterable, also an endless one.
        ordered
            Whether outcomes come in the order of the items, or as they are completed.
        window
            Look-ahead, 0 to 1,000,000 items; default: 4 a worker, or 4096 where the input has a length.
        timeout
            The time each branch has, with all its attempts [s]. Threads cannot be killed: the branch is given up,
            its worker is replaced, and its bar goes on until it really ends.
        retry
            How often a failing branch is tried; default: once.
        on_error
            ``"raise"`` raises the error of the first failed outcome, ``"collect"`` yields it as an outcome.
        name, label, owner
            What the branches are called in the trace, or a function of the item that says so; and the node they
            belong to, for messages.
        fallback
            Called with the item and its last error; what it returns takes the place of the value.

        Yields
        ------
        Outcome
            One for each item.

        Raises
        ------
        OptionError
            If an option is out of range.
        Exception
            The error of a branch with ``on_error="raise"``; the error of the input, after the outcomes of the items
            before it.

        Examples
        --------
        >>> from kaygraph_viz.execute.registry import get_executor
        >>> with get_executor("thread", 2) as executor:
        ...     [outcome.value for outcome in executor.imap(str.upper, "abc")]
        ['A', 'B', 'C']
        """
        if not callable(fn):
            raise OptionError("fn", fn, "a function of one item", "executor.imap(check, records)")
        if on_error not in ON_ERROR:
            raise OptionError("on_error", on_error, "'raise' or 'collect'", 'on_error="collect"')
        if retry is not None and not isinstance(retry, RetryPolicy):
            raise OptionError("retry", retry, "a RetryPolicy", "retry=RetryPolicy(attempts=3)")
        if self._is_closed:
            raise OptionError("executor", self, "open", "with get_executor('thread', 4) as executor: ...")
        called = name or str(getattr(fn, "__name__", type(fn).__name__))
        timeout_s = None if timeout is None else checked_seconds("timeout", timeout, "timeout=2.5")
        branches = Branches(
            fn, name=called, label=label, owner=owner, retry=retry or ONCE, fallback=fallback, timeout_s=timeout_s
        )
        request = self._request(branches, items, ordered, window)
        return _delivered(self._run(request), on_error)

    def _request(self, branches: Branches, items: Iterable[Any], ordered: bool, window: int | None) -> Request:
        if not isinstance(items, Iterable):
            raise OptionError("items", items, "something to iterate over", "executor.imap(check, [1, 2, 3])")
        count = len(items) if isinstance(items, Sized) else None
        if window is None:
            window = 4 * self.workers if count is None else SIZED_WINDOW
        checked_whole("window", window, 0, MAX_WINDOW, "window=8")
        submitted = None if count is None else branches.now_ns()
        return Request(branches, items, ordered, window, branches.timeout_s, submitted, count)

    @abstractmethod
    def _run(self, request: Request) -> Generator[Outcome, None, None]:
        """Yield an outcome for each item of the request."""

    def close(self) -> None:
        """Release what the executor holds; using it afterwards is an error, closing it again is not."""
        self._is_closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{self.kind} executor, {self.workers} worker{'s' if self.workers > 1 else ''}>"


def _delivered(outcomes: Generator[Outcome, None, None], on_error: OnError) -> Generator[Outcome, None, None]:
    """Yield the outcomes; raise the error of one where that is wanted, and an interrupt always."""
    try:
        for outcome in outcomes:
            if outcome.error is not None and (on_error == "raise" or isinstance(outcome.error, KeyboardInterrupt)):
                raise outcome.error
            yield outcome
    finally:
        outcomes.close()


def in_order(outcomes: Iterator[Outcome]) -> Iterator[Outcome]:
    """Yield outcomes by index, keeping those that are early; the indices are 0, 1, 2, ... without a gap."""
    early: dict[int, Outcome] = {}
    due = 0
    for outcome in outcomes:
        early[outcome.index] = outcome
        while due in early:
            yield early.pop(due)
            due += 1
