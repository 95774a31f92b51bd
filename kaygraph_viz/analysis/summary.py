"""The numbers of one run: makespan, work, speedup, concurrency.

Belongs here: `summarize` and the `Summary` it returns, with its text forms. Does not belong here: why a run was not
faster and what another number of workers would do.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np

from kaygraph_viz.analysis.critical_path import critical_path_ns
from kaygraph_viz.analysis.own_time import with_own_time
from kaygraph_viz.analysis.serial_time import Estimate, serial_estimate
from kaygraph_viz.analysis.wording import counted, duration, html_table, join_words, significant
from kaygraph_viz.analysis.worker_loops import finished_ns
from kaygraph_viz.analysis.workers import count_workers
from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.trace.columns import tally
from kaygraph_viz.trace.intervals import Bools, concurrency, union_length_ns
from kaygraph_viz.trace.nesting import PROFILE, Nesting, extent_ns, is_own_time, is_profile, told_within, unit_mask
from kaygraph_viz.trace.span import STATUSES
from kaygraph_viz.trace.trace import Trace

SAME = 0.05  # a speedup that is no further from 1 than this is none
TWICE = 1.995  # from which a run says how many times as long it took
_STATUS_WORDS = {
    "error": "failed",
    "cancelled": "cancelled",
    "timeout": "timed out",
    "abandoned": "abandoned",
    "lost": "lost",
    "skipped": "skipped",
}


@dataclass(frozen=True)
class Summary:
    """The numbers of one run.

    Parameters
    ----------
    makespan_s
        Last end minus first submission of the whole run [s].
    work_s
        Sum of the service times of all units of work [s], with all that they waited for: also the GIL, or a core.
    cpu_s
        CPU time of those units [s]; None where it was never measured.
    workers
        The number of lanes that ran branches (or any unit of work, where there were no branches); at least
        `peak_concurrency`.
    peak_concurrency
        The most units that ran at once.
    queue_wait_s, max_queue_wait_s
        Mean and longest time from submission to start of a branch [s].
    critical_path_s
        Longest dependency chain [s]: no number of workers makes the run shorter.
    counts
        ``spans branches callers units``, how many branches (units, where there are no branches) ended with each
        status, ``retries`` (attempts beyond the first), ``dropped`` (spans that were not kept) and, where there were
        any, ``cancelled_loops abandoned_loops``: those of these branches that took items from a queue and had done them
        all.
    measured_serial_s
        The makespan of a run of the same with one branch after the other [s]; None where none was given.
    is_profile
        Whether the trace is a profile, whose spans are function calls and no branches: then no speedup is estimated.
    busy_s
        The time in which at least one unit of work ran [s]: `work_s` counts each unit that ran then, this once.

    Notes
    -----
    Speedup is the time with one branch after the other divided by the makespan, as measured where such a run was given
    to `summarize`, else estimated by `serial_estimate` when it is first asked for. Work divided by makespan is the mean
    concurrency, which is something else: four threads that wait for the GIL in turns all run at once, and are no faster
    than one.

    For P workers, work W and critical path L the makespan T satisfies ``T >= max(W / P, L)`` (Graham 1969, Brent
    1974). A branch that contains recorded branches or phases is no unit of work itself; only what it contains is, and,
    where that ran on other lanes, the time in which it worked while none of it did. A branch that contains others, such
    as the task that gathers all tasks, is counted as a caller and not as a branch; its status counts where no branch
    within it ended in the same way, so that an error is counted once.
    """

    makespan_s: float = 0.0
    work_s: float = 0.0
    cpu_s: float | None = None
    workers: int = 0
    peak_concurrency: int = 0
    queue_wait_s: float = 0.0
    max_queue_wait_s: float = 0.0
    critical_path_s: float = 0.0
    counts: Mapping[str, int] = field(default_factory=dict)
    measured_serial_s: float | None = None
    is_profile: bool = False
    busy_s: float = 0.0
    _trace: Trace | None = field(default=None, repr=False, compare=False)

    @property
    def mean_concurrency(self) -> float:
        """Mean number of units of work that ran at once: ``work_s / makespan_s``."""
        return self._per_makespan(self.work_s)

    @property
    def speedup(self) -> float:
        """The time with one branch after the other / the makespan; `speedup_source` says whether that was measured."""
        return self._per_makespan(self.serial_s)

    @property
    def speedup_low(self) -> float:
        """The lower bound of the estimated speedup; the speedup itself where it was measured."""
        return self._per_makespan(self._estimate.low_s)

    @property
    def speedup_high(self) -> float:
        """The upper bound of the estimated speedup; the speedup itself where it was measured."""
        return self._per_makespan(self._estimate.high_s)

    @property
    def speedup_source(self) -> Literal["measured", "estimated"]:
        """``"measured"`` where a serial run was given, else ``"estimated"``."""
        return "estimated" if self.measured_serial_s is None else "measured"

    @property
    def efficiency(self) -> float:
        """``speedup / workers``: above 1 only where the serial run was slow for some reason of its own."""
        return self.speedup / self.workers if self.workers else 0.0

    @property
    def serial_s(self) -> float:
        """The time with one branch after the other [s], from the same source as the speedup."""
        return self._estimate.serial_s

    @cached_property
    def _estimate(self) -> Estimate:
        if self.measured_serial_s is not None:
            return Estimate(self.measured_serial_s, self.measured_serial_s, self.measured_serial_s)
        return Estimate() if self._trace is None else serial_estimate(self._trace)

    def __getstate__(self) -> dict[str, Any]:
        """Return the numbers, the estimate among them, without the trace."""
        return {**vars(self), "_estimate": self._estimate, "_trace": None}

    def _per_makespan(self, seconds: float) -> float:
        return seconds / self.makespan_s if self.makespan_s else 0.0

    @property
    def sentence(self) -> str:
        """The run as one sentence, which also counts what went wrong.

        Examples
        --------
        >>> from kaygraph_viz.testing import bar, make_trace
        >>> print(summarize(make_trace(bar("a", "t-1", 0, 2), bar("b", "t-2", 0, 2))).sentence)
        2 branches on 2 workers took 2.00 s instead of about 4.00 s one after the other: about 2.0 times as fast, an
        efficiency of 100%.
        """
        if self._is_empty:
            return "Nothing was recorded."
        if self.is_profile:
            return PROFILE
        head = f"{self._units()} on {counted(self.workers, 'worker')} took {duration(self.makespan_s)}"
        problems = self._bad()
        if self.counts.get("retries"):
            problems.append(counted(self.counts["retries"], "retry", "retries"))
        return f"{head}{self._comparison()}{f'; problems: {join_words(problems)}' if problems else ''}."

    @property
    def _is_empty(self) -> bool:
        return not self.counts.get("units", self.counts.get("branches", 0))

    def _units(self) -> str:
        branches = self.counts.get("branches", 0)
        if branches:
            return counted(branches, "branch", "branches")
        return counted(self.counts.get("units", 0), "unit of work", "units of work")

    @property
    def _about(self) -> str:
        return "about " if self.speedup_source == "estimated" else ""

    def _serial(self) -> str:
        measured = "" if self._about else ", as measured"
        return f"{self._about}{duration(self.serial_s)} one after the other{measured}"

    def _comparison(self) -> str:
        if self.workers <= 1 and self._about:
            return f", of which {duration(self.work_s)} was work: one worker runs one branch at a time"
        if not self.speedup or abs(self.speedup - 1) < SAME:
            return f", and {self._serial()}: no speedup"
        if self.speedup < 1:
            longer = 1 / self.speedup
            text = f"{longer - 1:.0%} slower" if longer < TWICE else f"{significant(longer, 2)} times as long"
            return f", but {self._serial()}: {self._about}{text}"
        gain = f"{self._about}{significant(self.speedup, 2)} times as fast"
        share = f"an efficiency of {self.efficiency:.0%}"
        return f" instead of {self._serial()}: {gain}, {share}"

    def _bad(self) -> list[str]:
        """Return how many branches did not end well, in words; loops that were stopped with nothing left to do did."""
        left = {status: self.counts.get(status, 0) - self.counts.get(f"{status}_loops", 0) for status in _STATUS_WORDS}
        return [f"{left[status]:,} {word}" for status, word in _STATUS_WORDS.items() if left[status]]

    def _lines(self) -> list[tuple[str, str, str]]:
        """Return the rows of the table: name, value and meaning; the ratios first."""
        cpu = "not measured" if self.cpu_s is None else duration(self.cpu_s)
        at_once = f"work / makespan: running at once on average, at most {self.peak_concurrency:,}"
        waits = f"mean wait for a free worker, longest {duration(self.max_queue_wait_s)}"
        speedup = f"{self._serial()} / makespan"
        low, high = significant(self.speedup_low), significant(self.speedup_high)
        if self._about and low != high:
            speedup += f", {low} to {high}"
        work = f"total time in {self._units()}"
        if self.counts.get("units", 0) > self.counts.get("branches", 0) > 0:
            work += " and the steps around them"
        loops = sum(self.counts.get(f"{status}_loops", 0) for status in _STATUS_WORDS)
        results = self._bad() + ([f"{counted(loops, 'loop')} stopped when all items were done"] if loops else [])
        results.append(counted(self.counts.get("retries", 0), "retry", "retries"))
        if self.counts.get("dropped"):
            results.append(f"{counted(self.counts['dropped'], 'span')} not kept: the totals are too small")
        limit = "longest dependency chain: a lower limit with any number of workers"
        return [
            ("speedup", f"{self._about}{significant(self.speedup)}", speedup),
            ("efficiency", f"{self._about}{self.efficiency:.0%}", f"speedup / {counted(self.workers, 'worker')}"),
            ("concurrency", significant(self.mean_concurrency), at_once),
            ("makespan", duration(self.makespan_s), "from the first submission to the last end"),
            ("work", duration(self.work_s), work),
            ("cpu", cpu, "the part of the work that used a CPU"),
            ("critical path", duration(self.critical_path_s), limit),
            ("queue wait", duration(self.queue_wait_s), waits),
            ("results", f"{self.counts.get('ok', 0):,} ok", ", ".join(results)),
        ]

    def __str__(self) -> str:
        if self._is_empty or self.is_profile:
            return self.sentence
        lines = self._lines()
        width = max(len(value) for _, value, _ in lines)
        table = [f"{name:<14}{value:>{width}}   {meaning}" for name, value, meaning in lines]
        return "\n".join([self.sentence, "", *table])

    def _repr_html_(self) -> str:
        if self.is_profile:
            return f"<p>{html.escape(self.sentence)}</p>"
        return f"<p>{html.escape(self.sentence)}</p>{html_table(self._lines(), right={1})}"


def summarize(trace: Trace, *, serial: Trace | None = None) -> Summary:
    """Return the numbers of a run.

    Use it first: a speedup far below the number of workers is what to explain. It works on a live trace, too, and then
    counts what has ended so far.

    Parameters
    ----------
    trace
        A trace, also a live or empty one.
    serial
        The trace of a run of the same with one branch after the other: with it the speedup is measured. Default: it is
        estimated from `trace` alone, when it is asked for.

    Returns
    -------
    Summary
        All zero for an empty trace. ``print`` it, or let the notebook show it.

    Raises
    ------
    OptionError
        If `serial` is no trace, or nothing in it took any time.

    Examples
    --------
    >>> from kaygraph_viz.testing import bar, make_trace
    >>> trace = make_trace(bar("a", "t-1", 0, 1), bar("b", "t-2", 0, 3))
    >>> summary = summarize(trace)
    >>> summary.makespan_s, summary.work_s, summary.speedup, summary.speedup_source
    (3.0, 4.0, 1.3333333333333333, 'estimated')
    >>> one_by_one = make_trace(bar("a", "main", 0, 1), bar("b", "main", 1, 4.5))
    >>> summarize(trace, serial=one_by_one).speedup
    1.5
    """
    if serial is not None and (not isinstance(serial, Trace) or not serial.makespan_s):
        what = "the trace of a run with one branch after the other"
        raise OptionError("serial", serial, what, "summarize(trace, serial=one_by_one)")
    measured_serial_s = None if serial is None else serial.makespan_s
    columns = trace.columns
    if not len(columns):
        return Summary(counts={"dropped": trace.dropped} if trace.dropped else {}, measured_serial_s=measured_serial_s)
    recorded = Nesting.of(columns)
    if is_profile(recorded):
        counts = _counts(recorded, unit_mask(recorded), columns.is_kind("branch"), trace.dropped)
        return Summary(trace.makespan_s, counts=counts, measured_serial_s=measured_serial_s, is_profile=True)
    nesting = with_own_time(recorded)
    units, branches = unit_mask(nesting), nesting.columns.is_kind("branch")
    submitted, started, ended = (nesting.columns.column(f"{name}_ns") for name in ("submitted", "started", "ended"))
    first, last = extent_ns(columns)
    waits, cpu = (started - submitted)[branches], nesting.columns.column("cpu_ns")[units]
    measured = cpu[cpu >= 0]
    return Summary(
        makespan_s=(last - first) / 1e9,
        work_s=int((ended - started)[units].sum()) / 1e9,
        cpu_s=int(measured.sum()) / 1e9 if len(measured) else None,
        workers=count_workers(nesting, units),
        peak_concurrency=int(concurrency(started[units], ended[units])[1].max(initial=0)),
        queue_wait_s=float(waits.mean()) / 1e9 if len(waits) else 0.0,
        max_queue_wait_s=float(waits.max(initial=0)) / 1e9,
        critical_path_s=critical_path_ns(nesting, units) / 1e9,
        counts=_counts(nesting, units, branches, trace.dropped),
        measured_serial_s=measured_serial_s,
        busy_s=union_length_ns(started[units], ended[units]) / 1e9,
        _trace=Trace(columns, trace.dropped, machine=trace.machine) if serial is None else None,
    )


def _counts(nesting: Nesting, units: Bools, branches: Bools, dropped: int) -> dict[str, int]:
    rows, added = nesting.columns.rows, is_own_time(nesting.columns)
    callers = branches & nesting.enclosing(branches)
    ended = branches & ~(callers & told_within(nesting)) if branches.any() else units
    of_status = tally(rows["status"][ended], len(STATUSES)).tolist()
    attempts = nesting.columns.column("attempt")[units | branches]
    was_done = ended & (finished_ns(nesting) == nesting.columns.column("ended_ns"))
    stopped = {
        status: int((was_done & nesting.columns.is_status(status)).sum()) for status in ("cancelled", "abandoned")
    }
    return {
        "spans": int((~added).sum()),
        "branches": int((branches & ~callers).sum()),
        "callers": int(callers.sum()),
        "units": int((units & ~added).sum()) + len(np.unique(nesting.parent[added])),
        **dict(zip(STATUSES, of_status, strict=True)),
        "retries": int((attempts - 1).clip(min=0).sum()),
        "dropped": dropped,
        **{f"{status}_loops": count for status, count in stopped.items() if count},
    }
