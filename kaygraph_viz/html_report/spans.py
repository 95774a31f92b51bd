"""The table of spans: which of them, and what is said of each.

Belongs here: rows of text. Does not belong here: the page around it (``report``).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kaygraph_viz.analysis.nesting import Places
from kaygraph_viz.analysis.wording import counted, duration, html_table
from kaygraph_viz.plot.labels import clean
from kaygraph_viz.trace.columns import SpanColumns
from kaygraph_viz.trace.part_table import part_totals_ns
from kaygraph_viz.trace.span import Span

__all__ = ["spans_table"]

MAX_SPANS = 500
ERROR_LIMIT = 300
_FIRST = ("span", "in", "name", "item", "kind", "worker", "from", "queued", "took", "CPU")
_OF_PARTS = {"wait": "waiting", "gil": "interpreter", "core": "for a core", "blocked": "blocked", "pause": "pause"}
_LAST = ("ended", "error")


def spans_table(columns: SpanColumns, dropped: int) -> str:
    """Return the table of spans, after a sentence about those that are left out."""
    rows = columns.rows
    by_weight = np.lexsort((rows["started_ns"] - rows["ended_ns"], columns.is_status("ok")))  # failed, then longest
    zero_ns = int(columns.column("submitted_ns").min())
    shown = np.sort(by_weight[:MAX_SPANS])
    totals = part_totals_ns(columns, shown)
    kinds = [kind for kind in _OF_PARTS if kind in totals]
    words = _OF_PARTS | {"gil": _turns(columns, shown[totals["gil"] > 0])} if "gil" in totals else _OF_PARTS
    table = html_table(
        [
            _row(columns.span(position), zero_ns, [int(totals[kind][place]) for kind in kinds])
            for place, position in enumerate(shown.tolist())
        ],
        right={1, 3, *range(6, len(_FIRST) + len(kinds))},
        headings=(*_FIRST, *(words[kind] for kind in kinds), *_LAST),
    )
    count = len(columns)
    told = f"All {counted(count, 'span')}, sorted by start."
    if count > MAX_SPANS:
        told = (
            f"{MAX_SPANS:,} of {count:,} spans, sorted by start: those that failed, and those that "
            f"took longest. {count - MAX_SPANS:,} are not shown here; to_frame(trace) has all of them."
        )
    told += f" The recording did not keep {counted(dropped, 'span')}." if dropped else ""
    return f"<p>{told}</p>{table}"


def _turns(columns: SpanColumns, waiting: Places) -> str:
    """Return what these spans waited for that could have gone on, as a heading."""
    from kaygraph_viz.plot.gantt.loops import turns_on

    return turns_on(columns.span(position).lane for position in waiting.tolist()).replace("the ", "")


def _row(span: Span, zero_ns: int, of_parts_ns: Sequence[int]) -> tuple[str, ...]:
    attempts = f", {counted(span.attempt, 'attempt')}" if span.attempt > 1 and span.kind == "branch" else ""
    return (
        str(span.span_id),
        str(span.parent_id or ""),
        clean(span.name),
        _item(span),
        span.kind,
        clean(span.lane),
        duration((span.started_ns - zero_ns) / 1e9),
        duration(span.queue_wait_s) if span.queue_wait_s else "",
        duration(span.service_s),
        "" if span.cpu_ns is None else duration(span.cpu_ns / 1e9),
        *(duration(lasted_ns / 1e9) if lasted_ns else "" for lasted_ns in of_parts_ns),
        span.status + attempts,
        clean(span.error, ERROR_LIMIT) if span.error else "",
    )


def _item(span: Span) -> str:
    """Return the number of the item of a branch, or else what tells its call from others."""
    label = span.attributes.get("label")
    return f"{span.index:,}" if span.index is not None else clean(label) if isinstance(label, str) else ""
