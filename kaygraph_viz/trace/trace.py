"""The trace: the set of spans of one run, live while it runs and immutable afterwards; and the shape of its graphs.

Belongs here: access to the spans, saving, validating, a short text and a rich form; plain nodes and edges, in which a
graph describes itself and a diagram draws it, so that neither knows the other. Does not belong here: collecting
(``recorder``), the file format (``files``), arithmetic (``analysis``).
"""

from __future__ import annotations

import html
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

import numpy as np

from kaygraph_viz.base.checks import checked_word
from kaygraph_viz.base.errors import TraceError
from kaygraph_viz.base.machine import Machine
from kaygraph_viz.base.texts import one_line
from kaygraph_viz.clock.clock import REAL, Clock
from kaygraph_viz.trace.columns import SpanColumns, Spans, SpanSequence
from kaygraph_viz.trace.files import TraceFile, read_trace, write_trace
from kaygraph_viz.trace.gauges import GaugeLog, GaugeSamples
from kaygraph_viz.trace.invariants import violations
from kaygraph_viz.trace.memory import NOTHING, MemoryLog, MemorySamples
from kaygraph_viz.trace.row import OpenSpan, Row
from kaygraph_viz.trace.span import KINDS, STATUSES, Kind, Span, Status


class _Source(Protocol):
    """What a live trace needs of its recorder."""

    clock: Clock
    gauges: GaugeLog
    now_ns: Callable[[], int]
    open_spans: dict[int, OpenSpan]

    @property
    def dropped(self) -> int: ...


class Trace:
    """The spans of one run.

    A trace comes from `record` or `load`; it is not made by hand (`kaygraph_viz.testing.make_trace` does that for
    tests). While its `record` block runs it shows the spans that have ended so far.

    Parameters
    ----------
    columns
        The spans as typed columns.
    dropped
        How many spans were not kept because of `max_spans`.
    memory
        How much memory was in use when, if that was recorded.
    machine
        The computer on which it was recorded, if that is known.
    gauges
        The numbers that rise and fall, by name.
    predicted_from
        Of a trace that `what_if` predicted, the run that it was predicted from, in words.

    Examples
    --------
    >>> from kaygraph_viz.recording import record
    >>> from kaygraph_viz.trace.recorder import span
    >>> with record() as trace:
    ...     with span("boil water"):
    ...         pass
    >>> len(trace), trace.validate() is trace
    (1, True)
    """

    def __init__(
        self,
        columns: SpanColumns,
        dropped: int = 0,
        memory: MemorySamples = NOTHING,
        machine: Machine | None = None,
        gauges: Mapping[str, GaugeSamples] | None = None,
        predicted_from: str = "",
    ) -> None:
        columns.rows.flags.writeable = False
        self._columns = columns
        self._dropped = dropped
        self._memory = memory
        self._machine = machine
        self._gauges: Mapping[str, GaugeSamples] = dict(gauges or {})
        self._predicted_from = predicted_from
        self._log: MemoryLog | None = None
        self._read: Callable[[], SpanColumns] | None = None
        self._source: _Source | None = None

    @classmethod
    def _live(cls, read: Callable[[], SpanColumns], source: _Source, log: MemoryLog | None = None) -> Self:
        trace = cls(read(), machine=source.clock.machine)
        trace._read, trace._source, trace._log = read, source, log
        return trace

    def _freeze(self, columns: SpanColumns, dropped: int) -> None:
        columns.rows.flags.writeable = False
        self._gauges = self.gauges
        self._columns, self._dropped = columns, dropped
        self._read = self._source = None

    @property
    def is_live(self) -> bool:
        """Whether the run is still being recorded."""
        return self._read is not None

    @property
    def columns(self) -> SpanColumns:
        """The spans as typed columns, ordered by start: what analysis and drawing work on."""
        read = self._read  # looked at once: the recording may end in another thread meanwhile
        return read() if read is not None else self._columns

    @property
    def spans(self) -> SpanSequence:
        """The spans as objects, ordered by start."""
        return SpanSequence(self.columns)

    @property
    def dropped(self) -> int:
        """The number of spans that were not kept because there were more than `max_spans`."""
        source = self._source
        return source.dropped if source is not None else self._dropped

    @property
    def memory(self) -> MemorySamples:
        """The memory in use over time; empty unless it was recorded with ``record(memory=True)``."""
        return self._memory if self._log is None else self._log.samples()

    @property
    def gauges(self) -> Mapping[str, GaugeSamples]:
        """The numbers that rose and fell, each beside the most that it may be, such as calls in flight of a limit."""
        source = self._source
        return source.gauges.samples() if source is not None else self._gauges

    @property
    def machine(self) -> Machine | None:
        """The computer on which it was recorded: cores, and whether it has a GIL; None where that is not known."""
        return self._machine

    @property
    def predicted_from(self) -> str:
        """The run that it was predicted from, in words, which pictures say; empty for what was measured."""
        return self._predicted_from

    def as_predicted_from(self, run: str) -> Trace:
        """Return the same spans as a prediction.

        Parameters
        ----------
        run
            The run that it was predicted from, in words.

        Examples
        --------
        >>> from kaygraph_viz.testing import bar, make_trace
        >>> make_trace(bar("a", "t-1", 0, 1)).as_predicted_from("the run with 4 workers")
        <Trace: 1 span on 1 lane, 1 s, predicted from the run with 4 workers>
        """
        return Trace(self.columns, self.dropped, self.memory, self.machine, self.gauges, run)

    @property
    def lanes(self) -> tuple[str, ...]:
        """The workers that appear, in the order of their first span."""
        columns = self.columns
        return tuple(dict.fromkeys(columns.lanes[code] for code in columns.rows["lane"].tolist()))

    @property
    def makespan_s(self) -> float:
        """Last end minus first submission [s]; 0 for an empty trace."""
        rows = self.columns.rows
        return float(rows["ended_ns"].max() - rows["submitted_ns"].min()) / 1e9 if len(rows) else 0.0

    def __len__(self) -> int:
        return len(self.columns)

    def __iter__(self) -> Iterator[Span]:
        return iter(self.spans)

    def where(self, *, kind: Kind | None = None, name: str | None = None, status: Status | None = None) -> list[Span]:
        """Return the spans that match, ordered by start.

        Parameters
        ----------
        kind, name, status
            What to match; None matches anything.

        Raises
        ------
        OptionError
            If `kind` or `status` is not one of the words that exist.
        """
        for label, word, known in (("kind", kind, KINDS), ("status", status, STATUSES)):
            if word is not None:
                checked_word(label, word, known)
        columns = self.columns
        mask = columns.is_kind(kind or KINDS[0]) if kind else columns.rows["span_id"] > 0
        if status:
            mask &= columns.is_status(status)
        spans = (columns.span(int(position)) for position in mask.nonzero()[0])
        return [span for span in spans if name is None or span.name == name]

    def counts(self) -> Mapping[str, int]:
        """Return how many spans there are of each kind, and of each status other than ``ok``."""
        rows = self.columns.rows
        kinds = Counter(KINDS[code] for code in rows["kind"].tolist())
        statuses = Counter(STATUSES[code] for code in rows["status"].tolist() if code)
        return {**{kind: kinds[kind] for kind in KINDS if kinds[kind]}, **statuses}

    def validate(self) -> Self:
        """Check the invariants of a trace and return it.

        Every span ended exactly once, no earlier than it started; children lie within their parents; two branches of
        one lane never overlap; parents and links exist.

        Raises
        ------
        TraceError
            If any is broken; the message lists which.
        """
        found = violations(self.columns, is_complete=not self.is_live and not self.dropped)
        if found:
            raise TraceError("this trace is not valid: " + "; ".join(found[:5]), violations=tuple(found))
        return self

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the trace as JSON Lines, compressed when the name ends in ``.gz``.

        Parameters
        ----------
        path
            For example ``"run.jsonl"`` or ``"run.jsonl.gz"``. An existing file is replaced, at once and only when
            everything was written.

        Returns
        -------
        Path
            Where it was written.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        held = TraceFile(self.columns, self.dropped, self.memory, self.machine, self.gauges, self.predicted_from)
        return write_trace(held, Path(path))

    def __repr__(self) -> str:
        live = ", live" if self.is_live else ""
        dropped = f", {self.dropped:,} dropped" if self.dropped else ""
        predicted = f", predicted from {one_line(self.predicted_from)}" if self.predicted_from else ""
        size = f"{_counted(len(self), 'span')} on {_counted(len(self.lanes), 'lane')}"
        return f"<Trace: {size}, {self.makespan_s:.3g} s{dropped}{live}{predicted}>"

    def __str__(self) -> str:
        counts = ", ".join(f"{word} {number:,}" for word, number in self.counts().items())
        lanes = ", ".join(map(one_line, self.lanes[:12])) + (" ..." if len(self.lanes) > 12 else "")
        return f"{self!r}\n  {counts}\n  lanes: {lanes}"

    def _repr_html_(self) -> str:
        head, *details = (html.escape(line.strip(" <>")) for line in str(self).splitlines())
        return f"<strong>{head}</strong><br>" + "<br>".join(details)


