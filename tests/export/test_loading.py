"""Reading files of all formats: how they are told apart, what comes back, and every kind of damage."""

from __future__ import annotations

import gzip
import json
import pickle
from contextlib import suppress

import pytest
from hypothesis import given, strategies as st

from kaygraph_viz.errors import TraceFormatError
from kaygraph_viz.export.loading import load
from kaygraph_viz.export.perfetto import to_perfetto
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.trace import load as load_native
from tests.export.examples import FIELDS, HEAD, OURS, SPAN, X, read, small_trace, task, write

# -- telling apart -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["run.jsonl", "run.jsonl.gz", "run.json"])
def test_our_own_lines_are_read_by_any_name(tmp_path, name):
    path = small_trace().save(tmp_path / name)
    assert list(load(path)) == list(load_native(path)) == list(small_trace())


@pytest.mark.parametrize("name", ["run.perfetto.json", "run.perfetto.json.gz", "run.jsonl"])
def test_trace_events_are_read_by_any_name(tmp_path, name):
    assert list(load(to_perfetto(small_trace(), tmp_path / name))) == list(small_trace())


def test_a_file_may_begin_with_space_or_a_byte_order_mark(tmp_path):
    for start in ("\ufeff", " \n\t"):
        assert len(load(write(tmp_path, start + json.dumps([X])))) == 1


# -- damage --------------------------------------------------------------------------------------------------------

DEEP = "[" * 100_000


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "not a trace"),
        ("hello", "not a trace"),
        ("{}", "no field 'traceEvents'"),
        ('{"name": "Ada"}', "no field 'traceEvents'"),
        ('{"traceEvents": {}}', "stands where"),
        ('{"traceEvents" []}', "stands where"),
        ("{", "it is incomplete"),
        ('{"traceEvents": [', "is incomplete"),
        ('{"traceEvents": [{"ph": "X"', "is incomplete"),
        ('{"traceEvents": [{"ph": "M"} {"ph": "M"}]}', "stands where ',' or ']' should be"),
        ('{"traceEvents": [{"ph": M}]}', "cannot be read at character"),
        ('{"traceEvents": ' + DEEP, "nested too deeply"),
        ('{"other": ' + DEEP, "nested too deeply"),
        ("[1]", "event 1: it is int"),
        ('[{"name": "Ada"}]', "event 1: it has no phase"),
        ([X, []], "event 2: it is list"),
        ([X | {"ts": "0"}], "'0' is not a time"),
        ([X | {"ts": True}], "'True' is not a time"),
        ([X | {"dur": None}], "'None' is not a time"),
        ([{"ph": "X", "name": "a"}], "'None' is not a time"),
        ('[{"ph": "X", "name": "a", "ts": NaN}]', "'NaN' is not a time"),
        ('[{"ph": "X", "name": "a", "ts": 1e999}]', "'inf' is not a time"),
        ([X | {"ts": 1e30}], "is not a time"),
        ('[{"ts": ' + "9" * 5000 + "}]", "cannot be read"),
        ([X | {"dur": -1}], "ended before it started"),
        ([task("a", ("compute", 1, None))], "'None' is not a time"),
        ([task("a", ("compute", 1, 2)), {"startstops": 5}], "event 2: it has no 'startstops'"),
        ([task("a", ("compute", 1, 2)), {"startstops": [5]}], "event 2: it has no 'startstops'"),
        ([task("a", ("compute", 2, 1))], "ended before it started"),
        (OURS | {"otherData": HEAD | {"version": 3}}, "version 3"),
        (OURS | {"otherData": HEAD | {"spans": 2}}, "its head counts 2 spans, but has 1"),
        (OURS | {"otherData": HEAD | {"dropped": -1}}, "dropped"),
        (OURS | {"traceEvents": [SPAN | {"args": None}]}, "it has no arguments"),
        (OURS | {"traceEvents": [SPAN | {"args": FIELDS | {"ended_ns": "2"}}]}, "event 1: ended_ns"),
        (OURS | {"traceEvents": [SPAN | {"args": FIELDS | {"ended_ns": 0}}]}, "ended before it started"),
        (OURS | {"traceEvents": [SPAN | {"args": FIELDS | {"parent_id": 1}}]}, "own ancestors"),
        (OURS | {"otherData": HEAD | {"spans": 2}, "traceEvents": [SPAN, SPAN]}, "span 1 ended 2 times"),
        (b"[\xff]", "damaged"),
        (b"\x1f\x8b", "damaged"),
        (b"\x0a\x53\x9a\x01\x00\xff", "not a trace|damaged"),
    ],
)
def test_a_damaged_file_is_refused_with_a_clear_message(tmp_path, content, message):
    path = write(tmp_path, content)
    with pytest.raises(TraceFormatError, match=message) as caught:
        load(path)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 400


@given(st.binary(max_size=200), st.sampled_from([b"[", b"{", b'[{"ph":"X"', b'{"traceEvents":[', b""]))
def test_any_bytes_are_a_trace_or_refused(tmp_path_factory, content, start):
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(start + content)
    with suppress(TraceFormatError):  # any other error fails
        load(path).counts()


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_a_pickle_is_refused(tmp_path, compress):
    with pytest.raises(TraceFormatError):
        load(write(tmp_path, compress(pickle.dumps([X]))))


def test_a_missing_file_and_a_folder_are_os_errors(tmp_path):
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "no.json")
    with pytest.raises(IsADirectoryError):
        load(tmp_path)


def write_many(tmp_path, kind, suffix):
    spans = [bar(f"bar {i}", "main", i, i + 1, text=f"{i * 7919}") for i in range(2000)]
    path = tmp_path / f"run.json{suffix}"
    if kind == "ours":
        return to_perfetto(make_trace(*spans), path)
    events = [X | {"ts": i} if kind == "chrome" else task(f"t{i}-0", ("compute", i, i + 1)) for i in range(2000)]
    content = json.dumps({"traceEvents": events} if kind == "chrome" else events).encode()
    path.write_bytes(gzip.compress(content) if suffix else content)
    return path


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("kind", ["ours", "chrome", "dask"])
def test_a_file_that_was_cut_off_is_refused_unless_a_part_will_do(tmp_path, kind, suffix):
    path = write_many(tmp_path, kind, suffix)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(TraceFormatError):
        load(path)
    with pytest.warns(UserWarning, match=r"spans could be read"):
        part = load(path, partial=True)
    assert 300 < len(part) < 1900
    part.validate()


def test_a_part_of_nothing_is_still_an_error(tmp_path):
    with pytest.raises(TraceFormatError, match="is incomplete"):
        load(write(tmp_path, '{"traceEvents": [{"ph": "M"},'), partial=True)


@pytest.mark.parametrize("position", [15, 60, -9, -3])
def test_a_compressed_file_with_a_wrong_byte_is_refused(tmp_path, position):
    path = to_perfetto(small_trace(), tmp_path / "run.json.gz")
    data = bytearray(path.read_bytes())
    data[position] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(TraceFormatError):
        load(path)


def test_events_with_many_lanes_and_tasks_of_many_workers_are_read_in_one_pass(tmp_path):
    events = [X | {"tid": tid} for tid in range(20_000)]
    tasks = [task("a", ("compute", 1, 2), worker=f"w{number}") for number in range(20_000)]
    assert len(read(tmp_path, events).lanes) == len(load(write(tmp_path, tasks)).lanes) == 20_000
