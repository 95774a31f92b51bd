"""The details of one span as pairs of words.

Belongs here: pairs of texts. Does not belong here: where they are shown.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from kaygraph_viz.analysis.wording import duration
from kaygraph_viz.parts import PART_KINDS
from kaygraph_viz.plot.labels import clean
from kaygraph_viz.plot.style import FILLS, STATUS_WORDS
from kaygraph_viz.trace.columns import SpanColumns
from kaygraph_viz.trace.span import Span

__all__ = ["span_facts"]

TEXT_LIMIT = 500


def span_facts(columns: SpanColumns, span_id: int) -> list[list[str]]:
    """Return the details of a span as pairs of words; an empty list if there is no such span."""
    found = np.flatnonzero(columns.rows["span_id"] == span_id)
    if not len(found):
        return []
    first_ns = int(columns.column("submitted_ns").min())
    pairs = _facts(columns.span(int(found[0])), first_ns)
    return [[clean(name), clean(value, TEXT_LIMIT)] for name, value in pairs if value]


def _facts(span: Span, first_ns: int) -> Iterator[tuple[str, str]]:
    yield "name", span.name
    yield "item", "" if span.index is None else str(span.index)
    yield "worker", span.lane
    yield "from", duration((span.started_ns - first_ns) / 1e9)
    yield "took", duration(span.service_s)
    yield "queued", duration(span.queue_wait_s)
    yield from _part_facts(span)
    yield "ended", STATUS_WORDS.get(span.status, span.status)
    yield "attempts", str(span.attempt) if span.attempt > 1 else ""
    yield "error", span.error or ""
    for key, value in span.attributes.items():
        yield key, value if isinstance(value, str) else repr(value)  # plain data: see trace.attributes


def _part_facts(span: Span) -> Iterator[tuple[str, str]]:
    """Yield the sum of each kind of part: CPU and waiting always, the others where there are any."""
    took_ns: dict[str, int] = dict.fromkeys(PART_KINDS, 0)
    for part in span.parts:
        took_ns[part.kind] += part.lasted_ns
    named = {kind: took_ns[kind] for kind in ("gil", "core", "blocked", "pause") if took_ns[kind]}
    cpu_ns = span.cpu_ns
    waiting_ns = None if cpu_ns is None else max(0, span.ended_ns - span.started_ns - cpu_ns - sum(named.values()))
    for kind, part_ns in {"cpu": cpu_ns, "wait": waiting_ns, **named}.items():
        yield _word(kind), "not measured" if part_ns is None else duration(part_ns / 1e9)
    if took_ns["unknown"]:
        yield _word("unknown"), f"{duration(took_ns['unknown'] / 1e9)} of these times"


def _word(kind: str) -> str:
    """Return the name of a kind of part without the remark that the legend adds."""
    return FILLS[kind].label.partition(" (")[0]
