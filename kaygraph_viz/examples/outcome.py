"""The result of an example: its traces, its results, and its measurements.

Belongs here: the facts that all examples report, in one form. Does not belong here: printing them (``report``).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from kaygraph_viz.analysis.nesting import Nesting
from kaygraph_viz.analysis.summary import summarize
from kaygraph_viz.analysis.wording import duration, significant
from kaygraph_viz.analysis.workers import kind_of_lane
from kaygraph_viz.graph.graph import Graph
from kaygraph_viz.trace.trace import Trace

__all__ = ["ExampleRun", "Fact", "Measured", "measured"]

GROWN = 1.25  # times the serial makespan: from there the work of many is clearly more than the work of one
_KINDS = {
    "": "this thread alone",
    "thread": "threads",
    "process": "processes",
    "async": "coroutines",
    "dask": "Dask workers",
}


class Fact(NamedTuple):
    """A line of a table: a name, a value, a remark."""

    label: str
    value: str
    remark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The measurements that every example reports about its run.

    Parameters
    ----------
    items, unit, remark
        How many items went in, what they are called, and what is worth saying about them.
    failed
        How many of them failed.
    makespan_s
        From the first submission to the last end [s].
    serial_s
        The same of a run of the same items one after the other [s]; None where there was none.
    work_s
        The time in all branches, and the steps around them, added up [s]; None where nothing is computed, so that it
        says nothing about processors.
    workers, kind
        How many workers there were, and of which kind, in words.
    bottleneck
        What held the run up, and how that was seen; None where nothing ran.
    """

    items: int
    unit: str
    remark: str
    failed: int
    makespan_s: float
    serial_s: float | None
    work_s: float | None
    workers: int
    kind: str
    bottleneck: tuple[str, str] | None

    @property
    def speedup(self) -> float | None:
        """Serial makespan divided by the parallel one; None where the serial one is not known."""
        return self.serial_s / self.makespan_s if self.serial_s is not None and self.makespan_s else None

    @property
    def throughput(self) -> float | None:
        """Items in a second; None where no time has passed."""
        return self.items / self.makespan_s if self.makespan_s else None

    def facts(self) -> list[Fact]:
        """Return the measurements as the lines of a table."""
        return [
            Fact(self.unit, f"{self.items:,}", self.remark),
            Fact("ok", f"{self.items - self.failed:,}"),
            Fact("failed", f"{self.failed:,}"),
            *self._times(),
            Fact("workers used", f"{self.workers:,}", self.kind),
            *([] if self.bottleneck is None else [Fact("bottleneck", *self.bottleneck)]),
        ]

    def _times(self) -> list[Fact]:
        facts = [Fact("in parallel", duration(self.makespan_s), "makespan: from the first submission to the last end")]
        if self.serial_s is not None:
            alone = Fact("one after the other", duration(self.serial_s), "makespan of the same items with one worker")
            facts = [alone, *facts]
            if self.work_s is not None and self.work_s > GROWN * self.serial_s:
                times = significant(self.work_s / self.serial_s, 2)
                remark = f"{times} times as long as alone: workers share processors, with each other and other programs"
                facts.append(Fact("work in parallel", duration(self.work_s), remark))
        if self.speedup is not None:
            facts.append(Fact("measured speedup", significant(self.speedup, 2), "the first makespan / the second"))
        if self.throughput is not None:
            facts.append(Fact("throughput", significant(self.throughput), f"{self.unit} a second"))
        return facts


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleRun:
    """A pattern that was run on real data, and what was measured.

    Parameters
    ----------
    name
        The pattern, as it is called on the command line.
    title
        One line that says what was run.
    graph
        The graph that was run.
    traces
        What was recorded, by a short name that can be part of a file name; the last one is the parallel run.
    captions
        What to look for in the chart of a trace, by its name.
    drawn
        The name of the trace whose times the diagram shows; default: the parallel run.
    compared
        The names of the traces whose charts share one time axis.
    color_by
        What the colours of the charts mean, as for `gantt`.
    facts
        What came out.
    notes
        Sentences about what came out.
    measured
        What was measured.
    details
        A heading, and the rows of a table below it, the first with the names of the columns; in place of where the time
        of the workers went, for patterns that have something better to say.
    is_simulated
        Whether that was simulated time.
    extras
        Other files that the run has to offer: the content of each, by the end of its name.
    """

    name: str
    title: str
    graph: Graph
    traces: Mapping[str, Trace]
    measured: Measured
    captions: Mapping[str, str] = field(default_factory=dict)
    drawn: str = ""
    compared: Sequence[str] = ()
    color_by: str = "part"
    facts: Sequence[Fact] = ()
    notes: Sequence[str] = ()
    details: tuple[str, Sequence[Sequence[str]]] | None = None
    is_simulated: bool = False
    extras: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def trace(self) -> Trace:
        """The trace of the parallel run."""
        return list(self.traces.values())[-1]


def measured(
    items: int,
    failed: int,
    parallel: Trace,
    serial: Trace | None = None,
    *,
    unit: str = "items",
    remark: str = "",
    bottleneck: tuple[str, str] | None = None,
    computes: bool = False,
) -> Measured:
    """Return the measurements of a run and of its serial baseline.

    The bottleneck is by default the kind of branch that took most of the work. The work is reported only if the
    branches compute, since only then does it grow where there are more of them than processors.

    Examples
    --------
    >>> from kaygraph_viz.testing import bar, make_trace
    >>> parallel = make_trace(bar("price 0", "thread-1", 0, 3), bar("price 1", "thread-2", 0, 1))
    >>> found = measured(2, 0, parallel, make_trace(bar("price", "main", 0, 4)), unit="orders")
    >>> found.workers, found.kind, round(found.speedup, 2), found.bottleneck
    (2, 'threads', 1.33, ('price', '100% of the work'))
    """
    summary = summarize(parallel)
    return Measured(
        items=items,
        unit=unit,
        remark=remark,
        failed=failed,
        makespan_s=summary.makespan_s,
        serial_s=None if serial is None else serial.makespan_s,
        work_s=summary.work_s if computes else None,
        workers=summary.workers,
        kind=_kind(parallel),
        bottleneck=bottleneck or _heaviest(parallel),
    )


def _kind(trace: Trace) -> str:
    """Return the kind of the workers, told by the lanes of their branches."""
    lanes = {span.lane for span in trace.where(kind="branch")}
    kinds = sorted({kind_of_lane(part) for lane in lanes for part in lane.split("/")})
    return " and ".join(_KINDS.get(kind, kind) for kind in kinds)


def _heaviest(trace: Trace) -> tuple[str, str] | None:
    """Return the kind of branch that took most of the work, and its share; branches that hold others do not count."""
    branches = trace.columns.is_kind("branch")
    own = branches & ~Nesting.of(trace.columns).enclosing(branches)
    spent: Counter[str] = Counter()
    for position in np.flatnonzero(own):
        span = trace.spans[int(position)]
        spent[re.sub(r" \d+$", "", span.name)] += span.ended_ns - span.started_ns
    (name, most), *_ = spent.most_common(1) or [("", 0)]
    return (name, f"{most / spent.total():.0%} of the work") if most else None
