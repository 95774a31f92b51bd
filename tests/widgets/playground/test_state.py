"""The log of a panel: which runs compare, which is the fastest, and how they are said."""

from __future__ import annotations

import pytest

from kaygraph_viz.testing import bar, make_trace
from kaygraph_viz.trace.trace import Trace
from kaygraph_viz.virtual.clock import VirtualClock
from kaygraph_viz.widgets.playground import state
from kaygraph_viz.widgets.playground.options import KNOWN
from kaygraph_viz.widgets.playground.state import BEST, MAX_TRIED, Log, rounded

OPTIONS = [KNOWN[name] for name in ("workers", "schedule", "items")]


def trace_of(workers, items=8):
    """Return branches of one second on so many workers."""
    return make_trace(*(bar("check", f"t-{at % workers}", at // workers, at // workers + 1) for at in range(items)))


def settings(workers, schedule="dynamic", items=8):
    return {"workers": workers, "schedule": schedule, "items": items}


@pytest.fixture
def log():
    return Log(OPTIONS)


def test_same_settings_again_are_a_run_of_their_own(log):
    first = log.add(settings(2), trace_of(2))
    log.add(settings(4), trace_of(4))
    again = log.add(settings(2), trace_of(1))
    assert [entry.workers for entry in log.entries] == [2, 4, 2]
    assert log.runs(settings(2)) == [first, again]
    assert log.find(settings(2)) is again
    assert log.find(settings(3)) is None


def test_repeats_share_a_line_which_opens_for_one_of_them(log):
    first, again = log.add(settings(2), trace_of(2)), log.add(settings(2), trace_of(1))
    four = log.add(settings(4), trace_of(4))
    assert [row[1:3] for row in log.table()[1:]] == [("2", "2 runs: 4.0-8.0 s"), ("4", "2.00 s")]
    assert log.lines() == log.lines(four) == [again, four]
    assert [row[1:3] for row in log.table(first)[1:]] == [
        ("2", "2 runs: 4.0-8.0 s"), ("run 1", "4.00 s"), ("run 2", "8.00 s"), ("4", "2.00 s")
    ]  # fmt: skip
    assert log.lines(first) == [again, first, again, four]
    assert [log.title(entry) for entry in (first, four)] == ["2 workers, run 1: 4.00 s", "4 workers: 2.00 s"]


def test_a_repeat_says_how_it_compares_with_the_runs_before(log):
    first, again = log.add(settings(2), trace_of(2)), log.add(settings(2), trace_of(1))
    assert log.again(first) == ""
    assert log.again(again) == "Run 2 with these settings: both took 4.0-8.0 s."


def test_a_repeat_in_simulated_time_says_that_it_is_the_same(log):
    simulated = [Trace(trace_of(2).columns, machine=VirtualClock().machine) for _ in range(2)]
    first, again = (log.add(settings(2), trace) for trace in simulated)
    assert (first.is_simulated, log.again(first)) == (True, "")
    assert log.again(again) == "Run 2 with these settings: the same as before, since time is simulated."


def test_a_run_says_how_far_off_its_prediction_was(log):
    run = log.add(settings(2), trace_of(2), predicted_s=5.0)
    assert log.again(run) == "Predicted 5.00 s, measured 4.00 s: 25% too long."


def test_a_complete_run_takes_the_place_of_one_that_was_stopped(log):
    log.add(settings(2), trace_of(2), is_whole=False)
    whole = log.add(settings(2), trace_of(2))
    assert log.entries == [whole]


def test_the_nearest_run_differs_in_nothing_but_workers(log):
    two, eight = log.add(settings(2), trace_of(2)), log.add(settings(8), trace_of(8))
    log.add(settings(5, "static"), trace_of(5))
    log.add(settings(4), trace_of(4), is_whole=False)
    assert [log.nearest(settings(count)) for count in (1, 4, 5, 6)] == [two, two, two, eight]
    assert log.nearest(settings(4, items=4)) is None


def test_nothing_is_predicted_from_a_run_without_parallel_calls(log):
    alone = log.add(settings(2), make_trace(bar("exec", "main", 0, 1, kind="phase")))
    assert (alone.what_if, log.nearest(settings(3))) == (None, None)


def test_log_forgets_the_oldest_runs(log):
    trace = trace_of(1)
    for seed in range(MAX_TRIED + 2):
        log.add({**settings(1), "seed": seed}, trace)
    assert len(log.entries) == MAX_TRIED
    assert log.find({**settings(1), "seed": 1}) is None


def test_only_runs_with_the_same_workload_compare(log):
    few, many = log.add(settings(2, items=4), trace_of(2, 4)), log.add(settings(2), trace_of(2))
    static = log.add(settings(4, "static"), trace_of(4))
    assert log.alike(many) == [many, static]
    assert log.series(many) == [many]
    assert log.alike(few) == [few]
    other = log.add(settings(8), trace_of(8))
    assert log.series(many) == [many, other]


def test_the_fastest_is_best_and_of_equals_the_one_with_the_fewest_workers(log):
    log.add(settings(2), trace_of(2))
    best, equal = log.add(settings(8), trace_of(8)), log.add(settings(16), trace_of(8))
    assert [log.is_best(entry) for entry in log.entries] == [False, True, False]
    assert (best.trace.makespan_s, equal.trace.makespan_s) == (1.0, 1.0)


def test_a_run_alone_is_not_called_the_best(log):
    assert not log.is_best(log.add(settings(2), trace_of(2)))


def test_a_run_that_was_stopped_is_compared_with_nothing(log):
    log.add(settings(1), trace_of(1))
    stopped = log.add(settings(8), trace_of(8), is_whole=False)
    assert stopped.predicted is None
    assert log.table()[2] == ("", "8", "stopped", "", "8")
    assert log.result(stopped) == "This run was stopped: the chart shows the time until then."
    assert log.title(stopped) == "8 workers: stopped"


def test_gain_is_measured_where_one_worker_was_tried_and_else_predicted(log):
    four = log.add(settings(4), trace_of(4))
    assert log.gain(four) == "about 4.0"
    assert log.result(four).endswith("about 4.0 times as fast as one worker, which would probably take 8.00 s.")
    log.add(settings(1), trace_of(1))
    assert log.gain(four) == "4.0"
    assert log.result(four) == (
        "8 branches with 4 workers took 2.00 s: 4.0 times as fast as one worker, which took 8.00 s."
    )


def test_failed_branches_are_counted_in_the_result(log):
    failed = [bar("check", f"t-{at}", 0, 1, status="error", error="E") for at in range(2)]
    log.add(settings(1, items=4), trace_of(1, 4))
    entry = log.add(settings(4, items=4), make_trace(*failed, bar("check", "t-2", 0, 1), bar("check", "t-3", 0, 1)))
    assert log.result(entry).endswith(" 2 failed.")


def test_large_runs_are_not_predicted(log, monkeypatch):
    monkeypatch.setattr(state, "CHEAP_SPANS", 7)
    four = log.add(settings(4), trace_of(4))
    assert (four.predicted, log.one_worker_s(four), log.gain(four)) == (None, None, "")


def test_table_has_a_column_for_each_setting_that_differs(log):
    log.add(settings(2), trace_of(2))
    log.add(settings(4), trace_of(4))
    log.add(settings(2, items=16), trace_of(2, 16))
    assert log.table() == [
        ("", "workers", "items", "makespan", "times as fast", "at once"),
        ("", "2", "8", "4.00 s", "about 2.0", "2"),
        (BEST, "4", "8", "2.00 s", "about 4.0", "4"),
        ("", "2", "16", "8.00 s", "about 2.0", "2"),
    ]
    assert log.title(log.entries[2]) == "2 workers, items 16: 8.00 s"


def test_charts_have_room_for_the_longest_run_and_the_most_rows(log):
    assert log.max_rows == 0
    runs = log.add(settings(2), trace_of(2)), log.add(settings(8), trace_of(8))
    assert [log.scale_s(run) for run in runs] == [4.0, 4.0]
    assert log.max_rows == 8


def test_a_workload_that_would_fill_hardly_any_of_a_chart_has_a_scale_of_its_own(log):
    many, half = log.add(settings(1, items=32), trace_of(1, 32)), log.add(settings(1, items=16), trace_of(1, 16))
    few, fewer = log.add(settings(1, items=4), trace_of(1, 4)), log.add(settings(4, items=4), trace_of(4, 4))
    assert [log.scale_s(run) for run in (many, half, few, fewer)] == [32.0, 32.0, 4.0, 4.0]


def test_one_worker_whose_branches_have_workers_of_their_own_is_one_worker(log):
    alone = log.add(settings(1), trace_of(4))
    assert log.result(alone) == "8 branches with 1 worker took 2.00 s."


def test_numbers_are_rounded_and_other_values_stay():
    assert rounded(0.1 + 0.2) == 0.3
    assert [rounded(value) for value in (3, "static", None)] == [3, "static", None]
