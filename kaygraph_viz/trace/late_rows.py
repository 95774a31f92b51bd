"""Rows that are made some time after their spans have ended: until then only the facts are kept.

Belongs here: keeping the facts of spans that have ended, as far as they are few. Does not belong here: how a row is
made of them (who records the span), where rows are kept (``storage``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from kaygraph_viz.real_threads import RLock
from kaygraph_viz.trace.span import RowTuple

__all__ = ["MOST_LATE", "LateRows"]

MOST_LATE = 8_192  # some 8 MB: beyond it, each span that ends has the row of the oldest one made


class LateRows:
    """The facts of spans that have ended, in order: tuples, whose first item is a function that makes a row of them."""

    def __init__(self, add: Callable[[RowTuple], None], give_up: Callable[[BaseException], None]) -> None:
        self._add, self._give_up = add, give_up
        self._waiting: deque[tuple[Any, ...]] = deque()
        self._lock = RLock()  # who reads all rows waits for one that another thread is making

    def put(self, facts: tuple[Any, ...]) -> None:
        """Keep the facts of a span that has ended."""
        waiting = self._waiting
        waiting.append(facts)
        if len(waiting) > MOST_LATE:
            self.make_all(MOST_LATE)

    def make_all(self, but: int = 0) -> None:
        """Make the rows of all spans so far, or of all but the last ones; never raises."""
        with self._lock:
            while len(self._waiting) > but:
                facts = self._waiting.popleft()
                try:
                    self._add(facts[0](facts))
                except Exception as error:
                    self._give_up(error)
