"""Examples: which there are, the options that all of them share, and what each gives back.

Belongs here: checking the options, and the facts that all examples report, in one form. Does not belong here: any one
pattern (the modules beside this one), and printing the facts (``cli``).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from importlib import import_module
from typing import Literal, NamedTuple

import numpy as np

import kaygraph_viz as kv
from kaygraph_viz.analysis.wording import duration, significant
from kaygraph_viz.analysis.workers import kind_of_lane
from kaygraph_viz.base.checks import checked_whole, checked_workers
from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.base.machine import SIMULATED_CORES, usable_cores
from kaygraph_viz.base.parts import contextmanager
from kaygraph_viz.execute.base import Executor
from kaygraph_viz.execute.progress import Progress
from kaygraph_viz.execute.registry import KINDS, checked_kind
from kaygraph_viz.trace.nesting import Nesting

EXAMPLES = (  # each is a module beside this one with a function ``run``
    "validation",
    "enrichment",
    "batch",
    "mapreduce",
    "pipeline",
    "coordination",
    "report",
    "stream",
)
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
    """The measurements that every example reports about its run."""

    # how many items went in, what they are called, and what is worth saying about them
    items: int
    unit: str
    remark: str
    failed: int  # how many of them failed
    makespan_s: float  # from the first submission to the last end [s]
    serial_s: float | None  # the same of a run of the same items one after the other [s]; None where there was none
    # the time in all branches, and the steps around them, added up [s]; None where nothing is computed, so that it
    # says nothing about processors
    work_s: float | None
    # how many workers there were, and of which kind, in words
    workers: int
    kind: str
    bottleneck: tuple[str, str] | None  # what held the run up, and how that was seen; None where nothing ran

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
    """A pattern that was run on real data, and what was measured."""

    name: str  # the pattern, as it is called on the command line
    title: str  # one line that says what was run
    graph: kv.Graph  # the graph that was run
    # what was recorded, by a short name that can be part of a file name; the last one is the parallel run
    traces: Mapping[str, kv.Trace]
    measured: Measured  # what was measured
    captions: Mapping[str, str] = field(default_factory=dict)  # what to look for in the chart of a trace, by its name
    drawn: str = ""  # the name of the trace whose times the diagram shows; default: the parallel run
    compared: Sequence[str] = ()  # the names of the traces whose charts share one time axis
    color_by: str = "part"  # what the colours of the charts mean, as for `gantt`
    facts: Sequence[Fact] = ()  # what came out
    notes: Sequence[str] = ()  # sentences about what came out
    # A heading, and the rows of a table below it, the first with the names of the columns; in place of where the time
    # of the workers went, for patterns that have something better to say
    details: tuple[str, Sequence[Sequence[str]]] | None = None
    is_simulated: bool = False  # whether that was simulated time
    # other files that the run has to offer: the content of each, by the end of its name
    extras: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def trace(self) -> kv.Trace:
        """The trace of the parallel run."""
        return list(self.traces.values())[-1]


def measured(
    items: int,
    failed: int,
    parallel: kv.Trace,
    serial: kv.Trace | None = None,
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
    summary = kv.summarize(parallel)
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


def _kind(trace: kv.Trace) -> str:
    """Return the kind of the workers, told by the lanes of their branches."""
    lanes = {span.lane for span in trace.where(kind="branch")}
    kinds = sorted({kind_of_lane(part) for lane in lanes for part in lane.split("/")})
    return " and ".join(_KINDS.get(kind, kind) for kind in kinds)


def _heaviest(trace: kv.Trace) -> tuple[str, str] | None:
    """Return the kind of branch that took most of the work, and its share; branches that hold others do not count."""
    branches = trace.columns.is_kind("branch")
    own = branches & ~Nesting.of(trace.columns).enclosing(branches)
    spent: Counter[str] = Counter()
    for position in np.flatnonzero(own):
        span = trace.spans[int(position)]
        spent[re.sub(r" \d+$", "", span.name)] += span.ended_ns - span.started_ns
    (name, most), *_ = spent.most_common(1) or [("", 0)]
    return (name, f"{most / spent.total():.0%} of the work") if most else None


DEFAULT_WORKERS = 8
MAX_ITEMS = 1_000_000
MAX_SEED = 1 << 31


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """The options of an example: executor, workers, items, seed and clock."""

    workers: int | None = None
    executor: str | None = None
    items: int | None = None
    seed: int = 0
    clock: Literal["virtual"] | None = None
    progress: Progress = None

    def __post_init__(self) -> None:
        """Refuse impossible options, the first by name."""
        checked_workers(self.workers, "workers")
        if self.executor is not None:
            checked_kind(self.executor)
        if self.items is not None:
            checked_whole("items", self.items, 1, MAX_ITEMS, "items=100")
        checked_whole("seed", self.seed, 0, MAX_SEED, "seed=0")
        if self.clock not in (None, "virtual"):
            raise OptionError("clock", self.clock, "None or 'virtual'", 'clock="virtual"')

    @property
    def is_simulated(self) -> bool:
        """Whether time is simulated."""
        return self.clock == "virtual"

    def kind(self, usual: str, possible: Collection[str] = KINDS) -> str:
        """Return the kind of executor: the one asked for where it is possible, or the usual one of the pattern."""
        return self.executor if self.executor is not None and self.executor in possible else usual

    def not_used(self, usual: str, possible: Collection[str]) -> list[str]:
        """Return a sentence about the executor that was asked for and is not possible, if there is one."""
        if self.executor is None or self.executor in possible:
            return []
        return [f"This pattern cannot run on {self.executor!r}, so it ran on {usual!r}."]

    def workers_for(self, kind: str, usual: int = DEFAULT_WORKERS) -> int:
        """Return the number of workers: the one asked for, or the usual one for a kind."""
        if kind == "serial":
            return 1
        if self.workers is not None:
            return self.workers
        cores = SIMULATED_CORES if self.is_simulated else usable_cores()
        return min(usual, cores) if kind in ("process", "dask") else usual

    def count(self, usual: int, most: int) -> int:
        """Return the number of items: the one asked for, or the usual one, never more than there are."""
        return min(most, self.items or usual)

    def record(self) -> AbstractContextManager[kv.Trace]:
        """Return a recording by the clock that was asked for."""
        return kv.record(clock=self.clock, seed=self.seed if self.is_simulated else None)

    @contextmanager
    def started(self, kind: str, workers: int, module: str, items: int) -> Iterator[Executor]:
        """Yield an executor whose workers have started and imported a module, so that runs do not measure that.

        There are no more workers than items.
        """
        workers = max(1, min(workers, items))
        with kv.get_executor(kind, workers) as executor:
            if kind in ("process", "dask") and not self.is_simulated:
                list(executor.imap(import_module, [module] * 4 * workers))
            yield executor


def run_example(name: str, setup: Setup | None = None) -> ExampleRun:
    """Run one pattern on the shipped data."""
    if name not in EXAMPLES:
        raise OptionError("example", name, f"one of {', '.join(EXAMPLES)} or all", "--example validation")
    found: ExampleRun = import_module(f"kaygraph_viz.course.examples.{name}").run(setup or Setup())
    return found
