"""Rows as columns: nothing gets lost, order, the cap, and what is cut."""

from __future__ import annotations

import numpy as np
import pytest

from kaygraph_viz.trace.columns import MAX_ATTEMPT, SPAN_DTYPE, TEXT_LIMIT, TRANSPOSE_ROWS, Spans, SpanSequence
from kaygraph_viz.trace.span import Row


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


def test_what_was_read_does_not_grow_with_what_comes_later():
    storage = spans(row(1, attributes={"a": 1}, error="E"))
    before = storage.columns()
    storage.append(row(2, attributes={"b": 2}, error="E"))
    after = storage.columns()
    assert (len(before), len(before.attributes), len(before.errors)) == (1, 1, 1)
    assert (len(after), len(after.attributes), len(after.errors)) == (2, 2, 2)


def test_the_cap_keeps_graphs_nodes_and_phases_and_counts_the_rest():
    kinds = ["branch", "branch", "graph", "branch", "node", "wait", "phase"]
    storage = spans(*(row(at, kind=kind) for at, kind in enumerate(kinds, 1)), max_spans=1)
    assert [span.kind for span in SpanSequence(storage.columns())] == ["branch", "graph", "node", "phase"]
    assert (storage.kept, storage.dropped) == (4, 3)


def test_the_cap_holds_for_all_buffers_together():
    storage = spans(max_spans=3)
    for number in range(1, 6):
        storage.append(row(number))
        storage.compact()
    assert (len(storage.columns()), storage.dropped) == (3, 2)


def test_sealing_adds_what_was_open_and_has_not_ended_after_all():
    storage = spans(row(1), row(2))
    storage.compact()
    sealed = storage.sealed({2: row(2, status="abandoned"), 3: row(3, status="abandoned")})
    assert [(span.span_id, span.status) for span in SpanSequence(sealed)] == [(1, "ok"), (2, "ok"), (3, "abandoned")]


def test_long_names_are_cut_and_many_attempts_counted_to_a_limit():
    found = spans(row(1, name="x" * 1_000, lane="l" * 1_000, attempt=10**6)).columns().span(0)
    assert (len(found.name), found.name[-3:], len(found.lane)) == (TEXT_LIMIT, "...", TEXT_LIMIT)
    assert found.attempt == MAX_ATTEMPT


def test_a_span_takes_76_bytes():
    assert SPAN_DTYPE.itemsize == 76
    assert spans(row(1), row(2)).columns().rows.nbytes == 152


def test_spans_are_read_by_position_and_by_slice():
    sequence = SpanSequence(spans(*(row(number) for number in range(1, 6))).columns())
    assert [span.span_id for span in sequence[1:4:2]] == [2, 4]
    assert (sequence[-1].span_id, len(sequence), repr(sequence)) == (5, 5, "<5 spans>")
    with pytest.raises(IndexError):
        sequence[5]


def test_attributes_of_a_span_are_a_copy():
    columns = spans(row(1, attributes={"a": 1})).columns()
    columns.span(0).attributes["a"] = 2
    assert columns.span(0).attributes == {"a": 1}


def test_kinds_and_statuses_are_found_as_masks():
    columns = spans(row(1, kind="node"), row(2, status="error"), row(3)).columns()
    assert columns.is_kind("branch").tolist() == [False, True, True]
    assert columns.is_status("error").tolist() == [False, True, False]
    assert columns.column("started_ns").dtype == np.int64
