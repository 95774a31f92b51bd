"""Parents, depths and units of work."""

from __future__ import annotations

import numpy as np

from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.nesting import Nesting, unit_mask


def units(*trees):
    trace = make_trace(*trees)
    return [s.name for s, unit in zip(trace, unit_mask(Nesting.of(trace.columns)), strict=True) if unit]


def test_a_phase_that_runs_branches_is_no_unit():
    assert units((bar("exec", "main", 0, 2, kind="phase"), [bar("a", "t", 0, 1), bar("b", "t", 1, 2)])) == ["a", "b"]


def test_a_phase_of_its_own_is_a_unit():
    assert units((bar("n", "main", 0, 2, kind="node"), [bar("exec", "main", 0, 2, kind="phase")])) == ["exec"]


def test_attempts_and_waits_are_details():
    details = [bar("a", "t", 0, 1, kind="attempt"), bar("pause", "t", 1, 2, kind="wait")]
    assert units((bar("a", "t", 0, 3), details)) == ["a"]


def test_a_branch_around_a_graph_is_no_unit():
    inner = (
        bar("g", "t", 0, 2, kind="graph"),
        [(bar("n", "t", 0, 2, kind="node"), [bar("exec", "t", 0, 2, kind="phase")])],
    )
    assert units((bar("item", "t", 0, 2), [inner])) == ["exec"]


def test_a_branch_within_an_attempt_of_another_counts_alone():
    attempt = (bar("outer", "t", 0, 2, kind="attempt"), [bar("inner", "t", 0, 1)])
    assert units((bar("outer", "t", 0, 2), [attempt])) == ["inner"]


def test_innermost_nodes_are_units_where_nothing_else_was_recorded():
    assert units((bar("g", "m", 0, 2, kind="graph"), [bar("n", "m", 0, 1, kind="node")])) == ["n"]
    assert units(bar("g", "m", 0, 2, kind="graph")) == []


def test_depth_and_ancestors_of_a_long_chain():
    tree = bar("leaf", "t", 0, 1)
    for _ in range(10_000):
        tree = (bar("n", "t", 0, 1, kind="node"), [tree])
    nesting = Nesting.of(make_trace(tree).columns)
    assert sorted(nesting.depth().tolist()) == list(range(10_001))
    leaf = nesting.columns.is_kind("branch")
    assert nesting.enclosing(leaf).sum() == 10_000
    assert (nesting.nearest(nesting.depth() == 0) == np.flatnonzero(nesting.depth() == 0)).all()


def test_a_damaged_trace_with_a_cycle_comes_to_an_end():
    spans = bar("a", "t", 0, 1, span_id=1, parent_id=2), bar("b", "t", 0, 1, span_id=2, parent_id=1)
    nesting = Nesting.of(make_trace(*spans, check=False).columns)
    assert len(nesting.depth()) == 2
    assert not unit_mask(nesting).any()


def test_an_empty_trace_has_no_units():
    nesting = Nesting.of(make_trace().columns)
    assert len(unit_mask(nesting)) == len(nesting.depth()) == len(nesting.nearest(unit_mask(nesting))) == 0
