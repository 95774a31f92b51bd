"""The spans of a stage, held back until their items are in the next queue: only then is it known how long that took.

Belongs here: what keeps the rows of a stage's items meanwhile. Does not belong here: what a span says about the work
itself (``core.branch``, ``local.results``), which is left as it is.
"""

from __future__ import annotations

from kaygraph_viz.execute.pipeline.queues import QueuedItem
from kaygraph_viz.trace.recorder import Recorder
from kaygraph_viz.trace.span import Row, RowTuple

__all__ = ["BlockedSpans"]


class BlockedSpans:
    """Keeps back the spans of a stage's items, which are children of `parent_id`, and passes on all others."""

    def __init__(self, recorder: Recorder, parent_id: int) -> None:
        self._recorder = recorder
        self._parent_id = parent_id
        self._in_progress: dict[int, QueuedItem] = {}
        self._held: dict[int, _HeldSpan] = {}

    def expect(self, queued: QueuedItem) -> None:
        """Note that a worker begins with an item: its span will be linked to the one that made the item."""
        self._in_progress[queued.index] = queued

    def add(self, row: RowTuple) -> None:
        """Keep back the span of an item that was made into something; pass on all others."""
        found = Row._make(row)
        queued = self._in_progress.get(found.index)
        if queued is None or found.parent_id != self._parent_id or found.kind != "branch":
            self._recorder.add(row)
            return
        found = found._replace(links=(queued.link,) if queued.link else None)
        if found.status == "ok":
            self._held[queued.index] = held = _HeldSpan(found)
            self._recorder.keep_open(held)
        else:
            self._recorder.add(found)

    def span_id(self, index: int) -> int:
        """Return the number of the span that is kept back for an item; 0 if there is none."""
        held = self._held.get(index)
        return held.span_id if held is not None else 0

    def release(self, index: int, ended_ns: int = 0, blocked_ns: int = 0) -> None:
        """Pass on the span of an item, which was blocked at its end for so long [ns]."""
        self._in_progress.pop(index, None)
        held = self._held.pop(index, None)
        if held is not None:
            self._recorder.add(held.row.blocked_until(ended_ns, blocked_ns))
            self._recorder.forget(held.span_id)


class _HeldSpan:
    """The span of an item whose work is done, but whose result is still with its worker."""

    __slots__ = ("row", "span_id")

    def __init__(self, row: Row) -> None:
        self.row = row
        self.span_id = row.span_id

    def abandoned_row(self, now_ns: int) -> Row:
        """Return the row if the recording ends now: blocked since the work was done."""
        return self.row.blocked_until(now_ns, now_ns - self.row.ended_ns)
