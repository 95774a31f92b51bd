"""Spans that followed each other within one other span, as links.

Belongs here: which span a later one must have waited for. Does not belong here: links that a file has (``..._reader``).
"""

from __future__ import annotations

import numpy as np

from kaygraph_viz.trace.columns import SpanColumns

__all__ = ["links_to_earlier"]


def links_to_earlier(columns: SpanColumns) -> dict[int, int]:
    """Return for spans that began when all earlier ones of the same parent had ended the last one of those."""
    rows = columns.rows[(columns.rows["parent_id"] > 0) & ~columns.is_kind("attempt")]
    order = np.lexsort((rows["span_id"], rows["ended_ns"], rows["started_ns"], rows["parent_id"]))
    fields = (rows[name][order].tolist() for name in ("parent_id", "span_id", "started_ns", "ended_ns"))
    found: dict[int, int] = {}
    around = before = latest = latest_ns = 0
    for parent, number, started_ns, ended_ns in zip(*fields, strict=True):
        if parent != around:
            around, before, latest, latest_ns = parent, 0, 0, started_ns
        elif started_ns >= latest_ns:
            before = latest
        if before:
            found[number] = before
        if not latest or ended_ns >= latest_ns:
            latest, latest_ns = number, ended_ns
    return found
