"""A span as plain JSON fields, and back: what every file format that can carry all of a span has in common.

Belongs here: which fields there are, which may be left out, and what may stand in them. Does not belong here: whole
files (``files``, ``export``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from kaygraph_viz.errors import short
from kaygraph_viz.parts import PART_CODE, PART_KINDS, RowParts
from kaygraph_viz.texts import NAME_LIMIT
from kaygraph_viz.trace.span import KINDS, STATUSES, Row, Span

__all__ = ["as_fields", "as_row", "problem_with"]

LARGEST = 1 << 62  # of any number in a file, so that sums of two stay within 64 bits
LONGEST_NAME = 4 * NAME_LIMIT  # characters, of which fewer are shown
MAX_LEVELS = 64  # of attributes within each other; recorded ones have 3
_INTEGERS = ("span_id", "submitted_ns", "started_ns", "ended_ns")
_OPTIONAL_INTEGERS = ("parent_id", "index", "cpu_ns", "blocked_ns", "attempt")
_USUAL: dict[str, Any] = {
    "parent_id": None, "index": None, "cpu_ns": None, "blocked_ns": 0, "status": "ok", "attempt": 1, "error": None,
}  # fmt: skip


def as_fields(span: Span) -> dict[str, Any]:
    """Return a span as plain JSON data; fields with their usual value are left out."""
    fields: dict[str, Any] = {name: getattr(span, name) for name in (*_INTEGERS, "name", "kind", "lane")}
    fields |= {name: value for name, usual in _USUAL.items() if (value := getattr(span, name)) != usual}
    if span.attributes:
        fields["attributes"] = _finite(dict(span.attributes))
    if span.links:
        fields["links"] = span.links
    if span.noted_parts is not None:
        fields["parts"] = [_as_part(*part) for part in span.noted_parts]
    return fields


def _as_part(code: int, until_ns: int, share: float) -> list[Any]:
    """Return kind and end of a part, and its share of CPU in thousandths where it has one."""
    return [PART_KINDS[code], until_ns, *([round(share * 1000)] if share >= 0 else [])]


def _finite(value: Any) -> Any:
    """Return the value with NaN and infinities as text, which JSON has no number for."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, (list, tuple)) else value


def problem_with(fields: Mapping[str, Any]) -> str | None:
    """Return why fields from a file are not a span, in words, or None if they are one."""
    for name in (*_INTEGERS, *(name for name in _OPTIONAL_INTEGERS if name in fields)):
        if type(fields.get(name)) is not int or abs(fields[name]) >= LARGEST:
            return f"{name} is {str(fields.get(name))[:40]!r}, expected a whole number"
    if any(fields.get(name, 1) < 1 for name in ("attempt", "parent_id", "span_id")):
        return "attempt, parent_id and span_id count from 1"
    for name in ("name", "lane"):
        if not isinstance(fields.get(name), str):
            return f"{name} is missing or not a text"
    if not isinstance(fields.get("error", ""), str) or not isinstance(fields.get("attributes", {}), dict):
        return "error is not a text or attributes is not an object"
    if _is_deeper(fields.get("attributes", {}), MAX_LEVELS):
        return f"attributes are nested in more than {MAX_LEVELS} levels"
    if fields.get("kind") not in KINDS or fields.get("status", "ok") not in STATUSES:
        return f"kind {short(fields.get('kind'))} or status {short(fields.get('status'))} is not known in this format"
    links = fields.get("links", [])
    if not isinstance(links, list) or not all(type(link) is int and 0 < link < LARGEST for link in links):
        return "links is not a list of span numbers"
    return _problem_with_parts(fields)


def _problem_with_parts(fields: Mapping[str, Any]) -> str | None:
    """Return why the parts of a span are not those of one, in words, or None."""
    parts, until = fields.get("parts"), fields["started_ns"]
    if parts is None:
        return None
    if not isinstance(parts, list) or not all(map(_is_part, parts)):
        return "parts is not a list of kind, end and share of CPU in thousandths"
    for _, ended, *_ in parts:
        if ended <= until:
            return "parts are not in the order of time"
        until = ended
    return None if until == fields["ended_ns"] else "parts do not end when their span does"


def _is_part(part: Any) -> bool:
    if not isinstance(part, list) or len(part) not in (2, 3) or part[0] not in PART_KINDS:
        return False
    return all(type(number) is int for number in part[1:]) and 0 <= (part[2] if len(part) == 3 else 0) <= 1000


def _is_deeper(value: Any, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels == 0 or any(_is_deeper(item, levels - 1) for item in inner if isinstance(item, (dict, list)))


def as_row(fields: Mapping[str, Any]) -> Row:
    """Return the row of a span from fields that `problem_with` has accepted."""
    value = {**_USUAL, "attributes": None, "links": None, **fields}
    return Row(
        value["span_id"], value["parent_id"] or 0, -1 if value["index"] is None else value["index"],
        value["name"][:LONGEST_NAME], value["kind"], value["lane"][:LONGEST_NAME], value["submitted_ns"],
        value["started_ns"], value["ended_ns"], -1 if value["cpu_ns"] is None else value["cpu_ns"], value["blocked_ns"],
        value["status"], value["attempt"], value["error"], value["attributes"],
        tuple(value["links"] or ()), _row_parts(value.get("parts")),
    )  # fmt: skip


def _row_parts(parts: list[Any] | None) -> RowParts | None:
    if parts is None:
        return None
    return tuple((PART_CODE[kind], ended, share[0] / 1000 if share else -1.0) for kind, ended, *share in parts)
