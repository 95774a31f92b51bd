"""The steps of the recorded chain, and what each of them had waited for."""

from __future__ import annotations

from kaygraph_viz.analysis.critical_path import critical_path
from kaygraph_viz.testing import bar, make_trace
from tests.analysis.critical_path.conftest import call, names


def test_a_branch_that_queued_waited_for_its_worker():
    path = critical_path(
        make_trace(call(0, 5, bar("a", "t-1", 0, 2), bar("b", "t-2", 0, 1), bar("c", "t-1", 2, 5, queued_s=2)))
    )
    assert names(path) == ["a", "c"]
    assert [step.waited_for for step in path.steps] == [None, "a worker"]
    assert path.steps[1].waited_ns == 2_000_000_000
    assert path.steps[1].gap_ns == 0
    assert path.slack() == {1: 0, 2: 0, 3: 4, 4: 0}


def test_a_branch_whose_input_came_late_waited_for_input():
    path = critical_path(make_trace(call(0, 6, bar("a", "t-1", 0, 2), bar("b", "t-1", 4, 6))))
    step = path.steps[1]
    assert (step.waited_for, step.waited_ns, step.gap_ns, step.undelivered_ns) == ("input", 2 * 10**9, 2 * 10**9, 0)


def test_a_worker_that_had_to_start_was_waited_for():
    path = critical_path(make_trace(call(0, 6, bar("a", "process-1", 4, 6, queued_s=4))))
    step = path.steps[0]
    assert (step.waited_for, step.waited_ns, step.gap_ns, step.undelivered_ns) == ("a worker", *[4 * 10**9] * 3)
    assert "but for 67% of the time the next step waited for a worker" in path.sentence
    assert str(path).endswith("1 step waited for a worker.")


def test_a_link_goes_before_a_worker_that_was_free_before():
    trace = make_trace(
        call(0, 6,
             bar("read", "r-1", 0, 3, span_id=11),
             bar("other", "p-1", 0, 2, span_id=12),
             bar("parse", "p-1", 3, 6, queued_s=3, span_id=13, links=(11,))),
    )  # fmt: skip
    path = critical_path(trace)
    assert names(path) == ["read", "parse"]
    assert (path.steps[1].waited_for, path.steps[1].waited_ns) == ("input", 3 * 10**9)
    assert path.dependency_s == 6
    assert path.dependency_ids == (11, 13)
    assert path.slack()[12] == 1


def test_links_to_something_that_had_not_ended_are_no_reason():
    trace = make_trace(call(0, 5, bar("a", "t-1", 0, 4, span_id=11), bar("b", "t-2", 1, 5, span_id=12, links=(11,))))
    path = critical_path(trace)
    assert names(path) == ["b"]
    assert path.dependency_s == 4
    assert path.slack()[11] == 1


def test_a_nested_call_is_walked_through():
    inner = call(1, 5, bar("deep", "u-1", 1, 2), bar("deeper", "u-2", 2, 5, queued_s=1))
    path = critical_path(make_trace(call(0, 6, (bar("outer", "t-1", 0, 6), [inner]), bar("b", "t-2", 0, 1))))
    assert names(path) == ["outer", "deeper", "outer"]
    assert [step.gap_ns / 1e9 for step in path.steps] == [0, 1, 0]
    assert path.ending_ns == 0


def test_of_two_that_end_at_once_the_one_given_up_was_not_waited_for():
    trace = make_trace(call(0, 2, bar("a", "t-1", 0, 2), bar("b", "t-2", 0, 2, status="abandoned")))
    assert names(critical_path(trace)) == ["a"]


def test_the_last_end_of_a_chain_is_that_of_the_run():
    path = critical_path(make_trace(call(0, 4, bar("a", "t-1", 0, 1), bar("b", "t-2", 0, 4))))
    (step,) = path.steps
    assert (step.name, step.lane, step.duration_ns, step.gap_ns, step.waited_for) == ("b", "t-2", 4 * 10**9, 0, None)
