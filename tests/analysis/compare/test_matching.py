"""Which spans of two runs are the same, and how their durations changed."""

from __future__ import annotations

from kaygraph_viz.analysis.compare import GroupChange, SpanChanges, match, ratio_of
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.nesting import Nesting


def pairs(a, b):
    """Return what was paired, as (number in a, number in b)."""
    found = match(Nesting.of(a.columns), Nesting.of(b.columns))
    return [(a.spans[first].span_id, b.spans[second].span_id)
            for first, second in zip(found.first.tolist(), found.second.tolist(), strict=True)]  # fmt: skip


def test_a_graph_around_a_node_makes_no_difference():
    node = bar("n", "main", 0, 1, kind="node", span_id=7)
    assert pairs(make_trace(node), make_trace((bar("g", "main", 0, 1, kind="graph"), [node]))) == [(7, 7)]


def test_a_node_that_runs_twice_is_matched_in_turn():
    a = make_trace(bar("n", "main", 0, 1, kind="node", span_id=1), bar("n", "main", 1, 2, kind="node", span_id=2))
    b = make_trace(bar("n", "main", 0, 1, kind="node", span_id=8), bar("n", "main", 1, 2, kind="node", span_id=9))
    assert pairs(a, b) == [(1, 8), (2, 9)]


def test_nodes_within_items_go_by_their_item_and_not_by_who_was_first():
    def run(first, second):
        items = [
            (bar("item", f"t-{i}", at, at + 1, index=i, span_id=i + 1),
             [bar("exec", f"t-{i}", at, at + 1, kind="phase", span_id=10 + i)])
            for i, at in ((0, first), (1, second))
        ]  # fmt: skip
        return make_trace(*items)

    assert sorted(pairs(run(0, 1), run(1, 0))) == [(1, 1), (2, 2), (10, 10), (11, 11)]


def test_phases_of_different_nodes_are_not_the_same():
    a = make_trace((bar("n", "main", 0, 1, kind="node"), [bar("prep", "main", 0, 1, kind="phase")]))
    b = make_trace((bar("m", "main", 0, 1, kind="node"), [bar("prep", "main", 0, 1, kind="phase")]))
    assert pairs(a, b) == []


def test_changes_of_spans_are_a_sequence():
    a = make_trace(bar("page", "t", 0, 2, index=0), bar("page", "t", 2, 3, index=1)).columns
    b = make_trace(bar("page", "t", 0, 1, index=0), bar("page", "t", 1, 3, index=1)).columns
    found = match(Nesting.of(a), Nesting.of(b))
    changes = SpanChanges(a, b, found.first, found.second)
    assert [(change.index, change.change_s, change.ratio) for change in changes] == [(0, -1, 0.5), (1, 1, 2)]
    assert changes[-1] == changes[0:2][1]
    assert repr(changes) == "<2 spans in both runs>"


def test_a_group_that_spends_less_time_on_the_path_makes_the_run_shorter():
    change = GroupChange("page", 4, a_ns=8, b_ns=4, a_steps=4, b_steps=1, a_path_ns=8, b_path_ns=1)
    assert (change.ratio, change.makespan_change_ns) == (0.5, -7)


def test_ratios_of_nothing():
    assert (ratio_of(0, 0), ratio_of(0, 5), ratio_of(5, 0)) == (1, float("inf"), 0)
