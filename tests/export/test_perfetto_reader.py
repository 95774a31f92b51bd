"""Chrome trace events that we wrote ourselves."""

from __future__ import annotations

import json

from hypothesis import given, strategies as st

from kaygraph_viz.export.loading import load
from kaygraph_viz.export.otlp_reader import Packed, pack_rows
from kaygraph_viz.export.perfetto import PART_OF, to_perfetto
from kaygraph_viz.export.perfetto_reader import PerfettoReader
from kaygraph_viz.testing import bar, make_trace
from tests.export.examples import AMPLE, HEAD, OURS, SPAN, X, read, write


def test_our_events_in_another_layout_are_read(tmp_path):
    assert list(load(write(tmp_path, json.dumps(OURS, indent=2)))) == list(load(write(tmp_path, OURS)))


def test_a_file_of_the_version_before_parts_is_read(tmp_path):
    data = to_perfetto(make_trace(bar("a", "t-1", 0, 3, cpu_s=1)))
    data["otherData"]["version"] = 1
    (path := tmp_path / "old.json").write_text(json.dumps(data))
    assert [part.kind for part in load(path).spans[0].parts] == ["unknown"]


def reader_of(*events, **head):
    reader = PerfettoReader(AMPLE, HEAD | head)
    for event in events:
        reader.add(event)
    return reader


def test_only_the_events_that_have_the_arguments_of_a_span_make_one():
    end, counter, part = {"ph": "e"}, {"ph": "C", "args": {"waiting": 1}}, {"ph": "X", "args": {PART_OF: 1}}
    columns, dropped = reader_of(end, SPAN, counter, part, dropped=7).finish(is_complete=True)
    assert (columns.column("ended_ns").tolist(), dropped) == ([2], 7)


def test_of_a_file_that_was_cut_off_the_numbers_in_its_head_do_not_count():
    columns, dropped = reader_of(SPAN, spans=100, dropped=7).finish(is_complete=False)
    assert (len(columns), dropped) == (1, 0)


# -- chrome reader -------------------------------------------------------------------------------------------------


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


# -- row packing ---------------------------------------------------------------------------------------------------


def test_spans_beside_each_other_share_a_row_and_those_that_overlap_do_not():
    assert pack_rows([Packed(0, 0, 2, -1), Packed(0, 1, 3, -1), Packed(0, 2, 4, -1)]) == [0, 1, 0]


def test_two_agents_at_once_have_a_row_each_with_what_they_do():
    spans = [Packed(0, 0, 9, -1), Packed(0, 1, 8, 0), Packed(0, 1, 8, 0), Packed(0, 2, 4, 1), Packed(0, 2, 4, 2)]
    assert pack_rows(spans) == [0, 0, 1, 0, 1]


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 20), st.integers(0, 8), st.integers(-1, 10)), max_size=12))
def test_spans_of_a_row_lie_within_or_beside_each_other(drawn):
    spans: list[Packed] = []
    for group, start, length, parent in sorted(drawn, key=lambda each: each[1]):
        place = parent if parent < len(spans) and parent >= 0 and spans[parent].started_ns <= start else -1
        end = min(start + length, spans[place].ended_ns) if place >= 0 else start + length
        if end < start:
            place, end = -1, start + length
        spans.append(Packed(group, start, end, place))
    rows = pack_rows(spans)
    for at, one in enumerate(spans):
        for to in range(at):
            other = spans[to]
            if (one.group, rows[at]) == (other.group, rows[to]) and one.started_ns < other.ended_ns:
                assert one.ended_ns <= other.ended_ns
