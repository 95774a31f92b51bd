"""Trace: access, selection, short texts."""

from __future__ import annotations

import pickle
import sys

import pytest

from kaygraph_viz.base.errors import OptionError, TraceError
from kaygraph_viz.base.machine import this_machine
from kaygraph_viz.base.parts import NO_SHARE, PART_CODE
from kaygraph_viz.clock.virtual.clock import VirtualClock
from kaygraph_viz.recording import record
from kaygraph_viz.testing import FakeClock, bar, make_trace
from kaygraph_viz.trace.invariants import impossibilities
from kaygraph_viz.trace.recorder import span
from kaygraph_viz.trace.row import Row
from kaygraph_viz.trace.span import Span
from kaygraph_viz.trace.trace import Trace, load, so_far


@pytest.fixture
def trace() -> Trace:
    return make_trace(
        (
            bar("Check", "main", 1, 9, kind="node"),
            [
                bar("b", "thread-2", 3, 5, queued_s=1, cpu_s=0.5, index=1),
                bar("a", "thread-1", 2, 4, queued_s=1, index=0, status="error", error="ValueError: bad"),
            ],
        )
    )


def test_spans_are_ordered_by_start(trace):
    assert [s.name for s in trace] == ["Check", "a", "b"]
    assert [s.name for s in trace.spans[1:]] == ["a", "b"]
    assert trace.spans[-1].name == "b"
    assert len(trace) == len(trace.spans) == 3


def test_lanes_come_in_the_order_of_their_first_span(trace):
    assert trace.lanes == ("main", "thread-1", "thread-2")


def test_makespan_is_from_the_first_submission_to_the_last_end(trace):
    assert trace.makespan_s == 8.0
    assert make_trace().makespan_s == 0


def test_a_prediction_stays_one(trace, tmp_path):
    predicted = trace.as_predicted_from("the run with 4 workers")
    assert trace.predicted_from == ""
    assert repr(predicted).endswith(", predicted from the run with 4 workers>")
    assert (predicted.columns, predicted.dropped, predicted.machine) == (trace.columns, trace.dropped, trace.machine)
    for again in (pickle.loads(pickle.dumps(predicted)), load(predicted.save(tmp_path / "run.jsonl"))):
        assert again.predicted_from == "the run with 4 workers"


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ({}, ["Check", "a", "b"]),
        ({"kind": "branch"}, ["a", "b"]),
        ({"name": "b"}, ["b"]),
        ({"status": "error"}, ["a"]),
        ({"kind": "node", "status": "error"}, []),
    ],
)
def test_where_selects(trace, wanted, names):
    assert [s.name for s in trace.where(**wanted)] == names


@pytest.mark.parametrize("wanted", [{"kind": "step"}, {"status": "failed"}])
def test_where_refuses_unknown_words(trace, wanted):
    with pytest.raises(OptionError, match="one of"):
        trace.where(**wanted)


def test_counts_by_kind_and_by_status_other_than_ok(trace):
    assert trace.counts() == {"node": 1, "branch": 2, "error": 1}


def test_texts(trace):
    assert repr(trace) == "<Trace: 3 spans on 3 lanes, 8 s>"
    assert "branch 2, error 1" in str(trace)


def test_the_rich_form_is_inert():
    html = make_trace(bar("a", "<script>alert(1)</script>", 0, 1))._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_hostile_names_and_lanes_are_written_out():
    trace = make_trace(bar("a\0\ud800", "l\u202e", 0, 1))
    assert repr(trace.spans[0]) == "<Span 1 branch a\\x00\\ud800 on l\\u202e: 1e+03 ms, ok>"
    assert "lanes: l\\u202e" in str(trace)


# -- where it was recorded ------------------------------------------------------------------------------------------


def test_a_real_run_names_the_machine(tmp_path):
    with record() as trace, span("a"):
        assert trace.machine == this_machine()
    assert load(trace.save(tmp_path / "run.jsonl")).machine == trace.machine == this_machine()


def test_a_run_of_a_free_threaded_python_says_so(monkeypatch):
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    with record() as trace:
        pass
    assert not trace.machine.has_gil


def test_a_simulated_run_names_the_machine_that_was_simulated():
    with record(clock=VirtualClock(cores=3, gil=False)) as trace, span("a"):
        pass
    assert (trace.machine.cores, trace.machine.has_gil) == (3, False)


