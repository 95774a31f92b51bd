"""Rows of spans that have no lane."""

from __future__ import annotations

from hypothesis import given, strategies as st

from kaygraph_viz.export.row_packing import Packed, pack_rows


def test_spans_beside_each_other_share_a_row_and_those_that_overlap_do_not():
    assert pack_rows([Packed(0, 0, 2, -1), Packed(0, 1, 3, -1), Packed(0, 2, 4, -1)]) == [0, 1, 0]


def test_each_group_has_rows_of_its_own():
    assert pack_rows([Packed(0, 0, 2, -1), Packed(1, 0, 2, -1), Packed(1, 1, 2, 0)]) == [0, 0, 1]


def test_two_agents_at_once_have_a_row_each_with_what_they_do():
    spans = [Packed(0, 0, 9, -1), Packed(0, 1, 8, 0), Packed(0, 1, 8, 0), Packed(0, 2, 4, 1), Packed(0, 2, 4, 2)]
    assert pack_rows(spans) == [0, 0, 1, 0, 1]


def test_spans_that_last_no_time_take_no_place():
    assert pack_rows([Packed(0, 1, 1, -1), Packed(0, 1, 1, -1), Packed(0, 1, 2, -1)]) == [0, 0, 0]


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 20), st.integers(0, 8), st.integers(-1, 10)), max_size=12))
def test_spans_of_a_row_lie_within_or_beside_each_other(drawn):
    spans: list[Packed] = []
    for group, start, length, parent in sorted(drawn, key=lambda each: each[1]):
        place = parent if parent < len(spans) and parent >= 0 and spans[parent].started_ns <= start else -1
        end = min(start + length, spans[place].ended_ns) if place >= 0 else start + length
        if end < start:
            place, end = -1, start + length
        spans.append(Packed(group, start, end, place))
    rows = pack_rows(spans)
    for at, one in enumerate(spans):
        for to in range(at):
            other = spans[to]
            if (one.group, rows[at]) == (other.group, rows[to]) and one.started_ns < other.ended_ns:
                assert one.ended_ns <= other.ended_ns
