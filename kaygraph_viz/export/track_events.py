"""The events on the tracks of a viewer: begin and end of spans, and the parts in each of them.

Belongs here: their order, and cutting parts where other spans cover them. Does not belong here: the track of a span
(``tracks``), and the JSON of an event (``perfetto``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from kaygraph_viz.parts import Part
from kaygraph_viz.trace.span import Span

__all__ = ["PartPiece", "SpanBegin", "SpanEnd", "has_pieces", "track_events"]

UNITS = ("branch", "attempt")


class SpanBegin(NamedTuple):
    """The begin of a span on a track."""

    track: int
    span: Span


class PartPiece(NamedTuple):
    """A stretch of a part during which nothing else is drawn within its span."""

    track: int
    span: Span
    part: Part
    started_ns: int
    ended_ns: int


class SpanEnd(NamedTuple):
    """The end of a span on a track."""

    track: int
    span: Span


@dataclass(slots=True)
class _Open:
    """A span that has begun, and the time from which on its parts have not been drawn [ns]."""

    track: int
    span: Span
    ended_ns: int
    parts: tuple[Part, ...]
    from_ns: int

    def pieces(self, until_ns: int, next_ns: int) -> Iterator[PartPiece]:
        """Yield the parts that are not drawn yet until a time [ns]; until `next_ns` a span covers them."""
        for part in self.parts:
            begin_ns, end_ns = max(part.started_ns, self.from_ns), min(part.ended_ns, until_ns)
            if begin_ns < end_ns:
                yield PartPiece(self.track, self.span, part, begin_ns, end_ns)
        self.from_ns = max(self.from_ns, next_ns)

    def closed(self) -> Iterator[PartPiece | SpanEnd]:
        if self.parts:
            yield from self.pieces(self.ended_ns, self.ended_ns)
        yield SpanEnd(self.track, self.span)


def has_pieces(span: Span) -> bool:
    """Return whether the parts of a span are drawn: it is a unit of work with several parts, some of them known."""
    some_known = span.noted_parts is not None or span.blocked_ns > 0
    return some_known and span.kind in UNITS and len(span.parts) > 1


def track_events(spans: Iterable[tuple[int, Span]]) -> Iterator[SpanBegin | PartPiece | SpanEnd]:
    """Yield the events of all tracks in order, such that spans and parts lie within or beside each other."""
    opened: list[_Open] = []
    for track, span in spans:
        started_ns, ended_ns = span.started_ns, span.ended_ns
        while opened and (opened[-1].ended_ns <= started_ns or opened[-1].track != track):
            yield from opened.pop().closed()
        if opened and opened[-1].parts:
            yield from opened[-1].pieces(started_ns, ended_ns)
        yield SpanBegin(track, span)
        opened.append(_Open(track, span, ended_ns, span.parts if has_pieces(span) else (), started_ns))
    while opened:
        yield from opened.pop().closed()
