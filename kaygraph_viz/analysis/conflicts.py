"""Branches that got in each other's way: at the same time, on the same key of the shared store.

Belongs here: finding them in a trace recorded with ``record(shared_access=True)``. Does not belong here: recording the
accesses (``trace.shared_access``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from kaygraph_viz.trace.span import Span
from kaygraph_viz.trace.trace import Trace

__all__ = ["Conflict", "conflicts"]


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two branches that overlapped and accessed one key, at least one of them writing.

    Parameters
    ----------
    key
        The key of the shared store.
    kind
        ``"write-write"``: what one wrote may be lost. ``"write-read"``: the other may have seen either value.
    first, second
        The branches, by start.
    """

    key: str
    kind: Literal["write-write", "write-read"]
    first: Span
    second: Span

    def __str__(self) -> str:
        """Return the conflict as one sentence."""
        return f"{self.first.name} and {self.second.name} overlapped, both on {self.key!r} ({self.kind})"


def conflicts(trace: Trace) -> list[Conflict]:
    """Return the conflicts on the shared store, by key and start.

    Parameters
    ----------
    trace
        Recorded with ``record(shared_access=True)``; other traces have none.

    Returns
    -------
    list of Conflict
        Empty where no two branches that overlapped shared a key that one of them wrote.

    Examples
    --------
    >>> from kaygraph_viz.testing import bar, make_trace
    >>> trace = make_trace(bar("a", "t-1", 0, 2, writes=["total"]), bar("b", "t-2", 1, 3, writes=["total"]))
    >>> [str(conflict) for conflict in conflicts(trace)]
    ["a and b overlapped, both on 'total' (write-write)"]
    """
    columns = trace.columns
    places = [place for place, number in enumerate(columns.rows["span_id"].tolist()) if number in columns.attributes]
    accessing = [columns.span(place) for place in places]
    by_key: dict[str, list[Span]] = defaultdict(list)
    for span in accessing:
        for key in {*_keys(span, "reads"), *_keys(span, "writes")}:
            by_key[key].append(span)
    return [found for key in sorted(by_key) for found in _on_key(key, by_key[key])]


def _on_key(key: str, spans: list[Span]) -> Iterable[Conflict]:
    for first, second in combinations(sorted(spans, key=lambda span: (span.started_ns, span.span_id)), 2):
        if second.started_ns >= first.ended_ns:
            continue
        writes = (key in _keys(first, "writes")) + (key in _keys(second, "writes"))
        if writes:
            yield Conflict(key, "write-write" if writes == 2 else "write-read", first, second)


def _keys(span: Span, access: str) -> list[str]:
    noted = span.attributes.get(access, ())
    return [key for key in noted if isinstance(key, str)] if isinstance(noted, (list, tuple)) else []
