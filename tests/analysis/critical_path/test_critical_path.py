"""Which spans made a run as long as it was, what they waited for, and how much time the others had."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given, strategies as st

from kaygraph_viz.analysis.critical_path import CriticalPath, critical_path
from kaygraph_viz.analysis.summary import summarize
from kaygraph_viz.recording import record
from kaygraph_viz.testing import FakeClock, bar, make_trace
from kaygraph_viz.trace.recorder import span
from tests.analysis.critical_path.conftest import call, names


@given(st.data())
def test_the_chain_is_as_long_as_the_run(any_run, data):
    path = critical_path(data.draw(any_run))
    assert sum(step.duration_ns + step.gap_ns for step in path.steps) + path.ending_ns == path.makespan_ns
    assert all(step.gap_ns >= 0 and step.waited_ns >= 0 and step.duration_ns > 0 for step in path.steps)
    assert path.ending_ns >= 0
    assert all(first.ended_ns <= second.started_ns for first, second in zip(path.steps, path.steps[1:], strict=False))


@given(st.data())
def test_no_slack_is_negative_and_that_of_the_chain_is_zero(any_run, data):
    trace = data.draw(any_run)
    path = critical_path(trace)
    assert len(path.slack_ns) == len(trace)
    assert (path.slack_ns >= 0).all()
    assert list(path.slack()) == [s.span_id for s in trace]
    assert {path.slack()[step.span_id] for step in path.steps} <= {0.0}
    assert all(spare <= (path.makespan_ns / 1e9) for spare in path.slack().values())


@given(st.data())
def test_the_dependency_chain_bounds_the_run_from_below(any_run, data):
    trace = data.draw(any_run)
    path, found = critical_path(trace), summarize(trace)
    assert path.dependency_s == found.critical_path_s
    assert path.dependency_s <= found.work_s + 1e-9
    if found.workers:
        assert found.makespan_s + 1e-9 >= max(found.work_s / found.workers, path.dependency_s)
    chain = {s.span_id: s for s in trace if s.span_id in path.dependency_ids}
    assert len(chain) == len(path.dependency_ids)
    assert sum(s.service_s for s in chain.values()) + 1e-9 >= path.dependency_s


@given(st.data())
def test_a_chain_can_be_read(any_run, data):
    path = critical_path(data.draw(any_run))
    assert str(path).startswith(path.sentence)
    assert path.sentence.endswith(".")
    assert "\n" not in path.sentence
    assert sum(path.waits.values()) == len(path.steps)


def test_phases_and_nodes_follow_each_other():
    phases = [bar("prep", "main", 0, 1, kind="phase"), call(1, 4, bar("a", "t-1", 1, 2), bar("b", "t-2", 1, 4))]
    first = (bar("n1", "main", 0, 4, kind="node"), phases)
    second = (bar("n2", "main", 4, 5, kind="node"), [bar("exec", "main", 4, 5, kind="phase")])
    path = critical_path(make_trace((bar("g", "main", 0, 5, kind="graph"), [first, second])))
    assert names(path) == ["n1: prep", "b", "n2: exec"]
    assert path.dependency_s == 5
    assert "more workers would not make it faster" in path.sentence


def test_a_long_chain_is_cut_in_the_table_and_whole_in_the_data():
    phases = [bar(f"p{number:03}", "main", number, number + 1, kind="phase") for number in range(100)]
    path = critical_path(make_trace(*phases))
    assert len(path.steps) == 100
    assert "89 others" in str(path)
    assert len(str(path).splitlines()) < 20


def test_an_empty_trace_has_no_chain():
    path = critical_path(make_trace())
    assert (path.steps, path.makespan_ns, path.slack(), path.dependency_ns) == ((), 0, {}, 0)
    assert str(path) == path.sentence == CriticalPath().sentence == "Nothing was recorded."


def test_a_live_trace_shows_what_has_ended():
    clock = FakeClock()
    with record(clock=clock) as trace:
        with span("a"):
            clock.sleep(1)
        with span("still running"):
            assert names(critical_path(trace)) == ["a"]


def test_its_html_is_escaped_and_it_can_be_sent_to_another_process():
    path = critical_path(make_trace(bar("<b>", "t", 0, 1)))
    assert "<b>" not in path._repr_html_()
    assert "&lt;b&gt;" in path._repr_html_()
    assert pickle.loads(pickle.dumps(path)).steps == path.steps


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_equal_branches_on_equal_workers_are_all_critical(workers):
    branches = [
        bar("b", f"t-{i % workers + 1}", i // workers, i // workers + 1, queued_s=i // workers)
        for i in range(3 * workers)
    ]
    path = critical_path(make_trace(call(0, 3, *branches, workers=workers)))
    assert set(path.slack().values()) == {0}
    assert len(path.steps) == 3
