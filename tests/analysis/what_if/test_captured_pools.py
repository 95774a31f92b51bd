"""Predictions for pools of which only branches were recorded, without phases and parts."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from kaygraph_viz.analysis.summary import summarize
from kaygraph_viz.analysis.what_if.what_if import what_if
from kaygraph_viz.clock.clock import compute, sleep
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.recording import record
from kaygraph_viz.testing import make_trace

COUNTS = (1, 2, 4, 8)


def waits(item):
    sleep(0.01 + 0.003 * (item % 7))


def computes(item):
    compute(0.02 + 0.003 * (item % 5))


def does_both(item):
    sleep(0.02 + 0.002 * (item % 3))
    compute(0.006 + 0.001 * (item % 5))


def ran(kind, workers, function):
    with record(clock="virtual") as trace, get_executor(kind, workers) as executor:
        list(executor.imap(function, range(40)))
    return trace


def captured(trace, kind):
    """Return the trace of a run as if its branches had been found in a pool of the standard library."""
    lane = {"thread": "ThreadPoolExecutor-0_{}", "process": "process-{}"}[kind]
    return make_trace(*(
        replace(
            span, lane=lane.format(span.lane.rpartition("-")[2]), parent_id=None, noted_parts=None, attributes={},
            submitted_ns=0,
        )
        for span in trace if span.kind == "branch"
    ))  # fmt: skip


@pytest.mark.parametrize("kind", ["thread", "process"])
@pytest.mark.parametrize("function", [waits, computes, does_both])
def test_predictions_are_within_a_tenth_of_runs_with_that_number_of_workers(kind, function):
    real = {count: ran(kind, count, function) for count in COUNTS}
    for count, trace in real.items():
        found = captured(trace, kind)
        predicted = what_if(found, COUNTS, cores=4).makespan_s
        assert predicted == pytest.approx({many: run.makespan_s for many, run in real.items()}, rel=0.1)
        assert summarize(found).workers == count


@pytest.mark.parametrize("function", [waits, computes, does_both])
def test_predictions_for_captured_pools_of_threads_are_those_of_other_runs(function):
    def captured_run(workers):
        with record(capture="futures", clock="virtual") as trace, ThreadPoolExecutor(workers) as pool:
            list(pool.map(function, range(20)))
        return trace

    real = {count: captured_run(count) for count in COUNTS}
    for trace in real.values():
        predicted = what_if(trace, COUNTS).makespan_s
        assert predicted == pytest.approx({many: run.makespan_s for many, run in real.items()}, rel=0.01)


def test_calls_that_share_a_pool_do_not_slow_the_start_of_each_others_workers():
    from kaygraph_viz.testing import bar

    tasks = [
        (bar("task", f"task-{n + 1}", 0, n + 1, cpu_s=0), [bar("job", "pool_0", n, n + 1, queued_s=n, cpu_s=0)])
        for n in range(4)
    ]
    assert what_if(make_trace(*tasks), [1]).makespan_s[1] == 4
