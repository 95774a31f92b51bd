"""Rows that are kept without columns, until they are fetched."""

from __future__ import annotations

import pytest

from kaygraph_viz.clock.clock import REAL
from kaygraph_viz.trace.columns import RowList
from kaygraph_viz.trace.recorder import NO_SCOPE, Recorder, Scope, set_scope, span


def row(span_id, parent_id=9):
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


def test_a_list_of_rows_has_an_end():
    rows = RowList(2)
    for number in range(1, 6):
        rows.append(row(number))
        rows.compact()
    assert [kept.span_id for kept in rows.fetch()] == [1, 2]
    assert rows.dropped == 3


def test_what_is_around_all_others_is_kept_though_it_comes_last():
    rows = RowList(2)
    for number in range(1, 6):
        rows.append(row(number))
    rows.append(row(9, parent_id=0))
    rows.compact()
    assert [kept.span_id for kept in rows.fetch()] == [1, 2, 9]
    assert rows.dropped == 3


def test_a_list_of_rows_is_no_trace():
    with pytest.raises(NotImplementedError):
        RowList(1).columns()
    with pytest.raises(NotImplementedError):
        RowList(1).sealed({})


def test_what_is_fetched_makes_room():
    rows = RowList(2)
    for number in range(1, 4):
        rows.append(row(number))
    rows.compact()
    assert [kept.span_id for kept in rows.fetch()] == [1, 2]
    rows.append(row(4))
    rows.compact()
    assert [kept.span_id for kept in rows.fetch()] == [4]
    assert rows.dropped == 1
