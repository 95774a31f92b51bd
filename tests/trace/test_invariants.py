"""validate names each invariant that a trace breaks."""

from __future__ import annotations

import pytest

from kaygraph_viz.base.errors import TraceError
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.invariants import impossibilities


def broken(*spans, dropped=0):
    with pytest.raises(TraceError) as caught:
        make_trace(*spans, dropped=dropped, check=False).validate()
    return str(caught.value)


def test_an_empty_trace_is_valid():
    assert len(make_trace().validate()) == 0


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (bar("a", "main", 1, 2, queued_s=-1), "'a' started before it was submitted"),
        (bar("a", "main", 2, 1), "'a' ended before it started"),
        (bar("a", "main", 1, 2, cpu_s=1.5), "'a' used more CPU time than it lasted"),
        (bar("a", "main", 1, 2, blocked_s=1.5), "'a' was blocked longer than it lasted"),
        (bar("a", "main", 1, 2, span_id=-3), "has a number below 1"),
        (bar("a", "main", 1, 2, parent_id=99), "'a' has a parent that does not exist"),
        (bar("a", "main", 1, 2, links=(99,)), "links to a span that does not exist"),
    ],
)
def test_one_span_that_cannot_be(span, text):
    assert text in broken(span)


def test_a_span_that_ended_twice():
    assert "span 3 ended 2 times" in broken(bar("a", "main", 0, 1, span_id=3), bar("b", "t-1", 0, 1, span_id=3))


def test_a_child_that_started_before_its_parent():
    assert "'b' started before its parent" in broken((bar("a", "main", 1, 3), [bar("b", "t-1", 0, 2)]))


def test_a_child_that_ended_after_its_parent():
    assert "'b' ended after its parent" in broken((bar("a", "main", 1, 3), [bar("b", "t-1", 2, 4)]))


def test_an_abandoned_child_may_outlive_its_parent():
    make_trace((bar("a", "main", 1, 3), [bar("b", "t-1", 2, 4, status="abandoned")])).validate()


@pytest.mark.parametrize("length", [1, 2, 3, 1000])
def test_spans_that_are_their_own_ancestors(length):
    ring = [bar("a", "main", 0, 1, span_id=i + 1, parent_id=(i + 1) % length + 1) for i in range(length)]
    assert "their own ancestors" in broken(*ring, bar("b", "main", 0, 1))


def test_two_bars_of_one_lane_that_overlap():
    assert "two branches overlap on lane 't-1'" in broken(bar("a", "t-1", 0, 2), bar("b", "t-1", 1, 3))


def test_bars_that_touch_do_not_overlap():
    make_trace(bar("a", "t-1", 0, 2), bar("b", "t-1", 2, 3)).validate()


def test_a_branch_may_contain_branches_on_its_own_lane():
    make_trace((bar("a", "t-1", 0, 3), [bar("b", "t-1", 0, 1), bar("c", "t-1", 1, 3)])).validate()


def test_an_abandoned_bar_overlaps_nothing():
    make_trace(bar("a", "t-1", 0, 9, status="abandoned"), bar("b", "t-1", 1, 3)).validate()


def test_where_spans_were_dropped_a_parent_may_be_missing():
    make_trace(bar("a", "main", 1, 2, parent_id=99, links=(98,)), dropped=1).validate()


def test_very_deep_nesting_is_checked_in_one_go():
    chain = [bar("a", "main", 0, 1, span_id=i, parent_id=i - 1 or None) for i in range(1, 20_001)]
    make_trace(*chain).validate()


def test_the_first_few_of_many_are_named():
    text = broken(*(bar("a", "main", 2, 1) for _ in range(7)))
    assert "span 1 'a' ended before it started (and 6 more)" in text


def test_what_no_run_can_leave_is_told_from_what_only_breaks_a_rule():
    assert impossibilities(make_trace(bar("a", "main", 2, 1), check=False).columns)
    outlives = make_trace((bar("a", "main", 1, 3), [bar("b", "t-1", 2, 4)]), check=False)
    assert not impossibilities(outlives.columns)
