"""Tracks: what lies within what, and what needs a row of its own."""

from __future__ import annotations

import numpy as np
import pytest

from kaygraph_viz.export.tracks import nearest_node, outside_in, place
from kaygraph_viz.testing import bar, make_trace


def apart(*spans):
    """Return by name on whose track a span is; 0 for the row of its lane."""
    columns = make_trace(*spans, check=False).columns
    tracks = place(columns)
    return {columns.span(place).name: int(tracks.apart[place]) for place in tracks.order.tolist()}


def test_spans_within_each_other_share_the_row_of_their_lane():
    assert apart((bar("a", "t-1", 0, 3), [bar("b", "t-1", 0, 3), bar("c", "t-1", 1, 2)])) == {"a": 0, "b": 0, "c": 0}


def test_spans_of_other_lanes_do_not_matter():
    assert apart(bar("a", "t-1", 0, 2), bar("b", "t-2", 1, 3)) == {"a": 0, "b": 0}


def test_a_span_that_overlaps_goes_apart_with_what_lies_within_it():
    late = (bar("late", "t-1", 1, 4, status="abandoned"), [bar("inner", "t-1", 3, 4)])
    assert apart(bar("a", "t-1", 0, 2), late) == {"a": 0, "late": 2, "inner": 2}
    assert apart(bar("a", "t-1", 0, 3.5), late) == {"a": 0, "late": 2, "inner": 2}


@pytest.mark.parametrize("lane", ["async-1", "task-3", "process-2/async-1"])
def test_each_branch_of_coroutines_has_its_own_track(lane):
    one = (bar("one", lane, 0, 2), [bar("call", lane, 0, 1)])
    assert apart(one, bar("two", lane, 3, 4)) == {"one": 1, "call": 1, "two": 3}


def test_a_graph_in_a_task_is_a_row_with_all_that_lies_within():
    phase = (bar("exec", "task-1", 0, 3, kind="phase"), [bar("call", "task-1", 1, 2)])
    assert apart((bar("node", "task-1", 0, 3, kind="node"), [phase])) == {"node": 0, "exec": 0, "call": 0}


def test_of_what_begins_at_once_the_outer_comes_first_whatever_its_number():
    inner = bar("inner", "process-1", 0, 2, span_id=1)
    assert list(apart((bar("outer", "process-1", 0, 2, span_id=2), [inner]))) == ["outer", "inner"]


def test_a_branch_that_takes_no_time_keeps_its_place():
    phases = [bar("prep", "main", 0, 0, kind="phase"), bar("exec", "main", 0, 2, kind="phase")]
    assert apart((bar("node", "main", 0, 2, kind="node"), phases)) == {"node": 0, "prep": 0, "exec": 0}


def test_a_circle_of_parents_comes_to_an_end():
    columns = make_trace(
        bar("a", "main", 0, 1, span_id=1, parent_id=2), bar("b", "main", 0, 1, span_id=2, parent_id=1), check=False
    ).columns
    assert len(place(columns).order) == len(outside_in(columns)) == len(nearest_node(columns)) == 2


def test_lanes_whose_names_became_the_same_are_one_row():
    lanes = ["x" * 300 + end for end in "ab"]
    assert apart(bar("a", lanes[0], 0, 2), bar("b", lanes[1], 1, 3)) == {"a": 0, "b": 2}


def test_ten_thousand_levels_are_in_order():
    spans = [bar("level", "main", 0, 1, span_id=number, parent_id=number + 1) for number in range(1, 10_000)]
    order = outside_in(make_trace(*spans, bar("top", "main", 0, 1, span_id=10_000)).columns)
    assert np.array_equal(order, np.arange(9_999, -1, -1))


def test_nothing_has_no_tracks():
    columns = make_trace().columns
    assert len(place(columns).order) == len(outside_in(columns)) == len(nearest_node(columns)) == 0
