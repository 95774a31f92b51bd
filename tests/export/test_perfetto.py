"""Trace events: the rules of viewers, and round trips without loss."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import tempfile
from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

import kaygraph_viz as kv
from kaygraph_viz.base.parts import PART_KINDS
from kaygraph_viz.export import perfetto
from kaygraph_viz.export.loading import load
from kaygraph_viz.export.perfetto import (
    PartPiece,
    SpanBegin,
    nearest_node,
    outside_in,
    place,
    to_perfetto,
    track_events,
)
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.gauges import GaugeSamples
from kaygraph_viz.trace.memory import MemorySamples
from kaygraph_viz.trace.span import KINDS, STATUSES, Span
from kaygraph_viz.trace.trace import Trace

HOSTILE = [
    "<script>alert(1)</script>", "a\0b", "\u202ereversed", "名前 \U0001f600", "", "long " * 200_000, "`'\"\\", "\\",
    "</script><!--", "\x1b[31m", "x\n\u2028y", "NaN",
]  # fmt: skip


def events_of(trace, phases="XMCbesf"):
    return [event for event in to_perfetto(trace)["traceEvents"] if event["ph"] in phases]


def is_part(event):
    return "part_of" in event.get("args", ())


def parts_of(trace):
    """Return kind, begin and end [ms] of the parts that are drawn."""
    found = [event for event in events_of(trace, "X") if is_part(event)]
    return [(event["name"], ns(event) / 1e6, (ns(event) + ns(event, "dur")) / 1e6) for event in found]


def ns(event, name="ts"):
    return int(event[name] * 1000.0)  # as Perfetto does it


def check_rules(events):
    """Check what viewers demand of events; what breaks a rule is cut, or hidden without a word."""
    named = {event["tid"] for event in events if event["name"] == "thread_name"}
    assert {event["tid"] for event in events} <= named | {1}
    assert all(type(event["tid"]) is int and event["tid"] > 0 for event in events)
    assert all(event["name"].isprintable() for event in events)
    check_rows(events)
    check_pairs(events)
    check_arrows(events)
    assert {min(event["args"].values()) >= 0 for event in events if event["ph"] == "C"} <= {True}


def check_rows(events):
    rows = defaultdict(list)
    for event in events:
        if event["ph"] == "X":
            rows[event["tid"]].append((ns(event), ns(event) + ns(event, "dur")))
    for row in rows.values():
        opened = []
        assert [start for start, _ in row] == sorted(start for start, _ in row)
        for start, end in row:
            while opened and opened[-1] <= start:
                opened.pop()
            assert not opened or end <= opened[-1], "two events of a row overlap"
            opened.append(end)


def check_pairs(events):
    tracks = defaultdict(list)
    for event in events:
        if event["ph"] in "be":
            tracks[event["cat"], event["id2"]["local"]].append(event)
    for track in tracks.values():
        assert all(ns(a) <= ns(b) for a, b in pairwise(track))
        opened = []
        for event in track:
            if event["ph"] == "b":
                opened.append(event["name"])
            else:
                assert opened.pop() == event["name"]
        assert not opened


def check_arrows(events):
    ends = defaultdict(list)
    for event in events:
        if event["ph"] in "sf":
            ends[event["id"]].append(event)
    for arrow in ends.values():
        assert [end["ph"] for end in arrow] == ["s", "f"]
        assert ns(arrow[0]) <= ns(arrow[1])
        assert arrow[1]["bp"] == "e"


# -- laws ----------------------------------------------------------------------------------------------------------

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip
text = st.text(max_size=20)
time = st.integers(0, 20) | st.integers(0, 10**13)


@st.composite
def noted_parts(draw, started_ns, ended_ns):
    """Parts that tile a span, or None."""
    if started_ns == ended_ns or draw(st.booleans()):
        return None
    cuts = draw(st.sets(st.integers(started_ns + 1, ended_ns), max_size=4)) | {ended_ns}
    kinds = [draw(st.sampled_from(range(len(PART_KINDS)))) for _ in cuts]
    shares = [draw(st.integers(-1, 1000)) if PART_KINDS[kind] == "unknown" else -1 for kind in kinds]
    return tuple(
        (kind, until, share / 1000 if share >= 0 else -1.0)
        for kind, until, share in zip(kinds, sorted(cuts), shares, strict=True)
    )


lane = st.sampled_from(["main", "thread-1", "async-1", "task-2", "process-1/thread-1"]) | text


@st.composite
def spans(draw):
    found = []
    for number in range(1, draw(st.integers(1, 9))):
        submitted, queued, service = draw(time), draw(time), draw(time)
        found.append(Span(
            number, draw(st.none() | st.integers(1, number - 1)) if number > 1 else None, draw(text),
            draw(st.sampled_from(KINDS)), draw(lane), submitted, submitted + queued, submitted + queued + service,
            draw(st.none() | st.integers(0, service)), draw(st.integers(0, service)), draw(st.sampled_from(STATUSES)),
            draw(st.integers(1, 65535)), draw(st.none() | st.integers(0, 10**9)), draw(st.none() | st.text(min_size=1)),
            draw(st.dictionaries(text, plain, max_size=3)), tuple(draw(st.lists(st.integers(1, 9), max_size=3))),
            draw(noted_parts(submitted + queued, submitted + queued + service)),
        ))  # fmt: skip
    return found


@pytest.mark.parametrize("suffix", ["json", "json.gz"])
@given(spans=spans(), dropped=st.integers(0, 9))
def test_a_round_trip_changes_nothing(suffix, spans, dropped):
    trace = make_trace(*spans, dropped=dropped, check=False)
    with tempfile.TemporaryDirectory() as folder:
        again = load(to_perfetto(trace, Path(folder) / f"run.perfetto.{suffix}"))
    assert list(again) == list(trace)
    assert again.dropped == dropped


@given(spans=spans())
def test_any_spans_become_events_that_keep_the_rules(spans):
    check_rules(events_of(make_trace(*spans, check=False)))


@given(st.integers(0, 2**52))
def test_times_are_exact_when_a_viewer_multiplies_and_cuts(time_ns):
    assert int(perfetto._us(time_ns) * 1000.0) == time_ns


# -- recorded runs -------------------------------------------------------------------------------------------------


class Calls(kv.ParallelBatchNode):
    def prep(self, shared):
        return range(6)

    def exec(self, item):
        with kv.span("call"):
            kv.sleep(0.01 * (item + 1))
        if item == 2 and self.cur_retry == 0:
            raise ValueError("not at first")


class AsyncCalls(kv.AsyncParallelBatchNode):
    async def prep_async(self, shared):
        return range(6)

    async def exec_async(self, item):
        with kv.span("call"):
            await kv.sleep_async(0.01 * (item + 1))


class Words(kv.MapReduceNode):
    def prep(self, shared):
        return ["a b", "b c", "c a"]


def run_threads():
    kv.Graph(start=Calls(max_workers=2, max_retries=2, wait=0.01)).run({})


def run_tasks():
    asyncio.run(kv.AsyncGraph(start=AsyncCalls()).run_async({}))


def run_words():
    words = Words(mapper=lambda line: [(word, 1) for word in line.split()], reducer=lambda _, ones: sum(ones))
    kv.Graph(start=words).run({})


def run_fan_out():
    slow, fast = (lambda shared, s=s: kv.sleep(s) for s in (0.2, 0.1))
    kv.Graph(start=kv.FanOutNode(branches={"slow": slow, "fast": fast})).run({})


def run_under_a_limit():
    limit = kv.RateLimit(10)

    def ask(item):
        with limit:
            kv.sleep(0.01)

    with kv.get_executor("thread", 2) as executor:
        list(executor.imap(ask, range(4)))


RUNS = (run_threads, run_tasks, run_words, run_fan_out, run_under_a_limit)


@pytest.mark.parametrize(("run", "clock"), [(run_words, None), *((run, "virtual") for run in RUNS)])
def test_a_recorded_run_keeps_the_rules_and_comes_back(run, clock, tmp_path):
    with kv.record(clock=clock) as trace:
        run()
    check_rules(events_of(trace))
    again = load(to_perfetto(trace, tmp_path / "run.json"))
    assert list(again) == list(trace)
    again.validate()


@pytest.mark.processes
def test_a_run_of_processes_keeps_the_rules():
    with kv.record() as trace, kv.get_executor("process", 2) as executor:
        list(executor.imap(abs, range(6)))
    events = events_of(trace)
    check_rules(events)
    lanes = [event["args"]["name"] for event in events if event["name"] == "thread_name"]
    assert set(lanes) <= {"process-1", "process-2"}


def test_coroutines_are_asynchronous_events_and_their_graph_is_a_row():
    with kv.record(clock="virtual") as trace:
        run_tasks()
    events = [event for event in events_of(trace) if not is_part(event)]
    assert {event["args"]["kind"] for event in events if event["ph"] == "b"} == {"branch"}
    assert {event["args"]["kind"] for event in events if event["ph"] == "X"} == {"graph", "node", "phase"}
    assert len({event["id2"]["local"] for event in events if event["ph"] == "b"}) == 6


# -- parts ---------------------------------------------------------------------------------------------------------

WAITS_THEN_COMPUTES = [("wait", 2), ("cpu", 1)]


def test_the_parts_of_a_branch_lie_within_it():
    trace = make_trace(bar("a", "t-1", 0, 3, parts=WAITS_THEN_COMPUTES))
    check_rules(events_of(trace))
    assert parts_of(trace) == [("wait", 0, 2000), ("cpu", 2000, 3000)]
    assert {event["cat"] for event in events_of(trace, "X") if is_part(event)} == {"part"}


def test_an_unknown_part_has_its_share_of_cpu():
    trace = make_trace(bar("a", "t-1", 0, 3, parts=[("unknown", 2, 0.25), ("blocked", 1)]))
    assert [event["args"].get("cpu_share") for event in events_of(trace, "X") if is_part(event)] == [0.25, None]


def test_parts_are_drawn_where_nothing_else_lies_within_their_span():
    retried = bar("a", "t-1", 0, 5, parts=[("wait", 2), ("pause", 1), ("wait", 2)])
    attempts = [
        bar("a", "t-1", 0, 2, kind="attempt"),
        bar("a", "t-1", 3, 4.5, kind="attempt", parts=[("cpu", 1), ("wait", 0.5)]),
    ]
    trace = make_trace((retried, attempts))
    check_rules(events_of(trace))
    assert parts_of(trace) == [
        ("pause", 2000, 3000), ("cpu", 3000, 4000), ("wait", 4000, 4500), ("wait", 4500, 5000)
    ]  # fmt: skip


@pytest.mark.parametrize(
    "span",
    [
        bar("a", "t-1", 0, 1, parts=[("wait", 1)]), bar("a", "t-1", 0, 1, cpu_s=0.5), bar("a", "t-1", 0, 1),
        bar("a", "t-1", 0, 3, kind="node", parts=WAITS_THEN_COMPUTES),
    ],
)  # fmt: skip
def test_what_did_one_thing_and_what_is_no_work_of_its_own_has_no_parts_in_the_chart(span):
    assert parts_of(make_trace(span)) == []


def test_parts_of_coroutines_are_on_their_tracks():
    with kv.record(clock="virtual") as trace:
        run_tasks()
    trace = make_trace(*(span for span in trace), bar("b", "async-9", 0, 3, parts=WAITS_THEN_COMPUTES, span_id=99))
    check_rules(events_of(trace))
    names = [event["name"] for event in events_of(trace, "be") if event["id2"]["local"] == 99]
    assert names == ["b", "wait", "wait", "cpu", "cpu", "b"]


def test_an_arrow_begins_at_the_last_part():
    trace = make_trace(
        bar("first", "t-1", 0, 3, span_id=1, parts=WAITS_THEN_COMPUTES), bar("then", "t-2", 4, 5, links=(1,))
    )
    assert [event["ts"] / 1e6 for event in events_of(trace, "sf")] == [2, 4]


# -- links, counters, names ----------------------------------------------------------------------------------------


def test_links_are_arrows_from_one_span_to_the_other():
    trace = make_trace(
        bar("map", "main", 0, 2, kind="node", span_id=1),
        bar("reduce", "thread-1", 3, 4, kind="node", span_id=2, links=(1,)),
    )
    start, end = events_of(trace, "sf")
    assert (start["tid"], start["ts"], end["tid"], end["ts"]) == (1, 0.0, 2, 3e6)
    assert start["id"] == end["id"]


def test_a_link_that_would_point_back_or_leads_nowhere_has_no_arrow():
    early, late = (bar("early", "t-1", 0, 1, span_id=1, links=(2, 9)), bar("late", "t-2", 2, 3, span_id=2))
    assert events_of(make_trace(early, late, check=False), "sf") == []


def test_queues_are_counted_for_each_node():
    branches = [bar("a", "t-1", 0, 1), bar("a", "t-1", 1, 3, queued_s=1), bar("a", "t-1", 3, 4, queued_s=2)]
    trace = make_trace((bar("Check", "main", 0, 4, kind="node"), branches))
    counts = [(event["name"], event["ts"] / 1e6, event["args"]["waiting"]) for event in events_of(trace, "C")]
    assert counts == [("queue of Check", 0.0, 1), ("queue of Check", 1.0, 1), ("queue of Check", 3.0, 0)]


def test_memory_in_use_is_counted():
    columns = make_trace(bar("a", "t-1", 1, 3)).columns
    samples = MemorySamples(np.array([500_000_000, 1_500_000_000]), np.array([5, 7]))
    counts = [(event["ts"], event["args"]) for event in events_of(Trace(columns, 0, samples), "C")]
    assert counts == [(500_000.0, {"bytes": 7})]


def test_what_is_used_of_a_limit_is_counted_beside_the_limit():
    columns = make_trace(bar("a", "t-1", 1, 3)).columns
    gauge = GaugeSamples((500_000_000, 1_500_000_000), (1, 2), (4, 5))
    events = events_of(Trace(columns, gauges={"geo: calls in flight": gauge}), "C")
    assert [(event["name"], event["ts"], event["args"]) for event in events] == [
        ("geo: calls in flight", 500_000.0, {"used": 2, "limit": 5})
    ]


def test_rows_are_sorted_as_people_do():
    lanes = ["thread-10", "thread-2", "main", "process-1"]
    events = events_of(make_trace(*(bar("a", lane, 0, 1) for lane in lanes)), "M")
    named = [(event["args"]["name"], event["tid"]) for event in events if event["name"] == "thread_name"]
    assert named == [("main", 1), ("process-1", 2), ("thread-2", 3), ("thread-10", 4)]


def test_what_did_not_end_well_says_so():
    (event,) = events_of(make_trace(bar("check", "main", 0, 1, status="timeout")), "X")
    assert event["name"] == "check (timeout)"


def test_what_was_dropped_is_shown():
    first, *_ = events_of(make_trace(bar("check", "main", 0, 1), dropped=1234), "M")
    assert first["args"]["name"] == "kaygraph-viz, 1,234 spans not kept"


def test_a_prediction_says_what_it_was_made_from(tmp_path):
    trace = make_trace(bar("a", "t-1", 0, 1)).as_predicted_from("the run with 4 workers")
    first = to_perfetto(trace)["traceEvents"][0]
    assert first["args"]["name"] == "kaygraph-viz, predicted from the run with 4 workers"
    assert load(to_perfetto(trace, tmp_path / "run.json")).predicted_from == "the run with 4 workers"


def test_an_empty_trace_has_no_events_and_comes_back(tmp_path):
    assert events_of(make_trace()) == []
    assert len(load(to_perfetto(make_trace(), tmp_path / "run.json"))) == 0


# -- files ---------------------------------------------------------------------------------------------------------


def test_hostile_texts_are_shown_harmless_and_come_back_as_they_were(tmp_path):
    spans = (bar(word, word, i, i + 1, error=word or None, **{word[:99]: word}) for i, word in enumerate(HOSTILE))
    trace = make_trace(*spans)
    check_rules(events_of(trace))
    path = to_perfetto(trace, tmp_path / "run.json")
    assert list(load(path)) == list(trace)
    assert json.loads(path.read_text(encoding="utf-8"))["otherData"]["spans"] == len(HOSTILE)


def test_a_lone_surrogate_becomes_a_question_mark(tmp_path):
    path = to_perfetto(make_trace(bar("\ud800", "main", 0, 1, **{"\udfff": ["\ud800"]})), tmp_path / "run.json")
    assert (load(path).spans[0].name, dict(load(path).spans[0].attributes)) == ("?", {"?": ["?"]})


def test_numbers_that_json_has_no_word_for_become_text(tmp_path):
    trace = make_trace(bar("a", "main", 0, 1, nan=float("nan"), many=[float("inf")]))
    again = load(to_perfetto(trace, tmp_path / "run.json"))
    assert again.spans[0].attributes == {"nan": "nan", "many": ["inf"]}


@pytest.mark.parametrize("word", ["\\", "a\\", "\\\\", '\\"', '"\\', 'x\\",', "C:\\data\\"])
def test_no_text_in_the_file_ends_with_a_backslash_that_old_viewers_misread(tmp_path, word):
    path = to_perfetto(make_trace(bar(word, "main", 0, 1, folder=word)), tmp_path / "run.json")
    assert re.findall(r'(?<!\\)(?:\\\\)+"', path.read_text(encoding="utf-8")) == []
    assert load(path).spans[0].attributes == {"folder": word}


def test_equal_traces_make_equal_files(tmp_path):
    trace = make_trace(bar("a", "main", 0, 1), bar("b", "async-1", 0, 1, queued_s=0))
    for suffix in ("json", "json.gz"):
        one, two = (to_perfetto(trace, tmp_path / f"{name}.{suffix}") for name in "ab")
        assert one.read_bytes() == two.read_bytes()


def test_the_file_is_the_data_and_compressed_by_its_suffix(tmp_path):
    trace = make_trace(bar("a", "main", 0, 1))
    data = json.loads(json.dumps(to_perfetto(trace)))
    assert json.loads(to_perfetto(trace, tmp_path / "run.json").read_text(encoding="utf-8")) == data
    assert json.loads(gzip.decompress(to_perfetto(trace, tmp_path / "run.json.gz").read_bytes())) == data


def test_a_failed_export_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    trace = make_trace(bar("a", "main", 0, 1))
    path = to_perfetto(trace, tmp_path / "run.json")
    before = path.read_bytes()

    def full(span):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(perfetto, "as_fields", full)
    with pytest.raises(OSError, match="No space left"):
        to_perfetto(trace, path)
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == ["run.json"]


# -- track events --------------------------------------------------------------------------------------------------


def drawn(*spans):
    return list(track_events((1, span) for span in spans))


def pieces(*spans):
    return [
        (step.part.kind, step.started_ns / 1e9, step.ended_ns / 1e9)
        for step in drawn(*spans)
        if type(step) is PartPiece
    ]


def test_parts_are_cut_where_other_spans_lie():
    outer = bar("outer", "t", 0, 6, parts=[("wait", 2), ("cpu", 4)])
    assert pieces(outer, bar("inner", "t", 1, 3), bar("inner", "t", 5, 6)) == [("wait", 0, 1), ("cpu", 3, 5)]


lengths = st.lists(st.integers(1, 9), min_size=2, max_size=5)


@given(lengths, st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=4))
def test_pieces_and_inner_spans_fill_a_span_and_never_overlap(lengths, inner):
    parts = [(PART_KINDS[place % 6], length) for place, length in enumerate(lengths)]
    outer = bar("outer", "t", 0, sum(lengths), parts=parts)
    cuts = sorted(min(cut, sum(lengths)) for pair in inner for cut in pair)
    inside = [bar("inner", "t", begin, end) for begin, end in zip(cuts[::2], cuts[1::2], strict=True)]
    steps = drawn(outer, *inside)
    stretches = [
        (step.started_ns, step.ended_ns) if type(step) is PartPiece else (step.span.started_ns, step.span.ended_ns)
        for step in steps[1:-1]
        if isinstance(step, (PartPiece, SpanBegin))
    ]
    assert [begin for begin, _ in stretches] == sorted(begin for begin, _ in stretches)
    assert sum(end - begin for begin, end in stretches) == outer.ended_ns
    assert all(end <= begin for (_, end), (begin, _) in pairwise(stretches))


# -- tracks --------------------------------------------------------------------------------------------------------


def apart(*spans):
    """Return by name on whose track a span is; 0 for the row of its lane."""
    columns = make_trace(*spans, check=False).columns
    tracks = place(columns)
    return {columns.span(place).name: int(tracks.apart[place]) for place in tracks.order.tolist()}


def test_spans_within_each_other_share_the_row_of_their_lane():
    assert apart((bar("a", "t-1", 0, 3), [bar("b", "t-1", 0, 3), bar("c", "t-1", 1, 2)])) == {"a": 0, "b": 0, "c": 0}


def test_a_span_that_overlaps_goes_apart_with_what_lies_within_it():
    late = (bar("late", "t-1", 1, 4, status="abandoned"), [bar("inner", "t-1", 3, 4)])
    assert apart(bar("a", "t-1", 0, 2), late) == {"a": 0, "late": 2, "inner": 2}
    assert apart(bar("a", "t-1", 0, 3.5), late) == {"a": 0, "late": 2, "inner": 2}


@pytest.mark.parametrize("lane", ["async-1", "task-3", "process-2/async-1"])
def test_each_branch_of_coroutines_has_its_own_track(lane):
    one = (bar("one", lane, 0, 2), [bar("call", lane, 0, 1)])
    assert apart(one, bar("two", lane, 3, 4)) == {"one": 1, "call": 1, "two": 3}


def test_a_graph_in_a_task_is_a_row_with_all_that_lies_within():
    phase = (bar("exec", "task-1", 0, 3, kind="phase"), [bar("call", "task-1", 1, 2)])
    assert apart((bar("node", "task-1", 0, 3, kind="node"), [phase])) == {"node": 0, "exec": 0, "call": 0}


def test_of_what_begins_at_once_the_outer_comes_first_whatever_its_number():
    inner = bar("inner", "process-1", 0, 2, span_id=1)
    assert list(apart((bar("outer", "process-1", 0, 2, span_id=2), [inner]))) == ["outer", "inner"]


def test_a_branch_that_takes_no_time_keeps_its_place():
    phases = [bar("prep", "main", 0, 0, kind="phase"), bar("exec", "main", 0, 2, kind="phase")]
    assert apart((bar("node", "main", 0, 2, kind="node"), phases)) == {"node": 0, "prep": 0, "exec": 0}


def test_a_circle_of_parents_comes_to_an_end():
    columns = make_trace(
        bar("a", "main", 0, 1, span_id=1, parent_id=2), bar("b", "main", 0, 1, span_id=2, parent_id=1), check=False
    ).columns
    assert len(place(columns).order) == len(outside_in(columns)) == len(nearest_node(columns)) == 2


def test_lanes_whose_names_became_the_same_are_one_row():
    lanes = ["x" * 300 + end for end in "ab"]
    assert apart(bar("a", lanes[0], 0, 2), bar("b", lanes[1], 1, 3)) == {"a": 0, "b": 2}


def test_ten_thousand_levels_are_in_order():
    spans = [bar("level", "main", 0, 1, span_id=number, parent_id=number + 1) for number in range(1, 10_000)]
    order = outside_in(make_trace(*spans, bar("top", "main", 0, 1, span_id=10_000)).columns)
    assert np.array_equal(order, np.arange(9_999, -1, -1))
