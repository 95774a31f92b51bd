"""What is known of one span, in words.

Belongs here: pairs of texts. Does not belong here: where they are shown.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from kaygraph_viz.analysis.wording import duration
from kaygraph_viz.plot.labels import clean
from kaygraph_viz.plot.style import STATUS_WORDS
from kaygraph_viz.trace.columns import SpanColumns
from kaygraph_viz.trace.span import Span

__all__ = ["span_facts"]

TEXT_LIMIT = 500


def span_facts(columns: SpanColumns, span_id: int) -> list[list[str]]:
    """Return what is known of a span, as pairs of words; nothing if there is no such span.

    Examples
    --------
    >>> from kaygraph_viz.testing import bar, make_trace
    >>> columns = make_trace(bar("a", "t-1", 0, 1, cpu_s=0.25, index=7, city="Oslo")).columns
    >>> [words for words in span_facts(columns, 1) if words[0] in ("item", "waiting", "city")]
    [['item', '7'], ['waiting', '0.750 s'], ['city', 'Oslo']]
    """
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
    parts = {"CPU": span.cpu_ns, "waiting": span.waiting_ns, "blocked": span.blocked_ns}
    yield "queued", duration(span.queue_wait_s)
    for name, part_ns in parts.items():
        yield name, "not measured" if part_ns is None else duration(part_ns / 1e9)
    yield "ended", STATUS_WORDS.get(span.status, span.status)
    yield "attempts", str(span.attempt) if span.attempt > 1 else ""
    yield "error", span.error or ""
    for key, value in span.attributes.items():
        yield key, value if isinstance(value, str) else repr(value)  # plain data: see trace.attributes
