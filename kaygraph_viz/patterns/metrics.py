"""A node that measures the graph it belongs to while this runs, and the times that summaries of patterns report.

Belongs here: reading the running trace, and the numbers in the shared store. Does not belong here: the arithmetic
(``analysis``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kaygraph_viz.analysis.explain.explain import USEFUL, explain
from kaygraph_viz.analysis.per_worker import per_worker
from kaygraph_viz.analysis.summary import summarize
from kaygraph_viz.analysis.what_if.what_if import what_if
from kaygraph_viz.analysis.wording import counted
from kaygraph_viz.execute.core.outcome import Outcome
from kaygraph_viz.graph.node import Node, Shared
from kaygraph_viz.trace.recorder import current_scope
from kaygraph_viz.trace.trace import Trace

__all__ = ["PerformanceMetricsNode", "measured_times", "performance_metrics", "running_trace"]

OF_SUMMARY = (
    "workers",
    "makespan_s",
    "work_s",
    "mean_concurrency",
    "serial_s",
    "speedup",
    "speedup_source",
    "efficiency",
    "critical_path_s",
    "queue_wait_s",
)
KEYS = (
    *OF_SUMMARY,
    "overhead",
    "overhead_s",
    "useful_workers",
    "lost_s",
    "branches",
    "retries",
    "suggested_workers",
    "replayed_makespan_s",
    "per_worker",
)
POWERS = (1, 2, 4, 8, 16, 32, 64)
TRIED = sorted({*POWERS, 3, 6, 12, 24, 48})  # a graph waits for the prediction: not every number up to 64
NOT_RECORDED = "Nothing was recorded: run the graph inside `with record() as trace:` to get numbers."
NO_BRANCHES = "No branch has been recorded so far: put this node after the parallel ones."


class PerformanceMetricsNode(Node):
    """Measure what has been recorded so far, and store it in ``shared["performance_metrics"]``.

    Put it at the end of a graph. It measures spans that have ended: neither its own nor that of the graph around it.
    Without a recording the values of all keys are None, and ``sentence`` says why.

    Parameters
    ----------
    node_id
        Its name in charts and diagrams; default: the name of its class.

    Notes
    -----
    The keys, with S for the time that one branch after the other would take, T for the makespan and P for the number of
    workers:

    ``serial_s``, ``speedup``, ``speedup_source``, ``efficiency``
        S [s], S / T, ``"estimated"`` (from this run alone, as for `summarize`) and S / (P T).
    ``overhead``, ``overhead_s``
        The share of the workers' time that a serial run does not need, (P T - S) / (P T), and that time
        [worker-seconds]; 0 where S is more than that. So it is defined by A. Grama et al., "Introduction to Parallel
        Computing", 2003.
    ``mean_concurrency``
        How many branches and phases around them ran at once on average, as in `Summary`.
    ``useful_workers``, ``lost_s``
        As in `explain`: useful work / T, and where all other time of the workers went, by cause [worker-seconds].
    ``suggested_workers``, ``replayed_makespan_s``
        Predictions by `what_if`: the smallest number of workers within 5% of the best, of 1, 2, 3, 4, 6, 8, 12, ... up
        to 64 and the number of branches; and the makespan [s] with that number and with 1, 2, 4, 8, ... of them.
    ``per_worker``
        A dict for each worker with the keys ``worker branches failed busy_s cpu_s ended_s``, as in `per_worker`.
    ``workers makespan_s work_s critical_path_s queue_wait_s branches retries``
        As in `Summary`.
    ``is_recorded``, ``sentence``
        Whether there is anything to measure, and the result in words.

    Examples
    --------
    >>> from kaygraph_viz.clock import sleep
    >>> from kaygraph_viz.graph.batch import ParallelBatchNode
    >>> from kaygraph_viz.graph.graph import Graph
    >>> from kaygraph_viz.recording import record
    >>> wait = ParallelBatchNode(max_workers=2)
    >>> wait.prep, wait.exec = lambda shared: [3, 1, 1, 1], sleep
    >>> wait >> PerformanceMetricsNode()
    <PerformanceMetricsNode>
    >>> with record(clock="virtual"):
    ...     Graph(start=wait).run(shared := {})
    >>> shared["performance_metrics"]["speedup"], shared["performance_metrics"]["suggested_workers"]
    (2.0, 2)
    """

    def __init__(self, node_id: str | None = None) -> None:
        super().__init__(node_id=node_id)

    def prep(self, shared: Shared) -> Trace | None:
        """Return what has been recorded so far."""
        return running_trace()

    def exec(self, prep_res: Trace | None) -> dict[str, Any]:
        """Return the numbers."""
        return performance_metrics(prep_res)

    def post(self, shared: Shared, prep_res: Any, exec_res: dict[str, Any]) -> None:
        """Store ``shared["performance_metrics"]``."""
        shared["performance_metrics"] = exec_res


def running_trace() -> Trace | None:
    """Return all spans of the recording around the caller that have ended so far, or None where there is none.

    Examples
    --------
    >>> running_trace() is None
    True
    """
    recorder = current_scope().recorder
    if not recorder.is_open:
        return None
    return Trace(recorder.snapshot(), recorder.dropped, machine=recorder.clock.machine)


def performance_metrics(trace: Trace | None) -> dict[str, Any]:
    """Return the numbers of a trace, None where nothing was recorded, with the keys of `PerformanceMetricsNode`."""
    missing = NOT_RECORDED if trace is None else "" if trace.columns.is_kind("branch").any() else NO_BRANCHES
    if trace is None or missing:
        return {"is_recorded": False, "sentence": missing, **dict.fromkeys(KEYS)}
    summary, explanation = summarize(trace), explain(trace)
    # Other numbers of workers, as if each took a branch whenever it is free.
    predicted = what_if(trace, [n for n in TRIED if n <= summary.counts["branches"]], schedule="dynamic")
    spent_s = summary.workers * summary.makespan_s
    overhead_s = max(0.0, spent_s - summary.serial_s)
    best = predicted.best_workers
    enough = f"{counted(best, 'worker')} of this kind would come within 5% of the best"
    return {
        "is_recorded": True,
        "sentence": f"{explanation.sentence.removesuffix('.')}; in a replay, {enough}.",
        **{name: getattr(summary, name) for name in OF_SUMMARY},
        "overhead": overhead_s / spent_s if spent_s else 0.0,
        "overhead_s": overhead_s,
        "useful_workers": explanation.useful_workers,
        "lost_s": {cause: seconds for cause, seconds in explanation.parts.items() if cause != USEFUL},
        "branches": summary.counts["branches"],
        "retries": summary.counts["retries"],
        "suggested_workers": best,
        "replayed_makespan_s": {
            count: seconds for count, seconds in predicted.makespan_s.items() if count in POWERS or count == best
        },
        "per_worker": [load._asdict() for load in per_worker(trace)],
    }


def measured_times(outcomes: Sequence[Outcome], work_s: float | None = None) -> dict[str, float]:
    """Return the measured times of branches that ran in parallel.

    Parameters
    ----------
    outcomes
        The outcomes of the branches.
    work_s
        The work, where it is not that of the branches themselves [s].

    Returns
    -------
    dict
        ``work_s``: the sum of the service times of all branches [s]. ``makespan_s``: the time from the first submission
        to the last end [s]. ``mean_concurrency``: their quotient, the mean number of branches in progress at once.

    Examples
    --------
    >>> measured_times([Outcome(0, ended_ns=2_000_000_000), Outcome(1, ended_ns=1_000_000_000)])
    {'work_s': 3.0, 'makespan_s': 2.0, 'mean_concurrency': 1.5}
    """
    if work_s is None:
        work_s = sum(outcome.service_s for outcome in outcomes)
    first_ns = min((outcome.submitted_ns for outcome in outcomes), default=0)
    makespan_s = (max((outcome.ended_ns for outcome in outcomes), default=0) - first_ns) / 1e9
    mean = work_s / makespan_s if makespan_s else 0.0
    return {"work_s": work_s, "makespan_s": makespan_s, "mean_concurrency": mean}
