"""A reader of Chrome trace events that `to_perfetto` wrote, without loss.

Belongs here: the spans in the arguments of events. Does not belong here: events of other tools (``chrome_reader``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kaygraph_viz.errors import short
from kaygraph_viz.export.perfetto import PART_OF
from kaygraph_viz.export.reader import Reader
from kaygraph_viz.trace.columns import SpanColumns
from kaygraph_viz.trace.fields import as_row, problem_with
from kaygraph_viz.trace.files import READABLE, checked_origin
from kaygraph_viz.trace.unpacking import Allowance

__all__ = ["PerfettoReader"]

PHASES = ("X", "b")  # of begin and end only the begin has the arguments


class PerfettoReader(Reader):
    """A reader that makes spans of the arguments of events."""

    def __init__(self, allowance: Allowance, head: Mapping[str, Any]) -> None:
        super().__init__(allowance)
        if head.get("version") not in READABLE:
            raise ValueError(
                f"it has version {short(head.get('version'))} of the format, this package reads {READABLE}"
            )
        self._head = head
        self.predicted_from = checked_origin(head)
        self._count = 0

    def add(self, event: Mapping[str, Any]) -> None:
        """Take in one event."""
        if event.get("ph") not in PHASES:
            return
        fields = event.get("args")
        if isinstance(fields, dict) and PART_OF in fields:
            return  # its span has the part in its own arguments
        problem = problem_with(fields) if isinstance(fields, dict) else "it has no arguments"
        if problem:
            raise ValueError(problem)
        self._keep(as_row(fields or {}))
        self._count += 1

    def finish(self, *, is_complete: bool) -> tuple[SpanColumns, int]:
        """Return the spans, and how many spans were not kept when they were recorded."""
        dropped = self._head.get("dropped", 0)
        if not is_complete:
            return self._spans.columns(), 0
        if self._head.get("spans") != self._count:
            raise ValueError(f"its head counts {short(self._head.get('spans'))} spans, but has {self._count}")
        if type(dropped) is not int or dropped < 0:
            raise ValueError(f"dropped is {str(dropped)[:40]!r}, expected a whole number, 0 or more")
        return self._spans.columns(), dropped
