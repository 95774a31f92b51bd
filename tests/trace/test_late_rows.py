"""Rows that are made after their spans have ended."""

from __future__ import annotations

from typing import Any

import pytest

from kaygraph_viz.trace import row
from kaygraph_viz.trace.row import LateRows


def row_of(facts: tuple[Any, ...]) -> Any:
    return facts[1]


def test_rows_are_made_when_they_are_asked_for() -> None:
    rows: list[Any] = []
    late = LateRows(rows.append, pytest.fail)
    late.put((row_of, 1))
    late.put((row_of, 2))
    assert rows == []
    late.make_all()
    late.make_all()
    assert rows == [1, 2]


def test_no_more_than_the_most_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row, "MOST_LATE", 3)
    rows: list[Any] = []
    late = LateRows(rows.append, pytest.fail)
    for number in range(5):
        late.put((row_of, number))
    assert rows == [0, 1]


def test_a_fault_is_told_and_the_others_are_made() -> None:
    rows: list[Any] = []
    told: list[BaseException] = []
    late = LateRows(rows.append, told.append)
    late.put((row_of,))
    late.put((row_of, 2))
    late.make_all()
    assert rows == [2]
    assert [type(error) for error in told] == [IndexError]
