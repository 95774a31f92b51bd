"""The spans of a live trace that have not ended yet.

Belongs here: open spans as if they ended now. Does not belong here: finished ones (``recorder``, ``columns``).
"""

from __future__ import annotations

import numpy as np

from kaygraph_viz.clock import REAL
from kaygraph_viz.trace.columns import SpanColumns, Spans
from kaygraph_viz.trace.recorder import Recorder
from kaygraph_viz.trace.span import Row
from kaygraph_viz.trace.trace import Trace

__all__ = ["so_far"]


def so_far(trace: Trace) -> tuple[Trace, frozenset[int]]:
    """Return a trace with the spans that are still open, as if they ended now, and the numbers of those."""
    recorder = trace._source
    if not isinstance(recorder, Recorder):
        return trace, frozenset()
    opened = recorder.open_spans.copy()  # read before the finished ones: a span adds its row before it is removed here
    finished = trace.columns
    ended = set(np.flatnonzero(np.isin(np.fromiter(opened, np.int64, len(opened)), finished.rows["span_id"])).tolist())
    held = [each for place, each in enumerate(opened.values()) if place not in ended]
    # Other clocks than the real one may only be read by threads that take part in their time.
    now_ns = recorder.now_ns() if recorder.clock is REAL else _latest_ns(finished)
    rows = [_as_running(Row._make(each.abandoned_row(now_ns))) for each in held]
    shown = Trace(_joined(finished, rows), trace.dropped, machine=trace.machine)
    return shown, frozenset(row.span_id for row in rows)


def _latest_ns(columns: SpanColumns) -> int:
    return int(columns.column("ended_ns").max()) if len(columns) else 0


def _as_running(row: Row) -> Row:
    """Return a row that is not marked as abandoned, and does not end before it starts."""
    return row._replace(ended_ns=max(row.started_ns, row.ended_ns), status="ok", parts=None)


def _joined(finished: SpanColumns, rows: list[Row]) -> SpanColumns:
    """Return all spans as one table, with one number for each text."""
    spans = Spans()
    for row in rows:
        spans.append(row)
    more = spans.columns()
    names, lanes = dict.fromkeys([*finished.names, *more.names]), dict.fromkeys([*finished.lanes, *more.lanes])
    added = more.rows.copy()
    for column, texts, own in (("name", names, more.names), ("lane", lanes, more.lanes)):
        place = {text: number for number, text in enumerate(texts)}
        added[column] = np.array([place[text] for text in own], np.uint32)[added[column]]
    table = np.concatenate([finished.rows, added])
    attributes = {**finished.attributes, **more.attributes}
    links = {**finished.links, **more.links}
    return SpanColumns(table, tuple(names), tuple(lanes), finished.errors, attributes, links, finished.parts).in_order()
