"""Chrome trace events of other tools."""

from __future__ import annotations

from kaygraph_viz.export.loading import load
from tests.export.examples import X, read, write


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


def test_lanes_with_long_names_are_cut_and_stay_apart_also_when_they_are_saved(tmp_path):
    names = [
        name("process_name", 2, 1, "p" * 300),
        *(name("thread_name", 2, tid, "t" * 300 + str(tid)) for tid in (1, 2)),
    ]
    trace = read(tmp_path, [X, X | {"pid": 2}, X | {"pid": 2, "tid": 2}, *names])
    assert len(set(trace.lanes)) == 3
    assert max(map(len, trace.lanes)) <= 200
    assert list(load(trace.save(tmp_path / "saved"))) == list(trace)


def test_other_events_are_left_out(tmp_path):
    others = [{"ph": phase, "pid": 1, "tid": 1, "ts": 0} for phase in ("C", "i", "s", "f", "n", "P", "?")]
    assert len(read(tmp_path, [*others, X])) == 1


def test_secrets_and_numbers_without_a_value_are_masked(tmp_path):
    path = write(tmp_path, '[{"ph": "X", "name": "a", "ts": 0, "dur": 1, "args": {"token": "abc", "x": NaN}}]')
    assert dict(load(path).spans[0].attributes) == {"token": "***", "x": "NaN"}
