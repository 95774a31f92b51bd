"""One call of `imap`: all that was asked for, checked, in the one form that executors read.

Belongs here: options, their checks, the input. Does not belong here: carrying it out (``base``, ``worker_pool``).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

from kaygraph_viz.base.checks import checked_function, checked_seconds, checked_whole, checked_word
from kaygraph_viz.base.errors import DeadlineExceeded, OptionError
from kaygraph_viz.base.optional import require_installed
from kaygraph_viz.clock.clock import current_clock
from kaygraph_viz.execute.branch import Branches
from kaygraph_viz.execute.cancel import CancelToken
from kaygraph_viz.execute.retries import ONCE, Fallback, RetryPolicy, as_node_error

__all__ = [
    "MAX_WINDOW",
    "ON_ERROR",
    "SIZED_WINDOW",
    "Call",
    "MemoryBudget",
    "OnError",
    "all_of",
    "count_of",
    "opened",
    "used_bytes",
]

POLL_NS = 50_000_000  # asking the system for the memory in use takes some 0.1 ms a process
OnError = Literal["raise", "collect"]
ON_ERROR = ("raise", "collect")
SIZED_WINDOW = 4096  # items that are in memory already may be finished this far ahead of the reader
MAX_WINDOW = 1_000_000
EMPTY_AS_THEY_SAY = frozenset({list, tuple, dict, set, frozenset, str, bytes, range, deque})


class MemoryBudget:
    """A bound on memory that narrows the look-ahead of a batch: items then wait in their source.

    How much memory is in use depends on the machine, so in simulated time it is never short.

    Parameters
    ----------
    max_bytes
        The most memory that this process and its children may use together [bytes], 1 or more.

    Raises
    ------
    OptionError
        If `max_bytes` is not a positive whole number.

    Examples
    --------
    >>> MemoryBudget(1).is_tight()
    True
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = checked_whole("max_bytes", max_bytes, 1, 1 << 60, "max_bytes=2_000_000_000")
        self._looked_ns = -POLL_NS
        self._is_tight = False

    def is_tight(self) -> bool:
        """Return whether the budget is used up; looked up every 50 ms at most; in simulated time it never is."""
        if current_clock().is_exact:
            return False
        now_ns = time.monotonic_ns()
        if now_ns - self._looked_ns >= POLL_NS:
            self._looked_ns = now_ns
            self._is_tight = used_bytes() > self.max_bytes
        return self._is_tight

    def __repr__(self) -> str:
        return f"MemoryBudget({self.max_bytes:_})"


def used_bytes() -> int:
    """Return how much memory this process and its children have resident [bytes]."""
    require_installed("numbers of the memory in use", "leave out memory=...")
    import psutil

    process = psutil.Process()
    used = int(process.memory_info().rss)
    for child in process.children(recursive=True):
        with suppress(psutil.Error):  # it has just ended
            used += int(child.memory_info().rss)
    return used


@dataclass(frozen=True, slots=True)
class Call:
    """One call of `imap`: checked, made once, and read by all that carry it out."""

    branches: Branches  # the function with its names, attempts and timeout: what one branch needs
    items: Iterable[Any]
    ordered: bool = True
    window: int = 0
    on_error: OnError = "raise"
    deadline_s: float | None = None
    memory: MemoryBudget | None = None
    cancel: CancelToken | None = None  # the caller's
    count: int | None = None
    submitted_ns: int | None = None  # when all items were ready; None where each is when it is pulled
    token: CancelToken = field(default_factory=CancelToken)  # stops this call, whatever the reason

    @classmethod
    def checked(
        cls,
        fn: Callable[[Any], Any],
        items: Iterable[Any],
        look_ahead: Callable[[], int],
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
    ) -> Call:
        """Return a call whose arguments are valid; raise `OptionError` for the first of others.

        `look_ahead` says how many items are pulled ahead where no window is given and the input has no length.
        """
        checked_function("fn", fn, "a function of one item", "executor.imap(check, records)")
        if not isinstance(items, Iterable):
            raise OptionError("items", items, "an iterable", "executor.imap(check, [1, 2, 3])")
        checked_word("on_error", on_error, ON_ERROR)
        if window is not None:
            checked_whole("window", window, 0, MAX_WINDOW, "window=8")
        for option, seconds in (("timeout", timeout), ("deadline", deadline)):
            if seconds is not None:
                checked_seconds(option, seconds, f"{option}=2.5", above=True)
        objects = (("retry", retry, RetryPolicy), ("cancel", cancel, CancelToken), ("memory", memory, MemoryBudget))
        for option, value, kind in objects:
            if value is not None and not isinstance(value, kind):
                raise OptionError(option, value, f"a {kind.__name__}, or None", f"{option}={kind.__name__}(...)")

        branches = Branches(
            fn,
            name=name or str(getattr(fn, "__name__", type(fn).__name__)),
            label=label,
            owner=owner,
            retry=retry or ONCE,
            fallback=fallback,
            timeout_s=timeout,
        )
        count = count_of(items)
        if window is None:
            window = look_ahead() if count is None else SIZED_WINDOW
        submitted_ns = None if count is None else branches.now_ns()
        return cls(branches, items, ordered, window, on_error, deadline, memory, cancel, count, submitted_ns)

    @property
    def timeout_s(self) -> float | None:
        """How long a branch may take [s]."""
        return self.branches.timeout_s

    def opened(self) -> Iterator[Any]:
        """Return an iterator over the input."""
        return opened(self.items, f"the input of {self.branches.owner!r}")

    def limit(self, workers: int) -> int:
        """Return how many items may be pulled and not yet delivered, for so many workers, at this moment."""
        is_tight = self.memory is not None and self.memory.is_tight()
        return workers + (0 if is_tight else self.window)

    def too_late(self) -> DeadlineExceeded:
        """Return the error of a call whose branches together took too long."""
        return DeadlineExceeded(f"the call of {self.branches.owner!r}", self.deadline_s or 0.0)


# -- the input --------------------------------------------------------------------------------------------------------


def count_of(items: Iterable[Any]) -> int | None:
    """Return how many items there are, or None where that is not known."""
    if not isinstance(items, Sized):
        return None
    try:
        count = len(items)
    except KeyboardInterrupt:
        raise
    except BaseException:  # the length is not needed
        return None
    return count if count or type(items) in EMPTY_AS_THEY_SAY else None


def opened(items: Iterable[Any], what: str) -> Iterator[Any]:
    """Return an iterator over items; an error of making it that would end a loop becomes one that names `what`."""
    try:
        return iter(items)
    except BaseException as raised:
        raise as_node_error(raised, what)


def all_of(items: Iterable[Any], what: str) -> list[Any]:
    """Return all items as a list, without asking for their number, as `list` does."""
    try:
        return [item for item in items]  # noqa: C416  (see above)
    except BaseException as raised:
        raise as_node_error(raised, what)
