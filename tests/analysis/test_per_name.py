"""The time of the branches of each name, added up and as one."""

from __future__ import annotations

import numpy as np
from hypothesis import given, strategies as st

from kaygraph_viz.analysis.per_item import NameLoad, per_name
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.intervals import union_length_ns


def test_names_come_by_their_work_and_what_failed_is_counted():
    trace = make_trace(
        bar("search", "t-1", 0, 2), bar("ask", "t-2", 0, 2), bar("ask", "t-3", 1, 3, status="error", error="no"),
        bar("ask", "t-1", 5, 6), bar("prep", "main", 0, 9, kind="phase"),
    )  # fmt: skip
    assert per_name(trace) == [NameLoad("ask", 3, 1, 5.0, 4.0), NameLoad("search", 1, 0, 2.0, 2.0)]


def test_a_branch_around_others_is_not_counted_beside_them():
    assert per_name(make_trace((bar("chunk", "t", 0, 3), [bar("a", "t", 0, 1)]))) == [NameLoad("a", 1, 0, 1.0, 1.0)]


def test_an_empty_trace_has_no_names():
    assert per_name(make_trace()) == []


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 20), st.integers(0, 9)), min_size=1, max_size=12))
def test_the_time_in_which_any_ran_is_the_union(drawn):
    trace = make_trace(*(bar(name, f"t-{at}", start, start + long) for at, (name, start, long) in enumerate(drawn)))
    for load in per_name(trace):
        times = np.array([(start, start + long) for name, start, long in drawn if name == load.name]) * 10**9
        assert load.busy_s == union_length_ns(times[:, 0], times[:, 1]) / 1e9
        assert load.work_s == (times[:, 1] - times[:, 0]).sum() / 1e9
