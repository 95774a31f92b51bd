"""Clocks of other machines: what their answers say, and times taken to ours."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from kaygraph_viz.trace.offsets import NO_OFFSET, Move, Offset, offset_from


def test_one_answer_bounds_the_offset_by_half_its_way():
    assert offset_from([(0, 1_000, 100)]) == Offset(950, 50, 1)


def test_several_answers_bound_it_by_what_they_have_in_common():
    assert offset_from([(0, 1_000, 100), (200, 1_180, 260)]) == Offset(950, 30, 2)


def test_answers_of_a_clock_that_drifts_have_nothing_in_common_and_the_quickest_counts():
    assert offset_from([(0, 1_000, 10), (0, 2_000, 4), (0, 3_000, 100)]) == Offset(1_998, 2, 3)


def test_the_clock_of_one_machine_has_no_offset_as_long_as_the_answers_allow_it():
    assert offset_from([(0, 40, 100)], is_same_clock=True) == Offset(0, 60, 1)
    assert offset_from([(0, 1_000, 100)], is_same_clock=True) == Offset(950, 50, 1)


ways = st.tuples(st.integers(0, 10**9), st.integers(0, 10**6), st.integers(0, 10**6))


@given(st.integers(-(10**12), 10**12), st.lists(ways, min_size=1, max_size=8))
def test_the_true_offset_is_within_the_bound(true, asked):
    found = offset_from([(at, at + there + true, at + there + back) for at, there, back in asked])
    assert abs(found.offset_ns - true) <= found.bound_ns
    assert found.probes == len(asked)


@pytest.mark.parametrize(
    ("worker_ns", "ours_ns"),
    [(1_060, 60), (1_050, 50), (1_048, 50), (1_045, 50), (1_044, 44), (1_090, 90), (1_095, 90), (1_096, 96)],
)
def test_times_are_moved_into_the_stretch_of_their_branch_by_no_more_than_the_bound(worker_ns, ours_ns):
    assert Move(Offset(1_000, 5), submitted_ns=50, received_ns=90)(worker_ns) == ours_ns


def test_a_clock_without_offset_moves_nothing():
    assert Move(NO_OFFSET, 0, 100)(42) == 42


def test_a_trace_keeps_offset_bound_and_number_of_probes():
    assert Offset(1, 2, 3).attributes == {"clock_offset_ns": 1, "clock_bound_ns": 2, "clock_probes": 3}
