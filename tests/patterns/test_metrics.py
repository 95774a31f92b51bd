"""The node that measures its own graph: its numbers, its predictions, and None where nothing is recorded."""

from __future__ import annotations

import pytest

from kaygraph_viz.analysis.explain.explain import explain
from kaygraph_viz.analysis.summary import summarize
from kaygraph_viz.clock import compute, sleep
from kaygraph_viz.execute.core.outcome import Outcome
from kaygraph_viz.graph.batch import ParallelBatchNode
from kaygraph_viz.graph.graph import Graph
from kaygraph_viz.graph.node import Node
from kaygraph_viz.patterns.metrics import (
    KEYS,
    PerformanceMetricsNode,
    measured_times,
    running_trace,
)
from kaygraph_viz.recording import record
from kaygraph_viz.trace.recorder import span


def graph(items, workers, *, kind="thread", function=sleep, **options):
    wait = ParallelBatchNode(workers, kind, **options)
    wait.prep, wait.exec = lambda shared: items, function
    wait >> PerformanceMetricsNode()
    return Graph(start=wait)


def measured(*args, **options):
    with record(clock="virtual") as trace:
        graph(*args, **options).run(shared := {})
    return shared["performance_metrics"], trace


def test_the_numbers_are_those_of_the_trace():
    metrics, _ = measured([3, 1, 1, 1, 2], 2)
    assert metrics["is_recorded"]
    assert (metrics["workers"], metrics["branches"], metrics["retries"]) == (2, 5, 0)
    assert (metrics["work_s"], metrics["makespan_s"], metrics["critical_path_s"]) == (8, 5, 3)
    assert (metrics["speedup"], metrics["mean_concurrency"], metrics["efficiency"]) == (1.6, 1.6, 0.8)
    assert (metrics["serial_s"], metrics["speedup_source"], metrics["useful_workers"]) == (8, "estimated", 1.6)
    assert metrics["overhead_s"] == 2
    assert metrics["overhead"] == pytest.approx(0.2)
    assert metrics["queue_wait_s"] == (0 + 0 + 1 + 2 + 3) / 5


def test_they_agree_with_the_trace_of_the_whole_run():
    metrics, trace = measured([3, 1, 1, 1, 2], 2)
    summary, explanation = summarize(trace), explain(trace)
    for key in ("speedup", "efficiency", "mean_concurrency", "serial_s", "workers", "makespan_s", "work_s"):
        assert metrics[key] == pytest.approx(getattr(summary, key))
    assert metrics["lost_s"] == {cause: spent for cause, spent in explanation.parts.items() if cause != "useful work"}


@pytest.mark.parametrize("items", [[3, 1, 1, 1, 2], [1] * 7, [5]])
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_serial_time_and_overhead_are_the_time_of_all_workers(items, workers):
    metrics, _ = measured(items, workers)
    assert metrics["serial_s"] + metrics["overhead_s"] == pytest.approx(metrics["workers"] * metrics["makespan_s"])
    assert metrics["efficiency"] + metrics["overhead"] == pytest.approx(1)
    assert sum(metrics["lost_s"].values()) == pytest.approx(metrics["overhead_s"])


def test_the_suggested_number_of_workers_is_within_5_percent_of_the_best():
    metrics, _ = measured([4] + [1] * 8, 2)
    assert metrics["suggested_workers"] == 3
    assert metrics["replayed_makespan_s"] == {1: 12, 2: 6, 3: 4, 4: 4, 8: 4}
    assert metrics["sentence"].endswith("in a replay, 3 workers of this kind would come within 5% of the best.")


def test_the_suggestion_holds_when_it_is_followed():
    before, _ = measured([4] + [1] * 8, 1)
    after, _ = measured([4] + [1] * 8, before["suggested_workers"])
    assert after["makespan_s"] == before["replayed_makespan_s"][before["suggested_workers"]]


def test_more_threads_are_not_suggested_for_computing():
    metrics, _ = measured([0.1] * 16, 8, function=compute)
    assert metrics["suggested_workers"] == 1
    assert metrics["useful_workers"] == pytest.approx(1, rel=0.05)
    assert metrics["speedup"] == pytest.approx(1)
    assert metrics["mean_concurrency"] == pytest.approx(8, rel=0.05)
    assert measured([0.1] * 16, 8, kind="process", function=compute)[0]["suggested_workers"] == 4


def test_each_worker_is_there_with_what_it_did():
    metrics, _ = measured([3, 1, 1, 1, 2], 2)
    keys = ("worker", "branches", "failed", "busy_s", "ended_s")
    assert [tuple(load[key] for key in keys) for load in metrics["per_worker"]] == [
        ("thread-1", 2, 0, 5.0, 5.0),
        ("thread-2", 3, 0, 3.0, 3.0),
    ]


def test_without_a_recording_it_says_so():
    graph([0, 0], 2).run(shared := {})
    metrics = shared["performance_metrics"]
    assert (
        metrics.pop("sentence")
        == "Nothing was recorded: run the graph inside `with record() as trace:` to get numbers."
    )
    assert metrics.pop("is_recorded") is False
    assert metrics == dict.fromkeys(KEYS)


def test_without_branches_it_says_so():
    first = Node()
    first >> PerformanceMetricsNode()
    with record():
        Graph(start=first).run(shared := {})
    assert shared["performance_metrics"]["sentence"].startswith("No branch has been recorded so far")
    assert shared["performance_metrics"]["speedup"] is None


def test_a_running_trace_holds_what_has_ended_so_far():
    assert running_trace() is None
    with record(), span("outer"):
        with span("inner"):
            pass
        assert [s.name for s in running_trace()] == ["inner"]


# -- times of outcomes ----------------------------------------------------------------------------------------------


def test_the_makespan_begins_with_the_first_submission_and_work_is_without_queue_waits():
    waited = Outcome(0, submitted_ns=1_000_000_000, started_ns=3_000_000_000, ended_ns=4_000_000_000)
    at_once = Outcome(1, submitted_ns=2_000_000_000, started_ns=2_000_000_000, ended_ns=5_000_000_000)
    assert measured_times([waited, at_once]) == {"work_s": 4.0, "makespan_s": 4.0, "mean_concurrency": 1.0}
