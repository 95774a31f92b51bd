"""Reading files of all formats: how they are told apart, what comes back, and every kind of damage."""

from __future__ import annotations

import gzip
import json
import pickle
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaygraph_viz.errors import TraceFormatError
from kaygraph_viz.export import json_stream
from kaygraph_viz.export.loading import load
from kaygraph_viz.export.perfetto import to_perfetto
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.trace import load as load_native

HEAD = {"format": "kaygraph-viz-trace", "version": 1, "spans": 1, "dropped": 0}
FIELDS = {
    "span_id": 1, "submitted_ns": 0, "started_ns": 1, "ended_ns": 2, "name": "a", "kind": "branch", "lane": "main",
}  # fmt: skip
SPAN = {"ph": "X", "name": "a", "args": FIELDS}
OURS = {"otherData": HEAD, "traceEvents": [SPAN]}
X = {"ph": "X", "name": "a", "pid": 1, "tid": 1, "ts": 0, "dur": 1}


def write(tmp_path, content, name="run.json"):
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def read(tmp_path, events):
    return load(write(tmp_path, {"traceEvents": events}))


def small_trace():
    return make_trace((bar("exec", "main", 0, 9, kind="phase"), [bar("a", "t-1", i, i + 1, index=i) for i in range(9)]))


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


def test_our_events_in_another_layout_are_read(tmp_path):
    assert list(load(write(tmp_path, json.dumps(OURS, indent=2)))) == list(load(write(tmp_path, OURS)))


# -- trace events of other tools -----------------------------------------------------------------------------------


def test_complete_events_are_branches_nested_by_their_times(tmp_path):
    outer = X | {"name": "outer", "ts": 1.5, "dur": 10, "tdur": 4, "cat": "py", "args": {"rows": 3}}
    inner, beside = X | {"name": "inner", "ts": 2, "dur": 9.5}, X | {"name": "beside", "ts": 11.5}
    spans = {span.name: span for span in read(tmp_path, [inner, outer, beside])}
    assert spans["inner"].parent_id == spans["outer"].span_id
    assert spans["outer"].parent_id is spans["beside"].parent_id is None
    assert (spans["outer"].started_ns, spans["outer"].ended_ns, spans["outer"].cpu_ns) == (1500, 11500, 4000)
    assert dict(spans["outer"].attributes) == {"rows": 3, "category": "py"}
    assert {(span.kind, span.status) for span in spans.values()} == {("branch", "ok")}


def times(trace):
    return {span.name: (span.started_ns, span.ended_ns) for span in trace}


def test_begin_and_end_events_are_matched_by_thread(tmp_path):
    begin, end = {"ph": "B", "pid": 1, "tid": 1}, {"ph": "E", "pid": 1, "tid": 1}
    events = [
        begin | {"name": "a", "ts": 0}, begin | {"name": "other", "ts": 0, "tid": 2}, begin | {"name": "b", "ts": 1},
        end | {"ts": 2}, end | {"ts": 3}, end | {"tid": 2, "ts": 9},
    ]  # fmt: skip
    assert times(read(tmp_path, events)) == {"a": (0, 3000), "b": (1000, 2000), "other": (0, 9000)}


def test_an_end_without_a_begin_is_left_out_and_a_begin_without_an_end_is_abandoned(tmp_path):
    trace = read(tmp_path, [{"ph": "E", "pid": 1, "tid": 1, "ts": 0}, X | {"ph": "B", "name": "open"}, X])
    assert {span.name: (span.ended_ns, span.status) for span in trace} == {
        "a": (1000, "ok"), "open": (1000, "abandoned"),
    }  # fmt: skip


def test_asynchronous_events_are_matched_by_identity_and_overlap_on_lanes_of_their_own(tmp_path):
    def pair(identity, start, end):
        common = {"cat": "io", "id": identity, "pid": 1, "tid": 1, "name": f"{identity}"}
        return [common | {"ph": "b", "ts": start}, common | {"ph": "e", "ts": end}]

    trace = read(tmp_path, [*pair("0x1", 0, 5), *pair(2, 1, 3), *pair(3, 5, 6)])
    assert times(trace) == {"0x1": (0, 5000), "2": (1000, 3000), "3": (5000, 6000)}
    assert {span.name: span.lane for span in trace} == {"0x1": "async-1", "2": "async-2", "3": "async-1"}
    trace.validate()


def name(what, pid, tid, text):
    return {"ph": "M", "name": what, "pid": pid, "tid": tid, "args": {"name": text}}


def test_lanes_are_named_by_metadata_wherever_it_stands(tmp_path):
    assert read(tmp_path, [X, X | {"tid": 2}, name("thread_name", 1, 1, "main")]).lanes == ("main", "thread 2")


def test_lanes_of_several_processes_are_told_apart(tmp_path):
    events = [X, X | {"pid": 2}, X | {"pid": 2, "tid": "x"}, name("process_name", 2, 1, "python")]
    assert set(read(tmp_path, events).lanes) == {"process 1/thread 1", "python 2/thread 1", "python 2/thread x"}


def test_lanes_of_one_name_are_told_apart(tmp_path):
    names = [name("thread_name", 1, tid, "pool") for tid in (1, 2)]
    assert read(tmp_path, [X, X | {"tid": 2}, *names]).lanes == ("pool", "pool #2")


def test_other_events_are_left_out(tmp_path):
    others = [{"ph": phase, "pid": 1, "tid": 1, "ts": 0} for phase in ("C", "i", "s", "f", "n", "P", "?")]
    assert len(read(tmp_path, [*others, X])) == 1


def test_an_array_may_lack_its_end_as_the_format_allows(tmp_path):
    whole = json.dumps([X, X])
    for end in (whole, whole.removesuffix("]"), whole.removesuffix("]") + ",\n"):
        assert len(load(write(tmp_path, end))) == 2


def test_secrets_and_numbers_without_a_value_are_masked(tmp_path):
    path = write(tmp_path, '[{"ph": "X", "name": "a", "ts": 0, "dur": 1, "args": {"token": "abc", "x": NaN}}]')
    assert dict(load(path).spans[0].attributes) == {"token": "***", "x": "NaN"}


# -- task streams of Dask ------------------------------------------------------------------------------------------


def task(key, *actions, worker="tcp://127.0.0.1:4001", thread=11, status="OK"):
    startstops = [{"action": action, "start": start, "stop": stop} for action, start, stop in actions]
    return {"key": key, "worker": worker, "thread": thread, "status": status, "nbytes": 28, "type": "b'...'",
            "typename": "int", "startstops": startstops}  # fmt: skip


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
        ("{", "no field 'traceEvents'"),
        ('{"traceEvents": [', "cut off"),
        ('{"traceEvents": [{"ph": "X"', "cut off"),
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
        (OURS | {"otherData": HEAD | {"spans": 2}}, "says it holds 2 spans, but has 1"),
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
    with pytest.raises(TraceFormatError, match="cut off"):
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
