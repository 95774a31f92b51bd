"""What had to end before what could begin: parents, sequences, slack, and traces of any depth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from kaygraph_viz.analysis import critical_path as critical_path_module
from kaygraph_viz.analysis.critical_path import BY_WORKER, critical_path, pull_back, recorded_network, walk
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.nesting import Nesting, unit_mask
from tests.analysis.critical_path.conftest import call, names


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


def test_a_branch_waits_for_the_one_before_it_on_its_worker():
    trace = make_trace(call(0, 3, bar("a", "t-1", 0, 1), bar("b", "t-2", 0, 2), bar("c", "t-1", 1, 3, queued_s=1)))
    nesting = Nesting.of(trace.columns)
    found = recorded_network(nesting, unit_mask(nesting))
    edges = zip(found.before.tolist(), found.after.tolist(), found.kind.tolist(), strict=True)
    names_of = {node: trace.spans[span].name for node, span in enumerate(found.span.tolist()) if span >= 0}
    assert [(names_of[before], names_of[after]) for before, after, kind in edges if kind == BY_WORKER] == [("a", "c")]
    assert found.released_ns()[found.last] == 3 * 10**9


def test_values_are_pulled_back_over_the_tightest_edge():
    columns = ([0, 1, 2], [0, 1, 3], [1, 3, 4], [0, 0, 1], [1, 2, 2], [0, 0, 0])
    chain = critical_path_module.Network(*map(np.array, columns), first=0, last=2, end_of=np.arange(3))
    values, following = pull_back(chain, np.array([1, 5, 0]), np.array([9, 9, 2]))
    assert (values.tolist(), following.tolist()) == ([3, 2, 2], [1, 2, -1])
    assert walk(following, 0) == [0, 1, 2]


def test_a_circle_of_a_damaged_trace_is_walked_once():
    assert walk(np.array([1, 0]), 0) == [0, 1]