def _counted(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def load(path: str | os.PathLike[str], *, partial: bool = False) -> Trace:
    """Read a trace that `Trace.save` wrote."""
    return Trace(*read_trace(Path(path), partial=partial))


def so_far(trace: Trace) -> tuple[Trace, frozenset[int]]:
    """Return a trace with the spans that are still open, as if they ended now, and the numbers of those."""
    recorder = trace._source
    if recorder is None:
        return trace, frozenset()
    opened = recorder.open_spans.copy()  # read before the finished ones: a span adds its row before it is removed here
    finished = trace.columns
    ended = set(np.flatnonzero(np.isin(np.fromiter(opened, np.int64, len(opened)), finished.rows["span_id"])).tolist())
    held = [each for place, each in enumerate(opened.values()) if place not in ended]
    # Other clocks than the real one may only be read by threads that take part in their time.
    if recorder.clock is REAL:
        now_ns = recorder.now_ns()
    else:
        now_ns = int(finished.column("ended_ns").max()) if len(finished) else 0
    cut_off = [Row._make(each.abandoned_row(now_ns)) for each in held]
    rows = [row._replace(ended_ns=max(row.started_ns, row.ended_ns), status="ok", parts=None) for row in cut_off]
    shown = Trace(_joined(finished, rows), trace.dropped, machine=trace.machine)
    return shown, frozenset(row.span_id for row in rows)


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


# -- the shape of a graph: it describes itself in these words, and a diagram draws them; neither knows the other ----


@dataclass(frozen=True, slots=True)
class NodeView:
    """A node of a graph."""

    node_id: str
    label: str
    is_parallel: bool = False
    branches: tuple[str, ...] = ()
    graph: GraphView | None = None
    span_name: str | None = None


@dataclass(frozen=True, slots=True)
class EdgeView:
    """An edge from a node to its successor for one action."""

    source: str
    target: str
    action: str = "default"


@dataclass(frozen=True, slots=True)
class GraphView:
    """The nodes that can be reached from the start of a graph, breadth first, and their edges."""

    name: str
    nodes: tuple[NodeView, ...]
    edges: tuple[EdgeView, ...] = ()
