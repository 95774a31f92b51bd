"""Rows as columns: nothing gets lost, order, the cap, and what is cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from kaygraph_viz.base.parts import NO_SHARE, PART_KINDS
from kaygraph_viz.clock.clock import REAL
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.columns import (
    MAX_ATTEMPT,
    TEXT_LIMIT,
    TRANSPOSE_ROWS,
    PartCollector,
    Spans,
    SpanSequence,
    part_totals_ns,
    stretches,
)
from kaygraph_viz.trace.recorder import NO_SCOPE, Recorder, Scope, set_scope, span
from kaygraph_viz.trace.row import Row, RowList


def row(span_id, *, started_ns=None, **fields):
    start = span_id * 10 if started_ns is None else started_ns
    return tuple(Row(span_id, 0, -1, f"n{span_id}", "branch", "t", start, start, start + 5)._replace(**fields))


def spans(*rows, **options):
    storage = Spans(**options)
    for one in rows:
        storage.append(one)
    return storage


def test_a_row_comes_back_as_a_span_with_all_it_had():
    given = row(
        7, parent_id=3, index=2, cpu_ns=4, blocked_ns=1, status="error", attempt=2, error="ValueError: bad",
        attributes={"city": "Oslo"}, links=(1, 2), parts=((0, 75, -1.0),), kind="attempt",
    )  # fmt: skip
    found = spans(given).columns().span(0)
    assert (found.span_id, found.parent_id, found.index, found.kind, found.status) == (7, 3, 2, "attempt", "error")
    assert (found.submitted_ns, found.started_ns, found.ended_ns, found.cpu_ns, found.blocked_ns) == (70, 70, 75, 4, 1)
    assert (found.attempt, found.error, found.attributes, found.links) == (
        2,
        "ValueError: bad",
        {"city": "Oslo"},
        (1, 2),
    )
    assert found.noted_parts == ((0, 75, -1.0),)


def test_what_a_row_does_not_have_is_none():
    found = spans(row(1)).columns().span(0)
    assert (found.parent_id, found.index, found.cpu_ns, found.error, found.noted_parts) == (
        None,
        None,
        None,
        None,
        None,
    )
    assert (found.attributes, found.links) == ({}, ())


def test_spans_are_in_the_order_of_their_start_and_then_of_their_number():
    columns = spans(row(3, started_ns=5), row(1, started_ns=9), row(2, started_ns=5)).columns()
    assert columns.rows["span_id"].tolist() == [2, 3, 1]


@pytest.mark.parametrize("count", [0, 1, TRANSPOSE_ROWS, TRANSPOSE_ROWS + 1])
def test_any_number_of_rows_makes_as_many_spans(count):
    columns = spans(*(row(number + 1) for number in range(count))).columns()
    assert len(columns) == count
    assert [columns.names[code] for code in columns.rows["name"]] == [f"n{number + 1}" for number in range(count)]


def test_sealing_adds_what_was_open_and_has_not_ended_after_all():
    storage = spans(row(1), row(2))
    storage.compact()
    sealed = storage.sealed({2: row(2, status="abandoned"), 3: row(3, status="abandoned")})
    assert [(span.span_id, span.status) for span in SpanSequence(sealed)] == [(1, "ok"), (2, "ok"), (3, "abandoned")]


def test_long_names_are_cut_and_many_attempts_counted_to_a_limit():
    found = spans(row(1, name="x" * 1_000, lane="l" * 1_000, attempt=10**6)).columns().span(0)
    assert (len(found.name), found.name[-3:], len(found.lane)) == (TEXT_LIMIT, "...", TEXT_LIMIT)
    assert found.attempt == MAX_ATTEMPT


def test_spans_are_read_by_position_and_by_slice():
    sequence = SpanSequence(spans(*(row(number) for number in range(1, 6))).columns())
    assert [span.span_id for span in sequence[1:4:2]] == [2, 4]
    assert (sequence[-1].span_id, len(sequence), repr(sequence)) == (5, 5, "<5 spans>")
    with pytest.raises(IndexError):
        sequence[5]


# -- part table ----------------------------------------------------------------------------------------------------


PARTS = [("wait", 1), ("cpu", 0.5), ("unknown", 0.5, 0.25), ("unknown", 1)]


def told(trace, positions=None):
    """Return owner, kind, times and share of each part as `stretches` has them."""
    found = stretches(trace.columns, None if positions is None else np.array(positions, np.intp))
    shares = [None if np.isnan(share) else round(share, 3) for share in found.cpu_share.tolist()]
    kinds = [PART_KINDS[kind] for kind in found.kind]
    return [*zip(found.owner.tolist(), kinds, found.started_ns.tolist(), found.ended_ns.tolist(), shares, strict=True)]


def of_spans(spans):
    """Return the same of the spans themselves."""
    exact = {"cpu": 1.0, "unknown": None}
    for owner, each in enumerate(spans):
        for part in each.parts:
            share = exact.get(part.kind, 0.0) if part.cpu_share is None else round(part.cpu_share, 3)
            yield owner, part.kind, part.started_ns, part.ended_ns, share


@st.composite
def bars(draw):
    """Return a bar with noted parts, or with sums only."""
    start, length = draw(st.integers(0, 9)), draw(st.integers(0, 5))
    kinds = draw(st.lists(st.sampled_from(PART_KINDS[:-1]), min_size=length, max_size=length))
    if kinds and draw(st.booleans()):
        return bar("a", "t", start, start + length, parts=[(kind, 1) for kind in kinds])
    cpu_s = draw(st.sampled_from([None, 0, length / 4, length]))
    return bar("a", "t", start, start + length, cpu_s=cpu_s, blocked_s=draw(st.sampled_from([0, length / 2])))


@given(st.lists(bars(), max_size=6))
def test_parts_are_those_of_the_spans(some):
    trace = make_trace(*some, check=False)
    assert told(trace) == [*of_spans(trace.spans)]


def test_spans_are_taken_in_the_order_that_is_asked_for():
    trace = make_trace(bar("a", "t", 0, 3, parts=PARTS), bar("b", "t", 3, 4, cpu_s=0), bar("c", "t", 4, 5, cpu_s=1))
    assert told(trace, [2, 0, 0]) == [*of_spans([trace.spans[at] for at in (2, 0, 0)])]
    assert told(trace, []) == []


def test_totals_add_up_by_kind():
    trace = make_trace(bar("a", "t", 0, 3, parts=PARTS), bar("b", "t", 3, 5, cpu_s=0))
    totals = {kind: (found / 1e9).tolist() for kind, found in part_totals_ns(trace.columns).items()}
    assert totals == {"cpu": [0.5, 0], "wait": [1, 2], "unknown": [1.5, 0]}


NOTED = {3: ((0, 30, NO_SHARE),), 1: ((1, 10, NO_SHARE), (6, 12, 0.5)), 2: ((4, 20, NO_SHARE),)}


def collected(*batches):
    collector = PartCollector()
    for batch in batches:
        collector.add(list(batch), [NOTED.get(number) for number in batch])
    return collector


@pytest.mark.parametrize("batches", [[(3, 1, 2)], [(3,), (1, 9), (2,)]])
def test_spans_are_found_by_number_whatever_the_order_in_which_they_ended(batches):
    table = collected(*batches).table()
    assert table.span_id.tolist() == [1, 2, 3]
    assert {number: table.of(number) for number in (1, 2, 3)} == NOTED
    assert [table.of(number) for number in (0, 4, 9)] == [None, None, None]


def test_a_table_that_was_read_does_not_change():
    collector = collected((1,))
    before = collector.table()
    collector.add([3, 2], [NOTED[3], NOTED[2]])
    assert collector.table().span_id.tolist() == [1, 2, 3]
    assert (before.span_id.tolist(), before.of(3)) == ([1], None)


def test_spans_without_parts_take_no_room():
    table = collected((7, 8, 9)).table()
    assert (len(table.span_id), len(table.parts)) == (0, 0)


# -- storage -------------------------------------------------------------------------------------------------------


def row_storage(span_id, parent_id=9):
    return (span_id, parent_id, -1, "s", "branch", "t", 0, 10, 20, 5, 0, "ok", 1, None, None, None, None)


def test_a_list_of_rows_gives_what_came_since_the_last_time():
    rows = RowList(100)
    recorder = Recorder(REAL, storage=rows)
    set_scope(Scope(recorder, 0))
    try:
        with span("first"):
            pass
        assert [kept.name for kept in rows.fetch()] == ["first"]
        with span("second"):
            pass
        rows.compact()
        with span("third"):
            pass
        assert [kept.name for kept in rows.fetch()] == ["second", "third"]
        assert rows.fetch() == []
    finally:
        set_scope(NO_SCOPE)


def test_what_is_around_all_others_is_kept_though_it_comes_last():
    rows = RowList(2)
    for number in range(1, 6):
        rows.append(row_storage(number))
    rows.append(row_storage(9, parent_id=0))
    rows.compact()
    assert [kept.span_id for kept in rows.fetch()] == [1, 2, 9]
    assert rows.dropped == 3


def test_what_is_fetched_makes_room():
    rows = RowList(2)
    for number in range(1, 4):
        rows.append(row_storage(number))
    rows.compact()
    assert [kept.span_id for kept in rows.fetch()] == [1, 2]
    rows.append(row_storage(4))
    rows.compact()
    assert [kept.span_id for kept in rows.fetch()] == [4]
    assert rows.dropped == 1
