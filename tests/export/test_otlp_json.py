"""Documents of OpenTelemetry, ids, times and values."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest

from kaygraph_viz.errors import TraceFormatError
from kaygraph_viz.export.json_stream import JsonStream
from kaygraph_viz.export.otlp_json import attributes_in, field_of, id_of, objects_in, otlp_events, time_ns
from tests.export.examples import AMPLE, otlp_pairs


def events_of(text):
    stream = JsonStream(StringIO(text), Path("run.json"), AMPLE)
    return list(otlp_events(stream, stream.fields()))


def test_a_resource_a_scope_and_spans_come_with_the_number_of_their_resource():
    text = '{"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {}, "spans": [1, 2]}]}, {"scopeSpans": []}]}'
    assert events_of(text) == [
        {"resource": {}, "of": 1}, {"scope": {}, "of": 1}, {"span": 1, "of": 1}, {"span": 2, "of": 1},
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        '{"resource_spans": [{"scope_spans": [{"spans": [1]}]}]}',
        '{"batches": [{"instrumentationLibrarySpans": [{"instrumentationLibrary": {"a": 1}, "spans": [1]}]}]}',
        '{"resourceMetrics": [{}, {}], "resourceSpans": [{"schemaUrl": "x", "scopeSpans": [{"spans": [1], "a": {}}]}]}',
    ],
)
def test_other_spellings_are_known_and_other_fields_are_left_out(text):
    assert [event["span"] for event in events_of(text) if "span" in event] == [1]


def test_documents_follow_each_other():
    line = '{"resourceSpans": [{"scopeSpans": [{"spans": [1]}]}]}\n'
    assert [event["of"] for event in events_of(line * 3)] == [1, 2, 3]


@pytest.mark.parametrize("end", ["x", "[1]", '{"resourceSpans": [{"scopeSpans": 1}]}', '{"resourceSpans"'])
def test_what_follows_a_document_must_be_one(end):
    with pytest.raises(TraceFormatError):
        events_of('{"resourceSpans": []}\n' + end)


def test_values_of_all_kinds_become_plain_ones():
    noted = {"text": "a", "whole": -(2**60), "half": 0.5, "yes": True, "list": ["a", 1], "map": {"b": [0.5]}}
    assert attributes_in({"attributes": otlp_pairs(noted)}) == noted
    others = {"bytes": {"bytesValue": "AQI="}, "number": {"intValue": 3}, "old": {"string_value": "b"}, "none": {}}
    pairs = [{"key": key, "value": value} for key, value in others.items()]
    assert attributes_in({"attributes": pairs}) == {"bytes": "AQI=", "number": 3, "old": "b", "none": None}


@pytest.mark.parametrize("pairs", [None, 3, {}, [3], [{"key": 3, "value": {}}], [{"value": {"intValue": "3"}}]])
def test_what_is_no_attribute_is_left_out(pairs):
    assert attributes_in({"attributes": pairs}) == {}


def test_values_are_read_to_a_certain_depth():
    value = {"intValue": "1"}
    for _ in range(2_000):
        value = {"arrayValue": {"values": [value]}}
    assert "1" not in str(attributes_in({"attributes": [{"key": "a", "value": value}]}))


@pytest.mark.parametrize("none", [None, "", "0" * 16, "0" * 32, "AAAAAAAAAAA="])
def test_no_id_is_an_empty_text(none):
    assert id_of(none) == ""


@pytest.mark.parametrize("wrong", [3, [], "xyz", "AQI=", "0" * 15, "a" * 1000])
def test_an_id_has_eight_or_sixteen_bytes(wrong):
    with pytest.raises(ValueError, match="is not an id"):
        id_of(wrong)


@pytest.mark.parametrize(("value", "expected"), [("12", 12), (12, 12), (1.2e1, 12), ("0", 0)])
def test_times_are_texts_or_numbers(value, expected):
    assert time_ns(value) == expected


@pytest.mark.parametrize("wrong", [None, "", "1.5", "-1", "9" * 19, "9" * 5000, [], True, "٣"])
def test_other_times_are_refused(wrong):
    with pytest.raises(ValueError, match="is not a time"):
        time_ns(wrong)


def test_small_helpers():
    assert objects_in([{}, 1, {"a": 1}]) == [{}, {"a": 1}]
    assert objects_in("a") == []
    assert field_of({"parent_span_id": "a"}, "parentSpanId") == "a"
