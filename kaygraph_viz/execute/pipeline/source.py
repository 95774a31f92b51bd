"""Reading the items of a pipeline, one by one, as fast as its first stage takes them.

Belongs here: what happens between two items of the source. Does not belong here: its thread (``run``).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from functools import partial
from typing import Any

from kaygraph_viz.errors import add_note_once
from kaygraph_viz.execute.core.request import opened
from kaygraph_viz.execute.core.retries import as_node_error
from kaygraph_viz.execute.pipeline.queues import Buffer, QueuedItem, waiting
from kaygraph_viz.execute.pipeline.stage_run import Meter
from kaygraph_viz.execute.pipeline.stages import SOURCE
from kaygraph_viz.trace.recorder import span
from kaygraph_viz.trace.span import Row, RowTuple, Status

__all__ = ["Source"]


class Source:
    """The source of a pipeline: a stage of its own, whose work is to read items."""

    def __init__(self, items: Iterable[Any], outbox: Buffer, owner: str, now_ns: Callable[[], int]) -> None:
        self.outbox = outbox
        self.meter = Meter(SOURCE, 1)
        self.read = 0  # how many items have been read
        self.ended_ns: int | None = None
        self._items = items
        self._iterator: Iterator[Any] | None = None
        self._owner = owner
        self._now_ns = now_ns

    def step(self) -> bool:
        """Read an item and put it into the queue; return whether there may be more."""
        with _Reading(self.read) as reading:
            began_ns = self._now_ns()
            try:
                if self._iterator is None:
                    self._iterator = opened(self._items, f"the source of {self._owner!r}")
                value = next(self._iterator)
            except StopIteration:
                reading.found_nothing()
                return False
            except BaseException as raised:
                error = as_node_error(raised, where := f"item {self.read} of the source of {self._owner!r}")
                add_note_once(error, f"in {where}")
                raise error  # noqa: B904  (it is the same one, or has its cause)
            queued = QueuedItem(self.read, value, read_ns=self._now_ns(), link=reading.span_id, position=self.read)
            self.read += 1
            self.meter.count(queued.read_ns - began_ns)
            entered_ns = self.outbox.offer(queued)
            if entered_ns is None:
                entered_ns = waiting(partial(self.outbox.offer, queued))
                self.meter.count_blocked(max(0, entered_ns - queued.read_ns))
            reading.read_ns, reading.ended_ns = queued.read_ns, max(entered_ns, queued.read_ns)
            return not self.outbox.is_abandoned

    def close(self) -> None:
        """Close the iterator, if it is a generator, and the queue behind the source."""
        try:
            if isinstance(self._iterator, Generator):
                self._iterator.close()
        finally:
            self.ended_ns = self._now_ns() if self.ended_ns is None else self.ended_ns
            self.outbox.close()


class _Reading(span):
    """The span of one item, until it is in the queue; what the source records meanwhile lies in it."""

    __slots__ = ("ended_ns", "index", "read_ns")

    def __init__(self, index: int) -> None:
        super().__init__(SOURCE)
        self.index = index
        self.read_ns = 0  # when the item was there, and when it was in the queue
        self.ended_ns: int | None = None

    def found_nothing(self) -> None:
        """Rename the span, since there was no item: it must not count as one."""
        self.name, self.kind, self.index = f"end of {SOURCE}", "wait", -1

    def _row(self, ended_ns: int, status: Status, error: str | None) -> RowTuple:
        until_ns = ended_ns if self.ended_ns is None else self.read_ns
        row = Row._make(super()._row(until_ns, status, error))._replace(index=self.index)
        return row if self.ended_ns is None else row.blocked_until(self.ended_ns, self.ended_ns - until_ns)
