"""Reading records and shared stores that may hold anything."""

from __future__ import annotations

import pytest

from kaygraph_viz.errors import DataError
from kaygraph_viz.patterns.records import can_be_sent, records_of, text_of, texts, value_of


@pytest.mark.parametrize("value", [None, 7, b"Lyon", ["Lyon"]])
def test_value_that_is_no_text_reads_as_the_empty_text(value):
    assert text_of({"city": value}, "city") == ""


@pytest.mark.parametrize("record", [None, "city", ["city"], 7])
def test_record_that_is_no_mapping_has_no_text(record):
    assert text_of(record, "city") == ""


def test_texts_leaves_out_values_that_are_no_text_and_keeps_their_order():
    assert list(texts({"name": "Ada", "age": 7, "city": ""}).items()) == [("name", "Ada"), ("city", "")]


def test_texts_of_what_is_no_mapping_is_a_clear_error():
    with pytest.raises(DataError, match="must be a mapping from field to text, got 'Ada'"):
        texts("Ada")


@pytest.mark.parametrize("shared", [{}, {"records": None}, {"records": "C00001"}, {"records": b"C"}, {"records": {}}])
def test_records_that_are_no_list_are_a_clear_error(shared):
    with pytest.raises(DataError, match="must be a list of records"):
        records_of(shared)


def test_records_are_not_copied():
    records = ({"city": "Lyon"},)
    assert records_of({"records": records}) is records


def test_value_that_is_missing_says_how_to_run_the_graph():
    with pytest.raises(DataError) as caught:
        value_of({}, "orders", "load_orders()")
    assert str(caught.value) == (
        'shared["orders"] is not there; run the graph with graph.run({"orders": load_orders()})'
    )


def test_value_that_is_none_is_there():
    assert value_of({"orders": None}, "orders") is None


@pytest.mark.parametrize("value", ["", "  ", "a\0b", "\ud800", "x" * 256])
def test_text_that_is_blank_unprintable_or_long_is_not_sent(value):
    assert not can_be_sent(value)


def test_text_of_255_characters_is_sent():
    assert can_be_sent("x" * 255)
