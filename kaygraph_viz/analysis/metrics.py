"""The numbers of one run: how long, how much work, how parallel.

Belongs here: `summarize` and the `Summary` it returns, with its text forms. Does not belong here: why a run was not
faster and what another number of workers would do.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from kaygraph_viz.analysis.critical_path import critical_path_ns
from kaygraph_viz.analysis.intervals import Bools, concurrency
from kaygraph_viz.analysis.nesting import Nesting, extent_ns, unit_mask
from kaygraph_viz.analysis.tables import html_table
from kaygraph_viz.analysis.wording import counted, duration, join_words, significant
from kaygraph_viz.analysis.workers import count_workers
from kaygraph_viz.trace.span import STATUSES
from kaygraph_viz.trace.trace import Trace

__all__ = ["Summary", "summarize"]

_SAYING = {
    "error": "failed",
    "cancelled": "cancelled",
    "timeout": "timed out",
    "abandoned": "abandoned",
    "lost": "lost",
    "skipped": "skipped",
}


@dataclass(frozen=True)
class Summary:
    """What one run came to.

    Parameters
    ----------
    makespan_s
        Last end minus first submission of the whole run [s].
    work_s
        Sum of the service times of all units of work [s]: what the run would have taken one unit after the other.
    cpu_s
        CPU time of those units [s]; None where it was never measured.
    speedup
        ``work_s / makespan_s``: the baseline is the same work, as long as it took here, one after the other.
    efficiency
        ``speedup / workers``, from 0 to 1.
    workers
        How many lanes ran branches (or any unit of work, where there were no branches); at least `peak_concurrency`.
    peak_concurrency, mean_concurrency
        The most units that ran at once, and their mean number over the makespan. The mean equals `speedup`: both are
        work divided by makespan.
    queue_wait_s, max_queue_wait_s
        Mean and longest time from submission to start of a branch [s].
    critical_path_s
        Longest dependency chain [s]: no number of workers makes the run shorter.
    counts
        ``spans branches units``, how many branches (units, where there are no branches) ended with each status,
        ``retries`` (attempts beyond the first) and ``dropped`` (spans that were not kept).

    Notes
    -----
    For P workers, work W and critical path L the makespan T satisfies ``T >= max(W / P, L)`` (Graham 1969, Brent
    1974). A branch that contains recorded branches or phases is no unit of work itself; only what it contains is.
    """

    makespan_s: float = 0.0
    work_s: float = 0.0
    cpu_s: float | None = None
    speedup: float = 0.0
    efficiency: float = 0.0
    workers: int = 0
    peak_concurrency: int = 0
    mean_concurrency: float = 0.0
    queue_wait_s: float = 0.0
    max_queue_wait_s: float = 0.0
    critical_path_s: float = 0.0
    counts: Mapping[str, int] = field(default_factory=dict)

    def describe(self) -> str:
        """Return the run in one or two sentences.

        Examples
        --------
        >>> Summary(0.31, 1.02, None, 3.29, 0.82, 4, counts={"branches": 8}).describe()
        '8 branches on 4 workers took 0.310 s instead of 1.02 s one after the other: 3.3 times as fast, 82% of what 4 workers could give.'
        """  # noqa: E501  (a doctest cannot break a line of output)
        if self._is_empty:
            return "Nothing was recorded."
        head = f"{self._units()} on {counted(self.workers, 'worker')} took {duration(self.makespan_s)}"
        return f"{head}{self._comparison()}{self._mishaps()}"

    @property
    def _is_empty(self) -> bool:
        return not self.counts.get("units", self.counts.get("branches", 0))

    def _units(self) -> str:
        branches = self.counts.get("branches", 0)
        if branches:
            return counted(branches, "branch", "branches")
        return counted(self.counts.get("units", 0), "unit of work", "units of work")

    def _comparison(self) -> str:
        if self.workers <= 1:
            return f", of which {duration(self.work_s)} was work: one worker does one thing at a time."
        gain = f"{significant(self.speedup, 2)} times as fast"
        share = f"{self.efficiency:.0%} of what {self.workers} workers could give"
        return f" instead of {duration(self.work_s)} one after the other: {gain}, {share}."

    def _mishaps(self) -> str:
        found = [f"{self.counts[status]:,} {word}" for status, word in _SAYING.items() if self.counts.get(status)]
        if self.counts.get("retries"):
            found.append(counted(self.counts["retries"], "retry", "retries"))
        return f" There were problems: {join_words(found)}." if found else ""

    def _lines(self) -> list[tuple[str, str, str]]:
        """Return the table: name, value, and what it means in plain words; the ratios first."""
        cpu = "not measured" if self.cpu_s is None else duration(self.cpu_s)
        at_once = f"running at once on average, at most {self.peak_concurrency:,}"
        waits = f"mean wait for a free worker, longest {duration(self.max_queue_wait_s)}"
        return [
            ("speedup", significant(self.speedup), "work / makespan: against the same work one after the other"),
            ("efficiency", f"{self.efficiency:.0%}", f"speedup / {counted(self.workers, 'worker')}"),
            ("concurrency", significant(self.mean_concurrency), at_once),
            ("makespan", duration(self.makespan_s), "from the first submission to the last end"),
            ("work", duration(self.work_s), f"time in {self._units()}, added up" + self._beside_branches()),
            ("cpu", cpu, "the part of the work that used a processor"),
            ("critical path", duration(self.critical_path_s), "longest chain: more workers cannot beat it"),
            ("queue wait", duration(self.queue_wait_s), waits),
            ("results", *self._results()),
        ]

    def _beside_branches(self) -> str:
        branches, units = self.counts.get("branches", 0), self.counts.get("units", 0)
        return " with the steps around them" if units > branches > 0 else ""

    def _results(self) -> tuple[str, str]:
        bad = [f"{self.counts[status]:,} {word}" for status, word in _SAYING.items() if self.counts.get(status)]
        extra = [counted(self.counts.get("retries", 0), "retry", "retries")]
        if self.counts.get("dropped"):
            extra.append(f"{counted(self.counts['dropped'], 'span')} not kept: the sums are too small")
        return f"{self.counts.get('ok', 0):,} ok", ", ".join(bad + extra)

    def __str__(self) -> str:
        if self._is_empty:
            return self.describe()
        lines = self._lines()
        width = max(len(value) for _, value, _ in lines)
        table = [f"{name:<14}{value:>{width}}   {meaning}" for name, value, meaning in lines]
        return "\n".join([self.describe(), "", *table])

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self.describe())}</p>{html_table(self._lines(), right={1})}"


def summarize(trace: Trace) -> Summary:
    """Return the numbers of a run.

    Use it first: a speedup far below the number of workers is where looking begins. It works on a live trace too and
    then counts what has ended so far.

    Parameters
    ----------
    trace
        A trace, also a live or empty one.

    Returns
    -------
    Summary
        All zero for an empty trace. ``print`` it, or let the notebook show it.

    Examples
    --------
    >>> from kaygraph_viz.testing import bar, make_trace
    >>> summary = summarize(make_trace(bar("a", "t-1", 0, 1), bar("b", "t-2", 0, 3)))
    >>> summary.makespan_s, summary.work_s, summary.efficiency
    (3.0, 4.0, 0.6666666666666666)
    """
    columns = trace.columns
    if not len(columns):
        return Summary(counts={"dropped": trace.dropped} if trace.dropped else {})
    nesting = Nesting.of(columns)
    units, branches = unit_mask(nesting), columns.is_kind("branch")
    started, ended = columns.column("started_ns"), columns.column("ended_ns")
    first, last = extent_ns(columns)
    makespan_ns = last - first
    work_ns = int((ended - started)[units].sum())
    peak = int(concurrency(started[units], ended[units])[1].max(initial=0))
    workers = count_workers(nesting, units)
    speedup = work_ns / makespan_ns if makespan_ns else 0.0
    waits = (started - columns.column("submitted_ns"))[branches]
    return Summary(
        makespan_s=makespan_ns / 1e9,
        work_s=work_ns / 1e9,
        cpu_s=_cpu_s(nesting, units),
        speedup=speedup,
        efficiency=speedup / workers if workers else 0.0,
        workers=workers,
        peak_concurrency=peak,
        mean_concurrency=speedup,
        queue_wait_s=float(waits.mean()) / 1e9 if len(waits) else 0.0,
        max_queue_wait_s=float(waits.max(initial=0)) / 1e9,
        critical_path_s=critical_path_ns(nesting, units) / 1e9,
        counts=_counts(nesting, units, branches, trace.dropped),
    )


def _cpu_s(nesting: Nesting, units: Bools) -> float | None:
    cpu = nesting.columns.column("cpu_ns")[units]
    measured = cpu[cpu >= 0]
    return float(measured.sum()) / 1e9 if len(measured) else None


def _counts(nesting: Nesting, units: Bools, branches: Bools, dropped: int) -> dict[str, int]:
    rows = nesting.columns.rows
    ended = branches if branches.any() else units
    of_status = np.bincount(rows["status"][ended], minlength=len(STATUSES)).tolist()
    attempts = nesting.columns.column("attempt")[units | branches]
    return {
        "spans": len(rows),
        "branches": int(branches.sum()),
        "units": int(units.sum()),
        **dict(zip(STATUSES, of_status, strict=True)),
        "retries": int((attempts - 1).clip(min=0).sum()),
        "dropped": dropped,
    }
