"""The base class of the readers of all formats of other tools.

Belongs here: collecting rows. Does not belong here: one format (``..._reader``), and telling them apart (``loading``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from sys import intern
from typing import Any

from kaygraph_viz.trace.attributes import safe_attributes
from kaygraph_viz.trace.columns import SpanColumns, Spans
from kaygraph_viz.trace.files import READ_CHUNK
from kaygraph_viz.trace.span import RowTuple
from kaygraph_viz.trace.unpacking import Allowance, values_in

__all__ = ["Reader", "integer_ns"]

LARGEST_NS = 1 << 62
MOST_SEEN = 1_000  # attributes that are remembered, and how long they are, as text
LONGEST_SEEN = 500


class Reader(ABC):
    """A reader that takes the events of a file one by one and collects spans."""

    def __init__(self, allowance: Allowance) -> None:
        self._spans = Spans()
        self._allowance = allowance
        self.predicted_from = ""  # of a prediction, the run that it was made from, in words
        self._seen: dict[str, dict[str, Any]] = {}  # attributes by what they were made of

    @abstractmethod
    def add(self, event: Mapping[str, Any]) -> None:
        """Take in one event."""

    def finish(self, *, is_complete: bool) -> tuple[SpanColumns, int]:
        """Return the spans, and the number of spans that were not kept, as far as the file has it."""
        return self._spans.columns(), 0

    def _noted(self, values: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return values as attributes, or None for none; those that come again and again are kept once."""
        if not values:
            return None
        key = repr(values)
        found = self._seen.get(key)
        if found is None:
            found = _with_shared_names(safe_attributes(values))
            if len(key) <= LONGEST_SEEN:
                if len(self._seen) >= MOST_SEEN:
                    self._seen.clear()
                self._seen[key] = found
        return found

    def _keep(self, row: RowTuple) -> None:
        *_, attributes, links, parts = row
        self._allowance.take_values(values_in(attributes, links, parts))
        self._spans.append(row)
        if len(self._spans.buffer) >= READ_CHUNK:
            self._spans.compact()


def _with_shared_names(values: dict[str, Any]) -> dict[str, Any]:
    """Return attributes whose names, which most spans have in common, are in memory once."""
    return {intern(name): _with_shared_names(value) if type(value) is dict else value for name, value in values.items()}


def integer_ns(value: object, unit_ns: int) -> int:
    """Return a time from a file as whole nanoseconds."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < LARGEST_NS / unit_ns:
        return round(value * unit_ns)
    raise ValueError(f"{str(value)[:40]!r} is not a time")
