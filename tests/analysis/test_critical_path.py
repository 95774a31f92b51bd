"""Which spans made a run as long as it was, what they waited for, and how much time the others had."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given, strategies as st

from kaygraph_viz.analysis import critical_path as critical_path_module
from kaygraph_viz.analysis.critical_path import CriticalPath, critical_path
from kaygraph_viz.analysis.summary import summarize
from kaygraph_viz.recording import record
from kaygraph_viz.testing import FakeClock, bar, make_trace
from kaygraph_viz.trace.recorder import span


def call(start, end, *branches, workers=2, **facts):
    return (bar("exec", "main", start, end, kind="phase", executor="thread", workers=workers, **facts), list(branches))


def names(path):
    return [step.name for step in path.steps]


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


@given(st.data())
def test_leaving_out_what_is_surely_short_changes_nothing(any_run, data):
    trace = data.draw(any_run)
    path = critical_path(trace)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(critical_path_module, "_surely_short", lambda nesting, units, lasts: units & False)
        assert critical_path(trace).dependency_ns == path.dependency_ns


def test_a_branch_behind_another_has_no_more_slack_than_it():
    path = critical_path(
        make_trace(
            call(0, 6, bar("long", "t-1", 0, 6), bar("b", "t-2", 0, 1), bar("c", "t-2", 1, 4, queued_s=1)),
        )
    )
    assert [path.slack()[number] for number in (3, 4)] == [2, 2]


def test_attempts_have_the_slack_of_their_branch():
    details = [bar("attempt 1", "t-1", 0, 1, kind="attempt", status="error"), bar("wait 1", "t-1", 1, 2, kind="wait")]
    trace = make_trace(call(0, 5, (bar("a", "t-1", 0, 3, attempt=2), details), bar("b", "t-2", 0, 5)))
    slack = critical_path(trace).slack()
    assert slack == {1: 0, 2: 2, 3: 2, 4: 2, 5: 0}


def test_a_branch_that_outlived_its_phase_did_not_hold_it_up():
    trace = make_trace(
        (bar("n", "main", 0, 5, kind="node"),
         [call(0, 3, bar("stuck", "t-1", 0, 9, status="abandoned"), bar("a", "t-2", 0, 3)),
          bar("post", "main", 3, 5, kind="phase")]),
        bar("end", "main", 5, 9, kind="node"),
    )  # fmt: skip
    path = critical_path(trace)
    assert names(path) == ["a", "n: post", "end"]


def test_a_phase_that_waited_for_a_deadline_was_held_up_by_what_it_then_left_behind():
    trace = make_trace(call(0, 6, bar("stuck", "t-1", 0, 9, status="abandoned"), bar("a", "t-2", 0, 3)))
    path = critical_path(trace)
    assert path.slack()[3] == 3
    after = make_trace(
        call(0, 6, bar("stuck", "t-1", 0, 9, status="abandoned"), bar("a", "t-2", 0, 3)),
        bar("post", "main", 6, 10, kind="phase"),
    )
    assert names(critical_path(after)) == ["stuck", "post"]


def test_phases_of_no_length_interrupt_no_chain():
    phases = [bar("prep", "main", 0, 1, kind="phase"), bar("exec", "main", 1, 1, kind="phase"),
              bar("post", "main", 1, 2, kind="phase")]  # fmt: skip
    path = critical_path(make_trace((bar("n", "main", 0, 2, kind="node"), phases)))
    assert names(path) == ["n: prep", "n: post"]
    assert path.dependency_s == 2
    assert set(path.slack().values()) == {0}


def test_ten_thousand_levels_and_ten_thousand_nodes_are_no_recursion():
    tree = bar("leaf", "t", 0, 1)
    for _ in range(10_000):
        tree = (bar("n", "t", 0, 1, kind="node"), [tree])
    assert critical_path(make_trace(tree)).dependency_s == 1
    nodes = [bar("n", "main", number, number + 1, kind="node") for number in range(10_000)]
    assert len(critical_path(make_trace(*nodes)).steps) == 10_000


def test_a_damaged_trace_comes_to_an_end():
    loop = bar("a", "t", 0, 1, span_id=1, parent_id=2), bar("b", "t", 0, 1, span_id=2, parent_id=1)
    links = bar("c", "t", 1, 1, span_id=3, links=(4,)), bar("d", "t", 1, 1, span_id=4, links=(3, 99))
    path = critical_path(make_trace(*loop, *links, check=False))
    assert path.makespan_ns == 10**9


def test_what_ended_before_the_next_thing_was_submitted_came_before_it():
    """Branches that nobody grouped, as of a program that only marks its functions."""
    pool = [bar("page", f"pool_{number}", 1, 1 + number) for number in (1, 2)]
    path = critical_path(make_trace(bar("load", "main", 0, 1), *pool, bar("save", "main", 3, 4)))
    assert names(path) == ["load", "page", "save"]
    assert path.dependency_s == 2  # nothing says that one of them needs another
