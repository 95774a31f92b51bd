"""Spans that followed each other."""

from __future__ import annotations

from kaygraph_viz.export.sequences import links_to_earlier
from kaygraph_viz.testing import bar, make_trace


def links_of(*inner, **outer):
    around = bar("run", "main", 0, 99, kind="node", span_id=99, **outer)
    return links_to_earlier(make_trace((around, list(inner))).columns)


def test_steps_in_sequence_need_each_other():
    steps = [bar("a", "t", i, i + 1, span_id=i + 1) for i in range(3)]
    assert links_of(*steps) == {2: 1, 3: 2}


def test_what_ran_at_once_needs_the_same_and_is_needed_by_its_last_end():
    inner = [
        bar("a", "t-1", 0, 1, span_id=1), bar("b", "t-1", 2, 4, span_id=2), bar("b", "t-2", 3, 6, span_id=3),
        bar("b", "t-1", 4, 5, span_id=4), bar("c", "t-1", 6, 7, span_id=5),
    ]  # fmt: skip
    assert links_of(*inner) == {2: 1, 3: 1, 4: 1, 5: 3}


def test_spans_without_a_parent_and_attempts_need_nothing():
    assert links_to_earlier(make_trace(bar("a", "t", 0, 1), bar("b", "t", 1, 2)).columns) == {}
    assert links_of(bar("a", "t", 0, 1, kind="attempt"), bar("b", "t", 1, 2, kind="attempt")) == {}


def test_an_empty_trace_has_no_sequence():
    assert links_to_earlier(make_trace().columns) == {}
