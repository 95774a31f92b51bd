"""The texts for bars: name, number of the item, and the way in which it failed.

Belongs here: texts for bars, from the longest to the shortest. Does not belong here: which of them fits (``layout``).
"""

from __future__ import annotations

import numpy as np

from kaygraph_viz.analysis.nesting import Nesting, Places, is_own_time
from kaygraph_viz.plot.labels import clean, clean_apart
from kaygraph_viz.plot.shortening import Shortener
from kaygraph_viz.plot.style import STATUS_WORDS
from kaygraph_viz.trace.columns import SpanColumns
from kaygraph_viz.trace.counting import tally
from kaygraph_viz.trace.span import STATUSES

__all__ = ["BarLabels", "label_at"]

BRIEF = 10  # characters of a name beside a label


def label_at(columns: SpanColumns, position: int) -> str:
    """Return what tells a captured call from others of its function; empty where that was not asked for."""
    label = columns.attributes.get(int(columns.rows["span_id"][position]), {}).get("label")
    return clean(label) if isinstance(label, str) and label else ""


class BarLabels:
    """The texts for the bars of a run."""

    def __init__(self, nesting: Nesting, units: Places) -> None:
        self._columns = columns = nesting.columns
        self._clean = clean_apart(columns.names)
        self._together = Shortener(self._clean)
        self._node = nesting.nearest(columns.is_kind("node"))
        is_own = is_own_time(columns)
        self._is_phase = columns.is_kind("phase") & ~is_own
        self._shown = np.where(is_own, nesting.parent, np.arange(len(is_own)))  # what a bar is called after
        numbered = np.unique(self._shown[units])
        numbered = numbered[columns.rows["index"][numbered] >= 0]
        self._uses = tally(columns.rows["name"][numbered], len(columns.names))

    def is_slim(self, position: int) -> bool:
        """Return whether a bar is prep or post, a phase around the work, which is drawn slim."""
        return bool(self._is_phase[position]) and self._text(position) in ("prep", "post")

    def _text(self, position: int) -> str:
        return self._clean[int(self._columns.rows["name"][position])]

    def name(self, position: int) -> str:
        """Return the name of a bar: of a branch its own, of the work of a plain node that of the node."""
        node = int(self._node[position])
        return self._text(node) if self._is_phase[position] and node >= 0 else self._text(position)

    def full(self, position: int) -> str:
        """Return the name with the number of the item, and for prep and post with the phase."""
        return f"{self.name(position)}: {self._text(position)}" if self.is_slim(position) else self._names(position)[0]

    def of(self, position: int) -> tuple[str, ...]:
        """Return the texts for a bar from the longest to the shortest; short ones drop the name before the failure."""
        names, attempt = self._names(position), int(self._columns.rows["attempt"][position])
        status = STATUSES[self._columns.rows["status"][position]]
        marks = [STATUS_WORDS[status]] if status in STATUS_WORDS else []
        marks += [f"{attempt} tries"] if attempt > 1 else []
        if not marks:
            return names
        mark = ", ".join(marks)
        return (*(f"{text}: {mark}" for text in names), mark, *names[1:])

    def _names(self, position: int) -> tuple[str, ...]:
        position = int(self._shown[position])
        record, name = self._columns.rows[position], self.name(position)
        if label := label_at(self._columns, position):
            return tuple(dict.fromkeys((f"{name}({label})", f"{self._together.cut(name, BRIEF)}({label})", label)))
        facts = self._columns.attributes.get(int(record["span_id"]), {})
        if type(items := facts.get("items")) is int and items > 1:  # very short ones, in one bar
            return f"{name} x {items:,}", f"x {items:,}"
        if record["index"] < 0 or self._uses[record["name"]] < 2:
            return (name,)
        return f"{name} {record['index']}", str(record["index"])
