"""The trace of a replay: valid, with new lanes, and the one that a run with so many workers leaves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kaygraph_viz.analysis.summary import summarize
from kaygraph_viz.analysis.what_if.what_if import what_if
from kaygraph_viz.plot.gantt.gantt import gantt
from kaygraph_viz.testing import assert_trace
from tests.analysis.what_if.runs import (
    RUNS,
    calls_within_branches,
    computing_then_waiting,
    different_operations,
    one_after_the_other,
    stages,
    trying_again,
    waiting,
)


def without_chunks(trace):
    """Return the spans without chunks, and without parts, of which a replay notes none."""
    return [replace(span, noted_parts=None) for span in trace if not span.name.startswith("chunk ")]


@pytest.mark.parametrize("make", RUNS)
def test_the_replay_of_a_run_is_the_run(make):
    trace = make(3)
    assert_trace(what_if(trace).trace().validate(), without_chunks(trace))


@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize("make", [waiting, computing_then_waiting, different_operations, stages])
def test_the_trace_of_a_replay_is_that_of_a_run_with_so_many_workers(make, workers):
    assert_trace(what_if(make(3)).trace(workers).validate(), make(workers))


def test_a_replay_can_be_drawn_and_summarized():
    replayed = what_if(one_after_the_other(6)).trace(3)
    assert gantt(replayed).get_title(loc="left").startswith("3 workers, 6 branches, 2.00 s")
    summary = summarize(replayed)
    assert (summary.workers, summary.makespan_s, summary.peak_concurrency) == (3, 2, 3)


def test_numbers_of_workers_are_noted_anew():
    replayed = what_if(one_after_the_other(6), executor="process").trace(8)
    (phase,) = replayed.where(kind="phase")
    assert phase.attributes == {"executor": "process", "workers": 6}
    assert set(replayed.lanes) == {"main", *(f"process-{number}" for number in range(1, 7))}


def test_workers_of_calls_within_branches_have_lanes_of_their_own():
    replayed = what_if(calls_within_branches(2), executor="process").trace(2)
    assert {lane for lane in replayed.lanes if "/" in lane} == {
        f"process-{outer}/thread-{inner}" for outer in (1, 2) for inner in (1, 2)
    }


def test_details_of_branches_move_with_them():
    trace = trying_again(1)
    replayed = what_if(trace).trace(8).validate()
    assert replayed.counts() == trace.counts()
    lanes = {span.lane for span in replayed.where(kind="branch")}
    assert {span.lane for span in replayed.where(kind="attempt")} <= lanes


def test_recorded_traces_are_left_alone():
    trace = one_after_the_other()
    before = list(trace)
    what_if(trace, speed={"b": 2}, executor="process").trace(2)
    assert list(trace) == before
