"""One call of `imap`: its options, checked, in the form in which executors get them.

Belongs here: what was asked for. Does not belong here: doing it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sized
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from kaygraph_viz.base.checks import checked_seconds, checked_whole, checked_word
from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.execute.branch import Branches
from kaygraph_viz.execute.cancel import CancelToken
from kaygraph_viz.execute.retries import MemoryBudget, RetryPolicy, as_node_error

__all__ = [
    "MAX_WINDOW",
    "ON_ERROR",
    "SIZED_WINDOW",
    "Naming",
    "OnError",
    "Options",
    "Request",
    "all_of",
    "count_of",
    "opened",
]

OnError = Literal["raise", "collect"]
ON_ERROR = ("raise", "collect")
SIZED_WINDOW = 4096  # items that are in memory already may be finished this far ahead of the reader
MAX_WINDOW = 1_000_000
EMPTY_AS_THEY_SAY = frozenset({list, tuple, dict, set, frozenset, str, bytes, range, deque})


@dataclass(frozen=True, slots=True)
class Request:
    """One checked call of `imap`, in the form in which executors get it."""

    branches: Branches
    items: Iterable[Any]
    ordered: bool
    window: int
    timeout_s: float | None
    submitted_ns: int | None
    count: int | None
    token: CancelToken = field(default_factory=CancelToken)
    deadline_s: float | None = None
    memory: MemoryBudget | None = None
    outside: CancelToken | None = None

    def opened(self) -> Iterator[Any]:
        """Return an iterator over the input."""
        return opened(self.items, f"the input of {self.branches.owner!r}")

    def limit(self, workers: int) -> int:
        """Return how many items may be pulled and not yet delivered, for so many workers, at this moment."""
        is_tight = self.memory is not None and self.memory.is_tight()
        return workers + (0 if is_tight else self.window)


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
        raise as_node_error(raised, what)  # noqa: B904  (it is the same one, or has its cause)


def all_of(items: Iterable[Any], what: str) -> list[Any]:
    """Return all items as a list, without asking for their number, as `list` does."""
    try:
        return [item for item in items]  # noqa: C416  (see above)
    except BaseException as raised:
        raise as_node_error(raised, what)  # noqa: B904  (it is the same one, or has its cause)


class Naming(NamedTuple):
    """The names of the branches of a call and of the node to which they belong."""

    name: str | None = None
    label: Callable[[Any], str] | None = None
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """The options of one call of `imap`, unchecked."""

    ordered: bool = True
    window: int | None = None
    timeout: float | None = None
    retry: RetryPolicy | None = None
    on_error: OnError = "raise"
    deadline: float | None = None
    cancel: CancelToken | None = None
    memory: MemoryBudget | None = None

    def check(self) -> None:
        """Raise `OptionError` for the first option that is out of range."""
        checked_word("on_error", self.on_error, ON_ERROR)
        if self.window is not None:
            checked_whole("window", self.window, 0, MAX_WINDOW, "window=8")
        for name, seconds in (("timeout", self.timeout), ("deadline", self.deadline)):
            if seconds is not None:
                checked_seconds(name, seconds, f"{name}=2.5", above=True)
        for name, kind in (("retry", RetryPolicy), ("cancel", CancelToken), ("memory", MemoryBudget)):
            value = getattr(self, name)
            if value is not None and not isinstance(value, kind):
                raise OptionError(name, value, f"a {kind.__name__}, or None", f"{name}={kind.__name__}(...)")
