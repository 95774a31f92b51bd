"""Conflicts: branches that accessed the same key of the shared store at the same time.

Belongs here: finding them in a trace recorded with ``record(shared_access=True)``. Does not belong here: recording the
accesses (``trace.shared_access``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from kaygraph_viz.base.errors import short
from kaygraph_viz.base.texts import one_line
from kaygraph_viz.trace.span import Span
from kaygraph_viz.trace.trace import Trace


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

    @property
    def sentence(self) -> str:
        """The two branches, the key and the kind of the conflict, as one sentence.

        Examples
        --------
        >>> from kaygraph_viz.testing import bar, make_trace
        >>> first, second = make_trace(bar("a", "t-1", 0, 2), bar("b", "t-2", 1, 3))
        >>> Conflict("total", "write-write", first, second).sentence
        "a and b ran at the same time and both accessed 'total' (write-write)"
        """
        names = f"{one_line(self.first.name)} and {one_line(self.second.name)}"
        return f"{names} ran at the same time and both accessed {short(self.key)} ({self.kind})"

    def __str__(self) -> str:
        return self.sentence


def conflicts(trace: Trace) -> list[Conflict]:
    """Return the conflicts on the shared store, by key and start.

    Parameters
    ----------
    trace
        Recorded with ``record(shared_access=True)``; other traces have none.

    Returns
    -------
    list of Conflict
        Empty where no two branches that overlapped shared a key that one of them wrote. A branch is in no conflict with
        one around it, which waits meanwhile.

    Examples
    --------
    >>> from kaygraph_viz.testing import bar, make_trace
    >>> trace = make_trace(bar("a", "t-1", 0, 2, writes=["total"]), bar("b", "t-2", 1, 3, writes=["total"]))
    >>> [conflict.sentence for conflict in conflicts(trace)]
    ["a and b ran at the same time and both accessed 'total' (write-write)"]
    """
    columns = trace.columns
    places = [place for place, number in enumerate(columns.rows["span_id"].tolist()) if number in columns.attributes]
    by_key: dict[str, list[Span]] = defaultdict(list)
    for span in map(columns.span, places):
        for key in {*_keys(span, "reads"), *_keys(span, "writes")}:
            by_key[key].append(span)
    parent_of = dict(zip(*(columns.column(name).tolist() for name in ("span_id", "parent_id")), strict=True))
    return [found for key in sorted(by_key) for found in _on_key(key, by_key[key], parent_of)]


def _on_key(key: str, spans: list[Span], parent_of: Mapping[int, int]) -> Iterator[Conflict]:
    """Yield the conflicts on one key: each span is compared only with those that had not ended when it began."""
    going: dict[bool, list[Span]] = {True: [], False: []}  # those that write, and those that only read
    for second in sorted(spans, key=lambda span: (span.started_ns, span.span_id)):
        is_writer = key in _keys(second, "writes")
        for kind, spans_of in going.items():
            going[kind] = [first for first in spans_of if first.ended_ns > second.started_ns]
        others = [*going[True], *(going[False] if is_writer else ())]
        for first in sorted(others, key=lambda span: (span.started_ns, span.span_id)):
            if not _is_around(first, second, parent_of):
                is_both = is_writer and key in _keys(first, "writes")
                yield Conflict(key, "write-write" if is_both else "write-read", first, second)
        going[is_writer].append(second)


def _is_around(first: Span, second: Span, parent_of: Mapping[int, int]) -> bool:
    """Return whether the second span lies in the first, which began before it and waits for it."""
    around, seen = parent_of.get(second.span_id, 0), set[int]()
    while around and around not in seen and around != first.span_id:
        seen.add(around)  # a damaged trace may go round in circles
        around = parent_of.get(around, 0)
    return around == first.span_id


def _keys(span: Span, access: str) -> list[str]:
    noted = span.attributes.get(access, ())
    return [key for key in noted if isinstance(key, str)] if isinstance(noted, (list, tuple)) else []
