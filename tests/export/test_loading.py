"""Reading files of all formats: how they are told apart, what comes back, and every kind of damage."""

from __future__ import annotations

import gzip
import json
import pickle
from contextlib import suppress
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from kaygraph_viz.base.errors import TraceFormatError
from kaygraph_viz.export import reader
from kaygraph_viz.export.loading import load
from kaygraph_viz.export.perfetto import to_perfetto
from kaygraph_viz.export.reader import JsonStream, Reader, integer_ns
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.files import Allowance
from kaygraph_viz.trace.row import as_row
from kaygraph_viz.trace.trace import load as load_native
from tests.export.examples import AMPLE, FIELDS, HEAD, OURS, SPAN, X, read, small_trace, task, write

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


# -- reader --------------------------------------------------------------------------------------------------------


class Rows(Reader):
    """A reader whose events are the fields of spans."""

    def add(self, event):
        self._keep(as_row(event))


def test_times_become_whole_nanoseconds():
    assert [integer_ns(value, 1_000) for value in (0, 2, 1.5, -0.001, 1e-9)] == [0, 2_000, 1_500, -1, 0]


def test_spans_are_kept_as_columns_before_they_are_many(monkeypatch):
    monkeypatch.setattr(reader, "READ_CHUNK", 4)
    rows = Rows(AMPLE)
    for number in range(1, 11):
        rows.add(FIELDS | {"span_id": number})
        assert len(rows._spans.buffer) < 4
    columns, dropped = rows.finish(is_complete=True)
    assert (columns.column("span_id").tolist(), dropped) == (list(range(1, 11)), 0)


def test_attributes_that_come_again_are_kept_once_but_true_is_not_one(tmp_path):
    noted = [{"a": 1}, {"a": True}, {"a": 1.0}, {"a": 1}, {"b": {"c": [1]}}, {"b": {"c": [1]}}]
    found = read(tmp_path, [X | {"args": each} for each in noted]).columns.attributes
    assert [type(found[at]["a"]) for at in range(1, 5)] == [int, bool, float, int]
    assert found[1] is found[4]
    assert found[5] is found[6]


def test_only_some_attributes_are_remembered(tmp_path, monkeypatch):
    monkeypatch.setattr(reader, "MOST_SEEN", 2)
    monkeypatch.setattr(reader, "LONGEST_SEEN", 20)
    noted = [{"a": number} for number in range(5)] + [{"a": "x" * 99}] * 2
    found = read(tmp_path, [X | {"args": each} for each in noted]).columns.attributes
    assert [found[at]["a"] for at in range(1, 8)] == [0, 1, 2, 3, 4, "x" * 99, "x" * 99]


# -- json stream ---------------------------------------------------------------------------------------------------


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
    monkeypatch.setattr(reader, "MAX_CHARACTERS", 100_000)
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
        patched.setattr(reader, "CHUNK", chunk)
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


@pytest.mark.parametrize("text", ['{"a": 1', '{"a"', '{"a": 1 "b": 2}', "{3: 4}", "[1]"])
def test_an_object_that_is_none_is_refused(text):
    stream = stream_of(text)
    with pytest.raises(TraceFormatError, match=r"run\.json cannot be read"):
        for _ in stream.fields():
            stream.value()


# -- task stream reader --------------------------------------------------------------------------------------------


def test_tasks_are_branches_and_what_was_done_before_is_time_in_the_queue(tmp_path):
    begin_s = 1_790_000_000
    added = task("add-1f2e", ("transfer", begin_s, begin_s + 1), ("compute", begin_s + 1.5, begin_s + 2))
    (span,) = load(write(tmp_path, [added]))
    assert (span.name, span.kind, span.lane, span.status) == ("add", "branch", "dask-1", "ok")
    assert (span.queue_wait_s, span.service_s) == (1.5, 0.5)
    assert span.submitted_ns == begin_s * 10**9
    assert dict(span.attributes) == {
        "key": "add-1f2e", "worker": "tcp://127.0.0.1:4001", "nbytes": 28, "typename": "int",
    }  # fmt: skip


def test_each_thread_of_a_worker_is_a_lane(tmp_path):
    ran = ("compute", 1, 2)
    tasks = [task("a", ran), task("b", ran, thread=12), task("c", ran, worker="tcp://127.0.0.1:4002")]
    assert load(write(tmp_path, tasks)).lanes == ("dask-1/thread-1", "dask-1/thread-2", "dask-2")


def test_a_failed_task_is_an_error_and_one_that_never_ran_is_left_out(tmp_path):
    tasks = [task("a", ("compute", 1, 2), status="error"), task("b")]
    (span,) = load(write(tmp_path, tasks))
    assert (span.status, span.error) == ("error", "the task failed")


def test_tasks_of_one_thread_that_overlap_are_cut_and_say_by_how_much(tmp_path):
    ran = [("compute", 1, 3), ("compute", 2.5, 4), ("compute", 2.8, 3.5)]
    tasks = [task(name, action) for name, action in zip("abc", ran, strict=True)]
    other = task("d", ("compute", 2, 3), thread=12)
    trace = load(write(tmp_path, [*reversed(tasks), other])).validate()
    times = {span.name: (span.started_ns / 1e9, span.ended_ns / 1e9) for span in trace}
    assert times == {"a": (1, 3), "d": (2, 3), "b": (3, 4), "c": (4, 4)}
    assert {span.name: span.attributes.get("clipped_s") for span in trace} == {"a": None, "d": None, "b": 0.5, "c": 1.2}
    assert trace.spans[2].attributes["key"] == "b"


def test_a_real_task_stream_is_read(tmp_path):
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        with distributed.get_task_stream(client=client) as stream:
            client.gather(client.map(abs, range(6), pure=False))
        path = write(tmp_path, json.dumps(stream.data, default=str))
    trace = load(path).validate()
    assert [span.name for span in trace] == ["abs"] * 6
    assert set(trace.lanes) <= {"dask-1", "dask-2"}
