"""Interval arithmetic against plain counting."""

from __future__ import annotations

import numpy as np
from hypothesis import given, strategies as st

from kaygraph_viz.trace.intervals import concurrency, group_cluster_starts, running_max_by_group, union_length_ns

intervals = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 15)), max_size=25)


def arrays(pairs):
    starts = np.array([start for start, _ in pairs], np.int64)
    return starts, starts + np.array([length for _, length in pairs], np.int64)


@given(intervals)
def test_concurrency_counts_what_is_open(pairs):
    starts, ends = arrays(pairs)
    times, count = concurrency(starts, ends)
    for moment in range(60):
        before = np.searchsorted(times, moment, side="right") - 1
        found = count[before] if before >= 0 else 0
        assert found == ((starts <= moment) & (moment < ends)).sum()


@given(intervals)
def test_area_under_concurrency_is_the_sum_of_lengths(pairs):
    starts, ends = arrays(pairs)
    times, count = concurrency(starts, ends)
    assert (np.diff(times) * count[:-1]).sum() == (ends - starts).sum()


@given(intervals)
def test_union_is_the_number_of_covered_moments(pairs):
    starts, ends = arrays(pairs)
    covered = {moment for start, end in zip(starts, ends, strict=True) for moment in range(start, end)}
    assert union_length_ns(starts, ends) == len(covered)


@given(st.lists(st.lists(st.integers(-(2**62), 2**62), min_size=1, max_size=6), max_size=6))
def test_running_maximum_begins_anew_with_each_group(groups):
    values = np.array([value for group in groups for value in group], np.int64)
    is_first = np.array([number == 0 for group in groups for number in range(len(group))], np.bool_)
    expected = [max(group[: number + 1]) for group in groups for number in range(len(group))]
    assert running_max_by_group(values, is_first).tolist() == expected


def test_touching_intervals_are_two_clusters():
    starts, ends = np.array([0, 2, 3]), np.array([2, 5, 4])
    assert group_cluster_starts(starts, ends, np.array([True, False, False])).tolist() == [True, True, False]


def test_nothing_gives_nothing():
    empty = np.empty(0, np.int64)
    times, count = concurrency(empty, empty)
    assert len(times) == len(count) == union_length_ns(empty, empty) == 0
