"""What all readers do: times as whole nanoseconds, and spans that are collected."""

from __future__ import annotations

import pytest

from kaygraph_viz.export import reader as module
from kaygraph_viz.export.reader import LARGEST_NS, Reader, integer_ns
from kaygraph_viz.trace.fields import as_row
from tests.export.examples import AMPLE, FIELDS, X, read


class Rows(Reader):
    """A reader whose events are the fields of spans."""

    def add(self, event):
        self._keep(as_row(event))


def test_times_become_whole_nanoseconds():
    assert [integer_ns(value, 1_000) for value in (0, 2, 1.5, -0.001, 1e-9)] == [0, 2_000, 1_500, -1, 0]


@pytest.mark.parametrize("value", ["1", None, True, [], float("nan"), float("inf"), LARGEST_NS])
def test_what_is_no_time_is_refused(value):
    with pytest.raises(ValueError, match="is not a time"):
        integer_ns(value, 1)


def test_a_long_value_is_cut_in_the_message():
    with pytest.raises(ValueError, match="is not a time") as caught:
        integer_ns("9" * 1_000, 1)
    assert len(str(caught.value)) < 80


def test_spans_are_kept_as_columns_before_they_are_many(monkeypatch):
    monkeypatch.setattr(module, "READ_CHUNK", 4)
    reader = Rows(AMPLE)
    for number in range(1, 11):
        reader.add(FIELDS | {"span_id": number})
        assert len(reader._spans.buffer) < 4
    columns, dropped = reader.finish(is_complete=True)
    assert (columns.column("span_id").tolist(), dropped) == (list(range(1, 11)), 0)


def test_attributes_that_come_again_are_kept_once_but_true_is_not_one(tmp_path):
    noted = [{"a": 1}, {"a": True}, {"a": 1.0}, {"a": 1}, {"b": {"c": [1]}}, {"b": {"c": [1]}}]
    found = read(tmp_path, [X | {"args": each} for each in noted]).columns.attributes
    assert [type(found[at]["a"]) for at in range(1, 5)] == [int, bool, float, int]
    assert found[1] is found[4]
    assert found[5] is found[6]


def test_only_some_attributes_are_remembered(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MOST_SEEN", 2)
    monkeypatch.setattr(module, "LONGEST_SEEN", 20)
    noted = [{"a": number} for number in range(5)] + [{"a": "x" * 99}] * 2
    found = read(tmp_path, [X | {"args": each} for each in noted]).columns.attributes
    assert [found[at]["a"] for at in range(1, 8)] == [0, 1, 2, 3, 4, "x" * 99, "x" * 99]