def test_a_run_on_another_clock_names_none(trace, tmp_path):
    with record(clock=FakeClock()) as other, span("a"):
        pass
    assert other.machine is trace.machine is load(trace.save(tmp_path / "run.jsonl")).machine is None


# -- span ----------------------------------------------------------------------------------------------------------


BLOCKED, CPU, WAIT = (PART_CODE[kind] for kind in ("blocked", "cpu", "wait"))
S = 10**9


def made(**fields):
    return Span(**{
        "span_id": 2, "parent_id": 1, "name": "b", "kind": "branch", "lane": "thread-2",
        "submitted_ns": 2 * S, "started_ns": 3 * S, "ended_ns": 5 * S,
    } | fields)  # fmt: skip


def test_waiting_is_what_was_neither_cpu_nor_blocked():
    assert made(cpu_ns=S // 2, blocked_ns=S).waiting_ns == S // 2
    assert made(cpu_ns=2 * S, blocked_ns=S).waiting_ns == 0  # clocks differ a little
    assert made().waiting_ns is None


def test_the_short_form_has_the_item_and_no_control_characters():
    assert repr(made(index=1)) == "<Span 2 branch b[1] on thread-2: 2e+03 ms, ok>"
    assert repr(made(name="a\0\ud800", lane="l\u202e")) == "<Span 2 branch a\\x00\\ud800 on l\\u202e: 2e+03 ms, ok>"


def told(one):
    return [(part.kind, part.started_ns / S, part.ended_ns / S, part.cpu_share) for part in one.parts]


def test_noted_parts_follow_each_other_from_start_to_end():
    noted = ((WAIT, 4 * S, NO_SHARE), (CPU, 5 * S, NO_SHARE))
    assert told(made(cpu_ns=S, noted_parts=noted)) == [("wait", 3, 4, None), ("cpu", 4, 5, None)]


@pytest.mark.parametrize(
    ("sums", "parts"),
    [
        ({"cpu_ns": 2 * S}, [("cpu", 3, 5, None)]),
        ({"cpu_ns": 0}, [("wait", 3, 5, None)]),
        ({}, [("unknown", 3, 5, None)]),
        ({"cpu_ns": S // 2, "blocked_ns": S}, [("unknown", 3, 4, 0.5), ("blocked", 4, 5, None)]),
        ({"ended_ns": 3 * S}, []),
    ],
)
def test_without_noted_parts_the_sums_say_what_can_be_said(sums, parts):
    assert told(made(**sums)) == parts


def row(**fields):
    return Row(1, 0, -1, "check", "branch", "thread-1", 0, 0, 10, **fields)


def test_a_row_that_is_blocked_longer_has_a_part_more():
    longer = row(cpu_ns=10, parts=((WAIT, 4, NO_SHARE), (CPU, 10, NO_SHARE))).blocked_until(15, 5)
    assert (longer.ended_ns, longer.blocked_ns) == (15, 5)
    assert longer.parts == ((WAIT, 4, NO_SHARE), (CPU, 10, NO_SHARE), (BLOCKED, 15, NO_SHARE))


def test_a_row_whose_end_is_not_later_only_counts_what_was_blocked():
    assert row(blocked_ns=1).blocked_until(10, 2) == row(blocked_ns=3)


# -- live spans ----------------------------------------------------------------------------------------------------


def test_open_spans_are_there_with_their_parents():
    with record() as trace, span("node", kind="node"), span("outer", kind="phase"):
        with span("done"):
            pass
        with span("going on"):
            shown, still_open = so_far(trace)
    names = {each.span_id: each.name for each in shown}
    assert [names[number] for number in sorted(still_open)] == ["node", "outer", "going on"]
    assert {each.name: names.get(each.parent_id) for each in shown}["done"] == "outer"
    assert {each.status for each in shown} == {"ok"}
    shown.validate()


def test_the_trace_itself_is_not_touched():
    with record() as trace, span("a"):
        so_far(trace)
        assert len(trace) == 0
    assert [each.name for each in trace] == ["a"]
    trace.validate()


def test_texts_that_are_known_keep_their_numbers():
    with record() as trace:
        with span("a"):
            pass
        with span("a"):
            shown, _ = so_far(trace)
    assert shown.columns.names == ("a",)
    assert [each.name for each in shown] == ["a", "a"]


def test_a_clock_of_tests_is_not_asked():
    clock = FakeClock()
    with record(clock=clock) as trace:
        with span("a"):
            clock.compute(2)
        with span("b"):
            clock.compute(5)
            shown, _ = so_far(trace)
    assert [(each.name, each.service_s) for each in shown] == [("a", 2.0), ("b", 0.0)]


def test_a_complete_trace_is_returned_as_it_is():
    trace = make_trace(bar("a", "t", 0, 1))
    assert so_far(trace) == (trace, frozenset())


# -- invariants ----------------------------------------------------------------------------------------------------


def broken(*spans, dropped=0):
    with pytest.raises(TraceError) as caught:
        make_trace(*spans, dropped=dropped, check=False).validate()
    return str(caught.value)


def test_an_empty_trace_is_valid():
    assert len(make_trace().validate()) == 0


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (bar("a", "main", 1, 2, queued_s=-1), "'a' started before it was submitted"),
        (bar("a", "main", 2, 1), "'a' ended before it started"),
        (bar("a", "main", 1, 2, cpu_s=1.5), "'a' used more CPU time than it lasted"),
        (bar("a", "main", 1, 2, blocked_s=1.5), "'a' was blocked longer than it lasted"),
        (bar("a", "main", 1, 2, span_id=-3), "has a number below 1"),
        (bar("a", "main", 1, 2, parent_id=99), "'a' has a parent that does not exist"),
        (bar("a", "main", 1, 2, links=(99,)), "links to a span that does not exist"),
    ],
)
def test_one_span_that_cannot_be(span, text):
    assert text in broken(span)


def test_a_span_that_ended_twice():
    assert "span 3 ended 2 times" in broken(bar("a", "main", 0, 1, span_id=3), bar("b", "t-1", 0, 1, span_id=3))


def test_a_child_that_started_before_its_parent():
    assert "'b' started before its parent" in broken((bar("a", "main", 1, 3), [bar("b", "t-1", 0, 2)]))


def test_a_child_that_ended_after_its_parent():
    assert "'b' ended after its parent" in broken((bar("a", "main", 1, 3), [bar("b", "t-1", 2, 4)]))


def test_an_abandoned_child_may_outlive_its_parent():
    make_trace((bar("a", "main", 1, 3), [bar("b", "t-1", 2, 4, status="abandoned")])).validate()


@pytest.mark.parametrize("length", [1, 2, 3, 1000])
def test_spans_that_are_their_own_ancestors(length):
    ring = [bar("a", "main", 0, 1, span_id=i + 1, parent_id=(i + 1) % length + 1) for i in range(length)]
    assert "their own ancestors" in broken(*ring, bar("b", "main", 0, 1))


def test_two_bars_of_one_lane_that_overlap():
    assert "two branches overlap on lane 't-1'" in broken(bar("a", "t-1", 0, 2), bar("b", "t-1", 1, 3))


def test_bars_that_touch_do_not_overlap():
    make_trace(bar("a", "t-1", 0, 2), bar("b", "t-1", 2, 3)).validate()


def test_a_branch_may_contain_branches_on_its_own_lane():
    make_trace((bar("a", "t-1", 0, 3), [bar("b", "t-1", 0, 1), bar("c", "t-1", 1, 3)])).validate()


def test_an_abandoned_bar_overlaps_nothing():
    make_trace(bar("a", "t-1", 0, 9, status="abandoned"), bar("b", "t-1", 1, 3)).validate()


def test_where_spans_were_dropped_a_parent_may_be_missing():
    make_trace(bar("a", "main", 1, 2, parent_id=99, links=(98,)), dropped=1).validate()


def test_very_deep_nesting_is_checked_in_one_go():
    chain = [bar("a", "main", 0, 1, span_id=i, parent_id=i - 1 or None) for i in range(1, 20_001)]
    make_trace(*chain).validate()


def test_the_first_few_of_many_are_named():
    text = broken(*(bar("a", "main", 2, 1) for _ in range(7)))
    assert "span 1 'a' ended before it started (and 6 more)" in text


def test_what_no_run_can_leave_is_told_from_what_only_breaks_a_rule():
    assert impossibilities(make_trace(bar("a", "main", 2, 1), check=False).columns)
    outlives = make_trace((bar("a", "main", 1, 3), [bar("b", "t-1", 2, 4)]), check=False)
    assert not impossibilities(outlives.columns)
