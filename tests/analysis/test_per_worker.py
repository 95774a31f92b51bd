"""What each worker did: counts and times, idle workers, nested branches."""

from __future__ import annotations

from kaygraph_viz.analysis.per_item import WorkerLoad, per_worker
from kaygraph_viz.testing import bar, make_trace


def test_counts_and_times_of_each_worker_by_number():
    trace = make_trace(
        bar("a", "thread-10", 1, 3, cpu_s=1),
        bar("b", "thread-2", 1, 2, cpu_s=0.5, queued_s=1),
        bar("c", "thread-2", 2, 6, status="error", error="ValueError: bad"),
        bar("prep", "main", 0, 9, kind="phase"),
    )
    assert per_worker(trace) == [
        WorkerLoad("thread-2", 2, 1, 5.0, 0.5, 6.0),
        WorkerLoad("thread-10", 1, 0, 2.0, 1.0, 3.0),
    ]


def test_a_branch_that_contains_others_is_not_counted_twice():
    trace = make_trace((bar("chunk", "t-1", 0, 3), [bar("a", "t-1", 0, 1), bar("b", "t-1", 1, 3)]))
    assert per_worker(trace) == [WorkerLoad("t-1", 2, 0, 3.0, None, 3.0)]


def test_workers_that_got_nothing_to_do_are_there():
    phase = bar("exec", "main", 0, 1, kind="phase", executor="thread", workers=2)
    assert per_worker(make_trace((phase, [bar("a", "thread-1", 0, 1)])))[1] == WorkerLoad("thread-2")


def test_nothing_recorded_nobody_worked():
    assert per_worker(make_trace()) == []
