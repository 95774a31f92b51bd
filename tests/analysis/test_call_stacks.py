"""Profiles are told from sets of branches, by all analyses."""

from __future__ import annotations

import json

import numpy as np
import pytest

from kaygraph_viz.analysis.critical_path import critical_path
from kaygraph_viz.analysis.explain import explain
from kaygraph_viz.analysis.summary import summarize
from kaygraph_viz.analysis.what_if.what_if import what_if
from kaygraph_viz.export.loading import load
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.columns import SPAN_DTYPE, SpanColumns
from kaygraph_viz.trace.nesting import PROFILE, Nesting, is_profile
from kaygraph_viz.trace.span import KINDS
from kaygraph_viz.trace.trace import Trace

ANALYSES = [summarize, explain, what_if, critical_path]


def stack(lane, depth, *, wide=4):
    """Return a stack of calls, of which the innermost function makes some more."""
    tree = [bar("leaf", lane, depth + n, depth + n + 1) for n in range(wide)]
    for level in reversed(range(depth)):
        tree = [(bar(f"level {level}", lane, level, 2 * depth + wide - level), tree)]
    return tree[0]


def of_trace(*tree):
    return is_profile(Nesting.of(make_trace(*tree).columns))


def test_stacks_of_calls_are_a_profile():
    assert of_trace(stack("thread 1", 5), stack("thread 2", 4), stack("thread 3", 1))


@pytest.mark.parametrize("depth", [0, 1, 2, 3])
def test_chunks_around_items_and_recorded_helpers_are_none(depth):
    tree = stack("t-1", depth) if depth else bar("a", "t-1", 0, 1)
    assert not of_trace(tree, bar("b", "t-2", 0, 1))


def test_levels_on_lanes_of_their_own_are_none():
    tree = [bar("leaf", "t-9", 4, 5), bar("leaf", "t-10", 4, 5)]
    for level in range(8):
        tree = [(bar("fan-out", f"t-{level}", 3, 6), tree)]
    assert not of_trace(tree[0])


def test_nested_nodes_are_none():
    tree = [bar("a", "t-1", 4, 5), bar("b", "t-2", 4, 5)]
    for _ in range(6):
        tree = [(bar("graph", "main", 4, 5, kind="graph"), tree)]
    assert not of_trace(tree[0])


def test_a_trace_without_branches_is_none():
    assert not of_trace(bar("n", "main", 0, 1, kind="node"))


@pytest.mark.parametrize("analysis", ANALYSES)
def test_each_analysis_says_so_and_gives_no_numbers(analysis):
    found = analysis(make_trace(stack("thread 1", 6), stack("thread 2", 6)))
    assert found.is_profile
    assert found.sentence == str(found) == PROFILE
    assert found._repr_html_().startswith("<p>This trace is a profile")


def test_what_is_said_of_a_profile_holds_no_speedup_and_no_prediction():
    trace = make_trace(stack("thread 1", 6), stack("thread 2", 6))
    assert summarize(trace).speedup == 0
    assert explain(trace).parts_ns == explain(make_trace()).parts_ns
    assert (what_if(trace).makespan_s, what_if(trace).best_workers) == ({}, 0)


@pytest.fixture(scope="module")
def tower():
    """A trace of 200,000 calls, each within the one before."""
    count = 200_000
    levels = np.arange(count)
    rows = np.zeros(count, SPAN_DTYPE)
    rows["span_id"], rows["parent_id"], rows["index"] = levels + 1, levels, -1
    rows["submitted_ns"] = rows["started_ns"] = levels
    rows["ended_ns"], rows["kind"], rows["attempt"] = 2 * count - levels, KINDS.index("branch"), 1
    return Trace(SpanColumns(rows, ("f",), ("main",)))


@pytest.mark.parametrize("analysis", ANALYSES)
def test_a_tower_of_200_000_calls_is_a_profile(analysis, tower):
    assert analysis(tower).is_profile


def test_profiles_of_other_tools_are_found(tmp_path):
    path = tmp_path / "result.json"
    names = ["<module>", "main", "run", "work", "inner"]
    events = [
        {"ph": "X", "cat": "FEE", "name": name, "ts": 10 * n + level, "dur": 10 - 2 * level, "pid": 1, "tid": 1}
        for n in range(3)
        for level, name in enumerate(names)
    ]
    path.write_text(json.dumps({"traceEvents": events}))
    assert explain(load(path)).is_profile
