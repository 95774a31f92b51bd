"""How many workers are enough: the replay, calls and the time outside of them, one interpreter for all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaygraph_viz.analysis.list_schedule import list_schedule
from kaygraph_viz.analysis.suggest import MAX_WORKERS, Suggestion, suggest_workers
from kaygraph_viz.clock import compute, sleep
from kaygraph_viz.execute.registry import get_executor
from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.recorder import record, span


def recorded(durations, workers, *, kind="thread", function=sleep):
    with record(clock="virtual") as trace, get_executor(kind, workers) as executor, span("exec", kind="phase"):
        list(executor.imap(function, durations))
    return trace


def test_nothing_recorded_suggests_nothing():
    assert suggest_workers(make_trace()) == Suggestion()
    assert suggest_workers(make_trace(bar("prep", "main", 0, 1, kind="phase"))) == Suggestion()


def test_the_longest_branch_says_how_many_are_enough():
    suggestion = suggest_workers(recorded([4] + [1] * 8, 1))
    assert suggestion == Suggestion(3, {1: 12, 2: 6, 3: 4, 4: 4, 8: 4})


@pytest.mark.parametrize("recorded_with", [1, 3, 8])
def test_the_suggestion_does_not_depend_on_how_many_there_were(recorded_with):
    assert suggest_workers(recorded([1] * 12, recorded_with)).workers == 12


@given(st.lists(st.integers(0, 9), min_size=1, max_size=12), st.integers(1, 5), st.integers(1, 5))
def test_the_replay_is_what_would_have_happened(durations, before, after):
    predicted = suggest_workers(recorded(durations, before)).makespan_s
    if after in predicted:
        assert predicted[after] == pytest.approx(recorded(durations, after).makespan_s)


def test_time_outside_of_branches_stays():
    first = (bar("exec", "main", 1, 5, kind="phase"), [bar("a", "t-1", second, second + 1) for second in range(1, 5)])
    second = (bar("exec", "main", 7, 9, kind="phase"), [bar("b", "t-1", 7, 8), bar("b", "t-1", 8, 9)])
    suggestion = suggest_workers(make_trace(bar("prep", "main", 0, 1, kind="phase"), first, second))
    assert suggestion.makespan_s == {1: 9, 2: 3 + 2 + 1, 4: 3 + 1 + 1}
    assert suggestion.workers == 4


def test_calls_that_overlap_share_their_workers():
    calls = [
        (bar("exec", f"t-{lane}", 0, 4, kind="phase"), [bar("a", f"u-{lane}", at, at + 2) for at in (0, 2)])
        for lane in (1, 2)
    ]
    assert suggest_workers(make_trace(*calls)).makespan_s == {1: 8, 2: 4, 4: 2}


def test_threads_that_compute_share_one_interpreter():
    assert suggest_workers(recorded([0.1] * 20, 8, function=compute)).workers == 1


def test_processes_that_compute_share_the_four_cores_of_simulated_time():
    assert suggest_workers(recorded([0.1] * 20, 8, kind="process", function=compute)).workers == 4


def test_no_more_than_64_are_suggested():
    assert suggest_workers(recorded([1] * 100, 4)).workers == 50  # two rounds of it, as with 64 or 99
    assert max(suggest_workers(recorded([1] * 100, 4)).makespan_s) == MAX_WORKERS
    assert list_schedule([1] * 100, 50).makespan_ns == list_schedule([1] * 100, 64).makespan_ns
