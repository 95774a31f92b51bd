"""What a model says about a run: outermost branches, backpressure, edges, and computing between calls."""

from __future__ import annotations

from collections import Counter

from kaygraph_viz.analysis.what_if.model import read_model
from kaygraph_viz.testing import bar, make_trace
from tests.analysis.what_if.runs import call, calls_within_branches, stages

S = 10**9


def nested():
    """Return the model of a branch that prepares for 1 s, makes a call of two branches, and computes for 1 s."""
    inner = call(3, bar("x", "thread-2", 1, 2), bar("y", "thread-2", 2, 3, queued_s=1), start=1)
    post = bar("post", "thread-1", 3, 4, kind="phase", cpu_s=0.5)
    outer = (bar("outer", "thread-1", 0, 4), [inner, post])
    return read_model(make_trace(bar("prep", "main", -1, 0, kind="phase"), call(5, outer)).columns)


def names(model, branches):
    columns = model.nesting.columns
    return [columns.names[columns.rows["name"][position]] for position in model.branches[branches]]


def test_a_branch_within_another_belongs_to_the_outermost_one():
    model = nested()
    assert names(model, model.makes_calls) == ["outer"]
    assert set(names(model, model.top)) == {"outer"}
    model = read_model(calls_within_branches(2).columns)
    assert (model.top == model.top[model.top]).all()
    assert model.makes_calls[model.top].all()


def test_the_edges_of_an_owner_are_those_of_its_calls():
    model = nested()
    (outer,) = (owner for owner in model.clusters if owner >= 0)
    assert [edge // S - model.begins_ns // S for edge in model.edges(outer)] == [1, 2, 4, 5]
    assert [edge // S - model.begins_ns // S for edge in model.edges(-1)] == [0, 1, 5, 6]


def test_an_owner_computes_between_its_calls():
    model = nested()
    (outer,) = (owner for owner in model.clusters if owner >= 0)
    moments, until = model.computed_ns(outer)
    assert (len(moments), until.tolist()) == (1, [0, S // 2])
    assert model.computed_ns(-1)[1].tolist() == [0]


def test_only_stages_before_others_feel_backpressure():
    model = read_model(stages(1).columns)
    blocked = Counter()
    for name, spent in zip(names(model, slice(None)), model.backpressure.tolist(), strict=True):
        blocked[name] += spent
    assert blocked["first"] > 0
    assert blocked["third"] == 0


def test_service_is_the_duration_of_each_branch():
    model = nested()
    assert sorted(model.service.tolist()) == [S, S, 4 * S]


def test_a_branch_that_a_limit_holds_up_feels_no_backpressure():
    model = read_model(make_trace(call(2, bar("a", "thread-1", 0, 2, blocked_s=1))).columns)
    assert (model.blocked.tolist(), model.backpressure.tolist()) == ([S], [0])


def test_the_outermost_branch_is_found_over_several_levels():
    inner = call(3, bar("inner", "thread-3", 2, 3), start=2)
    middle = call(3, (bar("middle", "thread-2", 1, 3), [inner]), start=1)
    model = read_model(make_trace(call(4, (bar("outer", "thread-1", 0, 4), [middle]))).columns)
    assert names(model, model.top) == ["outer"] * 3
