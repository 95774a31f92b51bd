"""The spans of a stage, held back until their items have been handed on: only then is it known how long that took.

Belongs here: what stands in for the recorder while a stage works. Does not belong here: what a span says about the work
itself (``core.branch``, ``local.results``), which is left as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kaygraph_viz.execute.pipeline.queues import Packet
from kaygraph_viz.trace.span import Row, blocked_at_end

if TYPE_CHECKING:
    from kaygraph_viz.trace.recorder import Recorder

__all__ = ["HeldSpans"]


class HeldSpans:
    """A recorder that keeps back the spans of a stage's items.

    Parameters
    ----------
    recorder
        The recorder of the trace.
    parent_id
        The span of the stage, of which those of its items are children.
    """

    def __init__(self, recorder: Recorder, parent_id: int) -> None:
        self._recorder = recorder
        self._parent_id = parent_id
        self._in_hand: dict[int, Packet] = {}
        self._kept: dict[int, _HeldSpan] = {}
        self.next_id, self.now_ns, self.open_spans = recorder.next_id, recorder.now_ns, recorder.open_spans

    def __getattr__(self, name: str) -> Any:
        return getattr(self._recorder, name)

    def expect(self, packet: Packet) -> None:
        """Say that a worker has an item in hand: its span will need the one that made the item."""
        self._in_hand[packet.index] = packet

    def add(self, row: Row) -> None:
        """Keep back the span of an item that was made into something; pass on all others."""
        packet = self._in_hand.get(row[2])
        if packet is not None and row[1] == self._parent_id and row[4] == "branch":
            kept = _HeldSpan(row, (packet.link,) if packet.link else None)
            if kept.is_ok:
                self._kept[packet.index] = self.open_spans[row[0]] = kept
                return
            row = kept.row()
        self._recorder.add(row)

    def span_id(self, index: int) -> int:
        """Return the number of the span that is kept back for an item; 0 if there is none."""
        kept = self._kept.get(index)
        return kept.span_id if kept is not None else 0

    def release(self, index: int, ended_ns: int = 0, blocked_ns: int = 0) -> None:
        """Let the span of an item go, which was blocked at its end for so long [ns]."""
        self._in_hand.pop(index, None)
        kept = self._kept.pop(index, None)
        if kept is not None:
            self._recorder.add(kept.row(ended_ns, blocked_ns))
            self.open_spans.pop(kept.span_id, None)


class _HeldSpan:
    """The span of an item that is kept back; if the recording ends before it is let go, this is what it says."""

    __slots__ = ("_row", "is_ok", "span_id")

    def __init__(self, row: Row, links: tuple[int, ...] | None) -> None:
        self.span_id = row[0]
        self.is_ok = row[11] == "ok"
        self._row: Row = (*row[:15], links, row[16])

    def abandoned_row(self, now_ns: int) -> Row:
        """Return the row if the recording ends now: the work was done, but the worker still has the result in hand."""
        return self.row(now_ns, now_ns - self._row[8])

    def row(self, ended_ns: int = 0, blocked_ns: int = 0) -> Row:
        """Return the row of a span that was blocked at its end for so long [ns]."""
        row, ended_ns = self._row, max(self._row[8], ended_ns)
        parts = blocked_at_end(row, ended_ns)
        return (*row[:8], ended_ns, row[9], row[10] + blocked_ns, *row[11:16], parts)
