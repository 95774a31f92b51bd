"""What the bars of a run did, in numbers and words."""

from __future__ import annotations

from kaygraph_viz.plot.gantt.chart import Chart
from kaygraph_viz.plot.gantt.parts_description import part_times_s, where_time_went
from kaygraph_viz.testing import bar, make_trace


def run_of(*spans):
    return Chart.of(make_trace(*spans)).runs[0]


def said(run):
    return where_time_went(run, part_times_s(run))


def test_times_that_were_not_measured_are_not_numbers():
    times = part_times_s(run_of(bar("a", "t", 0, 2), bar("b", "t", 2, 4, cpu_s=0.5)))
    assert [str(time) for time in times["CPU"].tolist()] == ["nan", "0.5"]
    assert [str(time) for time in times["waiting"].tolist()] == ["nan", "1.5"]


def test_pauses_of_old_recordings_are_pauses():
    attempts = [bar("a", "t", 0, 1, kind="attempt", status="error"), bar("a", "t", 3, 5, kind="attempt", attempt=2)]
    times = part_times_s(run_of((bar("a", "t", 0, 5, cpu_s=1.5, attempt=2), attempts)))
    assert (times["CPU"].tolist(), times["waiting"].tolist(), times["pause"].tolist()) == ([1.5], [1.5], [2])


def test_nothing_is_said_where_no_bar_was_held_up():
    assert said(run_of(bar("a", "t", 0, 2, cpu_s=0.5))) == ""
    assert said(run_of()) == ""


def test_it_is_said_how_many_compute_at_once():
    parts = [("cpu", 1), ("core", 2)], [("cpu", 1), ("core", 2)], [("core", 1), ("cpu", 2)]
    run = run_of(*(bar("a", f"t-{number}", 0, 3, parts=each) for number, each in enumerate(parts)))
    assert said(run) == (
        "The time in the bars is 44% computing and 56% waiting for a core; at most 2 bars compute at once."
    )


def test_how_many_compute_at_once_is_not_said_where_it_is_not_known():
    run = run_of(bar("a", "t", 0, 4, parts=[("gil", 2), ("unknown", 2, 0.5)]))
    assert said(run) == ("The time in the bars is 25% computing, 25% waiting and 50% waiting for the interpreter.")


def test_blocked_time_and_what_was_not_measured_are_said():
    run = run_of(bar("a", "t", 0, 4, parts=[("blocked", 1), ("pause", 1), ("unknown", 2)]))
    assert said(run) == (
        "The time in the bars is 25% blocked, 25% pauses before a retry and 50% running, not measured."
    )


def test_with_several_runs_it_is_said_of_which():
    runs = Chart.of({"one": make_trace(bar("a", "t", 0, 4, blocked_s=1)), "other": make_trace()}).runs
    assert [where_time_went(run, part_times_s(run)) for run in runs] == [
        "The time in the bars of one is 25% blocked and 75% running, not measured.", ""
    ]  # fmt: skip
