"""Spans that ``to_opentelemetry`` has exported, as they were recorded.

Belongs here: the inverse of ``otel``. Does not belong here: spans of others (``otlp_reader``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kaygraph_viz.export.otlp_json import attributes_in, field_of, time_ns
from kaygraph_viz.export.reader import integer_ns
from kaygraph_viz.parts import NO_SHARE, PART_CODE, RowParts
from kaygraph_viz.trace.attributes import safe_attributes
from kaygraph_viz.trace.fields import LARGEST
from kaygraph_viz.trace.span import KINDS, STATUSES, Row

__all__ = ["PREFIX", "as_recorded", "origin_in"]

PREFIX = "kaygraph_viz."
SECOND_NS = 1_000_000_000
NOT_RECORDED = ("thread.name", "error.type")  # attributes that the export has added


def as_recorded(row: Row, noted: Mapping[str, Any], events: Sequence[Mapping[str, Any]]) -> Row:
    """Return the row of a span with what our export has noted about it."""
    kind, status = noted[PREFIX + "kind"], noted.get(PREFIX + "status", "ok")
    if kind not in KINDS or status not in STATUSES:
        raise ValueError(f"kind {str(kind)[:40]!r} or status {str(status)[:40]!r} is not known")
    own = {name: value for name, value in noted.items() if not name.startswith(PREFIX) and name not in NOT_RECORDED}
    lasted_ns = row.ended_ns - row.started_ns
    cpu_ns = _seconds(noted, "cpu_s")
    return row._replace(
        kind=kind, status=status, lane=str(noted.get("thread.name"))[:200],
        index=_whole(noted, "index", -1), attempt=max(1, _whole(noted, "attempt", 1)),
        submitted_ns=row.started_ns - (_seconds(noted, "queue_wait_s") or 0),
        cpu_ns=-1 if cpu_ns is None else min(cpu_ns, lasted_ns),
        blocked_ns=min(_seconds(noted, "blocked_s") or 0, lasted_ns),
        attributes=safe_attributes(own) or None, parts=_parts(row, events),
    )  # fmt: skip


def origin_in(noted: Mapping[str, Any]) -> str:
    """Return what the attributes of a span say that it was predicted from; empty for nothing."""
    return str(noted.get(PREFIX + "predicted_from", ""))[:200]


def _seconds(noted: Mapping[str, Any], name: str) -> int | None:
    value = noted.get(PREFIX + name)
    return None if value is None else max(0, integer_ns(value, SECOND_NS))


def _whole(noted: Mapping[str, Any], name: str, usual: int) -> int:
    value = noted.get(PREFIX + name)
    return value if type(value) is int and 0 <= value < LARGEST else usual


def _parts(row: Row, events: Sequence[Mapping[str, Any]]) -> RowParts | None:
    """Return the parts of a span, each of which lasts until the next one begins; None if these are no parts of it."""
    found = []
    for event in events:
        noted, code = attributes_in(event), PART_CODE.get(str(event.get("name")))  # type: ignore[call-overload]
        if code is not None and PREFIX + "lasted_s" in noted:
            share = noted.get(PREFIX + "cpu_share", NO_SHARE)
            share = share if isinstance(share, (int, float)) and 0 <= share <= 1 else NO_SHARE
            found.append((time_ns(field_of(event, "timeUnixNano")), code, share))
    begins = [each[0] for each in found]
    untils = [*begins[1:], row.ended_ns]
    tiles = begins[:1] == [row.started_ns] and all(begin < until for begin, until in zip(begins, untils, strict=True))
    return tuple((code, until, share) for (_, code, share), until in zip(found, untils, strict=True)) if tiles else None
