"""Trace: access, selection, short texts."""

from __future__ import annotations

import pickle
import sys

import pytest

from kaygraph_viz.base.errors import OptionError
from kaygraph_viz.base.machine import this_machine
from kaygraph_viz.clock.virtual.clock import VirtualClock
from kaygraph_viz.recording import record
from kaygraph_viz.testing import FakeClock, bar, make_trace
from kaygraph_viz.trace.recorder import span
from kaygraph_viz.trace.trace import Trace, load


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
