"""JSON documents, value by value."""

from __future__ import annotations

import gzip
import json
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from kaygraph_viz.errors import TraceFormatError
from kaygraph_viz.export import json_stream
from kaygraph_viz.export.json_stream import JsonStream
from kaygraph_viz.export.loading import load
from kaygraph_viz.trace.unpacking import Allowance
from tests.export.examples import X, write


def test_an_array_may_lack_its_end_as_the_format_allows(tmp_path):
    whole = json.dumps([X, X])
    for end in (whole, whole.removesuffix("]"), whole.removesuffix("]") + ",\n"):
        assert len(load(write(tmp_path, end))) == 2


def test_an_event_without_end_is_refused_at_the_limit(tmp_path):
    with gzip.open(tmp_path / "bomb.gz", "wb", compresslevel=1) as stream:
        stream.write(b'[{"ph": "')
        for _ in range(16):
            stream.write(b"x" * (1 << 20))
    with pytest.raises(TraceFormatError, match="larger than any trace"):
        load(tmp_path / "bomb.gz")


@pytest.mark.parametrize("filling", [b" " * 12, b'{"ph": "M"},'])
def test_a_limit_holds_for_all_events_together(tmp_path, monkeypatch, filling):
    monkeypatch.setattr(json_stream, "MAX_CHARACTERS", 100_000)
    with pytest.raises(TraceFormatError, match="larger than any trace"):
        load(write(tmp_path, gzip.compress(b"[" + filling * 20_000)))


def stream_of(text):
    path = Path("run.json")
    return JsonStream(StringIO(text), path, Allowance(path, len(text)))


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(st.lists(values, max_size=9), st.sampled_from([None, 1]), st.integers(1, 7))
def test_an_array_is_read_as_json_reads_it_whatever_the_chunks(items, indent, chunk):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(json_stream, "CHUNK", chunk)
        assert list(stream_of(json.dumps(items, indent=indent)).array()) == items


def test_fields_are_read_one_after_the_other():
    stream = stream_of('{"other": {"a": [1]}, "head": 5, "events": [1], "later": [[2], 3]}')
    found = {}
    for name in stream.fields():
        if name in ("other", "later"):
            stream.skip()
        else:
            found[name] = list(stream.array()) if name == "events" else stream.value()
    assert found == {"head": 5, "events": [1]}
    assert stream.peek() == ""


def test_elements_are_read_one_after_the_other():
    stream = stream_of('[{"a": [1, 2]}, {"b": 3}]')
    assert [{name: stream.value() for name in stream.fields()} for _ in stream.elements()] == [{"a": [1, 2]}, {"b": 3}]


@pytest.mark.parametrize("text", ['{"a": 1', '{"a"', '{"a": 1 "b": 2}', "{3: 4}", "[1]"])
def test_an_object_that_is_none_is_refused(text):
    stream = stream_of(text)
    with pytest.raises(TraceFormatError, match=r"run\.json cannot be read"):
        for _ in stream.fields():
            stream.value()


def test_an_error_says_at_which_character():
    with pytest.raises(TraceFormatError, match=r"run\.json cannot be read at character 4: "):
        list(stream_of("[1, x]").array())


def test_numbers_that_json_has_no_word_for_are_texts():
    assert list(stream_of("[NaN, -Infinity]").array()) == ["NaN", "-Infinity"]


def test_the_next_character_is_that_behind_spaces():
    assert (stream_of(" \n\t[").peek(), stream_of("  ").peek()) == ("[", "")


def test_a_number_goes_on_in_the_next_chunk(monkeypatch):
    monkeypatch.setattr(json_stream, "CHUNK", 3)
    assert list(stream_of("[1234567, 89]").array()) == [1234567, 89]
