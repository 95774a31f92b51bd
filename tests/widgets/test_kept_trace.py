"""Which traces are kept for views."""

from __future__ import annotations

import gc
from weakref import ref

import pytest

from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.widgets.kept_trace import MAX_KEPT, KeptTrace


def is_there(traces):
    gc.collect()
    return [trace() is not None for trace in traces]


@pytest.fixture
def made():
    """Return traces that only their views know, and the views."""
    views = [KeptTrace(make_trace(bar("a", "t-1", 0, 1))) for _ in range(MAX_KEPT)]
    yield [view._trace for view in views], views
    for view in views:
        view.drop()


def test_the_last_ones_are_kept(made):
    assert is_there(made[0]) == [True] * MAX_KEPT


def test_the_one_that_was_not_used_for_longest_is_let_go(made):
    traces, views = made
    assert views[0].get() is traces[0]()
    another = KeptTrace(make_trace())
    assert is_there(traces) == [True, False, *[True] * (MAX_KEPT - 2)]
    assert views[1].get() is None
    another.drop()


def test_a_trace_that_somebody_else_has_stays(made):
    traces, views = made
    trace = traces[0]()
    others = [KeptTrace(make_trace()) for _ in range(MAX_KEPT)]
    assert is_there(traces) == [True, *[False] * (MAX_KEPT - 1)]
    assert views[0].get() is trace
    for other in others:
        other.drop()


def test_a_dropped_one_is_let_go_at_once(made):
    traces, views = made
    views[3].drop()
    views[3].drop()
    assert is_there(traces).count(False) == 1


def test_two_views_of_one_trace_keep_it_until_both_are_dropped():
    trace = make_trace()
    views, alive = [KeptTrace(trace), KeptTrace(trace)], ref(trace)
    del trace
    views[0].drop()
    assert is_there([alive]) == [True]
    views[1].drop()
    assert is_there([alive]) == [False]
